#include "glue.h"

static SEXP of_numbers(SEXP x, double add) {
    /* Numbers of cells fit in a double, not always in an integer of R. */
    R_xlen_t count = XLENGTH(x) / (R_xlen_t)sizeof(uint64_t);
    SEXP result = PROTECT(Rf_allocVector(REALSXP, count));
    const uint64_t *numbers = (const uint64_t *)RAW(x);
    for (R_xlen_t i = 0; i < count; i++) REAL(result)[i] = (double)numbers[i] + add;
    UNPROTECT(1);
    return result;
}

SEXP r_simulate(SEXP model, SEXP start, SEXP points, SEXP weights, SEXP times, SEXP options) {
    chreode_matrix from;
    if (!matrix_of(points, &from))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the starting cells must be a matrix of numbers");
    int weighted = TYPEOF(weights) == REALSXP, timed = TYPEOF(times) == REALSXP;
    SEXP pointer = PROTECT(new_handle(TRAJECTORY));
    chreode_trajectory *trajectory = NULL;
    watcher by = {.function = R_NilValue};
    chreode_status status =
        chreode_simulate(handle_of(model, MODEL), number_in(start), &from, weighted ? REAL(weights) : NULL,
                         weighted ? (size_t)XLENGTH(weights) : 0, timed ? REAL(times) : NULL,
                         timed ? (size_t)XLENGTH(times) : 0, handle_of(options, OPTIONS), watch, &by, &trajectory);
    SEXP result = given_watched(&by, pointer, trajectory, status);
    UNPROTECT(1);
    return result;
}

/* A list with, for each frame: time, points, weights, ids and ancestors, the last two counted from 1. */
SEXP r_trajectory_frames(SEXP trajectory) {
    const chreode_trajectory *handle = handle_of(trajectory, TRAJECTORY);
    size_t dims = 0, count = 0;
    chreode_status status = chreode_trajectory_dims(handle, &dims);
    if (status == CHREODE_OK) status = chreode_trajectory_frame_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    SEXP result = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)count));
    for (size_t k = 0; status == CHREODE_OK && k < count; k++) {
        const char *names[] = {"time", "points", "weights", "ids", "ancestors", ""};
        SEXP frame = Rf_mkNamed(VECSXP, names);
        SET_VECTOR_ELT(result, (R_xlen_t)k, frame);
        double time = 0;
        size_t cells = 0;
        status = chreode_trajectory_frame(handle, k, &time, &cells);
        if (status != CHREODE_OK) break;
        SET_VECTOR_ELT(frame, 0, Rf_ScalarReal(time));
        SET_VECTOR_ELT(frame, 1, Rf_allocMatrix(REALSXP, (int)cells, (int)dims));
        SET_VECTOR_ELT(frame, 2, Rf_allocVector(REALSXP, (R_xlen_t)cells));
        SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(cells * sizeof(uint64_t))));
        chreode_matrix_mut view = matrix_to(VECTOR_ELT(frame, 1));
        status = chreode_trajectory_points(handle, k, &view);
        if (status == CHREODE_OK)
            status = chreode_trajectory_weights(handle, k, REAL(VECTOR_ELT(frame, 2)), cells);
        if (status == CHREODE_OK) status = chreode_trajectory_ids(handle, k, (uint64_t *)RAW(numbers), cells);
        if (status == CHREODE_OK) {
            SET_VECTOR_ELT(frame, 3, of_numbers(numbers, 1));
            status = chreode_trajectory_ancestors(handle, k, (uint64_t *)RAW(numbers), cells);
        }
        if (status == CHREODE_OK) SET_VECTOR_ELT(frame, 4, of_numbers(numbers, 1));
        UNPROTECT(1);
    }
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(1);
    return told;
}

/* The standard deviation of the error of every frame's mass, NaN where it is not known. */
SEXP r_trajectory_mass_sd(SEXP trajectory) {
    const chreode_trajectory *handle = handle_of(trajectory, TRAJECTORY);
    size_t count = 0;
    chreode_status status = chreode_trajectory_frame_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    SEXP sds = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)count));
    status = chreode_trajectory_masses(handle, NULL, REAL(sds), count);
    SEXP result = status == CHREODE_OK ? sds : failure(status);
    UNPROTECT(1);
    return result;
}

/* A list of columns: parent (counted from 1, NA for a founder), birth, end, fate. */
SEXP r_trajectory_lineage(SEXP trajectory) {
    const chreode_trajectory *handle = handle_of(trajectory, TRAJECTORY);
    size_t count = 0;
    chreode_status status = chreode_trajectory_cell_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    const char *names[] = {"parent", "birth", "end", "fate", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    for (int j = 0; j < 3; j++) SET_VECTOR_ELT(result, j, Rf_allocVector(REALSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 3, Rf_allocVector(INTSXP, (R_xlen_t)count));
    SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(count * sizeof(int64_t))));
    int64_t *parents = (int64_t *)RAW(numbers);
    status = chreode_trajectory_lineage(handle, parents, REAL(VECTOR_ELT(result, 1)),
                                        REAL(VECTOR_ELT(result, 2)), INTEGER(VECTOR_ELT(result, 3)), count);
    for (size_t i = 0; status == CHREODE_OK && i < count; i++)
        REAL(VECTOR_ELT(result, 0))[i] = parents[i] < 0 ? NA_REAL : (double)parents[i] + 1;
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(2);
    return told;
}

static chreode_status newick(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_trajectory_newick(of, buffer, capacity, size);
}

static chreode_status report(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_trajectory_report(of, buffer, capacity, size);
}

SEXP r_trajectory_report(SEXP trajectory) { return filled_text(report, handle_of(trajectory, TRAJECTORY)); }

SEXP r_trajectory_newick(SEXP trajectory) { return filled_text(newick, handle_of(trajectory, TRAJECTORY)); }
