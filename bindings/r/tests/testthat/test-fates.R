# Models of a moment let particles leave the cells, which is told.
quiet_fates <- function(...) suppressWarnings(fates(...), classes = "chreode_reported")

test_that("fates have a row for every earlier cell, under its name and in its place", {
    fit <- small_fit()
    data <- small_data()
    kind <- ifelse(data$x[, 1] > stats::median(data$x[, 1]), "high", "low")
    found <- quiet_fates(fit, kind, descendants = 4, seed = 2)
    expect_s3_class(found, "chreode_fates")
    expect_identical(names(found)[1:7], c("time", "label", "p_high", "p_low", "n_high", "n_low", "p_none"))
    expect_false(any(startsWith(names(found), "sd_")))
    expect_identical(nrow(found), sum(data$time < 4))
    expect_equal(found$p_high + found$p_low, rep(1, nrow(found)))
    expect_equal(found$se_p_high, found$se_p_low)
    expect_identical(attr(found, "neighbours"), 10)
    expect_identical(quiet_fates(fit, kind, data$x, data$time, descendants = 4, seed = 2), found)
    # In another order, by names.
    x <- data$x
    rownames(x) <- paste0("cell", seq_len(nrow(x)))
    mixed <- order(sin(seq_len(nrow(x))))
    named <- quiet_fates(fit, setNames(kind, rownames(x)), x[mixed, ], data$time[mixed], from = 0, descendants = 4, seed = 2)
    expect_identical(rownames(named), rownames(x)[mixed][data$time[mixed] == 0])
    expect_identical(named$label, kind[mixed][data$time[mixed] == 0])
    set.seed(1)
    one <- quiet_fates(fit, kind, descendants = 4)
    set.seed(1)
    expect_identical(quiet_fates(fit, kind, descendants = 4), one)
    expect_output(print(found), "cells, by the labels at time 4")
})

test_that("cells without a label tell nothing, and their mass is counted", {
    fit <- small_fit()
    data <- small_data()
    kind <- factor(ifelse(data$x[, 1] > stats::median(data$x[, 1]), 10, 9))
    kind[seq(1, length(kind), by = 4)] <- NA
    found <- quiet_fates(fit, kind, mode = "ode")
    expect_identical(attr(found, "labels"), c("9", "10"))
    expect_identical(attr(found, "unlabelled"), as.numeric(sum(is.na(kind) & data$time == 4)))
    expect_true(is.na(found$label[1]) && all(found$se_n_9 == 0))
    moved <- attr(found, "transitions")
    expect_identical(unique(moved$from), c(NA, "9", "10"))
    expect_equal(as.vector(tapply(moved$went, paste(moved$time, moved$from), sum)), rep(1, 12))
    # Where only the later cells have a label, all others come from one row.
    late <- quiet_fates(fit, replace(kind, data$time < 4, NA), mode = "ode")
    expect_identical(nrow(attr(late, "transitions")), 4L * 2L)
    expect_equal(as.vector(tapply(attr(late, "transitions")$went, attr(late, "transitions")$time, sum)), rep(1, 4))
    blank <- as.character(kind)
    blank[is.na(blank)] <- ""
    expect_equal(quiet_fates(fit, blank, mode = "ode"), found)
})

test_that("columns of an experiment are labels", {
    skip_if_not_installed("SingleCellExperiment")
    data <- small_data()
    kind <- ifelse(data$x[, 1] > stats::median(data$x[, 1]), "high", "low")
    sce <- SingleCellExperiment::SingleCellExperiment(
        reducedDims = list(genes = data$x), colData = S4Vectors::DataFrame(day = data$time, kind = kind)
    )
    fit <- fit_dynamics(sce, "day", hidden = "8x2", epochs = 5, seed = 1, progress = FALSE)
    expect_equal(quiet_fates(fit, "kind", sce, mode = "ode"), quiet_fates(fit, kind, mode = "ode"))
    expect_refused(fates(fit, "sort", sce), "chreode_invalid_argument", "labels must be a column of colData")
})

test_that("an ensemble tells how far its members differ", {
    data <- small_data()
    kind <- ifelse(data$x[, 1] > stats::median(data$x[, 1]), "high", "low")
    fit <- fit_dynamics(data$x, data$time, hidden = "8x2", epochs = 5, seed = 1, ensemble = 2, progress = FALSE)
    found <- quiet_fates(fit, kind, mode = "ode")
    expect_true(all(found$sd_n_high >= 0) && any(found$sd_n_high > 0))
    expect_true(any(attr(found, "transitions")$sd_mass > 0))
    without <- quiet_fates(fit, kind, mode = "ode", error_bars = FALSE)
    expect_false("sd_n_high" %in% names(without) || "sd_mass" %in% names(attr(without, "transitions")))
})

test_that("what cannot be told is refused", {
    fit <- small_fit()
    data <- small_data()
    kind <- ifelse(data$x[, 1] > 1, "high", "low")
    expect_refused(fates(fit), "chreode_invalid_argument", "labels must be given")
    expect_refused(fates(fit, kind[-1]), "chreode_invalid_argument", "labels must have one element a cell")
    expect_refused(fates(fit, rep(NA, length(kind))), "chreode_invalid_data", "has a label")
    expect_refused(fates(fit, kind, to = 0), "chreode_invalid_argument", "later than the first time")
    expect_refused(fates(fit, kind, turnover = 1), "chreode_invalid_argument", "turnover must be left out")
    expect_refused(fates(fit, kind, neighbors = 3), "chreode_invalid_argument", "`neighbours` is the nearest")
    expect_refused(fates(fit, kind, progress = function(now) FALSE), "chreode_cancelled", "cancelled")
})
