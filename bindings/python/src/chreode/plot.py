"""Plots of what is uncertain, with bands: matplotlib functions that take and return axes (``pip install chreode[plot]``).

Bands are 90 % intervals of an ensemble (:func:`chreode.fit` with ``ensemble=``): the mean and ± 1.645 standard deviations. Of a model that
is none, they are left out. Those of masses and distances end at 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from ._evaluation import Evaluation
from ._simulation import Trajectory

if TYPE_CHECKING:
    from ._dynamics import Dynamics

__all__ = ["distance", "growth", "mass"]

#: Half the width of a 90 % interval, in standard deviations.
_HALF_WIDTH = 1.6448536269514722
_COLOUR = "#0072b2"


def mass(trajectory: Trajectory, ax: Optional[Any] = None, **line: Any) -> Any:
    """The mass of a simulated population over time.

    :param ax: The axes to draw into; those of a new figure by default.
    :param line: Properties of the line.
    :returns: The axes.
    """
    return _curve(ax, trajectory.times, trajectory.masses, trajectory.mass_sd, "mass", line, least=0.0)


def distance(evaluation: Evaluation, ax: Optional[Any] = None, **line: Any) -> Any:
    """W1 between predicted and observed cells at each later time: the mean over runs, with the members' differences as a band.

    :param ax: The axes to draw into; those of a new figure by default.
    :param line: Properties of the line.
    :returns: The axes.
    """
    line = {"marker": "o", **line}
    return _curve(ax, evaluation.time, evaluation.w1, evaluation.w1_error, "W1 to the observed cells", line, least=0.0)


def growth(model: Dynamics, x: Any, time: float, ax: Optional[Any] = None, **line: Any) -> Any:
    """Growth rates of cells at a time, in the order of the rates, so that it is seen which differ from 0.

    :param x: The cells, one a row.
    :param ax: The axes to draw into; those of a new figure by default.
    :param line: Properties of the line.
    :returns: The axes.
    """
    rate = np.ravel(model.growth(x, time))
    sd = np.ravel(model.field_sd("growth", x, time)) if model.members > 1 else np.full(rate.shape, np.nan)
    order = np.argsort(rate, kind="stable")
    ax = _curve(ax, np.arange(1, len(rate) + 1), rate[order], sd[order], "growth rate", line)
    ax.axhline(0.0, color="0.6", linewidth=0.8)
    ax.set_xlabel(f"cells at time {time:g}, by growth rate")
    return ax


def _curve(
    ax: Optional[Any],
    x: npt.NDArray[Any],
    y: npt.NDArray[np.float64],
    sd: npt.NDArray[np.float64],
    label: str,
    line: dict[str, Any],
    least: float = -np.inf,
) -> Any:
    """A line with its band, which is left out where there are no deviations; nothing is below the least value that there can be."""
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots()
    (drawn,) = ax.plot(x, y, **{"color": _COLOUR, **line})
    if np.isfinite(sd).any():
        low, high = np.maximum(y - _HALF_WIDTH * sd, least), y + _HALF_WIDTH * sd
        ax.fill_between(x, low, high, color=drawn.get_color(), alpha=0.25, linewidth=0.0, label="90 % interval")
        ax.legend(frameon=False)
    ax.set_xlabel("time")
    ax.set_ylabel(label)
    return ax
