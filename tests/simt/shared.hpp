// Shared memory that watches: every access is held against the array's range and against who else touched the word.
//
// A word of four bytes remembers its last write and the reads since. Two accesses by different threads, one of them a
// write, are a race unless a __syncthreads lies between them or, in one warp, a primitive that both lanes took part in.
#pragma once

#include "machine.hpp"

#include <cstring>
#include <new>
#include <type_traits>

namespace simt {

enum class Access { Read, Write, Atomic };

class Word {
  public:
    /// Remembers the access; tells the thread that it races with, NONE, or UNWRITTEN.
    static constexpr int NONE = -1, UNWRITTEN = -2;

    template <Access access>
    int touch(const Machine &machine, const Thread &thread) {
        if constexpr (access != Access::Write)
            if (written < machine.block_began) return UNWRITTEN;
        const bool both_atomic = access == Access::Atomic && atomic;
        if (written == machine.epoch && writer != thread.number && !both_atomic && !ordered(thread, writer, write_clock))
            return writer;
        if constexpr (access == Access::Read) {
            remember_reader(machine, thread);
        } else {
            const int reader = read == machine.epoch ? unordered_reader(thread) : NONE;
            if (reader != NONE) return reader;
            written = machine.epoch;
            write_clock = thread.warp->clock;
            writer = uint16_t(thread.number);
            atomic = access == Access::Atomic;
        }
        return NONE;
    }

  private:
    static bool ordered(const Thread &now, unsigned earlier, uint32_t at) {
        return earlier / WARP == now.warp->number && now.warp->ordered(now.lane, earlier % WARP, at);
    }

    void remember_reader(const Machine &machine, const Thread &thread) {
        const uint32_t lane = 1u << thread.lane, clock = thread.warp->clock;
        if (read != machine.epoch) {
            read = machine.epoch;
            read_clock = clock;
            readers = lane;
            reader_warp = uint16_t(thread.warp->number);
            other_reader = NOBODY;
        } else if (reader_warp != thread.warp->number) {
            other_reader = uint16_t(thread.number);
        } else if (read_clock == clock) {
            readers |= lane;
        } else { // whoever comes after this read comes after the reads ordered before it
            for (unsigned i = 0; i < WARP; ++i)
                if (thread.warp->ordered(thread.lane, i, read_clock)) readers &= ~(1u << i);
            readers |= lane;
            read_clock = clock;
        }
    }

    int unordered_reader(const Thread &thread) const {
        if (reader_warp != thread.warp->number) return int(reader_warp * WARP) + __builtin_ctz(readers);
        if (other_reader != NOBODY) return other_reader;
        for (unsigned i = 0; i < WARP; ++i)
            if (readers >> i & 1 && i != thread.lane && !thread.warp->ordered(thread.lane, i, read_clock))
                return int(reader_warp * WARP + i);
        return NONE;
    }

    static constexpr uint16_t NOBODY = 0xffff;
    uint32_t written = 0, write_clock = 0; // the epoch and the warp's clock
    uint32_t read = 0, read_clock = 0;
    uint32_t readers = 0;      // the lanes of `reader_warp` that read in this epoch
    uint16_t reader_warp = 0;
    uint16_t other_reader = 0; // a thread of another warp that did
    uint16_t writer = 0;
    bool atomic = false;
};

/// The bytes of one array of a block, and what is remembered about them. Nothing in it counts as written when a block
/// begins: the words tell by their epochs.
struct Storage {
    Storage(const char *name, size_t bytes)
        : name(name), size(bytes), bytes(new(std::align_val_t(16)) unsigned char[bytes + 1]),
          words((bytes + 3) / 4) {}
    Storage(const Storage &) = delete;
    Storage &operator=(const Storage &) = delete;
    ~Storage() { operator delete[](bytes, std::align_val_t(16)); }

    const char *name;
    size_t size;
    unsigned char *bytes;
    std::vector<Word> words;
};

inline Machine::Machine() = default;
inline Machine::~Machine() = default;

inline Storage &Machine::shared(const void *site, const char *name, size_t bytes) {
    for (auto &[key, storage] : arrays)
        if (key == site) return *storage;
    arrays.emplace_back(site, std::make_unique<Storage>(name, bytes));
    return *arrays.back().second;
}

inline void Machine::make_dynamic(size_t bytes) {
    if (!dynamic || dynamic->size != bytes) dynamic = std::make_unique<Storage>("dynamic shared memory", bytes);
}

/// What `Shared<T>` is on the CPU: a part of a storage, in elements.
template <class T>
class Array {
    static_assert(sizeof(T) % 4 == 0, "shared memory is watched by words of four bytes");
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    Array(Storage &storage, size_t first_byte, size_t count) : storage(&storage), first(first_byte), count(count) {}
    template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
    Array(const Array<U> &other) : storage(other.storage), first(other.first), count(other.count) {}

    class Element;
    template <class I>
    Element operator[](I index) const {
        static_assert(std::is_integral_v<I>);
        if (size_t(index) >= count)
            machine->fail(text(std::to_string(index)) + " is out of range: there are " + std::to_string(count));
        return Element(*this, size_t(index));
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

    std::string text(const std::string &index) const {
        const std::string offset = first ? std::to_string(first) + " bytes + " : "";
        return std::string(storage->name) + "[" + offset + index + "]";
    }

    Storage *storage;
    size_t first, count;
};

/// `array[i]`: read by conversion and written by assignment, there and then.
template <class T>
class Array<T>::Element {
    using Value = std::remove_const_t<T>;

  public:
    operator Value() && { return load<Access::Read>(); }
    Value operator=(const Value &value) && { return store<Access::Write>(value); }
    Value operator=(Element &&other) && { return std::move(*this) = other.template load<Access::Read>(); }
    Element(const Element &) = delete;

#define SIMT_ASSIGN(op)                                                                                                \
    template <class U>                                                                                                 \
    Value operator op##=(U &&value) && {                                                                               \
        return store<Access::Write>(static_cast<Value>(load<Access::Read>() op std::forward<U>(value)));               \
    }
    SIMT_ASSIGN(+)
    SIMT_ASSIGN(-)
    SIMT_ASSIGN(*)
    SIMT_ASSIGN(/)
    SIMT_ASSIGN(|)
    SIMT_ASSIGN(&)
    SIMT_ASSIGN(^)
#undef SIMT_ASSIGN

    /// For atomics: the address that none of the others may have.
    struct Address {
        Element &element;
        template <class Change>
        Value atomically(Change change) const {
            const Value old = element.load<Access::Atomic>();
            element.write(change(old));
            return old;
        }
    };
    Address operator&() && { return {*this}; }

  private:
    friend class Array;
    Element(const Array &array, size_t index) : array(array), index(index) {}

    template <Access access>
    Value load() const {
        touch<access>();
        Value value;
        std::memcpy(&value, array.storage->bytes + byte(), sizeof value);
        return value;
    }
    template <Access access>
    Value store(const Value &value) const {
        touch<access>();
        write(value);
        return value;
    }
    void write(const Value &value) const {
        static_assert(!std::is_const_v<T>);
        std::memcpy(array.storage->bytes + byte(), &value, sizeof value);
    }
    size_t byte() const { return array.first + index * sizeof(T); }

    template <Access access>
    void touch() const {
        Word *word = &array.storage->words[byte() / 4];
        for (size_t i = 0; i < sizeof(T) / 4; ++i) {
            const int with = word[i].template touch<access>(*machine, *current);
            if (__builtin_expect(with != Word::NONE, 0)) complain(access, with);
        }
    }

    [[gnu::cold, gnu::noinline]] void complain(Access access, int with) const {
        const std::string what = array.text(std::to_string(index));
        if (with == Word::UNWRITTEN) machine->fail(what + " is read and was not written before");
        machine->fail(what + (access == Access::Read ? " is read" : " is written") + " in a race with " +
                     Machine::thread_text(machine->thread(unsigned(with))));
    }

    const Array &array;
    size_t index;
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
