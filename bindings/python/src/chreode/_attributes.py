"""Texts by name that a model carries, beside what the library itself knows of it.

They are kept with the Python object and in its pickles. Whatever is remembered of a fit goes through these two functions, so
that they are all that changes where the texts live.
"""

from __future__ import annotations

from typing import Optional, Protocol


class Attributed(Protocol):
    _attributes: dict[str, str]


def set_attribute(model: Attributed, name: str, text: str) -> None:
    model._attributes[name] = text


def attribute(model: Attributed, name: str) -> Optional[str]:
    """The text of that name; None if there is none."""
    return model._attributes.get(name)
