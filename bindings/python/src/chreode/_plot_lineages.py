"""Plots of what becomes what: family trees, and flows between labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from . import _drawing, _names
from ._errors import InvalidArgumentError
from ._simulation import Fate, Lineage, Trajectory

#: The gap between the bars of labels, and the width of a bar, as shares of the whole.
_GAP, _BAR = 0.03, 0.04


def lineages(trajectory: Trajectory, ax: Optional[Any] = None, *, founders: int = 10) -> Any:
    """Family trees of a branching population: time runs to the right, a cell is a line, a division a fork.

    A cross is a death, a dot a cell that is alive in the end.

    :param ax: The axes to draw into; those of a new figure by default.
    :param founders: So many trees are drawn, evenly chosen among all; how many there are stands above.
    :returns: The axes.
    """
    lineage = trajectory.lineage
    if lineage is None:
        raise InvalidArgumentError('the trajectory has no lineage: simulate with mode="branching"')
    if founders < 1:
        raise InvalidArgumentError(f"founders must be at least 1, got {founders}")
    count = int((lineage.parents < 0).sum())
    chosen = np.unique(np.linspace(0, count - 1, min(founders, count)).round().astype(int))
    heights, cells = _heights(lineage, chosen)
    ax = _drawing.axes_of(ax, 4.6, float(np.clip(0.6 + 0.07 * heights[cells].max(initial=0.0), 3.0, 9.0)))
    lines = {"colors": _drawing.PALETTE[0], "linewidth": 0.9}
    ax.hlines(heights[cells], lineage.births[cells], lineage.ends[cells], **lines)
    born = cells[lineage.parents[cells] >= 0]
    ax.vlines(lineage.births[born], heights[lineage.parents[born]], heights[born], **lines)
    for fate, marker, name, colour in [
        (Fate.DIED, "x", "died", _drawing.PALETTE[1]),
        (Fate.ALIVE, ".", "alive", _drawing.PALETTE[0]),
    ]:
        ended = cells[lineage.fates[cells] == fate]
        look = {"marker": marker, "color": colour, "s": 18.0, "linewidths": 1.0, "zorder": 3}
        ax.scatter(lineage.ends[ended], heights[ended], label=f"{name} ({len(ended)})", **look)
    ax.set_title(f"{len(chosen)} of {count} founders, {len(cells)} cells")
    ax.set_xlabel("time")
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.margins(y=0.02)
    _drawing.legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _heights(lineage: Lineage, founders: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """The height of each cell's line, and the cells of the trees of some founders: leaves one above another, mothers midway."""
    daughters: dict[int, list[int]] = {}
    for cell, parent in enumerate(lineage.parents):
        daughters.setdefault(int(parent), []).append(cell)
    heights, cells, row = np.full(len(lineage), np.nan), [], 0.0
    for founder in founders:
        pending = [int(founder)]
        while pending:
            cell = pending[-1]
            below = daughters.get(cell, [])
            fresh = [daughter for daughter in below if np.isnan(heights[daughter])]
            if fresh:
                pending.extend(reversed(fresh))
                continue
            pending.pop()
            if below:
                heights[cell] = heights[below].mean()
            else:
                heights[cell], row = row, row + 1.0
            cells.append(cell)
        row += 1.0
    return heights, np.array(cells, np.intp)


def flow(
    masses: Any,
    ax: Optional[Any] = None,
    *,
    rows: Optional[Sequence[Any]] = None,
    columns: Optional[Sequence[Any]] = None,
    least: float = 0.005,
) -> Any:
    """What flows from labels to labels: an alluvial diagram, in which widths are masses.

    :param masses: Rows are where it comes from, columns where it goes: an array, or a DataFrame with the labels' names.
    :param ax: The axes to draw into; those of a new figure by default.
    :param rows, columns: The names of the labels, None of cells without one; those of a DataFrame by default. A label has one
        colour on either side.
    :param least: Streams of less than this share of all are left out; their mass stays in the bars.
    :returns: The axes.
    """
    if _names.is_pandas(masses):
        rows = list(map(str, masses.index)) if rows is None else rows
        columns = _names.columns(masses) if columns is None else columns
    table = np.asarray(arrays.matrix("masses", masses), np.float64)
    if not (np.isfinite(table).all() and (table >= 0.0).all() and table.sum() > 0.0):
        raise InvalidArgumentError("masses must be finite and not negative, and not all 0")
    rows, columns = _texts(rows, table.shape[0]), _texts(columns, table.shape[1])
    if (len(rows), len(columns)) != table.shape:
        raise InvalidArgumentError(
            f"rows and columns must name {table.shape[0]} and {table.shape[1]} labels, got {len(rows)} and {len(columns)}"
        )
    ax = _drawing.axes_of(ax, 4.6, 3.8)
    looks = {name: _drawing.look_of(at) for at, name in enumerate(dict.fromkeys([*rows, *columns]))}
    total = table.sum()
    left, right = _stack(table.sum(1) / total), _stack(table.sum(0) / total)
    for names, floors, sums, side in [(rows, left, table.sum(1), 0.0), (columns, right, table.sum(0), 1.0)]:
        for name, floor, amount in zip(names, floors, sums):
            if amount > 0.0:
                _bar(ax, side, floor, amount / total, looks[name])
                _name(
                    ax, side, floor + 0.5 * amount / total, f"{name}  {amount:.3g}" if side else f"{amount:.3g}  {name}"
                )
    from_left, from_right = left.copy(), right.copy()
    for i in range(len(rows)):
        for j in range(len(columns)):
            width = table[i, j] / total
            if width >= least:
                _stream(ax, from_left[i], from_right[j], width, looks[rows[i]])
            from_left[i] += width
            from_right[j] += width
    ax.set_xlim(-0.35, 1.35)
    ax.set_ylim(max(_top(left, table.sum(1) / total), _top(right, table.sum(0) / total)) + 0.01, -0.01)
    ax.set_axis_off()
    return ax


def _texts(names: Optional[Sequence[Any]], count: int) -> list[str]:
    """The names of labels, or their numbers."""
    return ["no label" if name is None else str(name) for name in (range(count) if names is None else names)]


def _stack(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where each bar begins, one under another."""
    before: npt.NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(shares + _GAP)[:-1]])
    return before


def _top(floors: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> float:
    return float(floors[-1] + shares[-1])


def _bar(ax: Any, side: float, floor: float, height: float, look: tuple[str, str, str]) -> None:
    from matplotlib.patches import Rectangle

    colour, _, hatch = look
    begin = -_BAR if side == 0.0 else 1.0
    ax.add_patch(
        Rectangle((begin, floor), _BAR, height, facecolor=colour, edgecolor="white", linewidth=0.0, hatch=hatch)
    )


def _name(ax: Any, side: float, height: float, text: str) -> None:
    at, align = (1.0 + _BAR + 0.015, "left") if side else (-_BAR - 0.015, "right")
    ax.text(at, height, text, ha=align, va="center", fontsize=8.0)


def _stream(ax: Any, left: float, right: float, width: float, look: tuple[str, str, str]) -> None:
    """A band from the left to the right, as wide all along, that leaves and arrives level."""
    share = np.linspace(0.0, 1.0, 50)
    smooth = share * share * (3.0 - 2.0 * share)
    floor = left + (right - left) * smooth
    colour, _, hatch = look
    ax.fill_between(
        share, floor, floor + width, facecolor=colour, alpha=0.45, edgecolor="white", linewidth=0.3, hatch=hatch
    )
