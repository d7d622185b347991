"""Writes src/chreode/_option_types.py, the options as type checkers see them, from the library's own list:

    python bindings/python/tools/option_types.py

with the package installed. A test compares the file with the list.
"""

import re
from pathlib import Path

import chreode

FILE = Path(__file__).parents[1] / "src" / "chreode" / "_option_types.py"

HEAD = '''"""Options as type checkers see them. Made by tools/option_types.py from the library's list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Optional, SupportsFloat, SupportsIndex, TypedDict, Union

import numpy as np
import numpy.typing as npt

Real = Optional[SupportsFloat]
Integer = Optional[SupportsIndex]
Widths = Union[str, Sequence[int], "npt.NDArray[np.integer[Any]]", None]
Switch = Optional[bool]
'''

#: The classes, and the lists that each holds.
CLASSES = {
    "FitOptions": ["fit"],
    "SimulateOptions": ["simulate"],
    "EvaluateOptions": ["evaluate"],
    "FatesOptions": ["fates"],
    "TransportOptions": ["transport"],
    "DatasetOptions": chreode.capabilities()["data_sets"],
}
#: What functions have as parameters of their own.
PARAMETERS = {"FitOptions": ["method"], "SimulateOptions": ["mode", "seed"], "FatesOptions": ["mode", "from", "to", "seed"]}


def hint(option):
    if option.kind != "name":
        return option.kind.capitalize()
    names = option.range.split(" | ")
    # The devices are those of a build.
    if option.name == "device" or not all(re.fullmatch(r"[a-z0-9-]+", name) for name in names):
        return "Optional[str]"
    line = f"Optional[Literal[{', '.join(map(repr, names))}]]".replace("'", '"')
    if len(f"    {option.name}: {line}") <= 120:
        return line
    return "Optional[\n        Literal[\n" + "".join(f'            "{name}",\n' for name in names) + "        ]\n    ]"


def render():
    text = HEAD
    for name, lists in CLASSES.items():
        found = {option.name: hint(option) for kept in lists for option in chreode.options(kept)}
        members = [f"    {key}: {kind}\n" for key, kind in found.items() if key not in PARAMETERS.get(name, [])]
        text += f"\n\nclass {name}(TypedDict, total=False):\n{''.join(members)}"
    return text


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
