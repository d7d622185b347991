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
