"""numpy arrays as the library's matrices and back, in place wherever the library can read or write them."""

from __future__ import annotations

from typing import Any, Optional, SupportsFloat

import numpy as np
import numpy.typing as npt

from ._errors import InvalidArgumentError, InvalidDataError
from ._ffi import ffi
from ._library import lib

Array = npt.NDArray[Any]


def _numbers(name: str, given: Any) -> Array:
    if given is None:
        raise TypeError(f"{name} must be an array of numbers, got None")
    if hasattr(given, "toarray") and not isinstance(given, np.ndarray):
        raise TypeError(
            f"{name} must be dense, got {type(given).__name__}: reduce its dimension first, or use .toarray()"
        )
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InvalidDataError(f"{name} must have a value everywhere, got a masked array")
    try:
        array = np.asarray(given)
    except ValueError:
        raise InvalidArgumentError(f"{name} must have rows of one length") from None
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind not in "biufO":
        raise TypeError(f"{name} must be numbers, got the dtype {array.dtype}")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be numbers, got the dtype {array.dtype} ({error})") from None


def _in_place(array: Array) -> bool:
    """Whether the library can use the array where it is: native, aligned, with strides of whole elements."""
    whole = all(stride % array.itemsize == 0 for stride in array.strides)
    return array.dtype.isnative and array.flags.aligned and whole


def matrix(name: str, given: Any) -> Array:
    """A matrix of cells in rows that the library can read, copied only where it must be."""
    array = _numbers(name, given)
    if array.ndim != 2:
        raise InvalidArgumentError(f"{name} must be a matrix, one row a cell, got the shape {array.shape}")
    return array if _in_place(array) else array.astype(array.dtype.newbyteorder("="), order="C")


def shared(name: str, given: Any) -> Array:
    """A matrix of cells in rows that the library can use for as long as it likes, where it is: never a copy."""
    if not isinstance(given, np.ndarray) and hasattr(given, "__dlpack__"):
        given = np.from_dlpack(given)
    if not isinstance(given, np.ndarray):
        raise TypeError(f"{name} must be an array to be used without a copy, got {type(given).__name__}")
    if isinstance(given, np.ma.MaskedArray):
        raise InvalidDataError(f"{name} must not be masked to be used without a copy")
    if given.ndim != 2:
        raise InvalidArgumentError(f"{name} must be a matrix, one row a cell, got the shape {given.shape}")
    if given.dtype != np.float32 or not (given.dtype.isnative and given.flags.aligned and given.flags.c_contiguous):
        order = "C" if given.flags.c_contiguous else "another"
        raise InvalidArgumentError(
            f"{name} must be float32 of native byte order, in C order, to be used without a copy, got {given.dtype.str} in "
            f"{order} order"
        )
    return given


def vector(name: str, given: Any, count: Optional[int] = None) -> npt.NDArray[np.float64]:
    """Doubles, one after another."""
    array = np.ascontiguousarray(np.atleast_1d(_numbers(name, given)), dtype=np.float64)
    if array.ndim != 1:
        raise InvalidArgumentError(f"{name} must be one-dimensional, got the shape {array.shape}")
    if count is not None and len(array) != count:
        raise InvalidArgumentError(f"{name} must have {count} elements, got {len(array)}")
    return array


def number(name: str, given: Any) -> float:
    """One number."""
    if isinstance(given, (str, bytes)) or not isinstance(given, SupportsFloat):
        raise TypeError(f"{name} must be a number, got {given!r}")
    return float(given)


def output(name: str, given: Any, shape: tuple[int, int]) -> Array:
    """A caller's array to be filled: of the right shape, and such that the library can write to it."""
    if not isinstance(given, np.ndarray) or given.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be a numpy array of float32 or float64")
    if given.shape != shape:
        raise InvalidArgumentError(f"{name} must have the shape {shape}, got {given.shape}")
    if not given.flags.writeable or not _in_place(given):
        raise InvalidArgumentError(f"{name} must be writeable, aligned and in native byte order")
    return given


def address(array: Array) -> int:
    where: int = array.__array_interface__["data"][0]
    return where


def fields(array: Array) -> dict[str, Any]:
    """The members of a ``chreode_matrix`` or ``chreode_matrix_mut``; the array must outlive it."""
    (rows, cols), (row_stride, col_stride) = array.shape, array.strides
    return {
        "data": ffi.cast("void *", address(array)),
        "rows": rows,
        "cols": cols,
        "row_stride": row_stride // array.itemsize,
        "col_stride": col_stride // array.itemsize,
        "dtype": lib.CHREODE_F32 if array.itemsize == 4 else lib.CHREODE_F64,
    }


def view(array: Array) -> Any:
    return ffi.new("chreode_matrix *", fields(array))


def view_mut(array: Array) -> Any:
    return ffi.new("chreode_matrix_mut *", fields(array))


def pointer(kind: str, array: Optional[Array]) -> Any:
    """The elements of an array that lies in one piece; NULL for none."""
    return ffi.NULL if array is None else ffi.cast(f"{kind} *", address(array))


def count(array: Optional[Array]) -> int:
    return 0 if array is None else len(array)
