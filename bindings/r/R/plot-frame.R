# What the pictures share: frames, colours, and keys above the frame, where no data is.

INK <- "grey25"
# Colours in the order in which they are taken, those of every language: any two are told apart with any colour vision.
PALETTE <- c("#0072b2", "#d55e00", "#66ccee", "#dfc27d", "#882255", "#000000", "#332288", "#cc79a7")
# Beyond them the same colours come again, with other symbols, or lines across where there are areas.
SYMBOLS <- c(16, 17, 15, 18, 4, 3)
# Of what was observed, and of what there is nothing to say about.
GREY <- "#8c8c8c"
PALE <- "#d9d9d9"
# Of differences below, about and above a middle, which is seen on white as well.
DIVERGING <- c(PALETTE[1], "#dcdcdc", PALETTE[2])
# Half the width of a 90 % interval, in standard deviations.
HALF_WIDTH <- 1.6448536269514722

# plot() with defaults that the caller's own parameters replace, and a key of `labels` and `colours` above the frame.
frame_plot <- function(xy, defaults, ..., key = NULL) {
    given <- list(...)
    settings <- c(given, defaults[setdiff(names(defaults), names(given))])
    settings <- c(list(x = xy[[1]], y = xy[[2]]), settings, list(las = 1, bty = "l"))
    settings <- settings[!duplicated(names(settings))]
    # The title above the key.
    title <- settings$main
    settings$main <- ""
    do.call(graphics::plot, settings)
    rows <- if (is.null(key)) 1 else do.call(key_rows, key)
    graphics::title(main = title, line = 1.4 + 0.8 * rows, cex.main = if (all(graphics::par("mfrow") == 1)) 1.1 else 1)
}

# Panels of one picture: as many as fit beside each other, but where the user has parted the device already.
with_panels <- function(count, draw) {
    if (count > 1 && all(graphics::par("mfrow") == 1)) {
        # In as many columns as make the smaller side of a panel largest.
        size <- graphics::par("din")
        choices <- seq_len(min(count, 4))
        columns <- choices[which.max(pmin(size[1] / choices, size[2] / ceiling(count / choices)))]
        before <- graphics::par(
            mfrow = c(ceiling(count / columns), columns), mar = c(3.4, 3.6, 4.1, 0.6), mgp = c(2.1, 0.6, 0)
        )
        on.exit(graphics::par(before))
    }
    draw()
}

# How large markers of so many cells are, so that neither few are lost nor many are a blot, and in proportion to weights.
size_for <- function(cells) {
    sqrt(min(max(4000 / max(length(cells), 1), 3), 24)) / 9 * 1.25
}

sizes <- function(weights) {
    total <- sum(weights)
    size_for(weights) * if (total > 0) sqrt(length(weights) * weights / total) else rep(1, length(weights))
}

# The colour, symbol and density of lines across of so many labels.
looks_of <- function(count, palette = NULL) {
    index <- seq_len(count) - 1
    if (!is.null(palette)) return(list(colour = colours_of(palette, count), pch = rep(16, count), density = rep(NA, count)))
    lap <- index %/% length(PALETTE)
    list(
        colour = PALETTE[index %% length(PALETTE) + 1], pch = SYMBOLS[lap %% length(SYMBOLS) + 1], density = ifelse(lap > 0, 12 + 4 * lap, NA)
    )
}

# Points in an order that has nothing to do with their time, so that no snapshot covers another; always the same order.
scatter <- function(xy, colours, border = NULL, ..., cex = 0.7) {
    order <- scattered(length(xy[[1]]))
    xy <- lapply(xy[c(1, 2)], `[`, order)
    colours <- rep_len(colours, length(order))[order]
    if (is.null(border)) {
        points(xy[[1]], xy[[2]], pch = 16, cex = cex, col = colours)
    } else {
        points(xy[[1]], xy[[2]], pch = 21, cex = cex, lwd = 0.3, col = border, bg = colours)
    }
}

scattered <- function(count) {
    order((seq_len(count) * (sqrt(5) - 1) / 2) %% 1)
}

# `count` colours of a palette: a name, colours to go through, or a function.
colours_of <- function(palette, count, default) {
    if (is.null(palette)) palette <- default
    if (is.function(palette)) return(palette(count))
    if (!is.character(palette) || !length(palette)) {
        invalid("palette must be a name of hcl.pals(), colours or a function, got ", in_words(palette))
    }
    if (length(palette) == 1 && !palette %in% grDevices::colours()) {
        colours <- tryCatch(hcl.colors(max(2, count), palette), error = function(e) NULL)
        if (is.null(colours)) invalid("palette must be a name of hcl.pals(), colours or a function, got ", palette)
        return(colours[seq_len(count)])
    }
    grDevices::colorRampPalette(palette)(count)
}

# Two coordinates of a space (points and the names of its axes), or time and the only one.
chosen_coordinates <- function(space, time, dims) {
    points <- space$points
    if (ncol(points) == 1) return(list(time, points[, 1], names = c("time", space$names[1])))
    if (!is.numeric(dims) || length(dims) != 2 || !all(dims %in% seq_len(ncol(points)))) {
        invalid("dims must be two numbers from 1 to ", ncol(points), ", got ", paste(dims, collapse = ", "))
    }
    list(points[, dims[1]], points[, dims[2]], names = space$names[dims])
}

axis_names <- function(points, names, dimred) {
    if (!is.null(colnames(points))) return(colnames(points))
    if (!is.null(names)) return(names)
    paste(if (is.null(dimred)) "coordinate" else dimred, seq_len(ncol(points)))
}

time_name <- function(memory) {
    name <- if (is.null(memory$time)) "time" else memory$time
    if (is.null(memory$unit)) name else paste0(name, " (", memory$unit, ")")
}

# The times by the labels that the data had, if it had.
time_labels <- function(times, memory) {
    labels <- format_each(times)
    known <- match(times, memory$labels)
    labels[!is.na(known)] <- names(memory$labels)[known[!is.na(known)]]
    labels
}

# A colour a time: a row of points, or a bar where they do not fit.
time_key <- function(times, colours, memory) {
    labels <- time_labels(times, memory)
    name <- time_name(memory)
    if (!key_row(labels, colours, title = name)) {
        colour_bar(range(times), colours, name, labels = labels[c(1, length(labels))])
    }
}

# A row of symbols right above the frame: points, or lines where `line` is TRUE. FALSE if there is no room for it.
key_row <- function(labels, colours, pch = 16, line = FALSE, title = NULL) {
    entries <- data.frame(label = labels, colour = colours, pch = ifelse(line, NA, pch), line = line, lty = 1)
    placed <- placed_entries(entries, title)
    if (any(placed$row > 1)) return(FALSE)
    draw_key(placed, title)
    TRUE
}

# Rows of symbols above the frame, points or lines or both, at most so many; what has no room is counted. Tells how many rows there are.
key_rows <- function(labels, colours, pch = 16, line = FALSE, title = NULL, lty = 1, most = 3) {
    entries <- data.frame(label = labels, colour = colours, pch = pch, line = line, lty = lty)
    placed <- placed_entries(entries, title)
    shown <- nrow(entries)
    while (any(placed$row > most) && shown > 0) {
        shown <- shown - 1
        rest <- data.frame(label = sprintf("... and %d more", nrow(entries) - shown), colour = INK, pch = NA, line = FALSE, lty = 1)
        placed <- placed_entries(rbind(entries[seq_len(shown), ], rest), title)
    }
    draw_key(placed, title)
}

# The entries of a key with where each begins, and in which row.
placed_entries <- function(entries, title) {
    usr <- graphics::par("usr")
    letter <- graphics::strwidth("M", cex = 0.8)
    begin <- usr[1] + if (is.null(title)) letter else graphics::strwidth(title, cex = 0.8) + 1.5 * letter
    widths <- graphics::strwidth(entries$label, cex = 0.8) + ifelse(entries$line, 3.8, 2.2) * letter
    # To the border of the figure, not of the frame alone.
    end <- usr[2] + graphics::par("mai")[4] * diff(usr[1:2]) / graphics::par("pin")[1]
    at <- begin
    row <- 1
    for (k in seq_len(nrow(entries))) {
        if (at > begin && at + widths[k] - letter > end) {
            row <- row + 1
            at <- begin
        }
        entries[k, c("at", "row")] <- c(at, row)
        at <- at + widths[k]
    }
    entries
}

# Draws them, the first row on top, and tells how many rows there are.
draw_key <- function(placed, title) {
    letter <- graphics::strwidth("M", cex = 0.8)
    rows <- max(placed$row)
    y <- graphics::par("usr")[4] + (0.6 + 0.8 * (rows - placed$row)) * graphics::par("cxy")[2]
    if (!is.null(title)) graphics::text(graphics::par("usr")[1], y[1], title, cex = 0.8, adj = c(0, 0.5), xpd = NA)
    lined <- placed$line
    from <- placed$at[lined]
    segments(from, y[lined], from + 2.2 * letter, y[lined], lwd = 2, lty = placed$lty[lined], col = placed$colour[lined], xpd = NA)
    # In the middle of its line, where it has one.
    points(placed$at + ifelse(lined, 1.1, 0) * letter, y, pch = placed$pch, col = placed$colour, cex = 0.9, xpd = NA)
    graphics::text(placed$at + ifelse(lined, 2.6, 1) * letter, y, placed$label, cex = 0.8, adj = c(0, 0.5), xpd = NA)
    rows
}

# A bar of colours right above the frame; an end beyond which there are values says so.
colour_bar <- function(limits, colours, title, beyond = c(FALSE, FALSE), labels = NULL) {
    usr <- graphics::par("usr")
    up <- graphics::par("cxy")[2]
    width <- diff(usr[c(1, 2)])
    edges <- usr[1] + width * (0.55 + 0.4 * seq(0, 1, length.out = length(colours) + 1))
    bottom <- usr[4] + 0.75 * up
    graphics::rect(edges[-length(edges)], bottom, edges[-1], bottom + 0.5 * up, col = colours, border = NA, xpd = NA)
    if (is.null(labels)) {
        numbers <- sprintf("%.2g", c(limits[1], mean(limits), limits[2]))
        labels <- paste0(c(if (beyond[1]) "below " else "", "", if (beyond[2]) "above " else ""), numbers)
    }
    at <- seq(edges[1], edges[length(edges)], length.out = length(labels))
    graphics::text(at, bottom - 0.35 * up, labels, cex = 0.7, xpd = NA)
    graphics::text(edges[1] - 0.02 * width, bottom + 0.25 * up, title, cex = 0.8, adj = 1, xpd = NA)
}
