# How well a model predicts.

"""
Measures of each time but the first (`time`, `w1`, `w2`, `rme`, and their standard deviations over the runs `w1_sd`, `w2_sd`,
`rme_sd`, and by the cells, of an ensemble, `w1_error`, `w2_error`, `rme_error`, `NaN` of another model), and
where there are more particles or cells than the option `exact_cells`, so that `w1` and `w2` are means over samples of `w1_cells` (`NaN`
where they are exact), their standard errors `w1_se`, `w2_se` (0 where exact) and what two such samples of the cells differ by, as a perfect
prediction would (`w1_floor`, `w2_floor`; `NaN` where exact, or where all cells are one sample), and of all of them together (`mean_w1`, `mean_rme`, `mean_w1_sd`, `mean_rme_sd`, `action`).
"""
struct Evaluation
    time::Vector{Float64}
    w1::Vector{Float64}
    w2::Vector{Float64}
    rme::Vector{Float64}
    w1_sd::Vector{Float64}
    w2_sd::Vector{Float64}
    rme_sd::Vector{Float64}
    w1_error::Vector{Float64}
    w2_error::Vector{Float64}
    rme_error::Vector{Float64}
    w1_cells::Vector{Float64}
    w1_se::Vector{Float64}
    w2_se::Vector{Float64}
    w1_floor::Vector{Float64}
    w2_floor::Vector{Float64}
    mean_w1::Float64
    mean_rme::Float64
    mean_w1_sd::Float64
    mean_rme_sd::Float64
    action::Float64
end

"""
    evaluate(model, snapshots; progress, workers, options...)
    evaluate(model, x, time; weights, masses, cells = :columns, progress, workers, options...)

Predict every later snapshot from all cells of the first and compare, by the options of `Chreode.options("evaluate")`.
`progress` is as for [`simulate`](@ref). A population that died out has the relative mass error 1 and, where it did in every run, the
distances `NaN`. `workers` are as for [`fit_dynamics`](@ref); the tasks, of which `progress` is not told, are those of
[`Chreode.plan_evaluate`](@ref).
"""
function evaluate(
    model::Dynamics,
    snapshots::Snapshots;
    progress = nothing,
    workers = nothing,
    options...,
)
    refuse_other_dims(snapshots, model)
    workers === nothing || return evaluate_by(workers, model, snapshots; options...)
    handle = use(options_of("evaluate", options)) do choice
        use(snapshots.handle) do cells
            use(model.handle) do pointer
                long_handle(
                    C.chreode_evaluation_free,
                    C.chreode_evaluation,
                    progress,
                ) do made, tell, told
                    C.chreode_evaluate(pointer, cells, choice, tell, told, made)
                end
            end
        end
    end
    evaluation = use(evaluation_of, handle)
    close(handle)
    return evaluation
end

function evaluate_by(workers, model, snapshots; options...)
    work = plan_evaluate(model, snapshots; options...)
    parts = parts_by(workers, work, snapshots, model)
    evaluation = finish_evaluate(work, model, snapshots, parts)
    close(work)
    return evaluation
end

function evaluate(
    model::Dynamics,
    x,
    time;
    weights = nothing,
    masses = nothing,
    cells::Symbol = :columns,
    options...,
)
    return evaluate(model, Snapshots(x, time; weights, masses, cells); options...)
end

function evaluation_of(pointer)
    warn(
        json() do buffer, capacity, size
            C.chreode_evaluation_json(pointer, buffer, capacity, size)
        end,
    )
    count = Int(told(value -> C.chreode_evaluation_time_count(pointer, value), Csize_t))
    each = (
        "time",
        "w1",
        "w2",
        "rme",
        "w1_sd",
        "w2_sd",
        "rme_sd",
        "w1_error",
        "w2_error",
        "rme_error",
        "w1_cells",
        "w1_se",
        "w2_se",
        "w1_floor",
        "w2_floor",
    )
    together = ("mean_w1", "mean_rme", "mean_w1_sd", "mean_rme_sd", "action")
    return Evaluation(
        map(name -> measures(pointer, name, count), each)...,
        map(name -> measure(pointer, name), together)...,
    )
end

function Base.show(io::IO, evaluation::Evaluation)
    return print(
        io,
        "Evaluation at $(length(evaluation.time)) times: mean W1 $(short(evaluation.mean_w1)), ",
        "mean relative mass error $(short(evaluation.mean_rme))",
    )
end

function Base.show(io::IO, ::MIME"text/plain", evaluation::Evaluation)
    println(io, evaluation)
    print(io, join(lpad.(("time", "W1", "W2", "RME"), 10)))
    for row in zip(evaluation.time, evaluation.w1, evaluation.w2, evaluation.rme)
        print(io, "\n", join(lpad.(short.(row), 10)))
    end
    return nothing
end

short(x) = string(round(x; sigdigits = 4))

function measures(evaluation, name, count)
    values = Vector{Float64}(undef, count)
    check(C.chreode_evaluation_values(evaluation, name, values, count))
    return values
end

function measure(evaluation, name)
    return told(value -> C.chreode_evaluation_value(evaluation, name, value), Cdouble)
end
