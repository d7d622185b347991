"""Long computations in tasks that any process can do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from . import _evaluation, _fit, _progress, _simulation, _validation
from ._dynamics import Dynamics
from ._errors import of_status
from ._evaluation import Evaluation
from ._ffi import ffi
from ._library import Handle, check, lib, message, number, text
from ._options import documented, make
from ._simulation import Trajectory
from ._snapshots import Snapshots
from ._validation import Validation

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._option_types import EvaluateOptions, FitOptions, SimulateOptions

Result = Union[Dynamics, Validation, Trajectory, Evaluation]


class Work:
    """A planned computation: its tasks can be done anywhere, in any order, and give the bits of the one call.

    Made by :func:`plan_fit`, :func:`plan_validate`, :func:`plan_simulate`, :func:`plan_evaluate` and :meth:`from_bytes`. It
    holds no cells: the options, the numbers that were chosen from the data, and by what data and parts are known again. It can
    be pickled. Threads that share it take turns; give each its own copy.
    """

    #: What is done: ``"fit"``, ``"validate"``, ``"simulate"`` or ``"evaluate"``.
    job: str
    #: What each task is: ``kind`` (``"block"`` of a coupling, ``"member"`` of an ensemble, ``"fold"``, ``"shard"``, …),
    #: ``cost`` (very roughly, in seconds of one core), and what it is about.
    tasks: list[dict[str, Any]]
    _handle: Handle

    def __init__(self) -> None:
        raise TypeError("work is made by chreode.distributed.plan_fit and its likes, and by Work.from_bytes")

    @classmethod
    def _own(cls, pointer: Any) -> Work:
        work = cls.__new__(cls)
        work._handle = Handle(pointer, lib.chreode_work_free, "work")
        with work._handle as handle:
            count = number("size_t", lib.chreode_work_task_count, handle)
            work.tasks = [json.loads(text(lib.chreode_work_task, handle, task)) for task in range(count)]
        work.job = json.loads(work.to_bytes())["job"]
        return work

    @classmethod
    def from_bytes(cls, data: Any) -> Work:
        """The work that :meth:`to_bytes` wrote.

        Raises
        ------
        InvalidDataError
            The bytes were changed, or another version of the library wrote them, which may do the tasks to other bits.
        """
        given, made = ffi.from_buffer("uint8_t[]", data), ffi.new("chreode_work **")
        check(lib.chreode_work_from_bytes(given, len(given), made))
        return cls._own(made[0])

    def to_bytes(self) -> bytes:
        """The plan as bytes: JSON."""
        with self._handle as work:
            return _bytes(lib.chreode_work_to_bytes, work)

    def rows(self, task: int) -> Optional[npt.NDArray[np.intp]]:
        """The cells that a task needs, by their numbers in the order of the snapshots; None if it needs all.

        Snapshots hold cells by time, those of one time as they were given: ``np.argsort(time, kind="stable")`` are their rows.
        """
        self._refuse_unknown(task)
        with self._handle as work:
            count = number("size_t", lib.chreode_work_row_count, work, task)
            rows = np.empty(count, np.uint64)
            check(lib.chreode_work_rows(work, task, arrays.pointer("uint64_t", rows), count))
        return rows.astype(np.intp) if count else None

    def share(self, data: Snapshots, task: int) -> Snapshots:
        """Snapshots of the cells alone that a task needs, which do for :meth:`run`; ``data`` if it needs all."""
        rows = self.rows(task)
        if rows is None:
            return data
        at = [(rows >= end - count) & (rows < end) for end, count in zip(np.cumsum(data.counts), data.counts)]
        needed = [k for k in range(len(data)) if at[k].any()]
        within = {k: rows[at[k]] - data.counts[:k].sum() for k in needed}
        blocks = [data.points(k)[within[k]] for k in needed]
        weights = [data.weights(k)[within[k]] for k in needed]
        return Snapshots._of_blocks(blocks, data.times[needed], weights, None, data._known.part(rows))

    def run(
        self,
        data: Snapshots,
        task: int,
        *,
        model: Optional[Dynamics] = None,
        threads: int = 1,
        progress: _progress.Progress = None,
    ) -> bytes:
        """Does a task: its part, as bytes.

        Parameters
        ----------
        data : the snapshots of the plan, or the cells that the task needs alone, in their order and with their weights
        model : the model of work that simulates or evaluates one
        threads : how many compute, 0 for all cores; the bytes are the same at any number
        progress : True for a bar, or a function, as in :func:`chreode.fit`

        Raises
        ------
        InvalidDataError
            The data or the model are not those of the plan.
        """
        self._refuse_unknown(task)
        made = ffi.new("chreode_part **")
        with self._handle as work, data._handle as cells, _Given(model) as known, _progress.Watch(progress) as watch:
            watch.check(lib.chreode_work_run(work, cells, known, task, threads, watch.callback, ffi.NULL, made))
        part = Handle(made[0], lib.chreode_part_free, "part")
        with part as pointer:
            told = _bytes(lib.chreode_part_to_bytes, pointer)
        part.close()
        return told

    def task_of(self, part: Any) -> int:
        """The task that a part is of.

        Raises
        ------
        InvalidDataError
            The part is damaged, or of other work: the task is to be done again.
        """
        given = ffi.from_buffer("uint8_t[]", part)
        with self._handle as work:
            return int(number("size_t", lib.chreode_work_check_part, work, given, len(given)))

    def finish(
        self,
        data: Snapshots,
        parts: Iterable[Any],
        *,
        model: Optional[Dynamics] = None,
        threads: int = 0,
        progress: _progress.Progress = None,
    ) -> Result:
        """Puts the parts together, and trains what is left to be trained: what the one call gives, to the bit.

        Parameters
        ----------
        data : the snapshots of the plan
        parts : one of each task, in any order; more than one of a task is no error
        model : the model of work that simulates or evaluates one
        threads : how many compute, 0 for all cores
        progress : True for a bar, or a function, as in :func:`chreode.fit`; training tells its steps

        Returns
        -------
        Dynamics, Validation, Trajectory or Evaluation

        Raises
        ------
        InvalidDataError
            A part is missing, damaged or of other work, and the message tells which, counted from 0; or the data or the
            model are not those of the plan.
        """
        finish: Callable[..., Result] = getattr(self, f"_finish_{self.job}")
        return finish(data, _Parts(parts), model, threads, progress)

    def _finish_fit(
        self, data: Snapshots, parts: _Parts, model: Optional[Dynamics], threads: int, progress: _progress.Progress
    ) -> Dynamics:
        if model is not None:
            raise TypeError("a fit takes no model")
        made = ffi.new("chreode_model **")
        failure: Optional[BaseException] = None
        watch = _progress.Watch(progress)
        try:
            with watch, self._handle as work, data._handle as cells:
                given = (work, cells, *parts.given, threads, watch.callback, ffi.NULL, made)
                status = lib.chreode_work_finish_fit(*given)
                if status != lib.CHREODE_OK:
                    failure = of_status(status, message())
        except BaseException as error:  # an interrupt just before or after the call must not lose the model
            failure = error
        return _fit.conclude(made[0], watch.failure or failure, data)

    def _finish_validate(
        self, data: Snapshots, parts: _Parts, model: Optional[Dynamics], threads: int, progress: _progress.Progress
    ) -> Validation:
        made = ffi.new("chreode_validation **")
        with self._handle as work, data._handle as cells:
            check(lib.chreode_work_finish_validate(work, cells, *parts.given, made))
        return _validation.own(made[0])

    def _finish_simulate(
        self, data: Snapshots, parts: _Parts, model: Optional[Dynamics], threads: int, progress: _progress.Progress
    ) -> Trajectory:
        made = ffi.new("chreode_trajectory **")
        with self._handle as work, data._handle as cells, _Given(model) as known:
            check(lib.chreode_work_finish_simulate(work, known, cells, *parts.given, threads, made))
        return _simulation.own(made[0])

    def _finish_evaluate(
        self, data: Snapshots, parts: _Parts, model: Optional[Dynamics], threads: int, progress: _progress.Progress
    ) -> Evaluation:
        made = ffi.new("chreode_evaluation **")
        with self._handle as work, data._handle as cells, _Given(model) as known:
            check(lib.chreode_work_finish_evaluate(work, known, cells, *parts.given, made))
        return _evaluation.own(made[0])

    def _refuse_unknown(self, task: int) -> None:
        if not 0 <= task < len(self.tasks):
            raise IndexError(f"there are {len(self.tasks)} tasks, got the number {task}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Work.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        return f"<chreode.distributed.Work: {self.job}, {len(self.tasks)} tasks>"


class _Given:
    """The pointer of a model that may be None, as a context."""

    def __init__(self, model: Optional[Dynamics]) -> None:
        self._handle = None if model is None else model._use()

    def __enter__(self) -> Any:
        return ffi.NULL if self._handle is None else self._handle.__enter__()

    def __exit__(self, *failure: Any) -> None:
        if self._handle is not None:
            self._handle.__exit__(*failure)


class _Parts:
    """Parts as the library takes them."""

    def __init__(self, parts: Iterable[Any]) -> None:
        self._kept = [ffi.from_buffer("uint8_t[]", part) for part in parts]
        pointers = ffi.new("uint8_t *[]", self._kept)
        sizes = ffi.new("size_t[]", [len(part) for part in self._kept])
        self.given = pointers, sizes, len(self._kept)


def _bytes(function: Callable[..., int], handle: Any) -> bytes:
    size = ffi.new("size_t *")
    check(function(handle, ffi.NULL, 0, size))
    buffer = bytearray(size[0])
    check(function(handle, ffi.from_buffer("uint8_t[]", buffer), len(buffer), size))
    return bytes(buffer)


@documented("fit", "method")
def plan_fit(
    data: Snapshots,
    method: Optional[str] = None,
    *,
    progress: _progress.Progress = None,
    **options: Unpack[FitOptions],
) -> Work:
    """Plans a fit, as :func:`chreode.fit` does it: numbers that are not given are chosen from the data now.

    There is a task for each block of each interval's coupling (``chunk_size`` makes several), or, of an ensemble, for each of
    its fits. A single fit by a method that is based on simulation has no tasks. ``threads`` is about this call alone.
    """
    made = ffi.new("chreode_work **")
    choice = make("fit", {"method": method, **dict(options)})
    with choice as chosen, data._handle as cells, _progress.Watch(progress) as watch:
        watch.check(lib.chreode_work_plan_fit(cells, chosen, watch.callback, ffi.NULL, made))
    return Work._own(made[0])


@documented("validate", "method")
def plan_validate(
    data: Snapshots, method: Any = None, *, parts: Any = None, growth: Any = None, **options: Any
) -> Work:
    """Plans a validation, as :func:`chreode.validate` does it.

    There is a task for each fit to a part of the cells, and for what fits are held against. ``parts`` and ``growth`` are in the
    order of the snapshots.
    """
    part_of, growth_of = _validation.of_cells(data, data, parts, growth)
    made = ffi.new("chreode_work **")
    with make("validate", {"method": method, **options}) as choice, data._handle as cells:
        check(
            lib.chreode_work_plan_validate(
                cells,
                choice,
                arrays.pointer("uint32_t", part_of),
                arrays.count(part_of),
                arrays.pointer("double", growth_of),
                arrays.count(growth_of),
                made,
            )
        )
    return Work._own(made[0])


@documented("simulate", "mode", "seed")
def plan_simulate(
    model: Dynamics,
    data: Snapshots,
    times: Any = None,
    mode: Optional[str] = None,
    seed: Optional[int] = None,
    *,
    founders: int = 1024,
    **options: Unpack[SimulateOptions],
) -> Work:
    """Plans a simulation of the cells of the first time of ``data``, as :meth:`chreode.Dynamics.simulate` does it.

    There is a task for about so many ``founders`` each, of a branching population with the lineage of their families; with
    resampling there is one, since all particles depend on each other, and on a device.
    """
    until = arrays.vector("times", model.info["times"] if times is None else times)
    made = ffi.new("chreode_work **")
    choice = make("simulate", {"mode": mode, "seed": seed, **dict(options)})
    with choice as chosen, data._handle as cells, model._use() as known:
        check(
            lib.chreode_work_plan_simulate(
                known, cells, arrays.pointer("double", until), len(until), chosen, founders, made
            )
        )
    return Work._own(made[0])


@documented("evaluate")
def plan_evaluate(model: Dynamics, data: Snapshots, **options: Unpack[EvaluateOptions]) -> Work:
    """Plans an evaluation, as :meth:`chreode.Dynamics.evaluate` does it: a task for each run, and one for the action."""
    made = ffi.new("chreode_work **")
    with make("evaluate", dict(options)) as choice, data._handle as cells, model._use() as known:
        check(lib.chreode_work_plan_evaluate(known, cells, choice, made))
    return Work._own(made[0])
