# Ctrl-C again and again while the library computes, as from someone in a hurry: after some within a second Julia throws wherever
# it is. The library must not be jumped over: the call ends as it should, and afterwards the same bits come as before.

using Chreode

Base.exit_on_sigint(false)

# So many cells that a coupling, and a transport, take seconds.
population(cells) = [sin(7.0i * d) + (i % 2) for d in 1:10, i in 1:cells]
snapshots = Snapshots(population(2400), repeat([0.0, 1.0]; inner = 1200))
first_ones = Float32.(population(4000)[:, 1:2000])
last_ones = Float32.(population(4000)[:, 2001:4000])
small = dataset("gene-network"; cells_per_state = 10)
learned() = Chreode.to_bytes(fit_dynamics(small; epochs = 5, hidden = "8x2", seed = 1))
expected = learned()

# Sixty interrupts within half a second or so, which are over when the returned file is there.
function hurry()
    over = tempname()
    sends = "for i in $(join(1:60, ' ')); do kill -INT $(getpid()); sleep 0.002; done"
    run(`sh -c "sleep 0.3; $sends; touch $over"`; wait = false)
    return over
end

# How work ends if they come while it is in the library. Those that reach Julia's compiler break that, so everything that runs
# is compiled before, by rehearsals.
function ending(work, interrupted)
    ended, over = nothing, interrupted ? hurry() : ""
    try
        work()
    catch failure
        ended = failure
    end
    interrupted && !isfile(over) && error("over before the interrupts were, by $ended")
    return ended
end

function interrupted_fit(data, progress, interrupted)
    return ending(interrupted) do
        fit_dynamics(
            data;
            progress,
            coupling = "entropic-ot",
            bridge = "brownian",
            epochs = 1,
        )
    end
end

function interrupted_transport(from, to, interrupted)
    return ending(() -> transport(from, to), interrupted)
end

never(now...) = false
throws(now...) = throw(InterruptException())
interrupted_fit(small, never, false)
interrupted_fit(small, throws, false)
interrupted_transport(points(small, 1), points(small, 2), false)
wait(run(`sh -c ""`; wait = false))

ended = interrupted_fit(snapshots, never, true)
ended isa ChreodeError && ended.cause isa InterruptException ||
    error("a fit ended by $ended")
learned() == expected || error("other bits after a fit was interrupted")

ended = interrupted_transport(first_ones, last_ones, true)
ended isa InterruptException || error("a transport ended by $ended")
learned() == expected || error("other bits after a transport was interrupted")

# One Ctrl-C ends every long call soon: within a third of a second on a free machine, and this one may be busy.
model = fit_dynamics(
    snapshots;
    method = "ot-cfm",
    chunk_size = 50,
    epochs = 1,
    hidden = "256x3",
)
x, slow = points(snapshots, 1), (step = 1.0e-5, solver = "rk4")
many = repeat(x, 1, 300)
moments = collect(range(0.0, 1.0; length = size(many, 2)))
calls = (
    transport = () -> transport(first_ones, last_ones; cost = "euclidean", penalty = Inf),
    simulation = () -> simulate(model, x, [0.0, 1.0]; slow...),
    evaluation = () -> evaluate(model, snapshots; slow...),
    field = () -> model.velocity(many, moments),
)
short_calls = (
    () -> transport(x[:, 1:9], x[:, 1:9]; cost = "euclidean", penalty = Inf),
    () -> simulate(model, x[:, 1:9], [0.0, 1.0]; step = 0.5, solver = "rk4"),
    () -> evaluate(model, snapshots; step = 0.5, solver = "rk4"),
    () -> model.velocity(x[:, 1:2], [0.5, 1.0]),
)
foreach(call -> ending(call, false), short_calls)
function ended_by_one_interrupt(call)
    sent = tempname()
    run(`sh -c "sleep 0.5; date +%s.%N > $sent; kill -INT $(getpid())"`; wait = false)
    failure = nothing
    try
        call()
    catch thrown
        failure = thrown
    end
    return failure, time() - parse(Float64, read(sent, String))
end
for (name, call) in pairs(calls)
    failure, seconds = ended_by_one_interrupt(call)
    failure isa InterruptException || error("$name ended by $failure")
    println(stderr, name, ": ", round(Int, 1000 * seconds), " ms after the interrupt")
    seconds < 3 || error("$name ended $seconds s after it was interrupted")
end
learned() == expected || error("other bits after interrupts")
println("unharmed")
