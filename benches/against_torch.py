#!/usr/bin/env python3
"""Checks and times chreode's simulation-based methods against the same training step in PyTorch, in one run, two threads each.

    python3 -m venv VENV && VENV/bin/pip install torch torchdiffeq pot safetensors
    cargo build --release --features cli
    VENV/bin/python benches/against_torch.py DATA [--chreode target/release/chreode] [--hidden 64x3] [--activation silu]

DATA is a CSV with a header, the time in the first column, and at most 12 coordinates (beyond, chreode estimates derivatives).

Check: the parts of the loss at the parameters that training starts from, and (`transport 5`, …) at the fifth evaluation, after
four steps which the gradients decide. `chreode fit --epochs 1` reports the parts and returns those parameters, which are loaded into
torch networks; the parts are computed anew in double precision, by autograd, and must agree to 1e-4: chreode's are in single
precision, and its fourth-order method is the classical one where torchdiffeq's is Kutta's 3/8 rule, which on simulation_gene
changes the parts at first by less than 1e-6. The noise is large where it enters the equations, and vanishes (or what depends on it
is left out) where it moves particles. Not checked: the density at the first snapshot, which is compared at random points; and after
steps the particles' own masses, which jump where a cell changes its nearest particle (torch's in single precision then differ from
its own in double by as much as chreode's).

Time: a training step with all cells. PyTorch's is written as the published codes write it, in single precision and eagerly:
flows by torchdiffeq's `odeint` (rk4, differentiated through its steps), Euler-Maruyama as a loop, derivatives in space and time
by `autograd.grad(create_graph=True)`, exact plans by POT's `ot.emd` (a column says how much of the step they are), held fixed,
Adam with the gradient clipped. Best and median are of STEPS steps after WARM_UP of them; of chreode, which reports whole fits,
the best and the median of FITS fits of WARM_UP + STEPS epochs, less those of WARM_UP epochs, over STEPS. Unlike in most published
codes, transport has a gradient in PyTorch's weights too, by the plan's potential, which costs nothing and makes both sides'
steps the same; PyTorch's side does not resample.

torch's threads are told to sleep while they wait (OMP_WAIT_POLICY, unless it is set already): spinning, which is their default,
they take ten times as long and more where other programs want the same cores.
"""

import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

THREADS = 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
for name in ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]:  # some machines pin kernels that are slow on them
    os.environ.pop(name, None)

import numpy  # noqa: E402 - reads the environment
import ot  # noqa: E402
import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402
from torchdiffeq import odeint  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
WARM_UP, STEPS, FITS = 5, 15, 5
TOLERANCE, CHECKED_STEPS = 1e-4, 5
LEARNING_RATE, CLIP = 5e-3, 1.0
ACTIVATIONS = {"silu": torch.nn.SiLU, "tanh": torch.nn.Tanh, "softplus": torch.nn.Softplus}
# Solver steps in a mean interval, and the weights of the loss's parts.
STEPS_PER_INTERVAL = {"mioflow": 3, "tigon-w2": 3, "deep-ruot": 3, "var-ruot": 10}
WEIGHTS = {
    "mioflow": {"energy": 0.001},
    "tigon-w2": {"mass": 1.0, "local_mass": 0.01, "energy": 0.001},
    "deep-ruot": {"mass": 1.0, "local_mass": 0.01, "energy": 0.001, "residual": 0.001, "initial_density": 0.001},
    "var-ruot": {"mass": 1.0, "energy": 0.01, "residual": 0.001},
}


STAGES = {"pretraining-epochs": ["deep-ruot"], "score-epochs": ["deep-ruot", "var-ruot"]}


class Chreode:
    """The command, with the options that both sides share."""

    def __init__(self, arguments, cells, folder):
        self.arguments, self.cells, self.folder = arguments, cells, Path(folder)

    def fit(self, data, method, epochs, weights=None, steps=None, options=()):
        """The report of a fit, and its model file."""
        model = self.folder / "model.safetensors"
        shared = {
            "preset": "published", "method": method, "epochs": epochs, "output": model, "threads": THREADS, "batch-size": self.cells,
            "hidden": self.arguments.hidden, "activation": self.arguments.activation, "clip": CLIP,
            "learning-rate": LEARNING_RATE, "final-learning-rate": LEARNING_RATE,
            "rollout-steps": steps or STEPS_PER_INTERVAL[method],
        }  # fmt: skip
        # What a method has no use for is refused.
        shared |= {stage: 0 for stage, methods in STAGES.items() if method in methods}
        given = weights or WEIGHTS[method]
        shared |= {part.replace("_", "-") + "-weight": given.get(part, 0.0) for part in WEIGHTS[method]}
        flags = [f"--{name}={value}" for name, value in shared.items()] + list(options)
        command = [self.arguments.chreode, "fit", data, "--json", *flags]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout), model

    def step_seconds(self, data, method):
        """The best and the median time of a training step, without the set-up, from fits that differ in their epochs."""

        def seconds(epochs):
            return self.fit(data, method, epochs)[0]["seconds"]["training"]

        short, long = zip(*((seconds(WARM_UP), seconds(WARM_UP + STEPS)) for _ in range(FITS)))
        return [(summary(long) - summary(short)) / STEPS for summary in (min, statistics.median)]


class ModelFile:
    """A model file: its metadata and, as torch modules, its networks."""

    def __init__(self, path, dtype):
        self.dtype = dtype
        with safe_open(path, "pt") as file:
            self.metadata = json.loads(file.metadata()["chreode"])
            self.networks = {name: self._network(file, name, shape) for name, shape in self.metadata["networks"].items()}
        scaling = self.metadata["scaling"]
        self.centre, self.length = numpy.array(scaling["centre"]), scaling["length"]
        self.start, self.duration = scaling["start"], scaling["duration"]

    def _network(self, file, name, shape):
        layers = []
        for i in range(len(shape["hidden"]) + 1):
            weight, bias = file.get_tensor(f"{name}.{i}.weight"), file.get_tensor(f"{name}.{i}.bias")
            layer = torch.nn.Linear(*weight.shape)
            layer.weight.data, layer.bias.data = weight.T.contiguous(), bias
            layers += [layer, ACTIVATIONS[shape["activation"]]()]
        return torch.nn.Sequential(*layers[:-1]).to(self.dtype)

    def diffusion(self):
        """σ in network units at the first snapshot, and the rate ρ of σ e^{ρt}."""
        sigma, final = self.metadata["sigma"], self.metadata.get("final_sigma")
        times = self.metadata["times"]
        rate = math.log(final / sigma) / ((times[-1] - times[0]) / self.duration) if final else 0.0
        return sigma * math.sqrt(self.duration) / self.length, rate


class Problem:
    """The snapshots in network units, and the solver's steps between them."""

    def __init__(self, snapshots, model, per_interval):
        def scaled(points):
            return torch.tensor((points - model.centre) / model.length, dtype=torch.float32).to(model.dtype)

        (_, first), *later = snapshots
        self.particles = scaled(first)
        self.cells = [scaled(points) for _, points in later]
        self.masses = [len(points) / len(first) for _, points in later]
        marks = [(t - model.start) / model.duration for t, _ in snapshots]
        times, self.marks = [marks[0]], []
        for start, end in zip(marks, marks[1:]):
            steps = max(1, math.ceil((end - start) * per_interval - 1e-9))
            times += [start + (end - start) * i / steps for i in range(1, steps + 1)]
            self.marks.append(len(times) - 1)
        self.times = torch.tensor(times, dtype=model.dtype)
        self.plan_seconds = 0.0

    def start(self):
        count = len(self.particles)
        log_weights = torch.full((count,), -math.log(count), dtype=self.particles.dtype)
        return self.particles.clone().requires_grad_(), log_weights, torch.zeros_like(log_weights)

    def plan(self, shares, cost):
        """The optimal plan and the potential of the shares, both constants."""
        started = time.perf_counter()
        shares, cost = shares.detach().double().numpy(), cost.detach().double().numpy()
        target = numpy.full(cost.shape[1], 1 / cost.shape[1])
        plan, log = ot.emd(shares / shares.sum(), target, cost, numItermax=10**7, log=True)
        self.plan_seconds += time.perf_counter() - started
        return [torch.tensor(values, dtype=self.particles.dtype) for values in (plan, log["u"])]


def gradient(values, inputs):
    """The derivatives of `values`, one a row, with respect to the same row of `inputs`; differentiable."""
    return torch.autograd.grad(values.sum(), inputs, create_graph=True)


def trace(vectors, x):
    """∇·`vectors`, exactly."""
    return sum(gradient(vectors[:, i], x)[0][:, i] for i in range(x.shape[1]))


def square(vectors):
    """‖·‖² of each row."""
    return (vectors**2).sum(1)


class Flow:
    """MIOFlow and TIGON's flow: v, and g at the price ½δ²g²."""

    def __init__(self, model):
        self.networks = model.networks
        self.delta = (model.metadata["delta"] or 0.0) / model.length
        self.sigma, self.rate = model.diffusion()

    def apply(self, name, t, x):
        return self.networks[name](torch.cat([t, x], 1))

    def growth(self, t, x):
        return self.apply("growth", t, x)[:, 0] if "growth" in self.networks else torch.zeros_like(x[:, 0])

    def rates(self, t, x):
        """Drift, growth and the cost of a unit of mass."""
        v, g = self.apply("velocity", t, x), self.growth(t, x)
        return v, g, 0.5 * square(v) + 0.5 * self.delta**2 * g**2


class DeepRuot(Flow):
    """v, g and ℓ = ln p."""

    def rates(self, t, x):
        v, g, energy = super().rates(t, x)
        log_density = self.apply("log_density", t, x)[:, 0]
        (slope,) = gradient(log_density, x)
        sigma2 = self.sigma**2 * torch.exp(2 * self.rate * t[:, 0])
        energy = energy + sigma2**2 / 8 * square(slope) - sigma2 / 2 * (1 + log_density) * g
        return v, g, energy - self.rate * sigma2 * log_density

    def residual(self, t, x):
        """∂_t ℓ + v·∇ℓ + ∇·v − g."""
        t.requires_grad_()
        v = self.apply("velocity", t, x)
        change, slope = gradient(self.apply("log_density", t, x), (t, x))
        return change[:, 0] + (v * slope).sum(1) + trace(v, x) - self.growth(t, x)


class VarRuot(Flow):
    """The potential λ."""

    def __init__(self, model):
        super().__init__(model)
        law = model.metadata["growth_law"]
        assert law["name"] == "quadratic"
        self.alpha = law["alpha"]

    def rates(self, t, x):
        """Drift, growth, the cost of a unit of mass, and ∂_t λ + ½‖∇λ‖² + ½σ²Δλ + λ²/2α."""
        t.requires_grad_()
        potential = self.apply("potential", t, x)[:, 0]
        change, drift = gradient(potential, (t, x))
        price = potential**2 / (2 * self.alpha)
        energy = 0.5 * square(drift) + price
        residual = change[:, 0] + 0.5 * square(drift) + 0.5 * self.sigma**2 * trace(drift, x) + price
        return drift, potential / self.alpha, energy, residual


EQUATIONS = {"mioflow": Flow, "tigon-w2": Flow, "deep-ruot": DeepRuot, "var-ruot": VarRuot}


def weighted(residual, log_weights, length):
    """The integral over a step of Σ ŵ r²; ŵ is held fixed."""
    return length * (torch.softmax(log_weights.detach(), -1) * residual**2).sum(-1)


def flow_paths(equations, problem, weights):
    """Positions and log-weights at all times, ∫Σ w e dt and ∫Σ ŵ r² dt along a flow."""

    def derivative(t, state):
        x, log_weights, _ = state
        drift, growth, energy = equations.rates(t.expand(len(x), 1), x)
        return drift, growth, log_weights.exp() * energy

    times = problem.times
    x, log_weights, energy = odeint(derivative, problem.start(), times, method="rk4")
    residual = torch.zeros(())
    if weights.get("residual"):
        steps, particles, dims = x[:-1].shape
        t = times[:-1].repeat_interleave(particles)[:, None]
        missed = equations.residual(t, x[:-1].reshape(-1, dims)).reshape(steps, particles)
        residual = weighted(missed, log_weights[:-1], times.diff()).sum()
    return x, log_weights, energy[-1].sum(), residual


def diffusion_paths(equations, problem):
    """The same along a diffusion, by Euler-Maruyama."""
    x, log_weights, energy = problem.start()
    residual, states = 0.0, [(x, log_weights)]
    for t, length in zip(problem.times, problem.times.diff()):
        drift, growth, rate, missed = equations.rates(t.repeat(len(x), 1), x)
        energy = energy + length * log_weights.exp() * rate
        residual = residual + weighted(missed, log_weights, length)
        x = x + length * drift + equations.sigma * length.sqrt() * torch.randn_like(x)
        log_weights = log_weights + length * growth
        states.append((x, log_weights))
    return *(torch.stack(parts) for parts in zip(*states)), energy.sum(), residual


def reconstruction(problem, interval, x, log_weights, weights):
    """W2² over the dimension, and the errors of the total and of the particles' own masses."""
    cells, mass = problem.cells[interval], problem.masses[interval]
    w = log_weights.exp()
    shares = w / w.sum()
    cost = ((x[:, None] - cells) ** 2).sum(2)
    plan, potential = problem.plan(shares, cost)
    transport = ((plan * cost).sum() + (potential * (shares - shares.detach())).sum()) / x.shape[1]
    local_mass = torch.zeros(())
    if weights.get("local_mass"):
        count = torch.bincount(cost.detach().argmin(0), minlength=len(x))
        local_mass = len(x) * ((w - mass / len(cells) * count) ** 2).sum()
    return transport, (w.sum() / mass - 1) ** 2, local_mass


def loss_terms(equations, problem, weights):
    """The parts of the loss, each unweighted."""
    if isinstance(equations, VarRuot):
        x, log_weights, energy, residual = diffusion_paths(equations, problem)
    else:
        x, log_weights, energy, residual = flow_paths(equations, problem, weights)
    intervals = len(problem.marks)
    rows = [reconstruction(problem, k, x[at], log_weights[at], weights) for k, at in enumerate(problem.marks)]
    terms = {name: sum(parts) / intervals for name, parts in zip(["transport", "mass", "local_mass"], zip(*rows))}
    terms["energy"] = energy / (intervals * x.shape[2])
    terms["residual"] = residual / (problem.times[-1] - problem.times[0])
    return terms


def initial_density_error(equations, problem, gaussian):
    """The error of ℓ at random points. One Gaussian stands for chreode's mixture, whose density costs next to nothing."""
    points = gaussian.sample((len(problem.particles),))
    log_density = equations.apply("log_density", torch.zeros_like(points[:, :1]), points)[:, 0]
    return ((log_density - gaussian.log_prob(points)) ** 2).mean()


class Training:
    """The parameters of a model file, to be trained on."""

    def __init__(self, snapshots, path, method, dtype, weights, steps_per_interval):
        model = ModelFile(path, dtype)
        self.equations, self.weights = EQUATIONS[method](model), weights
        self.problem = Problem(snapshots, model, steps_per_interval)
        # Var-RUOT's file has a density beside the potential, which is not trained with it.
        trained = [network for name, network in model.networks.items() if (method, name) != ("var-ruot", "log_density")]
        self.parameters = [p for network in trained for p in network.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, LEARNING_RATE)
        first = self.problem.particles
        self.gaussian = torch.distributions.MultivariateNormal(first.mean(0), first.T.cov())

    def step(self):
        """The parts of the loss, and the loss, before a step of Adam."""
        self.problem.plan_seconds = 0.0
        terms = loss_terms(self.equations, self.problem, self.weights)
        if "initial_density" in self.weights:
            terms["initial_density"] = initial_density_error(self.equations, self.problem, self.gaussian)
        loss = terms["transport"] + sum(weight * terms[name] for name, weight in self.weights.items())
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimiser.step()
        return {name: value.detach() for name, value in (terms | {"loss": loss}).items()}


def torch_step_seconds(training):
    """The best and the median time of a step, and the median time of its plans."""
    steps, plans = [], []
    for _ in range(WARM_UP + STEPS):
        started = time.perf_counter()
        training.step()
        steps.append(time.perf_counter() - started)
        plans.append(training.problem.plan_seconds)
    return min(steps[WARM_UP:]), statistics.median(steps[WARM_UP:]), statistics.median(plans[WARM_UP:])


# Of the check: the name of a case, its method, and its diffusion. A large one lets every term of the equations count.
# Where it moves the particles, a single step from the first snapshot to the second still starts from known positions, at
# which the change of mass, energy and residual are taken; transport, and the loss with it, are left out.
ONE_STEP = "var-ruot, one step"
CHECKS = [
    ("mioflow", "mioflow", []),
    ("tigon-w2", "tigon-w2", []),
    ("deep-ruot", "deep-ruot", ["--sigma=1", "--final-sigma=0.5"]),
    ("var-ruot", "var-ruot", ["--sigma=1e-6"]),
    (ONE_STEP, "var-ruot", ["--sigma=1"]),
]


def check(chreode, snapshots, data, case):
    """Prints the parts of the loss beside each other, at first and after a few steps; the names of those that differ."""
    label, method, options = case
    weights = {name: weight for name, weight in WEIGHTS[method].items() if name != "initial_density"}
    steps, names = STEPS_PER_INTERVAL[method], ["transport", *weights, "loss"]
    if label == ONE_STEP:
        steps, names = 1, list(weights)
        snapshots, data = snapshots[:2], write(snapshots[:2], chreode.folder / "two.csv")

    def fit(epochs):
        report, path = chreode.fit(data, method, epochs, weights, steps, options)
        return report["rollout"]["terms"] | {"loss": report["loss"]["last"]}, path

    ours, path = fit(1)
    training = Training(snapshots, path, method, torch.float64, weights, steps)
    theirs = [training.step() for _ in range(CHECKED_STEPS)]
    rows = [(name, ours[name], theirs[0][name].item()) for name in names]
    if label != ONE_STEP:
        later, _ = fit(CHECKED_STEPS)
        smooth = [name for name in names if name not in ("local_mass", "loss")]
        rows += [(f"{name} {CHECKED_STEPS}", later[name], theirs[-1][name].item()) for name in smooth]
    for name, a, b in rows:
        print(f"{label:20} {name:12} {a:15.8g} {b:15.8g} {abs(a - b) / abs(b):10.1e}", flush=True)
    return [f"{label}: {name}" for name, a, b in rows if not abs(a - b) <= TOLERANCE * abs(b)]


def read(path):
    """The snapshots of a CSV: (time, cells), in single precision as chreode keeps them."""
    with open(path, newline="") as file:
        rows = numpy.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]])
    return [(t, rows[rows[:, 0] == t, 1:].astype(numpy.float32).astype(float)) for t in numpy.unique(rows[:, 0])]


def write(snapshots, path):
    """A CSV of the snapshots."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time"] + [f"x{i}" for i in range(snapshots[0][1].shape[1])])
        writer.writerows([t, *cell] for t, points in snapshots for cell in points)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--chreode", type=Path, default=ROOT / "target" / "release" / "chreode")
    parser.add_argument("--hidden", default="64x3")
    parser.add_argument("--activation", default="silu", choices=ACTIVATIONS)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    snapshots = read(arguments.data)
    counts = [len(points) for _, points in snapshots]
    print(f"{arguments.data.name}, {counts} cells, networks {arguments.hidden} {arguments.activation}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        chreode = Chreode(arguments, max(counts), folder)
        print(f"\n{'method':20} {'part of loss':12} {'chreode':>15} {'torch, f64':>15} {'difference':>10}")
        wrong = [name for case in CHECKS for name in check(chreode, snapshots, arguments.data, case)]
        print(f"\n{'':20} {'chreode ms':^15} {'torch ms':^23} {'ratio':^15}")
        print(f"{'training step':20} {'best':>7} {'median':>7} {'best':>7} {'median':>7} {'plans':>7} {'best':>7} {'median':>7}")
        for method in EQUATIONS:
            best, median = chreode.step_seconds(arguments.data, method)
            _, model = chreode.fit(arguments.data, method, 1)
            training = Training(snapshots, model, method, torch.float32, WEIGHTS[method], STEPS_PER_INTERVAL[method])
            torch_best, torch_median, plans = torch_step_seconds(training)
            times = " ".join(f"{1e3 * t:7.1f}" for t in [best, median, torch_best, torch_median, plans])
            print(f"{method:20} {times} {torch_best / best:7.1f} {torch_median / median:7.1f}", flush=True)
    assert not wrong, f"these differ by more than {TOLERANCE}: {wrong}"


if __name__ == "__main__":
    main()
