"""How much faster two workers of one thread finish a fit than one: python benchmarks/two_workers.py [CELLS]

Over dask.distributed with processes; the package, dask[distributed] and an otherwise idle machine of two cores are needed. Cells are of 50 coordinates and three
times, coupled in blocks of 2000, 300 steps of training by the process that asks, by two threads either way.
"""

import sys
import time
import tempfile
import pathlib

import numpy as np
from dask.distributed import Client, LocalCluster

import chreode
import chreode.distributed


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    snapshots = chreode.dataset("branching", cells=count, dims=50, time_points=3)
    folder = pathlib.Path(tempfile.mkdtemp())
    points = [np.asarray(snapshots.points(k)) for k in range(len(snapshots.times))]
    np.save(folder / "cells.npy", np.concatenate(points).astype(np.float32))
    np.save(folder / "days.npy", np.repeat(snapshots.times, [len(p) for p in points]))
    seconds, losses = {}, []
    for workers in (1, 2):
        with LocalCluster(n_workers=workers, threads_per_worker=1, processes=True) as cluster, Client(cluster) as client:
            client.wait_for_workers(workers)
            start = time.perf_counter()
            model = chreode.distributed.fit(
                folder / "cells.npy", folder / "days.npy", client=client, chunk_size=2000, epochs=300, threads=2, seed=1
            )
            seconds.setdefault(workers, []).append(time.perf_counter() - start)
            losses.append(model.losses)
    assert all(np.array_equal(losses[0], other) for other in losses)
    one, two = min(seconds[1]), min(seconds[2])
    print(f"{count} cells: one worker {one:.1f} s, two workers {two:.1f} s, {two / one:.2f} of it; all: {seconds}")


if __name__ == "__main__":
    main()
