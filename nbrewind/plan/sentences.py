"""Reasons in words."""

from __future__ import annotations

from collections.abc import Sequence

from nbrewind.record.model import Reason, TaskCause

_WORDS = {
    "new": "it is new",
    "fresh": "a fresh run was asked for",
    "asked": "you asked for it",
    "audit": "an audit runs every cell",
    "verify": "it is verified against the record",
    "script": "a script always runs",
    "silent": "a silent request runs as it is",
    "volatile": "it is marked volatile",
    "failed": "it failed last time",
    "died": "the kernel died while it ran",
    "no-record": "nothing is recorded yet",
    "untrusted": "what is recorded of it came in a container that is not trusted",
}


_PLACES = {".": "the notebook's folder", "~": "the home folder"}


def sentence(reason: Reason) -> str:
    """One reason as the rest of a sentence that begins with "executed, because"."""
    change = _change(reason)
    match reason.kind:
        case "code":
            where = f" at {reason.name}" if reason.name else ""
            return f"its code changed{where}{change}"
        case "variable" | "covariable":
            if reason.after == "absent":
                return f"{_named(reason.name)} no longer exists"
            if reason.before == "absent":
                return f"{_named(reason.name)} is now defined"
            plural = " and " in reason.name or " " in reason.name
            return f"{_named(reason.name)} changed" + (" together" if plural else "") + change
        case "file":
            return f"the file {reason.name} changed{change}"
        case "exists":
            return (
                f"{reason.name} {'appeared' if reason.before == 'absent' else 'is gone or of another kind'}"
            )
        case "listing":
            return f"the content of {reason.name} changed"
        case "ambient":
            return f"the {reason.name} state changed"
        case "env":
            return f"the environment variable {reason.name} changed"
        case "module":
            return f"{reason.name} changed{change}"
        case "place":
            where = _PLACES.get(reason.name, reason.name)
            return f"it used the absolute path of {where}, which is another one here"
        case "tasks-failed":
            return f"{reason.name} of it failed last time"
        case "open":
            return reason.name
        case "beside":
            return "code of an earlier cell still runs, and may change anything"
        case "live":
            return f"{_named(reason.name)} is alive in this session and this cell acts on it"
        case "upstream":
            return f"{_named(reason.name)} may change"
        case "needed":
            return f"{_named(reason.name)} was needed and cannot be saved"
        case "unsaved":
            return f"{reason.name} is not in the record"
        case _:
            return _WORDS.get(reason.kind, reason.kind) + change


_STATE = "module:"


def _named(names: str) -> str:
    """Names of variables, and of states outside them in words."""
    return ", ".join(
        f"what was set on {name.removeprefix(_STATE)}" if name.startswith(_STATE) else name
        for name in names.split()
    )


def _change(reason: Reason) -> str:
    if reason.before and reason.after:
        return f" ({reason.before} → {reason.after})"
    return f" (now {reason.after})" if reason.after else f" (was {reason.before})" if reason.before else ""


def sentences(reasons: Sequence[Reason], limit: int = 3) -> str:
    """Several reasons in one line."""
    if not reasons:
        return _WORDS["new"]
    shown = [sentence(reason) for reason in reasons[:limit]]
    if len(reasons) > limit:
        shown.append(f"and {len(reasons) - limit} more")
    return "; ".join(shown)


def task_sentence(cause: TaskCause) -> str:
    """One cause of submitted tasks: ``3 by argument 2 of 5 (3 → 33)``."""
    if not cause.before and not cause.after:
        change = ""
    else:
        change = (
            f" ({'' if cause.uniform else 'e.g. '}{cause.before or 'absent'} → {cause.after or 'absent'})"
        )
    return f"{cause.count}: {cause.name}{change}"


def task_sentences(causes: Sequence[TaskCause], limit: int = 3) -> str:
    """Several causes in one line; nothing where all that is to be said is that tasks are new."""
    if all(cause.kind in ("new", "fresh") for cause in causes):
        return ""
    shown = [task_sentence(cause) for cause in causes[:limit]]
    if len(causes) > limit:
        shown.append(f"and {len(causes) - limit} more causes")
    return "; ".join(shown)
