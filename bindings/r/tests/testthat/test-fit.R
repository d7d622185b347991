test_that("a fit tells what it is and how it went", {
    fit <- small_fit()
    expect_s3_class(fit, "chreode_dynamics")
    expect_identical(fit$method, "usb")
    expect_identical(fit$times, c(0, 1, 2, 3, 4))
    expect_true(fit$complete)
    expect_length(fit$losses, 40)
    expect_identical(fit$seed, 5)
    expect_equal(dim(fit$report$unmatched_mass), c(4, 2))
    expect_true(all(vapply(fit$report$couplings, `[[`, NA, "converged")))
    expect_output(print(fit), "usb: 2 coordinates, 5 times")
    expect_output(print(summary(fit)), "relative_gap")
    expect_identical(summary(fit)$population$cells[1], 60L)
})

test_that("the same seed gives the same bits at any number of threads and in any order of the cells' times", {
    data <- small_data()
    again <- function(threads) {
        fit_dynamics(data$x, data$time, "usb", hidden = "16x2", epochs = 40, seed = 5, threads = threads, progress = FALSE)$bytes
    }
    expect_identical(again(1), small_fit()$bytes)
    expect_identical(again(2), small_fit()$bytes)
})

test_that("a matrix, integers and a data frame are the same cells", {
    x <- cbind(a = c(0L, 0L, 5L, 5L), b = c(0L, 1L, 0L, 1L))
    time <- c(0L, 0L, 1L, 1L)
    bytes <- function(x) fit_dynamics(x, time, hidden = 8, epochs = 3, seed = 1, progress = FALSE)$bytes
    expect_identical(bytes(x), bytes(x + 0))
    expect_identical(bytes(x), bytes(as.data.frame(x)))
    expect_identical(colnames(predict(fit_dynamics(x, time, hidden = 8, epochs = 3, progress = FALSE))), c("a", "b"))
})

test_that("data of one coordinate is a matrix of one column", {
    x <- matrix(c(0, 0.2, 1, 1.3), ncol = 1)
    fit <- fit_dynamics(x, c(0, 0, 1, 1), hidden = 8, epochs = 3, progress = FALSE)
    expect_identical(dim(predict(fit)), c(4L, 1L))
    expect_length(predict(fit, field = "growth"), 4)
})

test_that("options go by the library's names, and their kinds by R's types", {
    data <- small_data()
    fit <- fit_dynamics(
        data$x, data$time, "wfr-fm",
        hidden = c(16, 8), growth_hidden = "8", epochs = 3L, activation = factor("silu"), delta = 2, clip = NULL, progress = FALSE
    )
    expect_identical(fit$method, "wfr-fm")
    expect_identical(fit$delta, 2)
    custom <- fit_dynamics(
        data$x, data$time, coupling = "wfr", bridge = "travelling-dirac", hidden = "8x1", epochs = 2, progress = FALSE
    )
    expect_identical(custom$method, "custom")
    expect_refused(fit_dynamics(data$x, data$time, detla = 1), "chreode_invalid_argument", "`delta` is the nearest")
    expect_refused(fit_dynamics(data$x, data$time, "usb", NULL, NULL, 3), "chreode_invalid_argument", "no name")
    expect_refused(fit_dynamics(data$x, data$time, delta = NA), "chreode_invalid_argument", "delta must not be NA")
    expect_refused(fit_dynamics(data$x, data$time, delta = list(1)), "chreode_invalid_argument", "a number or a string")
    expect_refused(fit_dynamics(data$x, data$time, delta = -1), "chreode_invalid_argument", "positive")
    expect_refused(fit_dynamics(data$x, data$time, epochs = 2.5), "chreode_invalid_argument", "whole")
    expect_refused(fit_dynamics(data$x, data$time, "unknown"), "chreode_invalid_argument", "usb")
    expect_refused(fit_dynamics(data$x, data$time, threads = -1), "chreode_invalid_argument", "threads")
    expect_refused(fit_dynamics(data$x, data$time, seed = -1), "chreode_invalid_argument", "seed")
})

test_that("data that cannot be used is refused with row and column", {
    data <- small_data()
    x <- data$x
    time <- data$time
    expect_refused(fit_dynamics(NULL, time), "chreode_invalid_argument", "got NULL")
    expect_refused(fit_dynamics("cells", time), "chreode_invalid_argument", "numeric matrix")
    expect_refused(fit_dynamics(1:3, 1:3), "chreode_invalid_argument", "numeric matrix")
    expect_refused(fit_dynamics(data.frame(a = 1, b = "x"), 1), "chreode_invalid_argument", "column b")
    expect_refused(fit_dynamics(x), "chreode_invalid_argument", "time must be given")
    expect_refused(fit_dynamics(x, NULL), "chreode_invalid_argument", "time must be given")
    expect_refused(fit_dynamics(x, "day"), "chreode_invalid_argument", "one element a cell (470), got 1")
    expect_refused(fit_dynamics(x, list(time)), "chreode_invalid_argument", "one time a cell, got an object of class list")
    expect_refused(fit_dynamics(x, time > 2), "chreode_invalid_argument", "time must be numeric")
    expect_refused(fit_dynamics(x, time[-1]), "chreode_invalid_argument", "one element a cell (470), got 469")
    expect_refused(fit_dynamics(x, 0 * time), "chreode_invalid_data", "two times or more")
    expect_refused(fit_dynamics(x[0, ], numeric()), "chreode_invalid_data", "no cells")
    expect_refused(fit_dynamics(x[, 0], time), "chreode_invalid_data", "")
    bad <- x
    bad[3, 2] <- NA
    expect_refused(fit_dynamics(bad, time), "chreode_invalid_data", "row 3, coordinate 2")
    bad[3, 2] <- Inf
    expect_refused(fit_dynamics(bad, time), "chreode_invalid_data", "row 3, coordinate 2")
    expect_refused(fit_dynamics(x, replace(time, 2, NA)), "chreode_invalid_data", "row 2")
    expect_refused(fit_dynamics(x, time, weights = 1), "chreode_invalid_argument", "one element a cell")
    expect_refused(fit_dynamics(x, time, weights = replace(time + 1, 4, NA)), "chreode_invalid_data", "weights is missing in row 4")
    expect_refused(fit_dynamics(x, time, weights = replace(time + 1, 4, -1)), "chreode_invalid_data", "row 4")
    expect_refused(fit_dynamics(x, time, masses = c(1, 2)), "chreode_invalid_argument", "5 values")
    expect_refused(fit_dynamics(x, time, masses = "many"), "chreode_invalid_argument", "masses must be numeric")
    expect_refused(fit_dynamics(x, time, progress = "yes"), "chreode_invalid_argument", "progress")
})

test_that("negative times are times as others are", {
    fit <- fit_dynamics(cbind(c(0, 0.1, 1, 1.1)), c(-2, -2, -1, -1), hidden = 8, epochs = 2, progress = FALSE)
    expect_identical(fit$times, c(-2, -1))
})

test_that("an error names the function that the user called", {
    condition <- expect_error(fit_dynamics(NULL, 1))
    expect_identical(as.character(conditionCall(condition))[1], "fit_dynamics")
})

test_that("population sizes can be given apart from cells", {
    x <- cbind(c(0, 0.1, 0.2, 0.3))
    fit <- fit_dynamics(x, c(0, 0, 1, 1), masses = c(1, 3), hidden = 8, epochs = 2, progress = FALSE)
    expect_equal(fit$population$mass, c(1, 3))
    expect_equal(fit$population$cells, c(2, 2))
})
