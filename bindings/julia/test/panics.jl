# A panic inside the library is an error, whichever thread it is on. To be run with clock.c loaded before the system's clock: it
# fails at the first reading of a fit, at the second and so on, until a fit gets by without reaching the failure.

using Chreode

fails_at(reading) = ccall(:clock_fails_at, Cvoid, (Clong,), reading)

snapshots = dataset("gene-network"; cells_per_state = 8)

function panics(reading)
    fails_at(reading)
    try
        fit_dynamics(snapshots; hidden = "4", epochs = 2, threads = 2)
        return false
    catch failure
        failure isa ChreodeError && failure.name == "CHREODE_ERROR_INTERNAL" || rethrow()
        return true
    finally
        fails_at(-1)
    end
end

reading = 0
while panics(reading)
    global reading += 1
end
println("$reading panics")
