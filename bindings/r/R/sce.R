# SingleCellExperiment is suggested only: nothing here is reached without an object of that class.

is_experiment <- function(x) {
    isS4(x) && methods::is(x, "SingleCellExperiment")
}

# A column of colData by its name; a vector is taken as it is.
column_of <- function(x, column, name) {
    # A name that is one time, of an experiment of one cell, is a column all the same.
    if (!is_name(column)) return(column)
    columns <- SummarizedExperiment::colData(x)
    if (!column %in% names(columns)) {
        invalid(name, " must be a column of colData (", paste(names(columns), collapse = ", "), "), got ", column)
    }
    setNames(decoded(columns[[column]]), colnames(x))
}

# The name of the reducedDim with the coordinates: the one given, else that of the model's memory, else, for a fit, the first.
chosen_dimred <- function(x, dimred, memory) {
    known <- SingleCellExperiment::reducedDimNames(x)
    if (is.null(dimred)) dimred <- memory$dimred
    if (is.null(dimred) && length(known)) {
        if (length(known) > 1) {
            if (!is.null(memory)) invalid("dimred must say which reducedDim has the coordinates of the model: ", in_list(known))
            message("dimred = \"", known[1], "\", the first of ", in_list(known))
        }
        dimred <- known[1]
    }
    if (!is_name(dimred) || !dimred %in% known) {
        invalid(
            "dimred must be the name of a reducedDim (",
            if (length(known)) paste(known, collapse = ", ") else "the object has none", "), got ", in_words(dimred)
        )
    }
    dimred
}

coordinates_of <- function(x, dimred) {
    # An error within the arguments of an S4 generic would come out as another.
    force(dimred)
    coordinates <- as.matrix(SingleCellExperiment::reducedDim(x, dimred))
    if (!is.null(colnames(x))) rownames(coordinates) <- colnames(x)
    coordinates
}

#' Write what a model tells of the cells into a SingleCellExperiment
#'
#' Evaluates the fields that a model learned at the cells of an experiment, each at its own time.
#'
#' @param x A `SingleCellExperiment`.
#' @param object A model of [fit_dynamics()].
#' @param time The column of `colData` with the times, or a vector with one time a cell. By default that of the fit.
#' @param dimred The `reducedDim` with the coordinates. By default that of the fit.
#' @param fields What to write: `"velocity"`, `"growth"`, `"score_drift"`. By default velocity and, if the model learned it,
#'   growth.
#' @param prefix Text before the names of what is written.
#' @param overwrite Whether what is there under these names may be replaced. If not, that is an error and nothing is written.
#' @param threads Threads to compute with, 0 for all cores.
#' @return `x`, with a `reducedDim` of the field's name for velocity and score drift (lengths per time), and a column of
#'   `colData` for growth (per time).
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' data <- dataset("gene-network", cells_per_state = 30)
#' sce <- SingleCellExperiment::SingleCellExperiment(
#'     reducedDims = list(genes = data$x),
#'     colData = S4Vectors::DataFrame(day = data$time)
#' )
#' fit <- fit_dynamics(sce, "day", hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' sce <- add_dynamics(sce, fit)
#' SingleCellExperiment::reducedDimNames(sce)
#' summary(sce$growth)
#' # A second model beside the first.
#' fit <- fit_dynamics(
#'     sce, "day", dimred = "genes",
#'     hidden = "16x2", epochs = 30, seed = 2, progress = FALSE
#' )
#' sce <- add_dynamics(sce, fit, prefix = "second_")
#' @export
add_dynamics <- function(x, object, time = NULL, dimred = NULL, fields = NULL, prefix = "", overwrite = FALSE,
                         threads = object$threads) {
    if (!is_experiment(x)) invalid("x must be a SingleCellExperiment, got ", in_words(x))
    check_dynamics(object)
    fields <- learned_fields(object, if (is.null(fields)) setdiff(fields_of(object), "score_drift") else fields)
    if (!is.character(prefix) || length(prefix) != 1 || is.na(prefix)) invalid("prefix must be one string, got ", in_words(prefix))
    columns <- SummarizedExperiment::colData(x)
    there <- intersect(paste0(prefix, fields), c(SingleCellExperiment::reducedDimNames(x), names(columns)))
    if (length(there) && !isTRUE(overwrite)) {
        invalid("x has ", in_list(there), " already: choose another prefix, or replace with overwrite = TRUE")
    }
    if (is.null(time)) time <- object$memory$time
    if (is.null(time)) invalid("time must be a column of colData or one time a cell: the model was not fitted to an experiment")
    cells <- cells_of(x, time, dimred = dimred, memory = memory_of(object))
    for (field in fields) {
        values <- predict(object, cells$x, cells$time, field = field, threads = threads)
        name <- paste0(prefix, field)
        if (is.matrix(values)) {
            rownames(values) <- colnames(x)
            SingleCellExperiment::reducedDim(x, name) <- values
        } else {
            columns[[name]] <- unname(values)
            SummarizedExperiment::colData(x) <- columns
        }
    }
    x
}
