#' Pictures of a model
#'
#' @param x A model of [fit_dynamics()].
#' @param type `"trajectories"`: the cells, coloured by time, and paths of the flow from cells of the first snapshot.
#'   `"growth"`: the cells, coloured by growth rate; the colours end at the 2 % and 98 % quantiles. `"mass"`: the size of the
#'   population over time, of the data and, if the model learned growth, predicted from the first snapshot, with the 90 %
#'   interval of an ensemble. `"errors"`: the growth rates of an ensemble in order, with their 90 % intervals. `"loss"`: the loss
#'   of every training step.
#' @param data,time,weights,masses The cells to draw, as [fit_dynamics()] takes them; by default those of the fit.
#' @param dims Which two coordinates to draw. Data of one coordinate is drawn over time.
#' @param dimred For `data` that is a `SingleCellExperiment`: the name of the `reducedDim` to draw the cells in; by default that
#'   of the fit. The model is evaluated in its own coordinates, whatever is drawn; paths can be drawn in these only.
#' @param paths The number of paths, from cells drawn without replacement.
#' @param palette Colours: a name of [grDevices::hcl.pals()], a vector of colours, or a function of a number.
#' @param legend Whether to explain the colours, above the frame.
#' @param ... Graphical parameters of the frame: `main`, `xlab`, `ylab`, `xlim`, `ylim`, `cex`.
#' @return `x`, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' plot(fit)
#' plot(fit, "growth", palette = "Blue-Red 3")
#' plot(fit, "mass")
#' @export
plot.chreode_dynamics <- function(x, type = c("trajectories", "growth", "errors", "mass", "loss"), data = NULL, time = NULL,
                                  weights = NULL, masses = NULL, dims = c(1, 2), dimred = NULL, paths = 40, palette = NULL,
                                  legend = TRUE, ...) {
    type <- match.arg(type)
    if (type == "loss") {
        plot_losses(x, ...)
        return(invisible(x))
    }
    # Where the cells are drawn may be another place than where the model knows them.
    elsewhere <- is_experiment(data) && !is.null(dimred) && !identical(dimred, x$memory$dimred) && !is.null(x$memory$dimred)
    if (elsewhere && type == "trajectories") {
        invalid("paths are drawn in the coordinates of the fit (", x$memory$dimred, ") only, got dimred ", dimred)
    }
    cells <- data_or_fitted(x, data, time, weights, masses, if (!elsewhere) dimred, measured = type == "mass")
    at <- if (elsewhere) as_cells(coordinates_of(data, chosen_dimred(data, dimred, NULL)), "data") else cells$x
    space <- list(points = at, names = axis_names(at, if (elsewhere) NULL else x$coordinates, if (elsewhere) dimred else x$memory$dimred))
    switch(type,
        trajectories = plot_paths(x, cells, space, dims, paths, palette, legend, ...),
        growth = plot_growth(x, cells, space, dims, palette, legend, ...),
        errors = plot_errors(x, cells, palette, legend, ...),
        mass = plot_mass(x, cells, palette, legend, ...)
    )
    invisible(x)
}

#' Pictures of a simulation
#'
#' @param x A simulation of [simulate()][simulate.chreode_dynamics], or several.
#' @param type `"trajectories"`: every cell from frame to frame. `"mass"`: the size of the population over time, of every run.
#'   `"lineage"`: the family trees of a branching population: time runs to the right, a cell is a line, a division a fork, a cross a
#'   death, a dot a cell that is alive in the end. Trees of more than `most` cells are drawn as the number of living cells of the
#'   largest clones over time.
#' @param dims Which two coordinates to draw. Data of one coordinate is drawn over time.
#' @param palette Colours: a name of [grDevices::hcl.pals()], a vector of colours, or a function of a number.
#' @param legend Whether to explain the colours, above the frame.
#' @param most The most cells of a lineage that are drawn one by one.
#' @param founders So many trees are drawn, evenly chosen among all.
#' @param ... Graphical parameters of the frame: `main`, `xlab`, `ylab`, `xlim`, `ylim`, `cex`.
#' @return `x`, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' population <- simulate(fit, seed = 1, points = 10, mode = "branching")
#' plot(population, "lineage")
#' plot(simulate(fit, nsim = 5, seed = 1, mode = "branching"))
#' @export
plot.chreode_simulation <- function(x, type = c("trajectories", "mass", "lineage"), dims = c(1, 2), palette = NULL,
                                    legend = TRUE, most = 1000, founders = 10, ...) {
    if (missing(type) && !is.null(x$lineage)) type <- "lineage"
    type <- match.arg(type)
    switch(type,
        trajectories = plot_frames(x, dims, palette, legend, ...),
        mass = plot_masses(list(x), palette, ...),
        lineage = plot_lineage(x, palette, legend, most, founders, ...)
    )
    invisible(x)
}

#' @rdname plot.chreode_simulation
#' @export
plot.chreode_simulations <- function(x, palette = NULL, ...) {
    plot_masses(unclass(x), palette, ...)
    invisible(x)
}

plot_paths <- function(object, cells, space, dims, paths, palette, legend, ...) {
    times <- sort(unique(cells$time))
    xy <- chosen_coordinates(space, cells$time, dims)
    colours <- colours_of(palette, length(times), "Cividis")
    first <- which(cells$time == times[1])
    first <- first[native(.Call(C_r_draw, cells$x[first, , drop = FALSE], NULL, min(paths, length(first)), 0))]
    grid <- seq(times[1], times[length(times)], length.out = 40)
    run <- simulate(object, seed = 0, points = cells$x[first, , drop = FALSE], times = grid, start_time = times[1], mode = "ode")
    tracks <- tracks_of(run, dims)
    all <- list(c(xy[[1]], tracks$x), c(xy[[2]], tracks$y))
    frame_plot(all, list(xlab = xy$names[1], ylab = xy$names[2], main = "Snapshots and learned paths", type = "n"), ...)
    scatter(xy, adjustcolor(colours, 0.5)[match(cells$time, times)], ...)
    draw_tracks(tracks$x, tracks$y, adjustcolor("black", 0.75))
    if (legend) time_key(times, colours, object$memory)
}

# A row a time and a column a path: the weighted particles of a simulation keep their rows.
tracks_of <- function(run, dims) {
    at <- lapply(run$frames, function(frame) {
        chosen_coordinates(list(points = frame$points, names = NULL), rep(frame$time, nrow(frame$points)), dims)
    })
    list(x = do.call(rbind, lapply(at, `[[`, 1)), y = do.call(rbind, lapply(at, `[[`, 2)))
}

# Paths with an arrow at their end, which tells the direction.
draw_tracks <- function(xs, ys, colour) {
    graphics::matlines(xs, ys, lty = 1, lwd = 0.9, col = colour)
    points(xs[1, ], ys[1, ], pch = 16, cex = 0.5, col = colour)
    last <- nrow(xs)
    inch <- c(graphics::xinch(1), graphics::yinch(1))
    for (path in seq_len(ncol(xs))) {
        # From a tenth of an inch before: between neighbouring places the direction would be rounding.
        inches <- sqrt(((xs[, path] - xs[last, path]) / inch[1])^2 + ((ys[, path] - ys[last, path]) / inch[2])^2)
        from <- which(inches > 0.1)
        if (length(from)) {
            from <- from[length(from)]
            graphics::arrows(xs[from, path], ys[from, path], xs[last, path], ys[last, path], length = 0.07, lwd = 1.1, col = colour)
        }
    }
}

plot_growth <- function(object, cells, space, dims, palette, legend, ...) {
    growth <- predict(object, cells$x, cells$time, field = "growth")
    xy <- chosen_coordinates(space, cells$time, dims)
    ends <- stats::quantile(growth, c(0.02, 0.98), names = FALSE)
    # Zero is in the middle of the scale: what is left of it dies, what is right of it divides.
    most <- max(abs(ends))
    if (most == 0) most <- max(abs(growth), 1e-3)
    colours <- colours_of(palette, 101, DIVERGING)
    place <- 1 + round(50 * (pmin(pmax(growth / most, -1), 1) + 1))
    frame_plot(xy, list(xlab = xy$names[1], ylab = xy$names[2], main = "Growth rate", type = "n"), ...)
    scatter(xy, colours[place], border = "grey50", ...)
    if (legend) colour_bar(c(-most, most), colours, "per time", c(any(growth < -most), any(growth > most)))
}

plot_mass <- function(object, cells, palette, legend, ...) {
    read <- read_snapshots(cells)
    grid <- seq(read$times[1], read$times[length(read$times)], length.out = 60)
    mass <- errors <- NULL
    if (object$has_growth) {
        run <- simulate(
            object, seed = 0, points = read$points[[1]], weights = read$weights[[1]], times = grid, start_time = grid[1], mode = "ode"
        )
        mass <- summary(run)$mass
        if (!is.null(run$mass_sd)) errors <- HALF_WIDTH * run$mass_sd
    }
    colour <- colours_of(palette, 1, PALETTE)
    frame_plot(
        list(read$times, read$masses),
        list(
            xlab = time_name(object$memory), ylab = "population", main = "Size of the population", pch = 19, col = INK,
            ylim = range(0, mass, mass + errors, read$masses)
        ), ...
    )
    if (!is.null(errors)) band(grid, mass - errors, mass + errors, colour)
    if (!is.null(mass)) lines(grid, mass, lwd = 2, col = colour)
    points(read$times, read$masses, pch = 19, col = INK)
    if (legend) {
        shown <- c(TRUE, !is.null(mass))
        key_row(c("data", "predicted")[shown], c(INK, colour)[shown], line = c(FALSE, TRUE)[shown])
    }
}

# An interval at each of some places in order, below what is drawn next.
band <- function(x, low, high, colour) {
    graphics::polygon(c(x, rev(x)), c(low, rev(high)), col = adjustcolor(colour, 0.25), border = NA)
}

# Growth rates in order, with the interval of each.
plot_errors <- function(object, cells, palette, legend, ...) {
    growth <- predict(object, cells$x, cells$time, field = "growth")
    # The interval lies around the rate less its bias.
    centre <- predict(object, cells$x, cells$time, field = "growth", quantile = 0.5)
    errors <- HALF_WIDTH * predict(object, cells$x, cells$time, field = "growth", sd = TRUE)
    # Of cells of like growth the mean, and the root of their mean variance: single ones would make a ragged edge.
    place <- rank(growth, ties.method = "first") / length(growth)
    group <- ceiling(80 * place)
    place <- 100 * as.vector(tapply(place, group, mean))
    errors <- sqrt(as.vector(tapply(errors^2, group, mean)))
    growth <- as.vector(tapply(growth, group, mean))
    centre <- as.vector(tapply(centre, group, mean))
    colour <- colours_of(palette, 1, PALETTE)
    frame_plot(
        list(place, growth),
        list(
            xlab = "cells, % from the slowest on", ylab = "growth rate, per time", main = "Growth rate and its 90 % interval",
            type = "n", ylim = range(growth, centre - errors, centre + errors)
        ), ...
    )
    band(place, centre - errors, centre + errors, colour)
    graphics::abline(h = 0, col = "grey65")
    lines(place, growth, lwd = 2, col = colour)
    if (legend) key_row("growth rate", colour, line = TRUE)
}

plot_losses <- function(object, ...) {
    if (!length(object$losses)) invalid("a model that was loaded does not know the losses of its training")
    frame_plot(
        list(seq_along(object$losses), object$losses),
        list(xlab = "training step", ylab = "loss", main = "Training", type = "l", col = INK), ...
    )
}

plot_masses <- function(runs, palette, ...) {
    told <- lapply(runs, summary)
    mean <- rowMeans(matrix(vapply(told, `[[`, numeric(nrow(told[[1]])), "mass"), ncol = length(told)))
    every <- unlist(lapply(told, `[[`, "mass"))
    main <- if (length(runs) > 1) sprintf("Size of the population, %d runs and their mean", length(runs)) else "Size of the population"
    frame_plot(
        list(rep(told[[1]]$time, length(told)), every),
        list(xlab = time_name(runs[[1]]$memory), ylab = "mass", main = main, type = "n", ylim = range(0, every)), ...
    )
    for (one in told) lines(one$time, one$mass, col = if (length(told) > 1) GREY else INK)
    points(told[[1]]$time, mean, type = "b", pch = 19, lwd = 2, col = if (length(told) > 1) colours_of(palette, 1, PALETTE) else INK)
}

plot_frames <- function(x, dims, palette, legend, ...) {
    frames <- x$frames
    names <- axis_names(frames[[1]]$points, NULL, x$memory$dimred)
    at <- lapply(frames, function(frame) {
        chosen_coordinates(list(points = frame$points, names = names), rep(frame$time, nrow(frame$points)), dims)
    })
    colours <- colours_of(palette, length(frames), "Cividis")
    all <- list(unlist(lapply(at, `[[`, 1)), unlist(lapply(at, `[[`, 2)))
    frame_plot(
        all, list(xlab = at[[1]]$names[1], ylab = at[[1]]$names[2], main = paste("Simulation by", x$mode), type = "n"), ...
    )
    for (k in seq_along(frames)[-1]) {
        from <- frames[[k]]$ancestors
        if (length(from)) {
            segments(at[[k - 1]][[1]][from], at[[k - 1]][[2]][from], at[[k]][[1]], at[[k]][[2]], col = adjustcolor(INK, 0.25))
        }
    }
    scatter(all, colours[rep(seq_along(frames), vapply(at, function(one) length(one[[1]]), 1))], ...)
    if (legend) time_key(x$times, colours, x$memory)
}
