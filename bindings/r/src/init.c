#include "glue.h"

#include <R_ext/Rdynload.h>
#include <R_ext/Visibility.h>

#define ROUTINE(name, arguments) {#name, (DL_FUNC)&name, arguments}

static const R_CallMethodDef ROUTINES[] = {
    ROUTINE(r_abi, 0),
    ROUTINE(r_capabilities, 0),
    ROUTINE(r_free, 1),
    ROUTINE(r_is_nil, 1),
    ROUTINE(r_draw, 4),
    ROUTINE(r_options_new, 1),
    ROUTINE(r_options_set, 3),
    ROUTINE(r_options_describe, 1),
    ROUTINE(r_snapshots_new, 3),
    ROUTINE(r_snapshots_generate, 1),
    ROUTINE(r_snapshots_with_masses, 2),
    ROUTINE(r_snapshots_with_growth_prior, 2),
    ROUTINE(r_snapshots_with_clones, 2),
    ROUTINE(r_snapshots_read, 1),
    ROUTINE(r_fit, 3),
    ROUTINE(r_model_info, 1),
    ROUTINE(r_model_report, 1),
    ROUTINE(r_model_losses, 1),
    ROUTINE(r_model_set_threads, 2),
    ROUTINE(r_model_to_bytes, 1),
    ROUTINE(r_model_from_bytes, 1),
    ROUTINE(r_model_member, 2),
    ROUTINE(r_model_memory, 1),
    ROUTINE(r_model_set_memory, 2),
    ROUTINE(r_model_save, 2),
    ROUTINE(r_model_load, 1),
    ROUTINE(r_model_fields, 1),
    ROUTINE(r_model_field, 5),
    ROUTINE(r_simulate, 6),
    ROUTINE(r_trajectory_frames, 1),
    ROUTINE(r_trajectory_mass_sd, 1),
    ROUTINE(r_trajectory_lineage, 1),
    ROUTINE(r_trajectory_newick, 1),
    ROUTINE(r_trajectory_report, 1),
    ROUTINE(r_evaluate, 3),
    ROUTINE(r_evaluation_values, 2),
    ROUTINE(r_evaluation_value, 2),
    ROUTINE(r_evaluation_json, 1),
    ROUTINE(r_validate, 5),
    ROUTINE(r_validation_json, 1),
    ROUTINE(r_fates, 5),
    ROUTINE(r_fates_cells, 1),
    ROUTINE(r_fates_values, 4),
    ROUTINE(r_fates_transitions, 3),
    ROUTINE(r_fates_report, 1),
    ROUTINE(r_work_plan_fit, 3),
    ROUTINE(r_work_plan_validate, 4),
    ROUTINE(r_work_plan_simulate, 5),
    ROUTINE(r_work_plan_evaluate, 3),
    ROUTINE(r_work_to_bytes, 1),
    ROUTINE(r_work_from_bytes, 1),
    ROUTINE(r_work_tasks, 1),
    ROUTINE(r_work_rows, 2),
    ROUTINE(r_work_run, 5),
    ROUTINE(r_work_finish_fit, 5),
    ROUTINE(r_work_finish_validate, 3),
    ROUTINE(r_work_finish_simulate, 5),
    ROUTINE(r_work_finish_evaluate, 4),
    ROUTINE(r_transport, 6),
    ROUTINE(r_new_plan, 0),
    ROUTINE(r_plan_read, 1),
    ROUTINE(r_plan_report, 1),
    {NULL, NULL, 0},
};

void attribute_visible R_init_chreode(DllInfo *dll) {
    R_registerRoutines(dll, NULL, ROUTINES, NULL, NULL);
    R_useDynamicSymbols(dll, FALSE);
    R_forceSymbols(dll, TRUE);
}
