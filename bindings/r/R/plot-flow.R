# What flows from labels to labels.

# The gap between the bars of labels, and the width of a bar, as shares of the whole.
GAP <- 0.03
BAR <- 0.04

#' What became what
#'
#' An alluvial diagram of the transitions of [fates()], in which widths are masses: on the left the labels of the cells of an
#' earlier time, on the right those that their descendants have.
#'
#' @param x What [fates()] gave.
#' @param time Of the earlier cells; the first by default.
#' @param least Streams of less than this share of all are left out; their mass stays in the bars.
#' @param palette Colours: a name of [grDevices::hcl.pals()], a vector of colours, or a function of a number. A label has one colour on
#'   either side.
#' @param main What stands above.
#' @param ... Not used.
#' @return The masses, a matrix with one row an earlier label and one column a later one, invisibly.
#' @examples
#' data <- dataset("gene-network", cells_per_state = 30)
#' fit <- fit_dynamics(data$x, data$time, hidden = "16x2", epochs = 30, seed = 1, progress = FALSE)
#' kind <- ifelse(data$x[, 1] > stats::median(data$x[, 1]), "high", "low")
#' plot(fates(fit, kind, descendants = 20, seed = 1))
#' @export
plot.chreode_fates <- function(x, time = NULL, least = 0.005, palette = NULL, main = NULL, ...) {
    moved <- attr(x, "transitions")
    times <- sort(unique(moved$time))
    time <- if (is.null(time)) times[1] else as_number(time, "time")
    moved <- moved[!is.na(same_time(moved$time, time)), ]
    if (!nrow(moved)) invalid("time must be one of the fates' (", in_list(format_each(times)), "), got ", time)
    from <- ifelse(is.na(moved$from), "no label", moved$from)
    rows <- unique(from)
    columns <- unique(moved$to)
    masses <- matrix(0, length(rows), length(columns), dimnames = list(from = rows, to = columns))
    masses[cbind(match(from, rows), match(moved$to, columns))] <- moved$mass
    if (is.null(main)) main <- sprintf("From time %s to %s", format_each(time), format_each(attr(x, "to")))
    draw_flow(masses, least, palette, main)
    invisible(masses)
}

draw_flow <- function(masses, least, palette, main) {
    total <- sum(masses)
    if (!(total > 0)) unusable("no cells have descendants: there is nothing to draw")
    share <- masses / total
    names <- unique(c(rownames(masses), colnames(masses)))
    looks <- looks_of(length(names), palette)
    look <- function(name) list(colour = looks$colour[match(name, names)], density = looks$density[match(name, names)])
    stack <- function(shares) cumsum(c(0, shares + GAP))[seq_along(shares)]
    sides <- list(rowSums(share), colSums(share))
    floors <- lapply(sides, stack)
    top <- max(vapply(1:2, function(side) floors[[side]][length(floors[[side]])] + sides[[side]][length(sides[[side]])], 0))
    graphics::plot(c(-0.35, 1.35), c(0, top), type = "n", axes = FALSE, xlab = "", ylab = "", ylim = c(top, 0))
    graphics::title(main = main, line = 1.2, cex.main = 1.1)
    from_left <- floors[[1]]
    from_right <- floors[[2]]
    for (i in seq_len(nrow(share))) {
        for (j in seq_len(ncol(share))) {
            if (share[i, j] >= least) draw_stream(from_left[i], from_right[j], share[i, j], look(rownames(masses)[i]))
            from_left[i] <- from_left[i] + share[i, j]
            from_right[j] <- from_right[j] + share[i, j]
        }
    }
    for (side in 1:2) {
        amounts <- sides[[side]]
        for (k in which(amounts > 0)) {
            name <- dimnames(masses)[[side]][k]
            left <- if (side == 1) -BAR else 1
            graphics::rect(left, floors[[side]][k], left + BAR, floors[[side]][k] + amounts[k], col = look(name)$colour, border = NA)
            amount <- format(signif(amounts[k] * total, 3))
            graphics::text(
                if (side == 1) -BAR - 0.015 else 1 + BAR + 0.015, floors[[side]][k] + amounts[k] / 2, cex = 0.8, xpd = NA,
                if (side == 1) paste0(amount, "  ", name) else paste0(name, "  ", amount), adj = c(if (side == 1) 1 else 0, 0.5)
            )
        }
    }
}

# A band from the left to the right, as wide all along, that leaves and arrives level.
draw_stream <- function(left, right, width, look) {
    share <- seq(0, 1, length.out = 50)
    floor <- left + (right - left) * share^2 * (3 - 2 * share)
    x <- c(share, rev(share))
    y <- c(floor, rev(floor + width))
    graphics::polygon(x, y, col = adjustcolor(look$colour, 0.45), border = NA)
    if (!is.na(look$density)) graphics::polygon(x, y, col = "white", density = look$density, border = NA)
}
