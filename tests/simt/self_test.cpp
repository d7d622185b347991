// The shim against kernels that are wrong on purpose, and right ones: each is run in twenty orders, and must end in the
// fault that it was made for, or in none and with the right numbers.
#include "self_test.cu"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <functional>
#include <thread>

static std::atomic<int> failures{0};

static void check(bool holds, const char *what, uint64_t order, const std::string &told) {
    if (holds) return;
    ++failures;
    std::fprintf(stderr, "%s, order %llu: %s\n", what, (unsigned long long)order, told.c_str());
}

/// Runs the kernel in twenty orders, each of which must end in a fault that tells `expected`, or in none if it is empty
/// and then with what `holds`.
template <class Kernel, class... A>
static void expect(const char *name, const char *expected, const std::function<bool()> &holds, dim3 grid, dim3 block,
                   size_t dynamic, Kernel kernel, A... arguments) {
    for (uint64_t order = 0; order < 20; ++order) {
        const auto fault = simt::launch({name, grid, block, dynamic, order}, kernel, arguments...);
        if (!*expected) {
            check(!fault && holds(), name, order, fault ? fault->text() : "wrong numbers");
            continue;
        }
        check(fault && fault->kernel == name && fault->what.find(expected) != std::string::npos, name, order,
              fault ? fault->text() : "no fault");
    }
}
#define EXPECT(kernel, fault, ...) expect(#kernel, fault, nullptr, __VA_ARGS__)
#define EXPECT_RIGHT(kernel, holds, ...) expect(#kernel, "", [&] { return holds; }, __VA_ARGS__)

static void wrong_kernels() {
    using namespace wrong;
    float out[128];
    alignas(16) float memory[128] = {};
    int one;
    EXPECT(read_before_barrier, "in a race with thread", 1, 64, 0, read_before_barrier, out);
    EXPECT(write_before_barrier, "in a race with thread", 1, 64, 0, write_before_barrier, out);
    EXPECT(write_after_two_readers, "part[0] is written in a race with thread", 1, 32, 0, write_after_two_readers);
    EXPECT(write_after_its_own_warp_read, "in a race with thread", 1, 64, 0, write_after_its_own_warp_read);
    EXPECT(write_after_another_warp_read, "in a race with thread", 1, 64, 0, write_after_another_warp_read, out);
    EXPECT(two_writers, "last[0] is written in a race with thread", 1, 2, 0, two_writers, &one);
    EXPECT(write_beside_atomics, "count[0] is written in a race with thread", 1, 2, 0, write_beside_atomics);
    EXPECT(divergent_barrier, "in __syncthreads for thread", 3, 64, 0, divergent_barrier);
    EXPECT(two_barriers, "while others wait at self_test.cu:", 1, 64, 0, two_barriers);
    EXPECT(barrier_and_meeting, "in a warp primitive for thread (0,0,0), which waits at", 1, 32, 0, barrier_and_meeting);
    EXPECT(write_out_of_range, "part[64] is out of range: there are 64", 1, 64, 0, write_out_of_range, out);
    EXPECT(negative_index, "part[-1] is out of range", 1, 64, 0, negative_index, out);
    EXPECT(slice_too_long, "dynamic shared memory[8 .. 17] is out of range: there are 16", 1, 32, 64, slice_too_long);
    EXPECT(misaligned_cast, "is not aligned", 1, 32, 64, misaligned_cast);
    EXPECT(read_of_nothing, "part[9] is read and was not written before", 1, 64, 0, read_of_nothing, out);
    EXPECT(read_of_the_block_before, "is read and was not written before", 2, 64, 0, read_of_the_block_before, out);
    EXPECT(shuffle_with_an_ended_lane, "shuffles from lane 3, which is not there", 1, 32, 0, shuffle_with_an_ended_lane, out);
    EXPECT(shuffle_with_a_waiting_lane, "for thread (3,0,0), which waits at", 1, 32, 0, shuffle_with_a_waiting_lane, out);
    EXPECT(lane_outside_its_mask, "the lane is not in the mask 0x0000ffff", 1, 32, 0, lane_outside_its_mask);
    EXPECT(two_primitives, "meets another warp primitive", 1, 32, 0, two_primitives);
    EXPECT(exchange_without_syncwarp, "in a race with thread", 1, 32, 0, exchange_without_syncwarp, out);
    EXPECT(exchange_with_the_wrong_half, "in a race with thread", 1, 32, 0, exchange_with_the_wrong_half, out);
    EXPECT(global_read_before_barrier, "in a race with thread", 1, 64, 0, global_read_before_barrier, memory, out);
    EXPECT(global_write_before_barrier, "in a race with thread", 1, 64, 0, global_write_before_barrier, memory, out);
    EXPECT(global_sum_of_a_block, "in a race with thread", 1, 2, 0, global_sum_of_a_block, memory);
    EXPECT(global_sum_of_blocks, "is read in a race with another block", 2, 64, 0, global_sum_of_blocks, memory);
    EXPECT(global_read_of_another_block, "in a race with another block", 2, 64, 0, global_read_of_another_block, memory, out);
    EXPECT(global_read_beside_atomics, "in a race with another block", 2, 64, 0, global_read_beside_atomics, memory, out);
    EXPECT(global_write_after_two_blocks_read, "in a race with another block", 2, 64, 0, global_write_after_two_blocks_read,
           memory, out);
    EXPECT(misaligned_global_cast, "is not aligned for elements of 16 bytes", 1, 1, 0, misaligned_global_cast, memory);
    EXPECT(two_writers, "a grid of 1 blocks of 2048", 1, 2048, 0, two_writers, &one);
    int last[2];
    for (uint64_t order : {0, 1}) simt::launch({"last_block_wins", 50, 1, 0, order}, last_block_wins, &last[order]);
    check(last[0] == 49 && last[1] != 49, "last_block_wins", 1, "the order of the blocks made no difference");
}

static void right_kernels() {
    using namespace right;
    static float x[1000], out[256];
    for (int i = 0; i < 1000; ++i) x[i] = float(i % 7);
    double sum = 0, expected = 0;
    for (float v : x) expected += v;
    unsigned blocks = 0;
    expect("grid_stride_sum", "", [&] {
        const bool holds = sum == expected && blocks == 3;
        sum = blocks = 0;
        return holds;
    }, 3, 256, 0, grid_stride_sum, x, 1000, &sum, &blocks);
    float tree = 0;
    for (int i = 0; i < 256; ++i) tree += x[i];
    EXPECT_RIGHT(tree_sum, out[0] == tree, 1, 256, 1024, tree_sum, x, out);
    EXPECT_RIGHT(vectors, out[5] == 8 && out[63] == 2, 1, 64, 4 * 320, vectors, out);
    EXPECT_RIGHT(warp_exchange, out[5] == 5 && out[31] == 31, 1, 32, 0, warp_exchange, out);
    EXPECT_RIGHT(early_exit, std::fabs(out[99] - 1) < 1e-6f, 4, 32, 0, early_exit, out, 100);
    int relayed;
    EXPECT_RIGHT(relay, relayed == 7, 1, 32, 0, relay, &relayed);
    EXPECT_RIGHT(update_after_all_read, out[0] == 2 && out[31] == 2, 1, 32, 0, update_after_all_read, out);
    unsigned told[8];
    EXPECT_RIGHT(votes, told[0] == 0x49249249 && told[1] == 11 + 4 + 31 && told[2] == 40 && told[3] == 1 && told[4] == 1 &&
                            told[5] == 811 && told[6] == 707 && told[7] == 1,
                 1, 64, 0, votes, told);
    int kinds[128];
    for (int i = 0; i < 128; ++i) kinds[i] = i % 3;
    unsigned bins[4];
    alignas(16) static float memory[256], step = 2;
    EXPECT_RIGHT(global_rows, memory[0] == 8 && memory[130] == 12 && memory[255] == 6, 2, 128, 0, global_rows, memory, &step);
    EXPECT_RIGHT(global_warp_exchange, memory[0] == 1 && memory[31] == 30, 1, 32, 0, global_warp_exchange, memory);
    const auto six = [&] {
        const bool holds = memory[0] == 6 && memory[63] == 6;
        std::fill(memory, memory + 64, 0.0f);
        return holds;
    };
    six();
    expect("global_counts", "", six, 3, 128, 0, global_counts, memory);
    EXPECT_RIGHT(shared_histogram, bins[0] == 43 && bins[1] == 43 && bins[2] == 42 && bins[3] == 0, dim3(2, 2), dim3(32, 2, 2),
                 0, shared_histogram, kinds, bins);
}

static void arithmetic() {
    double s, c;
    sincospi(1e6 + 1.0 / 6, &s, &c);
    check(std::fabs(s - 0.5) < 1e-9 && c > 0.866, "sincospi", 0, "inaccurate");
    sincospi(-0.5, &s, &c);
    check(s == -1 && std::fabs(c) < 1e-18, "sincospi", 0, "inaccurate");
    check(__umulhi(1u << 31, 6) == 3 && __funnelshift_l(1u << 31, 1, 1) == 3, "integers", 0, "wrong");
    check(__float_as_uint(__int_as_float(0x7f800000)) == 0x7f800000, "bits", 0, "wrong");
}

int main() {
    arithmetic();
    right_kernels();
    std::thread beside(wrong_kernels); // each OS thread has a machine of its own
    wrong_kernels();
    beside.join();
    if (!failures) std::printf("all as promised\n");
    return failures != 0;
}
