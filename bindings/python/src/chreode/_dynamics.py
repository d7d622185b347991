"""Learned dynamics: asked, simulated, evaluated, kept."""

from __future__ import annotations

import json
import operator
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import (
    _anndata,
    _couplings,
    _evaluation,
    _fates,
    _html,
    _library,
    _names,
    _progress,
    _simulation,
    _snapshots,
    _times,
)
from . import _arrays as arrays
from ._errors import InvalidArgumentError, warn
from ._ffi import ffi
from ._library import Handle, check, lib, number, text
from ._masses import remembered
from ._options import documented, make
from ._source import Source

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._option_types import EvaluateOptions, FatesOptions, SimulateOptions

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def _between(snapshots: _snapshots.Snapshots, start: Any, to: Any) -> dict[str, Optional[float]]:
    """The options ``from`` and ``to``, of times or labels like those of the cells."""
    clock = snapshots._source.clock
    asked = (("from", "start", start), ("to", "to", to))
    return {
        option: None if at is None else float(_times.numbers(name, [at], clock=clock)[0][0])
        for option, name, at in asked
    }


class Dynamics:
    """Learned dynamics: velocity, growth rate and score drift of a population.

    Made by :func:`fit`, :meth:`load` and :meth:`from_bytes`. It can be pickled and copied, and goes on working in a forked
    child. Threads that share it take turns.

    It knows the names of its coordinates, by which DataFrames are put in order, and where the cells of the fit came from: the
    keys of an AnnData, and the masses. Pickles, copies, bytes and files keep that; files and pickles keep the report, too, and
    pickles the losses.
    """

    #: Number of coordinates.
    dims: int
    #: What the model is: method, sigma, delta, times, seed, epochs, parameters, has_growth, has_score, …
    info: dict[str, Any]
    #: How the fit went, also for a model from a file; None for one from bytes.
    report: Optional[dict[str, Any]]
    #: The loss of every training step; none for a model from a file or bytes.
    losses: npt.NDArray[np.float64]
    _handle: Handle
    _process: int
    _source: Source

    def __init__(self) -> None:
        raise TypeError("Dynamics are made by chreode.fit, Dynamics.load and Dynamics.from_bytes")

    @classmethod
    def _own(cls, pointer: Any, source: Optional[Source] = None) -> Dynamics:
        """Takes over a model of the library's, which is to remember the source of its cells if there is one."""
        model = cls.__new__(cls)
        model._handle, model._process = _handle(pointer), os.getpid()
        with model._handle as handle:
            if source is not None:
                source.write(handle)
            model.dims = number("size_t", lib.chreode_model_dims, handle)
            model.info = json.loads(text(lib.chreode_model_info, handle))
            model.info["seed"] = int(model.info["seed"])  # text, since JSON's numbers are doubles elsewhere
            model.report = json.loads(text(lib.chreode_model_report, handle))
            model._source = Source.read(handle, model.info["coordinates"])
            model.losses = _losses(handle)
        return model

    @cached_property
    def fields(self) -> dict[str, int]:
        """The fields that the model has learned, and their number of columns."""
        with self._use() as model:
            known = _known_fields(model)
        return {name: known[name] for name in self.info["fields"]}

    @property
    def coordinates(self) -> Optional[list[str]]:
        """The names of the coordinates; None if the cells of the fit had none."""
        names = self._source.coordinates
        return None if names is None else list(names)

    def _use(self) -> Handle:
        """The handle, made anew in a forked child, where the threads that the parent's has started do not exist."""
        if self._process != os.getpid():
            self._renew()
        return self._handle

    def _renew(self) -> None:
        with self._handle as model:
            threads = number("size_t", lib.chreode_model_threads, model)
            data = _bytes(model)
        with _library.renewal:
            if self._process != os.getpid():
                renewed = _handle(_read(data))
                with renewed as model:
                    check(lib.chreode_model_set_threads(model, threads))
                self._handle, self._process = renewed, os.getpid()

    def field(
        self,
        name: str,
        x: Any,
        t: Any = None,
        *,
        obsm: Optional[str] = None,
        out: Optional[npt.NDArray[Any]] = None,
    ) -> npt.NDArray[Any]:
        """Evaluates a field, one of ``self.fields``, at points.

        Parameters
        ----------
        name : ``"velocity"`` (length per time), ``"growth"`` (per time), ``"score_drift"`` ((σ²/2) ∇ log p, length per time), …
        x : array or DataFrame n × d, one row a point; any strides. float32 is answered by float32, anything else by float64
            The columns of a DataFrame are taken by the names of the model's coordinates. Of an AnnData, its cells: their
            coordinates ``obsm``, those of the fit unless another key is given.
        t : one time for all points, or one a row, as labels like those of the fit
            Of an AnnData also the name of a column of ``obs``; that of the fit if it is not given.
        out : where to put the values, n × columns; any strides. Nothing is copied where it and ``x`` are float32 in C order

        Raises
        ------
        InvalidArgumentError
            The model has not learned such a field.
        """
        return self._field(lib.chreode_model_field_at, (), name, x, t, obsm, out)

    def field_sd(
        self,
        name: str,
        x: Any,
        t: Any = None,
        *,
        obsm: Optional[str] = None,
        out: Optional[npt.NDArray[Any]] = None,
    ) -> npt.NDArray[Any]:
        """The standard deviation of a field's error at points, of an ensemble (``fit(..., ensemble=8)``); as :meth:`field`.

        It is that of the error beside its bias, see :meth:`field_quantile`. Its square is the variance by the cells, see
        :meth:`deviation_over_members`, and what the distance of the snapshots in time adds: see ``info["uncertainty"]``. The
        fields are ``"velocity"``, ``"growth"`` and ``"score_drift"``.

        Raises
        ------
        InvalidArgumentError
            The model is no ensemble, or the field has no error bars.
        """
        return self._field(lib.chreode_model_field_sd, (), name, x, t, obsm, out)

    def field_quantile(
        self,
        name: str,
        level: float,
        x: Any,
        t: Any = None,
        *,
        obsm: Optional[str] = None,
        out: Optional[npt.NDArray[Any]] = None,
    ) -> npt.NDArray[Any]:
        """A quantile of what a field may be at points, of an ensemble: the field, less its bias, plus so many of :meth:`field_sd`.

        The bias is what a finite price of growth makes wrong to first order, as a fit at half of δ² tells (there is one where
        ``info["uncertainty"]`` calls the field ``biased``); the quantile of 0.5 is the field without it. Between the levels 0.05
        and 0.95 lies the true field at nine cells of ten.
        """
        return self._field(lib.chreode_model_field_quantile, (arrays.number("level", level),), name, x, t, obsm, out)

    def is_biased(self, name: str) -> bool:
        """Whether the bias of a field is known, of an ensemble: then intervals lie around another place than the field.

        Raises
        ------
        InvalidArgumentError
            The model has not learned such a field.
        """
        self._columns(name)
        known = self.info["uncertainty"]
        return bool(known and known.get(name, {}).get("biased"))

    def field_bias(
        self,
        name: str,
        x: Any,
        t: Any = None,
        *,
        obsm: Optional[str] = None,
        out: Optional[npt.NDArray[Any]] = None,
    ) -> npt.NDArray[Any]:
        """The bias of a field at points, of an ensemble, as :meth:`field`: less it the field is the middle of its interval.

        It is 0 where :meth:`is_biased` is false. See :meth:`field_quantile`.
        """
        bias = self.field(name, x, t, obsm=obsm, out=out)
        bias -= self.field_quantile(name, 0.5, x, t, obsm=obsm)
        return bias

    def _field(
        self,
        evaluate: Any,
        more: tuple[float, ...],
        name: str,
        x: Any,
        t: Any,
        obsm: Optional[str],
        out: Optional[npt.NDArray[Any]],
    ) -> npt.NDArray[Any]:
        columns = self._columns(name)
        x, t, cells = self._cells(x, t, obsm)
        source = self._source
        points = arrays.matrix("x", _names.by_columns("x", x, source.coordinates))
        if out is None:
            values: npt.NDArray[Any] = np.empty((len(points), columns), points.dtype)
        else:
            values = arrays.output("out", out, (len(points), columns))
        if np.ndim(t) == 0:
            moment = np.array([arrays.number("t", t)])
            self._warn_of_times(moment)
            self._evaluate(evaluate, more, name, points, moment, values)
            return values
        times, _ = _times.numbers("t", _names.by_rows("t", t, cells), cells=cells, clock=source.clock)
        if len(times) != len(points):
            raise InvalidArgumentError(f"t must be one time, or {len(points)}, one a row, got {len(times)}")
        if not np.isfinite(times).all():
            raise InvalidArgumentError("t must be finite")
        self._warn_of_times(times)
        self._evaluate(evaluate, more, name, points, times, values)
        return values

    def _cells(self, x: Any, t: Any, obsm: Optional[str]) -> tuple[Any, Any, Any]:
        """Points, the time of each or of all, and the names of cells, of an AnnData by the keys of the fit."""
        if not _anndata.is_anndata(x):
            if obsm is not None:
                raise TypeError("`obsm` is for an AnnData")
            if t is None:
                raise TypeError("t must be one time, or one a row, got None")
            return x, t, _names.rows(x)
        source = self._source
        when = _anndata.column(x, "time", source.time if t is None else t)
        return _anndata.coordinates(x, obsm or source.obsm or "X_pca"), when, _anndata.names(x)

    def _warn_of_times(self, times: npt.NDArray[np.float64]) -> None:
        """Warns of times beyond those of the fit, where fields are extrapolations."""
        first, last = self.info["times"][0], self.info["times"][-1]
        beyond = np.maximum(first - times, times - last)
        if beyond.size and beyond.max() > 1e-9 * (last - first):
            warn(
                f"the time {times[beyond.argmax()]:g} is {beyond.max():.3f} beyond the times that the model was fitted to, "
                f"{first:g} to {last:g}: its fields are extrapolations there"
            )

    def _evaluate(
        self,
        evaluate: Any,
        more: tuple[float, ...],
        name: str,
        points: arrays.Array,
        times: npt.NDArray[np.float64],
        values: arrays.Array,
    ) -> None:
        with self._use() as model, _progress.Watch(None) as watch:
            # A callback costs more than a few points do, which are over before anybody could interrupt.
            callback = watch.callback if len(points) >= _WATCHED else ffi.NULL
            watch.check(
                evaluate(
                    model,
                    name.encode(),
                    *more,
                    arrays.pointer("double", times),
                    len(times),
                    arrays.view(points),
                    callback,
                    ffi.NULL,
                    arrays.view_mut(values),
                )
            )

    def _columns(self, name: str) -> int:
        if name not in self.fields:
            with self._use() as model:
                known = _known_fields(model)
            learned = ", ".join(self.fields)
            if name in known:
                why = f"the method {self.info['method']} learns no {name}"
            else:
                why = f"there is no field {name!r} (the library knows {', '.join(known)})"
            raise InvalidArgumentError(f"{why}; the fields of this model are {learned}")
        return self.fields[name]

    def velocity(
        self, x: Any, t: Any = None, *, obsm: Optional[str] = None, out: Optional[npt.NDArray[Any]] = None
    ) -> npt.NDArray[Any]:
        """The velocity of the population's flow at points, n × d. See :meth:`field`."""
        return self.field("velocity", x, t, obsm=obsm, out=out)

    def growth(self, x: Any, t: Any = None, *, obsm: Optional[str] = None) -> npt.NDArray[Any]:
        """The growth rate, births minus deaths, at points: one number a row. See :meth:`field`."""
        return self.field("growth", x, t, obsm=obsm)[:, 0]

    def score_drift(
        self, x: Any, t: Any = None, *, obsm: Optional[str] = None, out: Optional[npt.NDArray[Any]] = None
    ) -> npt.NDArray[Any]:
        """(σ²/2) ∇ log p at points, n × d. See :meth:`field`."""
        return self.field("score_drift", x, t, obsm=obsm, out=out)

    @documented("simulate", "mode", "seed")
    def simulate(
        self,
        points: Any,
        times: Any = None,
        mode: Optional[str] = None,
        seed: Optional[int] = None,
        *,
        start: Optional[float] = None,
        weights: Any = None,
        obsm: Optional[str] = None,
        progress: _progress.Progress = None,
        **options: Unpack[SimulateOptions],
    ) -> _simulation.Trajectory:
        """Simulates a population from ``points`` to each of ``times``.

        Parameters
        ----------
        points : array or DataFrame n × d, one row a cell; :meth:`Snapshots.sample` draws some of a snapshot
            Of an AnnData, its cells at the time ``start``, by the keys of the fit and with the weights and masses of the fit,
            so that part of the cells stand for the whole population, unless ``weights`` are given; of a branching population
            each is one founder then.
        times : output times, increasing, or, but for branching, decreasing; the times of the fit if there are none
        mode : ``"ode"``, ``"sde"`` or ``"branching"``
        seed : of all random numbers
        start : the time of ``points``; the first of ``times`` if it is not given
        weights : the weight of each row; 1 if there are none. Of an AnnData, of all its cells, also a column of ``obs``, as the
            probability of a fate; those at ``start`` must have one. False for 1 each.
        obsm : the coordinates of an AnnData, those of the fit unless another key is given
        progress : True for a bar, or a function, as in :func:`fit`: something true ends the simulation by a CancelledError

        Warns
        -----
        ChreodeWarning : a time lies outside those of the fit
        """
        until = arrays.vector("times", self.info["times"] if times is None else times)
        if start is None and len(until) == 0:
            raise InvalidArgumentError("times must not be empty")
        begin_at = float(until[0]) if start is None else arrays.number("start", start)
        founders = self._founders(points, begin_at, weights, obsm, mode)
        begin, given = founders.points, founders.weights
        made = ffi.new("chreode_trajectory **")
        choice = make("simulate", {"mode": mode, "seed": seed, **dict(options)})
        with choice as chosen, self._use() as model, _progress.Watch(progress) as watch:
            watch.check(
                lib.chreode_simulate(
                    model,
                    begin_at,
                    arrays.view(begin),
                    arrays.pointer("double", given),
                    arrays.count(given),
                    arrays.pointer("double", until),
                    len(until),
                    chosen,
                    watch.callback,
                    ffi.NULL,
                    made,
                )
            )
        return _simulation.own(made[0], self._origin(founders, begin_at, mode, seed))

    def _founders(self, points: Any, start: float, weights: Any, obsm: Optional[str], mode: Optional[str]) -> _Founders:
        """The cells that a simulation starts from."""
        source = self._source
        if not _anndata.is_anndata(points):
            if obsm is not None:
                raise TypeError("`obsm` is for an AnnData")
            given = None
            if weights is not None:
                given = arrays.vector("weights", _names.by_rows("weights", weights, _names.rows(points)))
            matrix = arrays.matrix("points", _names.by_columns("points", points, source.coordinates))
            return _Founders(matrix, given, _names.rows(points))
        cells = _anndata.names(points)
        column = _names.by_rows("time", _anndata.column(points, "time", source.time), cells)
        times, _ = _times.numbers("time", column, cells=cells, clock=source.clock)
        rows = np.flatnonzero(np.isclose(times, start, rtol=1e-9, atol=0.0))
        if len(rows) == 0:
            known = ", ".join(f"{time:g}" for time in np.unique(times))
            raise InvalidArgumentError(f"start must be one of the times of the cells ({known}), got {start:g}")
        x = _anndata.coordinates(points, obsm or source.obsm or "X_pca")
        begin = arrays.matrix("points", np.asarray(_names.by_columns("points", x, source.coordinates))[rows])
        return _Founders(
            begin, self._weights(points, rows, start, weights, mode), None if cells is None else cells[rows]
        )

    def _weights(
        self, data: Any, rows: npt.NDArray[np.intp], start: float, weights: Any, mode: Optional[str]
    ) -> Optional[npt.NDArray[np.float64]]:
        """The weights of some cells of an AnnData, all of those at a time; None if all weigh 1."""
        source = self._source
        if weights is False or weights is None and mode == "branching":
            return None
        if weights is not None:
            each = _anndata.values(data, "weights", weights)[rows]
            _times.refuse_missing("weights", each, None)
            return each
        each = np.ones(len(rows))
        if source.weighted:
            each = _anndata.values(data, "weights", _snapshots.weights_of_the_fit(data, source))[rows]
        if source.masses is None:
            return each if source.weighted else None
        mass: float = remembered(source.masses, np.array([start]))[0]
        each *= mass / each.sum()
        return each

    def _origin(
        self, founders: _Founders, start: float, mode: Optional[str], seed: Optional[int]
    ) -> _simulation.Origin:
        """What a simulated population remembers of the model and of the cells that it starts from."""
        cells, weights = founders.cells, founders.weights
        unequal = weights is not None and len(weights) > 0 and bool((weights != weights[0]).any())
        return _simulation.Origin(
            method=self.info["method"],
            mode=mode or "ode",
            seed=0 if seed is None else operator.index(seed),
            start=start,
            source=self._source,
            stretch=self.info["stretch"],
            cells=None if cells is None else tuple(map(str, cells)),
            drawn=mode == "branching" and unequal,
        )

    @documented("evaluate")
    def evaluate(
        self,
        x: Any,
        time: Any = None,
        *,
        obsm: Optional[str] = None,
        weights: Any = None,
        masses: Any = None,
        progress: _progress.Progress = None,
        **options: Unpack[EvaluateOptions],
    ) -> _evaluation.Evaluation:
        """Predicts every later snapshot from all cells of the first, and compares.

        ``x``, ``time``, ``obsm``, ``weights`` and ``masses`` are as in :func:`fit`. What is not given is as it was in the fit:
        the keys of an AnnData, and the masses of the times; a fit with weights asks for them. ``weights=False`` and
        ``masses=False`` count the cells instead. :class:`Snapshots` have weights and masses of their own. ``progress`` is a
        function or True for a bar, as in :func:`fit`: something true ends the evaluation by a CancelledError. Snapshots outside
        the times of the fit, and populations that die out, are warned of.
        """
        snapshots = _snapshots.of(x, time, obsm, weights, masses, self._source)
        made = ffi.new("chreode_evaluation **")
        chosen, watched = make("evaluate", dict(options)), _progress.Watch(progress)
        with chosen as choice, snapshots._handle as cells, self._use() as model, watched as watch:
            watch.check(lib.chreode_evaluate(model, cells, choice, watch.callback, ffi.NULL, made))
        return _evaluation.own(made[0])

    @documented("fates", "mode", "from", "to", "seed")
    def fates(
        self,
        x: Any,
        time: Any = None,
        labels: Any = None,
        mode: Optional[str] = None,
        seed: Optional[int] = None,
        *,
        start: Any = None,
        to: Any = None,
        obsm: Optional[str] = None,
        weights: Any = None,
        masses: Any = None,
        progress: _progress.Progress = None,
        **options: Unpack[FatesOptions],
    ) -> _fates.Fates:
        """What each cell becomes, by labels of the cells of a later time: the probability that a random descendant has each label, and
        the expected number of descendants with it.

        Several descendants of each cell are simulated to the later time, where each has the labels of its nearest labelled cells. The
        same labels, seed and model give the same numbers in every language.

        Parameters
        ----------
        x, time, obsm, weights, masses : the cells, as in :func:`fit`, or :class:`Snapshots`
            What is not given is as it was in the fit, as in :meth:`evaluate`.
        labels : the label of each row of ``x``, or a column of ``obs``; None, NaN, NA or an empty text where it is not known
            Series go by the names of the cells. Cells without a label tell nothing. Of snapshots that were made of blocks, one
            a cell, block after block.
        mode : ``"sde"``, ``"ode"`` or ``"branching"``
        seed : of all random numbers
        start : the time of the cells whose fates are asked for; all before that of the labelled cells if it is not given
        to : the time of the labelled cells; the last if it is not given
        progress : True for a bar, or a function, as in :func:`fit`: something true ends it by a CancelledError

        Warns
        -----
        ChreodeWarning : a time lies outside those of the fit, or descendants spend much of theirs outside of its cells
        """
        cells = _anndata.names(x) if _anndata.is_anndata(x) else _names.rows(x)
        if _anndata.is_anndata(x):
            labels = _anndata.column(x, "labels", labels)
        snapshots = _snapshots.of(x, time, obsm, weights, masses, self._source)
        order = snapshots._order
        of_rows, names = _fates.codes(_names.by_rows("labels", labels, cells), int(snapshots.counts.sum()))
        of_cells = np.ascontiguousarray(of_rows if order is None else of_rows[order])
        made = ffi.new("chreode_fates **")
        chosen = make("fates", {"mode": mode, "seed": seed, **_between(snapshots, start, to), **dict(options)})
        watched = _progress.Watch(progress)
        with chosen as choice, snapshots._handle as held, self._use() as model, watched as watch:
            watch.check(
                lib.chreode_fates_new(
                    model,
                    held,
                    arrays.pointer("int32_t", of_cells),
                    len(of_cells),
                    choice,
                    watch.callback,
                    ffi.NULL,
                    made,
                )
            )
        return _fates.own(made[0], names, of_cells, order, cells)

    @documented("fates", "mode", "from", "to", "seed", "error_bars")
    def descent(
        self,
        x: Any,
        time: Any = None,
        mode: Optional[str] = None,
        seed: Optional[int] = None,
        *,
        start: Any = None,
        to: Any = None,
        obsm: Optional[str] = None,
        weights: Any = None,
        masses: Any = None,
        progress: _progress.Progress = None,
        **options: Unpack[FatesOptions],
    ) -> _couplings.Couplings:
        """Which cells of a later time descend from which of an earlier one by these dynamics, as couplings of one interval.

        Several descendants of each cell are simulated to the later time, where each counts for its nearest cells. ``push`` of the
        result carries a distribution over cells to its descendants, and ``pull``, by Bayes' rule, to its ancestors: the law of
        the diffusion run backward, which needs no score here. A cell sends its weight, but for the share without descendants,
        which dies; what is received is what its descendants weigh; cells that no descendant came near are born.

        Parameters
        ----------
        x, time, obsm, weights, masses : the cells, as in :func:`fit`, or :class:`Snapshots`
            What is not given is as it was in the fit, as in :meth:`evaluate`.
        mode : ``"sde"``, ``"ode"`` or ``"branching"``
        seed : of all random numbers
        start : the time of the cells that descendants are of; the first if it is not given
        to : the time of the descendants; the last if it is not given
        progress : True for a bar, or a function, as in :func:`fit`: something true ends it by a CancelledError

        Warns
        -----
        ChreodeWarning : a time lies outside those of the fit, or descendants spend much of theirs outside of its cells
        """
        cells = _anndata.names(x) if _anndata.is_anndata(x) else _names.rows(x)
        snapshots = _snapshots.of(x, time, obsm, weights, masses, self._source)
        made = ffi.new("chreode_couplings **")
        chosen = make("fates", {"mode": mode, "seed": seed, **_between(snapshots, start, to), **dict(options)})
        watched = _progress.Watch(progress)
        with chosen as choice, snapshots._handle as held, self._use() as model, watched as watch:
            watch.check(lib.chreode_descent(model, held, choice, watch.callback, ffi.NULL, made))
        return _couplings.own(made[0], snapshots, cells)

    @property
    def couplings(self) -> Optional[_couplings.Couplings]:
        """The couplings of the cells of the fit, if it was asked to keep them (``fit(..., keep_couplings=True)``); else None.

        Their cells are in the order of time, those of one time as they were given.
        """
        if not self.info["has_couplings"]:
            return None
        made = ffi.new("chreode_couplings **")
        with self._use() as model:
            check(lib.chreode_model_couplings(model, made))
        found = _couplings.Couplings._own(made[0])
        found._clock = self._source.clock
        return found

    def annotate(
        self,
        data: Any,
        time: Any = None,
        *,
        obsm: Optional[str] = None,
        key_added: Optional[str] = None,
        overwrite: bool = False,
    ) -> None:
        """Writes the velocity and the growth rate of each cell at its time to an AnnData.

        They go to ``data.obsm[f"{key_added}_velocity"]`` and, where it was learned, to ``data.obs[f"{key_added}_growth"]``; of
        an ensemble the standard deviations of their errors to ``…_velocity_sd`` and ``…_growth_sd`` beside them, and what errors are
        known to be in the mean, where :meth:`is_biased`, to ``…_velocity_bias`` and ``…_growth_bias``: intervals lie around the field
        less that. What made them goes to ``data.uns[key_added]``. Coordinates, times and ``key_added`` are those of the fit unless
        others are given. What is there already is an error, unless ``overwrite`` is true: then it is replaced, and what this model
        has not learned is removed.
        """
        source, key = self._source, key_added or self._source.key_added or "chreode"
        _anndata.refuse_unwritable(data, written(key), overwrite)
        cells, column = _anndata.names(data), source.time if time is None else time
        points = _anndata.coordinates(data, obsm or source.obsm or "X_pca")
        times = _names.by_rows("time", _anndata.column(data, "time", column), cells)
        numbers, _ = _times.numbers("time", times, cells=cells, clock=source.clock)
        # None takes away what another model has left.
        results: dict[str, dict[str, Optional[Any]]] = {
            slot: dict.fromkeys(names) for slot, names in written(key).items()
        }
        for slot, field in (("obsm", "velocity"), ("obs", "growth")):
            if field not in self.fields:
                continue
            asked = {"": self.field}
            if self.members > 1:
                asked["_sd"] = self.field_sd
            if self.is_biased(field):
                asked["_bias"] = self.field_bias
            for suffix, ask in asked.items():
                values = ask(field, points, numbers)
                results[slot][f"{key}_{field}{suffix}"] = values if slot == "obsm" else values[:, 0]
        results["uns"][key] = self._told(obsm or source.obsm or "X_pca", column)
        _anndata.write(data, results)

    def _told(self, obsm: str, time: Any) -> dict[str, Any]:
        """What made the results that are written to an AnnData, as a file of one can hold it."""
        info, source = self.info, self._source
        told = {
            "version": _library.version(),
            **{key: info[key] for key in ("method", "seed", "sigma", "delta", "epochs", "members")},
            "times": np.array(info["times"]),
            "fields": np.array(info["fields"]),
            "obsm": obsm,
            "time": time if isinstance(time, str) else None,
            "weights": source.weights,
            "options": source.options,
        }
        return {key: value for key, value in told.items() if value is not None}

    @property
    def members(self) -> int:
        """How many members an ensemble has, whose mean the fields are; 1 of a model that is none."""
        count: int = self.info["members"]
        return count

    def member(self, index: int) -> Dynamics:
        """One member of an ensemble, counted from 0, as a model of its own; see :meth:`deviation_over_members`."""
        if operator.index(index) < 0:
            raise InvalidArgumentError(f"member must be 0 to {self.members - 1}, got {index}")
        made = ffi.new("chreode_model **")
        with self._use() as model:
            check(lib.chreode_model_member(model, index, made))
        return self._own(made[0])

    def deviation_over_members(self, of_members: Any) -> npt.NDArray[np.float64]:
        """The standard deviation by the cells of anything that every member gives: what fits to other cells would differ by.

        That over the members, with one less than their number in the denominator, times ``info["stretch"]``: members see the
        same cells, with random weights that differ by less than other cells would, which makes for a better mean.

        Parameters
        ----------
        of_members : what :meth:`member` 0, 1, … gave, one after the other: numbers or arrays of one shape

        Raises
        ------
        InvalidArgumentError
            They are not as many as there are members, or only one.
        """
        values = np.asarray(of_members, np.float64)
        if values.ndim < 1 or len(values) != self.members or self.members < 2:
            got = f"{values.shape} of {self.members} members"
            raise InvalidArgumentError(f"of_members must be of each of two or more members, got {got}")
        deviation: npt.NDArray[np.float64] = self.info["stretch"] * values.std(0, ddof=1)
        return deviation

    @property
    def branches(self) -> int:
        """How many branches the population has, each with a velocity of its own; 0 of a model that has none."""
        count: int = self.info["branches"]
        return count

    def branch(self, index: int) -> Dynamics:
        """One branch, counted from 0, as a model of its own, by whose velocity cells move and keep their mass.

        The fields of the whole model are refused.
        """
        if operator.index(index) < 0:
            raise InvalidArgumentError(f"branch must be 0 to {self.branches - 1}, got {index}")
        made = ffi.new("chreode_model **")
        with self._use() as model:
            check(lib.chreode_model_branch(model, index, made))
        return self._own(made[0])

    @property
    def threads(self) -> int:
        """How many threads compute, 0 for all cores. The results are the same bits at any number."""
        with self._use() as model:
            count: int = number("size_t", lib.chreode_model_threads, model)
        return count

    @threads.setter
    def threads(self, count: int) -> None:
        if operator.index(count) < 0:
            raise InvalidArgumentError(f"threads must be 0 to 1024, got {count}")
        with self._use() as model:
            check(lib.chreode_model_set_threads(model, count))

    def save(self, path: Path) -> None:
        """Writes the model to a file in the safetensors format, and the report and the losses of its fit with it."""
        with self._use() as model:
            check(lib.chreode_model_save(model, _file_name(path)))

    @classmethod
    def load(cls, path: Path) -> Dynamics:
        """Reads a model from a file."""
        made = ffi.new("chreode_model **")
        check(lib.chreode_model_load(_file_name(path), made))
        return cls._own(made[0])

    def to_bytes(self) -> bytes:
        """The model as bytes. The same fit gives the same bytes, and so they are without its report, which tells seconds."""
        with self._use() as model:
            return bytes(_bytes(model))

    @classmethod
    def from_bytes(cls, data: Any) -> Dynamics:
        """The model that :meth:`to_bytes` wrote, with the same bits in every field; ``data`` is anything like bytes."""
        return cls._own(_read(data))

    def close(self) -> None:
        """Frees the model now. Dropping it does as well."""
        self._handle.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.to_bytes(), self.threads, self.report, self.losses)

    def __repr__(self) -> str:
        info = self.info
        times = ", ".join(f"{time:g}" for time in info["times"])
        return f"<chreode.Dynamics: {info['method']}, {self.dims} dimensions, {info['parameters']} parameters, times {times}>"

    def _repr_html_(self) -> str:
        rows = [(key, value) for key, value in self.info.items()]
        rows.append(("fields", ", ".join(self.fields)))
        if self.coordinates is not None:
            rows.append(("coordinates", ", ".join(self.coordinates)))
        return _html.table("chreode.Dynamics", (), rows)


#: So many points at once are watched for interrupts.
_WATCHED = 2000


@dataclass(frozen=True)
class _Founders:
    """The cells that a simulation starts from: points, weights and names, which they may have none of."""

    points: npt.NDArray[Any]
    weights: Optional[npt.NDArray[np.float64]]
    cells: Any


def written(key_added: str) -> dict[str, list[str]]:
    """What :meth:`Dynamics.annotate` writes: the slots of an AnnData, and the keys in each."""
    suffixes = ("", "_sd", "_bias")
    return {
        "obsm": [f"{key_added}_velocity{suffix}" for suffix in suffixes],
        "obs": [f"{key_added}_growth{suffix}" for suffix in suffixes],
        "uns": [key_added],
    }


def _handle(pointer: Any) -> Handle:
    return Handle(pointer, lib.chreode_model_free, "dynamics")


def _file_name(path: Path) -> bytes:
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("a path has no NUL")
    return name


def _losses(model: Any) -> npt.NDArray[np.float64]:
    losses = np.empty(number("size_t", lib.chreode_model_loss_count, model))
    check(lib.chreode_model_losses(model, arrays.pointer("double", losses), len(losses)))
    return losses


def _known_fields(model: Any) -> dict[str, int]:
    """Every field that the library knows, learned by this model or not."""
    fields = {}
    name, columns = ffi.new("char **"), ffi.new("size_t *")
    for index in range(number("size_t", lib.chreode_model_field_count, model)):
        check(lib.chreode_model_field_describe(model, index, name, columns))
        fields[ffi.string(name[0]).decode()] = columns[0]
    return fields


def _bytes(model: Any) -> bytearray:
    size = ffi.new("size_t *")
    check(lib.chreode_model_to_bytes(model, ffi.NULL, 0, size))
    buffer = bytearray(size[0])
    check(lib.chreode_model_to_bytes(model, ffi.from_buffer("uint8_t[]", buffer), len(buffer), size))
    return buffer


def _read(data: Any) -> Any:
    made = ffi.new("chreode_model **")
    given = ffi.from_buffer("uint8_t[]", data)
    check(lib.chreode_model_from_bytes(given, len(given), made))
    return made[0]


def _restore(data: bytes, threads: int, report: Optional[dict[str, Any]], losses: npt.NDArray[np.float64]) -> Dynamics:
    model = Dynamics.from_bytes(data)
    model.threads, model.report, model.losses = threads, report, losses
    return model
