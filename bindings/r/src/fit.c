#include "glue.h"

/* A list: model, which may hold none; failure, or NULL; interrupted. */
SEXP r_fit(SEXP snapshots, SEXP options, SEXP progress) {
    const char *names[] = {"model", "failure", "interrupted", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    SEXP pointer = new_handle(MODEL);
    SET_VECTOR_ELT(result, 0, pointer);
    SEXP token = PROTECT(R_MakeUnwindCont());
    watcher by = {.function = progress, .token = token};
    chreode_model *model = NULL;
    chreode_status status =
        chreode_fit(handle_of(snapshots, SNAPSHOTS), handle_of(options, OPTIONS), watch, &by, &model);
    R_SetExternalPtrAddr(pointer, model);
    if (by.jumped) R_ContinueUnwind(token);
    SET_VECTOR_ELT(result, 1, done(status));
    SET_VECTOR_ELT(result, 2, Rf_ScalarLogical(by.interrupted));
    UNPROTECT(2);
    return result;
}
