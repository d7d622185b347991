# Interrupts. The library is never left by a jump (src/watch.c): it is asked to stop, returns, and then R goes on as after any
# interrupt.

# The model of the last fit that was interrupted.
partial <- new.env(parent = emptyenv())

# The same for calls that leave nothing behind.
interrupt_call <- function() {
    condition <- list(message = "interrupted", call = user_call(), model = NULL)
    signalCondition(structure(class = c("chreode_interrupted", "interrupt", "condition"), condition))
    invokeRestart("abort")
}

# What R does on Ctrl-C: handlers of the condition first, then to the top level.
interrupt <- function(fit) {
    if (!is.null(fit)) partial$model <- fit
    left <- if (is.null(fit)) {
        "before training began: there is no model"
    } else {
        paste0(reached(fit), ": interrupted_dynamics() returns the model with the parameters reached so far")
    }
    signalCondition(structure(
        class = c("chreode_interrupted", "interrupt", "condition"),
        list(message = paste("the fit was interrupted", left), call = user_call(), model = fit)
    ))
    message("the fit was interrupted ", left)
    invokeRestart("abort")
}

#' The model of a fit that was interrupted
#'
#' An interrupt (Ctrl-C, the stop button) of [fit_dynamics()] goes to the top level, as interrupts do. What the fit had
#' reached by then is kept here.
#'
#' @return The model of the last fit of this session that was interrupted in training, with the parameters reached so far; its
#'   element `complete` is `FALSE`. An error if there is none.
#' @examples
#' tryCatch(interrupted_dynamics(), chreode_error = function(e) conditionMessage(e))
#' @export
interrupted_dynamics <- function() {
    if (is.null(partial$model)) invalid("no fit of this session was interrupted in training")
    partial$model
}
