"""Cells in the plane: where they are drawn, and where simulated particles are among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _anndata, _names, _neighbours
from . import _arrays as arrays
from ._errors import InvalidArgumentError

Reals = npt.NDArray[np.float64]

#: A particle is drawn among so many of the nearest cells.
_AMONG = 15


@dataclass(frozen=True)
class Embedding:
    """Cells in the space of a model, and in the plane."""

    #: n × d, or the plane itself if the model's space is not known.
    space: Reals
    #: n × 2.
    plane: Reals
    #: What its axes are called.
    names: tuple[str, str]
    #: Whether the plane is the first two coordinates of the space.
    own: bool

    def place(self, points: Any) -> Reals:
        """Where particles are in the plane: their own first coordinates, or the mean of the nearest cells', by closeness."""
        if self.own:
            return np.asarray(points, np.float64)[:, :2]
        found, apart = _neighbours.nearest(points, self.space, _AMONG)
        among: Reals = np.einsum("ij,ijk->ik", _neighbours.closeness(apart), self.plane[found])
        return among


def embedding(x: Any, obsm: str, basis: Any, coordinates: Optional[Sequence[str]] = None) -> Embedding:
    """Cells by the coordinates of a model and by a ``basis``: a key of ``obsm`` of an AnnData, with or without ``X_``, an array
    n × 2, or None for the first two of the coordinates."""
    if _anndata.is_anndata(x):
        space = _anndata.coordinates(x, obsm)
    else:
        space = _names.by_columns("x", x, coordinates)
    known = _names.columns(space) or (None if coordinates is None else list(coordinates))
    space = np.asarray(arrays.matrix("x", space), np.float64)
    if basis is None:
        if space.shape[1] < 2:
            raise InvalidArgumentError("cells with one coordinate have no plane: give basis, an embedding of n × 2")
        short = obsm.removeprefix("X_") if _anndata.is_anndata(x) else "x"
        names = known[:2] if known is not None else [f"{short}1", f"{short}2"]
        return Embedding(space, space[:, :2], (names[0], names[1]), True)
    if isinstance(basis, str):
        if not _anndata.is_anndata(x):
            raise TypeError(f"basis must be an array n × 2, got {basis!r}; names are for an AnnData")
        key = basis if basis in x.obsm or f"X_{basis}" not in x.obsm else f"X_{basis}"
        plane, short = np.asarray(_anndata.coordinates(x, key), np.float64), key.removeprefix("X_")
    else:
        plane, short = np.asarray(arrays.matrix("basis", basis), np.float64), "embedding "
    if len(plane) != len(space) or plane.shape[1] < 2:
        raise InvalidArgumentError(f"basis must be {len(space)} × 2, one row a cell, got the shape {plane.shape}")
    return Embedding(space, plane[:, :2], (f"{short}1", f"{short}2"), False)
