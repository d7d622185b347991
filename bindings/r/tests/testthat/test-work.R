# Work that goes out to workers of BiocParallel comes back to the same bits.

# In CI it must be there.
if (!identical(Sys.getenv("CI"), "true")) skip_if_not_installed("BiocParallel")

# Two processes, started once.
workers <- BiocParallel::bpstart(BiocParallel::SnowParam(2))

blocks <- function(...) {
    data <- small_data()
    fit_dynamics(
        data$x, data$time, "usb", chunk_size = 40, hidden = "8x2", epochs = 5, seed = 5, progress = FALSE, ...
    )
}

test_that("a fit by workers is the fit of this process, to the bit", {
    alone <- blocks()
    spread <- blocks(BPPARAM = workers)
    expect_identical(spread$bytes, alone$bytes)
    expect_identical(spread$losses, alone$losses)
    expect_identical(spread$population, alone$population)
    expect_identical(spread$report$unmatched_mass, alone$report$unmatched_mass)
    expect_identical(blocks(BPPARAM = BiocParallel::MulticoreParam(2, tasks = 5))$bytes, alone$bytes)
    # Cells in any order, with weights and with masses.
    data <- small_data()
    mixed <- order(sin(seq_along(data$time)))
    weighted <- function(...) {
        fit_dynamics(
            data$x[mixed, ], data$time[mixed], "usb", weights = 1 + (data$x[mixed, 1] > 1), masses = c(3, 1, 4, 1, 5),
            chunk_size = 40, hidden = "8x2", epochs = 5, seed = 5, progress = FALSE, ...
        )$bytes
    }
    expect_identical(weighted(BPPARAM = workers), weighted())
})

test_that("so are an ensemble, its simulation and its evaluation", {
    alone <- blocks(ensemble = 2)
    spread <- blocks(ensemble = 2, BPPARAM = workers)
    expect_identical(spread$bytes, alone$bytes)
    # Barely trained, it leaves the box of the cells.
    of_box <- function(expression) expect_warning(expression, "outside of the box", class = "chreode_reported")
    of_box(there <- evaluate(alone, BPPARAM = workers))
    of_box(here <- evaluate(alone))
    expect_identical(there, here)
    # More founders than a shard has at least.
    start <- small_data()$x
    for (mode in c("ode", "sde", "branching")) {
        run <- function(...) simulate(alone, seed = 2, points = start, mode = mode, ...)
        of_box(there <- run(BPPARAM = workers))
        of_box(here <- run())
        expect_identical(there, here)
    }
})

test_that("so is a validation", {
    data <- small_data()
    found <- function(...) {
        validate(
            data$x, data$time, method = c("wfr-fm", "usb"), hidden = "8x1", growth_hidden = "8x1", epochs = 5, splits = 2,
            seed = 1, progress = FALSE, ...
        )
    }
    alone <- found()
    spread <- found(BPPARAM = workers)
    kept <- setdiff(names(alone), "cpu_seconds")
    expect_identical(as.list(spread)[kept], as.list(alone)[kept])
    expect_identical(attr(spread, "measures")$recipes[[1]]$w1, attr(alone, "measures")$recipes[[1]]$w1)
})

test_that("a fit that has no tasks is finished by this process", {
    data <- small_data()
    rollout <- function(...) {
        fit_dynamics(data$x, data$time, "tigon", hidden = "8x1", epochs = 1, seed = 1, progress = FALSE, ...)$bytes
    }
    expect_identical(rollout(BPPARAM = workers), rollout())
})

test_that("what goes wrong is said as in this process", {
    expect_refused(blocks(BPPARAM = 2), "chreode_invalid_argument", "BPPARAM must be NULL or a BiocParallelParam")
    expect_refused(blocks(delta = -1, BPPARAM = workers), "chreode_invalid_argument", "positive")
    data <- small_data()
    # The workers refuse cells that are not those of the plan, and their error keeps its class.
    snapshots <- chreode:::new_snapshots(data)
    options <- chreode:::new_options("fit", list(chunk_size = 40, hidden = "8x2", epochs = 5))
    work <- chreode:::native(.Call(chreode:::C_r_work_plan_fit, snapshots, options, NULL))
    other <- list(x = data$x + 1, time = data$time, weights = NULL)
    expect_refused(chreode:::done_by(workers, work, other, snapshots), "chreode_invalid_data", "not those that the plan was made for")
    parts <- chreode:::done_by(workers, work, data, snapshots)
    finish <- function(parts) chreode:::native(.Call(chreode:::C_r_work_finish_fit, work, snapshots, parts, 1, NULL))
    expect_null(finish(rev(c(parts, parts[1])))$failure)
    damaged <- parts
    damaged[[2]][100] <- xor(damaged[[2]][100], as.raw(1))
    expect_match(finish(damaged)$failure$message, "part 1", fixed = TRUE)
    expect_identical(finish(damaged)$failure$name, "CHREODE_ERROR_INVALID_DATA")
    expect_identical(finish(parts[-1])$failure$name, "CHREODE_ERROR_INVALID_DATA")
    # They are as good as before.
    expect_identical(blocks(BPPARAM = workers)$bytes, blocks()$bytes)
})

test_that("a worker that dies is an error, and never a wrong model", {
    mortal <- BiocParallel::bpstart(BiocParallel::SnowParam(2))
    victim <- BiocParallel::bplapply(1:2, function(i) Sys.getpid(), BPPARAM = mortal)[[1]]
    tools::pskill(victim, tools::SIGKILL)
    expect_refused(blocks(BPPARAM = mortal), "chreode_workers", "call again with workers that run")
    # BiocParallel would write to the dead one at the end of this process.
    for (node in BiocParallel::bpbackend(mortal)) close(node$con)
    BiocParallel::bpbackend(mortal) <- BiocParallel::bpbackend(BiocParallel::SnowParam(1))
})

BiocParallel::bpstop(workers)
