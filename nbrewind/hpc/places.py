"""Managers and factories at a site that the user named: what the notebook says of workers is taken as its intent.

How many workers, and how large, is the notebook's to say; the batch system, its options and the workers' Python are
the site's. Without a site all this stands aside, and factories do as the notebook says.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterable
from typing import Any

from nbrewind.batch import commands, plan
from nbrewind.batch.plan import Intent
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.sites import Certificate, SiteWorkers


class Places:
    """The workers that a site gives to the managers of this process."""

    def __init__(self, patches: Patches, engine: Engine, session: Session) -> None:
        self.site = session.options.site
        self._engine, self._session = engine, session
        self._certificate = Certificate()
        self._managers: weakref.WeakSet[Any] = weakref.WeakSet()
        if self.site is not None:
            # TaskVine sets, Work Queue specifies
            verb = "set" if hasattr(engine.manager, "set_password_file") else "specify"
            self._use_password: Method = getattr(engine.manager, f"{verb}_password_file")
            patches.method(engine.manager, f"{verb}_password", self._set_password)
            patches.method(engine.manager, f"{verb}_password_file", self._set_password_file)
            patches.method(engine.manager, "_free", self._free)

    def make(
        self, original: Method, manager: Any, port: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Make a manager; at a site, one that listens where compute nodes reach it, and to its workers alone."""
        site = self.site
        if site is None:
            original(manager, port, *args, **kwargs)
            return
        given = inspect.signature(original).bind_partial(manager, port, *args, **kwargs).arguments
        tls = bool(given.get("ssl"))
        if site.security.tls and not tls:
            certificate = self._certificate.get()
            if certificate is None:
                self._session.tell_once(
                    "managers cannot use TLS here: openssl is missing; a password protects them"
                )
            elif "ssl" not in given:
                kwargs, tls = {**kwargs, "ssl": certificate}, True
        original(manager, _port(port, site.network.port_range), *args, **kwargs)
        engine: plan.Engine = "taskvine" if self._engine.launcher == "vine_factory" else "work_queue"
        workers = SiteWorkers(
            site, self._session.options.beside, engine, self._session.journal.notice, tls=tls
        )
        workers.give_password(lambda path: self._use_password(manager, path))
        self._engine.book(manager).workers = workers
        self._managers.add(manager)

    def started(self, manager: Any) -> bool:
        """Whether workers were asked for."""
        workers = self._engine.book(manager).workers
        return workers is not None and workers.status(0) is not None

    def needed(self, manager: Any, factories: Iterable[Any]) -> None:
        """Start workers for a manager, of whose tasks one must run.

        Raises
        ------
        SiteUnusable
            They cannot be started from here.
        """
        book = self._engine.book(manager)
        if book.workers is None or self.started(manager):
            return
        book.workers.needed(manager.port, self.intent(manager, factories))
        self._session.journal.effect("factory")

    def begin(self, manager: Any) -> None:
        """Start the workers that are needed, as many as the tasks fill that were submitted so far."""
        book = self._engine.book(manager)
        if book.workers is not None:
            book.workers.begin(len(book.tickets) + len(book.extras))

    def watch(self, manager: Any, connected: int, factories: Iterable[Any]) -> None:
        """Tell how workers are doing that have not come.

        Raises
        ------
        SiteUnusable
            They will not come.
        """
        book = self._engine.book(manager)
        if book.workers is not None:
            book.workers.watch(
                connected, len(book.tickets) + len(book.extras), self.intent(manager, factories)
            )

    def intent(self, manager: Any, factories: Iterable[Any]) -> Intent:
        """What the notebook says of a manager's workers, by factories and by commands."""
        launches = self._session.launches.wanted(manager.port, manager.name or "")
        known = list(factories)
        return commands.together(launches, [intent(known)] if known else [])

    def release(self, manager: Any, factories: Iterable[Any]) -> None:
        """Stop the workers of a manager when the notebook ended all commands that had asked for them."""
        if self.site is not None and self._session.launches.over and not list(factories):
            self._stop(manager)

    def stopped(self, managers: Iterable[Any]) -> None:
        """Stop the workers of managers whose factory the user stopped."""
        for manager in managers:
            self._stop(manager)

    def stop_all(self) -> None:
        """Stop all workers."""
        for manager in list(self._managers):
            self._stop(manager)
        self._certificate.forget()

    def _stop(self, manager: Any) -> None:
        workers = self._engine.book(manager).workers
        if workers is not None:
            workers.stop()

    def _free(self, original: Method) -> Method:
        def free(manager: Any) -> None:
            self._stop(manager)
            original(manager)

        return free

    def _set_password(self, original: Method) -> Method:
        def set_password(manager: Any, password: str) -> Any:
            self._know(manager, password)
            return original(manager, password)

        return set_password

    def _set_password_file(self, original: Method) -> Method:
        def set_password_file(manager: Any, file: str) -> Any:
            done = original(manager, file)
            with open(file, encoding="utf-8") as read:
                self._know(manager, read.read())
            return done

        return set_password_file

    def _know(self, manager: Any, password: str) -> None:
        workers = self._engine.book(manager).workers
        if workers is not None:
            workers.password = password


def _port(asked: Any, allowed: list[int]) -> Any:
    """The notebook's port where the site's compute nodes may connect to it, else any of the site's."""
    if not allowed or (isinstance(asked, int) and allowed[0] <= asked <= allowed[1]):
        return asked
    return allowed[0], allowed[1]


def intent(factories: Iterable[Any]) -> Intent:
    """What the factories of a notebook say together of workers: how many, and how large."""
    options = [factory._opts for factory in factories]

    def largest(name: str) -> int | None:
        return max((_number(each[name]) for each in options if each.get(name) is not None), default=None)

    def together(name: str) -> int | None:
        found = [_number(each[name]) for each in options if each.get(name) is not None]
        return sum(found) if found else None

    return Intent(
        cores=largest("cores") or None,
        memory=largest("memory") or None,
        disk=largest("disk") or None,
        gpus=largest("gpus"),
        min=together("min-workers"),
        max=together("max-workers"),
        idle_timeout=largest("timeout") or None,
    )


def _number(value: Any) -> int:
    return int(float(value))
