// The machine that runs a grid: it resumes threads in an order drawn from a seed until each has ended or waits, and lets
// those go on that have met. A fault unwinds every thread of the block, so that the next launch finds a clean machine.
#pragma once

#include "fiber.hpp"
#include "language.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace simt {

constexpr unsigned WARP = 32, MOST_THREADS = 1024;

/// The first thing that went wrong in a launch.
struct Fault {
    std::string kernel, where, what;
    std::string text() const { return "kernel " + kernel + ", " + where + ": " + what; }
};

struct Launch {
    const char *kernel;
    dim3 grid, block;
    size_t dynamic_shared = 0; // bytes
    uint64_t order = 0;        // 0: blocks and threads ascending; else the seed of their order
};

enum class Meeting { Shuffle, Vote, Sync };

/// The place in the source where a thread waits.
struct Place {
    const char *file;
    int line;
    bool operator==(const Place &other) const { return line == other.line && file == other.file; }
    std::string text() const {
        const std::string path = file;
        return path.substr(path.find_last_of('/') + 1) + ":" + std::to_string(line);
    }
};

/// Which accesses of a warp's lanes the lanes' meetings have ordered. An access made at clock c by lane j is ordered
/// before whatever lane i does now if i has met j, directly or by way of others, since: known[i][j] > c.
struct Warp {
    unsigned number = 0;
    uint32_t waiting = 0, gone = 0; // lanes, as bits; a lane beyond the block's last thread is gone from the start
    uint32_t clock = 0;             // the meetings so far
    uint32_t full = 0;              // the clock of the last meeting of all lanes
    uint32_t known[WARP][WARP] = {};

    bool ordered(unsigned now, unsigned earlier, uint32_t at) const {
        return full > at || known[now][earlier] > at;
    }

    void meet(uint32_t mask) {
        ++clock;
        if (mask == ~0u) {
            full = clock;
            return;
        }
        uint32_t all[WARP] = {};
        for (unsigned i = 0; i < WARP; ++i)
            for (unsigned j = 0; (mask >> i & 1) && j < WARP; ++j) all[j] = std::max(all[j], known[i][j]);
        for (unsigned j = 0; j < WARP; ++j)
            if (mask >> j & 1) all[j] = clock;
        for (unsigned i = 0; i < WARP; ++i)
            if (mask >> i & 1) std::copy(all, all + WARP, known[i]);
    }
};

struct Thread {
    enum State { Ready, AtBarrier, AtMeeting, Ended };
    Thread(void (*entry)(), unsigned number) : fiber(entry, number), number(number), lane(number % WARP) {}

    Fiber fiber;
    uint3 index{};
    const unsigned number, lane;
    Warp *warp = nullptr;
    State state = Ended;

    Place place{};       // where it waits
    bool given = false;  // its predicate, at a barrier or a vote
    Meeting kind{};      // at a meeting: what it is, whom it expects, what it gives and which lane's it wants
    uint32_t mask = 0;
    uint64_t value = 0;
    unsigned source = 0;
    uint64_t received = 0;
};

/// The thread that runs on this OS thread.
__attribute__((tls_model("initial-exec"))) inline thread_local Thread *current = nullptr;

struct Storage; // watch.hpp
class Shadow;
class Machine;

/// What runs that thread: at hand without a call.
__attribute__((tls_model("initial-exec"))) inline thread_local Machine *machine = nullptr;

/// What the threads of a block gave to the barrier that they passed last.
struct Predicates {
    bool any, all;
    int count;
};

class Machine {
  public:
    /// This OS thread's own.
    static Machine &own() {
        static thread_local const auto own = std::make_unique<Machine>(); // little room for what is thread-local
        return *own;
    }
    Machine();
    ~Machine();

    std::optional<Fault> run(const Launch &launch, void (*call)(const void *), const void *body);

    /// Ends the launch, from within a thread of it.
    [[noreturn]] void fail(const std::string &what) {
        report(thread_text(*current), what);
        throw Unwind{};
    }

    void wait_for_block(Place place, bool predicate) {
        current->place = place;
        current->given = predicate;
        wait(Thread::AtBarrier);
    }

    void wait_for_warp(Meeting kind, uint32_t mask, Place place) {
        Thread &thread = *current;
        thread.kind = kind;
        thread.mask = mask;
        thread.place = place;
        if (!(mask >> thread.lane & 1)) fail(place.text() + ": the lane is not in the mask " + hex(mask));
        thread.warp->waiting |= 1u << thread.lane;
        wait(Thread::AtMeeting);
    }

    // Of the block that runs.
    Storage &shared(const void *site, const char *name, size_t bytes);
    Storage &shared_dynamic() { return *dynamic; }

    dim3 grid, block;
    uint3 block_index{};
    uint32_t epoch = 0;        // barriers passed, over all blocks and launches
    uint32_t block_began = 0;  // the epoch of it,
    uint32_t launch_began = 0; // and of the launch's first block
    Predicates predicates{};
    const std::unique_ptr<Shadow> shadow; // of global memory

    Thread &thread(unsigned number) { return *threads[number]; }
    static std::string thread_text(const Thread &thread) { return "thread " + triple(thread.index); }

  private:
    struct Unwind {};

    // A fiber lives on from launch to launch, and is one thread after the other.
    static void entry() {
        current->fiber.begun();
        for (;;) {
            try {
                if (!machine->fault) machine->call(machine->body);
            } catch (const Unwind &) {
            }
            current->state = Thread::Ended;
            current->fiber.suspend();
        }
    }

    void wait(Thread::State state) {
        current->state = state;
        current->fiber.suspend();
        if (fault) throw Unwind{};
    }

    void make_dynamic(size_t bytes);
    void begin_block();
    void run_block();
    void run_ready();
    void pass_barrier();
    void meet(Warp &warp);
    bool all_there(const Warp &warp, const Thread &thread) const;
    void exchange(Warp &warp, uint32_t mask);
    void stuck();
    void unwind();

    void report(const std::string &where, const std::string &what) {
        if (!fault) fault = Fault{kernel, "block " + triple(block_index) + ", " + where, what};
    }

    // The queue of the threads that can run, each in it once.
    void push(Thread &thread) {
        thread.state = Thread::Ready;
        ready[(first + queued++) % MOST_THREADS] = &thread;
    }
    Thread &pop() {
        if (order) std::swap(ready[first], ready[(first + random() % queued) % MOST_THREADS]);
        --queued;
        return *ready[std::exchange(first, (first + 1) % MOST_THREADS)];
    }

    uint64_t random() { // xorshift
        order ^= order << 13;
        order ^= order >> 7;
        return order ^= order << 17;
    }

    static std::string triple(const uint3 &i) {
        return "(" + std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z) + ")";
    }
    static std::string hex(uint32_t mask) {
        char text[16];
        snprintf(text, sizeof text, "%#010x", mask);
        return text;
    }

    std::vector<std::unique_ptr<Thread>> threads;
    std::vector<Warp> warps{MOST_THREADS / WARP};
    std::vector<std::pair<const void *, std::unique_ptr<Storage>>> arrays; // by the site that declares them
    std::unique_ptr<Storage> dynamic;
    Thread *ready[MOST_THREADS];
    unsigned first = 0, queued = 0, size = 0;
    unsigned at_barrier = 0, ended = 0;
    uint64_t order = 0;

    std::string kernel;
    void (*call)(const void *) = nullptr;
    const void *body = nullptr;
    std::optional<Fault> fault;
};

inline std::optional<Fault> Machine::run(const Launch &launch, void (*call)(const void *), const void *body) {
    machine = this;
    kernel = launch.kernel;
    grid = launch.grid;
    block = launch.block;
    order = launch.order * 0x9e3779b97f4a7c15; // neighbouring seeds far apart; 0 stays 0
    this->call = call;
    this->body = body;
    fault.reset();
    if (!grid.size() || !block.size() || block.size() > MOST_THREADS) {
        report("no thread", "a grid of " + std::to_string(grid.size()) + " blocks of " + std::to_string(block.size()));
        return std::move(fault);
    }
    make_dynamic(launch.dynamic_shared);
    launch_began = epoch + 1;
    size = unsigned(block.size());
    while (threads.size() < size)
        threads.push_back(std::make_unique<Thread>(&Machine::entry, unsigned(threads.size())));

    std::vector<size_t> blocks(order ? grid.size() : 0);
    for (size_t i = 0; i < blocks.size(); ++i) {
        blocks[i] = i;
        std::swap(blocks[i], blocks[random() % (i + 1)]);
    }
    for (size_t i = 0; i < grid.size() && !fault; ++i) {
        const size_t at = order ? blocks[i] : i;
        block_index = {unsigned(at % grid.x), unsigned(at / grid.x % grid.y), unsigned(at / grid.x / grid.y)};
        begin_block();
        run_block();
    }
    return std::move(fault);
}

inline void Machine::begin_block() {
    block_began = ++epoch;
    at_barrier = ended = first = queued = 0;
    for (unsigned i = 0; i < size; ++i) {
        Thread &thread = *threads[i];
        thread.index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
        thread.warp = &warps[i / WARP];
        push(thread);
    }
    for (unsigned i = 0; i * WARP < size; ++i) {
        const unsigned lanes = std::min(WARP, size - i * WARP);
        warps[i].number = i;
        warps[i].waiting = 0;
        warps[i].gone = lanes == WARP ? 0 : ~0u << lanes;
    }
}

inline void Machine::run_block() {
    while (!fault) {
        run_ready();
        if (fault || ended == size) break;
        if (at_barrier < size) {
            stuck();
        } else {
            pass_barrier();
        }
    }
    if (fault) unwind();
}

inline void Machine::run_ready() {
    while (queued && !fault) {
        Thread &thread = pop();
        current = &thread;
        thread.fiber.resume();
        if (thread.state == Thread::AtBarrier) ++at_barrier;
        if (thread.state == Thread::AtMeeting && all_there(*thread.warp, thread)) exchange(*thread.warp, thread.mask);
        if (thread.state == Thread::Ended) {
            ++ended;
            thread.warp->gone |= 1u << thread.lane;
            if (thread.warp->waiting) meet(*thread.warp);
        }
    }
}

/// Lets the lanes go on that had only waited for one that ended.
inline void Machine::meet(Warp &warp) {
    for (unsigned lane = 0; lane < WARP; ++lane) {
        if (!(warp.waiting >> lane & 1)) continue;
        const Thread &thread = *threads[warp.number * WARP + lane];
        if (all_there(warp, thread)) exchange(warp, thread.mask);
    }
}

/// Whether every lane that the thread's mask names waits for the same lanes, or has ended.
inline bool Machine::all_there(const Warp &warp, const Thread &thread) const {
    const uint32_t mask = thread.mask;
    if (mask & ~(warp.waiting | warp.gone)) return false;
    for (unsigned lane = 0; lane < WARP; ++lane)
        if ((mask & warp.waiting) >> lane & 1 && threads[warp.number * WARP + lane]->mask != mask) return false;
    return true;
}

inline void Machine::exchange(Warp &warp, uint32_t mask) {
    const uint32_t here = mask & warp.waiting;
    Thread *lanes[WARP] = {};
    uint32_t votes = 0;
    const Thread *one = nullptr;
    for (unsigned lane = 0; lane < WARP; ++lane) {
        if (!(here >> lane & 1)) continue;
        lanes[lane] = threads[warp.number * WARP + lane].get();
        votes |= uint32_t(lanes[lane]->given) << lane;
        if (!one) one = lanes[lane];
        if (lanes[lane]->kind != one->kind)
            return report(thread_text(*lanes[lane]), lanes[lane]->place.text() + ": meets another warp primitive, that of " +
                                                         thread_text(*one) + " at " + one->place.text());
    }
    for (Thread *thread : lanes) {
        if (!thread) continue;
        if (thread->kind == Meeting::Vote) thread->received = votes;
        if (thread->kind != Meeting::Shuffle) continue;
        if (!lanes[thread->source])
            return report(thread_text(*thread), thread->place.text() + ": shuffles from lane " +
                                                    std::to_string(thread->source) + ", which is not there");
        thread->received = lanes[thread->source]->value;
    }
    warp.waiting &= ~here;
    warp.meet(mask);
    for (Thread *thread : lanes)
        if (thread) push(*thread);
}

inline void Machine::pass_barrier() {
    ++epoch;
    predicates = {false, true, 0};
    const Place place = threads[0]->place;
    for (unsigned i = 0; i < size; ++i) {
        Thread &thread = *threads[i];
        if (!(thread.place == place))
            return report(thread_text(thread), "waits at the barrier " + thread.place.text() +
                                                   " while others wait at " + place.text());
        predicates.any |= thread.given;
        predicates.all &= thread.given;
        predicates.count += thread.given;
    }
    at_barrier = 0;
    for (unsigned i = 0; i < size; ++i) push(*threads[i]);
}

/// Nobody can go on: who waits for whom?
inline void Machine::stuck() {
    const auto with = [&](auto wanted) {
        return std::find_if(threads.begin(), threads.begin() + size, wanted)->get();
    };
    const bool meeting = at_barrier + ended < size;
    const Thread &waits = *with([&](auto &t) { return t->state == (meeting ? Thread::AtMeeting : Thread::AtBarrier); });
    const auto missed = [&](auto &t) {
        const bool called = t->warp == waits.warp && waits.mask >> t->lane & 1;
        const bool met = t->state == Thread::AtMeeting && t->mask == waits.mask;
        return meeting ? called && !met && t->state != Thread::Ended : t->state == Thread::Ended;
    };
    const Thread &absent = *with(missed);
    report(thread_text(waits), "waits at " + waits.place.text() + (meeting ? " in a warp primitive" : " in __syncthreads") +
                                   " for " + thread_text(absent) + ", which " +
                                   (absent.state == Thread::Ended ? "has ended" : "waits at " + absent.place.text()));
}

inline void Machine::unwind() {
    for (unsigned i = 0; i < size; ++i) {
        current = threads[i].get();
        if (current->state != Thread::Ended) current->fiber.resume();
    }
}

/// Runs a kernel, and tells the first fault in it, if any.
template <class... Parameters, class... Arguments>
std::optional<Fault> launch(const Launch &launch, void (*kernel)(Parameters...), Arguments... arguments) {
    const auto body = [&] { kernel(arguments...); };
    const auto call = [](const void *own) { (*static_cast<decltype(body) *>(own))(); };
    return Machine::own().run(launch, call, &body);
}

} // namespace simt

#define threadIdx (::simt::current->index)
#define blockIdx (::simt::machine->block_index)
#define blockDim (::simt::machine->block)
#define gridDim (::simt::machine->grid)
#define warpSize 32
