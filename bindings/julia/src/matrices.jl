# Julia's matrices and vectors as the library's, where they are in memory if that can be; and what is wrong with them in words of
# Julia's.

element(::Type{Float32}) = C.CHREODE_F32
element(::Type{Float64}) = C.CHREODE_F64

# What the library can read: strided, of Float32 or Float64. Everything else is copied.
readable(::Any, x::StridedMatrix{<:Union{Float32, Float64}}, ::Symbol) = x
readable(::Any, x::AbstractMatrix{Float32}, ::Symbol) = Matrix{Float32}(x)
readable(::Any, x::AbstractMatrix{<:Real}, ::Symbol) = Matrix{Float64}(x)

# Matrices of `Any` or with `missing` hold numbers as well as not.
function readable(what, x::AbstractMatrix, cells::Symbol)
    for index in CartesianIndices(x)
        value = x[index]
        value isa Real && continue
        told = value === missing ? "is missing" : "is $(repr(value)), which is no number"
        throw(ArgumentError("$what of $(place(index, cells)) $told"))
    end
    return Matrix{Float64}(x)
end

function readable(what, x, ::Symbol)
    return throw(ArgumentError(
        "$what must be a matrix of numbers, got $(typeof(x)); Matrix(…) makes one of a table",
    ))
end

# A matrix of finite numbers that the library can read.
function points_of(what, x, cells::Symbol)
    data = readable(what, x, cells)
    shape(data, cells)
    # The sum is not finite if one of them is not, and seldom otherwise.
    isfinite(sum(data)) && return data
    for index in CartesianIndices(data)
        isfinite(data[index]) ||
            throw(ArgumentError("$what of $(place(index, cells)) is $(data[index])"))
    end
    return data
end

function place(index, cells::Symbol)
    cell, coordinate = cells === :rows ? Tuple(index) : reverse(Tuple(index))
    return "cell $cell, coordinate $coordinate"
end

# The same, of so many coordinates.
function points_of(what, x, cells::Symbol, dims::Integer)
    data = points_of(what, x, cells)
    n, d, _ = shape(data, cells)
    d == dims && return data
    lines = cells === :rows ? "columns" : "rows"
    other = cells === :rows ? "columns" : "rows"
    hint = n == dims ? "; cells = :$other says that cells are its $other" : ""
    return throw(DimensionMismatch(
        "$what must have $dims $lines, one for each coordinate of the model, got $d$hint",
    ))
end

# Number of cells and of coordinates, and the elements from one to the next.
function shape(x::AbstractMatrix, cells::Symbol)
    cells === :columns && return (size(x, 2), size(x, 1), stride(x, 2), stride(x, 1))
    cells === :rows && return (size(x, 1), size(x, 2), stride(x, 1), stride(x, 2))
    return throw(ArgumentError("cells must be :columns or :rows, got $(repr(cells))"))
end

# These point into `x`, which must be preserved while they are used.
function reading(x::StridedMatrix{T}, cells::Symbol) where {T}
    n, d, from_cell, from_coordinate = shape(x, cells)
    return C.chreode_matrix(pointer(x), n, d, from_cell, from_coordinate, element(T))
end

function writing(x::StridedMatrix{T}, cells::Symbol) where {T}
    n, d, from_cell, from_coordinate = shape(x, cells)
    return C.chreode_matrix_mut(pointer(x), n, d, from_cell, from_coordinate, element(T))
end

function empty_matrix(::Type{T}, n::Integer, d::Integer, cells::Symbol) where {T}
    return cells === :rows ? Matrix{T}(undef, n, d) : Matrix{T}(undef, d, n)
end

# Finite numbers, `what` of each `each`.
doubles(what, each, values::AbstractVector{<:Real}) = finite(
    what,
    each,
    Vector{Float64}(values),
)

function doubles(what, each, values)
    return finite(
        what,
        each,
        Float64[number(what, each, index, value) for (index, value) in enumerate(values)]
    )
end

number(what, each, index, value::Real) = Float64(value)

function number(what, each, index, value)
    told = value === missing ? "is missing" : "is $(repr(value)), which is no number"
    return throw(ArgumentError("$what of $each $index $told"))
end

function finite(what, each, values::Vector{Float64})
    wrong = findfirst(!isfinite, values)
    wrong === nothing || throw(ArgumentError("$what of $each $wrong is $(values[wrong])"))
    return values
end

# One weight a cell; none is as good as 1 for each, and is NULL with count 0 for the library.
weights_of(::Nothing, ::Integer) = Float64[]

function weights_of(weights, count::Integer)
    given = doubles("the weight", "cell", weights)
    length(given) == count ||
        throw(DimensionMismatch(
            "weights must have one number for each of $count cells, got $(length(given))",
        ))
    return given
end

optional(values::Vector{T}) where {T} = isempty(values) ? Ptr{T}(C_NULL) : pointer(values)
