using Chreode
using Dates: Date, Day, Hour, Month
using Serialization: deserialize, serialize
using SparseArrays: SparseMatrixCSC, sparse
using Test

const SMALL = (
    method = "usb",
    delta = 1.5,
    sigma = 0.02,
    hidden = "16x2",
    epochs = 20,
    seed = 1,
    threads = 2,
)

snapshots = dataset("gene-network"; cells_per_state = 30)
model = fit_dynamics(snapshots; SMALL...)
x = points(snapshots, 1)
together = reduce(hcat, [points(snapshots, k) for k in 1:5])
time = reduce(vcat, [fill(snapshots.times[k], snapshots.counts[k]) for k in 1:5])

again(value) = (io = IOBuffer(); serialize(io, value); seekstart(io); deserialize(io))

function failure(work)
    try
        work()
    catch error
        return error
    end
    return nothing
end

message(work) = sprint(showerror, failure(work))

@testset "the low layer" begin
    C = Chreode.LibChreode
    @test C.chreode_abi_version() == C.CHREODE_ABI_VERSION
    @test unsafe_string(C.chreode_status_name(-2)) == "CHREODE_ERROR_INVALID_ARGUMENT"
    @test C.chreode_model_dims(C_NULL, Ref{Csize_t}()) == C.CHREODE_ERROR_NULL_POINTER
    @test occursin("NULL", Chreode.last_message())
end

@testset "one library a session, and only one of the right interface" begin
    @test Chreode.open_library(Chreode.opened[]) === nothing
    @test occursin("start another", message(() -> Chreode.open_library("/other.so")))
    @test dataset("gene-network"; cells_per_state = 5).dims == 2
end

@testset "reports are read as JSON" begin
    read = Chreode.parsed
    text = " {\"a\": [1, -2.5e-3, 9007199254740993], \"b\\\"\\u00e9\\ud83d\\ude00\\n\": {\"c\": []}, \"d\": [true, false, null]} "
    value = read(text)
    @test value["a"] == Real[1, -0.0025, 9007199254740993] &&
        value["b\"é😀\n"] == Dict("c" => [])
    @test value["d"] == [true, false, nothing] && read("[1.0, 2.5]") isa Vector{Float64}
    @test read("{}") == Dict() && read("\"ü\"") == "ü" && read("0") === 0
    for wrong in (
            "",
            "{",
            "[1,]",
            "[1 2]",
            "{1: 2}",
            "nul",
            "1 1",
            "\"a",
            "\"\\u12\"",
            "tru",
            "+-",
        )
        @test failure(() -> read(wrong)) isa ArgumentError
    end
    @test_logs (:warn, "far off") Chreode.warn(Dict("warnings" => ["far off"]))
end

@testset "orientations and element types give the same bits" begin
    rows = permutedims(together)
    for (matrix, cells) in [
            (together, :columns),
            (Float64.(together), :columns),
            (rows, :rows),
            (transpose(rows), :columns),
            (view(hcat(together, together), :, 1:size(together, 2)), :columns),
            (view(together[:, end:-1:1], :, size(together, 2):-1:1), :columns),
            (Matrix{Any}(together), :columns),
            (Matrix{Union{Missing, Float32}}(together), :columns),
        ]
        @test Chreode.to_bytes(fit_dynamics(matrix, time; cells, SMALL...)) ==
            Chreode.to_bytes(model)
    end
    @test points(snapshots, 1; cells = :rows) == permutedims(x)
    values = model.velocity(x, 0.5)
    @test size(values) == (2, 60) && eltype(values) == Float32
    @test model.velocity(permutedims(x), 0.5; cells = :rows) == permutedims(values)
    @test model.velocity(Float64.(x), 0.5) == values
    @test model.velocity(x[:, end:-1:1], 0.5) == values[:, end:-1:1]
    @test model.velocity(zeros(Float32, 2, 60), x, 0.5) == values
    @test velocity(model, x, 0.5) == field(model, "velocity")(x, 0.5) == values
    @test length(growth(model, x, 0.5)) == 60 && score_drift(model, x, 0.5) != values
    @test :growth in propertynames(model)
end

@testset "an ensemble has members and error bars" begin
    ensemble = fit_dynamics(snapshots; SMALL..., method = "usb", ensemble = 3)
    @test Chreode.members(ensemble) == 3 && Chreode.members(model) == 1
    x = points(snapshots, 1)
    mean, sd = growth(ensemble, x, 1.0), vec(field_sd(ensemble, :growth, x, 1.0))
    single = [growth(Chreode.member(ensemble, index), x, 1.0) for index in 1:3]
    @test maximum(abs, sum(single) ./ 3 .- mean) < 1.0e-5 && all(sd .> 0)
    high = vec(field_quantile(ensemble, :growth, 0.95, x, 1.0))
    middle = vec(field_quantile(ensemble, :growth, 0.5, x, 1.0))
    @test high ≈ middle .+ 1.6448536 .* sd rtol = 1.0e-4
    @test (middle != mean) == ensemble.info["uncertainty"]["growth"]["biased"]
    run = simulate(ensemble, x, [0.0, 1.0])
    @test run.mass_sd[1] == 0 && run.mass_sd[2] > 0
    @test all(isnan, simulate(model, x, [0.0, 1.0]).mass_sd)
    @test 0 <= run.outside <= 1
    @test all(evaluate(ensemble, snapshots).w1_error .> 0)
    @test all(isnan, evaluate(model, snapshots).w1_error)
    @test failure(() -> field_sd(model, :growth, x, 1.0)) isa ChreodeError
    @test failure(() -> Chreode.member(ensemble, 4)) isa ArgumentError
    # Members' weights have a quarter of the variance that drawn cells have.
    @test (ensemble.info["stretch"], model.info["stretch"]) == (2, 1)
    @test Chreode.deviation_over_members(ensemble, [1, 2, 6]) ≈ 2 * sqrt(7)
    @test Chreode.deviation_over_members(ensemble, [[1, 0], [2, 0], [6, 0]]) ≈
        [2 * sqrt(7), 0]
    @test failure(() -> Chreode.deviation_over_members(ensemble, [1, 2])) isa ArgumentError
end

@testset "branches are models of their own and the whole has no fields" begin
    small = (
        hidden = "16x2",
        epochs = 5,
        interpolant_epochs = 2,
        growth_epochs = 2,
        seed = 1,
        threads = 2,
    )
    branched = fit_dynamics(snapshots; small..., method = "branch-sbm")
    @test Chreode.branches(branched) == 2 && Chreode.branches(model) == 0
    x = points(snapshots, 1)
    first, second = [Chreode.branch(branched, index).velocity(x, 0.0) for index in 1:2]
    @test all(isfinite, first) && first != second
    @test failure(() -> branched.velocity(x, 0.0)) isa ChreodeError
    @test failure(() -> Chreode.branch(branched, 3)) isa ArgumentError
end

@testset "types are inferred" begin
    @test @inferred(fit_dynamics(snapshots; epochs = 1)) isa Dynamics
    @test @inferred(fit_dynamics(together, time; epochs = 1)) isa Dynamics
    @test @inferred(evaluate(model, snapshots)) isa Evaluation
    @test @inferred(simulate(model, x, snapshots.times)) isa Trajectory
    @test @inferred(transport(x, x)) isa Plan
    @test @inferred(velocity(model, x, 0.5)) isa Matrix{Float32}
end

@testset "one method by default, and couplings and bridges without a method" begin
    default = only(filter(option -> option.name == "method", Chreode.options())).default
    @test fit_dynamics(snapshots; epochs = 1).info["method"] == default
    free = fit_dynamics(snapshots; coupling = "exact-ot", bridge = "straight", epochs = 1)
    @test free isa Dynamics
    @test Chreode.fit === fit_dynamics && !(:fit in names(Chreode))
end

@testset "times by labels are read where there is one way, and shown" begin
    times(labels) = Chreode.times_of(labels)
    for (labels, expected) in [
            (["day0", "day3", "day0"], [0, 3, 0]),
            (["Day 0", "day_10"], [0, 10]),
            (["E8.5", "E7.75"], [8.5, 7.75]),
            (["0h", "12 h"], [0, 12]),
            (["0", "2.5", "-1"], [0, 2.5, -1]),
            ([:d0, :d2], [0, 2]),
            ([Day(0), Day(3)], [0, 3]),
            ([Month(1), Month(2)], [1, 2]),
            (Any[Hour(12), Day(2)], [0.5, 2]),
        ]
        @test @test_logs((:info, r"→"), times(labels)) == expected
    end
    @test @test_logs(times(Any[0, 1.5])) == [0, 1.5] == @test_logs(times((0, 1.5)))
    for labels in [
            ["day0", "treated"],
            ["0h", "1d"],
            ["day0", "week1"],
            ["day-3", "day0"],
            ["1e5", "2"],
            ["", "1"],
            [Day(1), Month(1)],
            [Date(2020), Date(2021)],
            Any[1, "2"],
        ]
        @test occursin("Dict(", message(() -> times(labels)))
    end
    @test occursin("time of cell 2 is missing", message(() -> times([1.0, missing])))
    @test occursin("time of cell 2 is NaN", message(() -> times([1.0, NaN])))
    labels = ["day$(Int(t))" for t in time]
    labelled = @test_logs (:info,) fit_dynamics(together, labels; SMALL...)
    @test Chreode.to_bytes(labelled) == Chreode.to_bytes(model)
end

@testset "models come back" begin
    @test model.info["method"] == "usb" &&
        model.report["epochs"] == 20 == length(model.losses)
    path = joinpath(mktempdir(), "model.safetensors")
    Chreode.save(path, model)
    loaded = Chreode.load(path)
    @test loaded.report == model.report && loaded.losses == model.losses
    @test loaded.velocity(x, 0.5) == model.velocity(x, 0.5)
    copied = again(model)
    @test copied.velocity(x, 0.5) == model.velocity(x, 0.5) && copied.losses == model.losses
    @test Chreode.threads(copied) == 2 && Chreode.threads(Chreode.threads!(copied, 1)) == 1
    @test without(snapshots, [2.0]).times == [0, 1, 3, 4] == without(snapshots, 2).times
    @test deepcopy(model).velocity(x, 0.5) == model.velocity(x, 0.5)
end

@testset "what is known of cells goes with them, and decides what is learned" begin
    x, time = sin.((1:60)' .* [0.7, 1.3]), repeat([1.0, 0.0], 30)
    rates, clones = cos.(1:60), Any[["AC", "TG", missing, ""][i % 4 + 1] for i in 1:60]
    learned(x, time; known...) = fit_dynamics(
        Snapshots(x, time; known...);
        SMALL...,
        sigma = 0.2,
        epochs = 5,
    ).losses
    losses(; known...) = learned(x, time; known...)
    both = losses(growth_prior = rates, clones = clones)
    by_time = sortperm(time)
    @test learned(
        x[:, by_time],
        time[by_time];
        growth_prior = rates[by_time],
        clones = clones[by_time],
    ) ==
        both
    numbers = [coalesce(clone, "") == "" ? missing : Int(first(clone)) for clone in clones]
    @test losses(growth_prior = rates, clones = numbers) == both
    @test losses(growth_prior = rates) != both
    @test losses(clones = clones) != both
    @test_throws DimensionMismatch Snapshots(x, time; growth_prior = [0.1])
    @test_throws DimensionMismatch Snapshots(x, time; clones = [1])
    @test_throws ArgumentError Snapshots(x, time; growth_prior = fill(missing, 60))
end

@testset "points stay where they are, and as long as anything is made of them" begin
    by_time = sortperm(time; rev = true)
    x = Matrix{Float32}(together[:, by_time])
    made = Snapshots(x, time[by_time]; copy = false, masses = [3, 1, 4, 1, 5])
    copied = Snapshots(x, time[by_time]; masses = [3, 1, 4, 1, 5])
    bytes(of) = Chreode.to_bytes(fit_dynamics(of; SMALL...))
    @test bytes(made) == bytes(copied)
    kept = WeakRef(x)
    part = without(made, 2)
    close(made)
    before = points(part, 1)
    made = x = nothing
    GC.gc()
    @test kept.value !== nothing && points(part, 1) == before
    close(part)
    part = nothing
    GC.gc()
    refused(x; options...) = message(() -> Snapshots(x, time; copy = false, options...))
    for (x, cells) in [(Float64.(together), :columns), (permutedims(together), :rows)]
        @test occursin("must be a Matrix{Float32}", refused(x; cells))
    end
    @test occursin("must be a Matrix{Float32}", refused(view(together, 2:-1:1, :)))
end

@testset "masses by the names of the times" begin
    masses = with_masses(snapshots, [3, 1, 4, 1, 5])
    @test Chreode.weights(again(masses), 5) == Chreode.weights(masses, 5)
    @test masses.masses ≈ [3, 1, 4, 1, 5]
    named = Dict(4 => 5, 2 => 4, 0 => 3, 3 => 1.0, 1 => 1.0)
    @test with_masses(snapshots, named).masses == masses.masses
    @test Snapshots(together, time; masses = named).masses == masses.masses
    @test with_masses(snapshots, Dict("d$k" => m for (k, m) in named)).masses ==
        masses.masses
    delete!(named, 3)
    @test occursin("each of the times", message(() -> with_masses(snapshots, named)))
    named[7] = 1.0
    @test occursin("each of the times", message(() -> with_masses(snapshots, named)))
    @test occursin("for each of the times", message(() -> with_masses(snapshots, [1, 2])))
end

@testset "founders are drawn by seed and by weight" begin
    drawn = founders(snapshots; count = 20, seed = 3)
    @test drawn ==
        founders(snapshots; count = 20, seed = 3) !=
        founders(snapshots; count = 20)
    line = Snapshots(reshape(1.0:61.0, 1, 61), [zeros(60); 1])
    cells = vec(founders(line; count = 20))
    @test allunique(cells) && issorted(cells) && maximum(cells) > 30 > minimum(cells)
    @test founders(snapshots; count = 20, seed = 3, cells = :rows) == permutedims(drawn)
    @test founders(snapshots, 1; count = 60) == x
    two = Snapshots([0.0 1.0 2.0; 0.0 0.0 0.0], [0, 0, 1]; weights = [3, 1, 1])
    first_one = count(seed -> founders(two; count = 1, seed)[1] == 0, 1:4000)
    # Three standard deviations about 3000.
    @test abs(first_one - 3000) < 3 * sqrt(4000 * 0.75 * 0.25)
    @test occursin("1 to 60", message(() -> founders(snapshots; count = 61)))
    @test occursin("at least 1", message(() -> founders(snapshots; count = 0)))
    @test occursin("1 to 5", message(() -> points(snapshots, 6)))
end

@testset "recipes are held against cells that they were not fitted to" begin
    short = (hidden = "8x1", growth_hidden = "8x1", epochs = 5, splits = 2)
    found = validate(snapshots; method = ["wfr-fm", "usb"], sigma = [0.02, 0.05], short...)
    @test [recipe["recipe"] for recipe in found.recipes] ==
        ["wfr-fm", "usb sigma=0.02", "usb sigma=0.05"]
    @test found.best == argmin([recipe["ratio"] for recipe in found.recipes])
    @test startswith(found.verdict, "W1 to unseen cells is") &&
        length(found.recipes[1]["w1"]) == 4
    @test occursin("usb sigma=0.05", sprint(show, MIME("text/plain"), found))
    blocks = [points(snapshots, k) for k in 1:5]
    x = hcat(blocks...)
    time = vcat([fill(t, size(block, 2)) for (t, block) in zip(snapshots.times, blocks)]...)
    parts = [isodd(i) ? "a" : "b" for i in eachindex(time)]
    growth = x[2, :].^2 ./ (1 .+ x[2, :].^2)
    sorted = validate(x, time; parts, growth, short...)
    @test sorted.measures["parts"] == 2 && sorted.recipes[1]["growth_error"] > 0
    order = reverse(eachindex(time))
    other = validate(
        x[:, order],
        time[order];
        parts = parts[order],
        growth = growth[order],
        short...,
    )
    @test other.measures["nothing_moves"] ≈ sorted.measures["nothing_moves"]
    ready = validate(snapshots; parts, growth, short...)
    @test ready.recipes[1]["ratio"] == sorted.recipes[1]["ratio"]
    stages = Set{Symbol}()
    progress = (stage, done, total, loss) -> (push!(stages, stage); false)
    validate(snapshots; progress, short...)
    @test stages == Set([:validation])
    @test occursin(
        "CANCELLED",
        message(() -> validate(snapshots; progress = (now...) -> true, short...)),
    )
    @test occursin("`splits` is the nearest", message(() -> validate(snapshots; split = 2)))
    @test occursin(
        "one element for each",
        message(() -> validate(x, time; parts = parts[2:end])),
    )
    @test occursin(
        "has 0 cells at time",
        message(() -> validate(x, time; parts = time .> 0, short...)),
    )
    @test occursin(
        "two times or more",
        message(() -> validate(without(snapshots, snapshots.times[2:5]))),
    )
end

@testset "simulations and measures" begin
    flow = simulate(model, x)
    @test [frame.time for frame in flow.frames] == snapshots.times &&
        flow.frames[1].points == x
    @test flow.lineage === nothing && flow.frames[5].ids == 1:60
    population = simulate(model, x; mode = "branching", seed = 1, turnover = 0.5)
    lineage = population.lineage
    @test lineage.parents[1:60] == zeros(60) &&
        count(==(:alive), lineage.fates) == length(population.frames[5])
    @test length(split(newick(population))) == 60
    measured = evaluate(model, snapshots)
    @test measured.time == snapshots.times[2:5] && measured.mean_w1 ≈ sum(measured.w1) / 4
    plan = transport(x, points(snapshots, 2); delta = 1.5)
    @test plan.report["converged"] && sum(sparse(plan)) ≈ plan.report["transported_mass"]
    shown(value) = sprint(show, value)
    @test shown(flow) ==
        "Trajectory of particles: 60 at 0.0, 60 at 1.0, 60 at 2.0, 60 at 3.0, 60 at 4.0"
    @test occursin("Lineage of $(length(lineage)) cells", shown(population))
    @test startswith(shown(flow.frames[1]), "Frame of 60 particles")
    @test startswith(shown(measured), "Evaluation at 4 times: mean W1 ")
    @test length(split(sprint(show, MIME("text/plain"), measured), '\n')) == 6
    @test startswith(shown(plan), "Plan of 60 × 67 points") &&
        endswith(shown(plan), " converged")
    @test shown(snapshots) ==
        "Snapshots of 2 coordinates: 60 cells at 0.0, 67 cells at 1.0, 82 cells at 2.0, 112 cells at 3.0, 149 cells at 4.0"
    @test shown(model) == "Dynamics by usb of 2 coordinates, times 0.0, 1.0, 2.0, 3.0, 4.0"
    @test startswith(shown(model.growth), "growth of Dynamics")
end

@testset "what a model has not learned is an error" begin
    still = fit_dynamics(snapshots; method = "ot-cfm", epochs = 1)
    @test occursin("has not learned growth", message(() -> still.growth(x, 0.5)))
    @test occursin("has not learned score_drift", message(() -> score_drift(still, x, 0.5)))
    @test size(still.velocity(x, 0.5)) == (2, 60)
    @test occursin("has not learned landscape", message(() -> still.landscape(x, 0.5)))
end

@testset "progress, cancelled fits and what progress functions throw" begin
    seen = Symbol[]
    fit_dynamics(snapshots; SMALL...) do stage, done, total, loss
        push!(seen, stage)
    end
    @test unique(seen) == [:coupling, :training]
    stopped = failure(
        () -> fit_dynamics(snapshots; progress = (stage, now...) -> stage === :training),
    )
    @test stopped isa ChreodeError && stopped.name == "CHREODE_ERROR_CANCELLED"
    @test stopped.model isa Dynamics && stopped.cause === nothing
    thrown = failure(
        () -> fit_dynamics(
            snapshots;
            progress = (now...) -> throw(KeyError(:mine)),
            SMALL...,
        ),
    )
    @test thrown.cause == KeyError(:mine) && thrown.model === nothing
    @test occursin("mine", sprint(showerror, thrown))
    interrupted = failure() do
        fit_dynamics(
            snapshots;
            progress = (stage, now...) -> stage === :training &&
                throw(InterruptException()),
        )
    end
    @test interrupted.cause isa InterruptException &&
        all(isfinite, interrupted.model.velocity(x, 0.0))
    inside = failure(
        () -> fit_dynamics(
            snapshots;
            progress = (now...) -> points(snapshots, 1),
            SMALL...,
        ),
    )
    @test inside.cause isa ArgumentError
end

@testset "every long call tells where it stands, and can be ended" begin
    calls = (
        simulation = progress -> simulate(model, x; progress),
        evaluation = progress -> evaluate(model, snapshots; progress),
        transport = progress -> transport(x, x .+ 1; progress),
    )
    for (name, call) in pairs(calls)
        seen = []
        call((now...) -> push!(seen, now) === nothing)
        @test seen[1] == (name, 0, 1, nothing) && seen[end] == (name, 1, 1, nothing)
        stopped = failure(() -> call((now...) -> true))
        @test stopped isa ChreodeError && stopped.name == "CHREODE_ERROR_CANCELLED"
        thrown = failure(() -> call((now...) -> throw(KeyError(:mine))))
        @test thrown isa ChreodeError && thrown.cause == KeyError(:mine)
        @test failure(() -> call((now...) -> throw(InterruptException()))) isa
            InterruptException
    end
end

@testset "results that mean little are warned of" begin
    @test_logs (:warn, r"the time 9.0 is 5.0 beyond") model.velocity(x, 9)
    @test_logs model.velocity(x, 4)
    @test_logs (:warn, r"the time 50 is 46.000 after") match_mode = :any simulate(
        model,
        x,
        [0, 50],
    )
    @test_logs (:warn, r"nothing is transported") match_mode = :any transport(
        x,
        x .+ 100;
        delta = 1.0e-2,
    )
    later = Snapshots([x x], repeat([0.0, 9.0]; inner = 60))
    @test_logs (:warn, r"the time 9 is 5.000 after") match_mode = :any evaluate(
        model,
        later,
    )
    @test_logs (:warn, r"no partner within reach") match_mode = :any fit_dynamics(
        snapshots;
        method = "wfr-fm",
        delta = 1.0e-4,
        hidden = "4",
        epochs = 1,
    )
end

@testset "points at times of their own" begin
    times = repeat([0.5, 0.25, 0.75]; outer = 20)
    values = model.velocity(x, times)
    @test all(i -> values[:, i] == vec(model.velocity(x[:, i:i], times[i])), 1:60)
    @test occursin("or 60, one a point", message(() -> model.velocity(x, [0.5, 1])))
    many = repeat(x, 1, 50)
    @test model.velocity(many, 0.5)[:, 1:60] == model.velocity(x, 0.5)
end

@testset "bad input is an error that says what would be right" begin
    @test occursin("delta", message(() -> fit_dynamics(snapshots; detla = 1.5)))
    @test occursin("seed", message(() -> fit_dynamics(snapshots; seed = -1)))
    @test occursin("seed must be", message(() -> fit_dynamics(snapshots; seed = missing)))
    for wrong in (NaN, missing, "one")
        holes = Any[0.0 1.0; 2.0 wrong]
        @test occursin(
            "x of cell 2, coordinate 2 is",
            message(() -> fit_dynamics(holes, [0, 1])),
        )
        @test occursin(
            "points of cell 2, coordinate 2 is",
            message(() -> simulate(model, permutedims(holes); cells = :rows)),
        )
    end
    @test occursin(
        "the 3 cells (columns of x), got 2; cells = :rows",
        message(() -> fit_dynamics(zeros(2, 3), [0, 1])),
    )
    @test occursin(
        "weights must have one number for each of 2 cells",
        message(() -> Snapshots(zeros(2, 2), [0, 1]; weights = [1])),
    )
    @test occursin(
        "the weight of cell 2 is missing",
        message(() -> Snapshots(zeros(2, 2), [0, 1]; weights = [1, missing])),
    )
    @test occursin("x must be a matrix", message(() -> fit_dynamics((a = [1, 2],), [0, 1])))
    @test failure(() -> fit_dynamics(zeros(2, 0), Float64[])) isa ChreodeError
    @test occursin(
        "2 rows, one for each coordinate",
        message(() -> model.velocity(zeros(3, 3), 0)),
    )
    @test occursin("cells = :rows", message(() -> model.velocity(zeros(3, 2), 0.0)))
    @test occursin(
        "2 columns",
        message(() -> model.velocity(zeros(3, 3), 0; cells = :rows)),
    )
    @test occursin(
        "values must be 2 × 60",
        message(() -> model.velocity(x[:, 1:2], x, 0.0)),
    )
    @test failure(() -> model.velocity(x, x, 0.0)) isa ChreodeError
    @test failure(() -> model.velocity(x, 0.0; cells = :diagonal)) isa ArgumentError
    @test occursin("t must be a number", message(() -> model.velocity(x, "0")))
    @test occursin("t must be a finite", message(() -> model.velocity(x, NaN)))
    @test occursin("target must have 2 rows", message(() -> transport(x, zeros(3, 3))))
    other = Snapshots(zeros(3, 2), [0, 1])
    @test occursin("the 2 coordinates of the model", message(() -> evaluate(model, other)))
    @test occursin("0 (all cores) to 1024", message(() -> Chreode.threads!(model, -1)))
    @test failure(() -> field(model, "velocty")) isa ArgumentError
    @test failure(() -> Chreode.from_bytes(rand(UInt8, 1000))).name ==
        "CHREODE_ERROR_MODEL_FILE"
    @test failure(() -> Chreode.load("nothing")).name == "CHREODE_ERROR_IO"
    @test failure(() -> serialize(IOBuffer(), model.handle)) isa ArgumentError
    closed = dataset("gene-network"; cells_per_state = 5)
    close(closed)
    close(closed)
    @test failure(() -> points(closed, 1)) isa ArgumentError
end

@testset "a handle for each task, and one for all" begin
    expected = model.velocity(x, 0.5)
    tasks = map(1:8) do _
        Threads.@spawn begin
            own = Chreode.from_bytes(Chreode.to_bytes(model))
            own.velocity(x, 0.5) == expected && model.velocity(x, 0.5) == expected
        end
    end
    @test all(fetch, tasks)
end

# A number of the process from Linux's list of them, in units of its own.
function status(name)
    line = only(filter(startswith(name), readlines("/proc/self/status")))
    return parse(Int, split(line)[2])
end

@testset "handles in use are not freed by the collector" begin
    kept = dataset("gene-network"; cells_per_state = 5)
    Chreode.use(kept.handle) do _
        finalize(kept.handle)
    end
    @test size(points(kept, 1)) == (2, 10)
    GC.gc()
    finalize(kept.handle)
    @test failure(() -> points(kept, 1)) isa ArgumentError
end

if Sys.islinux()
    @testset "many models need the threads of one, and dropped snapshots go" begin
        before = status("Threads:")
        bytes = Chreode.to_bytes(model)
        models = [Chreode.threads!(Chreode.from_bytes(bytes), 2) for _ in 1:50]
        @test all(each -> each.velocity(x, 0.5) == model.velocity(x, 0.5), models)
        @test status("Threads:") <= before + 2
        # 50 times 40 MB, of which Julia itself sees the 40 bytes of each handle.
        million = zeros(Float32, 10, 1_000_000)
        at = repeat([0.0, 1.0], 500_000)
        GC.gc()
        peak = maximum(1:50) do _
            Snapshots(million, at)
            status("VmRSS:")
        end
        @test peak < status("VmRSS:") + 1_000_000
    end
end

@testset "the library describes itself" begin
    for list in Chreode.capabilities()["option_lists"]
        @test all(option -> !isempty(option.meaning), Chreode.options(list))
    end
    @test string(Chreode.version()) == Chreode.capabilities()["version"]
end

@testset "couplings" begin
    options = (method = "wfr-fm", delta = 0.12, seed = 1)
    found = couple(together, time; options...)
    @test length(found) == 4 && found.times == snapshots.times && found.time == time
    @test all(isapprox.((found.sent .+ found.dying)[time .< 4], 1; rtol = 1.0e-9))
    @test all(isapprox.((found.received .+ found.born)[time .> 0], 1; rtol = 1.0e-9))
    @test sum(found.dying) > 0 && all(iszero, found.sent[time .== 4])
    for k in 1:4
        sent, received = coupling(found, k), coupling(found, k; masses = :received)
        @test sent isa SparseMatrixCSC{Float64} &&
            size(sent) == Tuple(found.counts[k:(k + 1)])
        @test vec(sum(sent; dims = 2)) ≈ found.sent[Chreode.cells_at(found, k)]
        @test vec(sum(received; dims = 1)) ≈ found.received[Chreode.cells_at(found, k + 1)]
    end
    there = Float64.(1:found.counts[1])
    forth = push(found, there, 0, 4)
    @test length(forth.lost) == 4
    @test sum(forth.masses) + sum(forth.lost) ≈ sum(there) rtol = 1.0e-9
    back = pull(found, forth.masses, 4, 0)
    @test sum(back.masses) + sum(back.lost) ≈ sum(forth.masses) rtol = 1.0e-9
    ones_there = fill(1.0, found.counts[1])
    @test push(found, ones_there, 0, 1; carry = "mass").masses ≈
        found.received[Chreode.cells_at(found, 2)]
    # Cells in another order are the same cells.
    mixed = reverse(eachindex(time))
    other = couple(together[:, mixed], time[mixed]; options...)
    @test other.time == time[mixed] &&
        time[mixed][Chreode.cells_at(other, 2)] == fill(1.0, other.counts[2])
    @test sum(other.sent) ≈ sum(found.sent) rtol = 1.0e-6
    @test occursin("later than from", message(() -> push(found, ones_there, 0, 0)))
    @test occursin("goes push", message(() -> pull(found, ones_there, 0, 1)))
    @test occursin("one of the times", message(() -> push(found, ones_there, 0, 9)))
    @test occursin("one number for each of the", message(() -> push(found, [1.0], 0, 1)))
    @test occursin("not negative", message(() -> push(found, -ones_there, 0, 1)))
    @test occursin("1 to 4, got 5", message(() -> coupling(found, 5)))
    @test occursin("couples cells", message(() -> couple(snapshots; method = "tigon")))
    @test occursin("CANCELLED", message(() -> couple(snapshots; progress = (_...) -> true)))
    @test occursin("Couplings of 60 cells at 0.0", sprint(show, found))
end

@testset "descendants and ancestors through the dynamics" begin
    quick = (descendants = 5, seed = 2)
    mixed = reverse(eachindex(time))
    found = descent(model, together[:, mixed], time[mixed]; from = 1, to = 3, quick...)
    @test found.times == [1, 3] && found.report["neighbours"] == 10
    @test found.cell == findall(in([1, 3]), time[mixed]) &&
        found.time == time[mixed][found.cell]
    told = fates(
        model,
        together[:, mixed],
        time[mixed],
        fill("all", length(time));
        from = 1,
        to = 3,
        quick...,
    )
    ones_there = fill(1.0, found.counts[1])
    grown = push(found, ones_there, 1, 3; carry = "mass")
    @test sum(grown.masses) ≈ sum(told.n) rtol = 1.0e-9
    @test sum(grown.lost) ≈ sum(told.p_none) rtol = 1.0e-9
    back = pull(found, grown.masses, 3, 1)
    @test sum(back.masses) + sum(back.lost) ≈ sum(grown.masses) rtol = 1.0e-9
    @test descent(model, snapshots; mode = "ode").counts == snapshots.counts[[1, 5]]
    @test occursin(
        "from must be before 1",
        message(() -> descent(model, snapshots; from = 3, to = 1)),
    )
    # Those that a model keeps.
    @test couplings(model) === nothing
    options = (method = "wfr-fm", delta = 0.12, seed = 1)
    kept = fit_dynamics(
        snapshots;
        keep_couplings = true,
        epochs = 1,
        hidden = "4",
        options...,
    )
    made = couple(snapshots; options...)
    for one in (kept, again(kept))
        theirs = couplings(one)
        @test theirs.times == made.times && theirs.weight === nothing
        @test Chreode.pairs_of(theirs, 3) == Chreode.pairs_of(made, 3) &&
            theirs.sent == made.sent
    end
end

@testset "fates" begin
    together_rows = permutedims(together)
    middle = sort(together[1, :])[length(time) ÷ 2]
    kinds = [
        k % 4 == 0 ? missing : together[1, k] > middle ? "high" : "low"
        for k in eachindex(time)
    ]
    quick = (descendants = 4, seed = 2)
    found = fates(model, together, time, kinds; quick...)
    @test found.labels == ["high", "low"] && found.to == maximum(time)
    @test found.cells == findall(<(found.to), time) && found.time == time[found.cells]
    @test isequal(found.label, kinds[found.cells]) && found.neighbours == 10
    @test found.unlabelled == count(ismissing, kinds[time .== found.to])
    @test size(found.p) == (2, length(found)) && all(sum(found.p; dims = 1) .≈ 1)
    @test all(isnan, found.p_sd) &&
        all(found.n_se .>= 0) &&
        length(found.p_none) == length(found)
    @test occursin("high, low", sprint(show, found))
    table = first(found.transitions)
    @test isequal(table.labels, [missing, "high", "low"]) && table.time == 0
    @test sum(table.cells_mass) == count(==(0), time)
    @test all(sum(table.went; dims = 2) .≈ 1) && all(table.mass_se .>= 0)
    mixed = sortperm(sin.(1:length(time)))
    rows = fates(
        model,
        together_rows[mixed, :],
        time[mixed],
        kinds[mixed];
        cells = :rows,
        from = 0,
        quick...,
    )
    @test size(rows.p) == (count(==(0), time), 2) && all(time[mixed][rows.cells] .== 0)
    sure = fates(model, snapshots, kinds; mode = "ode")
    other = fates(
        model,
        together,
        time,
        [ismissing(kind) ? "" : kind for kind in kinds];
        mode = "ode",
    )
    @test sure.p == other.p && all(sure.p_se .== 0)
    numbered = fates(
        model,
        snapshots,
        [ismissing(k) ? NaN : k == "low" ? 10 : 9 for k in kinds];
        mode = "ode",
    )
    @test numbered.labels == ["9", "10"] && numbered.p == sure.p
    @test occursin(
        "labels must be one for each of",
        message(() -> fates(model, snapshots, kinds[2:end])),
    )
    @test occursin(
        "has a label",
        message(() -> fates(model, snapshots, fill(missing, length(time)))),
    )
    @test occursin("turnover", message(() -> fates(model, snapshots, kinds; turnover = 1)))
    @test occursin(
        "cancelled",
        message(() -> fates(model, snapshots, kinds; progress = (_...) -> true)),
    )
end
