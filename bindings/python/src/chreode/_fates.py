"""What cells become, by labels of later cells."""

from __future__ import annotations

import json
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from . import _html
from ._errors import InvalidArgumentError, warn_of
from ._ffi import ffi
from ._library import Handle, check, lib, number, text

if TYPE_CHECKING:
    import pandas

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Transitions:
    """Which label's cells at one time became which: tables of a row for each label of theirs, a column for each of the later cells."""

    #: The time of the cells.
    time: float
    #: The labels of the rows; None first, if cells are without.
    labels: list[Optional[str]]
    #: The mass of the cells of each.
    cells_mass: Numbers
    #: The mass of their descendants, its standard error, and its standard deviation by the cells, of an ensemble (else NaN).
    mass: Numbers
    mass_se: Numbers
    mass_sd: Numbers
    #: The share of each in its row's mass: where a label went.
    went: Numbers
    #: The share of each in its column's mass: where a label came from.
    came: Numbers


@dataclass(frozen=True)
class Fates:
    """What cells become: of each cell a row, of each label that later cells have a column.

    Standard errors are from the number of descendants that were simulated; standard deviations are by the cells,
    of an ensemble, see :meth:`Dynamics.deviation_over_members`; NaN of a model that is none.
    """

    #: The labels of the columns: numbers in their order where all are, else in that of the alphabet.
    labels: list[str]
    #: The time of the labelled cells.
    to: float
    #: The rows of the cells that were given, in their order.
    rows: npt.NDArray[np.intp]
    #: The names of the cells, if they had any.
    names: Optional[Any]
    #: The time of each cell, and its own label or None.
    time: Numbers
    label: npt.NDArray[np.object_]
    #: The probability that a random descendant has each label; NaN of a cell without any.
    p: Numbers
    #: The expected number of descendants with each label.
    n: Numbers
    #: The probability to have no descendants, one a cell: of the mode branching the share of families that died out; else that of
    #: cells which divide or die at the rate |g|, if all of a family went the way of one particle (exact for ode, rather too
    #: large for sde).
    p_none: Numbers
    p_se: Numbers
    n_se: Numbers
    p_none_se: Numbers
    p_sd: Numbers
    n_sd: Numbers
    p_none_sd: Numbers
    #: Which label's cells became which, of each time of the cells.
    transitions: list[Transitions]
    #: How many labelled cells say what a descendant is.
    neighbours: int
    #: How many cells of the labelled time have no label and were left out.
    unlabelled: int
    #: The largest share of the descendants' time outside of the box of the fitted cells; None for a model without a guard.
    outside: Optional[float]

    def to_frame(self) -> pandas.DataFrame:
        """A DataFrame of one row a cell under its name, with the columns that ``chreode fates`` writes.

        ``time``, ``label``; ``p_L`` and ``n_L`` of each label, ``p_none``; ``se_`` of each; of an ensemble ``sd_`` of each.
        """
        import pandas

        columns: dict[str, Any] = {"time": self.time, "label": self.label}
        blocks = [("", (self.p, self.n, self.p_none)), ("se_", (self.p_se, self.n_se, self.p_none_se))]
        if not np.isnan(self.p_none_sd).all():
            blocks.append(("sd_", (self.p_sd, self.n_sd, self.p_none_sd)))
        for prefix, (p, n, none) in blocks:
            for what, values in (("p", p), ("n", n)):
                columns.update({f"{prefix}{what}_{label}": values[:, j] for j, label in enumerate(self.labels)})
            columns[f"{prefix}p_none"] = none
        return pandas.DataFrame(columns, index=self.rows if self.names is None else self.names)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<chreode.Fates: {len(self)} cells, {', '.join(self.labels)} at {self.to:g}>"

    def _repr_html_(self) -> str:
        rows = [
            (f"{table.time:g}", "" if label is None else label, f"{mass:g}", *(f"{share:.3f}" for share in went))
            for table in self.transitions
            for label, mass, went in zip(table.labels, table.cells_mass, table.went)
        ]
        header = ("time", "label", "mass", *self.labels)
        return _html.table(f"chreode.Fates: where {len(self)} cells went until {self.to:g}", header, rows)


def _name(value: Any) -> Optional[str]:
    """What a label is called; None of one that is missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        if value != value:
            return None
        return str(int(float(value))) if float(value).is_integer() else str(value)
    return str(value) or None


def _in_order(names: set[str]) -> list[str]:
    try:
        return sorted(sorted(names), key=float)
    except ValueError:
        return sorted(names)


def codes(given: Any, cells: int) -> tuple[npt.NDArray[np.int32], list[str]]:
    """The number of each cell's label, −1 of one without, and what the labels are called."""
    if given is None or isinstance(given, str):
        raise TypeError(f"labels must be one a cell, or a column of an AnnData's obs, got {given!r}")
    values = np.asarray(given, dtype=object)
    if values.shape != (cells,):
        raise InvalidArgumentError(f"labels must be one for each of {cells} cells, got the shape {values.shape}")
    named = [_name(value) for value in values]
    names = _in_order({name for name in named if name is not None})
    code: dict[Optional[str], int] = {name: number for number, name in enumerate(names)}
    code[None] = -1
    return np.array([code[name] for name in named], np.int32), names


def own(
    pointer: Any, names: list[str], of_cells: npt.NDArray[np.int32], order: Optional[npt.NDArray[np.intp]], cells: Any
) -> Fates:
    """Takes everything out of fates of the library, which are freed.

    Labels, in the order of the snapshots, are called ``names``; ``order`` has the row that each cell was given in, and ``cells``
    their names.
    """
    handle = Handle(pointer, lib.chreode_fates_free, "fates")
    with handle as fates:
        shape = ffi.new("size_t[2]")
        check(lib.chreode_fates_shape(fates, shape, shape + 1))
        count, columns = shape[0], shape[1]
        numbers_of, times = np.empty(count, np.uint64), np.empty(count)
        check(
            lib.chreode_fates_cells(
                fates, arrays.pointer("uint64_t", numbers_of), arrays.pointer("double", times), count
            )
        )
        labels = np.empty(columns, np.int32)
        check(lib.chreode_fates_labels(fates, arrays.pointer("int32_t", labels), columns))
        which = numbers_of.astype(np.intp)
        rows = which if order is None else order[which]
        by_row = np.argsort(rows)

        def values(name: str, width: int) -> Numbers:
            found = np.empty((count, width))
            check(lib.chreode_fates_values(fates, name.encode(), arrays.view_mut(found)))
            return found[by_row]

        report = json.loads(text(lib.chreode_fates_report, fates))
        tables = number("size_t", lib.chreode_fates_transition_count, fates)
        called = np.array([*names, None], object)
        taken = Fates(
            labels=[names[label] for label in labels],
            to=report["to"],
            rows=rows[by_row],
            names=None if cells is None else cells[rows[by_row]],
            time=times[by_row],
            label=called[of_cells[which]][by_row],
            p=values("p", columns),
            n=values("n", columns),
            p_none=values("p_none", 1)[:, 0],
            p_se=values("se_p", columns),
            n_se=values("se_n", columns),
            p_none_se=values("se_p_none", 1)[:, 0],
            p_sd=values("sd_p", columns),
            n_sd=values("sd_n", columns),
            p_none_sd=values("sd_p_none", 1)[:, 0],
            transitions=[_transitions(fates, k, called, columns) for k in range(tables)],
            neighbours=report["neighbours"],
            unlabelled=report["unlabelled"],
            outside=report["outside"],
        )
    handle.close()
    warn_of(report)
    return taken


def _transitions(fates: Any, k: int, called: npt.NDArray[np.object_], columns: int) -> Transitions:
    time, size = ffi.new("double *"), ffi.new("size_t *")
    check(lib.chreode_fates_transition(fates, k, time, size))
    count = size[0]
    labels, masses = np.empty(count, np.int32), np.empty(count)
    check(
        lib.chreode_fates_transition_sources(
            fates, k, arrays.pointer("int32_t", labels), arrays.pointer("double", masses), count
        )
    )

    def values(name: str) -> Numbers:
        found = np.empty((count, columns))
        check(lib.chreode_fates_transition_values(fates, k, name.encode(), arrays.view_mut(found)))
        return found

    return Transitions(
        time[0],
        list(called[labels]),
        masses,
        values("mass"),
        values("se_mass"),
        values("sd_mass"),
        values("went"),
        values("came"),
    )
