# Where there are names, they decide; what does not match is refused.

times_2 <- function() c(0, 0, 0, 1, 1, 1)
cells_2 <- function() {
    matrix(sin(1:12), 6, dimnames = list(paste0("cell", letters[1:6]), c("a", "b")))
}
quick_fit <- function(...) fit_dynamics(..., hidden = 8, epochs = 2, seed = 1, progress = FALSE)

test_that("masses go by the names of times", {
    data <- small_data()
    masses <- c("4" = 500, "0" = 100, "3" = 400, "1" = 200, "2" = 300)
    fit <- quick_fit(data$x, data$time, masses = masses)
    expect_equal(fit$population$mass, c(100, 200, 300, 400, 500))
    same <- list(
        as.list(masses), data.frame(time = names(masses), mass = masses), data.frame(mass = 1:5 * 100, time = 0:4),
        c(100, 200, 300, 400, 500), setNames(masses, paste0(names(masses), ".0"))
    )
    for (one in same) expect_identical(quick_fit(data$x, data$time, masses = one)$bytes, fit$bytes)
    counted <- quick_fit(data$x, data$time, masses = table(data$time)[c(3, 1, 2, 5, 4)])
    expect_equal(counted$population$mass, counted$population$cells)
    expect_equal(quick_fit(cbind(1:4), c(0.1 + 0.2, 0.1 + 0.2, 1, 1), masses = c("1" = 3, "0.3" = 1))$population$mass, c(1, 3))
    refused <- list(
        masses[-1], c(masses, "5" = 1), setNames(masses, c(0, 1, 2, 3, 5)), c(masses[1:4], "1" = 2), c(1, 2), c(masses[1:4], 3),
        data.frame(day = 0:4, mass = 1)
    )
    for (one in refused) expect_refused(quick_fit(data$x, data$time, masses = one), "chreode_invalid_argument", "masses")
    expect_refused(quick_fit(data$x, data$time, masses = replace(masses, 2, NA)), "chreode_invalid_data", "time 0 is missing")
})

test_that("coordinates go by the names of columns", {
    data <- small_data()
    wide <- data.frame(label = "x", x2 = data$x[, 2], x1 = data$x[, 1])
    fit <- small_fit()
    expect_identical(fit$coordinates, c("x1", "x2"))
    expected <- predict(fit, data$x, 1)
    expect_identical(predict(fit, data$x[, 2:1], 1), expected)
    expect_identical(unname(predict(fit, wide, 1)), unname(expected))
    expect_identical(predict(fit, unname(data$x), 1), expected)
    expect_identical(evaluate(fit, data$x[, 2:1], data$time), evaluate(fit))
    start <- data$x[data$time == 0, ]
    expect_identical(simulate(fit, seed = 1, points = start[, 2:1]), simulate(fit, seed = 1, points = start))
    other <- data$x
    colnames(other) <- c("x1", "y")
    expect_refused(predict(fit, other, 1), "chreode_invalid_argument", "newdata lacks the coordinate x2 of the model: it has x1, y")
    expect_refused(evaluate(fit, other, data$time), "chreode_invalid_argument", "lacks the coordinate x2")
    expect_refused(simulate(fit, points = other), "chreode_invalid_argument", "lacks the coordinate x2")
    twice <- cbind(data$x, x1 = 0)
    expect_refused(predict(fit, twice, 1), "chreode_invalid_argument", "two columns of the name x1")
    swapped <- transport(data$x[1:9, ], data$x[61:70, 2:1], delta = 2)
    expect_identical(swapped$report$primal, transport(data$x[1:9, ], data$x[61:70, ], delta = 2)$report$primal)
})

test_that("times and weights go by the names of cells", {
    x <- cells_2()
    weights <- c(1, 2, 3, 4, 5, 6)
    fit <- quick_fit(x, times_2(), weights = weights)
    order <- c(4, 1, 6, 3, 2, 5)
    named <- function(values) setNames(values, rownames(x))[order]
    expect_identical(quick_fit(x, named(times_2()), weights = named(weights))$bytes, fit$bytes)
    expect_identical(quick_fit(as.data.frame(x), named(times_2()), weights = weights)$bytes, fit$bytes)
    expect_identical(predict(fit, x, named(times_2())), predict(fit, x, times_2()))
    # Without names of cells there is nothing to go by.
    expect_identical(quick_fit(unname(x), setNames(times_2(), rownames(x)), weights = weights)$bytes, fit$bytes)
    strange <- setNames(times_2(), c(rownames(x)[-1], "else"))
    expect_refused(quick_fit(x, strange), "chreode_invalid_argument", "time has names that are not those of the cells")
    expect_refused(quick_fit(x, times_2(), weights = strange), "chreode_invalid_argument", "weights has names")
    expect_refused(predict(fit, x, strange), "chreode_invalid_argument", "time has names")
})

test_that("a missing value is told with the name of its cell", {
    x <- cells_2()
    expect_refused(quick_fit(x, replace(times_2(), 5, NA)), "chreode_invalid_data", "time is missing in row 5 (cell celle)")
    expect_refused(quick_fit(x, c("0", NA, NA, "1", "1", "1")), "chreode_invalid_data", "row 2 (cell cellb) (and 1 more)")
    expect_refused(
        quick_fit(replace(x, 9, NA), times_2()), "chreode_invalid_data", "row 3, coordinate 2 (cell cellc, b) is NA: values must be finite"
    )
    fit <- quick_fit(x, times_2())
    # In the row of the caller's matrix, though each time is computed apart.
    expect_refused(predict(fit, replace(x, 5, Inf), times_2()), "chreode_invalid_data", "row 5, coordinate 1 (cell celle, a) is Inf")
    expect_refused(transport(replace(x, 3, NaN), x), "chreode_invalid_data", "source: row 3")
})

test_that("other data is measured as the fit's was: with its masses, its weights, its columns", {
    skip_if_not_installed("SingleCellExperiment")
    data <- small_data()
    weight <- 1 + (data$x[, 1] > 1)
    masses <- c("0" = 100, "1" = 90, "2" = 80, "3" = 70, "4" = 60)
    sce <- SingleCellExperiment::SingleCellExperiment(
        reducedDims = list(other = data$x[, c(2, 1)] + 5, genes = unname(data$x)),
        colData = S4Vectors::DataFrame(day = data$time, w = weight)
    )
    fit <- quick_fit(sce, "day", weights = "w", masses = masses, dimred = "genes")
    expected <- evaluate(fit)
    expect_identical(evaluate(fit, sce), expected)
    # Another result than that of numbers of cells, which it would be if the masses were forgotten.
    expect_false(isTRUE(all.equal(evaluate(fit, sce, masses = table(data$time))$rme, expected$rme)))
    expect_false(isTRUE(all.equal(evaluate(fit, sce, weights = rep(1, ncol(sce)))$w1, expected$w1)))
    expect_identical(evaluate(fit, data$x, data$time, weight), expected)
    expect_refused(evaluate(fit, data$x, data$time), "chreode_invalid_argument", "fitted with weights")
    some <- evaluate(fit, sce[, data$time %in% c(0, 2, 4)])
    expect_equal(some$rme, expected$rme[c(2, 4)], tolerance = 1e-6)
    expect_refused(evaluate(fit, data$x, data$time + 1, weight), "chreode_invalid_argument", "none for time 5")
    expect_identical(predict(fit, sce, field = "growth"), predict(fit, unname(data$x), data$time, field = "growth"))
    # It is kept by what keeps the model.
    expect_identical(evaluate(unserialize(serialize(fit, NULL)), sce), expected)
    expect_identical(memory_from_text(memory_to_text(fit$memory)), fit$memory[!vapply(fit$memory, is.null, NA)])
})

test_that("the memory of a model is text and back", {
    fit <- suppressMessages(quick_fit(cells_2(), paste("day", times_2()), masses = c("day 1" = 1 / 3, "day 0" = 2)))
    expect_identical(fit$memory$labels, c("day 0" = 0, "day 1" = 1))
    expect_identical(fit$memory$masses, data.frame(time = c(0, 1), mass = c(2, 1 / 3)))
    back <- memory_from_text(memory_to_text(fit$memory))
    for (name in names(back)) expect_identical(back[[name]], fit$memory[[name]])
    odd <- list(a = "\"\\\n\u00e9\t", b = 0.1, c = TRUE, d = I("x"), e = list(1, "y"))
    expect_identical(from_json(to_json(odd)), list(a = odd$a, b = 0.1, c = TRUE, d = "x", e = list(1, "y")))
})
