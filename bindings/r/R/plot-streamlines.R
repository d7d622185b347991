# Streamlines of the velocity among cells.

# Rows and columns of a grid of velocities; a point of it is drawn if so many cells are so many spacings away, or nearer.
GRID <- 40
NEAR <- 3
REACH <- 1.5
# Cells that speak for a point of the grid.
SPEAKERS <- 30
# Places a side of which each has at most one line.
LANES <- 36

#' Streamlines of the velocity
#'
#' In a model's own plane, of two coordinates, at one time, they are those of the field itself. Else each cell's velocity at its time
#' is drawn: in another `basis` the direction in which it is expected among its `neighbours` in the model's space, as scVelo does it,
#' which tells directions but no speeds. Between cells it is their mean by a Gaussian.
#'
#' @inheritParams plot_populations
#' @param x,time,dimred The cells, as [predict()][predict.chreode_dynamics] takes them: by default those of the fit at their times. One
#'   `time` is that of the field.
#' @param basis The embedding to draw in: a matrix with one row a cell, or the name of a `reducedDim` of `x`; the model's own
#'   coordinates by default, which must be two then.
#' @param neighbours How many cells tell a direction in another basis.
#' @param density How close the lines are.
#' @param ... Graphical parameters of the frame: `main`, `xlab`, `ylab`, `xlim`, `ylim`.
#' @return The velocities that were drawn, invisibly: a data frame of `x`, `y`, `u`, `v`, `NA` where no cells are.
#' @references Bergen et al., Generalizing RNA velocity to transient cell states through dynamical modeling, Nature Biotechnology 38,
#'   2020.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' plot_streamlines(fit)
#' plot_streamlines(fit, time = 2)
#' @export
plot_streamlines <- function(object, x = NULL, time = NULL, dimred = NULL, basis = NULL, neighbours = 30, density = 1, ...) {
    check_dynamics(object)
    once <- !is.null(time) && length(time) == 1 && !(is_experiment(x) && is_name(time) && time %in% names(SummarizedExperiment::colData(x)))
    points <- if (is.null(x)) data_or_fitted(object, NULL)$x else points_of(object, x, dimred, "x")
    shown <- embedding(object, x, list(x = points), basis)
    if (is.null(basis) && object$dims != 2) {
        invalid("the model has ", object$dims, " coordinates, no plane: give basis, an embedding with two columns")
    }
    grid <- plane_grid(shown$plane)
    when <- if (once) as_times(time, "time", points, memory_of(object), single = TRUE)$time
    title <- if (once) paste("velocity at", titled_time(when, object$memory)) else "velocity of each cell at its time"
    if (is.null(basis) && once) {
        field <- predict(object, structure(grid$points, dimnames = list(NULL, colnames(points))), when)
    } else {
        velocity <- predict(object, if (once) points else x, if (once) when else time, dimred = if (!once && is_experiment(x)) dimred)
        if (!is.null(basis)) velocity <- project(shown$space, velocity, shown$plane, neighbours)
        share <- exp(-0.5 * (grid$distance / grid$spacing)^2)
        total <- rowSums(share)
        share <- ifelse(total > 0, 1, 0) * share / ifelse(total > 0, total, 1)
        field <- mean_of(velocity, grid$cell, share)
    }
    field <- unname(field)
    field[!grid$near, ] <- NA
    frame_plot(
        list(range(grid$points[, 1]), range(grid$points[, 2])),
        list(xlab = shown$names[1], ylab = shown$names[2], main = title, type = "n"), ...
    )
    points(shown$plane, pch = 16, cex = size_for(shown$plane[, 1]), col = PALE)
    for (line in streamlines(grid, field, density)) draw_streamline(line)
    invisible(data.frame(x = grid$points[, 1], y = grid$points[, 2], u = field[, 1], v = field[, 2]))
}

# The points of a grid over cells, the first coordinate fastest, and how far apart they are; the cells that speak for each, the nearest
# first, with their distances; and whether cells are near it.
plane_grid <- function(plane) {
    low <- apply(plane, 2, min)
    high <- apply(plane, 2, max)
    margin <- 0.05 * ifelse(high > low, high - low, 1)
    sides <- lapply(1:2, function(j) seq(low[j] - margin[j], high[j] + margin[j], length.out = GRID))
    points <- as.matrix(expand.grid(sides))
    dimnames(points) <- NULL
    spacing <- sqrt(sum(vapply(sides, function(side) side[2] - side[1], 0)^2))
    found <- nearest(points, plane, SPEAKERS)
    enough <- min(NEAR, ncol(found$distance))
    c(list(points = points, sides = sides, spacing = spacing, near = found$distance[, enough] <= REACH * spacing), found)
}

# Lines along a field on a grid, from places that no line has passed yet, each until it comes to one of another line. All work is in
# units of the grid, in which the picture is a square.
streamlines <- function(grid, field, density) {
    density <- as_number(density, "density")
    if (!isTRUE(density > 0)) invalid("density must be positive, got ", density)
    lanes <- max(2, round(LANES * density))
    scale <- vapply(grid$sides, function(side) side[2] - side[1], 0)
    u <- matrix(field[, 1] / scale[1], GRID)
    v <- matrix(field[, 2] / scale[2], GRID)
    speed <- sqrt(u^2 + v^2)
    taken <- matrix(FALSE, lanes, lanes)
    lines <- list()
    for (seed in lane_order(lanes)) {
        lane <- c((seed - 1) %% lanes, (seed - 1) %/% lanes)
        if (taken[lane[1] + 1, lane[2] + 1]) next
        start <- (lane + 0.5) / lanes * (GRID - 1)
        before <- taken
        forth <- trace_line(start, u, v, 1, taken, lanes)
        back <- trace_line(start, u, v, -1, forth$taken, lanes)
        path <- rbind(back$path[rev(seq_len(nrow(back$path))), , drop = FALSE], start, forth$path)
        # A line that is short tells nothing.
        if (sum(sqrt(rowSums((path[-1, , drop = FALSE] - path[-nrow(path), , drop = FALSE])^2))) < 0.08 * GRID) {
            taken <- before
            next
        }
        taken <- back$taken
        lines[[length(lines) + 1]] <- cbind(grid$sides[[1]][1] + path[, 1] * scale[1], grid$sides[[2]][1] + path[, 2] * scale[2])
    }
    lines
}

# The places of a square from its border inwards, so that long lines come first.
lane_order <- function(lanes) {
    at <- seq_len(lanes)
    order(pmin(outer(at, at, pmin), outer(lanes + 1 - at, lanes + 1 - at, pmin)))
}

# A line from a place, with the field or against it, in steps of a length, by the midpoint rule.
trace_line <- function(start, u, v, sign, taken, lanes, step = 0.3, most = 400) {
    lane_of <- function(at) pmin(floor(at / (GRID - 1) * lanes), lanes - 1) + 1
    direction <- function(at) {
        if (any(at < 0 | at > GRID - 1)) return(NULL)
        cell <- pmin(floor(at), GRID - 2)
        part <- at - cell
        corner <- cbind(cell[1] + c(1, 2, 1, 2), cell[2] + c(1, 1, 2, 2))
        share <- c((1 - part[1]) * (1 - part[2]), part[1] * (1 - part[2]), (1 - part[1]) * part[2], part[1] * part[2])
        way <- c(sum(share * u[corner]), sum(share * v[corner]))
        length <- sqrt(sum(way^2))
        if (is.na(length) || length == 0) NULL else sign * way / length
    }
    path <- matrix(0, most, 2)
    count <- 0
    at <- start
    here <- lane_of(at)
    taken[here[1], here[2]] <- TRUE
    while (count < most) {
        way <- direction(at)
        if (!is.null(way)) way <- direction(at + 0.5 * step * way)
        if (is.null(way)) break
        at <- at + step * way
        if (any(at < 0 | at > GRID - 1)) break
        lane <- lane_of(at)
        if (any(lane != here)) {
            if (taken[lane[1], lane[2]]) break
            taken[lane[1], lane[2]] <- TRUE
            here <- lane
        }
        count <- count + 1
        path[count, ] <- at
    }
    list(path = path[seq_len(count), , drop = FALSE], taken = taken)
}

# A line with an arrow in its middle.
draw_streamline <- function(line) {
    lines(line, col = PALETTE[1], lwd = 0.9)
    middle <- max(2, round(nrow(line) / 2))
    graphics::arrows(
        line[middle - 1, 1], line[middle - 1, 2], line[middle, 1], line[middle, 2], length = 0.06, lwd = 1, col = PALETTE[1]
    )
}
