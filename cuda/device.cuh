// The words that every kernel here is written in. NVRTC and nvcc make device code of them; g++ -DCHREODE_SIMT makes
// the same kernels run, watched, on the CPU: see tests/simt/.
//
// Shared memory is declared, handed on and cut up by the macros and functions below and by nothing else, and an element
// of it is read and assigned whole (`float4 v = tile[i]; tile[i] = v; sum[i] += x; atomicAdd(&sum[i], x)`), in a variable
// whose type is spelt out: on the CPU `tile[i]` is a guard that checks the access.
#pragma once

#ifdef CHREODE_SIMT
#include "simt.hpp"
#else

#ifdef __CUDACC_RTC__ // which finds no system headers
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif

/// The type by which `__device__` functions take shared memory.
template <class T>
using Shared = T *;

/// The type of global memory in which threads find what others wrote; a pointer to it becomes one.
template <class T>
using Global = T *;

/// The block's own array of `n` elements, `n` known when compiled.
#define SHARED(T, name, n) __shared__ T name[n]

/// The shared memory whose size the launch chose, all of it, as an array. Every declaration sees the same bytes.
#define SHARED_DYNAMIC(T, name)                                                                                        \
    extern __shared__ __align__(16) unsigned char dynamic_shared[];                                                    \
    Shared<T> name = reinterpret_cast<T *>(dynamic_shared)

/// The `count` elements from `offset` on.
template <class T>
__device__ __forceinline__ Shared<T> slice(Shared<T> array, size_t offset, size_t /*count*/) {
    return array + offset;
}

/// The same bytes as elements of another type, of a `Shared` as of a `Global`.
template <class U, class T>
__device__ __forceinline__ U *cast(T *array) {
    return reinterpret_cast<U *>(array);
}

#endif

// NVRTC has no INFINITY: the bits of one. A function that shall not be copied into its callers is NOINLINE.
#ifdef CHREODE_SIMT
#define NOINLINE __attribute__((noinline))
#define INFINITY_F32 __builtin_huge_valf()
#define INFINITY_F64 __builtin_huge_val()
#else
#define NOINLINE __noinline__
#define INFINITY_F32 __int_as_float(0x7f800000)
#define INFINITY_F64 __longlong_as_double(0x7ff0000000000000ll)
#endif
