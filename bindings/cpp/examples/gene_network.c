/*
 * The gene network from C: learn its dynamics by USB, measure them, and let fifty of its cells divide and die.
 *
 *     cc gene_network.c $(pkg-config --cflags --libs chreode) -o gene_network
 */
#include <chreode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOUNDERS = 50 };

/* Handles are not freed on failure: the program ends. */
static void ok(chreode_status status) {
    if (status != CHREODE_OK) {
        fprintf(stderr, "%s: %s\n", chreode_status_name(status), chreode_last_error_message());
        exit(EXIT_FAILURE);
    }
}

static void *memory(size_t count, size_t size) {
    void *block = calloc(count + 1, size);
    if (block == NULL) {
        fputs("out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return block;
}

static chreode_snapshots *gene_network(void) {
    chreode_options *options = NULL;
    chreode_snapshots *snapshots = NULL;
    ok(chreode_options_new("gene-network", &options));
    ok(chreode_snapshots_generate(options, &snapshots));
    chreode_options_free(options);
    return snapshots;
}

static chreode_model *learned(const chreode_snapshots *snapshots) {
    chreode_options *options = NULL;
    chreode_model *model = NULL;
    ok(chreode_options_new("fit", &options));
    ok(chreode_options_set_string(options, "method", "usb"));
    ok(chreode_options_set_real(options, "delta", 1.5));
    ok(chreode_options_set_real(options, "sigma", 0.02));
    ok(chreode_options_set_string(options, "hidden", "64x3"));
    ok(chreode_options_set_integer(options, "epochs", 300));
    ok(chreode_options_set_integer(options, "seed", 11));
    ok(chreode_options_set_integer(options, "threads", 2));
    ok(chreode_fit(snapshots, options, NULL, NULL, &model));
    chreode_options_free(options);
    return model;
}

static double *measure(const chreode_evaluation *evaluation, const char *name, size_t count) {
    double *values = memory(count, sizeof *values);
    ok(chreode_evaluation_values(evaluation, name, values, count));
    return values;
}

static void print_errors(const chreode_model *model, const chreode_snapshots *snapshots) {
    chreode_evaluation *evaluation = NULL;
    size_t count = 0;
    double mean_w1 = 0, mean_rme = 0;
    ok(chreode_evaluate(model, snapshots, NULL, NULL, NULL, &evaluation));
    ok(chreode_evaluation_time_count(evaluation, &count));
    double *time = measure(evaluation, "time", count);
    double *w1 = measure(evaluation, "w1", count), *rme = measure(evaluation, "rme", count);
    for (size_t k = 0; k < count; ++k) {
        printf("time %g W1 %.17g RME %.17g\n", time[k], w1[k], rme[k]);
    }
    ok(chreode_evaluation_value(evaluation, "mean_w1", &mean_w1));
    ok(chreode_evaluation_value(evaluation, "mean_rme", &mean_rme));
    printf("mean W1 %.17g\nmean RME %.17g\n", mean_w1, mean_rme);
    free(rme);
    free(w1);
    free(time);
    chreode_evaluation_free(evaluation);
}

/* The population that some cells of the first snapshot, drawn by the seed, grow to, at all snapshot times. */
static chreode_trajectory *population(const chreode_model *model, const chreode_snapshots *snapshots) {
    size_t dims = 0, cells = 0, count = 0;
    ok(chreode_snapshots_dims(snapshots, &dims));
    ok(chreode_snapshots_cell_count(snapshots, 0, &cells));
    ok(chreode_snapshots_time_count(snapshots, &count));
    double *times = memory(count, sizeof *times);
    ok(chreode_snapshots_times(snapshots, times, count));
    float *points = memory(cells * dims, sizeof *points);
    const chreode_matrix_mut all = {points, cells, dims, (ptrdiff_t)dims, 1, CHREODE_F32};
    const chreode_matrix founders = {points, FOUNDERS, dims, (ptrdiff_t)dims, 1, CHREODE_F32};
    ok(chreode_snapshots_points(snapshots, 0, &all));
    /* The rows increase, so a founder moves to a place that is no longer needed. */
    uint64_t rows[FOUNDERS];
    ok(chreode_snapshots_sample(snapshots, 0, FOUNDERS, 11, rows));
    for (size_t i = 0; i < FOUNDERS; ++i) {
        memmove(points + i * dims, points + rows[i] * dims, dims * sizeof *points);
    }

    chreode_options *options = NULL;
    chreode_trajectory *trajectory = NULL;
    ok(chreode_options_new("simulate", &options));
    ok(chreode_options_set_string(options, "mode", "branching"));
    ok(chreode_options_set_integer(options, "seed", 11));
    ok(chreode_simulate(model, times[0], &founders, NULL, 0, times, count, options, NULL, NULL, &trajectory));
    chreode_options_free(options);
    free(points);
    free(times);
    return trajectory;
}

static void print_population(const chreode_trajectory *trajectory) {
    size_t frames = 0, nodes = 0;
    ok(chreode_trajectory_frame_count(trajectory, &frames));
    fputs("population", stdout);
    for (size_t k = 0; k < frames; ++k) {
        double time = 0;
        size_t count = 0;
        ok(chreode_trajectory_frame(trajectory, k, &time, &count));
        printf(" %lu", (unsigned long)count);
    }
    ok(chreode_trajectory_cell_count(trajectory, &nodes));
    printf("\nlineage %lu nodes\n", (unsigned long)nodes);
}

int main(void) {
    chreode_snapshots *snapshots = gene_network();
    chreode_model *model = learned(snapshots);
    print_errors(model, snapshots);
    chreode_trajectory *trajectory = population(model, snapshots);
    print_population(trajectory);
    chreode_trajectory_free(trajectory);
    chreode_model_free(model);
    chreode_snapshots_free(snapshots);
    return EXIT_SUCCESS;
}
