#include "glue.h"

SEXP r_new_plan(void) { return new_handle(PLAN); }

/* Fills `plan`, an external pointer of r_new_plan: also where the solver did not converge, which is a failure all the same. */
SEXP r_transport(SEXP source, SEXP source_weights, SEXP target, SEXP target_weights, SEXP options, SEXP plan) {
    chreode_matrix from, to;
    if (!matrix_of(source, &from))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the source must be a matrix of numbers");
    if (!matrix_of(target, &to))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the target must be a matrix of numbers");
    if (TYPEOF(plan) != EXTPTRSXP || handle_of(plan, PLAN))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the plan must be a new one");
    int here = TYPEOF(source_weights) == REALSXP, there = TYPEOF(target_weights) == REALSXP;
    chreode_plan *made = NULL;
    watcher by = {.function = R_NilValue};
    chreode_status status = chreode_transport(
        &from, here ? REAL(source_weights) : NULL, here ? (size_t)XLENGTH(source_weights) : 0, &to,
        there ? REAL(target_weights) : NULL, there ? (size_t)XLENGTH(target_weights) : 0,
        handle_of(options, OPTIONS), watch, &by, &made);
    R_SetExternalPtrAddr(plan, made);
    SEXP result = PROTECT(done(status));
    result = watched(&by, result);
    UNPROTECT(1);
    return result;
}

/* A list: rows, cols; source and target (counted from 1) and mass of each entry; the potentials. */
SEXP r_plan_read(SEXP plan) {
    const chreode_plan *handle = handle_of(plan, PLAN);
    size_t rows = 0, cols = 0, count = 0;
    chreode_status status = chreode_plan_size(handle, &rows, &cols, &count);
    if (status != CHREODE_OK) return failure(status);
    const char *names[] = {"source", "target", "mass", "source_potential", "target_potential", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(result, 0, Rf_allocVector(INTSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 1, Rf_allocVector(INTSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 2, Rf_allocVector(REALSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 3, Rf_allocVector(REALSXP, (R_xlen_t)rows));
    SET_VECTOR_ELT(result, 4, Rf_allocVector(REALSXP, (R_xlen_t)cols));
    SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(2 * count * sizeof(uint64_t))));
    uint64_t *sources = (uint64_t *)RAW(numbers), *targets = sources + count;
    status = chreode_plan_entries(handle, sources, targets, REAL(VECTOR_ELT(result, 2)), count);
    if (status == CHREODE_OK)
        status = chreode_plan_potentials(handle, REAL(VECTOR_ELT(result, 3)), rows,
                                         REAL(VECTOR_ELT(result, 4)), cols);
    /* A matrix of R has at most 2^31 - 1 rows. */
    for (size_t i = 0; status == CHREODE_OK && i < count; i++) {
        INTEGER(VECTOR_ELT(result, 0))[i] = (int)sources[i] + 1;
        INTEGER(VECTOR_ELT(result, 1))[i] = (int)targets[i] + 1;
    }
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(2);
    return told;
}

static chreode_status report(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_plan_report(of, buffer, capacity, size);
}

SEXP r_plan_report(SEXP plan) { return filled_text(report, handle_of(plan, PLAN)); }
