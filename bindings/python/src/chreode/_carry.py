"""Carries tasks to the processes of a Dask client or an executor, and their parts back."""

from __future__ import annotations

import queue
import time
import warnings
from concurrent.futures import Future
from typing import Any, Optional

from . import _progress
from ._cells import Cells, File
from ._dynamics import Dynamics
from ._errors import CancelledError, ChreodeError, WorkerError
from ._snapshots import Snapshots
from ._work import Work

#: Seconds between two looks at whether to go on.
_TICK = 0.05


def carry(
    work: Work,
    data: Snapshots,
    file: Optional[File],
    model: Optional[Dynamics],
    client: Any,
    threads: int,
    progress: Optional[_progress.Callback],
) -> list[bytes]:
    """The parts of all tasks, in their order, done by the workers of a client, or here if there is none."""
    if client is None:
        return [_here(work, data, model, task, threads, progress) for task in range(len(work.tasks))]
    shipment = _shipment(client)(client, work, model, Cells.of(data, file))
    return _Errand(work, shipment, threads, progress).parts()


def _here(
    work: Work,
    data: Snapshots,
    model: Optional[Dynamics],
    task: int,
    threads: int,
    progress: Optional[_progress.Callback],
) -> bytes:
    def tell(*now: Any) -> None:
        _tell(progress, task, len(work.tasks))

    return work.run(data, task, model=model, threads=threads, progress=tell)


def _tell(progress: Optional[_progress.Callback], done: int, total: int) -> None:
    if progress is not None and progress("tasks", done, total, None):
        raise CancelledError(f"the progress function ended the work when {done} of {total} tasks were done")


def do(plan: bytes, model: Optional[bytes], cells: Cells, task: int, threads: int) -> bytes:
    """What a worker does. Everything is its own, since handles that threads share are used in turns."""
    known = None if model is None else Dynamics.from_bytes(model)
    return Work.from_bytes(plan).run(cells.snapshots(), task, model=known, threads=threads)


class _Executor:
    """What goes to an executor: all that a task needs, with the task."""

    def __init__(self, executor: Any, work: Work, model: Optional[Dynamics], cells: Cells) -> None:
        self._executor, self._work, self._cells = executor, work, cells
        self._plan = self._send(work.to_bytes())
        self._model = None if model is None else self._send(model.to_bytes())
        self._everywhere: Any = None

    def submit(self, task: int, threads: int) -> Future[bytes]:
        """Gives out a task."""
        rows = self._work.rows(task)
        if rows is None and self._everywhere is None:
            self._everywhere = self._send(self._cells)
        cells = self._everywhere if rows is None else self._cells.some(rows)
        sent: Future[bytes] = self._executor.submit(do, self._plan, self._model, cells, task, threads)
        return sent

    def _send(self, given: Any) -> Any:
        """What stands for something that all tasks need."""
        return given


class _Dask(_Executor):
    """What goes to the workers of Dask: what all tasks need once, for them to hand on, and the cells of a task with the task.

    It goes as the result of a task, which the scheduler can have done again: what was scattered would be lost with the workers
    that had it.
    """

    def __init__(self, client: Any, work: Work, model: Optional[Dynamics], cells: Cells) -> None:
        self._client = client
        super().__init__(client.get_executor(pure=False), work, model, cells)

    def _send(self, given: Any) -> Any:
        with warnings.catch_warnings():
            # Dask would have it scattered.
            warnings.filterwarnings("ignore", "Sending large graph")
            return self._client.submit(_itself, given, pure=False)


def _itself(given: Any) -> Any:
    return given


def _shipment(client: Any) -> type[_Executor]:
    """By whom a client's tasks go out."""
    if getattr(client, "asynchronous", False) is True:
        raise TypeError("client must be a Dask client that waits, got one that is asynchronous")
    if hasattr(client, "get_executor") and hasattr(client, "scatter"):
        return _Dask
    if hasattr(client, "submit") and hasattr(client, "shutdown"):
        return _Executor
    kind = type(client).__name__
    raise TypeError(f"client must be a dask.distributed.Client or a concurrent.futures.Executor, got {kind}")


class _Errand:
    """All tasks of some work, given out and awaited."""

    def __init__(self, work: Work, shipment: _Executor, threads: int, progress: Optional[_progress.Callback]) -> None:
        self._work, self._shipment, self._threads, self._progress = work, shipment, threads, progress
        self._done: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
        self._tasks: dict[Future[bytes], int] = {}

    def parts(self) -> list[bytes]:
        """The parts of all tasks; whatever ends this before cancels those that are out."""
        count = len(self._work.tasks)
        parts: dict[int, bytes] = {}
        try:
            # The longest first, so that none of them is left to one worker in the end.
            for task in sorted(range(count), key=lambda task: -self._work.tasks[task]["cost"]):
                self._give(task)
            told = -_TICK
            while len(parts) < count:
                if time.monotonic() >= told + _TICK:
                    _tell(self._progress, len(parts), count)
                    told = time.monotonic()
                self._take(parts)
            _tell(self._progress, count, count)
        finally:
            for future in self._tasks:
                future.cancel()
        return [parts[task] for task in range(count)]

    def _give(self, task: int) -> None:
        try:
            future = self._shipment.submit(task, self._threads)
        except ChreodeError:
            raise
        except Exception as error:  # as of an executor that is broken, or shut down
            raise self._failure(task, error) from error
        self._tasks[future] = task
        future.add_done_callback(self._done.put)

    def _take(self, parts: dict[int, bytes]) -> None:
        """Takes the part that comes next, if one comes soon."""
        try:
            future = self._done.get(timeout=_TICK)
        except queue.Empty:
            return
        task = self._tasks.pop(future)
        try:
            parts[task] = future.result()
        except (ChreodeError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            raise self._failure(task, error) from error

    def _failure(self, task: int, error: BaseException) -> WorkerError:
        kind, told = self._work.tasks[task]["kind"], str(error) or "cancelled elsewhere"
        return WorkerError(f"task {task}, a {kind}, failed at its worker: {type(error).__name__}: {told}")
