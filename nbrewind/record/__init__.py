"""The data model and the store: content-addressed, append-only, crash-safe.

`model` holds the nouns; `store.Record` and `writer.RunWriter` are the two doors, and `digests.FileDigests` names files.
Behind them: `log` (the file format of a run, the only truth), `shelf` (the logs of a record), `index` and `indexfile`
(where in the logs things lie; derived), `catalog` (keeps both in step), `objects`, `trees` and `content` (content by
digest), `locks`, `forks`, `syncing`, `gc` and `marks` (what may go).

Imports nothing of nbrewind but `nbrewind.errors`.
"""
