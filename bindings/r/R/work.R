# Long computations as units of work (src/work.c), which the workers of a BiocParallelParam do. Each task is a function of the plan
# and of the cells that it names, to the bit, so where it is done and in which order changes nothing.

# NULL, or the parameters of BiocParallel that work goes out by.
as_workers <- function(BPPARAM) {
    if (is.null(BPPARAM)) return(NULL)
    if (!requireNamespace("BiocParallel", quietly = TRUE)) {
        invalid("BPPARAM needs the package BiocParallel, which is not installed: BiocManager::install(\"BiocParallel\")")
    }
    if (!methods::is(BPPARAM, "BiocParallelParam")) {
        invalid("BPPARAM must be NULL or a BiocParallelParam, such as BiocParallel::SnowParam(2), got ", in_words(BPPARAM))
    }
    BPPARAM
}

# The parts of all tasks of a plan, as a list of raw vectors, in any order.
done_by <- function(BPPARAM, work, data, snapshots, model = NULL) {
    plan <- native(.Call(C_r_work_to_bytes, work))
    costs <- vapply(native(.Call(C_r_work_tasks, work)), function(text) from_json(text)$cost, 0)
    if (!length(costs)) return(list())
    cells <- sorted_cells(data, snapshots)
    # A task goes with the cells that it names, so a worker is sent no others; all of them go once to each worker where some
    # task needs them.
    tasks <- lapply(dealt(costs, pieces_of(BPPARAM)), function(task) {
        rows <- native(.Call(C_r_work_rows, work, task))
        list(task = task, cells = if (length(rows)) rows_of(cells, rows))
    })
    everything <- any(vapply(tasks, function(task) is.null(task$cells), NA))
    parts <- tryCatch(
        BiocParallel::bplapply(
            tasks, on_worker(), dirname(getNamespaceInfo("chreode", "path")), plan, if (everything) cells, model,
            BPPARAM = BPPARAM
        ),
        error = function(e) lost_workers(conditionMessage(e))
    )
    # BiocParallel would keep no more than the text of an error.
    for (part in parts) {
        if (inherits(part, "chreode_error")) {
            part$call <- user_call()
            stop(part)
        }
    }
    parts
}

# A worker that died, or cannot load this package; what BiocParallel says of it is sometimes of no help.
lost_workers <- function(message) {
    stop(chreode_condition(
        paste0(
            "the workers of BPPARAM did not do all tasks; to do them again, call again with workers that run (BiocParallel says: ",
            trimws(message), ")"
        ),
        "chreode_workers", "error"
    ))
}

# The function that a worker is given. Its environment is base R's, so that it comes to a worker whose library is elsewhere: it
# looks for this package where the caller has it, and where the worker looks itself.
on_worker <- function() {
    run <- function(task, library, plan, cells, model) {
        loadNamespace("chreode", lib.loc = c(library, .libPaths()))$run_task(task, plan, cells, model)
    }
    environment(run) <- baseenv()
    run
}

# Does one task with one thread, and returns its part; what the library refuses is returned, too, for the caller to raise.
run_task <- function(task, plan, cells, model) {
    tryCatch({
        if (!is.null(task$cells)) cells <- task$cells
        work <- native(.Call(C_r_work_from_bytes, plan))
        snapshots <- new_snapshots(cells)
        if (!is.null(model)) model <- native(.Call(C_r_model_from_bytes, model))
        on.exit(for (handle in list(work, snapshots, model)) native(.Call(C_r_free, handle)))
        native(.Call(C_r_work_run, work, snapshots, model, task$task, 1))
    }, chreode_error = identity)
}

# The cells in the order in which the library counts them: by time, those of one time as they were given; with masses, by the
# weights that these give them.
sorted_cells <- function(data, snapshots) {
    cells <- rows_of(data, order(data$time))
    if (!is.null(data$masses)) cells$weights <- unlist(native(.Call(C_r_snapshots_read, snapshots))$weights)
    cells
}

rows_of <- function(cells, rows) {
    list(
        x = unname(cells$x[rows, , drop = FALSE]), time = cells$time[rows], weights = cells$weights[rows],
        growth_prior = cells$growth_prior[rows], clones = cells$clones[rows]
    )
}

# In how many pieces tasks are handed out.
pieces_of <- function(BPPARAM) {
    pieces <- BiocParallel::bptasks(BPPARAM)
    # As many pieces as there may be.
    if (pieces > 0 && is.finite(pieces)) pieces else BiocParallel::bpnworkers(BPPARAM)
}

# The numbers of the tasks in an order whose consecutive pieces cost about the same.
dealt <- function(costs, pieces) {
    dearest_first <- order(costs, decreasing = TRUE)
    unlist(split(dearest_first, rep_len(seq_len(pieces), length(costs))), use.names = FALSE)
}
