"""Hand-over to other packages: transition matrices for CellRank 2, velocities for scVelo.

>>> kernel = chreode.external.to_cellrank(model, adata)          # doctest: +SKIP
>>> view = chreode.external.to_scvelo(model, adata)              # doctest: +SKIP
>>> scvelo.tl.velocity_graph(view)                               # doctest: +SKIP
>>> scvelo.pl.velocity_embedding_stream(view, basis="umap")      # doctest: +SKIP

Lineages are handed over in the Newick format, :meth:`Trajectory.newick`, which ape and ete read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from . import _anndata, _neighbours, _snapshots
from . import _arrays as arrays
from ._errors import InvalidArgumentError

if TYPE_CHECKING:
    from ._dynamics import Dynamics

__all__ = ["to_cellrank", "to_scvelo", "transition_matrix"]


def transition_matrix(
    model: Dynamics,
    data: Any,
    time: Any = None,
    *,
    obsm: Optional[str] = None,
    weights: Any = None,
    mode: Optional[str] = None,
    descendants: int = 10,
    neighbours: int = 15,
    seed: int = 0,
) -> Any:
    """The chance that each cell becomes each cell of the next snapshot: a sparse matrix, n × n, whose rows sum to 1.

    Descendants of every cell are simulated to the next snapshot; each counts, by its weight, as the cells there that are
    nearest to it, by a Gaussian as wide as the farthest of them is away, and by their weights. How many descendants a cell has
    is not in it. Cells of the last snapshot go to their neighbours in it, without direction, as of CellRank's RealTimeKernel.

    Parameters
    ----------
    data, time, obsm, weights : the cells, as in :meth:`Dynamics.evaluate`; rows and columns are in the order of ``data``
    mode : ``"sde"``, the default for a model with noise, or ``"ode"``
    descendants : how many of each cell are simulated; one by ``"ode"``, where all are the same
    neighbours : how many cells of the next snapshot each descendant counts as
    seed : of all random numbers

    Returns
    -------
    scipy.sparse.csr_matrix
    """
    sparse = _scipy_sparse()
    if mode is None:
        mode = "sde" if model.info["has_score"] and model.info["sigma"] else "ode"
    if mode not in ("ode", "sde"):
        raise InvalidArgumentError(f"mode must be ode or sde, got {mode!r}")
    copies = 1 if mode == "ode" else descendants
    if copies < 1:
        raise InvalidArgumentError(f"descendants must be at least 1, got {descendants}")
    snapshots = _snapshots.of(data, time, obsm, weights, False, model._source)
    order = np.arange(snapshots.counts.sum()) if snapshots._order is None else snapshots._order
    cells = np.split(order, np.cumsum(snapshots.counts)[:-1])
    rows, columns, chances = [], [], []
    for k in range(len(snapshots)):
        here = snapshots.points(k)
        if k + 1 < len(snapshots):
            times, begin = snapshots.times[k : k + 2], np.repeat(here, copies, axis=0)
            run = model.simulate(begin, times[1:], mode, seed + k, start=float(times[0]), error_bars=False)
            found, apart = _neighbours.nearest(run.frames[0].points, snapshots.points(k + 1), neighbours)
            share = _neighbours.closeness(apart, snapshots.weights(k + 1)[found])
            each = run.frames[0].weights.reshape(len(here), copies)
            share *= (each / each.sum(1, keepdims=True)).reshape(-1, 1)
            to = cells[k + 1]
        else:
            copies, to = 1, cells[k]
            found, apart = _neighbours.nearest(here, here, neighbours, others=True)
            share = _neighbours.closeness(apart)
        rows.append(np.repeat(cells[k], copies * found.shape[1]))
        columns.append(to[found].ravel())
        chances.append(share.ravel())
    entries = np.concatenate(chances), (np.concatenate(rows), np.concatenate(columns))
    return sparse.coo_matrix(entries, shape=(len(order), len(order))).tocsr()


def to_cellrank(model: Dynamics, data: Any, time: Any = None, **options: Any) -> Any:
    """A kernel of CellRank 2 for the cells of an AnnData, with the chances of :func:`transition_matrix`.

    It is ready for estimators: ``cellrank.estimators.GPCCA(kernel)``. ``time`` and ``options`` are those of
    :func:`transition_matrix`. Needs the package cellrank.
    """
    if not _anndata.is_anndata(data):
        raise TypeError(f"data must be an AnnData, got {type(data).__name__}")
    from cellrank.kernels import PrecomputedKernel

    return PrecomputedKernel(transition_matrix(model, data, time, **options), adata=data)


def to_scvelo(model: Dynamics, data: Any, time: Any = None, *, obsm: Optional[str] = None, neighbours: int = 30) -> Any:
    """Velocities as scVelo takes them: an AnnData for ``scvelo.tl.velocity_graph`` and ``scvelo.pl.velocity_embedding_stream``.

    Its variables are the coordinates of the model and their negatives: scVelo takes the mean over the variables away before it
    compares directions, which would bend them in few dimensions, and of such pairs the mean is 0. ``layers`` has them as
    ``Ms`` and ``spliced``, and their ``velocity``; ``obs``, ``obsm`` and ``uns`` are those of ``data``, so that its embeddings
    and colours are drawn; neighbours in the coordinates of the model are in ``obsp``.

    Parameters
    ----------
    data : an AnnData
    time, obsm : the time of each cell and the coordinates, those of the fit unless others are given
    neighbours : how many each cell has
    """
    sparse = _scipy_sparse()
    if not _anndata.is_anndata(data):
        raise TypeError(f"data must be an AnnData, got {type(data).__name__}")
    import anndata
    import pandas

    given, times, _ = model._cells(data, time, obsm)
    points = np.asarray(arrays.matrix("x", given), np.float32)
    velocity = np.asarray(model.velocity(data, time, obsm=obsm), np.float32)
    names = model.coordinates or [f"x{j + 1}" for j in range(model.dims)]
    variables = pandas.DataFrame(index=[*names, *(f"-{name}" for name in names)])
    both = np.hstack([points, -points])
    # What an earlier call of scVelo has left is about other velocities.
    kept = {key: value for key, value in data.uns.items() if not key.startswith("velocity")}
    view = anndata.AnnData(both, obs=data.obs.copy(), var=variables, obsm=dict(data.obsm), uns=kept)
    view.layers["Ms"] = view.layers["spliced"] = both
    view.layers["velocity"] = np.hstack([velocity, -velocity])
    found, apart = _neighbours.nearest(points, points, neighbours, others=True)
    starts, shape = np.arange(0, found.size + 1, found.shape[1]), (len(points), len(points))
    # scVelo counts the distances that are not 0.
    distances = np.maximum(apart, np.finfo(np.float32).tiny)
    view.obsp["distances"] = sparse.csr_matrix((distances.ravel(), found.ravel(), starts), shape=shape)
    near = sparse.csr_matrix((_neighbours.closeness(apart).ravel(), found.ravel(), starts), shape=shape)
    view.obsp["connectivities"] = near.maximum(near.T).tocsr()
    view.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {"n_neighbors": found.shape[1] + 1, "method": "umap"},
    }
    return view


def _scipy_sparse() -> Any:
    try:
        from scipy import sparse
    except ImportError:
        raise ModuleNotFoundError("sparse matrices need scipy: pip install chreode[sparse]") from None
    return sparse
