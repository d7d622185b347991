"""Where the cells of a fit came from: what a model has to know to be asked about other cells in the same way."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Optional

from . import _attributes
from ._ffi import ffi
from ._library import check, lib
from ._masses import Masses
from ._times import Clock


@dataclass(frozen=True)
class Source:
    """The keys of an AnnData and what else came with the cells; None where a fit had none."""

    #: The key of the coordinates in ``obsm``.
    obsm: Optional[str] = None
    #: The columns of ``obs`` with the times and the weights.
    time: Optional[str] = None
    weights: Optional[str] = None
    #: Whether the cells had weights, from a column or not.
    weighted: bool = False
    #: The names of the coordinates.
    coordinates: Optional[tuple[str, ...]] = None
    #: The masses that were given.
    masses: Optional[Masses] = None
    #: How the labels of the times were read.
    clock: Optional[Clock] = None
    #: What the names of results in an AnnData begin with, where they were written.
    key_added: Optional[str] = None
    #: The options that were given to a fit to an AnnData, by name, but for the number of threads, on which no result depends.
    options: Optional[dict[str, Any]] = None

    def write(self, model: Any) -> None:
        """Makes a model, a pointer of the library's, remember this."""
        if self.coordinates is not None:
            names = [ffi.new("char[]", name.encode()) for name in self.coordinates]
            check(lib.chreode_model_set_coordinates(model, ffi.new("char *[]", names), len(names)))
        for field in fields(self):
            value = getattr(self, field.name)
            # Plain numbers need no reading: a model of them is the same bytes as one of cells that another language gave.
            if field.name == "coordinates" or value in (None, False, Clock("number"), {}):
                continue
            text = value.to_text() if isinstance(value, Clock) else json.dumps(value)
            _attributes.set_attribute(model, field.name, text)

    @classmethod
    def read(cls, model: Any, coordinates: Optional[list[str]]) -> Source:
        """What a model remembers, beside the names of its coordinates, which every language knows."""
        told: dict[str, Any] = {"coordinates": None if coordinates is None else tuple(coordinates)}
        for field in fields(cls):
            text = None if field.name == "coordinates" else _attributes.attribute(model, field.name)
            if text is not None:
                told[field.name] = Clock.of_text(text) if field.name == "clock" else json.loads(text)
        if "masses" in told:
            told["masses"] = tuple((time, mass) for time, mass in told["masses"])
        return cls(**told)
