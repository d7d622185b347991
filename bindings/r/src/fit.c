/*
 * Fits: where the library calls R.
 *
 * Two things may want to jump while chreode_fit is on the stack: an interrupt (the stop button, Ctrl-C), and the user's
 * progress function, which may end with an error, or with anything else that leaves it. Neither gets through: the first is
 * asked for inside R_ToplevelExec, and cancels; the second is caught by R_UnwindProtect, cancels, and goes on its way when
 * the library has returned.
 */
#include "glue.h"

#include <setjmp.h>

typedef struct {
    /* A function of R that returns TRUE to go on, or NULL of R. */
    SEXP function;
    /* The jump to go on with after the fit. */
    SEXP token;
    jmp_buf back;
    const chreode_progress *now;
    int go_on;
    int interrupted;
    int jumped;
} reporter;

static void check_interrupt(void *unused) {
    (void)unused;
    R_CheckUserInterrupt();
}

static SEXP tell(void *data) {
    reporter *to = data;
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
    reporter *to = data;
    /* From here to report(), and over no frame of the library. */
    if (jump) longjmp(to->back, 1);
}

static int32_t report(const chreode_progress *now, void *data) {
    reporter *to = data;
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

/* A list: model, which may hold none; failure, or NULL; interrupted. */
SEXP r_fit(SEXP snapshots, SEXP options, SEXP progress) {
    const char *names[] = {"model", "failure", "interrupted", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    SEXP pointer = new_handle(MODEL);
    SET_VECTOR_ELT(result, 0, pointer);
    SEXP token = PROTECT(R_MakeUnwindCont());
    reporter to = {.function = progress, .token = token};
    chreode_model *model = NULL;
    chreode_status status =
        chreode_fit(handle_of(snapshots, SNAPSHOTS), handle_of(options, OPTIONS), report, &to, &model);
    R_SetExternalPtrAddr(pointer, model);
    if (to.jumped) R_ContinueUnwind(token);
    SET_VECTOR_ELT(result, 1, done(status));
    SET_VECTOR_ELT(result, 2, Rf_ScalarLogical(to.interrupted));
    UNPROTECT(2);
    return result;
}
