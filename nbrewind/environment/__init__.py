"""What a run ran in, in layers: interpreter, packages, conda, modules, system, processor, threads, locale.

`collecting` looks, `comparing` says what a difference means for reuse, `writing` makes files that conda and pip read.
"""
