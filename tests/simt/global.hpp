// Global memory that watches: every access is held against who else touched the word in this launch.
#pragma once

#include "watch.hpp"

namespace simt {

/// What `Global<T>` is on the CPU: a pointer. The memory's range is the driver's to watch.
template <class T>
class Pointer {
    static_assert(sizeof(T) % 4 == 0 && sizeof(T) == alignof(T), "global memory is watched by words, page by page");
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    Pointer(T *to) : to(to) {
        if (reinterpret_cast<uintptr_t>(to) % alignof(T))
            machine->fail(text(0) + " is not aligned for elements of " + std::to_string(sizeof(T)) + " bytes");
    }

    using Type = T;
    template <class I>
    Element<Pointer> operator[](I index) const {
        static_assert(std::is_integral_v<I>);
        return {*this, size_t(index)};
    }

    Pointer operator+(size_t by) const { return to + by; }
    Pointer &operator+=(size_t by) { return *this = to + by; }
    Pointer &operator-=(size_t by) { return *this = to - by; }
    bool operator==(std::nullptr_t) const { return !to; }
    bool operator!=(std::nullptr_t) const { return to; }

    template <class U>
    Pointer<U> cast() const {
        return reinterpret_cast<U *>(to);
    }

  private:
    friend class Element<Pointer>;
    unsigned char *bytes(size_t index) const { return reinterpret_cast<unsigned char *>(to + index); }
    GlobalWord *words(size_t index) const { return machine->shadow->words(to + index); }
    std::string text(size_t index) const {
        char text[64];
        snprintf(text, sizeof text, "global memory at %p", static_cast<const void *>(to + index));
        return text;
    }

    T *to;
};

} // namespace simt

template <class T>
using Global = ::simt::Pointer<T>;

template <class U, class T>
Global<U> cast(Global<T> pointer) {
    return pointer.template cast<U>();
}
