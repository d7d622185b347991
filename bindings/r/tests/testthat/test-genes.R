# Genes: what a rotation makes of the model's coordinates, and how expression goes with what is known of the cells.

rotation_7 <- function() {
    # Orthonormal, genes by coordinates.
    structure(qr.Q(qr(matrix(sin(1:14), 7))), dimnames = list(paste0("gene", 1:7), NULL))
}

# Cells whose expression has the model's coordinates as its principal components.
expressed <- function() {
    data <- small_data()
    x <- data$x
    rownames(x) <- paste0("cell", seq_len(nrow(x)))
    x <- scale(x, scale = FALSE)[, ]
    colnames(x) <- c("PC1", "PC2")
    SingleCellExperiment::SingleCellExperiment(
        assays = list(logcounts = 5 + rotation_7() %*% t(x)), colData = S4Vectors::DataFrame(day = data$time),
        reducedDims = list(other = x[, 2:1], PCA = structure(x, rotation = rotation_7()))
    )
}

# Models of a moment let particles leave the cells, which is told.
quietly <- function(expression) suppressWarnings(expression, classes = "chreode_reported")
quiet_trends <- function(...) quietly(gene_trends(...))

few_fit <- function(...) fit_dynamics(..., hidden = "8x2", epochs = 5, seed = 1, progress = FALSE)

test_that("velocities of genes are those of the coordinates, turned", {
    data <- small_data()
    fit <- small_fit()
    rotation <- rotation_7()
    found <- gene_velocity(fit, rotation = rotation)
    expect_equal(found$velocity, predict(fit) %*% t(rotation))
    expect_null(found$sd)
    expect_output(print(found), sprintf("7 genes at %d cells", nrow(data$x)))
    some <- gene_velocity(fit, data$x[1:5, ], 1, rotation, genes = c("gene4", "gene1"))
    expect_equal(some$velocity, (predict(fit, data$x[1:5, ], 1) %*% t(rotation))[, c(4, 1)])
    expect_identical(gene_velocity(fit, data$x[1:5, ], 1, rotation, genes = c(4, 1)), some)
    # What prcomp() gave, with its scale, and more components than the model has.
    expression <- cbind(a = data$x[, 1], b = 3 * data$x[, 2], c = data$x[, 1] - 2 * data$x[, 2])
    pca <- prcomp(expression, scale. = TRUE)
    of_two <- few_fit(pca$x[, 1:2], data$time)
    found <- gene_velocity(of_two, rotation = pca)$velocity
    ahead <- sweep(sweep((pca$x[, 1:2] + 1e-3 * predict(of_two)) %*% t(pca$rotation[, 1:2]), 2, pca$scale, "*"), 2, pca$center, "+")
    expect_equal(found, (ahead - expression) / 1e-3, tolerance = 1e-6)
    # Columns of a rotation go by name.
    expect_identical(gene_velocity(of_two, rotation = pca$rotation[, c(3, 2, 1)]), gene_velocity(of_two, rotation = pca$rotation))
})

test_that("of an ensemble their errors know that coordinates are not independent", {
    data <- small_data()
    fit <- few_fit(data$x, data$time, method = "usb", ensemble = 3)
    same <- gene_velocity(fit, rotation = diag(2))
    expect_equal(unname(same$sd), unname(predict(fit, sd = TRUE)), tolerance = 1e-6)
    mixed <- gene_velocity(fit, rotation = cbind(1, -1))$sd[, 1]
    members <- vapply(ensemble_members(fit), function(member) predict(member), data$x)
    by_cells <- (fit$stretch * fit$uncertainty$velocity$shrinkage)^2
    added <- rowSums(predict(fit, sd = TRUE)^2 - by_cells * apply(members, c(1, 2), var))
    expected <- sqrt(by_cells * apply(members[, 1, ] - members[, 2, ], 1, var) + added)
    expect_equal(mixed, expected, tolerance = 1e-6)
    expect_gt(max(abs(mixed / sqrt(rowSums(same$sd^2)) - 1)), 0.01)
    expect_identical(ensemble_members(small_fit()), list(small_fit()))
})

test_that("a rotation that does not fit is one clear error", {
    fit <- small_fit()
    refused <- function(message, ...) expect_refused(gene_velocity(fit, ...), "chreode_invalid_argument", message)
    refused("rotation must be given")
    refused("genes by the 2 coordinates of the model, got 2 by 7; give its transpose", rotation = unname(t(rotation_7())))
    refused("genes by the 2 coordinates of the model, got 3 by 5", rotation = matrix(0, 3, 5))
    refused("rotation lacks the coordinates x1, x2 of the model: it has PC1, PC2", rotation = matrix(0, 3, 2, dimnames = list(NULL, c("PC1", "PC2"))))
    refused("rotation must be a numeric matrix", rotation = "PCs")
    refused("genes must be among the 7 of the rotation (such as gene1, gene2, gene3), got Gata1", rotation = rotation_7(), genes = "Gata1")
    refused("by number, 1 to 2), got 3", rotation = diag(2), genes = 3)
    expect_refused(gene_velocity(fit, rotation = matrix(NA_real_, 3, 2)), "chreode_invalid_data", "rotation must be finite")
    skip_if_not_installed("SingleCellExperiment")
    sce <- expressed()
    fit <- few_fit(sce, "day", dimred = "other")
    refused("the reducedDim other has no attribute", x = sce)
    refused("genes that the experiment lacks: gene8", x = sce, rotation = structure(rotation_7(), dimnames = list(paste0("gene", 2:8), NULL)))
    twice <- sce
    rownames(twice)[2] <- "gene1"
    refused("there more than once: gene1", x = twice, rotation = structure(rotation_7(), dimnames = list(paste0("gene", c(1, 3:7, 1)), NULL)))
    refused("the 7 genes of the experiment, or their names, got 3", x = sce, rotation = matrix(1, 3, 2))
})

test_that("associations are Spearman's, with a false discovery rate", {
    set.seed(5)
    quantity <- rnorm(200)
    x <- matrix(rpois(200 * 40, 2), 200)
    x[, 3] <- x[, 3] + floor(3 * quantity)
    x[, 8] <- x[, 8] - floor(2 * quantity)
    x[, 11] <- 1
    found <- gene_association(x, quantity)
    expect_setequal(found$gene[1:2], c(3, 8))
    expect_identical(found$gene[40], 11L)
    expect_true(is.na(found$fdr[40]) && found$correlation[found$gene == 8] < 0)
    for (gene in c(1, 3, 40)) {
        expected <- suppressWarnings(stats::cor.test(x[, gene], quantity, method = "spearman", exact = FALSE))
        row <- found[found$gene == gene, ]
        expect_equal(row$correlation, unname(expected$estimate))
        expect_equal(row$p_value, expected$p.value, tolerance = 1e-6)
    }
    p <- sort(found$p_value)
    expect_equal(sort(found$fdr), pmin(rev(cummin(rev(p * 39 / 1:39))), 1))
    skip_if_not_installed("Matrix")
    sparse <- Matrix::Matrix(x, sparse = TRUE)
    for (kind in c("CsparseMatrix", "RsparseMatrix", "TsparseMatrix")) {
        expect_identical(gene_association(methods::as(sparse, kind), quantity), found)
    }
    perfect <- gene_association(cbind(a = quantity, b = -quantity, c = x[, 1]), quantity)
    expect_identical(perfect$correlation[1:2], c(1, -1))
    expect_identical(perfect$p_value[1:2], c(0, 0))
    expect_output(print(found), "40 genes, 200 cells")
    skip_if_not_installed("SingleCellExperiment")
    sce <- SingleCellExperiment::SingleCellExperiment(assays = list(counts = Matrix::t(sparse)))
    expect_identical(gene_association(sce, quantity), found)
})

test_that("what is not associated is rarely found", {
    set.seed(2)
    found <- gene_association(matrix(rnorm(1e5), 100), rnorm(100))
    expect_true(!any(found$fdr < 0.05) && sum(found$p_value < 0.05) > 25 && sum(found$p_value < 0.05) < 75)
})

test_that("quantities go by the names of cells, and what is unknown is left out", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- expressed()
    sce$fate <- replace(SingleCellExperiment::reducedDim(sce, "PCA")[, 1], 1:50, NA)
    found <- gene_association(sce, "fate")
    expect_identical(attr(found, "cells"), ncol(sce) - 50L)
    expect_identical(gene_association(sce, rev(setNames(sce$fate, colnames(sce)))), found)
    expect_equal(gene_association(t(as.matrix(SummarizedExperiment::assay(sce))), setNames(sce$fate, colnames(sce))), found)
    written <- add_gene_association(sce, "fate")
    rows <- SummarizedExperiment::rowData(written)
    expect_identical(rows$fate_correlation[match(found$gene, rownames(sce))], found$correlation)
    expect_identical(S4Vectors::metadata(written)$chreode$fate_correlation$assay, "logcounts")
    refused <- function(message, ..., class = "chreode_invalid_argument") expect_refused(gene_association(...), class, message)
    expect_refused(add_gene_association(written, "fate"), "chreode_invalid_argument", "x has fate_correlation, fate_p_value, fate_fdr already")
    refused("quantity must be a column of colData (day, fate), got growth", sce, "growth")
    refused("quantity has names that are not those of the cells", sce, setNames(sce$fate, paste0("c", seq_len(ncol(sce)))))
    refused("quantity must have one element a cell", sce, 1:3)
    refused("quantity must differ between the cells", sce, rep(1, ncol(sce)))
    refused("quantity must be one number a cell", sce, rep("a", ncol(sce)))
    refused("assay must be the name of an assay (logcounts), got counts", sce, "fate", assay = "counts")
    SummarizedExperiment::assay(sce)[2, 60] <- Inf
    refused("expression must be finite, got Inf of gene2", sce, "fate", class = "chreode_invalid_data")
})

test_that("velocities of genes are an assay", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- expressed()
    fit <- few_fit(sce, "day", dimred = "PCA", ensemble = 2)
    written <- add_gene_velocity(sce, fit)
    found <- gene_velocity(fit, sce)
    expect_identical(SummarizedExperiment::assayNames(written), c("logcounts", "velocity", "velocity_sd"))
    expect_identical(SummarizedExperiment::assay(written, "velocity"), t(found$velocity))
    expect_identical(SummarizedExperiment::assay(written, "velocity_sd"), t(found$sd))
    record <- S4Vectors::metadata(written)$chreode$velocity
    expect_identical(record[c("dimred", "time", "members")], list(dimred = "PCA", time = "day", members = 2))
    expect_identical(record$options[order(names(record$options))], list(ensemble = 2, epochs = 5, hidden = "8x2"))
    expect_refused(add_gene_velocity(written, fit), "chreode_invalid_argument", "x has velocity, velocity_sd already")
    # Of another model nothing is left; genes without a rotation are unknown.
    single <- few_fit(sce, "day", dimred = "PCA")
    over <- add_gene_velocity(written, single, rotation = rotation_7()[c(5, 2), ], overwrite = TRUE)
    expect_identical(SummarizedExperiment::assayNames(over), c("logcounts", "velocity"))
    expect_null(S4Vectors::metadata(over)$chreode$velocity_sd)
    expect_identical(which(!is.na(SummarizedExperiment::assay(over, "velocity")[, 1])), c(gene2 = 2L, gene5 = 5L))
    expect_equal(SummarizedExperiment::assay(over, "velocity")[c(2, 5), ], t(gene_velocity(single, sce)$velocity)[c(2, 5), ])
})

test_that("trends go along the mean path", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- expressed()
    fit <- few_fit(sce, "day", dimred = "PCA", ensemble = 2)
    found <- quiet_trends(fit, sce, times = c(0, 1, 2), genes = c("gene2", "gene1"))
    frame <- quietly(simulate(fit, points = sce, times = c(0, 1, 2)))$frames[[3]]
    expression <- 5 + frame$points %*% t(rotation_7()[c(2, 1), ])
    expect_equal(found$mean[3, ], colSums(frame$weights * expression) / sum(frame$weights))
    start <- t(SummarizedExperiment::assay(sce)[c(2, 1), sce$day == 0])
    expect_equal(found$mean[1, ], colMeans(start), tolerance = 1e-6)
    expect_equal(quantile(found, 0.5)[1, ], apply(start, 2, quantile, 0.5, type = 1), tolerance = 1e-6)
    both <- quantile(found)
    expect_identical(names(both), c("5%", "50%", "95%"))
    expect_true(all(both[["5%"]] <= both[["95%"]]))
    expect_identical(quantile(found, 0.05, genes = "gene1"), both[["5%"]][, "gene1", drop = FALSE])
    expect_true(all(found$sd[1, ] < 1e-6) && all(found$sd[-1, ] > 0))
    each <- lapply(ensemble_members(fit), quiet_trends, sce, times = c(0, 1, 2), genes = c(2, 1), center = 0)
    expect_true(all(is.na(each[[1]]$sd)))
    expect_equal(found$sd, fit$stretch * abs(each[[1]]$mean - each[[2]]$mean) / sqrt(2), tolerance = 1e-6)
    # The masses of the ensemble's population have errors where they are asked for.
    expect_null(found$simulation$mass_sd)
    asked <- quiet_trends(fit, sce, times = c(0, 1, 2), genes = c("gene2", "gene1"), error_bars = TRUE)
    expect_identical(asked[c("mean", "sd")], found[c("mean", "sd")])
    expect_length(asked$simulation$mass_sd, 3)
    half <- quiet_trends(fit, sce[, seq(1, ncol(sce), 2)], rotation = rotation_7(), genes = "gene2")
    expect_identical(dim(half$mean), c(21L, 1L))
    # The path of those with a weight, a column of which others than the start have none.
    sce$chance <- ifelse(sce$day == 0, as.numeric(SingleCellExperiment::reducedDim(sce, "PCA")[, 1] > 0), NA)
    heavy <- quiet_trends(fit, sce, times = c(0, 1), weights = "chance")
    chosen <- sce$day == 0 & sce$chance %in% 1
    expect_equal(heavy$mean[1, ], rowMeans(SummarizedExperiment::assay(sce)[, chosen]), tolerance = 1e-6)
    SummarizedExperiment::assay(sce) <- 2 * SummarizedExperiment::assay(sce)
    expect_refused(gene_trends(fit, sce), "chreode_invalid_data", "times the rotation must give the coordinates of the reducedDim PCA")
    # prcomp() knows the origin.
    data <- small_data()
    expression <- cbind(a = data$x[, 1], b = 3 * data$x[, 2] + 7)
    pca <- prcomp(expression, scale. = TRUE)
    found <- quiet_trends(few_fit(pca$x, data$time), rotation = pca)
    expect_equal(found$mean[1, ], colMeans(expression[data$time == 0, ]), tolerance = 1e-6)
    expect_output(print(found), "Trends of 2 genes at 21 times from 0 to 4")
})

test_that("cells have a position along the path", {
    data <- small_data()
    found <- gene_trends(small_fit(), data$x[1:30, ], diag(2), c(0, 0.5, 1.5), start_time = 0)
    expect_equal(path_position(found, found$path), found$times)
    expect_equal(path_position(found, rbind(0.25 * found$path[2, ] + 0.75 * found$path[3, ])), 1.25, tolerance = 1e-6)
    everywhere <- path_position(found, data$x)
    expect_true(all(everywhere >= 0 & everywhere <= 1.5))
    expect_refused(path_position(found, matrix(0, 3, 4)), "chreode_invalid_argument", "x must have the 2 coordinates")
    expect_refused(path_position(1, data$x), "chreode_invalid_argument", "what gene_trends() gave")
})
