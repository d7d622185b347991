test_that("options are the library's list", {
    all <- chreode_options()
    expect_setequal(unique(all$list), chreode_capabilities()$option_lists)
    expect_true(all(nzchar(all$meaning)))
    expect_true("delta" %in% chreode_options("fit")$name)
    expect_refused(chreode_options("fitt"), "chreode_invalid_argument", "nearest: fit")
})

test_that("the help pages have the options and methods that the library has, in its words, and no others", {
    but <- list(
        fit = c("method", "seed", "threads"), simulate = c("mode", "seed", "threads"), evaluate = c("seed", "threads"),
        validate = c("method", "seed", "threads"), fates = c("seed", "threads"),
        transport = "threads", "gene-network" = character(), "gaussian-mixture" = character(), branching = character()
    )
    pages <- c(
        fit = "fit_dynamics.Rd", simulate = "simulate.chreode_dynamics.Rd", evaluate = "evaluate.Rd", validate = "validate.Rd",
        fates = "fates.Rd", transport = "transport.Rd",
        "gene-network" = "dataset.Rd", "gaussian-mixture" = "dataset.Rd", branching = "dataset.Rd"
    )
    expect_setequal(names(pages), chreode_capabilities()$option_lists)
    database <- tools::Rd_db("chreode")
    # Spaces are where they were; R wraps, indents and escapes.
    bare <- function(text) gsub("[[:space:]\\\\]+", "", paste(text, collapse = ""))
    page <- function(name) bare(as.character(database[[name]]))
    for (list in names(pages)) {
        # The whole table at once: an option that is no more is found, too.
        expect_true(grepl(bare(option_table(list, but[[list]])), page(pages[[list]]), fixed = TRUE), info = paste(list, "run tools/document.sh"))
    }
    expect_true(grepl(bare(method_list()), page("fit_dynamics.Rd"), fixed = TRUE), info = "run tools/document.sh")
})

test_that("the sources have no T, F or 1:n, which Bioconductor refuses", {
    found <- unlist(lapply(ls(asNamespace("chreode"), all.names = TRUE), function(name) {
        object <- get(name, asNamespace("chreode"))
        if (!is.function(object)) return()
        calls <- all.names(body(object))
        text <- gsub("\"[^\"]*\"", "", deparse(body(object)))
        if (any(c("T", "F") %in% calls) || any(grepl("[^0-9a-zA-Z_.]1:[a-z(]", text)) || "sapply" %in% calls) name
    }))
    expect_identical(as.character(found), character())
})

test_that("data sets are made by name", {
    data <- dataset("gene-network", seed = 1)
    expect_identical(as.vector(table(data$time))[1], 400L)
    expect_identical(nrow(data$x), length(data$time))
    expect_null(data$masses)
    expect_identical(dim(dataset("branching", cells = 300, dims = 3)$x)[2], 3L)
    expect_identical(ncol(dataset("gaussian-mixture", dims = 4)$x), 4L)
    expect_refused(dataset("gene"), "chreode_invalid_argument", "gene-network")
    expect_refused(dataset("fit"), "chreode_invalid_argument", "gene-network")
    expect_refused(dataset(cells = 3), "chreode_invalid_argument", "`seed` is the nearest")
})

test_that("JSON is read", {
    read <- from_json('{"a": [1, 2.5e-3, null], "b": {"c": "\\u00e9\\n\\"x\\", ]"}, "d": [], "e": [[1, 2], [3, 4]], "f": true, "g": null}')
    expect_identical(read$a, c(1, 0.0025, NA))
    expect_identical(read$b$c, "\u00e9\n\"x\", ]")
    expect_identical(read$d, list())
    expect_identical(read$e, list(c(1, 2), c(3, 4)))
    expect_true(read$f)
    expect_true("g" %in% names(read) && is.null(read$g))
    expect_null(from_json("null"))
})
