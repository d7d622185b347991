#include "glue.h"

/* The binary interface that this package was compiled for, and that of the library it was linked with. */
SEXP r_abi(void) {
    SEXP result = PROTECT(Rf_allocVector(INTSXP, 2));
    INTEGER(result)[0] = CHREODE_ABI_VERSION;
    INTEGER(result)[1] = (int)chreode_abi_version();
    UNPROTECT(1);
    return result;
}

static chreode_status capabilities(const void *of, char *buffer, size_t capacity, size_t *size) {
    (void)of;
    return chreode_capabilities(buffer, capacity, size);
}

SEXP r_capabilities(void) { return filled_text(capabilities, NULL); }
