# Family trees, and what is drawn of those that are too large.

plot_lineage <- function(x, palette, legend, most, ...) {
    if (is.null(x$lineage)) invalid("only a branching population has a lineage, this is a simulation by ", x$mode)
    if (nrow(x$lineage) > most) plot_clones(x, palette, legend, ...) else plot_trees(x, palette, ...)
}

plot_trees <- function(x, palette, ...) {
    cells <- x$lineage
    height <- lineage_heights(cells$parent)
    frame_plot(
        list(range(cells$birth, cells$end), range(0, height + 0.5)),
        list(
            xlab = time_name(x$memory), ylab = "", yaxt = "n", type = "n",
            main = sprintf("Lineage of %d founders, %d cells", sum(is.na(cells$parent)), nrow(cells))
        ), ...
    )
    founder <- founder_of(cells$parent)
    colours <- colours_of(palette, max(founder), "Dark 3")[founder]
    segments(cells$birth, height, cells$end, height, col = colours, lwd = 1.2)
    daughters <- which(!is.na(cells$parent))
    segments(
        cells$birth[daughters], height[cells$parent[daughters]], cells$birth[daughters], height[daughters],
        col = colours[daughters], lwd = 1.2
    )
    died <- cells$fate == "died"
    points(cells$end[died], height[died], pch = 4, cex = 0.6, col = INK)
}

# The living cells of each clone over time, one upon the other: the largest by their colours, all others together in grey.
plot_clones <- function(x, palette, legend, ..., shown = 12) {
    cells <- x$lineage
    founder <- founder_of(cells$parent)
    grid <- seq(min(cells$birth), max(cells$end), length.out = 200)
    # A cell that lives at the last time is there then.
    end <- ifelse(cells$fate == "alive", Inf, cells$end)
    final <- tabulate(founder[cells$fate == "alive"], max(founder))
    largest <- order(final, decreasing = TRUE)[seq_len(min(shown, length(final)))]
    clone <- match(founder, largest, nomatch = length(largest) + 1)
    living <- vapply(seq_len(length(largest) + 1), function(k) {
        of <- clone == k
        findInterval(grid, sort(cells$birth[of])) - findInterval(grid, sort(end[of]))
    }, numeric(length(grid)))
    # The others below.
    living <- living[, rev(seq_len(ncol(living))), drop = FALSE]
    colours <- c("grey85", rev(colours_of(palette, length(largest), "Dark 3")))
    tops <- t(apply(living, 1, cumsum))
    frame_plot(
        list(range(grid), range(0, tops)),
        list(
            xlab = time_name(x$memory), ylab = "living cells", type = "n",
            main = sprintf("Clones of %d founders, %d cells", max(founder), nrow(cells))
        ), ...
    )
    below <- numeric(length(grid))
    for (k in seq_len(ncol(tops))) {
        graphics::polygon(c(grid, rev(grid)), c(tops[, k], rev(below)), col = colours[k], border = NA)
        below <- tops[, k]
    }
    if (legend) {
        key_row(
            c(sprintf("the %d largest clones", length(largest)), "the other clones"), c(colours[length(colours)], "grey85"), pch = 15
        )
    }
}

# The founder's number of each cell. Parents come before their daughters.
founder_of <- function(parent) {
    founder <- cumsum(is.na(parent))
    for (i in which(!is.na(parent))) founder[i] <- founder[parent[i]]
    founder
}

# How high each cell of a lineage is drawn: leaves one below the other, a mother between her daughters.
lineage_heights <- function(parent) {
    cells <- seq_along(parent)
    leaves <- numeric(length(parent))
    # Parents come before their daughters.
    for (i in rev(cells)) {
        if (leaves[i] == 0) leaves[i] <- 1
        if (!is.na(parent[i])) leaves[parent[i]] <- leaves[parent[i]] + leaves[i]
    }
    # Where the next daughter of each cell goes; the last place is for founders.
    free <- numeric(length(parent) + 1)
    top <- numeric(length(parent))
    for (i in cells) {
        above <- if (is.na(parent[i])) length(free) else parent[i]
        top[i] <- free[above]
        free[above] <- free[above] + leaves[i]
        free[i] <- top[i]
    }
    top + leaves / 2
}
