"""What the engines of a session are told: deadlines, environments, the site."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nbrewind.errors import NbrewindError
from nbrewind.hpc import EngineOptions
from nbrewind.kernels.settings import Settings

if TYPE_CHECKING:
    from nbrewind.batch.model import Site


def engine_options(settings: Settings, notice: Callable[[str], None]) -> EngineOptions:
    """Choices for the engines.

    Parameters
    ----------
    settings
        Of the session.
    notice
        Told what is wrong with the site.
    """
    return EngineOptions(
        worker_deadline=settings.worker_deadline or None,
        environments=settings.environments,
        site=_site(settings, notice),
        beside=settings.record,
    )


def _site(settings: Settings, notice: Callable[[str], None]) -> Site | None:
    """The site whose workers run tasks; a wrong one is told, and the notebook's own settings stay."""
    if not settings.site:
        return None
    from nbrewind.batch.search import load

    try:
        return load(settings.site, settings.notebook.parent)
    except NbrewindError as error:
        notice(str(error))
        return None
