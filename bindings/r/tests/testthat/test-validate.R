short <- function(...) {
    validate(..., hidden = "8x1", growth_hidden = "8x1", epochs = 5, splits = 2, seed = 1, progress = FALSE)
}

test_that("recipes are rows, and the best one is told", {
    data <- small_data()
    found <- short(data$x, data$time, method = c("wfr-fm", "usb"), sigma = c(0.02, 0.05))
    expect_identical(found$recipe, c("wfr-fm", "usb sigma=0.02", "usb sigma=0.05"))
    expect_identical(which(found$best), which.min(found$ratio))
    measures <- attr(found, "measures")
    expect_length(measures$recipes[[1]]$w1, length(measures$times))
    expect_equal(found$ratio[1], mean(measures$recipes[[1]]$ratios))
    expect_output(print(found), "W1 to unseen cells is")
    again <- short(data$x, data$time, method = c("wfr-fm", "usb"), sigma = c(0.02, 0.05), threads = 1)
    expect_identical(again$ratio, found$ratio)
})

test_that("parts and growth go with their cells", {
    data <- small_data()
    n <- nrow(data$x)
    parts <- rep(c("a", "b"), length.out = n)
    growth <- data$x[, 2]^2 / (1 + data$x[, 2]^2)
    found <- short(data$x, data$time, parts = parts, growth = growth)
    expect_true(found$growth_error > 0)
    order <- rev(seq_len(n))
    other <- short(data$x[order, ], data$time[order], parts = parts[order], growth = growth[order])
    expect_equal(attr(other, "measures")$nothing_moves, attr(found, "measures")$nothing_moves)
    expect_refused(short(data$x, data$time, parts = parts[-1]), "chreode_invalid_argument", "parts")
    expect_refused(short(data$x, data$time, growth = growth[-1]), "chreode_invalid_argument", "growth")
    expect_refused(short(data$x, data$time, parts = data$time > 0), "chreode_invalid_data", "has 0 cells at time")
})

test_that("what cannot be validated is refused", {
    data <- small_data()
    expect_refused(validate(data$x, data$time, split = 2), "chreode_invalid_argument", "`splits` is the nearest")
    expect_refused(validate(data$x), "chreode_invalid_argument", "time")
    first <- data$time == min(data$time)
    expect_refused(short(data$x[first, ], data$time[first]), "chreode_invalid_data", "two times or more")
    expect_error(
        validate(data$x, data$time, progress = function(now) stop("enough of ", now$stage)), "enough of validation"
    )
})
