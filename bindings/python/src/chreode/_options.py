"""Options by name, and what the library says of them."""

from __future__ import annotations

import inspect
import numbers
from typing import Any, Callable, NamedTuple, TypeVar

import numpy as np

from ._ffi import ffi
from ._library import Handle, check, lib, number


class Option(NamedTuple):
    """One option in words."""

    name: str
    #: ``real``, ``integer``, ``name``, ``widths`` (``"256x5"``, ``"256,128"`` or a list) or ``switch``.
    kind: str
    default: str
    range: str
    meaning: str


def _text(value: Any) -> bytes:
    return str(value).encode()


def _empty(name: str) -> Handle:
    made = ffi.new("chreode_options **")
    check(lib.chreode_options_new(_text(name), made))
    return Handle(made[0], lib.chreode_options_free, "options")


def _set(options: Any, name: str, value: Any) -> int:
    key = _text(name)
    if isinstance(value, str):
        return int(lib.chreode_options_set_string(options, key, _text(value)))
    if type(value).__name__ in ("bool", "bool_"):
        return int(lib.chreode_options_set_string(options, key, b"true" if value else b"false"))
    if isinstance(value, numbers.Integral):
        whole = int(value)
        if -(2**63) <= whole < 2**63:
            return int(lib.chreode_options_set_integer(options, key, whole))
        return int(lib.chreode_options_set_string(options, key, _text(whole)))
    if isinstance(value, numbers.Real):
        return int(lib.chreode_options_set_real(options, key, float(value)))
    if isinstance(value, np.ndarray) and value.ndim == 1 or isinstance(value, range):
        value = list(value)
    if isinstance(value, (list, tuple)):
        return int(lib.chreode_options_set_string(options, key, _text(",".join(str(width) for width in value))))
    raise TypeError(f"the option {name} must be a number, a text or a list of widths, got {type(value).__name__}")


def make(name: str, given: dict[str, Any]) -> Handle:
    """Options of a list; what is None is what it is by default."""
    handle = _empty(name)
    with handle as options:
        for key, value in given.items():
            if value is None:
                check(lib.chreode_options_unset(options, _text(key)))  # refuses unknown names as well
            else:
                check(_set(options, key, value))
    return handle


def options(name: str = "fit") -> list[Option]:
    """The options of a list, as the library describes them.

    The lists are ``fit``, ``simulate``, ``evaluate``, ``validate``, ``fates``, ``transport`` and those of the data sets:
    ``chreode.capabilities()["option_lists"]``.
    """
    described = []
    with _empty(name) as handle:
        entry = ffi.new("chreode_option *")
        for index in range(number("size_t", lib.chreode_options_count, handle)):
            check(lib.chreode_options_describe(handle, index, entry))
            texts = (entry.name, entry.kind, entry.default_value, entry.range, entry.meaning)
            described.append(Option(*(ffi.string(text).decode() for text in texts)))
    return described


F = TypeVar("F", bound=Callable[..., Any])


def documented(name: str, *parameters: str) -> Callable[[F], F]:
    """Ends the docstring of a function with the options of a list that are not parameters of its own, and puts them in the
    signature that interpreters complete names from."""

    def document(function: F) -> F:
        added = [option for option in options(name) if option.name not in parameters]
        lines = [
            f"{option.name} : {option.kind}, {option.range}; default {option.default}\n    {option.meaning}."
            for option in added
        ]
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options", "-------", *lines, ""])
        signature = inspect.signature(function)
        own = [given for given in signature.parameters.values() if given.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None) for option in added]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return function

    return document
