experiment <- function() {
    data <- small_data()
    rownames(data$x) <- paste0("cell", seq_along(data$time))
    SingleCellExperiment::SingleCellExperiment(
        assays = list(counts = matrix(1, 3, length(data$time), dimnames = list(NULL, rownames(data$x)))),
        reducedDims = list(other = data$x[, c(2, 1)], genes = data$x),
        colData = S4Vectors::DataFrame(day = data$time, one = rep(1, length(data$time)))
    )
}

test_that("a SingleCellExperiment is fitted as its coordinates and times are", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", weights = "one", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE)
    expect_identical(fit$bytes, small_fit()$bytes)
    expect_identical(fit$memory[c("time", "dimred", "weights")], list(time = "day", dimred = "genes", weights = "one"))
    expect_identical(evaluate(fit, sce), evaluate(fit))
    expect_identical(unname(predict(fit, sce)), unname(predict(small_fit())))
})

test_that("velocity and growth are written back", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE)
    written <- add_dynamics(sce, fit, prefix = "usb_")
    expect_identical(SingleCellExperiment::reducedDimNames(written), c("other", "genes", "usb_velocity"))
    velocity <- SingleCellExperiment::reducedDim(written, "usb_velocity")
    expect_identical(rownames(velocity), colnames(sce))
    expect_identical(unname(velocity), unname(predict(small_fit())))
    expect_identical(SummarizedExperiment::colData(written)$usb_growth, unname(predict(small_fit(), field = "growth")))
    expect_identical(SummarizedExperiment::colData(written)$day, SummarizedExperiment::colData(sce)$day)
    only <- add_dynamics(sce, fit, fields = "growth")
    expect_identical(SingleCellExperiment::reducedDimNames(only), c("other", "genes"))
    all <- add_dynamics(sce, fit, fields = c("velocity", "growth", "score_drift"))
    expect_identical(
        unname(SingleCellExperiment::reducedDim(all, "score_drift")), unname(predict(small_fit(), field = "score_drift"))
    )
})

test_that("what an experiment lacks is named", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    expect_refused(fit_dynamics(sce, "dya"), "chreode_invalid_argument", "column of colData (day, one), got dya")
    expect_refused(fit_dynamics(sce, "day", dimred = "PCA"), "chreode_invalid_argument", "(other, genes), got PCA")
    expect_refused(fit_dynamics(sce), "chreode_invalid_argument", "column of colData")
    expect_refused(fit_dynamics(sce, 1:3), "chreode_invalid_argument", "one element a cell")
    SingleCellExperiment::reducedDims(sce) <- list()
    expect_refused(fit_dynamics(sce, "day"), "chreode_invalid_argument", "the object has none")
    expect_refused(add_dynamics(1, small_fit()), "chreode_invalid_argument", "SingleCellExperiment")
    expect_refused(add_dynamics(sce, small_fit()), "chreode_invalid_argument", "")
})

test_that("a bias that is known is written beside the field", {
    skip_if_not_installed("SingleCellExperiment")
    # Cells that only move: at a finite price of growth some die behind and are born ahead.
    set.seed(3)
    day <- rep(c(0, 1), each = 150)
    x <- matrix(rnorm(600, sd = 0.3), 300)
    x[, 1] <- x[, 1] + day
    sce <- SingleCellExperiment::SingleCellExperiment(
        reducedDims = list(place = x), colData = S4Vectors::DataFrame(day = day)
    )
    fit <- fit_dynamics(
        sce, "day", "usb", dimred = "place",
        hidden = "24x2", growth_hidden = "24", epochs = 300, batch_size = 64, ensemble = 3, seed = 5, progress = FALSE
    )
    expect_true(fit$uncertainty$growth$biased)
    written <- add_dynamics(sce, fit)
    middle <- predict(fit, field = "growth", quantile = 0.5)
    expect_identical(written$growth_bias, unname(predict(fit, field = "growth") - middle))
    expect_lt(sum((written$growth - written$growth_bias)^2), sum(written$growth^2))
    biased <- isTRUE(fit$uncertainty$velocity$biased)
    expect_identical("velocity_bias" %in% SingleCellExperiment::reducedDimNames(written), biased)
    genes <- gene_velocity(fit, rotation = diag(2))
    expect_identical(!is.null(genes$bias), biased)
    if (biased) expect_equal(unname(genes$bias), unname(SingleCellExperiment::reducedDim(written, "velocity_bias")))
    over <- add_dynamics(written, small_fit(), time = day, dimred = "place", overwrite = TRUE)
    expect_null(over$growth_bias)
})

test_that("what made results is kept with them, and of an ensemble their errors", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    several <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "8x2", epochs = 5, ensemble = 2, seed = 5, progress = FALSE)
    written <- add_dynamics(sce, several)
    expect_identical(SingleCellExperiment::reducedDimNames(written), c("other", "genes", "velocity", "velocity_sd"))
    expect_identical(written$growth_sd, unname(predict(several, field = "growth", sd = TRUE)))
    record <- S4Vectors::metadata(written)$chreode
    expect_setequal(names(record), c("velocity", "velocity_sd", "growth", "growth_sd"))
    expect_identical(
        record$growth[c("method", "seed", "dimred", "time", "members")],
        list(method = "usb", seed = 5, dimred = "genes", time = "day", members = 2)
    )
    expect_identical(record$growth$options$hidden, "8x2")
    expect_refused(add_dynamics(written, several, fields = "growth"), "chreode_invalid_argument", "x has growth, growth_sd already")
    single <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "8x2", epochs = 5, seed = 5, progress = FALSE)
    over <- add_dynamics(written, single, overwrite = TRUE)
    expect_identical(SingleCellExperiment::reducedDimNames(over), c("other", "genes", "velocity"))
    expect_null(over$growth_sd)
    expect_setequal(names(S4Vectors::metadata(over)$chreode), c("velocity", "growth"))
    # The options travel with the model's file.
    path <- tempfile()
    on.exit(unlink(path))
    save_dynamics(single, path)
    expect_identical(load_dynamics(path)$memory$options, single$memory$options)
})

test_that("fates go to the columns of the cells that they are of, by name", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    sce$kind <- rep_len(c("high", "low"), ncol(sce))
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "8x2", epochs = 5, seed = 5, progress = FALSE)
    found <- suppressWarnings(fates(fit, "kind", sce, mode = "ode"), classes = "chreode_reported")
    turned <- sce[, rev(seq_len(ncol(sce)))]
    written <- add_fates(turned, found, "ode_")
    expect_true(all(is.na(written$ode_p_high[written$day == 4])) && !anyNA(written$ode_p_high[written$day < 4]))
    expect_identical(written$ode_p_high[match(rownames(found), colnames(written))], found$p_high)
    record <- S4Vectors::metadata(written)$chreode$ode_fates
    expect_identical(record[c("dimred", "time", "to", "labels")], list(dimred = "genes", time = "day", to = 4, labels = c("high", "low")))
    expect_identical(record$fates, list(mode = "ode"))
    expect_identical(record$transitions, attr(found, "transitions"))
    expect_refused(add_fates(written, found, "ode_"), "chreode_invalid_argument", "x has ode_p_high")
    # Nothing is left of labels that are gone.
    other <- suppressWarnings(fates(fit, ifelse(is.na(sce$kind), NA, "any"), sce, mode = "ode"), classes = "chreode_reported")
    again <- add_fates(written, other, "ode_", overwrite = TRUE)
    expect_true("ode_p_any" %in% names(SummarizedExperiment::colData(again)))
    expect_false(any(c("ode_p_high", "ode_se_n_low") %in% names(SummarizedExperiment::colData(again))))
    colnames(turned)[turned$day == 0] <- paste0("other", seq_len(sum(turned$day == 0)))
    expect_refused(add_fates(turned, found), "chreode_invalid_argument", "found has cells that x lacks: cell1, cell2, cell3")
    expect_refused(add_fates(sce, 1), "chreode_invalid_argument", "found must be what fates() gave")
    expect_refused(fates(fit, setNames(sce$kind, paste0("c", seq_len(ncol(sce)))), sce), "chreode_invalid_argument", "labels has names that are not")
})

test_that("cells of the start have their weights by name, whatever the others have", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "8x2", epochs = 5, seed = 5, progress = FALSE)
    sce$chance <- ifelse(sce$day == 0, seq_len(ncol(sce)), NA)
    first <- function(...) suppressWarnings(simulate(fit, times = c(0, 1), ...), classes = "chreode_reported")$frames[[1]]$weights
    expected <- as.double(sce$chance[sce$day == 0])
    expect_equal(first(points = sce, weights = "chance"), expected)
    expect_equal(first(points = sce, weights = rev(setNames(sce$chance, colnames(sce)))), expected)
    expect_refused(simulate(fit, points = sce, weights = expected), "chreode_invalid_argument", "weights must have one element a cell")
})

test_that("a simulated population is an experiment", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    fit <- fit_dynamics(sce, "day", "usb", dimred = "genes", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE)
    start <- sce[, sce$day == 0][, 1:9]
    run <- suppressWarnings(simulate(fit, seed = 3, points = start, mode = "branching"), classes = "chreode_reported")
    made <- as_experiment(run)
    expect_identical(SingleCellExperiment::reducedDimNames(made), "genes")
    expect_identical(made$time, rep(run$times, summary(run)$cells))
    last <- made[, made$time == 4]
    expect_identical(unname(SingleCellExperiment::reducedDim(last, "genes")), unname(run$frames[[5]]$points))
    expect_setequal(made$founder[made$time == 0], colnames(start))
    # The ancestors of the last frame have the same founders, back to the first.
    while (!anyNA(last$ancestor)) {
        before <- made[, last$ancestor]
        expect_identical(before$founder, last$founder)
        last <- before
    }
    expect_identical(unique(last$time), 0)
    record <- S4Vectors::metadata(made)$chreode
    expect_identical(record[c("mode", "seed", "newick")], list(mode = "branching", seed = 3, newick = run$newick))
    flow <- suppressWarnings(simulate(fit, points = start), classes = "chreode_reported")
    expect_identical(as_experiment(flow)$founder, rep(colnames(start), 5))
    expect_refused(as_experiment(1), "chreode_invalid_argument", "x must be a simulation")
})

test_that("weights of a transport are columns", {
    skip_if_not_installed("SingleCellExperiment")
    sce <- experiment()
    sce$w <- seq_len(ncol(sce))
    first <- sce[, sce$day == 0]
    second <- sce[, sce$day == 1]
    cost <- function(...) transport(first, second, ..., dimred = "genes", delta = 2)$report$primal
    expect_identical(cost("w", "w"), cost(first$w, second$w))
    expect_false(isTRUE(all.equal(cost("w", "w"), cost())))
    expect_refused(cost("v"), "chreode_invalid_argument", "source_weights must be a column of colData")
})
