"""Plots of cells in the plane: populations beside each other, streamlines, quantities and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from . import _anndata, _drawing, _neighbours, _snapshots
from . import _arrays as arrays
from ._embedding import Embedding, embedding
from ._errors import InvalidArgumentError
from ._names import by_rows, rows
from ._simulation import Origin, Trajectory

if TYPE_CHECKING:
    from ._dynamics import Dynamics

#: Rows and columns of a grid of streamlines; a point of it is drawn if so many cells are so many spacings away, or nearer.
_GRID, _NEAR, _REACH = 40, 3, 1.5
#: The share of the cells whose colours differ, about a middle; the others have the strongest.
_MOST = 0.99
#: Cells that speak for a point of the grid.
_SPEAKERS = 30
#: A legend under the axes, where it covers no cell.
_UNDER: dict[str, Any] = {
    "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.18),
    "ncols": 2,
    "columnspacing": 0.8,
    "handletextpad": 0.1,
}


def populations(
    trajectory: Trajectory,
    observed: Any,
    time: Any = None,
    axes: Optional[Any] = None,
    *,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    basis: Any = None,
) -> Any:
    """A simulated population over the observed cells, a panel for each time that both have; areas are weights.

    :param observed: :class:`Snapshots`, an AnnData, or an array; ``time``, ``obsm``, ``weights`` and ``masses`` are as in
        :meth:`Dynamics.evaluate`: those of the fit unless they are given.
    :param axes: One for each panel; those of a new figure by default.
    :param basis: The embedding to draw in: a key of ``obsm``, or an array n × 2 in the order of ``observed``; the first two
        coordinates by default. Particles stand in the middle of the observed cells that are nearest in the model's space.
    :returns: The axes, one for each panel.
    """
    source = (trajectory.origin or Origin()).source
    snapshots = _snapshots.of(observed, time, obsm, weights, masses, source)
    order: Any = snapshots._order
    cells = observed
    if isinstance(observed, _snapshots.Snapshots):
        cells = np.concatenate([observed.points(k) for k in range(len(observed))])
        order = np.arange(len(cells))
    shown = embedding(cells, obsm or source.obsm or "X_pca", basis, source.coordinates)
    at = np.split(order, np.cumsum(snapshots.counts)[:-1])
    both = [
        (k, frame)
        for frame in trajectory.frames
        for k in range(len(snapshots))
        if _same(snapshots.times[k], frame.time)
    ]
    if not both:
        times = ", ".join(f"{value:g}" for value in snapshots.times)
        raise InvalidArgumentError(f"the trajectory must have frames at times of the cells ({times}), it has none")
    axes = _drawing.panels(axes, len(both), 3)
    for ax, (k, frame) in zip(axes, both):
        here = shown.plane[at[k]]
        look = {"color": _drawing.GREY, "alpha": 0.7, "label": f"{len(here)} observed"}
        _drawing.scatter(ax, here, s=_drawing.sizes(snapshots.weights(k), _drawing.area_for(len(here))), **look)
        if len(frame):
            look = {"color": _drawing.PALETTE[1], "alpha": 0.6, "label": f"{len(frame)} predicted"}
            area = _drawing.sizes(frame.weights, _drawing.area_for(len(frame)))
            _drawing.scatter(ax, shown.place(frame.points), s=area, **look)
        ax.set_title(f"time {frame.time:g}: mass {frame.mass:.4g} of {snapshots.masses[k]:.4g}")
        _drawing.plane(ax, shown.names)
        _drawing.legend(ax, **_UNDER)
    _same_limits(axes, shown)
    return axes


def streamlines(
    model: Dynamics,
    x: Any,
    t: Any = None,
    ax: Optional[Any] = None,
    *,
    obsm: Optional[str] = None,
    basis: Any = None,
    neighbours: int = 30,
    **stream: Any,
) -> Any:
    """Streamlines of the velocity among cells.

    In a model's own plane, of two coordinates, at one time, they are those of the field itself. Else each cell's velocity at
    its time is drawn: in another ``basis`` the direction in which it is expected among its ``neighbours`` in the model's space,
    as scVelo does it (Bergen et al., Nature Biotechnology 38, 2020), which tells directions but no speeds. Between cells it is
    their mean by a Gaussian.

    :param x: An AnnData, or points; ``t`` and ``obsm`` are as in :meth:`Dynamics.field`.
    :param ax: The axes to draw into; those of a new figure by default.
    :param basis: A key of ``obsm``, or an array n × 2; the model's own coordinates by default, which must be two then.
    :param stream: Arguments of matplotlib's ``streamplot``.
    :returns: The axes.
    """
    key = obsm or model._source.obsm or "X_pca"
    points, when, _ = model._cells(x, t, obsm)
    shown = embedding(x, key, basis, model._source.coordinates)
    if basis is None and model.dims != 2:
        raise InvalidArgumentError(
            f"the model has {model.dims} coordinates, no plane: give basis, an embedding of n × 2"
        )
    grid, spacing = _grid(shown.plane)
    found, apart = _neighbours.nearest(grid, shown.plane, _SPEAKERS)
    if basis is None and np.ndim(when) == 0:
        field = np.asarray(model.velocity(grid.astype(np.float32), when), np.float64)
        title = f"velocity at time {float(when):g}"
    else:
        velocity = model.velocity(points, when)
        if basis is not None:
            velocity = _neighbours.project(shown.space, velocity, shown.plane, neighbours)
        share = np.exp(-0.5 * (apart / spacing) ** 2)
        total = share.sum(1, keepdims=True)
        share = np.where(total > 0.0, share / np.where(total > 0.0, total, 1.0), 1.0 / share.shape[1])
        field = np.einsum("ij,ijk->ik", share, np.asarray(velocity, np.float64)[found])
        title = "velocity of each cell at its time" if np.ndim(when) else f"velocity at time {float(when):g}"
    field[apart[:, :_NEAR][:, -1] > _REACH * spacing] = np.nan
    ax = _drawing.axes_of(ax)
    _drawing.scatter(ax, shown.plane, s=_drawing.area_for(len(shown.plane)), color=_drawing.PALE)
    side_x, side_y = (np.linspace(grid[0, j], grid[-1, j], _GRID) for j in range(2))
    u, v = (field[:, j].reshape(_GRID, _GRID) for j in range(2))
    look = {"color": _drawing.PALETTE[0], "linewidth": 0.9, "arrowsize": 0.9, "density": 1.2}
    ax.streamplot(side_x, side_y, u, v, **{**look, **stream})
    ax.set_title(title)
    _drawing.plane(ax, shown.names)
    return ax


def cells(
    x: Any,
    values: Any,
    ax: Optional[Any] = None,
    *,
    basis: Any = None,
    obsm: str = "X_pca",
    center: Optional[float] = None,
    label: Optional[str] = None,
    **look: Any,
) -> Any:
    """Cells in the colour of a number of each, with a colour bar, or of a label of each, with a legend of counts.

    :param x: An AnnData, or points n × d.
    :param values: Of an AnnData a column of ``obs``, else an array, or a Series with the names of the cells. NaN is pale.
    :param ax: The axes to draw into; those of a new figure by default.
    :param basis: A key of ``obsm``, or an array n × 2; the first two coordinates of ``obsm`` or of the points by default.
    :param center: Colours differ by the side of this number, as 0 of growth, and are as strong as the distance from it, up to
        that of 99 % of the cells.
    :param label: What the values are called; a column by its name.
    :param look: Properties of the markers.
    :returns: The axes.
    """
    shown = embedding(x, obsm, basis)
    label = label or (values if isinstance(values, str) else None)
    given = _anndata.column(x, "values", values) if _anndata.is_anndata(x) else values
    given = by_rows("values", given, _anndata.names(x) if _anndata.is_anndata(x) else rows(x))
    if len(given) != len(shown.plane):
        raise InvalidArgumentError(f"values must have {len(shown.plane)} elements, one a cell, got {len(given)}")
    ax = _drawing.axes_of(ax)
    area = {"s": _drawing.area_for(len(shown.plane)), **look}
    if _are_numbers(given):
        _numbers(ax, shown, arrays.vector("values", given), center, label, area)
    else:
        _labels(ax, shown, given, label, area)
    _drawing.plane(ax, shown.names)
    return ax


def _are_numbers(values: Any) -> bool:
    return not hasattr(values, "cat") and np.asarray(values).dtype.kind in "biuf"


def _numbers(
    ax: Any, shown: Embedding, values: Any, center: Optional[float], label: Optional[str], look: dict[str, Any]
) -> None:
    known = np.isfinite(values)
    if not known.all():
        gone = {**look, "color": _drawing.PALE, "label": f"{(~known).sum()} unknown"}
        _drawing.scatter(ax, shown.plane[~known], **gone)
        _drawing.legend(ax, **_UNDER)
    colours: dict[str, Any] = {"cmap": _drawing.SEQUENTIAL}
    beyond = False
    if center is not None and known.any():
        # A few cells far out must not leave all others pale.
        size = np.abs(values[known] - center)
        widest = float(np.quantile(size, _MOST)) or float(size.max()) or 1.0
        beyond = bool(size.max() > widest)
        colours = {"cmap": _drawing.diverging(), "vmin": center - widest, "vmax": center + widest}
    # The strongest lie on top.
    order = np.flatnonzero(known)[np.argsort(np.abs(values[known] - (center or 0.0)), kind="stable")]
    drawn = _drawing.scatter(ax, shown.plane[order], **{"c": values[order], **colours, **look})
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8, pad=0.02, extend="both" if beyond else "neither")
    bar.outline.set_visible(False)
    if label is not None:
        bar.set_label(label)


def _labels(ax: Any, shown: Embedding, values: Any, label: Optional[str], look: dict[str, Any]) -> None:
    names, codes = _drawing.levels(values)
    gone = codes < 0
    if gone.any():
        _drawing.scatter(ax, shown.plane[gone], **{**look, "color": _drawing.PALE, "label": f"none ({gone.sum()})"})
    for code, name in enumerate(names):
        here, (colour, marker, _) = codes == code, _drawing.look_of(code)
        if not here.any():
            continue  # a category without cells keeps its colour
        text = f"{name} ({here.sum()})"
        _drawing.scatter(ax, shown.plane[here], **{"color": colour, "marker": marker, **look, "label": text})
    _drawing.legend(ax, title=label, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _grid(plane: Any) -> tuple[Any, float]:
    """The points of a grid over cells, row by row, and how far apart they are."""
    low, high = plane.min(0), plane.max(0)
    margin = 0.05 * np.where(high > low, high - low, 1.0)
    sides = [np.linspace(low[j] - margin[j], high[j] + margin[j], _GRID) for j in range(2)]
    grid = np.stack(np.meshgrid(*sides), axis=2).reshape(-1, 2)
    spacing = float(np.hypot(*(side[1] - side[0] for side in sides)))
    return grid, spacing


def _same(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=1e-9, atol=1e-12))


def _same_limits(axes: Any, shown: Embedding) -> None:
    """Panels of one plane show the same part of it: all that is drawn in any of them."""
    everything = np.concatenate([offsets for ax in axes for offsets in (part.get_offsets() for part in ax.collections)])
    low, high = np.asarray(everything.min(0)), np.asarray(everything.max(0))
    margin = 0.05 * np.where(high > low, high - low, 1.0)
    for ax in axes:
        ax.set_xlim(low[0] - margin[0], high[0] + margin[0])
        ax.set_ylim(low[1] - margin[1], high[1] + margin[1])
