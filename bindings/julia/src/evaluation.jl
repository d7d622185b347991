# How well a model predicts.

"""
Measures of each time but the first (`time`, `w1`, `w2`, `rme`, and their standard deviations over the runs `w1_sd`, `w2_sd`,
`rme_sd`), and of all of them together (`mean_w1`, `mean_rme`, `mean_w1_sd`, `mean_rme_sd`, `action`).
"""
struct Evaluation
    time::Vector{Float64}
    w1::Vector{Float64}
    w2::Vector{Float64}
    rme::Vector{Float64}
    w1_sd::Vector{Float64}
    w2_sd::Vector{Float64}
    rme_sd::Vector{Float64}
    mean_w1::Float64
    mean_rme::Float64
    mean_w1_sd::Float64
    mean_rme_sd::Float64
    action::Float64
end

"""
    evaluate(model, snapshots; options...)
    evaluate(model, x, time; weights, masses, cells = :columns, options...)

Predict every later snapshot from all cells of the first and compare, by the options of `Chreode.options("evaluate")`.
"""
function evaluate(model::Dynamics, snapshots::Snapshots; options...)
    made = Ref{Ptr{C.chreode_evaluation}}(C_NULL)
    use(options_of("evaluate", options)) do choice
        use(snapshots.handle) do cells
            use(model.handle) do handle
                check(C.chreode_evaluate(handle, cells, choice, made))
            end
        end
    end
    handle = Handle(made[], C.chreode_evaluation_free)
    evaluation = use(handle) do pointer
        count = Int(told(value -> C.chreode_evaluation_time_count(pointer, value), Csize_t))
        each = ("time", "w1", "w2", "rme", "w1_sd", "w2_sd", "rme_sd")
        together = ("mean_w1", "mean_rme", "mean_w1_sd", "mean_rme_sd", "action")
        Evaluation(
            map(name -> measures(pointer, name, count), each)...,
            map(name -> measure(pointer, name), together)...,
        )
    end
    close(handle)
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

function measures(evaluation, name, count)
    values = Vector{Float64}(undef, count)
    check(C.chreode_evaluation_values(evaluation, name, values, count))
    return values
end

function measure(evaluation, name)
    return told(value -> C.chreode_evaluation_value(evaluation, name, value), Cdouble)
end
