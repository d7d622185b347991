"""Static optimal transport on its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from . import _anndata, _html, _names, _progress
from . import _arrays as arrays
from ._errors import NotConvergedWarning, warn, warn_of
from ._ffi import ffi
from ._library import Handle, check, lib, message, text
from ._options import documented, make

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._option_types import TransportOptions


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
    #: primal, dual, gap, transport_cost, transported_mass, source_residual, target_residual, iterations, converged, warnings.
    report: dict[str, Any]

    @property
    def sources(self) -> npt.NDArray[np.int64]:
        """The source point of each entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.row_offsets))

    @property
    def plan(self) -> Any:
        """The plan as a ``scipy.sparse.csr_matrix``, or (sources, targets, masses) without scipy."""
        try:
            from scipy import sparse
        except ImportError:
            return self.sources, self.targets, self.masses
        return sparse.csr_matrix((self.masses, self.targets, self.row_offsets), shape=self.shape)

    def __repr__(self) -> str:
        rows, cols = self.shape
        return f"<chreode.Plan: {rows} × {cols}, {len(self.masses)} entries, primal {self.report['primal']:.6g}>"

    def _repr_html_(self) -> str:
        rows, cols = self.shape
        title = f"chreode.Plan: {rows} × {cols}, {len(self.masses)} entries"
        return _html.table(title, (), [(key, value) for key, value in self.report.items()])


@documented("transport")
def transport(
    source: Any,
    target: Any,
    *,
    source_weights: Any = None,
    target_weights: Any = None,
    obsm: Optional[str] = None,
    progress: _progress.Progress = None,
    **options: Unpack[TransportOptions],
) -> Plan:
    """Solves a static transport problem between two clouds of points.

    Entropic if ``epsilon`` is positive, exact if both penalties are infinite, else the unregularised optimum with relaxed
    marginals.

    Parameters
    ----------
    source, target : arrays or DataFrames, n × d and m × d, one row a point, or AnnDatas
        The coordinates of two DataFrames are matched by name.
    source_weights, target_weights : one weight a row; 1 if there are none. A Series is aligned by its index
        For an AnnData also the name of a column of ``obs``.
    obsm : the coordinates of AnnDatas, ``"X_pca"`` unless another key is given
    progress : True for a bar, or a function, as in :func:`fit`: something true ends the call by a CancelledError

    Warns
    -----
    NotConvergedWarning : the solver stopped before its tolerance; the plan is returned all the same
    ChreodeWarning : nothing is transported, or most points are out of reach
    """
    if obsm is not None and not (_anndata.is_anndata(source) or _anndata.is_anndata(target)):
        raise TypeError("`obsm` is for an AnnData")
    source, given = _cloud("source_weights", source_weights, source, obsm)
    target, wanted = _cloud("target_weights", target_weights, target, obsm)
    points = arrays.matrix("source", source)
    others = arrays.matrix("target", _names.by_columns("target", target, _names.columns(source)))
    made = ffi.new("chreode_plan **")
    with make("transport", dict(options)) as handle, _progress.Watch(progress) as watch:
        status = lib.chreode_transport(
            arrays.view(points),
            arrays.pointer("double", given),
            arrays.count(given),
            arrays.view(others),
            arrays.pointer("double", wanted),
            arrays.count(wanted),
            handle,
            watch.callback,
            ffi.NULL,
            made,
        )
        if status == lib.CHREODE_ERROR_NOT_CONVERGED:
            warn(message(), NotConvergedWarning)
        else:
            watch.check(status)
    plan = _own(made[0])
    warn_of(plan.report)
    return plan


def _cloud(name: str, weights: Any, points: Any, obsm: Optional[str]) -> tuple[Any, Optional[npt.NDArray[np.float64]]]:
    """The points of a cloud, and their weights, if they have some."""
    if _anndata.is_anndata(points):
        given = None if weights is None else _anndata.values(points, name, weights)
        return _anndata.coordinates(points, obsm or "X_pca"), given
    if weights is None:
        return points, None
    return points, arrays.vector(name, _names.by_rows(name, weights, _names.rows(points)))


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
