# Small models, made once.

small_data <- function() dataset("gene-network", cells_per_state = 30)

small_fit <- local({
    fit <- NULL
    function() {
        if (is.null(fit)) {
            data <- small_data()
            fit <<- fit_dynamics(data$x, data$time, method = "usb", hidden = "16x2", epochs = 40, seed = 5, progress = FALSE)
        }
        fit
    }
})

# An expression that must fail with a class and a message.
expect_refused <- function(expression, class, message) {
    condition <- expect_error(expression, class = class)
    expect_s3_class(condition, "chreode_error")
    expect_match(conditionMessage(condition), message, fixed = TRUE)
}
