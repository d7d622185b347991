"""Work that spreads over processes comes back as the same bits, whatever happens to them."""

import contextlib
import os
import pickle
import signal
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import chreode
from chreode import distributed

if os.environ.get("CI") == "true":
    import dask.distributed as dask
else:
    dask = pytest.importorskip("dask.distributed")

#: Of models that were hardly trained.
pytestmark = pytest.mark.filterwarnings("ignore:.* outside of the box:chreode.ChreodeWarning")
SMALL = {"sigma": 0.02, "hidden": "8x1", "epochs": 5, "seed": 1}
#: A coupling in blocks, the fits of an ensemble, and another method, whose couplings are one block each.
FITS = {
    "blocks": {"method": "usb", "delta": 1.5, "chunk_size": 20, **SMALL},
    "ensemble": {"method": "usb", "delta": 1.5, "ensemble": 2, **SMALL},
    "another": {"method": "wfr-fm", "delta": 1.5, "hidden": "8x1", "epochs": 5},
}


def same(one, other):
    return one.to_bytes() == other.to_bytes() and np.array_equal(one.losses, other.losses)


@pytest.fixture(scope="module")
def at_once(snapshots):
    return {name: chreode.fit(snapshots, **options) for name, options in FITS.items()}


@pytest.fixture(scope="module")
def pool():
    """Forked, by default, from a process whose library has threads."""
    with ProcessPoolExecutor(2) as pool:
        pool.submit(os.getpid).result()
        yield pool


@pytest.fixture(scope="module")
def cluster(pool):
    """Of two processes, after those of the pool, which fork before this process has Dask's threads."""
    with dask.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with dask.Client(cluster) as client:
        yield client


class Here(Executor):
    """Does the first task at once, changed as told, and others as long as there is anything to be done with them."""

    def __init__(self, change=lambda task, part: part, at_most=10_000):
        self.futures, self.change, self.at_most = [], change, at_most

    def submit(self, function, *given):
        future = Future()
        self.futures.append(future)
        if len(self.futures) <= self.at_most:
            future.set_result(self.change(given[3], function(*given)))
        return future


@pytest.mark.parametrize("name", FITS)
def test_a_pool_of_processes_fits_to_the_same_bits(snapshots, at_once, pool, name):
    assert same(distributed.fit(snapshots, client=pool, **FITS[name]), at_once[name])


@pytest.mark.parametrize("name", FITS)
def test_threads_and_this_process_do_as_well(snapshots, at_once, name):
    with ThreadPoolExecutor(3) as threads:
        assert same(distributed.fit(snapshots, client=threads, task_threads=2, **FITS[name]), at_once[name])
    assert same(distributed.fit(snapshots, **FITS[name]), at_once[name])


def test_any_number_of_workers_of_dask_fits_to_the_same_bits(snapshots, at_once, cluster, client):
    for workers in (2, 3, 5):
        cluster.scale(workers)
        client.wait_for_workers(workers, timeout=60)
        for name, options in FITS.items():
            assert same(distributed.fit(snapshots, client=client, **options), at_once[name]), (workers, name)
    cluster.scale(2)


def workers(client, count=2):
    """The processes of a cluster's workers, once it has so many: those that leave or begin cannot be asked."""
    for _ in range(600):
        if len(client.scheduler_info()["workers"]) == count:
            with contextlib.suppress(OSError):  # a connection that was closed meanwhile
                found = client.run(os.getpid)
                if len(found) == count:
                    return list(found.values())
        time.sleep(0.1)
    raise TimeoutError(f"the cluster has not {count} workers")


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
@pytest.mark.parametrize("some", [1, 5])
@pytest.mark.parametrize("name", ["blocks", "ensemble"])
def test_workers_that_are_killed_change_nothing(snapshots, at_once, client, name, some):
    victims = set(workers(client)[:some])  # with all workers goes all that they had been sent
    asked = []

    def kill(stage, done, total, loss):
        if stage == "tasks" and not asked:  # all of the tasks are out
            asked.append((done, total))
            for worker in victims:
                os.kill(worker, signal.SIGKILL)

    fitted = distributed.fit(snapshots, client=client, progress=kill, **FITS[name])
    assert same(fitted, at_once[name])
    assert asked and asked[0][0] == 0
    assert victims.isdisjoint(workers(client))


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
def test_a_pool_that_a_process_of_was_killed_says_so(snapshots):
    with ProcessPoolExecutor(1) as pool:
        worker = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 60)  # all tasks wait for it

        def kill(stage, done, total, loss):
            if stage == "tasks":
                os.kill(worker, signal.SIGKILL)

        with pytest.raises(chreode.WorkerError, match=r"task \d+, a block, failed at its worker: BrokenProcessPool"):
            distributed.fit(snapshots, client=pool, progress=kill, **FITS["blocks"])


def test_a_damaged_part_is_an_error_by_name(snapshots):
    def damage(task, part):
        return part[:-1] + bytes([part[-1] ^ 1]) if task == 3 else part

    with pytest.raises(chreode.InvalidDataError, match="part 3"):
        distributed.fit(snapshots, client=Here(damage), **FITS["blocks"])


def test_what_a_worker_refuses_comes_back(snapshots, tmp_path, pool, cells):
    x, t = cells
    np.save(tmp_path / "x.npy", x)

    def change(stage, done, total, loss):
        if stage == "tasks" and done == 0:
            np.save(tmp_path / "x.npy", x + 1)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(time.sleep, 0.3)
        with pytest.raises(chreode.InvalidDataError, match="not those"):
            distributed.fit(tmp_path / "x.npy", t, client=threads, progress=change, **FITS["blocks"])

    def remove(stage, done, total, loss):
        if stage == "tasks":
            (tmp_path / "x.npy").unlink(missing_ok=True)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(time.sleep, 0.3)
        with pytest.raises(chreode.WorkerError, match=r"task \d+, a block, .*FileNotFoundError.*x.npy"):
            distributed.fit(tmp_path / "x.npy", t, client=threads, progress=remove, **FITS["blocks"])


def test_progress_is_told(snapshots, pool):
    seen = []
    distributed.fit(snapshots, client=pool, progress=lambda *now: seen.append(now) and None, **FITS["blocks"])
    tasks = [now for now in seen if now[0] == "tasks"]
    total = tasks[0][2]
    assert total > 8 and tasks[0] == ("tasks", 0, total, None) and tasks[-1] == ("tasks", total, total, None)
    assert [now[1] for now in tasks] == sorted(now[1] for now in tasks)
    assert seen[-1][:3] == ("training", 5, 5)


def test_what_is_out_is_cancelled_when_progress_says_so(snapshots, client):
    here = Here(at_most=2)
    with pytest.raises(chreode.CancelledError, match=r"when 2 of \d+ tasks were done") as caught:
        distributed.fit(snapshots, client=here, progress=lambda stage, done, *_: done == 2, **FITS["blocks"])
    assert caught.value.model is None
    assert len(here.futures) > 8 and all(future.cancelled() for future in here.futures[2:])

    with pytest.raises(chreode.CancelledError):
        distributed.fit(snapshots, progress=lambda stage, done, *_: done == 2, **FITS["blocks"])

    def fails(*now):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        distributed.evaluate(chreode.fit(snapshots, **FITS["another"]), snapshots, client=client, progress=fails)
    for _ in range(100):  # Dask forgets what was cancelled a little later
        left = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))
        if not left:
            break
        time.sleep(0.1)
    assert left == []


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
def test_an_interrupt_cancels_what_is_out(snapshots):
    here = Here(at_most=2)
    # What is started in the background of a shell may ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            distributed.fit(snapshots, client=here, **FITS["blocks"])
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert all(future.cancelled() for future in here.futures[2:])


def test_workers_read_their_cells_from_a_file(tmp_path, cells, pool, client):
    x, t = cells
    order = np.random.default_rng(0).permutation(len(x))
    x, t, weights = x[order], t[order], 1.0 + np.arange(len(x)) % 3
    for name, given in [("x", x), ("t", t), ("w", weights)]:
        np.save(tmp_path / f"{name}.npy", given)
    masses = {0: 1.0, 1: 1.5, 2: 2.0, 3: 2.5, 4: 3.0}
    files = {"weights": str(tmp_path / "w.npy"), "masses": masses}
    for name, workers in [("blocks", client), ("ensemble", pool)]:
        expected = chreode.fit(x, t, weights=weights, masses=masses, **FITS[name])
        found = distributed.fit(tmp_path / "x.npy", str(tmp_path / "t.npy"), client=workers, **files, **FITS[name])
        assert same(found, expected)
        frames = distributed.simulate(found, str(tmp_path / "x.npy"), mode="ode", founders=100, client=workers).frames
        assert np.array_equal(frames[-1].points, expected.simulate(x, mode="ode").frames[-1].points)


def test_workers_read_an_anndata(tmp_path, cells, pool):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    x, t = cells
    data = anndata.AnnData(
        np.zeros((len(x), 1), np.float32),
        obs=pandas.DataFrame({"day": [f"day{at:g}" for at in t]}, index=[f"cell{k}" for k in range(len(x))]),
        obsm={"X_pca": x.astype(np.float32)},
    )
    data.write_h5ad(tmp_path / "cells.h5ad")
    expected = chreode.fit(data, "day", annotate=False, **FITS["blocks"])
    found = distributed.fit(tmp_path / "cells.h5ad", "day", client=pool, **FITS["blocks"])
    assert same(found, expected)
    options = {"mode": "sde", "runs": 2}
    evaluated = distributed.evaluate(found, tmp_path / "cells.h5ad", client=pool, **options)
    assert evaluated.measures == expected.evaluate(data, **options).measures
    ran = distributed.simulate(found, tmp_path / "cells.h5ad", [1.0, 2.0], founders=10, client=pool)
    assert np.array_equal(ran.frames[1].points, expected.simulate(data, [1.0, 2.0]).frames[1].points)
    with pytest.raises(chreode.InvalidArgumentError, match=r"\.npy or \.h5ad file, got '/.*cells\.csv'"):
        distributed.fit("cells.csv", "day", client=pool)


def test_an_anndata_is_annotated(cells, pool):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    x, t = cells
    day = pandas.DataFrame({"day": t}, index=[f"cell{k}" for k in range(len(x))])
    one, other = (anndata.AnnData(obs=day.copy(), obsm={"X_pca": x}) for _ in range(2))
    chreode.fit(one, "day", **FITS["blocks"])
    distributed.fit(other, "day", client=pool, **FITS["blocks"])
    assert np.array_equal(one.obsm["chreode_velocity"], other.obsm["chreode_velocity"])
    with pytest.raises(chreode.InvalidArgumentError, match="chreode_velocity"):
        distributed.fit(other, "day", client=pool, **FITS["blocks"])


@pytest.mark.parametrize("options", [{"mode": "ode"}, {"mode": "sde", "seed": 3}, {"mode": "branching", "seed": 3}])
def test_simulations_and_evaluations_are_the_same(snapshots, at_once, pool, client, options):
    x, weights = np.tile(snapshots.points(0), (10, 1)), 1.0 + np.arange(10 * snapshots.counts[0]) % 2
    for name, workers in [("ensemble", pool), ("blocks", client)]:
        model = at_once[name]
        expected = model.simulate(x, [0.0, 1.0, 2.5], weights=weights, **options)
        found = distributed.simulate(
            model, x, [0.0, 1.0, 2.5], weights=weights, founders=256, client=workers, **options
        )
        for one, two in zip(expected.frames, found.frames):
            for values in ("points", "weights", "ids", "ancestors"):
                assert np.array_equal(getattr(one, values), getattr(two, values)), values
        assert (expected.newick(), expected.outside) == (found.newick(), found.outside)
        assert np.array_equal(expected.mass_sd, found.mass_sd, equal_nan=True)
        runs = {} if options["mode"] == "ode" else {"runs": 2}
        evaluated = distributed.evaluate(model, snapshots, client=workers, **runs, **options)
        assert evaluated.measures == model.evaluate(snapshots, **runs, **options).measures


def test_validations_are_the_same(snapshots, client):
    options = {"method": ["wfr-fm", "ot-cfm"], "hidden": "8x1", "epochs": 5, "splits": 2, "seed": 1}
    parts = np.arange(snapshots.counts.sum()) % 2
    expected = chreode.validate(snapshots, parts=parts, **options)
    found = distributed.validate(snapshots, parts=parts, client=client, **options)
    for recipe in [*expected.recipes, *found.recipes]:
        for seconds in [key for key in recipe if "seconds" in key]:
            del recipe[seconds]
    assert found.verdict == expected.verdict and found.recipes == expected.recipes and len(found.recipes) == 2


@pytest.mark.parametrize("from_file", [False, True])
def test_a_task_is_sent_its_own_cells_alone(tmp_path, cells, from_file):
    x, t = cells
    np.save(tmp_path / "x.npy", x)
    sent = {}

    class Sends(Here):
        def submit(self, function, *given):
            sent[given[3]] = pickle.loads(pickle.dumps(given[2]))
            return super().submit(function, *given[:2], sent[given[3]], *given[3:])

    work = distributed.plan_fit(chreode.Snapshots(x, t), **FITS["blocks"])
    distributed.fit(tmp_path / "x.npy" if from_file else x, t, client=Sends(), **FITS["blocks"])
    for task, share in sent.items():
        rows = np.argsort(t, kind="stable")[work.rows(task)]
        assert np.array_equal(share.times, t[rows])
        if from_file:
            assert share.points.path == str(tmp_path / "x.npy") and np.array_equal(share.rows, rows)
        else:
            assert np.array_equal(share.points, x[rows].astype(np.float32))


def test_work_by_hand(snapshots, at_once):
    work = distributed.plan_fit(snapshots, **FITS["blocks"])
    again = pickle.loads(pickle.dumps(work))
    assert again.tasks == work.tasks and work.job == "fit" and f"{len(work.tasks)} tasks" in repr(work)
    parts = []
    for task in reversed(range(len(work.tasks))):
        share = work.share(snapshots, task)
        assert share.counts.sum() == len(work.rows(task)) < snapshots.counts.sum()
        parts.append(again.run(share, task))
        assert work.task_of(parts[-1]) == task
    assert same(work.finish(snapshots, [*parts, parts[0]]), at_once["blocks"])
    with pytest.raises(chreode.InvalidDataError, match="task"):
        work.finish(snapshots, parts[1:])
    with pytest.raises(chreode.InvalidDataError):
        work.run(snapshots.with_masses([1, 2, 3, 4, 5]), 0)
    with pytest.raises(chreode.InvalidDataError):
        distributed.Work.from_bytes(work.to_bytes().replace(b'"1.5"', b'"1.6"'))
    with pytest.raises(IndexError, match="number -1"):
        work.run(snapshots, -1)
    with pytest.raises(TypeError, match="plan_fit"):
        distributed.Work()


def test_other_clients_are_refused(snapshots):
    with pytest.raises(TypeError, match="dask.distributed.Client or a concurrent.futures.Executor, got int"):
        distributed.fit(snapshots, client=3, **FITS["blocks"])
