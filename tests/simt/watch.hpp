// Memory that watches: who touched which word, of shared memory and of global memory.
//
// A word of four bytes remembers its last write and the reads since. Two accesses by different threads, one of them a
// write, are a race unless a __syncthreads lies between them or, in one warp, a primitive that both lanes took part in.
// Those by different blocks always are, unless both are atomic.
#pragma once

#include "machine.hpp"

#include <cstring>
#include <new>
#include <type_traits>
#include <unordered_map>

namespace simt {

enum class Access { Read, Write, Atomic };

class Word {
  public:
    /// Remembers the access; tells the thread that it races with, or one of the others.
    static constexpr int NONE = -1, UNWRITTEN = -2, ANOTHER_BLOCK = -3;

    template <Access access>
    int touch(const Machine &machine, const Thread &thread) {
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

  protected:
    uint32_t written = 0; // the epoch

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
    uint32_t write_clock = 0; // the warp's
    uint32_t read = 0, read_clock = 0;
    uint32_t readers = 0;      // the lanes of `reader_warp` that read in this epoch
    uint16_t reader_warp = 0;
    uint16_t other_reader = 0; // a thread of another warp that did
    uint16_t writer = 0;
    bool atomic = false;
};

/// A word of shared memory: nothing is in it when a block begins.
class SharedWord : public Word {
  public:
    template <Access access>
    int touch(const Machine &machine, const Thread &thread) {
        if constexpr (access != Access::Write)
            if (written < machine.block_began) return UNWRITTEN;
        return Word::touch<access>(machine, thread);
    }
};

/// A word of global memory. The blocks of a launch run one after another here, but in any order or at once on a device:
/// no barrier orders what they do.
class GlobalWord : public Word {
  public:
    template <Access access>
    int touch(const Machine &machine, const Thread &thread) {
        if (block != machine.block_began) {
            earlier = block < machine.launch_began ? 0 : uint8_t(earlier | now);
            now = 0;
            block = machine.block_began;
        }
        constexpr uint8_t agrees = access == Access::Write ? 0 : bit(access);
        if (earlier & ~agrees) return ANOTHER_BLOCK;
        now |= bit(access);
        return Word::touch<access>(machine, thread);
    }

  private:
    static constexpr uint8_t bit(Access access) { return uint8_t(1 << int(access)); }

    uint32_t block = 0;           // the epoch in which the block began that touched it last
    uint8_t now = 0, earlier = 0; // how that block touched it, and those before it in the launch
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
    std::vector<SharedWord> words;
};

/// What is remembered about global memory, by address. The words tell by their epochs what was in an earlier launch.
class Shadow {
  public:
    GlobalWord *words(const void *address) {
        const auto at = reinterpret_cast<uintptr_t>(address);
        Recent &recent = recents[at / PAGE % RECENT];
        if (!recent.page || recent.number != at / PAGE) {
            std::unique_ptr<Page> &page = pages[at / PAGE];
            if (!page) page = std::make_unique<Page>();
            recent = {at / PAGE, page.get()};
        }
        return &recent.page->words[at % PAGE / 4];
    }

  private:
    static constexpr size_t PAGE = 4096, RECENT = 64; // bytes; pages that are found without the map
    struct Page {
        GlobalWord words[PAGE / 4];
    };
    struct Recent {
        uintptr_t number;
        Page *page;
    };
    std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
    Recent recents[RECENT] = {};
};

inline Machine::Machine() : shadow(std::make_unique<Shadow>()) {}
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

/// The address of an element, which only atomics may have: who takes it makes the access.
template <class T>
struct Address {
    unsigned char *bytes;

    template <class Change>
    T atomically(Change change) const {
        T old;
        std::memcpy(&old, bytes, sizeof old);
        const T now = change(old);
        std::memcpy(bytes, &now, sizeof now);
        return old;
    }
};

/// `array[i]`: read by conversion and written by assignment, there and then.
template <class Array>
class Element {
    using T = typename Array::Type;
    using Value = std::remove_const_t<T>;

  public:
    Element(const Array &array, size_t index) : array(array), index(index) {}
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

    Address<Value> operator&() && {
        touch<Access::Atomic>();
        return {array.bytes(index)};
    }

  private:
    template <Access access>
    Value load() const {
        touch<access>();
        Value value;
        std::memcpy(&value, array.bytes(index), sizeof value);
        return value;
    }
    template <Access access>
    Value store(const Value &value) const {
        static_assert(!std::is_const_v<T>);
        touch<access>();
        std::memcpy(array.bytes(index), &value, sizeof value);
        return value;
    }

    template <Access access>
    void touch() const {
        auto *word = array.words(index);
        for (size_t i = 0; i < sizeof(T) / 4; ++i) {
            const int with = word[i].template touch<access>(*machine, *current);
            if (__builtin_expect(with != Word::NONE, 0)) complain(access, with);
        }
    }

    [[gnu::cold, gnu::noinline]] void complain(Access access, int with) const {
        const std::string what = array.text(index);
        if (with == Word::UNWRITTEN) machine->fail(what + " is read and was not written before");
        machine->fail(what + (access == Access::Read ? " is read" : " is written") + " in a race with " +
                      (with == Word::ANOTHER_BLOCK ? "another block"
                                                   : Machine::thread_text(machine->thread(unsigned(with)))));
    }

    const Array &array;
    size_t index;
};

} // namespace simt
