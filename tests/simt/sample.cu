// What the stand-in driver is tested with.
#include "device.cuh"

/// y += a x
extern "C" __global__ void __launch_bounds__(256) sample_axpy(const float *__restrict__ x, float *y, float a, int n) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) y[i] += a * x[i];
}

/// The sum of each block's part of x, in the launch's dynamic shared memory.
extern "C" __global__ void __launch_bounds__(1024) sample_sum(const float *x, double *sums, int n) {
    SHARED_DYNAMIC(double, part);
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    part[threadIdx.x] = i < n ? x[i] : 0;
#pragma unroll 1
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = part[0];
}

/// Wrong: half of the block does not come to the barrier.
extern "C" __global__ void __launch_bounds__(64) sample_divergent(float *out) {
    if (threadIdx.x < 32) __syncthreads();
    if (threadIdx.x == 0) out[0] = 1;
}

/// Wrong: writes behind the end of what it was given.
extern "C" __global__ void __launch_bounds__(32) sample_overrun(float *out, int n) { out[n] = 1; }
