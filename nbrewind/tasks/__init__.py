"""Tasks, whatever the engine: what identifies one, what is kept of it, and how its files move.

Reading order: `spec` (a task as its author described it), `keys` (its identity), `identity` and `software`
(functions and what they use), `content` (files), `payload` (outputs), `memo` (what engines need of the
record and the session). May import ``cells``, ``state``, ``record`` and ``errors``.
"""
