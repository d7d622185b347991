# Cells at increasing times.

"""
    Snapshots(x, time; weights = nothing, masses = nothing, cells = :columns)

Cells at increasing times: what a fit learns from and an evaluation compares with. `x` has one column a cell, or one row with
`cells = :rows`; `time` the time of each cell, in any order; `weights` the weight of each, 1 if there are none; `masses` the
total mass of each time, where it is not the number of cells.

    Snapshots(blocks, times; weights = nothing, masses = nothing, cells = :columns)

The same of one matrix a time; `weights` has, for each, one weight a cell or `nothing`.

`snapshots.times`, `snapshots.counts` and `snapshots.masses` have one element a time.
"""
struct Snapshots
    handle::Handle{C.chreode_snapshots}
    dims::Int
    times::Vector{Float64}
    counts::Vector{Int}
    masses::Vector{Float64}

    function Snapshots(pointer::Ptr{C.chreode_snapshots})
        handle = Handle(pointer, C.chreode_snapshots_free)
        parts = use(handle) do snapshots
            dims = told(value -> C.chreode_snapshots_dims(snapshots, value), Csize_t)
            count = Int(told(
                value -> C.chreode_snapshots_time_count(snapshots, value),
                Csize_t,
            ))
            times = Vector{Float64}(undef, count)
            check(C.chreode_snapshots_times(snapshots, times, count))
            counts = map(1:count) do k
                Int(told(
                    value -> C.chreode_snapshots_cell_count(snapshots, k - 1, value),
                    Csize_t,
                ))
            end
            masses = map(1:count) do k
                told(value -> C.chreode_snapshots_mass(snapshots, k - 1, value), Cdouble)
            end
            (Int(dims), times, counts, masses)
        end
        return new(handle, parts...)
    end
end

function Snapshots(
    x::AbstractMatrix{<:Real},
    time;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
)
    data, times, given = readable(x), doubles(time), doubles(weights)
    made = Ref{Ptr{C.chreode_snapshots}}(C_NULL)
    GC.@preserve data given begin
        matrix = Ref(reading(data, cells))
        check(C.chreode_snapshots_new(
            matrix,
            times,
            length(times),
            optional(given, weights),
            length(given),
            made,
        ))
    end
    return massed(Snapshots(made[]), masses)
end

function Snapshots(
    blocks::AbstractVector{<:AbstractMatrix{<:Real}},
    times;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
)
    data, labels = [readable(block) for block in blocks], doubles(times)
    each = weights === nothing ? fill(nothing, length(data)) : collect(Any, weights)
    length(each) == length(labels) == length(data) ||
        throw(DimensionMismatch(
            "one time and one element of weights for each of $(length(data)) blocks",
        ))
    for (block, given) in zip(data, each)
        given === nothing ||
            length(given) == shape(block, cells)[1] ||
            throw(DimensionMismatch(
                "one weight for each of $(shape(block, cells)[1]) cells",
            ))
    end
    arrays = [doubles(given) for given in each]
    made = Ref{Ptr{C.chreode_snapshots}}(C_NULL)
    GC.@preserve data arrays begin
        views = C.chreode_matrix[reading(block, cells) for block in data]
        pointers = Ptr{Cdouble}[
            optional(array, given)
            for (array, given) in zip(arrays, each)
        ]
        check(C.chreode_snapshots_from_blocks(views, labels, pointers, length(data), made))
    end
    return massed(Snapshots(made[]), masses)
end

massed(snapshots::Snapshots, ::Nothing) = snapshots
massed(snapshots::Snapshots, masses) = with_masses(snapshots, masses)

"""
    dataset(name; options...)

A built-in data set: `"gene-network"`, `"gaussian-mixture"` or `"branching"`, with the options of `Chreode.options(name)`.
"""
function dataset(name::AbstractString; options...)
    made = Ref{Ptr{C.chreode_snapshots}}(C_NULL)
    use(options_of(name, options)) do choice
        check(C.chreode_snapshots_generate(choice, made))
    end
    return Snapshots(made[])
end

"""
    with_masses(snapshots, masses)

The same snapshots with other total masses, one positive number a time.
"""
function with_masses(snapshots::Snapshots, masses)
    given = doubles(masses)
    made = Ref{Ptr{C.chreode_snapshots}}(C_NULL)
    use(snapshots.handle) do handle
        check(C.chreode_snapshots_with_masses(handle, given, length(given), made))
    end
    return Snapshots(made[])
end

"""
    without(snapshots, times)

The snapshots without those at some times: what a held-out fit learns from.
"""
function without(snapshots::Snapshots, times)
    given = doubles(times)
    made = Ref{Ptr{C.chreode_snapshots}}(C_NULL)
    use(snapshots.handle) do handle
        check(C.chreode_snapshots_without(handle, given, length(given), made))
    end
    return Snapshots(made[])
end

"""
    points(snapshots, k; cells = :columns)

The cells at time number `k`, counted from 1.
"""
function points(snapshots::Snapshots, k::Integer; cells::Symbol = :columns)
    x = empty_matrix(Float32, snapshots.counts[k], snapshots.dims, cells)
    use(snapshots.handle) do handle
        GC.@preserve x begin
            matrix = Ref(writing(x, cells))
            check(C.chreode_snapshots_points(handle, k - 1, matrix))
        end
    end
    return x
end

"""
    Chreode.weights(snapshots, k)

The weights of the cells at time number `k`, counted from 1.
"""
function weights(snapshots::Snapshots, k::Integer)
    values = Vector{Float64}(undef, snapshots.counts[k])
    use(snapshots.handle) do handle
        check(C.chreode_snapshots_weights(handle, k - 1, values, length(values)))
    end
    return values
end

Base.length(snapshots::Snapshots) = length(snapshots.times)
Base.close(snapshots::Snapshots) = close(snapshots.handle)

function Base.show(io::IO, snapshots::Snapshots)
    print(io, "Snapshots of ", snapshots.dims, " coordinates:")
    for (time, count) in zip(snapshots.times, snapshots.counts)
        print(io, " ", count, " cells at ", time, ";")
    end
    return nothing
end

function Serialization.serialize(s::Serialization.AbstractSerializer, snapshots::Snapshots)
    Serialization.serialize_type(s, Snapshots)
    range = eachindex(snapshots.times)
    Serialization.serialize(s, [points(snapshots, k) for k in range])
    Serialization.serialize(s, snapshots.times)
    return Serialization.serialize(s, [weights(snapshots, k) for k in range])
end

function Serialization.deserialize(s::Serialization.AbstractSerializer, ::Type{Snapshots})
    blocks = Serialization.deserialize(s)
    times = Serialization.deserialize(s)
    return Snapshots(blocks, times; weights = Serialization.deserialize(s))
end
