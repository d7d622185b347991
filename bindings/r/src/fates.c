#include "glue.h"

/* Fates. `labels` are integers from 0, -1 for unknown, in the order of the snapshots. */
SEXP r_fates(SEXP model, SEXP snapshots, SEXP labels, SEXP options, SEXP progress) {
    SEXP pointer = PROTECT(new_handle(FATES));
    SEXP token = PROTECT(R_MakeUnwindCont());
    watcher by = {.function = progress, .token = token};
    chreode_fates *fates = NULL;
    const int32_t *of_cell = TYPEOF(labels) == INTSXP ? INTEGER(labels) : NULL;
    chreode_status status =
        chreode_fates_new(handle_of(model, MODEL), handle_of(snapshots, SNAPSHOTS), of_cell,
                          of_cell ? (size_t)XLENGTH(labels) : 0, handle_of(options, OPTIONS), watch, &by, &fates);
    SEXP result = given_watched(&by, pointer, fates, status);
    UNPROTECT(2);
    return result;
}

/* A list: labels of the columns, cells by their numbers from 1, and their times. */
SEXP r_fates_cells(SEXP fates) {
    const chreode_fates *handle = handle_of(fates, FATES);
    size_t cells = 0, labels = 0;
    chreode_status status = chreode_fates_shape(handle, &cells, &labels);
    if (status != CHREODE_OK) return failure(status);
    const char *names[] = {"labels", "cells", "times", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    SET_VECTOR_ELT(result, 0, Rf_allocVector(INTSXP, (R_xlen_t)labels));
    SET_VECTOR_ELT(result, 1, Rf_allocVector(REALSXP, (R_xlen_t)cells));
    SET_VECTOR_ELT(result, 2, Rf_allocVector(REALSXP, (R_xlen_t)cells));
    SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(cells * sizeof(uint64_t))));
    uint64_t *cell = (uint64_t *)RAW(numbers);
    status = chreode_fates_labels(handle, INTEGER(VECTOR_ELT(result, 0)), labels);
    if (status == CHREODE_OK) status = chreode_fates_cells(handle, cell, REAL(VECTOR_ELT(result, 2)), cells);
    if (status == CHREODE_OK)
        for (size_t i = 0; i < cells; i++) REAL(VECTOR_ELT(result, 1))[i] = (double)cell[i] + 1;
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(2);
    return told;
}

/* The numbers of this name as a matrix of so many rows and columns. */
SEXP r_fates_values(SEXP fates, SEXP name, SEXP rows, SEXP columns) {
    SEXP values = PROTECT(Rf_allocMatrix(REALSXP, (int)number_in(rows), (int)number_in(columns)));
    chreode_matrix_mut view = matrix_to(values);
    chreode_status status = chreode_fates_values(handle_of(fates, FATES), text_in(name), &view);
    SEXP result = status == CHREODE_OK ? values : failure(status);
    UNPROTECT(1);
    return result;
}

/* For each table of transitions a list: time, labels of the rows, mass of their cells, and the numbers of these names, each a matrix of
 * so many columns. */
SEXP r_fates_transitions(SEXP fates, SEXP names, SEXP columns) {
    const chreode_fates *handle = handle_of(fates, FATES);
    size_t count = 0;
    chreode_status status = chreode_fates_transition_count(handle, &count);
    R_xlen_t measures = TYPEOF(names) == STRSXP ? XLENGTH(names) : 0;
    SEXP result = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)count));
    for (size_t k = 0; status == CHREODE_OK && k < count; k++) {
        SEXP table = Rf_allocVector(VECSXP, 3 + measures);
        SET_VECTOR_ELT(result, (R_xlen_t)k, table);
        double time = 0;
        size_t sources = 0;
        status = chreode_fates_transition(handle, k, &time, &sources);
        if (status != CHREODE_OK) break;
        SET_VECTOR_ELT(table, 0, Rf_ScalarReal(time));
        SET_VECTOR_ELT(table, 1, Rf_allocVector(INTSXP, (R_xlen_t)sources));
        SET_VECTOR_ELT(table, 2, Rf_allocVector(REALSXP, (R_xlen_t)sources));
        status = chreode_fates_transition_sources(handle, k, INTEGER(VECTOR_ELT(table, 1)),
                                                  REAL(VECTOR_ELT(table, 2)), sources);
        for (R_xlen_t j = 0; status == CHREODE_OK && j < measures; j++) {
            SEXP values = Rf_allocMatrix(REALSXP, (int)sources, (int)number_in(columns));
            SET_VECTOR_ELT(table, 3 + j, values);
            chreode_matrix_mut view = matrix_to(values);
            status = chreode_fates_transition_values(handle, k, Rf_translateCharUTF8(STRING_ELT(names, j)), &view);
        }
    }
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(1);
    return told;
}

static chreode_status report(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_fates_report(of, buffer, capacity, size);
}

SEXP r_fates_report(SEXP fates) { return filled_text(report, handle_of(fates, FATES)); }
