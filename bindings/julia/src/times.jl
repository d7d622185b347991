# Times as numbers, whatever they were said by.

"""
    Chreode.times_of(labels)

The times that `labels` say, as `Float64`: numbers as they are; periods of `Dates` in the largest unit among them; and texts that
are a number (`"3"`), or a number between letters that are the same in all of them (`"day0"`, `"E8.5"`, `"3h"`). What was read
from periods and texts is shown by `@info`. Anything else is an error, which shows the labels and how to say their times.
"""
times_of(labels) = times_of("time", "cell", labels)

times_of(what, each, labels::AbstractVector{<:Real}) = doubles(what, each, labels)
times_of(what, each, label::Union{Real, AbstractString, Symbol}) = times_of(
    what,
    each,
    [label],
)

function times_of(what, each, labels)
    given = collect(Any, labels)
    wrong = findfirst(ismissing, given)
    wrong === nothing || throw(ArgumentError("$what of $each $wrong is missing"))
    all(label -> label isa Real, given) && return doubles(what, each, given)
    levels = unique(given)
    read = numbers(levels)
    read === nothing && throw(ArgumentError(unreadable(what, levels)))
    times = Dict(zip(levels, read))
    shown = [
        "$(worded(level)) → $(times[level])"
        for level in sort(levels; by = level -> times[level])
    ]
    @info "$what was read from labels: $(listed(shown))"
    return Float64[times[label] for label in given]
end

worded(label::AbstractString) = repr(String(label))
worded(label::Period) = string(label)
worded(label) = repr(label)

listed(texts) = length(texts) <= 12 ? join(texts, ", ") : join(texts[1:12], ", ") * ", …"

function unreadable(what, levels)
    shown = map(worded, levels)
    some = join(["$label => …" for label in shown[1:min(end, 3)]], ", ")
    return "$what must be numbers, got what cannot be read as such: $(listed(shown)). " *
        "Say the time of each: times = Dict($some); [times[label] for label in labels]"
end

# The numbers of labels, `nothing` if there is not one way to read them.
function numbers(levels)
    all(level -> level isa Period, levels) && return periods(levels)
    all(level -> level isa Union{AbstractString, Symbol, AbstractChar}, levels) &&
        return texts(map(string, levels))
    return nothing
end

function periods(levels)
    kinds = unique(map(typeof, levels))
    length(kinds) == 1 && return [Float64(Dates.value(level)) for level in levels]
    all(kind -> kind <: Dates.FixedPeriod, kinds) || return nothing
    unit = maximum(Dates.toms(kind(1)) for kind in kinds)
    return [Dates.toms(level) / unit for level in levels]
end

const NUMBER = r"^\s*[+-]?\d+(\.\d+)?\s*$"
const LABEL = r"^\s*(\p{L}*)[ _]?(\d+(?:\.\d+)?) ?(\p{L}*)\s*$"

function texts(levels)
    all(level -> occursin(NUMBER, level), levels) &&
        return [parse(Float64, strip(level)) for level in levels]
    parts = [match(LABEL, level) for level in levels]
    any(isnothing, parts) && return nothing
    around = unique((lowercase(part[1]), lowercase(part[3])) for part in parts)
    return length(around) == 1 ? [parse(Float64, part[2]) for part in parts] : nothing
end
