# A model of R is its bytes; the library's handle is made from them when it is needed. So saveRDS and readRDS keep it, and so
# does a forked process, where the threads of the parent's handle are missing.

new_dynamics <- function(pointer, threads, memory = list()) {
    info <- from_json(native(.Call(C_r_model_info, pointer)))
    # A model of another language remembers nothing but the names that the library itself keeps.
    if (is.null(memory$coordinates)) memory$coordinates <- unlist(info$coordinates)
    # Later versions of the library tell more.
    info <- info[c("method", "dims", "sigma", "delta", "times", "seed", "epochs", "members", "stretch", "uncertainty", "branches", "parameters", "has_growth", "has_score", "has_landscape")]
    # The library tells seeds as text, since not every number reader takes those beyond 2^53; neither does R.
    if (as.numeric(info$seed) < 2^53) info$seed <- as.numeric(info$seed)
    report_text <- native(.Call(C_r_model_report, pointer))
    losses <- native(.Call(C_r_model_losses, pointer))
    # Of a model that R saved, both stand in the memory that the file keeps.
    if (!is.null(memory$report)) report_text <- memory$report
    if (!length(losses)) losses <- as.numeric(unlist(memory$losses))
    memory[c("report", "losses")] <- NULL
    report <- from_json(report_text)
    if (!is.null(report)) {
        report$unmatched_mass <- matrix(
            as.numeric(unlist(report$unmatched_mass)),
            ncol = 2, byrow = TRUE, dimnames = list(NULL, c("dying", "born"))
        )
    }
    handle <- new.env(parent = emptyenv())
    handle$pointer <- pointer
    handle$report_text <- report_text
    handle$process <- Sys.getpid()
    handle$threads <- NA
    structure(
        class = "chreode_dynamics",
        c(
            info,
            list(
                report = report,
                losses = losses,
                complete = TRUE,
                threads = threads,
                coordinates = memory$coordinates,
                memory = memory,
                bytes = native(.Call(C_r_model_to_bytes, pointer)),
                handle = handle
            )
        )
    )
}

# The library's handle of a model, in this process and with these threads.
model_handle <- function(object, threads = object$threads) {
    check_dynamics(object)
    threads <- as_threads(threads)
    handle <- object$handle
    if (!identical(handle$process, Sys.getpid()) || native(.Call(C_r_is_nil, handle$pointer))) {
        handle$pointer <- native(.Call(C_r_model_from_bytes, object$bytes))
        handle$process <- Sys.getpid()
        handle$threads <- NA
    }
    if (!identical(handle$threads, threads)) {
        native(.Call(C_r_model_set_threads, handle$pointer, threads))
        handle$threads <- threads
    }
    handle$pointer
}

#' The members of an ensemble
#'
#' @param object A model of [fit_dynamics()], with the option `ensemble`.
#' @return A list of its members, each a model of its own, in their order; of a model that is no ensemble itself alone.
#' @seealso [deviation_over_members()] tells what fits to other cells would differ by.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, ensemble = 2, seed = 1, progress = FALSE)
#' sapply(ensemble_members(fit), function(member) mean(predict(member, data$x, 1, field = "growth")))
#' @export
ensemble_members <- function(object) {
    handle <- model_handle(object)
    if (!isTRUE(object$members > 1)) return(list(object))
    lapply(seq_len(object$members), function(k) {
        member <- new_dynamics(native(.Call(C_r_model_member, handle, k - 1)), object$threads, object$memory)
        member$data <- object$data
        member
    })
}

#' What fits to other cells would differ by
#'
#' The standard deviation by the cells of anything that every member of an ensemble gives: that over the members, with one less than
#' their number in the denominator, times the model's `stretch`. Members see the same cells, with random weights that differ by less
#' than other cells would, which makes for a better mean.
#'
#' @param object A model of [fit_dynamics()], with the option `ensemble`.
#' @param each A list of what its [ensemble_members()] gave, in their order: numbers, vectors or matrices of one shape.
#' @return The deviations, of that shape.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, ensemble = 2, seed = 1, progress = FALSE)
#' deviation_over_members(fit, lapply(ensemble_members(fit), function(member) mean(predict(member, data$x, 1, field = "growth"))))
#' @export
deviation_over_members <- function(object, each) {
    check_dynamics(object)
    if (!is.list(each) || length(each) != object$members || length(each) < 2) {
        invalid("each must be a list with an element for each of two or more members, got ", length(each), " of ", object$members, " members")
    }
    mean <- Reduce(`+`, each) / length(each)
    squares <- Reduce(`+`, lapply(each, function(one) (one - mean)^2))
    object$stretch * sqrt(squares / (length(each) - 1))
}

#' The branches of a population
#'
#' @param object A model of [fit_dynamics()] whose population goes several ways, as `method = "branch-sbm"` learns it.
#' @return A list of its branches, each a model of its own by whose velocity cells move and keep their mass; how much of the population
#'   goes which way, a simulation of the whole model tells. Empty of a model that has none.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, method = "branch-sbm", hidden = "16x2", epochs = 30, interpolant_epochs = 10,
#'                     growth_epochs = 30, seed = 1, progress = FALSE)
#' sapply(population_branches(fit), function(branch) mean(predict(branch, data$x, 1, field = "velocity")))
#' @export
population_branches <- function(object) {
    handle <- model_handle(object)
    lapply(seq_len(object$branches), function(k) {
        branch <- new_dynamics(native(.Call(C_r_model_branch, handle, k - 1)), object$threads, object$memory)
        branch$data <- object$data
        branch
    })
}

check_dynamics <- function(object) {
    if (!inherits(object, "chreode_dynamics")) {
        invalid("object must be a model of fit_dynamics(), got ", in_words(object))
    }
}

# The cells that a function works on: those given, else those of the fit. Measures of populations need weights where the fit
# had them.
data_or_fitted <- function(object, x, time = NULL, weights = NULL, masses = NULL, dimred = NULL, measured = FALSE) {
    if (is.null(x)) {
        alone <- c("time", "weights", "masses", "dimred")[!vapply(list(time, weights, masses, dimred), is.null, NA)]
        if (length(alone)) invalid(in_list(alone), " must come with the cells that they are of")
        if (is.null(object$data)) invalid("the model does not keep its cells: give them")
        return(object$data)
    }
    memory <- memory_of(object)
    if (is_experiment(x)) {
        if (is.null(time)) time <- memory$time
        if (is.null(weights)) weights <- memory$weights
    }
    if (is.null(time)) invalid("time must be given: one time a cell")
    if (measured && is.null(weights) && isTRUE(memory$weighted)) {
        invalid("the model was fitted with weights: give those of these cells (all 1 if every cell weighs the same)")
    }
    cells_of(x, time, weights, masses, dimred, memory)
}

# Points alone, of any class that cells have.
points_of <- function(object, x, dimred, name) {
    if (is_experiment(x)) {
        x <- coordinates_of(x, chosen_dimred(x, dimred, memory_of(object)))
    } else if (!is.null(dimred)) {
        invalid("dimred is for a SingleCellExperiment, got it with ", in_words(x))
    }
    as_cells(x, name, object$coordinates)
}

#' Velocity, growth and score of a model
#'
#' @param object A model of [fit_dynamics()].
#' @param newdata Where: a matrix or data frame with one row a point, or a `SingleCellExperiment`. Where it and the model
#'   have names of coordinates, columns are chosen by them. By default the cells of the fit, each at its own time.
#' @param time When: one time for all points, or one a point, as [fit_dynamics()] takes them. For a `SingleCellExperiment` it
#'   may be a column of `colData`, by default that of the fit.
#' @param field What: `"velocity"` (length per time), `"growth"` (births minus deaths, per time) or `"score_drift"`
#'   (\eqn{\sigma^2/2} times the gradient of the log-density, length per time), or whatever else
#'   `chreode_capabilities()$fields` lists. Names may be shortened. A field that the method does not learn is an error.
#' @param sd Whether to give the standard deviations of the fields' errors instead, of an ensemble: the option `ensemble` of
#'   [fit_dynamics()]; beside their bias, see `quantile`. They hold what the members, fitted to resampled cells, differ by, and what the distance of the snapshots in
#'   time adds.
#' @param quantile A level between 0 and 1, to give that quantile of what the fields may be instead, of an ensemble: between 0.05
#'   and 0.95 lies the true field at nine cells of ten. It is so many standard deviations from the field less its bias: what a
#'   finite price of growth makes wrong to first order, as a fit at half of \eqn{\delta^2} tells. There is one where `object$uncertainty` calls
#'   the field `biased`; the quantile of 0.5 is the field without it.
#' @param threads Threads to compute with, 0 for all cores.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` with the coordinates, by default that of the fit.
#' @param ... Not used.
#' @return A matrix with one row a point, or a vector for a field of one column. For more than one field a list.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(
#'     data$x, data$time, method = "usb",
#'     hidden = "16x2", epochs = 30, seed = 1, progress = FALSE
#' )
#' predict(fit, data$x[seq_len(3), ], time = 0)
#' predict(fit, data$x[seq_len(3), ], time = c(0, 1, 2), field = "growth")
#' str(predict(fit, field = c("velocity", "growth", "score")))
#' @export
predict.chreode_dynamics <- function(object, newdata = NULL, time = NULL, field = "velocity", sd = FALSE, quantile = NULL,
                                     threads = object$threads, dimred = NULL, ...) {
    level <- if (isTRUE(sd)) NA_real_ else if (!is.null(quantile)) as_number(quantile, "quantile")
    if (isTRUE(sd) && !is.null(quantile)) invalid("sd and quantile must not be given both")
    handle <- model_handle(object, threads)
    fields <- learned_fields(object, field)
    if (is.null(newdata)) {
        points <- data_or_fitted(object, NULL, dimred = dimred)$x
        if (is.null(time)) time <- object$data$time
    } else {
        points <- points_of(object, newdata, dimred, "newdata")
        if (is_experiment(newdata)) time <- column_of(newdata, if (is.null(time)) object$memory$time else time, "time")
    }
    if (!is.null(time) && !length(time) %in% c(1L, nrow(points))) {
        invalid("time must be one time or one a point (", nrow(points), "), got ", length(time))
    }
    time <- as_times(time, "time", points, memory_of(object), single = TRUE)$time
    warn_of_times(object, time)
    values <- lapply(fields, function(one) field_values(object, handle, one, points, time, level))
    if (length(fields) == 1) values[[1]] else setNames(values, fields)
}

# Beyond the times of the fit fields are extrapolations.
warn_of_times <- function(object, time) {
    fitted <- range(object$times)
    beyond <- pmax(fitted[1] - time, time - fitted[2])
    if (!length(time) || max(beyond) <= 1e-9 * diff(fitted)) return(invisible())
    tell_warning(
        sprintf(
            "the time %g is %.3f beyond the times that the model was fitted to, %g to %g: its fields are extrapolations there",
            time[which.max(beyond)], max(beyond), fitted[1], fitted[2]
        ),
        "chreode_reported"
    )
}

# Whole names of fields that the model has; the library answers an unknown name with the nearest.
learned_fields <- function(object, field) {
    if (!is.character(field) || !length(field)) invalid("field must be a name, got ", in_words(field))
    known <- names(native(.Call(C_r_model_fields, model_handle(object))))
    full <- known[pmatch(field, known, duplicates.ok = TRUE)]
    full[is.na(full)] <- field[is.na(full)]
    absent <- setdiff(intersect(full, known), fields_of(object))
    if (length(absent)) {
        invalid(
            "the method ", object$method, " does not learn ", c(growth = "growth", score_drift = "a score", landscape = "a landscape")[absent[1]],
            ": this model has ", in_list(fields_of(object))
        )
    }
    full
}

# Whether the bias of a field is known: then its intervals lie around another place than the field.
is_biased <- function(object, field) isTRUE(object$uncertainty[[field]]$biased)

# The bias of a field, from its values where they were asked for; `at` gives the quantiles there. NULL where it is not known.
bias_of <- function(object, field, values, at) if (is_biased(object, field)) values - at(quantile = 0.5)

# The fields that every model may have, of those that this one has.
fields_of <- function(object) {
    c("velocity", "growth", "score_drift", "landscape")[c(TRUE, object$has_growth, object$has_score, isTRUE(object$has_landscape))]
}

field_values <- function(object, handle, field, points, time, level = NULL) {
    values <- native(.Call(C_r_model_field, handle, field, as.double(time), points, level))
    if (ncol(values) == 1 && field != "velocity") return(setNames(values[, 1], rownames(points)))
    if (ncol(values) == ncol(points)) {
        names <- if (is.null(colnames(points))) object$coordinates else colnames(points)
        if (!is.null(names) || !is.null(rownames(points))) dimnames(values) <- list(rownames(points), names)
    }
    values
}

#' @export
print.chreode_dynamics <- function(x, ...) {
    cat("Population dynamics by ", x$method, ": ", x$dims, " coordinates, ", length(x$times), " times\n", sep = "")
    cat("  learned:   velocity", if (x$has_growth) ", growth", if (x$has_score) ", score", "\n", sep = "")
    if (isTRUE(x$members > 1)) cat("  ensemble:  ", x$members, " members\n", sep = "")
    cat("  sigma:     ", format(x$sigma), if (!is.null(x$delta)) paste0("   delta: ", format(x$delta)), "\n", sep = "")
    steps <- if (length(x$losses)) sprintf(", loss %.4g at the last", x$losses[length(x$losses)]) else ""
    cat("  training:  ", if (length(x$losses)) length(x$losses) else x$epochs, " steps", steps, ", seed ", format(x$seed, digits = 16), "\n", sep = "")
    if (!x$complete) cat("  INCOMPLETE: the fit stopped early\n")
    invisible(x)
}

#' Summary of a fit
#'
#' @param object A model of [fit_dynamics()].
#' @param ... Not used.
#' @return An object of class `summary.chreode_dynamics`: the model's `info`, the `population` (cells and mass at each time),
#'   the `intervals` (how each coupling went) and the `report`.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' summary(fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE))
#' @export
summary.chreode_dynamics <- function(object, ...) {
    report <- object$report
    intervals <- NULL
    if (length(report$couplings)) {
        last <- length(object$times)
        intervals <- data.frame(
            from = object$times[-last], to = object$times[-1],
            do.call(rbind, lapply(report$couplings, as.data.frame)), report$unmatched_mass
        )
    }
    info <- unclass(object)[c("method", "dims", "sigma", "delta", "times", "seed", "epochs", "parameters", "complete")]
    structure(
        class = "summary.chreode_dynamics",
        list(object = object, info = info, population = object$population, intervals = intervals, report = report)
    )
}

#' @export
print.summary.chreode_dynamics <- function(x, ...) {
    print(x$object)
    cat("  parameters: ", x$info$parameters, "\n", sep = "")
    if (!is.null(x$population)) {
        cat("\nPopulation\n")
        print(x$population, row.names = FALSE)
    }
    if (!is.null(x$intervals)) {
        cat("\nCouplings (mass that dies or is born because no partner is within reach)\n")
        print(x$intervals, row.names = FALSE, digits = 3)
        seconds <- c(x$report$coupling_seconds, x$report$training_seconds)
        cat(sprintf("\nCoupling took %.2f s, training %.2f s\n", seconds[1], seconds[2]))
    }
    invisible(x)
}

#' Save a model to a file, and load it
#'
#' In the library's own format (safetensors, with the recipe in its metadata), which the other languages read. To keep a model
#' together with other objects of R, [saveRDS()] does as well.
#'
#' @param object A model of [fit_dynamics()].
#' @param path The file.
#' @param threads Threads to compute with, 0 for all cores.
#' @return `save_dynamics` returns `path`, invisibly; `load_dynamics` a model, which computes the same bits and remembers how the
#'   data of the fit was given, its report and its losses. The cells of the fit are not in the file.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' path <- tempfile(fileext = ".safetensors")
#' save_dynamics(fit, path)
#' again <- load_dynamics(path)
#' identical(predict(again, data$x, 1), predict(fit, data$x, 1))
#' @export
save_dynamics <- function(object, path) {
    path <- path_of(path)
    check_dynamics(object)
    # A handle of its own: the object's bytes are the model alone, its memory stands beside them.
    pointer <- native(.Call(C_r_model_from_bytes, object$bytes))
    on.exit(native(.Call(C_r_free, pointer)))
    record <- list(
        report = if (!is.null(object$report)) object$handle$report_text,
        losses = if (length(object$losses)) I(object$losses)
    )
    native(.Call(C_r_model_set_memory, pointer, memory_to_text(c(object$memory, record))))
    native(.Call(C_r_model_save, pointer, path))
    invisible(path)
}

#' @rdname save_dynamics
#' @export
load_dynamics <- function(path, threads = 2L) {
    threads <- as_threads(threads)
    pointer <- native(.Call(C_r_model_load, path_of(path)))
    text <- native(.Call(C_r_model_memory, pointer))
    # Kept beside the bytes, as in the model that was saved.
    native(.Call(C_r_model_set_memory, pointer, ""))
    new_dynamics(pointer, threads, if (nzchar(text)) memory_from_text(text) else list())
}

path_of <- function(path) {
    if (!is.character(path) || length(path) != 1 || is.na(path)) invalid("path must be one string, got ", in_words(path))
    path.expand(path)
}
