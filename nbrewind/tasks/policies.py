"""How alike worker environments must be for a task's result to be reused."""

from __future__ import annotations

from typing import Literal

Policy = Literal["exact", "compatible", "any"]
POLICIES: tuple[Policy, ...] = ("exact", "compatible", "any")
"""``compatible``: same major and minor version of Python, and same versions of all libraries that a task imported."""
