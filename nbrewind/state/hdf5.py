"""The HDF5 side of a checkpoint file: empty datasets whose bytes are written past the library."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t

if TYPE_CHECKING:
    from nbrewind.state.checkpoint import Dataset

_PAGE = 4096


def lay_out(path: Path, datasets: Sequence[Dataset], groups: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the file with room for all datasets, contiguous and each on a page of its own, and set their offsets."""
    creation = h5p.create(h5p.FILE_CREATE)
    creation.set_userblock(_PAGE)
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    access.set_alignment(_PAGE, _PAGE)
    with h5py.File(h5f.create(os.fsencode(path), h5f.ACC_TRUNC, creation, access)) as file:
        for name, attributes in groups.items():
            file.require_group(name).attrs.update(attributes)
        for dataset in datasets:
            dataset.offset = _room(file, dataset)


def _room(file: Any, dataset: Dataset) -> int:
    kind, shape, extra = _type(dataset)
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_layout(h5d.CONTIGUOUS)
    creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5d.FILL_TIME_NEVER)
    links = h5p.create(h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    made = h5py.Dataset(h5d.create(file.id, None, kind, h5s.create_simple(shape), creation))
    h5py.h5o.link(made.id, file.id, dataset.path.encode(), lcpl=links)
    made.attrs.update(dataset.attributes | extra)
    return int(made.id.get_offset())


def _type(dataset: Dataset) -> tuple[Any, tuple[int, ...], dict[str, Any]]:
    """The type in the file: that of the elements where HDF5 has it, else the nearest that says as much."""
    dtype = dataset.dtype
    if dtype is None:
        return h5t.STD_U8LE, (dataset.size,), {}
    told = {"dtype": str(dtype)}
    if dtype.kind in "mM":
        return h5t.py_create(np.dtype(dtype.str[0] + "i8")), dataset.shape, told
    try:
        return h5t.py_create(dtype, logical=True), dataset.shape, {}
    except TypeError:
        return h5t.STD_U8LE, (dataset.size,), told | {"shape": dataset.shape}
