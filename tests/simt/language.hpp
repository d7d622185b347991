// CUDA's qualifiers and vector types.
#pragma once

#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __constant__ [[maybe_unused]] static
#define __launch_bounds__(...)

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    constexpr size_t size() const { return size_t(x) * y * z; }
};

// Aligned as on a device, where a load of a whole vector needs it.
#define SIMT_VECTORS(T)                                                                                                \
    struct alignas(2 * sizeof(T)) T##2 {                                                                               \
        T x, y;                                                                                                        \
    };                                                                                                                 \
    struct alignas(sizeof(T) < 8 ? 4 * sizeof(T) : 16) T##4 {                                                          \
        T x, y, z, w;                                                                                                  \
    };                                                                                                                 \
    inline T##2 make_##T##2(T x, T y) { return {x, y}; }                                                               \
    inline T##4 make_##T##4(T x, T y, T z, T w) { return {x, y, z, w}; }

using uint = unsigned;
SIMT_VECTORS(int)
SIMT_VECTORS(uint)
SIMT_VECTORS(float)
SIMT_VECTORS(double)
#undef SIMT_VECTORS
