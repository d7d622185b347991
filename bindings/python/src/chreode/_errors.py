"""One exception for each status of the library, and its warnings."""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from collections.abc import Mapping
from typing import Any, Optional


class ChreodeError(Exception):
    """What the library refused, or could not do. The message says what would be right."""

    #: The number of the library's status.
    status: int = 0
    #: The :class:`Dynamics` that a fit had learned when it ended early; None if training had not begun, and for other errors.
    model: Any = None


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
    """The operating system refused a file: ``errno`` says why.

    It is also a ``FileNotFoundError``, ``PermissionError`` or ``IsADirectoryError`` where it is one.
    """

    status = -9

    def __init__(self, message: str) -> None:
        super().__init__(message)
        told = re.search(r"\(os error (\d+)\)$", message)
        if told and os.name == "posix":  # elsewhere the number is no errno
            self.errno = int(told[1])
            self.strerror = os.strerror(self.errno)

    def __str__(self) -> str:
        return str(self.args[0])  # that of OSError knows no path


class MissingFileError(FileError, FileNotFoundError):
    """There is no such file or folder."""


class ForbiddenFileError(FileError, PermissionError):
    """The file may not be read or written."""


class FolderError(FileError, IsADirectoryError):
    """A folder stands where a file should be."""


_FILE_ERRORS: dict[int, type[FileError]] = {
    errno.ENOENT: MissingFileError,
    errno.EACCES: ForbiddenFileError,
    errno.EPERM: ForbiddenFileError,
    errno.EISDIR: FolderError,
}


class ForkedError(ChreodeError, RuntimeError):
    """A handle of the parent of this process whose threads did not come along through fork."""

    status = -12


class WorkerError(ChreodeError, RuntimeError):
    """A process that did a task for this one died, or failed at something that is not the library's; its cause is known."""


class InternalError(ChreodeError, RuntimeError):
    """A defect of the library: please report it with the message."""

    status = -100


class ChreodeWarning(UserWarning):
    """What the library did is not quite what was asked, or not to be trusted everywhere; its text says why."""


class NotConvergedWarning(ChreodeWarning):
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
    if isinstance(error, FileError):
        error = _FILE_ERRORS.get(error.errno or 0, FileError)(message)
    error.status = status
    return error


def warn(message: str, kind: type[ChreodeWarning] = ChreodeWarning) -> None:
    """Warns where the caller of this package stands."""
    frame, level, package = sys._getframe(1), 2, os.path.dirname(__file__)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, kind, stacklevel=level)


def warn_of(report: Optional[Mapping[str, Any]]) -> None:
    """Shows the warnings of a report of the library, if it has any."""
    for message in (report or {}).get("warnings", ()):
        warn(message)
