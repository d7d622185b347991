# What cells become, by labels of later cells.

"""
Which label's cells at `time` became which: `labels` of these cells (`missing` first, if some are without) and the mass of the cells
of each, `cells_mass`; and matrices of one row a label of theirs, one column a label of the later cells: `mass` of their
descendants with its standard error `mass_se`, and `mass_sd` by the cells, of an ensemble, else `NaN`; `went`, the share in its
row's mass; `came`, the share in its column's.
"""
struct Transitions
    time::Float64
    labels::Vector{Union{Missing, String}}
    cells_mass::Vector{Float64}
    mass::Matrix{Float64}
    mass_se::Matrix{Float64}
    mass_sd::Matrix{Float64}
    went::Matrix{Float64}
    came::Matrix{Float64}
end

"""
What cells become, of the `cells` with these numbers (from 1, as they were given), at `time` and with the label `label` (`missing` where
it is not known), by `labels` of cells at the time `to`. Matrices have, in the orientation of the cells, a line a cell and one a label:
`p`, the probability that a random descendant has the label (`NaN` of a cell without any), and `n`, the expected number of descendants
with it; `p_none` is the probability to have no descendants: of the mode `"branching"` the share of families that died out, else that of cells which
divide or die at the rate |g|, if all of a family went the way of one particle (exact for `"ode"`, rather too large for `"sde"`). `p_se`, `n_se` and `p_none_se` are their standard errors, `p_sd`, `n_sd` and `p_none_sd` their standard deviations
by the cells, of an ensemble, else `NaN`. `transitions` has a table of [`Transitions`](@ref) for each time of the cells;
`neighbours` is how many labelled cells say what a descendant is, `unlabelled` how many cells at the time `to` have no label,
`outside` the largest share of the descendants' time outside of the box of the fitted cells (`nothing` for a model without a guard).
"""
struct Fates
    labels::Vector{String}
    to::Float64
    cells::Vector{Int}
    time::Vector{Float64}
    label::Vector{Union{Missing, String}}
    p::Matrix{Float64}
    n::Matrix{Float64}
    p_none::Vector{Float64}
    p_se::Matrix{Float64}
    n_se::Matrix{Float64}
    p_none_se::Vector{Float64}
    p_sd::Matrix{Float64}
    n_sd::Matrix{Float64}
    p_none_sd::Vector{Float64}
    transitions::Vector{Transitions}
    neighbours::Int
    unlabelled::Int
    outside::Union{Nothing, Float64}
end

Base.length(fates::Fates) = length(fates.cells)

function Base.show(io::IO, fates::Fates)
    labels = join(fates.labels, ", ")
    return print(io, "Fates of ", length(fates), " cells: ", labels, " at ", fates.to)
end

"""
    fates(model, snapshots, labels; cells = :columns, progress, options...)
    fates(model, x, time, labels; weights, masses, cells = :columns, progress, options...)

What each cell becomes, by the labels of the cells of a later time and the options of `Chreode.options("fates")`: several descendants
of each cell at the time `from` (all before) are simulated to the time `to` (the last), where each has the labels of its nearest labelled
cells. `labels` has the label of each cell, `missing`, `nothing` or `""` where it is not known; of snapshots, in the order in which they
hold the cells: by time, those of one time as they were given. `mode` is `"sde"`, `"ode"` or `"branching"`; `progress` is as for
[`simulate`](@ref). The same labels, seed and model give the same numbers in every language.
"""
function fates(
    model::Dynamics,
    snapshots::Snapshots,
    labels;
    cells::Symbol = :columns,
    progress = nothing,
    options...,
)
    count = sum(snapshots.counts)
    return fates_by(model, snapshots, labels, 1:count, cells, progress, options)
end

function fates(
    model::Dynamics,
    x,
    time,
    labels;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
    progress = nothing,
    options...,
)
    times = times_of(time)
    snapshots = Snapshots(x, times; weights, masses, cells)
    order = sortperm(times; alg = MergeSort)
    return fates_by(model, snapshots, labels, order, cells, progress, options)
end

# `order` has the number that each cell of the snapshots was given with.
function fates_by(model, snapshots, labels, order, cells, progress, options)
    refuse_other_dims(snapshots, model)
    codes, names = numbered_labels(labels, length(order))
    of_cells = codes[order]
    handle = use(options_of("fates", options)) do choice
        use(snapshots.handle) do held
            use(model.handle) do pointer
                long_handle(
                    C.chreode_fates_free,
                    C.chreode_fates,
                    progress,
                ) do made, tell, told
                    GC.@preserve of_cells C.chreode_fates_new(
                        pointer,
                        held,
                        of_cells,
                        length(of_cells),
                        choice,
                        tell,
                        told,
                        made,
                    )
                end
            end
        end
    end
    found = use(pointer -> fates_of(pointer, names, codes, order, cells), handle)
    close(handle)
    return found
end

label_name(::Union{Missing, Nothing}) = missing
label_name(label::AbstractString) = isempty(label) ? missing : String(label)
label_name(label::Integer) = string(label)
label_name(label::Real) = isnan(label) ?
    missing :
    isinteger(label) ? string(Int(label)) : string(label)
label_name(label) = string(label)

# The number of each label from 0, −1 where it is missing, and what they are called: numbers in their order where all are.
function numbered_labels(labels, count::Integer)
    named = Union{Missing, String}[label_name(label) for label in labels]
    length(named) == count ||
        throw(DimensionMismatch(
            "labels must be one for each of $count cells, got $(length(named))",
        ))
    names = sort!(unique(skipmissing(named)))
    values = tryparse.(Float64, names)
    any(isnothing, values) || (names = names[sortperm(values; alg = MergeSort)])
    code = Dict(name => Int32(k - 1) for (k, name) in enumerate(names))
    return Int32[name === missing ? -1 : code[name] for name in named], names
end

called(names, codes) = Union{Missing, String}[
    code < 0 ? missing : names[code + 1]
    for code in codes
]

# Everything of fates of the library's.
function fates_of(pointer, names, codes, order, cells)
    report = json() do buffer, capacity, size
        C.chreode_fates_report(pointer, buffer, capacity, size)
    end
    warn(report)
    rows, columns = Ref{Csize_t}(), Ref{Csize_t}()
    check(C.chreode_fates_shape(pointer, rows, columns))
    count, width = Int(rows[]), Int(columns[])
    numbers, time = Vector{UInt64}(undef, count), Vector{Float64}(undef, count)
    check(C.chreode_fates_cells(pointer, numbers, time, count))
    labels = Vector{Int32}(undef, width)
    check(C.chreode_fates_labels(pointer, labels, width))
    given = [order[Int(number) + 1] for number in numbers]
    by_cell = sortperm(given)
    function values(name, width)
        found = fates_values(pointer, name, count, width, cells)
        return cells === :rows ? found[by_cell, :] : found[:, by_cell]
    end
    each(prefix) = (
        values(prefix * "p", width),
        values(prefix * "n", width),
        vec(values(prefix * "p_none", 1)),
    )
    tables = Int(told(value -> C.chreode_fates_transition_count(pointer, value), Csize_t))
    return Fates(
        String[names[label + 1] for label in labels],
        report["to"],
        given[by_cell],
        time[by_cell],
        called(names, codes[given[by_cell]]),
        each("")...,
        each("se_")...,
        each("sd_")...,
        [transitions_of(pointer, k, names, width) for k in 0:(tables - 1)],
        report["neighbours"],
        report["unlabelled"],
        report["outside"],
    )
end

function fates_values(pointer, name, count, width, cells)
    found = empty_matrix(Float64, count, width, cells)
    GC.@preserve found begin
        matrix = Ref(writing(found, cells))
        check(C.chreode_fates_values(pointer, name, matrix))
    end
    return found
end

function transitions_of(pointer, k, names, width)
    time, sources = Ref{Cdouble}(), Ref{Csize_t}()
    check(C.chreode_fates_transition(pointer, k, time, sources))
    count = Int(sources[])
    labels, masses = Vector{Int32}(undef, count), Vector{Float64}(undef, count)
    check(C.chreode_fates_transition_sources(pointer, k, labels, masses, count))
    function values(name)
        found = empty_matrix(Float64, count, width, :rows)
        GC.@preserve found begin
            matrix = Ref(writing(found, :rows))
            check(C.chreode_fates_transition_values(pointer, k, name, matrix))
        end
        return found
    end
    each = map(values, ("mass", "se_mass", "sd_mass", "went", "came"))
    return Transitions(time[], called(names, labels), masses, each...)
end
