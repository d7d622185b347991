"""Fits, validations, simulations and evaluations that spread over processes and machines, to the bits of one process.

>>> from dask.distributed import Client  # doctest: +SKIP
>>> model = chreode.distributed.fit(x, time, method="usb", chunk_size=1000, client=Client())  # doctest: +SKIP

A long computation is cut into tasks: pure functions of a plan and of the cells that each names, since all random numbers are
functions of a seed and a place. So the result is the same bits whatever the number of workers, their order, and however many
of them died on the way. ``client`` does the tasks: a ``dask.distributed.Client`` (``pip install chreode[dask]``), or any
``concurrent.futures.Executor``, as ``ProcessPoolExecutor`` or ``mpi4py.futures.MPIPoolExecutor``; None does them in this
process. The package must be installed where the workers run, in this version.

To carry tasks by other means, :func:`plan_fit` and its likes give a :class:`Work`: ``run`` does a task to bytes, anywhere, and
``finish`` puts these together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional

from . import _anndata, _arrays, _cells, _fit, _progress, _validation
from ._carry import carry
from ._dynamics import Dynamics, written
from ._errors import InvalidArgumentError
from ._evaluation import Evaluation
from ._options import documented
from ._simulation import Trajectory
from ._snapshots import Snapshots
from ._validation import Validation
from ._work import Work, plan_evaluate, plan_fit, plan_simulate, plan_validate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._option_types import EvaluateOptions, FitOptions, SimulateOptions

__all__ = [
    "Work",
    "evaluate",
    "fit",
    "plan_evaluate",
    "plan_fit",
    "plan_simulate",
    "plan_validate",
    "simulate",
    "validate",
]


@documented("fit", "method")
def fit(
    x: Any,
    time: Any = None,
    method: Optional[str] = None,
    *,
    client: Any = None,
    task_threads: int = 1,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    progress: _progress.Progress = None,
    annotate: bool = True,
    key_added: str = "chreode",
    overwrite: bool = False,
    **options: Unpack[FitOptions],
) -> Dynamics:
    """Learns the dynamics of a population, as :func:`chreode.fit` does and to its bits, by the workers of ``client``.

    Workers couple the blocks of each interval, which ``chunk_size`` makes smaller and more, or, for ``ensemble``, do its fits.
    A single model is trained in this process, by ``threads``. ``method``, ``weights``, ``masses``, ``annotate``,
    ``key_added`` and ``overwrite`` are as in :func:`chreode.fit`.

    Parameters
    ----------
    x : array or DataFrame n × d with one row a cell, an AnnData, or :class:`Snapshots`; or the path of a file
        Cells are sent: those that a task names with the task, else all, by Dask once for all workers, by an executor with
        every task. Of a ``.npy`` or ``.h5ad`` file that every worker sees under this path, only rows' numbers, times and
        weights are sent, and each task reads its own points. Nothing is written to a file.
    time : as in :func:`chreode.fit`; of a ``.npy`` file also the path of another, as ``weights``
    client : a ``dask.distributed.Client``, a ``concurrent.futures.Executor``, or None for this process
    task_threads : how many threads a task has, 0 for all cores of its machine; the bits are the same at any number
    progress : True for a bar, or a function, as in :func:`chreode.fit`; the stage ``tasks`` counts those that are done
        Something true, an exception or Ctrl-C cancels what no worker has begun; what has been begun ends unheard.

    Raises
    ------
    WorkerError
        A worker died with a process pool, which cannot go on then, or Dask gave a task up after several deaths, or a worker
        could not begin, as without this package. Dask does the tasks of a worker that dies again.
    CancelledError, NonFiniteError, KeyboardInterrupt, or what ``progress`` or writing to the AnnData raised
        As of :func:`chreode.fit`: the error's ``model`` is what was learned so far, None if training had not begun.
    """
    annotate = annotate and _anndata.is_anndata(x)
    if annotate:
        _anndata.refuse_unwritable(x, written(key_added), overwrite)
    opened, snapshots, file = _cells.read(x, time, obsm, weights, masses)
    if _anndata.is_anndata(opened):
        snapshots.remember(key_added if annotate else None, {"method": method, **options})
    threads: Any = options.get("threads") or 0
    told, close = _progress.reporter(progress)
    try:
        work = plan_fit(snapshots, method, progress=told, **options)
        parts = carry(work, snapshots, file, None, client, task_threads, told)
        model = work.finish(snapshots, parts, threads=threads, progress=told)
    finally:
        close()
    assert isinstance(model, Dynamics)
    if annotate:
        _fit.write(model, x, time, obsm=obsm, key_added=key_added, overwrite=overwrite)
    return model


@documented("validate", "method")
def validate(
    x: Any,
    time: Any = None,
    method: Any = None,
    *,
    client: Any = None,
    task_threads: int = 1,
    parts: Any = None,
    growth: Any = None,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    progress: _progress.Progress = None,
    **options: Any,
) -> Validation:
    """Holds recipes against cells that they were not fitted to, as :func:`chreode.validate` does, by the workers of ``client``.

    There is a task for each fit to a part of the cells, and for what fits are held against. ``x``, ``time``, ``client``,
    ``task_threads`` and ``progress`` are as in :func:`fit`, the others as in :func:`chreode.validate`.
    """
    opened, snapshots, file = _cells.read(x, time, obsm, weights, None)
    part_of, growth_of = _validation.of_cells(opened, snapshots, parts, growth)
    if masses is not None:
        snapshots = snapshots.with_masses(masses)
    work = plan_validate(snapshots, method, parts=part_of, growth=growth_of, **options)
    validation = _done(work, snapshots, file, None, client, task_threads, progress)
    assert isinstance(validation, Validation)
    return validation


@documented("simulate", "mode", "seed")
def simulate(
    model: Dynamics,
    points: Any,
    times: Any = None,
    mode: Optional[str] = None,
    seed: Optional[int] = None,
    *,
    client: Any = None,
    task_threads: int = 1,
    founders: int = 1024,
    start: Optional[float] = None,
    weights: Any = None,
    progress: _progress.Progress = None,
    **options: Unpack[SimulateOptions],
) -> Trajectory:
    """Simulates a population, as :meth:`chreode.Dynamics.simulate` does and to its bits, by the workers of ``client``.

    There is a task for about so many ``founders`` each, of a branching population with the lineage of their families; with
    resampling there is one, since all particles depend on each other, and on a device. An ensemble's error bars are
    simulated in this process, unless ``error_bars=False``.

    ``points`` may be the path of a ``.npy`` or ``.h5ad`` file; it, ``client``, ``task_threads`` and ``progress`` are as in
    :func:`fit`, the others as in :meth:`chreode.Dynamics.simulate`.
    """
    until = _arrays.vector("times", model.info["times"] if times is None else times)
    if start is None and len(until) == 0:
        raise InvalidArgumentError("times must not be empty")
    begin_at = float(until[0]) if start is None else _arrays.number("start", start)
    file = _cells.File.of(points)
    opened = points if file is None else file.open()
    if _anndata.is_anndata(opened):
        file = None  # only the cells of one time start: they are sent
    begin = model._founders(opened, begin_at, weights, None, mode)
    data = Snapshots(begin.points, [begin_at] * len(begin.points), weights=begin.weights)
    work = plan_simulate(model, data, until, mode, seed, founders=founders, **options)
    trajectory = _done(work, data, file, model, client, task_threads, progress)
    assert isinstance(trajectory, Trajectory)
    return replace(trajectory, origin=model._origin(begin, begin_at, mode, seed))


@documented("evaluate")
def evaluate(
    model: Dynamics,
    x: Any,
    time: Any = None,
    *,
    client: Any = None,
    task_threads: int = 1,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    progress: _progress.Progress = None,
    **options: Unpack[EvaluateOptions],
) -> Evaluation:
    """Predicts every later snapshot and compares, as :meth:`chreode.Dynamics.evaluate` does, by the workers of ``client``.

    There is a task for each run, of an ensemble also of every member, and one for the action. ``x``, ``time``, ``client``,
    ``task_threads`` and ``progress`` are as in :func:`fit`, the others as in :meth:`chreode.Dynamics.evaluate`.
    """
    _, snapshots, file = _cells.read(x, time, obsm, weights, masses, model._source)
    work = plan_evaluate(model, snapshots, **options)
    evaluation = _done(work, snapshots, file, model, client, task_threads, progress)
    assert isinstance(evaluation, Evaluation)
    return evaluation


def _done(
    work: Work,
    data: Snapshots,
    file: Optional[_cells.File],
    model: Optional[Dynamics],
    client: Any,
    threads: int,
    progress: _progress.Progress,
) -> Any:
    """The result of work, whose tasks are what there is to tell of."""
    told, close = _progress.reporter(progress)
    try:
        parts = carry(work, data, file, model, client, threads, told)
        return work.finish(data, parts, model=model, threads=0 if model is None else model.threads)
    finally:
        close()
