"""Where the cells of a fit came from: what a model has to know to be asked about other cells in the same way."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Optional

from . import _attributes
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

    def write(self, model: _attributes.Attributed) -> None:
        """Makes a model remember this."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value is not False:
                text = value.to_text() if isinstance(value, Clock) else json.dumps(value)
                _attributes.set_attribute(model, field.name, text)

    @classmethod
    def read(cls, model: _attributes.Attributed) -> Source:
        """What a model remembers."""
        told: dict[str, Any] = {}
        for field in fields(cls):
            text = _attributes.attribute(model, field.name)
            if text is not None:
                told[field.name] = Clock.of_text(text) if field.name == "clock" else json.loads(text)
        if "coordinates" in told:
            told["coordinates"] = tuple(told["coordinates"])
        if "masses" in told:
            told["masses"] = tuple((time, mass) for time, mass in told["masses"])
        return cls(**told)
