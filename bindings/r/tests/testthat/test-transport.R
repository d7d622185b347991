test_that("exact transport of a few points is the assignment by hand", {
    source <- cbind(c(0, 1, 2))
    target <- cbind(c(2.5, 0.5, 1.5))
    exact <- transport(source, target, cost = "half-sqeuclidean", penalty = Inf)
    expect_equal(exact$report$transport_cost, 3 * 0.5 * 0.25)
    expect_true(exact$report$converged)
    expect_output(print(exact), "converged")
    plan <- if (is.data.frame(exact$plan)) exact$plan else NULL
    if (is.null(plan)) {
        expect_equal(unname(as.matrix(exact$plan)), rbind(c(0, 1, 0), c(0, 0, 1), c(1, 0, 0)))
    } else {
        expect_identical(plan$target, c(2L, 3L, 1L))
    }
    # Potentials: feasible, and tight on the plan.
    cost <- outer(source[, 1], target[, 1], function(a, b) (a - b)^2 / 2)
    slack <- cost - outer(exact$source_potential, exact$target_potential, "+")
    expect_true(all(slack > -1e-9))
    expect_equal(slack[cbind(1:3, c(2, 3, 1))], c(0, 0, 0))
})

test_that("weights count", {
    plan <- transport(cbind(c(0, 1)), cbind(0.5), c(3, 1), 4, cost = "euclidean", penalty = Inf)
    expect_equal(plan$report$transported_mass, 4)
    expect_equal(plan$report$transport_cost, 2)
})

test_that("a solver that did not converge says so and gives what it has", {
    data <- small_data()
    condition <- expect_warning(
        plan <- transport(data$x[1:20, ], data$x[61:90, ], delta = 2, epsilon = 0.01, max_iterations = 1),
        class = "chreode_not_converged"
    )
    expect_match(conditionMessage(condition), "did not converge")
    expect_false(plan$report$converged)
    expect_output(print(plan), "NOT CONVERGED")
})

test_that("what is no problem of transport is refused", {
    x <- cbind(c(0, 1))
    expect_refused(transport(NULL, x), "chreode_invalid_argument", "source must be")
    expect_refused(transport(x, "a"), "chreode_invalid_argument", "target must be")
    expect_refused(transport(x, cbind(x, x)), "chreode_invalid_argument", "")
    expect_refused(transport(x, x, 1), "chreode_invalid_argument", "source_weights")
    expect_refused(transport(x, x, target_weights = 1), "chreode_invalid_argument", "target_weights")
    expect_refused(transport(x, x, epsilon = -1), "chreode_invalid_argument", "epsilon")
    expect_refused(transport(x, x, epsilom = 1), "chreode_invalid_argument", "`epsilon` is the nearest")
    expect_refused(transport(x, x, c(1, NaN)), "chreode_invalid_data", "source_weights is missing in row 2")
    expect_refused(
        transport(x, x, c(1, 1), c(1, 5), cost = "euclidean", penalty = Inf), "chreode_infeasible", ""
    )
    expect_refused(transport(x[0, , drop = FALSE], x), "chreode_invalid_data", "source: a point cloud needs points")
    expect_refused(transport(x, x[, 0]), "chreode_invalid_data", "target: a point cloud needs points")
})
