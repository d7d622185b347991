/*
 * Long calls: where the library calls R.
 *
 * Two things may want to jump while a long call is on the stack: an interrupt (the stop button, Ctrl-C), and the user's
 * progress function, which may end with an error, or with anything else that leaves it. Neither gets through: the first is
 * asked for inside R_ToplevelExec, and cancels; the second is caught by R_UnwindProtect, cancels, and goes on its way when
 * the library has returned.
 */
#include "glue.h"

static void check_interrupt(void *unused) {
    (void)unused;
    R_CheckUserInterrupt();
}

static SEXP tell(void *data) {
    watcher *to = data;
    SEXP call = PROTECT(Rf_lang5(to->function, R_NilValue, R_NilValue, R_NilValue, R_NilValue));
    SEXP argument = CDR(call);
    SETCAR(argument, utf8(to->now->stage));
    argument = CDR(argument);
    SETCAR(argument, Rf_ScalarReal((double)to->now->done));
    argument = CDR(argument);
    SETCAR(argument, Rf_ScalarReal((double)to->now->total));
    argument = CDR(argument);
    SETCAR(argument, Rf_ScalarReal(to->now->loss));
    SEXP answer = PROTECT(Rf_eval(call, R_BaseEnv));
    to->go_on = TYPEOF(answer) != LGLSXP || XLENGTH(answer) != 1 || LOGICAL(answer)[0] != FALSE;
    UNPROTECT(2);
    return R_NilValue;
}

static void leave(void *data, Rboolean jump) {
    watcher *to = data;
    /* From here to watch(), and over no frame of the library. */
    if (jump) longjmp(to->back, 1);
}

int32_t watch(const chreode_progress *now, void *data) {
    watcher *to = data;
    if (!R_ToplevelExec(check_interrupt, NULL)) {
        to->interrupted = 1;
        return 1;
    }
    if (to->function == R_NilValue) return 0;
    to->now = now;
    to->go_on = 1;
    if (setjmp(to->back)) {
        to->jumped = 1;
        return 1;
    }
    R_UnwindProtect(tell, to, leave, to, to->token);
    return to->go_on ? 0 : 1;
}

SEXP watched(watcher *by, SEXP result) {
    if (by->jumped) R_ContinueUnwind(by->token);
    if (!by->interrupted || !Rf_inherits(result, "chreode_failure")) return result;
    SEXP interruption = PROTECT(Rf_allocVector(VECSXP, 0));
    Rf_setAttrib(interruption, R_ClassSymbol, PROTECT(Rf_mkString("chreode_interruption")));
    UNPROTECT(2);
    return interruption;
}

SEXP given_watched(watcher *by, SEXP pointer, void *handle, chreode_status status) {
    SEXP result = PROTECT(given(pointer, handle, status));
    result = watched(by, result);
    UNPROTECT(1);
    return result;
}
