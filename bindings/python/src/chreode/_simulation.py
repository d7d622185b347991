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
from ._source import Source


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
class Origin:
    """What a simulated population comes from."""

    method: str = ""
    mode: str = "ode"
    seed: int = 0
    #: The time of the cells that it starts from.
    start: float = float("nan")
    #: What the model knows of the cells of its fit.
    source: Source = Source()
    #: The names of the cells that it starts from, where they have some.
    cells: Optional[tuple[str, ...]] = None
    #: Whether a branching population's founders were drawn from cells of unequal weights, so that their rows are unknown.
    drawn: bool = False
    #: What deviations over the members of an ensemble are multiplied by: see :meth:`Dynamics.deviation_over_members`.
    stretch: float = 1.0


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
    #: The model, the options and the cells that it comes from.
    origin: Optional[Origin] = None

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

    def founders(self, k: int) -> npt.NDArray[np.int64]:
        """The row of the start that each particle of frame number ``k`` descends from.

        Of a branching population whose starting cells had unequal weights, which are drawn from first: the number of its
        founder in the lineage.
        """
        rows = self.frames[0].ancestors
        for frame in self.frames[1 : range(len(self.frames))[k] + 1]:
            rows = rows[frame.ancestors]
        return rows

    def to_anndata(self) -> Any:
        """The particles of all frames as an AnnData, one row a particle, frame after frame.

        ``X`` and ``obsm[key]``, the key of the fit, are the coordinates. ``obs`` has ``time``, ``weight``, ``cell`` (the number
        of a branching population's cell in the lineage, else the row of the start), ``founder`` (the name of the cell that it
        descends from, or its row in the start) and ``ancestor`` (the name of its row in the frame before; empty in the first).
        Rows are named by the number of their frame and their row in it. ``uns["chreode"]`` has what made it, and of a branching
        population ``lineage``: ``parent``, ``birth``, ``end`` and ``fate`` (alive, divided, died) of each cell, and ``newick``.
        Needs the package anndata.
        """
        import anndata
        import pandas

        frames, origin = self.frames, self.origin or Origin()
        names = [np.array([f"{k}-{row}" for row in range(len(frame))], object) for k, frame in enumerate(frames)]
        ancestors = [names[k - 1][frame.ancestors] if k else np.full(len(frame), "") for k, frame in enumerate(frames)]
        obs = pandas.DataFrame(
            {
                "time": np.repeat(self.times, self.counts),
                "weight": np.concatenate([frame.weights for frame in frames]),
                "cell": np.concatenate([frame.ids for frame in frames]),
                "founder": np.concatenate([self._named(self.founders(k)) for k in range(len(frames))]),
                "ancestor": np.concatenate(ancestors),
            },
            index=np.concatenate(names),
        )
        points = np.concatenate([frame.points for frame in frames])
        columns = origin.source.coordinates or [f"x{j + 1}" for j in range(points.shape[1])]
        key = origin.source.obsm or "X_chreode"
        data = anndata.AnnData(points, obs=obs, var=pandas.DataFrame(index=list(columns)), obsm={key: points.copy()})
        data.uns["chreode"] = self._told()
        return data

    def _named(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The names of rows of the start, or their numbers where they have none or are of a lineage."""
        origin = self.origin
        if origin is None or origin.cells is None or origin.drawn:
            return rows.astype(str).astype(object)
        return np.array(origin.cells, object)[rows]

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = {"times": self.times}
        if self.origin is not None:
            told |= {name: getattr(self.origin, name) for name in ("method", "mode", "seed", "start")}
        if self.lineage is not None:
            fates = np.array([Fate(fate).name.lower() for fate in range(len(Fate))], object)
            told["lineage"] = {
                "parent": self.lineage.parents,
                "birth": self.lineage.births,
                "end": self.lineage.ends,
                "fate": fates[self.lineage.fates],
                "newick": self._newick,
            }
        return told

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(frame)} at {frame.time:g}" for frame in self.frames)
        born = "" if self.lineage is None else f"; {len(self.lineage)} cells in the lineage"
        return f"<chreode.Trajectory: {sizes}{born}>"

    def _repr_html_(self) -> str:
        born = "" if self.lineage is None else f": {len(self.lineage)} cells in the lineage"
        errors = ["" if np.isnan(sd) else f" ± {sd:.2g}" for sd in self.mass_sd]
        rows = [(f"{f.time:g}", len(f), f"{f.mass:g}{error}") for f, error in zip(self.frames, errors)]
        return _html.table(f"chreode.Trajectory{born}", ("time", "particles", "mass"), rows)


def own(pointer: Any, origin: Optional[Origin] = None) -> Trajectory:
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
            origin,
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
