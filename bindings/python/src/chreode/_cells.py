"""Cells on their way to a process that does a task: those that it needs, or a file to read them from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _anndata, _names, _snapshots
from . import _arrays as arrays
from ._errors import InvalidArgumentError
from ._snapshots import Snapshots
from ._source import Source


@dataclass(frozen=True)
class File:
    """Points in a file that every process sees under the same name."""

    path: str
    #: The key of an AnnData's coordinates.
    obsm: Optional[str] = None
    #: The names of its columns, in the order of the model's.
    coordinates: Optional[tuple[str, ...]] = None

    @classmethod
    def of(cls, x: Any, obsm: Optional[str] = None) -> Optional[File]:
        """The file that a caller names; None of anything that is no name."""
        if not isinstance(x, (str, os.PathLike)):
            return None
        path = os.path.abspath(os.fsdecode(x))
        if path.endswith(".npy"):
            return cls(path)
        if path.endswith(".h5ad"):
            return cls(path, obsm or "X_pca")
        raise InvalidArgumentError(f"x must be cells or the path of a .npy or .h5ad file, got {path!r}")

    def open(self) -> Any:
        """An array that is read where it is used, or an AnnData on disk."""
        if self.obsm is None:
            return np.load(self.path, mmap_mode="r")
        import anndata

        return anndata.read_h5ad(self.path, backed="r")

    def rows(self, rows: npt.NDArray[np.intp]) -> arrays.Array:
        """Some of the points."""
        x = self.open()
        if self.obsm is not None:
            x, data = _anndata.coordinates(x, self.obsm), x
            data.file.close()
            x = _names.by_columns("x", x, self.coordinates)
        points: arrays.Array = np.asarray(x)
        if len(points) <= rows.max(initial=-1):
            raise InvalidArgumentError(
                f"{self.path} must have the cells of the plan, got {len(points)} rows and no row {rows.max()}"
            )
        return points[rows]


@dataclass(frozen=True)
class Cells:
    """Cells in the order of snapshots. A pickle of them has no others."""

    #: Points one after another, or the file that has them.
    points: Union[arrays.Array, File]
    #: Where each cell is among the points; None if they are the points.
    rows: Optional[npt.NDArray[np.intp]]
    times: npt.NDArray[np.float64]
    #: As the snapshots have them, scaled to their masses.
    weights: npt.NDArray[np.float64]

    @classmethod
    def of(cls, snapshots: Snapshots, file: Optional[File] = None) -> Cells:
        """All cells of snapshots, which were read from that file, if from one."""
        count = range(len(snapshots))
        times = np.repeat(snapshots.times, snapshots.counts)
        weights = np.concatenate([snapshots.weights(k) for k in count])
        if file is None:
            return cls(np.concatenate([snapshots.points(k) for k in count]), None, times, weights)
        return cls(file, snapshots._order, times, weights)

    def some(self, which: npt.NDArray[np.intp]) -> Cells:
        """Some of these cells, by their numbers. Nothing is copied before they are sent."""
        rows = which if self.rows is None else self.rows[which]
        return Cells(self.points, rows, self.times[which], self.weights[which])

    def snapshots(self) -> Snapshots:
        """Snapshots of these cells alone, read now from the file, if they are in one."""
        return Snapshots(self._points(), self.times, weights=self.weights)

    def _points(self) -> arrays.Array:
        if isinstance(self.points, File):
            assert self.rows is not None
            return self.points.rows(self.rows)
        return self.points if self.rows is None else self.points[self.rows]

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self.points, File):
            return Cells, (self.points, self.rows, self.times, self.weights)
        return Cells, (self._points(), None, self.times, self.weights)


def read(
    x: Any, time: Any, obsm: Optional[str], weights: Any, masses: Any, fitted: Optional[Source] = None
) -> tuple[Any, Snapshots, Optional[File]]:
    """What a caller has, opened if it is the path of a file; snapshots of it; and the file, if it is one."""
    file = File.of(x, obsm or (None if fitted is None else fitted.obsm))
    if file is None:
        return x, _snapshots.of(x, time, obsm, weights, masses, fitted), None
    opened = file.open()
    time, weights = _of_file(time, file), _of_file(weights, file)
    snapshots = _snapshots.of(opened, time, file.obsm, weights, masses, fitted)
    return opened, snapshots, File(file.path, file.obsm, snapshots._source.coordinates)


def _of_file(given: Any, file: File) -> Any:
    """Beside points in a .npy file, times and weights may lie in others."""
    named = file.obsm is None and isinstance(given, (str, os.PathLike))
    return np.load(given, mmap_mode="r") if named else given
