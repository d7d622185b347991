"""Fits the simulated gene network by USB, measures the fit, and lets fifty of its cells divide and die.

The same program is there for each language, and prints the same digits in all of them.
"""

import chreode

snapshots = chreode.dataset("gene-network")
model = chreode.fit(
    snapshots, method="usb", delta=1.5, sigma=0.02, hidden="64x3", epochs=300, seed=11, threads=2, progress=True
)

evaluation = model.evaluate(snapshots)
for time, w1, rme in zip(evaluation.time, evaluation.w1, evaluation.rme):
    print("time %g W1 %.17g RME %.17g" % (time, w1, rme))
print("mean W1 %.17g" % evaluation.mean_w1)
print("mean RME %.17g" % evaluation.mean_rme)

founders = snapshots.sample(0, 50, seed=11)
population = model.simulate(founders, snapshots.times, mode="branching", seed=11)
print("population", *population.counts)
print("lineage %d nodes" % len(population.lineage))
print("tree", next(tree for tree in population.newick().splitlines() if "(" in tree))
