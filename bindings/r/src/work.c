#include "glue.h"

/*
 * Units of work: a plan, its tasks, and what puts their parts together. Tasks count from 1 here.
 */

/* A task's number for the library; what is none becomes one that no work has, which the library answers in words. */
static size_t task_in(SEXP task) {
    double number = number_in(task);
    return number >= 1 && number <= 9007199254740992.0 ? (size_t)number - 1 : SIZE_MAX;
}

/* as_threads() has looked at them. */
static size_t threads_in(SEXP threads) { return (size_t)number_in(threads); }

SEXP r_work_plan_fit(SEXP snapshots, SEXP options, SEXP progress) {
    SEXP pointer = PROTECT(new_handle(WORK));
    SEXP token = PROTECT(R_MakeUnwindCont());
    watcher by = {.function = progress, .token = token};
    chreode_work *work = NULL;
    chreode_status status =
        chreode_work_plan_fit(handle_of(snapshots, SNAPSHOTS), handle_of(options, OPTIONS), watch, &by, &work);
    SEXP result = given_watched(&by, pointer, work, status);
    UNPROTECT(2);
    return result;
}

/* `parts` and `growth` are those of r_validate. */
SEXP r_work_plan_validate(SEXP snapshots, SEXP options, SEXP parts, SEXP growth) {
    SEXP pointer = PROTECT(new_handle(WORK));
    const uint32_t *part_of = TYPEOF(parts) == INTSXP ? (const uint32_t *)INTEGER(parts) : NULL;
    const double *growth_of = TYPEOF(growth) == REALSXP ? REAL(growth) : NULL;
    chreode_work *work = NULL;
    chreode_status status = chreode_work_plan_validate(
        handle_of(snapshots, SNAPSHOTS), handle_of(options, OPTIONS), part_of, part_of ? (size_t)XLENGTH(parts) : 0,
        growth_of, growth_of ? (size_t)XLENGTH(growth) : 0, &work);
    SEXP result = given(pointer, work, status);
    UNPROTECT(1);
    return result;
}

SEXP r_work_plan_simulate(SEXP model, SEXP snapshots, SEXP times, SEXP options, SEXP founders) {
    SEXP pointer = PROTECT(new_handle(WORK));
    int timed = TYPEOF(times) == REALSXP;
    double each = number_in(founders);
    chreode_work *work = NULL;
    chreode_status status = chreode_work_plan_simulate(
        handle_of(model, MODEL), handle_of(snapshots, SNAPSHOTS), timed ? REAL(times) : NULL,
        timed ? (size_t)XLENGTH(times) : 0, handle_of(options, OPTIONS), each >= 1 ? (size_t)each : 0, &work);
    SEXP result = given(pointer, work, status);
    UNPROTECT(1);
    return result;
}

SEXP r_work_plan_evaluate(SEXP model, SEXP snapshots, SEXP options) {
    SEXP pointer = PROTECT(new_handle(WORK));
    chreode_work *work = NULL;
    chreode_status status = chreode_work_plan_evaluate(handle_of(model, MODEL), handle_of(snapshots, SNAPSHOTS),
                                                       handle_of(options, OPTIONS), &work);
    SEXP result = given(pointer, work, status);
    UNPROTECT(1);
    return result;
}

static chreode_status work_bytes(const void *of, uint8_t *buffer, size_t capacity, size_t *size) {
    return chreode_work_to_bytes(of, buffer, capacity, size);
}

SEXP r_work_to_bytes(SEXP work) { return filled_bytes(work_bytes, handle_of(work, WORK)); }

SEXP r_work_from_bytes(SEXP bytes) {
    SEXP pointer = PROTECT(new_handle(WORK));
    int raw = TYPEOF(bytes) == RAWSXP;
    chreode_work *work = NULL;
    chreode_status status =
        chreode_work_from_bytes(raw ? RAW(bytes) : NULL, raw ? (size_t)XLENGTH(bytes) : 0, &work);
    SEXP result = given(pointer, work, status);
    UNPROTECT(1);
    return result;
}

typedef struct {
    const chreode_work *work;
    size_t task;
} numbered;

static chreode_status described(const void *of, char *buffer, size_t capacity, size_t *size) {
    const numbered *one = of;
    return chreode_work_task(one->work, one->task, buffer, capacity, size);
}

/* What each task is: a list of texts in JSON. */
SEXP r_work_tasks(SEXP work) {
    numbered one = {handle_of(work, WORK), 0};
    size_t count = 0;
    chreode_status status = chreode_work_task_count(one.work, &count);
    if (status != CHREODE_OK) return failure(status);
    SEXP result = PROTECT(Rf_allocVector(VECSXP, (R_xlen_t)count));
    for (; one.task < count; one.task++) {
        SEXP text = filled_text(described, &one);
        if (Rf_inherits(text, "chreode_failure")) {
            UNPROTECT(1);
            return text;
        }
        SET_VECTOR_ELT(result, (R_xlen_t)one.task, text);
    }
    UNPROTECT(1);
    return result;
}

/* The cells that a task needs, counted from 1 in the order of the snapshots; none if it needs them all. */
SEXP r_work_rows(SEXP work, SEXP task) {
    const chreode_work *handle = handle_of(work, WORK);
    size_t count = 0;
    chreode_status status = chreode_work_row_count(handle, task_in(task), &count);
    if (status != CHREODE_OK) return failure(status);
    SEXP result = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)count));
    SEXP numbers = PROTECT(Rf_allocVector(RAWSXP, (R_xlen_t)(count * sizeof(uint64_t))));
    uint64_t *rows = (uint64_t *)RAW(numbers);
    status = chreode_work_rows(handle, task_in(task), rows, count);
    for (size_t i = 0; status == CHREODE_OK && i < count; i++) REAL(result)[i] = (double)rows[i] + 1;
    SEXP told = status == CHREODE_OK ? result : failure(status);
    UNPROTECT(2);
    return told;
}

static chreode_status part_bytes(const void *of, uint8_t *buffer, size_t capacity, size_t *size) {
    return chreode_part_to_bytes(of, buffer, capacity, size);
}

/* The part that comes of a task, as bytes. `model` is NULL of R where the work is not about one. */
SEXP r_work_run(SEXP work, SEXP snapshots, SEXP model, SEXP task, SEXP threads) {
    SEXP pointer = PROTECT(new_handle(PART));
    watcher by = {.function = R_NilValue};
    chreode_part *part = NULL;
    chreode_status status =
        chreode_work_run(handle_of(work, WORK), handle_of(snapshots, SNAPSHOTS), handle_of(model, MODEL),
                         task_in(task), threads_in(threads), watch, &by, &part);
    R_SetExternalPtrAddr(pointer, part);
    SEXP result = PROTECT(status == CHREODE_OK ? filled_bytes(part_bytes, part) : failure(status));
    result = watched(&by, result);
    r_free(pointer);
    UNPROTECT(2);
    return result;
}

/* Parts as the library takes them, until the routine returns: memory of R's, which may jump only before the call. */
typedef struct {
    const uint8_t **bytes;
    size_t *sizes;
    size_t count;
} collected;

static collected parts_in(SEXP parts) {
    size_t count = TYPEOF(parts) == VECSXP ? (size_t)XLENGTH(parts) : 0;
    collected all = {(const uint8_t **)R_alloc(count, sizeof(uint8_t *)), (size_t *)R_alloc(count, sizeof(size_t)),
                     count};
    for (size_t i = 0; i < count; i++) {
        SEXP part = VECTOR_ELT(parts, (R_xlen_t)i);
        int raw = TYPEOF(part) == RAWSXP;
        all.bytes[i] = raw ? RAW(part) : NULL;
        all.sizes[i] = raw ? (size_t)XLENGTH(part) : 0;
    }
    return all;
}

/* A list as that of r_fit. */
SEXP r_work_finish_fit(SEXP work, SEXP snapshots, SEXP parts, SEXP threads, SEXP progress) {
    collected all = parts_in(parts);
    const char *names[] = {"model", "failure", "interrupted", ""};
    SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
    SEXP pointer = new_handle(MODEL);
    SET_VECTOR_ELT(result, 0, pointer);
    SEXP token = PROTECT(R_MakeUnwindCont());
    watcher by = {.function = progress, .token = token};
    chreode_model *model = NULL;
    chreode_status status =
        chreode_work_finish_fit(handle_of(work, WORK), handle_of(snapshots, SNAPSHOTS), all.bytes, all.sizes,
                                all.count, threads_in(threads), watch, &by, &model);
    R_SetExternalPtrAddr(pointer, model);
    if (by.jumped) R_ContinueUnwind(token);
    SET_VECTOR_ELT(result, 1, done(status));
    SET_VECTOR_ELT(result, 2, Rf_ScalarLogical(by.interrupted));
    UNPROTECT(2);
    return result;
}

/* A validation, to be told by r_validation_json. */
SEXP r_work_finish_validate(SEXP work, SEXP snapshots, SEXP parts) {
    collected all = parts_in(parts);
    SEXP pointer = PROTECT(new_handle(VALIDATION));
    chreode_validation *validation = NULL;
    chreode_status status =
        chreode_work_finish_validate(handle_of(work, WORK), handle_of(snapshots, SNAPSHOTS), all.bytes, all.sizes,
                                     all.count, &validation);
    SEXP result = given(pointer, validation, status);
    UNPROTECT(1);
    return result;
}

SEXP r_work_finish_simulate(SEXP work, SEXP model, SEXP snapshots, SEXP parts, SEXP threads) {
    collected all = parts_in(parts);
    SEXP pointer = PROTECT(new_handle(TRAJECTORY));
    chreode_trajectory *trajectory = NULL;
    chreode_status status = chreode_work_finish_simulate(
        handle_of(work, WORK), handle_of(model, MODEL), handle_of(snapshots, SNAPSHOTS), all.bytes, all.sizes,
        all.count, threads_in(threads), &trajectory);
    SEXP result = given(pointer, trajectory, status);
    UNPROTECT(1);
    return result;
}

SEXP r_work_finish_evaluate(SEXP work, SEXP model, SEXP snapshots, SEXP parts) {
    collected all = parts_in(parts);
    SEXP pointer = PROTECT(new_handle(EVALUATION));
    chreode_evaluation *evaluation = NULL;
    chreode_status status =
        chreode_work_finish_evaluate(handle_of(work, WORK), handle_of(model, MODEL),
                                     handle_of(snapshots, SNAPSHOTS), all.bytes, all.sizes, all.count, &evaluation);
    SEXP result = given(pointer, evaluation, status);
    UNPROTECT(1);
    return result;
}
