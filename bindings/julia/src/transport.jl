# Static optimal transport on its own.

"""
A sparse optimal plan: the mass `masses[e]` goes from the point `sources[e]` to the point `targets[e]`, both counted from 1. The
dual potentials are infinite for a point that nothing can be sent from, or that nothing can reach. `report` is the solver's:
primal, dual, gap, …, converged. `SparseArrays.sparse(plan)` makes a matrix of it.
"""
struct Plan
    size::Tuple{Int, Int}
    sources::Vector{Int}
    targets::Vector{Int}
    masses::Vector{Float64}
    source_potential::Vector{Float64}
    target_potential::Vector{Float64}
    report::Dict{String, Any}
end

function SparseArrays.sparse(plan::Plan)
    return SparseArrays.sparse(plan.sources, plan.targets, plan.masses, plan.size...)
end

function Base.show(io::IO, plan::Plan)
    n, m = plan.size
    report = plan.report
    return print(
        io,
        "Plan of $n × $m points, $(length(plan.masses)) entries: mass $(short(report["transported_mass"])), ",
        "cost $(short(report["transport_cost"])), ",
        report["converged"] ? "converged" : "not converged",
    )
end

"""
    transport(source, target; source_weights, target_weights, cells = :columns, progress, options...)

Solve a static transport problem between two clouds of points, by the options of `Chreode.options("transport")`. A solver that
stopped before its tolerance warns, and its plan's `report` says how far it is from the optimum. `progress` is as for
[`simulate`](@ref).
"""
function transport(
    source,
    target;
    source_weights = nothing,
    target_weights = nothing,
    cells::Symbol = :columns,
    progress = nothing,
    options...,
)
    from = points_of("source", source, cells)
    to = points_of("target", target, cells, shape(from, cells)[2])
    given = weights_of(source_weights, shape(from, cells)[1])
    wanted = weights_of(target_weights, shape(to, cells)[1])
    handle = use(options_of("transport", options)) do choice
        GC.@preserve from to given wanted begin
            left, right = Ref(reading(from, cells)), Ref(reading(to, cells))
            long_handle(
                C.chreode_plan_free,
                C.chreode_plan,
                progress;
                accepted = not_converged,
            ) do made, tell, told
                C.chreode_transport(
                    left,
                    optional(given),
                    length(given),
                    right,
                    optional(wanted),
                    length(wanted),
                    choice,
                    tell,
                    told,
                    made,
                )
            end
        end
    end
    plan = use(taken_plan, handle)
    close(handle)
    return plan
end

# There is a plan all the same.
function not_converged(status, message)
    status == C.CHREODE_ERROR_NOT_CONVERGED || return false
    @warn message
    return true
end

function taken_plan(plan)
    rows, cols, count = Ref{Csize_t}(), Ref{Csize_t}(), Ref{Csize_t}()
    check(C.chreode_plan_size(plan, rows, cols, count))
    n, m, entries = Int(rows[]), Int(cols[]), Int(count[])
    sources, targets = Vector{UInt64}(undef, entries), Vector{UInt64}(undef, entries)
    masses = Vector{Float64}(undef, entries)
    check(C.chreode_plan_entries(plan, sources, targets, masses, entries))
    f, g = Vector{Float64}(undef, n), Vector{Float64}(undef, m)
    check(C.chreode_plan_potentials(plan, f, n, g, m))
    report = warn(
        json() do buffer, capacity, size
            C.chreode_plan_report(plan, buffer, capacity, size)
        end,
    )
    return Plan((n, m), Int.(sources) .+ 1, Int.(targets) .+ 1, masses, f, g, report)
end
