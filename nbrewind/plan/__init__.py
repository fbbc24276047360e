"""Hit or miss, and why: pure functions from recorded traces and present digests to decisions with reasons.

Imports `nbrewind.cells`, `nbrewind.tasks` and what lies below them.
"""
