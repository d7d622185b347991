test_that("what is known of cells goes with them in any order of times, and decides what is learned", {
    data <- dataset("gene-network", cells_per_state = 10)
    rates <- sin(seq_len(nrow(data$x)))
    clones <- factor(c("AC", "TG", NA, "")[seq_len(nrow(data$x)) %% 4 + 1])
    learned <- function(rows = TRUE, ...) {
        fit_dynamics(
            data$x[rows, ], data$time[rows], method = "usb", delta = 1.5, sigma = 0.2, hidden = "8x1", epochs = 5, seed = 1,
            progress = FALSE, ...
        )$losses
    }
    fit <- learned(growth_prior = rates, clones = clones)
    # The times in turn, each in its order.
    turns <- order(ave(data$time, data$time, FUN = seq_along))
    expect_identical(learned(turns, growth_prior = rates[turns], clones = clones[turns]), fit)
    numbers <- c(AC = 7, TG = 3)[as.character(clones)]
    expect_identical(learned(growth_prior = rates, clones = unname(numbers)), fit)
    expect_false(identical(learned(growth_prior = rates), fit))
    expect_false(identical(learned(clones = clones), fit))
})

test_that("growth and clones that cannot be used are refused", {
    data <- dataset("gene-network", cells_per_state = 10)
    refused <- function(...) {
        tryCatch(fit_dynamics(data$x, data$time, ..., progress = FALSE), chreode_error = conditionMessage)
    }
    expect_match(refused(growth_prior = 1:3), "growth_prior must have one element a cell")
    expect_match(refused(clones = 1:3), "clones must have one element a cell")
    expect_match(refused(growth_prior = c(NA, data$time[-1])), "growth_prior is missing in row 1")
    expect_match(refused(growth_prior = 0 * data$time, method = "ot-cfm"), "exact-ot has no source penalty")
    expect_match(refused(clone_penalty = 2), "left out where no clones of cells are known")
})
