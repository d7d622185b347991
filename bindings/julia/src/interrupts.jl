# Nothing of Julia's may jump over the library's frames: a Rust function that is left by a jump has locks held and memory half
# changed. Two things jump. An `InterruptException` that Julia throws when it reaches a safe point: `disable_sigint` puts it off.
# And after some Ctrl-C in a row Julia throws wherever it is, whether that is put off or not, from the handler of the signal
# SIGUSR2, which it sends to its first thread: there only a signal that is blocked stays out.

# A set of signals as Linux's C libraries have it, and the one with SIGUSR2 alone.
const Signals = NTuple{16, UInt64}
const SIGUSR2 = Signals((UInt64(1) << 11, ntuple(_ -> UInt64(0), 15)...))

const SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = Cint(0), Cint(1), Cint(2)

# Changes which signals this thread takes; returns those that it did not take before.
function signal_mask(how::Cint, signals::Signals)
    given, before = Ref(signals), Ref(signals)
    Sys.islinux() &&
        ccall(
            :pthread_sigmask,
            Cint,
            (Cint, Ptr{Signals}, Ptr{Signals}),
            how,
            given,
            before,
        )
    return before[]
end

# Every call of the library is made by this: what Julia has to tell this thread waits until the call returns.
function shielded(call)
    before = signal_mask(SIG_BLOCK, SIGUSR2)
    try
        return call()
    finally
        signal_mask(SIG_SETMASK, before)
    end
end

# What a callback does for the user, within a shielded call that interrupts were put off for: here they are let through, and
# anything that is thrown is handed to `caught`. The block in the middle is left with the signal out again; if a forced interrupt
# comes right then, the outer one does it: Julia forces none within half a second of another.
function exposed(work, caught)
    try
        try
            signal_mask(SIG_UNBLOCK, SIGUSR2)
            return reenable_sigint(work)
        finally
            signal_mask(SIG_BLOCK, SIGUSR2)
        end
    catch failure
        signal_mask(SIG_BLOCK, SIGUSR2)
        return caught(failure)
    end
end
