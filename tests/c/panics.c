/*
 * A panic inside the library that ships, nothing added to it: this program's clock takes the place of the system's, and Rust
 * panics when it cannot read a clock. It fails at the first reading of a fit, at the second and so on, on whichever thread that
 * is, until a fit gets by without reaching the failure.
 */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long readings, fails_at = -1;

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (__sync_fetch_and_add(&readings, 1) == fails_at) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}

/* A fit from first to last, with handles that a defect leaves only to be freed. */
static chreode_status fit(void) {
    chreode_options *data = NULL, *how = NULL;
    chreode_snapshots *snapshots = NULL;
    chreode_model *model = NULL;
    CHECK(chreode_options_new("gene-network", &data) == CHREODE_OK);
    CHECK(chreode_options_set_integer(data, "cells_per_state", 8) == CHREODE_OK);
    CHECK(chreode_snapshots_generate(data, &snapshots) == CHREODE_OK);
    CHECK(chreode_options_new("fit", &how) == CHREODE_OK);
    CHECK(chreode_options_set_string(how, "hidden", "4") == CHREODE_OK);
    CHECK(chreode_options_set_integer(how, "epochs", 2) == CHREODE_OK);
    CHECK(chreode_options_set_integer(how, "threads", 2) == CHREODE_OK);
    readings = 0;
    const chreode_status status = chreode_fit(snapshots, how, NULL, NULL, &model);
    CHECK(status == (model ? CHREODE_OK : CHREODE_ERROR_INTERNAL));
    /* Freeing leaves the message. */
    chreode_model_free(model);
    chreode_options_free(how);
    chreode_snapshots_free(snapshots);
    chreode_options_free(data);
    return status;
}

int main(void) {
    for (fails_at = 0; fit() == CHREODE_ERROR_INTERNAL; ++fails_at) {
        CHECK(strstr(chreode_last_error_message(), "internal error, please report it: ") != NULL);
    }
    printf("%ld panics\n", fails_at);
    return 0;
}
