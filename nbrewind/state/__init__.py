"""Values: their digests, what they share, how they are saved, and how they come back.

Imports `nbrewind.record` and `nbrewind.errors`, nothing above. In reading order: `canonical` (the form that
is digested), `plans`, `code`, `arrays`, `frames` (that form for each kind of value), `graph` (which names
share objects), `pickling` and `checkpoint` (what is written), `saver`, `restore`, and `registry` (what others
may add).
"""

from __future__ import annotations

from nbrewind.state.describe import describe
from nbrewind.state.graph import STATE_OF, Analyser, Valued
from nbrewind.state.registry import register_opaque, register_reducer
from nbrewind.state.restore import Loader
from nbrewind.state.saver import SaveProblem, Saver

__all__ = [
    "STATE_OF",
    "Analyser",
    "Loader",
    "SaveProblem",
    "Saver",
    "Valued",
    "describe",
    "register_opaque",
    "register_reducer",
]
