// Shared memory that watches: every access is held against the array's range and against who else touched the word.
#pragma once

#include "watch.hpp"

namespace simt {

/// What `Shared<T>` is on the CPU: a part of a storage, in elements.
template <class T>
class Array {
    static_assert(sizeof(T) % 4 == 0, "shared memory is watched by words of four bytes");
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    Array(Storage &storage, size_t first_byte, size_t count) : storage(&storage), first(first_byte), count(count) {}
    template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
    Array(const Array<U> &other) : storage(other.storage), first(other.first), count(other.count) {}

    using Type = T;
    template <class I>
    Element<Array> operator[](I index) const {
        static_assert(std::is_integral_v<I>);
        if (size_t(index) >= count)
            machine->fail(text(std::to_string(index)) + " is out of range: there are " + std::to_string(count));
        return {*this, size_t(index)};
    }

    Array slice(size_t offset, size_t length) const {
        if (offset > count || length > count - offset)
            machine->fail(text(std::to_string(offset) + " .. " + std::to_string(offset + length)) +
                                 " is out of range: there are " + std::to_string(count));
        return Array(*storage, first + offset * sizeof(T), length);
    }

    template <class U>
    Array<U> cast() const {
        if (first % alignof(U))
            machine->fail(text(std::to_string(0)) + " is not aligned for elements of " + std::to_string(sizeof(U)) +
                                 " bytes");
        return Array<U>(*storage, first, count * sizeof(T) / sizeof(U));
    }

  private:
    template <class U>
    friend class Array;

    friend class Element<Array>;
    unsigned char *bytes(size_t index) const { return storage->bytes + first + index * sizeof(T); }
    SharedWord *words(size_t index) const { return &storage->words[(first + index * sizeof(T)) / 4]; }
    std::string text(size_t index) const { return text(std::to_string(index)); }
    std::string text(const std::string &index) const {
        const std::string offset = first ? std::to_string(first) + " bytes + " : "";
        return std::string(storage->name) + "[" + offset + index + "]";
    }

    Storage *storage;
    size_t first, count;
};

} // namespace simt

template <class T>
using Shared = ::simt::Array<T>;

#define SHARED(T, name, n)                                                                                             \
    static const char name##_site = 0;                                                                                 \
    Shared<T> name(::simt::machine->shared(&name##_site, #name, sizeof(T) * (n)), 0, n)

#define SHARED_DYNAMIC(T, name)                                                                                        \
    Shared<T> name(::simt::machine->shared_dynamic(), 0, ::simt::machine->shared_dynamic().size / sizeof(T))

template <class T>
Shared<T> slice(Shared<T> array, size_t offset, size_t count) {
    return array.slice(offset, count);
}

template <class U, class T>
Shared<U> cast(Shared<T> array) {
    return array.template cast<U>();
}
