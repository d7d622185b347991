/*
 * What the files of this folder share.
 *
 * Rules that keep R's longjmp and the library apart:
 *   - a handle lives in an external pointer with a finalizer from before it is made: whatever R does afterwards, it is freed;
 *   - no R function that can jump is called while a function of the library is on the stack, but inside R_ToplevelExec or
 *     R_UnwindProtect (watch.c);
 *   - a failure is returned as a value of class "chreode_failure", which R code turns into a condition.
 */
#ifndef CHREODE_R_GLUE_H
#define CHREODE_R_GLUE_H

#define R_NO_REMAP
#define STRICT_R_HEADERS
#include <Rinternals.h>

#include <setjmp.h>

#include "chreode.h"

/* What an external pointer holds. */
typedef enum { MODEL, OPTIONS, SNAPSHOTS, TRAJECTORY, EVALUATION, VALIDATION, FATES, COUPLINGS, PLAN, WORK, PART, KINDS } kind;

/* An empty external pointer for a handle, to be protected. */
SEXP new_handle(kind what);
/* The handle that a call of this status made, at its pointer, or the failure. */
SEXP given(SEXP pointer, void *handle, chreode_status status);
/* The handle in an external pointer; NULL for anything else, which the library answers in words. */
void *handle_of(SEXP pointer, kind what);

/* The failure of the library's last call. */
SEXP failure(chreode_status status);
/* A failure of this glue. */
SEXP failure_of(chreode_status status, const char *message);
/* A NULL of R for success, else the failure. */
SEXP done(chreode_status status);

/* Text by the rule of size, then fill; `of` is what the text tells of. */
typedef chreode_status (*text_of)(const void *of, char *buffer, size_t capacity, size_t *size);
SEXP filled_text(text_of function, const void *of);

/* Bytes by the same rule, as a raw vector. */
typedef chreode_status (*bytes_of)(const void *of, uint8_t *buffer, size_t capacity, size_t *size);
SEXP filled_bytes(bytes_of function, const void *of);

/* A matrix of doubles of R, as it lies: column-major. 0 if `x` is none. */
int matrix_of(SEXP x, chreode_matrix *view);
chreode_matrix_mut matrix_to(SEXP x);
/* The one string in `x` in UTF-8, or NULL. */
const char *text_in(SEXP x);
/* The number in `x`, or -1. */
double number_in(SEXP x);
SEXP utf8(const char *text);

/* Who is told of a long call, and what ended it. */
typedef struct {
    /* A function of R that returns TRUE to go on, or NULL of R. */
    SEXP function;
    /* The jump to go on with after the call; needed where there is a function. */
    SEXP token;
    jmp_buf back;
    const chreode_progress *now;
    int go_on;
    int interrupted;
    int jumped;
} watcher;
/* The progress function for the library; its data is a watcher. */
int32_t watch(const chreode_progress *now, void *data);
/* What a call gave: its result, or an interruption, which R code goes on with. */
SEXP watched(watcher *by, SEXP result);
/* What a call gave that makes a handle: given(), watched. */
SEXP given_watched(watcher *by, SEXP pointer, void *handle, chreode_status status);

/* The entry points: see init.c. */
SEXP r_abi(void);
SEXP r_capabilities(void);
SEXP r_free(SEXP pointer);
SEXP r_is_nil(SEXP pointer);

SEXP r_draw(SEXP points, SEXP weights, SEXP count, SEXP seed);

SEXP r_options_new(SEXP list);
SEXP r_options_set(SEXP options, SEXP name, SEXP value);
SEXP r_options_describe(SEXP options);

SEXP r_snapshots_new(SEXP points, SEXP times, SEXP weights);
SEXP r_snapshots_generate(SEXP options);
SEXP r_snapshots_with_masses(SEXP snapshots, SEXP masses);
SEXP r_snapshots_with_growth_prior(SEXP snapshots, SEXP rates);
SEXP r_snapshots_with_clones(SEXP snapshots, SEXP clones);
SEXP r_snapshots_read(SEXP snapshots);
SEXP r_snapshots_points(SEXP snapshots);

SEXP r_fit(SEXP snapshots, SEXP options, SEXP progress);

SEXP r_model_info(SEXP model);
SEXP r_model_report(SEXP model);
SEXP r_model_losses(SEXP model);
SEXP r_model_set_threads(SEXP model, SEXP threads);
SEXP r_model_to_bytes(SEXP model);
SEXP r_model_from_bytes(SEXP bytes);
SEXP r_model_member(SEXP model, SEXP index);
SEXP r_model_branch(SEXP model, SEXP index);
SEXP r_model_memory(SEXP model);
SEXP r_model_set_memory(SEXP model, SEXP text);
SEXP r_model_save(SEXP model, SEXP path);
SEXP r_model_load(SEXP path);
SEXP r_model_fields(SEXP model);
SEXP r_model_field(SEXP model, SEXP field, SEXP time, SEXP points, SEXP level);

SEXP r_simulate(SEXP model, SEXP start, SEXP points, SEXP weights, SEXP times, SEXP options);
SEXP r_trajectory_frames(SEXP trajectory);
SEXP r_trajectory_mass_sd(SEXP trajectory);
SEXP r_trajectory_lineage(SEXP trajectory);
SEXP r_trajectory_newick(SEXP trajectory);
SEXP r_trajectory_report(SEXP trajectory);

SEXP r_evaluate(SEXP model, SEXP snapshots, SEXP options);
SEXP r_evaluation_values(SEXP evaluation, SEXP names);
SEXP r_evaluation_value(SEXP evaluation, SEXP name);
SEXP r_evaluation_json(SEXP evaluation);

SEXP r_validate(SEXP snapshots, SEXP options, SEXP parts, SEXP growth, SEXP progress);
SEXP r_validation_json(SEXP validation);

SEXP r_fates(SEXP model, SEXP snapshots, SEXP labels, SEXP options, SEXP progress);
SEXP r_fates_cells(SEXP fates);
SEXP r_fates_values(SEXP fates, SEXP name, SEXP rows, SEXP columns);
SEXP r_fates_transitions(SEXP fates, SEXP names, SEXP columns);
SEXP r_fates_report(SEXP fates);

SEXP r_couple(SEXP snapshots, SEXP options, SEXP progress);
SEXP r_descent(SEXP model, SEXP snapshots, SEXP options, SEXP progress);
SEXP r_model_couplings(SEXP model);
SEXP r_couplings_read(SEXP couplings);
SEXP r_couplings_carry(SEXP couplings, SEXP from, SEXP to, SEXP carry, SEXP masses, SEXP cells);
SEXP r_couplings_report(SEXP couplings);

SEXP r_work_plan_fit(SEXP snapshots, SEXP options, SEXP progress);
SEXP r_work_plan_validate(SEXP snapshots, SEXP options, SEXP parts, SEXP growth);
SEXP r_work_plan_simulate(SEXP model, SEXP snapshots, SEXP times, SEXP options, SEXP founders);
SEXP r_work_plan_evaluate(SEXP model, SEXP snapshots, SEXP options);
SEXP r_work_to_bytes(SEXP work);
SEXP r_work_from_bytes(SEXP bytes);
SEXP r_work_tasks(SEXP work);
SEXP r_work_rows(SEXP work, SEXP task);
SEXP r_work_run(SEXP work, SEXP snapshots, SEXP model, SEXP task, SEXP threads);
SEXP r_work_finish_fit(SEXP work, SEXP snapshots, SEXP parts, SEXP threads, SEXP progress);
SEXP r_work_finish_validate(SEXP work, SEXP snapshots, SEXP parts);
SEXP r_work_finish_simulate(SEXP work, SEXP model, SEXP snapshots, SEXP parts, SEXP threads);
SEXP r_work_finish_evaluate(SEXP work, SEXP model, SEXP snapshots, SEXP parts);

SEXP r_transport(SEXP source, SEXP source_weights, SEXP target, SEXP target_weights, SEXP options, SEXP plan);
SEXP r_plan_read(SEXP plan);
SEXP r_plan_report(SEXP plan);
SEXP r_new_plan(void);

#endif
