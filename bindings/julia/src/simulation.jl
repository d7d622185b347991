# Simulated populations.

"""
The particles at one time: `points` in the orientation that was asked for, `weights`; `ids`, of weighted particles the number of
the cell of the start that each comes from, of a branching population its number in the lineage; `ancestors`, the number in the
frame before (for the first, in the start) that each comes from. All numbers count from 1.
"""
struct Frame
    time::Float64
    points::Matrix{Float32}
    weights::Vector{Float64}
    ids::Vector{Int}
    ancestors::Vector{Int}
end

"""
All cells that ever lived in a branching population, the founders first: their `parents` (0 for a founder), `births`, `ends` and
`fates` (`:alive`, `:divided` or `:died`). Parents come before their daughters.
"""
struct Lineage
    parents::Vector{Int}
    births::Vector{Float64}
    ends::Vector{Float64}
    fates::Vector{Symbol}
end

Base.length(frame::Frame) = length(frame.weights)
Base.length(lineage::Lineage) = length(lineage.parents)

"""
A simulated population: a [`Frame`](@ref) for each output time in `frames`, and the [`Lineage`](@ref) of a branching one in
`lineage`, else `nothing`; `mass_sd`, the standard deviations of the errors of the frames' masses by an ensemble, else `NaN`;
`outside`, the share of the particles' time outside of the box of the fitted cells, where fields are what they are at its border
(`nothing` for a model without a guard).
"""
struct Trajectory
    frames::Vector{Frame}
    lineage::Union{Nothing, Lineage}
    mass_sd::Vector{Float64}
    outside::Union{Nothing, Float64}
    newick::String
end

function Base.show(io::IO, frame::Frame)
    return print(io, "Frame of ", length(frame), " particles at ", frame.time)
end

function Base.show(io::IO, lineage::Lineage)
    print(io, "Lineage of ", length(lineage), " cells")
    for fate in (:alive, :divided, :died)
        print(io, ", ", count(==(fate), lineage.fates), " ", fate)
    end
    return nothing
end

function Base.show(io::IO, trajectory::Trajectory)
    counts = ["$(length(frame)) at $(frame.time)" for frame in trajectory.frames]
    print(io, "Trajectory of particles: ", join(counts, ", "))
    trajectory.lineage === nothing || print(io, "; ", trajectory.lineage)
    return nothing
end

"""
    newick(trajectory)

The lineage in the Newick format, one tree a line for each founder. Its names count from c0, as the library does.
"""
newick(trajectory::Trajectory) = trajectory.newick

"""
    simulate(model, points, times = model.info["times"]; mode, seed, start = first(times), weights, cells = :columns, progress,
             workers, options...)

Simulate a population from `points` at the time `start` to each of `times`, by the options of `Chreode.options("simulate")`;
`mode` is `"ode"`, `"sde"` or `"branching"`. To start from some cells of a snapshot, see [`founders`](@ref).
`progress(stage, done, total, loss)` is called as by [`fit_dynamics`](@ref), and ends the simulation by returning `true`. Times
beyond those of the fit are warned of. `workers` are as for [`fit_dynamics`](@ref); the tasks, of which `progress` is not told, are those of
[`Chreode.plan_simulate`](@ref).
"""
function simulate(
    model::Dynamics,
    points,
    times = model.info["times"];
    start = first(times),
    weights = nothing,
    cells::Symbol = :columns,
    progress = nothing,
    workers = nothing,
    options...,
)
    data = points_of("points", points, cells, model.dims)
    given = weights_of(weights, shape(data, cells)[1])
    until, from = times_of("times", "element", times), instant("start", start)
    workers === nothing ||
        return simulate_by(workers, model, data, until, from, given, cells, options)
    handle = use(options_of("simulate", options)) do choice
        use(model.handle) do pointer
            GC.@preserve data given begin
                matrix = Ref(reading(data, cells))
                long_handle(
                    C.chreode_trajectory_free,
                    C.chreode_trajectory,
                    progress,
                ) do made, tell, told
                    C.chreode_simulate(
                        pointer,
                        from,
                        matrix,
                        optional(given),
                        length(given),
                        until,
                        length(until),
                        choice,
                        tell,
                        told,
                        made,
                    )
                end
            end
        end
    end
    return taken(handle, cells)
end

function simulate_by(workers, model, data, until, from, given, cells, options)
    count = shape(data, cells)[1]
    start = Snapshots(
        data,
        fill(from, count);
        weights = isempty(given) ? nothing : given,
        cells,
    )
    pieces = length(processes_of(workers))
    work = plan_simulate(model, start, until; founders = cld(count, pieces), options...)
    parts = parts_by(workers, work, start, model)
    asked = get(values(options), :threads, nothing)
    trajectory = finish_simulate(
        work,
        model,
        start,
        parts;
        threads = asked === nothing ? threads(model) : asked,
        cells,
    )
    close(work)
    return trajectory
end

# Everything of a trajectory of the library's, which is freed.
function taken(handle::Handle{C.chreode_trajectory}, cells::Symbol)
    trajectory = use(handle) do pointer
        dims = Int(told(value -> C.chreode_trajectory_dims(pointer, value), Csize_t))
        count = Int(told(
            value -> C.chreode_trajectory_frame_count(pointer, value),
            Csize_t,
        ))
        tree = text() do buffer, capacity, size
            C.chreode_trajectory_newick(pointer, buffer, capacity, size)
        end
        report = json() do buffer, capacity, size
            C.chreode_trajectory_report(pointer, buffer, capacity, size)
        end
        warn(report)
        Trajectory(
            [frame(pointer, k, dims, cells) for k in 0:(count - 1)],
            lineage(pointer),
            mass_sd(pointer, count),
            report["outside"],
            tree,
        )
    end
    close(handle)
    return trajectory
end

function frame(trajectory, k, dims, cells)
    time, size = Ref{Cdouble}(), Ref{Csize_t}()
    check(C.chreode_trajectory_frame(trajectory, k, time, size))
    count = Int(size[])
    x = empty_matrix(Float32, count, dims, cells)
    GC.@preserve x begin
        matrix = Ref(writing(x, cells))
        check(C.chreode_trajectory_points(trajectory, k, matrix))
    end
    weights = Vector{Float64}(undef, count)
    ids, ancestors = Vector{UInt64}(undef, count), Vector{UInt64}(undef, count)
    check(C.chreode_trajectory_weights(trajectory, k, weights, count))
    check(C.chreode_trajectory_ids(trajectory, k, ids, count))
    check(C.chreode_trajectory_ancestors(trajectory, k, ancestors, count))
    return Frame(time[], x, weights, Int.(ids) .+ 1, Int.(ancestors) .+ 1)
end

function mass_sd(trajectory, count)
    sds = Vector{Float64}(undef, count)
    check(C.chreode_trajectory_masses(trajectory, C_NULL, sds, count))
    return sds
end

function lineage(trajectory)
    count = Int(told(value -> C.chreode_trajectory_cell_count(trajectory, value), Csize_t))
    count == 0 && return nothing
    parents, fates = Vector{Int64}(undef, count), Vector{Int32}(undef, count)
    births, ends = Vector{Float64}(undef, count), Vector{Float64}(undef, count)
    check(C.chreode_trajectory_lineage(trajectory, parents, births, ends, fates, count))
    names = Dict(
        C.CHREODE_FATE_ALIVE => :alive,
        C.CHREODE_FATE_DIVIDED => :divided,
        C.CHREODE_FATE_DIED => :died,
    )
    return Lineage(
        parents .+ 1,
        births,
        ends,
        [get(names, fate, :unknown) for fate in fates],
    )
end
