"""AnnData, known by its looks: the package need not be installed."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from . import _names
from ._errors import InvalidArgumentError


def is_anndata(x: Any) -> bool:
    return hasattr(x, "obsm") and hasattr(x, "obs")


def names(data: Any) -> Any:
    """The names of its cells."""
    return _names.rows(data.obs)


def coordinates(data: Any, key: str) -> Any:
    """The coordinates ``obsm[key]`` of its cells: a DataFrame or a dense array."""
    if key not in data.obsm:
        known = ", ".join(map(str, data.obsm.keys())) or "nothing"
        raise InvalidArgumentError(f"obsm must be one of the coordinates of the AnnData ({known}), got {key!r}")
    values = data.obsm[key]
    if hasattr(values, "toarray"):
        return values.toarray()
    return values if _names.is_pandas(values) else np.asarray(values)


def column(data: Any, name: str, given: Any) -> Any:
    """A column of ``obs`` by its name, or what was given, aligned with its cells."""
    if not isinstance(given, str):
        if given is None and name == "time":
            raise TypeError(
                f"time must be a column of obs ({', '.join(map(str, data.obs.keys()))}) or an array, got None"
            )
        return given
    if given not in data.obs:
        known = ", ".join(map(str, data.obs.keys())) or "none"
        raise InvalidArgumentError(f"{name} must be one of the columns of obs ({known}), got {given!r}")
    return data.obs[given]


def refuse_unwritable(data: Any, obsm: list[str], obs: list[str], overwrite: bool) -> None:
    """Says now what would go wrong when results are written."""
    if getattr(data, "is_view", False) and getattr(data, "isbacked", False):
        raise InvalidArgumentError(
            "nothing can be written to a view of an AnnData on disk: give data.to_memory(), or annotate=False"
        )
    there = [f"obsm[{key!r}]" for key in obsm if key in data.obsm] + [f"obs[{key!r}]" for key in obs if key in data.obs]
    if there and not overwrite:
        raise InvalidArgumentError(
            f"the AnnData has {' and '.join(there)} already: give overwrite=True to replace, another key_added, or "
            "annotate=False"
        )


def write(data: Any, obsm: dict[str, Optional[Any]], obs: dict[str, Optional[Any]]) -> None:
    """Writes columns; those that are None are taken away, so that nothing of an earlier model stays among them."""
    for where, columns in ((data.obsm, obsm), (data.obs, obs)):
        for key, values in columns.items():
            if values is not None:
                where[key] = values
            elif key in where:
                del where[key]
