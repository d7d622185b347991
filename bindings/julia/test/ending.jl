# The process ends while a fit runs on another thread: what it uses must not be freed. To be run with two threads.

using Chreode

snapshots = dataset("gene-network"; cells_per_state = 30)
model = fit_dynamics(snapshots; epochs = 1, hidden = "8")
begun = Threads.Atomic{Bool}(false)
task = Task() do
    fit_dynamics(snapshots; epochs = 1_000_000, threads = 2) do stage, now...
        begun[] = begun[] || stage === :training
    end
end
task.sticky = true
ccall(:jl_set_task_tid, Cvoid, (Any, Cint), task, 1)
schedule(task)
while !begun[]
    sleep(0.001)
end
sleep(parse(Float64, ARGS[1]))
println("ends")
