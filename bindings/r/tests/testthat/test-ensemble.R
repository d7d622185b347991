# Ensembles: error bars of fields, masses and measures.

ensemble <- local({
    data <- small_data()
    fit_dynamics(data$x, data$time, method = "usb", hidden = "8x2", epochs = 5, ensemble = 3, seed = 5, progress = FALSE)
})

test_that("a field has standard deviations and quantiles", {
    expect_equal(ensemble$members, 3)
    # Members' weights have a quarter of the variance that drawn cells have.
    expect_identical(ensemble$stretch, 2)
    each <- list(c(a = 1, b = 0), c(a = 2, b = 0), c(a = 6, b = 0))
    expect_equal(deviation_over_members(ensemble, each), c(a = 2 * sqrt(7), b = 0))
    for (wrong in list(each[-1], c(1, 2, 6))) {
        expect_refused(deviation_over_members(ensemble, wrong), "chreode_invalid_argument", "each must be a list")
    }
    x <- small_data()$x[1:5, ]
    for (field in c("velocity", "growth", "score_drift")) {
        mean <- predict(ensemble, x, 1, field = field)
        sd <- predict(ensemble, x, 1, field = field, sd = TRUE)
        expect_true(all(sd > 0))
        middle <- predict(ensemble, x, 1, field = field, quantile = 0.5)
        expect_equal(predict(ensemble, x, 1, field = field, quantile = 0.95), middle + qnorm(0.95) * sd, tolerance = 1e-5)
        expect_identical(!identical(middle, mean), ensemble$uncertainty[[field]]$biased)
    }
    expect_refused(predict(ensemble, x, 1, quantile = 2), "chreode_invalid_argument", "the level of a quantile")
    expect_refused(predict(ensemble, x, 1, sd = TRUE, quantile = 0.5), "chreode_invalid_argument", "both")
    expect_refused(predict(small_fit(), x, 1, sd = TRUE), "chreode_invalid_argument", "2 or more")
})

test_that("masses and measures have errors, of an ensemble alone", {
    run <- simulate(ensemble, seed = 1)
    expect_identical(run$mass_sd[1], 0)
    expect_true(all(run$mass_sd[-1] > 0))
    expect_identical(summary(run)$mass_sd, run$mass_sd)
    expect_null(simulate(ensemble, seed = 1, error_bars = FALSE)$mass_sd)
    expect_null(simulate(small_fit(), seed = 1)$mass_sd)
    expect_true(run$outside >= 0 && run$outside <= 1)
    expect_true(all(evaluate(ensemble)$w1_error > 0))
    expect_false("w1_error" %in% names(evaluate(small_fit())))
    again <- unserialize(serialize(ensemble, NULL))
    expect_identical(predict(again, field = "growth", sd = TRUE), predict(ensemble, field = "growth", sd = TRUE))
})

test_that("an ensemble is drawn with its intervals", {
    pdf(NULL)
    on.exit(dev.off())
    for (type in c("mass", "errors", "growth")) expect_invisible(plot(ensemble, type))
    expect_refused(plot(small_fit(), "errors"), "chreode_invalid_argument", "2 or more")
})
