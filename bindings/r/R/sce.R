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
    # Without what else a reduction left there, such as its rotation.
    attributes(coordinates) <- attributes(coordinates)[c("dim", "dimnames")]
    coordinates
}

# Refuses what would be written over something, unless that is meant.
refuse_there <- function(names, there, overwrite) {
    both <- intersect(names, there)
    if (length(both) && !isTRUE(overwrite)) {
        invalid("x has ", in_list(both), " already: choose another prefix, or replace with overwrite = TRUE")
    }
}

as_prefix <- function(prefix) {
    if (!is.character(prefix) || length(prefix) != 1 || is.na(prefix)) invalid("prefix must be one string, got ", in_words(prefix))
    prefix
}

# What made a result is kept under its name in the list `chreode` of an experiment's metadata; NULL takes it away.
with_record <- function(x, name, record) {
    known <- S4Vectors::metadata(x)$chreode
    known[[name]] <- record[!vapply(record, is.null, NA)]
    S4Vectors::metadata(x)$chreode <- known
    x
}

# A model in plain values, that other programs read as well.
record_of <- function(object, dimred, time = object$memory$time) {
    list(
        version = chreode_capabilities()$version, method = object$method, seed = object$seed, sigma = object$sigma,
        delta = object$delta, epochs = object$epochs, members = object$members, times = object$times, dimred = dimred,
        time = if (is_name(time)) time, weights = object$memory$weights, options = object$memory$options
    )
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
#'   `colData` for growth (per time); of an ensemble with the standard deviations of their errors beside them, as `velocity_sd` and so
#'   on, and where `object$uncertainty` calls a field `biased`, with its bias as `growth_bias` and so on: intervals lie around the
#'   field less that. What made each is in `metadata(x)$chreode` under its name: the method, the seed, the options, the `reducedDim`.
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
#' S4Vectors::metadata(sce)$chreode$growth$dimred
#' # A second model beside the first.
#' fit <- fit_dynamics(
#'     sce, "day", dimred = "genes",
#'     hidden = "16x2", epochs = 30, seed = 2, progress = FALSE
#' )
#' sce <- add_dynamics(sce, fit, prefix = "second_")
#' @export
add_dynamics <- function(x, object, time = NULL, dimred = NULL, fields = NULL, prefix = "", overwrite = FALSE,
                         threads = object$threads) {
    refuse_other(x)
    check_dynamics(object)
    fields <- learned_fields(object, if (is.null(fields)) setdiff(fields_of(object), "score_drift") else fields)
    names <- paste0(as_prefix(prefix), fields)
    there <- c(SingleCellExperiment::reducedDimNames(x), names(SummarizedExperiment::colData(x)))
    refuse_there(c(names, paste0(names, "_sd"), paste0(names, "_bias")), there, overwrite)
    if (is.null(time)) time <- object$memory$time
    if (is.null(time)) invalid("time must be a column of colData or one time a cell: the model was not fitted to an experiment")
    dimred <- chosen_dimred(x, dimred, memory_of(object))
    record <- record_of(object, dimred, time)
    at <- function(field, ...) predict(object, x, time, field, threads = threads, dimred = dimred, ...)
    for (k in seq_along(fields)) {
        values <- at(fields[k])
        x <- with_field(x, names[k], values, record)
        # None is left of another model.
        x <- with_field(x, paste0(names[k], "_sd"), if (isTRUE(object$members > 1)) at(fields[k], sd = TRUE), record)
        bias <- bias_of(object, fields[k], values, function(...) at(fields[k], ...))
        x <- with_field(x, paste0(names[k], "_bias"), bias, record)
    }
    x
}

refuse_other <- function(x) {
    if (!is_experiment(x)) invalid("x must be a SingleCellExperiment, got ", in_words(x))
}

# One value a cell as a column of colData, several as a reducedDim; NULL takes away what is there.
with_field <- function(x, name, values, record) {
    if (is.null(values)) {
        if (name %in% SingleCellExperiment::reducedDimNames(x)) SingleCellExperiment::reducedDim(x, name) <- NULL
        return(with_record(with_columns(x, setNames(list(NULL), name)), name, NULL))
    }
    if (is.matrix(values)) {
        rownames(values) <- colnames(x)
        SingleCellExperiment::reducedDim(x, name) <- values
    } else {
        x <- with_columns(x, setNames(list(unname(values)), name))
    }
    with_record(x, name, record)
}

with_columns <- function(x, values) {
    columns <- SummarizedExperiment::colData(x)
    for (name in names(values)) columns[[name]] <- values[[name]]
    SummarizedExperiment::colData(x) <- columns
    x
}

#' Write what cells become into a SingleCellExperiment
#'
#' @param x A `SingleCellExperiment`.
#' @param found What [fates()] gave of its cells, or of some of them.
#' @param prefix Text before the names of what is written.
#' @param overwrite Whether what is there under these names may be replaced. If not, that is an error and nothing is written.
#' @return `x`, whose `colData` has the columns of `found` but `time` and `label` (`p_L`, `n_L` and so on), by the names of the
#'   cells; `NA` of those of which `found` tells nothing. What made them is in `metadata(x)$chreode`, under the name `fates`
#'   after the prefix, and so are the `transitions`.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' data <- dataset("gene-network", cells_per_state = 30)
#' sce <- SingleCellExperiment::SingleCellExperiment(
#'     reducedDims = list(genes = data$x),
#'     colData = S4Vectors::DataFrame(day = data$time, kind = ifelse(data$x[, 1] > 1, "high", "low"))
#' )
#' fit <- fit_dynamics(sce, "day", hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' sce <- add_fates(sce, fates(fit, "kind", sce, descendants = 20, seed = 1))
#' summary(sce$p_high)
#' @export
add_fates <- function(x, found, prefix = "", overwrite = FALSE) {
    refuse_other(x)
    if (!inherits(found, "chreode_fates")) invalid("found must be what fates() gave, got ", in_words(found))
    values <- found[setdiff(names(found), c("time", "label"))]
    names(values) <- paste0(as_prefix(prefix), names(values))
    refuse_there(names(values), names(SummarizedExperiment::colData(x)), overwrite)
    rows <- match(rownames(found), if (is.null(colnames(x))) seq_len(ncol(x)) else colnames(x))
    if (anyNA(rows)) {
        invalid("found has cells that x lacks: ", in_list(rownames(found)[is.na(rows)], 3), " beside ", in_list(colnames(x), 3))
    }
    # None is left of another model.
    before <- S4Vectors::metadata(x)$chreode[[paste0(prefix, "fates")]]$labels
    if (length(before)) {
        of_labels <- c(paste0("p_", before), paste0("n_", before), "p_none")
        left <- setdiff(paste0(prefix, outer(c("", "se_", "sd_"), of_labels, paste0)), names(values))
        x <- with_columns(x, setNames(vector("list", length(left)), left))
    }
    x <- with_columns(x, lapply(as.list(values), function(one) replace(rep(NA_real_, ncol(x)), rows, one)))
    record <- attributes(found)[c("made", "labels", "to", "neighbours", "unlabelled", "outside", "transitions")]
    with_record(x, paste0(prefix, "fates"), c(record$made, record[-1]))
}

#' Write what is known of genes into a SingleCellExperiment
#'
#' `add_gene_velocity()` writes how fast genes change, `add_gene_association()` how they go with a quantity of the cells.
#'
#' @param x A `SingleCellExperiment`.
#' @param object,time,rotation,dimred,threads As those of [gene_velocity()].
#' @param quantity,assay As those of [gene_association()].
#' @param prefix Text before the names of what is written; of associations by default the name of the quantity's column and `_`.
#' @param overwrite Whether what is there under these names may be replaced. If not, that is an error and nothing is written.
#' @return `x`. For `add_gene_velocity()` with an assay `velocity`, and of an ensemble `velocity_sd`, and `velocity_bias` where
#'   [gene_velocity()] tells one; genes that the rotation lacks are
#'   `NA` there. For `add_gene_association()` with the columns `correlation`, `p_value` and `fdr` of `rowData`. What made them is in
#'   `metadata(x)$chreode`: under the name of the assay, and under that of `correlation` after the prefix.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' data <- dataset("gene-network", cells_per_state = 30)
#' expression <- data$x %*% matrix(c(1, 0, 0, 1, 1, -1), 2, dimnames = list(NULL, c("A", "B", "C")))
#' pca <- prcomp(expression, rank. = 2)
#' sce <- SingleCellExperiment::SingleCellExperiment(
#'     assays = list(logcounts = t(expression)), colData = S4Vectors::DataFrame(day = data$time),
#'     reducedDims = list(PCA = structure(pca$x, rotation = pca$rotation))
#' )
#' fit <- fit_dynamics(sce, "day", hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' sce <- add_gene_velocity(add_dynamics(sce, fit), fit)
#' sce <- add_gene_association(sce, "growth")
#' SummarizedExperiment::assayNames(sce)
#' SummarizedExperiment::rowData(sce)
#' @export
add_gene_velocity <- function(x, object, time = NULL, rotation = NULL, dimred = NULL, prefix = "", overwrite = FALSE,
                              threads = object$threads) {
    refuse_other(x)
    check_dynamics(object)
    parts <- c(velocity = "velocity", sd = "velocity_sd", bias = "velocity_bias")
    names <- paste0(as_prefix(prefix), parts)
    refuse_there(names, SummarizedExperiment::assayNames(x), overwrite)
    dimred <- chosen_dimred(x, dimred, memory_of(object))
    rows <- genes_of(loadings_of(object, x, rotation, dimred)$matrix, x)
    found <- gene_velocity(object, x, time, rotation, dimred = dimred, threads = threads)
    record <- record_of(object, dimred, if (is.null(time)) object$memory$time else time)
    for (k in seq_along(parts)) {
        values <- unclass(found)[[names(parts)[k]]]
        if (is.null(values)) {
            # None is left of another model.
            there <- SummarizedExperiment::assays(x, withDimnames = FALSE)
            SummarizedExperiment::assays(x, withDimnames = FALSE) <- there[setdiff(names(there), names[k])]
            x <- with_record(x, names[k], NULL)
            next
        }
        all <- matrix(NA_real_, nrow(x), ncol(x), dimnames = dimnames(x))
        all[rows, ] <- t(values)
        SummarizedExperiment::assay(x, names[k]) <- all
        x <- with_record(x, names[k], record)
    }
    x
}

#' @rdname add_gene_velocity
#' @export
add_gene_association <- function(x, quantity, assay = NULL, prefix = NULL, overwrite = FALSE) {
    refuse_other(x)
    if (is.null(prefix)) prefix <- if (is_name(quantity)) paste0(quantity, "_") else ""
    written <- c("correlation", "p_value", "fdr")
    names <- paste0(as_prefix(prefix), written)
    refuse_there(names, names(SummarizedExperiment::rowData(x)), overwrite)
    found <- gene_association(x, quantity, assay)
    place <- order(attr(found, "place"))
    for (k in seq_along(names)) SummarizedExperiment::rowData(x)[[names[k]]] <- found[[written[k]]][place]
    record <- list(quantity = if (is_name(quantity)) quantity, assay = name_of_assay(x, assay), cells = attr(found, "cells"))
    with_record(x, names[1], record)
}

#' A simulated population as a SingleCellExperiment
#'
#' @param x A simulation of [simulate()][simulate.chreode_dynamics].
#' @return A `SingleCellExperiment` with one column a particle, frame after frame, named by the number of the frame and the particle's
#'   row in it. Its `reducedDim`, of the fit's name or `chreode`, has the coordinates; `colData` has `time`, `weight`, `cell` (the
#'   row of the lineage of a branching population's cell, else that of the starting cells), `founder` (the name of the cell that it
#'   descends from, or its row among the starting cells) and `ancestor` (the name of its column in the frame before, `NA` in the first).
#'   What made it is in `metadata(x)$chreode`, with the `lineage` and its `newick` of a branching population.
#' @examplesIf requireNamespace("SingleCellExperiment", quietly = TRUE)
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' as_experiment(simulate(fit, seed = 1, points = 10, mode = "branching"))
#' @export
as_experiment <- function(x) {
    if (!inherits(x, "chreode_simulation")) invalid("x must be a simulation, got ", in_words(x))
    for (package in c("SingleCellExperiment", "S4Vectors")) {
        if (!requireNamespace(package, quietly = TRUE)) invalid("as_experiment() needs the package ", package, ", which is not installed")
    }
    cells <- as.data.frame(x)
    row <- stats::ave(seq_len(nrow(cells)), cells$frame, FUN = seq_along)
    founder <- if (is.null(x$lineage)) cells$id else founder_of(x$lineage$parent)[cells$id]
    about <- S4Vectors::DataFrame(
        time = cells$time, weight = cells$weight, cell = cells$id, founder = if (is.null(x$cells)) founder else x$cells[founder],
        ancestor = ifelse(cells$frame > 1, paste(cells$frame - 1, cells$ancestor, sep = "-"), NA),
        row.names = paste(cells$frame, row, sep = "-")
    )
    points <- do.call(rbind, lapply(x$frames, `[[`, "points"))
    rownames(points) <- rownames(about)
    record <- c(
        list(version = chreode_capabilities()$version), unclass(x)[c("method", "mode", "seed", "start_time", "times", "lineage", "newick")],
        list(options = x$memory$options)
    )
    made <- SingleCellExperiment::SingleCellExperiment(
        reducedDims = setNames(list(points), if (is.null(x$memory$dimred)) "chreode" else x$memory$dimred), colData = about
    )
    S4Vectors::metadata(made)$chreode <- record[!vapply(record, is.null, NA)]
    made
}
