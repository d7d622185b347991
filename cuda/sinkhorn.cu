// Log-domain Sinkhorn between two weighted point clouds, from the points alone: costs are computed where they are used, in
// tiles, and no n × m matrix exists anywhere. The counterpart of src/transport/sinkhorn.rs, in double precision as there.
//
// Both updates are the same kernels with the clouds exchanged: "rows" are the points that something is found for, "columns"
// those that are summed over. A cloud of n points in d dimensions is coordinate-major: coordinate k of point i is at k·n + i.
// Every result is a function of the problem alone: nothing is added up in an order that the hardware chooses.
#include "device.cuh"

namespace {

// The costs of src/transport/cost.rs. Coordinates come in a unit of length that keeps their squares from underflowing; `scale`
// is the unit, its square, or its square over 4δ².
enum Cost { EUCLIDEAN = 0, HALF_SQUARED_EUCLIDEAN = 1, WFR = 2 };

// A block of SIDE × SIDE threads holds TILE × TILE pairs, each thread EACH × EACH of them, and DEPTH coordinates at a time.
// A thread's rows and columns are SIDE apart, so that a warp reads consecutive words.
constexpr unsigned SIDE = 16;
constexpr unsigned EACH = 4;
constexpr unsigned TILE = SIDE * EACH;
constexpr unsigned DEPTH = 16;
constexpr unsigned THREADS = SIDE * SIDE;

// The threads of the kernels that reduce a vector to a few numbers, all in one block.
constexpr unsigned REDUCERS = 1024;

// (2/n) Σ_{k≥1} (2k+1)^{−2n} for n = 1…18: see src/transport/cost.rs.
__constant__ double LOG_Q[18] = {
    0.46740110027233966,   0.014678031604192055,  0.0009647177606280813, 7.758951264805966e-05, 6.816545217930195e-06,
    6.28616194373192e-07,  5.978300548900003e-08, 5.809289344789177e-09, 5.736527903688384e-10, 5.73615394911164e-11,
    5.793959116444292e-12, 5.90120490653418e-13,  6.052499490991511e-14, 6.244635513184464e-15, 6.475915764540101e-16,
    6.745744633575096e-17, 7.054373113692517e-18, 7.402737082328356e-19,
};

// π²/4: the u from which on −2 ln cos √u is infinite.
constexpr double WFR_REACH = 2.4674011002723397;

// −2 ln cos √u without a square root or a cosine, as in src/transport/cost.rs; infinite from u = π²/4 on. No branch: the costs of
// several pairs are computed beside each other.
__device__ double wfr(double u) {
    const double w = u * 0.40528473456935109;  // 4/π²
    double p = LOG_Q[17];
#pragma unroll
    for (int n = 16; n >= 0; --n) p = fma(p, w, LOG_Q[n]);
    const double y = 1.0 - w;
    const double logarithm = log(y) - ((y - 1.0) + w) / y;
    return w < 1.0 ? fma(-2.0, logarithm, w * p) : INFINITY_F64;
}

// Squared distances become costs.
__device__ void to_costs(double (&values)[EACH][EACH], int cost, double scale) {
    switch (cost) {
        case EUCLIDEAN:
#pragma unroll
            for (unsigned e = 0; e < EACH * EACH; ++e) {
                values[e / EACH][e % EACH] = sqrt(values[e / EACH][e % EACH]) * scale;
            }
            break;
        case HALF_SQUARED_EUCLIDEAN:
#pragma unroll
            for (unsigned e = 0; e < EACH * EACH; ++e) values[e / EACH][e % EACH] *= 0.5 * scale;
            break;
        default:
#pragma unroll
            for (unsigned r = 0; r < EACH; ++r) {
                bool in_reach = false;
#pragma unroll
                for (unsigned c = 0; c < EACH; ++c) in_reach |= values[r][c] * scale < WFR_REACH;
                // Where δ is small, whole warps are out of reach of whole tiles.
#pragma unroll
                for (unsigned c = 0; c < EACH; ++c) values[r][c] = in_reach ? wfr(values[r][c] * scale) : INFINITY_F64;
            }
    }
}

// Two clouds and the cost between them.
struct Pairs {
    const double* rows;
    unsigned n;
    const double* columns;
    unsigned m;
    unsigned dims;
    int cost;
    double scale;
};

// The r-th row of this thread in the block's tile of rows, and the c-th column of a tile that begins at `first`.
__device__ unsigned row_of(unsigned r) {
    return blockIdx.x * TILE + threadIdx.x / SIDE + SIDE * r;
}
__device__ unsigned column_of(unsigned first, unsigned c) {
    return first + threadIdx.x % SIDE + SIDE * c;
}

// Calls visit(first column of a tile, costs) for every tile of columns from `begin` to `end`, in order. Pairs beyond
// the clouds' ends are there too, to be ignored.
template <class Visit>
__device__ void for_each_tile(const Pairs& pairs, unsigned begin, unsigned end, Visit visit) {
    SHARED(double, x, DEPTH* TILE);
    SHARED(double, y, DEPTH* TILE);
    const unsigned tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
    for (unsigned first = begin; first < end; first += TILE) {
        double squares[EACH][EACH] = {};
        for (unsigned base = 0; base < pairs.dims; base += DEPTH) {
            const unsigned depth = min(DEPTH, pairs.dims - base);
            __syncthreads();  // the last coordinates have been used
            for (unsigned e = threadIdx.x; e < depth * TILE; e += THREADS) {
                const size_t k = base + e / TILE;
                const unsigned row = blockIdx.x * TILE + e % TILE, column = first + e % TILE;
                x[e] = row < pairs.n ? pairs.rows[k * pairs.n + row] : 0.0;
                y[e] = column < end ? pairs.columns[k * pairs.m + column] : 0.0;
            }
            __syncthreads();
            for (unsigned k = 0; k < depth; ++k) {
                double a[EACH], b[EACH];
#pragma unroll
                for (unsigned r = 0; r < EACH; ++r) a[r] = x[k * TILE + ty + SIDE * r];
#pragma unroll
                for (unsigned c = 0; c < EACH; ++c) b[c] = y[k * TILE + tx + SIDE * c];
#pragma unroll
                for (unsigned r = 0; r < EACH; ++r) {
#pragma unroll
                    for (unsigned c = 0; c < EACH; ++c) {
                        const double difference = a[r] - b[c];
                        squares[r][c] = fma(difference, difference, squares[r][c]);
                    }
                }
            }
        }
        to_costs(squares, pairs.cost, pairs.scale);
        visit(first, squares);
    }
}

// A sum of exponentials, Σ = sum · e^reference; of none, the reference is −∞.
struct LogSum {
    double reference, sum;
};

// How far terms may be above their reference before it follows them: it seldom does, and no sum overflows.
constexpr double SLACK = 40.0;

__device__ LogSum join(LogSum a, LogSum b) {
    const double reference = fmax(a.reference, b.reference);
    if (reference == -INFINITY_F64) return {reference, 0.0};
    return {reference, a.sum * exp(a.reference - reference) + b.sum * exp(b.reference - reference)};
}

// The sum of one number a thread over a block of REDUCERS threads, in every thread, added up as a binary tree. `scratch` holds
// one number a warp.
__device__ double block_sum(double value, Shared<double> scratch) {
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (unsigned step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    __syncthreads();  // the last result has been read
    if (lane == 0) scratch[warp] = value;
    __syncthreads();
    value = scratch[lane];
    for (unsigned step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}

// exp(x − reference), 0 for x = −∞ whatever the reference.
__device__ double relative(double x, double reference) {
    return x == -INFINITY_F64 ? 0.0 : exp(x - reference);
}

}  // namespace

// out_j = log_weights_j + potential_j/ε: what the other side's update takes of a point.
extern "C" __global__ void __launch_bounds__(THREADS)
    exponents(const double* log_weights, const double* potential, double inverse_epsilon, unsigned n, double* out) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = log_weights[i] + potential[i] * inverse_epsilon;
}

// LSE_j(exponents_j − C_ij/ε) for every row i, over the columns of a segment: block (b, s) takes rows 64b… and columns
// s·segment…, and leaves (max, sum) at s·n + i.
extern "C" __global__ void __launch_bounds__(THREADS)
    log_sums(const double* rows, unsigned n, const double* columns, unsigned m, unsigned dims, int cost, double scale,
             const double* exponents, double inverse_epsilon, unsigned segment, double* maxima, double* sums) {
    const Pairs pairs = {rows, n, columns, m, dims, cost, scale};
    const unsigned begin = blockIdx.y * segment, end = min(m, begin + segment);
    LogSum row[EACH];
    for (unsigned r = 0; r < EACH; ++r) row[r] = {-INFINITY_F64, 0.0};
    for_each_tile(pairs, begin, end, [&](unsigned first, const double (&costs)[EACH][EACH]) {
        double h[EACH];
#pragma unroll
        for (unsigned c = 0; c < EACH; ++c)
            h[c] = column_of(first, c) < end ? exponents[column_of(first, c)] : -INFINITY_F64;
#pragma unroll
        for (unsigned r = 0; r < EACH; ++r) {
            double z[EACH], max = -INFINITY_F64;
#pragma unroll
            for (unsigned c = 0; c < EACH; ++c) {
                z[c] = h[c] - costs[r][c] * inverse_epsilon;
                max = fmax(max, z[c]);
            }
            if (max > row[r].reference + SLACK) {
                row[r] = {max, row[r].sum * exp(row[r].reference - max)};
            }
#pragma unroll
            for (unsigned c = 0; c < EACH; ++c) row[r].sum += relative(z[c], row[r].reference);
        }
    });
    // The SIDE threads of a row are half a warp.
    for (unsigned r = 0; r < EACH; ++r) {
        for (unsigned step = SIDE / 2; step > 0; step /= 2) {
            const double reference = __shfl_xor_sync(0xffffffffu, row[r].reference, step);
            const double sum = __shfl_xor_sync(0xffffffffu, row[r].sum, step);
            row[r] = join(row[r], {reference, sum});
        }
        if (threadIdx.x % SIDE == 0 && row_of(r) < n) {
            const size_t at = size_t(blockIdx.y) * n + row_of(r);
            maxima[at] = row[r].reference;
            sums[at] = row[r].sum;
        }
    }
}

// Joins the segments of log_sums: log_sum_i = ln Σ_j exp(exponents_j − C_ij/ε), −∞ for a point out of everyone's reach.
extern "C" __global__ void __launch_bounds__(THREADS)
    join_segments(const double* maxima, const double* sums, unsigned n, unsigned segments, double* log_sum) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    LogSum all = {-INFINITY_F64, 0.0};
    for (unsigned s = 0; s < segments; ++s) all = join(all, {maxima[size_t(s) * n + i], sums[size_t(s) * n + i]});
    log_sum[i] = all.reference == -INFINITY_F64 ? -INFINITY_F64 : all.reference + log(all.sum);
}

// potential_i = −κ ε log_sum_i, κ = ρ/(ρ+ε): Sinkhorn's update against a KL penalty ρ, κ = 1 for a hard marginal.
extern "C" __global__ void __launch_bounds__(THREADS)
    update_potential(const double* log_sum, double kappa, double epsilon, unsigned n, double* potential) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) potential[i] = -kappa * epsilon * log_sum[i];
}

// mass_i = weights_i exp(potential_i/ε + log_sum_i): the plan's marginal.
extern "C" __global__ void __launch_bounds__(THREADS)
    marginal(const double* weights, const double* potential, const double* log_sum, double inverse_epsilon, unsigned n,
             double* mass) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        mass[i] = log_sum[i] == -INFINITY_F64 ? 0.0 : weights[i] * exp(potential[i] * inverse_epsilon + log_sum[i]);
}

// out = ln Σ_i exp(log_weights_i − potential_i/ρ), with 1/ρ = 0 for a hard marginal. One block.
extern "C" __global__ void __launch_bounds__(REDUCERS, 1)
    log_total(const double* log_weights, const double* potential, double inverse_rho, unsigned n, double* out) {
    SHARED(double, scratch, REDUCERS / 32);
    LogSum mine = {-INFINITY_F64, 0.0};
    for (unsigned i = threadIdx.x; i < n; i += REDUCERS) {
        mine = join(mine, {log_weights[i] - potential[i] * inverse_rho, 1.0});
    }
    double max = mine.reference;
    for (unsigned step = 16; step > 0; step /= 2) max = fmax(max, __shfl_xor_sync(0xffffffffu, max, step));
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = max;
    __syncthreads();
    for (unsigned warp = 0; warp < REDUCERS / 32; ++warp) max = fmax(max, scratch[warp]);
    const double sum = block_sum(mine.sum * relative(mine.reference, max), scratch);
    if (threadIdx.x == 0) *out = max + log(sum);
}

// The translation step of Séjourné, Vialard and Peyré (AISTATS 2022): potential += rate · (log_totals[0] − log_totals[1]), with
// rate = 1/(1/ρ_a + 1/ρ_b) for f and minus that for g.
extern "C" __global__ void __launch_bounds__(THREADS)
    translate(const double* log_totals, double rate, unsigned n, double* potential) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) potential[i] += rate * (log_totals[0] - log_totals[1]);
}

// Of every row its largest finite cost (0 without one), and its two smallest costs (infinite where there are fewer).
extern "C" __global__ void __launch_bounds__(THREADS)
    cost_ranges(const double* rows, unsigned n, const double* columns, unsigned m, unsigned dims, int cost,
                double scale, double* largest, double* smallest, double* second) {
    const Pairs pairs = {rows, n, columns, m, dims, cost, scale};
    double top[EACH], low[EACH], next[EACH];
    for (unsigned r = 0; r < EACH; ++r) top[r] = 0.0, low[r] = next[r] = INFINITY_F64;
    for_each_tile(pairs, 0, m, [&](unsigned first, const double (&costs)[EACH][EACH]) {
#pragma unroll
        for (unsigned r = 0; r < EACH; ++r) {
#pragma unroll
            for (unsigned c = 0; c < EACH; ++c) {
                const double value = column_of(first, c) < m ? costs[r][c] : INFINITY_F64;
                if (value < INFINITY_F64) top[r] = fmax(top[r], value);
                next[r] = fmin(next[r], fmax(low[r], value));
                low[r] = fmin(low[r], value);
            }
        }
    });
    for (unsigned r = 0; r < EACH; ++r) {
        for (unsigned step = SIDE / 2; step > 0; step /= 2) {
            const double other_low = __shfl_xor_sync(0xffffffffu, low[r], step);
            const double other_next = __shfl_xor_sync(0xffffffffu, next[r], step);
            top[r] = fmax(top[r], __shfl_xor_sync(0xffffffffu, top[r], step));
            next[r] = fmin(fmax(low[r], other_low), fmin(next[r], other_next));
            low[r] = fmin(low[r], other_low);
        }
        if (threadIdx.x % SIDE == 0 && row_of(r) < n) {
            largest[row_of(r)] = top[r];
            smallest[row_of(r)] = low[r];
            second[row_of(r)] = next[r];
        }
    }
}

namespace {

// Visits the pairs with exponents_j − C_ij/ε > thresholds_i, row by row and within a row from left to right, as
// keep(row, how many of this row came before, column, cost); returns, of each of the thread's rows, how many there are.
template <class Keep>
__device__ void for_each_entry(const Pairs& pairs, const double* exponents, double inverse_epsilon,
                               const double* thresholds, unsigned (&count)[EACH], Keep keep) {
    double threshold[EACH];
    for (unsigned r = 0; r < EACH; ++r) {
        threshold[r] = row_of(r) < pairs.n ? thresholds[row_of(r)] : INFINITY_F64;
        count[r] = 0;
    }
    const unsigned lane = threadIdx.x % 32, half = lane / SIDE * SIDE;
    const unsigned before = ((1u << lane) - 1u) >> half;
    for_each_tile(pairs, 0, pairs.m, [&](unsigned first, const double (&costs)[EACH][EACH]) {
#pragma unroll
        for (unsigned r = 0; r < EACH; ++r) {
#pragma unroll
            for (unsigned c = 0; c < EACH; ++c) {
                const unsigned column = column_of(first, c);
                const double value = costs[r][c];
                const bool kept = column < pairs.m && exponents[column] - value * inverse_epsilon > threshold[r];
                // The bits of this row's half of the warp.
                const unsigned row = (__ballot_sync(0xffffffffu, kept) >> half) & 0xffffu;
                if (kept) keep(row_of(r), count[r] + __popc(row & before), column, value);
                count[r] += __popc(row);
            }
        }
    });
}

}  // namespace

// How many entries each row of the sparse plan has: those with exponents_j − C_ij/ε > thresholds_i.
extern "C" __global__ void __launch_bounds__(THREADS)
    count_entries(const double* rows, unsigned n, const double* columns, unsigned m, unsigned dims, int cost,
                  double scale, const double* exponents, double inverse_epsilon, const double* thresholds,
                  unsigned* counts) {
    const Pairs pairs = {rows, n, columns, m, dims, cost, scale};
    unsigned count[EACH];
    for_each_entry(pairs, exponents, inverse_epsilon, thresholds, count, [](unsigned, unsigned, unsigned, double) {});
    for (unsigned r = 0; r < EACH; ++r) {
        if (threadIdx.x % SIDE == 0 && row_of(r) < n) counts[row_of(r)] = count[r];
    }
}

// The columns and costs of those entries, each row's from offsets_i on, from left to right.
extern "C" __global__ void __launch_bounds__(THREADS)
    fill_entries(const double* rows, unsigned n, const double* columns, unsigned m, unsigned dims, int cost,
                 double scale, const double* exponents, double inverse_epsilon, const double* thresholds,
                 const unsigned long long* offsets, unsigned* entry_columns, double* entry_costs) {
    const Pairs pairs = {rows, n, columns, m, dims, cost, scale};
    unsigned count[EACH];
    for_each_entry(pairs, exponents, inverse_epsilon, thresholds, count,
                   [&](unsigned row, unsigned before, unsigned column, double value) {
                       entry_columns[offsets[row] + before] = column;
                       entry_costs[offsets[row] + before] = value;
                   });
}
