"""AnnData, known by its looks: the package need not be installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
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


def values(data: Any, name: str, given: Any) -> npt.NDArray[np.float64]:
    """One number a cell: a column of ``obs``, a Series with the cells' names, or an array in the order of the cells."""
    cells = names(data)
    aligned = _names.by_rows(name, column(data, name, given), cells)
    return arrays.vector(name, aligned, len(cells) if cells is not None else None)


def loadings(data: Any, key: str) -> Any:
    """The loadings ``varm[key]`` of its genes, genes × d, with the names of the genes."""
    if key not in data.varm:
        known = ", ".join(map(str, data.varm.keys())) or "nothing"
        raise InvalidArgumentError(f"loadings must be one of the keys of varm of the AnnData ({known}), got {key!r}")
    return np.asarray(data.varm[key])


def expression(data: Any, layer: Optional[str]) -> Any:
    """The matrix of expression of its cells, n × genes: ``X`` or a layer, sparse or dense."""
    if layer is None:
        return data.X
    if layer not in data.layers:
        known = ", ".join(map(str, data.layers.keys())) or "none"
        raise InvalidArgumentError(f"layer must be one of the layers of the AnnData ({known}), got {layer!r}")
    return data.layers[layer]


#: Where results go: the slots of an AnnData, and the values of each key. What is None is taken away, so that nothing of an
#: earlier model stays among the results.
Results = Mapping[str, Mapping[str, Optional[Any]]]


def refuse_unwritable(data: Any, keys: Mapping[str, Iterable[str]], overwrite: bool) -> None:
    """Says now what would go wrong when results are written under these keys of its slots."""
    if getattr(data, "is_view", False) and getattr(data, "isbacked", False):
        raise InvalidArgumentError(
            "nothing can be written to a view of an AnnData on disk: give data.to_memory(), or annotate=False"
        )
    there = [f"{slot}[{key!r}]" for slot, some in keys.items() for key in some if key in getattr(data, slot, ())]
    if there and not overwrite:
        raise InvalidArgumentError(
            f"the AnnData has {' and '.join(there)} already: give overwrite=True to replace, another key_added, or "
            "annotate=False"
        )


def write(data: Any, results: Results) -> None:
    """Writes results to the slots that the AnnData has."""
    for slot, columns in results.items():
        where = getattr(data, slot, None)
        if where is None:
            continue
        for key, found in columns.items():
            if found is not None:
                where[key] = found
            elif key in where:
                del where[key]
