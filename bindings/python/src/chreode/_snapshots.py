"""Cells at increasing times."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from ._errors import InvalidArgumentError
from ._ffi import ffi
from ._library import Handle, check, lib, number
from ._options import make


class Snapshots:
    """Cells at increasing times, with weights: what a fit learns from and an evaluation compares with.

    Parameters
    ----------
    x : array, n × d, one row a cell; any strides, float32 or float64
    time : the time of each row, in any order
    weights : the weight of each row; 1 if there are none
    masses : total mass of each time, in increasing order of time: experiments subsample, so the number of cells is not
        always the size of the population
    """

    def __init__(self, x: Any, time: Any, *, weights: Any = None, masses: Any = None) -> None:
        points, times = arrays.matrix("x", x), arrays.labels("time", time)
        given = None if weights is None else arrays.vector("weights", weights)
        made = ffi.new("chreode_snapshots **")
        check(
            lib.chreode_snapshots_new(
                arrays.view(points),
                arrays.pointer("double", times),
                len(times),
                arrays.pointer("double", given),
                arrays.count(given),
                made,
            )
        )
        self._take(made[0], masses)

    @classmethod
    def from_blocks(
        cls, blocks: Sequence[Any], times: Any, *, weights: Optional[Sequence[Any]] = None, masses: Any = None
    ) -> Snapshots:
        """Snapshots of one matrix a time; ``weights`` has, for each block, one weight a row or None."""
        points = [arrays.matrix(f"blocks[{k}]", block) for k, block in enumerate(blocks)]
        labels = arrays.vector("times", times, len(points))
        given = [None] * len(points) if weights is None else list(weights)
        if len(given) != len(points):
            raise InvalidArgumentError(f"weights must have {len(points)} elements, one a block, got {len(given)}")
        each = [
            None if block is None else arrays.vector(f"weights[{k}]", block, len(points[k]))
            for k, block in enumerate(given)
        ]
        views = ffi.new("chreode_matrix[]", [arrays.fields(block) for block in points])
        pointers = ffi.new("double *[]", [arrays.pointer("double", block) for block in each])
        made = ffi.new("chreode_snapshots **")
        check(lib.chreode_snapshots_from_blocks(views, arrays.pointer("double", labels), pointers, len(points), made))
        return cls._own(made[0], masses)

    @classmethod
    def _own(cls, pointer: Any, masses: Any = None) -> Snapshots:
        snapshots = cls.__new__(cls)
        snapshots._take(pointer, masses)
        return snapshots

    def _take(self, pointer: Any, masses: Any = None) -> None:
        handle = Handle(pointer, lib.chreode_snapshots_free, "snapshots")
        if masses is not None:
            handle = Handle(_with_masses(handle, masses), lib.chreode_snapshots_free, "snapshots")
        self._handle = handle
        with handle as snapshots:
            count = number("size_t", lib.chreode_snapshots_time_count, snapshots)
            #: Number of coordinates.
            self.dims: int = number("size_t", lib.chreode_snapshots_dims, snapshots)
            #: The times, increasing.
            self.times: npt.NDArray[np.float64] = np.empty(count)
            check(lib.chreode_snapshots_times(snapshots, arrays.pointer("double", self.times), count))
            #: Number of cells at each time.
            self.counts: npt.NDArray[np.int64] = np.array(
                [number("size_t", lib.chreode_snapshots_cell_count, snapshots, k) for k in range(count)], np.int64
            )
            #: Total mass at each time.
            self.masses: npt.NDArray[np.float64] = np.array(
                [number("double", lib.chreode_snapshots_mass, snapshots, k) for k in range(count)]
            )
        for told in (self.times, self.counts, self.masses):
            told.flags.writeable = False

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        cells = ", ".join(f"{n} at {t:g}" for n, t in zip(self.counts, self.times))
        return f"<chreode.Snapshots: {self.dims} dimensions; cells: {cells}>"

    def _index(self, k: int) -> int:
        index = operator.index(k)
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} times, got the number {index}")
        return index % len(self)

    def points(self, k: int) -> npt.NDArray[np.float32]:
        """The cells at time number ``k``, one row a cell."""
        k = self._index(k)
        points = np.empty((int(self.counts[k]), self.dims), np.float32)
        with self._handle as snapshots:
            check(lib.chreode_snapshots_points(snapshots, k, arrays.view_mut(points)))
        return points

    def weights(self, k: int) -> npt.NDArray[np.float64]:
        """The weights of the cells at time number ``k``."""
        k = self._index(k)
        weights = np.empty(int(self.counts[k]))
        with self._handle as snapshots:
            check(lib.chreode_snapshots_weights(snapshots, k, arrays.pointer("double", weights), len(weights)))
        return weights

    def with_masses(self, masses: Any) -> Snapshots:
        """The same snapshots with other total masses, one positive number a time."""
        return Snapshots._own(_with_masses(self._handle, masses))

    def without(self, times: Any) -> Snapshots:
        """The snapshots without those at some times: what a held-out fit learns from."""
        left_out = arrays.vector("times", times)
        made = ffi.new("chreode_snapshots **")
        with self._handle as snapshots:
            check(lib.chreode_snapshots_without(snapshots, arrays.pointer("double", left_out), len(left_out), made))
        return Snapshots._own(made[0])

    def close(self) -> None:
        """Frees the library's copy of the cells now."""
        self._handle.close()

    def __reduce__(self) -> tuple[Any, ...]:
        blocks = [self.points(k) for k in range(len(self))]
        return _restore, (blocks, self.times, [self.weights(k) for k in range(len(self))])

    def __copy__(self) -> Snapshots:
        return self  # they never change

    def __deepcopy__(self, memo: Any) -> Snapshots:
        return self


def _with_masses(handle: Handle, masses: Any) -> Any:
    given = arrays.vector("masses", masses)
    made = ffi.new("chreode_snapshots **")
    with handle as snapshots:
        check(lib.chreode_snapshots_with_masses(snapshots, arrays.pointer("double", given), len(given), made))
    return made[0]


def _restore(blocks: Sequence[Any], times: Any, weights: Sequence[Any]) -> Snapshots:
    return Snapshots.from_blocks(blocks, times, weights=weights)


def of(x: Any, time: Any, obsm: Optional[str], weights: Any, masses: Any) -> Snapshots:
    """Snapshots of whatever a caller has: snapshots, an AnnData, or a matrix and its times."""
    if isinstance(x, Snapshots):
        if time is not None or weights is not None or obsm is not None:
            raise TypeError("snapshots have their times and weights: give neither `time`, `weights` nor `obsm`")
        return x if masses is None else x.with_masses(masses)
    from . import _anndata

    if _anndata.is_anndata(x):
        time, weights = _anndata.column(x, "time", time), _anndata.column(x, "weights", weights)
        x = _anndata.coordinates(x, obsm)
    elif obsm is not None:
        raise TypeError("`obsm` is for an AnnData")
    return Snapshots(x, time, weights=weights, masses=masses)


def dataset(name: str, **options: Any) -> Snapshots:
    """Makes a built-in data set: ``gene-network``, ``gaussian-mixture`` or ``branching``.

    Its options are those that ``chreode.options(name)`` lists.
    """
    made = ffi.new("chreode_snapshots **")
    with make(name, options) as handle:
        check(lib.chreode_snapshots_generate(handle, made))
    return Snapshots._own(made[0])
