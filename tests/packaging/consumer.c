/* Moves three points to three others at the least cost, and says what that is. */
#include <chreode.h>
#include <stdio.h>

int main(void) {
    const double from[] = {0, 1, 2}, to[] = {0.5, 1.5, 2.5};
    const chreode_matrix source = {from, 3, 1, 1, 1, CHREODE_F64}, target = {to, 3, 1, 1, 1, CHREODE_F64};
    double masses[16], moved = 0;
    size_t rows = 0, cols = 0, entries = 0;
    chreode_plan *plan = NULL;
    if (chreode_abi_version() != CHREODE_ABI_VERSION ||
        chreode_transport(&source, NULL, 0, &target, NULL, 0, NULL, NULL, NULL, &plan) != CHREODE_OK ||
        chreode_plan_size(plan, &rows, &cols, &entries) != CHREODE_OK || entries > 16 ||
        chreode_plan_entries(plan, NULL, NULL, masses, entries) != CHREODE_OK) {
        fprintf(stderr, "%s\n", chreode_last_error_message());
        return 1;
    }
    for (size_t i = 0; i < entries; ++i) {
        moved += masses[i];
    }
    printf("chreode %s: %d entries, mass %.17g\n", chreode_version(), (int)entries, moved);
    chreode_plan_free(plan);
    return 0;
}
