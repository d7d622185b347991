"""How well recipes predict cells that they were not fitted to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _anndata, _html, _names, _progress, _snapshots
from . import _arrays as arrays
from ._errors import InvalidArgumentError
from ._ffi import ffi
from ._library import Handle, lib, text
from ._options import documented, make

#: The columns of a table of recipes, and the words above them.
_COLUMNS = {
    "recipe": "recipe",
    "ratio": "ratio",
    "energy": "energy",
    "rme": "RME",
    "mean_w1": "W1",
    "growth_error": "growth error",
    "cpu_seconds": "CPU s",
}


@dataclass(frozen=True)
class Validation:
    """Recipes held against cells that they were not fitted to."""

    #: May one trust the best recipe? A sentence.
    verdict: Optional[str]
    #: One dictionary a recipe, in the order in which they were given: ``recipe`` (its name), ``ratio``, ``energy``, ``rme``,
    #: ``mean_w1``, each with half its 95 % confidence interval (``ratio_interval``, …), ``w1``, ``energies`` and ``rmes`` at each
    #: time, ``cpu_seconds``, ``trust``, ``verdict``; ``failed`` where a fit failed. ``pandas.DataFrame(validation.recipes)``
    #: is a table.
    recipes: list[dict[str, Any]]
    #: The index of the recipe with the lowest ratio.
    best: Optional[int]
    #: Everything as the library tells it: also the times, the floor and "nothing moves" at each, held-out times, and the numbers
    #: of cells, splits and seeds.
    measures: dict[str, Any]

    def __repr__(self) -> str:
        return f"<chreode.Validation of {len(self.recipes)} recipes: {self.verdict}>"

    def _repr_html_(self) -> str:
        shown = [name for name in _COLUMNS if any(recipe.get(name) is not None for recipe in self.recipes)]
        rows = [[_cell(recipe, name) for name in shown] for recipe in self.recipes]
        return _html.table(f"chreode.Validation: {self.verdict}", [_COLUMNS[name] for name in shown], rows)


def _cell(recipe: dict[str, Any], name: str) -> str:
    value, half = recipe.get(name), recipe.get(f"{name}_interval")
    if value is None or isinstance(value, str):
        return value or ("failed" if "failed" in recipe else "")
    return f"{value:.4g}" if half is None else f"{value:.4g} ± {half:.2g}"


@documented("validate", "method")
def validate(
    x: Any,
    time: Any = None,
    method: Any = None,
    *,
    parts: Any = None,
    growth: Any = None,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    progress: _progress.Progress = None,
    **options: Any,
) -> Validation:
    """Fits recipes to a part of the cells, and measures how well they predict the others.

    ``x``, ``time``, ``obsm``, ``weights``, ``masses`` and ``progress`` are as in :func:`fit`; the stage is ``validation``, and
    counts hundredths of fits.

    Parameters
    ----------
    method : a name of ``chreode.capabilities()["methods"]``, or a list of them
        Every option of a fit may be a list of values: each combination is a recipe. An option that some methods do not take
        goes to those that do. Widths of hidden layers are lists themselves: several are ``["64x3", "128x3"]``.
    parts : which part each cell is in (a half, a fold, a donor), to be held out in turn, the last label first
        Drawn where it is not given. For an AnnData also the name of a column of ``obs``. Of :class:`Snapshots` in their order.
    growth : the true growth rate at each cell, where it is known; in the same order

    Returns
    -------
    Validation
    """
    snapshots = _snapshots.of(x, time, obsm, weights, None)
    part_of, growth_of = of_cells(x, snapshots, parts, growth)
    if masses is not None:
        snapshots = snapshots.with_masses(masses)
    given = {"method": method, **options}
    made = ffi.new("chreode_validation **")
    with make("validate", given) as choice, snapshots._handle as handle, _progress.Watch(progress) as watch:
        watch.check(
            lib.chreode_validate(
                handle,
                choice,
                arrays.pointer("uint32_t", part_of),
                arrays.count(part_of),
                arrays.pointer("double", growth_of),
                arrays.count(growth_of),
                watch.callback,
                ffi.NULL,
                made,
            )
        )
    return own(made[0])


def own(pointer: Any) -> Validation:
    """Takes everything out of a validation of the library, which is freed."""
    owned = Handle(pointer, lib.chreode_validation_free, "validation")
    with owned as validation:
        measures: dict[str, Any] = json.loads(text(lib.chreode_validation_json, validation))
    owned.close()
    return Validation(measures.get("verdict"), measures["recipes"], measures["best"], measures)


def of_cells(
    x: Any, snapshots: _snapshots.Snapshots, parts: Any, growth: Any
) -> tuple[Optional[npt.NDArray[np.uint32]], Optional[npt.NDArray[np.float64]]]:
    """The number of the part of each cell, and its growth rate, in the order of the snapshots."""
    part_of, growth_of = _in_order(x, snapshots, "parts", parts), _in_order(x, snapshots, "growth", growth)
    if part_of is not None:
        part_of = np.unique(part_of, return_inverse=True)[1].astype(np.uint32)
    if growth_of is not None:
        growth_of = arrays.vector("growth", growth_of)
    return part_of, growth_of


def _in_order(x: Any, snapshots: _snapshots.Snapshots, name: str, given: Any) -> Any:
    """One value a cell in the order of the snapshots."""
    if given is None:
        return None
    if isinstance(x, _snapshots.Snapshots):
        return np.asarray(given)
    if _anndata.is_anndata(x):
        cells, given = _anndata.names(x), _anndata.column(x, name, given)
    else:
        cells = _names.rows(x)
    values, order = np.asarray(_names.by_rows(name, given, cells)), snapshots._order
    if order is None or values.shape != order.shape:
        raise InvalidArgumentError(f"{name} must have one value a cell, got the shape {values.shape}")
    return values[order]
