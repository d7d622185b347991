"""The shared library: loaded, checked, and called."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Optional

from . import _errors
from ._ffi import ffi

_NAME = {"win32": "chreode.dll", "darwin": "libchreode.dylib"}.get(sys.platform, "libchreode.so")

lib: Any = ffi.dlopen(str(Path(__file__).with_name(_NAME)))

if lib.chreode_abi_version() != lib.CHREODE_ABI_VERSION:
    raise ImportError(
        f"{_NAME} has the binary interface {lib.chreode_abi_version()}, this package was made for {lib.CHREODE_ABI_VERSION}"
    )


def message() -> str:
    """What was wrong with this thread's last call."""
    text: bytes = ffi.string(lib.chreode_last_error_message())
    return text.decode("utf-8", "replace")


def check(status: int) -> None:
    """Raises what a status says."""
    if status != lib.CHREODE_OK:
        raise _errors.of_status(status, message())


def text(function: Callable[..., int], *leading: Any) -> str:
    """A text of any length: its size first, then it."""
    size = ffi.new("size_t *")
    check(function(*leading, ffi.NULL, 0, size))
    buffer = ffi.new("char[]", size[0])
    check(function(*leading, buffer, size[0], size))
    got: bytes = ffi.string(buffer)
    return got.decode()


def number(kind: str, function: Callable[..., int], *leading: Any) -> Any:
    """A number that a function tells through a pointer."""
    value = ffi.new(f"{kind} *")
    check(function(*leading, value))
    return value[0]


#: Held while what a fork left behind is put right.
renewal = threading.Lock()


def _forget_renewal() -> None:
    global renewal
    renewal = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_renewal)


class Handle:
    """A handle of the library, used as a context: ``with handle as pointer``.

    It is freed when Python drops it, or by :meth:`close`. Threads take turns with it. A callback that comes back to a handle
    that is busy below it would wait for ever, and is told so instead.
    """

    def __init__(self, pointer: Any, free: Callable[[Any], None], what: str, kept: Any = None) -> None:
        def release(pointer: Any, kept: Any = kept) -> None:
            # `kept` is what the library reads without a copy: gone with the handle, and not before.
            free(pointer)

        self._pointer: Any = ffi.gc(pointer, free if kept is None else release)
        self._what = what
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._user: Optional[int] = None
        self._process = os.getpid()

    def __enter__(self) -> Any:
        if self._process != os.getpid():
            # After a fork: who held the lock in the parent, if anybody, is not here to give it back.
            with renewal:
                if self._process != os.getpid():
                    self._renew()
        if self._user == threading.get_ident():
            raise RuntimeError(f"the {self._what} are in use by the call that this callback belongs to")
        self._lock.acquire()
        if self._pointer is None:
            self._lock.release()
            raise ValueError(f"the {self._what} are closed")
        self._user = threading.get_ident()
        return self._pointer

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._user = None
        self._lock.release()

    def close(self) -> None:
        """Frees the handle now, after those who use it; again and again if you like."""
        try:
            with self as pointer:
                self._pointer = None
        except ValueError:
            return
        ffi.release(pointer)


def version() -> str:
    """The version of the library."""
    text: bytes = ffi.string(lib.chreode_version())
    return text.decode()


def capabilities() -> dict[str, Any]:
    """What the library can do: its methods, couplings, bridges, modes, fields, data sets, option lists, devices and cores."""
    told: dict[str, Any] = json.loads(text(lib.chreode_capabilities))
    return told
