# Fits the simulated gene network by USB, measures the fit, and lets fifty of its cells divide and die. The same program is
# there for each language, and prints the same digits in all of them.

using Chreode
using Printf: @printf

snapshots = dataset("gene-network")
model = fit_dynamics(
    snapshots;
    method = "usb",
    delta = 1.5,
    sigma = 0.02,
    hidden = "64x3",
    epochs = 300,
    seed = 11,
    threads = 2,
)

evaluation = evaluate(model, snapshots)
for (time, w1, rme) in zip(evaluation.time, evaluation.w1, evaluation.rme)
    @printf("time %g W1 %.17g RME %.17g\n", time, w1, rme)
end
@printf("mean W1 %.17g\n", evaluation.mean_w1)
@printf("mean RME %.17g\n", evaluation.mean_rme)

cells = founders(snapshots; count = 50, seed = 11)
population = simulate(model, cells, snapshots.times; mode = "branching", seed = 11)
println("population ", join(length.(population.frames), " "))
@printf("lineage %d nodes\n", length(population.lineage))
