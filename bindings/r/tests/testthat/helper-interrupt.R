# Sends SIGINT to a process of R that fits for ever, and looks at what it is left with.
expect_interruptible <- function(progress, marker) {
    started <- tempfile()
    result <- tempfile(fileext = ".rds")
    script <- tempfile(fileext = ".R")
    writeLines(c(
        sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")),
        "data <- chreode::dataset('gene-network', cells_per_state = 30)",
        sprintf("writeLines(as.character(Sys.getpid()), '%s')", started),
        "warned <- NULL",
        "fit <- withCallingHandlers(",
        sprintf("    chreode::fit_dynamics(data$x, data$time, hidden = '8x1', epochs = 1e9, progress = %s),", progress),
        "    warning = function(w) { warned <<- w; invokeRestart('muffleWarning') }",
        ")",
        "speed <- stats::predict(fit, data$x, 1)",
        sprintf("saveRDS(list(fit = fit, warned = warned, speed = speed), '%s')", result),
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
    testthat::expect_true(wait_for(paste0(result, ".done")), info = said())
    child <- readRDS(paste0(result, ".done"))
    testthat::expect_s3_class(child$warned, "chreode_interrupted")
    told <- if (is.null(marker)) "interrupted after [0-9]+ steps" else "(interrupted|stopped by the progress function) after"
    testthat::expect_match(conditionMessage(child$warned), told)
    testthat::expect_false(child$fit$complete)
    testthat::expect_identical(predict(child$fit, small_data()$x, 1), child$speed)
}
