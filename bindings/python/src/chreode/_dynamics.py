"""Learned dynamics: asked, simulated, evaluated, kept."""

from __future__ import annotations

import json
import operator
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _anndata, _evaluation, _html, _library, _names, _simulation, _snapshots, _times
from . import _arrays as arrays
from ._errors import InvalidArgumentError
from ._ffi import ffi
from ._library import Handle, check, lib, number, text
from ._options import documented, make
from ._source import Source

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._option_types import EvaluateOptions, SimulateOptions

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


class Dynamics:
    """Learned dynamics: velocity, growth rate and score drift of a population.

    Made by :func:`fit`, :meth:`load` and :meth:`from_bytes`. It can be pickled and copied, and goes on working in a forked
    child. Threads that share it take turns.

    It knows the names of its coordinates, by which DataFrames are put in order, and where the cells of the fit came from: the
    keys of an AnnData, and the masses. Pickles and copies keep that.
    """

    #: Number of coordinates.
    dims: int
    #: What the model is: method, sigma, delta, times, seed, epochs, parameters, has_growth, has_score, …
    info: dict[str, Any]
    #: How the fit went; None for a model that was loaded from a file or bytes.
    report: Optional[dict[str, Any]]
    #: The loss of every training step; none for a model that was loaded.
    losses: npt.NDArray[np.float64]
    _handle: Handle
    _process: int
    _attributes: dict[str, str]

    def __init__(self) -> None:
        raise TypeError("Dynamics are made by chreode.fit, Dynamics.load and Dynamics.from_bytes")

    @classmethod
    def _own(cls, pointer: Any) -> Dynamics:
        model = cls.__new__(cls)
        model._handle, model._process, model._attributes = _handle(pointer), os.getpid(), {}
        with model._handle as handle:
            model.dims = number("size_t", lib.chreode_model_dims, handle)
            model.info = json.loads(text(lib.chreode_model_info, handle))
            model.info["seed"] = int(model.info["seed"])  # text, since JSON's numbers are doubles elsewhere
            model.report = json.loads(text(lib.chreode_model_report, handle))
            model.losses = _losses(handle)
        return model

    @cached_property
    def fields(self) -> dict[str, int]:
        """The fields that the model has learned, and their number of columns."""
        with self._use() as model:
            return {name: columns for name, columns in _known_fields(model).items() if self._has(model, name)}

    def _has(self, model: Any, name: str) -> bool:
        if name == "velocity":
            return True
        if name in _FLAGS:
            return bool(self.info[_FLAGS[name]])
        # The library does not say of the others: it is asked for one value.
        point, value = np.zeros((1, self.dims)), np.empty((1, _known_fields(model)[name]))
        time = self.info["times"][0]
        status = lib.chreode_model_field(model, name.encode(), time, arrays.view(point), arrays.view_mut(value))
        if status not in (lib.CHREODE_OK, lib.CHREODE_ERROR_INVALID_ARGUMENT):
            check(status)
        return bool(status == lib.CHREODE_OK)

    @cached_property
    def _source(self) -> Source:
        return Source.read(self)

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

    def field(self, name: str, x: Any, t: Any, *, out: Optional[npt.NDArray[Any]] = None) -> npt.NDArray[Any]:
        """Evaluates a field, one of ``self.fields``, at points.

        Parameters
        ----------
        name : ``"velocity"`` (length per time), ``"growth"`` (per time), ``"score_drift"`` ((σ²/2) ∇ log p, length per time), …
        x : array or DataFrame n × d, one row a point; any strides. float32 is answered by float32, anything else by float64
            The columns of a DataFrame are taken by the names of the model's coordinates.
        t : one time for all points, or one a row, as labels like those of the fit
        out : where to put the values, n × columns; any strides. Nothing is copied where it and ``x`` are float32 in C order

        Raises
        ------
        InvalidArgumentError
            The model has not learned such a field.
        """
        columns = self._columns(name)
        source, cells = self._source, _names.rows(x)
        points = arrays.matrix("x", _names.by_columns("x", x, source.coordinates))
        if out is None:
            values: npt.NDArray[Any] = np.empty((len(points), columns), points.dtype)
        else:
            values = arrays.output("out", out, (len(points), columns))
        if np.ndim(t) == 0:
            with self._use() as model:
                _evaluate(model, name, points, arrays.number("t", t), values)
            return values
        times, _ = _times.numbers("t", _names.by_rows("t", t, cells), cells=cells, clock=source.clock)
        if len(times) != len(points):
            raise InvalidArgumentError(f"t must be one time, or {len(points)}, one a row, got {len(times)}")
        if not np.isfinite(times).all():
            raise InvalidArgumentError("t must be finite")
        with self._use() as model:
            _evaluate_by_time(model, name, points, times, values)
        return values

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
        **options: Unpack[SimulateOptions],
    ) -> _simulation.Trajectory:
        """Simulates a population from ``points`` to each of ``times``.

        Parameters
        ----------
        points : array or DataFrame n × d, one row a cell; :meth:`Snapshots.sample` draws some of a snapshot
        times : output times, increasing, or, but for branching, decreasing; the times of the fit if there are none
        mode : ``"ode"``, ``"sde"`` or ``"branching"``
        seed : of all random numbers
        start : the time of ``points``; the first of ``times`` if it is not given
        weights : the weight of each row; 1 if there are none
        """
        begin = arrays.matrix("points", _names.by_columns("points", points, self._source.coordinates))
        until = arrays.vector("times", self.info["times"] if times is None else times)
        given = None
        if weights is not None:
            given = arrays.vector("weights", _names.by_rows("weights", weights, _names.rows(points)))
        if start is None and len(until) == 0:
            raise InvalidArgumentError("times must not be empty")
        begin_at = float(until[0]) if start is None else arrays.number("start", start)
        made = ffi.new("chreode_trajectory **")
        with make("simulate", {"mode": mode, "seed": seed, **dict(options)}) as choice, self._use() as model:
            check(
                lib.chreode_simulate(
                    model,
                    begin_at,
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
        **options: Unpack[EvaluateOptions],
    ) -> _evaluation.Evaluation:
        """Predicts every later snapshot from all cells of the first, and compares.

        ``x``, ``time``, ``obsm``, ``weights`` and ``masses`` are as in :func:`fit`. What is not given is as it was in the fit:
        the keys of an AnnData, and the masses of the times; a fit with weights asks for them. ``weights=False`` and
        ``masses=False`` count the cells instead. :class:`Snapshots` have weights and masses of their own.
        """
        snapshots = _snapshots.of(x, time, obsm, weights, masses, self._source)
        made = ffi.new("chreode_evaluation **")
        with make("evaluate", dict(options)) as choice, snapshots._handle as cells, self._use() as model:
            check(lib.chreode_evaluate(model, cells, choice, made))
        return _evaluation.own(made[0])

    def annotate(
        self,
        data: Any,
        time: Any = None,
        *,
        obsm: Optional[str] = None,
        key_added: str = "chreode",
        overwrite: bool = False,
    ) -> None:
        """Writes the velocity and the growth rate of each cell at its time to an AnnData.

        They go to ``data.obsm[f"{key_added}_velocity"]`` and, where it was learned, to ``data.obs[f"{key_added}_growth"]``.
        Coordinates and times are those of the fit's keys unless others are given. Columns that are there already are an
        error, unless ``overwrite`` is true: then they are replaced, and a growth that this model has not learned is removed.
        """
        source = self._source
        where = velocity_key(key_added), growth_key(key_added)
        _anndata.refuse_unwritable(data, [where[0]], [where[1]], overwrite)
        cells, column = _anndata.names(data), source.time if time is None else time
        points = _anndata.coordinates(data, obsm or source.obsm or "X_pca")
        times = _names.by_rows("time", _anndata.column(data, "time", column), cells)
        numbers, _ = _times.numbers("time", times, cells=cells, clock=source.clock)
        velocity = self.velocity(points, numbers)
        growth = self.growth(points, numbers) if "growth" in self.fields else None
        _anndata.write(data, {where[0]: velocity}, {where[1]: growth})

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
        return _restore, (self.to_bytes(), self.threads, self.report, self.losses, self._attributes)

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


#: What the library says of fields by a key of its own.
_FLAGS = {"growth": "has_growth", "score_drift": "has_score"}


def velocity_key(key_added: str) -> str:
    return f"{key_added}_velocity"


def growth_key(key_added: str) -> str:
    return f"{key_added}_growth"


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


def _evaluate(model: Any, name: str, points: arrays.Array, time: float, values: arrays.Array) -> None:
    check(lib.chreode_model_field(model, name.encode(), time, arrays.view(points), arrays.view_mut(values)))


def _evaluate_by_time(
    model: Any, name: str, points: arrays.Array, times: npt.NDArray[np.float64], values: arrays.Array
) -> None:
    """One call for each distinct time, on its rows, which are brought together first."""
    order = np.argsort(times, kind="stable")
    begins = np.flatnonzero(np.diff(times[order], prepend=np.nan) != 0)
    gathered, found = np.ascontiguousarray(points[order]), np.empty(values.shape, values.dtype)
    source, target, field = arrays.view(gathered), arrays.view_mut(found), name.encode()
    read, written = arrays.address(gathered), arrays.address(found)
    for begin, end in zip(begins, [*begins[1:], len(order)]):
        source.data = ffi.cast("void *", read + int(begin) * gathered.strides[0])
        target.data = ffi.cast("void *", written + int(begin) * found.strides[0])
        source.rows = target.rows = int(end - begin)
        check(lib.chreode_model_field(model, field, float(times[order[begin]]), source, target))
    values[order] = found


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


def _restore(
    data: bytes, threads: int, report: Optional[dict[str, Any]], losses: Any, attributes: dict[str, str]
) -> Dynamics:
    model = Dynamics.from_bytes(data)
    model.threads, model.report, model.losses, model._attributes = threads, report, losses, dict(attributes)
    return model
