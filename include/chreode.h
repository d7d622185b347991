/*
 * chreode: learn how a cell population moves, spreads, divides and dies from time-stamped snapshots, and simulate it.
 *
 * Made from src/capi by cbindgen: change it there. C99 and C++.
 *
 * Conventions
 * -----------
 *
 * Results and errors. Functions return a chreode_status: CHREODE_OK (0), or a negative number that is fixed for ever;
 * chreode_last_error_message tells what was wrong and what would be right, for each thread its own last call. Results
 * come through pointers. Where a function makes a handle, the pointer is set to NULL before anything can go wrong;
 * where there is a result in spite of an error, the function says so. No error ends the process: what would be a panic
 * inside the library becomes CHREODE_ERROR_INTERNAL.
 *
 * Pointers. None may be NULL, unless the function says so; a NULL is answered with CHREODE_ERROR_NULL_POINTER. Texts
 * are UTF-8 and end with NUL. Arrays are a pointer and a number of elements. An array to be filled must be exactly as
 * long as what it is filled with; another function tells how long that is. Pointers must be aligned for their type.
 *
 * Size, then fill. Texts and bytes of any length go to (buffer, capacity, size): *size becomes the number of bytes, for
 * texts with the NUL at their end. With buffer NULL and capacity 0 that is all; else the buffer is filled, or nothing is
 * written and the status is CHREODE_ERROR_BUFFER_TOO_SMALL.
 *
 * Shapes. Cells are rows and coordinates are columns of a matrix, however it lies in memory: see chreode_matrix. Float
 * and double are both taken; points are kept in single precision. Numbers must be finite where nothing else is said.
 *
 * Ownership. The caller allocates all arrays and buffers. A handle is freed with the _free function of its type, once,
 * in any order: no handle refers to another or to the caller's memory. Every _free takes NULL.
 *
 * Threads. Functions that take a handle as const may run at the same time in several threads, on one handle, too; those
 * that change or free it need it alone. The library computes with threads of its own (option `threads`, chreode_model_set_threads): results are the same bits at any
 * number. It calls back only on the thread that called it. A model that computed before fork() refuses to compute in
 * the child (CHREODE_ERROR_FORKED), where its threads are missing; handles made in the child work.
 *
 * Progress and cancellation. Calls that may take long have a progress function, see chreode_progress_fn, which is told
 * where they stand and may ask them to stop: they return within about a third of a second. Warnings: results are there, and
 * yet may mean little; the reports of models, trajectories, evaluations and plans have them as sentences, which a host
 * shows as its own.
 *
 * The host. Nothing is written to stdout or stderr, no signal handler is set, no environment variable is read, and
 * there is no state that calls share but the thread's message, idle threads, which models take turns with until the last
 * of them is freed, and what keeps panics of this library off stderr: a hook in the library's own copy of Rust's
 * runtime, which no other library sees. C++ exceptions and longjmp must not pass through the library.
 *
 * Versions. chreode_abi_version() of the library that is loaded must be CHREODE_ABI_VERSION. Functions, options, JSON
 * keys, status numbers and members at the end of chreode_progress may be added without that number changing.
 */

#ifndef CHREODE_H
#define CHREODE_H

#include <stddef.h>
#include <stdint.h>


/**
 * The number of the binary interface that this header describes. It is raised when a function or a struct is changed or
 * taken away; what is only added leaves it.
 */
#define CHREODE_ABI_VERSION 0

/**
 * Elements of a matrix are `float`.
 */
#define CHREODE_F32 0

/**
 * Elements of a matrix are `double`.
 */
#define CHREODE_F64 1

/**
 * How a call ended. The numbers are fixed; later versions may add more, all negative.
 */
enum chreode_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Success.
     */
    CHREODE_OK = 0,
    /**
     * A pointer that must not be NULL is.
     */
    CHREODE_ERROR_NULL_POINTER = -1,
    /**
     * An argument or an option is outside its domain, or a size does not fit.
     */
    CHREODE_ERROR_INVALID_ARGUMENT = -2,
    /**
     * The data cannot be used; the message names the row and column, counted from 1.
     */
    CHREODE_ERROR_INVALID_DATA = -3,
    /**
     * The transport problem has no solution of finite cost.
     */
    CHREODE_ERROR_INFEASIBLE = -4,
    /**
     * A computation left the finite numbers.
     */
    CHREODE_ERROR_NON_FINITE = -5,
    /**
     * The progress function asked to stop.
     */
    CHREODE_ERROR_CANCELLED = -6,
    /**
     * A branching population grew past the option `max_population`.
     */
    CHREODE_ERROR_POPULATION_LIMIT = -7,
    /**
     * The bytes are not a model that this library reads.
     */
    CHREODE_ERROR_MODEL_FILE = -8,
    /**
     * The operating system refused a file.
     */
    CHREODE_ERROR_IO = -9,
    /**
     * The caller's buffer is smaller than the size that was reported; nothing was written.
     */
    CHREODE_ERROR_BUFFER_TOO_SMALL = -10,
    /**
     * A static solver stopped before its tolerance; its result is there all the same.
     */
    CHREODE_ERROR_NOT_CONVERGED = -11,
    /**
     * The model computed in the parent of this process, and its threads did not come along through fork.
     */
    CHREODE_ERROR_FORKED = -12,
    /**
     * The option `device` asks for a device that cannot be used; the message says why and what to do.
     */
    CHREODE_ERROR_DEVICE = -13,
    /**
     * A defect of the library: please report it with the message. The handles of the call should only be freed.
     */
    CHREODE_ERROR_INTERNAL = -100,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chreode_status chreode_status;
#else
typedef int32_t chreode_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What became of a cell.
 */
enum chreode_fate
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It lived when the simulation ended.
     */
    CHREODE_FATE_ALIVE = 0,
    /**
     * It divided in two.
     */
    CHREODE_FATE_DIVIDED = 1,
    /**
     * It died.
     */
    CHREODE_FATE_DIED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chreode_fate chreode_fate;
#else
typedef int32_t chreode_fate;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The couplings of consecutive snapshots, one an interval, and the report of their making.
 */
typedef struct chreode_couplings chreode_couplings;

/**
 * How well a model predicts the snapshots after the first from the first.
 */
typedef struct chreode_evaluation chreode_evaluation;

/**
 * What cells become.
 */
typedef struct chreode_fates chreode_fates;

/**
 * Learned dynamics: velocity, growth rate and score drift of a population.
 */
typedef struct chreode_model chreode_model;

/**
 * Options of one list, set by name; what is not set is what it is by default. The lists are those of
 * `chreode_capabilities`: "fit", "simulate", "evaluate", "validate", "fates", "transport", and one for each built-in data set.
 */
typedef struct chreode_options chreode_options;

/**
 * What came of a task.
 */
typedef struct chreode_part chreode_part;

/**
 * An optimal plan between two clouds of points, with its dual potentials and the solver's report.
 */
typedef struct chreode_plan chreode_plan;

/**
 * Cells at increasing times, with weights: what a fit learns from and an evaluation compares with. They are a copy of the
 * caller's data unless `chreode_snapshots_borrow` made them, and never change.
 */
typedef struct chreode_snapshots chreode_snapshots;

/**
 * The particles of a simulation at every output time, and the lineage of a branching population.
 */
typedef struct chreode_trajectory chreode_trajectory;

/**
 * How well recipes predict cells that they were not fitted to.
 */
typedef struct chreode_validation chreode_validation;

/**
 * A long computation in tasks, each a function of the plan and the cells that it names: any process on any machine does them, in any
 * order, and what is put together in the end is the same bits as that of the call that does it all.
 */
typedef struct chreode_work chreode_work;

/**
 * One option in words, in UTF-8. The texts live as long as the options that were asked. This struct will not grow.
 */
typedef struct {
    /**
     * Its name.
     */
    const char *name;
    /**
     * "real", "integer", "name", "widths" (of hidden layers: "256x5" or "256,128") or "switch" ("true" or "false").
     */
    const char *kind;
    /**
     * Its default: a value, or the rule by which one is chosen. Where methods differ, that of the default method.
     */
    const char *default_value;
    /**
     * The values that are allowed.
     */
    const char *range;
    /**
     * What it means; in brackets the methods or modes that take it, where not all do; then the defaults of all methods, where
     * they differ.
     */
    const char *meaning;
} chreode_option;

/**
 * A matrix that is read: one row a cell, one column a coordinate.
 *
 * The element (i, j) lies `i * row_stride + j * col_stride` *elements* from `data`, which points to the element (0, 0).
 * Strides may be negative or zero. With n cells of d coordinates: C and numpy order has strides (d, 1); a column-major
 * n x d matrix (R, Julia) has strides (1, n); a column-major d x n matrix (Julia) has strides (d, 1).
 *
 * `data` is not looked at if there are no rows or no columns: NULL will do, and so will the odd address of an empty array.
 */
typedef struct {
    /**
     * The element (0, 0).
     */
    const void *data;
    /**
     * Number of cells.
     */
    size_t rows;
    /**
     * Number of coordinates.
     */
    size_t cols;
    /**
     * Elements from a row to the next.
     */
    ptrdiff_t row_stride;
    /**
     * Elements from a column to the next.
     */
    ptrdiff_t col_stride;
    /**
     * CHREODE_F32 or CHREODE_F64.
     */
    int32_t dtype;
} chreode_matrix;

/**
 * A matrix that is written, laid out as a `chreode_matrix`. No two elements may share memory, and no element may lie
 * within the memory that the same call reads.
 */
typedef struct {
    /**
     * The element (0, 0).
     */
    void *data;
    /**
     * Number of cells.
     */
    size_t rows;
    /**
     * Number of columns.
     */
    size_t cols;
    /**
     * Elements from a row to the next.
     */
    ptrdiff_t row_stride;
    /**
     * Elements from a column to the next.
     */
    ptrdiff_t col_stride;
    /**
     * CHREODE_F32 or CHREODE_F64.
     */
    int32_t dtype;
} chreode_matrix_mut;

/**
 * Where a long call stands. Later versions may add members at the end.
 */
typedef struct {
    /**
     * What is being done. A fit goes through "coupling", "interpolant", "local", "pre-training", "score", "training", "fine-tuning",
     * "post-local", "growth" and "joint", or some of them; other calls are one stage each: "transport", "simulation", "evaluation", "validation", "field",
     * "fates". The text lives as long as the call of the progress
     * function.
     */
    const char *stage;
    /**
     * Steps done so far in this stage.
     */
    size_t done;
    /**
     * Steps of this stage in all; 1 for a call that is one stage, but for a validation, which counts hundredths of its fits.
     */
    size_t total;
    /**
     * The latest training loss; NaN where there is none.
     */
    double loss;
} chreode_progress;

/**
 * A progress function of a long call: called on the thread that made the call, about twenty times a second and at the first and
 * last step of a stage. Anything but 0 cancels: the call soon returns CHREODE_ERROR_CANCELLED and leaves nothing half done. It
 * must return: no exception and no longjmp may leave it. It may call functions of this library, but none on the handles of
 * the call itself.
 */
typedef int32_t (*chreode_progress_fn)(const chreode_progress *progress, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Returns the name of a status, `"CHREODE_ERROR_INVALID_ARGUMENT"` for instance; `"unknown"` for other numbers. The text is
 * static.
 */
const char *chreode_status_name(int32_t status);

/**
 * Returns what was wrong with this thread's last call and what would be right, in UTF-8; empty after a success. The text
 * stays valid until this thread's next call of any other function than this one, `chreode_status_name` and those that free.
 */
const char *chreode_last_error_message(void);

/**
 * Returns the number of the binary interface of the library that is loaded: use it only if it is CHREODE_ABI_VERSION.
 */
uint32_t chreode_abi_version(void);

/**
 * Returns the version of the library, "0.1.0" for instance. The text is static.
 */
const char *chreode_version(void);

/**
 * Gets what the library can do, as a JSON object (size, then fill): version, abi_version, model_format_version, methods,
 * couplings, bridges, modes (of a simulation), fields, data_sets, option_lists, devices, cores. Later versions may add keys.
 */
chreode_status chreode_capabilities(char *buffer,
                                    size_t capacity,
                                    size_t *size);

/**
 * Makes options of the list `list`, of which none is set yet.
 */
chreode_status chreode_options_new(const char *list, chreode_options **options);

/**
 * Frees options. NULL is allowed.
 */
void chreode_options_free(chreode_options *options);

/**
 * Sets an option from a real number; a whole one will do for an integer. An unknown name is answered with the nearest one.
 * The order in which options are set does not matter.
 */
chreode_status chreode_options_set_real(chreode_options *options,
                                        const char *name,
                                        double value);

/**
 * Sets an option from an integer. Numbers beyond its range, seeds above 2^63 for instance, can be set as text.
 */
chreode_status chreode_options_set_integer(chreode_options *options,
                                           const char *name,
                                           int64_t value);

/**
 * Sets an option of any kind from text.
 */
chreode_status chreode_options_set_string(chreode_options *options,
                                          const char *name,
                                          const char *value);

/**
 * Gives an option its default back.
 */
chreode_status chreode_options_unset(chreode_options *options, const char *name);

/**
 * Gets the text of an option that was set (size, then fill); the empty text if it was not, and is what it is by default.
 */
chreode_status chreode_options_get(const chreode_options *options,
                                   const char *name,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *size);

/**
 * Tells how many options there are in the list.
 */
chreode_status chreode_options_count(const chreode_options *options, size_t *count);

/**
 * Describes the option number `index` of the list, counted from 0, whether it is set or not.
 */
chreode_status chreode_options_describe(const chreode_options *options,
                                        size_t index,
                                        chreode_option *option);

/**
 * Makes snapshots of cells with time labels: `points` has one row a cell, `times` one time a row, in any order. `weights`
 * has one weight a row, or is NULL with count 0 if every cell weighs 1.
 */
chreode_status chreode_snapshots_new(const chreode_matrix *points,
                                     const double *times,
                                     size_t times_count,
                                     const double *weights,
                                     size_t weights_count,
                                     chreode_snapshots **snapshots);

/**
 * As `chreode_snapshots_new`, without a copy of the points: `points` is CHREODE_F32, its rows stand one after another (strides
 * cols and 1), those of a time together or not. Beside the caller's memory, cells take 8 bytes each for the weight, and 4 for the
 * row where those of a time do not stand together. The points are read once, to be checked as a copy would be, and all results are
 * those of a copy, to the bit.
 *
 * The memory of the points must stay as it is until these snapshots are freed, and all that were made of them by
 * `chreode_snapshots_without` and the functions whose names begin with `chreode_snapshots_with_`. Nothing else refers to it: no model, no
 * plan. `times` and `weights` are copied.
 */
chreode_status chreode_snapshots_borrow(const chreode_matrix *points,
                                        const double *times,
                                        size_t times_count,
                                        const double *weights,
                                        size_t weights_count,
                                        chreode_snapshots **snapshots);

/**
 * Makes snapshots of one matrix a time: `blocks` and `times` have `count` elements each. `weights` is NULL, or has `count`
 * pointers, each NULL or to one weight a row of its block.
 */
chreode_status chreode_snapshots_from_blocks(const chreode_matrix *blocks,
                                             const double *times,
                                             const double *const *weights,
                                             size_t count,
                                             chreode_snapshots **snapshots);

/**
 * Makes one of the built-in data sets; its list is that of the options.
 */
chreode_status chreode_snapshots_generate(const chreode_options *options,
                                          chreode_snapshots **snapshots);

/**
 * Makes the same snapshots with other total masses, one positive number a time: experiments subsample, so the number of
 * cells is not always the size of the population.
 */
chreode_status chreode_snapshots_with_masses(const chreode_snapshots *snapshots,
                                             const double *masses,
                                             size_t masses_count,
                                             chreode_snapshots **result);

/**
 * Makes the same snapshots with a growth rate that is expected of each cell, per unit of time: births less deaths that are known
 * from elsewhere. It enters the couplings of a fit, by the options `source_penalty` and `target_penalty`. `rates` has one a cell, in the
 * order of time, those of one time in the order in which they were given.
 */
chreode_status chreode_snapshots_with_growth_prior(const chreode_snapshots *snapshots,
                                                   const double *rates,
                                                   size_t rates_count,
                                                   chreode_snapshots **result);

/**
 * Makes the same snapshots with the clone that each cell belongs to, as from lineage barcodes: cells of one clone have one number, 0
 * to 4294967294, at all times, and cells whose clone is not known have -1. Couplings do not join cells of known, different clones, or at the
 * price of the option `clone_penalty`. `clones` has one a cell, in the order of time, those of one time in the order in which they were
 * given.
 */
chreode_status chreode_snapshots_with_clones(const chreode_snapshots *snapshots,
                                             const int64_t *clones,
                                             size_t clones_count,
                                             chreode_snapshots **result);

/**
 * Makes the snapshots without those at some times, exactly as `chreode_snapshots_times` tells them: what a held-out fit
 * learns from.
 */
chreode_status chreode_snapshots_without(const chreode_snapshots *snapshots,
                                         const double *times,
                                         size_t times_count,
                                         chreode_snapshots **result);

/**
 * Frees snapshots. NULL is allowed.
 */
void chreode_snapshots_free(chreode_snapshots *snapshots);

/**
 * Tells the number of coordinates of a cell.
 */
chreode_status chreode_snapshots_dims(const chreode_snapshots *snapshots, size_t *dims);

/**
 * Tells the number of times.
 */
chreode_status chreode_snapshots_time_count(const chreode_snapshots *snapshots, size_t *count);

/**
 * Gets the times, increasing.
 */
chreode_status chreode_snapshots_times(const chreode_snapshots *snapshots,
                                       double *times,
                                       size_t times_count);

/**
 * Tells the number of cells at time number `k`, counted from 0.
 */
chreode_status chreode_snapshots_cell_count(const chreode_snapshots *snapshots,
                                            size_t k,
                                            size_t *count);

/**
 * Gets the cells at time number `k`, one row a cell.
 */
chreode_status chreode_snapshots_points(const chreode_snapshots *snapshots,
                                        size_t k,
                                        const chreode_matrix_mut *points);

/**
 * Gets the weights of the cells at time number `k`.
 */
chreode_status chreode_snapshots_weights(const chreode_snapshots *snapshots,
                                         size_t k,
                                         double *weights,
                                         size_t weights_count);

/**
 * Draws `count` different cells at time number `k`, one after another, each from those that are left with a chance in proportion
 * to its weight, and tells their rows, counted from 0 and increasing. `rows` has `count` elements. The same seed draws the same
 * cells everywhere: a branching simulation starts from such founders rather than from the first rows, which stand as the
 * experiment left them.
 */
chreode_status chreode_snapshots_sample(const chreode_snapshots *snapshots,
                                        size_t k,
                                        size_t count,
                                        uint64_t seed,
                                        uint64_t *rows);

/**
 * Tells the total mass at time number `k`.
 */
chreode_status chreode_snapshots_mass(const chreode_snapshots *snapshots, size_t k, double *mass);

/**
 * Learns the dynamics of a population from snapshots, by options of the list "fit" (NULL: all defaults). `progress` may be
 * NULL; `user_data` is handed to it and not looked at.
 *
 * With CHREODE_ERROR_CANCELLED and CHREODE_ERROR_NON_FINITE there is a model if training had begun, with the parameters of
 * the last good step, to be used and freed as any other; `*model` is NULL if it had not. After any other error it is NULL.
 */
chreode_status chreode_fit(const chreode_snapshots *snapshots,
                           const chreode_options *options,
                           chreode_progress_fn progress,
                           void *user_data,
                           chreode_model **model);

/**
 * Couples the cells of consecutive snapshots as `chreode_fit` does by the same options (NULL: all defaults), and trains nothing: what
 * the fields of a model are learned from. The method is one that couples, and `ensemble` is 1. `progress` may be NULL; `user_data` is
 * handed to it and not looked at.
 */
chreode_status chreode_couple(const chreode_snapshots *snapshots,
                              const chreode_options *options,
                              chreode_progress_fn progress,
                              void *user_data,
                              chreode_couplings **couplings);

/**
 * Couples the cells of two times by simulation, by options of the list "fates" (NULL: all defaults): which of the time `to`, the last unless
 * it is said, descend from which of the time `from`, the first unless it is said. Several families of each cell are simulated, of an
 * ensemble by its mean fields, and a descendant counts for its nearest cells there, each by its share of their weight. A cell sends its
 * weight but for the share without descendants, which dies, and what is received is what its descendants weigh; cells that no descendant
 * came near are born. These are couplings of one interval: chreode_couplings_carry pushes a distribution along the dynamics,
 * and pulls one back by Bayes' rule. Their report has `from`, `to`, `neighbours`, `outside` as of chreode_fates_report, `pairs`,
 * `unmatched_mass` and `warnings`.
 *
 * The options `from` and `to` may be left out, and `error_bars` must be; `threads`, `progress` and `user_data` are as those of
 * chreode_fates_new.
 */
chreode_status chreode_descent(const chreode_model *model,
                               const chreode_snapshots *snapshots,
                               const chreode_options *options,
                               chreode_progress_fn progress,
                               void *user_data,
                               chreode_couplings **couplings);

/**
 * Makes couplings of those that a model keeps: of the cells that it was fitted to, where the option `keep_couplings` was on. Others keep
 * none, which is CHREODE_ERROR_INVALID_ARGUMENT; chreode_model_info tells. Their report has `pairs`, `unmatched_mass` and `warnings`.
 */
chreode_status chreode_model_couplings(const chreode_model *model,
                                       chreode_couplings **couplings);

/**
 * Frees couplings. NULL is allowed.
 */
void chreode_couplings_free(chreode_couplings *couplings);

/**
 * Tells how many times the couplings are of: one more than there are couplings.
 */
chreode_status chreode_couplings_time_count(const chreode_couplings *couplings, size_t *count);

/**
 * Gets these times, increasing, and how many cells each has. Each array has `count` elements, the number of times, or is NULL if it
 * is not wanted.
 */
chreode_status chreode_couplings_times(const chreode_couplings *couplings,
                                       double *times,
                                       uint64_t *cells,
                                       size_t count);

/**
 * Tells of the coupling between the times number `k` and `k` + 1, counted from 0, the number of cells at either, and of the pairs of
 * cells that are coupled.
 */
chreode_status chreode_couplings_size(const chreode_couplings *couplings,
                                      size_t k,
                                      size_t *rows,
                                      size_t *cols,
                                      size_t *pairs);

/**
 * Gets the pairs of the coupling between the times number `k` and `k` + 1: of each its cell before and its cell after, both counted
 * from 0 among those of their time, the mass that the one sends, and the mass that the other receives. A cell sends its weight, but for
 * what of it dies; a cell receives its weight, but for what of it is born: see `chreode_couplings_unmatched`. Each array has `count`
 * elements, the number of pairs, or is NULL if it is not wanted.
 */
chreode_status chreode_couplings_pairs(const chreode_couplings *couplings,
                                       size_t k,
                                       uint64_t *sources,
                                       uint64_t *targets,
                                       double *sent,
                                       double *received,
                                       size_t count);

/**
 * Gets, between the times number `k` and `k` + 1, the mass of each cell before that has no partner, and of each cell after: 0 where all
 * has.
 */
chreode_status chreode_couplings_unmatched(const chreode_couplings *couplings,
                                           size_t k,
                                           double *dying,
                                           size_t dying_count,
                                           double *born,
                                           size_t born_count);

/**
 * Gets, of each cell of the time number `k`, counted from 0, what of its mass has partners and what has none: what it sends to cells of
 * the next time, and what of it dies; what it receives from cells of the time before, and what of it is born. Nothing is sent from the last
 * time, and nothing received at the first. Each array has `count` elements, the number of cells, or is NULL if it is not wanted.
 */
chreode_status chreode_couplings_cells(const chreode_couplings *couplings,
                                       size_t k,
                                       double *sent,
                                       double *dying,
                                       double *received,
                                       double *born,
                                       size_t count);

/**
 * Carries a mass on each cell of the time number `from` to those of the time number `to`, onwards (descendants) or back (ancestors),
 * through the couplings of all intervals in between: `result` has one element a cell of `to`. `lost` has one an interval on the way, in
 * the order in which they are crossed: the mass that stood on cells without a partner. `carry` is "share", by which nothing grows
 * and what arrives and what was lost add up to what there was, or "mass", by which mass grows on the way.
 */
chreode_status chreode_couplings_carry(const chreode_couplings *couplings,
                                       size_t from,
                                       size_t to,
                                       const char *carry,
                                       const double *masses,
                                       size_t masses_count,
                                       double *result,
                                       size_t result_count,
                                       double *lost,
                                       size_t lost_count);

/**
 * Gets the report of their making as a JSON object (size, then fill), as that of a fit.
 */
chreode_status chreode_couplings_report(const chreode_couplings *couplings,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *size);

/**
 * Frees a model. NULL is allowed.
 */
void chreode_model_free(chreode_model *model);

/**
 * Tells the number of coordinates.
 */
chreode_status chreode_model_dims(const chreode_model *model, size_t *dims);

/**
 * Gets what the model is, as a JSON object (size, then fill): method, dims, sigma, delta (null for a method without
 * growth), times, seed (as text), epochs, members, stretch (see `chreode_model_member`), branches, uncertainty (of an ensemble, by field the root mean square errors
 * "sampling", over the members, and "resolution", what the distance of the snapshots, or the price of growth, adds, in network units of an interval, and
 * "shrinkage", what the deviations over the members are multiplied by where they say more than other cells can explain (0 to 1), and "biased", whether it is
 * the price of growth that matters most, in proportion to its inverse, so that quantiles lie around the field less its bias; else null),
 * parameters, has_growth, has_score, has_landscape, fields (the names of those
 * that were learned), coordinates and masses (null where nobody set them), attributes (an object of texts), has_couplings (whether it keeps those of its
 * cells, see chreode_model_couplings). Later versions may add keys.
 */
chreode_status chreode_model_info(const chreode_model *model,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *size);

/**
 * Gets how the fit went, as a JSON object (size, then fill), the same that the command prints: delta, sigma, final_sigma,
 * branching_rate, penalty (chosen or given; null where the method has none), choices (name, value and rule of each),
 * unmatched_mass ([dying, born] of each interval), pairs and couplings (blocks, iterations, relative_gap, whole_gap,
 * whole_gap_error, converged of each interval; the relative gap is the largest of the blocks, the whole gap an estimate, with
 * its standard error, of how far the coupling in blocks is from the best one of all cells at the most), epochs, first_loss, last_loss, interpolant (null, or epochs, first_loss and last_loss of the paths' own training), branches (null, or cells, mass, pairs and relative_gap of each), rollout (null, or the losses of the stages "pre-training", "local", "post-local", "fine-tuning", "score", "growth" and "joint" and the
 * terms of the last loss by name), ensemble (null, or members, coarse_fits, cheaper_fits and uncertainty; the rest is then that of the first
 * member), growth_over_branching_rate, warnings (sentences that say why the fit may mean little),
 * coupling_seconds, training_seconds, cpu_seconds (null where the system does not tell). A model's file keeps it; `null` for a model from bytes. Later versions may add keys.
 */
chreode_status chreode_model_report(const chreode_model *model,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *size);

/**
 * Tells the number of members of an ensemble, whose mean the fields are; 1 of a model that is none.
 */
chreode_status chreode_model_members(const chreode_model *model, size_t *members);

/**
 * Makes a model of one member of an ensemble, counted from 0, to be used and freed as any other. Members were fitted to the same cells
 * with random weights, which differ by less than other cells would: the standard deviation over the members of whatever is computed of
 * them (one less than their number in the denominator), times "stretch" of `chreode_model_info`, is what fits to other cells would differ by.
 */
chreode_status chreode_model_member(const chreode_model *model,
                                    size_t index,
                                    chreode_model **member);

/**
 * Tells the number of branches of a population that goes several ways, each with a velocity of its own; 0 of a model that has none. Of
 * a simulation of such a model every founder is a particle in each of them.
 */
chreode_status chreode_model_branches(const chreode_model *model,
                                      size_t *branches);

/**
 * Makes a model of one branch, counted from 0, to be used and freed as any other: cells move by its velocity and keep their mass. The
 * fields of the whole model are refused.
 */
chreode_status chreode_model_branch(const chreode_model *model,
                                    size_t index,
                                    chreode_model **branch);

/**
 * Tells the number of training steps whose loss is known: 0 for a model from bytes.
 */
chreode_status chreode_model_loss_count(const chreode_model *model, size_t *count);

/**
 * Gets the loss of every training step.
 */
chreode_status chreode_model_losses(const chreode_model *model,
                                    double *losses,
                                    size_t losses_count);

/**
 * Sets a text by a name of the caller's, which the model keeps in its bytes and its file and does not look at: where in the
 * caller's own data the coordinates were, for instance. An empty text takes it away.
 */
chreode_status chreode_model_set_attribute(chreode_model *model,
                                           const char *name,
                                           const char *value);

/**
 * Gets a text that was set by its name (size, then fill); the empty text if there is none.
 */
chreode_status chreode_model_attribute(const chreode_model *model,
                                       const char *name,
                                       char *buffer,
                                       size_t capacity,
                                       size_t *size);

/**
 * Sets what the coordinates are called, one name a dimension, which the model keeps in its bytes and its file;
 * `chreode_model_info` tells them.
 */
chreode_status chreode_model_set_coordinates(chreode_model *model,
                                             const char *const *names,
                                             size_t names_count);

/**
 * Tells how many threads the model computes with: what was asked for, 0 for all cores.
 */
chreode_status chreode_model_threads(const chreode_model *model, size_t *threads);

/**
 * Sets how many threads the model computes with, up to 1024; 0 for all cores, which is the default of a model that was
 * loaded. A fitted one has the threads of its fit. The results are the same bits at any number.
 */
chreode_status chreode_model_set_threads(chreode_model *model,
                                         size_t threads);

/**
 * Writes the model to a file, which is whole or not there: safetensors, with the recipe in its metadata, and the report of its
 * fit, if there is one, as the attributes "report" and "losses". `path` is UTF-8, or whatever bytes name a file on Unix.
 */
chreode_status chreode_model_save(const chreode_model *model,
                                  const char *path);

/**
 * Reads a model from a file.
 */
chreode_status chreode_model_load(const char *path, chreode_model **model);

/**
 * Gets the model as bytes (size, then fill): those that `chreode_model_save` writes, but without the report, which tells seconds.
 * The same model gives the same bytes.
 */
chreode_status chreode_model_to_bytes(const chreode_model *model,
                                      uint8_t *buffer,
                                      size_t capacity,
                                      size_t *size);

/**
 * Makes the model that `chreode_model_to_bytes` wrote, with the same bits in every field. Any other bytes are refused.
 */
chreode_status chreode_model_from_bytes(const uint8_t *bytes,
                                        size_t size,
                                        chreode_model **model);

/**
 * Tells how many fields there are, the same for every model: one that was not learned is zero, but for the landscape,
 * which is an error.
 */
chreode_status chreode_model_field_count(const chreode_model *model,
                                         size_t *count);

/**
 * Tells the name (static) and the number of columns of the field number `index`, counted from 0.
 */
chreode_status chreode_model_field_describe(const chreode_model *model,
                                            size_t index,
                                            const char **name,
                                            size_t *columns);

/**
 * Evaluates a field at points (n x d) of one time into `values` (n rows). The fields are "velocity" (d columns, length per
 * time), "growth" (one column, per time), "score_drift" ((sigma^2/2) grad log p, d columns, length per time) and, of a
 * model that learned one (deep-ruot, var-ruot), "landscape" (Waddington's, one column, squared length per time); see also
 * `chreode_model_field_describe`.
 *
 * The rows are shared out among the model's threads. Nothing is copied where both matrices are CHREODE_F32 in C order;
 * other layouts are converted block by block.
 */
chreode_status chreode_model_field(const chreode_model *model,
                                   const char *field,
                                   double time,
                                   const chreode_matrix *points,
                                   const chreode_matrix_mut *values);

/**
 * Evaluates a field as `chreode_model_field` does, at points each of which has a time of its own: `times` has one element a row
 * of `points`, or one for all. Rows of equal times are evaluated together, wherever they stand. For calls that may take long,
 * `progress`, which may be NULL, is told and can cancel; `values` are then filled in part.
 */
chreode_status chreode_model_field_at(const chreode_model *model,
                                      const char *field,
                                      const double *times,
                                      size_t times_count,
                                      const chreode_matrix *points,
                                      chreode_progress_fn progress,
                                      void *user_data,
                                      const chreode_matrix_mut *values);

/**
 * Evaluates the standard deviation of a field's error, beside its bias (see `chreode_model_field_quantile`), as `chreode_model_field_at` evaluates the field, in the field's unit. The
 * model must be an ensemble and the field "velocity", "growth" or "score_drift". The variance is that by the cells, over the
 * members (see `chreode_model_member`), and what the distance of the snapshots in time adds: see "uncertainty" of `chreode_model_info`.
 */
chreode_status chreode_model_field_sd(const chreode_model *model,
                                      const char *field,
                                      const double *times,
                                      size_t times_count,
                                      const chreode_matrix *points,
                                      chreode_progress_fn progress,
                                      void *user_data,
                                      const chreode_matrix_mut *values);

/**
 * Evaluates the quantile of a level between 0 and 1 of what a field may be, as `chreode_model_field_sd` its standard deviation:
 * the field less its bias plus so many standard deviations, of a normal distribution. The bias is what a finite price of growth against
 * motion, δ², makes wrong to first order, as a fit at half of δ² tells: there is one where "uncertainty" of `chreode_model_info` calls the field
 * "biased", and the quantile of 0.5 is the field without it. Between the quantiles of 0.05 and 0.95 lies the true field at nine cells of ten.
 */
chreode_status chreode_model_field_quantile(const chreode_model *model,
                                            const char *field,
                                            double level,
                                            const double *times,
                                            size_t times_count,
                                            const chreode_matrix *points,
                                            chreode_progress_fn progress,
                                            void *user_data,
                                            const chreode_matrix_mut *values);

/**
 * Simulates a population under a model, by options of the list "simulate" (NULL: all defaults), from `points` at
 * `start_time` to each of `times`: strictly increasing from there on (the first may be the start itself), or, but for
 * branching, strictly decreasing. `weights` has one weight a row of `points`, or is NULL with count 0 if all weigh 1. A
 * branching population starts from equal cells: unequal weights are resampled first.
 *
 * The option `threads` is about this call alone: 0 is all cores, as everywhere. Where it is not set, the model's threads are
 * used. `progress` may be NULL; `user_data` is handed to it and not looked at. `chreode_trajectory_report` warns of times beyond
 * those of the fit; a weight or a position that is not finite is CHREODE_ERROR_NON_FINITE.
 */
chreode_status chreode_simulate(const chreode_model *model,
                                double start_time,
                                const chreode_matrix *points,
                                const double *weights,
                                size_t weights_count,
                                const double *times,
                                size_t times_count,
                                const chreode_options *options,
                                chreode_progress_fn progress,
                                void *user_data,
                                chreode_trajectory **trajectory);

/**
 * Frees a trajectory. NULL is allowed.
 */
void chreode_trajectory_free(chreode_trajectory *trajectory);

/**
 * Gets what is to be known of a simulation beside its particles, as a JSON object (size, then fill): `warnings`, an array of
 * sentences that say why it may mean little; `outside`, the share of the particles' time outside of the box of the cells that
 * the model was fitted to, null for a model without a guard. Later versions may add keys.
 */
chreode_status chreode_trajectory_report(const chreode_trajectory *trajectory,
                                         char *buffer,
                                         size_t capacity,
                                         size_t *size);

/**
 * Tells the number of coordinates.
 */
chreode_status chreode_trajectory_dims(const chreode_trajectory *trajectory, size_t *dims);

/**
 * Tells the number of frames: one for each output time, in the order in which they were asked for.
 */
chreode_status chreode_trajectory_frame_count(const chreode_trajectory *trajectory, size_t *count);

/**
 * Tells the time and the number of particles of frame `k`, counted from 0. A branching population may have died out.
 */
chreode_status chreode_trajectory_frame(const chreode_trajectory *trajectory,
                                        size_t k,
                                        double *time,
                                        size_t *count);

/**
 * Gets the particles of frame `k`, one row each.
 */
chreode_status chreode_trajectory_points(const chreode_trajectory *trajectory,
                                         size_t k,
                                         const chreode_matrix_mut *points);

/**
 * Gets the weights of the particles of frame `k`.
 */
chreode_status chreode_trajectory_weights(const chreode_trajectory *trajectory,
                                          size_t k,
                                          double *weights,
                                          size_t weights_count);

/**
 * Gets the mass of every frame, and the standard deviation of its error: of an ensemble, whose members were simulated too, over
 * these; NaN of another model, or with the option `error_bars` off. Each array has one element a frame, or is NULL if it is not
 * wanted.
 */
chreode_status chreode_trajectory_masses(const chreode_trajectory *trajectory,
                                         double *masses,
                                         double *sds,
                                         size_t frame_count);

/**
 * Gets who the particles of frame `k` are. Of weighted particles: the row of `points` that each started from; of a model of branches that
 * times their number, plus the branch that it is in. Of a branching population: the cell's number in the lineage.
 */
chreode_status chreode_trajectory_ids(const chreode_trajectory *trajectory,
                                      size_t k,
                                      uint64_t *ids,
                                      size_t ids_count);

/**
 * Gets, for each particle of frame `k`, the row of the frame before (for the first frame, of the start) that it comes from.
 */
chreode_status chreode_trajectory_ancestors(const chreode_trajectory *trajectory,
                                            size_t k,
                                            uint64_t *ancestors,
                                            size_t ancestors_count);

/**
 * Tells how many cells ever lived in a branching population; 0 for the other modes. The first ones are the founders.
 */
chreode_status chreode_trajectory_cell_count(const chreode_trajectory *trajectory,
                                             size_t *count);

/**
 * Gets the lineage: of each cell its parent's number (-1 for a founder), the times of its birth and end, and its
 * `chreode_fate`. Parents come before their daughters, and sisters are neighbours. Each array has `cell_count` elements, or
 * is NULL if it is not wanted.
 */
chreode_status chreode_trajectory_lineage(const chreode_trajectory *trajectory,
                                          int64_t *parents,
                                          double *births,
                                          double *ends,
                                          int32_t *fates,
                                          size_t cell_count);

/**
 * Gets the lineage in the Newick format (size, then fill): one tree a line for each founder, cells named c and their number.
 * Empty for the other modes.
 */
chreode_status chreode_trajectory_newick(const chreode_trajectory *trajectory,
                                         char *buffer,
                                         size_t capacity,
                                         size_t *size);

/**
 * Predicts every later snapshot from all cells of the first and compares, by options of the list "evaluate" (NULL: all
 * defaults). The option `threads` is about this call alone: 0 is all cores, as everywhere. Where it is not set, the model's
 * threads are used. `progress` may be NULL; `user_data` is handed to it and not looked at.
 */
chreode_status chreode_evaluate(const chreode_model *model,
                                const chreode_snapshots *snapshots,
                                const chreode_options *options,
                                chreode_progress_fn progress,
                                void *user_data,
                                chreode_evaluation **evaluation);

/**
 * Frees an evaluation. NULL is allowed.
 */
void chreode_evaluation_free(chreode_evaluation *evaluation);

/**
 * Tells the number of time points: all but the first.
 */
chreode_status chreode_evaluation_time_count(const chreode_evaluation *evaluation, size_t *count);

/**
 * Gets a measure of every time point: "time"; "w1", "w2" (Wasserstein distances), "rme" (relative mass error), means over
 * the runs; "w1_sd", "w2_sd", "rme_sd", their standard deviations (0 for one run); "w1_error",
 * "w2_error", "rme_error", an ensemble's standard deviations by the cells (NaN for a model that is none, or with the option
 * `error_bars` off); "w1_cells", the points of each sample where there are more particles or cells than the option `exact_cells`, so
 * that W1 and W2 are means over samples (NaN where they are exact), "w1_se", "w2_se", the standard errors of that (0 where exact), and
 * "w1_floor", "w2_floor", the distances between two such samples of the cells themselves, which a perfect prediction would have (NaN
 * where exact, or where all cells are one sample). A population that died out has the relative
 * mass error 1 and no distances: those are over the runs in which cells live, NaN where there is none.
 */
chreode_status chreode_evaluation_values(const chreode_evaluation *evaluation,
                                         const char *name,
                                         double *values,
                                         size_t values_count);

/**
 * Tells a measure of all time points together: "mean_w1", "mean_rme", "mean_w1_sd", "mean_rme_sd", "action" (of the
 * flow, Wasserstein–Fisher–Rao) or "regularised_action" (of the diffusion, at the fit's own price of growth; NaN for a model
 * that solves no such problem).
 */
chreode_status chreode_evaluation_value(const chreode_evaluation *evaluation,
                                        const char *name,
                                        double *value);

/**
 * Gets everything as a JSON object (size, then fill): the measures of all time points together by their names (null for NaN);
 * time_points, an array of objects with the measures of each; warnings, an array of sentences that say why the result may mean
 * little. Later versions may add keys.
 */
chreode_status chreode_evaluation_json(const chreode_evaluation *evaluation,
                                       char *buffer,
                                       size_t capacity,
                                       size_t *size);

/**
 * Fits recipes to a part of the cells and holds them against the others, by options of the list "validate" (NULL: all
 * defaults): those of the validation itself, and those of a fit, of which each may have several values, separated by commas
 * ("wfr-fm,usb"); widths of hidden layers, which have commas of their own, by semicolons, unless each is like "64x3". A recipe is
 * a combination of these values; an option that some methods do not take goes to those that do.
 *
 * `parts` has the part that each cell is in, numbered from 0: each is held out in turn, the last one first. NULL with count 0
 * has parts drawn. `growth` has the true growth rate at each cell, per unit of time, or is NULL with count 0. Both are in the
 * order in which the snapshots hold the cells: by time, those of one time as they were given.
 *
 * A recipe of which a fit fails is told by its error; the call fails if all do. `progress` may be NULL, and tells hundredths of
 * fits; `user_data` is handed to it and not looked at.
 */
chreode_status chreode_validate(const chreode_snapshots *snapshots,
                                const chreode_options *options,
                                const uint32_t *parts,
                                size_t parts_count,
                                const double *growth,
                                size_t growth_count,
                                chreode_progress_fn progress,
                                void *user_data,
                                chreode_validation **validation);

/**
 * Frees a validation. NULL is allowed.
 */
void chreode_validation_free(chreode_validation *validation);

/**
 * Gets everything as a JSON object (size, then fill); numbers that there are not are null. Of the best recipe, that with the
 * lowest ratio: ratio (mean W1 to unseen cells over the mean W1 between two samples of the data), energy (mean unbiased energy
 * distance over the spread of the data), rme (mean relative mass error), mean_w1, where growth was given growth_error and
 * growth_correlation, each with half its 95 % confidence interval (ratio_interval, …); at each of `times` w1, energies and rmes;
 * ratios (of each split), cpu_seconds (of a fit), mode, particles (a founder), trust ("holds", "in-the-main", "weak", "fails" or
 * "undecided") and verdict (a sentence). Beside it at each time floor (W1 between two samples of the data) and
 * nothing_moves (W1 of the founders as they are), nothing_moves_energy, nothing_moves_rme; nothing_moves_ratio. With held-out
 * times held_out_w1, held_out_energies, held_out_rmes, held_out_mean_w1, and held_out, an object with times, interpolation (W1 of
 * the mid-points of an exact coupling of the neighbours), interpolation_rme, nothing_moves and nothing_moves_rme. Then recipes, an
 * array of objects with the scores of each by the same names, its name (recipe) and, where it failed, why (failed);
 * as_good_as_best tells whether it cannot be told from the best one (best, its index), from three splits on. splits, seeds, parts, cells, cells_used.
 * Later versions may add keys.
 */
chreode_status chreode_validation_json(const chreode_validation *validation,
                                       char *buffer,
                                       size_t capacity,
                                       size_t *size);

/**
 * Finds what cells become, by options of the list "fates" (NULL: all defaults): several families of each are simulated to the time
 * of the labelled cells, the last unless the option `to` says so, where a descendant has the labels of its nearest labelled cells.
 *
 * `labels` has the label of each cell, a number from 0 to 9999, or -1 where it is not known, in the order in which the snapshots hold
 * the cells: by time, those of one time as they were given. Cells without a label are nobody's neighbours. Those of other times say
 * only which mass is counted where in the transitions.
 *
 * The option `threads` is about this call alone: 0 is all cores, as everywhere. Where it is not set, the model's threads are
 * used. `progress` may be NULL; `user_data` is handed to it and not looked at.
 */
chreode_status chreode_fates_new(const chreode_model *model,
                                 const chreode_snapshots *snapshots,
                                 const int32_t *labels,
                                 size_t labels_count,
                                 const chreode_options *options,
                                 chreode_progress_fn progress,
                                 void *user_data,
                                 chreode_fates **fates);

/**
 * Frees fates. NULL is allowed.
 */
void chreode_fates_free(chreode_fates *fates);

/**
 * Gets what is to be known of fates beside their numbers, as a JSON object (size, then fill): `to`, the time of the labelled cells;
 * `neighbours`, how many of them say what a descendant is; `unlabelled`, how many cells there have no label; `outside`, the largest
 * share of the descendants' time outside of the box of the cells that the model was fitted to, null for a model without a guard;
 * `warnings`, an array of sentences that say why they may mean little. Later versions may add keys.
 */
chreode_status chreode_fates_report(const chreode_fates *fates,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *size);

/**
 * Tells how many cells there are, the rows, and how many labels that labelled cells have, the columns.
 */
chreode_status chreode_fates_shape(const chreode_fates *fates,
                                   size_t *cells,
                                   size_t *labels);

/**
 * Gets the labels of the columns, increasing.
 */
chreode_status chreode_fates_labels(const chreode_fates *fates,
                                    int32_t *labels,
                                    size_t label_count);

/**
 * Gets the cells of the rows, by their numbers in the order in which the snapshots hold them, from 0, and their times. Each array has
 * one element a row, or is NULL if it is not wanted.
 */
chreode_status chreode_fates_cells(const chreode_fates *fates,
                                   uint64_t *cells,
                                   double *times,
                                   size_t cell_count);

/**
 * Gets numbers of every cell, one row each. Of every label, a column each: "p", the probability that a random descendant has the
 * label (NaN of a cell without any), and "n", the expected number of descendants with it. In one column: "p_none", the probability to
 * have no descendants: with the mode branching the share of families that died out; with the others, that of cells which divide or die at
 * the rate |g|, if all of a family went the way of one particle: exact for the flow, and for the diffusion rather too large. "se_p", "se_n"
 * and "se_p_none" are their standard errors, from the number of families, 0 for the flow; "sd_p", "sd_n" and "sd_p_none" their standard
 * deviations by the cells, of an ensemble, NaN for a model that is none or with the option `error_bars` off.
 */
chreode_status chreode_fates_values(const chreode_fates *fates,
                                    const char *name,
                                    const chreode_matrix_mut *values);

/**
 * Tells how many tables of transitions there are: one for each time of the cells, in order.
 */
chreode_status chreode_fates_transition_count(const chreode_fates *fates, size_t *count);

/**
 * Tells of the table of transitions `k`, counted from 0, the time of its cells and how many labels those have, the rows: one more
 * where some have none.
 */
chreode_status chreode_fates_transition(const chreode_fates *fates,
                                        size_t k,
                                        double *time,
                                        size_t *sources);

/**
 * Gets the labels of the rows of the table of transitions `k`, increasing, -1 first where cells have none, and the mass of the cells
 * of each. Each array has one element a row, or is NULL if it is not wanted.
 */
chreode_status chreode_fates_transition_sources(const chreode_fates *fates,
                                                size_t k,
                                                int32_t *labels,
                                                double *masses,
                                                size_t source_count);

/**
 * Gets numbers of the table of transitions `k`, one row a label of the cells, one column a label of the labelled cells: "mass", that of
 * the descendants, with "se_mass" and "sd_mass" as of chreode_fates_values; "went", the share of each in its row's mass; "came", the
 * share in its column's.
 */
chreode_status chreode_fates_transition_values(const chreode_fates *fates,
                                               size_t k,
                                               const char *name,
                                               const chreode_matrix_mut *values);

/**
 * Plans a fit by options of the list "fit" (NULL: all defaults), as `chreode_fit` would do it: the numbers that are not given are
 * chosen from the data now. There is a task for each block of each interval's coupling, or, of an ensemble, for each of its fits; a
 * single fit by a method that is based on simulation has no tasks, and is finished at once. The option `threads` is about this call alone.
 * `progress` may be NULL; `user_data` is handed to it and not looked at.
 */
chreode_status chreode_work_plan_fit(const chreode_snapshots *snapshots,
                                     const chreode_options *options,
                                     chreode_progress_fn progress,
                                     void *user_data,
                                     chreode_work **work);

/**
 * Plans a validation by options of the list "validate" (NULL: all defaults), as `chreode_validate` would do it, with `parts` and `growth` as
 * there. There is a task for each fit to a part of the cells or without a time, and for what fits are held against. The option `threads` is
 * about this call alone.
 */
chreode_status chreode_work_plan_validate(const chreode_snapshots *snapshots,
                                          const chreode_options *options,
                                          const uint32_t *parts,
                                          size_t parts_count,
                                          const double *growth,
                                          size_t growth_count,
                                          chreode_work **work);

/**
 * Plans a simulation of the cells of the first time of `snapshots`, with their weights, to each of `times`, by options of the list "simulate"
 * (NULL: all defaults), as `chreode_simulate` would do it. There is a task for about so many `founders` each, at least 1, and of a branching
 * population for their families; with resampling, where all particles depend on each other, and on a device there is one task.
 */
chreode_status chreode_work_plan_simulate(const chreode_model *model,
                                          const chreode_snapshots *snapshots,
                                          const double *times,
                                          size_t times_count,
                                          const chreode_options *options,
                                          size_t founders,
                                          chreode_work **work);

/**
 * Plans an evaluation of a model by options of the list "evaluate" (NULL: all defaults), as `chreode_evaluate` would do it: a task for each
 * run, of the model and, for error bars, of every member of an ensemble, and one for the action.
 */
chreode_status chreode_work_plan_evaluate(const chreode_model *model,
                                          const chreode_snapshots *snapshots,
                                          const chreode_options *options,
                                          chreode_work **work);

/**
 * Frees a plan of work. NULL is allowed.
 */
void chreode_work_free(chreode_work *work);

/**
 * Gets the plan as bytes (size, then fill) for other processes: a JSON object without a NUL at its end, with the job ("fit", "validate", "simulate", "evaluate"), the options that were set, the numbers
 * that were chosen, the data's shape and fingerprint, the tasks, and the plan's own fingerprint. Later versions may add keys.
 */
chreode_status chreode_work_to_bytes(const chreode_work *work,
                                     uint8_t *buffer,
                                     size_t capacity,
                                     size_t *size);

/**
 * Makes the plan that `chreode_work_to_bytes` wrote. Any other bytes are refused with CHREODE_ERROR_INVALID_DATA, and so are plans of
 * another version of the library, which may do the tasks to other bits.
 */
chreode_status chreode_work_from_bytes(const uint8_t *bytes,
                                       size_t size,
                                       chreode_work **work);

/**
 * Tells the number of tasks.
 */
chreode_status chreode_work_task_count(const chreode_work *work, size_t *count);

/**
 * Gets what a task is, counted from 0, as a JSON object (size, then fill): kind ("block" of a coupling, "member", "coarse" or "cheaper" fit of an
 * ensemble, "fold" or "time" of a validation, "shard" of founders, "run", …), cost (very roughly, in seconds of one core), and what it is about, such as interval and block. Later versions may add
 * keys.
 */
chreode_status chreode_work_task(const chreode_work *work,
                                 size_t task,
                                 char *buffer,
                                 size_t capacity,
                                 size_t *size);

/**
 * Tells how many cells a task needs; 0 if it needs all.
 */
chreode_status chreode_work_row_count(const chreode_work *work, size_t task, size_t *count);

/**
 * Gets the cells that a task needs, as their numbers, counted from 0, in the order in which the snapshots hold the cells: by time, those of
 * one time as they were given (a stable sort by time). Snapshots of those cells alone, in that order and with their weights, will do for `chreode_work_run`.
 */
chreode_status chreode_work_rows(const chreode_work *work,
                                 size_t task,
                                 uint64_t *rows,
                                 size_t rows_count);

/**
 * Does a task by so many threads (0: all cores), which changes nothing about the result. `snapshots` are those that the work was planned
 * for, or the cells of the task alone. `model` is the model of work that simulates or evaluates one, NULL for any other. `progress`
 * may be NULL; `user_data` is handed to it and not looked at.
 */
chreode_status chreode_work_run(const chreode_work *work,
                                const chreode_snapshots *snapshots,
                                const chreode_model *model,
                                size_t task,
                                size_t threads,
                                chreode_progress_fn progress,
                                void *user_data,
                                chreode_part **part);

/**
 * Frees a part. NULL is allowed.
 */
void chreode_part_free(chreode_part *part);

/**
 * Gets a part as bytes (size, then fill), to be kept or sent.
 */
chreode_status chreode_part_to_bytes(const chreode_part *part,
                                     uint8_t *buffer,
                                     size_t capacity,
                                     size_t *size);

/**
 * Tells which task the bytes of a part are of; CHREODE_ERROR_INVALID_DATA if they are not a whole part of this work.
 */
chreode_status chreode_work_check_part(const chreode_work *work,
                                       const uint8_t *bytes,
                                       size_t size,
                                       size_t *task);

/**
 * Puts the parts of a fit together by so many threads (0: all cores), and trains what is left to be trained: `parts` and `sizes` have `parts_count` elements each, a part
 * and its number of bytes. They may come in any order, and a part more than once; one that is missing, damaged or of other work is
 * CHREODE_ERROR_INVALID_DATA, and the message tells its place, counted from 0. `snapshots` are those that the work was planned for.
 *
 * The model is that of `chreode_fit`, to the bit, but for the seconds in its report; errors are the same, and so is what is there in
 * spite of them.
 */
chreode_status chreode_work_finish_fit(const chreode_work *work,
                                       const chreode_snapshots *snapshots,
                                       const uint8_t *const *parts,
                                       const size_t *sizes,
                                       size_t parts_count,
                                       size_t threads,
                                       chreode_progress_fn progress,
                                       void *user_data,
                                       chreode_model **model);

/**
 * Puts the parts of a validation together, as `chreode_work_finish_fit` those of a fit: what `chreode_validate` gives, to the bit, but for
 * the seconds.
 */
chreode_status chreode_work_finish_validate(const chreode_work *work,
                                            const chreode_snapshots *snapshots,
                                            const uint8_t *const *parts,
                                            const size_t *sizes,
                                            size_t parts_count,
                                            chreode_validation **validation);

/**
 * Puts the parts of a simulation together, as `chreode_work_finish_fit` those of a fit: what `chreode_simulate` gives, to the bit. For an
 * ensemble's error bars, unless `error_bars` is off, its members are simulated now, by so many threads (0: all cores).
 */
chreode_status chreode_work_finish_simulate(const chreode_work *work,
                                            const chreode_model *model,
                                            const chreode_snapshots *snapshots,
                                            const uint8_t *const *parts,
                                            const size_t *sizes,
                                            size_t parts_count,
                                            size_t threads,
                                            chreode_trajectory **trajectory);

/**
 * Puts the parts of an evaluation together, as `chreode_work_finish_fit` those of a fit: what `chreode_evaluate` gives, to the bit.
 */
chreode_status chreode_work_finish_evaluate(const chreode_work *work,
                                            const chreode_model *model,
                                            const chreode_snapshots *snapshots,
                                            const uint8_t *const *parts,
                                            const size_t *sizes,
                                            size_t parts_count,
                                            chreode_evaluation **evaluation);

/**
 * Solves a static transport problem between two clouds of points, by options of the list "transport" (NULL: all defaults):
 * entropic if `epsilon` is positive, exact if both penalties are infinite, else the unregularised optimum with relaxed
 * marginals. `source_weights` has one weight a row of `source`, or is NULL with count 0 if all weigh 1; so has
 * `target_weights`. `progress` may be NULL; `user_data` is handed to it and not looked at.
 *
 * With CHREODE_ERROR_NOT_CONVERGED there is a plan all the same, and its report says how far it is from the optimum.
 */
chreode_status chreode_transport(const chreode_matrix *source,
                                 const double *source_weights,
                                 size_t source_weights_count,
                                 const chreode_matrix *target,
                                 const double *target_weights,
                                 size_t target_weights_count,
                                 const chreode_options *options,
                                 chreode_progress_fn progress,
                                 void *user_data,
                                 chreode_plan **plan);

/**
 * Frees a plan. NULL is allowed.
 */
void chreode_plan_free(chreode_plan *plan);

/**
 * Tells the number of source points, of target points and of entries of the plan.
 */
chreode_status chreode_plan_size(const chreode_plan *plan,
                                 size_t *rows,
                                 size_t *cols,
                                 size_t *entries);

/**
 * Gets the plan, sparse, row by row with increasing columns: for each entry its source point, its target point, both counted
 * from 0, and the mass that goes from one to the other. Each array has `count` elements, the number of entries, or is NULL
 * if it is not wanted.
 */
chreode_status chreode_plan_entries(const chreode_plan *plan,
                                    uint64_t *sources,
                                    uint64_t *targets,
                                    double *masses,
                                    size_t count);

/**
 * Gets where the entries of each source point begin: `count` is one more than there are source points, and the last
 * element is the number of entries. With the targets and masses of `chreode_plan_entries` that is the compressed-row form.
 */
chreode_status chreode_plan_row_offsets(const chreode_plan *plan,
                                        uint64_t *offsets,
                                        size_t count);

/**
 * Gets the dual potentials, one a source point and one a target point; infinite for a point that nothing can be sent from,
 * or that nothing can reach.
 */
chreode_status chreode_plan_potentials(const chreode_plan *plan,
                                       double *source,
                                       size_t source_count,
                                       double *target,
                                       size_t target_count);

/**
 * Gets the solver's report as a JSON object (size, then fill): primal, dual, gap, transport_cost, transported_mass,
 * source_residual, target_residual, iterations, converged, and warnings, an array of sentences that say why the plan may mean
 * little. Later versions may add keys.
 */
chreode_status chreode_plan_report(const chreode_plan *plan,
                                   char *buffer,
                                   size_t capacity,
                                   size_t *size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CHREODE_H */
