"""Draws what `cargo bench --bench barcodes` printed, from the table in README.md: python benches/draw_barcodes.py OUT.svg (matplotlib)."""

import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "chreode"
import matplotlib.pyplot as plt

text = (pathlib.Path(__file__).parent / "README.md").read_text().split("## Barcodes\n")[1]
rows = [[float(x) for x in re.findall(r"\d+(?:\.\d+)?", line)] for line in text.splitlines() if re.match(r"\| \d+ %", line)]
best = float(re.search(r"places alone can tell of a cell is ([\d.]+)", text)[1])
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
kinds = ["cells are read: couplings", "founders have one: couplings", "founders have one: a fit"]
for i, (kind, colour, mark) in enumerate(zip(kinds, ["#0072b2", "#d55e00", "#444444"], "os^")):
    shares, means, sds = [[row[k] for row in rows] for k in (0, 1 + 2 * i, 2 + 2 * i)]
    axes.errorbar(shares, means, sds, label=kind, color=colour, marker=mark, markersize=5, capsize=2)
axes.axhline(best, color="#999999", linestyle=":", label="best by places alone")
axes.set(xlabel="with barcodes, %", ylabel="mean error of fate probabilities", ylim=(-0.01, 0.25))
axes.legend(frameon=False, fontsize=8, loc="lower left")
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(sys.argv[1], metadata={"Date": None})
