#' How well recipes predict cells that they were not fitted to
#'
#' Cuts the cells into parts, fits each recipe to all parts but one, and predicts the cells that were held out from those of
#' them at the first time. A measure in sample says how well a fit remembers; this says whether it may be trusted.
#'
#' @param x,time,weights,masses,dimred The data, as [fit_dynamics()] takes them.
#' @param method One method or several. Every option of a fit may be a vector: each combination of values is a recipe. An
#'   option that some methods do not take goes to those that do. Widths of hidden layers are `"64x3"`, several
#'   `c("64x3", "128x3")`.
#' @param ... Options of the validation and of the fits by their names: see below.
#' @param parts Which part each cell is in (a half, a fold, a donor), to be held out in turn, the last level first; drawn where
#'   it is `NULL`. By name, where it and the cells have names. For a `SingleCellExperiment` it may be the name of a column of
#'   `colData`, and so may `growth`.
#' @param growth The true growth rate at each cell, where it is known.
#' @param seed Seed of the cuts and of the first fit to each. `NULL` draws one with R's own generator.
#' @param threads Fits side by side, 0 for as many as there are cores. The results are the same bits at any number.
#' @param progress As that of [fit_dynamics()]; the stage is `"validation"` and counts hundredths of fits.
#' @param BPPARAM Who does the computation: `NULL`, this process; or a `BiocParallelParam` whose workers do it, with the same
#'   bits, as in [fit_dynamics()]. The tasks are fits.
#' @return An object of class `chreode_validation`: a data frame with a row for each recipe, with `recipe`, `ratio` (mean W1 to
#'   unseen cells over that between two samples of the data), `energy` (unbiased energy distance over the spread of the data,
#'   0 for the truth), `rme`, `mean_w1`, half the 95 % confidence interval of each, `cpu_seconds` of a fit, `trust`, `best` and,
#'   where a fit failed, `failed`; with attributes `verdict`, a sentence on the best one, and `measures`, everything as the
#'   library tells it, also at each time.
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("validate", c("method", "seed", "threads"))`
#'
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' found <- validate(
#'     data$x, data$time, method = c("wfr-fm", "usb"), splits = 2,
#'     hidden = "16x2", epochs = 30, seed = 1, progress = FALSE
#' )
#' found
#' attr(found, "measures")$recipes[[1]]$w1
#' @export
validate <- function(x, time, method = NULL, weights = NULL, masses = NULL, ..., parts = NULL, growth = NULL,
                     dimred = NULL, seed = NULL, threads = 2L, progress = interactive(), BPPARAM = NULL) {
    if (missing(time)) invalid("time must be given: one time a cell, or a column of colData")
    BPPARAM <- as_workers(BPPARAM)
    options <- new_options("validate", c(
        list(method = method), list(...), list(seed = as_seed(seed), threads = as_threads(threads))
    ))
    if (is_experiment(x)) {
        parts <- column_of(x, parts, "parts")
        growth <- column_of(x, growth, "growth")
    }
    data <- cells_of(x, time, weights, masses, dimred)
    order <- order(data$time)
    if (!is.null(parts)) {
        parts <- one_a_cell(decoded(parts), "parts", data$x)
        refuse_missing(parts, "parts", data$x)
        parts <- as.integer(factor(parts))[order] - 1L
    }
    growth <- as_weights(growth, "growth", data$x)[order]
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    asked <- new.env(parent = emptyenv())
    asked$interrupted <- FALSE
    result <- if (is.null(BPPARAM)) {
        .Call(C_r_validate, snapshots, options, parts, growth, progress_function(progress, asked))
    } else {
        validate_by(BPPARAM, data, snapshots, options, parts, growth)
    }
    if (asked$interrupted) interrupt_call()
    validation <- native(result)
    on.exit(native(.Call(C_r_free, validation)), add = TRUE)
    measures <- from_json(native(.Call(C_r_validation_json, validation)))
    columns <- c(
        "recipe", "ratio", "ratio_interval", "energy", "energy_interval", "rme", "rme_interval", "mean_w1",
        "mean_w1_interval", "growth_error", "growth_error_interval", "cpu_seconds", "trust", "failed"
    )
    rows <- measures$recipes
    known <- columns[vapply(columns, function(name) any(lengths(lapply(rows, `[[`, name)) > 0), NA)]
    column <- function(name) unlist(lapply(rows, function(row) if (is.null(row[[name]])) NA else row[[name]]))
    found <- as.data.frame(setNames(lapply(known, column), known), stringsAsFactors = FALSE)
    found$best <- seq_along(rows) == measures$best + 1
    structure(
        found, class = c("chreode_validation", "data.frame"), verdict = measures$verdict, measures = measures
    )
}

# What C_r_validate gives, by workers.
validate_by <- function(BPPARAM, data, snapshots, options, parts, growth) {
    work <- native(.Call(C_r_work_plan_validate, snapshots, options, parts, growth))
    on.exit(native(.Call(C_r_free, work)))
    native(.Call(C_r_work_finish_validate, work, snapshots, done_by(BPPARAM, work, data, snapshots)))
}

#' @export
print.chreode_validation <- function(x, digits = 4, ...) {
    cat(strwrap(attr(x, "verdict")), sep = "\n")
    shown <- setdiff(names(x), c("trust", "best"))
    print(as.data.frame(unclass(x)[shown]), digits = digits, row.names = FALSE)
    invisible(x)
}
