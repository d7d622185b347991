#include "glue.h"

#include <string.h>

static chreode_status info(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_model_info(of, buffer, capacity, size);
}

static chreode_status report(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_model_report(of, buffer, capacity, size);
}

SEXP r_model_info(SEXP model) { return filled_text(info, handle_of(model, MODEL)); }
SEXP r_model_report(SEXP model) { return filled_text(report, handle_of(model, MODEL)); }

SEXP r_model_losses(SEXP model) {
    const chreode_model *handle = handle_of(model, MODEL);
    size_t count = 0;
    chreode_status status = chreode_model_loss_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    SEXP losses = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)count));
    status = chreode_model_losses(handle, REAL(losses), count);
    SEXP result = status == CHREODE_OK ? losses : failure(status);
    UNPROTECT(1);
    return result;
}

SEXP r_model_set_threads(SEXP model, SEXP threads) {
    double count = number_in(threads);
    if (!(count >= 0 && count <= 1024))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "threads must be a whole number from 0 to 1024");
    return done(chreode_model_set_threads(handle_of(model, MODEL), (size_t)count));
}

static chreode_status model_bytes(const void *of, uint8_t *buffer, size_t capacity, size_t *size) {
    return chreode_model_to_bytes(of, buffer, capacity, size);
}

SEXP r_model_to_bytes(SEXP model) { return filled_bytes(model_bytes, handle_of(model, MODEL)); }

SEXP r_model_from_bytes(SEXP bytes) {
    SEXP pointer = PROTECT(new_handle(MODEL));
    chreode_model *model = NULL;
    int raw = TYPEOF(bytes) == RAWSXP;
    chreode_status status =
        chreode_model_from_bytes(raw ? RAW(bytes) : NULL, raw ? (size_t)XLENGTH(bytes) : 0, &model);
    SEXP result = given(pointer, model, status);
    UNPROTECT(1);
    return result;
}

/* One member of an ensemble, counted from 0, as a model of its own. */
SEXP r_model_member(SEXP model, SEXP index) {
    SEXP pointer = PROTECT(new_handle(MODEL));
    chreode_model *member = NULL;
    chreode_status status = chreode_model_member(handle_of(model, MODEL), (size_t)number_in(index), &member);
    SEXP result = given(pointer, member, status);
    UNPROTECT(1);
    return result;
}

/* One branch of a population, counted from 0, as a model of its own. */
SEXP r_model_branch(SEXP model, SEXP index) {
    SEXP pointer = PROTECT(new_handle(MODEL));
    chreode_model *branch = NULL;
    chreode_status status = chreode_model_branch(handle_of(model, MODEL), (size_t)number_in(index), &branch);
    SEXP result = given(pointer, branch, status);
    UNPROTECT(1);
    return result;
}

/* What R remembers beside the model is one text of the model's. */
static const char MEMORY[] = "r.memory";

static chreode_status memory(const void *of, char *buffer, size_t capacity, size_t *size) {
    return chreode_model_attribute(of, MEMORY, buffer, capacity, size);
}

SEXP r_model_memory(SEXP model) { return filled_text(memory, handle_of(model, MODEL)); }

SEXP r_model_set_memory(SEXP model, SEXP text) {
    return done(chreode_model_set_attribute(handle_of(model, MODEL), MEMORY, text_in(text)));
}

/* Paths are in the encoding of the file system, which on Unix is that of the session. */
static const char *path_in(SEXP path) {
    return text_in(path) ? Rf_translateChar(STRING_ELT(path, 0)) : NULL;
}

SEXP r_model_save(SEXP model, SEXP path) {
    return done(chreode_model_save(handle_of(model, MODEL), path_in(path)));
}

SEXP r_model_load(SEXP path) {
    SEXP pointer = PROTECT(new_handle(MODEL));
    chreode_model *model = NULL;
    chreode_status status = chreode_model_load(path_in(path), &model);
    SEXP result = given(pointer, model, status);
    UNPROTECT(1);
    return result;
}

/* The number of columns of each field, by its name. */
SEXP r_model_fields(SEXP model) {
    const chreode_model *handle = handle_of(model, MODEL);
    size_t count = 0;
    chreode_status status = chreode_model_field_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    SEXP result = PROTECT(Rf_allocVector(INTSXP, (R_xlen_t)count));
    SEXP names = PROTECT(Rf_allocVector(STRSXP, (R_xlen_t)count));
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        size_t columns = 0;
        status = chreode_model_field_describe(handle, i, &name, &columns);
        if (status != CHREODE_OK) {
            UNPROTECT(2);
            return failure(status);
        }
        INTEGER(result)[i] = (int)columns;
        SET_STRING_ELT(names, (R_xlen_t)i, Rf_mkCharCE(name, CE_UTF8));
    }
    Rf_setAttrib(result, R_NamesSymbol, names);
    UNPROTECT(2);
    return result;
}

/* The values of a field at points of one time, or each of its own: a matrix with one row a point. `level` is NULL for the field, NA
   for the standard deviation of its error, and else that of a quantile. */
SEXP r_model_field(SEXP model, SEXP field, SEXP time, SEXP points, SEXP level) {
    const chreode_model *handle = handle_of(model, MODEL);
    const char *name = text_in(field);
    chreode_matrix from;
    if (!matrix_of(points, &from))
        return failure_of(CHREODE_ERROR_INVALID_ARGUMENT, "the points must be a matrix of numbers");
    size_t columns = from.cols, count = 0;
    chreode_status status = chreode_model_field_count(handle, &count);
    if (status != CHREODE_OK) return failure(status);
    for (size_t i = 0; i < count; i++) {
        const char *known = NULL;
        size_t width = 0;
        status = chreode_model_field_describe(handle, i, &known, &width);
        if (status != CHREODE_OK) return failure(status);
        if (name && !strcmp(known, name)) columns = width;
    }
    SEXP values = PROTECT(Rf_allocMatrix(REALSXP, (int)from.rows, (int)columns));
    chreode_matrix_mut to = matrix_to(values);
    int timed = TYPEOF(time) == REALSXP;
    const double *times = timed ? REAL(time) : NULL;
    size_t times_count = timed ? (size_t)XLENGTH(time) : 0;
    watcher by = {.function = R_NilValue};
    if (level == R_NilValue)
        status = chreode_model_field_at(handle, name, times, times_count, &from, watch, &by, &to);
    else if (ISNAN(number_in(level)))
        status = chreode_model_field_sd(handle, name, times, times_count, &from, watch, &by, &to);
    else
        status = chreode_model_field_quantile(handle, name, number_in(level), times, times_count, &from, watch, &by, &to);
    SEXP result = PROTECT(status == CHREODE_OK ? values : failure(status));
    result = watched(&by, result);
    UNPROTECT(2);
    return result;
}
