"""What all plots share: colours, axes, bands, legends. matplotlib is imported where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from ._errors import InvalidArgumentError

Reals = npt.NDArray[np.float64]

#: Colours, in the order in which they are taken, out of those of Okabe & Ito, Tol and Brewer: any two are 22 units of CIELAB or
#: more apart, with normal vision and with each of the three kinds of colour blindness (the eight of Okabe & Ito are 16).
PALETTE = ("#0072b2", "#d55e00", "#66ccee", "#dfc27d", "#882255", "#000000", "#332288", "#cc79a7")
#: Beyond them the same colours come again, with another marker or hatching.
MARKERS, HATCHES = ("o", "^", "s", "D", "v", "P"), ("", "///", "...", "xxx", "\\\\\\", "+++")
#: Of what was observed, and of what there is nothing to say about.
GREY, PALE = "#8c8c8c", "#d9d9d9"
#: Of amounts; of differences below, about and above a middle, which is seen on white as well.
SEQUENTIAL, DIVERGING = "cividis", (PALETTE[0], "#dcdcdc", PALETTE[1])
#: Half the width of a 90 % interval, in standard deviations.
HALF_WIDTH = 1.6448536269514722

_STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def axes_of(ax: Optional[Any], width: float = 4.6, height: float = 3.4) -> Any:
    """The axes that were given, or those of a new figure, so large in inches."""
    return panels(None, 1, 1, width, height)[0] if ax is None else ax


def panels(axes: Optional[Any], count: int, columns: int, width: float = 3.0, height: float = 2.8) -> npt.NDArray[Any]:
    """Axes for panels: those that were given, or new ones in rows of at most so many, each so large in inches."""
    if axes is not None:
        given = np.ravel(np.asarray(axes, object))
        if len(given) < count:
            raise InvalidArgumentError(f"axes must be {count}, one a panel, got {len(given)}")
        return given[:count]
    from matplotlib import pyplot, rc_context

    columns = min(columns, count)
    rows = -(-count // columns)
    with rc_context(_STYLE):
        size = (width * columns, height * rows)
        _, made = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for spare in made.ravel()[count:]:
        spare.set_axis_off()
    found: npt.NDArray[Any] = made.ravel()[:count]
    return found


def band(ax: Any, x: Any, low: Reals, high: Reals, colour: Any, label: Optional[str] = None) -> None:
    ax.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0.0, label=label)


def curve(
    ax: Any, x: Any, y: Reals, sd: Reals, *, colour: Any, least: float = -np.inf, named: bool = True, **line: Any
) -> None:
    """A line with its 90 % interval, if there are deviations, none of it below the least value that there can be."""
    (drawn,) = ax.plot(x, y, **{"color": colour, **line})
    if np.isfinite(sd).any():
        low, high = np.maximum(y - HALF_WIDTH * sd, least), y + HALF_WIDTH * sd
        band(ax, x, low, high, drawn.get_color(), "90 % interval" if named else None)


def legend(ax: Any, **more: Any) -> None:
    """A legend of what is labelled, if anything is."""
    if not ax.get_legend_handles_labels()[0]:
        return
    made = ax.legend(**{"frameon": False, "fontsize": 8.0, "title_fontsize": 8.0, **more})
    for handle in made.legend_handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([18.0])  # markers of thousands of cells are too small to tell colours


def sizes(weights: Reals, area: float) -> Reals:
    """The areas of markers, in proportion to weights, of that area in the mean."""
    total = weights.sum()
    each: Reals = area * len(weights) * weights / total if total > 0.0 else np.full(len(weights), area)
    return each


def area_for(count: int) -> float:
    """The area of a marker of so many, so that neither few are lost nor many are a blot."""
    return float(np.clip(4000.0 / max(count, 1), 3.0, 24.0))


def scatter(ax: Any, points: Any, **look: Any) -> Any:
    """Markers without borders, as pixels in files of vectors, where thousands of them would be slow."""
    return ax.scatter(points[:, 0], points[:, 1], **{"linewidths": 0.0, "rasterized": True, **look})


def plane(ax: Any, names: Sequence[str]) -> None:
    """Axes of an embedding, whose units say little: few ticks, and the panel filled."""
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.locator_params(nbins=4)


def diverging() -> Any:
    """The colours of differences from a middle."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("chreode", DIVERGING)


def look_of(index: int) -> tuple[str, str, str]:
    """The colour, marker and hatching of a label by its number."""
    lap = index // len(PALETTE)
    return PALETTE[index % len(PALETTE)], MARKERS[lap % len(MARKERS)], HATCHES[lap % len(HATCHES)]


def levels(labels: Any) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The labels, in order (that of a pandas categorical, else sorted), and which of them each is; −1 where it is missing."""
    if hasattr(labels, "cat"):
        labels = labels.cat
    if hasattr(labels, "categories") and hasattr(labels, "codes"):
        return list(map(str, labels.categories)), np.asarray(labels.codes, np.intp)
    given = np.asarray(labels, object)
    missing = np.array([value is None or value != value or type(value).__name__ == "NAType" for value in given], bool)
    names = sorted({str(value) for value in given[~missing]})
    table = {name: at for at, name in enumerate(names)}
    return names, np.array([-1 if gone else table[str(value)] for gone, value in zip(missing, given)], np.intp)
