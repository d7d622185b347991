experiment <- function() {
    data <- small_data()
    rownames(data$x) <- paste0("cell", seq_along(data$time))
    SingleCellExperiment::SingleCellExperiment(
        assays = list(counts = matrix(1, 3, length(data$time), dimnames = list(NULL, rownames(data$x)))),
        reducedDims = list(other = data$x[, c(2, 1)], genes = data$x),
        colData = S4Vectors::DataFrame(day = data$time, one = rep(1, length(data$time)))
    )
}

test_that("a SingleCellExperiment is fitted as its coordinates and times are", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", weights = "one", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE)
    expect_identical(fit$bytes, small_fit()$bytes)
    expect_identical(fit$memory[c("time", "dimred", "weights")], list(time = "day", dimred = "genes", weights = "one"))
    expect_identical(evaluate(fit, sce), evaluate(fit))
    expect_identical(unname(predict(fit, sce)), unname(predict(small_fit())))
})

test_that("velocity and growth are written back", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE)
    written <- add_dynamics(sce, fit, prefix = "usb_")
    expect_identical(SingleCellExperiment::reducedDimNames(written), c("other", "genes", "usb_velocity"))
    velocity <- SingleCellExperiment::reducedDim(written, "usb_velocity")
    expect_identical(rownames(velocity), colnames(sce))
    expect_identical(unname(velocity), unname(predict(small_fit())))
    expect_identical(SummarizedExperiment::colData(written)$usb_growth, unname(predict(small_fit(), field = "growth")))
    expect_identical(SummarizedExperiment::colData(written)$day, SummarizedExperiment::colData(sce)$day)
    only <- add_dynamics(sce, fit, fields = "growth")
    expect_identical(SingleCellExperiment::reducedDimNames(only), c("other", "genes"))
    all <- add_dynamics(sce, fit, fields = c("velocity", "growth", "score_drift"))
    expect_identical(
        unname(SingleCellExperiment::reducedDim(all, "score_drift")), unname(predict(small_fit(), field = "score_drift"))
    )
})

test_that("what an experiment lacks is named", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    expect_refused(fit_dynamics(sce, "dya"), "chreode_invalid_argument", "column of colData (day, one), got dya")
    expect_refused(fit_dynamics(sce, "day", dimred = "PCA"), "chreode_invalid_argument", "(other, genes), got PCA")
    expect_refused(fit_dynamics(sce), "chreode_invalid_argument", "column of colData")
    expect_refused(fit_dynamics(sce, 1:3), "chreode_invalid_argument", "one element a cell")
    SingleCellExperiment::reducedDims(sce) <- list()
    expect_refused(fit_dynamics(sce, "day"), "chreode_invalid_argument", "the object has none")
    expect_refused(add_dynamics(1, small_fit()), "chreode_invalid_argument", "SingleCellExperiment")
    expect_refused(add_dynamics(sce, small_fit()), "chreode_invalid_argument", "")
})
