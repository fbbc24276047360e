"""What every instrumented engine does when cells and the session end."""

from __future__ import annotations

from nbrewind.hpc.crew import Crew
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Patches
from nbrewind.hpc.ports import Ports
from nbrewind.hpc.session import Session
from nbrewind.hpc.streams import Stream


class Instrumented:
    """An engine whose classes were instrumented in this process.

    Parameters
    ----------
    engine
        Its names and classes.
    session
        Decides about tasks.
    """

    stream: Stream
    """Its managers' tasks; a subclass makes it."""

    def __init__(self, engine: Engine, session: Session) -> None:
        self.patches = Patches()
        self.engine, self.session = engine, session
        self.crew = Crew(self.patches, engine, session)

    def watch_ports(self) -> None:
        """Watch how managers are made and closed; last of all, around every other patch of theirs."""
        Ports(self.patches, self.engine, self.session, self.crew)

    def cell_finished(self) -> None:
        """Record what came back and was not asked for."""
        for manager in self.crew.managers():
            self.stream.collect(manager)
            self.crew.begin_quietly(manager)
            self.crew.show_last(manager, self.engine.book(manager))

    def drives(self) -> bool:
        """Whether a manager is open."""
        return bool(self.crew.managers())

    def uninstall(self) -> None:
        """Put the engine's classes back as they were."""
        self.patches.undo()

    def shutdown(self) -> None:
        """Record what came back, and stop the factories that still run."""
        self.cell_finished()
        for manager in self.crew.managers():
            self.stream.abandon(manager)
        self.crew.stop_all()
