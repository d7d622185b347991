# What the caller hands over, as the library takes it: everything else is for the library to refuse.

# A matrix of doubles, one row a cell.
as_cells <- function(x, name = "x") {
    if (is.data.frame(x)) {
        number <- vapply(x, is.numeric, NA)
        if (!all(number)) invalid(name, " must have numeric columns only: column ", names(x)[!number][1], " is not")
        x <- as.matrix(x)
    } else if (isS4(x) && methods::is(x, "Matrix")) {
        x <- as.matrix(x)
    }
    if (!is.matrix(x) || !is.numeric(x)) {
        invalid(name, " must be a numeric matrix with one row a cell, got ", in_words(x))
    }
    if (is.double(x)) x else structure(as.double(x), dim = dim(x), dimnames = dimnames(x))
}

# A vector of doubles.
as_numbers <- function(x, name, null = FALSE) {
    if (null && is.null(x)) return(NULL)
    if (!is.numeric(x)) invalid(name, " must be numeric, got ", in_words(x))
    as.double(x)
}

# One label or weight a cell.
as_labels <- function(x, name, rows, null = FALSE) {
    x <- as_numbers(x, name, null)
    if (!is.null(x) && length(x) != rows) {
        invalid(name, " must have one element a cell (", rows, "), got ", length(x))
    }
    x
}

# One number.
as_number <- function(x, name) {
    if (!is.numeric(x) || length(x) != 1) invalid(name, " must be one number, got ", in_words(x))
    as.double(x)
}

as_threads <- function(threads) {
    threads <- as_number(threads, "threads")
    if (!isTRUE(threads >= 0 && threads <= 1024 && threads == floor(threads))) {
        invalid("threads must be a whole number from 0 (all cores) to 1024, got ", threads)
    }
    threads
}

# A handle of snapshots: free it with C_r_free.
new_snapshots <- function(x, time, weights, masses) {
    made <- native(.Call(C_r_snapshots_new, x, time, weights))
    if (is.null(masses)) return(made)
    on.exit(native(.Call(C_r_free, made)))
    native(.Call(C_r_snapshots_with_masses, made, masses))
}

# Cells with their times, for every function that takes data: a list of x, time, weights and masses.
cells_of <- function(x, time, weights = NULL, masses = NULL, dimred = NULL) {
    if (is_experiment(x)) {
        time <- column_of(x, time, "time")
        if (is.character(weights)) weights <- column_of(x, weights, "weights")
        x <- coordinates_of(x, dimred)
    } else if (!is.null(dimred)) {
        invalid("dimred is for a SingleCellExperiment")
    }
    x <- as_cells(x)
    list(
        x = x,
        time = as_labels(time, "time", nrow(x)),
        weights = as_labels(weights, "weights", nrow(x), null = TRUE),
        masses = as_numbers(masses, "masses", null = TRUE)
    )
}
