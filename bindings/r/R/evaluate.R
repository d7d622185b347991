#' How well a model predicts
#'
#' Predicts every later snapshot from all cells of the first, and compares.
#'
#' @param object A model of [fit_dynamics()].
#' @param x,time,weights,masses,dimred The data to compare with, as [fit_dynamics()] takes them. By default those of the fit.
#'   For other cells the columns of `colData`, the `reducedDim` and the masses are those of the fit where they are not given.
#' @param seed Seed of the runs with noise. `NULL` draws one with R's own generator, so that [set.seed()] decides.
#' @param ... Further options of the library by their names: see below. An unknown one is answered with the nearest.
#' @param threads Threads to compute with, 0 for all cores. The results are the same bits at any number.
#' @param BPPARAM Who does the computation: `NULL`, this process; or a `BiocParallelParam` whose workers do it, with the same
#'   bits, as in [fit_dynamics()]. The tasks are runs, of the model and of the members of an ensemble.
#' @return An object of class `chreode_evaluation`: a data frame with a row for each time after the first, with `time`, `w1`
#'   and `w2` (Wasserstein distances of the normalised populations), `rme` (relative error of the population's growth) and
#'   their standard deviations over the runs, and for a model that is an ensemble `w1_error`, `w2_error` and `rme_error`,
#'   their standard deviations by the cells ([deviation_over_members()]). Where there are more particles or cells than the option `exact_cells`, `w1` and `w2` are
#'   means over samples of `w1_cells`, with standard errors `w1_se` and `w2_se` (0 where exact), and `w1_floor` and `w2_floor` are what two
#'   such samples of the cells differ by, as a perfect prediction would (`NaN` where exact, or where all cells are one sample). With attributes `mean_w1`, `mean_rme`, `mean_w1_sd`, `mean_rme_sd` and `action`.
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("evaluate", c("seed", "threads"))`
#'
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' evaluate(fit)
#' attr(evaluate(fit, mode = "branching", runs = 2, seed = 1), "mean_rme")
#' @export
evaluate <- function(object, ...) {
    UseMethod("evaluate")
}

#' @rdname evaluate
#' @export
evaluate.chreode_dynamics <- function(object, x = NULL, time = NULL, weights = NULL, masses = NULL, ...,
                                      dimred = NULL, seed = NULL, threads = object$threads, BPPARAM = NULL) {
    BPPARAM <- as_workers(BPPARAM)
    handle <- model_handle(object, threads)
    given <- list(...)
    # Without noise nothing is drawn, R's generator neither.
    noise <- !is.null(given$mode) && !identical(as.character(given$mode), "ode")
    options <- new_options("evaluate", c(given, list(seed = if (noise || !is.null(seed)) as_seed(seed))))
    data <- data_or_fitted(object, x, time, weights, masses, dimred, measured = TRUE)
    snapshots <- new_snapshots(data)
    on.exit(native(.Call(C_r_free, snapshots)))
    evaluation <- if (is.null(BPPARAM)) {
        native(.Call(C_r_evaluate, handle, snapshots, options))
    } else {
        evaluate_by(BPPARAM, object, handle, data, snapshots, options)
    }
    on.exit(native(.Call(C_r_free, evaluation)), add = TRUE)
    measures <- c("time", "w1", "w1_sd", "w2", "w2_sd", "rme", "rme_sd")
    if (isTRUE(object$members > 1)) measures <- c(measures, "w1_error", "w2_error", "rme_error")
    result <- as.data.frame(native(.Call(C_r_evaluation_values, evaluation, measures)))
    sampled <- c("w1_cells", "w1_se", "w2_se", "w1_floor", "w2_floor")
    sampled <- as.data.frame(native(.Call(C_r_evaluation_values, evaluation, sampled)))
    if (any(!is.nan(sampled$w1_cells))) result <- cbind(result, sampled)
    for (name in c("mean_w1", "mean_w1_sd", "mean_rme", "mean_rme_sd", "action")) {
        attr(result, name) <- native(.Call(C_r_evaluation_value, evaluation, name))
    }
    warn_reported(from_json(native(.Call(C_r_evaluation_json, evaluation))))
    class(result) <- c("chreode_evaluation", "data.frame")
    result
}

# What C_r_evaluate gives, by workers.
evaluate_by <- function(BPPARAM, object, handle, data, snapshots, options) {
    work <- native(.Call(C_r_work_plan_evaluate, handle, snapshots, options))
    on.exit(native(.Call(C_r_free, work)))
    parts <- done_by(BPPARAM, work, data, snapshots, object$bytes)
    native(.Call(C_r_work_finish_evaluate, work, handle, snapshots, parts))
}

#' @export
print.chreode_evaluation <- function(x, digits = 4, ...) {
    several <- any(x$w1_sd > 0)
    shown <- if (several) names(x) else c("time", "w1", "w2", "rme", grep("_(error|cells|se|floor)$", names(x), value = TRUE))
    print(as.data.frame(unclass(x)[shown]), digits = digits, row.names = FALSE)
    cat(sprintf(
        "mean W1 %.*g, mean RME %.*g, action %.*g\n", digits, attr(x, "mean_w1"), digits, attr(x, "mean_rme"), digits,
        attr(x, "action")
    ))
    invisible(x)
}
