"""What a cell reads and writes: syntax, run-time observation, files, ambient state.

Imports only `nbrewind.state`, `nbrewind.record` and `nbrewind.errors`.
"""
