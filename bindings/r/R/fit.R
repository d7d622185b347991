#' Learn the dynamics of a population from snapshots
#'
#' Learns velocity, growth rate and, for methods with noise, score of a population of cells from snapshots at two or more
#' times. A method couples the cells of consecutive snapshots by optimal transport, and matches networks to bridges between
#' the coupled cells.
#'
#' @param x The cells: a numeric matrix or data frame with one row a cell and one column a coordinate (principal components,
#'   say), or a `SingleCellExperiment`.
#' @param time One time a cell, in any order. For a `SingleCellExperiment` it may be the name of a column of `colData`.
#' @param method The published method: `"ot-cfm"`, `"sf2m"`, `"uot-fm"`, `"vgfm"`, `"wfr-fm"` or `"usb"`. Left out where a
#'   `coupling` and a `bridge` are given.
#' @param weights One weight a cell, or `NULL` if every cell weighs 1. For a `SingleCellExperiment` it may be the name of a
#'   column of `colData`.
#' @param masses The size of the population at each time, in the order of time, where the number of cells is not.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` with the coordinates, by default the first.
#' @param ... Options of the library by their names: see below. An unknown one is answered with the nearest.
#' @param seed Seed of all random numbers.
#' @param threads Threads to compute with, 0 for all cores. The results are the same bits at any number.
#' @param progress `TRUE` to be told by messages where the fit stands, `FALSE` not to be. Or a function of one argument, a
#'   list of `stage` (`"coupling"` or `"training"`), `done`, `total` and `loss`, which is called at most twenty times a
#'   second: if it returns `FALSE`, the fit stops there.
#' @param keep_data Whether the model keeps the cells, so that [predict()][predict.chreode_dynamics],
#'   [simulate()][simulate.chreode_dynamics], [evaluate()] and [plot()][plot.chreode_dynamics] need not be given them again.
#' @return An object of class `chreode_dynamics`, to be used with those functions, `print()` and `summary()`. It is a list,
#'   of which these elements are meant to be read:
#'   \describe{
#'     \item{`method`, `dims`, `sigma`, `delta`, `times`, `seed`}{of the model}
#'     \item{`report`}{what was chosen and how the couplings went; `unmatched_mass` holds, for each interval, the mass that
#'       dies and that is born because no partner is within reach}
#'     \item{`losses`}{the loss of every training step}
#'     \item{`complete`}{`FALSE` if the fit stopped early}
#'     \item{`bytes`}{the model as a raw vector, the same as [save_dynamics()] writes}
#'   }
#'   Models can be saved with [saveRDS()] and used in forked processes.
#'
#' @section Interrupting:
#' The stop button or Ctrl-C ends a fit at its next report. If training had begun there is a model with the parameters
#' reached so far: it is returned, its element `complete` is `FALSE`, and a warning of class `chreode_interrupted` tells so.
#' An error in a function given as `progress` ends the fit, and reaches the caller as it is.
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("fit", c("method", "seed", "threads"))`
#'
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' fit
#' summary(fit)
#' velocity <- predict(fit, field = "velocity")
#' evaluate(fit)
#'
#' # What is wrong is said by a condition with a class.
#' tryCatch(
#'     fit_dynamics(data$x, data$time, detla = 1.5),
#'     chreode_invalid_argument = function(e) conditionMessage(e)
#' )
#' @export
fit_dynamics <- function(x, time, ...) {
    UseMethod("fit_dynamics")
}

#' @rdname fit_dynamics
#' @export
fit_dynamics.default <- function(x, time, method = "usb", weights = NULL, masses = NULL, ..., seed = 0, threads = 2L,
                                 progress = interactive(), keep_data = TRUE) {
    if (missing(time)) invalid("time must be given: one time a cell")
    options <- fit_options(method, missing(method), ..., seed = seed, threads = threads)
    fit_cells(cells_of(x, time, weights, masses), options, as_threads(threads), progress, keep_data)
}

#' @rdname fit_dynamics
#' @exportS3Method
fit_dynamics.SingleCellExperiment <- function(x, time, method = "usb", weights = NULL, masses = NULL, ...,
                                              dimred = NULL, seed = 0, threads = 2L, progress = interactive(),
                                              keep_data = TRUE) {
    if (missing(time)) invalid("time must be given: a column of colData, or one time a cell")
    options <- fit_options(method, missing(method), ..., seed = seed, threads = threads)
    data <- cells_of(x, time, weights, masses, dimred)
    fit <- fit_cells(data, options, as_threads(threads), progress, keep_data)
    if (is.null(dimred)) dimred <- SingleCellExperiment::reducedDimNames(x)[1]
    fit$source <- list(time = if (is.character(time)) time, dimred = dimred)
    fit
}

# Options of a fit; free choice of coupling and bridge leaves no room for the default method.
fit_options <- function(method, by_default, ..., seed, threads) {
    further <- list(...)
    free <- any(c("coupling", "bridge") %in% names(further))
    given <- if (by_default && free) list() else list(method = method)
    new_options("fit", c(given, further, list(seed = seed, threads = threads)))
}

fit_cells <- function(data, options, threads, progress, keep_data) {
    snapshots <- new_snapshots(data$x, data$time, data$weights, data$masses)
    on.exit(native(.Call(C_r_free, snapshots)))
    population <- native(.Call(C_r_snapshots_read, snapshots))
    result <- native(.Call(C_r_fit, snapshots, options, progress_function(progress)))
    stopped <- result$failure
    if (!is.null(stopped)) {
        if (native(.Call(C_r_is_nil, result$model))) {
            if (result$interrupted) stopped$message <- "interrupted before training began: there is no model"
            raise(stopped)
        }
    }
    fit <- new_dynamics(result$model, threads, colnames(data$x))
    fit$complete <- is.null(stopped)
    fit$population <- data.frame(
        time = population$times, cells = vapply(population$points, nrow, 1L), mass = population$masses
    )
    if (isTRUE(keep_data)) fit$data <- data
    if (!is.null(stopped)) warn_stopped(fit, stopped, result$interrupted)
    warn_couplings(fit)
    fit
}

# What the library calls: a function of stage, done, total and loss that returns FALSE to stop, or NULL.
progress_function <- function(progress) {
    if (is.null(progress) || identical(progress, FALSE)) return(NULL)
    if (identical(progress, TRUE)) progress <- tell_progress()
    if (!is.function(progress)) invalid("progress must be TRUE, FALSE or a function, got ", in_words(progress))
    function(stage, done, total, loss) {
        now <- list(stage = stage, done = done, total = total, loss = if (is.nan(loss)) NA_real_ else loss)
        # An interrupt while the user's function runs stops the fit as any other.
        tryCatch(!identical(progress(now), FALSE), interrupt = function(condition) FALSE)
    }
}

# Messages, at most one a second and one at the end of each stage.
tell_progress <- function() {
    last <- -Inf
    function(now) {
        seconds <- proc.time()[["elapsed"]]
        if (now$done < now$total && seconds - last < 1) return(TRUE)
        last <<- seconds
        loss <- if (is.na(now$loss)) "" else sprintf(", loss %.4g", now$loss)
        message(sprintf("%s: %.0f of %.0f%s", now$stage, now$done, now$total, loss))
        TRUE
    }
}

warn_stopped <- function(fit, failure, interrupted) {
    reached <- sprintf("after %d steps: the model has the parameters reached so far", length(fit$losses))
    if (failure$name == "CHREODE_ERROR_CANCELLED") {
        why <- if (interrupted) "interrupted" else "stopped by the progress function"
        tell_warning(paste("the fit was", why, reached), "chreode_interrupted")
    } else {
        tell_warning(paste0(failure$message, "; ", reached), status_class(failure))
    }
}

warn_couplings <- function(fit) {
    converged <- vapply(fit$report$couplings, function(coupling) isTRUE(coupling$converged), NA)
    if (all(converged)) return(invisible())
    tell_warning(
        paste0(
            "the coupling of interval ", paste(which(!converged), collapse = ", "), " stopped before its tolerance: ",
            "see the relative gaps in summary()"
        ),
        "chreode_not_converged"
    )
}
