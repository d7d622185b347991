# Tasks by other processes give the bits of this one.

using Chreode
using Distributed
using Test

# They load the package when they are first asked.
started = addprocs(2)

cells = dataset("gene-network"; cells_per_state = 30)
blocks = (
    method = "usb",
    chunk_size = 40,
    hidden = "8x2",
    growth_hidden = "8x1",
    epochs = 5,
    seed = 5,
)
# Barely trained, the model leaves it.
outside = r"outside of the box"

function thrown(work)
    try
        work()
    catch error
        return error
    end
    return nothing
end

# What is there in spite of what is warned of.
function quietly(work)
    return (@test_logs (:warn, outside) match_mode = :any work())
end

same(a, b) = all(
    name -> isequal(getfield(a, name), getfield(b, name)),
    fieldnames(typeof(a)),
)

function same(a::Trajectory, b::Trajectory)
    lineages = a.lineage === b.lineage === nothing || same(a.lineage, b.lineage)
    return lineages &&
        all(splat(same), zip(a.frames, b.frames)) &&
        isequal(a.mass_sd, b.mass_sd) &&
        (a.outside, a.newick) == (b.outside, b.newick)
end

splat(f) = pair -> f(pair...)

alone = fit_dynamics(cells; blocks...)

@testset "a fit by other processes is that of this one" begin
    spread = fit_dynamics(cells; workers = workers(), blocks...)
    @test Chreode.to_bytes(spread) == Chreode.to_bytes(alone)
    @test spread.losses == alone.losses
    pooled = fit_dynamics(cells; workers = WorkerPool(started), blocks...)
    @test Chreode.to_bytes(pooled) == Chreode.to_bytes(alone)
    weighted = with_masses(cells, [3, 1, 4, 1, 5])
    @test Chreode.to_bytes(fit_dynamics(weighted; workers = started, blocks...)) ==
        Chreode.to_bytes(fit_dynamics(weighted; blocks...))
end

@testset "so are ensembles, evaluations, simulations and validations" begin
    ensemble = fit_dynamics(cells; workers = started, ensemble = 2, blocks...)
    here = fit_dynamics(cells; ensemble = 2, blocks...)
    @test Chreode.to_bytes(ensemble) == Chreode.to_bytes(here)
    @test same(
        quietly(() -> evaluate(here, cells; workers = started)),
        quietly(() -> evaluate(here, cells)),
    )
    # More founders than a shard has at least, as rows.
    start = permutedims(reduce(hcat, points.(Ref(cells), 1:5)))
    for mode in ("ode", "sde", "branching")
        options = (cells = :rows, mode, seed = 3)
        @test same(
            quietly(() -> simulate(here, start; workers = started, options...)),
            quietly(() -> simulate(here, start; options...)),
        )
    end
    short = (hidden = "8x1", growth_hidden = "8x1", epochs = 5, splits = 2)
    found = validate(cells; workers = started, short...)
    expected = validate(cells; short...)
    @test found.verdict == expected.verdict
    @test found.recipes[1]["w1"] == expected.recipes[1]["w1"]
end

@testset "tasks one by one, in any order, some twice" begin
    work = Chreode.plan_fit(cells; blocks...)
    count = length(work.tasks)
    @test count > 4 && all(task -> task["kind"] == "block", work.tasks)
    again = Chreode.work_from_bytes(Chreode.to_bytes(work))
    parts = [Chreode.run(again, task, cells) for task in count:-1:1]
    @test Chreode.check_part(work, parts[1]) == count
    model = Chreode.finish_fit(work, cells, [parts; parts[1:2]])
    @test Chreode.to_bytes(model) == Chreode.to_bytes(alone)
    # The cells of the task alone.
    x = reduce(hcat, points.(Ref(cells), 1:5))
    time = reduce(vcat, fill.(cells.times, cells.counts))
    named = Chreode.rows(work, count)
    @test 0 < length(named) < length(time)
    @test Chreode.run(work, count, Snapshots(x[:, named], time[named])) == parts[1]
    damaged = copy.(parts)
    damaged[3][100] ⊻= 0x01
    wrong = thrown(() -> Chreode.finish_fit(work, cells, damaged))
    @test wrong.name == "CHREODE_ERROR_INVALID_DATA" && occursin("part 2", wrong.message)
    missed = thrown(() -> Chreode.finish_fit(work, cells, parts[2:end]))
    @test missed.name == "CHREODE_ERROR_INVALID_DATA" && missed.model === nothing
    @test thrown(() -> Chreode.run(work, count + 1, cells)) isa ArgumentError
    @test thrown(() -> Chreode.rows(work, 0)) isa ArgumentError
end

@testset "what goes wrong there is said here" begin
    work = Chreode.plan_fit(cells; blocks...)
    other = dataset("gene-network"; cells_per_state = 30, seed = 99)
    refused = thrown(() -> Chreode.parts_by(started, work, other))
    @test refused isa ChreodeError && refused.name == "CHREODE_ERROR_INVALID_DATA"
    @test thrown(() -> fit_dynamics(cells; workers = Int[], blocks...)) isa ArgumentError
    @test thrown(() -> fit_dynamics(cells; workers = "all", blocks...)) isa ArgumentError
end

@testset "an interrupt ends the tasks, and leaves the processes as they were" begin
    waiting = current_task()
    @async (sleep(1); schedule(waiting, InterruptException(); error = true))
    ended = thrown(
        () -> fit_dynamics(
            cells;
            workers = started,
            blocks...,
            ensemble = 2,
            epochs = 100_000_000,
        ),
    )
    @test ended isa ChreodeError && ended.cause isa InterruptException
    again = fit_dynamics(cells; workers = started, blocks...)
    @test Chreode.to_bytes(again) == Chreode.to_bytes(alone)
end

@testset "the tasks of a process that ends are done by the others" begin
    long = (blocks..., ensemble = 4, epochs = 600)
    expected = Chreode.to_bytes(fit_dynamics(cells; long...))
    victim = remotecall_fetch(getpid, started[1])
    killer = @async (sleep(0.3); run(`kill -9 $victim`))
    spread = fit_dynamics(cells; workers = started, long...)
    wait(killer)
    @test !(started[1] in workers())
    @test Chreode.to_bytes(spread) == expected
end

rmprocs(workers())
