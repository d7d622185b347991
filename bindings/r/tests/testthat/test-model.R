test_that("saveRDS and readRDS keep a model usable, in this session and in another", {
    fit <- small_fit()
    path <- tempfile(fileext = ".rds")
    saveRDS(fit, path)
    again <- readRDS(path)
    points <- small_data()$x
    expect_identical(predict(again, points, 1), predict(fit, points, 1))
    expect_identical(evaluate(again), evaluate(fit))
    script <- tempfile(fileext = ".R")
    writeLines(c(
        sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")),
        "library(chreode)",
        sprintf("fit <- readRDS('%s')", path),
        sprintf("saveRDS(predict(fit, field = 'growth'), '%s')", path)
    ), script)
    expect_identical(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script)), 0L)
    expect_identical(readRDS(path), predict(fit, field = "growth"))
})

test_that("copies that share a handle, and a handle that is gone, are no harm", {
    fit <- small_fit()
    copy <- unserialize(serialize(fit, NULL))
    expected <- predict(fit)
    expect_identical(predict(copy, threads = 1), expected)
    .Call(C_r_free, copy$handle$pointer)
    expect_identical(predict(copy), expected)
    rm(copy)
    gc()
    expect_identical(predict(fit), expected)
})

test_that("forked processes compute with a model that computed before", {
    skip_on_os("windows")
    fit <- small_fit()
    expected <- predict(fit)
    found <- parallel::mclapply(c(1, 2), function(i) predict(fit), mc.cores = 2)
    expect_identical(found, list(expected, expected))
    fitted <- parallel::mclapply(c(1, 2), function(seed) {
        data <- small_data()
        fit_dynamics(data$x, data$time, hidden = "8x1", epochs = 3, seed = seed, progress = FALSE)
    }, mc.cores = 2)
    expect_identical(vapply(fitted, `[[`, 0, "seed"), c(1, 2))
    expect_true(all(is.finite(predict(fitted[[1]]))))
    expect_identical(predict(fit), expected)
})

test_that("the library's own file is the model", {
    fit <- small_fit()
    path <- tempfile(fileext = ".safetensors")
    expect_identical(save_dynamics(fit, path), path)
    again <- load_dynamics(path)
    expect_identical(again$bytes, fit$bytes)
    kept <- fit$memory[!vapply(fit$memory, is.null, NA)]
    expect_identical(again$memory[names(kept)], kept)
    expect_identical(again$report, fit$report)
    expect_identical(again$losses, fit$losses)
    expect_identical(predict(again, small_data()$x, 1), predict(fit, small_data()$x, 1))
    expect_identical(again$threads, 2)
    expect_refused(predict(again), "chreode_invalid_argument", "does not keep its cells")
    expect_refused(load_dynamics(tempfile()), "chreode_io", "No such file")
    expect_refused(load_dynamics(NULL), "chreode_invalid_argument", "path")
    writeLines("no model", path)
    expect_refused(load_dynamics(path), "chreode_model_file", "")
    set.seed(1)
    for (i in 1:50) {
        broken <- fit$bytes
        at <- sample(length(broken), 8)
        broken[at] <- as.raw(sample(0:255, 8, replace = TRUE))
        writeBin(if (i %% 2) broken else broken[seq_len(at[1])], path)
        outcome <- tryCatch(load_dynamics(path), chreode_error = identity)
        expect_true(inherits(outcome, c("chreode_model_file", "chreode_invalid_data", "chreode_dynamics", "chreode_error")))
    }
})

test_that("fields are evaluated each at its time", {
    fit <- small_fit()
    points <- small_data()$x[1:6, ]
    rownames(points) <- letters[1:6]
    times <- c(2, 0, 1, 0, 2, 1)
    mixed <- predict(fit, points, times)
    expect_identical(dimnames(mixed), dimnames(points))
    for (i in seq_along(times)) expect_identical(mixed[i, ], predict(fit, points[i, , drop = FALSE], times[i])[1, ])
    growth <- predict(fit, points, times, field = "growth")
    expect_identical(names(growth), letters[1:6])
    all <- predict(fit, points, 1, field = c("velocity", "growth", "score"))
    expect_named(all, c("velocity", "growth", "score_drift"))
    expect_identical(dim(predict(fit, points[0, ], 1)), c(0L, 2L))
    expect_refused(predict(fit, points[, 0], 1), "chreode_invalid_argument", "dimension of the model")
    expect_identical(dim(predict(fit)), dim(small_data()$x))
    expect_refused(predict(fit, points, 1, "velosity"), "chreode_invalid_argument", "nearest: velocity")
    expect_refused(predict(fit, points, 1, 3), "chreode_invalid_argument", "field")
    expect_refused(predict(fit, points, 1:2), "chreode_invalid_argument", "one a point (6), got 2")
    expect_refused(predict(fit, points, NaN), "chreode_invalid_data", "time is missing")
    expect_refused(predict(fit, points, Inf), "chreode_invalid_argument", "time")
    expect_refused(predict(fit, points), "chreode_invalid_argument", "time must be given")
    expect_refused(predict(fit, unname(points[, 1, drop = FALSE]), 1), "chreode_invalid_argument", "dimension of the model")
    expect_refused(predict(fit, points[, 1, drop = FALSE], 1), "chreode_invalid_argument", "lacks the coordinate x2")
    expect_refused(predict(fit, replace(points, 2, NA), 1), "chreode_invalid_data", "row 2")
})

test_that("what is no model or no handle is refused, not followed", {
    expect_refused(save_dynamics(1, tempfile()), "chreode_invalid_argument", "fit_dynamics")
    expect_error(native(.Call(C_r_model_info, NULL)), class = "chreode_null_pointer")
    options <- native(.Call(C_r_options_new, "fit"))
    expect_error(native(.Call(C_r_model_info, options)), class = "chreode_null_pointer")
    native(.Call(C_r_free, options))
    expect_error(native(.Call(C_r_options_describe, options)), class = "chreode_null_pointer")
    expect_error(native(.Call(C_r_options_new, NA_character_)), class = "chreode_null_pointer")
})
