#!/usr/bin/env python3
"""Times chreode, POT (https://pythonot.github.io) and OTT (https://ott-jax.readthedocs.io) on the same entropic problems in one run.

    benches/against_ott.py [--limit SECONDS] [KIND…]

Installs both into a virtual environment under target/ at the first run. `cargo bench --bench entropic` solves the cases to a certified
relative gap of 1e-4 and writes their clouds. The two others are given the cost matrix, compiled functions and the best number of
iterations: they run 10, 20, 40, … of them, each time from the start, and what counts is the first run after which their potentials
have that gap, by the same definition (the dual, and the objective of their plan, mended to meet hard marginals). Times are processor
time, all threads added up. Runs that would take longer than the limit are not made: `> SECONDS (GAP)` says what was reached until then.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = ["pot==0.9.7.post1", "ott-jax==0.6.0"]
THREADS = "2"
TOLERANCE = 1e-4
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "ott"


def enter_environment():
    """Runs this script again in a virtual environment that has POT and OTT, with the threads fixed."""
    python = Path(os.environ.get("CHREODE_OTT_PYTHON", VENV / "bin" / "python"))
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    if subprocess.run([python, "-c", "import ot, ott"], capture_output=True).returncode != 0:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    environment = dict(os.environ, OMP_NUM_THREADS=THREADS, OPENBLAS_NUM_THREADS=THREADS, AGAINST_OTT="1")
    environment.setdefault("JAX_PLATFORMS", "cpu")
    # Some machines pin BLAS kernels that are slow on them; the others shall not suffer from that.
    for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]:
        environment.pop(name, None)
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:]], env=environment).returncode)


def cases(folder, kinds):
    """The cases that the Rust bench solved: (name, dims, penalty, epsilon, share, seconds of processor time, primal)."""
    environment = dict(os.environ, CHREODE_CLOUDS=str(folder))
    command = ["cargo", "bench", "--quiet", "--bench", "entropic"]
    output = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    for words in (line.split() for line in output.splitlines() if line.startswith("case ")):
        if words[1].split("-")[0] in kinds:
            told = dict(zip(words[3::2], words[4::2]))
            numbers = [float(told[key]) for key in ["penalty", "epsilon", "share", "processor", "primal"]]
            yield words[1], int(words[2]), *numbers


def relative_gap(f, g, cost, a, b, rho, epsilon):
    """How far the plan of the potentials, γ = a⊗b exp((f + g − C)/ε), is above their dual."""
    import numpy

    def kl(mass, weight):
        positive = mass > 0
        terms = numpy.where(positive, mass * numpy.log(numpy.where(positive, mass, 1) / weight), 0)
        return numpy.sum(terms - mass + weight)

    plan = numpy.outer(a, b) * numpy.exp((f[:, None] + g[None, :] - cost) / epsilon)
    entropy = epsilon * (a.sum() * b.sum() - plan.sum())
    if numpy.isinf(rho):
        dual = a @ f + b @ g + entropy
        # Altschuler, Weed, Rigollet (NeurIPS 2017): scaled down to the marginals, and what then lacks as a product.
        plan *= numpy.minimum(1, a / plan.sum(1))[:, None]
        plan *= numpy.minimum(1, b / plan.sum(0))[None, :]
        rows, columns = a - plan.sum(1), b - plan.sum(0)
        if rows.sum() > 0:
            plan += numpy.outer(rows, columns) / rows.sum()
        primal = 0.0
    else:
        dual = -rho * (a @ numpy.expm1(-f / rho) + b @ numpy.expm1(-g / rho)) + entropy
        primal = rho * (kl(plan.sum(1), a) + kl(plan.sum(0), b))
    primal += numpy.sum(plan * cost) + epsilon * kl(plan, numpy.outer(a, b))
    return (primal - dual) / primal


def pot(cost, a, b, rho, epsilon):
    """POT in the log domain, as a function of the number of iterations that gives the potentials."""
    import numpy
    import ot

    def balanced(iterations):
        _, log = ot.bregman.sinkhorn_log(a, b, cost, epsilon, numItermax=iterations, stopThr=0, log=True, warn=False)
        return log["log_u"], log["log_v"]

    def relaxed(iterations):
        _, log = ot.unbalanced.sinkhorn_unbalanced(
            a, b, cost, epsilon, rho, method="sinkhorn_stabilized", reg_type="kl", numItermax=iterations, stopThr=0, log=True
        )
        return log["logu"], log["logv"]

    def run(iterations):
        u, v = balanced(iterations) if numpy.isinf(rho) else relaxed(iterations)
        # Its plan is exp(u − C/ε + v), in the relaxed case against a⊗b.
        shift = (numpy.log(a), numpy.log(b)) if numpy.isinf(rho) else (0, 0)
        return epsilon * (u - shift[0]), epsilon * (v - shift[1])

    return run


def ott(cost, a, b, rho, epsilon):
    """OTT with double precision and its defaults, compiled before it is timed."""
    import jax
    import numpy

    jax.config.update("jax_enable_x64", True)
    from ott.geometry import geometry
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import sinkhorn

    tau = 1.0 if numpy.isinf(rho) else rho / (rho + epsilon)

    def solver(iterations):
        solve = sinkhorn.Sinkhorn(threshold=0.0, max_iterations=iterations, min_iterations=iterations)

        @jax.jit
        def solved(cost, a, b):
            problem = linear_problem.LinearProblem(
                geometry.Geometry(cost_matrix=cost, epsilon=epsilon), a=a, b=b, tau_a=tau, tau_b=tau
            )
            out = solve(problem)
            return out.f, out.g

        return solved

    # Its entropy is against the counting measure: in relaxed problems the cost takes up what a⊗b changes.
    relaxed = numpy.isfinite(rho)
    shift = (numpy.log(a), numpy.log(b))
    given = cost - epsilon * (shift[0][:, None] + shift[1][None, :]) if relaxed else cost
    arguments = [jax.numpy.asarray(x) for x in (given, a, b)]
    compiled = {}

    def run(iterations):
        f, g = compiled[iterations](*arguments)
        f, g = numpy.asarray(f), numpy.asarray(g)
        return (f, g) if relaxed else (f - epsilon * shift[0], g - epsilon * shift[1])

    def prepare(iterations):
        compiled[iterations] = solver(iterations).lower(*arguments).compile()

    run.prepare = prepare
    return run


def time_to_gap(run, gap_of, limit):
    """The processor seconds of the first run that reaches the gap, as text, and as a number where there was one."""
    iterations, seconds, gap = 10, 0.0, float("nan")
    while 2 * seconds <= limit:
        getattr(run, "prepare", lambda _: None)(iterations)
        start = time.process_time()
        potentials = run(iterations)
        seconds = time.process_time() - start
        gap = gap_of(*potentials)
        if gap <= TOLERANCE:
            return f"{seconds:.3f}", seconds
        iterations *= 2
    return f"> {seconds:.1f} ({gap:.0e})", None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=60.0, help="processor seconds of the longest run (default 60)")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="of gauss2d, gauss10d, clusters2d, clusters10d (default: all)")
    arguments = parser.parse_args()
    if "AGAINST_OTT" not in os.environ:
        enter_environment()
    import numpy

    kinds = arguments.kinds or ["gauss2d", "gauss10d", "clusters2d", "clusters10d"]
    print(f"{'case':17} {'ρ/mean':>6} {'ε/mean':>6} {'chreode s':>9} {'POT s':>15} {'ratio':>7} {'OTT s':>15} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name, dims, rho, epsilon, share, seconds, _ in list(cases(folder, kinds)):

            def read(side, kind):
                return numpy.fromfile(Path(folder) / f"{name}-{side}-{kind}.f64")

            x, y = (read(side, "points").reshape(-1, dims) for side in ["source", "target"])
            a, b = (read(side, "weights") for side in ["source", "target"])
            cost = 0.5 * ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)

            def gap_of(f, g):
                with numpy.errstate(all="ignore"):
                    return relative_gap(f, g, cost, a, b, rho, epsilon)

            row = f"{name:17} {rho * share / epsilon:6.0f} {share:6g} {seconds:9.3f}"
            for solver in [pot, ott]:
                text, needed = time_to_gap(solver(cost, a, b, rho, epsilon), gap_of, arguments.limit)
                ratio = "" if needed is None else f"{needed / seconds:.1f}"
                row += f" {text:>15} {ratio:>7}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
