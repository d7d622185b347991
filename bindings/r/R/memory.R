# What a model remembers of the data it was fitted to, so that other data is read in the same way: `time`, `weights` (columns
# of colData) and `dimred` of an experiment; `weighted`, whether there were weights; `masses`, a data frame of time and mass,
# where they were given; `labels` and `unit` of the times; `coordinates`, the names of the columns; `options`, those that the fit
# was given. What there was not is NULL.

memory_of <- function(object) {
    c(object$memory, list(times = object$times))
}

# The masses that the model was fitted with, at other data's times; NULL if it was fitted to numbers of cells.
remembered_masses <- function(memory, times) {
    known <- memory$masses
    if (is.null(known)) return(NULL)
    at <- same_time(times, known$time)
    if (anyNA(at)) {
        invalid(
            "the model was fitted with masses, and knows none for time ", in_list(format_each(times[is.na(at)])),
            ": give masses for the data"
        )
    }
    known$mass[at]
}

# Options by name, as text or numbers; NULL if none were given.
remembered_options <- function(given) {
    given <- lapply(given[!vapply(given, is.null, NA)], function(value) {
        if (is.numeric(value)) as.double(value) else as.character(value)
    })
    if (length(given)) given
}

# Text for the model's file, and back.
memory_to_text <- function(memory) {
    if (!is.null(memory$labels)) memory$labels <- list(label = I(names(memory$labels)), time = I(unname(memory$labels)))
    if (!is.null(memory$masses)) memory$masses <- lapply(as.list(memory$masses), I)
    if (!is.null(memory$coordinates)) memory$coordinates <- I(memory$coordinates)
    to_json(memory[!vapply(memory, is.null, NA)])
}

memory_from_text <- function(text) {
    memory <- from_json(text)
    if (!is.null(memory$labels)) memory$labels <- setNames(memory$labels$time, memory$labels$label)
    if (!is.null(memory$masses)) memory$masses <- as.data.frame(memory$masses)
    memory
}
