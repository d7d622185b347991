"""AnnData, known by its looks: the package need not be installed."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from ._errors import InvalidArgumentError

#: Where a fit leaves what it learned of each cell.
VELOCITY = "chreode_velocity"
GROWTH = "chreode_growth"


def is_anndata(x: Any) -> bool:
    return hasattr(x, "obsm") and hasattr(x, "obs")


def coordinates(data: Any, obsm: Optional[str]) -> Any:
    """The coordinates of its cells: ``obsm[key]``, principal components unless another key is given."""
    key = "X_pca" if obsm is None else obsm
    if key not in data.obsm:
        known = ", ".join(map(str, data.obsm.keys())) or "nothing"
        raise InvalidArgumentError(f"obsm must be one of the coordinates of the AnnData ({known}), got {key!r}")
    return np.asarray(data.obsm[key])


def column(data: Any, name: str, given: Any) -> Any:
    """A column of ``obs`` by its name, or what was given."""
    if not isinstance(given, str):
        if given is None and name == "time":
            raise TypeError(
                f"time must be a column of obs ({', '.join(map(str, data.obs.keys()))}) or an array, got None"
            )
        return given
    if given not in data.obs:
        known = ", ".join(map(str, data.obs.keys())) or "none"
        raise InvalidArgumentError(f"{name} must be one of the columns of obs ({known}), got {given!r}")
    return np.asarray(data.obs[given])
