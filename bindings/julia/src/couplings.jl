# Couplings of the cells of consecutive times, and what is carried along them.

"""
Which cells of each time become which of the next, with how much mass at either end: from [`couple`](@ref), [`descent`](@ref) and
[`couplings`](@ref).

`times` and `counts` have one element a time. `cell` (the number that it was given with), `time`, `weight` (`nothing` where the cells themselves are not known), `sent`, `dying`, `received` and
`born` have one a cell, in the order in which the cells were given: a cell sends its weight to cells of the next time, but for what of it
dies for lack of a partner; it receives its weight from cells of the time before, but for what is born. Nothing is sent from the last time,
and nothing received at the first. `report` tells what was chosen and how the static problems went. [`coupling`](@ref) makes a matrix of an
interval; [`push`](@ref) and [`pull`](@ref) carry a distribution along them.
"""
struct Couplings
    handle::Handle{C.chreode_couplings}
    times::Vector{Float64}
    counts::Vector{Int}
    # The number that each cell was given with, in the order of time.
    order::Vector{Int}
    cell::Vector{Int}
    time::Vector{Float64}
    weight::Union{Nothing, Vector{Float64}}
    sent::Vector{Float64}
    dying::Vector{Float64}
    received::Vector{Float64}
    born::Vector{Float64}
    report::Dict{String, Any}
end

# Of all or some of the times of snapshots whose cells were given in this order, if those are known.
function Couplings(
    handle::Handle{C.chreode_couplings},
    snapshots = nothing,
    order = nothing,
)
    times, counts, masses, report = use(read_couplings, handle)
    warn(report)
    numbers, weight = collect(1:sum(counts)), nothing
    if snapshots !== nothing
        there = findall(in(times), snapshots.times)
        first = cumsum(snapshots.counts) .- snapshots.counts
        cells = reduce(vcat, [first[k] .+ (1:snapshots.counts[k]) for k in there])
        numbers = order === nothing ? cells : order[cells]
        weight = reduce(vcat, [weights(snapshots, k) for k in there])
    end
    by_cell = sortperm(numbers)
    as_given(in_time) = in_time[by_cell]
    time = reduce(vcat, fill.(times, counts))
    return Couplings(
        handle,
        times,
        counts,
        numbers,
        numbers[by_cell],
        as_given(time),
        weight === nothing ? nothing : as_given(weight),
        map(as_given, masses)...,
        report,
    )
end

# The times of couplings of the library's, how many cells each has, what of every cell has partners, and the report.
function read_couplings(pointer)
    count = Int(told(value -> C.chreode_couplings_time_count(pointer, value), Csize_t))
    times, cells = Vector{Float64}(undef, count), Vector{UInt64}(undef, count)
    check(C.chreode_couplings_times(pointer, times, cells, count))
    counts = Int.(cells)
    parts = map(1:count) do k
        sent, dying, received, born = (Vector{Float64}(undef, counts[k]) for _ in 1:4)
        check(C.chreode_couplings_cells(
            pointer,
            k - 1,
            sent,
            dying,
            received,
            born,
            counts[k],
        ))
        (sent, dying, received, born)
    end
    masses = ntuple(part -> reduce(vcat, [each[part] for each in parts]), 4)
    report = json() do buffer, capacity, size
        C.chreode_couplings_report(pointer, buffer, capacity, size)
    end
    return times, counts, masses, report
end

"""
    couple(snapshots; progress, options...)
    couple(x, time; weights, masses, growth_prior, clones, cells = :columns, progress, options...)

Couple the cells of consecutive times as [`fit_dynamics`](@ref) does by the same options, and train nothing: which cells become which, as
[`Couplings`](@ref). The method is one that couples cells. `progress` is as for [`simulate`](@ref).
"""
function couple(snapshots::Snapshots; progress = nothing, options...)
    return coupled(snapshots, nothing, progress, options)
end

function couple(
    x,
    time;
    weights = nothing,
    masses = nothing,
    growth_prior = nothing,
    clones = nothing,
    cells::Symbol = :columns,
    progress = nothing,
    options...,
)
    times = times_of(time)
    snapshots = Snapshots(x, times; weights, masses, growth_prior, clones, cells)
    order = sortperm(times; alg = MergeSort)
    return coupled(snapshots, order, progress, options)
end

function coupled(snapshots, order, progress, options)
    handle = use(options_of("fit", options)) do choice
        use(snapshots.handle) do held
            long_handle(
                C.chreode_couplings_free,
                C.chreode_couplings,
                progress,
            ) do made, tell, told
                C.chreode_couple(held, choice, tell, told, made)
            end
        end
    end
    return Couplings(handle, snapshots, order)
end

"""
    descent(model, snapshots; progress, options...)
    descent(model, x, time; weights, masses, cells = :columns, progress, options...)

Which cells at the time `to` (the last) descend from which at the time `from` (the first), by a model and the options of
`Chreode.options("fates")`, as [`Couplings`](@ref) of one interval. Several descendants of each cell are simulated, each of which counts for
its nearest cells. [`push`](@ref) of the result carries a distribution over cells to its descendants, and [`pull`](@ref), by Bayes' rule, to its
ancestors: the law of the diffusion run backward, which needs no score here. A cell sends its weight, but for the share without
descendants, which dies; what is received is what its descendants weigh; cells that no descendant came near are born.
"""
function descent(model::Dynamics, snapshots::Snapshots; progress = nothing, options...)
    return descended(model, snapshots, nothing, progress, options)
end

function descent(
    model::Dynamics,
    x,
    time;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
    progress = nothing,
    options...,
)
    times = times_of(time)
    snapshots = Snapshots(x, times; weights, masses, cells)
    order = sortperm(times; alg = MergeSort)
    return descended(model, snapshots, order, progress, options)
end

function descended(model, snapshots, order, progress, options)
    refuse_other_dims(snapshots, model)
    handle = use(options_of("fates", options)) do choice
        use(snapshots.handle) do held
            use(model.handle) do pointer
                long_handle(
                    C.chreode_couplings_free,
                    C.chreode_couplings,
                    progress,
                ) do made, tell, told
                    C.chreode_descent(pointer, held, choice, tell, told, made)
                end
            end
        end
    end
    return Couplings(handle, snapshots, order)
end

"""
    couplings(model)

The [`Couplings`](@ref) of the cells that a model was fitted to, where it was asked to keep them (`keep_couplings = true`), else `nothing`. Their
cells are in the order of time, those of one time as they were given.
"""
function couplings(model::Dynamics)
    model.info["has_couplings"] || return nothing
    handle = use(model.handle) do pointer
        make_handle(C.chreode_couplings_free, C.chreode_couplings) do made
            C.chreode_model_couplings(pointer, made)
        end
    end
    return Couplings(handle)
end

# How many intervals there are.
Base.length(couplings::Couplings) = length(couplings.times) - 1
Base.close(couplings::Couplings) = close(couplings.handle)

function Base.show(io::IO, couplings::Couplings)
    cells = [
        "$count cells at $time"
        for (time, count) in zip(couplings.times, couplings.counts)
    ]
    return print(io, "Couplings of ", join(cells, ", "))
end

"""
    Chreode.cells_at(couplings, k)

The numbers that the cells of time number `k`, counted from 1, were given with: what the rows of [`coupling`](@ref) stand for.
"""
function cells_at(couplings::Couplings, k::Integer)
    1 <= k <= length(couplings.times) ||
        throw(ArgumentError(
            "the number of a time must be 1 to $(length(couplings.times)), got $k",
        ))
    first = sum(couplings.counts[1:(k - 1)])
    return couplings.order[(first + 1):(first + couplings.counts[k])]
end

"""
    Chreode.pairs_of(couplings, k)

The coupled cells of the interval `k`, counted from 1: `source` and `target`, numbers of cells from 1 among those of their times, and the
masses `sent` and `received`.
"""
function pairs_of(couplings::Couplings, k::Integer)
    1 <= k <= length(couplings) ||
        throw(ArgumentError(
            "the number of an interval must be 1 to $(length(couplings)), got $k",
        ))
    return use(couplings.handle) do pointer
        rows, cols, pairs = Ref{Csize_t}(), Ref{Csize_t}(), Ref{Csize_t}()
        check(C.chreode_couplings_size(pointer, k - 1, rows, cols, pairs))
        count = Int(pairs[])
        sources, targets = Vector{UInt64}(undef, count), Vector{UInt64}(undef, count)
        sent, received = Vector{Float64}(undef, count), Vector{Float64}(undef, count)
        check(C.chreode_couplings_pairs(
            pointer,
            k - 1,
            sources,
            targets,
            sent,
            received,
            count,
        ))
        (source = Int.(sources) .+ 1, target = Int.(targets) .+ 1, sent, received)
    end
end

"""
    coupling(couplings, k; masses = :sent)

The coupling of the interval `k`, counted from 1, as a `SparseMatrixCSC` of one row a cell before and one column a cell after: the mass that
the cell before sends, so that rows add up to `sent`; or, with `masses = :received`, that the cell after receives, so that columns add up
to `received`. Rows are the cells [`Chreode.cells_at`](@ref)`(couplings, k)`, columns those of `k + 1`.
"""
function coupling(couplings::Couplings, k::Integer; masses::Symbol = :sent)
    masses in (:sent, :received) ||
        throw(ArgumentError("masses must be :sent or :received, got :$masses"))
    found = pairs_of(couplings, k)
    return SparseArrays.sparse(
        found.source,
        found.target,
        getproperty(found, masses),
        couplings.counts[k],
        couplings.counts[k + 1],
    )
end

"""
    push(couplings, distribution, from, to; carry = "share")

A distribution over the cells at the time `from` onwards to those at the later time `to`, its descendants, through the couplings of all intervals
in between, one after another: what they make of it is their product. `distribution` has one number a cell, in the order of
[`Chreode.cells_at`](@ref), finite and not negative.

Gives `masses`, on each cell at the time `to`, and `lost`, of each interval on the way, in the order in which it was crossed, the mass that stood
on cells without a partner, as it was before that interval. Carried as `"share"`, where a random unit of it goes, nothing grows, and what
arrives and what is lost add up to what there was; as `"mass"`, it grows on the way.
"""
function push(couplings::Couplings, distribution, from, to; carry = "share")
    return carried(couplings, distribution, from, to, carry, true)
end

"""
    pull(couplings, distribution, from, to; carry = "share")

A distribution over the cells at the time `from` back to those at the earlier time `to`, its ancestors. As [`push`](@ref).
"""
function pull(couplings::Couplings, distribution, from, to; carry = "share")
    return carried(couplings, distribution, from, to, carry, false)
end

function carried(couplings, distribution, from, to, carry, onwards)
    a, b = number_of(couplings, "from", from), number_of(couplings, "to", to)
    if a == b || (a < b) != onwards
        which, other = onwards ? ("later", "pull") : ("earlier", "push")
        throw(ArgumentError(
            "to must be $which than from, got $from and $to; the other way goes $other",
        ))
    end
    given = doubles("the distribution", "cell", distribution)
    length(given) == couplings.counts[a] ||
        throw(DimensionMismatch(
            "distribution must have one number for each of the $(couplings.counts[a]) cells at $from, got $(length(given))",
        ))
    masses, lost = Vector{Float64}(undef, couplings.counts[b]),
        Vector{Float64}(undef, abs(b - a))
    use(couplings.handle) do pointer
        check(C.chreode_couplings_carry(
            pointer,
            a - 1,
            b - 1,
            String(carry),
            given,
            length(given),
            masses,
            length(masses),
            lost,
            length(lost),
        ))
    end
    return (; masses, lost)
end

function number_of(couplings::Couplings, name, time)
    # What it is measured in is not known.
    time isa Period &&
        throw(ArgumentError(
            "$name must be one of the times $(couplings.times), as a number, got $time",
        ))
    at = only(times_of(name, "element", [time]))
    k = findfirst(==(at), couplings.times)
    k === nothing &&
        throw(ArgumentError("$name must be one of the times $(couplings.times), got $time"))
    return k
end
