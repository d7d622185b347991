# A population that goes several ways.

test_that("branches are models of their own and the whole has no fields", {
    data <- small_data()
    fit <- fit_dynamics(data$x, data$time, method = "branch-sbm", hidden = "8x2", epochs = 5, interpolant_epochs = 2,
                        growth_epochs = 2, seed = 5, progress = FALSE)
    branches <- population_branches(fit)
    expect_length(branches, 2)
    expect_length(population_branches(small_fit()), 0)
    x <- small_data()$x[1:5, ]
    velocities <- lapply(branches, predict, x, 0, field = "velocity")
    expect_true(all(is.finite(unlist(velocities))))
    expect_false(identical(velocities[[1]], velocities[[2]]))
    expect_refused(predict(fit, x, 0, field = "velocity"), "chreode_invalid_argument", "one velocity for velocity")
})
