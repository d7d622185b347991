"""Static optimal transport on its own."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arrays as arrays
from ._errors import NotConvergedWarning
from ._ffi import ffi
from ._library import Handle, check, lib, message, text
from ._options import documented, make


@dataclass(frozen=True)
class Plan:
    """A sparse optimal plan between two clouds of points, its dual potentials and the solver's report."""

    #: Number of source points and of target points.
    shape: tuple[int, int]
    #: Where the entries of each source point begin, and their number in the end.
    row_offsets: npt.NDArray[np.int64]
    #: The target point of each entry, increasing within a row.
    targets: npt.NDArray[np.int64]
    #: The mass of each entry.
    masses: npt.NDArray[np.float64]
    #: Dual potentials; infinite for a point that nothing can be sent from, or that nothing can reach.
    source_potential: npt.NDArray[np.float64]
    target_potential: npt.NDArray[np.float64]
    #: primal, dual, gap, transport_cost, transported_mass, source_residual, target_residual, iterations, converged.
    report: dict[str, Any]

    @property
    def sources(self) -> npt.NDArray[np.int64]:
        """The source point of each entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.row_offsets))

    @property
    def plan(self) -> Any:
        """The plan as a ``scipy.sparse`` matrix in compressed rows, or (sources, targets, masses) without scipy."""
        try:
            from scipy import sparse
        except ImportError:
            return self.sources, self.targets, self.masses
        kind = getattr(sparse, "csr_array", sparse.csr_matrix)
        return kind((self.masses, self.targets, self.row_offsets), shape=self.shape)

    def __repr__(self) -> str:
        rows, cols = self.shape
        return f"<chreode.Plan: {rows} × {cols}, {len(self.masses)} entries, primal {self.report['primal']:.6g}>"


@documented("transport")
def transport(
    source: Any, target: Any, *, source_weights: Any = None, target_weights: Any = None, **options: Any
) -> Plan:
    """Solves a static transport problem between two clouds of points.

    Entropic if ``epsilon`` is positive, exact if both penalties are infinite, else the unregularised optimum with relaxed
    marginals.

    Parameters
    ----------
    source, target : arrays, n × d and m × d, one row a point
    source_weights, target_weights : one weight a row; 1 if there are none

    Warns
    -----
    NotConvergedWarning : the solver stopped before its tolerance; the plan is returned all the same
    """
    points, others = arrays.matrix("source", source), arrays.matrix("target", target)
    given = None if source_weights is None else arrays.vector("source_weights", source_weights)
    wanted = None if target_weights is None else arrays.vector("target_weights", target_weights)
    made = ffi.new("chreode_plan **")
    with make("transport", options) as handle:
        status = lib.chreode_transport(
            arrays.view(points),
            arrays.pointer("double", given),
            arrays.count(given),
            arrays.view(others),
            arrays.pointer("double", wanted),
            arrays.count(wanted),
            handle,
            made,
        )
        if status == lib.CHREODE_ERROR_NOT_CONVERGED:
            warnings.warn(message(), NotConvergedWarning, stacklevel=2)
        else:
            check(status)
    return _own(made[0])


def _own(pointer: Any) -> Plan:
    """Takes everything out of a plan of the library, which is freed."""
    handle = Handle(pointer, lib.chreode_plan_free, "plan")
    with handle as plan:
        sizes = ffi.new("size_t[3]")
        check(lib.chreode_plan_size(plan, sizes, sizes + 1, sizes + 2))
        rows, cols, entries = sizes
        offsets, targets, masses = np.empty(rows + 1, np.int64), np.empty(entries, np.int64), np.empty(entries)
        source, target = np.empty(rows), np.empty(cols)
        check(lib.chreode_plan_row_offsets(plan, arrays.pointer("uint64_t", offsets), rows + 1))
        check(
            lib.chreode_plan_entries(
                plan, ffi.NULL, arrays.pointer("uint64_t", targets), arrays.pointer("double", masses), entries
            )
        )
        check(
            lib.chreode_plan_potentials(
                plan, arrays.pointer("double", source), rows, arrays.pointer("double", target), cols
            )
        )
        report = json.loads(text(lib.chreode_plan_report, plan))
    handle.close()
    return Plan((rows, cols), offsets, targets, masses, source, target, report)
