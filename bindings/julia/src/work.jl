# Long computations as tasks that any process can do, and the processes of Distributed that do them.

"""
A long computation in tasks, from [`Chreode.plan_fit`](@ref), [`Chreode.plan_validate`](@ref), [`Chreode.plan_simulate`](@ref) or
[`Chreode.plan_evaluate`](@ref). Each task is a function of the plan and of the cells that it names ([`Chreode.rows`](@ref)), to the
bit: where, when, in which order and how often tasks are done changes nothing about the result.

`work.tasks` has a dictionary for each task: its `"kind"` and `"cost"` (very roughly, in seconds of one core), and what it is about. A
`Work` can be serialized, or written by [`Chreode.to_bytes`](@ref).

    work = Chreode.plan_fit(snapshots; method = "usb", chunk_size = 1000)
    parts = [Chreode.run(work, k, snapshots) for k in eachindex(work.tasks)]   # anywhere
    model = Chreode.finish_fit(work, snapshots, parts)
"""
struct Work
    handle::Handle{C.chreode_work}
    tasks::Vector{Dict{String, Any}}

    function Work(handle::Handle{C.chreode_work})
        tasks = use(handle) do work
            count = Int(told(value -> C.chreode_work_task_count(work, value), Csize_t))
            map(1:count) do task
                json() do buffer, capacity, size
                    C.chreode_work_task(work, task - 1, buffer, capacity, size)
                end
            end
        end
        return new(handle, tasks)
    end
end

# Work that a function of the library plans.
work_by(make) = Work(make_handle(make, C.chreode_work_free, C.chreode_work))

"""
    Chreode.plan_fit(snapshots; progress, options...)

Plan a fit by the options of `Chreode.options("fit")`: the numbers that are not given are chosen from the data now. There is a task for
each block of each interval's coupling (one an interval, unless `chunk_size` makes more) or, of an ensemble, for each of its fits; none
for a single fit by a method that is based on simulation.
"""
function plan_fit(snapshots::Snapshots; progress = nothing, options...)
    return use(snapshots.handle) do cells
        use(options_of("fit", options)) do choice
            Work(
                long_handle(
                    C.chreode_work_free,
                    C.chreode_work,
                    progress,
                ) do made, tell, told
                    C.chreode_work_plan_fit(cells, choice, tell, told, made)
                end,
            )
        end
    end
end

"""
    Chreode.plan_validate(snapshots; parts, growth, options...)

Plan a validation, as [`validate`](@ref) would do it. There is a task for each fit to a part of the cells, and for what fits are held
against.
"""
function plan_validate(snapshots::Snapshots; parts = nothing, growth = nothing, options...)
    part_of = numbered_parts(parts)
    growth_of = growth === nothing ? Float64[] : doubles("growth", "cell", growth)
    return use(snapshots.handle) do cells
        use(options_of("validate", options)) do choice
            work_by() do made
                GC.@preserve part_of growth_of C.chreode_work_plan_validate(
                    cells,
                    choice,
                    optional(part_of),
                    length(part_of),
                    optional(growth_of),
                    length(growth_of),
                    made,
                )
            end
        end
    end
end

"""
    Chreode.plan_simulate(model, snapshots, times = model.info["times"]; founders = 4096, options...)

Plan a simulation of the cells at the first time of `snapshots`, with their weights, as [`simulate`](@ref) would do it. There is a task
for about so many `founders` each, of a branching population with the lineage of their families; with resampling there is one, since all
particles depend on each other, and on a device.
"""
function plan_simulate(
    model::Dynamics,
    snapshots::Snapshots,
    times = model.info["times"];
    founders::Integer = 4096,
    options...,
)
    founders >= 1 || throw(ArgumentError("founders must be at least 1, got $founders"))
    until = times_of("times", "element", times)
    return use(model.handle) do pointer
        use(snapshots.handle) do cells
            use(options_of("simulate", options)) do choice
                work_by() do made
                    C.chreode_work_plan_simulate(
                        pointer,
                        cells,
                        until,
                        length(until),
                        choice,
                        founders,
                        made,
                    )
                end
            end
        end
    end
end

"""
    Chreode.plan_evaluate(model, snapshots; options...)

Plan an evaluation, as [`evaluate`](@ref) would do it. There is a task for each run, of the model and, for error bars, of every member of
an ensemble, and one for the action.
"""
function plan_evaluate(model::Dynamics, snapshots::Snapshots; options...)
    return use(model.handle) do pointer
        use(snapshots.handle) do cells
            use(options_of("evaluate", options)) do choice
                work_by() do made
                    C.chreode_work_plan_evaluate(pointer, cells, choice, made)
                end
            end
        end
    end
end

"""
    Chreode.rows(work, task)

The numbers of the cells that a task needs, counted from 1 in the order in which snapshots hold them: by time, those of one time as they
were given. `nothing` if it needs them all. Snapshots of those cells alone, in that order, will do for [`Chreode.run`](@ref).
"""
function rows(work::Work, task::Integer)
    index = number_of(work, task) - 1
    found = use(work.handle) do handle
        count = told(value -> C.chreode_work_row_count(handle, index, value), Csize_t)
        numbers = Vector{UInt64}(undef, count)
        check(C.chreode_work_rows(handle, index, numbers, length(numbers)))
        numbers
    end
    return isempty(found) ? nothing : Int.(found) .+ 1
end

"""
    Chreode.run(work, task, snapshots, model = nothing; threads = 1, progress = nothing)

Do a task, counted from 1: its part, as bytes to be kept or sent. `snapshots` are those that the work was planned for, or the cells of
[`Chreode.rows`](@ref) alone; `model` is that of work that simulates or evaluates one.
"""
function run(
    work::Work,
    task::Integer,
    snapshots::Snapshots,
    model::Union{Dynamics, Nothing} = nothing;
    threads::Integer = 1,
    progress = nothing,
)
    index, count = number_of(work, task) - 1, threads_of(threads)
    part = use(work.handle) do plan
        use(snapshots.handle) do cells
            with_model(model) do pointer
                long_handle(
                    C.chreode_part_free,
                    C.chreode_part,
                    progress,
                ) do made, tell, told
                    C.chreode_work_run(plan, cells, pointer, index, count, tell, told, made)
                end
            end
        end
    end
    bytes = use(part) do pointer
        filled() do buffer, capacity, size
            C.chreode_part_to_bytes(pointer, buffer, capacity, size)
        end
    end
    close(part)
    return bytes
end

with_model(work, model::Dynamics) = use(work, model.handle)
with_model(work, ::Nothing) = work(Ptr{C.chreode_model}(C_NULL))

"""
    Chreode.check_part(work, bytes)

The number of the task whose part these bytes are; a [`ChreodeError`](@ref) if they are not a whole part of this work.
"""
function check_part(work::Work, bytes::AbstractVector{UInt8})
    given = convert(Vector{UInt8}, bytes)
    return use(work.handle) do plan
        task = told(Csize_t) do value
            C.chreode_work_check_part(plan, given, length(given), value)
        end
        Int(task) + 1
    end
end

"""
    Chreode.finish_fit(work, snapshots, parts; threads = 0, progress = nothing)

Put the parts of a fit together, in any order, and train what is left to be trained: the model of [`fit_dynamics`](@ref), to the bit, with
the same errors. A part that is missing, damaged or of other work is a [`ChreodeError`](@ref) that tells its place, counted from 0.
"""
function finish_fit(
    work::Work,
    snapshots::Snapshots,
    parts;
    threads::Integer = 0,
    progress = nothing,
)
    count = threads_of(threads)
    model = use(work.handle) do plan
        use(snapshots.handle) do cells
            with_parts(parts) do pointers, sizes
                fitted(progress) do made, tell, told
                    C.chreode_work_finish_fit(
                        plan,
                        cells,
                        pointers,
                        sizes,
                        length(sizes),
                        count,
                        tell,
                        told,
                        made,
                    )
                end
            end
        end
    end
    warn(model.report)
    return model
end

"""
    Chreode.finish_validate(work, snapshots, parts)

Put the parts of a validation together: what [`validate`](@ref) gives, to the bit, but for the seconds.
"""
function finish_validate(work::Work, snapshots::Snapshots, parts)
    handle = use(work.handle) do plan
        use(snapshots.handle) do cells
            with_parts(parts) do pointers, sizes
                make_handle(C.chreode_validation_free, C.chreode_validation) do made
                    C.chreode_work_finish_validate(
                        plan,
                        cells,
                        pointers,
                        sizes,
                        length(sizes),
                        made,
                    )
                end
            end
        end
    end
    return validation_of(handle)
end

"""
    Chreode.finish_simulate(work, model, snapshots, parts; threads = 0, cells = :columns)

Put the parts of a simulation together: what [`simulate`](@ref) gives, to the bit.
"""
function finish_simulate(
    work::Work,
    model::Dynamics,
    snapshots::Snapshots,
    parts;
    threads::Integer = 0,
    cells::Symbol = :columns,
)
    count = threads_of(threads)
    handle = use(work.handle) do plan
        use(model.handle) do pointer
            use(snapshots.handle) do start
                with_parts(parts) do pointers, sizes
                    make_handle(C.chreode_trajectory_free, C.chreode_trajectory) do made
                        C.chreode_work_finish_simulate(
                            plan,
                            pointer,
                            start,
                            pointers,
                            sizes,
                            length(sizes),
                            count,
                            made,
                        )
                    end
                end
            end
        end
    end
    return taken(handle, cells)
end

"""
    Chreode.finish_evaluate(work, model, snapshots, parts)

Put the parts of an evaluation together: what [`evaluate`](@ref) gives, to the bit.
"""
function finish_evaluate(work::Work, model::Dynamics, snapshots::Snapshots, parts)
    handle = use(work.handle) do plan
        use(model.handle) do pointer
            use(snapshots.handle) do cells
                with_parts(parts) do pointers, sizes
                    make_handle(C.chreode_evaluation_free, C.chreode_evaluation) do made
                        C.chreode_work_finish_evaluate(
                            plan,
                            pointer,
                            cells,
                            pointers,
                            sizes,
                            length(sizes),
                            made,
                        )
                    end
                end
            end
        end
    end
    evaluation = use(evaluation_of, handle)
    close(handle)
    return evaluation
end

# Parts as the library takes them.
function with_parts(work, parts)
    given = Vector{UInt8}[convert(Vector{UInt8}, part) for part in parts]
    return GC.@preserve given work(
        Ptr{UInt8}[pointer(part) for part in given],
        Csize_t[length(part) for part in given]
    )
end

function threads_of(threads::Integer)
    0 <= threads <= 1024 ||
        throw(ArgumentError("threads must be 0 (all cores) to 1024, got $threads"))
    return threads
end

function number_of(work::Work, task::Integer)
    1 <= task <= length(work.tasks) ||
        throw(ArgumentError(
            "the number of a task must be 1 to $(length(work.tasks)), got $task",
        ))
    return task
end

"""`Chreode.to_bytes(work)`: the plan as bytes, a JSON object, for other processes."""
function to_bytes(work::Work)
    return use(work.handle) do handle
        filled() do buffer, capacity, size
            C.chreode_work_to_bytes(handle, buffer, capacity, size)
        end
    end
end

"""
`Chreode.work_from_bytes(bytes)`: the plan that [`Chreode.to_bytes`](@ref) wrote. Changed bytes are refused, and plans of another version
of the library, which may do the tasks to other bits.
"""
function work_from_bytes(bytes::AbstractVector{UInt8})
    given = convert(Vector{UInt8}, bytes)
    return work_by(made -> C.chreode_work_from_bytes(given, length(given), made))
end

Base.close(work::Work) = close(work.handle)

Base.show(io::IO, work::Work) = print(io, "Work of $(length(work.tasks)) tasks")

function Serialization.serialize(s::Serialization.AbstractSerializer, work::Work)
    Serialization.serialize_type(s, Work)
    return Serialization.serialize(s, to_bytes(work))
end

function Serialization.deserialize(s::Serialization.AbstractSerializer, ::Type{Work})
    return work_from_bytes(Serialization.deserialize(s))
end

# The processes that are to do tasks: `workers()`, some of their numbers, or a pool of them.
processes_of(ids::AbstractVector{<:Integer}) = isempty(ids) ?
    throw(ArgumentError("workers must name one process or more, got none")) :
    Int.(ids)
processes_of(id::Integer) = [Int(id)]
processes_of(pool::Distributed.AbstractWorkerPool) = processes_of(Distributed.workers(pool))
processes_of(given) = throw(ArgumentError(
    "workers must be numbers of processes, such as Distributed.workers(), or a pool of them, got $(typeof(given))",
))

# The parts of all tasks by processes: the plan, the cells and the model go to each once. The dearest tasks are begun first; those of a
# process that ends are done by the others.
function parts_by(processes, work::Work, snapshots::Snapshots, model = nothing)
    isempty(work.tasks) && return Vector{UInt8}[]
    processes = processes_of(processes)
    ready(processes)
    order = sortperm([Float64(task["cost"]) for task in work.tasks]; rev = true)
    pool, call, interrupted = Distributed.CachingPool(processes), time_ns(), Ref(false)
    # Ctrl-C comes to any of the tasks of Julia's that wait here. All others are told, so that none is waited for.
    function again(state, failure)
        failure isa InterruptException || return failure isa ProcessExitedException
        interrupted[] = true
        foreach(process -> Distributed.remote_do(give_up, process, call), processes)
        return false
    end
    try
        done = Distributed.pmap(
            task -> attempted(work, task, snapshots, model, call),
            pool,
            order;
            retry_delays = zeros(length(processes)),
            retry_check = again,
        )
        for result in done
            result isa ChreodeError && throw(result)
        end
        return Vector{UInt8}[result for result in done]
    catch failure
        again(nothing, failure)
        throw(interrupted[] ? InterruptException() : failure)
    finally
        Distributed.clear!(pool)
    end
end

# Calls of any process that were interrupted: what is done here for them would be in vain.
const given_up = Set{UInt64}()

give_up(call) = (push!(given_up, call); nothing)

# A task of a call. Errors are handed back as they are.
function attempted(work, task, snapshots, model, call)
    # Julia hears of other processes while the library reports.
    progress(now...) = (yield(); call in given_up)
    call in given_up && return ChreodeError(C.CHREODE_ERROR_CANCELLED, "interrupted")
    try
        return run(work, task, snapshots, model; progress)
    catch failure
        failure isa ChreodeError || rethrow()
        return failure
    end
end

# Loads the package and the library in processes that have not yet.
function ready(processes)
    package, library = Base.PkgId(@__MODULE__), opened[]
    Distributed.remotecall_eval(Main, processes, :(Base.require($package)))
    for process in processes
        Distributed.remotecall_fetch(open_same, process, library)
    end
    return nothing
end

open_same(library) = C.library[] == C_NULL ? open_library(library) : nothing
