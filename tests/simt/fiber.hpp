// A fiber: a function on a stack of its own, that is resumed and suspends itself.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

#if !defined(__x86_64__) || defined(SIMT_UCONTEXT)
#define SIMT_SWITCH_UCONTEXT
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace simt {

#ifdef SIMT_SWITCH_UCONTEXT

using Context = ucontext_t;
inline void switch_context(Context &from, Context &to) { swapcontext(&from, &to); }
inline void begin_context(Context &context, char *stack, size_t size, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}

#else // swapcontext makes a system call each time; what the calling convention preserves is enough to save.

using Context = void *;
asm(R"(
    .text
    .weak simt_switch
    .hidden simt_switch
    .type simt_switch, @function
simt_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size simt_switch, . - simt_switch
)");
extern "C" void simt_switch(Context *from, Context to);

inline void switch_context(Context &from, Context &to) { simt_switch(&from, to); }
inline void begin_context(Context &context, char *stack, size_t size, void (*entry)()) {
    void **top = reinterpret_cast<void **>(stack + size);
    *--top = nullptr; // where entry would return to; it leaves the stack aligned as after a call
    *--top = reinterpret_cast<void *>(entry);
    for (int preserved = 0; preserved < 6; ++preserved) *--top = nullptr;
    context = top;
}

#endif

class Fiber {
  public:
    /// `entry` never returns: it calls `begun` and then suspends itself for ever.
    Fiber(void (*entry)(), unsigned number) {
        void *got = mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (got == MAP_FAILED) throw std::bad_alloc();
        memory = static_cast<char *>(got);
        mprotect(memory, GUARD, PROT_NONE); // a stack that overflows crashes there, and spoils nothing
        const size_t stagger = number % 64 * 192; // or all stacks would share the same few lines of the cache
        begin_context(own, memory + GUARD, STACK - stagger, entry);
    }
    Fiber(const Fiber &) = delete;
    Fiber &operator=(const Fiber &) = delete;
    ~Fiber() { munmap(memory, GUARD + STACK); }

    /// Lets the fiber run until it suspends itself.
    void resume() {
#ifdef __SANITIZE_ADDRESS__
        void *fake;
        __sanitizer_start_switch_fiber(&fake, memory + GUARD, STACK);
#endif
        switch_context(resumer, own);
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    }

    /// Goes back to whoever resumed the fiber.
    void suspend() {
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_start_switch_fiber(&fake, resumer_stack, resumer_size);
#endif
        switch_context(own, resumer);
        begun();
    }

    /// The first thing that a fiber does.
    void begun() {
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_finish_switch_fiber(fake, &resumer_stack, &resumer_size);
#endif
    }

  private:
    static constexpr size_t STACK = 64 << 10, GUARD = 64 << 10; // a multiple of every page size
    char *memory;
    Context own{}, resumer{};
#ifdef __SANITIZE_ADDRESS__
    void *fake = nullptr;
    const void *resumer_stack = nullptr;
    size_t resumer_size = 0;
#endif
};

} // namespace simt
