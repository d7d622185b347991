test_that("options are the library's list", {
    all <- chreode_options()
    expect_setequal(unique(all$list), chreode_capabilities()$option_lists)
    expect_true(all(nzchar(all$meaning)))
    expect_true("delta" %in% chreode_options("fit")$name)
    expect_refused(chreode_options("fitt"), "chreode_invalid_argument", "nearest: fit")
})

test_that("the help pages have every option as the library tells it", {
    pages <- c(
        fit = "fit_dynamics.Rd", simulate = "simulate.chreode_dynamics.Rd", evaluate = "evaluate.Rd", transport = "transport.Rd",
        "gene-network" = "dataset.Rd", "gaussian-mixture" = "dataset.Rd", branching = "dataset.Rd"
    )
    expect_setequal(names(pages), chreode_capabilities()$option_lists)
    database <- tools::Rd_db("chreode")
    skip_if(length(database) == 0, "the package was installed without its help pages")
    # Spaces are where they were; R wraps and indents.
    bare <- function(text) gsub("[[:space:]\\\\]+", "", paste(text, collapse = ""))
    for (list in names(pages)) {
        page <- bare(as.character(database[[pages[[list]]]]))
        arguments <- c("method", "mode", "seed", "threads")
        options <- chreode_options(list)
        for (i in which(!options$name %in% arguments)) {
            told <- bare(paste0(rd_text(options$meaning[i]), "(", options$kind[i], ":", rd_text(options$range[i]), ")"))
            expect_true(grepl(told, page, fixed = TRUE), info = paste(list, options$name[i], "run tools/document.sh"))
        }
    }
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
