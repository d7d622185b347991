# The shared library, its errors, its handles and its texts.

"""
The library's file: `CHREODE_LIBRARY` of the environment, else the one that `Pkg.build("Chreode")` noted, else `libchreode` where
the system looks.
"""
function library_path()
    given = get(ENV, "CHREODE_LIBRARY", "")
    isempty(given) || return given
    noted = joinpath(@__DIR__, "..", "deps", "library.txt")
    return isfile(noted) ? strip(read(noted, String)) : "libchreode"
end

# The file that is open.
const opened = Ref("")

"""
    Chreode.open_library(path)

Use the library at `path` in this session, if none is open yet: what one library made cannot be handed to another.
"""
function open_library(path::AbstractString)
    if C.library[] != C_NULL
        path == opened[] && return nothing
        error("$(opened[]) is open in this session: start another one for $path")
    end
    # Without RTLD_DEEPBIND, which is in Julia's default: by it Rust's panics, which become errors, would be unwound with parts of
    # two libraries, and that ends the process.
    library = Libdl.dlopen(path, Libdl.RTLD_LAZY)
    version = Libdl.dlsym(library, :chreode_abi_version; throw_error = false)
    found = version === nothing ? "none" : Int(ccall(version, UInt32, ()))
    if found != C.CHREODE_ABI_VERSION
        Libdl.dlclose(library)
        error(
            "$path has the binary interface $found, this package was made for $(C.CHREODE_ABI_VERSION)",
        )
    end
    C.library[], opened[] = library, path
    return nothing
end

"""
What the library refused, or could not do; the message says what would be right.

`model` is what a fit had learned when it ended early (cancelled, interrupted, or with numbers that were not finite), `nothing`
if training had not begun. `cause` is what the progress function threw, or the `InterruptException`.
"""
struct ChreodeError <: Exception
    status::Int32
    name::String
    message::String
    model::Any
    cause::Any
end

function ChreodeError(
    status::Integer,
    message::AbstractString;
    model = nothing,
    cause = nothing,
)
    name = unsafe_string(C.chreode_status_name(status))
    return ChreodeError(status, name, message, model, cause)
end

function Base.showerror(io::IO, failure::ChreodeError)
    print(io, failure.name, ": ", failure.message)
    if failure.cause !== nothing
        print(io, "\ncaused by: ")
        showerror(io, failure.cause)
    end
    return nothing
end

last_message() = unsafe_string(C.chreode_last_error_message())

# No task switch lies between a call and this, so the message is that of the call.
function check(status)
    status == C.CHREODE_OK || throw(ChreodeError(status, last_message()))
    return nothing
end

# A handle of the library: freed when it is collected, or by `close`. Tasks take turns with it. `bytes` is about what the library
# holds for it, `kept` what the library reads and Julia holds: it lives as long as the handle.
mutable struct Handle{T}
    pointer::Ptr{T}
    free::Function
    lock::ReentrantLock
    busy::Bool
    bytes::Int
    kept::Any

    function Handle(pointer::Ptr{T}, free::Function, kept = nothing) where {T}
        return finalizer(collected, new{T}(pointer, free, ReentrantLock(), false, 0, kept))
    end
end

# A handle whose pointer `make(made)` writes: an interrupt comes before or after, so that nothing made is lost.
function make_handle(make, free, ::Type{T}, kept = nothing) where {T}
    return disable_sigint() do
        pointer = Ref{Ptr{T}}(C_NULL)
        check(make(pointer))
        Handle(pointer[], free, kept)
    end
end

# Tells the collector, which sees 40 bytes, what a handle holds, as Julia's big numbers do: otherwise it would see no reason to
# begin.
function holds(handle::Handle, bytes::Integer)
    handle.bytes = bytes
    Libc.free(ccall(:jl_gc_counted_malloc, Ptr{Cvoid}, (Csize_t,), bytes))
    return handle
end

# Whether the process is ending: its memory goes by itself, and calls may still run in other threads.
const ending = Ref(false)

function release(handle::Handle)
    pointer = handle.pointer
    handle.pointer = C_NULL
    pointer == C_NULL && return nothing
    handle.free(pointer)
    handle.kept = nothing
    ccall(:jl_gc_counted_free_with_size, Cvoid, (Ptr{Cvoid}, Csize_t), C_NULL, handle.bytes)
    return nothing
end

function collected(handle::Handle)
    ending[] && return nothing
    # A finalizer cannot wait; it is asked again.
    trylock(handle.lock) || return (finalizer(collected, handle); nothing)
    try
        handle.busy ? finalizer(collected, handle) : release(handle)
    finally
        unlock(handle.lock)
    end
    return nothing
end

function use(work, handle::Handle)
    lock(handle.lock)
    try
        handle.busy &&
            throw(ArgumentError("in use by the call that this callback belongs to"))
        handle.pointer == C_NULL && throw(ArgumentError("closed"))
        handle.busy = true
        try
            return GC.@preserve handle work(handle.pointer)
        finally
            handle.busy = false
        end
    finally
        unlock(handle.lock)
    end
end

function Base.close(handle::Handle)
    lock(handle.lock)
    try
        handle.busy &&
            throw(ArgumentError("in use by the call that this callback belongs to"))
        release(handle)
    finally
        unlock(handle.lock)
    end
    return nothing
end

# A copied pointer would be freed twice, and one from another process is none.
Base.deepcopy_internal(handle::Handle, ::IdDict) = handle

function Serialization.serialize(::Serialization.AbstractSerializer, ::Handle)
    return throw(ArgumentError(
        "handles of the library are not written: models and snapshots are",
    ))
end

# What `get(pointer)` writes through a pointer.
function told(get, ::Type{T}) where {T}
    value = Ref{T}()
    check(get(value))
    return value[]
end

# A text of any length: its size, then it.
function text(get)
    size = Ref{Csize_t}(0)
    check(get(C_NULL, 0, size))
    buffer = Vector{Cchar}(undef, size[])
    check(get(buffer, length(buffer), size))
    return GC.@preserve buffer unsafe_string(pointer(buffer))
end

# Bytes in the same way.
function filled(get)
    size = Ref{Csize_t}(0)
    check(get(C_NULL, 0, size))
    bytes = Vector{UInt8}(undef, size[])
    check(get(bytes, length(bytes), size))
    return bytes
end

json(get) = parsed(text(get))

# What the library has to say of a result that is there all the same.
function warn(report)
    for warning in get(report, "warnings", ())
        @warn warning
    end
    return report
end
warn(::Nothing) = nothing

"""The version of the library."""
version() = VersionNumber(unsafe_string(C.chreode_version()))

"""What the library can do: its methods, couplings, bridges, modes, fields, data sets and option lists."""
function capabilities()
    return json() do buffer, capacity, size
        C.chreode_capabilities(buffer, capacity, size)
    end
end
