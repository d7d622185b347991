"""Total masses of times, by time where they have names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from . import _names, _times
from ._errors import InvalidArgumentError

#: Time and mass, in increasing order of time.
Masses = tuple[tuple[float, float], ...]


def of(given: Any, times: npt.NDArray[np.float64], clock: Optional[_times.Clock]) -> npt.NDArray[np.float64]:
    """The mass of each time: of a mapping or a Series by time, of anything else in increasing order of time."""
    if isinstance(given, Mapping):
        labels, values = list(given.keys()), list(given.values())
    elif _names.is_pandas(given):
        labels, values = list(given.index), given.to_numpy()
    else:
        return arrays.vector("masses", given, len(times))
    masses = arrays.vector("masses", values, len(labels))
    at, _ = _times.numbers("masses", labels, clock=clock)
    if len(np.unique(at)) < len(at) or set(at) != set(times):
        raise InvalidArgumentError(
            f"masses must have one mass for each of the times {_listed(times)}, got masses of {_listed(at)}"
        )
    table = dict(zip(at, masses))
    return np.array([table[time] for time in times])


def remembered(masses: Masses, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The masses of a fit at some of its times."""
    table = dict(masses)
    unknown = [time for time in times if time not in table]
    if unknown:
        raise InvalidArgumentError(
            f"the model was fitted with masses of the times {_listed(table)}, and has none for {_listed(unknown)}: give "
            "masses, or masses=False to count the cells"
        )
    return np.array([table[time] for time in times])


def _listed(times: Iterable[float]) -> str:
    return ", ".join(f"{time:g}" for time in times)
