# Fits, and what they learn.

"""
Learned dynamics of a population, from [`fit_dynamics`](@ref), [`Chreode.load`](@ref) or [`Chreode.from_bytes`](@ref).

`model.velocity`, `model.growth`, `model.score_drift` and whatever else `model.fields` names are callables: see [`Field`](@ref).
`model.info` tells what it is, `model.report` how the fit went (`nothing` for a model from bytes), `model.losses` the loss of every
training step (none for a model from bytes). Models can be serialized.
"""
struct Dynamics
    handle::Handle{C.chreode_model}
    dims::Int
    info::Dict{String, Any}
    report::Union{Nothing, Dict{String, Any}}
    losses::Vector{Float64}
    fields::Vector{Pair{String, Int}}

    function Dynamics(handle::Handle{C.chreode_model})
        parts = use(handle) do model
            dims = Int(told(value -> C.chreode_model_dims(model, value), Csize_t))
            info = json() do buffer, capacity, size
                C.chreode_model_info(model, buffer, capacity, size)
            end
            report = json() do buffer, capacity, size
                C.chreode_model_report(model, buffer, capacity, size)
            end
            steps = Int(told(value -> C.chreode_model_loss_count(model, value), Csize_t))
            losses = Vector{Float64}(undef, steps)
            check(C.chreode_model_losses(model, losses, steps))
            (dims, info, report, losses, described_fields(model))
        end
        # Parameters in single, losses in double precision.
        holds(handle, 4 * parts[2]["parameters"] + 8 * length(parts[4]))
        return new(handle, parts...)
    end

    # The same model with the report of its fit, which bytes do not hold.
    function Dynamics(bare::Dynamics, report, losses)
        return new(bare.handle, bare.dims, bare.info, report, losses, bare.fields)
    end
end

function described_fields(model)
    count = Int(told(value -> C.chreode_model_field_count(model, value), Csize_t))
    return map(1:count) do index
        name, columns = Ref{Cstring}(), Ref{Csize_t}()
        check(C.chreode_model_field_describe(model, index - 1, name, columns))
        unsafe_string(name[]) => Int(columns[])
    end
end

# Models that a function of the library makes.
function dynamics_by(make)
    return Dynamics(make_handle(make, C.chreode_model_free, C.chreode_model))
end

# A progress function, and what it threw or the interrupt that came: nothing may leave it through the library.
mutable struct Reporter
    progress::Any
    failure::Any
end

function tell(now::Ptr{C.chreode_progress}, data::Ptr{Cvoid})::Int32
    reporter = unsafe_pointer_to_objref(data)::Reporter
    stop = exposed(
        () -> asked(reporter.progress, unsafe_load(now)),
        function (failure)
            reporter.failure = failure
            return true
        end,
    )
    return Int32(stop)
end

asked(::Nothing, ::C.chreode_progress) = false

function asked(progress, now::C.chreode_progress)
    loss = isnan(now.loss) ? nothing : now.loss
    return progress(
        Symbol(unsafe_string(now.stage)),
        Int(now.done),
        Int(now.total),
        loss,
    ) ===
        true
end

# Makes a call of the library that reports by a callback: `call` is given the C function and its data. Returns the status, its
# message and what the callback caught. The task must come back from a progress function that waits on the thread that the library
# runs on; interrupts are let through in that function alone, which is called even if the user has none.
function reported(call, progress)
    reporter = Reporter(progress, nothing)
    tell_c = @cfunction(tell, Int32, (Ptr{C.chreode_progress}, Ptr{Cvoid}))
    status, message = on_this_thread() do
        GC.@preserve reporter begin
            status = call(tell_c, pointer_from_objref(reporter))::Int32
            (status, status == C.CHREODE_OK ? "" : last_message())
        end
    end
    return status, message, reporter.failure
end

# A handle of a long call: `call` is given where to write it, the C function to report to and its data. What ended the call early is
# thrown: an interrupt as it is, what a progress function threw as the cause of a `ChreodeError`. `accepted(status, message)` says
# whether there is a result in spite of an error.
function long_handle(
    call,
    free,
    ::Type{T},
    progress;
    accepted = (status, message) -> false,
) where {T}
    return disable_sigint() do
        made = Ref{Ptr{T}}(C_NULL)
        status, message, cause = reported(
            (tell_c, data) -> call(made, tell_c, data),
            progress,
        )
        ended(status, message, cause, accepted)
        Handle(made[], free)
    end
end

function ended(status, message, cause, accepted = (status, message) -> false)
    cause isa InterruptException && throw(cause)
    status == C.CHREODE_OK && return nothing
    accepted(status, message) && return nothing
    return throw(ChreodeError(status, message; cause))
end

function on_this_thread(work)
    task = current_task()
    sticky = task.sticky
    task.sticky = true
    try
        return work()
    finally
        task.sticky = sticky
    end
end

"""
    fit_dynamics(x, time; progress = nothing, workers, weights, masses, growth_prior, clones, cells = :columns, options...)
    fit_dynamics(snapshots; progress = nothing, workers, options...)
    fit_dynamics(snapshots; options...) do stage, done, total, loss … end

Learn the dynamics of a population. `x`, `time`, `weights`, `masses`, `growth_prior`, `clones` and `cells` are those of [`Snapshots`](@ref), the options
those of `Chreode.options("fit")`; one that is not given, or `nothing`, is what it is by default there. `Chreode.fit` is the same
function; it is not exported, since packages of statistics export theirs.

`progress(stage, done, total, loss)` is called at most twenty times a second, and ends the fit by returning `true`. A fit that
ends early, by it, by what it throws, by Ctrl-C or by numbers that are not finite, throws a [`ChreodeError`](@ref) whose `model`
is what was learned so far.

`workers` are processes of `Distributed` that do the tasks of the computation, with one thread each: `workers = workers()`, some numbers
of processes, or a pool. The model is the same bits. The tasks are those of [`Chreode.plan_fit`](@ref); this process trains a single
fit itself, and `progress` is told of what it does. The package is loaded where it is not yet, and the data go to each process once. A
process that ends leaves its tasks to the others.
"""
function fit_dynamics(
    snapshots::Snapshots;
    progress = nothing,
    workers = nothing,
    options...,
)
    workers === nothing || return fit_by(workers, snapshots, progress, options)
    model = use(snapshots.handle) do cells
        use(options_of("fit", options)) do choice
            fitted(progress) do made, tell_c, data
                C.chreode_fit(cells, choice, tell_c, data, made)
            end
        end
    end
    warn(model.report)
    return model
end

function fit_by(workers, snapshots, progress, options)
    work = plan_fit(snapshots; progress, options...)
    threads = get(values(options), :threads, nothing)
    parts = try
        parts_by(workers, work, snapshots)
    catch failure
        failure isa InterruptException || rethrow()
        throw(ChreodeError(C.CHREODE_ERROR_CANCELLED, "interrupted"; cause = failure))
    end
    model = finish_fit(
        work,
        snapshots,
        parts;
        threads = threads === nothing ? 0 : threads,
        progress,
    )
    close(work)
    return model
end

function fit_dynamics(
    x,
    time;
    weights = nothing,
    masses = nothing,
    growth_prior = nothing,
    clones = nothing,
    cells::Symbol = :columns,
    options...,
)
    snapshots = Snapshots(x, time; weights, masses, growth_prior, clones, cells)
    return fit_dynamics(snapshots; options...)
end

function fit_dynamics(progress::Function, data...; options...)
    return fit_dynamics(data...; progress, options...)
end

const fit = fit_dynamics

# The model of a call that is given where to write its handle, a C function to report to, and its data. Interrupts are put off, so
# that none comes between the call and the handle; one that has come by the end of the call, too late for the progress function,
# ends the fit as well, with what it made.
function fitted(call, progress)
    made = Ref{Ptr{C.chreode_model}}(C_NULL)
    outcome = Ref{Tuple{Int32, String, Any}}((
        C.CHREODE_ERROR_CANCELLED,
        "interrupted",
        nothing,
    ))
    try
        disable_sigint() do
            outcome[] = reported((tell_c, data) -> call(made, tell_c, data), progress)
        end
    catch failure
        failure isa InterruptException || rethrow()
        outcome[] = (C.CHREODE_ERROR_CANCELLED, "interrupted", failure)
    end
    status, message, cause = outcome[]
    status == C.CHREODE_OK && return Dynamics(Handle(made[], C.chreode_model_free))
    reached = made[] == C_NULL ? nothing : Dynamics(Handle(made[], C.chreode_model_free))
    return throw(ChreodeError(status, message; model = reached, cause))
end

"""
    (field::Field)(x, t; cells = :columns)
    (field::Field)(values, x, t; cells = :columns)

The values of a field of a model at the points `x` and the time `t`, one for all or one a point, new or written into `values`: one
column a point, or one row with `cells = :rows`. `Float32` points are answered by `Float32`, others by `Float64`. Nothing is copied where both matrices are
`Float32` and have their cells in columns.

Fields are made by [`field`](@ref), or by their names: `model.velocity`.
"""
struct Field
    model::Dynamics
    name::String
    columns::Int
end

"""
    field(model, name)

A field of a model as a callable: `"velocity"`, `"growth"`, `"score_drift"`, … (`model.fields`). One that the model has not
learned is an error.
"""
function field(model::Dynamics, name::Union{AbstractString, Symbol})
    for (known, columns) in model.fields
        known == String(name) || continue
        known in model.info["fields"] ||
            throw(ArgumentError(
                "the model has not learned $name: its method $(model.info["method"]) does not",
            ))
        return Field(model, known, columns)
    end
    return throw(ArgumentError(
        "field must be one of $(join(first.(model.fields), " ")), got $name",
    ))
end

(field::Field)(x, t; cells::Symbol = :columns) = evaluated(
    C.chreode_model_field_at,
    (),
    field,
    x,
    t,
    cells,
)

# The values of a field, or of its errors, by a function of the library and what it takes beside.
function evaluated(evaluate, more, field::Field, x, t, cells::Symbol)
    data = points_of("x", x, cells, field.model.dims)
    values = empty_matrix(eltype(data), shape(data, cells)[1], field.columns, cells)
    return evaluated!(values, evaluate, more, field, data, t, cells)
end

function (field::Field)(
    values::StridedMatrix{<:Union{Float32, Float64}},
    x,
    t;
    cells::Symbol = :columns,
)
    data = points_of("x", x, cells, field.model.dims)
    n = shape(data, cells)[1]
    wanted = cells === :rows ? (n, field.columns) : (field.columns, n)
    size(values) == wanted ||
        throw(DimensionMismatch(
            "values must be $(join(wanted, " × ")), got $(join(size(values), " × "))",
        ))
    return evaluated!(values, C.chreode_model_field_at, (), field, data, t, cells)
end

# Beyond the times of the fit fields are extrapolations.
function warn_of_times(model::Dynamics, times)
    fitted = model.info["times"]
    first_time, last_time = Float64(first(fitted)), Float64(last(fitted))
    for time in times
        beyond = max(first_time - time, time - last_time)
        beyond > 1.0e-9 * (last_time - first_time) || continue
        fit = "the times that the model was fitted to, $first_time to $last_time"
        @warn "the time $time is $(round(beyond; digits = 3)) beyond $fit: its fields are extrapolations there"
        return
    end
    return
end

function evaluated!(values, evaluate, more, field::Field, data, t, cells::Symbol)
    n = shape(data, cells)[1]
    times = instants("t", t, n)
    warn_of_times(field.model, times)
    use(field.model.handle) do model
        GC.@preserve data values begin
            from, to = Ref(reading(data, cells)), Ref(writing(values, cells))
            call(tell, told) = evaluate(
                model,
                field.name,
                more...,
                times,
                length(times),
                from,
                tell,
                told,
                to,
            )
            # Few points are over before anybody could interrupt.
            n < WATCHED ?
                check(call(C_NULL, C_NULL)) :
                disable_sigint(() -> ended(reported(call, nothing)...))
        end
    end
    return values
end

# So many points at once are watched for interrupts.
const WATCHED = 2000

instants(what, t, n) = [instant(what, t)]
function instants(what, t::AbstractVector, n)
    length(t) == n ||
        throw(DimensionMismatch(
            "$what must be one time, or $n, one a point, got $(length(t))",
        ))
    return Float64[instant(what, time) for time in t]
end

instant(what, t::Real) = isfinite(t) ?
    Float64(t) :
    throw(ArgumentError("$what must be a finite number, got $t"))
instant(what, t) = throw(ArgumentError(
    "$what must be a number, got $(repr(t)) of type $(typeof(t))",
))

function Base.getproperty(model::Dynamics, name::Symbol)
    hasfield(Dynamics, name) && return getfield(model, name)
    return field(model, name)
end

function Base.propertynames(model::Dynamics, private::Bool = false)
    return (fieldnames(Dynamics)..., Symbol.(first.(model.fields))...)
end

"""`velocity(model, x, t; cells)`: the velocity of the population's flow at points, a length per time."""
velocity(model::Dynamics, x, t; options...) = field(model, "velocity")(x, t; options...)

"""`growth(model, x, t; cells)`: the growth rate, births minus deaths per time, one number a point."""
growth(model::Dynamics, x, t; options...) = vec(field(model, "growth")(x, t; options...))

"""`score_drift(model, x, t; cells)`: (σ²/2) ∇ log p at points, a length per time."""
score_drift(model::Dynamics, x, t; options...) = field(model, "score_drift")(
    x,
    t;
    options...,
)

"""
    field_sd(model, name, x, t; cells = :columns)

The standard deviations of a field's errors, beside its bias (see [`field_quantile`](@ref)), at points, as [`Field`](@ref) gives its values, of an ensemble: the option `ensemble`
of [`fit_dynamics`](@ref). The variance is that by the cells, see [`Chreode.deviation_over_members`](@ref), and what the distance of the
snapshots in time adds (`model.info["uncertainty"]`).
"""
field_sd(model::Dynamics, name, x, t; cells::Symbol = :columns) = evaluated(
    C.chreode_model_field_sd,
    (),
    field(model, name),
    x,
    t,
    cells,
)

"""
    field_quantile(model, name, level, x, t; cells = :columns)

The quantile of a level between 0 and 1 of what a field may be, of an ensemble: the field, less its bias, plus so many of
[`field_sd`](@ref). The bias is what a finite price of growth makes wrong to first order, as a fit at half of δ² tells (there is
one where `model.info["uncertainty"]` calls the field `biased`); the quantile of 0.5 is the field without it. Between 0.05 and 0.95 lies the true field at nine cells of ten.
"""
field_quantile(
    model::Dynamics,
    name,
    level::Real,
    x,
    t;
    cells::Symbol = :columns,
) = evaluated(
    C.chreode_model_field_quantile,
    (Float64(level),),
    field(model, name),
    x,
    t,
    cells,
)

"""`Chreode.members(model)`: how many members an ensemble has, whose mean the fields are; 1 of a model that is none."""
members(model::Dynamics) = Int(model.info["members"])

"""
`Chreode.member(model, index)`: one member of an ensemble, counted from 1, as a model of its own. See
[`Chreode.deviation_over_members`](@ref).
"""
function member(model::Dynamics, index::Integer)
    1 <= index <= members(model) ||
        throw(ArgumentError("member must be 1 to $(members(model)), got $index"))
    return use(model.handle) do handle
        dynamics_by(made -> C.chreode_model_member(handle, index - 1, made))
    end
end

"""
    Chreode.deviation_over_members(model, of_members)

The standard deviation by the cells of anything that every member of an ensemble gives: what fits to other cells would differ by.
`of_members` holds what the members 1, 2, … gave, numbers or arrays of one shape. It is that over the members, with one less than
their number in the denominator, times `model.info["stretch"]`: members see the same cells, with random weights that differ by less
than other cells would, which makes for a better mean.
"""
function deviation_over_members(model::Dynamics, of_members::AbstractVector)
    count = members(model)
    length(of_members) == count > 1 ||
        throw(ArgumentError(
            "of_members must be of each of two or more members, got $(length(of_members)) of $count members",
        ))
    mean = sum(of_members) / count
    squares = sum(value -> (value .- mean).^2, of_members)
    return model.info["stretch"] * sqrt.(squares / (count - 1))
end

"""
`Chreode.branches(model)`: how many branches the population has, each with a velocity of its own, where it goes several ways; 0 of a model that
has none.
"""
branches(model::Dynamics) = Int(model.info["branches"])

"""
`Chreode.branch(model, index)`: one branch, counted from 1, as a model of its own, by whose velocity cells move and keep their mass. The
fields of the whole model are refused.
"""
function branch(model::Dynamics, index::Integer)
    1 <= index <= branches(model) ||
        throw(ArgumentError(
            "branch must be 1 to $(branches(model)), the branches of the model, got $index",
        ))
    return use(model.handle) do handle
        dynamics_by(made -> C.chreode_model_branch(handle, index - 1, made))
    end
end

"""`Chreode.threads(model)`: how many threads the model computes with, 0 for all cores. The results are the same bits at any number."""
function threads(model::Dynamics)
    return use(model.handle) do handle
        Int(told(value -> C.chreode_model_threads(handle, value), Csize_t))
    end
end

"""`Chreode.threads!(model, count)`: how many threads the model shall compute with."""
function threads!(model::Dynamics, count::Integer)
    0 <= count <= 1024 ||
        throw(ArgumentError(
            "the number of threads must be 0 (all cores) to 1024, got $count",
        ))
    use(model.handle) do handle
        check(C.chreode_model_set_threads(handle, count))
    end
    return model
end

"""`Chreode.save(path, model)`: write a model and the report of its fit to a file in the safetensors format."""
function save(path::AbstractString, model::Dynamics)
    use(model.handle) do handle
        check(C.chreode_model_save(handle, path))
    end
    return nothing
end

"""`Chreode.load(path)`: read a model from a file."""
function load(path::AbstractString)
    return dynamics_by(made -> C.chreode_model_load(path, made))
end

"""`Chreode.to_bytes(model)`: the model as bytes, those of its file but for the report. The same fit gives the same bytes."""
function to_bytes(model::Dynamics)
    return use(model.handle) do handle
        filled() do buffer, capacity, size
            C.chreode_model_to_bytes(handle, buffer, capacity, size)
        end
    end
end

"""`Chreode.from_bytes(bytes)`: the model that [`Chreode.to_bytes`](@ref) wrote, with the same bits in every field."""
function from_bytes(bytes::AbstractVector{UInt8})
    given = convert(Vector{UInt8}, bytes)
    return dynamics_by(made -> C.chreode_model_from_bytes(given, length(given), made))
end

Base.close(model::Dynamics) = close(model.handle)

function Base.show(io::IO, model::Dynamics)
    info = model.info
    times = join(info["times"], ", ")
    return print(
        io,
        "Dynamics by $(info["method"]) of $(model.dims) coordinates, times $times",
    )
end

function Base.show(io::IO, field::Field)
    return print(io, field.name, " of ", field.model)
end

function Serialization.serialize(s::Serialization.AbstractSerializer, model::Dynamics)
    Serialization.serialize_type(s, Dynamics)
    return Serialization.serialize(
        s,
        (to_bytes(model), threads(model), model.report, model.losses),
    )
end

function Serialization.deserialize(s::Serialization.AbstractSerializer, ::Type{Dynamics})
    bytes, count, report, losses = Serialization.deserialize(s)
    return Dynamics(threads!(from_bytes(bytes), count), report, losses)
end
