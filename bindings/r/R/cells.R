# What the caller hands over, as the library takes it: everything else is for the library to refuse.

# A matrix of doubles, one row a cell. With the names of a model's coordinates, those columns in that order.
as_cells <- function(x, name = "x", coordinates = NULL) {
    x <- chosen_columns(x, name, coordinates)
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
    refuse_missing_coordinates(x, name)
    if (is.double(x)) x else structure(as.double(x), dim = dim(x), dimnames = dimnames(x))
}

# Columns go by name where the model and the data have names, and by position where either has none.
chosen_columns <- function(x, name, coordinates) {
    names <- colnames(x)
    if (is.null(coordinates) || is.null(names) || identical(names, coordinates)) return(x)
    lacking <- setdiff(coordinates, names)
    if (length(lacking)) {
        invalid(
            name, " lacks the coordinate", if (length(lacking) > 1) "s", " ", in_list(lacking), " of the model: it has ",
            in_list(names), " (without column names they are taken by position)"
        )
    }
    twice <- intersect(coordinates, names[duplicated(names)])
    if (length(twice)) invalid(name, " has two columns of the name ", twice[1])
    x[, coordinates, drop = FALSE]
}

# The library tells row and column; here there are names, too.
refuse_missing_coordinates <- function(x, name) {
    # One pass without a copy; a sum that overflows costs the second.
    if (is.finite(sum(x))) return()
    at <- which(!is.finite(x), arr.ind = TRUE)
    if (!nrow(at)) return()
    at <- at[order(at[, 1]), , drop = FALSE]
    row <- at[1, 1]
    column <- at[1, 2]
    names <- c(if (!is.null(rownames(x))) paste("cell", rownames(x)[row]), colnames(x)[column])
    unusable(
        name, ": row ", row, ", coordinate ", column, if (length(names)) paste0(" (", paste(names, collapse = ", "), ")"),
        " is ", x[row, column], and_more(nrow(at) - 1), ": values must be finite"
    )
}

# A vector of doubles.
as_numbers <- function(x, name) {
    if (!is.numeric(x)) invalid(name, " must be numeric, got ", in_words(x))
    as.double(x)
}

# One weight a cell, or NULL.
as_weights <- function(x, name, cells) {
    if (is.null(x)) return(NULL)
    x <- decoded(x)
    if (!is.numeric(x)) invalid(name, " must be numeric, got ", in_words(x))
    x <- one_a_cell(x, name, cells)
    refuse_missing(x, name, cells)
    as.double(x)
}

# One value a cell in the order of the cells: by name where values and cells have names, else by position.
one_a_cell <- function(x, name, cells) {
    if (length(x) != nrow(cells)) invalid(name, " must have one element a cell (", nrow(cells), "), got ", length(x))
    of <- names(x)
    names <- rownames(cells)
    if (is.null(of) || is.null(names) || identical(of, names)) return(x)
    if (anyDuplicated(of) || anyDuplicated(names) || !setequal(of, names)) {
        invalid(
            name, " has names that are not those of the cells (", in_list(of, 3), " beside ", in_list(names, 3),
            "): name it by the cells, or unname() it if it is in their order"
        )
    }
    x[match(names, of)]
}

refuse_missing <- function(x, name, cells) {
    missing <- which(is.na(x))
    if (!length(missing)) return()
    row <- missing[1]
    cell <- if (is.null(rownames(cells))) "" else paste0(" (cell ", rownames(cells)[row], ")")
    unusable(name, " is missing in row ", row, cell, and_more(length(missing) - 1))
}

# A run-length encoded vector of Bioconductor as the vector that it stands for.
decoded <- function(x) {
    if (isS4(x) && methods::is(x, "Rle")) S4Vectors::decode(x) else x
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

# The rule of this package: without a seed R's own generator draws one, so that set.seed() decides.
as_seed <- function(seed) {
    if (is.null(seed)) return(as.double(sample.int(.Machine$integer.max, 1L)))
    seed <- as_number(seed, "seed")
    # From 2^53 on a double is not every whole number.
    if (!isTRUE(seed >= 0 && seed < 2^53 && seed == floor(seed))) {
        invalid("seed must be a whole number from 0 to 2^53 - 1, or NULL to draw one with R's generator, got ", seed)
    }
    seed
}

# A handle of snapshots: free it with C_r_free.
new_snapshots <- function(data) {
    made <- native(.Call(C_r_snapshots_new, data$x, data$time, data$weights))
    # The library takes what else is known in the order of time, cells of one time as they were given.
    by_time <- order(data$time)
    with <- function(snapshots, routine, values) {
        if (is.null(values)) return(snapshots)
        on.exit(native(.Call(C_r_free, snapshots)))
        native(.Call(routine, snapshots, values))
    }
    made <- with(made, C_r_snapshots_with_growth_prior, data$growth_prior[by_time])
    made <- with(made, C_r_snapshots_with_clones, data$clones[by_time])
    with(made, C_r_snapshots_with_masses, data$masses)
}

# A number for each clone, counted from 0 as they come, and -1 where none is known; or NULL.
as_clones <- function(x, cells) {
    if (is.null(x)) return(NULL)
    x <- one_a_cell(decoded(x), "clones", cells)
    labels <- as.character(x)
    labels[!nzchar(labels)] <- NA
    numbers <- match(labels, unique(labels[!is.na(labels)])) - 1
    numbers[is.na(numbers)] <- -1
    numbers
}

# Cells with their times, for every function that takes data: a list of x, time, weights and masses (in the order of time),
# and the memory of how they were given (memory.R). `memory` is that of the model that the data is for.
cells_of <- function(x, time, weights = NULL, masses = NULL, dimred = NULL, memory = NULL, name = "x", growth_prior = NULL,
                     clones = NULL) {
    used <- list(labels = memory$labels, unit = memory$unit)
    if (is_experiment(x)) {
        if (is_name(time)) used$time <- time
        if (is_name(weights)) used$weights <- weights
        time <- column_of(x, time, "time")
        weights <- column_of(x, weights, "weights")
        growth_prior <- column_of(x, growth_prior, "growth_prior")
        clones <- column_of(x, clones, "clones")
        used$dimred <- chosen_dimred(x, dimred, memory)
        x <- coordinates_of(x, used$dimred)
    } else if (!is.null(dimred)) {
        invalid("dimred is for a SingleCellExperiment, got it with ", in_words(x))
    }
    x <- as_cells(x, name, memory$coordinates)
    read <- as_times(time, "time", x, memory)
    used$labels <- read$labels
    used$unit <- read$unit
    used$weighted <- !is.null(weights)
    used$coordinates <- colnames(x)
    times <- sort(unique(read$time))
    given <- as_masses(masses, times, read$labels)
    if (!is.null(given)) used$masses <- data.frame(time = times, mass = given)
    list(
        x = x,
        time = read$time,
        weights = as_weights(weights, "weights", x),
        masses = if (is.null(given)) remembered_masses(memory, times) else given,
        growth_prior = as_weights(growth_prior, "growth_prior", x),
        clones = as_clones(clones, x),
        memory = used
    )
}

is_name <- function(x) is.character(x) && length(x) == 1 && !is.na(x)
