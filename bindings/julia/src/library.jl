# The shared library, its errors, its handles and its texts.

"""The library's file: `CHREODE_LIBRARY` of the environment, else the preference `library`, else where the system looks."""
function library_path()
    given = get(ENV, "CHREODE_LIBRARY", "")
    return isempty(given) ? @load_preference("library", "libchreode") : given
end

function open_library(path::AbstractString)
    C.library[] = Libdl.dlopen(path)
    found = C.chreode_abi_version()
    if found != C.CHREODE_ABI_VERSION
        C.library[] = C_NULL
        error(
            "$path has the binary interface $found, this package was made for $(C.CHREODE_ABI_VERSION)",
        )
    end
    return nothing
end

"""
    Chreode.set_library!(path)

Use the library at `path`, now and in later sessions of this project (a preference).
"""
function set_library!(path::AbstractString)
    open_library(path)
    @set_preferences!("library" => String(path))
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

# A handle of the library: freed when it is collected, or by `close`. Tasks take turns with it.
mutable struct Handle{T}
    pointer::Ptr{T}
    free::Function
    lock::ReentrantLock
    busy::Bool

    function Handle(pointer::Ptr{T}, free::Function) where {T}
        return finalizer(release, new{T}(pointer, free, ReentrantLock(), false))
    end
end

function release(handle::Handle)
    pointer = handle.pointer
    handle.pointer = C_NULL
    pointer == C_NULL || handle.free(pointer)
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

json(get) = JSON.parse(text(get))

"""The version of the library."""
version() = VersionNumber(unsafe_string(C.chreode_version()))

"""What the library can do: its methods, couplings, bridges, modes, fields, data sets and option lists."""
function capabilities()
    return json() do buffer, capacity, size
        C.chreode_capabilities(buffer, capacity, size)
    end
end
