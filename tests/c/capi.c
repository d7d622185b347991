/*
 * The C interface from C99: the whole way from data to lineages, and what a careless caller does. Ends with 0 if all is as
 * promised; else it says what is not.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Refused with this status, and told why in words that hold `told`. */
#define REFUSED(status, told, call)                                                                  \
    do {                                                                                             \
        CHECK((call) == (status));                                                                   \
        CHECK(strstr(chreode_last_error_message(), told) != NULL);                                   \
    } while (0)

/* A text by the rule of size, then fill; the caller frees it. */
#define TEXT(text, getter, ...)                                                                      \
    do {                                                                                             \
        size_t size_ = 0;                                                                            \
        OK(getter(__VA_ARGS__, NULL, 0, &size_));                                                    \
        (text) = malloc(size_);                                                                      \
        REFUSED(CHREODE_ERROR_BUFFER_TOO_SMALL, "must hold", getter(__VA_ARGS__, (text), size_ - 1, &size_)); \
        OK(getter(__VA_ARGS__, (text), size_, &size_));                                              \
        CHECK(strlen(text) == size_ - 1);                                                            \
    } while (0)

static chreode_snapshots *gene_network(void) {
    chreode_options *options = NULL;
    chreode_snapshots *snapshots = NULL;
    OK(chreode_options_new("gene-network", &options));
    OK(chreode_options_set_integer(options, "cells_per_state", 8));
    OK(chreode_snapshots_generate(options, &snapshots));
    chreode_options_free(options);
    return snapshots;
}

static chreode_options *quick_fit(void) {
    chreode_options *options = NULL;
    OK(chreode_options_new("fit", &options));
    OK(chreode_options_set_string(options, "hidden", "8x2"));
    OK(chreode_options_set_string(options, "method", "usb"));
    OK(chreode_options_set_integer(options, "epochs", 20));
    OK(chreode_options_set_real(options, "batch_size", 16));
    OK(chreode_options_set_integer(options, "threads", 2));
    return options;
}

static chreode_model *fitted(void) {
    chreode_snapshots *snapshots = gene_network();
    chreode_options *options = quick_fit();
    chreode_model *model = NULL;
    OK(chreode_fit(snapshots, options, NULL, NULL, &model));
    /* In an order that a careless caller might choose: nothing refers to anything. */
    chreode_snapshots_free(snapshots);
    chreode_options_free(options);
    return model;
}

static void library(void) {
    char *text;
    CHECK(chreode_abi_version() == CHREODE_ABI_VERSION);
    CHECK(strchr(chreode_version(), '.') != NULL);
    CHECK(strcmp(chreode_status_name(CHREODE_ERROR_INFEASIBLE), "CHREODE_ERROR_INFEASIBLE") == 0);
    CHECK(strcmp(chreode_status_name(17), "unknown") == 0);
    size_t size = 0;
    OK(chreode_capabilities(NULL, 0, &size));
    text = malloc(size);
    OK(chreode_capabilities(text, size, &size));
    CHECK(strstr(text, "\"usb\"") != NULL);
    free(text);
}

static void options(void) {
    chreode_options *options = NULL;
    size_t count = 0, size = 0;
    char text[64];
    chreode_option option;
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: simulate", chreode_options_new("simulat", &options));
    CHECK(options == NULL);
    OK(chreode_options_new("fit", &options));
    OK(chreode_options_count(options, &count));
    for (size_t i = 0; i < count; ++i) {
        OK(chreode_options_describe(options, i, &option));
        CHECK(option.name[0] && option.kind[0] && option.default_value[0] && option.range[0] && option.meaning[0]);
    }
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "index", chreode_options_describe(options, count, &option));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "`learning_rate`", chreode_options_set_real(options, "lerning_rate", 1));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "delta must be positive", chreode_options_set_real(options, "delta", NAN));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "UTF-8", chreode_options_set_string(options, "delta", "\xff"));
    OK(chreode_options_set_real(options, "delta", 1.5));
    OK(chreode_options_get(options, "delta", text, sizeof text, &size));
    CHECK(strcmp(text, "1.5") == 0 && size == 4);
    OK(chreode_options_unset(options, "delta"));
    OK(chreode_options_get(options, "delta", text, sizeof text, &size));
    CHECK(text[0] == '\0' && size == 1);
    chreode_options_free(options);
}

static void own_data(void) {
    /* Three cells at two times, in every layout. */
    const double rows[] = {1, 2, 3, 4, 5, 6}, columns[] = {1, 3, 5, 2, 4, 6}, backwards[] = {6, 5, 4, 3, 2, 1};
    const float single[] = {1, 2, 3, 4, 5, 6};
    const double times[] = {0, 1, 1}, block_times[] = {0, 1};
    const chreode_matrix layouts[] = {
        {rows, 3, 2, 2, 1, CHREODE_F64},
        {columns, 3, 2, 1, 3, CHREODE_F64},
        {backwards + 5, 3, 2, -2, -1, CHREODE_F64},
        {single, 3, 2, 2, 1, CHREODE_F32},
    };
    chreode_snapshots *snapshots = NULL, *heavier = NULL, *blocks = NULL, *fewer = NULL;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; ++i) {
        double points[4] = {0}, mass = 0;
        size_t count = 0;
        OK(chreode_snapshots_new(&layouts[i], times, 3, NULL, 0, &snapshots));
        OK(chreode_snapshots_cell_count(snapshots, 1, &count));
        CHECK(count == 2);
        const chreode_matrix_mut out = {points + 1, 2, 2, 2, -1, CHREODE_F64};
        OK(chreode_snapshots_points(snapshots, 1, &out));
        CHECK(points[0] == 4 && points[1] == 3 && points[2] == 6 && points[3] == 5);
        OK(chreode_snapshots_mass(snapshots, 1, &mass));
        CHECK(mass == 2);
        if (i + 1 < sizeof layouts / sizeof *layouts) {
            chreode_snapshots_free(snapshots);
        }
    }
    const double masses[] = {1, 10};
    OK(chreode_snapshots_with_masses(snapshots, masses, 2, &heavier));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "masses", chreode_snapshots_with_masses(snapshots, masses, 1, &fewer));
    OK(chreode_snapshots_without(snapshots, times, 1, &fewer));
    chreode_snapshots_free(fewer);
    const chreode_matrix two[] = {{rows, 1, 2, 2, 1, CHREODE_F64}, {rows + 2, 2, 2, 2, 1, CHREODE_F64}};
    const double weights[] = {2, 0.5};
    const double *const block_weights[] = {NULL, weights};
    OK(chreode_snapshots_from_blocks(two, block_times, block_weights, 2, &blocks));
    double got[2];
    OK(chreode_snapshots_weights(blocks, 1, got, 2));
    CHECK(got[0] == 2 && got[1] == 0.5);
    chreode_snapshots_free(heavier);
    chreode_snapshots_free(blocks);
    chreode_snapshots_free(snapshots);

    const double bad[] = {1, 2, 3, NAN, 5, 6};
    chreode_matrix matrix = {bad, 3, 2, 2, 1, CHREODE_F64};
    REFUSED(CHREODE_ERROR_INVALID_DATA, "row 2, coordinate 2",
            chreode_snapshots_new(&matrix, times, 3, NULL, 0, &snapshots));
    CHECK(snapshots == NULL);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "times_count", chreode_snapshots_new(&matrix, times, 2, NULL, 0, &snapshots));
    matrix.dtype = 7;
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "dtype", chreode_snapshots_new(&matrix, times, 3, NULL, 0, &snapshots));
    matrix = (chreode_matrix){NULL, 0, 2, 2, 1, CHREODE_F64};
    REFUSED(CHREODE_ERROR_INVALID_DATA, "no cells", chreode_snapshots_new(&matrix, NULL, 0, NULL, 0, &snapshots));
    matrix.rows = 3;
    REFUSED(CHREODE_ERROR_NULL_POINTER, "data", chreode_snapshots_new(&matrix, times, 3, NULL, 0, &snapshots));
    REFUSED(CHREODE_ERROR_NULL_POINTER, "points", chreode_snapshots_new(NULL, times, 3, NULL, 0, &snapshots));
    matrix = layouts[0];
    REFUSED(CHREODE_ERROR_NULL_POINTER, "snapshots", chreode_snapshots_new(&matrix, times, 3, NULL, 0, NULL));
}

static void fields(chreode_model *model) {
    enum { ROWS = 700 };
    static float points[2 * ROWS], velocity[2 * ROWS];
    static double points_by_column[2 * ROWS], velocity_by_column[2 * ROWS], growth[ROWS];
    for (size_t i = 0; i < ROWS; ++i) {
        for (size_t j = 0; j < 2; ++j) {
            points[2 * i + j] = (float)(i % 7) / 4 + (float)j;
            points_by_column[j * ROWS + i] = points[2 * i + j];
        }
    }
    chreode_matrix in = {points, ROWS, 2, 2, 1, CHREODE_F32};
    chreode_matrix_mut out = {velocity, ROWS, 2, 2, 1, CHREODE_F32};
    const chreode_matrix in_columns = {points_by_column, ROWS, 2, 1, ROWS, CHREODE_F64};
    const chreode_matrix_mut out_columns = {velocity_by_column, ROWS, 2, 1, ROWS, CHREODE_F64};
    const chreode_matrix_mut one = {growth, ROWS, 1, 1, 1, CHREODE_F64};
    OK(chreode_model_field(model, "velocity", 0.5, &in, &out));
    OK(chreode_model_field(model, "velocity", 0.5, &in_columns, &out_columns));
    for (size_t i = 0; i < ROWS; ++i) {
        CHECK(velocity[2 * i] == velocity_by_column[i] && velocity[2 * i + 1] == velocity_by_column[ROWS + i]);
    }
    OK(chreode_model_field(model, "growth", 0.5, &in, &one));
    CHECK(isfinite(growth[ROWS - 1]));
    size_t count = 0, columns = 0;
    const char *name = NULL;
    OK(chreode_model_field_count(model, &count));
    OK(chreode_model_field_describe(model, 2, &name, &columns));
    CHECK(count >= 4 && strcmp(name, "score_drift") == 0 && columns == 2);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "landscape", chreode_model_field(model, "landscape", 0.5, &in, &one));

    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: velocity", chreode_model_field(model, "velocty", 0, &in, &out));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "time", chreode_model_field(model, "velocity", NAN, &in, &out));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "rows", chreode_model_field(model, "velocity", 0, &in, &one));
    out.row_stride = 0;
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "overlap", chreode_model_field(model, "velocity", 0, &in, &out));
    out.row_stride = 1;
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "overlap", chreode_model_field(model, "velocity", 0, &in, &out));
    out = (chreode_matrix_mut){points, ROWS, 2, 2, 1, CHREODE_F32};
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "share memory", chreode_model_field(model, "velocity", 0, &in, &out));
    out.data = velocity;
    points[2 * 300 + 1] = INFINITY;
    REFUSED(CHREODE_ERROR_INVALID_DATA, "row 301, coordinate 2", chreode_model_field(model, "velocity", 0, &in, &out));
    in.cols = 1;
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "dimension", chreode_model_field(model, "velocity", 0, &in, &out));
    in = (chreode_matrix){NULL, 0, 2, 2, 1, CHREODE_F32};
    out = (chreode_matrix_mut){NULL, 0, 2, 2, 1, CHREODE_F32};
    OK(chreode_model_field(model, "velocity", 0, &in, &out));
}

/* Counts the reports, and cancels within a stage: where nothing is done yet, or as soon as something is. */
typedef struct {
    int seen;
    const char *cancel_in;
    int after_a_step;
    pthread_t thread;
} watcher;

static int32_t watch(const chreode_progress *progress, void *user_data) {
    watcher *watcher = user_data;
    CHECK(pthread_equal(watcher->thread, pthread_self()));
    CHECK(progress->done <= progress->total);
    const int training = strcmp(progress->stage, "training") == 0;
    CHECK(training || strcmp(progress->stage, "coupling") == 0 || strcmp(progress->stage, "simulation") == 0);
    CHECK(isnan(progress->loss) == (progress->done == 0 || !training));
    watcher->seen += 1;
    return watcher->cancel_in != NULL && strcmp(progress->stage, watcher->cancel_in) == 0 &&
           (progress->done > 0) == watcher->after_a_step;
}

static void simulations(chreode_model *model) {
    static const double start[] = {0.5, 1, 1, 0.5, 0.7, 0.7, 1, 1}, weights[] = {1, 2, 1, 0}, times[] = {0, 1, 2};
    const chreode_matrix points = {start, 4, 2, 2, 1, CHREODE_F64};
    static const char *const modes[] = {"ode", "sde", "branching"};
    for (size_t m = 0; m < 3; ++m) {
        chreode_options *options = NULL;
        chreode_trajectory *trajectory = NULL;
        OK(chreode_options_new("simulate", &options));
        OK(chreode_options_set_string(options, "mode", modes[m]));
        if (m == 0) {
            OK(chreode_options_set_string(options, "solver", "rk4"));
        }
        OK(chreode_options_set_real(options, "step", 0.1));
        OK(chreode_simulate(model, 0, &points, weights, 4, times, 3, options, NULL, NULL, &trajectory));
        chreode_options_free(options);
        size_t frames = 0, count = 0, cells = 0;
        double time = 0;
        OK(chreode_trajectory_frame_count(trajectory, &frames));
        CHECK(frames == 3);
        for (size_t k = 0; k < frames; ++k) {
            OK(chreode_trajectory_frame(trajectory, k, &time, &count));
            CHECK(time == times[k]);
            double *numbers = malloc((2 * count + 1) * sizeof *numbers);
            uint64_t *ids = malloc((count + 1) * sizeof *ids);
            const chreode_matrix_mut out = {numbers, count, 2, 1, (ptrdiff_t)count, CHREODE_F64};
            OK(chreode_trajectory_points(trajectory, k, &out));
            OK(chreode_trajectory_weights(trajectory, k, numbers, count));
            OK(chreode_trajectory_ids(trajectory, k, ids, count));
            OK(chreode_trajectory_ancestors(trajectory, k, ids, count));
            free(numbers);
            free(ids);
        }
        REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "frames", chreode_trajectory_frame(trajectory, 3, &time, &count));
        OK(chreode_trajectory_cell_count(trajectory, &cells));
        CHECK((cells >= 4) == (m == 2));
        int64_t *parents = malloc((cells + 1) * sizeof *parents);
        int32_t *fates = malloc((cells + 1) * sizeof *fates);
        OK(chreode_trajectory_lineage(trajectory, parents, NULL, NULL, fates, cells));
        if (cells > 0) {
            CHECK(parents[0] == -1 && fates[0] >= CHREODE_FATE_ALIVE && fates[0] <= CHREODE_FATE_DIED);
        }
        free(parents);
        free(fates);
        char *newick;
        TEXT(newick, chreode_trajectory_newick, trajectory);
        CHECK((strchr(newick, ';') != NULL) == (m == 2));
        free(newick);
        chreode_trajectory_free(trajectory);
    }
    chreode_trajectory *trajectory = NULL;
    const double late[] = {50};
    char *report;
    OK(chreode_simulate(model, 0, &points, NULL, 0, late, 1, NULL, NULL, NULL, &trajectory));
    TEXT(report, chreode_trajectory_report, trajectory);
    CHECK(strstr(report, "the time 50 is") != NULL);
    free(report);
    chreode_trajectory_free(trajectory);
    watcher at_once = {0, "simulation", 0, pthread_self()}, at_last = {0, "simulation", 1, pthread_self()};
    REFUSED(CHREODE_ERROR_CANCELLED, "cancelled",
            chreode_simulate(model, 0, &points, NULL, 0, times, 3, NULL, watch, &at_once, &trajectory));
    CHECK(trajectory == NULL && at_once.seen == 1);
    REFUSED(CHREODE_ERROR_CANCELLED, "cancelled",
            chreode_simulate(model, 0, &points, NULL, 0, times, 3, NULL, watch, &at_last, &trajectory));
    CHECK(trajectory == NULL && at_last.seen >= 2);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "weights_count",
            chreode_simulate(model, 0, &points, weights, 3, times, 3, NULL, NULL, NULL, &trajectory));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "at least one time",
            chreode_simulate(model, 0, &points, NULL, 0, times, 0, NULL, NULL, NULL, &trajectory));
    CHECK(trajectory == NULL);
}

static void fits(void) {
    chreode_snapshots *snapshots = gene_network();
    chreode_options *options = quick_fit(), *others = NULL;
    chreode_model *model = NULL;
    watcher all = {0, NULL, 0, pthread_self()};
    OK(chreode_fit(snapshots, options, watch, &all, &model));
    CHECK(all.seen >= 3);
    size_t losses = 0;
    OK(chreode_model_loss_count(model, &losses));
    CHECK(losses == 20);
    double *values = malloc(losses * sizeof *values);
    OK(chreode_model_losses(model, values, losses));
    CHECK(values[0] > 0);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "losses", chreode_model_losses(model, values, 3));
    free(values);
    char *text;
    TEXT(text, chreode_model_report, model);
    CHECK(strstr(text, "\"converged\":true") != NULL);
    free(text);
    TEXT(text, chreode_model_info, model);
    CHECK(strstr(text, "\"method\":\"usb\"") != NULL);
    free(text);
    chreode_model_free(model);

    watcher at_once = {0, "coupling", 0, pthread_self()}, late = {0, "training", 1, pthread_self()};
    OK(chreode_options_set_integer(options, "epochs", 1000000));
    REFUSED(CHREODE_ERROR_CANCELLED, "cancelled", chreode_fit(snapshots, options, watch, &at_once, &model));
    CHECK(model == NULL);
    REFUSED(CHREODE_ERROR_CANCELLED, "cancelled", chreode_fit(snapshots, options, watch, &late, &model));
    CHECK(model != NULL);
    size_t dims = 0;
    OK(chreode_model_dims(model, &dims));
    OK(chreode_model_loss_count(model, &losses));
    CHECK(dims == 2 && losses > 0 && losses < 1000000);
    simulations(model);
    chreode_model_free(model);

    OK(chreode_options_new("simulate", &others));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "`fit`", chreode_fit(snapshots, others, NULL, NULL, &model));
    chreode_options_free(others);
    OK(chreode_options_set_string(options, "coupling", "wfr"));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "bridge", chreode_fit(snapshots, options, NULL, NULL, &model));
    chreode_options_free(options);
    chreode_snapshots_free(snapshots);
}

static void ensembles(void) {
    static const float points[] = {1, 0.5f, 0.5f, 1};
    const double time = 1, times[] = {0, 1, 2};
    float mean[2], sd[2], middle[2], high[2], of_member[2], sum[2] = {0, 0};
    const chreode_matrix in = {points, 2, 2, 2, 1, CHREODE_F32};
    const chreode_matrix_mut to_mean = {mean, 2, 1, 1, 1, CHREODE_F32}, to_sd = {sd, 2, 1, 1, 1, CHREODE_F32};
    const chreode_matrix_mut to_high = {high, 2, 1, 1, 1, CHREODE_F32}, to_middle = {middle, 2, 1, 1, 1, CHREODE_F32};
    const chreode_matrix_mut to_member = {of_member, 2, 1, 1, 1, CHREODE_F32};
    chreode_snapshots *snapshots = gene_network();
    chreode_options *options = quick_fit();
    chreode_model *model = NULL, *member = NULL;
    OK(chreode_options_set_integer(options, "ensemble", 3));
    OK(chreode_fit(snapshots, options, NULL, NULL, &model));
    size_t members = 0;
    OK(chreode_model_members(model, &members));
    CHECK(members == 3);
    OK(chreode_model_field(model, "growth", time, &in, &to_mean));
    OK(chreode_model_field_sd(model, "growth", &time, 1, &in, NULL, NULL, &to_sd));
    OK(chreode_model_field_quantile(model, "growth", 0.95, &time, 1, &in, NULL, NULL, &to_high));
    OK(chreode_model_field_quantile(model, "growth", 0.5, &time, 1, &in, NULL, NULL, &to_middle));
    for (size_t k = 0; k < members; ++k) {
        OK(chreode_model_member(model, k, &member));
        OK(chreode_model_field(member, "growth", time, &in, &to_member));
        for (size_t i = 0; i < 2; ++i) sum[i] += of_member[i];
        chreode_model_free(member);
    }
    for (size_t i = 0; i < 2; ++i) {
        CHECK(fabsf(sum[i] / 3 - mean[i]) < 1e-5f);
        CHECK(sd[i] > 0 && fabsf(high[i] - middle[i] - 1.6448536f * sd[i]) < 1e-5f);
    }
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "below 3", chreode_model_member(model, 3, &member));
    CHECK(member == NULL);
    chreode_trajectory *trajectory = NULL;
    double masses[3], sds[3];
    OK(chreode_simulate(model, 0, &in, NULL, 0, times, 3, NULL, NULL, NULL, &trajectory));
    OK(chreode_trajectory_masses(trajectory, masses, sds, 3));
    CHECK(masses[0] == 2 && sds[0] == 0 && sds[2] > 0);
    chreode_trajectory_free(trajectory);
    chreode_model_free(model);
    chreode_options_free(options);
    chreode_snapshots_free(snapshots);
}

static void evaluations(chreode_model *model) {
    chreode_snapshots *snapshots = gene_network();
    chreode_evaluation *evaluation = NULL;
    OK(chreode_evaluate(model, snapshots, NULL, NULL, NULL, &evaluation));
    size_t count = 0;
    double value = -1, values[4];
    char *text;
    OK(chreode_evaluation_time_count(evaluation, &count));
    CHECK(count == 4);
    OK(chreode_evaluation_values(evaluation, "w1", values, 4));
    OK(chreode_evaluation_value(evaluation, "mean_w1", &value));
    CHECK(fabs(value - (values[0] + values[1] + values[2] + values[3]) / 4) < 1e-12);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "nearest: mean_rme", chreode_evaluation_value(evaluation, "mean_rm", &value));
    TEXT(text, chreode_evaluation_json, evaluation);
    CHECK(strstr(text, "\"time_points\":[{\"time\":1.0") != NULL);
    free(text);
    chreode_evaluation_free(evaluation);
    chreode_snapshots_free(snapshots);
}

static void validations(void) {
    chreode_snapshots *snapshots = gene_network();
    chreode_options *options = NULL;
    chreode_validation *validation = NULL;
    OK(chreode_options_new("validate", &options));
    OK(chreode_options_set_string(options, "method", "wfr-fm,usb"));
    OK(chreode_options_set_string(options, "hidden", "8x1"));
    OK(chreode_options_set_string(options, "growth_hidden", "8x1"));
    OK(chreode_options_set_string(options, "score_hidden", "8x1"));
    OK(chreode_options_set_integer(options, "batch_size", 16));
    OK(chreode_options_set_real(options, "delta", 1.5));
    OK(chreode_options_set_integer(options, "epochs", 3));
    OK(chreode_options_set_integer(options, "splits", 2));
    OK(chreode_options_set_integer(options, "cap", 12));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "`splits` is the nearest",
            chreode_options_set_integer(options, "split", 2));
    OK(chreode_validate(snapshots, options, NULL, 0, NULL, 0, NULL, NULL, &validation));
    char *text;
    TEXT(text, chreode_validation_json, validation);
    CHECK(strstr(text, "\"recipe\":\"wfr-fm\"") != NULL && strstr(text, "\"recipe\":\"usb\"") != NULL);
    CHECK(strstr(text, "\"verdict\":\"W1 to unseen cells is") != NULL);
    free(text);
    chreode_validation_free(validation);
    const uint32_t parts[] = {0, 1, 1};
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "one a cell",
            chreode_validate(snapshots, options, parts, 3, NULL, 0, NULL, NULL, &validation));
    const double growth[] = {0.5};
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "one a cell",
            chreode_validate(snapshots, options, NULL, 0, growth, 1, NULL, NULL, &validation));
    CHECK(validation == NULL);
    chreode_options_free(options);
    chreode_snapshots_free(snapshots);
}

static void bytes(chreode_model *model) {
    size_t size = 0;
    chreode_model *copy = NULL;
    OK(chreode_model_to_bytes(model, NULL, 0, &size));
    uint8_t *buffer = malloc(size);
    OK(chreode_model_to_bytes(model, buffer, size, &size));
    OK(chreode_model_from_bytes(buffer, size, &copy));
    fields(copy);
    OK(chreode_model_set_threads(copy, 1));
    fields(copy);
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "threads", chreode_model_set_threads(copy, 5000));
    char *text;
    TEXT(text, chreode_model_report, copy);
    CHECK(strcmp(text, "null") == 0);
    free(text);
    chreode_model_free(copy);
    REFUSED(CHREODE_ERROR_MODEL_FILE, "model", chreode_model_from_bytes(buffer, size - 1, &copy));
    REFUSED(CHREODE_ERROR_MODEL_FILE, "model", chreode_model_from_bytes(NULL, 0, &copy));
    CHECK(copy == NULL);
    free(buffer);
    REFUSED(CHREODE_ERROR_IO, "no/such", chreode_model_save(model, "/no/such/folder/model"));
    REFUSED(CHREODE_ERROR_IO, "no/such", chreode_model_load("/no/such/model", &copy));
}

static void transport(void) {
    static const double a[] = {0, 1, 2}, b[] = {0.5, 1.5}, weights[] = {0.75, 0.75};
    const chreode_matrix source = {a, 3, 1, 1, 1, CHREODE_F64}, target = {b, 2, 1, 1, 1, CHREODE_F64};
    const double no_weights[] = {1, -1}, uneven[] = {1.4, 0.1};
    chreode_options *options = NULL;
    chreode_plan *plan = NULL;
    char *text;
    size_t rows = 0, cols = 0, entries = 0;
    OK(chreode_options_new("transport", &options));
    OK(chreode_options_set_string(options, "cost", "euclidean"));
    OK(chreode_options_set_real(options, "penalty", INFINITY));
    REFUSED(CHREODE_ERROR_INFEASIBLE, "total weights differ",
            chreode_transport(&source, NULL, 0, &target, weights, 2, options, NULL, NULL, &plan));
    OK(chreode_options_set_string(options, "normalise", "true"));
    OK(chreode_transport(&source, NULL, 0, &target, weights, 2, options, NULL, NULL, &plan));
    OK(chreode_plan_size(plan, &rows, &cols, &entries));
    CHECK(rows == 3 && cols == 2 && entries == 4);
    uint64_t sources[4], targets[4], offsets[4];
    double masses[4], f[3], g[2];
    OK(chreode_plan_entries(plan, sources, targets, masses, 4));
    OK(chreode_plan_row_offsets(plan, offsets, 4));
    CHECK(offsets[3] == 4 && sources[0] == 0 && targets[0] == 0);
    CHECK(fabs(masses[0] + masses[1] + masses[2] + masses[3] - 1) < 1e-12);
    OK(chreode_plan_potentials(plan, f, 3, g, 2));
    TEXT(text, chreode_plan_report, plan);
    CHECK(strstr(text, "\"primal\":0.5") != NULL && strstr(text, "\"converged\":true") != NULL);
    free(text);
    chreode_plan_free(plan);
    OK(chreode_options_set_real(options, "epsilon", 1e-4));
    OK(chreode_options_set_integer(options, "max_iterations", 1));
    REFUSED(CHREODE_ERROR_NOT_CONVERGED, "did not converge",
            chreode_transport(&source, NULL, 0, &target, uneven, 2, options, NULL, NULL, &plan));
    CHECK(plan != NULL);
    chreode_plan_free(plan);
    chreode_options_free(options);
    OK(chreode_transport(&source, NULL, 0, &target, NULL, 0, NULL, NULL, NULL, &plan));
    chreode_plan_free(plan);
    REFUSED(CHREODE_ERROR_INVALID_DATA, "target: row 2",
            chreode_transport(&source, NULL, 0, &target, no_weights, 2, NULL, NULL, NULL, &plan));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "source_weights must be 3 values, got 2",
            chreode_transport(&source, weights, 2, &target, weights, 2, NULL, NULL, NULL, &plan));
    REFUSED(CHREODE_ERROR_INVALID_ARGUMENT, "target_weights must be 2 values, got 1",
            chreode_transport(&source, NULL, 0, &target, weights, 1, NULL, NULL, NULL, &plan));
}

static void nulls(void) {
    chreode_options_free(NULL);
    chreode_snapshots_free(NULL);
    chreode_model_free(NULL);
    chreode_trajectory_free(NULL);
    chreode_evaluation_free(NULL);
    chreode_plan_free(NULL);
}

/* In a child of fork, where the model's threads are missing, it shows which a call asks for: the model's only where the option
 * is not set. */
static void threads_of_a_call(chreode_model *model) {
    static const double start[] = {0.5, 1}, time[] = {1};
    const chreode_matrix points = {start, 1, 2, 2, 1, CHREODE_F64};
    chreode_options *options = NULL;
    chreode_trajectory *trajectory = NULL;
    OK(chreode_options_new("simulate", &options));
    REFUSED(CHREODE_ERROR_FORKED, "forked",
            chreode_simulate(model, 0, &points, NULL, 0, time, 1, options, NULL, NULL, &trajectory));
    for (int count = 0; count < 3; ++count) {
        OK(chreode_options_set_integer(options, "threads", count));
        OK(chreode_simulate(model, 0, &points, NULL, 0, time, 1, options, NULL, NULL, &trajectory));
        chreode_trajectory_free(trajectory);
    }
    chreode_options_free(options);
}

/* A model that computed before fork says so in the child; one made there works. */
static void forks(chreode_model *model) {
    fields(model);
    size_t size = 0;
    OK(chreode_model_to_bytes(model, NULL, 0, &size));
    uint8_t *buffer = malloc(size);
    OK(chreode_model_to_bytes(model, buffer, size, &size));
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(120); /* a hang is not to hang the test */
        const float zero[2] = {0, 0};
        float velocity[2];
        const chreode_matrix in = {zero, 1, 2, 2, 1, CHREODE_F32};
        const chreode_matrix_mut out = {velocity, 1, 2, 2, 1, CHREODE_F32};
        REFUSED(CHREODE_ERROR_FORKED, "forked", chreode_model_field(model, "velocity", 0, &in, &out));
        threads_of_a_call(model);
        chreode_model_free(model);
        OK(chreode_model_from_bytes(buffer, size, &model));
        OK(chreode_model_field(model, "velocity", 0, &in, &out));
        chreode_model_free(model);
        free(buffer);
        model = fitted();
        evaluations(model);
        chreode_model_free(model);
        _exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    free(buffer);
    fields(model);
}

static void *one_thread(void *unused) {
    (void)unused;
    REFUSED(CHREODE_ERROR_NULL_POINTER, "model", chreode_model_dims(NULL, NULL));
    chreode_model *model = fitted();
    simulations(model);
    chreode_model_free(model);
    return NULL;
}

static void threads(void) {
    pthread_t all[8];
    for (size_t i = 0; i < 8; ++i) {
        CHECK(pthread_create(&all[i], NULL, one_thread, NULL) == 0);
    }
    for (size_t i = 0; i < 8; ++i) {
        CHECK(pthread_join(all[i], NULL) == 0);
    }
}

/* All threads that the library started end with their handles; none is shared behind the callers' backs. */
static void no_threads_are_left(void) {
    for (int wait = 0;; ++wait) {
        DIR *tasks = opendir("/proc/self/task");
        if (tasks == NULL) {
            return; /* only Linux tells */
        }
        int count = 0;
        for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
            count += task->d_name[0] != '.';
        }
        closedir(tasks);
        if (count == 1) {
            return;
        }
        CHECK(wait < 1000);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
}

/* With the argument "without-fork" for leak checkers: a child of fork cannot free what threads of its parent own. */
int main(int argc, char **argv) {
    library();
    options();
    own_data();
    fits();
    ensembles();
    chreode_model *model = fitted();
    fields(model);
    simulations(model);
    evaluations(model);
    validations();
    bytes(model);
    if (argc < 2 || strcmp(argv[1], "without-fork") != 0) {
        forks(model);
    }
    chreode_model_free(model);
    transport();
    nulls();
    threads();
    no_threads_are_left();
    puts("all as promised");
    return 0;
}
