// Particles under learned fields: the networks, the rules that step particles along them, and the birth and death of cells.
// The counterpart of src/simulate. Networks are evaluated in single precision and states are double, as there, and the random
// numbers of a particle are the same function of (seed, particle, step) as on the CPU.
#include "device.cuh"

namespace {

constexpr unsigned THREADS = 256;

// ---------------------------------------------------------------------------------------------------------------------------
// Random numbers: src/exec/rng.rs.

enum Purpose { DIFFUSION = 4, BRANCHING = 5 };

__device__ unsigned rotate(unsigned x, unsigned by) {
    return (x << by) | (x >> (32 - by));
}

__device__ void quarter_round(unsigned& a, unsigned& b, unsigned& c, unsigned& d) {
    a += b, d = rotate(d ^ a, 16);
    c += d, b = rotate(b ^ c, 12);
    a += b, d = rotate(d ^ a, 8);
    c += d, b = rotate(b ^ c, 7);
}

// A stream of random words: ChaCha with 8 rounds (Bernstein 2008), keyed by (seed, purpose, index), on stream `sub_index`.
struct Stream {
    unsigned long long seed, purpose, index, sub_index;

    // Words 16·block … 16·block + 15.
    __device__ void words(unsigned long long block, unsigned (&out)[16]) const {
        const unsigned start[16] = {
            0x61707865u,        0x3320646eu,            0x79622d32u,         0x6b206574u,
            unsigned(seed),     unsigned(seed >> 32),   unsigned(purpose),   unsigned(purpose >> 32),
            unsigned(index),    unsigned(index >> 32),  0u,                  0u,
            unsigned(block),    unsigned(block >> 32),  unsigned(sub_index), unsigned(sub_index >> 32),
        };
#pragma unroll
        for (int i = 0; i < 16; ++i) out[i] = start[i];
#pragma unroll
        for (int round = 0; round < 8; round += 2) {
#pragma unroll
            for (int i = 0; i < 4; ++i) quarter_round(out[i], out[i + 4], out[i + 8], out[i + 12]);
#pragma unroll
            for (int i = 0; i < 4; ++i)
                quarter_round(out[i], out[4 + (i + 1) % 4], out[8 + (i + 2) % 4], out[12 + (i + 3) % 4]);
        }
#pragma unroll
        for (int i = 0; i < 16; ++i) out[i] += start[i];
    }
};

// The two normal numbers of two words, by Box and Muller.
__device__ double2 normal_pair(unsigned first, unsigned second) {
    const double radius = sqrt(-2.0 * log((first + 0.5) * 0x1p-32));
    double sine, cosine;
    sincospi(2.0 * ((second + 0.5) * 0x1p-32), &sine, &cosine);
    return make_double2(radius * cosine, radius * sine);
}

// The numbers of a stream one after the other, uniform on the open interval (0, 1).
class Uniforms {
    Stream stream;
    unsigned words[16];
    unsigned long long drawn;

   public:
    __device__ explicit Uniforms(Stream stream) : stream(stream), drawn(0) {}

    __device__ double next() {
        const unsigned at = drawn % 8;
        if (at == 0) stream.words(drawn / 8, words);
        ++drawn;
        unsigned low = 0, high = 0;
        // Chosen without an index, so that the words stay in registers.
#pragma unroll
        for (unsigned i = 0; i < 8; ++i) {
            if (i == at) low = words[2 * i], high = words[2 * i + 1];
        }
        const unsigned long long word = (static_cast<unsigned long long>(high) << 32) | low;
        return (double(word >> 12) + 0.5) * 0x1p-52;
    }
};

// ---------------------------------------------------------------------------------------------------------------------------
// Networks: src/nn.

enum Activation { LEAKY_RELU = 0, RELU = 1, TANH = 2, SILU = 3, SOFTPLUS = 4, SELU = 5 };

// f(z), and f′(z) if it is wanted.
__device__ float activate(int activation, float z, float& slope, bool with_slope) {
    switch (activation) {
        case LEAKY_RELU:
            slope = z > 0.0f ? 1.0f : 0.01f;
            return z * slope;
        case RELU:
            slope = z > 0.0f ? 1.0f : 0.0f;
            return z < 0.0f ? 0.0f : z;
        case TANH: {
            const float value = tanhf(z);
            slope = fmaf(-value, value, 1.0f);
            return value;
        }
        case SELU: {
            const float scale = 1.0507009873554805f, below = scale * 1.6732632423543772f;
            const float e = expf(z > 0.0f ? 0.0f : z);
            slope = z > 0.0f ? scale : below * e;
            return z > 0.0f ? scale * z : below * (e - 1.0f);
        }
        default: {
            const float e = expf(-fabsf(z)), large = 1.0f / (1.0f + e), small = e * large;
            const float sigmoid = z < 0.0f ? small : large, complement = z < 0.0f ? large : small;
            slope = activation == SILU && with_slope ? sigmoid * fmaf(z, complement, 1.0f) : sigmoid;
            return activation == SILU ? z * sigmoid : fmaxf(z, 0.0f) + log1pf(e);
        }
    }
}

// The same for four rows. Not inlined: it is large, and called once for hundreds of products.
__device__ NOINLINE float4 activate(int activation, float4 z, Global<float4> slopes) {
    float4 value, slope;
    const bool wanted = slopes != nullptr;
    value.x = activate(activation, z.x, slope.x, wanted);
    value.y = activate(activation, z.y, slope.y, wanted);
    value.z = activate(activation, z.z, slope.z, wanted);
    value.w = activate(activation, z.w, slope.w, wanted);
    if (wanted) slopes[0] = slope;
    return value;
}

// What a network is for: see src/dynamics.rs.
enum Role { VELOCITY = 0, GROWTH = 1, POTENTIAL = 2, SCORE_DRIFT = 3, LOG_DENSITY = 4 };

// A model as the host lays it out: see src/device/cuda/model.rs.
//   layout: dims, networks, slopes, then for each network role, activation, layers, and for each of these
//           inputs, outputs, and where in the parameters its weights (inputs × outputs), biases and transposed weights begin
//   reals:  start, duration and length of the scaling, unit of the score drift, growth law, its factor and floor, centre, and the
//           corners of the box that networks are asked in (infinite where they are asked everywhere)
struct Model {
    const int* layout;
    const float* parameters;
    const double* reals;

    __device__ unsigned dims() const { return layout[0]; }
    __device__ unsigned networks() const { return layout[1]; }
    // The hidden units of the deepest network whose gradient is taken.
    __device__ unsigned slopes() const { return layout[2]; }
    __device__ const int* first() const { return layout + 3; }
    __device__ double start() const { return reals[0]; }
    __device__ double duration() const { return reals[1]; }
    __device__ double length() const { return reals[2]; }
    __device__ double score_unit() const { return reals[3]; }
    __device__ const double* centre() const { return reals + 7; }
    __device__ double lower(unsigned k) const { return reals[7 + dims() + k]; }
    __device__ double upper(unsigned k) const { return reals[7 + 2 * dims() + k]; }

    // g(λ): src/growth_law.rs.
    __device__ NOINLINE float growth(double lambda) const {
        if (reals[4] == 0.0) return float(lambda / reals[5] / duration());
        const double square = lambda * lambda + reals[6] * reals[6];
        return float(reals[5] * pow(square, -1.0 / 13.0) / square * lambda / duration());
    }
};

struct Layer {
    const int* record;

    __device__ unsigned inputs() const { return record[0]; }
    __device__ unsigned outputs() const { return record[1]; }
    __device__ const float* weights(const Model& model) const { return model.parameters + record[2]; }
    __device__ const float* biases(const Model& model) const { return model.parameters + record[3]; }
    __device__ const float* transposed(const Model& model) const { return model.parameters + record[4]; }
};

struct Network {
    const int* record;

    __device__ int role() const { return record[0]; }
    __device__ int activation() const { return record[1]; }
    __device__ unsigned layers() const { return record[2]; }
    __device__ Layer layer(unsigned l) const { return {record + 3 + 5 * l}; }
    __device__ Network next() const { return {record + 3 + 5 * layers()}; }
};

// How a block of THREADS threads cuts a product of ROWS rows: each thread has four rows and four columns, those of four threads
// side by side in a row group's share of a vector register. COLUMNS columns and DEPTH terms of the weights are held at a time.
template <unsigned ROWS>
struct Tiling {
    static constexpr unsigned ROW_GROUPS = ROWS / 4;
    static constexpr unsigned COLUMN_GROUPS = THREADS / ROW_GROUPS;
    static constexpr unsigned COLUMNS = 4 * COLUMN_GROUPS;
    static constexpr unsigned DEPTH = ROW_GROUPS;
    // Words of a tile that a thread fetches: four.
    static constexpr unsigned FETCHED = DEPTH * COLUMNS / THREADS;
};

__device__ float4 scaled(float factor, float4 v) {
    return make_float4(factor * v.x, factor * v.y, factor * v.z, factor * v.w);
}

__device__ float4 product(float4 a, float4 b) {
    return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}

__device__ void add_product(float4& sum, float4 rows, float weight) {
    sum.x = fmaf(rows.x, weight, sum.x);
    sum.y = fmaf(rows.y, weight, sum.y);
    sum.z = fmaf(rows.z, weight, sum.z);
    sum.w = fmaf(rows.w, weight, sum.w);
}

// What becomes of a product, column by column.
enum Epilogue {
    HIDDEN,       // to = f(sum + bias), and slopes = f′ there, if that is not null
    OUTPUT,       // rates = unit · (sum + bias)
    GROWTH_RATE,  // rates = g(sum + bias)
    NOTHING,
    BACKWARD,  // to = sum · slopes
    IN_SPACE,  // rates of the column before = unit · sum: a gradient in (t, x), without its first component
};

// A product of the rows in `from` (k-major: the rows of k in ROWS/4 vectors) with a matrix (inner × columns), and what becomes of it.
struct Product {
    Shared<float4> from, to;
    const float* matrix = nullptr;
    unsigned inner = 0, columns = 0;
    int epilogue = NOTHING;
    const float* biases = nullptr;
    int activation = 0;
    Global<float4> slopes = nullptr;
    Global<float4> rates = nullptr;
    float unit = 0;
};

__device__ void finish(const Model& model, const Product& p, unsigned column, unsigned at, float4 sum) {
    if (p.epilogue <= NOTHING) {
        const float bias = p.biases[column];
        sum = make_float4(sum.x + bias, sum.y + bias, sum.z + bias, sum.w + bias);
    }
    switch (p.epilogue) {
        case HIDDEN:
            p.to[at] = activate(p.activation, sum, p.slopes == nullptr ? nullptr : p.slopes + at);
            break;
        case OUTPUT:
            p.rates[at] = scaled(p.unit, sum);
            break;
        case GROWTH_RATE:
            p.rates[at] =
                make_float4(model.growth(sum.x), model.growth(sum.y), model.growth(sum.z), model.growth(sum.w));
            break;
        case BACKWARD:
            p.to[at] = product(sum, p.slopes[at]);
            break;
        case IN_SPACE:
            p.rates[at] = scaled(p.unit, sum);
            break;
        default:
            break;
    }
}

// The matrix streams through `tile`, its next part on its way from memory while the last one is used. All layers of all networks go
// through it, forward and backward.
template <unsigned ROWS>
__device__ __forceinline__ void multiply(const Model& model, const Product& p, Shared<float4> tile) {
    using T = Tiling<ROWS>;
    const unsigned row_group = threadIdx.x / T::COLUMN_GROUPS, column_group = threadIdx.x % T::COLUMN_GROUPS;
    const Shared<float4> from = p.from;
    const float* matrix = p.matrix;
    const unsigned inner = p.inner, columns = p.columns;
    Shared<float> words = cast<float>(tile);
    for (unsigned left = 0; left < columns; left += T::COLUMNS) {
        float4 sums[4] = {};
        float fetched[T::FETCHED];
        const auto fetch = [&](unsigned base) {
#pragma unroll
            for (unsigned i = 0; i < T::FETCHED; ++i) {
                const unsigned e = threadIdx.x + i * THREADS;
                const unsigned k = base + e / T::COLUMNS, column = left + e % T::COLUMNS;
                fetched[i] = k < inner && column < columns ? matrix[size_t(k) * columns + column] : 0.0f;
            }
        };
        fetch(0);
        for (unsigned base = 0; base < inner; base += T::DEPTH) {
            __syncthreads();  // `from` is written, and the last tile has been used
#pragma unroll
            for (unsigned i = 0; i < T::FETCHED; ++i) words[threadIdx.x + i * THREADS] = fetched[i];
            __syncthreads();
            if (base + T::DEPTH < inner) fetch(base + T::DEPTH);
            const auto add = [&](unsigned k) {
                const float4 rows = from[(base + k) * T::ROW_GROUPS + row_group];
                const float4 weights = tile[k * T::COLUMN_GROUPS + column_group];
                add_product(sums[0], rows, weights.x);
                add_product(sums[1], rows, weights.y);
                add_product(sums[2], rows, weights.z);
                add_product(sums[3], rows, weights.w);
            };
            if (base + T::DEPTH <= inner) {
#pragma unroll
                for (unsigned k = 0; k < T::DEPTH; ++k) add(k);
            } else {
                for (unsigned k = 0; k < inner - base; ++k) add(k);
            }
        }
#pragma unroll
        for (unsigned c = 0; c < 4; ++c) {
            const unsigned column = left + 4 * column_group + c;
            // The rates of a gradient lack the first column, that of time.
            const unsigned place = p.epilogue == IN_SPACE ? column - 1 : column;
            if (column < columns && place != ~0u) {
                finish(model, p, column, place * T::ROW_GROUPS + row_group, sums[c]);
            }
        }
    }
}

// What a block evaluates networks in. Rows are ROWS particles, a number of each in ROWS/4 vectors.
struct Workspace {
    Shared<float4> input;  // (t, x) in network units
    Shared<float4> even;   // the values of a hidden layer,
    Shared<float4> odd;    // and of the next
    Shared<float4> tile;
    Global<float4> slopes;  // f′ of the hidden layers of one network
    Global<float4> rates;   // v, then g, then s
};

// Evaluates a network at the workspace's input: of its last layer become `rates`, as `output` says. Leaves the slopes of the hidden layers
// in the workspace, if asked to.
template <unsigned ROWS>
__device__ void forward(const Model& model, Network network, const Workspace& work, bool with_slopes, int output,
                        Global<float4> rates, float unit) {
    Product p = {work.input, work.even};
    p.activation = network.activation();
    p.slopes = with_slopes ? work.slopes : nullptr;
    p.rates = rates;
    p.unit = unit;
    for (unsigned l = 0; l < network.layers(); ++l) {
        const Layer layer = network.layer(l);
        p.matrix = layer.weights(model);
        p.inner = layer.inputs();
        p.columns = layer.outputs();
        p.biases = layer.biases(model);
        p.epilogue = l + 1 == network.layers() ? output : HIDDEN;
        p.to = l % 2 == 0 ? work.even : work.odd;
        multiply<ROWS>(model, p, work.tile);
        p.from = p.to;
        if (with_slopes) p.slopes += layer.outputs() * (ROWS / 4);
    }
}

// The gradient in x of a network with one output, after a forward pass that left the slopes: rates = unit · ∂/∂x.
template <unsigned ROWS>
__device__ void gradient(const Model& model, Network network, const Workspace& work, Global<float4> rates,
                         float unit) {
    constexpr unsigned GROUPS = ROWS / 4;
    const unsigned last = network.layers() - 1;
    const Layer linear = network.layer(last);
    const float* weights = linear.weights(model);
    const unsigned ends = linear.inputs() * GROUPS;
    if (last == 0) {
        for (unsigned e = GROUPS + threadIdx.x; e < ends; e += THREADS) {
            const float w = unit * weights[e / GROUPS];
            rates[e - GROUPS] = make_float4(w, w, w, w);
        }
        return;
    }
    Global<float4> slopes = work.slopes;
    for (unsigned l = 0; l + 1 < last; ++l) slopes += network.layer(l).outputs() * GROUPS;
    __syncthreads();  // the slopes are written, and the last layer's input has been used
    Product p = {work.even, work.odd};
    p.rates = rates;
    p.unit = unit;
    for (unsigned e = threadIdx.x; e < ends; e += THREADS) p.from[e] = scaled(weights[e / GROUPS], slopes[e]);
    for (unsigned back = 0; back < last; ++back) {
        const Layer layer = network.layer(last - 1 - back);
        p.matrix = layer.transposed(model);
        p.inner = layer.outputs();
        p.columns = layer.inputs();
        p.epilogue = back + 1 == last ? IN_SPACE : BACKWARD;
        p.to = back % 2 == 0 ? work.odd : work.even;
        if (p.epilogue == BACKWARD) slopes -= layer.inputs() * GROUPS;
        p.slopes = slopes;
        multiply<ROWS>(model, p, work.tile);
        p.from = p.to;
    }
}

// Leaves v and g, and s where it is wanted or v needs it, of the workspace's input in its rates: src/dynamics.rs.
template <unsigned ROWS>
__device__ void evaluate_fields(const Model& model, const Workspace& work, double sigma, bool with_score) {
    constexpr unsigned GROUPS = ROWS / 4;
    const unsigned dims = model.dims();
    const double length = model.length(), duration = model.duration();
    const Global<float4> velocity = work.rates;
    const Global<float4> growth = velocity + dims * GROUPS;
    const Global<float4> score = growth + GROUPS;
    for (unsigned e = threadIdx.x; e < (2 * dims + 1) * GROUPS; e += THREADS) velocity[e] = make_float4(0, 0, 0, 0);
    // A product meets at a barrier before anything else is written there.
    bool potential = false, subtract = false;
    Network network = {model.first()};
    for (unsigned i = 0; i < model.networks(); ++i, network = network.next()) {
        const int role = network.role();
        const bool of_score = role == SCORE_DRIFT || role == LOG_DENSITY;
        if (of_score && !with_score && !potential) continue;
        potential |= role == POTENTIAL;
        subtract |= of_score && potential;
        const bool differentiate = role == POTENTIAL || role == LOG_DENSITY;
        const int output = role == POTENTIAL ? GROWTH_RATE : role == LOG_DENSITY ? NOTHING : OUTPUT;
        const Global<float4> rates = role == VELOCITY ? velocity : role == SCORE_DRIFT ? score : growth;
        const double unit = role == VELOCITY ? length / duration : role == GROWTH ? 1.0 / duration : model.score_unit();
        forward<ROWS>(model, network, work, differentiate, output, rates, float(unit));
        if (!differentiate) continue;
        const double slope_unit = role == POTENTIAL ? length / duration : 0.5 * sigma * sigma / length;
        gradient<ROWS>(model, network, work, role == POTENTIAL ? velocity : score, float(slope_unit));
    }
    __syncthreads();
    if (!subtract) return;
    // Of a potential the velocity is still ∇λ here, and v = ∇λ − s.
    for (unsigned e = threadIdx.x; e < dims * GROUPS; e += THREADS) {
        const float4 v = velocity[e], s = score[e];
        velocity[e] = make_float4(v.x - s.x, v.y - s.y, v.z - s.z, v.w - s.w);
    }
    __syncthreads();
}

// ---------------------------------------------------------------------------------------------------------------------------
// Steps: src/simulate/ode.rs and sde.rs.

enum Rule { EULER = 0, RUNGE_KUTTA_4 = 1, EULER_MARUYAMA = 2 };

// ROWS particles from `first` on, of n: their rows of the state, d coordinates and the growth so far each.
struct Block {
    Global<double> state;
    unsigned first, n, width;

    __device__ bool has(unsigned row) const { return first + row < n; }
    __device__ Global<double> row(unsigned row) const { return state + size_t(first + row) * width; }
};

// Writes (t, x + factor·rate) in network units to the workspace's input, of the rows' states x and the rates that the workspace holds; what is
// outside of the model's box is moved to its border.
template <unsigned ROWS>
__device__ void write_input(const Model& model, const Block& block, const Workspace& work, double time, double factor) {
    const float t = float((time - model.start()) / model.duration());
    const Global<float> rates = cast<float>(work.rates);
    const double* centre = model.centre();
    Shared<float> input = cast<float>(work.input);
    for (unsigned e = threadIdx.x; e < ROWS * block.width; e += THREADS) {
        const unsigned row = e % ROWS, k = e / ROWS;
        if (k == 0) {
            input[row] = t;
            continue;
        }
        double x = block.has(row) ? block.row(row)[k - 1] : centre[k - 1];
        if (factor != 0.0) x += factor * double(rates[(k - 1) * ROWS + row]);
        const double inside = fmin(fmax(double(float(x)), model.lower(k - 1)), model.upper(k - 1));
        input[e] = float((inside - centre[k - 1]) / model.length());
    }
}

// Counts the block's particles that are outside of the model's box.
template <unsigned ROWS>
__device__ void count_outside(const Model& model, const Block& block, unsigned long long* outside) {
    for (unsigned row = threadIdx.x; row < ROWS && block.has(row); row += THREADS) {
        bool is_outside = false;
        for (unsigned k = 0; k + 1 < block.width; ++k) {
            const double x = double(float(block.row(row)[k]));
            is_outside |= x < model.lower(k) || x > model.upper(k);
        }
        if (is_outside) atomicAdd(outside, 1ull);
    }
}

// state += factor · (v, g) of the rates, into `next`, which may be the state itself.
template <unsigned ROWS>
__device__ void add_rates(const Block& block, const Workspace& work, double factor, Global<double> state,
                          Global<double> next) {
    const Global<float> rates = cast<float>(work.rates);
    for (unsigned e = threadIdx.x; e < ROWS * block.width; e += THREADS) {
        const unsigned row = e / block.width, k = e % block.width;
        if (block.has(row)) next[e] = state[e] + factor * double(rates[k * ROWS + row]);
    }
}

// The noise and the score drift of a step of length h: x += |h| s + amplitude·normal.
template <unsigned ROWS>
__device__ void add_noise(const Block& block, const Workspace& work, double duration, double amplitude,
                          const unsigned long long* ids, unsigned long long seed, unsigned long long step) {
    const unsigned dims = block.width - 1, chunks = (dims + 15) / 16;
    const Global<float> score = cast<float>(work.rates) + (dims + 1) * ROWS;
    for (unsigned e = threadIdx.x; e < ROWS * chunks; e += THREADS) {
        const unsigned row = e % ROWS, chunk = e / ROWS;
        if (!block.has(row)) continue;
        unsigned words[16];
        Stream{seed, DIFFUSION, ids[block.first + row], step}.words(chunk, words);
#pragma unroll
        for (unsigned i = 0; i < 8; ++i) {
            const unsigned k = 16 * chunk + 2 * i;
            if (k >= dims) break;
            const double2 normal = normal_pair(words[2 * i], words[2 * i + 1]);
            block.row(row)[k] += duration * double(score[k * ROWS + row]) + amplitude * normal.x;
            if (k + 1 < dims) {
                block.row(row)[k + 1] += duration * double(score[(k + 1) * ROWS + row]) + amplitude * normal.y;
            }
        }
    }
}

// Takes `steps` steps of length h with all particles. Step j begins at times[j] with diffusion sigmas[j] and is the (first_step + j)-th of the
// simulation, with the highest bit set where time runs backward. told[0] becomes the least (step j, particle) whose state is not finite,
// and told[1] grows by one for each particle that is outside of the model's box when a step begins.
template <unsigned ROWS>
__device__ void advance(const Model& model, int rule, Global<double> state, const unsigned long long* ids, unsigned n,
                        unsigned steps, const double* times, const double* sigmas, double h, unsigned long long seed,
                        unsigned long long first_step, unsigned widest, Global<float4> rates, Global<float4> slopes,
                        Global<double> next, unsigned long long* told) {
    using T = Tiling<ROWS>;
    const unsigned width = model.dims() + 1;
    SHARED_DYNAMIC(float4, shared);
    const Workspace work = {
        slice(shared, 0, width * T::ROW_GROUPS),
        slice(shared, width * T::ROW_GROUPS, widest * T::ROW_GROUPS),
        slice(shared, (width + widest) * T::ROW_GROUPS, widest * T::ROW_GROUPS),
        slice(shared, (width + 2 * widest) * T::ROW_GROUPS, T::DEPTH * T::COLUMN_GROUPS),
        slopes + size_t(blockIdx.x) * model.slopes() * T::ROW_GROUPS,
        rates + size_t(blockIdx.x) * (2 * width - 1) * T::ROW_GROUPS,
    };
    next += size_t(blockIdx.x) * width * ROWS;
    for (unsigned first = blockIdx.x * ROWS; first < n; first += gridDim.x * ROWS) {
        const Block block = {state, first, n, width};
        const Global<double> rows = block.row(0);
        for (unsigned j = 0; j < steps; ++j) {
            const double time = times[j], sigma = sigmas[j];
            const bool noisy = rule == EULER_MARUYAMA && sigma > 0.0;
            const unsigned stages = rule == RUNGE_KUTTA_4 ? 4 : 1;
            count_outside<ROWS>(model, block, told + 1);
            for (unsigned stage = 0; stage < stages; ++stage) {
                // Classical Runge–Kutta: nodes 0, ½, ½, 1 and weights ⅙, ⅓, ⅓, ⅙.
                const double node = stage == 0 ? 0.0 : stage == 3 ? h : h / 2.0;
                const double share = stages == 1 ? h : stage == 0 || stage == 3 ? h * (1.0 / 6.0) : h * (1.0 / 3.0);
                write_input<ROWS>(model, block, work, time + node, node);
                __syncthreads();  // the last stage's rates have been used
                evaluate_fields<ROWS>(model, work, sigma, noisy);
                add_rates<ROWS>(block, work, share, stage == 0 ? rows : next, stage + 1 == stages ? rows : next);
            }
            if (noisy) {
                __syncthreads();  // the rates are added
                const double duration = fabs(h);
                add_noise<ROWS>(block, work, duration, sigma * sqrt(duration), ids, seed, first_step + j);
            }
            __syncthreads();  // the step is taken
            for (unsigned e = threadIdx.x; e < min(ROWS, n - first) * width; e += THREADS) {
                if (!isfinite(rows[e])) {
                    atomicMin(told, (static_cast<unsigned long long>(j) << 40) | (first + e / width));
                }
            }
        }
    }
}

}  // namespace

// The three are for networks of different width: more rows a block do more work with each weight, and take more shared memory,
// 16·(dims + 1 + 2·widest)·ROWS/4 bytes and that of the tile.
#define ADVANCE(ROWS)                                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                              \
        advance_##ROWS(const int* layout, const float* parameters, const double* reals, int rule, double* state,       \
                       const unsigned long long* ids, unsigned n, unsigned steps, const double* times,                 \
                       const double* sigmas, double h, unsigned long long seed, unsigned long long first_step,         \
                       unsigned widest, float* rates, float* slopes, double* next, unsigned long long* told) {         \
        advance<ROWS>({layout, parameters, reals}, rule, state, ids, n, steps, times, sigmas, h, seed, first_step,     \
                      widest, reinterpret_cast<float4*>(rates), reinterpret_cast<float4*>(slopes), next, told);        \
    }

ADVANCE(64)
ADVANCE(32)
ADVANCE(16)

// ---------------------------------------------------------------------------------------------------------------------------
// Birth and death: src/simulate/branching.rs.

// counts_i: how many descendants particle i leaves after a step of length h, by the exact law of the linear birth–death process
// (Kendall, Ann. Math. Stat. 1948) at birth rate g⁺ + turnover and death rate g⁻ + turnover, where g·h is the growth in its state, or,
// with a branching rate λ, at (√(λ² + g²) ± g)/2 + turnover (Baradat and Lavenant, 2021); counted no further than one past `most`.
extern "C" __global__ void __launch_bounds__(THREADS)
    offspring(const double* state, const unsigned long long* ids, unsigned n, unsigned dims, double h, double turnover,
              double branching_rate, unsigned long long seed, unsigned long long step, unsigned long long most, unsigned* counts) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const double growth = state[size_t(i) * (dims + 1) + dims] / h;
    double greater = fabs(growth), lesser = 0.0;
    if (branching_rate > 0.0) {
        greater = 0.5 * (hypot(branching_rate, growth) + greater);
        lesser = 0.25 * branching_rate * (branching_rate / greater);
    }
    const double birth = (growth >= 0.0 ? greater : lesser) + turnover;
    const double death = (growth >= 0.0 ? lesser : greater) + turnover;
    if (birth == 0.0 && death == 0.0) {
        counts[i] = 1;
        return;
    }
    const double net = birth - death;
    const double pace = net * h == 0.0 ? 1.0 / h : net / expm1(net * h);
    const double extinction = death / (pace + birth), continuation = birth / (pace + birth);
    Uniforms uniforms(Stream{seed, BRANCHING, ids[i], step});
    unsigned count = 0;
    if (!(uniforms.next() < extinction)) {
        count = 1;
        while (count <= most && uniforms.next() < continuation) ++count;
    }
    counts[i] = count;
}

namespace {

// One block of SCANNERS threads adds up any number of counts, EACH a thread at a time.
constexpr unsigned SCANNERS = 1024;
constexpr unsigned EACH = 8;

}  // namespace

// offsets_i = Σ_{j<i} value_j and offsets_n = Σ_j value_j, where value is the count or, with `events`, whether it is not 1. One block.
extern "C" __global__ void __launch_bounds__(SCANNERS)
    scan(const unsigned* counts, unsigned n, unsigned events, unsigned long long* offsets) {
    SHARED(unsigned long long, warps, SCANNERS / 32);
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    unsigned long long carried = 0;
    for (unsigned base = 0; base < n; base += SCANNERS * EACH) {
        const unsigned first = base + threadIdx.x * EACH;
        unsigned long long mine[EACH], sum = 0;
        for (unsigned k = 0; k < EACH; ++k) {
            mine[k] = sum;
            if (first + k < n) sum += events ? counts[first + k] != 1 : counts[first + k];
        }
        unsigned long long inclusive = sum;
        for (unsigned step = 1; step < 32; step *= 2) {
            const unsigned long long left = __shfl_up_sync(0xffffffffu, inclusive, step);
            if (lane >= step) inclusive += left;
        }
        __syncthreads();  // the last sums have been used
        if (lane == 31) warps[warp] = inclusive;
        __syncthreads();
        unsigned long long before = carried + inclusive - sum;
        for (unsigned w = 0; w < SCANNERS / 32; ++w) {
            const unsigned long long total = warps[w];
            if (w < warp) before += total;
            carried += total;
        }
        for (unsigned k = 0; k < EACH && first + k < n; ++k) offsets[first + k] = before + mine[k];
    }
    if (threadIdx.x == 0) offsets[n] = carried;
}

// Writes each particle's row into the rows of its descendants: mothers[offsets_i … offsets_i + counts_i) = i.
extern "C" __global__ void __launch_bounds__(THREADS)
    place(const unsigned* counts, const unsigned long long* offsets, unsigned n, unsigned* mothers) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    for (unsigned k = 0; k < counts[i]; ++k) mothers[offsets[i] + k] = i;
}

// Gathers what the host needs to know of the particles that divide or die: row, number of descendants, id, and growth over the step.
extern "C" __global__ void __launch_bounds__(THREADS)
    gather_events(const unsigned* counts, const unsigned long long* event_offsets, const double* state,
                  const unsigned long long* ids, unsigned n, unsigned dims, unsigned* event_rows,
                  unsigned* event_counts, unsigned long long* event_ids, double* event_growth) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n || counts[i] == 1) return;
    const unsigned long long at = event_offsets[i];
    event_rows[at] = i;
    event_counts[at] = counts[i];
    event_ids[at] = ids[i];
    event_growth[at] = state[size_t(i) * (dims + 1) + dims];
}

// to_i = the state of row mothers_i, with no growth yet.
extern "C" __global__ void __launch_bounds__(THREADS)
    gather_states(const double* from, const unsigned* mothers, unsigned n, unsigned dims, double* to) {
    const size_t e = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    const unsigned width = dims + 1;
    if (e >= size_t(n) * width) return;
    const unsigned k = e % width;
    to[e] = k == dims ? 0.0 : from[size_t(mothers[e / width]) * width + k];
}

// growth_i: that of particle i since its state began.
extern "C" __global__ void __launch_bounds__(THREADS)
    gather_growth(const double* state, unsigned n, unsigned dims, double* growth) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) growth[i] = state[size_t(i) * (dims + 1) + dims];
}

// to_i = from[mothers_i].
extern "C" __global__ void __launch_bounds__(THREADS)
    gather_labels(const unsigned long long* from, const unsigned* mothers, unsigned n, unsigned long long* to) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) to[i] = from[mothers[i]];
}

// labels[rows_i] = new_labels_i: the daughters' numbers.
extern "C" __global__ void __launch_bounds__(THREADS)
    set_labels(const unsigned* rows, const unsigned long long* new_labels, unsigned n, unsigned long long* labels) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) labels[rows[i]] = new_labels[i];
}
