# Fits, and what they learn.

"""
Learned dynamics of a population, from [`fit`](@ref), [`Chreode.load`](@ref) or [`Chreode.from_bytes`](@ref).

`model.velocity`, `model.growth`, `model.score_drift` and whatever else `model.fields` names are callables: see [`Field`](@ref).
`model.info` tells what it is, `model.report` how the fit went (`nothing` for a model that was loaded), `model.losses` the loss
of every training step. Models can be serialized.
"""
struct Dynamics
    handle::Handle{C.chreode_model}
    dims::Int
    info::AbstractDict{String, Any}
    report::Union{Nothing, AbstractDict{String, Any}}
    losses::Vector{Float64}
    fields::Vector{Pair{String, Int}}

    function Dynamics(pointer::Ptr{C.chreode_model})
        handle = Handle(pointer, C.chreode_model_free)
        parts = use(handle) do model
            dims = told(value -> C.chreode_model_dims(model, value), Csize_t)
            info = json() do buffer, capacity, size
                C.chreode_model_info(model, buffer, capacity, size)
            end
            report = json() do buffer, capacity, size
                C.chreode_model_report(model, buffer, capacity, size)
            end
            steps = Int(told(value -> C.chreode_model_loss_count(model, value), Csize_t))
            losses = Vector{Float64}(undef, steps)
            check(C.chreode_model_losses(model, losses, steps))
            (Int(dims), info, report, losses, described_fields(model))
        end
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

# What a progress function threw is kept here: nothing may leave it through the library.
mutable struct Reporter
    progress::Any
    failure::Any
end

function tell(now::Ptr{C.chreode_progress}, data::Ptr{Cvoid})::Int32
    reporter = unsafe_pointer_to_objref(data)::Reporter
    try
        return reenable_sigint() do
            reporter.progress === nothing && return Int32(0)
            step = unsafe_load(now)
            stop = reporter.progress(
                Symbol(unsafe_string(step.stage)),
                Int(step.done),
                Int(step.total),
                isnan(step.loss) ? nothing : step.loss,
            )
            return Int32(stop === true)
        end
    catch failure
        reporter.failure = failure
        return Int32(1)
    end
end

"""
    fit(x, time; method = "usb", progress = nothing, weights, masses, cells = :columns, options...)
    fit(snapshots; method = "usb", progress = nothing, options...)

Learn the dynamics of a population. `x`, `time`, `weights`, `masses` and `cells` are those of [`Snapshots`](@ref), the options
those of `Chreode.options("fit")`.

`progress(stage, done, total, loss)` is called at most twenty times a second, and ends the fit by returning `true`. A fit that
ends early, by it, by what it throws, by Ctrl-C or by numbers that are not finite, throws a [`ChreodeError`](@ref) whose `model`
is what was learned so far.
"""
function fit(snapshots::Snapshots; method = "usb", progress = nothing, options...)
    reporter = Reporter(progress, nothing)
    made = Ref{Ptr{C.chreode_model}}(C_NULL)
    function call(cells, choice)
        tell_c = @cfunction(tell, Int32, (Ptr{C.chreode_progress}, Ptr{Cvoid}))
        GC.@preserve reporter begin
            status = C.chreode_fit(
                cells,
                choice,
                tell_c,
                pointer_from_objref(reporter),
                made,
            )
            return status, last_message()
        end
    end
    status, message = use(snapshots.handle) do cells
        use(options_of("fit", (; method, options...))) do choice
            # The task must come back from a yielding progress function on the thread that the library runs on; and an
            # interrupt is only let through inside of that function.
            on_this_thread(() -> disable_sigint(() -> call(cells, choice)))
        end
    end
    model = made[] == C_NULL ? nothing : Dynamics(made[])
    status == C.CHREODE_OK && return model
    return throw(ChreodeError(status, message; model, cause = reporter.failure))
end

function fit(
    x,
    time;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
    options...,
)
    return fit(Snapshots(x, time; weights, masses, cells); options...)
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
    (field::Field)(x, t; cells = :columns)
    (field::Field)(values, x, t; cells = :columns)

The values of a field of a model at the points `x` and the time `t`, new or written into `values`: one column a point, or one row
with `cells = :rows`. `Float32` points are answered by `Float32`, others by `Float64`. Nothing is copied where both matrices are
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

A field of a model as a callable: `"velocity"`, `"growth"`, `"score_drift"`, … (`model.fields`).
"""
function field(model::Dynamics, name::Union{AbstractString, Symbol})
    for (known, columns) in model.fields
        known == String(name) && return Field(model, known, columns)
    end
    return throw(ArgumentError(
        "field must be one of $(join(first.(model.fields), " ")), got $name",
    ))
end

function (field::Field)(x::AbstractMatrix{<:Real}, t::Real; cells::Symbol = :columns)
    data = readable(x)
    values = empty_matrix(eltype(data), shape(data, cells)[1], field.columns, cells)
    return field(values, data, t; cells)
end

function (field::Field)(
    values::StridedMatrix{<:Union{Float32, Float64}},
    x::AbstractMatrix{<:Real},
    t::Real;
    cells::Symbol = :columns,
)
    data = readable(x)
    use(field.model.handle) do model
        GC.@preserve data values begin
            from, to = Ref(reading(data, cells)), Ref(writing(values, cells))
            check(C.chreode_model_field(model, field.name, t, from, to))
        end
    end
    return values
end

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

"""`Chreode.threads(model)`: how many threads the model computes with, 0 for all cores. The results are the same bits at any number."""
function threads(model::Dynamics)
    return use(model.handle) do handle
        Int(told(value -> C.chreode_model_threads(handle, value), Csize_t))
    end
end

"""`Chreode.threads!(model, count)`: how many threads the model shall compute with."""
function threads!(model::Dynamics, count::Integer)
    use(model.handle) do handle
        check(C.chreode_model_set_threads(handle, count))
    end
    return model
end

"""`Chreode.save(path, model)`: write a model to a file in the safetensors format."""
function save(path::AbstractString, model::Dynamics)
    use(model.handle) do handle
        check(C.chreode_model_save(handle, path))
    end
    return nothing
end

"""`Chreode.load(path)`: read a model from a file."""
function load(path::AbstractString)
    made = Ref{Ptr{C.chreode_model}}(C_NULL)
    check(C.chreode_model_load(path, made))
    return Dynamics(made[])
end

"""`Chreode.to_bytes(model)`: the model as bytes, those that [`Chreode.save`](@ref) writes."""
function to_bytes(model::Dynamics)
    return use(model.handle) do handle
        size = Ref{Csize_t}(0)
        check(C.chreode_model_to_bytes(handle, C_NULL, 0, size))
        bytes = Vector{UInt8}(undef, size[])
        check(C.chreode_model_to_bytes(handle, bytes, length(bytes), size))
        bytes
    end
end

"""`Chreode.from_bytes(bytes)`: the model that [`Chreode.to_bytes`](@ref) wrote, with the same bits in every field."""
function from_bytes(bytes::AbstractVector{UInt8})
    given = convert(Vector{UInt8}, bytes)
    made = Ref{Ptr{C.chreode_model}}(C_NULL)
    check(C.chreode_model_from_bytes(given, length(given), made))
    return Dynamics(made[])
end

Base.close(model::Dynamics) = close(model.handle)

function Base.show(io::IO, model::Dynamics)
    info = model.info
    print(
        io,
        "Dynamics by ",
        info["method"],
        " of ",
        model.dims,
        " coordinates, times ",
        info["times"],
    )
    return nothing
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
