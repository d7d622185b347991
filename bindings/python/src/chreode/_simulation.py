"""The particles of a simulation at every output time, and the lineage of a branching population."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from . import _html
from ._errors import warn_of
from ._ffi import ffi
from ._library import Handle, check, lib, number, text


class Fate(enum.IntEnum):
    """What became of a cell."""

    ALIVE = 0
    DIVIDED = 1
    DIED = 2


@dataclass(frozen=True)
class Frame:
    """The particles at one time, one row each."""

    time: float
    #: n × d.
    points: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float64]
    #: Of weighted particles: the row of the start that each comes from. Of a branching population: its number in the lineage.
    ids: npt.NDArray[np.int64]
    #: The row of the frame before (for the first frame, of the start) that each comes from.
    ancestors: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.points)

    @property
    def mass(self) -> float:
        """Total weight."""
        return float(self.weights.sum())


@dataclass(frozen=True)
class Lineage:
    """All cells that ever lived in a branching population; the founders first, parents before their daughters."""

    #: The parent's number, −1 for a founder.
    parents: npt.NDArray[np.int64]
    births: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    #: A :class:`Fate` each.
    fates: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.parents)


@dataclass(frozen=True)
class Trajectory:
    """A simulated population: a frame for each output time, and its lineage if it branched."""

    frames: list[Frame]
    lineage: Optional[Lineage]
    #: The standard deviation of the error of each frame's mass, of an ensemble; else NaN.
    mass_sd: npt.NDArray[np.float64]
    #: The share of the particles' time outside of the box of the fitted cells, where fields are what they are at its border; None for
    #: a model without a guard.
    outside: Optional[float]
    _newick: str

    @property
    def times(self) -> npt.NDArray[np.float64]:
        return np.array([frame.time for frame in self.frames])

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of particles of each frame."""
        return np.array([len(frame) for frame in self.frames], np.int64)

    @property
    def masses(self) -> npt.NDArray[np.float64]:
        """Total weight of each frame."""
        return np.array([frame.mass for frame in self.frames])

    def newick(self) -> str:
        """The lineage in the Newick format: one tree a line for each founder. Empty for the other modes."""
        return self._newick

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(frame)} at {frame.time:g}" for frame in self.frames)
        born = "" if self.lineage is None else f"; {len(self.lineage)} cells in the lineage"
        return f"<chreode.Trajectory: {sizes}{born}>"

    def _repr_html_(self) -> str:
        born = "" if self.lineage is None else f": {len(self.lineage)} cells in the lineage"
        errors = ["" if np.isnan(sd) else f" ± {sd:.2g}" for sd in self.mass_sd]
        rows = [(f"{f.time:g}", len(f), f"{f.mass:g}{error}") for f, error in zip(self.frames, errors)]
        return _html.table(f"chreode.Trajectory{born}", ("time", "particles", "mass"), rows)


def own(pointer: Any) -> Trajectory:
    """Takes everything out of a trajectory of the library, which is freed."""
    handle = Handle(pointer, lib.chreode_trajectory_free, "trajectory")
    with handle as trajectory:
        dims = number("size_t", lib.chreode_trajectory_dims, trajectory)
        frames = number("size_t", lib.chreode_trajectory_frame_count, trajectory)
        report = json.loads(text(lib.chreode_trajectory_report, trajectory))
        taken = Trajectory(
            [_frame(trajectory, k, dims) for k in range(frames)],
            _lineage(trajectory),
            _mass_sd(trajectory, frames),
            report["outside"],
            text(lib.chreode_trajectory_newick, trajectory),
        )
    handle.close()
    warn_of(report)
    return taken


def _frame(trajectory: Any, k: int, dims: int) -> Frame:
    time, size = ffi.new("double *"), ffi.new("size_t *")
    check(lib.chreode_trajectory_frame(trajectory, k, time, size))
    count = size[0]
    points, weights = np.empty((count, dims), np.float32), np.empty(count)
    ids, ancestors = np.empty(count, np.int64), np.empty(count, np.int64)
    check(lib.chreode_trajectory_points(trajectory, k, arrays.view_mut(points)))
    check(lib.chreode_trajectory_weights(trajectory, k, arrays.pointer("double", weights), count))
    check(lib.chreode_trajectory_ids(trajectory, k, arrays.pointer("uint64_t", ids), count))
    check(lib.chreode_trajectory_ancestors(trajectory, k, arrays.pointer("uint64_t", ancestors), count))
    return Frame(time[0], points, weights, ids, ancestors)


def _mass_sd(trajectory: Any, frames: int) -> npt.NDArray[np.float64]:
    sds = np.empty(frames)
    check(lib.chreode_trajectory_masses(trajectory, ffi.NULL, arrays.pointer("double", sds), frames))
    return sds


def _lineage(trajectory: Any) -> Optional[Lineage]:
    count = number("size_t", lib.chreode_trajectory_cell_count, trajectory)
    if count == 0:
        return None
    parents, fates = np.empty(count, np.int64), np.empty(count, np.int32)
    births, ends = np.empty(count), np.empty(count)
    check(
        lib.chreode_trajectory_lineage(
            trajectory,
            arrays.pointer("int64_t", parents),
            arrays.pointer("double", births),
            arrays.pointer("double", ends),
            arrays.pointer("int32_t", fates),
            count,
        )
    )
    return Lineage(parents, births, ends, fates)
