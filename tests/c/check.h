/* What the programs here check with: the first thing that is not so is told, with the library's last message, and ends them. */
#include <chreode.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                             \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            fprintf(stderr, "%s:%d: not so: %s (last message: %s)\n", __FILE__, __LINE__, #condition, \
                    chreode_last_error_message());                                                   \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)
#define OK(call) CHECK((call) == CHREODE_OK)
