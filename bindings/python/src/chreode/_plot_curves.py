"""Plots over time: masses, distances, genes; and growth rates in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _anndata, _drawing, _names, _neighbours, _transport
from . import _arrays as arrays
from ._errors import InvalidArgumentError
from ._evaluation import Evaluation
from ._simulation import Origin, Trajectory
from ._snapshots import Snapshots
from ._validation import Validation
from .genes import Trends

if TYPE_CHECKING:
    from ._dynamics import Dynamics

#: A particle has the labels of so many of the nearest cells.
_AMONG = 15
#: Distances between snapshots are of at most so many cells of each.
_AT_MOST = 1500


def mass(trajectory: Trajectory, ax: Optional[Any] = None, **line: Any) -> Any:
    """The mass of a simulated population over time.

    :param ax: The axes to draw into; those of a new figure by default.
    :param line: Properties of the line.
    :returns: The axes.
    """
    return _over_time(ax, trajectory.times, trajectory.masses, trajectory.mass_sd, "mass", line)


def label_mass(
    trajectory: Union[Trajectory, Sequence[Trajectory]],
    x: Any,
    labels: Any,
    ax: Optional[Any] = None,
    *,
    obsm: Optional[str] = None,
) -> Any:
    """The mass of each label over time, of a simulated population whose particles have the labels of the cells nearest to them.

    :param trajectory: A population, or the same one by each member of an ensemble, whose mean is drawn with a 90 % band:
        ``[model.member(k).simulate(…) for k in range(model.members)]``.
    :param x: The labelled cells: an AnnData, or points n × d.
    :param labels: Of an AnnData a column of ``obs``, else an array, or a Series with the cells' names. Cells without one are
        not among the neighbours.
    :param ax: The axes to draw into; those of a new figure by default.
    :param obsm: The coordinates of an AnnData, those of the fit by default.
    :returns: The axes.
    """
    runs = [trajectory] if isinstance(trajectory, Trajectory) else list(trajectory)
    if not runs or any(not np.array_equal(run.times, runs[0].times) for run in runs):
        raise InvalidArgumentError("trajectory must be one or more of the same times")
    source = (runs[0].origin or Origin()).source
    if _anndata.is_anndata(x):
        space = _anndata.coordinates(x, obsm or source.obsm or "X_pca")
        given = _names.by_rows("labels", _anndata.column(x, "labels", labels), _anndata.names(x))
    else:
        space, given = x, _names.by_rows("labels", labels, _names.rows(x))
    names, codes = _drawing.levels(given)
    space = np.asarray(arrays.matrix("x", space), np.float64)
    if len(codes) != len(space):
        raise InvalidArgumentError(f"labels must have {len(space)} elements, one a cell, got {len(codes)}")
    if not (codes >= 0).any():
        raise InvalidArgumentError("labels must be known of a cell or more")
    each = np.array([_label_masses(run, space[codes >= 0], codes[codes >= 0], len(names)) for run in runs])
    mean = each.mean(0)
    stretch = (runs[0].origin or Origin()).stretch
    sd = stretch * each.std(0, ddof=1) if len(runs) > 1 else np.full(mean.shape, np.nan)
    ax = _drawing.axes_of(ax)
    for code, name in enumerate(names):
        colour, marker, _ = _drawing.look_of(code)
        look = {"marker": marker, "markersize": 4.0, "label": f"{name} ({(codes == code).sum()} cells)"}
        _drawing.curve(ax, runs[0].times, mean[:, code], sd[:, code], colour=colour, least=0.0, named=False, **look)
    ax.set_xlabel("time")
    ax.set_ylabel("mass" if len(runs) == 1 else "mass, with 90 % intervals")
    ax.set_ylim(bottom=0.0)
    _drawing.legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _label_masses(run: Trajectory, cells: Any, codes: npt.NDArray[np.intp], count: int) -> Any:
    """The mass of each label in each frame, times × labels."""
    masses = np.zeros((len(run.frames), count))
    for row, frame in zip(masses, run.frames):
        if len(frame):
            found, apart = _neighbours.nearest(frame.points, cells, _AMONG)
            share = _neighbours.closeness(apart) * frame.weights[:, None]
            row += np.bincount(codes[found].ravel(), share.ravel(), count)
    return masses


def distance(
    measured: Union[Evaluation, Validation],
    ax: Optional[Any] = None,
    *,
    snapshots: Optional[Snapshots] = None,
    **line: Any,
) -> Any:
    """W1 between predicted and observed cells at each later time, against what can be had and what need not be learned.

    Of an evaluation: the mean over runs, with the members' differences as a band, and, where ``snapshots`` are given, "nothing
    moves", the distance of the first snapshot as it is, and the distance of two halves of each snapshot from each other, below
    which predictions of the very cells of a fit can be. Of a validation, whose cells were not fitted: each recipe, "nothing
    moves", and the sampling floor, two parts of the data.

    :param ax: The axes to draw into; those of a new figure by default.
    :param snapshots: The cells that an evaluation was about. Of large ones 1500 cells are taken, drawn by weight.
    :param line: Properties of the line.
    :returns: The axes.
    """
    label = "W1 to the observed cells"
    if isinstance(measured, Evaluation):
        line = {"marker": "o", **({} if snapshots is None else {"label": "predicted"}), **line}
        ax = _over_time(ax, measured.time, measured.w1, measured.w1_error, label, line)
        if snapshots is not None:
            still, halves = _references(snapshots)
            _reference(ax, measured.time, still[np.isin(snapshots.times[1:], measured.time)], "nothing moves", "--")
            _reference(
                ax, measured.time, halves[np.isin(snapshots.times[1:], measured.time)], "two halves of the cells", ":"
            )
    else:
        ax, told = _drawing.axes_of(ax), measured.measures
        for at, recipe in enumerate(measured.recipes):
            if "w1" in recipe:
                colour, marker, _ = _drawing.look_of(at)
                ax.plot(
                    told["times"],
                    recipe["w1"],
                    **{"color": colour, "marker": marker, "label": recipe["recipe"], **line},
                )
        ax.set_xlabel("time")
        ax.set_ylabel("W1 to cells that were not fitted")
        _reference(ax, told["times"], told["nothing_moves"], "nothing moves", "--")
        _reference(ax, told["times"], told["floor"], "sampling floor", ":")
    ax.set_ylim(bottom=0.0)
    _drawing.legend(ax)
    return ax


def _reference(ax: Any, x: Any, y: Any, label: str, style: str) -> None:
    ax.plot(x, y, color=_drawing.GREY, linestyle=style, label=label)


def _references(snapshots: Snapshots) -> tuple[Any, Any]:
    """W1 of each later snapshot to the first, and between two halves of it."""
    still, halves = [], []
    first = _some(snapshots, 0)
    for k in range(1, len(snapshots)):
        cells, weights = _some(snapshots, k)
        still.append(_w1(*first, cells, weights))
        order = np.random.default_rng(k).permutation(len(cells))
        parts = order[::2], order[1::2]
        halves.append(_w1(*(part[at] for at in parts for part in (cells, weights))) if len(cells) > 1 else np.nan)
    return np.array(still), np.array(halves)


def _some(snapshots: Snapshots, k: int) -> tuple[Any, Any]:
    """At most so many cells of a snapshot, and their weights."""
    if snapshots.counts[k] <= _AT_MOST:
        return snapshots.points(k), snapshots.weights(k)
    return snapshots.sample(k, _AT_MOST), np.ones(_AT_MOST)


def _w1(x: Any, a: Any, y: Any, b: Any) -> float:
    given = {"source_weights": a / a.sum(), "target_weights": b / b.sum()}
    cost: float = _transport.transport(x, y, cost="euclidean", penalty=np.inf, **given).report["transport_cost"]
    return cost


def growth(model: Dynamics, x: Any, time: float, ax: Optional[Any] = None, **line: Any) -> Any:
    """Growth rates of cells at a time, in the order of the rates, so that it is seen which differ from 0.

    Of an ensemble with the interval in which nine of ten true ones lie, see :meth:`chreode.Dynamics.field_quantile`.

    :param x: The cells, one a row.
    :param ax: The axes to draw into; those of a new figure by default.
    :param line: Properties of the line.
    :returns: The axes.
    """
    rate = np.ravel(model.growth(x, time))
    order, places = np.argsort(rate, kind="stable"), np.arange(1, len(rate) + 1)
    ax = _drawing.axes_of(ax)
    (drawn,) = ax.plot(places, rate[order], **{"color": _drawing.PALETTE[0], **line})
    if model.members > 1:
        low, high = (np.ravel(model.field_quantile("growth", level, x, time))[order] for level in (0.05, 0.95))
        _drawing.band(ax, places, low, high, drawn.get_color(), "90 % interval")
    _drawing.legend(ax)
    ax.set_ylabel("growth rate")
    ax.axhline(0.0, color="0.6", linewidth=0.8)
    ax.set_xlabel(f"cells at time {time:g}, by growth rate")
    return ax


def trends(along: Trends, genes: Optional[Sequence[Any]] = None, axes: Optional[Any] = None) -> Any:
    """Genes along the mean path of a population, a panel each: the mean with its error, and where nine tenths of the cells are.

    :param genes: By name or number; the first six by default.
    :param axes: One for each gene; those of a new figure by default.
    :returns: The axes, one for each gene.
    """
    chosen = along.index()[:6] if genes is None else along.index(genes)
    axes = _drawing.panels(axes, len(chosen), 3)
    low, high = along.quantile(0.05, chosen), along.quantile(0.95, chosen)
    for at, (gene, ax) in enumerate(zip(chosen, axes)):
        _drawing.band(ax, along.times, low[:, at], high[:, at], _drawing.GREY, "90 % of the cells")
        _drawing.curve(
            ax, along.times, along.mean[:, gene], along.sd[:, gene], colour=_drawing.PALETTE[0], label="mean"
        )
        ax.set_title(str(gene) if along.genes is None else along.genes[gene])
        ax.set_xlabel("time")
    axes[0].set_ylabel("expression")
    _drawing.legend(axes[0])
    return axes


def _over_time(ax: Optional[Any], x: Any, y: Any, sd: Any, label: str, line: dict[str, Any], least: float = 0.0) -> Any:
    ax = _drawing.axes_of(ax)
    _drawing.curve(ax, x, y, sd, **{"colour": _drawing.PALETTE[0], "least": least, **line})
    _drawing.legend(ax)
    ax.set_xlabel("time")
    ax.set_ylabel(label)
    return ax
