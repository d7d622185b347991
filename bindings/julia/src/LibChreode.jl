# Made from include/chreode.h by tools/ccalls.py, and checked against it by the tests: change neither by hand.
# One function for each of the library's, with its name, its arguments and its types.

module LibChreode

import Libdl
import ..shielded

# The library, once it is open.
const library = Ref{Ptr{Cvoid}}(C_NULL)

function symbol(name::Symbol)
    library[] == C_NULL &&
        error("the chreode library is not open: see Chreode.open_library")
    return Libdl.dlsym(library[], name)
end

const chreode_status = Int32
const chreode_fate = Int32
const CHREODE_ABI_VERSION = Int32(0)
const CHREODE_F32 = Int32(0)
const CHREODE_F64 = Int32(1)
const CHREODE_OK = Int32(0)
const CHREODE_ERROR_NULL_POINTER = Int32(-1)
const CHREODE_ERROR_INVALID_ARGUMENT = Int32(-2)
const CHREODE_ERROR_INVALID_DATA = Int32(-3)
const CHREODE_ERROR_INFEASIBLE = Int32(-4)
const CHREODE_ERROR_NON_FINITE = Int32(-5)
const CHREODE_ERROR_CANCELLED = Int32(-6)
const CHREODE_ERROR_POPULATION_LIMIT = Int32(-7)
const CHREODE_ERROR_MODEL_FILE = Int32(-8)
const CHREODE_ERROR_IO = Int32(-9)
const CHREODE_ERROR_BUFFER_TOO_SMALL = Int32(-10)
const CHREODE_ERROR_NOT_CONVERGED = Int32(-11)
const CHREODE_ERROR_FORKED = Int32(-12)
const CHREODE_ERROR_DEVICE = Int32(-13)
const CHREODE_ERROR_INTERNAL = Int32(-100)
const CHREODE_FATE_ALIVE = Int32(0)
const CHREODE_FATE_DIVIDED = Int32(1)
const CHREODE_FATE_DIED = Int32(2)

struct chreode_couplings end

struct chreode_evaluation end

struct chreode_fates end

struct chreode_model end

struct chreode_options end

struct chreode_part end

struct chreode_plan end

struct chreode_snapshots end

struct chreode_trajectory end

struct chreode_validation end

struct chreode_work end

struct chreode_option
    name::Cstring
    kind::Cstring
    default_value::Cstring
    range::Cstring
    meaning::Cstring
end

struct chreode_matrix
    data::Ptr{Cvoid}
    rows::Csize_t
    cols::Csize_t
    row_stride::Cptrdiff_t
    col_stride::Cptrdiff_t
    dtype::Int32
end

struct chreode_matrix_mut
    data::Ptr{Cvoid}
    rows::Csize_t
    cols::Csize_t
    row_stride::Cptrdiff_t
    col_stride::Cptrdiff_t
    dtype::Int32
end

struct chreode_progress
    stage::Cstring
    done::Csize_t
    total::Csize_t
    loss::Cdouble
end

function chreode_status_name(status)
    address = symbol(:chreode_status_name)
    return shielded() do
        ccall(address, Cstring, (Int32,), status)
    end
end

function chreode_last_error_message()
    address = symbol(:chreode_last_error_message)
    return shielded() do
        ccall(address, Cstring, ())
    end
end

function chreode_abi_version()
    address = symbol(:chreode_abi_version)
    return shielded() do
        ccall(address, UInt32, ())
    end
end

function chreode_version()
    address = symbol(:chreode_version)
    return shielded() do
        ccall(address, Cstring, ())
    end
end

function chreode_capabilities(buffer, capacity, size)
    address = symbol(:chreode_capabilities)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_options_new(list, options)
    address = symbol(:chreode_options_new)
    return shielded() do
        ccall(address, chreode_status, (Cstring, Ptr{Ptr{chreode_options}}), list, options)
    end
end

function chreode_options_free(options)
    address = symbol(:chreode_options_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_options},), options)
    end
end

function chreode_options_set_real(options, name, value)
    address = symbol(:chreode_options_set_real)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_options}, Cstring, Cdouble),
            options,
            name,
            value,
        )
    end
end

function chreode_options_set_integer(options, name, value)
    address = symbol(:chreode_options_set_integer)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_options}, Cstring, Int64),
            options,
            name,
            value,
        )
    end
end

function chreode_options_set_string(options, name, value)
    address = symbol(:chreode_options_set_string)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_options}, Cstring, Cstring),
            options,
            name,
            value,
        )
    end
end

function chreode_options_unset(options, name)
    address = symbol(:chreode_options_unset)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_options}, Cstring), options, name)
    end
end

function chreode_options_get(options, name, buffer, capacity, size)
    address = symbol(:chreode_options_get)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_options}, Cstring, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            options,
            name,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_options_count(options, count)
    address = symbol(:chreode_options_count)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_options}, Ptr{Csize_t}), options, count)
    end
end

function chreode_options_describe(options, index, option)
    address = symbol(:chreode_options_describe)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_options}, Csize_t, Ptr{chreode_option}),
            options,
            index,
            option,
        )
    end
end

function chreode_snapshots_new(
    points,
    times,
    times_count,
    weights,
    weights_count,
    snapshots,
)
    address = symbol(:chreode_snapshots_new)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_matrix},
                Ptr{Cdouble},
                Csize_t,
                Ptr{Cdouble},
                Csize_t,
                Ptr{Ptr{chreode_snapshots}},
            ),
            points,
            times,
            times_count,
            weights,
            weights_count,
            snapshots,
        )
    end
end

function chreode_snapshots_borrow(
    points,
    times,
    times_count,
    weights,
    weights_count,
    snapshots,
)
    address = symbol(:chreode_snapshots_borrow)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_matrix},
                Ptr{Cdouble},
                Csize_t,
                Ptr{Cdouble},
                Csize_t,
                Ptr{Ptr{chreode_snapshots}},
            ),
            points,
            times,
            times_count,
            weights,
            weights_count,
            snapshots,
        )
    end
end

function chreode_snapshots_from_blocks(blocks, times, weights, count, snapshots)
    address = symbol(:chreode_snapshots_from_blocks)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_matrix},
                Ptr{Cdouble},
                Ptr{Ptr{Cdouble}},
                Csize_t,
                Ptr{Ptr{chreode_snapshots}},
            ),
            blocks,
            times,
            weights,
            count,
            snapshots,
        )
    end
end

function chreode_snapshots_generate(options, snapshots)
    address = symbol(:chreode_snapshots_generate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_options}, Ptr{Ptr{chreode_snapshots}}),
            options,
            snapshots,
        )
    end
end

function chreode_snapshots_with_masses(snapshots, masses, masses_count, result)
    address = symbol(:chreode_snapshots_with_masses)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Ptr{Cdouble}, Csize_t, Ptr{Ptr{chreode_snapshots}}),
            snapshots,
            masses,
            masses_count,
            result,
        )
    end
end

function chreode_snapshots_with_growth_prior(snapshots, rates, rates_count, result)
    address = symbol(:chreode_snapshots_with_growth_prior)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Ptr{Cdouble}, Csize_t, Ptr{Ptr{chreode_snapshots}}),
            snapshots,
            rates,
            rates_count,
            result,
        )
    end
end

function chreode_snapshots_with_clones(snapshots, clones, clones_count, result)
    address = symbol(:chreode_snapshots_with_clones)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Ptr{Int64}, Csize_t, Ptr{Ptr{chreode_snapshots}}),
            snapshots,
            clones,
            clones_count,
            result,
        )
    end
end

function chreode_snapshots_without(snapshots, times, times_count, result)
    address = symbol(:chreode_snapshots_without)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Ptr{Cdouble}, Csize_t, Ptr{Ptr{chreode_snapshots}}),
            snapshots,
            times,
            times_count,
            result,
        )
    end
end

function chreode_snapshots_free(snapshots)
    address = symbol(:chreode_snapshots_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_snapshots},), snapshots)
    end
end

function chreode_snapshots_dims(snapshots, dims)
    address = symbol(:chreode_snapshots_dims)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Ptr{Csize_t}),
            snapshots,
            dims,
        )
    end
end

function chreode_snapshots_time_count(snapshots, count)
    address = symbol(:chreode_snapshots_time_count)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Ptr{Csize_t}),
            snapshots,
            count,
        )
    end
end

function chreode_snapshots_times(snapshots, times, times_count)
    address = symbol(:chreode_snapshots_times)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Ptr{Cdouble}, Csize_t),
            snapshots,
            times,
            times_count,
        )
    end
end

function chreode_snapshots_cell_count(snapshots, k, count)
    address = symbol(:chreode_snapshots_cell_count)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Csize_t, Ptr{Csize_t}),
            snapshots,
            k,
            count,
        )
    end
end

function chreode_snapshots_points(snapshots, k, points)
    address = symbol(:chreode_snapshots_points)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Csize_t, Ptr{chreode_matrix_mut}),
            snapshots,
            k,
            points,
        )
    end
end

function chreode_snapshots_weights(snapshots, k, weights, weights_count)
    address = symbol(:chreode_snapshots_weights)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Csize_t, Ptr{Cdouble}, Csize_t),
            snapshots,
            k,
            weights,
            weights_count,
        )
    end
end

function chreode_snapshots_sample(snapshots, k, count, seed, rows)
    address = symbol(:chreode_snapshots_sample)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Csize_t, Csize_t, UInt64, Ptr{UInt64}),
            snapshots,
            k,
            count,
            seed,
            rows,
        )
    end
end

function chreode_snapshots_mass(snapshots, k, mass)
    address = symbol(:chreode_snapshots_mass)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_snapshots}, Csize_t, Ptr{Cdouble}),
            snapshots,
            k,
            mass,
        )
    end
end

function chreode_fit(snapshots, options, progress, user_data, model)
    address = symbol(:chreode_fit)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_model}},
            ),
            snapshots,
            options,
            progress,
            user_data,
            model,
        )
    end
end

function chreode_couple(snapshots, options, progress, user_data, couplings)
    address = symbol(:chreode_couple)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_couplings}},
            ),
            snapshots,
            options,
            progress,
            user_data,
            couplings,
        )
    end
end

function chreode_descent(model, snapshots, options, progress, user_data, couplings)
    address = symbol(:chreode_descent)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_couplings}},
            ),
            model,
            snapshots,
            options,
            progress,
            user_data,
            couplings,
        )
    end
end

function chreode_model_couplings(model, couplings)
    address = symbol(:chreode_model_couplings)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Ptr{Ptr{chreode_couplings}}),
            model,
            couplings,
        )
    end
end

function chreode_couplings_free(couplings)
    address = symbol(:chreode_couplings_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_couplings},), couplings)
    end
end

function chreode_couplings_time_count(couplings, count)
    address = symbol(:chreode_couplings_time_count)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_couplings}, Ptr{Csize_t}),
            couplings,
            count,
        )
    end
end

function chreode_couplings_times(couplings, times, cells, count)
    address = symbol(:chreode_couplings_times)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_couplings}, Ptr{Cdouble}, Ptr{UInt64}, Csize_t),
            couplings,
            times,
            cells,
            count,
        )
    end
end

function chreode_couplings_size(couplings, k, rows, cols, pairs)
    address = symbol(:chreode_couplings_size)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_couplings}, Csize_t, Ptr{Csize_t}, Ptr{Csize_t}, Ptr{Csize_t}),
            couplings,
            k,
            rows,
            cols,
            pairs,
        )
    end
end

function chreode_couplings_pairs(couplings, k, sources, targets, sent, received, count)
    address = symbol(:chreode_couplings_pairs)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_couplings},
                Csize_t,
                Ptr{UInt64},
                Ptr{UInt64},
                Ptr{Cdouble},
                Ptr{Cdouble},
                Csize_t,
            ),
            couplings,
            k,
            sources,
            targets,
            sent,
            received,
            count,
        )
    end
end

function chreode_couplings_unmatched(couplings, k, dying, dying_count, born, born_count)
    address = symbol(:chreode_couplings_unmatched)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_couplings}, Csize_t, Ptr{Cdouble}, Csize_t, Ptr{Cdouble}, Csize_t),
            couplings,
            k,
            dying,
            dying_count,
            born,
            born_count,
        )
    end
end

function chreode_couplings_cells(couplings, k, sent, dying, received, born, count)
    address = symbol(:chreode_couplings_cells)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_couplings},
                Csize_t,
                Ptr{Cdouble},
                Ptr{Cdouble},
                Ptr{Cdouble},
                Ptr{Cdouble},
                Csize_t,
            ),
            couplings,
            k,
            sent,
            dying,
            received,
            born,
            count,
        )
    end
end

function chreode_couplings_carry(
    couplings,
    from,
    to,
    carry,
    masses,
    masses_count,
    result,
    result_count,
    lost,
    lost_count,
)
    address = symbol(:chreode_couplings_carry)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_couplings},
                Csize_t,
                Csize_t,
                Cstring,
                Ptr{Cdouble},
                Csize_t,
                Ptr{Cdouble},
                Csize_t,
                Ptr{Cdouble},
                Csize_t,
            ),
            couplings,
            from,
            to,
            carry,
            masses,
            masses_count,
            result,
            result_count,
            lost,
            lost_count,
        )
    end
end

function chreode_couplings_report(couplings, buffer, capacity, size)
    address = symbol(:chreode_couplings_report)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_couplings}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            couplings,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_model_free(model)
    address = symbol(:chreode_model_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_model},), model)
    end
end

function chreode_model_dims(model, dims)
    address = symbol(:chreode_model_dims)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Ptr{Csize_t}), model, dims)
    end
end

function chreode_model_info(model, buffer, capacity, size)
    address = symbol(:chreode_model_info)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            model,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_model_report(model, buffer, capacity, size)
    address = symbol(:chreode_model_report)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            model,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_model_members(model, members)
    address = symbol(:chreode_model_members)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Ptr{Csize_t}), model, members)
    end
end

function chreode_model_member(model, index, member)
    address = symbol(:chreode_model_member)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Csize_t, Ptr{Ptr{chreode_model}}),
            model,
            index,
            member,
        )
    end
end

function chreode_model_branches(model, branches)
    address = symbol(:chreode_model_branches)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Ptr{Csize_t}), model, branches)
    end
end

function chreode_model_branch(model, index, branch)
    address = symbol(:chreode_model_branch)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Csize_t, Ptr{Ptr{chreode_model}}),
            model,
            index,
            branch,
        )
    end
end

function chreode_model_loss_count(model, count)
    address = symbol(:chreode_model_loss_count)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Ptr{Csize_t}), model, count)
    end
end

function chreode_model_losses(model, losses, losses_count)
    address = symbol(:chreode_model_losses)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Ptr{Cdouble}, Csize_t),
            model,
            losses,
            losses_count,
        )
    end
end

function chreode_model_set_attribute(model, name, value)
    address = symbol(:chreode_model_set_attribute)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Cstring, Cstring),
            model,
            name,
            value,
        )
    end
end

function chreode_model_attribute(model, name, buffer, capacity, size)
    address = symbol(:chreode_model_attribute)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Cstring, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            model,
            name,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_model_set_coordinates(model, names, names_count)
    address = symbol(:chreode_model_set_coordinates)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Ptr{Cstring}, Csize_t),
            model,
            names,
            names_count,
        )
    end
end

function chreode_model_threads(model, threads)
    address = symbol(:chreode_model_threads)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Ptr{Csize_t}), model, threads)
    end
end

function chreode_model_set_threads(model, threads)
    address = symbol(:chreode_model_set_threads)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Csize_t), model, threads)
    end
end

function chreode_model_save(model, path)
    address = symbol(:chreode_model_save)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Cstring), model, path)
    end
end

function chreode_model_load(path, model)
    address = symbol(:chreode_model_load)
    return shielded() do
        ccall(address, chreode_status, (Cstring, Ptr{Ptr{chreode_model}}), path, model)
    end
end

function chreode_model_to_bytes(model, buffer, capacity, size)
    address = symbol(:chreode_model_to_bytes)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
            model,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_model_from_bytes(bytes, size, model)
    address = symbol(:chreode_model_from_bytes)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{UInt8}, Csize_t, Ptr{Ptr{chreode_model}}),
            bytes,
            size,
            model,
        )
    end
end

function chreode_model_field_count(model, count)
    address = symbol(:chreode_model_field_count)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_model}, Ptr{Csize_t}), model, count)
    end
end

function chreode_model_field_describe(model, index, name, columns)
    address = symbol(:chreode_model_field_describe)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_model}, Csize_t, Ptr{Cstring}, Ptr{Csize_t}),
            model,
            index,
            name,
            columns,
        )
    end
end

function chreode_model_field(model, field, time, points, values)
    address = symbol(:chreode_model_field)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Cstring,
                Cdouble,
                Ptr{chreode_matrix},
                Ptr{chreode_matrix_mut},
            ),
            model,
            field,
            time,
            points,
            values,
        )
    end
end

function chreode_model_field_at(
    model,
    field,
    times,
    times_count,
    points,
    progress,
    user_data,
    values,
)
    address = symbol(:chreode_model_field_at)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Cstring,
                Ptr{Cdouble},
                Csize_t,
                Ptr{chreode_matrix},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{chreode_matrix_mut},
            ),
            model,
            field,
            times,
            times_count,
            points,
            progress,
            user_data,
            values,
        )
    end
end

function chreode_model_field_sd(
    model,
    field,
    times,
    times_count,
    points,
    progress,
    user_data,
    values,
)
    address = symbol(:chreode_model_field_sd)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Cstring,
                Ptr{Cdouble},
                Csize_t,
                Ptr{chreode_matrix},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{chreode_matrix_mut},
            ),
            model,
            field,
            times,
            times_count,
            points,
            progress,
            user_data,
            values,
        )
    end
end

function chreode_model_field_quantile(
    model,
    field,
    level,
    times,
    times_count,
    points,
    progress,
    user_data,
    values,
)
    address = symbol(:chreode_model_field_quantile)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Cstring,
                Cdouble,
                Ptr{Cdouble},
                Csize_t,
                Ptr{chreode_matrix},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{chreode_matrix_mut},
            ),
            model,
            field,
            level,
            times,
            times_count,
            points,
            progress,
            user_data,
            values,
        )
    end
end

function chreode_simulate(
    model,
    start_time,
    points,
    weights,
    weights_count,
    times,
    times_count,
    options,
    progress,
    user_data,
    trajectory,
)
    address = symbol(:chreode_simulate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Cdouble,
                Ptr{chreode_matrix},
                Ptr{Cdouble},
                Csize_t,
                Ptr{Cdouble},
                Csize_t,
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_trajectory}},
            ),
            model,
            start_time,
            points,
            weights,
            weights_count,
            times,
            times_count,
            options,
            progress,
            user_data,
            trajectory,
        )
    end
end

function chreode_trajectory_free(trajectory)
    address = symbol(:chreode_trajectory_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_trajectory},), trajectory)
    end
end

function chreode_trajectory_report(trajectory, buffer, capacity, size)
    address = symbol(:chreode_trajectory_report)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            trajectory,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_trajectory_dims(trajectory, dims)
    address = symbol(:chreode_trajectory_dims)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Ptr{Csize_t}),
            trajectory,
            dims,
        )
    end
end

function chreode_trajectory_frame_count(trajectory, count)
    address = symbol(:chreode_trajectory_frame_count)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Ptr{Csize_t}),
            trajectory,
            count,
        )
    end
end

function chreode_trajectory_frame(trajectory, k, time, count)
    address = symbol(:chreode_trajectory_frame)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Csize_t, Ptr{Cdouble}, Ptr{Csize_t}),
            trajectory,
            k,
            time,
            count,
        )
    end
end

function chreode_trajectory_points(trajectory, k, points)
    address = symbol(:chreode_trajectory_points)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Csize_t, Ptr{chreode_matrix_mut}),
            trajectory,
            k,
            points,
        )
    end
end

function chreode_trajectory_weights(trajectory, k, weights, weights_count)
    address = symbol(:chreode_trajectory_weights)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Csize_t, Ptr{Cdouble}, Csize_t),
            trajectory,
            k,
            weights,
            weights_count,
        )
    end
end

function chreode_trajectory_masses(trajectory, masses, sds, frame_count)
    address = symbol(:chreode_trajectory_masses)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Ptr{Cdouble}, Ptr{Cdouble}, Csize_t),
            trajectory,
            masses,
            sds,
            frame_count,
        )
    end
end

function chreode_trajectory_ids(trajectory, k, ids, ids_count)
    address = symbol(:chreode_trajectory_ids)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Csize_t, Ptr{UInt64}, Csize_t),
            trajectory,
            k,
            ids,
            ids_count,
        )
    end
end

function chreode_trajectory_ancestors(trajectory, k, ancestors, ancestors_count)
    address = symbol(:chreode_trajectory_ancestors)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Csize_t, Ptr{UInt64}, Csize_t),
            trajectory,
            k,
            ancestors,
            ancestors_count,
        )
    end
end

function chreode_trajectory_cell_count(trajectory, count)
    address = symbol(:chreode_trajectory_cell_count)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Ptr{Csize_t}),
            trajectory,
            count,
        )
    end
end

function chreode_trajectory_lineage(trajectory, parents, births, ends, fates, cell_count)
    address = symbol(:chreode_trajectory_lineage)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_trajectory},
                Ptr{Int64},
                Ptr{Cdouble},
                Ptr{Cdouble},
                Ptr{Int32},
                Csize_t,
            ),
            trajectory,
            parents,
            births,
            ends,
            fates,
            cell_count,
        )
    end
end

function chreode_trajectory_newick(trajectory, buffer, capacity, size)
    address = symbol(:chreode_trajectory_newick)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_trajectory}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            trajectory,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_evaluate(model, snapshots, options, progress, user_data, evaluation)
    address = symbol(:chreode_evaluate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_evaluation}},
            ),
            model,
            snapshots,
            options,
            progress,
            user_data,
            evaluation,
        )
    end
end

function chreode_evaluation_free(evaluation)
    address = symbol(:chreode_evaluation_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_evaluation},), evaluation)
    end
end

function chreode_evaluation_time_count(evaluation, count)
    address = symbol(:chreode_evaluation_time_count)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_evaluation}, Ptr{Csize_t}),
            evaluation,
            count,
        )
    end
end

function chreode_evaluation_values(evaluation, name, values, values_count)
    address = symbol(:chreode_evaluation_values)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_evaluation}, Cstring, Ptr{Cdouble}, Csize_t),
            evaluation,
            name,
            values,
            values_count,
        )
    end
end

function chreode_evaluation_value(evaluation, name, value)
    address = symbol(:chreode_evaluation_value)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_evaluation}, Cstring, Ptr{Cdouble}),
            evaluation,
            name,
            value,
        )
    end
end

function chreode_evaluation_json(evaluation, buffer, capacity, size)
    address = symbol(:chreode_evaluation_json)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_evaluation}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            evaluation,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_validate(
    snapshots,
    options,
    parts,
    parts_count,
    growth,
    growth_count,
    progress,
    user_data,
    validation,
)
    address = symbol(:chreode_validate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{UInt32},
                Csize_t,
                Ptr{Cdouble},
                Csize_t,
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_validation}},
            ),
            snapshots,
            options,
            parts,
            parts_count,
            growth,
            growth_count,
            progress,
            user_data,
            validation,
        )
    end
end

function chreode_validation_free(validation)
    address = symbol(:chreode_validation_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_validation},), validation)
    end
end

function chreode_validation_json(validation, buffer, capacity, size)
    address = symbol(:chreode_validation_json)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_validation}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            validation,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_fates_new(
    model,
    snapshots,
    labels,
    labels_count,
    options,
    progress,
    user_data,
    fates,
)
    address = symbol(:chreode_fates_new)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Ptr{chreode_snapshots},
                Ptr{Int32},
                Csize_t,
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_fates}},
            ),
            model,
            snapshots,
            labels,
            labels_count,
            options,
            progress,
            user_data,
            fates,
        )
    end
end

function chreode_fates_free(fates)
    address = symbol(:chreode_fates_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_fates},), fates)
    end
end

function chreode_fates_report(fates, buffer, capacity, size)
    address = symbol(:chreode_fates_report)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            fates,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_fates_shape(fates, cells, labels)
    address = symbol(:chreode_fates_shape)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Ptr{Csize_t}, Ptr{Csize_t}),
            fates,
            cells,
            labels,
        )
    end
end

function chreode_fates_labels(fates, labels, label_count)
    address = symbol(:chreode_fates_labels)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Ptr{Int32}, Csize_t),
            fates,
            labels,
            label_count,
        )
    end
end

function chreode_fates_cells(fates, cells, times, cell_count)
    address = symbol(:chreode_fates_cells)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Ptr{UInt64}, Ptr{Cdouble}, Csize_t),
            fates,
            cells,
            times,
            cell_count,
        )
    end
end

function chreode_fates_values(fates, name, values)
    address = symbol(:chreode_fates_values)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Cstring, Ptr{chreode_matrix_mut}),
            fates,
            name,
            values,
        )
    end
end

function chreode_fates_transition_count(fates, count)
    address = symbol(:chreode_fates_transition_count)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_fates}, Ptr{Csize_t}), fates, count)
    end
end

function chreode_fates_transition(fates, k, time, sources)
    address = symbol(:chreode_fates_transition)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Csize_t, Ptr{Cdouble}, Ptr{Csize_t}),
            fates,
            k,
            time,
            sources,
        )
    end
end

function chreode_fates_transition_sources(fates, k, labels, masses, source_count)
    address = symbol(:chreode_fates_transition_sources)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Csize_t, Ptr{Int32}, Ptr{Cdouble}, Csize_t),
            fates,
            k,
            labels,
            masses,
            source_count,
        )
    end
end

function chreode_fates_transition_values(fates, k, name, values)
    address = symbol(:chreode_fates_transition_values)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_fates}, Csize_t, Cstring, Ptr{chreode_matrix_mut}),
            fates,
            k,
            name,
            values,
        )
    end
end

function chreode_work_plan_fit(snapshots, options, progress, user_data, work)
    address = symbol(:chreode_work_plan_fit)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_work}},
            ),
            snapshots,
            options,
            progress,
            user_data,
            work,
        )
    end
end

function chreode_work_plan_validate(
    snapshots,
    options,
    parts,
    parts_count,
    growth,
    growth_count,
    work,
)
    address = symbol(:chreode_work_plan_validate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{UInt32},
                Csize_t,
                Ptr{Cdouble},
                Csize_t,
                Ptr{Ptr{chreode_work}},
            ),
            snapshots,
            options,
            parts,
            parts_count,
            growth,
            growth_count,
            work,
        )
    end
end

function chreode_work_plan_simulate(
    model,
    snapshots,
    times,
    times_count,
    options,
    founders,
    work,
)
    address = symbol(:chreode_work_plan_simulate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Ptr{chreode_snapshots},
                Ptr{Cdouble},
                Csize_t,
                Ptr{chreode_options},
                Csize_t,
                Ptr{Ptr{chreode_work}},
            ),
            model,
            snapshots,
            times,
            times_count,
            options,
            founders,
            work,
        )
    end
end

function chreode_work_plan_evaluate(model, snapshots, options, work)
    address = symbol(:chreode_work_plan_evaluate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_model},
                Ptr{chreode_snapshots},
                Ptr{chreode_options},
                Ptr{Ptr{chreode_work}},
            ),
            model,
            snapshots,
            options,
            work,
        )
    end
end

function chreode_work_free(work)
    address = symbol(:chreode_work_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_work},), work)
    end
end

function chreode_work_to_bytes(work, buffer, capacity, size)
    address = symbol(:chreode_work_to_bytes)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_work}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
            work,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_work_from_bytes(bytes, size, work)
    address = symbol(:chreode_work_from_bytes)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{UInt8}, Csize_t, Ptr{Ptr{chreode_work}}),
            bytes,
            size,
            work,
        )
    end
end

function chreode_work_task_count(work, count)
    address = symbol(:chreode_work_task_count)
    return shielded() do
        ccall(address, chreode_status, (Ptr{chreode_work}, Ptr{Csize_t}), work, count)
    end
end

function chreode_work_task(work, task, buffer, capacity, size)
    address = symbol(:chreode_work_task)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_work}, Csize_t, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            work,
            task,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_work_row_count(work, task, count)
    address = symbol(:chreode_work_row_count)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_work}, Csize_t, Ptr{Csize_t}),
            work,
            task,
            count,
        )
    end
end

function chreode_work_rows(work, task, rows, rows_count)
    address = symbol(:chreode_work_rows)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_work}, Csize_t, Ptr{UInt64}, Csize_t),
            work,
            task,
            rows,
            rows_count,
        )
    end
end

function chreode_work_run(work, snapshots, model, task, threads, progress, user_data, part)
    address = symbol(:chreode_work_run)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_work},
                Ptr{chreode_snapshots},
                Ptr{chreode_model},
                Csize_t,
                Csize_t,
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_part}},
            ),
            work,
            snapshots,
            model,
            task,
            threads,
            progress,
            user_data,
            part,
        )
    end
end

function chreode_part_free(part)
    address = symbol(:chreode_part_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_part},), part)
    end
end

function chreode_part_to_bytes(part, buffer, capacity, size)
    address = symbol(:chreode_part_to_bytes)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_part}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
            part,
            buffer,
            capacity,
            size,
        )
    end
end

function chreode_work_check_part(work, bytes, size, task)
    address = symbol(:chreode_work_check_part)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_work}, Ptr{UInt8}, Csize_t, Ptr{Csize_t}),
            work,
            bytes,
            size,
            task,
        )
    end
end

function chreode_work_finish_fit(
    work,
    snapshots,
    parts,
    sizes,
    parts_count,
    threads,
    progress,
    user_data,
    model,
)
    address = symbol(:chreode_work_finish_fit)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_work},
                Ptr{chreode_snapshots},
                Ptr{Ptr{UInt8}},
                Ptr{Csize_t},
                Csize_t,
                Csize_t,
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_model}},
            ),
            work,
            snapshots,
            parts,
            sizes,
            parts_count,
            threads,
            progress,
            user_data,
            model,
        )
    end
end

function chreode_work_finish_validate(
    work,
    snapshots,
    parts,
    sizes,
    parts_count,
    validation,
)
    address = symbol(:chreode_work_finish_validate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_work},
                Ptr{chreode_snapshots},
                Ptr{Ptr{UInt8}},
                Ptr{Csize_t},
                Csize_t,
                Ptr{Ptr{chreode_validation}},
            ),
            work,
            snapshots,
            parts,
            sizes,
            parts_count,
            validation,
        )
    end
end

function chreode_work_finish_simulate(
    work,
    model,
    snapshots,
    parts,
    sizes,
    parts_count,
    threads,
    trajectory,
)
    address = symbol(:chreode_work_finish_simulate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_work},
                Ptr{chreode_model},
                Ptr{chreode_snapshots},
                Ptr{Ptr{UInt8}},
                Ptr{Csize_t},
                Csize_t,
                Csize_t,
                Ptr{Ptr{chreode_trajectory}},
            ),
            work,
            model,
            snapshots,
            parts,
            sizes,
            parts_count,
            threads,
            trajectory,
        )
    end
end

function chreode_work_finish_evaluate(
    work,
    model,
    snapshots,
    parts,
    sizes,
    parts_count,
    evaluation,
)
    address = symbol(:chreode_work_finish_evaluate)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_work},
                Ptr{chreode_model},
                Ptr{chreode_snapshots},
                Ptr{Ptr{UInt8}},
                Ptr{Csize_t},
                Csize_t,
                Ptr{Ptr{chreode_evaluation}},
            ),
            work,
            model,
            snapshots,
            parts,
            sizes,
            parts_count,
            evaluation,
        )
    end
end

function chreode_transport(
    source,
    source_weights,
    source_weights_count,
    target,
    target_weights,
    target_weights_count,
    options,
    progress,
    user_data,
    plan,
)
    address = symbol(:chreode_transport)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (
                Ptr{chreode_matrix},
                Ptr{Cdouble},
                Csize_t,
                Ptr{chreode_matrix},
                Ptr{Cdouble},
                Csize_t,
                Ptr{chreode_options},
                Ptr{Cvoid},
                Ptr{Cvoid},
                Ptr{Ptr{chreode_plan}},
            ),
            source,
            source_weights,
            source_weights_count,
            target,
            target_weights,
            target_weights_count,
            options,
            progress,
            user_data,
            plan,
        )
    end
end

function chreode_plan_free(plan)
    address = symbol(:chreode_plan_free)
    return shielded() do
        ccall(address, Cvoid, (Ptr{chreode_plan},), plan)
    end
end

function chreode_plan_size(plan, rows, cols, entries)
    address = symbol(:chreode_plan_size)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_plan}, Ptr{Csize_t}, Ptr{Csize_t}, Ptr{Csize_t}),
            plan,
            rows,
            cols,
            entries,
        )
    end
end

function chreode_plan_entries(plan, sources, targets, masses, count)
    address = symbol(:chreode_plan_entries)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_plan}, Ptr{UInt64}, Ptr{UInt64}, Ptr{Cdouble}, Csize_t),
            plan,
            sources,
            targets,
            masses,
            count,
        )
    end
end

function chreode_plan_row_offsets(plan, offsets, count)
    address = symbol(:chreode_plan_row_offsets)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_plan}, Ptr{UInt64}, Csize_t),
            plan,
            offsets,
            count,
        )
    end
end

function chreode_plan_potentials(plan, source, source_count, target, target_count)
    address = symbol(:chreode_plan_potentials)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_plan}, Ptr{Cdouble}, Csize_t, Ptr{Cdouble}, Csize_t),
            plan,
            source,
            source_count,
            target,
            target_count,
        )
    end
end

function chreode_plan_report(plan, buffer, capacity, size)
    address = symbol(:chreode_plan_report)
    return shielded() do
        ccall(
            address,
            chreode_status,
            (Ptr{chreode_plan}, Ptr{Cchar}, Csize_t, Ptr{Csize_t}),
            plan,
            buffer,
            capacity,
            size,
        )
    end
end

end
