# Calls of the library, and what becomes of its failures.

# The result of a routine of src/, or its failure raised.
native <- function(result) {
    if (inherits(result, "chreode_interruption")) interrupt_call()
    if (inherits(result, "chreode_failure")) raise(result)
    result
}

# A failure as an error of R.
raise <- function(failure) {
    stop(chreode_condition(failure$message, status_class(failure), "error"))
}

# "CHREODE_ERROR_INVALID_DATA" is the class "chreode_invalid_data".
status_class <- function(failure) {
    paste0("chreode_", tolower(sub("^CHREODE_ERROR_", "", failure$name)))
}

# An argument that cannot even be handed to the library.
invalid <- function(...) {
    stop(chreode_condition(paste0(...), "chreode_invalid_argument", "error"))
}

# Data that cannot be used.
unusable <- function(...) {
    stop(chreode_condition(paste0(...), "chreode_invalid_data", "error"))
}

chreode_condition <- function(message, class, kind) {
    structure(
        class = c(class, paste0("chreode_", kind), kind, "condition"),
        list(message = message, call = user_call())
    )
}

# A warning of this package's own classes.
tell_warning <- function(message, class) {
    warning(chreode_condition(message, class, "warning"))
}

# What the library warns of in a report, as a warning of R.
warn_reported <- function(report) {
    for (text in report$warnings) tell_warning(text, "chreode_reported")
}

# The outermost call of this package: what the user called.
user_call <- function() {
    ours <- topenv()
    for (i in seq_len(sys.nframe())) {
        f <- sys.function(i)
        if (!is.primitive(f) && identical(topenv(environment(f)), ours)) return(sys.call(i))
    }
    NULL
}

# A value in words, for messages.
in_words <- function(x) {
    if (is.null(x)) return("NULL")
    what <- paste0("an object of class ", class(x)[1])
    if (is.atomic(x) && length(x) == 1) format(x) else if (is.atomic(x)) paste0(what, " and length ", length(x)) else what
}

# Some of several things, for messages.
in_list <- function(x, most = 8) {
    paste0(paste(x[seq_len(min(most, length(x)))], collapse = ", "), if (length(x) > most) sprintf(", ... (%d in all)", length(x)))
}

and_more <- function(count) {
    if (count > 0) sprintf(" (and %d more)", count) else ""
}

# Numbers each with the digits that it needs.
format_each <- function(x) {
    vapply(x, format, "", digits = 15, USE.NAMES = FALSE)
}
