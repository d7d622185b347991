# What this package costs: the velocity at 100 000 x 50 points through predict(), each call right after the Rust call that it
# is held against; medians of several rounds.
#
# From the root of the repository, with the package installed:
#
#     Rscript bindings/r/tools/overhead.R [ROWS [DIMS [THREADS [ROUNDS]]]]
#
# Cargo builds the Rust call (benches/fields.rs), which runs beside this process and answers to its turn.

library(chreode)

size <- c(rows = 100000L, dims = 50L, threads = 2L, rounds = 7L)
given <- as.integer(commandArgs(trailingOnly = TRUE))
size[seq_along(given)] <- given
rows <- size[["rows"]]
dims <- size[["dims"]]

# The published widths; what the model learned does not matter here.
data <- dataset("branching", cells = 300, dims = dims)
model <- fit_dynamics(data$x, data$time, method = "ot-cfm", epochs = 1, threads = size[["threads"]], progress = FALSE)
# With names, which the result takes over.
names <- list(paste0("cell", seq_len(rows)), colnames(data$x))
points <- matrix(sin(seq_len(rows * dims) * 0.37), rows, dims, dimnames = names)

# The Rust call: a process that answers each line with its seconds.
file <- save_dynamics(model, tempfile())
answers <- tempfile()
stopifnot(system2("mkfifo", answers) == 0)
command <- c("cargo bench --quiet --bench fields --", shQuote(file), rows, dims, size[["threads"]], ">", shQuote(answers))
turns <- pipe(paste(command, collapse = " "), "w")
seconds <- fifo(answers, "r", blocking = TRUE)
rust_call <- function() {
    writeLines("", turns)
    flush(turns)
    as.numeric(readLines(seconds, 1))
}

timed <- function(work) {
    start <- Sys.time()
    work()
    as.numeric(Sys.time() - start, units = "secs")
}

# The copy that doubles, column by column, demand: the least that R needs for one, of one matrix.
copy <- function() points + 0
r_call <- function() predict(model, points, 0.5)
for (start_threads in c(rust_call, copy, r_call)) start_threads()
rounds <- replicate(size[["rounds"]], c(rust = rust_call(), r = timed(r_call), copy = timed(copy)))
close(turns)
close(seconds)

of <- apply(rounds, 1, median)
ratio <- median(rounds["r", ] / (rounds["rust", ] + rounds["copy", ]))
cat(
    sprintf("velocity at %d x %d points, %d threads, medians of %d rounds\n", rows, dims, size[["threads"]], size[["rounds"]]),
    sprintf("%-28s%9.1f ms\n", c("Rust call, float rows", "one copy in R", "R, matrix"), 1e3 * of[c("rust", "copy", "r")]),
    sprintf("%-28s%9.3f\n", "R / (Rust + copy)", ratio),
    if (ratio <= 1.1) "held: at most 1.1 x the Rust call and one copy\n" else "NOT HELD\n",
    sep = ""
)
quit(status = ratio > 1.1)
