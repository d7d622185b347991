"""Cells at increasing times."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from . import _anndata, _html, _masses, _names, _times
from . import _arrays as arrays
from ._errors import InvalidArgumentError
from ._ffi import ffi
from ._known import Known
from ._library import Handle, check, lib, number
from ._options import make
from ._source import Source

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._option_types import DatasetOptions


class Snapshots:
    """Cells at increasing times, with weights: what a fit learns from and an evaluation compares with.

    Parameters
    ----------
    x : array or DataFrame, n × d, one row a cell; any strides, float32 or float64
    time : the time of each row, in any order
        Numbers, or labels that are numbers between the same words (``day0``, ``E8.5``, ``3h``), durations or dates, which
        become days, dates since the first. How labels were read is told to the logger ``chreode``.
    weights : the weight of each row; 1 if there are none
    masses : total mass of each time: a mapping or a Series from time to mass, or an array in increasing order of time
        Experiments subsample, so the number of cells is not always the size of the population.
    growth_prior : the growth rate that is expected of each row, per unit of time
        Births less deaths that are known from elsewhere, as from scores of gene sets. It enters the couplings of a fit, by the
        options ``source_penalty`` and ``target_penalty``.
    clones : the clone of each row, as from lineage barcodes: any labels, None, NaN or "" where none is known
        Couplings do not join cells of known, different clones, or at the price of the option ``clone_penalty``.
    copy : False uses ``x`` where it is, a ``numpy.memmap`` for instance, and raises if that cannot be
        ``x`` is then float32 in C order (an array, or what has ``__dlpack__`` on the CPU), is kept for as long as these
        snapshots, and must not be changed. Its rows may stand in any order of time. The results are the same to the bit.

    Series of times, weights, growth rates and clones are aligned with the rows of a DataFrame by their index.
    """

    _handle: Handle
    _source: Source
    #: The rows that it was made of, in the order in which it holds them, where it was made of rows.
    _order: Optional[npt.NDArray[np.intp]] = None
    #: The array that the library reads without a copy, if it does.
    _shared: Optional[npt.NDArray[np.float32]] = None
    #: What is known of the cells beside, in the order in which it holds them.
    _known: Known = Known()

    def __init__(
        self,
        x: Any,
        time: Any,
        *,
        weights: Any = None,
        masses: Any = None,
        growth_prior: Any = None,
        clones: Any = None,
        copy: bool = True,
    ) -> None:
        self._read(x, time, weights, masses, _names.rows(x), Source(), copy, growth_prior, clones)

    @classmethod
    def from_anndata(
        cls,
        data: Any,
        time: Any,
        *,
        obsm: str = "X_pca",
        weights: Any = None,
        masses: Any = None,
        growth_prior: Any = None,
        clones: Any = None,
    ) -> Snapshots:
        """Snapshots of the cells of an AnnData: coordinates ``obsm``; times, weights, growth rates that are expected and clones are
        columns of ``obs`` or one a cell."""
        return of(data, time, obsm, weights, masses, growth_prior=growth_prior, clones=clones)

    def _read(
        self,
        x: Any,
        time: Any,
        weights: Any,
        masses: Any,
        cells: Any,
        source: Source,
        copy: bool = True,
        growth_prior: Any = None,
        clones: Any = None,
    ) -> None:
        if isinstance(time, str):
            raise TypeError(f"time must be the time of each cell, got {time!r}; names of columns are for an AnnData")
        x = _names.by_columns("x", x, source.coordinates)
        names = _names.columns(x)
        points = arrays.matrix("x", x) if copy else arrays.shared("x", x)
        times, clock = _times.numbers("time", _names.by_rows("time", time, cells), cells=cells, clock=source.clock)
        given = None
        if weights is not None:
            weights = _names.by_rows("weights", weights, _names.rows(time) if cells is None else cells)
            given = arrays.vector("weights", weights)
            _times.refuse_missing("weights", given, cells)
        made = ffi.new("chreode_snapshots **")
        new = lib.chreode_snapshots_new if copy else lib.chreode_snapshots_borrow
        check(
            new(
                arrays.view(points),
                arrays.pointer("double", times),
                len(times),
                arrays.pointer("double", given),
                arrays.count(given),
                made,
            )
        )
        coordinates = source.coordinates if names is None else tuple(names)
        self._order = np.argsort(times, kind="stable")
        self._shared = None if copy else points
        source = replace(source, coordinates=coordinates, clock=clock, weighted=given is not None)
        try:
            known = Known.of(growth_prior, clones, _names.rows(time) if cells is None else cells, self._order)
        except BaseException:
            lib.chreode_snapshots_free(made[0])
            raise
        self._take(made[0], source, masses, known)

    @classmethod
    def from_blocks(
        cls, blocks: Sequence[Any], times: Any, *, weights: Optional[Sequence[Any]] = None, masses: Any = None
    ) -> Snapshots:
        """Snapshots of one matrix a time; ``weights`` has, for each block, one weight a row or None."""
        return cls._of_blocks(blocks, times, weights, masses, Known())

    @classmethod
    def _of_blocks(
        cls, blocks: Sequence[Any], times: Any, weights: Optional[Sequence[Any]], masses: Any, known: Known
    ) -> Snapshots:
        names = _names.columns(blocks[0]) if len(blocks) else None
        points = [
            arrays.matrix(f"blocks[{k}]", _names.by_columns(f"blocks[{k}]", block, names))
            for k, block in enumerate(blocks)
        ]
        labels, clock = _times.numbers("times", times)
        if len(labels) != len(points):
            raise InvalidArgumentError(f"times must have {len(points)} elements, one a block, got {len(labels)}")
        given = [None] * len(points) if weights is None else list(weights)
        if len(given) != len(points):
            raise InvalidArgumentError(f"weights must have {len(points)} elements, one a block, got {len(given)}")
        each = [
            None if block is None else arrays.vector(f"weights[{k}]", block, len(points[k]))
            for k, block in enumerate(given)
        ]
        views = ffi.new("chreode_matrix[]", [arrays.fields(block) for block in points])
        pointers = ffi.new("double *[]", [arrays.pointer("double", block) for block in each])
        made = ffi.new("chreode_snapshots **")
        check(lib.chreode_snapshots_from_blocks(views, arrays.pointer("double", labels), pointers, len(points), made))
        coordinates = None if names is None else tuple(names)
        weighted = any(block is not None for block in each)
        source = Source(coordinates=coordinates, clock=clock, weighted=weighted)
        return cls._own(made[0], source, masses, known=known)

    @classmethod
    def _own(
        cls, pointer: Any, source: Source, masses: Any = None, shared: Any = None, known: Known = Known()
    ) -> Snapshots:
        snapshots = cls.__new__(cls)
        snapshots._shared = shared
        snapshots._take(pointer, source, masses, known)
        return snapshots

    def _knowing(self, known: Known) -> Snapshots:
        """The same, which know this already where the library holds them."""
        self._known = known
        return self

    def _take(self, pointer: Any, source: Source, masses: Any, known: Known = Known()) -> None:
        self._known = known
        self._keep(known.told(pointer))
        self._source = source
        if masses is not None:
            pointer, self._source = self._reweighed(masses)
            self._keep(pointer)

    def _reweighed(self, masses: Any) -> tuple[Any, Source]:
        values = _masses.of(masses, self.times, self._source.clock)
        made = ffi.new("chreode_snapshots **")
        with self._handle as snapshots:
            check(lib.chreode_snapshots_with_masses(snapshots, arrays.pointer("double", values), len(values), made))
        pairs = tuple((float(time), float(mass)) for time, mass in zip(self.times, values))
        return made[0], replace(self._source, masses=pairs)

    def _keep(self, pointer: Any) -> None:
        self._handle = handle = Handle(pointer, lib.chreode_snapshots_free, "snapshots", self._shared)
        with handle as snapshots:
            count = number("size_t", lib.chreode_snapshots_time_count, snapshots)
            #: Number of coordinates.
            self.dims: int = number("size_t", lib.chreode_snapshots_dims, snapshots)
            #: The times, increasing.
            self.times: npt.NDArray[np.float64] = np.empty(count)
            check(lib.chreode_snapshots_times(snapshots, arrays.pointer("double", self.times), count))
            #: Number of cells at each time.
            self.counts: npt.NDArray[np.int64] = np.array(
                [number("size_t", lib.chreode_snapshots_cell_count, snapshots, k) for k in range(count)], np.int64
            )
            #: Total mass at each time.
            self.masses: npt.NDArray[np.float64] = np.array(
                [number("double", lib.chreode_snapshots_mass, snapshots, k) for k in range(count)]
            )
        for told in (self.times, self.counts, self.masses):
            told.flags.writeable = False

    def __len__(self) -> int:
        return len(self.times)

    @property
    def coordinates(self) -> Optional[list[str]]:
        """The names of the coordinates; None if they had none."""
        return None if self._source.coordinates is None else list(self._source.coordinates)

    def __repr__(self) -> str:
        cells = ", ".join(f"{n} at {t:g}" for n, t in zip(self.counts, self.times))
        return f"<chreode.Snapshots: {self.dims} dimensions; cells: {cells}>"

    def _repr_html_(self) -> str:
        rows = [(f"{t:g}", n, f"{mass:g}") for t, n, mass in zip(self.times, self.counts, self.masses)]
        return _html.table(f"chreode.Snapshots: {self.dims} dimensions", ("time", "cells", "mass"), rows)

    def _index(self, k: int) -> int:
        index = operator.index(k)
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} times, got the number {index}")
        return index % len(self)

    def points(self, k: int) -> npt.NDArray[np.float32]:
        """The cells at time number ``k``, one row a cell."""
        k = self._index(k)
        points = np.empty((int(self.counts[k]), self.dims), np.float32)
        with self._handle as snapshots:
            check(lib.chreode_snapshots_points(snapshots, k, arrays.view_mut(points)))
        return points

    def weights(self, k: int) -> npt.NDArray[np.float64]:
        """The weights of the cells at time number ``k``."""
        k = self._index(k)
        weights = np.empty(int(self.counts[k]))
        with self._handle as snapshots:
            check(lib.chreode_snapshots_weights(snapshots, k, arrays.pointer("double", weights), len(weights)))
        return weights

    def sample(self, k: int, count: int, seed: int = 0) -> npt.NDArray[np.float32]:
        """Draws ``count`` different cells of time number ``k``, count × d.

        Each is drawn from those that are left with a chance in proportion to its weight; they keep the order of the snapshot.
        The same seed draws the same cells in every language. Simulate a branching population from them rather than from the
        first rows, which stand as the experiment left them.
        """
        k, count, seed = self._index(k), operator.index(count), operator.index(seed)
        if count < 0 or not 0 <= seed < 2**64:
            raise InvalidArgumentError(f"count must be at least 1 and seed 0 to 2**64 - 1, got {count} and {seed}")
        rows = np.empty(count, np.uint64)
        with self._handle as snapshots:
            check(lib.chreode_snapshots_sample(snapshots, k, count, seed, arrays.pointer("uint64_t", rows)))
        return self.points(k)[rows.astype(np.intp)]

    def with_masses(self, masses: Any) -> Snapshots:
        """The same snapshots with other total masses: a mapping from time to mass, or one positive number a time."""
        reweighed = Snapshots._own(*self._reweighed(masses), shared=self._shared)._knowing(self._known)
        reweighed._order = self._order
        return reweighed

    def without(self, times: Any) -> Snapshots:
        """The snapshots without those at some times: what a held-out fit learns from."""
        left_out, _ = _times.numbers("times", times, clock=self._source.clock)
        made = ffi.new("chreode_snapshots **")
        with self._handle as snapshots:
            check(lib.chreode_snapshots_without(snapshots, arrays.pointer("double", left_out), len(left_out), made))
        masses = self._source.masses
        kept = None if masses is None else tuple(pair for pair in masses if pair[0] not in left_out)
        some = Snapshots._own(made[0], replace(self._source, masses=kept), shared=self._shared)
        return some._knowing(self._known.part(np.repeat(np.isin(self.times, some.times), self.counts)))

    def remember(self, key_added: Optional[str], options: dict[str, Any]) -> None:
        """Keeps what a fit to an AnnData was asked for, for its model; nothing depends on the number of threads."""
        plain = {name: _plain(value) for name, value in options.items() if value is not None and name != "threads"}
        self._source = replace(self._source, key_added=key_added, options=plain)

    def close(self) -> None:
        """Frees the library's copy of the cells now, or lets go of the array that it used."""
        self._handle.close()
        self._shared = None

    def __reduce__(self) -> tuple[Any, ...]:
        blocks = [self.points(k) for k in range(len(self))]
        weights = [self.weights(k) for k in range(len(self))]
        return _restore, (blocks, self.times, weights, self._source, self._known)

    def __copy__(self) -> Snapshots:
        return self  # they never change

    def __deepcopy__(self, memo: Any) -> Snapshots:
        return self


def _plain(value: Any) -> Any:
    """An option's value as JSON and files of an AnnData hold it: a number, a truth or a text."""
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    return ",".join(map(str, value)) if hasattr(value, "__iter__") else str(value)


def _restore(
    blocks: Sequence[Any], times: Any, weights: Sequence[Any], source: Source, known: Known = Known()
) -> Snapshots:
    snapshots = Snapshots._of_blocks(blocks, times, weights, None, known)
    snapshots._source = source
    return snapshots


def of(
    x: Any,
    time: Any,
    obsm: Optional[str],
    weights: Any,
    masses: Any,
    fitted: Optional[Source] = None,
    *,
    growth_prior: Any = None,
    clones: Any = None,
) -> Snapshots:
    """Snapshots of whatever a caller has: snapshots, an AnnData, or a matrix and its times.

    What is not given is as it was in a fit, if there was one; ``False`` for weights or masses says that there are none.
    """
    if isinstance(x, Snapshots):
        if time is not None or weights is not None or obsm is not None:
            raise TypeError("snapshots have their times and weights: give neither `time`, `weights` nor `obsm`")
        if growth_prior is not None or clones is not None:
            raise TypeError("snapshots have their growth prior and clones: give them to Snapshots(…)")
        _refuse_other_coordinates(x, fitted)
        return x if masses is None or masses is False else x.with_masses(masses)
    source = Source() if fitted is None else fitted
    known = replace(Source(), coordinates=source.coordinates, clock=source.clock)
    cells = _names.rows(x)
    if weights is None and source.weighted:
        weights = weights_of_the_fit(x, source)
    if weights is False:
        weights = None
    if _anndata.is_anndata(x):
        obsm, time = obsm or source.obsm or "X_pca", source.time if time is None else time
        known = replace(
            known,
            obsm=obsm,
            time=time if isinstance(time, str) else None,
            weights=weights if isinstance(weights, str) else None,
        )
        cells = _anndata.names(x)
        time, weights = _anndata.column(x, "time", time), _anndata.column(x, "weights", weights)
        growth_prior = _anndata.column(x, "growth_prior", growth_prior)
        clones = _anndata.column(x, "clones", clones)
        x = _anndata.coordinates(x, obsm)
    elif obsm is not None:
        raise TypeError("`obsm` is for an AnnData")
    snapshots = Snapshots.__new__(Snapshots)
    snapshots._read(x, time, weights, None, cells, known, True, growth_prior, clones)
    if masses is None and source.masses is not None:
        masses = _masses.remembered(source.masses, snapshots.times)
    return snapshots if masses is None or masses is False else snapshots.with_masses(masses)


def weights_of_the_fit(x: Any, source: Source) -> str:
    if source.weights is None or not _anndata.is_anndata(x):
        raise InvalidArgumentError(
            "the model was fitted with weights: give those of these cells, or weights=False if each weighs 1"
        )
    return source.weights


def _refuse_other_coordinates(snapshots: Snapshots, fitted: Optional[Source]) -> None:
    wanted = None if fitted is None else fitted.coordinates
    have = snapshots._source.coordinates
    if wanted is not None and have is not None and have != wanted:
        raise InvalidArgumentError(
            f"the snapshots must have the coordinates {', '.join(wanted)}, got {', '.join(have)}"
        )


def dataset(name: str, **options: Unpack[DatasetOptions]) -> Snapshots:
    """Makes a built-in data set: ``gene-network``, ``gaussian-mixture`` or ``branching``.

    Its options are those that ``chreode.options(name)`` lists.
    """
    made = ffi.new("chreode_snapshots **")
    with make(name, dict(options)) as handle:
        check(lib.chreode_snapshots_generate(handle, made))
    return Snapshots._own(made[0], Source())
