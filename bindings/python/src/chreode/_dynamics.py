"""Fits, and what they learn."""

from __future__ import annotations

import json
import os
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _anndata, _errors, _evaluation, _library, _progress, _simulation, _snapshots
from . import _arrays as arrays
from ._ffi import ffi
from ._library import Handle, check, lib, message, number, text
from ._options import documented, make

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


@documented("fit", "method")
def fit(
    x: Any,
    time: Any = None,
    method: Optional[str] = "usb",
    *,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    progress: _progress.Progress = None,
    annotate: bool = True,
    **options: Any,
) -> Dynamics:
    """Learns the dynamics of a population from snapshots.

    Parameters
    ----------
    x : array n × d with one row a cell, an AnnData, or :class:`Snapshots`
        An AnnData's coordinates are ``x.obsm[obsm]``.
    time : the time of each cell; for an AnnData also the name of a column of ``obs``
    method : a name of ``chreode.capabilities()["methods"]``; None if ``coupling`` and ``bridge`` are given instead
    obsm : the coordinates of an AnnData, ``"X_pca"`` unless another key is given
    weights : the weight of each cell; for an AnnData also the name of a column of ``obs``
    masses : total mass of each time, where it is not the number of cells
    progress : True for a bar (tqdm's, if it is installed), or a function
        It is called as ``progress(stage, done, total, loss)`` at most twenty times a second, on the calling thread, and ends
        the fit by returning something true. What it raises comes back from ``fit``.
    annotate : write each cell's velocity and growth to ``obsm["chreode_velocity"]`` and ``obs["chreode_growth"]`` of an AnnData

    Returns
    -------
    Dynamics

    Raises
    ------
    CancelledError, NonFiniteError, KeyboardInterrupt, or what ``progress`` raised
        The error's ``model`` is what was learned so far, None if training had not begun.
    """
    function, close = _progress.reporter(progress)
    snapshots = _snapshots.of(x, time, obsm, weights, masses)
    failures: list[BaseException] = []

    # Called even if nobody asked to be told: here Python looks for signals, so that an interrupt ends the fit.
    def tell(now: Any, _: Any) -> int:
        if function is None:
            return 0
        loss = None if np.isnan(now.loss) else now.loss
        return 1 if function(ffi.string(now.stage).decode(), now.done, now.total, loss) else 0

    # Whatever leaves `tell`, be it raised before its first line, cancels the fit and is kept.
    def keep(kind: Any, error: BaseException, trace: Any) -> None:
        failures.append(error.with_traceback(trace))

    callback = ffi.callback("chreode_progress_fn", tell, error=1, onerror=keep)
    made = ffi.new("chreode_model **")
    failure: Optional[BaseException] = None
    try:
        with make("fit", {"method": method, **options}) as choice, snapshots._handle as cells:
            status = lib.chreode_fit(cells, choice, callback, ffi.NULL, made)
            if status != lib.CHREODE_OK:
                failure = _errors.of_status(status, message())
    except BaseException as error:  # an interrupt just before or after the call must not lose the model
        failure = error
    if failures:
        failure = failures[0]
    model = Dynamics._own(made[0]) if made[0] != ffi.NULL else None
    close()
    if failure is not None:
        try:
            failure.model = model  # type: ignore[attr-defined]
        except AttributeError:  # an exception of the callback's with slots
            pass
        raise failure
    assert model is not None
    if annotate and _anndata.is_anndata(x):
        model.annotate(x, time, obsm=obsm)
    return model


class Dynamics:
    """Learned dynamics: velocity, growth rate and score drift of a population.

    Made by :func:`fit`, :meth:`load` and :meth:`from_bytes`. It can be pickled and copied, and goes on working in a forked
    child. Threads that share it take turns.
    """

    #: Number of coordinates.
    dims: int
    #: What the model is: method, sigma, delta, times, seed, epochs, parameters, has_growth, has_score, …
    info: dict[str, Any]
    #: How the fit went; None for a model that was loaded from a file or bytes.
    report: Optional[dict[str, Any]]
    #: The loss of every training step; none for a model that was loaded.
    losses: npt.NDArray[np.float64]
    #: The fields and their number of columns.
    fields: dict[str, int]
    _handle: Handle
    _process: int

    def __init__(self) -> None:
        raise TypeError("Dynamics are made by chreode.fit, Dynamics.load and Dynamics.from_bytes")

    @classmethod
    def _own(cls, pointer: Any) -> Dynamics:
        model = cls.__new__(cls)
        model._handle, model._process = _handle(pointer), os.getpid()
        with model._handle as handle:
            model.dims = number("size_t", lib.chreode_model_dims, handle)
            model.info = json.loads(text(lib.chreode_model_info, handle))
            model.report = json.loads(text(lib.chreode_model_report, handle))
            model.losses = _losses(handle)
            model.fields = _fields(handle)
        return model

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

    def field(self, name: str, x: Any, t: Any, *, out: Optional[npt.NDArray[Any]] = None) -> npt.NDArray[Any]:
        """Evaluates a field, one of ``self.fields``, at points.

        Parameters
        ----------
        name : ``"velocity"`` (length per time), ``"growth"`` (per time), ``"score_drift"`` ((σ²/2) ∇ log p, length per time), …
        x : array n × d, one row a point; any strides. float32 is answered by float32, anything else by float64
        t : one time for all points, or one a row
        out : where to put the values, n × columns; any strides. Nothing is copied where it and ``x`` are float32 in C order
        """
        points = arrays.matrix("x", x)
        shape = (len(points), self.fields.get(name, self.dims))
        if out is None:
            values: npt.NDArray[Any] = np.empty(shape, points.dtype)
        else:
            values = arrays.output("out", out, shape)
        if np.ndim(t) == 0:
            self._evaluate(name, points, t, values)
            return values
        times = arrays.vector("t", t, len(points))
        if not np.isfinite(times).all():
            raise _errors.InvalidArgumentError("t must be finite")
        for time in np.unique(times):
            rows = times == time
            some = np.empty((int(rows.sum()), shape[1]), values.dtype)
            self._evaluate(name, np.ascontiguousarray(points[rows]), time, some)
            values[rows] = some
        return values

    def _evaluate(self, name: str, points: arrays.Array, time: Any, values: arrays.Array) -> None:
        if isinstance(time, (str, bytes)) or time is None:
            raise TypeError(f"t must be a number or one a row, got {time!r}")
        with self._use() as model:
            check(
                lib.chreode_model_field(model, name.encode(), float(time), arrays.view(points), arrays.view_mut(values))
            )

    def velocity(self, x: Any, t: Any, *, out: Optional[npt.NDArray[Any]] = None) -> npt.NDArray[Any]:
        """The velocity of the population's flow at points, n × d. See :meth:`field`."""
        return self.field("velocity", x, t, out=out)

    def growth(self, x: Any, t: Any) -> npt.NDArray[Any]:
        """The growth rate, births minus deaths, at points: one number a row. See :meth:`field`."""
        return self.field("growth", x, t)[:, 0]

    def score_drift(self, x: Any, t: Any, *, out: Optional[npt.NDArray[Any]] = None) -> npt.NDArray[Any]:
        """(σ²/2) ∇ log p at points, n × d. See :meth:`field`."""
        return self.field("score_drift", x, t, out=out)

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
        **options: Any,
    ) -> _simulation.Trajectory:
        """Simulates a population from ``points`` to each of ``times``.

        Parameters
        ----------
        points : array n × d, one row a cell
        times : output times, increasing, or, but for branching, decreasing; the times of the fit if there are none
        mode : ``"ode"``, ``"sde"`` or ``"branching"``
        seed : of all random numbers
        start : the time of ``points``; the first of ``times`` if it is not given
        weights : the weight of each row; 1 if there are none
        """
        begin = arrays.matrix("points", points)
        until = arrays.vector("times", self.info["times"] if times is None else times)
        given = None if weights is None else arrays.vector("weights", weights)
        if start is None:
            if len(until) == 0:
                raise _errors.InvalidArgumentError("times must not be empty")
            start = until[0]
        made = ffi.new("chreode_trajectory **")
        with make("simulate", {"mode": mode, "seed": seed, **options}) as choice, self._use() as model:
            check(
                lib.chreode_simulate(
                    model,
                    float(start),
                    arrays.view(begin),
                    arrays.pointer("double", given),
                    arrays.count(given),
                    arrays.pointer("double", until),
                    len(until),
                    choice,
                    made,
                )
            )
        return _simulation.own(made[0])

    @documented("evaluate")
    def evaluate(
        self,
        x: Any,
        time: Any = None,
        *,
        obsm: Optional[str] = None,
        weights: Any = None,
        masses: Any = None,
        **options: Any,
    ) -> _evaluation.Evaluation:
        """Predicts every later snapshot from all cells of the first, and compares.

        ``x``, ``time``, ``obsm``, ``weights`` and ``masses`` are as in :func:`fit`.
        """
        snapshots = _snapshots.of(x, time, obsm, weights, masses)
        made = ffi.new("chreode_evaluation **")
        with make("evaluate", options) as choice, snapshots._handle as cells, self._use() as model:
            check(lib.chreode_evaluate(model, cells, choice, made))
        return _evaluation.own(made[0])

    def annotate(self, data: Any, time: Any, *, obsm: Optional[str] = None) -> None:
        """Writes the velocity and the growth rate of each cell at its time to an AnnData.

        They go to ``data.obsm["chreode_velocity"]`` and ``data.obs["chreode_growth"]``.
        """
        points = arrays.matrix("obsm", _anndata.coordinates(data, obsm))
        times = arrays.labels("time", _anndata.column(data, "time", time))
        velocity, growth = self.velocity(points, times), self.growth(points, times)
        data.obsm[_anndata.VELOCITY] = velocity
        data.obs[_anndata.GROWTH] = growth

    @property
    def threads(self) -> int:
        """How many threads compute, 0 for all cores. The results are the same bits at any number."""
        with self._use() as model:
            count: int = number("size_t", lib.chreode_model_threads, model)
        return count

    @threads.setter
    def threads(self, count: int) -> None:
        if count < 0:
            raise _errors.InvalidArgumentError(f"threads must be 0 to 1024, got {count}")
        with self._use() as model:
            check(lib.chreode_model_set_threads(model, count))

    def save(self, path: Path) -> None:
        """Writes the model to a file in the safetensors format."""
        with self._use() as model:
            check(lib.chreode_model_save(model, _file_name(path)))

    @classmethod
    def load(cls, path: Path) -> Dynamics:
        """Reads a model from a file."""
        made = ffi.new("chreode_model **")
        check(lib.chreode_model_load(_file_name(path), made))
        return cls._own(made[0])

    def to_bytes(self) -> bytes:
        """The model as bytes, those that :meth:`save` writes."""
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


def _fields(model: Any) -> dict[str, int]:
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


def _restore(data: bytes, threads: int, report: Optional[dict[str, Any]], losses: Any) -> Dynamics:
    model = Dynamics.from_bytes(data)
    model.threads, model.report, model.losses = threads, report, losses
    return model
