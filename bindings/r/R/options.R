#' Options of the library
#'
#' Every option that the functions of this package take by name in `...`, as the library itself lists them.
#'
#' @param list Which lists: `"fit"` for [fit_dynamics()], `"simulate"` for [simulate()][simulate.chreode_dynamics],
#'   `"evaluate"` for [evaluate()], `"validate"` for [validate()], `"fates"` for [fates()], `"transport"` for [transport()], or the name of a [dataset()]. All of them by default.
#' @return A data frame with a row for each option: `list`, `name`, `kind` (`"real"`, `"integer"`, `"name"`, `"widths"` of
#'   hidden layers or `"switch"`), `default`, `range` and `meaning`.
#' @examples
#' subset(chreode_options("fit"), select = c(name, default))
#' @export
chreode_options <- function(list = NULL) {
    if (is.null(list)) list <- chreode_capabilities()$option_lists
    described <- lapply(list, function(one) {
        handle <- native(.Call(C_r_options_new, one))
        columns <- native(.Call(C_r_options_describe, handle))
        data.frame(list = rep(one, length(columns$name)), columns, stringsAsFactors = FALSE)
    })
    do.call(rbind, described)
}

#' What the library can do
#'
#' @return A list: `version` and `abi_version` of the library, `model_format_version`, the names of its `methods`,
#'   `couplings`, `bridges`, `modes` of simulation, `fields`, `data_sets`, `option_lists` and `devices`, and the number of
#'   `cores` of this machine.
#' @examples
#' chreode_capabilities()$methods
#' @export
chreode_capabilities <- function() {
    from_json(native(.Call(C_r_capabilities)))
}

# Options of a list, set from a named list of R.
new_options <- function(list, values) {
    handle <- native(.Call(C_r_options_new, list))
    given <- names(values)
    if (length(values) && (is.null(given) || any(given == ""))) {
        invalid("options must be named: one of the further arguments has no name")
    }
    if (anyDuplicated(given)) invalid("the option ", given[anyDuplicated(given)], " is given twice")
    for (name in given) {
        value <- values[[name]]
        if (!is.null(value)) native(.Call(C_r_options_set, handle, name, option_value(name, value)))
    }
    handle
}

# The default of an option, as the library tells it.
default_of <- function(list, name) {
    options <- chreode_options(list)
    options$default[options$name == name]
}

# What the library takes: a number or a string.
option_value <- function(name, value) {
    if (is.factor(value)) value <- as.character(value)
    if (!is.atomic(value) || !length(value) || is.complex(value) || is.raw(value)) {
        invalid("the option ", name, " must be a number or a string, got ", in_words(value))
    }
    if (anyNA(value)) invalid("the option ", name, " must not be NA")
    if (is.logical(value)) value <- tolower(as.character(value))
    # Widths of hidden layers: c(256, 128).
    if (length(value) > 1) value <- paste(format(value, trim = TRUE, scientific = FALSE), collapse = ",")
    # The library takes large whole numbers as text only.
    if (is.double(value) && is.finite(value) && abs(value) >= 1e15 && value == floor(value)) value <- sprintf("%.0f", value)
    if (is.character(value)) enc2utf8(as.vector(value)) else as.vector(value)
}

# The rows of a help page's table of options, in the markup of help pages. `tools/document.sh` puts it there.
option_table <- function(list, but = character()) {
    options <- chreode_options(list)
    options <- options[!options$name %in% but, ]
    items <- sprintf(
        "\\item{\\code{%s}}{%s (%s: %s). Default: %s.}",
        options$name, rd_text(options$meaning), rd_text(options$kind), rd_text(options$range), rd_text(options$default)
    )
    paste(c("\\describe{", items, "}"), collapse = "\n")
}

# Text as help pages write it; LaTeX knows Greek letters by name only. (Roxygen takes care of per cent signs.)
rd_text <- function(text) {
    greek <- c(
        "\u03b4" = "delta", "\u03b5" = "epsilon", "\u03bb" = "lambda", "\u03c0" = "pi", "\u03c1" = "rho", "\u03c3" = "sigma"
    )
    words <- gregexpr(paste0("[", paste(names(greek), collapse = ""), "]+"), text)
    regmatches(text, words) <- lapply(regmatches(text, words), function(found) {
        latex <- vapply(strsplit(found, ""), function(letters) paste0("\\", greek[letters], collapse = ""), "")
        sprintf("\\eqn{%s}{%s}", latex, found)
    })
    text <- gsub("\u221a(\\w)", " sqrt(\\1)", text)
    plain <- c("\u2212" = "-", "\u2013" = "-", "\u00b2" = "^2", "\u00bd" = "1/2")
    for (symbol in names(plain)) text <- gsub(symbol, plain[[symbol]], text)
    text
}
