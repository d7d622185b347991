#include "glue.h"

SEXP r_evaluate(SEXP model, SEXP snapshots, SEXP options) {
    SEXP pointer = PROTECT(new_handle(EVALUATION));
    chreode_evaluation *evaluation = NULL;
    watcher by = {.function = R_NilValue};
    chreode_status status = chreode_evaluate(handle_of(model, MODEL), handle_of(snapshots, SNAPSHOTS),
                                             handle_of(options, OPTIONS), watch, &by, &evaluation);
    SEXP result = given_watched(&by, pointer, evaluation, status);
    UNPROTECT(1);
    return result;
}

/* Measures of every time point: a list with one vector for each of `names`. */
SEXP r_evaluation_values(SEXP evaluation, SEXP names) {
    const chreode_evaluation *handle = handle_of(evaluation, EVALUATION);
    size_t count = 0;
    chreode_status status = chreode_evaluation_time_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    R_xlen_t measures = TYPEOF(names) == STRSXP ? XLENGTH(names) : 0;
    SEXP result = PROTECT(Rf_allocVector(VECSXP, measures));
    for (R_xlen_t j = 0; j < measures; j++) {
        SEXP values = Rf_allocVector(REALSXP, (R_xlen_t)count);
        SET_VECTOR_ELT(result, j, values);
        const char *name = Rf_translateCharUTF8(STRING_ELT(names, j));
        status = chreode_evaluation_values(handle, name, REAL(values), count);
        if (status != CHREODE_OK) {
            UNPROTECT(1);
            return failure(status);
        }
    }
    Rf_setAttrib(result, R_NamesSymbol, names);
    UNPROTECT(1);
    return result;
}

SEXP r_evaluation_value(SEXP evaluation, SEXP name) {
    double value = 0;
    chreode_status status = chreode_evaluation_value(handle_of(evaluation, EVALUATION), text_in(name), &value);
    return status == CHREODE_OK ? Rf_ScalarReal(value) : failure(status);
}

static chreode_status json(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_evaluation_json(of, buffer, capacity, size);
}

SEXP r_evaluation_json(SEXP evaluation) { return filled_text(json, handle_of(evaluation, EVALUATION)); }
