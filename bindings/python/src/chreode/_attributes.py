"""Texts by name that a model carries in the library, and so in its bytes and its file, beside what the library itself knows.

The names of this package begin with ``python.``; what other languages keep is left alone.
"""

from __future__ import annotations

from typing import Any, Optional

from ._library import check, lib, text

_OURS = "python."


def set_attribute(model: Any, name: str, value: str) -> None:
    """Makes a model, a pointer of the library's, keep a text, which must not be empty."""
    check(lib.chreode_model_set_attribute(model, (_OURS + name).encode(), value.encode()))


def attribute(model: Any, name: str) -> Optional[str]:
    """The text of that name; None if there is none."""
    return text(lib.chreode_model_attribute, model, (_OURS + name).encode()) or None
