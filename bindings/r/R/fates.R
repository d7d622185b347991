#' What cells become
#'
#' The probability that a random descendant of a cell has each label of the cells of a later time, and the expected number of
#' descendants with it. Several descendants of each cell are simulated to that time, where each has the labels of its nearest
#' labelled cells.
#'
#' @param object A model of [fit_dynamics()].
#' @param labels The label of each cell: a factor or a vector, `NA` or `""` where it is not known. By name, where it and the
#'   cells have names. For a `SingleCellExperiment` it may be the name of a column of `colData`. Cells without a label tell
#'   nothing. Those of other times than the later one say only which mass is counted where in the transitions.
#' @param x,time,weights,masses,dimred The cells, as [fit_dynamics()] takes them. By default those of the fit. For other cells the
#'   columns of `colData`, the `reducedDim` and the masses are those of the fit where they are not given.
#' @param seed Seed of all random numbers. `NULL` draws one with R's own generator, so that [set.seed()] decides.
#' @param ... Options of the library by their names: see below; `from` is the time of the cells that are asked for, `to` that of the
#'   labelled cells. An unknown one is answered with the nearest.
#' @param threads Threads to compute with, 0 for all cores. The results are the same bits at any number.
#' @param progress As that of [fit_dynamics()]; the stage is `"fates"`.
#' @return An object of class `chreode_fates`: a data frame with a row for each cell under its name, in the order in which they were
#'   given, with `time`, `label`; for each label `L`, in their order, `p_L`, the probability (`NaN` of a cell without descendants) and `n_L`, the number;
#'   `p_none`, the probability to have no descendants (of the mode branching the share of families that died out; else that of cells
#'   which divide or die at the rate |g|, if all of a family went the way of one particle: exact for ode, rather too large for sde); and the standard error of each, `se_p_L` and so on. Of a model that is an
#'   ensemble also their standard deviations by the cells, `sd_p_L` and so on. With attributes `transitions`, a data frame of which label's cells at each
#'   time (`time`, `from`) became which (`to`) with the `mass`, its standard error `se_mass`, and its share in what the one became
#'   (`went`) and in what the other came from (`came`), and of an ensemble `sd_mass`; `labels`, `to`, `neighbours`, `unlabelled` (cells of the later time that were left out) and
#'   `outside`, the largest share of the descendants' time outside of the box of the fitted cells.
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("fates", c("seed", "threads"))`
#'
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' kind <- ifelse(data$x[, 1] > stats::median(data$x[, 1]), "high", "low")
#' found <- fates(fit, kind, descendants = 20, seed = 1)
#' head(found)
#' attr(found, "transitions")
#' @export
fates <- function(object, ...) {
    UseMethod("fates")
}

#' @rdname fates
#' @export
fates.chreode_dynamics <- function(object, labels, x = NULL, time = NULL, weights = NULL, masses = NULL, ...,
                                   dimred = NULL, seed = NULL, threads = object$threads, progress = FALSE) {
    if (missing(labels)) invalid("labels must be given: one a cell, NA where it is not known")
    handle <- model_handle(object, threads)
    given <- with_times(list(...), object)
    # Without noise nothing is drawn, R's generator neither.
    noise <- is.null(given$mode) || !identical(as.character(given$mode), "ode")
    if (noise || !is.null(seed)) seed <- as_seed(seed)
    options <- new_options("fates", c(given, list(seed = seed)))
    if (is_experiment(x)) labels <- column_of(x, labels, "labels")
    data <- data_or_fitted(object, x, time, weights, masses, dimred, measured = TRUE)
    labels <- as_labels(labels, data$x)
    order <- order(data$time)
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    asked <- new.env(parent = emptyenv())
    asked$interrupted <- FALSE
    codes <- as.integer(labels)[order] - 1L
    codes[is.na(codes)] <- -1L
    result <- .Call(C_r_fates, handle, snapshots, codes, options, progress_function(progress, asked))
    if (asked$interrupted) interrupt_call()
    found <- native(result)
    on.exit(native(.Call(C_r_free, found)), add = TRUE)
    result <- new_fates(found, object, data$x, labels, order)
    dimred <- if (is.null(dimred)) object$memory$dimred else dimred
    attr(result, "made") <- c(record_of(object, dimred), list(fates = remembered_options(given), fates_seed = seed))
    result
}

# A factor of labels in their order: of numbers where all are, else of the alphabet in no language.
as_labels <- function(labels, cells) {
    labels <- decoded(labels)
    if (!is.atomic(labels) || is.null(labels) || !is.null(dim(labels))) {
        invalid("labels must be a vector or a factor, one a cell, got ", in_words(labels))
    }
    labels <- one_a_cell(labels, "labels", cells)
    texts <- as.character(labels)
    texts[!is.na(texts) & (texts == "" | texts == "NaN")] <- NA
    levels <- sort(unique(texts), method = "radix")
    numbers <- suppressWarnings(as.numeric(levels))
    if (!anyNA(numbers)) levels <- levels[order(numbers)]
    factor(texts, levels = levels)
}

# Everything that fates of the library tell.
new_fates <- function(found, object, cells, labels, order) {
    of <- native(.Call(C_r_fates_cells, found))
    names <- levels(labels)[of$labels + 1L]
    rows <- order[of$cells]
    by_row <- order(rows)
    result <- data.frame(time = of$times, label = as.character(labels)[rows])
    for (prefix in c("", "se_", if (isTRUE(object$members > 1)) "sd_")) {
        for (what in c("p", "n", "p_none")) {
            columns <- if (what == "p_none") 1 else length(names)
            values <- native(.Call(C_r_fates_values, found, paste0(prefix, what), length(rows), columns))
            colnames(values) <- paste0(prefix, if (what == "p_none") what else paste(what, names, sep = "_"))
            result <- cbind(result, values)
        }
    }
    # Without the option `error_bars` there are none.
    if (all(is.nan(result$sd_p_none))) result <- result[!startsWith(names(result), "sd_")]
    result <- result[by_row, , drop = FALSE]
    rownames(result) <- if (is.null(rownames(cells))) rows[by_row] else make.unique(rownames(cells)[rows[by_row]])
    report <- from_json(native(.Call(C_r_fates_report, found)))
    warn_reported(report)
    structure(
        result, class = c("chreode_fates", "data.frame"), labels = names,
        transitions = transitions_of(found, labels, names, object), to = report$to,
        neighbours = report$neighbours, unlabelled = report$unlabelled, outside = report$outside
    )
}

transitions_of <- function(found, labels, names, object) {
    measures <- c("mass", "se_mass", "went", "came", if (isTRUE(object$members > 1)) "sd_mass")
    tables <- native(.Call(C_r_fates_transitions, found, measures, length(names)))
    rows <- lapply(tables, function(table) {
        sources <- table[[2]]
        from <- levels(labels)[ifelse(sources < 0, NA_integer_, sources + 1L)]
        # One row of the table after another.
        values <- lapply(table[-(1:3)], function(values) as.vector(t(values)))
        data.frame(
            time = rep(table[[1]], length(from) * length(names)), from = rep(from, each = length(names)),
            to = rep(names, length(from)), setNames(values, measures)
        )
    })
    result <- do.call(rbind, rows)
    # Without the option `error_bars` there are none.
    if (all(is.nan(result$sd_mass))) result$sd_mass <- NULL
    result
}

#' @export
print.chreode_fates <- function(x, digits = 3, ...) {
    cat(nrow(x), " cells, by the labels at time ", format_each(attr(x, "to")), "; shares of where they went:\n", sep = "")
    table <- attr(x, "transitions")
    table$from[is.na(table$from)] <- "(none)"
    print(table[c("time", "from", "to", "mass", "went")], digits = digits, row.names = FALSE)
    invisible(x)
}
