#' Dynamics of cell populations from time-stamped snapshots
#'
#' Single-cell measurements kill the cell, so an experiment yields snapshots of a population at a few times. This package
#' learns from them how the population moves (velocity), spreads (diffusion), divides and dies (growth), and simulates it
#' forward: as a flow, as a diffusion, or cell by cell with lineages.
#'
#' @section Where to begin:
#' * [fit_dynamics()] learns from a matrix with one row a cell, or from a `SingleCellExperiment`.
#' * [predict()][predict.chreode_dynamics] tells velocity and growth at any point and time,
#'   [simulate()][simulate.chreode_dynamics] lets a population run, [evaluate()] holds it against data.
#' * [fates()] tells what cells become, [gene_velocity()], [gene_association()] and [gene_trends()] which genes go with it.
#' * [add_dynamics()], [add_fates()], [add_gene_velocity()] and [add_gene_association()] write results back into a
#'   `SingleCellExperiment`, by the names of its cells, with how they were made in its metadata.
#' * [plot()][plot.chreode_dynamics], [plot_cells()], [plot_populations()], [plot_streamlines()] and [plot_label_mass()] draw.
#' * [transport()] solves a static problem between two clouds of points.
#' * [chreode_options()] lists every option with its default, range and meaning.
#'
#' @section Errors and warnings:
#' Everything is said through conditions of R. Errors are of class `chreode_error` and of one class for each kind:
#' `chreode_invalid_argument`, `chreode_invalid_data` (the message names row and column), `chreode_infeasible`,
#' `chreode_non_finite`, `chreode_cancelled`, `chreode_population_limit`, `chreode_model_file`, `chreode_io`,
#' `chreode_workers` (those of `BPPARAM` died) and `chreode_internal` (a defect: please report it). Warnings are of class `chreode_warning`, and `chreode_stopped`,
#' `chreode_non_finite`, `chreode_not_converged` or `chreode_reported` (what the library's report warns of). How labels of
#' times were read is told by messages.
#'
#' @section Names:
#' Where there are names, they decide: cells go by row names (those of `time` and `weights` are held against them),
#' coordinates by column names, masses by times. What does not match is an error; what has no names goes by position.
#'
#' @section Seeds:
#' One rule for fits, simulations and evaluations: `seed = NULL` draws a seed with R's own generator, so that [set.seed()]
#' decides, and the result tells which it was.
#'
#' @section Threads:
#' At most two threads compute unless more are asked for (`threads`, 0 for all cores). The results are the same bits at any
#' number.
#'
#' @section Workers:
#' [fit_dynamics()], [validate()], [evaluate()] and [simulate()][simulate.chreode_dynamics] take `BPPARAM`, a `BiocParallelParam` of
#' the package \pkg{BiocParallel}: processes here (`MulticoreParam`, `SnowParam`) or jobs of a cluster (`BatchtoolsParam`) do the
#' computation's tasks, and the result is the same bits. Each worker needs this package, of the same version. Ctrl-C in a terminal
#' reaches the workers of `SnowParam` and `MulticoreParam`, too; where an interrupt reaches this process alone, \pkg{BiocParallel}
#' ends when its workers have done the tasks at hand. A worker that dies is an error of class `chreode_workers`.
#'
#' @keywords internal
#' @useDynLib chreode, .registration = TRUE, .fixes = "C_"
#' @importFrom stats predict setNames simulate
#' @importFrom graphics lines points segments
#' @importFrom grDevices adjustcolor hcl.colors
"_PACKAGE"

.onLoad <- function(libname, pkgname) {
    abi <- .Call(C_r_abi)
    if (abi[1] != abi[2]) {
        stop("chreode was compiled for binary interface ", abi[1], " and linked with ", abi[2], ": reinstall it")
    }
}
