read <- function(x, memory = NULL) as_times(x, "time", matrix(0, length(x), 1), memory)

test_that("labels that can be read in one way are numbers, and a message says which", {
    expect_message(found <- read(c("day7", "day0", "day10", "day0")), "time as numbers: \"day0\" = 0, \"day7\" = 7, \"day10\" = 10")
    expect_identical(found$time, c(7, 0, 10, 0))
    expect_identical(found$labels, c(day0 = 0, day7 = 7, day10 = 10))
    cases <- list(
        list(c("E8.5", "E9", "E10.25"), c(8.5, 9, 10.25)), list(c("3h", "12h", "0h"), c(3, 12, 0)), list(c("3 h", "24 h"), c(3, 24)),
        list(c("Day 2", "Day 1"), c(2, 1)), list(c("1", "-0.5", "2e1"), c(1, -0.5, 20)), list(c("t_0", "t_1"), c(0, 1)),
        list(factor(c("d10", "d2"), levels = c("d10", "d2")), c(10, 2)), list(factor(c(7, 3, 7)), c(7, 3, 7))
    )
    for (case in cases) expect_identical(suppressMessages(read(case[[1]]))$time, case[[2]], info = paste(case[[1]], collapse = " "))
})

test_that("what can be read in several ways is refused with the levels and the conversion", {
    ambiguous <- list(
        c("early", "late"), c("E18.5", "P0"), c("12h", "1d"), c("day-1", "day0"), c("day3_rep1", "day4_rep1"), c("d.5", "d1"),
        c("2026-01-05", "2026-01-07"), c("1-2", "3-4"), c("", "1"), c("d1", "1")
    )
    for (labels in ambiguous) expect_refused(read(labels), "chreode_invalid_argument", sprintf("\"%s\" = 0", labels[1]))
    expect_refused(
        read(factor(c("mid", "early", "late"))), "chreode_invalid_argument",
        "Its levels are \"mid\", \"early\", \"late\": convert them, for instance by c(\"mid\" = 0, \"early\" = 1, \"late\" = 2)[as.character(time)]"
    )
    expect_refused(read(c("day1", "day01")), "chreode_invalid_argument", "several labels of one time: \"day1\", \"day01\"")
    expect_refused(read(as.POSIXct(c(0, 60), origin = "1970-01-01")), "chreode_invalid_argument", "units = \"hours\"")
    expect_refused(read(1i), "chreode_invalid_argument", "numeric")
})

test_that("dates are days since the first of the fit, and differences keep their unit", {
    dates <- as.Date(c("2026-01-07", "2026-01-05"))
    expect_message(found <- read(dates), "days since 2026-01-05")
    expect_identical(found$time, c(2, 0))
    memory <- c(found, list(times = c(0, 2)))
    expect_silent(later <- read(as.Date("2026-01-12"), memory))
    expect_identical(later$time, 7)
    expect_refused(read(dates, list(times = c(0, 1))), "chreode_invalid_argument", "not fitted to dates")
    expect_message(hours <- read(as.difftime(c(3, 6), units = "hours")), "time is in hours")
    expect_identical(hours$time, c(3, 6))
    expect_identical(read(as.difftime(0.5, units = "days"), hours)$time, 12)
})

test_that("run-length encoded columns are columns", {
    skip_if_not_installed("S4Vectors")
    expect_identical(read(S4Vectors::Rle(c(0, 0, 1)))$time, c(0, 0, 1))
    expect_identical(suppressMessages(read(S4Vectors::Rle(factor(c("d0", "d3")))))$time, c(0, 3))
})

test_that("a model reads times as its fit did, without a word", {
    data <- small_data()
    day <- factor(paste0("day", data$time))
    fit_by <- function(time, ...) fit_dynamics(data$x, time, "usb", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE, ...)
    expect_message(fit <- fit_by(day, masses = c(day4 = 5, day3 = 4, day2 = 3, day1 = 2, day0 = 1)), "\"day4\" = 4")
    expect_equal(fit$population$mass, c(1, 2, 3, 4, 5))
    expect_identical(suppressMessages(fit_by(day))$bytes, small_fit()$bytes)
    # That a fit this small strays is another matter.
    expect_no_message(again <- suppressWarnings(evaluate(fit, data$x, day)))
    expect_identical(again, suppressWarnings(evaluate(fit)))
    expect_silent(at <- predict(fit, data$x[1:2, ], "day3"))
    expect_identical(at, predict(fit, data$x[1:2, ], 3))
    # A label that was not there is read alike.
    expect_message(at <- predict(fit, data$x[1:2, ], "day2.5"), "\"day2.5\" = 2.5")
    expect_identical(at, predict(fit, data$x[1:2, ], 2.5))
    expect_silent(predict(fit, data$x, data$time))
})
