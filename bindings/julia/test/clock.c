/*
 * A clock that can be made to fail, to be loaded before the system's: Rust panics when it cannot read a clock, so this is a panic
 * inside the library that ships, nothing added to it. After `clock_fails_at(n)` its reading number n, counted from 0, fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long readings, fails_at = -1;

void clock_fails_at(long reading) {
    readings = 0;
    fails_at = reading;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (fails_at >= 0 && __sync_fetch_and_add(&readings, 1) == fails_at) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}
