"""State of the interpreter that no variable holds: generators, environment, working folder, settings of libraries.

Each kind is a small `Provider`; `Ambient` knows the state of all of them before and after a cell.
"""

from nbrewind.cells.ambient.base import Provider
from nbrewind.cells.ambient.environment import EnvironmentReads
from nbrewind.cells.ambient.manager import INITIAL, UNSAVED, Ambient, AmbientChange
from nbrewind.cells.ambient.providers import default_providers

__all__ = [
    "INITIAL",
    "UNSAVED",
    "Ambient",
    "AmbientChange",
    "EnvironmentReads",
    "Provider",
    "default_providers",
]
