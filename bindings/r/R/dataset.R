#' Built-in data sets
#'
#' @param name `"gene-network"`: a network of three genes, two of them recorded, whose cells divide at a rate set by the
#'   second. `"gaussian-mixture"`: Gaussian clouds that move and grow. `"branching"`: a tree of fates of any size.
#' @param ... Options of the data set by their names: see below.
#' @return A list: `x`, a matrix with one row a cell; `time`, one time a cell; `weights`, one a cell, or `NULL` if all are 1;
#'   `masses`, the size of the population at each time, or `NULL` where it is the sum of the weights.
#'
#' @section Options:
#' As the library itself lists them ([chreode_options()]). Of `"gene-network"`:
#'
#' `r option_table("gene-network")`
#'
#' Of `"gaussian-mixture"`:
#'
#' `r option_table("gaussian-mixture")`
#'
#' Of `"branching"`:
#'
#' `r option_table("branching")`
#'
#' @examples
#' data <- dataset("gene-network", seed = 1)
#' table(data$time)
#' @export
dataset <- function(name = "gene-network", ...) {
    snapshots <- native(.Call(C_r_snapshots_generate, new_options(name, list(...))))
    on.exit(native(.Call(C_r_free, snapshots)))
    read <- native(.Call(C_r_snapshots_read, snapshots))
    x <- do.call(rbind, native(.Call(C_r_snapshots_points, snapshots)))
    colnames(x) <- paste0("x", seq_len(ncol(x)))
    weights <- unlist(read$weights)
    sums <- vapply(read$weights, sum, 0)
    list(
        x = x,
        time = rep(read$times, lengths(read$weights)),
        weights = if (any(weights != 1)) weights,
        masses = if (!isTRUE(all.equal(sums, read$masses, tolerance = 1e-12))) read$masses
    )
}
