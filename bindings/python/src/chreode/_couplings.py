"""Couplings of the cells of consecutive times, and what is carried along them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from . import _anndata, _html, _names, _progress, _snapshots, _times
from . import _arrays as arrays
from ._errors import InvalidArgumentError, warn_of
from ._ffi import ffi
from ._library import Handle, check, lib, number, text
from ._options import documented, make

if TYPE_CHECKING:
    import pandas
    from typing_extensions import Unpack

    from ._option_types import FitOptions

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Carried:
    """What became of a distribution over the cells of one time at those of another."""

    #: The mass on each cell: a Series under their names, if they have some and pandas is installed, else an array.
    masses: Any
    #: Of each interval on the way, in the order in which it was crossed, the mass that stood on cells without a partner, as it
    #: was before that interval. Carried as shares, ``masses`` and ``lost`` add up to what there was.
    lost: Numbers


class Couplings:
    """Which cells of each time become which of the next, with how much mass at either end.

    Made by :func:`couple`, by :meth:`Dynamics.descent`, and kept by a model where it was asked to: ``Dynamics.couplings``.

    ``sent``, ``dying``, ``received`` and ``born`` have one element a cell, in the order in which the cells were given: a cell
    sends its weight to cells of the next time, but for what of it dies for lack of a partner; it receives its weight from cells
    of the time before, but for what is born. Nothing is sent from the last time, and nothing received at the first.
    """

    #: The times, increasing.
    times: Numbers
    #: Number of cells at each time.
    counts: npt.NDArray[np.int64]
    #: What was chosen, and how the static problems went.
    report: dict[str, Any]
    #: The time of each cell.
    time: Numbers
    sent: Numbers
    dying: Numbers
    received: Numbers
    born: Numbers
    #: The weight of each cell; None where the cells themselves are not known.
    weight: Optional[Numbers] = None
    #: The row that each cell was given in: all of them, or those of the times that are coupled.
    row: npt.NDArray[np.intp]
    #: The names of the cells; None if they had none.
    names: Optional[Any] = None
    #: The same in the order of time, and the names of all rows.
    _rows: npt.NDArray[np.intp]
    _named: Optional[Any] = None
    _clock: Optional[_times.Clock] = None
    _handle: Handle

    def __init__(self) -> None:
        raise TypeError("Couplings are made by chreode.couple and Dynamics.descent")

    @classmethod
    def _own(cls, pointer: Any, snapshots: Optional[_snapshots.Snapshots] = None, names: Any = None) -> Couplings:
        """Takes over couplings of the library's, of these snapshots if they are known, whose cells may have names."""
        self = cls.__new__(cls)
        self._handle = Handle(pointer, lib.chreode_couplings_free, "couplings")
        with self._handle as handle:
            count = number("size_t", lib.chreode_couplings_time_count, handle)
            self.times, counts = np.empty(count), np.empty(count, np.uint64)
            check(
                lib.chreode_couplings_times(
                    handle, arrays.pointer("double", self.times), arrays.pointer("uint64_t", counts), count
                )
            )
            self.counts = counts.astype(np.int64)
            self.report = json.loads(text(lib.chreode_couplings_report, handle))
            of_time = [_cells(handle, k, int(cells)) for k, cells in enumerate(self.counts)]
        self._rows = np.arange(self.counts.sum()) if snapshots is None else _rows(snapshots, self.times)
        by_row = np.argsort(self._rows)
        self.row, self.time = self._rows[by_row], np.repeat(self.times, self.counts)[by_row]
        masses = (np.concatenate(parts)[by_row] for parts in zip(*of_time))
        self.sent, self.dying, self.received, self.born = masses
        if names is not None:
            self.names, self._named = names[self.row], names
        if snapshots is not None:
            weights = [snapshots.weights(k) for k in np.searchsorted(snapshots.times, self.times)]
            self.weight = np.concatenate(weights)[by_row]
            self._clock = snapshots._source.clock
        return self

    def __len__(self) -> int:
        """The number of intervals."""
        return len(self.times) - 1

    def rows(self, k: int) -> npt.NDArray[np.intp]:
        """The rows that the cells of time number ``k`` were given in: what the rows of :meth:`coupling` stand for."""
        k = self._index(k, len(self.times), "times")
        first = int(self.counts[:k].sum())
        return self._rows[first : first + int(self.counts[k])]

    def cells(self, k: int) -> Any:
        """The names of the cells of time number ``k``, in the order of :meth:`rows`; None if they have none."""
        return None if self._named is None else self._named[self.rows(k)]

    def pairs(self, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Numbers, Numbers]:
        """The coupled cells of times number ``k`` and ``k`` + 1: sources, targets, the masses sent and the masses received.

        Sources and targets are counted from 0 among the cells of their times, in the order of :meth:`rows`.
        """
        k = self._index(k, len(self), "intervals")
        with self._handle as handle:
            sizes = ffi.new("size_t[3]")
            check(lib.chreode_couplings_size(handle, k, sizes, sizes + 1, sizes + 2))
            count = sizes[2]
            sources, targets = np.empty(count, np.int64), np.empty(count, np.int64)
            sent, received = np.empty(count), np.empty(count)
            check(
                lib.chreode_couplings_pairs(
                    handle,
                    k,
                    arrays.pointer("uint64_t", sources),
                    arrays.pointer("uint64_t", targets),
                    arrays.pointer("double", sent),
                    arrays.pointer("double", received),
                    count,
                )
            )
        return sources, targets, sent, received

    def coupling(self, k: int, masses: str = "sent") -> Any:
        """The coupling of times number ``k`` and ``k`` + 1 as a ``scipy.sparse.csr_matrix``.

        It has a row for each cell before, ``rows(k)`` named ``cells(k)``, and a column for each after, ``rows(k + 1)``.

        Parameters
        ----------
        masses : ``"sent"``, what the cell before sends, or ``"received"``, what the cell after receives
            Rows add up to ``sent``, or columns to ``received``.
        """
        if masses not in ("sent", "received"):
            raise InvalidArgumentError(f"masses must be 'sent' or 'received', got {masses!r}")
        try:
            from scipy import sparse
        except ImportError as error:
            raise ImportError(
                "coupling() makes a matrix of scipy, which is not installed: pip install scipy, or take pairs()"
            ) from error
        sources, targets, sent, received = self.pairs(k)
        shape = (int(self.counts[k]), int(self.counts[self._index(k, len(self), "intervals") + 1]))
        return sparse.csr_matrix((sent if masses == "sent" else received, (sources, targets)), shape=shape)

    @property
    def unmatched(self) -> Numbers:
        """The mass without a partner, of each interval a row: what dies, and what is born."""
        return np.array(self.report["unmatched_mass"], np.float64).reshape(-1, 2)

    def push(self, distribution: Any, start: Any, to: Any, *, carry: str = "share") -> Carried:
        """Carries a distribution over the cells at ``start`` onwards to those at the later time ``to``: its descendants.

        It goes through the couplings of all intervals in between, one after another: what they make of it is their product.

        Parameters
        ----------
        distribution : one number a cell at ``start``, in the order of :meth:`rows`, finite and not negative; or one truth value
            A Series is aligned by the names of the cells, and may have other cells as well.
        start, to : times, as labels like those of the cells
        carry : ``"share"``, where a random unit of it goes, or ``"mass"``, what it becomes, with its growth
            Shares do not grow: what arrives and what is lost add up to what there was.
        """
        return self._carried(distribution, start, to, carry, forward=True)

    def pull(self, distribution: Any, start: Any, to: Any, *, carry: str = "share") -> Carried:
        """Carries a distribution over the cells at ``start`` back to those at the earlier time ``to``: its ancestors.

        As :meth:`push`.
        """
        return self._carried(distribution, start, to, carry, forward=False)

    def _carried(self, distribution: Any, start: Any, to: Any, carry: str, forward: bool) -> Carried:
        a, b = self._number("start", start), self._number("to", to)
        if a == b or (a < b) != forward:
            which, other = ("later", "pull") if forward else ("earlier", "push")
            raise InvalidArgumentError(
                f"to must be {which} than {start!r}, the start, got {to!r}; the other way goes {other}()"
            )
        masses = arrays.vector(
            "distribution", _names.by_rows("distribution", distribution, self.cells(a)), int(self.counts[a])
        )
        result, lost = np.empty(int(self.counts[b])), np.empty(abs(b - a))
        with self._handle as handle:
            check(
                lib.chreode_couplings_carry(
                    handle,
                    a,
                    b,
                    str(carry).encode(),
                    arrays.pointer("double", masses),
                    len(masses),
                    arrays.pointer("double", result),
                    len(result),
                    arrays.pointer("double", lost),
                    len(lost),
                )
            )
        return Carried(named(result, self.cells(b)), lost)

    def _number(self, name: str, time: Any) -> int:
        """The number of a time."""
        at, _ = _times.numbers(name, [time], clock=self._clock)
        found = np.flatnonzero(self.times == at[0])
        if not len(found):
            raise InvalidArgumentError(
                f"{name} must be one of the times {', '.join(f'{time:g}' for time in self.times)}, got {time!r}"
            )
        return int(found[0])

    @staticmethod
    def _index(k: int, count: int, what: str) -> int:
        if not -count <= k < count:
            raise IndexError(f"there are {count} {what}, got the number {k}")
        return k % count

    def to_frame(self) -> pandas.DataFrame:
        """A DataFrame of one row a cell under its name.

        Its columns are ``time``, ``weight`` where it is known, ``sent``, ``dying``, ``received``, ``born``.
        """
        import pandas

        columns = {"time": self.time, "weight": self.weight}
        columns.update({name: getattr(self, name) for name in ("sent", "dying", "received", "born")})
        known = {name: values for name, values in columns.items() if values is not None}
        return pandas.DataFrame(known, index=self.row if self.names is None else self.names)

    def close(self) -> None:
        """Frees the library's couplings now. Dropping them does as well."""
        self._handle.close()

    def __copy__(self) -> Couplings:
        return self  # they never change

    def __deepcopy__(self, memo: Any) -> Couplings:
        return self

    def __reduce__(self) -> Any:
        raise TypeError(
            "couplings cannot be pickled: make them again by couple(), or keep what coupling(k) and to_frame() give"
        )

    def __repr__(self) -> str:
        cells = ", ".join(f"{n} at {t:g}" for n, t in zip(self.counts, self.times))
        return f"<chreode.Couplings: {len(self)} of cells: {cells}>"

    def _repr_html_(self) -> str:
        rows = [
            (f"{before:g} to {after:g}", pairs, f"{dying:g}", f"{born:g}")
            for before, after, pairs, (dying, born) in zip(
                self.times, self.times[1:], self.report["pairs"], self.unmatched
            )
        ]
        return _html.table("chreode.Couplings", ("interval", "pairs", "dying", "born"), rows)


def own(pointer: Any, snapshots: _snapshots.Snapshots, names: Any) -> Couplings:
    """Takes over couplings of the library's, of snapshots whose cells may have names, and tells what they warn of."""
    couplings = Couplings._own(pointer, snapshots, names)
    warn_of(couplings.report)
    return couplings


def named(values: Numbers, cells: Any) -> Any:
    """A Series of values under the names of cells; the values where they have none."""
    if cells is None:
        return values
    import pandas

    return pandas.Series(values, index=cells)


def _rows(snapshots: _snapshots.Snapshots, times: Numbers) -> npt.NDArray[np.intp]:
    """The rows that the cells of some of the times of snapshots were given in, in the order of time."""
    order = np.arange(snapshots.counts.sum()) if snapshots._order is None else snapshots._order
    return order[np.isin(np.repeat(snapshots.times, snapshots.counts), times)]


def _cells(couplings: Any, k: int, count: int) -> tuple[Numbers, ...]:
    """What the cells of time number ``k`` send, what of them dies, what they receive, and what of them is born."""
    masses = tuple(np.empty(count) for _ in range(4))
    check(lib.chreode_couplings_cells(couplings, k, *(arrays.pointer("double", each) for each in masses), count))
    return masses


@documented("fit", "method")
def couple(
    x: Any,
    time: Any = None,
    method: Optional[str] = None,
    *,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    growth_prior: Any = None,
    clones: Any = None,
    progress: _progress.Progress = None,
    **options: Unpack[FitOptions],
) -> Couplings:
    """Couples the cells of consecutive times as :func:`fit` does by the same options, and trains nothing.

    Parameters
    ----------
    x, time, obsm, weights, masses, growth_prior, clones : the cells, as in :func:`fit`
        The names of an AnnData's cells or of a DataFrame's rows are kept.
    method : one that couples cells; the library's default if there is none
    progress : True for a bar, or a function, as in :func:`fit`: something true ends it by a CancelledError

    Returns
    -------
    Couplings
    """
    cells = _anndata.names(x) if _anndata.is_anndata(x) else _names.rows(x)
    snapshots = _snapshots.of(x, time, obsm, weights, masses, growth_prior=growth_prior, clones=clones)
    made = ffi.new("chreode_couplings **")
    chosen = make("fit", {"method": method, **dict(options)})
    with chosen as choice, snapshots._handle as held, _progress.Watch(progress) as watch:
        watch.check(lib.chreode_couple(held, choice, watch.callback, ffi.NULL, made))
    return own(made[0], snapshots, cells)
