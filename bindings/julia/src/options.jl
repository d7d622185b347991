# Options by name.

function new_options(list::AbstractString)
    return make_handle(C.chreode_options_free, C.chreode_options) do pointer
        C.chreode_options_new(list, pointer)
    end
end

set(options, name, value::AbstractString) = C.chreode_options_set_string(
    options,
    name,
    value,
)
set(options, name, value::Symbol) = set(options, name, String(value))
set(options, name, value::Bool) = set(options, name, string(value))
set(options, name, value::Real) = C.chreode_options_set_real(options, name, value)
set(options, name, value::Union{AbstractVector, Tuple}) = set(
    options,
    name,
    join(value, ","),
)
set(options, name, ::Nothing) = C.chreode_options_unset(options, name)

function set(options, name, value::Integer)
    typemin(Int64) <= value <= typemax(Int64) || return set(options, name, string(value))
    return C.chreode_options_set_integer(options, name, value)
end

function set(options, name, value)
    return throw(ArgumentError(
        "$name must be a number, a text, a switch or a list of numbers, got $(repr(value)) of type $(typeof(value))",
    ))
end

# Options of a list; what is `nothing` is what it is by default.
function options_of(list::AbstractString, given)
    handle = new_options(list)
    use(handle) do options
        for (name, value) in pairs(given)
            check(set(options, String(name), value))
        end
    end
    return handle
end

"""
    Chreode.options(list = "fit")

The options of a list as the library describes them: `name`, `kind`, `default`, `range` and `meaning` of each. The lists are
those of `Chreode.capabilities()["option_lists"]`.
"""
function options(list::AbstractString = "fit")
    return use(new_options(list)) do handle
        count = told(value -> C.chreode_options_count(handle, value), Csize_t)
        map(1:Int(count)) do index
            entry = told(C.chreode_option) do value
                C.chreode_options_describe(handle, index - 1, value)
            end
            (
                name = unsafe_string(entry.name),
                kind = unsafe_string(entry.kind),
                default = unsafe_string(entry.default_value),
                range = unsafe_string(entry.range),
                meaning = unsafe_string(entry.meaning),
            )
        end
    end
end
