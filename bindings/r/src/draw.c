#include "glue.h"

/* The mixing function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/*
 * `count` of the numbers from 1 to `from`, without replacement, increasing: every choice is as likely, and a function of
 * the seed alone (R's generator is left as it is). Selection sampling (Knuth, volume 2, 3.4.2, algorithm S).
 */
SEXP r_draw(SEXP from, SEXP count, SEXP seed) {
    double rows = number_in(from), wanted = number_in(count), start = number_in(seed);
    if (!(wanted >= 0 && wanted <= rows && rows <= R_XLEN_T_MAX && start >= 0 && start <= 9007199254740992.0))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "a draw needs 0 <= count <= from, and a seed up to 2^53");
    SEXP result = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)wanted));
    uint64_t stream = mix((uint64_t)start);
    R_xlen_t drawn = 0;
    for (double row = 0; drawn < (R_xlen_t)wanted; row++) {
        double uniform = (double)(mix(stream ^ (uint64_t)row) >> 11) * 0x1p-53;
        if (uniform * (rows - row) < wanted - (double)drawn) REAL(result)[drawn++] = row + 1;
    }
    UNPROTECT(1);
    return result;
}
