test_that("weighted particles keep their rows", {
    fit <- small_fit()
    flow <- simulate(fit, mode = "ode")
    expect_identical(flow$times, fit$times)
    expect_identical(vapply(flow$frames, function(frame) nrow(frame$points), 1L), rep(60L, 5))
    expect_identical(flow$frames[[3]]$ids, as.numeric(1:60))
    expect_null(flow$lineage)
    # From the data as it is: nothing was moved on the way in and out.
    data <- small_data()
    expect_equal(unname(flow$frames[[1]]$points), unname(data$x[data$time == 0, ]), tolerance = 1e-7)
    back <- simulate(fit, points = flow$frames[[5]]$points, start_time = 4, times = c(3, 0), mode = "ode")
    expect_identical(back$times, c(3, 0))
})

test_that("a branching population has a lineage", {
    fit <- small_fit()
    run <- simulate(fit, seed = 2, points = 10, mode = "branching", turnover = 0.3)
    cells <- run$lineage
    expect_identical(sum(is.na(cells$parent)), 10L)
    expect_identical(levels(cells$fate), c("alive", "divided", "died"))
    expect_true(all(which(!is.na(cells$parent)) > cells$parent[!is.na(cells$parent)]))
    mothers <- sort(unique(cells$parent[!is.na(cells$parent)]))
    expect_identical(mothers, as.numeric(which(cells$fate == "divided")))
    expect_true(any(cells$fate == "died"))
    expect_identical(nrow(run$frames[[5]]$points), sum(cells$fate == "alive"))
    expect_setequal(run$frames[[5]]$ids, which(cells$fate == "alive"))
    expect_length(run$newick, 10)
    # Labels and rows count alike: each tree is that of a founder, and its leaves are the cells that did not divide.
    named <- as.numeric(sub("^c", "", unlist(regmatches(run$newick, gregexpr("c[0-9]+", run$newick)))))
    expect_setequal(named, seq_len(nrow(cells)))
    alone <- which(is.na(cells$parent) & cells$fate != "divided")
    expect_true(length(alone) > 0)
    for (i in alone) expect_match(run$newick[i], sprintf("^\\(c%d:[0-9.e-]+\\);$", i))
    expect_output(print(run), "Lineage of 10 founders")
    expect_identical(nrow(as.data.frame(run)), sum(summary(run)$cells))
    # Leaves are drawn one below the other, mothers between their daughters.
    height <- lineage_heights(cells$parent)
    leaves <- setdiff(seq_along(height), cells$parent)
    expect_identical(sort(height[leaves]), seq_along(leaves) - 0.5)
})

test_that("seeds decide, and set.seed() where there is none", {
    fit <- small_fit()
    points <- function(seed) simulate(fit, seed = seed, mode = "sde", points = 5)$frames[[5]]$points
    expect_identical(points(3), points(3))
    expect_false(identical(points(3), points(4)))
    set.seed(1)
    one <- points(NULL)
    set.seed(1)
    expect_identical(points(NULL), one)
    several <- simulate(fit, nsim = 2, seed = 3, mode = "sde", points = 5)
    expect_identical(lapply(several, function(run) run$frames[[5]]$points), list(points(3), points(4)))
})

test_that("packages for phylogenies read the lineage", {
    skip_if_not_installed("ape")
    run <- simulate(small_fit(), seed = 2, points = 10, mode = "branching", turnover = 0.3)
    trees <- ape::read.tree(text = run$newick)
    expect_length(trees, 10)
    cells <- run$lineage
    founder <- founder_of(cells$parent)
    for (k in seq_along(trees)) {
        leaves <- which(founder == k & cells$fate != "divided")
        expect_setequal(trees[[k]]$tip.label, paste0("c", leaves))
        # From the founder's birth to a leaf's end, the founder's own branch apart.
        depth <- ape::node.depth.edgelength(trees[[k]])[seq_along(leaves)]
        root <- if (length(leaves) > 1) cells$end[k] else cells$birth[k]
        expect_equal(depth, cells$end[as.numeric(sub("c", "", trees[[k]]$tip.label))] - root, tolerance = 1e-9)
    }
})

test_that("a number of points is a sample of the snapshot, by the seed", {
    fit <- small_fit()
    rows <- function(seed) native(.Call(C_r_draw, matrix(0, 60, 1), NULL, 6, seed))
    expect_identical(rows(3), rows(3))
    expect_true(all(diff(rows(3)) > 0) && all(rows(3) %in% seq_len(60)))
    # Each row is as likely: of 4000 draws of 6 out of 60 each has 400 +- 19, and the largest of 60 deviations is under 5 of them.
    counts <- tabulate(unlist(lapply(seq_len(4000), rows)), 60)
    expect_true(all(abs(counts - 400) < 5 * 19))
    expect_identical(native(.Call(C_r_draw, matrix(0, 4, 1), NULL, 4, 1)), c(1, 2, 3, 4))
    expect_error(native(.Call(C_r_draw, matrix(0, 4, 1), NULL, 5, 1)), class = "chreode_invalid_argument")
    start <- simulate(fit, seed = 9, points = 6)$frames[[1]]$points
    expect_equal(unname(start), unname(small_data()$x[rows(9), ]), tolerance = 1e-7)
    # The rows have an order: their first half is one of two states, and grows as no population does.
    data <- dataset("gene-network")
    good <- fit_dynamics(data$x, data$time, hidden = "32x2", epochs = 150, seed = 1, progress = FALSE)
    growth <- function(points) {
        mass <- summary(simulate(good, seed = 1, points = points))$mass
        mass[5] / mass[1]
    }
    truth <- sum(data$time == 4) / sum(data$time == 0)
    # One standard error of the share of a state among 50 of 400 cells is 0.066, of which the growth is 4.6 to 1.
    expect_lt(abs(growth(50) - truth), 3 * 0.066 * 3.6)
    expect_gt(abs(growth(data$x[seq_len(50), ]) - truth), 1)
})

test_that("a simulation starts where and when it is told to", {
    fit <- small_fit()
    data <- small_data()
    later <- simulate(fit, seed = 1, start_time = 2)
    expect_identical(later$times, c(2, 3, 4))
    expect_equal(unname(later$frames[[1]]$points), unname(data$x[data$time == 2, ]), tolerance = 1e-7)
    between <- simulate(fit, seed = 1, start_time = 2.5, points = data$x[1:3, ])
    expect_identical(between$times, c(2.5, 3, 4))
    expect_refused(simulate(fit, start_time = 2.5), "chreode_invalid_argument", "no snapshot at start_time 2.5, but at 0, 1, 2, 3, 4")
    expect_refused(simulate(fit, start_time = 4), "chreode_invalid_argument", "give times")
    expect_refused(simulate(fit, start_time = Inf), "chreode_invalid_argument", "start_time")
    expect_identical(simulate(fit)$mode, "ode")
})

test_that("an experiment is taken where points are", {
    skip_if_not_installed("SingleCellExperiment")
    data <- small_data()
    sce <- SingleCellExperiment::SingleCellExperiment(
        reducedDims = list(other = data$x + 1, genes = data$x), colData = S4Vectors::DataFrame(day = data$time)
    )
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE)
    points <- function(run) run$frames[[length(run$frames)]]$points
    expect_identical(points(simulate(fit, seed = 1, points = sce)), points(simulate(fit, seed = 1)))
    # Those cells start that are there at the start.
    some <- sce[, data$time == 3]
    expect_identical(simulate(fit, seed = 1, points = some)$times, c(3, 4))
    expect_identical(points(simulate(fit, seed = 1, points = sce, start_time = 3)), points(simulate(fit, seed = 1, points = some)))
    expect_refused(simulate(fit, points = some, start_time = 1), "chreode_invalid_argument", "no cell at start_time 1, but at 3")
    # A model that was fitted to a matrix does not know which reducedDim is meant.
    expect_refused(simulate(small_fit(), points = sce), "chreode_invalid_argument", "dimred must say which")
    expect_identical(points(simulate(small_fit(), seed = 1, points = some, dimred = "genes", start_time = 3)), points(simulate(fit, seed = 1, points = some)))
    a <- sce[, 1:9]
    b <- sce[, 61:70]
    expect_identical(
        transport(a, b, dimred = "genes", delta = 2)$report$primal, transport(data$x[1:9, ], data$x[61:70, ], delta = 2)$report$primal
    )
})

test_that("several simulations are an object", {
    fit <- small_fit()
    runs <- simulate(fit, nsim = 3, seed = 7, points = 10, mode = "branching")
    expect_s3_class(runs, "chreode_simulations")
    expect_identical(vapply(runs, `[[`, 0, "seed"), c(7, 8, 9))
    expect_identical(runs[[2]], simulate(fit, seed = 8, points = 10, mode = "branching"))
    told <- summary(runs)
    expect_equal(told$cells, rowMeans(vapply(runs, function(run) as.numeric(summary(run)$cells), numeric(5))))
    expect_output(print(runs), "3 simulations by branching of a usb model, seeds 7 to 9")
    expect_identical(nrow(as.data.frame(runs)), sum(vapply(runs, function(run) sum(summary(run)$cells), 1L)))
    expect_identical(unique(as.data.frame(runs)$run), 1:3)
    expect_identical(nrow(summary(simulate(fit, nsim = 2, seed = 1, times = 2))), 1L)
})

test_that("what cannot be simulated is refused", {
    fit <- small_fit()
    expect_refused(simulate(fit, times = numeric()), "chreode_invalid_argument", "at least one time")
    expect_refused(simulate(fit, times = c(1, 1)), "chreode_invalid_argument", "")
    expect_refused(simulate(fit, times = -1, mode = "branching"), "chreode_invalid_argument", "")
    expect_refused(simulate(fit, mode = "odd"), "chreode_invalid_argument", "ode")
    expect_refused(simulate(fit, points = 1000), "chreode_invalid_argument", "from 1 to 60")
    expect_refused(simulate(fit, points = matrix("a")), "chreode_invalid_argument", "points")
    expect_refused(simulate(fit, points = matrix(0, 3, 1)), "chreode_invalid_argument", "")
    expect_refused(simulate(fit, points = matrix(0, 3, 0)), "chreode_invalid_argument", "")
    expect_refused(simulate(fit, points = matrix(NaN, 3, 2)), "chreode_invalid_data", "row 1")
    expect_refused(simulate(fit, weights = 1), "chreode_invalid_argument", "weights")
    expect_refused(simulate(fit, weights = rep(-1, 60)), "chreode_invalid_data", "")
    expect_refused(simulate(fit, stepp = 1), "chreode_invalid_argument", "`step` is the nearest")
    expect_refused(simulate(fit, nsim = 0), "chreode_invalid_argument", "nsim")
    expect_refused(
        simulate(fit, mode = "branching", turnover = 50, max_population = 60, seed = 1), "chreode_population_limit", "60"
    )
    expect_identical(nrow(simulate(fit, points = matrix(0, 0, 2))$frames[[1]]$points), 0L)
})

test_that("everything can be drawn", {
    fit <- small_fit()
    path <- tempfile(fileext = ".pdf")
    grDevices::pdf(path)
    on.exit(grDevices::dev.off())
    for (type in c("trajectories", "growth", "mass", "loss")) expect_identical(plot(fit, type), fit)
    run <- simulate(fit, seed = 2, points = 10, mode = "branching", turnover = 0.3)
    for (type in c("trajectories", "mass", "lineage")) expect_identical(plot(run, type, main = "mine"), run)
    expect_refused(plot(simulate(fit), "lineage"), "chreode_invalid_argument", "branching")
    expect_refused(plot(fit, dims = c(1, 3)), "chreode_invalid_argument", "dims")
    line <- fit_dynamics(cbind(c(0, 0.1, 1, 1.1)), c(0, 0, 1, 1), hidden = 8, epochs = 2, progress = FALSE)
    plot(line)
    several <- simulate(fit, nsim = 2, seed = 1, points = 10, mode = "branching")
    expect_identical(plot(several), several)
    # A large lineage is drawn by its clones: fewer strokes than cells.
    expect_identical(plot(run, "lineage", most = 5), run)
    many <- suppressMessages(fit_dynamics(
        cbind(sin(1:90), cos(1:90)), paste0("day", rep(1:30, 3)), hidden = 8, epochs = 2, seed = 1, progress = FALSE
    ))
    expect_identical(plot(many), many)
    for (palette in list("Blues", c("red", "blue"), grDevices::rainbow)) plot(fit, palette = palette, legend = FALSE)
    expect_refused(plot(fit, palette = "no such"), "chreode_invalid_argument", "palette must be")
    expect_refused(plot(fit, palette = 3), "chreode_invalid_argument", "palette must be")
    expect_refused(plot(fit, time = 1), "chreode_invalid_argument", "time must come with the cells")
})
