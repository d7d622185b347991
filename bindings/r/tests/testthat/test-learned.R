# What a method does not learn is absent, and an error when asked for; never zeros.

fit_by <- local({
    fits <- list()
    function(method) {
        if (is.null(fits[[method]])) {
            data <- small_data()
            fits[[method]] <<- fit_dynamics(
                data$x, data$time, method, hidden = "8x1", epochs = 3, seed = 1, progress = FALSE
            )
        }
        fits[[method]]
    }
})

test_that("growth and score are errors where they were not learned", {
    for (method in c("ot-cfm", "sf2m", "mioflow")) {
        expect_refused(predict(fit_by(method), field = "growth"), "chreode_invalid_argument", paste(method, "does not learn growth"))
        expect_refused(plot(fit_by(method), "growth"), "chreode_invalid_argument", "does not learn growth")
    }
    for (method in c("ot-cfm", "uot-growth", "vgfm", "wfr-fm")) {
        expect_refused(predict(fit_by(method), field = "score"), "chreode_invalid_argument", paste(method, "does not learn a score"))
    }
    expect_refused(predict(fit_by("ot-cfm"), field = c("velocity", "growth")), "chreode_invalid_argument", "this model has velocity")
    expect_true(any(predict(fit_by("sf2m"), field = "score_drift") != 0))
    expect_true(any(predict(fit_by("wfr-fm"), field = "growth") != 0))
})

test_that("the picture of masses has no prediction where growth was not learned", {
    path <- tempfile(fileext = ".pdf")
    colour <- PALETTE[1]
    drawn <- function(method) {
        grDevices::pdf(path, compress = FALSE)
        plot(fit_by(method), "mass")
        grDevices::dev.off()
        rgb <- paste(sprintf("%.3f", grDevices::col2rgb(colour)[, 1] / 255), collapse = " ")
        any(grepl(paste(rgb, "SCN"), readLines(path, warn = FALSE), fixed = TRUE, useBytes = TRUE))
    }
    expect_true(drawn("wfr-fm"))
    expect_false(drawn("ot-cfm"))
})

test_that("an experiment gets what was learned, and nothing is overwritten unasked", {
    skip_if_not_installed("SingleCellExperiment")
    data <- small_data()
    sce <- SingleCellExperiment::SingleCellExperiment(
        reducedDims = list(genes = data$x), colData = S4Vectors::DataFrame(day = data$time, growth = "mine")
    )
    flow <- fit_by("ot-cfm")
    written <- add_dynamics(sce, flow, "day")
    expect_identical(SingleCellExperiment::reducedDimNames(written), c("genes", "velocity"))
    expect_identical(written$growth, sce$growth)
    expect_refused(add_dynamics(sce, flow, "day", fields = "growth"), "chreode_invalid_argument", "does not learn growth")
    growing <- fit_by("wfr-fm")
    expect_refused(add_dynamics(sce, growing, "day"), "chreode_invalid_argument", "x has growth already")
    expect_refused(add_dynamics(written, growing, "day"), "chreode_invalid_argument", "x has velocity, growth already")
    expect_identical(add_dynamics(sce, growing, "day", overwrite = TRUE)$growth, unname(predict(growing, field = "growth")))
    expect_identical(add_dynamics(sce, growing, "day", prefix = "a_")$growth, sce$growth)
    expect_refused(add_dynamics(sce, growing, "day", prefix = 1), "chreode_invalid_argument", "prefix")
})

test_that("the method is the library's unless one is given", {
    data <- small_data()
    fit <- fit_dynamics(data$x, data$time, hidden = "8x1", epochs = 3, seed = 1, progress = FALSE)
    expect_identical(fit$method, default_of("fit", "method"))
    expect_identical(fit$bytes, fit_by(fit$method)$bytes)
    expect_setequal(names(METHODS), chreode_capabilities()$methods)
})

test_that("one rule for seeds: NULL draws from R's generator, in fits, simulations and evaluations", {
    data <- small_data()
    fit <- function(seed = NULL) fit_dynamics(data$x, data$time, hidden = 8, epochs = 2, seed = seed, progress = FALSE)
    set.seed(1)
    one <- fit()
    measured <- evaluate(one, mode = "branching", runs = 2)
    set.seed(1)
    two <- fit()
    expect_identical(two$bytes, one$bytes)
    expect_identical(evaluate(two, mode = "branching", runs = 2), measured)
    expect_false(identical(evaluate(two, mode = "branching", runs = 2), measured))
    expect_false(identical(fit()$bytes, one$bytes))
    expect_identical(fit(one$seed)$bytes, one$bytes)
    expect_type(one$seed, "double")
    # Where nothing is random R's generator is left as it is.
    before <- .Random.seed
    evaluate(one)
    fit(3)
    simulate(one, seed = 2, points = 5)
    expect_identical(.Random.seed, before)
    for (seed in list(-1, 0.5, 2^54, NA_real_, "a", 1:2)) expect_refused(fit(seed), "chreode_invalid_argument", "seed")
    expect_identical(fit(2^53 - 1)$seed, 2^53 - 1)
})

test_that("what the library's reports warn of are warnings", {
    expect_silent(warn_reported(from_json("{\"a\": 1}")))
    expect_silent(warn_reported(from_json("{\"warnings\": []}")))
    expect_silent(warn_reported(NULL))
    condition <- expect_warning(warn_reported(from_json("{\"warnings\": [\"half the mass is lost\"]}")), class = "chreode_reported")
    expect_s3_class(condition, "chreode_warning")
    expect_identical(conditionMessage(condition), "half the mass is lost")
    expect_length(testthat::capture_warnings(warn_reported(from_json("{\"warnings\": [\"a\", \"b\"]}"))), 2)
})
