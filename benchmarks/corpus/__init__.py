"""Real notebooks, audited, repeated and edited, each compared with clean runs of the stock kernel.

``python -m benchmarks.corpus [WORD]… [--edits KIND,…] [--rows FILE]``
"""
