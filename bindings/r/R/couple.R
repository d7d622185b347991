#' Couple the cells of consecutive times
#'
#' Which cells of each time become which of the next, with how much mass at either end: what the fields of a model are learned from.
#' `couple()` couples them as [fit_dynamics()] does by the same options, and trains nothing. `push()` carries a distribution over the cells
#' of one time onwards to those of a later one, its descendants; `pull()` back to those of an earlier one, its ancestors, through the couplings
#' of all intervals in between, one after another: what they make of it is their product.
#'
#' @inheritParams fit_dynamics
#' @param method A published method that couples cells; by default the library's.
#' @param ... Options of the library by their names: those of [fit_dynamics()]. An unknown one is answered with the nearest.
#' @param progress As that of [fit_dynamics()]; the stage is `"coupling"`.
#' @return `couple()`: an object of class `chreode_couplings`, a list: `times` and `counts`, how many cells each has; `cells`, a data frame with
#'   a row for each cell under its name, in the order in which they were given, with `time` and `weight`, the mass that is `sent` to cells of
#'   the next time and what of it dies without a partner (`dying`), and the mass that is `received` from cells of the time before and what is
#'   `born` without one; `pairs`, for each interval a data frame with `source` and `target`, rows of `cells`, and the masses `sent` and `received`;
#'   `report`, what was chosen and how the static problems went.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' rownames(data$x) <- paste0("cell", seq_len(nrow(data$x)))
#' coupled <- couple(data$x, data$time, "wfr-fm", delta = 1.5, seed = 1, progress = FALSE)
#' head(coupled$cells)
#' if (requireNamespace("Matrix", quietly = TRUE)) coupling(coupled, 1)[1:3, 1:5]
#' descendants <- push(coupled, c(1, rep(0, coupled$counts[1] - 1)), from = 0, to = 2)
#' sum(descendants$mass) + sum(descendants$lost)
#' @export
couple <- function(x, time, method = NULL, weights = NULL, masses = NULL, ..., dimred = NULL, seed = NULL, threads = 2L,
                   progress = interactive(), growth_prior = NULL, clones = NULL) {
    if (missing(time)) invalid("time must be given: one time a cell, or a column of colData")
    options <- new_options("fit", c(list(method = method), list(...), list(seed = as_seed(seed), threads = as_threads(threads))))
    data <- cells_of(x, time, weights, masses, dimred, growth_prior = growth_prior, clones = clones)
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    asked <- new.env(parent = emptyenv())
    asked$interrupted <- FALSE
    result <- .Call(C_r_couple, snapshots, options, progress_function(progress, asked))
    if (asked$interrupted) interrupt_call()
    new_couplings(native(result), data, snapshots)
}

#' Descendants and ancestors through the dynamics
#'
#' Which cells of a later time descend from which of an earlier one by a model. Several descendants of each cell are simulated to the later
#' time, where each counts for its nearest cells. [push()] of the result carries a distribution over cells to its descendants, and [pull()],
#' by Bayes' rule, to its ancestors: the law of the diffusion run backward, which needs no score here.
#'
#' @inheritParams fates
#' @param ... Options of the library by their names: those of [fates()]; `from` is the time of the cells that descendants are of, the first by
#'   default, `to` that of the descendants. An unknown one is answered with the nearest.
#' @return `descent()`: an object as of [couple()], of one interval. A cell sends its weight, but for the share without descendants, which dies;
#'   what is received is what its descendants weigh; cells that no descendant came near are born.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(
#'     data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, keep_couplings = TRUE, progress = FALSE
#' )
#' found <- descent(fit, from = 0, to = 3, descendants = 20, seed = 1)
#' first <- c(1, rep(0, found$counts[1] - 1))
#' str(push(found, first, from = 0, to = 3))
#' # The same through the couplings of the fit.
#' str(push(couplings(fit), first, from = 0, to = 3))
#' @export
descent <- function(object, ...) {
    UseMethod("descent")
}

#' @rdname descent
#' @export
descent.chreode_dynamics <- function(object, x = NULL, time = NULL, weights = NULL, masses = NULL, ..., dimred = NULL, seed = NULL,
                                     threads = object$threads, progress = FALSE) {
    handle <- model_handle(object, threads)
    given <- with_times(list(...), object)
    # Without noise nothing is drawn, R's generator neither.
    noise <- is.null(given$mode) || !identical(as.character(given$mode), "ode")
    options <- new_options("fates", c(given, list(seed = if (noise || !is.null(seed)) as_seed(seed))))
    data <- data_or_fitted(object, x, time, weights, masses, dimred, measured = TRUE)
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    asked <- new.env(parent = emptyenv())
    asked$interrupted <- FALSE
    result <- .Call(C_r_descent, handle, snapshots, options, progress_function(progress, asked))
    if (asked$interrupted) interrupt_call()
    data$memory <- object$memory
    new_couplings(native(result), data, snapshots)
}

#' @rdname descent
#' @return `couplings()`: an object as of [couple()], of the cells that a model was fitted to, where it was asked to keep them by the option
#'   `keep_couplings`. Without the cells, of a model from a file, they are in the order of time and have no names, and no `weight`.
#' @export
couplings <- function(object) {
    check_dynamics(object)
    handle <- native(.Call(C_r_model_couplings, model_handle(object, object$threads)))
    data <- object$data
    if (is.null(data)) return(new_couplings(handle))
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    data$memory <- object$memory
    new_couplings(handle, data, snapshots)
}

# Couplings of the library, of all or some of the times of these data and their snapshots, if those are known.
new_couplings <- function(handle, data = NULL, snapshots = NULL) {
    found <- native(.Call(C_r_couplings_read, handle))
    if (is.null(data)) {
        order <- seq_len(sum(found$counts))
        weights <- NULL
    } else {
        by_time <- order(data$time)
        known <- native(.Call(C_r_snapshots_read, snapshots))
        there <- known$times %in% found$times
        weights <- unlist(known$weights[there])
        order <- by_time[rep(there, lengths(known$weights))]
    }
    masses <- lapply(setNames(nm = c("sent", "dying", "received", "born")), function(part) unlist(lapply(found$cells, `[[`, part)))
    cells <- as.data.frame(c(list(time = rep(found$times, found$counts)), if (!is.null(weights)) list(weight = weights), masses))
    by_row <- order(order)
    cells <- cells[by_row, , drop = FALSE]
    names <- rownames(data$x)[order[by_row]]
    rownames(cells) <- if (is.null(names)) order[by_row] else make.unique(names)
    # Rows of `cells`.
    rows <- unname(split(rank(order), rep(seq_along(found$counts), found$counts)))
    pairs <- lapply(seq_along(found$pairs), function(k) {
        pairs <- found$pairs[[k]]
        data.frame(
            source = rows[[k]][pairs$source], target = rows[[k + 1]][pairs$target], sent = pairs$sent, received = pairs$received
        )
    })
    report <- from_json(native(.Call(C_r_couplings_report, handle)))
    warn_reported(report)
    structure(
        class = "chreode_couplings",
        list(
            times = found$times, counts = found$counts, cells = cells, pairs = pairs, report = report, rows = rows,
            named = !is.null(names), memory = data$memory, handle = handle
        )
    )
}

#' @rdname couple
#' @param object What `couple()` gave.
#' @param k The number of the interval, from 1.
#' @param of For `coupling()`: `"sent"`, what the cell before sends, or `"received"`, what the cell after receives.
#' @return `coupling()`: the coupling of an interval as a sparse matrix of package \pkg{Matrix} (`dgCMatrix`), one row a cell before, one
#'   column a cell after, under their names.
#' @export
coupling <- function(object, k, of = c("sent", "received")) {
    check_couplings(object)
    of <- match.arg(of)
    if (!is.numeric(k) || length(k) != 1 || !k %in% seq_along(object$pairs)) {
        invalid("k must be a number of an interval, 1 to ", length(object$pairs), ", got ", in_words(k))
    }
    if (!requireNamespace("Matrix", quietly = TRUE)) {
        invalid("coupling() makes a matrix of package Matrix, which is not installed: install it, or take the pairs of the object")
    }
    pairs <- object$pairs[[k]]
    before <- object$rows[[k]]
    after <- object$rows[[k + 1]]
    Matrix::sparseMatrix(
        match(pairs$source, before), match(pairs$target, after),
        x = pairs[[of]], dims = c(length(before), length(after)),
        dimnames = if (object$named) list(rownames(object$cells)[before], rownames(object$cells)[after])
    )
}

#' @rdname couple
#' @param distribution One number for each cell at the time `from`, in the order in which they were given, finite and not negative; by name,
#'   where it and the cells have names: then it may have other cells as well.
#' @param from,to Times, or their labels.
#' @param carry `"share"`, where a random unit of it goes: nothing grows, and what arrives and what is lost add up to what there was; or
#'   `"mass"`, what it becomes, with its growth.
#' @return `push()` and `pull()`: a list of `mass`, on each cell at the time `to` under its name, and `lost`, of each interval on the way, in the
#'   order in which it was crossed, the mass that stood on cells without a partner, as it was before that interval.
#' @export
push <- function(object, distribution, from, to, carry = c("share", "mass")) {
    check_couplings(object)
    carried(object, distribution, from, to, match.arg(carry), TRUE)
}

#' @rdname couple
#' @export
pull <- function(object, distribution, from, to, carry = c("share", "mass")) {
    check_couplings(object)
    carried(object, distribution, from, to, match.arg(carry), FALSE)
}

check_couplings <- function(object) {
    if (!inherits(object, "chreode_couplings")) invalid("object must be what couple() gives, got ", in_words(object))
}

carried <- function(object, distribution, from, to, carry, onwards) {
    if (native(.Call(C_r_is_nil, object$handle))) {
        invalid("these couplings were made in another session, and cannot be carried along here: couple() the cells again")
    }
    a <- number_of_time(object, from, "from")
    b <- number_of_time(object, to, "to")
    if (a == b || (a < b) != onwards) {
        other <- if (onwards) "pull" else "push"
        invalid("to must be ", if (onwards) "later" else "earlier", " than from, got ", format(from), " and ", format(to), "; the other way goes ", other, "()")
    }
    names <- function(k) if (object$named) rownames(object$cells)[object$rows[[k]]]
    found <- native(.Call(
        C_r_couplings_carry, object$handle, a, b, carry, at_cells(distribution, names(a), object$counts[a]), object$counts[b]
    ))
    list(mass = setNames(found$masses, names(b)), lost = found$lost)
}

# One number a cell, by name where it and the cells have names.
at_cells <- function(distribution, cells, count) {
    if (is.logical(distribution)) distribution[] <- as.double(distribution)
    if (!is.numeric(distribution)) invalid("distribution must be numeric, got ", in_words(distribution))
    of <- names(distribution)
    if (!is.null(of) && !is.null(cells)) {
        lacking <- setdiff(cells, of)
        if (length(lacking)) invalid("distribution has nothing for the cells ", in_list(lacking, 3), ": name it by the cells, or unname() it")
        if (anyDuplicated(of)) invalid("distribution has two elements of the name ", of[anyDuplicated(of)])
        distribution <- distribution[cells]
    }
    if (length(distribution) != count) {
        invalid("distribution must have one element for each of the ", count, " cells there, got ", length(distribution))
    }
    as.double(distribution)
}

number_of_time <- function(object, time, name) {
    if (length(time) != 1 || is.na(time)) invalid(name, " must be one time, got ", in_words(time))
    at <- as_times(time, name, NULL, memory_of(object), single = TRUE)$time
    k <- same_time(at, object$times)
    if (is.na(k)) invalid(name, " must be one of the times ", in_list(format_each(object$times)), ", got ", format(time))
    k
}

#' @export
print.chreode_couplings <- function(x, digits = 4, ...) {
    cat("Couplings of ", nrow(x$cells), " cells at ", length(x$times), " times\n", sep = "")
    unmatched <- matrix(unlist(x$report$unmatched_mass), ncol = 2, byrow = TRUE)
    table <- data.frame(
        from = x$times[-length(x$times)], to = x$times[-1], pairs = vapply(x$pairs, nrow, 1L), dying = unmatched[, 1],
        born = unmatched[, 2]
    )
    print(table, digits = digits, row.names = FALSE)
    invisible(x)
}
