# The library reports in JSON; a package to read a few lines of it would be one more to install.

# Objects become named lists, arrays of scalars vectors, null NULL (NA in an array of scalars).
from_json <- function(text) {
    pattern <- "\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9][-+0-9.eE]*|true|false|null|[][{},:]"
    tokens <- regmatches(text, gregexpr(pattern, text, perl = TRUE))[[1]]
    at <- 0L
    take <- function() {
        at <<- at + 1L
        tokens[at]
    }
    value <- function(token = take()) {
        switch(substr(token, 1, 1),
            "{" = object(),
            "[" = array(),
            "\"" = json_string(token),
            t = TRUE,
            f = FALSE,
            n = NULL,
            as.numeric(token)
        )
    }
    object <- function() {
        result <- list()
        token <- take()
        while (token != "}") {
            if (token == ",") token <- take()
            take()
            result[json_string(token)] <- list(value())
            token <- take()
        }
        result
    }
    array <- function() {
        result <- list()
        token <- take()
        while (token != "]") {
            if (token == ",") token <- take()
            result[length(result) + 1L] <- list(value(token))
            token <- take()
        }
        simplify(result)
    }
    value()
}

simplify <- function(values) {
    scalar <- vapply(values, function(v) is.null(v) || (is.atomic(v) && length(v) == 1), NA)
    if (!length(values) || !all(scalar)) return(values)
    kinds <- unique(vapply(values[!vapply(values, is.null, NA)], typeof, ""))
    if (length(kinds) > 1) return(values)
    unlist(lapply(values, function(v) if (is.null(v)) NA else v))
}

json_string <- function(token) {
    text <- substr(token, 2, nchar(token) - 1)
    if (!grepl("\\", text, fixed = TRUE)) return(text)
    escapes <- gregexpr("\\\\u[0-9a-fA-F]{4}|\\\\.", text, perl = TRUE)
    known <- c(n = "\n", t = "\t", r = "\r", b = "\b", f = "\f")
    regmatches(text, escapes) <- lapply(regmatches(text, escapes), function(found) {
        vapply(found, function(escape) {
            letter <- substr(escape, 2, 2)
            if (letter == "u") intToUtf8(strtoi(substr(escape, 3, 6), 16L)) else if (letter %in% names(known)) known[[letter]] else letter
        }, "", USE.NAMES = FALSE)
    })
    text
}

# The same for lists, strings, numbers and switches: vectors of one are scalars unless they are I().
to_json <- function(x) {
    if (is.list(x)) {
        values <- vapply(x, to_json, "")
        if (is.null(names(x))) return(paste0("[", paste(values, collapse = ","), "]"))
        return(paste0("{", paste0(json_quoted(names(x)), ":", values, collapse = ","), "}"))
    }
    # 17 digits are every double.
    values <- if (is.character(x)) json_quoted(x) else if (is.logical(x)) tolower(as.character(x)) else formatC(unclass(x), digits = 17, width = 1)
    if (length(x) == 1 && !inherits(x, "AsIs")) values else paste0("[", paste(values, collapse = ","), "]")
}

json_quoted <- function(text) {
    text <- gsub("([\\\\\"])", "\\\\\\1", enc2utf8(text))
    for (code in c(9, 10, 13)) text <- gsub(intToUtf8(code), sprintf("\\\\u%04x", code), text)
    paste0("\"", text, "\"")
}
