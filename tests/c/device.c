/*
 * The C interface with a device, whose driver is the tests' stand-in: what a process forked from one that uses the device is
 * told. It waits for nobody's locks, and a hang is not to hang the test.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static chreode_status transport_on(const char *device) {
    static const double a[] = {0, 1, 2}, b[] = {0.5, 1.5};
    const chreode_matrix source = {a, 3, 1, 1, 1, CHREODE_F64}, target = {b, 2, 1, 1, 1, CHREODE_F64};
    chreode_options *options = NULL;
    chreode_plan *plan = NULL;
    OK(chreode_options_new("transport", &options));
    OK(chreode_options_set_real(options, "epsilon", 0.5));
    OK(chreode_options_set_string(options, "device", device));
    const chreode_status status = chreode_transport(&source, NULL, 0, &target, NULL, 0, options, NULL, NULL, &plan);
    CHECK((plan != NULL) == (status == CHREODE_OK));
    chreode_plan_free(plan);
    chreode_options_free(options);
    return status;
}

static void a_child_is_refused_the_device_and_computes_without(void) {
    fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        CHECK(transport_on("cuda:0") == CHREODE_ERROR_DEVICE);
        CHECK(strstr(chreode_last_error_message(), "forked") != NULL);
        OK(transport_on("cpu"));
        OK(transport_on("auto"));
        _exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* During a fit the device is open, in the parent. */
static int32_t fork_once(const chreode_progress *progress, void *seen) {
    (void)progress;
    if (!*(int *)seen) {
        *(int *)seen = 1;
        a_child_is_refused_the_device_and_computes_without();
    }
    return 0;
}

static void fit(void) {
    chreode_options *data = NULL, *how = NULL;
    chreode_snapshots *snapshots = NULL;
    chreode_model *model = NULL;
    int forked = 0;
    OK(chreode_options_new("gene-network", &data));
    OK(chreode_options_set_integer(data, "cells_per_state", 8));
    OK(chreode_snapshots_generate(data, &snapshots));
    OK(chreode_options_new("fit", &how));
    OK(chreode_options_set_string(how, "method", "usb"));
    OK(chreode_options_set_string(how, "hidden", "4"));
    OK(chreode_options_set_integer(how, "epochs", 2));
    OK(chreode_options_set_string(how, "device", "cuda:0"));
    OK(chreode_fit(snapshots, how, fork_once, &forked, &model));
    CHECK(forked);
    chreode_model_free(model);
    chreode_options_free(how);
    chreode_snapshots_free(snapshots);
    chreode_options_free(data);
}

int main(void) {
    fit();
    OK(transport_on("cuda:0"));
    /* It is closed again; the driver remembers. */
    a_child_is_refused_the_device_and_computes_without();
    OK(transport_on("cuda:0"));
    puts("all as promised");
    return 0;
}
