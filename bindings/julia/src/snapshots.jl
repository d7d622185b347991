# Cells at increasing times.

"""
    Snapshots(
        x,
        time;
        weights = nothing,
        masses = nothing,
        growth_prior = nothing,
        clones = nothing,
        cells = :columns,
        copy = true,
    )

Cells at increasing times: what a fit learns from and an evaluation compares with. `x` has one column a cell, or one row with
`cells = :rows`; `time` the time of each cell, in any order, or its label (see [`Chreode.times_of`](@ref)); `weights` the weight
of each, 1 if there are none; `masses` the total mass of each time, where it is not the number of cells: `Dict(time => mass, …)`,
or one number a time in increasing order of the times.

`growth_prior` is the growth rate that is expected of each cell, per unit of time, births less deaths that are known from elsewhere: it enters
the couplings of a fit, by the options `source_penalty` and `target_penalty`. `clones` is the clone of each, as from lineage barcodes: any
labels, `missing`, `nothing` or `""` where none is known. Cells of different clones are not joined, or at the price of the option
`clone_penalty`.

With `copy = false` the points stay where they are, as for cells that memory holds once: `x` is a `Matrix{Float32}` with one column a cell, or
a memory-mapped one. It is kept as long as anything is made of it, and must not be changed meanwhile; all results are those of a copy.

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

    function Snapshots(handle::Handle{C.chreode_snapshots})
        parts = use(handle) do snapshots
            dims = Int(told(value -> C.chreode_snapshots_dims(snapshots, value), Csize_t))
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
            (dims, times, counts, masses)
        end
        # Points in single and weights in double precision; of points that Julia holds, where they are.
        points = handle.kept === nothing ? 4 * parts[1] : 4
        holds(handle, sum(parts[3]) * (points + 8))
        return new(handle, parts...)
    end
end

# Snapshots that a function of the library makes, and what they refer to.
function snapshots_by(make, kept = nothing)
    return Snapshots(make_handle(make, C.chreode_snapshots_free, C.chreode_snapshots, kept))
end

function Snapshots(
    x::AbstractMatrix,
    time;
    weights = nothing,
    masses = nothing,
    growth_prior = nothing,
    clones = nothing,
    cells::Symbol = :columns,
    copy::Bool = true,
)
    copy || refuse_other_layout(x, cells)
    data = points_of("x", x, cells)
    count, other, _ = shape(data, cells)
    times = times_of(time)
    if length(times) != count
        lines = cells === :rows ? "rows" : "columns"
        hint = length(times) == other ?
            "; cells = $(cells === :rows ? ":columns" : ":rows") says that cells are the other way" :
            ""
        throw(DimensionMismatch(
            "time must have one element for each of the $count cells ($lines of x), got $(length(times))$hint",
        ))
    end
    given = weights_of(weights, count)
    snapshots = snapshots_by(copy ? nothing : data) do made
        GC.@preserve data given begin
            matrix = Ref(reading(data, cells))
            new = copy ? C.chreode_snapshots_new : C.chreode_snapshots_borrow
            new(matrix, times, length(times), optional(given), length(given), made)
        end
    end
    # The library takes what else is known in the order of time, cells of one time as they were given.
    by_time = sortperm(times)
    snapshots = expecting(snapshots, growth_prior, by_time)
    return massed(barcoded(snapshots, clones, by_time), masses)
end

function Snapshots(
    blocks::AbstractVector{<:AbstractMatrix},
    times;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
)
    data = [points_of("block $k", block, cells) for (k, block) in enumerate(blocks)]
    labels = times_of("times", "block", times)
    each = weights === nothing ? fill(nothing, length(data)) : collect(Any, weights)
    length(each) == length(labels) == length(data) ||
        throw(DimensionMismatch(
            "each of the $(length(data)) blocks must have one time and one element of weights, got $(length(labels)) times and $(length(each)) elements of weights",
        ))
    dims = [shape(block, cells)[2] for block in data]
    length(unique(dims)) <= 1 ||
        throw(DimensionMismatch("all blocks must have as many coordinates, got $dims"))
    arrays = [
        weights_of(given, shape(block, cells)[1])
        for (block, given) in zip(data, each)
    ]
    snapshots = snapshots_by() do made
        GC.@preserve data arrays begin
            views = C.chreode_matrix[reading(block, cells) for block in data]
            pointers = Ptr{Cdouble}[optional(array) for array in arrays]
            C.chreode_snapshots_from_blocks(views, labels, pointers, length(data), made)
        end
    end
    return massed(snapshots, masses)
end

function Snapshots(x, time; options...)
    return throw(ArgumentError(
        "x must be a matrix of numbers, or a vector of one matrix a time, got $(typeof(x)); Matrix(…) makes one of a table",
    ))
end

# What the library cannot read where it is.
function refuse_other_layout(x, cells::Symbol)
    fits = false
    if x isa StridedMatrix{Float32}
        _, coordinates, from_cell, from_coordinate = shape(x, cells)
        fits = (from_cell, from_coordinate) == (coordinates, 1)
    end
    fits ||
        throw(ArgumentError(
            "x must be a Matrix{Float32} with one column a cell where it is not copied, got $(typeof(x)) with one of its $cells a cell",
        ))
    return nothing
end

expecting(snapshots::Snapshots, ::Nothing, by_time) = snapshots

function expecting(snapshots::Snapshots, growth_prior, by_time)
    rates = doubles("the growth prior", "cell", growth_prior)
    refuse_other_count("growth_prior", rates, by_time)
    rates = rates[by_time]
    return use(snapshots.handle) do handle
        snapshots_by(snapshots.handle.kept) do made
            C.chreode_snapshots_with_growth_prior(handle, rates, length(rates), made)
        end
    end
end

barcoded(snapshots::Snapshots, ::Nothing, by_time) = snapshots

function barcoded(snapshots::Snapshots, clones, by_time)
    labels = collect(Any, clones)
    refuse_other_count("clones", labels, by_time)
    # A number for each clone, counted as they come.
    known = Dict{Any, Int64}()
    number(label) = label === missing || label === nothing || label == "" ?
        Int64(-1) :
        get!(known, label, length(known))
    numbers = Int64[number(label) for label in labels[by_time]]
    return use(snapshots.handle) do handle
        snapshots_by(snapshots.handle.kept) do made
            C.chreode_snapshots_with_clones(handle, numbers, length(numbers), made)
        end
    end
end

function refuse_other_dims(snapshots::Snapshots, model)
    snapshots.dims == model.dims ||
        throw(DimensionMismatch(
            "snapshots must have the $(model.dims) coordinates of the model, got $(snapshots.dims)",
        ))
    return nothing
end

function refuse_other_count(name, values, by_time)
    length(values) == length(by_time) ||
        throw(DimensionMismatch(
            "$name must have one element for each of $(length(by_time)) cells, got $(length(values))",
        ))
    return nothing
end

massed(snapshots::Snapshots, ::Nothing) = snapshots
massed(snapshots::Snapshots, masses) = with_masses(snapshots, masses)

"""
    dataset(name; options...)

A built-in data set: `"gene-network"`, `"gaussian-mixture"` or `"branching"`, with the options of `Chreode.options(name)`.
"""
function dataset(name::Union{AbstractString, Symbol}; options...)
    return use(options_of(String(name), options)) do choice
        snapshots_by(made -> C.chreode_snapshots_generate(choice, made))
    end
end

"""
    with_masses(snapshots, masses)

The same snapshots with other total masses: `Dict(time => mass, …)`, or one positive number a time.
"""
function with_masses(snapshots::Snapshots, masses)
    given = masses_of(masses, snapshots.times)
    return use(snapshots.handle) do handle
        snapshots_by(snapshots.handle.kept) do made
            C.chreode_snapshots_with_masses(handle, given, length(given), made)
        end
    end
end

function masses_of(masses, times::Vector{Float64})
    given = doubles("the mass", "time", masses)
    length(given) == length(times) ||
        throw(DimensionMismatch(
            "masses must have one number for each of the times $times, got $(length(given))",
        ))
    return given
end

# By name: every time has its mass, and every mass its time.
function masses_of(masses::AbstractDict, times::Vector{Float64})
    labels = collect(keys(masses))
    named = times_of("the time of masses", "key", labels)
    sort(named) == times ||
        throw(ArgumentError(
            "masses must name each of the times $times once, got $(sort(named))",
        ))
    given = Dict(zip(named, values(masses)))
    return masses_of([given[time] for time in times], times)
end

"""
    without(snapshots, times)

The snapshots without those at some times: what a held-out fit learns from.
"""
function without(snapshots::Snapshots, times)
    given = times_of("times", "element", times)
    return use(snapshots.handle) do handle
        snapshots_by(snapshots.handle.kept) do made
            C.chreode_snapshots_without(handle, given, length(given), made)
        end
    end
end

"""
    points(snapshots, k; cells = :columns)

The cells at time number `k`, counted from 1.
"""
function points(snapshots::Snapshots, k::Integer; cells::Symbol = :columns)
    x = empty_matrix(
        Float32,
        snapshots.counts[number_of(snapshots, k)],
        snapshots.dims,
        cells,
    )
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
    values = Vector{Float64}(undef, snapshots.counts[number_of(snapshots, k)])
    use(snapshots.handle) do handle
        check(C.chreode_snapshots_weights(handle, k - 1, values, length(values)))
    end
    return values
end

function number_of(snapshots::Snapshots, k::Integer)
    1 <= k <= length(snapshots) ||
        throw(ArgumentError(
            "the number of a time must be 1 to $(length(snapshots)), got $k",
        ))
    return k
end

"""
    founders(snapshots, k = 1; count, seed = 0, cells = :columns)

`count` cells of time number `k`, drawn without replacement: each in turn in proportion to the weights of those that are left. The
same seed draws the same cells in every language of the library; they come in the order in which [`points`](@ref) has them.
"""
function founders(
    snapshots::Snapshots,
    k::Integer = 1;
    count::Integer,
    seed::Integer = 0,
    cells::Symbol = :columns,
)
    count > 0 && 0 <= seed <= typemax(UInt64) ||
        throw(ArgumentError(
            "count must be at least 1 and seed 0 to 2^64 - 1, got $count and $seed",
        ))
    x = points(snapshots, k; cells)
    rows = Vector{UInt64}(undef, count)
    use(snapshots.handle) do handle
        check(C.chreode_snapshots_sample(handle, k - 1, count, seed, rows))
    end
    drawn = Int.(rows) .+ 1
    return cells === :rows ? x[drawn, :] : x[:, drawn]
end

Base.length(snapshots::Snapshots) = length(snapshots.times)
Base.close(snapshots::Snapshots) = close(snapshots.handle)

function Base.show(io::IO, snapshots::Snapshots)
    print(io, "Snapshots of ", snapshots.dims, " coordinates: ")
    told = [
        "$count cells at $time"
        for (time, count) in zip(snapshots.times, snapshots.counts)
    ]
    return print(io, join(told, ", "))
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
