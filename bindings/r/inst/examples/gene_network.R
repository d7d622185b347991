# The gene network by USB: fit, W1 and RME, fifty founders that divide and die, and a lineage as a picture.
#
#     Rscript gene_network.R lineage.png
#
# The examples of all languages print the same lines.
library(chreode)

data <- dataset("gene-network")
fit <- fit_dynamics(
    data$x, data$time,
    method = "usb", delta = 1.5, sigma = 0.02, hidden = "64x3", epochs = 300, seed = 11, threads = 2, progress = FALSE
)

measures <- evaluate(fit)
cat(sprintf("time %g W1 %.17g RME %.17g\n", measures$time, measures$w1, measures$rme), sep = "")
cat(sprintf("mean W1 %.17g\n", attr(measures, "mean_w1")))
cat(sprintf("mean RME %.17g\n", attr(measures, "mean_rme")))

# Fifty cells, drawn by the seed: the same ones in every language.
population <- simulate(fit, seed = 11, points = 50, mode = "branching")
cat("population", summary(population)$cells, fill = FALSE)
cat(sprintf("\nlineage %d nodes\n", nrow(population$lineage)))

path <- commandArgs(trailingOnly = TRUE)[1]
if (is.na(path)) path <- "lineage.png"
if (grepl("\\.pdf$", path)) pdf(path, width = 7, height = 8) else png(path, width = 900, height = 1000, res = 110)
plot(population, "lineage")
invisible(dev.off())
