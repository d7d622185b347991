# From the coordinates of a model to genes: velocities, associations and trends.

# So many genes are worked on at a time.
GENES_AT_ONCE <- 256
# So many cells tell whether a rotation belongs to expression, and how far they may be off, relative to the spread of coordinates.
CELLS_CHECKED <- 200
MOST_OFF <- 0.01

#' How fast genes change
#'
#' The velocity of each cell in the space of genes: that of the model times the rotation that its coordinates came from. Coordinates
#' of reductions that are not linear (UMAP, say) have no rotation; [gene_association()] needs none.
#'
#' @param object A model of [fit_dynamics()].
#' @param x,time The cells, as [predict()][predict.chreode_dynamics] takes them (`newdata`, `time`), of one time each or all of
#'   one. By default those of the fit.
#' @param rotation How coordinates become genes: a matrix with one row a gene and one column a coordinate, such as `rotation` of
#'   [stats::prcomp()]; or the result of `prcomp()`, whose centre and scale are used, too. Where it and the model have names of
#'   coordinates, columns are chosen by them. For a `SingleCellExperiment` by default the attribute `rotation` of the `reducedDim` (as of
#'   `scater::runPCA()`; taking a part of the cells loses it), or its loadings where it is a `LinearEmbeddingMatrix`.
#' @param genes The names or numbers of some genes; all of the rotation by default.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` with the coordinates, by default that of the fit.
#' @param threads Threads to compute with, 0 for all cores.
#' @return An object of class `chreode_gene_velocity`, a list: `velocity`, a matrix with one row a cell and one column a gene, in units of
#'   expression per time; and of an ensemble `sd`, the standard deviations of its errors: by the cells, of velocities in the space of
#'   genes, whose coordinates are not independent, and of what the distance of the snapshots in time adds to each coordinate, which is
#'   taken as independent; and where `object$uncertainty` calls the velocity `biased`, its `bias`: intervals lie around the velocity
#'   less that.
#' @seealso [add_gene_velocity()] writes it to a `SingleCellExperiment`.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' expression <- data$x %*% matrix(c(1, 0, 0, 1, 1, -1), 2, dimnames = list(NULL, c("A", "B", "C")))
#' pca <- prcomp(expression, rank. = 2)
#' fit <- fit_dynamics(pca$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' head(gene_velocity(fit, rotation = pca)$velocity)
#' @export
gene_velocity <- function(object, x = NULL, time = NULL, rotation = NULL, genes = NULL, dimred = NULL,
                          threads = object$threads) {
    check_dynamics(object)
    loadings <- loadings_of(object, x, rotation, dimred)$matrix
    loadings <- loadings[genes_in(genes, loadings), , drop = FALSE]
    at <- function(model, ...) predict(model, x, time, dimred = dimred, threads = threads, ...)
    velocity <- at(object)
    found <- list(velocity = in_genes(velocity, loadings))
    if (isTRUE(object$members > 1)) {
        each <- lapply(ensemble_members(object), at)
        shrinkage <- object$uncertainty$velocity$shrinkage
        stretch <- object$stretch * if (is.null(shrinkage)) 1 else shrinkage
        found$sd <- gene_velocity_sd(each, stretch, at(object, sd = TRUE), loadings)
        bias <- bias_of(object, "velocity", velocity, function(...) at(object, ...))
        if (!is.null(bias)) found$bias <- in_genes(bias, loadings)
    }
    structure(found, class = "chreode_gene_velocity")
}

# Coordinates or velocities, n x d, in the space of genes.
in_genes <- function(values, loadings) {
    found <- values %*% t(loadings)
    # Products have lists of names only where both sides have.
    dimnames(found) <- if (!is.null(rownames(values)) || !is.null(rownames(loadings))) list(rownames(values), rownames(loadings))
    found
}

gene_velocity_sd <- function(each, stretch, total, loadings) {
    mean <- Reduce(`+`, each) / length(each)
    each <- lapply(each, function(member) stretch * (member - mean))
    free <- length(each) - 1
    # What the model adds to the variance by the cells, at each cell and in each coordinate.
    added <- pmax(total^2 - Reduce(`+`, lapply(each, `^`, 2)) / free, 0)
    variance <- in_genes(added, loadings^2)
    for (member in each) variance <- variance + in_genes(member, loadings)^2 / free
    sqrt(variance)
}

#' @export
print.chreode_gene_velocity <- function(x, ...) {
    cat("Velocity of ", ncol(x$velocity), " genes at ", nrow(x$velocity), " cells", sep = "")
    cat(if (!is.null(x$sd)) ", with the standard deviations of its errors", "\n", sep = "")
    invisible(x)
}

#' Genes that go with a quantity of the cells
#'
#' Ranks genes by how their expression goes with a fate's probability, growth, a position along a path, or any other number that cells
#' have: by Spearman's rank correlation, with the false discovery rate of Benjamini and Hochberg over all genes that vary.
#'
#' @param x A `SingleCellExperiment`; or expression with one row a cell and one column a gene: a matrix, a data frame or a sparse
#'   matrix of package Matrix.
#' @param quantity One number a cell, by name, where it and the cells have names; for a `SingleCellExperiment` it may be the name of a
#'   column of `colData`, where [add_fates()] puts fates. Cells where it is `NA` are left out.
#' @param assay For a `SingleCellExperiment`: the name of the assay with the expression, by default `"logcounts"`, else the first.
#' @return An object of class `chreode_association`: a data frame with a row a gene, the strongest association first and genes that
#'   are the same in all cells last: `gene` (its name, or its number where there are no names), `correlation`, `p_value` (two-sided, by
#'   Student's t distribution) and `fdr`. Its attribute `cells` tells how many had the quantity, `place` which gene of `x` each row is.
#' @references Benjamini & Hochberg, Controlling the false discovery rate, J. R. Stat. Soc. B 57, 1995.
#' @seealso [add_gene_association()] writes it to a `SingleCellExperiment`.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' gene_association(data$x, predict(fit, field = "growth"))
#' @export
gene_association <- function(x, quantity, assay = NULL) {
    experiment <- is_experiment(x)
    if (!experiment && !is.null(assay)) invalid("assay is for a SingleCellExperiment, got it with ", in_words(x))
    expression <- if (experiment) assay_of(x, assay) else as_expression(x)
    values <- quantity_of(quantity, x, if (experiment) ncol(x) else nrow(expression))
    known <- which(!is.na(values))
    if (any(is.infinite(values[known]))) unusable("quantity must be finite, or NA where it is unknown")
    if (length(known) < 3 || length(unique(values[known])) < 2) {
        invalid(
            "quantity must differ between the cells, of which it takes 3 or more, got ", length(known), " cells with ",
            length(unique(values[known])), " values"
        )
    }
    genes <- if (experiment) rownames(x) else colnames(expression)
    count <- if (experiment) nrow(x) else ncol(expression)
    ranks <- standard(cbind(rank(values[known])))
    correlation <- rep(NA_real_, count)
    by_row <- experiment
    if (is_sparse(expression)) {
        # Stored by genes, so that some of them are found without a walk through all.
        expression <- methods::as(if (by_row) Matrix::t(expression) else expression, "CsparseMatrix")
        by_row <- FALSE
    }
    for (some in some_at_once(count)) {
        dense <- if (by_row) t(as.matrix(expression[some, known, drop = FALSE])) else as.matrix(expression[known, some, drop = FALSE])
        refuse_missing_expression(dense, some, genes)
        correlation[some] <- crossprod(standard(apply(dense, 2, rank)), ranks)
    }
    correlation <- pmin(pmax(correlation, -1), 1)
    free <- length(known) - 2
    p_value <- 2 * stats::pt(-abs(correlation) * sqrt(free / (1 - correlation^2)), free)
    found <- data.frame(
        gene = if (is.null(genes)) seq_len(count) else genes, correlation = correlation, p_value = p_value,
        fdr = stats::p.adjust(p_value, "BH")
    )
    place <- order(-abs(correlation))
    found <- found[place, ]
    rownames(found) <- NULL
    structure(found, class = c("chreode_association", "data.frame"), cells = length(known), place = place)
}

#' @export
print.chreode_association <- function(x, n = 10, digits = 3, ...) {
    cat(nrow(x), " genes, ", attr(x, "cells"), " cells, the strongest associations first\n", sep = "")
    print(as.data.frame(unclass(x)[names(x)])[seq_len(min(n, nrow(x))), ], digits = digits, row.names = FALSE)
    if (nrow(x) > n) cat("...\n")
    invisible(x)
}

# Whether a matrix is a sparse one of package Matrix.
is_sparse <- function(x) {
    isS4(x) && methods::is(x, "sparseMatrix")
}

# The numbers of genes, so many at a time.
some_at_once <- function(count) {
    split(seq_len(count), (seq_len(count) - 1) %/% GENES_AT_ONCE)
}

# The matrix of expression of an experiment, genes by cells.
assay_of <- function(x, assay) {
    # An error within the arguments of an S4 generic would come out as another.
    name <- name_of_assay(x, assay)
    SummarizedExperiment::assay(x, name)
}

# The name of an assay that was given, or of the usual one.
name_of_assay <- function(x, assay) {
    known <- SummarizedExperiment::assayNames(x)
    if (is.null(assay) && length(known)) assay <- if ("logcounts" %in% known) "logcounts" else known[1]
    if (!is_name(assay) || !assay %in% known) {
        invalid(
            "assay must be the name of an assay (", if (length(known)) paste(known, collapse = ", ") else "the object has none",
            "), got ", in_words(assay)
        )
    }
    assay
}

as_expression <- function(x) {
    if (is.data.frame(x)) x <- as.matrix(x)
    sparse <- isS4(x) && methods::is(x, "Matrix")
    if (!sparse && !(is.matrix(x) && (is.numeric(x) || is.logical(x)))) {
        invalid("x must be a SingleCellExperiment or expression with one row a cell and one column a gene, got ", in_words(x))
    }
    x
}

# One number a cell, in the order of the cells.
quantity_of <- function(quantity, x, count) {
    names <- if (is_experiment(x)) colnames(x) else rownames(x)
    if (is_experiment(x)) quantity <- column_of(x, quantity, "quantity")
    quantity <- decoded(quantity)
    if (!is.numeric(quantity) && !is.logical(quantity)) invalid("quantity must be one number a cell, got ", in_words(quantity))
    cells <- matrix(0, count, 0, dimnames = if (!is.null(names)) list(names, NULL))
    as.double(one_a_cell(quantity, "quantity", cells))
}

# Columns less their mean, of length 1; NA if they do not vary.
standard <- function(ranks) {
    centred <- ranks - rep(colMeans(ranks), each = nrow(ranks))
    length <- sqrt(colSums(centred^2))
    length[length == 0] <- NA
    centred / rep(length, each = nrow(ranks))
}

refuse_missing_expression <- function(dense, some, genes) {
    if (is.finite(sum(dense))) return()
    at <- which(!is.finite(dense), arr.ind = TRUE)
    if (!nrow(at)) return()
    gene <- some[at[1, 2]]
    unusable(
        "expression must be finite, got ", dense[at[1, 1], at[1, 2]], " of ", if (is.null(genes)) paste("gene", gene) else genes[gene]
    )
}

#' Genes along the mean path of a population
#'
#' Simulates the population that grows from some cells, takes its coordinates back to genes by a rotation, and tells the mean over the
#' particles, by weight, with its error and with the spread of the cells.
#'
#' @inheritParams gene_velocity
#' @param x The cells to start from, as `points` of [simulate()][simulate.chreode_dynamics]; by default those of the fit at `start_time`.
#' @param times The times, increasing; by default 21 from the start to the last time of the fit.
#' @param center What the expression of each gene is at the origin of the coordinates, one number a gene or one for all. By default
#'   what `prcomp()` says; of a `SingleCellExperiment` what the assay has there, as of PCA's coordinates, which the assay and the rotation
#'   must give; of anything else 0, so that trends are differences from the origin.
#' @param assay For a `SingleCellExperiment`: the name of the assay with the expression, by default `"logcounts"`, else the first.
#' @param weights One weight a cell; with the chances of a fate, the path of those cells that are likely to come to it. For a
#'   `SingleCellExperiment` it may be the name of a column of `colData`.
#' @param start_time,seed,... As those of [simulate()][simulate.chreode_dynamics].
#' @return An object of class `chreode_trends`, a list: `times`; `mean`, a matrix with one row a time and one column a gene; `sd`, the
#'   standard deviations of the mean by the cells, of an ensemble, `NA` of a model that is none; `path`, the mean in the coordinates of
#'   the model; and the `simulation`. Use it with `plot()`, `quantile()` (over the cells, by weight, one row a time: 0.05 and 0.95
#'   hold nine tenths of them) and [path_position()].
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' expression <- data$x %*% matrix(c(1, 0, 0, 1, 1, -1), 2, dimnames = list(NULL, c("A", "B", "C")))
#' pca <- prcomp(expression, rank. = 2)
#' fit <- fit_dynamics(pca$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' along <- gene_trends(fit, rotation = pca)
#' plot(along)
#' gene_association(expression, path_position(along, pca$x))
#' @export
gene_trends <- function(object, x = NULL, rotation = NULL, times = NULL, start_time = NULL, genes = NULL, center = NULL,
                        weights = NULL, ..., seed = 0, dimred = NULL, assay = NULL, threads = object$threads) {
    check_dynamics(object)
    loadings <- loadings_of(object, x, rotation, dimred)
    chosen <- genes_in(genes, loadings$matrix)
    center <- center_of(object, x, loadings, center, dimred, assay)[chosen]
    loadings <- loadings$matrix[chosen, , drop = FALSE]
    start_time <- starting_time(object, x, start_time)
    if (is.null(times)) times <- seq(start_time, max(object$times), length.out = 21)
    run <- function(model, ...) {
        simulate(
            model, seed = seed, points = x, times = times, start_time = start_time, weights = weights, dimred = dimred,
            threads = threads, ...
        )
    }
    # Every member is simulated below: unless it is asked for, the masses of the ensemble's need not be once more.
    spared <- isTRUE(object$members > 1) && !"error_bars" %in% names(list(...))
    simulation <- if (spared) run(object, error_bars = FALSE, ...) else run(object, ...)
    path <- mean_path(simulation)
    mean <- rep(center, each = nrow(path)) + in_genes(path, loadings)
    sd <- array(NA_real_, dim(mean), dimnames(mean))
    if (isTRUE(object$members > 1)) {
        # Members leave the box of the cells as their mean does, of which was warned.
        each <- suppressWarnings(classes = "chreode_reported", lapply(ensemble_members(object), function(member) {
            in_genes(mean_path(run(member, ...)), loadings)
        }))
        sd[] <- deviation_over_members(object, each)
    }
    structure(
        class = "chreode_trends",
        list(
            times = simulation$times, mean = mean, sd = sd, path = path, simulation = simulation, loadings = loadings,
            center = center, coordinates = object$coordinates, memory = object$memory
        )
    )
}

#' @export
print.chreode_trends <- function(x, ...) {
    cat(
        "Trends of ", ncol(x$mean), " genes at ", length(x$times), " times from ", format_each(x$times[1]), " to ",
        format_each(x$times[length(x$times)]), if (!all(is.na(x$sd))) ", with their errors", "\n", sep = ""
    )
    invisible(x)
}

#' @importFrom stats quantile
#' @export
quantile.chreode_trends <- function(x, probs = c(0.05, 0.5, 0.95), genes = NULL, ...) {
    if (!is.numeric(probs) || anyNA(probs) || any(probs < 0 | probs > 1)) invalid("probs must be from 0 to 1, got ", in_words(probs))
    chosen <- genes_in(genes, x$loadings)
    rows <- lapply(x$simulation$frames, function(frame) {
        values <- in_genes(frame$points, x$loadings[chosen, , drop = FALSE]) + rep(x$center[chosen], each = nrow(frame$points))
        apply(values, 2, weighted_quantile, frame$weights, probs)
    })
    found <- lapply(seq_along(probs), function(k) {
        at <- t(vapply(rows, function(row) matrix(row, length(probs))[k, ], numeric(length(chosen))))
        matrix(at, length(rows), dimnames = list(NULL, rownames(x$loadings)[chosen]))
    })
    if (length(probs) == 1) found[[1]] else setNames(found, paste0(format_each(100 * probs), "%"))
}

# The smallest value below or at which lies that share of the weight.
weighted_quantile <- function(values, weights, levels) {
    order <- order(values)
    share <- cumsum(weights[order])
    share <- share / share[length(share)]
    values[order][pmin(vapply(levels, function(level) sum(share < level), 0) + 1, length(values))]
}

# The mean position of each frame, by weight, one row a time.
mean_path <- function(run) {
    do.call(rbind, lapply(run$frames, function(frame) {
        mass <- sum(frame$weights)
        if (!(mass > 0)) unusable("the population died out by the time ", format_each(frame$time), ": it has no mean path there")
        colSums(frame$weights * frame$points) / mass
    }))
}

#' How far each cell has come along a mean path
#'
#' The time at which the mean path of [gene_trends()] passes nearest to a cell. It is a quantity for [gene_association()], which
#' then ranks genes along the path. It is found from the same cells' coordinates, so that false discovery rates are those of the ranks
#' alone, not of the path.
#'
#' @param trends What [gene_trends()] gave.
#' @param x The cells: a matrix or data frame of coordinates, or a `SingleCellExperiment`.
#' @param dimred For a `SingleCellExperiment`: the name of the `reducedDim` with the coordinates, by default that of the fit.
#' @return One time a cell, under its name.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' along <- gene_trends(fit, rotation = diag(2), center = 0)
#' head(path_position(along, data$x))
#' @export
path_position <- function(trends, x, dimred = NULL) {
    if (!inherits(trends, "chreode_trends")) invalid("trends must be what gene_trends() gave, got ", in_words(trends))
    points <- points_of(trends, x, dimred, "x")
    path <- trends$path
    if (ncol(points) != ncol(path)) invalid("x must have the ", ncol(path), " coordinates of the model, got ", ncol(points))
    nearest <- rep(Inf, nrow(points))
    position <- rep(trends$times[1], nrow(points))
    for (k in seq_len(nrow(path) - 1)) {
        step <- path[k + 1, ] - path[k, ]
        length <- sum(step^2)
        from <- points - rep(path[k, ], each = nrow(points))
        share <- if (length > 0) pmin(pmax(as.vector(from %*% step) / length, 0), 1) else numeric(nrow(points))
        distance <- rowSums((from - outer(share, step))^2)
        nearer <- distance < nearest
        nearest[nearer] <- distance[nearer]
        position[nearer] <- trends$times[k] + share[nearer] * (trends$times[k + 1] - trends$times[k])
    }
    setNames(position, rownames(points))
}

# A rotation as a list: `matrix`, genes by the coordinates of the model; `center`, the expression at the origin where prcomp() says it.
loadings_of <- function(object, x, rotation, dimred) {
    center <- NULL
    if (is.null(rotation)) {
        if (!is_experiment(x)) invalid("rotation must be given: a matrix with one row a gene and one column a coordinate, or what prcomp() gave")
        rotation <- rotation_in(x, chosen_dimred(x, dimred, memory_of(object)))
    }
    if (inherits(rotation, "prcomp")) {
        scale <- if (is.numeric(rotation$scale)) rotation$scale else rep(1, nrow(rotation$rotation))
        center <- if (is.numeric(rotation$center)) rotation$center else numeric(nrow(rotation$rotation))
        rotation <- rotation$rotation * scale
    }
    given <- rotation
    rotation <- chosen_columns(rotation, "rotation", object$coordinates)
    rotation <- if (is.data.frame(rotation) || isS4(rotation)) as.matrix(rotation) else rotation
    if (!is.matrix(rotation) || !is.numeric(rotation)) {
        invalid("rotation must be a numeric matrix with one row a gene and one column a coordinate, got ", in_words(given))
    }
    if (ncol(rotation) != object$dims) {
        invalid(
            "rotation must be genes by the ", object$dims, " coordinates of the model, got ", nrow(rotation), " by ", ncol(rotation),
            if (nrow(rotation) == object$dims) "; give its transpose"
        )
    }
    if (!all(is.finite(rotation))) unusable("rotation must be finite")
    if (is_experiment(x)) rotation <- named_by_genes(rotation, x)
    list(matrix = rotation, center = center)
}

rotation_in <- function(x, dimred) {
    coordinates <- SingleCellExperiment::reducedDim(x, dimred)
    found <- if (methods::is(coordinates, "LinearEmbeddingMatrix")) {
        SingleCellExperiment::featureLoadings(coordinates)
    } else {
        attr(coordinates, "rotation")
    }
    if (is.null(found)) {
        invalid(
            "rotation must be given: the reducedDim ", dimred, " has no attribute of that name (taking a part of the cells loses it)"
        )
    }
    found
}

# The genes of a rotation are some of the experiment's, by name, or all in their order.
named_by_genes <- function(rotation, x) {
    if (is.null(rownames(rotation)) || is.null(rownames(x))) {
        if (nrow(rotation) != nrow(x)) {
            invalid("rotation must have the ", nrow(x), " genes of the experiment, or their names, got ", nrow(rotation))
        }
        if (is.null(rownames(rotation))) rownames(rotation) <- rownames(x)
        return(rotation)
    }
    if (identical(rownames(rotation), rownames(x))) return(rotation)
    lacking <- setdiff(rownames(rotation), rownames(x))
    if (length(lacking)) invalid("rotation has genes that the experiment lacks: ", in_list(lacking, 3))
    twice <- intersect(rownames(rotation), c(rownames(x)[duplicated(rownames(x))], rownames(rotation)[duplicated(rownames(rotation))]))
    if (length(twice)) invalid("genes go by their names, which are there more than once: ", in_list(twice, 3))
    rotation
}

# The rows of an experiment that the genes of a rotation are.
genes_of <- function(rotation, x) {
    if (is.null(rownames(x)) || identical(rownames(rotation), rownames(x))) return(seq_len(nrow(x)))
    match(rownames(rotation), rownames(x))
}

# The rows of genes by name or number; all if none are given.
genes_in <- function(genes, loadings) {
    count <- nrow(loadings)
    if (is.null(genes)) return(seq_len(count))
    known <- rownames(loadings)
    if (!is.character(genes) && !is.numeric(genes)) invalid("genes must be names or numbers, got ", in_words(genes))
    at <- if (is.character(genes)) match(genes, known) else match(genes, seq_len(count))
    if (anyNA(at)) {
        like <- if (is.null(known)) paste0("by number, 1 to ", count) else paste0("such as ", in_list(known[seq_len(min(3, count))]))
        invalid("genes must be among the ", count, " of the rotation (", like, "), got ", in_list(genes[is.na(at)], 3))
    }
    at
}

# The expression of each gene of the rotation at the origin of the coordinates.
center_of <- function(object, x, loadings, given, dimred, assay) {
    count <- nrow(loadings$matrix)
    if (!is.null(given)) {
        if (!is.numeric(given) || !length(given) %in% c(1L, count) || !all(is.finite(given))) {
            invalid("center must be one number a gene (", count, ") or one for all, got ", in_words(given))
        }
        genes <- rownames(loadings$matrix)
        if (length(given) == count && !is.null(names(given)) && !is.null(genes)) {
            if (!setequal(names(given), genes)) invalid("center has no value for the genes ", in_list(setdiff(genes, names(given)), 3))
            given <- given[match(genes, names(given))]
        }
        return(rep_len(unname(as.double(given)), count))
    }
    if (!is.null(loadings$center)) return(unname(loadings$center))
    if (!is_experiment(x)) return(numeric(count))
    dimred <- chosen_dimred(x, dimred, memory_of(object))
    points <- as_cells(coordinates_of(x, dimred), "x", object$coordinates)
    expression <- assay_of(x, assay)[genes_of(loadings$matrix, x), , drop = FALSE]
    # The mean of a PCA's coordinates is 0. Of a part of its cells this is the same origin, but for what the rotation leaves out.
    mean <- if (is_sparse(expression)) {
        Matrix::rowMeans(expression)
    } else {
        unlist(lapply(some_at_once(count), function(some) rowMeans(as.matrix(expression[some, , drop = FALSE]))))
    }
    origin <- mean - as.vector(loadings$matrix %*% colMeans(points))
    some <- seq_len(min(CELLS_CHECKED, ncol(x)))
    projected <- crossprod(as.matrix(expression[, some, drop = FALSE]) - origin, loadings$matrix)
    off <- max(abs(projected - points[some, , drop = FALSE]))
    if (!isTRUE(off <= MOST_OFF * max(apply(points, 2, stats::sd)))) {
        unusable(
            "the assay, centred, times the rotation must give the coordinates of the reducedDim ", dimred, ", got differences up to ",
            signif(off, 3), ": give center, the expression of each gene at the origin of the coordinates, or 0 for trends that are ",
            "differences from it"
        )
    }
    unname(origin)
}
