// Atomics, for the types that CUDA has them for. One thread runs at a time, so that plain reads and writes are atomic;
// where memory is watched, the race detection is told what they are.
#pragma once

#include "watch.hpp"

namespace simt {

template <class T, class Change>
T atomically(T *at, Change change) {
    const T old = *at;
    *at = change(old);
    return old;
}

template <class T, class Change>
T atomically(Address<T> at, Change change) {
    return at.atomically(change);
}

} // namespace simt

#define SIMT_ATOMIC(name, T, result)                                                                                   \
    inline T name(T *at, T value) {                                                                                    \
        return simt::atomically(at, [=]([[maybe_unused]] T old) -> T { return result; });                                               \
    }                                                                                                                  \
    inline T name(simt::Address<T> at, T value) {                                                      \
        return simt::atomically(at, [=]([[maybe_unused]] T old) -> T { return result; });                                            \
    }
#define SIMT_ATOMIC_CAS(T)                                                                                             \
    inline T atomicCAS(T *at, T expected, T value) {                                                                   \
        return simt::atomically(at, [=](T old) -> T { return old == expected ? value : old; });                        \
    }                                                                                                                  \
    inline T atomicCAS(simt::Address<T> at, T expected, T value) {                                     \
        return simt::atomically(at, [=](T old) -> T { return old == expected ? value : old; });                     \
    }
#define SIMT_ATOMICS(T)                                                                                                \
    SIMT_ATOMIC(atomicAdd, T, old + value)                                                                          \
    SIMT_ATOMIC(atomicMin, T, value < old ? value : old)                                                               \
    SIMT_ATOMIC(atomicMax, T, value > old ? value : old)                                                               \
    SIMT_ATOMIC(atomicExch, T, value)                                                                                  \
    SIMT_ATOMIC_CAS(T)
SIMT_ATOMICS(unsigned)
SIMT_ATOMICS(unsigned long long)
SIMT_ATOMIC(atomicAdd, int, int(unsigned(old) + unsigned(value)))
SIMT_ATOMIC(atomicMin, int, value < old ? value : old)
SIMT_ATOMIC(atomicMax, int, value > old ? value : old)
SIMT_ATOMIC(atomicExch, int, value)
SIMT_ATOMIC_CAS(int)
SIMT_ATOMIC(atomicAdd, float, old + value)
SIMT_ATOMIC(atomicExch, float, value)
SIMT_ATOMIC(atomicAdd, double, old + value)
#undef SIMT_ATOMICS
#undef SIMT_ATOMIC_CAS
#undef SIMT_ATOMIC

inline void __threadfence() {}
inline void __threadfence_block() {}
