"""What may be known of cells beside where they are and what they weigh: growth that is expected of them, and their clones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from . import _names, _times
from ._errors import InvalidArgumentError
from ._ffi import ffi
from ._library import check, lib


@dataclass(frozen=True)
class Known:
    """One element a cell, in the order in which snapshots hold the cells; None where nobody told."""

    growth_prior: Optional[npt.NDArray[np.float64]] = None
    #: Numbers of clones, -1 where none is known.
    clones: Optional[npt.NDArray[np.int64]] = None

    @classmethod
    def of(cls, growth_prior: Any, clones: Any, cells: Any, order: npt.NDArray[np.intp]) -> Known:
        """What a caller tells of cells that are named by ``cells``, of which snapshots hold the rows ``order``."""
        rates = numbers = None
        if growth_prior is not None:
            given = _names.by_rows("growth_prior", growth_prior, cells)
            rates = arrays.vector("growth_prior", given, len(order))
            _times.refuse_missing("growth_prior", rates, cells)
            rates = rates[order]
        if clones is not None:
            numbers = _numbers(_names.by_rows("clones", clones, cells), len(order))[order]
        return cls(rates, numbers)

    def part(self, chosen: Any) -> Known:
        """The same of some of the cells."""
        return Known(
            None if self.growth_prior is None else self.growth_prior[chosen],
            None if self.clones is None else self.clones[chosen],
        )

    def told(self, snapshots: Any) -> Any:
        """The library's snapshots, a pointer that is let go of, as snapshots that know this."""
        if self.growth_prior is not None:
            snapshots = _made(lib.chreode_snapshots_with_growth_prior, snapshots, "double", self.growth_prior)
        if self.clones is not None:
            snapshots = _made(lib.chreode_snapshots_with_clones, snapshots, "int64_t", self.clones)
        return snapshots


def _made(make: Any, snapshots: Any, kind: str, values: npt.NDArray[Any]) -> Any:
    made = ffi.new("chreode_snapshots **")
    try:
        values = np.ascontiguousarray(values)
        check(make(snapshots, arrays.pointer(kind, values), len(values), made))
    finally:
        lib.chreode_snapshots_free(snapshots)
    return made[0]


def _numbers(clones: Any, count: int) -> npt.NDArray[np.int64]:
    """A number for each label, counted as they come; -1 for None, NaN, NA and the empty text."""
    labels = np.asarray(clones, dtype=object)
    if labels.shape != (count,):
        raise InvalidArgumentError(f"clones must have {count} elements, got the shape {labels.shape}")
    known: dict[Any, int] = {}
    each = (-1 if _times.is_missing(label) or label == "" else known.setdefault(label, len(known)) for label in labels)
    return np.fromiter(each, np.int64, count)
