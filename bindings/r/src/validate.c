#include "glue.h"

static chreode_status json(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_validation_json(of, buffer, capacity, size);
}

SEXP r_validation_json(SEXP validation) { return filled_text(json, handle_of(validation, VALIDATION)); }

/* A validation. `parts` are integers from 0 and `growth` doubles, in the order of the snapshots; either may be NULL. */
SEXP r_validate(SEXP snapshots, SEXP options, SEXP parts, SEXP growth, SEXP progress) {
    SEXP pointer = PROTECT(new_handle(VALIDATION));
    SEXP token = PROTECT(R_MakeUnwindCont());
    watcher by = {.function = progress, .token = token};
    chreode_validation *validation = NULL;
    /* Numbers from 0 are the same bits with and without a sign. */
    const uint32_t *part_of = TYPEOF(parts) == INTSXP ? (const uint32_t *)INTEGER(parts) : NULL;
    const double *growth_of = TYPEOF(growth) == REALSXP ? REAL(growth) : NULL;
    chreode_status status = chreode_validate(
        handle_of(snapshots, SNAPSHOTS), handle_of(options, OPTIONS), part_of, part_of ? (size_t)XLENGTH(parts) : 0,
        growth_of, growth_of ? (size_t)XLENGTH(growth) : 0, watch, &by, &validation);
    SEXP result = given_watched(&by, pointer, validation, status);
    UNPROTECT(2);
    return result;
}
