"""matplotlib: figures and axes as pickle has them, apart from pyplot; compared without what drawing leaves behind."""

from __future__ import annotations

from typing import Any

from nbrewind.state.registry import register_opaque, register_reducer

_TRANSIENT = frozenset(
    """
    stale_callback _stale _remove_method _callbacks _axobservers _cachedRenderer _button_pick_id _scroll_pick_id
    _restore_to_pylab __mpl_version__ _mouseover _cid _number canvas _canvas_callbacks _original_dpi _layoutgrid _tight
    _localLayout _agg_filter _layoutbox _last_cursor
    """.split()
)
"""Attributes of artists that say how they are wired or when they were drawn, not what they show."""


def reduce_figure(figure: Any) -> tuple[Any, ...]:
    """A figure as pickle has it; it does not enter pyplot's list again."""
    function, arguments, state, *rest = figure.__reduce_ex__(4)
    state = {name: value for name, value in state.items() if name != "_restore_to_pylab"}
    return function, arguments, state, *rest


def digest_artist(artist: Any) -> dict[str, Any]:
    """What an artist keeps, without what drawing leaves behind."""
    return {name: value for name, value in artist.__getstate__().items() if name not in _TRANSIENT}


def digest_transform(node: Any) -> dict[str, Any]:
    """What a transform computes; not which others are told when it changes, nor what it remembers."""
    return {name: value for name, value in node.__getstate__().items() if name not in _REMEMBERED}


_REMEMBERED = frozenset(
    "_parents _invalid _inverted _mtx_cache _points_orig _affine _transformed_points _transformed_path".split()
)

register_reducer("matplotlib.figure.Figure", reduce_figure, digest=digest_artist)
register_reducer("matplotlib.artist.Artist", digest=digest_artist)
register_reducer("matplotlib.transforms.TransformNode", digest=digest_transform)
register_reducer("matplotlib.cbook.CallbackRegistry", digest=lambda registry: "callbacks")
register_opaque("matplotlib.backend_bases.FigureCanvasBase", "it is a canvas of this process")
register_opaque("matplotlib.backend_bases.FigureManagerBase", "it is a window of this process")
