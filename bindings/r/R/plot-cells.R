# Cells in the plane: quantities and labels, and populations beside each other.

# A particle is drawn among so many of the nearest cells.
AMONG <- 15
# The share of the cells whose colours differ, about a middle; the others have the strongest.
MOST_COLOURED <- 0.99

#' Cells in the colour of a number or a label
#'
#' @param x A `SingleCellExperiment`, or coordinates with one row a cell.
#' @param values One number or one label a cell, by name, where it and the cells have names; for a `SingleCellExperiment` it may be
#'   the name of a column of `colData`. Cells where it is `NA` are pale. Numbers have a colour bar; labels a key with their counts.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` to draw in, by default the first.
#' @param dims Which two coordinates to draw.
#' @param center Colours differ by the side of this number, as 0 of growth, and are as strong as the distance from it, up to
#'   that of 99 % of the cells.
#' @param label What the values are called; a column by its name.
#' @param palette Colours: a name of [grDevices::hcl.pals()], a vector of colours, or a function of a number.
#' @param legend Whether to explain the colours, above the frame.
#' @param ... Graphical parameters of the frame: `main`, `xlab`, `ylab`, `xlim`, `ylim`, `cex`.
#' @return `x`, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' plot_cells(data$x, predict(fit, field = "growth"), center = 0, label = "growth rate")
#' plot_cells(data$x, paste("day", data$time))
#' @export
plot_cells <- function(x, values, dimred = NULL, dims = c(1, 2), center = NULL, label = NULL, palette = NULL, legend = TRUE, ...) {
    if (is.null(label) && is_name(values) && is_experiment(x)) label <- values
    if (is_experiment(x)) {
        values <- column_of(x, values, "values")
        name <- chosen_dimred(x, dimred, NULL)
        points <- coordinates_of(x, name)
    } else {
        if (!is.null(dimred)) invalid("dimred is for a SingleCellExperiment, got it with ", in_words(x))
        points <- as_cells(x)
        name <- NULL
    }
    values <- one_a_cell(decoded(values), "values", points)
    if (ncol(points) < 2) invalid("cells with one coordinate have no plane")
    xy <- chosen_coordinates(list(points = points, names = axis_names(points, NULL, name)), NULL, dims)
    if (is.numeric(values) || is.logical(values)) {
        draw_numbers(xy, as.double(values), center, label, palette, legend, ...)
    } else {
        draw_labels(xy, values, label, palette, legend, ...)
    }
    invisible(x)
}

draw_numbers <- function(xy, values, center, label, palette, legend, main = NULL, cex = size_for(values), ...) {
    known <- which(is.finite(values))
    limits <- range(0, 1)
    beyond <- c(FALSE, FALSE)
    default <- "Cividis"
    if (length(known)) limits <- range(values[known])
    if (!is.null(center) && length(known)) {
        # A few cells far out must not leave all others pale.
        size <- abs(values[known] - center)
        widest <- stats::quantile(size, MOST_COLOURED, names = FALSE)
        if (widest == 0) widest <- if (max(size) > 0) max(size) else 1
        limits <- center + c(-widest, widest)
        beyond <- c(any(values[known] < limits[1]), any(values[known] > limits[2]))
        default <- DIVERGING
    }
    colours <- colours_of(palette, 101, default)
    place <- if (diff(limits) > 0) (pmin(pmax(values, limits[1]), limits[2]) - limits[1]) / diff(limits) else rep(0.5, length(values))
    frame_plot(xy, list(xlab = xy$names[1], ylab = xy$names[2], main = if (is.null(main)) "" else main, type = "n"), ...)
    gone <- setdiff(seq_along(values), known)
    points(xy[[1]][gone], xy[[2]][gone], pch = 16, cex = cex, col = PALE)
    # The strongest lie on top.
    order <- known[order(abs(values[known] - if (is.null(center)) 0 else center))]
    points(xy[[1]][order], xy[[2]][order], pch = 16, cex = cex, col = colours[1 + round(100 * place[order])])
    if (!legend) return()
    if (length(gone)) key_row(sprintf("%d unknown", length(gone)), PALE)
    colour_bar(limits, colours, if (is.null(label)) "" else label, beyond)
}

draw_labels <- function(xy, values, label, palette, legend, main = NULL, cex = size_for(values), ...) {
    values <- as_factor(values)
    looks <- looks_of(nlevels(values), palette)
    code <- as.integer(values)
    counts <- tabulate(code, nlevels(values))
    labels <- sprintf("%s (%d)", levels(values), counts)
    gone <- is.na(code)
    there <- counts > 0
    key <- list(
        labels = c(labels[there], if (any(gone)) sprintf("none (%d)", sum(gone))), colours = c(looks$colour[there], if (any(gone)) PALE),
        pch = c(looks$pch[there], if (any(gone)) 16), title = label
    )
    frame_plot(
        xy, list(xlab = xy$names[1], ylab = xy$names[2], main = if (is.null(main)) "" else main, type = "n"), ...,
        key = if (legend) key
    )
    points(xy[[1]][gone], xy[[2]][gone], pch = 16, cex = cex, col = PALE)
    # In an order that has nothing to do with labels, so that none covers another.
    order <- scattered(length(code))
    order <- order[!gone[order]]
    points(xy[[1]][order], xy[[2]][order], pch = looks$pch[code[order]], cex = cex, col = looks$colour[code[order]])
}

# Labels as a factor: one keeps the order of its levels, of others what is blank is none.
as_factor <- function(values) {
    if (is.factor(values)) values else as_labels(values, matrix(0, length(values), 0))
}

#' Simulated populations over the observed ones
#'
#' A panel for each time, in which areas are weights: the observed cells in grey, and in colour the population that the model makes of
#' those of the first time.
#'
#' @param object A model of [fit_dynamics()].
#' @param x,time,weights,masses,dimred The observed cells, as [evaluate()] takes them: by default those of the fit.
#' @param simulation The population, of [simulate()][simulate.chreode_dynamics]; by default all cells of the first time, moved by the
#'   flow. Its frames at times of the cells are drawn.
#' @param basis The embedding to draw in: a matrix with one row a cell, by name, where it and the cells have names, or the name of a
#'   `reducedDim` of `x`; the first two coordinates by default. Particles stand in the middle of the observed cells that are nearest in
#'   the model's space.
#' @param legend Whether to explain the colours, above the frames.
#' @param ... Graphical parameters of the frames.
#' @return The simulation, invisibly. Where the device has one panel, it is parted for this picture alone.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' plot_populations(fit)
#' @export
plot_populations <- function(object, x = NULL, time = NULL, weights = NULL, masses = NULL, dimred = NULL, simulation = NULL,
                             basis = NULL, legend = TRUE, ...) {
    check_dynamics(object)
    cells <- data_or_fitted(object, x, time, weights, masses, dimred, measured = TRUE)
    observed <- read_snapshots(cells)
    if (is.null(simulation)) {
        simulation <- simulate(
            object, seed = 0, points = observed$points[[1]], weights = observed$weights[[1]], times = observed$times,
            start_time = observed$times[1], mode = "ode"
        )
    }
    if (!inherits(simulation, "chreode_simulation")) invalid("simulation must be one of simulate(), got ", in_words(simulation))
    shown <- embedding(object, x, cells, basis)
    frame_at <- same_time(observed$times, simulation$times)
    both <- which(!is.na(frame_at))
    if (!length(both)) {
        invalid("simulation must have frames at times of the cells (", in_list(format_each(observed$times)), "), it has none")
    }
    panels <- lapply(both, function(k) {
        frame <- simulation$frames[[frame_at[k]]]
        list(
            time = observed$times[k], cells = shown$plane[cells$time == observed$times[k], , drop = FALSE],
            cell_weights = observed$weights[[k]], particles = place(shown, frame$points), weights = frame$weights,
            masses = c(sum(frame$weights), observed$masses[k])
        )
    })
    everything <- do.call(rbind, lapply(panels, function(panel) rbind(panel$cells, panel$particles)))
    with_panels(length(panels), function() {
        for (panel in panels) draw_population(panel, apply(everything, 2, range), shown$names, object$memory, legend, ...)
    })
    invisible(simulation)
}

draw_population <- function(panel, limits, names, memory, legend, ...) {
    key <- list(
        labels = sprintf("%d %s", c(nrow(panel$cells), nrow(panel$particles)), c("observed", "predicted")), colours = c(GREY, PALETTE[2])
    )
    frame_plot(
        list(limits[, 1], limits[, 2]),
        list(
            xlab = names[1], ylab = names[2], type = "n",
            main = sprintf("%s: mass %.4g of %.4g", titled_time(panel$time, memory), panel$masses[1], panel$masses[2])
        ), ..., key = if (legend) key
    )
    points(panel$cells, pch = 16, cex = sizes(panel$cell_weights), col = adjustcolor(GREY, 0.7))
    if (nrow(panel$particles)) points(panel$particles, pch = 16, cex = sizes(panel$weights), col = adjustcolor(PALETTE[2], 0.6))
}

# "time 2", or the label that the data had.
titled_time <- function(time, memory) {
    known <- match(time, memory$labels)
    if (is.na(known)) paste("time", format(time, digits = 4)) else names(memory$labels)[known]
}

# The cells of each time with their weights, whose sum is the mass of the time, as the library has them.
read_snapshots <- function(cells) {
    snapshots <- new_snapshots(cells)
    on.exit(native(.Call(C_r_free, snapshots)))
    c(native(.Call(C_r_snapshots_read, snapshots)), list(points = native(.Call(C_r_snapshots_points, snapshots))))
}

# Cells in the space of the model and in the plane, with the names of its axes; `own`, whether it is the first two coordinates.
embedding <- function(object, x, cells, basis) {
    space <- cells$x
    if (is.null(basis)) {
        if (ncol(space) < 2) invalid("cells with one coordinate have no plane: give basis, an embedding with two columns")
        names <- axis_names(space, object$coordinates, object$memory$dimred)[1:2]
        return(list(space = space, plane = unname(space[, 1:2]), names = names, own = TRUE))
    }
    name <- "embedding"
    if (is_name(basis)) {
        if (!is_experiment(x)) invalid("basis must be a matrix with one row a cell, got ", basis, "; names are for a SingleCellExperiment")
        name <- chosen_dimred(x, basis, NULL)
        basis <- coordinates_of(x, name)
    }
    basis <- as_cells(basis, "basis")
    if (nrow(basis) != nrow(space) || ncol(basis) < 2) {
        invalid("basis must have one row a cell (", nrow(space), ") and two columns, got ", nrow(basis), " x ", ncol(basis))
    }
    rows <- one_a_cell(setNames(seq_len(nrow(basis)), rownames(basis)), "basis", space)
    list(space = space, plane = unname(basis[rows, 1:2]), names = axis_names(basis, NULL, name)[1:2], own = FALSE)
}

# Where particles are in the plane: their own first coordinates, or the mean of the nearest cells', by closeness.
place <- function(shown, points) {
    if (!nrow(points)) return(matrix(0, 0, 2))
    if (shown$own) return(unname(points[, 1:2, drop = FALSE]))
    near <- nearest(points, shown$space, AMONG)
    mean_of(shown$plane, near$cell, closeness(near$distance))
}
