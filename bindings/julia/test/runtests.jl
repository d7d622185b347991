using Chreode
using Serialization: deserialize, serialize
using SparseArrays: sparse
using Test

const SMALL = (
    delta = 1.5,
    sigma = 0.02,
    hidden = "16x2",
    epochs = 20,
    seed = 1,
    threads = 2,
)

snapshots = dataset("gene-network"; cells_per_state = 30)
model = fit(snapshots; SMALL...)
x = points(snapshots, 1)

again(value) = (io = IOBuffer(); serialize(io, value); seekstart(io); deserialize(io))

function failure(work)
    try
        work()
    catch error
        return error
    end
    return nothing
end

@testset "the low layer" begin
    C = Chreode.LibChreode
    @test C.chreode_abi_version() == C.CHREODE_ABI_VERSION
    @test unsafe_string(C.chreode_status_name(-2)) == "CHREODE_ERROR_INVALID_ARGUMENT"
    @test C.chreode_model_dims(C_NULL, Ref{Csize_t}()) == C.CHREODE_ERROR_NULL_POINTER
    @test occursin("NULL", Chreode.last_message())
end

@testset "orientations and element types give the same bits" begin
    together = reduce(hcat, [points(snapshots, k) for k in 1:5])
    time = reduce(vcat, [fill(snapshots.times[k], snapshots.counts[k]) for k in 1:5])
    rows = permutedims(together)
    for (matrix, cells) in [
            (together, :columns),
            (Float64.(together), :columns),
            (rows, :rows),
            (transpose(rows), :columns),
            (view(hcat(together, together), :, 1:size(together, 2)), :columns),
            (view(together[:, end:-1:1], :, size(together, 2):-1:1), :columns),
        ]
        @test Chreode.to_bytes(fit(matrix, time; cells, SMALL...)) ==
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

@testset "models come back" begin
    @test model.info["method"] == "usb" &&
        model.report["epochs"] == 20 == length(model.losses)
    path = joinpath(mktempdir(), "model.safetensors")
    Chreode.save(path, model)
    @test Chreode.to_bytes(Chreode.load(path)) == read(path) == Chreode.to_bytes(model)
    copied = again(model)
    @test copied.velocity(x, 0.5) == model.velocity(x, 0.5) && copied.losses == model.losses
    @test Chreode.threads(copied) == 2 && Chreode.threads(Chreode.threads!(copied, 1)) == 1
    masses = with_masses(snapshots, [3, 1, 4, 1, 5])
    @test Chreode.weights(again(masses), 5) == Chreode.weights(masses, 5)
    @test masses.masses ≈ [3, 1, 4, 1, 5]
    @test without(snapshots, [2.0]).times == [0, 1, 3, 4]
    @test deepcopy(model).velocity(x, 0.5) == model.velocity(x, 0.5)
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
end

@testset "progress, cancelled fits and what progress functions throw" begin
    seen = Symbol[]
    fit(snapshots; progress = (stage, now...) -> (push!(seen, stage); false), SMALL...)
    @test unique(seen) == [:coupling, :training]
    stopped = failure(
        () -> fit(snapshots; progress = (stage, now...) -> stage === :training),
    )
    @test stopped isa ChreodeError && stopped.name == "CHREODE_ERROR_CANCELLED"
    @test stopped.model isa Dynamics && stopped.cause === nothing
    thrown = failure(
        () -> fit(snapshots; progress = (now...) -> throw(KeyError(:mine)), SMALL...),
    )
    @test thrown.cause == KeyError(:mine) && thrown.model === nothing
    @test occursin("mine", sprint(showerror, thrown))
    interrupted = failure() do
        fit(
            snapshots;
            progress = (stage, now...) -> stage === :training &&
                throw(InterruptException()),
        )
    end
    @test interrupted.cause isa InterruptException &&
        all(isfinite, interrupted.model.velocity(x, 0.0))
    inside = failure(
        () -> fit(snapshots; progress = (now...) -> points(snapshots, 1), SMALL...),
    )
    @test inside.cause isa ArgumentError
end

@testset "bad input is an error that says what would be right" begin
    message(work) = sprint(showerror, failure(work))
    @test occursin("delta", message(() -> fit(snapshots; detla = 1.5)))
    @test occursin("seed", message(() -> fit(snapshots; seed = -1)))
    @test occursin("row 1, coordinate 2", message(() -> fit([0.0 1.0; NaN 2.0], [0, 1])))
    @test failure(() -> fit(zeros(2, 0), Float64[])) isa ChreodeError
    @test failure(() -> fit(zeros(2, 3), [0, 1])) isa ChreodeError
    @test failure(() -> model.velocity(zeros(3, 3), 0.0)) isa ChreodeError
    @test failure(() -> model.velocity(x, x, 0.0)) isa ChreodeError
    @test failure(() -> model.velocity(x, 0.0; cells = :diagonal)) isa ArgumentError
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

@testset "the library describes itself" begin
    for list in Chreode.capabilities()["option_lists"]
        @test all(option -> !isempty(option.meaning), Chreode.options(list))
    end
    @test string(Chreode.version()) == Chreode.capabilities()["version"]
end
