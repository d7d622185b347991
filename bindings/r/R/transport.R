#' Optimal transport between two clouds of points
#'
#' Entropic if `epsilon` is positive, exact if the penalties are infinite, else the unregularised optimum with relaxed
#' marginals.
#'
#' @param source,target The points: matrices or data frames with one row a point, or `SingleCellExperiment` objects. Where
#'   both have names of coordinates, those of `target` are brought into the order of `source`.
#' @param source_weights,target_weights One weight a point, or `NULL` if every point weighs 1; by name, where they and the
#'   points have names. For a `SingleCellExperiment` they may be names of columns of `colData`.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` with the coordinates, by default the first.
#' @param ... Options of the library by their names: see below. An unknown one is answered with the nearest.
#' @param threads Threads to compute with, 0 for all cores. The results are the same bits at any number.
#' @return An object of class `chreode_transport`, a list: `plan`, the masses that go from each source point to each target
#'   point (a sparse matrix of package Matrix where that is installed, else a data frame with `source`, `target` and `mass`);
#'   `source_potential` and `target_potential`, infinite for a point that nothing can be sent from or that nothing can
#'   reach; and the solver's `report`: `primal`, `dual`, `gap`, `transport_cost`, `transported_mass`, `source_residual`,
#'   `target_residual`, `iterations`, `converged`, `warnings`. A solver that stopped before its tolerance says so by a warning of class
#'   `chreode_not_converged`.
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]):
#'
#' `r option_table("transport", "threads")`
#'
#' @examples
#' set.seed(1)
#' here <- matrix(rnorm(40), ncol = 2)
#' there <- matrix(rnorm(60, mean = 1), ncol = 2)
#' transport(here, there, delta = 2)
#' exact <- transport(here, there, cost = "half-sqeuclidean", penalty = Inf, normalise = TRUE)
#' exact$report$transport_cost
#' @export
transport <- function(source, target, source_weights = NULL, target_weights = NULL, ..., dimred = NULL, threads = 2L) {
    if (is_experiment(source)) {
        source_weights <- column_of(source, source_weights, "source_weights")
        source <- coordinates_of(source, dimred <- chosen_dimred(source, dimred, NULL))
    }
    if (is_experiment(target)) {
        target_weights <- column_of(target, target_weights, "target_weights")
        target <- coordinates_of(target, chosen_dimred(target, dimred, NULL))
    }
    source <- as_cells(source, "source")
    target <- as_cells(target, "target", colnames(source))
    source_weights <- as_weights(source_weights, "source_weights", source)
    target_weights <- as_weights(target_weights, "target_weights", target)
    options <- new_options("transport", c(list(...), list(threads = as_threads(threads))))
    plan <- native(.Call(C_r_new_plan))
    on.exit(native(.Call(C_r_free, plan)))
    failure <- .Call(C_r_transport, source, source_weights, target, target_weights, options, plan)
    if (inherits(failure, "chreode_interruption")) interrupt_call()
    if (native(.Call(C_r_is_nil, plan))) raise(failure)
    found <- native(.Call(C_r_plan_read, plan))
    result <- structure(
        class = "chreode_transport",
        list(
            plan = sparse_plan(found, nrow(source), nrow(target)),
            source_potential = found$source_potential,
            target_potential = found$target_potential,
            report = from_json(native(.Call(C_r_plan_report, plan)))
        )
    )
    if (!is.null(failure)) tell_warning(failure$message, status_class(failure))
    warn_reported(result$report)
    result
}

sparse_plan <- function(found, rows, cols) {
    if (requireNamespace("Matrix", quietly = TRUE)) {
        return(Matrix::sparseMatrix(found$source, found$target, x = found$mass, dims = c(rows, cols)))
    }
    data.frame(found[c("source", "target", "mass")])
}

#' @export
print.chreode_transport <- function(x, digits = 6, ...) {
    report <- x$report
    cat(
        "Transport of ", length(x$source_potential), " points to ", length(x$target_potential), ": ",
        if (report$converged) "converged" else "NOT CONVERGED", " after ", report$iterations, " iterations\n",
        sep = ""
    )
    for (name in c("primal", "gap", "transport_cost", "transported_mass")) {
        cat(sprintf("  %-18s%.*g\n", paste0(name, ":"), digits, report[[name]]))
    }
    invisible(x)
}
