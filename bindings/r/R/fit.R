#' Learn the dynamics of a population from snapshots
#'
#' Learns velocity, growth rate and, for methods with noise, score of a population of cells from snapshots at two or more
#' times. A method couples the cells of consecutive snapshots by optimal transport, and matches networks to bridges between
#' the coupled cells.
#'
#' @param x The cells: a numeric matrix or data frame with one row a cell and one column a coordinate (principal components,
#'   say), or a `SingleCellExperiment`.
#' @param time One time a cell, in any order; by name, where it and the cells have names. For a `SingleCellExperiment` it may
#'   be the name of a column of `colData`. Numbers are taken as they are. Labels that can be read in one way only (`"day0"`,
#'   `"E8.5"`, `"3 h"`, numbers as text, a factor of these), a `difftime` and a `Date` (days since the first) are read as
#'   numbers, and a message says which.
#' @param method The published method, see below; by default the library's, unless a `coupling` and a `bridge` are given.
#' @param weights One weight a cell, or `NULL` if every cell weighs 1; by name, where it and the cells have names. For a
#'   `SingleCellExperiment` it may be the name of a column of `colData`.
#' @param masses The size of the population at each time, where the number of cells is not: a vector, list or table whose
#'   names are the times (or their labels), a data frame with columns `time` and `mass`, or values without names in the
#'   order of time.
#' @param growth_prior The growth rate that is expected of each cell, per unit of time: births less deaths that are known from
#'   elsewhere, as from scores of gene sets. It enters the couplings, by the options `source_penalty` and `target_penalty`. By name, where
#'   it and the cells have names. For a `SingleCellExperiment` it may be the name of a column of `colData`.
#' @param clones The clone of each cell, as from lineage barcodes: a factor, text or numbers, `NA` or `""` where none is known. Cells of
#'   different clones are not joined, or at the price of the option `clone_penalty`; cells of unknown clones with all, so where barcodes
#'   are not lost, give cells without one a clone of their own. For a `SingleCellExperiment` it may be the name of a column of `colData`.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` with the coordinates, by default the first.
#' @param ... Options of the library by their names: see below. An unknown one is answered with the nearest.
#' @param seed Seed of all random numbers, from 0 to 2^53 - 1. `NULL` draws one with R's own generator, so that [set.seed()]
#'   decides; the model tells which it was. The same seed gives the same model.
#' @param threads Threads to compute with, 0 for all cores. The results are the same bits at any number.
#' @param progress `TRUE` to be told by messages where the fit stands, `FALSE` not to be. Or a function of one argument, a
#'   list of `stage` (`"coupling"` or `"training"`), `done`, `total` and `loss`, which is called at most twenty times a
#'   second: if it returns `FALSE`, the fit stops there, with a warning of class `chreode_stopped`.
#' @param keep_data Whether the model keeps the cells, so that [predict()][predict.chreode_dynamics],
#'   [simulate()][simulate.chreode_dynamics], [evaluate()] and [plot()][plot.chreode_dynamics] need not be given them again.
#' @param BPPARAM Who does the computation: `NULL`, this process; or a `BiocParallelParam` of the package \pkg{BiocParallel}, such
#'   as `BiocParallel::SnowParam(2)`, whose workers do its tasks, with one thread each. The tasks are the blocks of the couplings (one an
#'   interval, unless `chunk_size` makes more) or, of an ensemble, its fits; this process trains a single fit itself. The result is the same
#'   bits. `progress` is told of what this process does itself; of the tasks, `progressbar = TRUE` of the `BiocParallelParam` tells.
#' @return An object of class `chreode_dynamics`, to be used with those functions, `print()` and `summary()`. It is a list,
#'   of which these elements are meant to be read:
#'   \describe{
#'     \item{`method`, `dims`, `sigma`, `delta`, `times`, `seed`}{of the model}
#'     \item{`report`}{what was chosen and how the couplings went; `unmatched_mass` holds, for each interval, the mass that
#'       dies and that is born because no partner is within reach}
#'     \item{`losses`}{the loss of every training step}
#'     \item{`complete`}{`FALSE` if the fit stopped early}
#'     \item{`memory`}{how the data was given: columns of `colData`, `reducedDim`, names of the coordinates, masses, labels of
#'       the times, options. Other data for this model is read in the same way}
#'     \item{`bytes`}{the model as a raw vector}
#'   }
#'   Models can be saved with [saveRDS()] and used in forked processes.
#'
#' @section Interrupting:
#' The stop button or Ctrl-C ends a fit at its next report, and with it whatever called it, as any interrupt does in R: a loop
#' over fits ends, and [try()] does not go on. If training had begun there is a model with the parameters reached so far,
#' whose element `complete` is `FALSE`: [interrupted_dynamics()] returns it, and a handler of the interrupt finds it in the
#' condition's element `model`. An error in a function given as `progress` ends the fit, and reaches the caller as it is.
#'
#' @section Methods:
#' `r method_list()`
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("fit", c("method", "seed", "threads"))`
#'
#' @references `r method_references()`
#'
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(
#'     data$x, data$time, method = "usb",
#'     hidden = "16x2", epochs = 30, seed = 1, progress = FALSE
#' )
#' fit
#' summary(fit)
#' velocity <- predict(fit, field = "velocity")
#' evaluate(fit)
#'
#' # Labels of times, and the sizes of the population by them.
#' sizes <- c(day4 = 4100, day0 = 1000, day1 = 1300, day2 = 1900, day3 = 2800)
#' day <- paste0("day", data$time)
#' fit <- fit_dynamics(
#'     data$x, day, masses = sizes,
#'     hidden = "16x2", epochs = 30, seed = 1, progress = FALSE
#' )
#' fit$population
#'
#' # What is wrong is said by a condition with a class.
#' tryCatch(
#'     fit_dynamics(data$x, data$time, detla = 1.5),
#'     chreode_invalid_argument = function(e) conditionMessage(e)
#' )
#' @export
fit_dynamics <- function(x, time, method = NULL, weights = NULL, masses = NULL, ..., dimred = NULL, seed = NULL,
                         threads = 2L, progress = interactive(), keep_data = TRUE, BPPARAM = NULL, growth_prior = NULL,
                         clones = NULL) {
    if (missing(time)) invalid("time must be given: one time a cell, or a column of colData")
    BPPARAM <- as_workers(BPPARAM)
    threads <- as_threads(threads)
    given <- c(list(method = method), list(...))
    options <- new_options("fit", c(given, list(seed = as_seed(seed), threads = threads)))
    cells <- cells_of(x, time, weights, masses, dimred, growth_prior = growth_prior, clones = clones)
    cells$memory$options <- remembered_options(given)
    fit_cells(cells, options, threads, progress, keep_data, BPPARAM)
}

fit_cells <- function(data, options, threads, progress, keep_data, BPPARAM = NULL) {
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    population <- native(.Call(C_r_snapshots_read, snapshots))
    asked <- new.env(parent = emptyenv())
    asked$interrupted <- FALSE
    progress <- progress_function(progress, asked)
    result <- if (is.null(BPPARAM)) {
        native(.Call(C_r_fit, snapshots, options, progress))
    } else {
        fit_by(BPPARAM, data, snapshots, options, threads, progress, asked)
    }
    interrupted <- result$interrupted || asked$interrupted
    stopped <- result$failure
    fit <- NULL
    if (!native(.Call(C_r_is_nil, result$model))) {
        fit <- new_dynamics(result$model, threads, data$memory)
        fit$complete <- is.null(stopped)
        fit$population <- data.frame(
            time = population$times, cells = lengths(population$weights), mass = population$masses
        )
        if (isTRUE(keep_data)) fit$data <- data[c("x", "time", "weights", "masses")]
    }
    if (interrupted && !is.null(stopped)) interrupt(fit)
    if (is.null(fit)) raise(stopped)
    if (!is.null(stopped)) warn_stopped(fit, stopped)
    warn_couplings(fit)
    warn_reported(fit$report)
    fit
}

# What C_r_fit gives, by workers.
fit_by <- function(BPPARAM, data, snapshots, options, threads, progress, asked) {
    work <- .Call(C_r_work_plan_fit, snapshots, options, progress)
    if (asked$interrupted || inherits(work, "chreode_interruption")) interrupt(NULL)
    work <- native(work)
    on.exit(native(.Call(C_r_free, work)))
    parts <- done_by(BPPARAM, work, data, snapshots)
    native(.Call(C_r_work_finish_fit, work, snapshots, parts, threads, progress))
}

# What the library calls: a function of stage, done, total and loss that returns FALSE to stop, or NULL.
progress_function <- function(progress, asked) {
    if (is.null(progress) || identical(progress, FALSE)) return(NULL)
    if (identical(progress, TRUE)) progress <- tell_progress()
    if (!is.function(progress)) invalid("progress must be TRUE, FALSE or a function, got ", in_words(progress))
    function(stage, done, total, loss) {
        now <- list(stage = stage, done = done, total = total, loss = if (is.nan(loss)) NA_real_ else loss)
        # An interrupt while the user's function runs stops the fit as any other.
        tryCatch(!identical(progress(now), FALSE), interrupt = function(condition) {
            asked$interrupted <- TRUE
            FALSE
        })
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

reached <- function(fit) sprintf("after %d steps", length(fit$losses))

warn_stopped <- function(fit, failure) {
    cancelled <- failure$name == "CHREODE_ERROR_CANCELLED"
    why <- if (cancelled) "the fit was stopped by the progress function " else paste0(failure$message, "; ")
    tell_warning(
        paste0(why, reached(fit), ": the model has the parameters reached so far"),
        if (cancelled) "chreode_stopped" else status_class(failure)
    )
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
