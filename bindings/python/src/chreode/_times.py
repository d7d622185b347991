"""Labels of times as numbers: ``"day7"``, ``"E8.5"``, ``"3h"``, durations, dates, categories."""

from __future__ import annotations

import datetime
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from ._errors import InvalidArgumentError, InvalidDataError

_log = logging.getLogger("chreode")

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_LABEL = re.compile(rf"(?P<before>\D*?)(?P<number>{_NUMBER})(?P<after>\D*)")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Clock:
    """How labels become numbers; a model keeps that of its fit, so that later cells are told the same time."""

    #: ``number``, ``text`` (a number between the same words), ``duration`` or ``date`` (both in days).
    kind: str
    #: Of text: what stands before and after every number.
    before: str = ""
    after: str = ""
    #: Of dates: the day that is 0, as ISO 8601 writes it.
    origin: Optional[str] = None

    def to_text(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def of_text(cls, text: str) -> Clock:
        return cls(**json.loads(text))


def is_missing(value: Any) -> bool:
    """None, NaN, and pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64, np.timedelta64)) and bool(value != value)


def _plain(name: str, given: Any) -> npt.NDArray[Any]:
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InvalidDataError(f"{name} must have a value everywhere, got a masked array")
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InvalidArgumentError(f"{name} must be one label a cell ({error})") from None
    if array.ndim != 1:
        raise InvalidArgumentError(f"{name} must be one-dimensional, one label a cell, got the shape {array.shape}")
    return array


def refuse_missing(name: str, values: npt.NDArray[Any], cells: Optional[Sequence[Any]]) -> None:
    """Names the first cell that has no value."""
    if values.dtype.kind in "fcmM":
        absent = np.flatnonzero(values != values)
    elif values.dtype.kind == "O":
        absent = np.flatnonzero([is_missing(value) for value in values])
    else:
        return
    if len(absent):
        row = int(absent[0])
        cell = f"row {row + 1}" if cells is None else f"the cell {str(cells[row])!r} (row {row + 1})"
        more = f" and {len(absent) - 1} others" if len(absent) > 1 else ""
        raise InvalidDataError(f"{name} must have a value everywhere, got {values[row]} for {cell}{more}")


def _refuse(name: str, levels: Sequence[Any], why: str) -> Exception:
    shown = ", ".join(repr(level) for level in levels[:12]) + (", …" if len(levels) > 12 else "")
    example = ", ".join(f"{level!r}: {k}" for k, level in enumerate(levels[:3])) + (", …" if len(levels) > 3 else "")
    return InvalidArgumentError(
        f"{name} must be numbers, or labels that are numbers between the same words: {why}; the labels are {shown}. "
        f"Say what they mean: {name}.map({{{example}}}) of a pandas Series, each label with its time"
    )


def _of_text(name: str, levels: list[str], clock: Optional[Clock]) -> tuple[Clock, dict[str, float]]:
    if clock is None or clock.kind == "number":
        try:
            return Clock("number"), {level: float(level) for level in levels}
        except ValueError:
            pass
    found = {level: _LABEL.fullmatch(level.strip()) for level in levels}
    parts = []
    for level, match in found.items():
        if match is None:
            raise _refuse(name, levels, f"{level!r} does not have one number")
        parts.append((match["before"], match["number"], match["after"]))
    words = sorted({(before, after) for before, _, after in parts})
    if len(words) > 1:
        raise _refuse(name, levels, f"not all are like {words[0][0]}…{words[0][1]}")
    (before, after), signs = words[0], [number[0] == "-" for _, number, _ in parts]
    if clock is None and before and all(signs):
        raise _refuse(name, levels, "the sign before each number may be a dash")
    if clock is not None and clock.kind == "text" and (clock.before, clock.after) != (before, after):
        raise _refuse(
            name, levels, f"the model was fitted to labels like {clock.before}…{clock.after}, not {before}…{after}"
        )
    return Clock("text", before, after), {level: float(part[1]) for level, part in zip(levels, parts)}


def _days(since: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(since / _DAY, np.float64)


def _convert(
    name: str, values: npt.NDArray[Any], clock: Optional[Clock]
) -> tuple[Clock, npt.NDArray[np.float64], dict[str, float]]:
    """The clock of labels, their times, and the time of each level where that is not plain."""
    if values.dtype.kind == "O":
        values = _typed(values)
    kind = values.dtype.kind
    if kind in "biuf":
        return Clock("number"), values.astype(np.float64), {}
    if kind == "m":
        times = _days(values)
        each = {str(level.astype("timedelta64[us]").item()): float(_days(level)) for level in np.unique(values)}
        return Clock("duration"), times, each
    if kind == "M":
        origin = np.datetime64(clock.origin) if clock is not None and clock.origin else values.min()
        dates = {str(np.datetime_as_string(date, "auto")): float(_days(date - origin)) for date in np.unique(values)}
        return Clock("date", origin=str(np.datetime_as_string(origin, "auto"))), _days(values - origin), dates
    if kind not in "US":
        raise TypeError(f"{name} must be the times of the cells, got values of the type {type(values[0]).__name__}")
    texts = values.astype(str)
    levels_of_text, where = np.unique(texts, return_inverse=True)
    known, table = _of_text(name, [str(level) for level in levels_of_text], clock)
    of_levels = np.array([table[str(level)] for level in levels_of_text], np.float64)
    return known, of_levels[where], {} if known.kind == "number" else table


def _typed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array of Python's objects, by what they are; as it was if they are of several kinds."""
    first = values[0] if len(values) else 0.0
    if isinstance(first, str):
        return values.astype(str) if all(isinstance(value, str) for value in values) else values
    if isinstance(first, (datetime.timedelta, np.timedelta64)):
        return values.astype("timedelta64[ns]")
    if isinstance(first, (datetime.date, np.datetime64)):
        return values.astype("datetime64[ns]")
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        return values


def numbers(
    name: str, given: Any, *, cells: Optional[Sequence[Any]] = None, clock: Optional[Clock] = None
) -> tuple[npt.NDArray[np.float64], Clock]:
    """The time of each cell, and how it was read from the labels.

    Numbers and texts that are numbers stay what they are; texts with one number between the same words (``day0``, ``E8.5``,
    ``3h``) give that number; durations and dates are days, dates since the first. What was read is told to the logger
    ``chreode``. ``cells`` are names for messages; ``clock`` is that of a fit, whose first day and words are kept.
    """
    if given is None:
        raise TypeError(f"{name} must be the time of each cell, got None")
    values = _plain(name, given)
    refuse_missing(name, values, cells)
    known, times, table = _convert(name, values, clock)
    if clock is not None and known.kind not in ("number", clock.kind, {"number": "text"}.get(clock.kind)):
        raise InvalidArgumentError(f"{name} must be labels like those of the fit ({clock.kind}s), got {known.kind}s")
    if table:
        _log.info(
            "%s: %s", name, ", ".join(f"{label} → {at:g}" for label, at in sorted(table.items(), key=itemgetter(1)))
        )
    return np.ascontiguousarray(times), known
