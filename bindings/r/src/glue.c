#include "glue.h"


static void free_model(void *handle) { chreode_model_free(handle); }
static void free_options(void *handle) { chreode_options_free(handle); }
static void free_snapshots(void *handle) { chreode_snapshots_free(handle); }
static void free_trajectory(void *handle) { chreode_trajectory_free(handle); }
static void free_evaluation(void *handle) { chreode_evaluation_free(handle); }
static void free_validation(void *handle) { chreode_validation_free(handle); }
static void free_fates(void *handle) { chreode_fates_free(handle); }
static void free_couplings(void *handle) { chreode_couplings_free(handle); }
static void free_plan(void *handle) { chreode_plan_free(handle); }
static void free_work(void *handle) { chreode_work_free(handle); }
static void free_part(void *handle) { chreode_part_free(handle); }

static const struct {
    const char *tag;
    void (*free)(void *);
} KIND[KINDS] = {
    [MODEL] = {"chreode_model", free_model},
    [OPTIONS] = {"chreode_options", free_options},
    [SNAPSHOTS] = {"chreode_snapshots", free_snapshots},
    [TRAJECTORY] = {"chreode_trajectory", free_trajectory},
    [EVALUATION] = {"chreode_evaluation", free_evaluation},
    [VALIDATION] = {"chreode_validation", free_validation},
    [FATES] = {"chreode_fates", free_fates},
    [COUPLINGS] = {"chreode_couplings", free_couplings},
    [PLAN] = {"chreode_plan", free_plan},
    [WORK] = {"chreode_work", free_work},
    [PART] = {"chreode_part", free_part},
};

static void finalize(SEXP pointer) {
    void *handle = R_ExternalPtrAddr(pointer);
    if (!handle) return;
    R_ClearExternalPtr(pointer);
    for (int what = 0; what < KINDS; what++)
        if (R_ExternalPtrTag(pointer) == Rf_install(KIND[what].tag)) KIND[what].free(handle);
}

SEXP new_handle(kind what) {
    SEXP pointer = PROTECT(R_MakeExternalPtr(NULL, Rf_install(KIND[what].tag), R_NilValue));
    R_RegisterCFinalizerEx(pointer, finalize, TRUE);
    UNPROTECT(1);
    return pointer;
}

void *handle_of(SEXP pointer, kind what) {
    if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrTag(pointer) != Rf_install(KIND[what].tag)) return NULL;
    return R_ExternalPtrAddr(pointer);
}

SEXP r_free(SEXP pointer) {
    if (TYPEOF(pointer) == EXTPTRSXP) finalize(pointer);
    return R_NilValue;
}

SEXP r_is_nil(SEXP pointer) {
    return Rf_ScalarLogical(TYPEOF(pointer) != EXTPTRSXP || !R_ExternalPtrAddr(pointer));
}

SEXP utf8(const char *text) {
    SEXP string = PROTECT(Rf_mkCharCE(text, CE_UTF8));
    SEXP result = Rf_ScalarString(string);
    UNPROTECT(1);
    return result;
}

SEXP failure_of(chreode_status status, const char *message) {
    const char *names[] = {"status", "name", "message", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    /* The message first: it is gone with the next call. */
    SET_VECTOR_ELT(result, 2, utf8(message));
    SET_VECTOR_ELT(result, 1, utf8(chreode_status_name(status)));
    SET_VECTOR_ELT(result, 0, Rf_ScalarInteger(status));
    Rf_setAttrib(result, R_ClassSymbol, PROTECT(Rf_mkString("chreode_failure")));
    UNPROTECT(2);
    return result;
}

SEXP failure(chreode_status status) { return failure_of(status, chreode_last_error_message()); }

SEXP done(chreode_status status) { return status == CHREODE_OK ? R_NilValue : failure(status); }

SEXP filled_text(text_of function, const void *of) {
    size_t size = 0;
    chreode_status status = function(of, NULL, 0, &size);
    if (status != CHREODE_OK) return failure(status);
    SEXP buffer = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)size));
    status = function(of, (char *)RAW(buffer), size, &size);
    SEXP result = status == CHREODE_OK ? utf8((const char *)RAW(buffer)) : failure(status);
    UNPROTECT(1);
    return result;
}

SEXP filled_bytes(bytes_of function, const void *of) {
    size_t size = 0;
    chreode_status status = function(of, NULL, 0, &size);
    if (status != CHREODE_OK) return failure(status);
    SEXP bytes = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)size));
    status = function(of, RAW(bytes), size, &size);
    SEXP result = status == CHREODE_OK ? bytes : failure(status);
    UNPROTECT(1);
    return result;
}

SEXP given(SEXP pointer, void *handle, chreode_status status) {
    R_SetExternalPtrAddr(pointer, handle);
    return status == CHREODE_OK ? pointer : failure(status);
}

int matrix_of(SEXP x, chreode_matrix *view) {
    if (TYPEOF(x) != REALSXP || !Rf_isMatrix(x)) return 0;
    size_t rows = (size_t)Rf_nrows(x);
    chreode_matrix found = {REAL(x), rows, (size_t)Rf_ncols(x), 1, (ptrdiff_t)rows, CHREODE_F64};
    *view = found;
    return 1;
}

chreode_matrix_mut matrix_to(SEXP x) {
    size_t rows = (size_t)Rf_nrows(x);
    chreode_matrix_mut view = {REAL(x), rows, (size_t)Rf_ncols(x), 1, (ptrdiff_t)rows, CHREODE_F64};
    return view;
}

const char *text_in(SEXP x) {
    if (TYPEOF(x) != STRSXP || XLENGTH(x) != 1 || STRING_ELT(x, 0) == NA_STRING) return NULL;
    return Rf_translateCharUTF8(STRING_ELT(x, 0));
}

double number_in(SEXP x) {
    if (TYPEOF(x) == INTSXP && XLENGTH(x) == 1) return INTEGER(x)[0];
    return TYPEOF(x) == REALSXP && XLENGTH(x) == 1 ? REAL(x)[0] : -1;
}
