# The library's reports, which are texts in JSON (RFC 8259): objects become `Dict{String, Any}`, arrays vectors of what their
# elements have in common, `null` becomes `nothing`.

mutable struct Text
    bytes::Vector{UInt8}
    at::Int
end

function parsed(text::AbstractString)
    rest = Text(Vector{UInt8}(text), 1)
    value = parsed(rest)
    next(rest) == 0x00 || unexpected(rest)
    return value
end

function unexpected(rest::Text)
    return throw(ArgumentError("a text of the library's is not JSON at byte $(rest.at)"))
end

# The next byte that is not a space, 0 at the end.
function next(rest::Text)
    while rest.at <= length(rest.bytes)
        byte = rest.bytes[rest.at]
        byte in (0x20, 0x09, 0x0a, 0x0d) || return byte
        rest.at += 1
    end
    return 0x00
end

function take(rest::Text, sign::Char)
    next(rest) == UInt8(sign) || unexpected(rest)
    rest.at += 1
    return nothing
end

function found(rest::Text, sign::Char)
    is = next(rest) == UInt8(sign)
    rest.at += is
    return is
end

function parsed(rest::Text)
    byte = Char(next(rest))
    byte == '{' && return object(rest)
    byte == '[' && return array(rest)
    byte == '"' && return string_of(rest)
    for (word, value) in ("true" => true, "false" => false, "null" => nothing)
        if startswith(String(rest.bytes[rest.at:min(end, rest.at + 4)]), word)
            rest.at += length(word)
            return value
        end
    end
    return number(rest)
end

function object(rest::Text)
    entries = Dict{String, Any}()
    take(rest, '{')
    found(rest, '}') && return entries
    while true
        name = string_of(rest)
        take(rest, ':')
        entries[name] = parsed(rest)
        found(rest, ',') || break
    end
    take(rest, '}')
    return entries
end

function array(rest::Text)
    values = []
    take(rest, '[')
    found(rest, ']') && return values
    while true
        push!(values, parsed(rest))
        found(rest, ',') || break
    end
    take(rest, ']')
    return map(identity, values)
end

function number(rest::Text)
    from = rest.at
    while rest.at <= length(rest.bytes) && Char(rest.bytes[rest.at]) in "+-.eE0123456789"
        rest.at += 1
    end
    digits = String(rest.bytes[from:(rest.at - 1)])
    value = tryparse(Int, digits)
    value = value === nothing ? tryparse(Float64, digits) : value
    return value === nothing ? unexpected(rest) : value
end

const ESCAPES = Dict('b' => '\b', 'f' => '\f', 'n' => '\n', 'r' => '\r', 't' => '\t')

function string_of(rest::Text)
    take(rest, '"')
    out = IOBuffer()
    while rest.at <= length(rest.bytes)
        byte = rest.bytes[rest.at]
        rest.at += 1
        byte == UInt8('"') && return String(take!(out))
        if byte != UInt8('\\')
            write(out, byte)
            continue
        end
        sign = rest.at <= length(rest.bytes) ? Char(rest.bytes[rest.at]) : '\0'
        rest.at += 1
        if sign == 'u'
            print(out, escaped(rest))
        else
            print(out, get(ESCAPES, sign, sign))
        end
    end
    return unexpected(rest)
end

# What follows `\u`: a character, or the first half of one beyond the first plane.
function escaped(rest::Text)
    unit = hexadecimal(rest)
    0xd800 <= unit < 0xdc00 || return Char(unit)
    rest.at += 2
    return Char(0x00010000 + ((unit - 0xd800) << 10) + (hexadecimal(rest) - 0xdc00))
end

function hexadecimal(rest::Text)
    digits = String(rest.bytes[rest.at:min(end, rest.at + 3)])
    value = tryparse(UInt32, digits; base = 16)
    (value === nothing || length(digits) < 4) && unexpected(rest)
    rest.at += 4
    return value
end
