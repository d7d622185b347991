# Sends SIGINT to a process of R that fits for ever in a loop, and looks at what it is left with.
expect_interruptible <- function(progress, marker) {
    started <- tempfile()
    result <- tempfile(fileext = ".rds")
    script <- tempfile(fileext = ".R")
    writeLines(c(
        sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")),
        "data <- chreode::dataset('gene-network', cells_per_state = 30)",
        sprintf("writeLines(as.character(Sys.getpid()), '%s')", started),
        "rounds <- 0",
        "caught <- tryCatch(",
        "    for (seed in c(1, 2, 3)) {",
        "        rounds <- rounds + 1",
        "        try(chreode::fit_dynamics(",
        sprintf("            data$x, data$time, hidden = '8x1', epochs = 1e9, seed = seed, progress = %s", progress),
        "        ))",
        "    },",
        "    interrupt = function(condition) condition",
        ")",
        "fit <- chreode::interrupted_dynamics()",
        "speed <- stats::predict(fit, data$x, 1)",
        sprintf("saveRDS(list(caught = caught, rounds = rounds, fit = fit, speed = speed), '%s')", result),
        sprintf("file.rename('%s', '%s.done')", result, result)
    ), script)
    output <- tempfile()
    system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = output, stderr = output, wait = FALSE)
    said <- function() paste(c("the child said:", readLines(output)), collapse = "\n")
    wait_for <- function(path) {
        until <- Sys.time() + 60
        while (!(file.exists(path) && file.size(path) > 0) && Sys.time() < until) Sys.sleep(0.05)
        file.exists(path)
    }
    testthat::expect_true(wait_for(started), info = said())
    # Without a marker there is none to tell that training has begun; the couplings take a tenth of a second.
    if (is.null(marker)) Sys.sleep(2) else testthat::expect_true(wait_for(marker), info = said())
    tools::pskill(as.integer(readLines(started)[1]), tools::SIGINT)
    if (!wait_for(paste0(result, ".done"))) {
        tools::pskill(as.integer(readLines(started)[1]), tools::SIGKILL)
        testthat::fail(said())
        return(invisible())
    }
    child <- readRDS(paste0(result, ".done"))
    # try() did not swallow it, and the loop ended.
    testthat::expect_identical(class(child$caught), c("chreode_interrupted", "interrupt", "condition"))
    testthat::expect_identical(child$rounds, 1)
    testthat::expect_match(conditionMessage(child$caught), "interrupted after [0-9]+ steps")
    testthat::expect_false(child$fit$complete)
    testthat::expect_identical(child$caught$model$bytes, child$fit$bytes)
    testthat::expect_identical(predict(child$fit, small_data()$x, 1), child$speed)
}
