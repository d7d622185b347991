# Curves over time: the mass of labels, distances, genes.

# Distances between snapshots are of at most so many cells of each.
CELLS_COMPARED <- 1500

#' The mass of each label over time
#'
#' The population of the first time is simulated; its particles have the labels of the cells nearest to them. Of an ensemble the mean over
#' its members is drawn, with a 90 % interval.
#'
#' @inheritParams plot_populations
#' @param labels The label of each cell, as [fates()] takes it.
#' @param x,time,weights,masses,dimred The cells, as [evaluate()] takes them: by default those of the fit.
#' @param palette Colours: a name of [grDevices::hcl.pals()], a vector of colours, or a function of a number.
#' @param legend Whether to explain the colours, above the frame.
#' @param ... Graphical parameters of the frame.
#' @return A data frame of `time`, `label`, `mass` and, of an ensemble, `sd`, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' plot_label_mass(fit, ifelse(data$x[, 1] > 1, "high", "low"))
#' @export
plot_label_mass <- function(object, labels, x = NULL, time = NULL, weights = NULL, masses = NULL, dimred = NULL, palette = NULL,
                            legend = TRUE, ...) {
    check_dynamics(object)
    if (is_experiment(x)) labels <- column_of(x, labels, "labels")
    cells <- data_or_fitted(object, x, time, weights, masses, dimred, measured = TRUE)
    labels <- as_factor(one_a_cell(decoded(labels), "labels", cells$x))
    known <- which(!is.na(labels))
    if (!length(known)) unusable("labels must be known of a cell or more")
    observed <- read_snapshots(cells)
    times <- seq(observed$times[1], observed$times[length(observed$times)], length.out = 25)
    members <- ensemble_members(object)
    each <- lapply(seq_along(members), function(k) {
        move <- function() {
            simulate(
                members[[k]], seed = 0, points = observed$points[[1]], weights = observed$weights[[1]], times = times,
                start_time = times[1], mode = "ode"
            )
        }
        # One tells for all that they leave the box of the cells.
        run <- if (k == 1) move() else suppressWarnings(move(), classes = "chreode_reported")
        label_masses(run, cells$x[known, , drop = FALSE], as.integer(labels)[known], nlevels(labels))
    })
    mean <- Reduce(`+`, each) / length(each)
    sd <- if (length(each) > 1) deviation_over_members(object, each)
    looks <- looks_of(nlevels(labels), palette)
    frame_plot(
        list(range(times), range(0, mean, if (!is.null(sd)) mean + HALF_WIDTH * sd)),
        list(
            xlab = time_name(object$memory), ylab = if (is.null(sd)) "mass" else "mass, with 90 % intervals", main = "Mass of each label",
            type = "n"
        ), ...,
        key = if (legend) list(
            labels = sprintf("%s (%d cells)", levels(labels), tabulate(as.integer(labels), nlevels(labels))), colours = looks$colour,
            pch = looks$pch, line = TRUE
        )
    )
    for (k in seq_len(nlevels(labels))) {
        if (!is.null(sd)) band(times, pmax(mean[, k] - HALF_WIDTH * sd[, k], 0), mean[, k] + HALF_WIDTH * sd[, k], looks$colour[k])
    }
    for (k in seq_len(nlevels(labels))) {
        lines(times, mean[, k], col = looks$colour[k], lwd = 1.5)
        points(times, mean[, k], col = looks$colour[k], pch = looks$pch[k], cex = 0.6)
    }
    drawn <- data.frame(time = times, label = rep(levels(labels), each = length(times)), mass = as.vector(mean))
    if (!is.null(sd)) drawn$sd <- as.vector(sd)
    invisible(drawn)
}

# The mass of each label in each frame, times by labels.
label_masses <- function(run, cells, codes, count) {
    do.call(rbind, lapply(run$frames, function(frame) {
        if (!nrow(frame$points)) return(numeric(count))
        near <- nearest(frame$points, cells, AMONG)
        share <- closeness(near$distance) * frame$weights
        vapply(seq_len(count), function(label) sum(share[codes[near$cell] == label]), 0)
    }))
}

#' How far predictions are from the cells, against what can be had and what need not be learned
#'
#' W1 between predicted and observed cells at each later time. Of an evaluation: the mean over runs, with the members' differences as a
#' band, and, with a model, "nothing moves", the distance of the first snapshot as it is, and the distance of two halves of each snapshot
#' from each other, below which predictions of the very cells of a fit can be. Of a validation, whose cells were not fitted: each
#' recipe, "nothing moves", and the sampling floor, two parts of the data.
#'
#' @param x What [evaluate()] or [validate()] gave.
#' @param object The model that was evaluated; what `data` is, is read as it is read by [evaluate()].
#' @param data,time,weights,masses,dimred The cells that an evaluation was about, by default those of the fit. Of large snapshots 1500
#'   cells are taken, drawn by weight.
#' @param palette Colours: a name of [grDevices::hcl.pals()], a vector of colours, or a function of a number.
#' @param legend Whether to explain the colours, above the frame.
#' @param ... Graphical parameters of the frame.
#' @return What was drawn, invisibly: a data frame with one row a time.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' plot(evaluate(fit), fit)
#' @export
plot.chreode_evaluation <- function(x, object = NULL, data = NULL, time = NULL, weights = NULL, masses = NULL, dimred = NULL,
                                    palette = NULL, legend = TRUE, ...) {
    drawn <- data.frame(time = x$time, predicted = x$w1)
    if (!is.null(x$w1_error)) drawn$sd <- x$w1_error
    if (!is.null(object)) {
        check_dynamics(object)
        observed <- read_snapshots(data_or_fitted(object, data, time, weights, masses, dimred, measured = TRUE))
        at <- same_time(drawn$time, observed$times)
        if (anyNA(at)) invalid("data has no cells at time ", in_list(format_each(drawn$time[is.na(at)])), " of the evaluation")
        drawn <- cbind(drawn, do.call(rbind, lapply(at, references_at, observed = observed)))
    }
    colour <- colours_of(palette, 1, PALETTE)
    references <- intersect(c("nothing_moves", "two_halves"), names(drawn))
    top <- drawn$predicted + if (is.null(drawn$sd)) 0 else HALF_WIDTH * drawn$sd
    memory <- object$memory
    frame_plot(
        list(range(drawn$time), range(0, top, unlist(drawn[references]), na.rm = TRUE)),
        list(xlab = time_name(memory), ylab = "W1 to the observed cells", main = "Predicted and observed cells", type = "n"), ...,
        key = if (legend) list(
            labels = c("predicted", "nothing moves", "two halves of the cells")[c(TRUE, c("nothing_moves", "two_halves") %in% references)],
            colours = c(colour, rep(GREY, length(references))), pch = c(16, NA, NA)[seq_len(1 + length(references))], line = TRUE,
            lty = c(1, 2, 3)[seq_len(1 + length(references))]
        )
    )
    if (!is.null(drawn$sd)) band(drawn$time, pmax(drawn$predicted - HALF_WIDTH * drawn$sd, 0), top, colour)
    for (k in seq_along(references)) points(drawn$time, drawn[[references[k]]], type = "l", col = GREY, lty = k + 1, lwd = 1.5)
    points(drawn$time, drawn$predicted, type = "o", pch = 16, col = colour, lwd = 1.5)
    invisible(drawn)
}

#' @rdname plot.chreode_evaluation
#' @export
plot.chreode_validation <- function(x, palette = NULL, legend = TRUE, ...) {
    measures <- attr(x, "measures")
    fitted <- Filter(function(recipe) length(recipe$w1), measures$recipes)
    drawn <- data.frame(time = measures$times, lapply(fitted, `[[`, "w1"), measures[c("nothing_moves", "floor")])
    names(drawn) <- c("time", vapply(fitted, `[[`, "", "recipe"), "nothing moves", "sampling floor")
    looks <- looks_of(length(fitted), palette)
    frame_plot(
        list(range(drawn$time), range(0, unlist(drawn[-1]), na.rm = TRUE)),
        list(xlab = "time", ylab = "W1 to cells that were not fitted", main = "Predicted cells that were not fitted", type = "n"), ...,
        key = if (legend) list(
            labels = names(drawn)[-1], colours = c(looks$colour, GREY, GREY), pch = c(looks$pch, NA, NA), line = TRUE,
            lty = c(rep(1, length(fitted)), 2, 3)
        )
    )
    for (k in seq_along(fitted)) points(drawn$time, drawn[[k + 1]], type = "o", pch = looks$pch[k], col = looks$colour[k], lwd = 1.5)
    for (k in 1:2) lines(drawn$time, drawn[[length(fitted) + 1 + k]], col = GREY, lty = k + 1, lwd = 1.5)
    invisible(drawn)
}

# W1 of a snapshot to the first, and between two halves of it.
references_at <- function(k, observed) {
    first <- some_cells(observed, 1)
    cells <- some_cells(observed, k)
    part <- function(rows) list(x = cells$x[rows, , drop = FALSE], weights = cells$weights[rows])
    half <- nrow(cells$x) %/% 2
    halves <- NA_real_
    if (half > 0) {
        one <- native(.Call(C_r_draw, cells$x, NULL, half, k))
        halves <- w1(part(one), part(-one))
    }
    data.frame(nothing_moves = w1(first, cells), two_halves = halves)
}

some_cells <- function(observed, k) {
    points <- observed$points[[k]]
    weights <- observed$weights[[k]]
    if (nrow(points) <= CELLS_COMPARED) return(list(x = points, weights = weights))
    rows <- native(.Call(C_r_draw, points, weights, CELLS_COMPARED, 0))
    list(x = points[rows, , drop = FALSE], weights = rep(1, CELLS_COMPARED))
}

w1 <- function(one, other) {
    transport(
        unname(one$x), unname(other$x), one$weights / sum(one$weights), other$weights / sum(other$weights),
        cost = "euclidean", penalty = Inf
    )$report$transport_cost
}

#' Genes along the mean path of a population
#'
#' A panel each: the mean with its 90 % interval, of an ensemble, and where nine tenths of the cells are.
#'
#' @param x What [gene_trends()] gave.
#' @param genes By name or number; the first six by default.
#' @param legend Whether to explain the colours, above the first frame.
#' @param ... Graphical parameters of the frames.
#' @return `x`, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' plot(gene_trends(fit, rotation = diag(2), center = 0))
#' @export
plot.chreode_trends <- function(x, genes = NULL, legend = TRUE, ...) {
    chosen <- genes_in(genes, x$loadings)
    if (is.null(genes)) chosen <- chosen[seq_len(min(6, length(chosen)))]
    limits <- quantile(x, c(0.05, 0.95), genes = chosen)
    names <- if (is.null(rownames(x$loadings))) paste("gene", chosen) else rownames(x$loadings)[chosen]
    with_panels(length(chosen), function() {
        for (k in seq_along(chosen)) {
            mean <- x$mean[, chosen[k]]
            sd <- x$sd[, chosen[k]]
            error <- if (anyNA(sd)) NULL else HALF_WIDTH * sd
            frame_plot(
                list(range(x$times), range(limits[[1]][, k], limits[[2]][, k], mean, mean - error, mean + error)),
                list(xlab = time_name(x$memory), ylab = if (k == 1) "expression" else "", main = names[k], type = "n"), ...,
                key = if (legend && k == 1) list(
                    labels = c("mean", "90 % of the cells"), colours = c(PALETTE[1], adjustcolor(GREY, 0.5)), pch = c(NA, 15),
                    line = c(TRUE, FALSE)
                )
            )
            band(x$times, limits[[1]][, k], limits[[2]][, k], GREY)
            if (!is.null(error)) band(x$times, mean - error, mean + error, PALETTE[1])
            lines(x$times, mean, lwd = 2, col = PALETTE[1])
        }
    })
    invisible(x)
}
