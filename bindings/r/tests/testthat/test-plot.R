# Pictures: what is drawn is what was computed.

drawing <- function(expression) {
    grDevices::pdf(NULL)
    on.exit(grDevices::dev.off())
    suppressWarnings(expression, classes = "chreode_reported")
}

kinds <- function() ifelse(small_data()$x[, 2] > 1, "high", "low")

several <- local({
    fit <- NULL
    function() {
        if (is.null(fit)) {
            data <- small_data()
            fit <<- fit_dynamics(data$x, data$time, method = "usb", hidden = "8x2", epochs = 5, ensemble = 2, seed = 5, progress = FALSE)
        }
        fit
    }
})

# What the three kinds of colour blindness see of linear red, green and blue (Machado, Oliveira & Fernandes 2009, severity 1).
BLIND <- list(
    none = diag(3),
    protanopia = rbind(c(0.152286, 1.052583, -0.204868), c(0.114503, 0.786281, 0.099216), c(-0.003882, -0.048116, 1.051998)),
    deuteranopia = rbind(c(0.367322, 0.860646, -0.227968), c(0.280085, 0.672501, 0.047413), c(-0.011820, 0.042940, 0.968881)),
    tritanopia = rbind(c(1.255528, -0.076749, -0.178779), c(-0.078411, 0.930809, 0.147602), c(0.004733, 0.691367, 0.303900))
)

lab <- function(colours, seen) {
    rgb <- t(grDevices::col2rgb(colours)) / 255
    linear <- ifelse(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055)^2.4)
    linear <- pmin(pmax(linear %*% t(seen), 0), 1)
    back <- ifelse(linear <= 0.0031308, 12.92 * linear, 1.055 * linear^(1 / 2.4) - 0.055)
    grDevices::convertColor(back, "sRGB", "Lab")
}

test_that("colours are told apart with any vision", {
    for (seen in BLIND) {
        expect_gt(min(stats::dist(lab(PALETTE, seen))), 21)
        steps <- diff(lab(colours_of("Cividis", 12), seen)[, 1])
        expect_true(all(steps > 0))
        ends <- lab(colours_of(DIVERGING, 3), seen)
        expect_true(stats::dist(ends[c(1, 3), ]) > 80 && ends[2, 1] > max(ends[c(1, 3), 1]) + 15)
    }
    looks <- looks_of(48)
    expect_false(any(duplicated(paste(looks$colour, looks$pch))))
})

test_that("populations are drawn over the observed ones", {
    fit <- small_fit()
    run <- drawing(plot_populations(fit))
    expect_identical(run$times, c(0, 1, 2, 3, 4))
    mine <- suppressWarnings(simulate(fit, times = c(0, 0.5, 2), seed = 1, mode = "sde"), classes = "chreode_reported")
    expect_identical(drawing(plot_populations(fit, simulation = mine, basis = small_data()$x[, 2:1])), mine)
    # Particles weigh what the masses say.
    data <- small_data()
    weighed <- drawing(plot_populations(fit, data$x, data$time, masses = c(7, 8, 9, 10, 11)))
    expect_equal(sum(weighed$frames[[1]]$weights), 7)
    expect_refused(drawing(plot_populations(fit, simulation = 1)), "chreode_invalid_argument", "simulation must be")
    late <- suppressWarnings(simulate(fit, times = 0.5), classes = "chreode_reported")
    expect_refused(drawing(plot_populations(fit, simulation = late)), "chreode_invalid_argument", "frames at times of the cells (0, 1, 2")
    expect_refused(drawing(plot_populations(fit, basis = "umap")), "chreode_invalid_argument", "names are for a SingleCellExperiment")
    expect_refused(drawing(plot_populations(fit, basis = matrix(0, 3, 2))), "chreode_invalid_argument", "basis must have one row a cell")
    # The user's own panels are kept.
    drawing({
        graphics::par(mfrow = c(2, 3))
        plot_populations(fit)
        expect_identical(graphics::par("mfrow"), c(2L, 3L))
    })
    drawing({
        plot_populations(fit)
        expect_identical(graphics::par("mfrow"), c(1L, 1L))
    })
})

test_that("particles stand among the nearest cells of another embedding", {
    data <- small_data()
    shown <- embedding(small_fit(), NULL, list(x = data$x), 3 * data$x[, 2:1])
    expect_equal(place(shown, data$x[1:5, ]), unname(3 * data$x[1:5, 2:1]), tolerance = 0.2)
    rows <- rownames(data$x) <- paste0("cell", seq_len(nrow(data$x)))
    turned <- embedding(small_fit(), NULL, list(x = data$x), data$x[rev(rows), 2:1])
    expect_identical(turned$plane, unname(data$x[, 2:1]))
})

test_that("neighbours are the nearest", {
    x <- matrix(sin(1:120), 40)
    all <- as.matrix(stats::dist(x))
    diag(all) <- Inf
    found <- nearest(x, x, 5, others = TRUE)
    expect_identical(found$cell, t(apply(all, 1, function(row) order(row)[1:5])) |> unname())
    expect_equal(found$distance, unname(t(apply(all, 1, function(row) sort(row)[1:5]))))
    expect_identical(nearest(x, x, 1)$cell[, 1], 1:40)
    expect_equal(rowSums(closeness(found$distance)), rep(1, 40))
})

test_that("streamlines go with the velocity", {
    fit <- small_fit()
    data <- small_data()
    field <- drawing(plot_streamlines(fit, time = 2))
    known <- which(!is.na(field$u))
    at <- as.matrix(field[known, c("x", "y")])
    expect_equal(unname(as.matrix(field[known, c("u", "v")])), unname(predict(fit, unname(at), 2)))
    # In an embedding that is the same plane, turned, the directions are turned.
    turned <- drawing(plot_streamlines(fit, basis = cbind(data$x[, 2], -data$x[, 1])))
    own <- drawing(plot_streamlines(fit))
    there <- !is.na(own$u)
    expect_gt(sum(there), 50)
    mean_way <- function(field) colMeans(field[c("u", "v")] / sqrt(field$u^2 + field$v^2), na.rm = TRUE)
    expect_equal(unname(mean_way(turned)), unname(c(mean_way(own)[2], -mean_way(own)[1])), tolerance = 0.2)
    # Lines of a field that turns about a point keep their distance from it.
    side <- seq(-1, 1, length.out = GRID)
    points <- as.matrix(expand.grid(side, side))
    lines <- streamlines(list(points = points, sides = list(side, side)), cbind(-points[, 2], points[, 1]), 1)
    expect_gt(length(lines), 5)
    apart <- vapply(lines, function(line) diff(range(sqrt(rowSums(line^2)))), 0)
    expect_lt(max(apart), 0.02)
    expect_gt(max(vapply(lines, nrow, 0)), 100)
    expect_refused(drawing(plot_streamlines(fit, density = 0)), "chreode_invalid_argument", "density must be positive")
    wide <- fit_dynamics(cbind(data$x, 0), data$time, hidden = 4, epochs = 1, seed = 1, progress = FALSE)
    expect_refused(drawing(plot_streamlines(wide)), "chreode_invalid_argument", "the model has 3 coordinates, no plane: give basis")
})

test_that("cells have the colour of a number or a label", {
    data <- small_data()
    growth <- predict(small_fit(), field = "growth")
    expect_identical(drawing(plot_cells(data$x, growth, center = 0, label = "growth rate")), data$x)
    drawing(plot_cells(data$x, replace(growth, 1:9, NA)))
    drawing(plot_cells(data$x, rep(NA_real_, nrow(data$x))))
    drawing(plot_cells(data$x, rep(1, nrow(data$x)), center = 1))
    drawing(plot_cells(data$x, factor(kinds(), c("low", "none there", "high")), palette = "Dark 3"))
    # More labels than there is room for.
    drawing(plot_cells(data$x, paste("a long name of a cluster", seq_len(nrow(data$x)) %% 40)))
    expect_refused(drawing(plot_cells(data$x, 1:3)), "chreode_invalid_argument", "values must have one element a cell")
    skip_if_not_installed("SingleCellExperiment")
    sce <- SingleCellExperiment::SingleCellExperiment(
        reducedDims = list(genes = data$x), colData = S4Vectors::DataFrame(day = data$time, kind = kinds())
    )
    drawing(plot_cells(sce, "kind"))
    expect_refused(drawing(plot_cells(sce, "sort")), "chreode_invalid_argument", "values must be a column of colData")
    fit <- fit_dynamics(sce, "day", hidden = 4, epochs = 1, seed = 1, progress = FALSE)
    SingleCellExperiment::reducedDim(sce, "UMAP") <- data$x[, 2:1]
    drawing({
        plot_streamlines(fit, sce, basis = "UMAP")
        plot_populations(fit, sce, basis = "UMAP")
        plot_label_mass(fit, "kind", sce)
        plot(evaluate(fit, sce), fit, sce)
    })
})

test_that("the masses of labels are those of all, with the spread of the members", {
    fit <- several()
    drawn <- drawing(plot_label_mass(fit, kinds()))
    total <- tapply(drawn$mass, drawn$time, sum)
    each <- lapply(ensemble_members(fit), function(member) {
        suppressWarnings(summary(simulate(member, times = seq(0, 4, length.out = 25)))$mass, classes = "chreode_reported")
    })
    expect_equal(as.vector(total), (each[[1]] + each[[2]]) / 2)
    first <- drawn[drawn$time == 0, ]
    expect_equal(setNames(first$mass, first$label), c(table(factor(kinds()[small_data()$time == 0], c("high", "low")))), tolerance = 0.1)
    expect_true(all(drawn$sd >= 0) && any(drawn$sd > 0))
    high <- vapply(ensemble_members(fit), function(member) {
        alone <- drawing(plot_label_mass(member, kinds(), small_data()$x, small_data()$time))
        alone$mass[alone$label == "high" & alone$time == 4]
    }, 0)
    expect_equal(drawn$sd[drawn$label == "high" & drawn$time == 4], fit$stretch * stats::sd(high), tolerance = 1e-6)
    expect_false("sd" %in% names(drawing(plot_label_mass(small_fit(), kinds()))))
    expect_refused(drawing(plot_label_mass(fit, rep(NA, 9))), "chreode_invalid_argument", "labels must have one element a cell")
    none <- rep(NA_character_, length(kinds()))
    expect_refused(drawing(plot_label_mass(fit, none)), "chreode_invalid_data", "labels must be known")
})

test_that("distances stand beside what need not be learned", {
    fit <- several()
    measured <- suppressWarnings(evaluate(fit), classes = "chreode_reported")
    drawn <- drawing(plot(measured, fit))
    expect_identical(drawn$predicted, measured$w1)
    expect_identical(drawn$sd, measured$w1_error)
    data <- small_data()
    first <- data$x[data$time == 0, ]
    last <- data$x[data$time == 4, ]
    cost <- transport(first, last, cost = "euclidean", penalty = Inf, normalise = TRUE)$report$transport_cost
    expect_equal(drawn$nothing_moves[4], cost)
    halves <- references_at(5, read_snapshots(fit$data))
    expect_identical(unlist(drawn[4, c("nothing_moves", "two_halves")]), unlist(halves))
    expect_true(all(drawn$two_halves < drawn$nothing_moves))
    expect_identical(names(drawing(plot(measured))), c("time", "predicted", "sd"))
    found <- validate(data$x, data$time, method = c("wfr-fm", "usb"), splits = 2, hidden = 4, epochs = 2, seed = 1, progress = FALSE)
    drawn <- drawing(plot(found))
    expect_identical(names(drawn), c("time", "wfr-fm", "usb", "nothing moves", "sampling floor"))
    expect_identical(drawn$usb, attr(found, "measures")$recipes[[2]]$w1)
})

test_that("flows between labels are the transitions", {
    found <- suppressWarnings(fates(small_fit(), replace(kinds(), 1:20, NA), descendants = 4, seed = 2), classes = "chreode_reported")
    masses <- drawing(plot(found))
    moved <- attr(found, "transitions")
    expect_equal(sum(masses), sum(moved$mass[moved$time == 0]))
    expect_equal(masses["no label", "low"], moved$mass[moved$time == 0 & is.na(moved$from) & moved$to == "low"])
    expect_identical(sum(drawing(plot(found, time = 2))), sum(moved$mass[moved$time == 2]))
    expect_refused(drawing(plot(found, time = 4)), "chreode_invalid_argument", "time must be one of the fates' (0, 1, 2, 3)")
})

test_that("genes are drawn along the path, and some trees of a forest", {
    along <- suppressWarnings(gene_trends(several(), rotation = diag(2), center = 0), classes = "chreode_reported")
    expect_identical(drawing(plot(along)), along)
    expect_identical(drawing(plot(along, genes = 2)), along)
    run <- suppressWarnings(simulate(small_fit(), seed = 1, points = 12, mode = "branching"), classes = "chreode_reported")
    cells <- trees_of(run$lineage, 5)
    expect_identical(sum(is.na(cells$parent)), 5L)
    daughters <- which(!is.na(cells$parent))
    expect_equal(cells$birth[daughters], cells$end[cells$parent[daughters]])
    expect_identical(nrow(trees_of(run$lineage, 50)), nrow(run$lineage))
    drawing(plot(run, founders = 3))
    expect_refused(drawing(plot(run, founders = 0)), "chreode_invalid_argument", "founders must be at least 1")
})
