"""scipy: trees compared by their points, not by the pointers between their nodes."""

from __future__ import annotations

from typing import Any

from nbrewind.state.registry import register_reducer


def digest_tree(tree: Any) -> tuple[Any, ...]:
    """What a k-d tree was made of."""
    return tree.data, tree.leafsize, tree.boxsize, tree.indices


register_reducer("scipy.spatial._ckdtree.cKDTree", digest=digest_tree)
