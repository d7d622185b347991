#include "glue.h"

static const double *reals(SEXP x) { return TYPEOF(x) == REALSXP ? REAL(x) : NULL; }
static size_t length_of(SEXP x) { return TYPEOF(x) == REALSXP ? (size_t)XLENGTH(x) : 0; }

SEXP r_snapshots_new(SEXP points, SEXP times, SEXP weights) {
    chreode_matrix view;
    if (!matrix_of(points, &view))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the cells must be a matrix of numbers");
    SEXP pointer = PROTECT(new_handle(SNAPSHOTS));
    chreode_snapshots *made = NULL;
    chreode_status status =
        chreode_snapshots_new(&view, reals(times), length_of(times), reals(weights), length_of(weights), &made);
    SEXP result = given(pointer, made, status);
    UNPROTECT(1);
    return result;
}

SEXP r_snapshots_generate(SEXP options) {
    SEXP pointer = PROTECT(new_handle(SNAPSHOTS));
    chreode_snapshots *made = NULL;
    chreode_status status = chreode_snapshots_generate(handle_of(options, OPTIONS), &made);
    SEXP result = given(pointer, made, status);
    UNPROTECT(1);
    return result;
}

SEXP r_snapshots_with_masses(SEXP snapshots, SEXP masses) {
    SEXP pointer = PROTECT(new_handle(SNAPSHOTS));
    chreode_snapshots *made = NULL;
    chreode_status status =
        chreode_snapshots_with_masses(handle_of(snapshots, SNAPSHOTS), reals(masses), length_of(masses), &made);
    SEXP result = given(pointer, made, status);
    UNPROTECT(1);
    return result;
}

SEXP r_snapshots_with_growth_prior(SEXP snapshots, SEXP rates) {
    SEXP pointer = PROTECT(new_handle(SNAPSHOTS));
    chreode_snapshots *made = NULL;
    chreode_status status =
        chreode_snapshots_with_growth_prior(handle_of(snapshots, SNAPSHOTS), reals(rates), length_of(rates), &made);
    SEXP result = given(pointer, made, status);
    UNPROTECT(1);
    return result;
}

/* Numbers of clones, whole ones, as doubles. */
SEXP r_snapshots_with_clones(SEXP snapshots, SEXP clones) {
    SEXP pointer = PROTECT(new_handle(SNAPSHOTS));
    chreode_snapshots *made = NULL;
    size_t count = length_of(clones);
    int64_t *numbers = (int64_t *)R_alloc(count, sizeof(int64_t));
    for (size_t i = 0; i < count; i++) numbers[i] = (int64_t)REAL(clones)[i];
    chreode_status status = chreode_snapshots_with_clones(handle_of(snapshots, SNAPSHOTS), numbers, count, &made);
    SEXP result = given(pointer, made, status);
    UNPROTECT(1);
    return result;
}

/* times, masses and weights (a vector a time, in the order of its cells). */
SEXP r_snapshots_read(SEXP snapshots) {
    const chreode_snapshots *handle = handle_of(snapshots, SNAPSHOTS);
    size_t count = 0;
    chreode_status status = chreode_snapshots_time_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    const char *names[] = {"times", "masses", "weights", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(result, 0, Rf_allocVector(REALSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 1, Rf_allocVector(REALSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 2, Rf_allocVector(VECSXP, (R_xlen_t)count));
    status = chreode_snapshots_times(handle, REAL(VECTOR_ELT(result, 0)), count);
    for (size_t k = 0; status == CHREODE_OK && k < count; k++) {
        size_t cells = 0;
        status = chreode_snapshots_mass(handle, k, REAL(VECTOR_ELT(result, 1)) + k);
        if (status == CHREODE_OK) status = chreode_snapshots_cell_count(handle, k, &cells);
        if (status != CHREODE_OK) break;
        SEXP weights = Rf_allocVector(REALSXP, (R_xlen_t)cells);
        SET_VECTOR_ELT(VECTOR_ELT(result, 2), (R_xlen_t)k, weights);
        status = chreode_snapshots_weights(handle, k, REAL(weights), cells);
    }
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(1);
    return told;
}

/* The cells, a matrix a time. */
SEXP r_snapshots_points(SEXP snapshots) {
    const chreode_snapshots *handle = handle_of(snapshots, SNAPSHOTS);
    size_t dims = 0, count = 0;
    chreode_status status = chreode_snapshots_dims(handle, &dims);
    if (status == CHREODE_OK) status = chreode_snapshots_time_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    SEXP result = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)count));
    for (size_t k = 0; status == CHREODE_OK && k < count; k++) {
        size_t cells = 0;
        status = chreode_snapshots_cell_count(handle, k, &cells);
        if (status != CHREODE_OK) break;
        SEXP points = Rf_allocMatrix(REALSXP, (int)cells, (int)dims);
        SET_VECTOR_ELT(result, (R_xlen_t)k, points);
        chreode_matrix_mut view = matrix_to(points);
        status = chreode_snapshots_points(handle, k, &view);
    }
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(1);
    return told;
}
