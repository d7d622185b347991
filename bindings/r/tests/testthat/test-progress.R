quick <- function(...) {
    data <- small_data()
    fit_dynamics(data$x, data$time, hidden = "8x1", ...)
}

test_that("progress is told by messages, and only if asked for", {
    told <- testthat::capture_messages(quick(epochs = 5, progress = TRUE))
    expect_match(told[length(told)], "training: 5 of 5, loss")
    expect_silent(quick(epochs = 5, progress = FALSE))
})

test_that("a progress function sees every stage from its first to its last step", {
    seen <- list()
    quick(epochs = 5, progress = function(now) seen[[length(seen) + 1]] <<- now)
    stages <- vapply(seen, `[[`, "", "stage")
    expect_identical(unique(stages), c("coupling", "training"))
    last <- seen[[length(seen)]]
    expect_identical(c(last$done, last$total), c(5, 5))
    expect_true(is.finite(last$loss))
})

test_that("a progress function that returns FALSE ends the fit with a usable model", {
    reached <- NULL
    stop_late <- function(now) {
        reached <<- now
        now$stage != "training" || now$done < 20
    }
    condition <- expect_warning(fit <- quick(epochs = 1e6, progress = stop_late), class = "chreode_stopped")
    expect_match(conditionMessage(condition), "stopped by the progress function after [0-9]+ steps")
    expect_false(fit$complete)
    expect_output(print(fit), "INCOMPLETE")
    expect_true(all(is.finite(predict(fit))))
    expect_refused(quick(epochs = 5, progress = function(now) FALSE), "chreode_cancelled", "cancelled")
})

test_that("the error of a progress function comes back as it is", {
    mine <- structure(class = c("mine", "error", "condition"), list(message = "no more", call = NULL))
    condition <- tryCatch(quick(epochs = 50, progress = function(now) stop(mine)), error = identity)
    expect_identical(condition, mine)
    # And so does a jump past the fit, to a restart or out of a function.
    expect_identical(withRestarts(quick(progress = function(now) invokeRestart("out", 7)), out = identity), 7)
    leave <- function() callCC(function(exit) quick(progress = function(now) exit("left")))
    expect_identical(leave(), "left")
    # The library is none the worse for it.
    expect_true(quick(epochs = 5, progress = FALSE)$complete)
})

test_that("conditions of a progress function reach the caller's handlers and the fit goes on", {
    seen <- 0
    fit <- withCallingHandlers(
        quick(epochs = 5, progress = function(now) warning("seen")),
        warning = function(w) {
            seen <<- seen + 1
            invokeRestart("muffleWarning")
        }
    )
    expect_gt(seen, 1)
    expect_true(fit$complete)
})

test_that("a fit inside a progress function is a fit of its own", {
    inner <- NULL
    outer <- quick(epochs = 5, progress = function(now) inner <<- quick(epochs = 3, progress = FALSE))
    expect_true(outer$complete)
    expect_length(inner$losses, 3)
})

test_that("an interrupt ends a loop over fits, and the model reached so far is there", {
    skip_on_os("windows")
    # With a progress function, which is where the signal may find the process, and without.
    expect_interruptible(sprintf("function(now) if (now$done > 20) writeLines('now', '%s')", marker <- tempfile()), marker)
    expect_interruptible("FALSE", NULL)
})

test_that("an interrupt before training is an interrupt without a model", {
    expect_null(tryCatch(quick(progress = function(now) {
        signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
    }), interrupt = function(condition) condition$model))
})
