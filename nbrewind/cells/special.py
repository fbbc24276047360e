"""State of modules that takes more than reading attributes: loggers, and the figures that pyplot holds."""

from __future__ import annotations

import sys
from typing import Any, Protocol


class ModuleState(Protocol):
    """How the state of one module is read and put back."""

    def value(self) -> Any:
        """The state; something empty where nobody has set any. The module is loaded."""

    def apply(self, value: Any) -> None:
        """Put it in place."""


class Loggers:
    """Levels, handlers and filters that differ from what the process started with."""

    def __init__(self) -> None:
        self._start = self._look()

    def _look(self) -> dict[str, list[Any]]:
        logging: Any = sys.modules.get("logging")
        if logging is None:
            return {}
        named = {"": logging.root, **logging.root.manager.loggerDict}
        found = {"\0disabled": [logging.root.manager.disable]}
        for name, logger in named.items():
            if not isinstance(logger, logging.Logger):
                continue
            handlers = [each for each in logger.handlers if type(each) is not logging.NullHandler]
            state = [logger.level, logger.disabled, logger.propagate, handlers, list(logger.filters)]
            if state != _PLAIN_LOGGER:
                found[name] = state
        return found

    def value(self) -> dict[str, list[Any]]:
        """The loggers that are not as they were."""
        return {name: state for name, state in self._look().items() if self._start.get(name) != state}

    def apply(self, value: dict[str, list[Any]]) -> None:
        """Set these loggers, and all others to what they were."""
        logging: Any = sys.modules["logging"]
        now = self._look()
        for name in {*now, *value}:
            state = value.get(name, self._start.get(name, _PLAIN_LOGGER))
            if name == "\0disabled":
                logging.disable((value.get(name) or self._start[name])[0])
            elif now.get(name, _PLAIN_LOGGER) != state:
                logger = logging.getLogger(name or None)
                logger.setLevel(state[0])
                logger.disabled, logger.propagate = state[1], state[2]
                logger.handlers[:], logger.filters[:] = state[3], state[4]


_PLAIN_LOGGER: list[Any] = [0, False, True, [], []]


class Figures:
    """Figures that pyplot holds, and which of them is the current one."""

    def _managers(self) -> dict[int, Any]:
        helpers: Any = sys.modules.get("matplotlib._pylab_helpers")
        return {} if helpers is None else helpers.Gcf.figs

    def value(self) -> list[Any]:
        """Numbers and figures, the current one last."""
        return [[number, manager.canvas.figure] for number, manager in self._managers().items()]

    def apply(self, value: list[Any]) -> None:
        """Let pyplot hold these figures and no others."""
        from matplotlib import pyplot
        from matplotlib._pylab_helpers import Gcf

        now = self.value()
        if [id(figure) for _, figure in now] == [id(figure) for _, figure in value]:
            return
        for number, _ in now:
            Gcf.figs.pop(number, None)
        for number, figure in value:
            manager = pyplot._get_backend_mod().new_figure_manager_given_figure(number, figure)
            Gcf._set_new_active_manager(manager)


SPECIAL: dict[str, ModuleState] = {"logging": Loggers(), "matplotlib": Figures()}
