"""How well a model predicts the snapshots after the first from the first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from . import _html
from ._errors import warn_of
from ._library import Handle, check, lib, number, text


@dataclass(frozen=True)
class Evaluation:
    """Measures of each time but the first, means over the runs, and of all of them together."""

    #: The times that were predicted.
    time: npt.NDArray[np.float64]
    #: Wasserstein distances of order 1 and 2, weights normalised; NaN where the population died out in every run.
    w1: npt.NDArray[np.float64]
    w2: npt.NDArray[np.float64]
    #: Relative mass error; 1 for a population that died out.
    rme: npt.NDArray[np.float64]
    #: Standard deviations over the runs, 0 for one run.
    w1_sd: npt.NDArray[np.float64]
    w2_sd: npt.NDArray[np.float64]
    rme_sd: npt.NDArray[np.float64]
    #: Standard deviations by the cells, see :meth:`Dynamics.deviation_over_members`; NaN of a model that is no ensemble.
    w1_error: npt.NDArray[np.float64]
    w2_error: npt.NDArray[np.float64]
    rme_error: npt.NDArray[np.float64]
    #: Where there are more particles or cells than the option ``exact_cells``, w1 and w2 are means over samples of so many (NaN where
    #: they are exact), with these standard errors (0 where exact). Two such samples of the cells themselves differ by the floor, which
    #: a perfect prediction would have (NaN where exact, or where all cells are one sample).
    w1_cells: npt.NDArray[np.float64]
    w1_se: npt.NDArray[np.float64]
    w2_se: npt.NDArray[np.float64]
    w1_floor: npt.NDArray[np.float64]
    w2_floor: npt.NDArray[np.float64]
    mean_w1: float
    mean_rme: float
    mean_w1_sd: float
    mean_rme_sd: float
    #: ½(‖v‖² + δ²g²) along the flow, per founding cell.
    action: float
    #: Everything as the library tells it, also what later versions add.
    measures: dict[str, Any]

    def __repr__(self) -> str:
        return (
            f"<chreode.Evaluation: mean W1 {self.mean_w1:.4g}, mean RME {self.mean_rme:.4g}, action {self.action:.4g}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            (f"{t:g}", f"{w1:.4g}", f"{w2:.4g}", f"{rme:.4g}")
            for t, w1, w2, rme in zip(self.time, self.w1, self.w2, self.rme)
        ]
        rows.append(("mean", f"{self.mean_w1:.4g}", "", f"{self.mean_rme:.4g}"))
        return _html.table(f"chreode.Evaluation: action {self.action:.4g}", ("time", "W1", "W2", "RME"), rows)


def own(pointer: Any) -> Evaluation:
    """Takes everything out of an evaluation of the library, which is freed."""
    handle = Handle(pointer, lib.chreode_evaluation_free, "evaluation")
    with handle as evaluation:
        count = number("size_t", lib.chreode_evaluation_time_count, evaluation)

        def each(name: str) -> npt.NDArray[np.float64]:
            values = np.empty(count)
            check(lib.chreode_evaluation_values(evaluation, name.encode(), arrays.pointer("double", values), count))
            return values

        def all_together(name: str) -> float:
            value: float = number("double", lib.chreode_evaluation_value, evaluation, name.encode())
            return value

        taken = Evaluation(
            time=each("time"),
            w1=each("w1"),
            w2=each("w2"),
            rme=each("rme"),
            w1_sd=each("w1_sd"),
            w2_sd=each("w2_sd"),
            rme_sd=each("rme_sd"),
            w1_error=each("w1_error"),
            w2_error=each("w2_error"),
            rme_error=each("rme_error"),
            w1_cells=each("w1_cells"),
            w1_se=each("w1_se"),
            w2_se=each("w2_se"),
            w1_floor=each("w1_floor"),
            w2_floor=each("w2_floor"),
            mean_w1=all_together("mean_w1"),
            mean_rme=all_together("mean_rme"),
            mean_w1_sd=all_together("mean_w1_sd"),
            mean_rme_sd=all_together("mean_rme_sd"),
            action=all_together("action"),
            measures=json.loads(text(lib.chreode_evaluation_json, evaluation)),
        )
    handle.close()
    warn_of(taken.measures)
    return taken
