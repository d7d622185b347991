# What the pictures share: frames, colours, and keys above the frame, where no data is.

INK <- "grey25"

# plot() with defaults that the caller's own parameters replace.
frame_plot <- function(xy, defaults, ...) {
    given <- list(...)
    settings <- c(given, defaults[setdiff(names(defaults), names(given))])
    settings <- c(list(x = xy[[1]], y = xy[[2]]), settings, list(las = 1, bty = "l"))
    settings <- settings[!duplicated(names(settings))]
    # The title above the key.
    title <- settings$main
    settings$main <- ""
    do.call(graphics::plot, settings)
    graphics::title(main = title, line = 2.2, cex.main = 1.1)
}

# Points in an order that has nothing to do with their time, so that no snapshot covers another; always the same order.
scatter <- function(xy, colours, border = NULL, ..., cex = 0.7) {
    order <- order((seq_along(xy[[1]]) * (sqrt(5) - 1) / 2) %% 1)
    xy <- lapply(xy[c(1, 2)], `[`, order)
    colours <- rep_len(colours, length(order))[order]
    if (is.null(border)) {
        points(xy[[1]], xy[[2]], pch = 16, cex = cex, col = colours)
    } else {
        points(xy[[1]], xy[[2]], pch = 21, cex = cex, lwd = 0.3, col = border, bg = colours)
    }
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
    usr <- graphics::par("usr")
    letter <- graphics::strwidth("M", cex = 0.8)
    widths <- graphics::strwidth(labels, cex = 0.8) + 2.2 * letter
    start <- usr[1] + if (is.null(title)) letter else graphics::strwidth(title, cex = 0.8) + 1.5 * letter
    at <- start + cumsum(c(0, widths))[seq_along(labels)]
    if (at[length(at)] + widths[length(widths)] > usr[2]) return(FALSE)
    y <- usr[4] + 0.6 * graphics::par("cxy")[2]
    if (!is.null(title)) graphics::text(usr[1], y[1], title, cex = 0.8, adj = c(0, 0.5), xpd = NA)
    line <- rep_len(line, length(labels))
    y <- rep(y, length(labels))
    points(at[!line], y[!line], pch = pch, col = colours[!line], xpd = NA)
    segments(at[line] - 0.6 * letter, y[line], at[line] + 0.6 * letter, y[line], lwd = 2, col = colours[line], xpd = NA)
    graphics::text(at + letter, y, labels, cex = 0.8, adj = c(0, 0.5), xpd = NA)
    TRUE
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
