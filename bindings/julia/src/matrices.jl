# Julia's matrices as the library's, where they are in memory if that can be.

element(::Type{Float32}) = C.CHREODE_F32
element(::Type{Float64}) = C.CHREODE_F64

# What the library can read: strided, of Float32 or Float64. Everything else is copied.
readable(x::StridedMatrix{<:Union{Float32, Float64}}) = x
readable(x::AbstractMatrix{T}) where {T <: Real} = Matrix{T === Float32 ? T : Float64}(x)

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

doubles(x) = convert(Vector{Float64}, vec(collect(Float64, x)))
doubles(::Nothing) = Float64[]

# An array that may be left out: NULL with count 0.
optional(x::Vector{Float64}, given) = given === nothing ? Ptr{Cdouble}(C_NULL) : pointer(x)
