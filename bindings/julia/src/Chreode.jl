"""
Learn how a cell population moves, spreads, divides and dies from time-stamped snapshots, and simulate it.

    snapshots = dataset("gene-network")
    model = fit_dynamics(snapshots; method = "usb", delta = 1.5, sigma = 0.02)
    model.velocity(points(snapshots, 1), 0.5)

Matrices have one column a cell, or, with `cells = :rows`, one row a cell.
"""
module Chreode

import Dates
import Distributed
import Libdl
import Serialization
import SparseArrays
using Dates: Period
using Distributed: ProcessExitedException

export ChreodeError,
    Couplings,
    Dynamics,
    Evaluation,
    Fates,
    Field,
    Frame,
    Lineage,
    Plan,
    Snapshots,
    Trajectory,
    Transitions,
    Validation,
    couple,
    coupling,
    couplings,
    dataset,
    descent,
    evaluate,
    fates,
    field,
    field_quantile,
    field_sd,
    fit_dynamics,
    founders,
    growth,
    newick,
    points,
    pull,
    push,
    score_drift,
    simulate,
    transport,
    validate,
    velocity,
    with_masses,
    without

include("interrupts.jl")
include("LibChreode.jl")
const C = LibChreode

include("json.jl")
include("library.jl")
include("matrices.jl")
include("times.jl")
include("options.jl")
include("snapshots.jl")
include("dynamics.jl")
include("simulation.jl")
include("evaluation.jl")
include("fates.jl")
include("couplings.jl")
include("transport.jl")
include("validation.jl")
include("work.jl")

function __init__()
    ending[] = false
    atexit(() -> ending[] = true)
    path = library_path()
    try
        open_library(path)
    catch failure
        @warn "chreode cannot be used yet: set CHREODE_LIBRARY, or call Chreode.open_library" path failure
    end
    return nothing
end

end
