data <- dataset("gene-network", cells_per_state = 30)
names <- paste0("cell", seq_along(data$time))
# So short a delta leaves many cells without a partner, which is told.
coupled_by <- function(x, time, ...) {
    withCallingHandlers(
        couple(x, time, "wfr-fm", delta = 0.12, ..., seed = 1, progress = FALSE),
        chreode_reported = function(told) tryInvokeRestart("muffleWarning")
    )
}
coupled <- coupled_by(data$x, data$time)

test_that("what cells send and receive is what they weigh", {
    cells <- coupled$cells
    expect_identical(coupled$times, as.numeric(0:4))
    expect_identical(cells$time, data$time)
    expect_equal((cells$sent + cells$dying)[cells$time < 4], rep(1, sum(cells$time < 4)), tolerance = 1e-9)
    expect_equal((cells$received + cells$born)[cells$time > 0], rep(1, sum(cells$time > 0)), tolerance = 1e-9)
    expect_true(sum(cells$dying) > 0 && all(cells$sent[cells$time == 4] == 0))
    expect_output(print(coupled), "dying")
})

test_that("a coupling is a sparse matrix under the names of the cells", {
    skip_if_not_installed("Matrix")
    x <- data$x
    rownames(x) <- names
    mixed <- rev(seq_along(names))
    named <- coupled_by(x[mixed, ], setNames(data$time, names))
    expect_identical(rownames(named$cells), names[mixed])
    for (k in 1:4) {
        sent <- coupling(named, k)
        expect_s4_class(sent, "dgCMatrix")
        expect_identical(dimnames(sent), list(names[mixed][named$rows[[k]]], names[mixed][named$rows[[k + 1]]]))
        expect_equal(Matrix::rowSums(sent), setNames(named$cells[rownames(sent), "sent"], rownames(sent)), tolerance = 1e-12)
        received <- Matrix::colSums(coupling(named, k, "received"))
        expect_equal(received, setNames(named$cells[names(received), "received"], names(received)), tolerance = 1e-12)
    }
    expect_null(dimnames(coupling(coupled, 1))[[1]])
    # By name, and other cells may be there.
    every <- setNames(seq_along(names), names)
    pushed <- push(named, rev(every), 0, 2)
    expect_identical(names(pushed$mass), names[mixed][named$rows[[3]]])
    expect_equal(sum(pushed$mass) + sum(pushed$lost), sum(every[data$time == 0]), tolerance = 1e-9)
    expect_error(push(named, every[-1], 0, 1), "nothing for the cells", class = "chreode_invalid_argument")
})

test_that("mass goes on and back, and what does not is told", {
    there <- seq_len(coupled$counts[1])
    forth <- push(coupled, there, 0, 4)
    expect_length(forth$lost, 4)
    expect_equal(sum(forth$mass) + sum(forth$lost), sum(there), tolerance = 1e-9)
    back <- pull(coupled, forth$mass, 4, 0)
    expect_equal(sum(back$mass) + sum(back$lost), sum(forth$mass), tolerance = 1e-9)
    expect_equal(
        push(coupled, rep(1, coupled$counts[1]), 0, 1, "mass")$mass, coupled$cells$received[coupled$rows[[2]]],
        tolerance = 1e-12
    )
    labelled <- suppressMessages(coupled_by(data$x, paste0("day", data$time)))
    expect_identical(push(labelled, there, "day0", "day4"), forth)
    # In the unit of the cells' times.
    hours <- suppressMessages(coupled_by(data$x, as.difftime(data$time, units = "hours")))
    expect_identical(push(hours, there, as.difftime(0, units = "mins"), as.difftime(240, units = "mins")), forth)
})

test_that("cells have descendants and ancestors through the dynamics", {
    fit <- fit_dynamics(
        data$x, data$time, "wfr-fm", delta = 1.5, hidden = "8x1", epochs = 5, seed = 1, progress = FALSE, keep_couplings = TRUE
    )
    x <- data$x
    rownames(x) <- names
    mixed <- rev(seq_along(names))
    found <- suppressWarnings(descent(fit, x[mixed, ], data$time[mixed], from = 1, to = 3, descendants = 5, seed = 2))
    expect_identical(found$times, c(1, 3))
    expect_identical(rownames(found$cells), names[mixed][data$time[mixed] %in% c(1, 3)])
    ones <- setNames(rep(1, found$counts[1]), rownames(found$cells)[found$rows[[1]]])
    told <- suppressWarnings(
        fates(fit, rep("all", nrow(x)), x[mixed, ], data$time[mixed], from = 1, to = 3, descendants = 5, seed = 2)
    )
    grown <- push(found, ones, 1, 3, "mass")
    expect_equal(sum(grown$mass), sum(told$n_all), tolerance = 1e-9)
    expect_equal(sum(grown$lost), sum(told$p_none), tolerance = 1e-9)
    back <- pull(found, rev(grown$mass), 3, 1)
    expect_equal(sum(back$mass) + sum(back$lost), sum(grown$mass), tolerance = 1e-9)
    expect_identical(names(back$mass), names(ones))
    expect_error(descent(fit, from = 3, to = 1), "from must be before 1", class = "chreode_invalid_argument")
    # Those that the model keeps, with the cells of the fit and from a file.
    kept <- couplings(fit)
    expect_identical(kept$cells$time, data$time)
    plain <- couple(data$x, data$time, "wfr-fm", delta = 1.5, seed = 1, progress = FALSE)
    expect_identical(kept$pairs, plain$pairs)
    file <- tempfile()
    save_dynamics(fit, file)
    again <- couplings(load_dynamics(file))
    expect_identical(again$counts, plain$counts)
    expect_identical(again$cells$sent, plain$cells$sent[order(data$time)])
    without <- fit_dynamics(data$x, data$time, hidden = "4", epochs = 1, seed = 1, progress = FALSE)
    expect_error(couplings(without), "keep_couplings", class = "chreode_invalid_argument")
})

test_that("mishaps are errors", {
    ones <- rep(1, coupled$counts[1])
    refused <- function(call, told) expect_error(call, told, class = "chreode_invalid_argument")
    refused(push(coupled, ones, 0, 0), "to must be later than from")
    refused(pull(coupled, ones, 0, 1), "goes push\\(\\)")
    refused(push(coupled, ones, 0, 9), "to must be one of the times 0, 1, 2, 3, 4, got 9")
    refused(push(coupled, ones[-1], 0, 1), "one element for each")
    refused(push(coupled, -ones, 0, 1), "not negative")
    refused(push(list(), ones, 0, 1), "what couple\\(\\) gives")
    refused(coupling(coupled, 5), "number of an interval, 1 to 4")
    refused(couple(data$x, data$time, "tigon", progress = FALSE), "one that couples cells")
    expect_error(couple(data$x, data$time, progress = function(now) FALSE), class = "chreode_cancelled")
    kept <- unserialize(serialize(coupled, NULL))
    expect_equal(kept$cells, coupled$cells)
    refused(push(kept, ones, 0, 1), "another session")
})
