#' Simulate a population
#'
#' @param object A model of [fit_dynamics()].
#' @param nsim The number of simulations, with consecutive seeds.
#' @param seed Seed of all random numbers. `NULL` draws one with R's own generator, so that [set.seed()] decides.
#' @param points The cells to start from: a matrix with one row a cell, or one number: so many cells, the first ones of the
#'   first snapshot. By default the whole first snapshot of the fit.
#' @param times The times to be told of: strictly increasing from the start on (the first may be the start itself), or, but
#'   for `"branching"`, strictly decreasing. By default those of the fit.
#' @param start_time When the cells start: by default the first of the fit's times.
#' @param mode `"ode"`: weighted cells that follow the flow. `"sde"`: with noise. `"branching"`: cells that divide and die.
#' @param weights One weight a cell, or `NULL` if every cell weighs 1. Branching populations start from equal cells: unequal
#'   weights are resampled first.
#' @param ... Further options of the library by their names: see below. An unknown one is answered with the nearest.
#' @param threads Threads to compute with, 0 for all cores. The results are the same bits at any number.
#' @return An object of class `chreode_simulation` (for `nsim` above 1 a list of them): a list of `mode`, `seed`, `times`;
#'   `frames`, one for each time, with `time`, `points`, `weights`, `ids` (the row of `points` that a cell started from; in a
#'   branching population its row of the lineage) and `ancestors` (the row of the frame before that it comes from); and for
#'   a branching population `lineage`, a data frame with `parent` (`NA` for a founder), `birth`, `end` and `fate` of each cell
#'   that ever lived, and `newick`, the same as one tree a founder (cells are named c and their row less one). Use it with `print()`, `as.data.frame()` and
#'   [plot()][plot.chreode_simulation].
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("simulate", c("mode", "seed", "threads"))`
#'
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, progress = FALSE)
#' simulate(fit)
#' population <- simulate(fit, seed = 1, points = 10, mode = "branching")
#' population
#' head(population$lineage)
#' @export
simulate.chreode_dynamics <- function(object, nsim = 1, seed = NULL, points = NULL, times = object$times,
                                      start_time = object$times[1], mode = c("ode", "sde", "branching"), weights = NULL,
                                      ..., threads = object$threads) {
    handle <- model_handle(object, threads)
    nsim <- as_number(nsim, "nsim")
    if (!isTRUE(nsim >= 1 && nsim == floor(nsim))) invalid("nsim must be a whole number from 1 on, got ", nsim)
    # New modes of the library are known without a word here.
    if (identical(mode, c("ode", "sde", "branching"))) mode <- "ode"
    start <- starting_cells(object, points, weights)
    times <- as_numbers(times, "times")
    start_time <- as_number(start_time, "start_time")
    if (is.null(seed)) seed <- sample.int(.Machine$integer.max, 1)
    simulations <- lapply(seq_len(nsim) - 1, function(i) {
        its_seed <- if (i == 0) seed else as_number(seed, "seed") + i
        options <- new_options("simulate", c(list(mode = mode, seed = its_seed), list(...)))
        trajectory <- native(.Call(C_r_simulate, handle, start_time, start$x, start$weights, times, options))
        on.exit(native(.Call(C_r_free, trajectory)))
        new_simulation(trajectory, object, mode, its_seed, start_time, colnames(start$x))
    })
    if (nsim == 1) simulations[[1]] else simulations
}

starting_cells <- function(object, points, weights) {
    if (is.numeric(points) && is.null(dim(points)) && length(points) == 1) {
        first <- first_snapshot(object)
        if (!isTRUE(points >= 1 && points <= nrow(first$x) && points == floor(points))) {
            invalid("points must be a matrix, or a number of cells from 1 to ", nrow(first$x), ", got ", points)
        }
        chosen <- seq_len(points)
        first <- list(x = first$x[chosen, , drop = FALSE], weights = first$weights[chosen])
    } else if (is.null(points)) {
        first <- first_snapshot(object)
    } else {
        first <- list(x = as_cells(points, "points"), weights = NULL)
    }
    if (!is.null(weights)) first$weights <- as_labels(weights, "weights", nrow(first$x))
    first
}

first_snapshot <- function(object) {
    data <- data_or_fitted(object, NULL)
    chosen <- which(data$time == min(data$time))
    list(x = data$x[chosen, , drop = FALSE], weights = data$weights[chosen])
}

new_simulation <- function(trajectory, object, mode, seed, start_time, names) {
    if (is.null(names)) names <- object$coordinates
    frames <- lapply(native(.Call(C_r_trajectory_frames, trajectory)), function(frame) {
        if (!is.null(names)) colnames(frame$points) <- names
        frame
    })
    result <- list(
        mode = mode, seed = seed, method = object$method, start_time = start_time,
        times = vapply(frames, function(frame) frame$time, 0), frames = frames
    )
    lineage <- native(.Call(C_r_trajectory_lineage, trajectory))
    if (length(lineage$parent)) {
        lineage$fate <- factor(lineage$fate, levels = 0:2, labels = c("alive", "divided", "died"))
        result$lineage <- as.data.frame(lineage)
        result$newick <- strsplit(native(.Call(C_r_trajectory_newick, trajectory)), "\n", fixed = TRUE)[[1]]
    }
    structure(class = "chreode_simulation", result)
}

#' @export
print.chreode_simulation <- function(x, ...) {
    cat("Simulation by ", x$mode, " of a ", x$method, " model, seed ", format(x$seed, digits = 20), "\n", sep = "")
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
    data.frame(
        time = object$times,
        cells = vapply(object$frames, function(frame) nrow(frame$points), 1L),
        mass = vapply(object$frames, function(frame) sum(frame$weights), 0)
    )
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
