#include "glue.h"

SEXP r_options_new(SEXP list) {
    SEXP pointer = PROTECT(new_handle(OPTIONS));
    chreode_options *options = NULL;
    chreode_status status = chreode_options_new(text_in(list), &options);
    R_SetExternalPtrAddr(pointer, options);
    SEXP result = status == CHREODE_OK ? pointer : failure(status);
    UNPROTECT(1);
    return result;
}

SEXP r_options_set(SEXP options, SEXP name, SEXP value) {
    chreode_options *handle = handle_of(options, OPTIONS);
    const char *key = text_in(name);
    if (TYPEOF(value) == STRSXP) return done(chreode_options_set_string(handle, key, text_in(value)));
    if (XLENGTH(value) == 1 && TYPEOF(value) == REALSXP)
        return done(chreode_options_set_real(handle, key, REAL(value)[0]));
    if (XLENGTH(value) == 1 && TYPEOF(value) == INTSXP)
        return done(chreode_options_set_integer(handle, key, INTEGER(value)[0]));
    return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the value of an option must be one number or one string");
}

/* A list of columns: name, kind, default, range, meaning. */
SEXP r_options_describe(SEXP options) {
    const chreode_options *handle = handle_of(options, OPTIONS);
    size_t count = 0;
    chreode_status status = chreode_options_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    const char *names[] = {"name", "kind", "default", "range", "meaning", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    for (int j = 0; j < 5; j++) SET_VECTOR_ELT(result, j, Rf_allocVector(STRSXP, (R_xlen_t)count));
    for (size_t i = 0; i < count; i++) {
        chreode_option of;
        status = chreode_options_describe(handle, i, &of);
        if (status != CHREODE_OK) {
            UNPROTECT(1);
            return failure(status);
        }
        const char *texts[] = {of.name, of.kind, of.default_value, of.range, of.meaning};
        for (int j = 0; j < 5; j++)
            SET_STRING_ELT(VECTOR_ELT(result, j), (R_xlen_t)i, Rf_mkCharCE(texts[j], CE_UTF8));
    }
    UNPROTECT(1);
    return result;
}
