#' Pictures of a model
#'
#' @param x A model of [fit_dynamics()].
#' @param type `"trajectories"`: the cells, coloured by time, and paths of the flow from cells of the first snapshot.
#'   `"growth"`: the cells, coloured by growth rate. `"mass"`: the size of the population over time, of the data and
#'   predicted from the first snapshot. `"loss"`: the loss of every training step.
#' @param data,time The cells to draw, as [fit_dynamics()] takes them; by default those of the fit.
#' @param dims Which two coordinates to draw. Data of one coordinate is drawn over time.
#' @param paths The number of paths.
#' @param ... Graphical parameters of the frame: `main`, `xlab`, `ylab`, `xlim`, `ylim`.
#' @return `x`, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, progress = FALSE)
#' plot(fit)
#' plot(fit, "growth")
#' plot(fit, "mass")
#' @export
plot.chreode_dynamics <- function(x, type = c("trajectories", "growth", "mass", "loss"), data = NULL, time = NULL,
                                  dims = 1:2, paths = 40, ...) {
    type <- match.arg(type)
    if (type == "loss") {
        plot_losses(x, ...)
        return(invisible(x))
    }
    cells <- data_or_fitted(x, data, time)
    switch(type,
        trajectories = plot_paths(x, cells, dims, paths, ...),
        growth = plot_growth(x, cells, dims, ...),
        mass = plot_mass(x, cells, ...)
    )
    invisible(x)
}

#' Pictures of a simulation
#'
#' @param x A simulation of [simulate()][simulate.chreode_dynamics].
#' @param type `"trajectories"`: every cell from frame to frame. `"mass"`: the size of the population over time.
#'   `"lineage"`: the family tree of a branching population, one tree a founder; deaths are crosses.
#' @param dims Which two coordinates to draw. Data of one coordinate is drawn over time.
#' @param ... Graphical parameters of the frame: `main`, `xlab`, `ylab`, `xlim`, `ylim`.
#' @return `x`, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, progress = FALSE)
#' population <- simulate(fit, seed = 1, points = 10, mode = "branching")
#' plot(population, "lineage")
#' @export
plot.chreode_simulation <- function(x, type = c("trajectories", "mass", "lineage"), dims = 1:2, ...) {
    if (missing(type) && !is.null(x$lineage)) type <- "lineage"
    type <- match.arg(type)
    switch(type,
        trajectories = plot_frames(x, dims, ...),
        mass = frame_plot(
            summary(x)[c("time", "mass")], list(xlab = "time", ylab = "mass", type = "b", pch = 19, col = INK), ...
        ),
        lineage = plot_lineage(x, ...)
    )
    invisible(x)
}

INK <- "grey25"

# plot() with defaults that the caller's own parameters replace.
frame_plot <- function(xy, defaults, ...) {
    given <- list(...)
    settings <- c(given, defaults[setdiff(names(defaults), names(given))])
    settings <- c(list(x = xy[[1]], y = xy[[2]]), settings, list(las = 1, bty = "l"))
    do.call(graphics::plot, settings[!duplicated(names(settings))])
}

time_colours <- function(times) {
    hcl.colors(max(2, length(times)), "viridis")[seq_along(times)]
}

# Two coordinates to draw, or time and the only one.
chosen_coordinates <- function(points, time, dims, names) {
    if (ncol(points) == 1) return(list(time, points[, 1], names = c("time", axis_name(names, 1))))
    if (!is.numeric(dims) || length(dims) != 2 || !all(dims %in% seq_len(ncol(points)))) {
        invalid("dims must be two numbers from 1 to ", ncol(points), ", got ", paste(dims, collapse = ", "))
    }
    list(points[, dims[1]], points[, dims[2]], names = axis_name(names, dims))
}

axis_name <- function(names, dims) {
    if (is.null(names)) paste("coordinate", dims) else names[dims]
}

plot_paths <- function(object, cells, dims, paths, ...) {
    times <- sort(unique(cells$time))
    names <- if (is.null(colnames(cells$x))) object$coordinates else colnames(cells$x)
    xy <- chosen_coordinates(cells$x, cells$time, dims, names)
    colours <- time_colours(times)
    faint <- adjustcolor(colours, 0.45)[match(cells$time, times)]
    frame_plot(
        xy, list(xlab = xy$names[1], ylab = xy$names[2], main = "Snapshots and learned paths", pch = 16, cex = 0.6, col = faint), ...
    )
    first <- which(cells$time == times[1])
    first <- first[unique(round(seq(1, length(first), length.out = min(paths, length(first)))))]
    grid <- seq(times[1], times[length(times)], length.out = 40)
    run <- simulate(object, seed = 0, points = cells$x[first, , drop = FALSE], times = grid, start_time = times[1], mode = "ode")
    draw_tracks(run, dims, adjustcolor("black", 0.7))
    legend("topright", legend = format(times), col = colours, pch = 16, title = "time", bty = "n", cex = 0.8)
}

# The weighted particles of a simulation keep their rows.
draw_tracks <- function(run, dims, colour) {
    at <- lapply(run$frames, function(frame) chosen_coordinates(frame$points, rep(frame$time, nrow(frame$points)), dims, NULL))
    xs <- do.call(rbind, lapply(at, `[[`, 1))
    ys <- do.call(rbind, lapply(at, `[[`, 2))
    graphics::matlines(xs, ys, lty = 1, lwd = 0.8, col = colour)
    points(xs[1, ], ys[1, ], pch = 16, cex = 0.5, col = colour)
}

plot_growth <- function(object, cells, dims, ...) {
    growth <- predict(object, cells$x, cells$time, field = "growth")
    names <- if (is.null(colnames(cells$x))) object$coordinates else colnames(cells$x)
    xy <- chosen_coordinates(cells$x, cells$time, dims, names)
    # Zero is in the middle of the scale, whatever the range.
    most <- max(abs(growth), .Machine$double.xmin)
    palette <- hcl.colors(101, "Blue-Red 3")
    colours <- palette[1 + round(50 * (growth / most + 1))]
    frame_plot(
        xy, list(xlab = xy$names[1], ylab = xy$names[2], main = "Growth rate", pch = 21, cex = 0.7, lwd = 0.3, col = "grey50", bg = colours), ...
    )
    scale <- c(-1, -0.5, 0, 0.5, 1)
    legend(
        "topright", legend = ifelse(scale == 0, "0", sprintf("%+.2g", scale * most)), pt.bg = palette[1 + 50 * (scale + 1)],
        pch = 21, col = "grey50", title = "per time", bty = "n", cex = 0.8
    )
}

plot_mass <- function(object, cells, ...) {
    snapshots <- new_snapshots(cells$x, cells$time, cells$weights, cells$masses)
    on.exit(native(.Call(C_r_free, snapshots)))
    read <- native(.Call(C_r_snapshots_read, snapshots))
    grid <- seq(read$times[1], read$times[length(read$times)], length.out = 60)
    run <- simulate(
        object, seed = 0, points = read$points[[1]], weights = read$weights[[1]], times = grid, start_time = grid[1], mode = "ode"
    )
    # The simulation starts from the weights of the cells; the mass of the snapshot may be another.
    mass <- summary(run)$mass / sum(read$weights[[1]]) * read$masses[1]
    frame_plot(
        list(read$times, read$masses),
        list(
            xlab = "time", ylab = "population", main = "Size of the population", pch = 19, col = INK,
            ylim = range(0, mass, read$masses)
        ), ...
    )
    lines(grid, mass, lwd = 2, col = hcl.colors(3, "viridis")[2])
    legend(
        "bottomright", legend = c("data", "predicted"), pch = c(19, NA), lty = c(NA, 1), lwd = 2,
        col = c(INK, hcl.colors(3, "viridis")[2]), bty = "n", cex = 0.8
    )
}

plot_losses <- function(object, ...) {
    if (!length(object$losses)) invalid("a model that was loaded does not know the losses of its training")
    frame_plot(
        list(seq_along(object$losses), object$losses),
        list(xlab = "training step", ylab = "loss", main = "Training", type = "l", col = INK), ...
    )
}

plot_frames <- function(x, dims, ...) {
    frames <- x$frames
    names <- colnames(frames[[1]]$points)
    at <- lapply(frames, function(frame) chosen_coordinates(frame$points, rep(frame$time, nrow(frame$points)), dims, names))
    colours <- time_colours(x$times)
    everything <- list(unlist(lapply(at, `[[`, 1)), unlist(lapply(at, `[[`, 2)))
    frame_plot(
        everything,
        list(xlab = at[[1]]$names[1], ylab = at[[1]]$names[2], main = paste("Simulation by", x$mode), type = "n"), ...
    )
    for (k in seq_along(frames)[-1]) {
        from <- frames[[k]]$ancestors
        if (length(from)) {
            segments(at[[k - 1]][[1]][from], at[[k - 1]][[2]][from], at[[k]][[1]], at[[k]][[2]], col = adjustcolor(INK, 0.35))
        }
    }
    for (k in seq_along(frames)) points(at[[k]][[1]], at[[k]][[2]], pch = 16, cex = 0.6, col = colours[k])
    legend("topright", legend = format(x$times), col = colours, pch = 16, title = "time", bty = "n", cex = 0.8)
}

# How high each cell of a lineage is drawn: leaves one below the other, a mother between her daughters.
lineage_heights <- function(parent) {
    cells <- seq_along(parent)
    leaves <- numeric(length(parent))
    # Parents come before their daughters.
    for (i in rev(cells)) {
        if (leaves[i] == 0) leaves[i] <- 1
        if (!is.na(parent[i])) leaves[parent[i]] <- leaves[parent[i]] + leaves[i]
    }
    # Where the next daughter of each cell goes; the last place is for founders.
    free <- numeric(length(parent) + 1)
    top <- numeric(length(parent))
    for (i in cells) {
        above <- if (is.na(parent[i])) length(free) else parent[i]
        top[i] <- free[above]
        free[above] <- free[above] + leaves[i]
        free[i] <- top[i]
    }
    top + leaves / 2
}

plot_lineage <- function(x, ...) {
    if (is.null(x$lineage)) invalid("only a branching population has a lineage, this is a simulation by ", x$mode)
    cells <- x$lineage
    height <- lineage_heights(cells$parent)
    frame_plot(
        list(range(cells$birth, cells$end), range(0, height + 0.5)),
        list(
            xlab = "time", ylab = "", yaxt = "n", type = "n",
            main = sprintf("Lineage of %d founders, %d cells", sum(is.na(cells$parent)), nrow(cells))
        ), ...
    )
    founder <- cumsum(is.na(cells$parent))
    # A founder's colour is its descendants'.
    for (i in which(!is.na(cells$parent))) founder[i] <- founder[cells$parent[i]]
    colours <- hcl.colors(max(founder, 2), "Dark 3")[founder]
    segments(cells$birth, height, cells$end, height, col = colours, lwd = 1.2)
    daughters <- which(!is.na(cells$parent))
    segments(
        cells$birth[daughters], height[cells$parent[daughters]], cells$birth[daughters], height[daughters],
        col = colours[daughters], lwd = 1.2
    )
    died <- cells$fate == "died"
    points(cells$end[died], height[died], pch = 4, cex = 0.6, col = INK)
}
