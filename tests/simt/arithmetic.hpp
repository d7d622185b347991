// The arithmetic of CUDA that C++ lacks.
#pragma once

#include <math.h> // with C++'s overloads for float in the global namespace, as on a device

#include <cstdint>
#include <cstring>

namespace simt {

/// sin(pi x) and cos(pi x), reduced without rounding and taken in the wider type.
template <class Wide, class T>
void sincospi(T x, T *sine, T *cosine) {
    const Wide quarters = rint(2 * Wide(x)), angle = (Wide(x) - quarters / 2) * Wide(3.141592653589793238462643383279502884L);
    const Wide s = sin(angle), c = cos(angle);
    const int turn = isfinite(x) ? int(fmod(quarters, Wide(4))) & 3 : 0;
    *sine = T(turn == 0 ? s : turn == 1 ? c : turn == 2 ? -s : -c);
    *cosine = T(turn == 0 ? c : turn == 1 ? -s : turn == 2 ? -c : s);
}

template <class To, class From>
To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

} // namespace simt

inline void sincospi(double x, double *sine, double *cosine) { simt::sincospi<long double>(x, sine, cosine); }
inline void sincospif(float x, float *sine, float *cosine) { simt::sincospi<double>(x, sine, cosine); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }

#define SIMT_EXTREMA(T)                                                                                                \
    inline T min(T a, T b) { return b < a ? b : a; }                                                                   \
    inline T max(T a, T b) { return a < b ? b : a; }
SIMT_EXTREMA(int)
SIMT_EXTREMA(unsigned)
SIMT_EXTREMA(long)
SIMT_EXTREMA(unsigned long)
SIMT_EXTREMA(long long)
SIMT_EXTREMA(unsigned long long)
#undef SIMT_EXTREMA
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
    return unsigned(((uint64_t(high) << 32 | low) << (by & 31)) >> 32);
}

inline float __int_as_float(int x) { return simt::same_bits<float>(x); }
inline int __float_as_int(float x) { return simt::same_bits<int>(x); }
inline float __uint_as_float(unsigned x) { return simt::same_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return simt::same_bits<unsigned>(x); }
inline double __longlong_as_double(long long x) { return simt::same_bits<double>(x); }
inline long long __double_as_longlong(double x) { return simt::same_bits<long long>(x); }

template <class T>
T __ldg(const T *at) {
    return *at;
}
