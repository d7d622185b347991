"""The studies of the papers beside their tables, by the command alone.

    python benches/studies.py CHREODE DATA-FOLDER [STUDY…]

actions   the static reference of the Wasserstein–Fisher–Rao action, Σ 2δ²·primal/(h n₀), beside that of a learned flow
events    births of 2000 branching cells in a hundred bins of time, beside those that the true rate expects (gene network)
branches  shares of the two branches of dyngen's last snapshot, beside those of a simulated population
delta     USB on the gene network by δ;   sigma    USB on dyngen by σ;   blocks   USB on the gene network by cells a block
cells     seconds and peak memory by the number of cells, in 50 dimensions;   dims   by the number of dimensions, of 10 000 cells
mixture   the Gaussian mixture in 1000 dimensions

All of them without words. Python's own library is enough. Fits are by published settings with seed 11; each takes half a minute to two
minutes of two cores.
"""

import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile

CHREODE, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
WORK = pathlib.Path(tempfile.mkdtemp())
PUBLISHED = ["--preset", "published", "--seed", "11"]
GENE = ["--delta", "1.5", "--batch-size", "400"]
OTHER = ["--delta", "2", "--batch-size", "256"]


def chreode(*words):
    """What the command prints as JSON; nothing for those that print none."""
    done = subprocess.run([CHREODE, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"chreode {' '.join(map(str, words))}: {done.stderr}")
    return json.loads(done.stdout) if "--json" in words else None


def fit(data, name, *options):
    model = WORK / f"{name}.safetensors"
    return model, chreode("fit", data, *PUBLISHED, *options, "-o", model, "--json")


def evaluation(model, data, *options):
    return chreode("evaluate", model, data, *options, "--json")


def w1_and_rme(evaluated):
    points = evaluated["time_points"]
    mean = lambda value: value["mean"] if isinstance(value, dict) else value
    return [mean(point["w1"]) for point in points], sum(mean(point["rme"]) for point in points) / len(points)


def cells_by_time(path):
    """The coordinates of cells, of a table of data or of a simulation."""
    by_time, others = {}, {"samples", "time", "particle", "parent", "weight"}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            time = float(row["samples"] if "samples" in row else row["time"])
            by_time.setdefault(time, []).append([float(v) for k, v in row.items() if k not in others])
    return dict(sorted(by_time.items()))


def actions():
    print("| data | δ | static reference | learned by the flow | published: static, learned |\n| --- | --- | --- | --- | --- |")
    for data, options, published in [
        ("simulation_gene", GENE, "1.333, 1.305"),
        ("dyngen", OTHER, "9.569, —"),
        ("emt", OTHER, ".955, —"),
    ]:
        delta = float(options[1])
        snapshots = cells_by_time(DATA / f"{data}.csv")
        files = []
        for time, cells in snapshots.items():
            files.append(WORK / f"{data}-{time}.csv")
            with open(files[-1], "w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow([f"x{i}" for i in range(len(cells[0]))])
                writer.writerows(cells)
        times, first = list(snapshots), len(next(iter(snapshots.values())))
        static = 0.0
        for k in range(len(times) - 1):
            solved = chreode("transport", files[k], files[k + 1], "--cost", "wfr", "--delta", delta, "--penalty", 1, "--json")
            static += 2 * delta**2 * solved["primal"] / ((times[k + 1] - times[k]) * first)
        model, _ = fit(DATA / f"{data}.csv", f"action-{data}", "--method", "wfr-fm", *options)
        learned = evaluation(model, DATA / f"{data}.csv")["action"]
        print(f"| {data} | {delta:g} | {static:.4f} | {learned:.4f} | {published} |", flush=True)


def populations(model, data, seeds, *options):
    """Branching populations from all cells of the first snapshot, by several seeds: the cells by time, all together."""
    together = {}
    for seed in seeds:
        out = WORK / "population.csv"
        chreode("simulate", model, data, "--mode", "branching", "--seed", seed, *options, "-o", out)
        for time, cells in cells_by_time(out).items():
            together.setdefault(time, []).extend(cells)
    return together


def events():
    """Births less deaths by bin, beside the sum over all living cells of the true rate in the bin: in truth, cells only divide."""
    data, bins, end = DATA / "simulation_gene.csv", 100, 4.0
    model, _ = fit(data, "events", "--method", "usb", *GENE, "--sigma", "0.02")
    times = ",".join(f"{end * (i + 1) / bins:.10g}" for i in range(bins))
    living = populations(model, data, range(5), "--step", end / 400, "--times", times)
    rate = lambda x: 8 * math.log1p(0.065 * x * x / (1 + x * x))
    expected, counted, before = [], [], 2000
    for cells in living.values():
        expected.append(sum(rate(cell[-1]) for cell in cells) * end / bins)
        counted.append(len(cells) - before)
        before = len(cells)
    so_far = lambda counts: [sum(counts[: i + 1]) for i in range(bins)]
    relative = sum(abs(a - b) for a, b in zip(counted, expected)) / sum(expected)
    print("| 2000 founders, 400 steps, 100 bins | simulated | expected | correlation | relative error |\n| --- | --- | --- | --- | --- |")
    print(
        f"| births less deaths, bin by bin | {sum(counted)} | {sum(expected):.0f} | {correlation(counted, expected):.3f} | {100 * relative:.1f} % |\n"
        f"| so far | | | {correlation(so_far(counted), so_far(expected)):.4f} | {100 * abs(sum(counted) / sum(expected) - 1):.1f} % at the end |\n"
        f"| published | | | .995 | 10.7 % |",
        flush=True,
    )


def correlation(x, y):
    a, b = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((u - a) * (v - b) for u, v in zip(x, y))
    return covariance / math.sqrt(sum((u - a) ** 2 for u in x) * sum((v - b) ** 2 for v in y))


def branches():
    """Branches are the two groups of the last snapshot (2-means from its two farthest cells); simulated cells belong to the nearest centre."""
    data = DATA / "dyngen.csv"
    last = list(cells_by_time(data).values())[-1]
    centres = list(max(((a, b) for a in last for b in last), key=lambda pair: math.dist(*pair)))
    nearest = lambda cell: min((0, 1), key=lambda k: math.dist(cell, centres[k]))
    for _ in range(50):
        groups = [[cell for cell in last if nearest(cell) == k] for k in (0, 1)]
        centres = [[sum(axis) / len(group) for axis in zip(*group)] for group in groups]
    share = lambda cells: sum(nearest(cell) == 0 for cell in cells) / len(cells)
    larger = max(share(last), 1 - share(last))
    print("| dyngen, last snapshot | larger branch : smaller |\n| --- | --- |")
    print(f"| data | {larger:.3f} : {1 - larger:.3f} (published .708 : .292) |")
    model, _ = fit(data, "branches", "--method", "usb", *OTHER)
    simulated = share(list(populations(model, data, range(13), "--times", 4).values())[-1])
    simulated = simulated if share(last) >= 0.5 else 1 - simulated
    print(f"| USB, 2028 founders | {simulated:.3f} : {1 - simulated:.3f} (published .650 : .350) |", flush=True)


def sensitivity(name, data, values, options):
    print(f"| {name} | W1 at each time | mean | RME |\n| --- | --- | --- | --- |")
    for value in values:
        model, _ = fit(data, f"{name}-{value}", "--method", "usb", *options, f"--{name}", value)
        w1, rme = w1_and_rme(evaluation(model, data))
        print(f"| {value} | {' '.join(f'{x:.4f}' for x in w1)} | {sum(w1) / len(w1):.4f} | {rme:.4f} |", flush=True)


def delta():
    options = ["--batch-size", "400", "--sigma", "0.02"]
    sensitivity("delta", DATA / "simulation_gene.csv", [0.5, 1, 1.25, 1.5, 1.75, 2, 3], options)


def sigma():
    sensitivity("sigma", DATA / "dyngen.csv", [0.01, 0.05, 0.1, 0.2, 0.5], OTHER)


def blocks():
    sensitivity("chunk-size", DATA / "simulation_gene.csv", [64, 128, 256, 512], [*GENE, "--sigma", "0.02"])


def cost(label, counts):
    """Seconds and peak memory of USB on branching populations: `counts` of cells and dimensions, of which one is the label."""
    print(f"| {label} | coupling | training | processor | peak memory |\n| --- | --- | --- | --- | --- |")
    for count, dims in counts:
        data = WORK / f"cost-{count}-{dims}.npy"
        chreode("generate", "branching", "--cells", count, "--dims", dims, "--time-points", 3, "-o", data)
        _, told = fit(data, f"cost-{count}-{dims}", "--method", "usb", "--batch-size", 512)
        named = {"cells": count, "dimensions": dims}[label]
        megabytes = told["peak_memory_bytes"] / 1e6
        print(f"| {named} | {told['coupling_seconds']:.1f} s | {told['training_seconds']:.1f} s | {told['cpu_seconds']:.0f} s | {megabytes:.0f} MB |", flush=True)


def cells():
    cost("cells", [(count, 50) for count in (10_000, 20_000, 30_000, 40_000, 49_302)])


def dims():
    cost("dimensions", [(10_000, count) for count in (2, 10, 50, 200, 1000)])


def mixture():
    data = WORK / "mixture.csv"
    chreode("generate", "gaussian-mixture", "--dims", 1000, "-o", data)
    print("| method | W1 | RME | published | processor | peak memory |\n| --- | --- | --- | --- | --- | --- |")
    for method, published in (("usb", "2.136, .004"), ("wfr-fm", "2.233, .044")):
        model, told = fit(data, f"mixture-{method}", "--method", method)
        w1, rme = w1_and_rme(evaluation(model, data))
        print(f"| {method} | {w1[0]:.3f} | {rme:.4f} | {published} | {told['cpu_seconds']:.0f} s | {told['peak_memory_bytes'] / 1e6:.0f} MB |", flush=True)


STUDIES = [actions, events, branches, delta, sigma, blocks, cells, dims, mixture]
asked = sys.argv[3:] or [study.__name__ for study in STUDIES]
for study in STUDIES:
    if study.__name__ in asked:
        print(f"\n### {study.__name__}\n", flush=True)
        study()
