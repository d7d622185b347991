"""From the coordinates of a model to genes: velocities, associations and trends.

Coordinates that a linear reduction made of expression (PCA) lead back to genes by its loadings, d × genes: scikit-learn's
``components_``, R's ``rotation`` transposed, or the key of ``varm`` of an AnnData (``"PCs"``). Coordinates of other reductions
have no loadings; :func:`associate` needs none.

>>> found = chreode.genes.velocity(model, adata)                  # layers["chreode_velocity"], of an ensemble with its sd
>>> chreode.genes.associate(adata, "chreode_growth").to_frame()   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from . import _anndata, _names, _simulation
from . import _arrays as arrays
from ._errors import InvalidArgumentError, InvalidDataError

if TYPE_CHECKING:
    from ._dynamics import Dynamics

__all__ = ["GeneVelocity", "Ranking", "Trends", "associate", "trends", "velocity"]

#: So many genes are worked on at a time.
_BLOCK = 256
#: So many cells tell whether loadings belong to expression, and how far they may be off, relative to the spread of coordinates.
_CHECKED, _OFF = 200, 0.01


@dataclass(frozen=True)
class GeneVelocity:
    """How fast expression changes in each cell, in its units per unit of time."""

    #: The names of the genes; None if they have none.
    genes: Optional[list[str]]
    #: n × genes.
    velocity: npt.NDArray[np.float32]
    #: The standard deviation of its error, n × genes; None of a model that is no ensemble.
    sd: Optional[npt.NDArray[np.float32]]
    #: What its error is in the mean, n × genes; None where that is not known.
    bias: Optional[npt.NDArray[np.float32]] = None


@dataclass(frozen=True)
class Ranking:
    """How genes go with a quantity of the cells, in the order in which they were given."""

    #: The names of the genes; None if they have none.
    genes: Optional[list[str]]
    #: Spearman's rank correlation; NaN of a gene that is the same in all cells.
    correlation: npt.NDArray[np.float64]
    #: Of the correlation, two-sided, by Student's t distribution.
    p_value: npt.NDArray[np.float64]
    #: The false discovery rate at which the gene is found (Benjamini & Hochberg, J. R. Stat. Soc. B 57, 1995).
    fdr: npt.NDArray[np.float64]
    #: How many cells had the quantity.
    cells: int

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """The genes from the strongest association to the weakest; those without one come last."""
        return np.argsort(-np.nan_to_num(np.abs(self.correlation), nan=-1.0), kind="stable")

    def to_frame(self) -> Any:
        """A pandas DataFrame, the strongest association first."""
        import pandas

        columns = {"correlation": self.correlation, "p_value": self.p_value, "fdr": self.fdr}
        return pandas.DataFrame(columns, index=self.genes).iloc[self.order]

    def __repr__(self) -> str:
        first = [str(at) if self.genes is None else self.genes[at] for at in self.order[:3]]
        return f"<chreode.genes.Ranking: {len(self.fdr)} genes, {self.cells} cells; first {', '.join(first)}>"


@dataclass(frozen=True)
class Trends:
    """Expression along the mean path of a simulated population."""

    times: npt.NDArray[np.float64]
    #: The names of the genes; None if they have none.
    genes: Optional[list[str]]
    #: The mean over the particles, by weight, times × genes.
    mean: npt.NDArray[np.float64]
    #: The standard deviation of the mean by the cells, of an ensemble, times × genes; NaN of a model that is none.
    sd: npt.NDArray[np.float64]
    #: The mean in the coordinates of the model, times × d.
    path: npt.NDArray[np.float64]
    trajectory: _simulation.Trajectory
    _loadings: npt.NDArray[np.float64]
    _center: npt.NDArray[np.float64]
    _obsm: Optional[str]
    _coordinates: Optional[tuple[str, ...]]

    def index(self, genes: Optional[Sequence[Any]] = None) -> list[int]:
        """The columns of genes, given by name or by number; of all by default."""
        return _columns(genes, self.genes, self.mean.shape[1])

    def quantile(self, level: float, genes: Optional[Sequence[Any]] = None) -> npt.NDArray[np.float64]:
        """A quantile over the particles, by weight, times × genes: 0.05 and 0.95 hold nine tenths of the population."""
        if not 0.0 <= level <= 1.0:
            raise InvalidArgumentError(f"level must be 0 to 1, got {level:g}")
        columns = self.index(genes)
        loadings, center = self._loadings[:, columns], self._center[columns]
        rows = [
            _weighted_quantile(center + np.asarray(frame.points, np.float64) @ loadings, frame.weights, level)
            for frame in self.trajectory.frames
        ]
        return np.array(rows)

    def position(self, x: Any, *, obsm: Optional[str] = None) -> npt.NDArray[np.float64]:
        """How far each cell has come: the time at which the mean path passes nearest to it.

        It is a quantity for :func:`associate`, which then ranks genes along the path. It was found from the same cells'
        coordinates, so that false discovery rates are those of the ranks alone, not of the path.
        """
        if _anndata.is_anndata(x):
            x = _anndata.coordinates(x, obsm or self._obsm or "X_pca")
        points = np.asarray(arrays.matrix("x", _names.by_columns("x", x, self._coordinates)), np.float64)
        _same_width("x", points.shape[1], self.path.shape[1])
        nearest, position = np.full(len(points), np.inf), np.full(len(points), self.times[0])
        for k in range(len(self.times) - 1):
            step = self.path[k + 1] - self.path[k]
            length = float(step @ step)
            share = (
                np.clip((points - self.path[k]) @ step / length, 0.0, 1.0) if length > 0.0 else np.zeros(len(points))
            )
            distance = ((points - self.path[k] - share[:, None] * step) ** 2).sum(1)
            nearer = distance < nearest
            nearest[nearer] = distance[nearer]
            position[nearer] = self.times[k] + share[nearer] * (self.times[k + 1] - self.times[k])
        return position


def velocity(
    model: Dynamics,
    x: Any,
    t: Any = None,
    loadings: Any = "PCs",
    *,
    genes: Optional[Sequence[Any]] = None,
    obsm: Optional[str] = None,
    annotate: Optional[bool] = None,
    key_added: Optional[str] = None,
    overwrite: bool = False,
) -> GeneVelocity:
    """The velocity of each cell in the space of genes: that of the model times the loadings.

    Of an ensemble, its standard deviation comes along: by the cells, of velocities in that space, whose coordinates are not
    independent, and of what the distance of the snapshots in time adds to each coordinate, which is taken as independent. So does
    its bias, where that is known (:meth:`Dynamics.is_biased`): intervals lie around the velocity less that.

    Parameters
    ----------
    x, t, obsm : as in :meth:`Dynamics.field`: an AnnData, or points and their times
    loadings : a key of ``varm`` of the AnnData, an array d × genes, or a DataFrame with the genes as columns
    genes : the names or numbers of some genes; all by default
    annotate : write it to ``layers`` of the AnnData, as ``f"{key_added}_velocity"``, ``…_velocity_sd`` and ``…_velocity_bias``
        As is done unless only some ``genes`` are asked for. ``key_added`` is that of the fit by default.
    overwrite : replace what is there under these names; otherwise it is an error before anything is computed

    Raises
    ------
    InvalidArgumentError
        The loadings are not as wide as the coordinates of the model, or a gene is not among them.
    """
    annotate = (genes is None if annotate is None else annotate) and _anndata.is_anndata(x)
    key = key_added or model._source.key_added or "chreode"
    names = [f"{key}_velocity{suffix}" for suffix in ("", "_sd", "_bias")]
    if annotate:
        if genes is not None:
            raise InvalidArgumentError("a layer has all genes: give annotate=False where only some genes are asked for")
        _anndata.refuse_unwritable(x, {"layers": names}, overwrite)
    known, matrix = _read_loadings(model, x, loadings)
    columns = _columns(genes, known, matrix.shape[1])
    matrix = matrix[:, columns]
    points, times, _ = model._cells(x, t, obsm)
    at = np.asarray(model.velocity(points, times), np.float64)
    found = (at @ matrix).astype(np.float32)
    sd = _velocity_sd(model, points, times, matrix) if model.members > 1 else None
    bias = None
    if model.is_biased("velocity"):
        bias = (np.asarray(model.field_bias("velocity", points, times), np.float64) @ matrix).astype(np.float32)
    if annotate:
        _anndata.write(x, {"layers": dict(zip(names, (found, sd, bias)))})
    return GeneVelocity(None if known is None else [known[column] for column in columns], found, sd, bias)


def _velocity_sd(
    model: Dynamics, points: Any, times: Any, loadings: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    each = np.array([np.asarray(model.member(k).velocity(points, times), np.float64) for k in range(model.members)])
    known = model.info["uncertainty"]
    shrinkage = 1.0 if known is None else known["velocity"]["shrinkage"]
    each = shrinkage * model.info["stretch"] * (each - each.mean(0))
    # What the model adds to the variance by the cells, at each cell and in each coordinate.
    total = np.asarray(model.field_sd("velocity", points, times), np.float64) ** 2
    added = np.maximum(total - (each**2).sum(0) / (len(each) - 1), 0.0)
    sd = np.empty((each.shape[1], loadings.shape[1]), np.float32)
    for first in range(0, loadings.shape[1], _BLOCK):
        some = loadings[:, first : first + _BLOCK]
        variance = added @ some**2
        for member in each:
            variance += (member @ some) ** 2 / (len(each) - 1)
        sd[:, first : first + _BLOCK] = np.sqrt(variance)
    return sd


def associate(
    x: Any,
    quantity: Any,
    *,
    layer: Optional[str] = None,
    key_added: Optional[str] = None,
    overwrite: bool = False,
) -> Ranking:
    """Ranks genes by how their expression goes with a quantity of the cells: a fate's probability, growth, a position.

    By Spearman's rank correlation, with the false discovery rate of Benjamini and Hochberg over all genes that vary. Cells
    whose quantity is NaN are left out. Needs scipy (``pip install chreode[genes]``).

    Parameters
    ----------
    x : an AnnData, or expression n × genes: an array, a sparse matrix or a DataFrame
    quantity : one number a cell: of an AnnData a column of ``obs``, else an array, or a Series with the names of the cells
        A result for some of the cells goes to ``obs`` first, where pandas puts it by name and leaves NaN to the others.
    layer : of an AnnData, ``X`` if there is none
    key_added : writes to ``var`` of the AnnData, as ``f"{key_added}_correlation"``, ``…_p_value`` and ``…_fdr``
    overwrite : replace what is there under these names; otherwise it is an error

    Raises
    ------
    InvalidArgumentError
        The quantity has not one value a cell, or is the same in all.
    """
    stats = _scipy_stats()
    written = [] if key_added is None else [f"{key_added}_{name}" for name in ("correlation", "p_value", "fdr")]
    if _anndata.is_anndata(x):
        _anndata.refuse_unwritable(x, {"var": written}, overwrite)
        names: Optional[list[str]] = list(map(str, x.var_names))
        expression = _anndata.expression(x, layer)
        values = _anndata.values(x, "quantity", quantity)
    else:
        if layer is not None or key_added is not None:
            raise TypeError("`layer` and `key_added` are for an AnnData")
        expression, names = x, _names.columns(x)
        aligned = _names.by_rows("quantity", quantity, _names.rows(x))
        values = arrays.vector("quantity", aligned, np.shape(x)[0])
        expression = x.to_numpy() if _names.is_pandas(x) else x
    kept = np.isfinite(values)
    if np.isinf(values).any():
        raise InvalidDataError("quantity must be finite, or NaN where it is unknown")
    if kept.sum() < 3 or np.ptp(values[kept]) == 0.0:
        raise InvalidArgumentError(
            f"quantity must differ between the cells, of which it takes 3 or more, got {kept.sum()} cells with "
            f"{len(np.unique(values[kept]))} values"
        )
    ranks = _standard(stats.rankdata(values[kept])[:, None])[:, 0]
    columns = expression.tocsc() if hasattr(expression, "tocsc") else np.asarray(expression)
    correlation = np.full(columns.shape[1], np.nan)
    for first in range(0, columns.shape[1], _BLOCK):
        some = columns[:, first : first + _BLOCK]
        dense = np.asarray(some.toarray() if hasattr(some, "toarray") else some, np.float64)[kept]
        if not np.isfinite(dense).all():
            raise InvalidDataError(f"expression must be finite, got {_not_finite(dense, first, names)}")
        correlation[first : first + _BLOCK] = ranks @ _standard(stats.rankdata(dense, axis=0))
    correlation = np.clip(correlation, -1.0, 1.0)
    free = kept.sum() - 2
    with np.errstate(divide="ignore"):
        p_value = 2.0 * stats.t.sf(np.abs(correlation) * np.sqrt(free / (1.0 - correlation**2)), free)
    varies = np.isfinite(correlation)
    fdr = np.full(len(correlation), np.nan)
    fdr[varies] = stats.false_discovery_control(p_value[varies])
    if written:
        _anndata.write(x, {"var": dict(zip(written, (correlation, p_value, fdr)))})
    return Ranking(names, correlation, p_value, fdr, int(kept.sum()))


def trends(
    model: Dynamics,
    x: Any,
    times: Any = None,
    loadings: Any = "PCs",
    *,
    start: Optional[float] = None,
    genes: Optional[Sequence[Any]] = None,
    center: Any = None,
    weights: Any = None,
    obsm: Optional[str] = None,
    **simulation: Any,
) -> Trends:
    """Expression along the mean path of the population that grows from some cells, with its errors and its spread.

    The population is simulated, its coordinates are taken back to genes by the loadings, and the mean over the particles, by
    weight, is the trend. Of an ensemble every member is simulated for the trend's standard deviation.

    Parameters
    ----------
    x : the cells to start from, as in :meth:`Dynamics.simulate`; of an AnnData those at ``start``
        With ``weights="p_erythroid"``, a column with the chances of a fate, the path of those that are likely to come to it.
    times : increasing; 21 between the first and the last time of the fit by default
    loadings, genes : as in :func:`velocity`
    center : what a gene's expression is at the origin of the coordinates, one number a gene or one for all
        Of an AnnData by default what ``X`` has there, as of PCA's coordinates, which ``X`` and the loadings must give; of
        anything else 0, so that trends are differences from the origin.
    start, weights, obsm, **simulation : as in :meth:`Dynamics.simulate`
    """
    known, matrix = _read_loadings(model, x, loadings)
    columns = _columns(genes, known, matrix.shape[1])
    key = obsm or model._source.obsm or "X_pca"
    origin = _center_of(x, key, matrix, center)
    fitted = model.info["times"]
    until = np.linspace(fitted[0] if start is None else start, fitted[-1], 21) if times is None else times
    given = {"start": start, "weights": weights, "obsm": obsm, **simulation}
    run = model.simulate(x, until, **{"error_bars": False, **given})
    path, matrix, origin = _mean_path(run), matrix[:, columns], origin[columns]
    sd = np.full((len(path), len(columns)), np.nan)
    if model.members > 1:
        members = [_mean_path(model.member(k).simulate(x, until, **given)) for k in range(model.members)]
        sd = model.deviation_over_members(np.array(members) @ matrix)
    return Trends(
        run.times,
        None if known is None else [known[column] for column in columns],
        origin + path @ matrix,
        sd,
        path,
        run,
        matrix,
        origin,
        key if _anndata.is_anndata(x) else None,
        model._source.coordinates,
    )


def _mean_path(run: _simulation.Trajectory) -> npt.NDArray[np.float64]:
    """The mean position of each frame, by weight, times × d."""
    for frame in run.frames:
        if not frame.mass > 0.0:
            raise InvalidDataError(f"the population died out by the time {frame.time:g}: it has no mean path there")
    return np.array([frame.weights @ np.asarray(frame.points, np.float64) / frame.mass for frame in run.frames])


def _weighted_quantile(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], level: float
) -> npt.NDArray[np.float64]:
    """The smallest value of each column below or at which lies that share of the weight."""
    order = np.argsort(values, axis=0, kind="stable")
    share = np.cumsum(weights[order], axis=0)
    at = (share < level * share[-1]).sum(0).clip(max=len(values) - 1)
    found: npt.NDArray[np.float64] = np.take_along_axis(values, np.take_along_axis(order, at[None], 0), 0)[0]
    return found


def _read_loadings(model: Dynamics, x: Any, given: Any) -> tuple[Optional[list[str]], npt.NDArray[np.float64]]:
    """The names of genes, and their loadings, d × genes."""
    names: Optional[list[str]] = list(map(str, x.var_names)) if hasattr(x, "var_names") else None
    if isinstance(given, str):
        if not _anndata.is_anndata(x):
            raise TypeError(f"loadings must be an array d × genes, got {given!r}; keys of varm are for an AnnData")
        loadings, told = _anndata.loadings(x, given).T, f"varm[{given!r}]"
    else:
        loadings, told = _by_coordinates(given, model._source.coordinates), "an array"
        names = _names.columns(given) or names
    matrix = np.asarray(arrays.matrix("loadings", loadings), np.float64)
    if matrix.shape[0] != model.dims:
        turn = "; give its transpose" if told == "an array" and matrix.shape[1] == model.dims else ""
        raise InvalidArgumentError(
            f"loadings must be d × genes with the d = {model.dims} coordinates of the model, got {told} with "
            f"{matrix.shape[0]} coordinates{turn}"
        )
    if not np.isfinite(matrix).all():
        raise InvalidDataError("loadings must be finite")
    if names is not None and len(names) != matrix.shape[1]:
        raise InvalidArgumentError(f"loadings must have the {len(names)} genes of the AnnData, got {matrix.shape[1]}")
    return names, matrix


def _by_coordinates(loadings: Any, coordinates: Optional[Sequence[str]]) -> Any:
    """The rows of a DataFrame in the order of the coordinates, if they have their names; anything else goes by position."""
    if coordinates is None or not _names.is_pandas(loadings):
        return loadings
    rows = list(map(str, loadings.index))
    return loadings.iloc[[rows.index(name) for name in coordinates]] if set(rows) == set(coordinates) else loadings


def _columns(genes: Optional[Sequence[Any]], known: Optional[list[str]], count: int) -> list[int]:
    """The columns of genes by name or number; all if none are given."""
    if genes is None:
        return list(range(count))
    if isinstance(genes, str):
        raise TypeError(f"genes must be a list of names or numbers, got {genes!r}")
    table = {} if known is None else {name: column for column, name in enumerate(known)}
    columns = []
    for gene in genes:
        column = table.get(gene) if isinstance(gene, str) else int(gene)
        if column is None or not 0 <= column < count:
            like = f" ({', '.join(known[:3])}, …)" if known else f" by number, 0 to {count - 1}"
            raise InvalidArgumentError(f"genes must be among the {count} of the loadings{like}, got {gene!r}")
        columns.append(column)
    return columns


def _center_of(x: Any, key: str, loadings: npt.NDArray[np.float64], given: Any) -> npt.NDArray[np.float64]:
    """The expression of each gene at the origin of the coordinates."""
    count = loadings.shape[1]
    if given is not None:
        values = arrays.vector("center", given)
        return np.full(count, values[0]) if len(values) == 1 else arrays.vector("center", values, count)
    if not _anndata.is_anndata(x):
        return np.zeros(count)
    expression = _anndata.expression(x, None)
    points = np.asarray(_anndata.coordinates(x, key), np.float64)
    # The mean of a PCA's coordinates is 0. Of a part of its cells this is the same origin, but for what the loadings leave out.
    mean: npt.NDArray[np.float64] = np.asarray(expression.mean(axis=0), np.float64).ravel()
    origin: npt.NDArray[np.float64] = mean - points.mean(0) @ loadings
    some = expression[:_CHECKED]
    dense = np.asarray(some.toarray() if hasattr(some, "toarray") else some, np.float64)
    off = np.abs((dense - origin) @ loadings.T - points[:_CHECKED]).max()
    if not off <= _OFF * points.std(0).max():
        raise InvalidDataError(
            f"X, centred, times the loadings must give the coordinates obsm[{key!r}], got differences up to {off:.3g}: give "
            "center, the expression of each gene at the origin of the coordinates, or 0 for trends that are differences from it"
        )
    return origin


def _standard(ranks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Columns less their mean, of length 1; NaN if they do not vary."""
    centred = ranks - ranks.mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        standard: npt.NDArray[np.float64] = centred / np.sqrt((centred**2).sum(0))
    return standard


def _not_finite(block: npt.NDArray[np.float64], first: int, names: Optional[list[str]]) -> str:
    row, column = np.argwhere(~np.isfinite(block))[0]
    gene = f"column {first + column + 1}" if names is None else names[first + column]
    return f"{block[row, column]} of {gene}"


def _same_width(name: str, have: int, wanted: int) -> None:
    if have != wanted:
        raise InvalidArgumentError(f"{name} must have the {wanted} coordinates of the model, got {have}")


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError:
        stats = None
    if not hasattr(stats, "false_discovery_control"):
        raise ModuleNotFoundError("associations need scipy 1.11 or later: pip install chreode[genes]")
    return stats
