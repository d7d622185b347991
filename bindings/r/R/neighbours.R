# Nearest cells, and the directions in another embedding that follow a velocity.

# So many distances are held at a time.
DISTANCES_AT_ONCE <- 4e6
# 1/sigma^2 of a walk's steps: the chance of a neighbour is in proportion to exp(cosine / sigma^2), as of scVelo.
SHARPNESS <- 10

# The nearest cells of `among` for each point, and how far they are: matrices with one row a point, the nearest first. With `others`
# the points are those cells, and each has others than itself.
nearest <- function(points, among, count, others = FALSE) {
    there <- nrow(among) - others
    count <- as_number(count, "neighbours")
    if (!isTRUE(count >= 1 && count == floor(count))) invalid("neighbours must be a whole number from 1 on, got ", count)
    if (there < 1) invalid("there must be 2 or more cells to have neighbours")
    count <- min(count, there)
    # The distances are small differences of large squares unless the cells lie around the origin.
    middle <- colMeans(among)
    points <- points - rep(middle, each = nrow(points))
    among <- among - rep(middle, each = nrow(among))
    squares <- rowSums(among^2)
    found <- matrix(0L, nrow(points), count)
    apart <- matrix(0, nrow(points), count)
    block <- max(1, floor(DISTANCES_AT_ONCE / nrow(among)))
    for (first in seq(1, length.out = ceiling(nrow(points) / block), by = block)) {
        some <- first:min(first + block - 1, nrow(points))
        # One column a point.
        distances <- squares - 2 * tcrossprod(among, points[some, , drop = FALSE])
        if (others) distances[cbind(some, seq_along(some))] <- Inf
        for (k in seq_along(some)) {
            of <- distances[, k]
            close <- which(of <= sort.int(of, partial = count)[count])
            found[some[k], ] <- close[order(of[close])][seq_len(count)]
        }
    }
    for (k in seq_len(count)) apart[, k] <- sqrt(rowSums((among[found[, k], , drop = FALSE] - points)^2))
    list(cell = found, distance = apart)
}

# The share of each neighbour: a Gaussian's, as wide as the farthest is away; they sum to 1.
closeness <- function(distance) {
    width <- distance[, ncol(distance)]
    near <- exp(-0.5 * (distance / ifelse(width > 0, width, 1))^2)
    near / rowSums(near)
}

# The mean of the neighbours' rows, by shares.
mean_of <- function(values, cell, share) {
    columns <- lapply(seq_len(ncol(values)), function(j) rowSums(share * matrix(values[cell, j], nrow(cell))))
    do.call(cbind, columns)
}

# The chance that a cell's next is each of its neighbours: a softmax of the cosines of the way there and the velocity (Bergen et al.,
# Nature Biotechnology 38, 2020). Cells that do not move go to all alike.
walk <- function(points, velocity, cell) {
    cosines <- vapply(seq_len(ncol(cell)), function(k) {
        step <- points[cell[, k], , drop = FALSE] - points
        lengths <- sqrt(rowSums(step^2) * rowSums(velocity^2))
        rowSums(step * velocity) / ifelse(lengths > 0, lengths, 1)
    }, numeric(nrow(points)))
    odds <- exp(SHARPNESS * (cosines - apply(cosines, 1, max)))
    odds / rowSums(odds)
}

# Directions of motion in another embedding of the cells: the mean of the steps to neighbours in it, each of length 1, by the chances of
# walk() less those of a walk without direction. Lengths are no speeds.
project <- function(points, velocity, plane, count) {
    cell <- nearest(points, points, count, others = TRUE)$cell
    excess <- walk(points, velocity, cell) - 1 / ncol(cell)
    directions <- matrix(0, nrow(plane), 2)
    for (k in seq_len(ncol(cell))) {
        step <- plane[cell[, k], , drop = FALSE] - plane
        length <- sqrt(rowSums(step^2))
        directions <- directions + excess[, k] * step / ifelse(length > 0, length, 1)
    }
    directions
}
