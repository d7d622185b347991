# A process of R that is interrupted half a second after it says that it begins, and how long it then takes to end the call.
seconds_to_end <- function(call) {
    started <- tempfile()
    ended <- tempfile()
    script <- tempfile(fileext = ".R")
    writeLines(c(
        sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")),
        "set.seed(1)",
        "x <- matrix(rnorm(100000), ncol = 10)",
        "time <- rep(c(0, 1), each = 5000)",
        "x <- x + time",
        "fit <- chreode::fit_dynamics(",
        "    x, time, method = 'ot-cfm', chunk_size = 50, epochs = 1, hidden = '256x3', seed = 1, progress = FALSE",
        ")",
        sprintf("writeLines(as.character(Sys.getpid()), '%s')", started),
        "caught <- tryCatch(", call, ", interrupt = function(condition) condition)",
        # Only what the call itself signals: an interrupt before or after it has another class.
        sprintf("writeLines(sprintf('%%.3f %%s', as.numeric(Sys.time()), class(caught)[1]), '%s.part')", ended),
        sprintf("file.rename('%s.part', '%s')", ended, ended)
    ), script)
    output <- tempfile()
    system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = output, stderr = output, wait = FALSE)
    wait_for <- function(path) {
        until <- Sys.time() + 120
        while (!(file.exists(path) && file.size(path) > 0) && Sys.time() < until) Sys.sleep(0.02)
        if (!file.exists(path)) stop(paste(c("the child said:", readLines(output)), collapse = "\n"))
    }
    wait_for(started)
    Sys.sleep(0.5)
    asked <- as.numeric(Sys.time())
    tools::pskill(as.integer(readLines(started)[1]), tools::SIGINT)
    wait_for(ended)
    told <- strsplit(readLines(ended), " ")[[1]]
    # Between two calls of the library it is R that is interrupted.
    expect_true(told[2] %in% c("chreode_interrupted", "interrupt"), info = told[2])
    as.numeric(told[1]) - asked
}

test_that("an interrupt ends every long call", {
    skip_on_os("windows")
    steps <- "step = 1e-5, solver = 'rk4'"
    calls <- c(
        transport = "chreode::transport(x[time == 0, ], x[time == 1, ], cost = 'euclidean', penalty = Inf)",
        simulate = sprintf("stats::simulate(fit, seed = 1, mode = 'ode', %s)", steps),
        evaluate = sprintf("chreode::evaluate(fit, %s)", steps),
        predict = "stats::predict(fit, x[rep(1:10000, 40), ], time = seq(0, 1, length.out = 400000))"
    )
    for (name in names(calls)) {
        seconds <- seconds_to_end(calls[[name]])
        cat(sprintf("\n%s: %.0f ms after the interrupt\n", name, 1000 * seconds))
        # A third of a second on a free machine; this one may be busy.
        expect_lt(seconds, 3)
    }
})

test_that("results that mean little are warned of", {
    fit <- small_fit()
    expect_warning(simulate(fit, seed = 1, times = c(0, 50), mode = "ode"), "the time 50 is 46.000 after", class = "chreode_reported")
    expect_warning(plan <- transport(matrix(0, 2, 2), matrix(9, 2, 2), delta = 1e-2), "nothing is transported", class = "chreode_reported")
    expect_length(plan$report$warnings, 1)
    data <- small_data()
    expect_warning(predict(fit, data$x[1:2, ], c(1, 9)), "the time 9 is 5.000 beyond", class = "chreode_reported")
    expect_silent(predict(fit, data$x[1:2, ], 4))
    expect_warning(evaluate(fit, data$x, 3 * data$time), "the time 12 is 8.000 after", class = "chreode_reported")
    expect_warning(
        fit_dynamics(data$x, data$time, method = "wfr-fm", delta = 1e-4, hidden = "4", epochs = 1, progress = FALSE),
        "no partner within reach", class = "chreode_reported"
    )
})
