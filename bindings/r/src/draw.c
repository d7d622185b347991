#include "glue.h"

/*
 * The numbers, from 1 on and increasing, of `count` of the cells in the rows of `points`, drawn by the library without
 * replacement and with chances in proportion to their weights, which are NULL of R if all weigh the same. R's generator is left
 * as it is.
 */
SEXP r_draw(SEXP points, SEXP weights, SEXP count, SEXP seed) {
    chreode_matrix cells;
    if (!matrix_of(points, &cells))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the cells must be a matrix of numbers");
    double wanted = number_in(count), start = number_in(seed);
    if (!(wanted >= 0 && wanted <= (double)cells.rows && start >= 0 && start <= 9007199254740992.0))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "a draw needs so many cells, and a seed up to 2^53");
    int weighted = TYPEOF(weights) == REALSXP;
    SEXP pointer = PROTECT(new_handle(SNAPSHOTS));
    /* One snapshot of them all. */
    SEXP times = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)cells.rows));
    for (size_t i = 0; i < cells.rows; i++) REAL(times)[i] = 0;
    SEXP result = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)wanted));
    SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(wanted * sizeof(uint64_t))));
    uint64_t *rows = (uint64_t *)RAW(numbers);
    chreode_snapshots *snapshots = NULL;
    chreode_status status =
        chreode_snapshots_new(&cells, REAL(times), cells.rows, weighted ? REAL(weights) : NULL,
                              weighted ? (size_t)XLENGTH(weights) : 0, &snapshots);
    R_SetExternalPtrAddr(pointer, snapshots);
    if (status == CHREODE_OK)
        status = chreode_snapshots_sample(snapshots, 0, (size_t)wanted, (uint64_t)start, rows);
    for (R_xlen_t i = 0; status == CHREODE_OK && i < XLENGTH(result); i++) REAL(result)[i] = (double)rows[i] + 1;
    SEXP told = PROTECT(status == CHREODE_OK ? result : failure(status));
    r_free(pointer);
    UNPROTECT(5);
    return told;
}
