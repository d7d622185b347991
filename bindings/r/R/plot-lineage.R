# Family trees, and what is drawn of those that are too large.

plot_lineage <- function(x, palette, legend, most, founders, ...) {
    if (is.null(x$lineage)) invalid("only a branching population has a lineage, this is a simulation by ", x$mode)
    founders <- as_number(founders, "founders")
    if (!isTRUE(founders >= 1)) invalid("founders must be at least 1, got ", founders)
    cells <- trees_of(x$lineage, founders)
    if (nrow(cells) > most) plot_clones(x, palette, legend, ...) else plot_trees(x, cells, palette, legend, ...)
}

# The trees of so many founders, evenly chosen among all.
trees_of <- function(lineage, founders) {
    founder <- founder_of(lineage$parent)
    count <- max(founder, 0)
    chosen <- which(founder %in% unique(round(seq(1, count, length.out = min(founders, count)))))
    cells <- lineage[chosen, ]
    cells$parent <- match(cells$parent, chosen)
    cells
}

plot_trees <- function(x, cells, palette, legend, ...) {
    height <- lineage_heights(cells$parent)
    ended <- lapply(c(died = "died", alive = "alive"), function(fate) which(cells$fate == fate))
    colours <- colours_of(palette, 2, PALETTE[1:2])
    frame_plot(
        list(range(cells$birth, cells$end), range(0, height + 0.5)),
        list(
            xlab = time_name(x$memory), ylab = "", yaxt = "n", bty = "n", type = "n",
            main = sprintf("%d of %d founders, %d cells", sum(is.na(cells$parent)), sum(is.na(x$lineage$parent)), nrow(cells))
        ), ...,
        key = if (legend) list(
            labels = sprintf("%s (%d)", names(ended), lengths(ended)), colours = rev(colours), pch = c(4, 16)
        )
    )
    segments(cells$birth, height, cells$end, height, col = colours[1], lwd = 0.9)
    daughters <- which(!is.na(cells$parent))
    mother <- cells$parent[daughters]
    segments(cells$birth[daughters], height[mother], cells$birth[daughters], height[daughters], col = colours[1], lwd = 0.9)
    points(cells$end[ended$died], height[ended$died], pch = 4, cex = 0.6, col = colours[2])
    points(cells$end[ended$alive], height[ended$alive], pch = 16, cex = 0.45, col = colours[1])
}

# The living cells of each clone over time, one upon the other: the largest by their colours, all others together in grey.
plot_clones <- function(x, palette, legend, ..., shown = length(PALETTE)) {
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
    colours <- c(PALE, rev(looks_of(length(largest), palette)$colour))
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
            c(sprintf("the %d largest clones", length(largest)), "the other clones"), c(colours[length(colours)], PALE), pch = 15
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
