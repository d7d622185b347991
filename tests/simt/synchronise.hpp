// Barriers, shuffles and votes. Each remembers the line that called it.
#pragma once

#include "machine.hpp"

#include <cstring>

#define SIMT_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace simt {

inline const Predicates &barrier(bool predicate, Place place) {
    machine->wait_for_block(place, predicate);
    return machine->predicates;
}

inline uint32_t vote(uint32_t mask, bool predicate, Place place) {
    current->given = predicate;
    machine->wait_for_warp(Meeting::Vote, mask, place);
    return uint32_t(current->received);
}

/// The value that lane `source` gives; a source after this lane's segment of `width` lanes stands for the lane itself.
template <class T>
T shuffle(uint32_t mask, T value, int source, int width, Place place) {
    static_assert(sizeof(T) <= 8);
    const int lane = int(current->lane);
    current->source = unsigned(source < (lane & -width) + width ? source : lane);
    current->value = 0;
    std::memcpy(&current->value, &value, sizeof value);
    machine->wait_for_warp(Meeting::Shuffle, mask, place);
    std::memcpy(&value, &current->received, sizeof value);
    return value;
}

inline int lane() { return int(current->lane); }

} // namespace simt

inline void __syncthreads(SIMT_PLACE) { simt::barrier(false, {file, line}); }
inline int __syncthreads_or(int predicate, SIMT_PLACE) { return simt::barrier(predicate, {file, line}).any; }
inline int __syncthreads_and(int predicate, SIMT_PLACE) { return simt::barrier(predicate, {file, line}).all; }
inline int __syncthreads_count(int predicate, SIMT_PLACE) { return simt::barrier(predicate, {file, line}).count; }

inline void __syncwarp(unsigned mask = ~0u, SIMT_PLACE) {
    simt::machine->wait_for_warp(simt::Meeting::Sync, mask, {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, SIMT_PLACE) {
    return simt::vote(mask, predicate, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, SIMT_PLACE) { return simt::vote(mask, predicate, {file, line}) != 0; }
inline int __all_sync(unsigned mask, int predicate, SIMT_PLACE) { return simt::vote(mask, !predicate, {file, line}) == 0; }

#define SIMT_SHUFFLES(T)                                                                                               \
    inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, SIMT_PLACE) {                             \
        const int in_segment = source & (width - 1);                                                                   \
        return simt::shuffle(mask, value, (simt::lane() & -width) + in_segment, width, {file, line});                  \
    }                                                                                                                  \
    inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, SIMT_PLACE) {                         \
        const int lane = simt::lane(), source = lane - int(by);                                                        \
        return simt::shuffle(mask, value, source < (lane & -width) ? lane : source, width, {file, line});              \
    }                                                                                                                  \
    inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, SIMT_PLACE) {                       \
        return simt::shuffle(mask, value, simt::lane() + int(by), width, {file, line});                                \
    }                                                                                                                  \
    inline T __shfl_xor_sync(unsigned mask, T value, int with, int width = 32, SIMT_PLACE) {                           \
        return simt::shuffle(mask, value, simt::lane() ^ with, width, {file, line});                                   \
    }
SIMT_SHUFFLES(int)
SIMT_SHUFFLES(unsigned)
SIMT_SHUFFLES(long)
SIMT_SHUFFLES(unsigned long)
SIMT_SHUFFLES(long long)
SIMT_SHUFFLES(unsigned long long)
SIMT_SHUFFLES(float)
SIMT_SHUFFLES(double)
#undef SIMT_SHUFFLES
#undef SIMT_PLACE
