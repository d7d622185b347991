"""Plots that look the same everywhere: matplotlib functions that take and return axes (``pip install chreode[plot]``).

Without axes they draw into those of a new figure. Bands are 90 % intervals of an ensemble (:func:`chreode.fit` with
``ensemble=``): the mean and ± 1.645 standard deviations; of a model that is none they are left out, and those of masses and
distances end at 0. Colours are told apart with any colour vision.
"""

from __future__ import annotations

from ._plot_cells import cells, populations, streamlines
from ._plot_curves import distance, growth, label_mass, mass, trends
from ._plot_lineages import flow, lineages

__all__ = [
    "cells",
    "distance",
    "flow",
    "growth",
    "label_mass",
    "lineages",
    "mass",
    "populations",
    "streamlines",
    "trends",
]
