"""One exception for each status of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from ._dynamics import Dynamics


class ChreodeError(Exception):
    """What the library refused, or could not do. The message says what would be right."""

    #: The number of the library's status.
    status: int = 0
    #: What a fit had learned when it ended early; None if training had not begun, and for other errors.
    model: Optional[Dynamics] = None


class InvalidArgumentError(ChreodeError, ValueError):
    """An argument or an option is outside its domain, or a size does not fit."""

    status = -2


class InvalidDataError(ChreodeError, ValueError):
    """The data cannot be used; the message names the row and column, counted from 1."""

    status = -3


class InfeasibleError(ChreodeError):
    """The transport problem has no solution of finite cost."""

    status = -4


class NonFiniteError(ChreodeError, ArithmeticError):
    """A computation left the finite numbers. ``model`` has the parameters of the last good step of a fit."""

    status = -5


class CancelledError(ChreodeError):
    """The progress function asked to stop. ``model`` has what was learned so far."""

    status = -6


class PopulationLimitError(ChreodeError):
    """A branching population grew past the option ``max_population``."""

    status = -7


class ModelFileError(ChreodeError, ValueError):
    """The bytes are not a model that this library reads."""

    status = -8


class FileError(ChreodeError, OSError):
    """The operating system refused a file."""

    status = -9


class ForkedError(ChreodeError, RuntimeError):
    """A handle of the parent of this process whose threads did not come along through fork."""

    status = -12


class InternalError(ChreodeError, RuntimeError):
    """A defect of the library: please report it with the message."""

    status = -100


class NotConvergedWarning(UserWarning):
    """A static solver stopped before its tolerance; the report of its result says how far it is from the optimum."""


_BY_STATUS = {
    kind.status: kind
    for kind in (
        InvalidArgumentError,
        InvalidDataError,
        InfeasibleError,
        NonFiniteError,
        CancelledError,
        PopulationLimitError,
        ModelFileError,
        FileError,
        ForkedError,
        InternalError,
    )
}


def of_status(status: int, message: str) -> ChreodeError:
    """The exception of a status, also of one that a later library has added."""
    error = _BY_STATUS.get(status, ChreodeError)(message)
    error.status = status
    return error
