"""Settings of the interpreter and of libraries: how they print, round, warn, sort."""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Iterator
from typing import Any

import cloudpickle

from nbrewind.cells.ambient.base import BaseProvider


class Limits(BaseProvider):
    """How deep calls may nest, how long a number's text may be, how often threads take turns."""

    name = "interpreter limits"
    hints = frozenset(
        """setrecursionlimit getrecursionlimit RecursionError set_int_max_str_digits get_int_max_str_digits
        setswitchinterval getswitchinterval""".split()
    )
    only_hinted = True

    def capture(self) -> bytes:
        return json.dumps(
            [sys.getrecursionlimit(), sys.get_int_max_str_digits(), sys.getswitchinterval()]
        ).encode()

    def restore(self, state: bytes) -> None:
        depth, digits, interval = json.loads(state)
        sys.setrecursionlimit(depth)
        sys.set_int_max_str_digits(digits)
        sys.setswitchinterval(interval)


class FileMode(BaseProvider):
    """Permissions that new files lack (`os.umask`)."""

    name = "umask"
    hints = frozenset({"umask"})

    def capture(self) -> bytes:
        mask = os.umask(0o077)
        os.umask(mask)
        return oct(mask).encode()

    def restore(self, state: bytes) -> None:
        os.umask(int(state, 8))


class Locale(BaseProvider):
    """The C library's locale."""

    name = "locale"
    home = "locale"
    modules = frozenset({"locale"})
    hints = frozenset("setlocale strftime strptime strcoll strxfrm localeconv".split())

    def capture(self) -> bytes:
        module = sys.modules["locale"]
        return str(module.setlocale(module.LC_ALL)).encode()

    def restore(self, state: bytes) -> None:
        module = sys.modules["locale"]
        module.setlocale(module.LC_ALL, state.decode())


class TimeZone(BaseProvider):
    """What the C library takes for local time."""

    name = "time zone"
    hints = frozenset(
        """tzset localtime mktime strftime ctime asctime now today fromtimestamp astimezone timestamp tzname
        timezone altzone daylight""".split()
    )

    def capture(self) -> bytes:
        return json.dumps([os.environ.get("TZ"), time.timezone, time.altzone, *time.tzname]).encode()

    def restore(self, state: bytes) -> None:
        zone, *_ = json.loads(state)
        if zone is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = zone
        time.tzset()


class DecimalContext(BaseProvider):
    """Precision, rounding and traps of `decimal`; not its flags, which every computation raises."""

    name = "decimal context"
    home = library = "decimal"
    _FIELDS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")

    def capture(self) -> bytes:
        context = sys.modules["decimal"].getcontext()
        traps = sorted(signal.__name__ for signal, on in context.traps.items() if on)
        return json.dumps([[getattr(context, name) for name in self._FIELDS], traps]).encode()

    def restore(self, state: bytes) -> None:
        values, traps = json.loads(state)
        context = sys.modules["decimal"].getcontext()
        for name, value in zip(self._FIELDS, values, strict=True):
            setattr(context, name, value)
        for signal in context.traps:
            context.traps[signal] = signal.__name__ in traps


class NumpyErrors(BaseProvider):
    """What NumPy does about division by zero and overflow (`numpy.seterr`)."""

    name = "numpy.seterr"
    home = library = "numpy"

    def capture(self) -> bytes:
        numpy = sys.modules["numpy"]
        return json.dumps([numpy.geterr(), numpy.getbufsize()]).encode()

    def restore(self, state: bytes) -> None:
        errors, size = json.loads(state)
        sys.modules["numpy"].seterr(**errors)
        sys.modules["numpy"].setbufsize(size)


class NumpyPrinting(BaseProvider):
    """How NumPy prints (`numpy.set_printoptions`)."""

    name = "numpy print options"
    home = "numpy"
    modules = frozenset({"numpy._core.arrayprint", "numpy.core.arrayprint"})
    hints = frozenset({"set_printoptions", "get_printoptions", "printoptions"})

    def capture(self) -> bytes:
        options = sys.modules["numpy"].get_printoptions()
        return bytes(cloudpickle.dumps(sorted(options.items())))

    def restore(self, state: bytes) -> None:
        options = dict(pickle.loads(state))
        sys.modules["numpy"].set_printoptions(**options)


class PandasDisplay(BaseProvider):
    """Options of pandas about how it shows things."""

    name = "pandas display options"
    home = "pandas"
    modules = frozenset({"pandas.io.formats.format", "pandas.io.formats.style", "pandas.io.formats.printing"})
    hints = frozenset({"set_option", "reset_option", "options", "option_context", "get_option"})
    _shown = frozenset({"display", "styler"})

    def ready(self) -> bool:
        return hasattr(sys.modules.get("pandas"), "options") and "pandas._config.config" in sys.modules

    def _changed(self) -> Iterator[tuple[str, Any, Any]]:
        """Those that differ from what pandas starts with, with both values."""
        config = sys.modules["pandas._config.config"]
        for key, option in config._registered_options.items():
            first, *rest = key.split(".")
            if self._mine(first):
                value = config._global_config[first]
                for part in rest:
                    value = value[part]
                if value is not option.defval and value != option.defval:
                    yield key, value, option.defval

    def _mine(self, group: str) -> bool:
        return group in self._shown

    def capture(self) -> bytes:
        return bytes(cloudpickle.dumps([(key, value) for key, value, _ in self._changed()]))

    def restore(self, state: bytes) -> None:
        set_option = sys.modules["pandas"].set_option
        wanted = dict(pickle.loads(state))
        for key, _, default in list(self._changed()):
            if key not in wanted:
                set_option(key, default)
        for key, value in wanted.items():
            set_option(key, value)


class PandasOptions(PandasDisplay):
    """Options of pandas about how it computes, reads and writes."""

    name = "pandas options"
    library = "pandas"
    modules = frozenset()

    def _mine(self, group: str) -> bool:
        return group not in self._shown


class PlotBackend(BaseProvider):
    """Where matplotlib draws."""

    name = "matplotlib backend"
    home = library = "matplotlib"

    def __init__(self) -> None:
        self._start = os.environ.get("MPLBACKEND")

    def ready(self) -> bool:
        return hasattr(sys.modules.get("matplotlib"), "rcParams")

    def capture(self) -> bytes:
        backend = dict.__getitem__(sys.modules["matplotlib"].rcParams, "backend")
        return (backend if isinstance(backend, str) else self._start or "").encode()

    def restore(self, state: bytes) -> None:
        if state and self.capture() != state:
            sys.modules["matplotlib"].use(state.decode())
