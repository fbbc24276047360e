"""The data model and the store: content-addressed, append-only, crash-safe.

Imports nothing of nbrewind but `nbrewind.errors`.
"""
