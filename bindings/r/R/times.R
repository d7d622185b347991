# Times as the caller has them, and as numbers. What is not a number already is said in a message, once for a model.

# One time a cell (or one for all, if `single`), as a list: `time`, the numbers; `labels`, what stands for which number, or
# NULL for numbers; `unit`, that of a difftime. Labels and unit of the model's memory are taken where they serve.
as_times <- function(x, name, cells, memory = NULL, single = FALSE) {
    x <- decoded(x)
    if (is.null(x)) invalid(name, " must be given: one time a cell")
    if (!is.atomic(x) && !inherits(x, "POSIXlt")) invalid(name, " must be one time a cell, got ", in_words(x))
    if (!(single && length(x) == 1)) x <- one_a_cell(x, name, cells)
    if (inherits(x, "POSIXt")) {
        invalid(
            name, " holds points of time: say what they are measured from, and in which unit, for instance ",
            "as.numeric(difftime(", name, ", min(", name, "), units = \"hours\"))"
        )
    }
    refuse_missing(x, name, cells)
    if (inherits(x, "difftime")) return(of_difftime(x, name, memory))
    if (inherits(x, "Date")) return(of_dates(x, name, memory))
    if (is.factor(x) || is.character(x)) return(of_labels(as.character(x), name, memory))
    if (!is.numeric(x)) invalid(name, " must be numeric, got ", in_words(x))
    list(time = as.double(x), labels = memory$labels, unit = memory$unit)
}

of_difftime <- function(x, name, memory) {
    unit <- memory$unit
    if (is.null(unit)) {
        unit <- units(x)
        message(name, " is in ", unit)
    }
    list(time = as.double(x, units = unit), labels = memory$labels, unit = unit)
}

# Days since the first date of the fit.
of_dates <- function(x, name, memory) {
    known <- memory$labels
    dates <- sort(unique(x))
    is_date <- !is.null(known) && all(grepl("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", names(known)))
    if (!is.null(memory) && !is_date) {
        invalid(name, " is a Date, but the model was not fitted to dates: give numbers as its times (", in_list(memory$times), ")")
    }
    origin <- if (is_date) as.Date(names(known)[1]) - known[[1]] else dates[1]
    labels <- setNames(as.double(dates - origin, units = "days"), format(dates))
    if (!is_date) tell_labels(name, labels, paste("days since", format(origin)))
    list(time = as.double(x - origin, units = "days"), labels = if (is_date) known else labels, unit = NULL)
}

of_labels <- function(x, name, memory) {
    shown <- unique(x)
    known <- memory$labels
    if (!is.null(known) && all(shown %in% names(known))) {
        return(list(time = unname(known[x]), labels = known, unit = memory$unit))
    }
    labels <- read_labels(shown, name)
    tell_labels(name, labels)
    list(time = unname(labels[x]), labels = if (is.null(memory)) labels else known, unit = memory$unit)
}

NUMBER <- "[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+"

# Text as numbers where there is one way to read it: numbers, or one number in each label with the same words around it
# ("day0", "E8.5", "3 h"). A named vector, increasing.
read_labels <- function(labels, name) {
    trimmed <- trimws(labels)
    if (all(grepl(sprintf("^[-+]?(?:%s)(?:[eE][-+]?[0-9]+)?$", NUMBER), trimmed, perl = TRUE))) {
        numbers <- as.numeric(trimmed)
    } else {
        # No sign and no bare point may follow a word: "day-1" and "d.5" can be read in two ways.
        pattern <- "^([[:alpha:]_ ]*?)([0-9]+(?:\\.[0-9]+)?)([[:alpha:]_ ]*)$"
        around <- trimws(unique(sub(pattern, "\\1|\\3", trimmed, perl = TRUE)))
        if (!all(grepl(pattern, trimmed, perl = TRUE)) || length(around) > 1) refuse_labels(labels, name)
        numbers <- as.numeric(sub(pattern, "\\2", trimmed, perl = TRUE))
    }
    if (anyDuplicated(numbers)) {
        twice <- labels[numbers == numbers[anyDuplicated(numbers)]]
        invalid(name, " has several labels of one time: ", in_list(sprintf("\"%s\"", twice)))
    }
    sort(setNames(numbers, labels))
}

refuse_labels <- function(labels, name) {
    some <- labels[seq_len(min(3, length(labels)))]
    pairs <- paste0("\"", some, "\" = ", seq_along(some) - 1, collapse = ", ")
    invalid(
        name, " must be numbers, or labels that are read in one way only. Its levels are ",
        in_list(sprintf("\"%s\"", labels), 12), ": convert them, for instance by c(", pairs,
        if (length(labels) > 3) ", ...", ")[as.character(", name, ")]"
    )
}

tell_labels <- function(name, labels, what = "numbers") {
    message(name, " as ", what, ": ", in_list(sprintf("\"%s\" = %s", names(labels), format_each(labels)), 12))
}

# The number of population sizes is that of the times: by name, or in their order. NULL for NULL.
as_masses <- function(masses, times, labels = NULL) {
    if (is.null(masses)) return(NULL)
    if (is.data.frame(masses)) {
        if (!all(c("time", "mass") %in% names(masses))) invalid("masses must have the columns time and mass, got ", in_list(names(masses)))
        masses <- setNames(masses$mass, as.character(masses$time))
    }
    if (is.list(masses)) {
        if (!all(lengths(masses) == 1)) invalid("masses must be one number a time")
        masses <- unlist(masses)
    }
    if (!is.numeric(masses)) invalid("masses must be numeric, got ", in_words(masses))
    keys <- names(masses)
    masses <- setNames(as.double(masses), keys)
    if (is.null(keys)) {
        if (length(masses) != length(times)) {
            invalid(
                "masses must have ", length(times), " values in the order of time (", in_list(format_each(times)),
                "), or be named by time, got ", length(masses), " without names"
            )
        }
    } else {
        masses <- masses[match_times(keys, times, labels)]
    }
    if (anyNA(masses)) unusable("masses: that of time ", format_each(times[is.na(masses)][1]), " is missing")
    unname(masses)
}

# For each time the place of the key that names it.
match_times <- function(keys, times, labels) {
    named <- if (!is.null(labels) && all(keys %in% names(labels))) unname(labels[keys]) else unname(read_labels(keys, "masses")[keys])
    at <- same_time(times, named)
    strange <- setdiff(seq_along(keys), at)
    if (anyDuplicated(keys) || anyNA(at) || length(strange)) {
        invalid(
            "masses must name each time once. The times are ", in_list(format_each(times)), ", the names ", in_list(keys),
            if (anyNA(at)) paste0("; none for ", in_list(format_each(times[is.na(at)])))
        )
    }
    at
}

# Which `among` some times each time is, NA where it is none of them. Times are the same if they agree to 12 digits: some were printed and
# read again.
same_time <- function(times, among) {
    match(signif(times, 12), signif(among, 12))
}

# Options of fates that are times: by the labels of the fit, too.
with_times <- function(given, object) {
    for (name in intersect(c("from", "to"), names(given))) {
        if (length(given[[name]]) == 1) given[[name]] <- as_times(given[[name]], name, NULL, memory_of(object), single = TRUE)$time
    }
    given
}
