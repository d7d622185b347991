#!/usr/bin/env python3
"""Times chreode and POT (https://pythonot.github.io) on the same problems, in one run, with two threads each.

    benches/against_pot.py

Installs POT into a virtual environment under target/ at the first run. `cargo bench` solves the named cases and
writes their clouds; this script solves each with POT and prints both times. POT gets the cost matrix for free in the
column `pot`, and pays for it in the column `pot+cost`; chreode always computes its costs from the points.

A new case: let a Rust bench print a line `case NAME DIMS seconds S value V …` and write the clouds as
`NAME-{source,target}-{points,weights}.f64`, add the bench to BENCHES and POT's side to SOLVERS by the name's prefix.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

POT = "pot==0.9.7.post1"
THREADS = "2"
REPEATS = 3
BENCHES = ["wasserstein", "coupling"]
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "pot"


def enter_environment():
    """Runs this script again in a virtual environment that has POT, with the threads fixed."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    has_pot = subprocess.run([python, "-c", "import ot"], capture_output=True).returncode == 0
    if not has_pot:
        subprocess.run([python, "-m", "pip", "install", "--quiet", POT], check=True)
    environment = dict(os.environ, OMP_NUM_THREADS=THREADS, OPENBLAS_NUM_THREADS=THREADS, AGAINST_POT="1")
    # Some machines pin BLAS kernels that are slow on them; POT shall not suffer from that.
    for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]:
        environment.pop(name, None)
    sys.exit(subprocess.run([python, __file__], env=environment).returncode)


def wasserstein1(_name, x, y, a, b):
    """W1 by POT: the cost matrix, then exact optimal transport."""
    import ot

    start = time.perf_counter()
    cost = ot.dist(x, y, metric="euclidean")
    between = time.perf_counter()
    value = ot.emd2(a, b, cost, numItermax=10**8)
    return value, between - start, time.perf_counter() - between


def wfr(name, x, y, a, b):
    """The unregularised entropy-transport plan by POT: majorise-minimise, at most its default 1000 steps. The value is the
    objective at that plan, which POT does not report."""
    import numpy
    import ot

    delta = float(name.split("-")[-1])
    start = time.perf_counter()
    cost = -2 * numpy.log(numpy.cos(ot.dist(x, y, metric="euclidean") / (2 * delta)))
    between = time.perf_counter()
    plan = ot.unbalanced.mm_unbalanced(a, b, cost, reg_m=1, div="kl")
    end = time.perf_counter()

    def kl(mass, weight):
        return numpy.sum(mass * numpy.log(mass / weight) - mass + weight)

    return numpy.sum(cost * plan) + kl(plan.sum(1), a) + kl(plan.sum(0), b), between - start, end - between


SOLVERS = {"w1": wasserstein1, "wfr": wfr}


def run_bench(bench, folder):
    """Runs a Rust bench; its cases as {name: (dims, seconds, value)}, in order."""
    environment = dict(os.environ, CHREODE_CLOUDS=str(folder))
    command = ["cargo", "bench", "--quiet", "--bench", bench]
    output = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    cases = {}
    for words in (line.split() for line in output.splitlines() if line.startswith("case ")):
        cases[words[1]] = (int(words[2]), float(words[4]), float(words[6]))
    return cases


def run_pot(name, dims, folder):
    """POT on a case: its value, and the best times for the cost matrix and for the solver."""
    import numpy

    def read(side, kind):
        return numpy.fromfile(folder / f"{name}-{side}-{kind}.f64")

    x, y = (read(side, "points").reshape(-1, dims) for side in ["source", "target"])
    a, b = (read(side, "weights") for side in ["source", "target"])
    solve = SOLVERS[name.split("-")[0]]
    runs = [solve(name, x, y, a, b)]
    # What takes a minute is not noise.
    while len(runs) < REPEATS and runs[0][2] < 10:
        runs.append(solve(name, x, y, a, b))
    return runs[0][0], min(run[1] for run in runs), min(run[2] for run in runs)


def main():
    if "AGAINST_POT" not in os.environ:
        enter_environment()
    print(f"{'case':22} {'chreode s':>10} {'pot s':>10} {'pot+cost s':>10} {'ratio':>7} {'ratio+cost':>10} {'difference':>10}")
    for bench in BENCHES:
        with tempfile.TemporaryDirectory() as folder:
            for name, (dims, seconds, value) in run_bench(bench, folder).items():
                pot_value, cost, solve = run_pot(name, dims, Path(folder))
                difference = abs(value - pot_value) / abs(pot_value)
                print(
                    f"{name:22} {seconds:10.3f} {solve:10.3f} {cost + solve:10.3f} {solve / seconds:7.1f} "
                    f"{(cost + solve) / seconds:10.1f} {difference:10.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
