#include "glue.h"

/* Couplings. */
SEXP r_couple(SEXP snapshots, SEXP options, SEXP progress) {
    SEXP pointer = PROTECT(new_handle(COUPLINGS));
    SEXP token = PROTECT(R_MakeUnwindCont());
    watcher by = {.function = progress, .token = token};
    chreode_couplings *couplings = NULL;
    chreode_status status =
        chreode_couple(handle_of(snapshots, SNAPSHOTS), handle_of(options, OPTIONS), watch, &by, &couplings);
    SEXP result = given_watched(&by, pointer, couplings, status);
    UNPROTECT(2);
    return result;
}

/* Couplings of two times, by simulation. */
SEXP r_descent(SEXP model, SEXP snapshots, SEXP options, SEXP progress) {
    SEXP pointer = PROTECT(new_handle(COUPLINGS));
    SEXP token = PROTECT(R_MakeUnwindCont());
    watcher by = {.function = progress, .token = token};
    chreode_couplings *couplings = NULL;
    chreode_status status = chreode_descent(handle_of(model, MODEL), handle_of(snapshots, SNAPSHOTS),
                                            handle_of(options, OPTIONS), watch, &by, &couplings);
    SEXP result = given_watched(&by, pointer, couplings, status);
    UNPROTECT(2);
    return result;
}

/* The couplings that a model keeps. */
SEXP r_model_couplings(SEXP model) {
    SEXP pointer = PROTECT(new_handle(COUPLINGS));
    chreode_couplings *couplings = NULL;
    chreode_status status = chreode_model_couplings(handle_of(model, MODEL), &couplings);
    SEXP result = given(pointer, couplings, status);
    UNPROTECT(1);
    return result;
}

/* Times, and how many cells each has. */
static chreode_status counted(const chreode_couplings *handle, SEXP result, size_t count) {
    SET_VECTOR_ELT(result, 0, Rf_allocVector(REALSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 1, Rf_allocVector(REALSXP, (R_xlen_t)count));
    SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(count * sizeof(uint64_t))));
    uint64_t *cells = (uint64_t *)RAW(numbers);
    chreode_status status = chreode_couplings_times(handle, REAL(VECTOR_ELT(result, 0)), cells, count);
    for (size_t k = 0; status == CHREODE_OK && k < count; k++) REAL(VECTOR_ELT(result, 1))[k] = (double)cells[k];
    UNPROTECT(1);
    return status;
}

/* Four vectors of doubles. */
static SEXP four(const char *const names[], size_t length) {
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, (const char **)names));
    for (int i = 0; i < 4; i++) SET_VECTOR_ELT(result, i, Rf_allocVector(REALSXP, (R_xlen_t)length));
    UNPROTECT(1);
    return result;
}

/* The pairs of an interval: source and target (counted from 1), sent and received. */
static chreode_status pairs_of(const chreode_couplings *handle, size_t k, SEXP into) {
    const char *names[] = {"source", "target", "sent", "received", ""};
    size_t rows = 0, cols = 0, count = 0;
    chreode_status status = chreode_couplings_size(handle, k, &rows, &cols, &count);
    if (status != CHREODE_OK) return status;
    SEXP found = four(names, count);
    SET_VECTOR_ELT(into, (R_xlen_t)k, found);
    SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(2 * count * sizeof(uint64_t))));
    uint64_t *sources = (uint64_t *)RAW(numbers), *targets = sources + count;
    status = chreode_couplings_pairs(handle, k, sources, targets, REAL(VECTOR_ELT(found, 2)),
                                     REAL(VECTOR_ELT(found, 3)), count);
    for (size_t i = 0; status == CHREODE_OK && i < count; i++) {
        REAL(VECTOR_ELT(found, 0))[i] = (double)sources[i] + 1;
        REAL(VECTOR_ELT(found, 1))[i] = (double)targets[i] + 1;
    }
    UNPROTECT(1);
    return status;
}

/* A list: times, counts; pairs, of each interval; cells, of each time what its cells send, what dies, what they receive and what is born. */
SEXP r_couplings_read(SEXP couplings) {
    const chreode_couplings *handle = handle_of(couplings, COUPLINGS);
    size_t count = 0;
    chreode_status status = chreode_couplings_time_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    const char *names[] = {"times", "counts", "pairs", "cells", ""};
    const char *parts[] = {"sent", "dying", "received", "born", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    status = counted(handle, result, count);
    SEXP pairs = Rf_allocVector(VECSXP, (R_xlen_t)count - 1);
    SET_VECTOR_ELT(result, 2, pairs);
    SEXP cells = Rf_allocVector(VECSXP, (R_xlen_t)count);
    SET_VECTOR_ELT(result, 3, cells);
    for (size_t k = 0; status == CHREODE_OK && k + 1 < count; k++) status = pairs_of(handle, k, pairs);
    for (size_t k = 0; status == CHREODE_OK && k < count; k++) {
        size_t length = (size_t)REAL(VECTOR_ELT(result, 1))[k];
        SEXP found = four(parts, length);
        SET_VECTOR_ELT(cells, (R_xlen_t)k, found);
        double *masses[4];
        for (int i = 0; i < 4; i++) masses[i] = REAL(VECTOR_ELT(found, i));
        status = chreode_couplings_cells(handle, k, masses[0], masses[1], masses[2], masses[3], length);
    }
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(1);
    return told;
}

/* A list: masses, of so many cells, and lost, of each interval on the way. Times are numbers counted from 1. */
SEXP r_couplings_carry(SEXP couplings, SEXP from, SEXP to, SEXP carry, SEXP masses, SEXP cells) {
    size_t a = (size_t)number_in(from), b = (size_t)number_in(to);
    size_t count = (size_t)number_in(cells), steps = a < b ? b - a : a - b;
    const char *names[] = {"masses", "lost", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(result, 0, Rf_allocVector(REALSXP, (R_xlen_t)count));
    SET_VECTOR_ELT(result, 1, Rf_allocVector(REALSXP, (R_xlen_t)steps));
    chreode_status status = chreode_couplings_carry(
        handle_of(couplings, COUPLINGS), a - 1, b - 1, text_in(carry), TYPEOF(masses) == REALSXP ? REAL(masses) : NULL,
        TYPEOF(masses) == REALSXP ? (size_t)XLENGTH(masses) : 0, REAL(VECTOR_ELT(result, 0)), count,
        REAL(VECTOR_ELT(result, 1)), steps);
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(1);
    return told;
}

static chreode_status report(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_couplings_report(of, buffer, capacity, size);
}

SEXP r_couplings_report(SEXP couplings) { return filled_text(report, handle_of(couplings, COUPLINGS)); }
