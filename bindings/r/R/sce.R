# SingleCellExperiment is suggested only: nothing here is reached without an object of that class.

is_experiment <- function(x) {
    isS4(x) && methods::is(x, "SingleCellExperiment")
}

# A column of colData by its name; a vector is taken as it is.
column_of <- function(x, column, name) {
    if (!is.character(column) || length(column) != 1) return(column)
    columns <- SummarizedExperiment::colData(x)
    if (!column %in% names(columns)) {
        invalid(name, " must be a column of colData (", paste(names(columns), collapse = ", "), "), got ", column)
    }
    columns[[column]]
}

# A reducedDim, the first one by default.
coordinates_of <- function(x, dimred) {
    known <- SingleCellExperiment::reducedDimNames(x)
    if (is.null(dimred) && length(known)) dimred <- known[1]
    if (!is.character(dimred) || length(dimred) != 1 || !dimred %in% known) {
        invalid(
            "dimred must be the name of a reducedDim (",
            if (length(known)) paste(known, collapse = ", ") else "the object has none", "), got ", in_words(dimred)
        )
    }
    coordinates <- as.matrix(SingleCellExperiment::reducedDim(x, dimred))
    if (is.null(rownames(coordinates))) rownames(coordinates) <- colnames(x)
    coordinates
}

#' Write velocity and growth into a SingleCellExperiment
#'
#' Evaluates a model at the cells of an experiment, each at its own time.
#'
#' @param x A `SingleCellExperiment`.
#' @param object A model of [fit_dynamics()].
#' @param time The column of `colData` with the times, or a vector with one time a cell. By default that of the fit.
#' @param dimred The `reducedDim` with the coordinates. By default that of the fit.
#' @param velocity,growth The names of the new `reducedDim` and of the new column of `colData`; `NULL` to leave one out.
#' @param threads Threads to compute with, 0 for all cores.
#' @return `x`, with the velocity as a `reducedDim` (length per time) and the growth rate in `colData` (per time).
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' data <- dataset("gene-network", cells_per_state = 30)
#' sce <- SingleCellExperiment::SingleCellExperiment(
#'     reducedDims = list(genes = data$x),
#'     colData = S4Vectors::DataFrame(day = data$time)
#' )
#' fit <- fit_dynamics(sce, "day", dimred = "genes", hidden = "16x2", epochs = 30, progress = FALSE)
#' sce <- add_dynamics(sce, fit)
#' SingleCellExperiment::reducedDimNames(sce)
#' summary(sce$growth)
#' @export
add_dynamics <- function(x, object, time = object$source$time, dimred = object$source$dimred,
                         velocity = "velocity", growth = "growth", threads = object$threads) {
    if (!is_experiment(x)) invalid("x must be a SingleCellExperiment, got ", in_words(x))
    check_dynamics(object)
    if (is.null(time)) invalid("time must be a column of colData or one time a cell: the model was not fitted to an experiment")
    coordinates <- as_cells(coordinates_of(x, dimred))
    labels <- as_labels(column_of(x, time, "time"), "time", nrow(coordinates))
    if (!is.null(velocity)) {
        values <- predict(object, coordinates, labels, field = "velocity", threads = threads)
        rownames(values) <- colnames(x)
        SingleCellExperiment::reducedDim(x, velocity) <- values
    }
    if (!is.null(growth)) {
        columns <- SummarizedExperiment::colData(x)
        columns[[growth]] <- unname(predict(object, coordinates, labels, field = "growth", threads = threads))
        SummarizedExperiment::colData(x) <- columns
    }
    x
}
