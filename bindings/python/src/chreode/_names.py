"""What has names is aligned by them: pandas' Series and DataFrames, known by their looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from ._errors import InvalidArgumentError


def is_pandas(given: Any) -> bool:
    return hasattr(given, "iloc") and hasattr(given, "index")


def rows(given: Any) -> Any:
    """The names of the rows of a Series or a DataFrame; None of anything else."""
    return given.index if is_pandas(given) else None


def columns(given: Any) -> Optional[list[str]]:
    """The names of the columns of a DataFrame; None of anything else."""
    return [str(name) for name in given.columns] if is_pandas(given) and hasattr(given, "columns") else None


def by_rows(name: str, given: Any, cells: Any) -> Any:
    """What a Series or DataFrame has for the cells of an index, in their order; anything else goes by position."""
    index = rows(given)
    if index is None or cells is None or index.equals(cells):
        return given
    if not (index.is_unique and cells.is_unique):
        raise InvalidArgumentError(
            f"{name} must have the index of the cells, or both must have unique names to be aligned by; drop its index "
            "(.to_numpy()) to go by position"
        )
    where = index.get_indexer(cells)
    missing = [cell for cell, at in zip(cells, where) if at < 0]
    if missing:
        raise InvalidArgumentError(
            f"{name} must have a value for each cell by its name, got none for {missing[0]!r}"
            + (f" and {len(missing) - 1} others" if len(missing) > 1 else "")
            + f" (its index begins with {', '.join(map(repr, index[:3]))}); drop its index (.to_numpy()) to go by position"
        )
    return given.iloc[where]


def by_columns(name: str, given: Any, wanted: Optional[Sequence[str]]) -> Any:
    """The coordinates of a DataFrame in the order of their names; anything else goes by position."""
    have = columns(given)
    if have is None or wanted is None or have == list(wanted):
        return given
    missing = [column for column in wanted if column not in have]
    if missing or len(set(have)) < len(have):
        raise InvalidArgumentError(
            f"{name} must have the coordinates {', '.join(wanted)}, each once, got {', '.join(have)}; drop their names "
            "(.to_numpy()) to go by position"
        )
    return given.iloc[:, [have.index(column) for column in wanted]]
