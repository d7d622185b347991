# How well recipes predict cells that they were not fitted to.

"""
Recipes held against cells that they were not fitted to: `verdict`, a sentence on the best of them; `recipes`, a vector with a
dictionary for each, by its `"recipe"` (the name) with its `"ratio"`, `"energy"`, `"rme"`, `"mean_w1"`, half the 95 % confidence
interval of each (`"ratio_interval"`, …), `"w1"`, `"energies"` and `"rmes"` at each time, `"cpu_seconds"`, `"trust"` and `"verdict"`, or
why it `"failed"`; `best`, the number of the one with the lowest ratio; and `measures`, everything as the library tells it.
"""
struct Validation
    verdict::Union{String, Nothing}
    recipes::Vector{Dict{String, Any}}
    best::Union{Int, Nothing}
    measures::Dict{String, Any}
end

"""
    validate(snapshots; parts, growth, progress, workers, options...)
    validate(x, time; weights, masses, cells = :columns, parts, growth, progress, workers, options...)

Fit recipes to a part of the cells and measure how well they predict the others, by the options of `Chreode.options("validate")`.
Each option of a fit may be a vector of values: a combination of them is a recipe, `method = ["wfr-fm", "usb"], sigma = [0.1, 0.2]`; an
option that some methods do not take goes to those that do. Widths of hidden layers are vectors themselves: several are
`["64x3", "128x3"]`.

`parts` has the part that each cell is in (a half, a fold, a donor), held out in turn, the last label first; drawn where it is not
given. `growth` has the true growth rate at each cell, where it is known. Both go with the cells: of snapshots in their order.
`progress` is as for [`simulate`](@ref), `workers` as for [`fit_dynamics`](@ref); the tasks, of which `progress` is not told, are fits.
"""
function validate(
    snapshots::Snapshots;
    parts = nothing,
    growth = nothing,
    progress = nothing,
    workers = nothing,
    options...,
)
    workers === nothing || return validate_by(workers, snapshots; parts, growth, options...)
    part_of = numbered_parts(parts)
    growth_of = growth === nothing ? Float64[] : doubles("growth", "cell", growth)
    handle = use(options_of("validate", options)) do choice
        use(snapshots.handle) do cells
            long_handle(
                C.chreode_validation_free,
                C.chreode_validation,
                progress,
            ) do made, tell, told
                GC.@preserve part_of growth_of C.chreode_validate(
                    cells,
                    choice,
                    optional(part_of),
                    length(part_of),
                    optional(growth_of),
                    length(growth_of),
                    tell,
                    told,
                    made,
                )
            end
        end
    end
    return validation_of(handle)
end

function validate_by(workers, snapshots; options...)
    work = plan_validate(snapshots; options...)
    validation = finish_validate(work, snapshots, parts_by(workers, work, snapshots))
    close(work)
    return validation
end

# Everything of a validation of the library's, which is freed.
function validation_of(handle::Handle{C.chreode_validation})
    measures = use(handle) do pointer
        json() do buffer, capacity, size
            C.chreode_validation_json(pointer, buffer, capacity, size)
        end
    end
    close(handle)
    best = measures["best"]
    return Validation(
        get(measures, "verdict", nothing),
        measures["recipes"],
        best === nothing ? nothing : best + 1,
        measures,
    )
end

function validate(
    x,
    time;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
    parts = nothing,
    growth = nothing,
    options...,
)
    times = times_of(time)
    snapshots = Snapshots(x, times; weights, masses, cells)
    order = sortperm(times; alg = MergeSort)
    return validate(
        snapshots;
        parts = in_order("parts", parts, order),
        growth = in_order("growth", growth, order),
        options...,
    )
end

in_order(what, ::Nothing, order) = nothing

function in_order(what, values, order)
    length(values) == length(order) ||
        throw(DimensionMismatch(
            "$what must have one element for each of the $(length(order)) cells, got $(length(values))",
        ))
    return values[order]
end

# The number of each label among the sorted ones, from 0.
numbered_parts(::Nothing) = UInt32[]

function numbered_parts(parts)
    numbers = Dict(
        label => number - 1
        for (number, label) in enumerate(sort(unique(parts)))
    )
    return UInt32[numbers[label] for label in parts]
end

function Base.show(io::IO, validation::Validation)
    return print(
        io,
        "Validation of $(length(validation.recipes)) recipes: $(validation.verdict)",
    )
end

function Base.show(io::IO, ::MIME"text/plain", validation::Validation)
    println(io, validation)
    print(io, join(lpad.(("ratio", "energy", "RME", "W1"), 10)), "  recipe")
    for recipe in validation.recipes
        figures = [
            recipe_figure(recipe, name)
            for name in ("ratio", "energy", "rme", "mean_w1")
        ]
        print(io, "\n", join(lpad.(figures, 10)), "  ", recipe["recipe"])
    end
    return nothing
end

function recipe_figure(recipe, name)
    value = get(recipe, name, nothing)
    return value === nothing ? "failed" : short(value)
end
