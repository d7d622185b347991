// The kernels that the stand-in driver can launch, by name. kernels.cpp registers each with one line.
#pragma once

#include "simt.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace standin {

/// The bit that makes a device address: a host that follows it crashes, as it should.
constexpr uint64_t DEVICE_BIT = 1ull << 62;

struct Kernel {
    struct Parameter {
        size_t size;
        bool pointer;
    };
    std::vector<Parameter> parameters;
    /// Runs the kernel on arguments given as a launch gives them: the address of each.
    std::optional<simt::Fault> (*run)(const Kernel &, const simt::Launch &, void **arguments);
    void (*function)();
};

inline std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

template <class T>
T argument(const void *at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    if constexpr (std::is_pointer_v<T>) value = reinterpret_cast<T>(reinterpret_cast<uint64_t>(value) & ~DEVICE_BIT);
    return value;
}

template <class... P, size_t... I>
std::optional<simt::Fault> run(const Kernel &kernel, const simt::Launch &launch, void **arguments,
                               std::index_sequence<I...>) {
    const auto function = reinterpret_cast<void (*)(P...)>(kernel.function);
    return simt::launch(launch, function, argument<P>(arguments[I])...);
}

template <class... P>
bool add(const char *name, void (*function)(P...)) {
    const auto with_all = [](const Kernel &kernel, const simt::Launch &launch, void **arguments) {
        return run<P...>(kernel, launch, arguments, std::index_sequence_for<P...>());
    };
    return kernels().insert({name, {{{sizeof(P), std::is_pointer_v<P>}...}, with_all, reinterpret_cast<void (*)()>(function)}}).second;
}

} // namespace standin

#define KERNEL(function) static const bool function##_added = standin::add(#function, function)
