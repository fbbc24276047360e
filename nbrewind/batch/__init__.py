"""Sites: what a cluster is like, in a file, and how workers are started, watched and stopped there.

`model` says what a site file may hold, `reading` reads one, `search` finds it by name. May import ``errors`` alone.
"""
