"""Sites: what a cluster is like, in a file, and how workers are started, watched and stopped there.

`model` says what a site file may hold, `reading` reads one, `search` finds it by name. `plan` is what will be
submitted, `crew` does it through `guardian`, a process that outlives the kernel, and `watching` says how workers are
doing. `schedulers` holds what batch systems are told and answer. May import ``errors`` alone.
"""
