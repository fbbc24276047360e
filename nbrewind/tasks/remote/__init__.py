"""The code that runs on workers. It is sent there as text, several modules as one: the standard library alone.

`programs` puts them together, without annotations and without what they import from each other; so names must not
clash, and modules import names, not modules. Reading order: `files`, `notes`, `watch` (which files a function uses),
`surroundings`, `report`; `functions` and `library` are the two programs.

The function, its arguments and its result are treated exactly as the engine's own program does. Nothing that goes
wrong with noting may reach them. Workers may have an older Python than the notebook, and are to say so rather than to
fail at this code: but for annotations, it keeps to the syntax and the library of Python 3.6.
"""
