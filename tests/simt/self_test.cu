// Kernels that are wrong on purpose, and right ones that use everything there is to be used: what self_test.cpp tests the
// shim with. They are CUDA, too: cuda_ptx.rs compiles them with NVRTC.
#include "device.cuh"

namespace wrong {

__global__ void read_before_barrier(float *out) {
    SHARED(float, part, 64);
    part[threadIdx.x] = 0;
    __syncthreads();
    part[threadIdx.x] = 1;
    out[threadIdx.x] = part[(threadIdx.x + 1) % 64];
}

__global__ void write_before_barrier(float *out) {
    SHARED(float, part, 64);
    part[threadIdx.x] = 1;
    __syncthreads();
    const float next = part[(threadIdx.x + 32) % 64];
    part[threadIdx.x] = 2; // the other warp may not have read it
    out[threadIdx.x] = next;
}

__global__ void write_after_two_readers() {
    SHARED(float, part, 1);
    if (threadIdx.x == 0) part[0] = 1;
    __syncthreads();
    const float seen = part[0];
    __syncwarp(threadIdx.x < 16 ? 0xffff : 0xffff0000);
    if (threadIdx.x == 0) part[0] = seen + 1; // the upper half warp has not met lane 0
}

__global__ void write_after_its_own_warp_read() {
    SHARED(float, part, 1);
    if (threadIdx.x == 0) part[0] = 1;
    __syncthreads();
    const float seen = part[0];
    __syncwarp();
    if (threadIdx.x == 0) part[0] = seen + 1; // the other warp may not have read it
}

__global__ void write_after_another_warp_read(float *out) {
    SHARED(float, part, 1);
    if (threadIdx.x == 0) part[0] = 1;
    __syncthreads();
    if (threadIdx.x == 40) *out = part[0];
    __syncwarp();
    if (threadIdx.x == 0) part[0] = 2;
}

__global__ void two_writers(int *out) {
    SHARED(int, last, 1);
    last[0] = int(threadIdx.x);
    __syncthreads();
    *out = last[0];
}

__global__ void write_beside_atomics() {
    SHARED(int, count, 1);
    if (threadIdx.x == 0) count[0] = 0;
    __syncthreads();
    if (threadIdx.x == 1) {
        count[0] = 5;
    } else {
        atomicAdd(&count[0], 1);
    }
}

__global__ void divergent_barrier() {
    if (threadIdx.x < 7) __syncthreads();
}

__global__ void two_barriers() {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}

__global__ void barrier_and_meeting() {
    if (threadIdx.x < 16) {
        __syncthreads();
    } else {
        __syncwarp();
    }
}

__global__ void write_out_of_range(float *out) {
    SHARED(float, part, 64);
    part[threadIdx.x + 1] = 1;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x];
}

__global__ void negative_index(float *out) {
    SHARED(float, part, 64);
    part[int(threadIdx.x) - 1] = 1;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x];
}

__global__ void slice_too_long() {
    SHARED_DYNAMIC(float, all);
    slice(all, 8, 9);
}

__global__ void misaligned_cast() {
    SHARED_DYNAMIC(float, all);
    cast<float4>(slice(all, 1, 4));
}

__global__ void read_of_nothing(float *out) {
    SHARED(float, part, 64);
    if (threadIdx.x != 9) part[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x];
}

__global__ void read_of_the_block_before(float *out) {
    SHARED(float, part, 64);
    if (blockIdx.x == 0) part[threadIdx.x] = 1;
    __syncthreads();
    if (blockIdx.x == 1 || gridDim.x == 1) out[threadIdx.x] = part[threadIdx.x];
}

__global__ void shuffle_with_an_ended_lane(float *out) {
    if (threadIdx.x == 3) return;
    out[threadIdx.x] = __shfl_xor_sync(~0u, float(threadIdx.x), 1);
}

__global__ void shuffle_with_a_waiting_lane(float *out) {
    if (threadIdx.x != 3) out[threadIdx.x] = __shfl_xor_sync(~0u, float(threadIdx.x), 1);
    __syncthreads();
}

__global__ void lane_outside_its_mask() { __syncwarp(0xffff); }

__global__ void two_primitives() {
    if (threadIdx.x < 16) {
        __syncwarp();
    } else {
        __ballot_sync(~0u, 1);
    }
}

__global__ void exchange_without_syncwarp(float *out) {
    SHARED(float, part, 32);
    part[threadIdx.x] = 0;
    __syncwarp();
    part[threadIdx.x] = float(threadIdx.x);
    out[threadIdx.x] = part[threadIdx.x ^ 1];
}

__global__ void exchange_with_the_wrong_half(float *out) {
    SHARED(float, part, 32);
    part[threadIdx.x] = 0;
    __syncwarp();
    part[threadIdx.x] = float(threadIdx.x);
    __syncwarp(threadIdx.x < 16 ? 0xffff : 0xffff0000);
    out[threadIdx.x] = part[threadIdx.x ^ 16];
}

__global__ void global_read_before_barrier(float *memory, float *out) {
    const Global<float> part = memory;
    part[threadIdx.x] = 1;
    const float next = part[(threadIdx.x + 1) % 64];
    out[threadIdx.x] = next;
}

__global__ void global_write_before_barrier(float *memory, float *out) {
    const Global<float> part = memory;
    const float next = part[(threadIdx.x + 32) % 64];
    part[threadIdx.x] = 2; // the other warp may not have read it
    out[threadIdx.x] = next;
}

__global__ void global_sum_of_a_block(float *sum) {
    const Global<float> all = sum;
    all[0] += float(threadIdx.x);
}

__global__ void global_sum_of_blocks(float *sum) {
    const Global<float> all = sum;
    all[threadIdx.x] += float(blockIdx.x);
}

__global__ void global_read_of_another_block(float *memory, float *out) {
    const Global<float> part = memory;
    if (blockIdx.x == 0) {
        part[threadIdx.x] = 1;
    } else {
        out[threadIdx.x] = part[threadIdx.x];
    }
}

__global__ void global_read_beside_atomics(float *memory, float *out) {
    const Global<float> part = memory;
    atomicAdd(&part[threadIdx.x], 1.0f); // by the other block, too
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x];
}

__global__ void global_write_after_two_blocks_read(float *memory, float *out) {
    const Global<float> part = memory;
    const float seen = part[0];
    out[threadIdx.x] = seen;
    __syncthreads();
    if (threadIdx.x == 0) part[0] = seen + 1;
}

__global__ void misaligned_global_cast(float *memory) { cast<float4>(Global<float>(memory) + 1); }

__global__ void last_block_wins(int *out) { *out = int(blockIdx.x); }

} // namespace wrong

namespace right {

/// The sum over a warp, in lane 0.
template <class T>
__device__ T warp_sum(T value) {
#pragma unroll
    for (int by = 16; by > 0; by /= 2) value += __shfl_down_sync(~0u, value, unsigned(by));
    return value;
}

/// The sum over a block, in thread 0; `part` has one place a warp.
template <class T>
__device__ T block_sum(T value, Shared<T> part) {
    value = warp_sum(value);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
    __syncthreads();
    value = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : T(0);
    return threadIdx.x < 32 ? warp_sum(value) : T(0);
}

__global__ void __launch_bounds__(256) grid_stride_sum(const float *x, int n, double *out, unsigned *blocks) {
    SHARED(double, part, 8);
    double sum = 0;
    for (int i = int(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += int(blockDim.x * gridDim.x)) sum += x[i];
    sum = block_sum<double>(sum, part);
    if (threadIdx.x == 0) {
        atomicAdd(out, sum);
        atomicAdd(blocks, 1u);
    }
}

__global__ void tree_sum(const float *x, float *out) {
    SHARED_DYNAMIC(float, part);
    part[threadIdx.x] = x[threadIdx.x];
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    if (threadIdx.x == 0) *out = part[0];
}

__global__ void vectors(float *out) {
    SHARED_DYNAMIC(float, all);
    Shared<float> upper = slice(all, 64, 256);
    Shared<float4> tile = cast<float4>(upper);
    tile[threadIdx.x] = make_float4(1, 2, 3, float(threadIdx.x));
    __syncthreads();
    const float4 next = tile[(threadIdx.x + 1) % 64];
    out[threadIdx.x] = next.w + fmaxf(upper[4 * threadIdx.x + 1], -INFINITY_F32);
}

__global__ void warp_exchange(float *out) {
    SHARED(float, part, 32);
    part[threadIdx.x] = float(threadIdx.x);
    __syncwarp();
    const float other = part[threadIdx.x ^ 1];
    __syncwarp();
    part[threadIdx.x] = other;
    __syncwarp(threadIdx.x < 16 ? 0xffff : 0xffff0000);
    out[threadIdx.x] = part[threadIdx.x ^ 1]; // within the halves that met
}

__global__ void update_after_all_read(float *out) {
    SHARED(float, part, 1);
    if (threadIdx.x == 0) part[0] = 1;
    __syncwarp();
    const float seen = part[0];
    __syncwarp();
    if (threadIdx.x == 3) part[0] += seen;
    __syncwarp();
    out[threadIdx.x] = part[0];
}

/// Lane 0's word reaches lane 2 by way of lane 1, which meets both.
__global__ void relay(int *out) {
    SHARED(int, word, 1);
    if (threadIdx.x == 0) word[0] = 7;
    if (threadIdx.x < 2) __syncwarp(3);
    if (threadIdx.x == 1 || threadIdx.x == 2) __syncwarp(6);
    if (threadIdx.x == 2) *out = word[0];
}

__global__ void votes(unsigned *out) {
    const unsigned lane = threadIdx.x % 32;
    out[0] = __ballot_sync(~0u, lane % 3 == 0);
    if (__any_sync(~0u, lane == 5) && !__any_sync(~0u, 0) && __all_sync(~0u, 1) && !__all_sync(~0u, lane))
        out[1] = unsigned(__popc(out[0]) + __ffs(8) + __clz(1));
    out[2] = unsigned(__syncthreads_count(threadIdx.x < 40));
    out[3] = __syncthreads_or(threadIdx.x == 40) && !__syncthreads_and(threadIdx.x) && __syncthreads_and(1);
    if (threadIdx.x == 33) out[4] = lane;
    const int up = __shfl_up_sync(~0u, int(lane), 1, 8), all = __shfl_sync(~0u, int(lane), 3, 8);
    const int down = __shfl_down_sync(~0u, int(lane), 1, 8), across = __shfl_xor_sync(~0u, int(lane), 8, 8);
    if (threadIdx.x == 8) out[5] = unsigned(up * 100 + all);
    if (threadIdx.x == 7) out[6] = unsigned(down * 100 + across); // after its segment a lane gets its own
    if (threadIdx.x == 9) out[7] = unsigned(across);              // but not before it
}

__global__ void shared_histogram(const int *x, unsigned *out) {
    SHARED(unsigned, bins, 4);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    if (thread < 4) bins[thread] = 0;
    __syncthreads();
    atomicAdd(&bins[x[thread]], 1u);
    __syncthreads();
    if (thread < 4) out[thread] = bins[thread];
}

/// Each block turns its own row of `memory` by four places, and all read `step`.
__global__ void global_rows(float *memory, float *step) {
    Global<float> row = memory, by = step, nothing = nullptr;
    row += 128 * blockIdx.x + 64;
    row -= 64;
    const Global<float4> vectors = cast<float4>(row);
    const float x = by[0];
    row[threadIdx.x] = row == nullptr || nothing != nullptr ? 0.0f : x * float(threadIdx.x);
    __syncthreads();
    float4 next = make_float4(0, 0, 0, 0);
    if (threadIdx.x < 32) next = vectors[(threadIdx.x + 1) % 32];
    __syncthreads();
    if (threadIdx.x < 32) vectors[threadIdx.x] = next;
}

/// What only atomics touch needs no barrier; what launches before did to the same memory is past.
__global__ void global_counts(float *memory) {
    const Global<float> counts = memory;
    atomicAdd(&counts[threadIdx.x / 2], 1.0f);
}

__global__ void global_warp_exchange(float *memory) {
    const Global<float> part = memory;
    part[threadIdx.x] = float(threadIdx.x);
    __syncwarp();
    const float other = part[threadIdx.x ^ 1];
    __syncwarp();
    part[threadIdx.x] = other;
}

/// As simulation kernels do it: lanes past the end leave before anyone meets.
__global__ void early_exit(float *out, int n) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n) return;
    float s, c;
    sincospif(0.25f * float(i), &s, &c);
    out[i] = s * s + c * c;
}

} // namespace right
