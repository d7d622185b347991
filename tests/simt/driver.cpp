// A stand-in for the CUDA driver's library, for tests where there is no GPU: what cudarc calls of it, over host memory,
// with the kernels of kernels.cpp run by the shim. All work is done before a call returns; what a kernel does wrong is
// told by the calls after its launch, as on a device.
//
// Tests control it through standin_set, standin_get and standin_fault at the end of this file, and in child processes
// through the environment: CHREODE_STANDIN="devices=0,memory=1000000".
#include "ptx.hpp"
#include "registry.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <unistd.h>

using standin::DEVICE_BIT;
using standin::Kernel;

namespace {

/// The driver's error codes, by its names.
enum Result {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    UNSUPPORTED_PTX_VERSION = 222,
    FILE_NOT_FOUND = 301,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
};

const std::map<int, std::pair<const char *, const char *>> ERRORS = {
    {SUCCESS, {"CUDA_SUCCESS", "no error"}},
    {INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {OUT_OF_MEMORY, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {NOT_INITIALIZED, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
    {NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {INVALID_CONTEXT, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
    {INVALID_PTX, {"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"}},
    {UNSUPPORTED_PTX_VERSION,
     {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."}},
    {FILE_NOT_FOUND, {"CUDA_ERROR_FILE_NOT_FOUND", "file not found"}},
    {INVALID_HANDLE, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
    {NOT_FOUND, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
    {LAUNCH_FAILED, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
};

using Address = unsigned long long;
using Clock = std::chrono::steady_clock;

struct Stream {};
struct Event {
    Clock::time_point time;
};
struct Function {
    const Kernel *kernel;
    std::string name;
    standin::Entry entry;
    int dynamic_limit; // bytes of dynamic shared memory that a launch may ask for
};
struct Module {
    standin::Ptx ptx;
    std::map<std::string, Function> functions;
};

#ifdef __SANITIZE_ADDRESS__
constexpr size_t FENCE = 0; // the sanitizer fences allocations better
#else
constexpr size_t FENCE = 256;
#endif
constexpr unsigned char NAN_BYTE = 0xff; // four or eight of them are a NaN

/// Memory of the device, fenced on both sides.
struct Allocation {
    unsigned char *memory = nullptr;
    size_t bytes;

    explicit Allocation(size_t bytes) : bytes(bytes) {
        void *got = nullptr;
        if (posix_memalign(&got, 256, bytes + 2 * FENCE) != 0) std::abort();
        memory = static_cast<unsigned char *>(got);
        std::memset(memory, NAN_BYTE, bytes + 2 * FENCE);
    }
    Allocation(const Allocation &) = delete;
    Allocation &operator=(const Allocation &) = delete;
    ~Allocation() { free(memory); }

    uint64_t begin() const { return reinterpret_cast<uint64_t>(memory) + FENCE; }
    bool contains(uint64_t at, size_t count) const {
        return at >= begin() && at - begin() <= bytes && count <= bytes - (at - begin());
    }
    bool fences_stand() const {
        const auto is_fence = [](unsigned char byte) { return byte == NAN_BYTE; };
        const unsigned char *end = memory + FENCE + bytes;
        return std::all_of(memory, memory + FENCE, is_fence) && std::all_of(end, end + FENCE, is_fence);
    }
};

template <class T>
class Handles {
  public:
    void *add(T value) {
        auto made = std::make_unique<T>(std::move(value));
        T *handle = made.get();
        all[handle] = std::move(made);
        return handle;
    }
    T *find(void *handle) {
        const auto at = all.find(handle);
        return at == all.end() ? nullptr : at->second.get();
    }
    bool remove(void *handle) { return all.erase(handle) == 1; }
    size_t size() const { return all.size(); }

  private:
    std::map<void *, std::unique_ptr<T>> all;
};

/// What tests set.
const std::map<std::string, long> DEFAULTS = {
    {"devices", 1},             // 0: initialisation fails
    {"memory", 1l << 30},       // bytes
    {"capability", 90},         // 90 for 9.0
    {"multiprocessors", 132},
    {"driver_version", 12080},  // 12080 for CUDA 12.8
    {"order", 0},               // of threads and blocks: 0 ascending, else a seed
    {"fail_launch", 0},         // n: the n-th launch from now fails, and the context is lost
    {"fail_alloc", 0},          // n: the n-th allocation from now fails
    {"shared_optin", 227 << 10} // bytes of dynamic shared memory that a function can be allowed
};

struct Driver {
    std::mutex mutex;
    std::map<std::string, long> settings = DEFAULTS;
    // What there is.
    pid_t process = 0; // that initialised it: in its forks it cannot be used
    bool lost = false; // by a launch that failed: nothing works any more
    long contexts = 0, launches = 0, faults = 0;
    std::string fault;
    std::map<uint64_t, std::unique_ptr<Allocation>> allocations;
    Handles<Stream> streams;
    Handles<Event> events;
    Handles<Module> modules;

    Driver() {
        const char *given = std::getenv("CHREODE_STANDIN");
        std::string text = given ? given : "";
        for (char *rest = text.data(), *item; (item = strtok_r(rest, ",", &rest));) {
            const std::string pair = item;
            const size_t equals = pair.find('=');
            if (equals == pair.npos || !settings.count(pair.substr(0, equals))) {
                std::fprintf(stderr, "CHREODE_STANDIN: what is %s?\n", item);
                std::abort();
            }
            settings[pair.substr(0, equals)] = std::stol(pair.substr(equals + 1));
        }
    }

    bool initialised() const { return process == getpid(); }

    /// What a process leaves on the device is told when it ends.
    ~Driver() {
        const size_t objects = modules.size() + streams.size() + events.size();
        if (allocations.empty() && !objects && !contexts) return;
        std::fprintf(stderr, "stand-in driver: %zu allocations, %zu modules, streams and events, %ld contexts are left\n",
                     allocations.size(), objects, contexts);
    }

    /// Whether the n-th event from when `what` was set is now.
    bool fails_now(const char *what) {
        long &left = settings[what];
        return left > 0 && --left == 0;
    }

    void complain(const std::string &what) {
        if (!faults++) fault = what;
        std::fprintf(stderr, "stand-in driver: %s\n", what.c_str());
    }

    Result refuse(const std::string &what) {
        complain(what);
        return INVALID_VALUE;
    }

    size_t bytes() const {
        size_t sum = 0;
        for (const auto &[begin, allocation] : allocations) sum += allocation->bytes;
        return sum;
    }

    /// The host's view of so many bytes of an allocation, or null.
    unsigned char *find(Address address, size_t count) {
        if (!(address & DEVICE_BIT)) return nullptr;
        const uint64_t at = address & ~DEVICE_BIT;
        const auto after = allocations.upper_bound(at);
        if (after == allocations.begin() || !std::prev(after)->second->contains(at, count)) return nullptr;
        return reinterpret_cast<unsigned char *>(at);
    }
};

Driver driver;
int the_context;
thread_local void *current_context = nullptr;

#define LOCK std::lock_guard<std::mutex> lock(driver.mutex)
/// What every call of a context begins with.
#define IN_CONTEXT                                                                                                     \
    LOCK;                                                                                                              \
    if (const Result result = usable()) return result

Result usable() {
    if (!driver.initialised()) return NOT_INITIALIZED;
    if (!current_context || !driver.contexts) return INVALID_CONTEXT;
    return driver.lost ? LAUNCH_FAILED : SUCCESS;
}

/// What gives something back does so where the context is lost, too, so that tests can tell leaks there.
Result freed(bool found, const char *what, Result otherwise = INVALID_HANDLE) {
    if (!found) driver.complain(std::string(what) + " is given back that is not there");
    return !found ? otherwise : driver.lost ? LAUNCH_FAILED : SUCCESS;
}

bool is_stream(void *stream) { return !stream || driver.streams.find(stream); }

Result copy(unsigned char *to, const unsigned char *from, size_t bytes, const char *what) {
    if (!bytes) return SUCCESS;
    if (!to || !from)
        return driver.refuse(std::string(what) + " of " + std::to_string(bytes) + " bytes beyond an allocation");
    std::memmove(to, from, bytes);
    return SUCCESS;
}

Result load(void **module, const char *image) {
    auto ptx = standin::Ptx::parse(image);
    if (!ptx || ptx->target > driver.settings["capability"]) return INVALID_PTX;
    if (ptx->version > standin::ptx_of_driver(int(driver.settings["driver_version"]))) return UNSUPPORTED_PTX_VERSION;
    *module = driver.modules.add({std::move(*ptx), {}});
    return SUCCESS;
}

std::string disagreement(const standin::Entry &entry, const Kernel &kernel) {
    bool same = entry.parameters.size() == kernel.parameters.size();
    for (size_t i = 0; same && i < kernel.parameters.size(); ++i) same = entry.parameters[i] == kernel.parameters[i].size;
    return same ? "" : "its parameters in the PTX are not those of the source: compile it again";
}

std::string wrong_launch(const Function &f, dim3 grid, dim3 block, unsigned dynamic) {
    const auto text = [](size_t number) { return std::to_string(number); };
    if (!grid.size() || grid.x > 0x7fffffff || grid.y > 0xffff || grid.z > 0xffff)
        return "a grid of " + text(grid.x) + " x " + text(grid.y) + " x " + text(grid.z);
    if (!block.size() || block.size() > f.entry.most_threads || block.z > 64)
        return "a block of " + text(block.size()) + " threads, of at most " + text(f.entry.most_threads);
    if (int(dynamic) > f.dynamic_limit || int(dynamic + f.entry.shared) > std::max(f.dynamic_limit, 48 << 10))
        return text(dynamic) + " bytes of dynamic shared memory, of at most " + text(size_t(f.dynamic_limit));
    return "";
}

/// The kernel's arguments that point to memory which is not there.
std::string wrong_pointers(const Kernel &kernel, void **arguments) {
    for (size_t i = 0; i < kernel.parameters.size(); ++i) {
        if (!kernel.parameters[i].pointer) continue;
        Address address;
        std::memcpy(&address, arguments[i], sizeof address);
        if (address && !driver.find(address, 0)) return "argument " + std::to_string(i) + " points to no allocation";
    }
    return "";
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// The driver and its device.

EXPORT Result cuInit(unsigned) {
    LOCK;
    if (!driver.settings["devices"]) return NO_DEVICE;
    if (!driver.process) driver.process = getpid();
    return driver.initialised() ? SUCCESS : NOT_INITIALIZED;
}

EXPORT Result cuDriverGetVersion(int *version) {
    LOCK;
    *version = int(driver.settings["driver_version"]);
    return SUCCESS;
}

EXPORT Result cuGetErrorName(int error, const char **name) {
    if (!ERRORS.count(error)) return INVALID_VALUE;
    *name = ERRORS.at(error).first;
    return SUCCESS;
}

EXPORT Result cuGetErrorString(int error, const char **text) {
    if (!ERRORS.count(error)) return INVALID_VALUE;
    *text = ERRORS.at(error).second;
    return SUCCESS;
}

EXPORT Result cuDeviceGetCount(int *count) {
    LOCK;
    *count = int(driver.settings["devices"]);
    return driver.initialised() ? SUCCESS : NOT_INITIALIZED;
}

EXPORT Result cuDeviceGet(int *device, int ordinal) {
    LOCK;
    if (!driver.initialised()) return NOT_INITIALIZED;
    *device = ordinal;
    return ordinal >= 0 && ordinal < driver.settings["devices"] ? SUCCESS : INVALID_DEVICE;
}

EXPORT Result cuDeviceGetName(char *name, int size, int) {
    std::snprintf(name, size_t(size), "chreode's stand-in");
    return SUCCESS;
}

EXPORT Result cuDeviceGetUuid_v2(void *uuid, int) {
    std::memset(uuid, 7, 16);
    return SUCCESS;
}

EXPORT Result cuDeviceTotalMem_v2(size_t *bytes, int) {
    LOCK;
    *bytes = size_t(driver.settings["memory"]);
    return SUCCESS;
}

/// By CUdevice_attribute; as an H100 answers.
EXPORT Result cuDeviceGetAttribute(int *value, int attribute, int) {
    LOCK;
    const int capability = int(driver.settings["capability"]), optin = int(driver.settings["shared_optin"]);
    const std::map<int, int> answers = {
        {1, 1024},                        // most threads a block
        {2, 1024},      {3, 1024}, {4, 64}, // and along x, y, z
        {5, 0x7fffffff}, {6, 0xffff}, {7, 0xffff}, // most blocks along x, y, z
        {8, 48 << 10},                    // shared memory a block
        {10, 32},                         // lanes a warp
        {12, 65536},                      // registers a block
        {13, 1980000},                    // kHz
        {16, int(driver.settings["multiprocessors"])},
        {36, 2619000},                    // kHz of the memory
        {37, 5120},                       // bits of its bus
        {38, 50 << 20},                   // bytes of the L2 cache
        {39, 2048},                       // threads a multiprocessor
        {75, capability / 10}, {76, capability % 10},
        {81, optin + 1024},               // shared memory a multiprocessor
        {82, 65536},                      // registers a multiprocessor
        {97, optin},                      // shared memory a block that asks for it
        {106, 32},                        // blocks a multiprocessor
        {111, 1024},                      // shared memory that each block loses to the driver
        {115, 1},                         // memory pools
    };
    const auto answer = answers.find(attribute);
    *value = answer == answers.end() ? 0 : answer->second;
    return SUCCESS;
}

// The context.

EXPORT Result cuDevicePrimaryCtxRetain(void **context, int) {
    LOCK;
    if (!driver.initialised()) return NOT_INITIALIZED;
    ++driver.contexts;
    *context = &the_context;
    return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxRelease_v2(int) {
    LOCK;
    if (!driver.contexts) return driver.refuse("the context is released once too often"), INVALID_CONTEXT;
    --driver.contexts;
    return SUCCESS;
}

EXPORT Result cuCtxSetCurrent(void *context) {
    LOCK;
    current_context = context;
    return SUCCESS;
}

EXPORT Result cuCtxGetCurrent(void **context) {
    *context = current_context;
    return SUCCESS;
}

EXPORT Result cuCtxSynchronize() {
    IN_CONTEXT;
    return SUCCESS;
}

EXPORT Result cuMemGetInfo_v2(size_t *free, size_t *total) {
    IN_CONTEXT;
    *total = size_t(driver.settings["memory"]);
    *free = *total - std::min(*total, driver.bytes());
    return SUCCESS;
}

// Streams and events.

EXPORT Result cuStreamCreate(void **stream, unsigned) {
    IN_CONTEXT;
    *stream = driver.streams.add({});
    return SUCCESS;
}

EXPORT Result cuStreamCreateWithPriority(void **stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }

EXPORT Result cuStreamDestroy_v2(void *stream) {
    LOCK;
    return freed(driver.streams.remove(stream), "a stream");
}

EXPORT Result cuStreamSynchronize(void *stream) {
    IN_CONTEXT;
    return is_stream(stream) ? SUCCESS : INVALID_HANDLE;
}

EXPORT Result cuStreamWaitEvent(void *stream, void *event, unsigned) {
    IN_CONTEXT;
    return is_stream(stream) && driver.events.find(event) ? SUCCESS : INVALID_HANDLE;
}

EXPORT Result cuEventCreate(void **event, unsigned) {
    IN_CONTEXT;
    *event = driver.events.add({});
    return SUCCESS;
}

EXPORT Result cuEventDestroy_v2(void *event) {
    LOCK;
    return freed(driver.events.remove(event), "an event");
}

EXPORT Result cuEventRecord(void *event, void *stream) {
    IN_CONTEXT;
    Event *found = driver.events.find(event);
    if (!found || !is_stream(stream)) return INVALID_HANDLE;
    found->time = Clock::now();
    return SUCCESS;
}

EXPORT Result cuEventSynchronize(void *event) {
    IN_CONTEXT;
    return driver.events.find(event) ? SUCCESS : INVALID_HANDLE;
}

EXPORT Result cuEventQuery(void *event) { return cuEventSynchronize(event); }

EXPORT Result cuEventElapsedTime(float *milliseconds, void *start, void *end) {
    IN_CONTEXT;
    const Event *a = driver.events.find(start), *b = driver.events.find(end);
    if (!a || !b || a->time == Clock::time_point() || b->time == Clock::time_point()) return INVALID_HANDLE;
    *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
    return SUCCESS;
}

EXPORT Result cuEventElapsedTime_v2(float *milliseconds, void *start, void *end) {
    return cuEventElapsedTime(milliseconds, start, end);
}

// Memory.

EXPORT Result cuMemAlloc_v2(Address *address, size_t bytes) {
    IN_CONTEXT;
    if (!bytes) return driver.refuse("an allocation of no bytes");
    if (driver.fails_now("fail_alloc") || bytes + driver.bytes() > size_t(driver.settings["memory"])) return OUT_OF_MEMORY;
    auto made = std::make_unique<Allocation>(bytes);
    *address = made->begin() | DEVICE_BIT;
    driver.allocations[made->begin()] = std::move(made);
    return SUCCESS;
}

EXPORT Result cuMemFree_v2(Address address) {
    LOCK;
    return freed(driver.allocations.erase(address ^ DEVICE_BIT), "memory", INVALID_VALUE);
}

#ifndef STANDIN_OLD_DRIVER // drivers before CUDA 11.2 do not have these two
EXPORT Result cuMemAllocAsync(Address *address, size_t bytes, void *) { return cuMemAlloc_v2(address, bytes); }
EXPORT Result cuMemFreeAsync(Address address, void *) { return cuMemFree_v2(address); }
#endif

EXPORT Result cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, void *) {
    IN_CONTEXT;
    return copy(driver.find(to, bytes), static_cast<const unsigned char *>(from), bytes, "a copy to the device");
}

EXPORT Result cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, void *) {
    IN_CONTEXT;
    return copy(static_cast<unsigned char *>(to), driver.find(from, bytes), bytes, "a copy from the device");
}

EXPORT Result cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void *) {
    IN_CONTEXT;
    return copy(driver.find(to, bytes), driver.find(from, bytes), bytes, "a copy within the device");
}

EXPORT Result cuMemsetD8Async(Address to, unsigned char value, size_t bytes, void *) {
    IN_CONTEXT;
    unsigned char *at = driver.find(to, bytes);
    if (bytes && !at) return driver.refuse("a fill of " + std::to_string(bytes) + " bytes beyond an allocation");
    if (bytes) std::memset(at, value, bytes);
    return SUCCESS;
}

EXPORT Result cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
    return cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr);
}
EXPORT Result cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
    return cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
}
EXPORT Result cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) {
    return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr);
}
EXPORT Result cuMemsetD8_v2(Address to, unsigned char value, size_t bytes) {
    return cuMemsetD8Async(to, value, bytes, nullptr);
}

// Modules and functions.

EXPORT Result cuModuleLoadData(void **module, const void *image) {
    IN_CONTEXT;
    return load(module, static_cast<const char *>(image));
}

EXPORT Result cuModuleUnload(void *module) {
    LOCK;
    return freed(driver.modules.remove(module), "a module");
}

EXPORT Result cuModuleGetFunction(void **function, void *handle, const char *name) {
    IN_CONTEXT;
    Module *module = driver.modules.find(handle);
    if (!module) return INVALID_HANDLE;
    const auto entry = module->ptx.entries.find(name);
    if (entry == module->ptx.entries.end()) return NOT_FOUND;
    const auto kernel = standin::kernels().find(name);
    const bool known = kernel != standin::kernels().end();
    const std::string wrong = known ? disagreement(entry->second, kernel->second) : "it is not in kernels.cpp";
    if (!wrong.empty()) return driver.complain("kernel " + std::string(name) + ": " + wrong), NOT_FOUND;
    Function made{&kernel->second, name, entry->second, (48 << 10) - int(entry->second.shared)};
    *function = &module->functions.insert({name, std::move(made)}).first->second;
    return SUCCESS;
}

/// By CUfunction_attribute; the registers are what a kernel of moderate size has.
EXPORT Result cuFuncGetAttribute(int *value, int attribute, void *function) {
    IN_CONTEXT;
    const auto *f = static_cast<const Function *>(function);
    const std::map<int, int> answers = {
        {0, int(f->entry.most_threads)}, {1, int(f->entry.shared)}, {2, 0}, {3, 0}, {4, 32}, {8, f->dynamic_limit},
    };
    const auto answer = answers.find(attribute);
    *value = answer == answers.end() ? 0 : answer->second;
    return SUCCESS;
}

EXPORT Result cuFuncSetAttribute(void *function, int attribute, int value) {
    IN_CONTEXT;
    auto *f = static_cast<Function *>(function);
    if (attribute != 8) return SUCCESS;
    const int most = int(driver.settings["shared_optin"]) - int(f->entry.shared);
    if (value < 0 || value > most) return INVALID_VALUE; // which a host may well ask for, and be told
    f->dynamic_limit = value;
    return SUCCESS;
}

EXPORT Result cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, void *function, int threads,
                                                                   size_t dynamic, unsigned) {
    IN_CONTEXT;
    const auto *f = static_cast<const Function *>(function);
    const int shared = int(f->entry.shared + dynamic) + 1024, all = int(driver.settings["shared_optin"]) + 1024;
    const int warps = (threads + 31) / 32;
    *blocks = threads < 1 || threads > int(f->entry.most_threads) ? 0 : std::min({32, 64 / warps, all / shared});
    return SUCCESS;
}

EXPORT Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t dynamic) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, dynamic, 0);
}

EXPORT Result cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z, unsigned dynamic, void *stream, void **arguments, void **) {
    const auto *f = static_cast<const Function *>(function);
    const dim3 grid(grid_x, grid_y, grid_z), block(block_x, block_y, block_z);
    uint64_t order;
    {
        IN_CONTEXT;
        if (!is_stream(stream)) return INVALID_HANDLE;
        const std::string wrong = wrong_launch(*f, grid, block, dynamic), pointers = wrong_pointers(*f->kernel, arguments);
        for (const std::string &what : {wrong, pointers})
            if (!what.empty()) return driver.refuse("kernel " + f->name + ": " + what);
        ++driver.launches;
        if (driver.fails_now("fail_launch")) return driver.lost = true, LAUNCH_FAILED;
        order = uint64_t(driver.settings["order"]);
    }
    // Unlocked, for the launches of other threads.
    const auto fault = f->kernel->run(*f->kernel, {f->name.c_str(), grid, block, dynamic, order}, arguments);
    LOCK;
    std::string what = fault ? fault->text() : "";
    for (const auto &[begin, allocation] : driver.allocations)
        if (what.empty() && !allocation->fences_stand())
            what = "kernel " + f->name + ": writes beyond an allocation of " + std::to_string(allocation->bytes) + " bytes";
    if (!what.empty()) {
        driver.complain(what);
        driver.lost = true;
    }
    return SUCCESS;
}

// The controls.

/// Sets a setting. `new` makes everything as in a new process, but for what is still allocated; `faults` set to 0
/// forgets those. -1 if there is no such thing.
EXPORT long standin_set(const char *what, long value) {
    LOCK;
    const std::string name = what;
    if (name == "new" || name == "faults") {
        driver.fault.clear();
        driver.faults = 0;
    }
    if (name == "new") {
        driver.settings = DEFAULTS;
        driver.lost = false;
        driver.launches = 0;
    } else if (driver.settings.count(name)) {
        driver.settings[name] = value;
    } else {
        return name == "faults" ? 0 : -1;
    }
    return 0;
}

/// A setting, or a count of what there is. -1 if there is no such thing.
EXPORT long standin_get(const char *what) {
    LOCK;
    const std::map<std::string, long> counts = {
        {"allocations", long(driver.allocations.size())},
        {"bytes", long(driver.bytes())},
        {"modules", long(driver.modules.size())},
        {"streams", long(driver.streams.size())},
        {"events", long(driver.events.size())},
        {"contexts", driver.contexts},
        {"launches", driver.launches},
        {"faults", driver.faults},
        {"lost", driver.lost},
    };
    const auto count = counts.find(what);
    if (count != counts.end()) return count->second;
    const auto at = driver.settings.find(what);
    return at == driver.settings.end() ? -1 : at->second;
}

/// The first fault since they were last set to 0; empty if there is none.
EXPORT const char *standin_fault() {
    static thread_local std::string copy;
    LOCK;
    copy = driver.fault;
    return copy.c_str();
}
