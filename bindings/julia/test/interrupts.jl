# Ctrl-C while the library computes: the library must not be jumped over. The call ends soon, as it should, and afterwards the same
# bits come as before. (Several within a second make Julia 1.5 throw wherever it is: while the library computes they are held back,
# but now that every call ends at the first, those that follow reach Julia itself, which may not stand them.)

using Chreode

Base.exit_on_sigint(false)

# So many cells that a coupling, and a transport, take seconds.
population(cells) = [sin(7.0i * d) + (i % 2) for d in 1:10, i in 1:cells]
snapshots = Snapshots(population(2400), repeat([0.0, 1.0]; inner = 1200))
large = Snapshots(population(12000), repeat([0.0, 1.0]; inner = 6000))
first_ones = Float32.(population(12000)[:, 1:6000])
last_ones = Float32.(population(12000)[:, 6001:12000])
small = dataset("gene-network"; cells_per_state = 10)
learned() = Chreode.to_bytes(fit_dynamics(small; epochs = 5, hidden = "8x2", seed = 1))
expected = learned()

# How work ends. Everything that runs is compiled before it is interrupted, by rehearsals.
function ending(work)
    try
        work()
    catch failure
        return failure
    end
    return nothing
end

interrupted_fit(data, progress) = ending() do
    fit_dynamics(data; progress, coupling = "exact-ot", bridge = "straight", epochs = 1)
end

never(now...) = false
throws(now...) = throw(InterruptException())
interrupted_fit(small, never)
interrupted_fit(small, throws)

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
    coupling = () -> fit_dynamics(
        large;
        coupling = "exact-ot",
        bridge = "straight",
        epochs = 1,
    ),
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
foreach(ending, short_calls)
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
    interrupted = failure isa ChreodeError ? failure.cause : failure
    interrupted isa InterruptException || error("$name ended by $failure")
    println(stderr, name, ": ", round(Int, 1000 * seconds), " ms after the interrupt")
    seconds < 3 || error("$name ended $seconds s after it was interrupted")
end
learned() == expected || error("other bits after interrupts")
println("unharmed")
