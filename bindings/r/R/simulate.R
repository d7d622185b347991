#' Simulate a population
#'
#' @param object A model of [fit_dynamics()].
#' @param nsim The number of simulations, with consecutive seeds.
#' @param seed Seed of all random numbers, the draw of `points` included. `NULL` draws one with R's own generator, so that
#'   [set.seed()] decides; the simulation tells which it was.
#' @param points The cells to start from: a matrix or data frame with one row a cell, a `SingleCellExperiment` (of which those
#'   cells start that are there at `start_time`, if it has the fit's column of times), or one number: so many cells of the
#'   fit's snapshot at `start_time`, drawn by `seed` without replacement, with chances in proportion to their weights, as in
#'   every language of the library. By default that whole snapshot.
#' @param times The times to be told of: strictly increasing from the start on (the first may be the start itself), or, but
#'   for `"branching"`, strictly decreasing. By default the start and those of the fit that come later.
#' @param start_time When the cells start: by default the first of the fit's times.
#' @param mode `"ode"`: weighted cells that follow the flow. `"sde"`: with noise. `"branching"`: cells that divide and die. By
#'   default the library's choice, `"ode"`.
#' @param weights One weight a cell, or `NULL` for those of the fit's cells, and 1 for cells that are given; for a
#'   `SingleCellExperiment` one a cell of it, whatever its time, or the name of a column of `colData`. Branching populations start
#'   from equal cells: unequal weights are resampled first.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` with the coordinates, by default that of the fit.
#' @param ... Further options of the library by their names: see below. An unknown one is answered with the nearest.
#' @param threads Threads to compute with, 0 for all cores. The results are the same bits at any number.
#' @param BPPARAM Who does the computation: `NULL`, this process; or a `BiocParallelParam` whose workers do it, with the same
#'   bits, as in [fit_dynamics()]. The tasks are
#'   shards of the starting cells, by `"ode"` and by `"sde"` without resampling; else there is one.
#' @return An object of class `chreode_simulation`: a list of `mode`, `seed`, `times`; `frames`, one for each time, with
#'   `time`, `points`, `weights`, `ids` (the row of the starting cells that a cell started from; in a branching population its
#'   row of the lineage) and `ancestors` (the row of the frame before that it comes from); for a model that is an ensemble `mass_sd`,
#'   the standard deviation of the error of each frame's mass; `outside`, the share of the particles' time outside of the box of the
#'   fitted cells, where fields are what they are at its border (not there for a model without a guard); `cells`, the names of the
#'   starting cells, if they had any; and for a branching population
#'   `lineage`, a data frame with `parent` (`NA` for a founder), `birth`, `end` and `fate` of each cell that ever lived, and
#'   `newick`, the same as one tree a founder (cells are named c and their row of `lineage`; a founder that never divided is
#'   a tree of one leaf). For `nsim` above 1 a list of them, of class `chreode_simulations`. Use both with `print()`,
#'   `summary()`, `as.data.frame()` and [plot()][plot.chreode_simulation].
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("simulate", c("mode", "seed", "threads"))`
#'
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' simulate(fit)
#' population <- simulate(fit, seed = 1, points = 10, mode = "branching")
#' population
#' head(population$lineage)
#' simulate(fit, nsim = 3, seed = 1, start_time = 2, mode = "branching")
#' @export
simulate.chreode_dynamics <- function(object, nsim = 1, seed = NULL, points = NULL, times = NULL, start_time = NULL,
                                      mode = NULL, weights = NULL, ..., dimred = NULL, threads = object$threads, BPPARAM = NULL) {
    BPPARAM <- as_workers(BPPARAM)
    handle <- model_handle(object, threads)
    nsim <- as_number(nsim, "nsim")
    if (!isTRUE(nsim >= 1 && nsim == floor(nsim))) invalid("nsim must be a whole number from 1 on, got ", nsim)
    if (is.null(mode)) mode <- default_of("simulate", "mode")
    seeds <- as_seed(seed) + seq_len(nsim) - 1
    as_seed(seeds[nsim])
    start_time <- starting_time(object, points, start_time)
    if (is.null(times)) times <- later_times(object, start_time)
    times <- as_numbers(times, "times")
    simulations <- lapply(seeds, function(one) {
        start <- starting_cells(object, points, weights, start_time, dimred, one)
        options <- new_options("simulate", c(list(mode = mode, seed = one), list(...)))
        trajectory <- if (is.null(BPPARAM)) {
            native(.Call(C_r_simulate, handle, start_time, start$x, start$weights, times, options))
        } else {
            simulate_by(BPPARAM, object, handle, start_time, start, times, options, threads)
        }
        on.exit(native(.Call(C_r_free, trajectory)))
        report <- from_json(native(.Call(C_r_trajectory_report, trajectory)))
        warn_reported(report)
        result <- new_simulation(trajectory, object, mode, one, start_time, colnames(start$x))
        result$outside <- report$outside
        # A branching population starts from cells that unequal weights drew.
        unequal <- length(unique(start$weights)) > 1
        if (!(mode == "branching" && unequal)) result$cells <- rownames(start$x)
        result
    })
    if (nsim == 1) simulations[[1]] else structure(class = "chreode_simulations", simulations)
}

# What C_r_simulate gives, by workers.
simulate_by <- function(BPPARAM, object, handle, start_time, start, times, options, threads) {
    data <- list(x = start$x, time = rep(start_time, nrow(start$x)), weights = start$weights)
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    founders <- ceiling(nrow(start$x) / pieces_of(BPPARAM))
    work <- native(.Call(C_r_work_plan_simulate, handle, snapshots, times, options, founders))
    on.exit(native(.Call(C_r_free, work)), add = TRUE)
    parts <- done_by(BPPARAM, work, data, snapshots, object$bytes)
    native(.Call(C_r_work_finish_simulate, work, handle, snapshots, parts, as_threads(threads)))
}

# The one time of an experiment's cells, or the fit's first.
starting_time <- function(object, points, start_time) {
    if (!is.null(start_time)) {
        start_time <- as_number(start_time, "start_time")
        if (!is.finite(start_time)) invalid("start_time must be finite, got ", start_time)
        return(start_time)
    }
    there <- if (is_experiment(points)) unique(experiment_times(object, points))
    if (length(there) == 1) there else object$times[1]
}

later_times <- function(object, start_time) {
    later <- object$times[object$times > start_time]
    if (!length(later)) {
        invalid("no time of the fit (", in_list(format_each(object$times)), ") comes after start_time ", format_each(start_time), ": give times")
    }
    c(start_time, later)
}

# The times of an experiment's cells by the fit's column; NULL without one.
experiment_times <- function(object, x) {
    column <- object$memory$time
    if (is.null(column) || !column %in% names(SummarizedExperiment::colData(x))) return(NULL)
    cells <- matrix(0, ncol(x), 0, dimnames = list(colnames(x), NULL))
    as_times(column_of(x, column, "time"), "time", cells, memory_of(object))$time
}

starting_cells <- function(object, points, weights, start_time, dimred, seed) {
    if (is.null(points) || (is.numeric(points) && is.null(dim(points)))) {
        first <- snapshot_at(object, start_time)
        if (!is.null(points)) first <- drawn(first, points, seed)
    } else {
        first <- list(x = points_of(object, points, dimred, "points"), weights = NULL)
        if (is_experiment(points)) {
            there <- cells_at(object, points, start_time)
            if (!is.null(weights)) weights <- one_a_cell(column_of(points, weights, "weights"), "weights", first$x)[there]
            first$x <- first$x[there, , drop = FALSE]
        }
    }
    if (!is.null(weights)) first$weights <- as_weights(weights, "weights", first$x)
    first
}

snapshot_at <- function(object, time) {
    data <- data_or_fitted(object, NULL)
    chosen <- which(data$time == time)
    if (!length(chosen)) {
        invalid(
            "points must be given: there is no snapshot at start_time ", format_each(time), ", but at ",
            in_list(format_each(object$times))
        )
    }
    list(x = data$x[chosen, , drop = FALSE], weights = data$weights[chosen])
}

drawn <- function(cells, count, seed) {
    rows <- nrow(cells$x)
    if (length(count) != 1 || !isTRUE(count >= 1 && count <= rows && count == floor(count))) {
        invalid("points must be a matrix, or a number of cells from 1 to ", rows, ", got ", in_words(count))
    }
    # Heavy cells are drawn more often, so all that are drawn weigh the same.
    chosen <- native(.Call(C_r_draw, cells$x, cells$weights, count, seed))
    list(x = cells$x[chosen, , drop = FALSE], weights = NULL)
}

# Of an experiment of several times, those cells start that are there at the start.
cells_at <- function(object, x, start_time) {
    times <- experiment_times(object, x)
    if (is.null(times) || all(times == start_time)) return(seq_len(ncol(x)))
    chosen <- which(times == start_time)
    if (!length(chosen)) {
        invalid("points has no cell at start_time ", format_each(start_time), ", but at ", in_list(format_each(sort(unique(times)))))
    }
    chosen
}

new_simulation <- function(trajectory, object, mode, seed, start_time, names) {
    if (is.null(names)) names <- object$coordinates
    frames <- lapply(native(.Call(C_r_trajectory_frames, trajectory)), function(frame) {
        if (!is.null(names)) colnames(frame$points) <- names
        frame
    })
    result <- list(
        mode = mode, seed = seed, method = object$method, start_time = start_time,
        times = vapply(frames, function(frame) frame$time, 0), frames = frames, memory = object$memory
    )
    errors <- native(.Call(C_r_trajectory_mass_sd, trajectory))
    if (!anyNA(errors)) result$mass_sd <- errors
    lineage <- native(.Call(C_r_trajectory_lineage, trajectory))
    if (length(lineage$parent)) {
        lineage$fate <- factor(lineage$fate, levels = c(0, 1, 2), labels = c("alive", "divided", "died"))
        result$lineage <- as.data.frame(lineage)
        trees <- strsplit(native(.Call(C_r_trajectory_newick, trajectory)), "\n", fixed = TRUE)[[1]]
        result$newick <- counted_from_one(trees)
    }
    structure(class = "chreode_simulation", result)
}

# The library counts cells from 0, R counts rows from 1.
counted_from_one <- function(trees) {
    labels <- gregexpr("c[0-9]+", trees)
    regmatches(trees, labels) <- lapply(regmatches(trees, labels), function(names) {
        sprintf("c%.0f", as.numeric(substring(names, 2)) + 1)
    })
    trees
}

#' @export
print.chreode_simulation <- function(x, ...) {
    cat("Simulation by ", x$mode, " of a ", x$method, " model, seed ", format(x$seed, digits = 16), "\n", sep = "")
    print(summary(x), row.names = FALSE)
    if (!is.null(x$lineage)) {
        fates <- table(x$lineage$fate)
        cat("Lineage of ", sum(is.na(x$lineage$parent)), " founders: ", nrow(x$lineage), " cells, ", sep = "")
        cat(paste(fates, names(fates), collapse = ", "), "\n", sep = "")
    }
    invisible(x)
}

#' @export
summary.chreode_simulation <- function(object, ...) {
    told <- data.frame(
        time = object$times,
        cells = vapply(object$frames, function(frame) nrow(frame$points), 1L),
        mass = vapply(object$frames, function(frame) sum(frame$weights), 0)
    )
    if (!is.null(object$mass_sd)) told$mass_sd <- object$mass_sd
    told
}

#' @export
as.data.frame.chreode_simulation <- function(x, row.names = NULL, optional = FALSE, ...) {
    rows <- lapply(seq_along(x$frames), function(k) {
        frame <- x$frames[[k]]
        points <- frame$points
        if (is.null(colnames(points))) colnames(points) <- paste0("x", seq_len(ncol(points)))
        data.frame(
            frame = rep(k, nrow(points)), time = rep(frame$time, nrow(points)), id = frame$ids, ancestor = frame$ancestors,
            weight = frame$weights, points, check.names = FALSE
        )
    })
    do.call(rbind, rows)
}

# Several simulations, by the run.

#' @export
print.chreode_simulations <- function(x, ...) {
    cat(length(x), " simulations by ", x[[1]]$mode, " of a ", x[[1]]$method, " model, seeds ", sep = "")
    cat(format(x[[1]]$seed, digits = 16), " to ", format(x[[length(x)]]$seed, digits = 16), "\n", sep = "")
    print(summary(x), row.names = FALSE, digits = 4)
    invisible(x)
}

#' @export
summary.chreode_simulations <- function(object, ...) {
    one <- lapply(unclass(object), summary)
    cells <- vapply(one, `[[`, numeric(nrow(one[[1]])), "cells")
    mass <- vapply(one, `[[`, numeric(nrow(one[[1]])), "mass")
    # With one time these are vectors.
    cells <- matrix(cells, ncol = length(one))
    mass <- matrix(mass, ncol = length(one))
    data.frame(
        time = one[[1]]$time, cells = rowMeans(cells), cells_sd = apply(cells, 1, stats::sd),
        mass = rowMeans(mass), mass_sd = apply(mass, 1, stats::sd)
    )
}

#' @export
as.data.frame.chreode_simulations <- function(x, row.names = NULL, optional = FALSE, ...) {
    runs <- lapply(seq_along(x), function(i) {
        rows <- as.data.frame(x[[i]])
        data.frame(run = rep(i, nrow(rows)), rows, check.names = FALSE)
    })
    do.call(rbind, runs)
}
