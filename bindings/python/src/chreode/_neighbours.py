"""Nearest cells, and the random walks among them that follow a velocity."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from ._errors import InvalidArgumentError

Indices = npt.NDArray[np.intp]
Reals = npt.NDArray[np.float64]

#: So many distances are held at a time.
_HELD = 1 << 23
#: In more dimensions a tree looks at most cells as well, and is slower.
_FEW = 10
#: 1/σ² of a walk's steps: the chance of a neighbour is in proportion to exp(cosine/σ²), as of scVelo.
_SHARPNESS = 10.0


def nearest(points: Any, among: Any, count: int, *, others: bool = False) -> tuple[Indices, Reals]:
    """The nearest cells ``among`` which for each point, and how far they are: n × count each, the nearest first.

    :param others: The points are those cells, and each is to have others than itself.
    """
    points, among = np.asarray(points, np.float64), np.asarray(among, np.float64)
    there = len(among) - others
    if count < 1:
        raise InvalidArgumentError(f"neighbours must be at least 1, got {count}")
    if there < 1:
        raise InvalidArgumentError("there must be 2 or more cells to have neighbours")
    count = min(count, there)
    tree = _tree(among)
    if tree is None:
        return _of_all(points, among, count, others)
    apart, found = tree.query(points, np.arange(1, count + others + 1))
    found = found.astype(np.intp)
    if others:
        # Itself, or the last where more cells than these lie upon it.
        itself = found == np.arange(len(points))[:, None]
        itself[~itself.any(1), -1] = True
        found, apart = found[~itself].reshape(-1, count), apart[~itself].reshape(-1, count)
    return found, apart


def _tree(among: Reals) -> Any:
    """A tree of cells, which finds neighbours without looking at all, in few dimensions; None in many, or without scipy."""
    if among.shape[1] > _FEW:
        return None
    try:
        from scipy.spatial import cKDTree
    except ImportError:
        return None
    return cKDTree(among)


def _of_all(points: Reals, among: Reals, count: int, others: bool) -> tuple[Indices, Reals]:
    """The nearest of all cells, by the distances of all."""
    # The distances are small differences of large squares unless the cells lie around the origin.
    middle = among.mean(0)
    points, among = points - middle, among - middle
    squares = (among**2).sum(1)
    found, distances = np.empty((len(points), count), np.intp), np.empty((len(points), count))
    for first in range(0, len(points), block := max(1, _HELD // len(among))):
        some = points[first : first + block]
        apart = squares - 2.0 * some @ among.T
        if others:
            apart[np.arange(len(some)), first + np.arange(len(some))] = np.inf
        close = np.argpartition(apart, count - 1, axis=1)[:, :count]
        exact = ((some[:, None] - among[close]) ** 2).sum(2)
        order = np.argsort(exact, axis=1, kind="stable")
        found[first : first + block] = np.take_along_axis(close, order, 1)
        distances[first : first + block] = np.sqrt(np.take_along_axis(exact, order, 1))
    return found, distances


def closeness(distances: Reals, weights: Optional[Reals] = None) -> Reals:
    """The share of each neighbour: a Gaussian's, as wide as the farthest is away, times weights of their own; they sum to 1."""
    width = np.where(distances[:, -1:] > 0.0, distances[:, -1:], 1.0)
    near = np.exp(-0.5 * (distances / width) ** 2)
    if weights is not None:
        near = near * weights
    total = near.sum(1, keepdims=True)
    # Where all neighbours weigh nothing, distance alone speaks.
    shares: Reals = np.where(total > 0.0, near, 1.0) / np.where(total > 0.0, total, near.shape[1])
    return shares


def walk(points: Any, velocity: Any, neighbours: Indices) -> Reals:
    """The chance that a cell's next is each of its neighbours, n × count: a softmax of the cosines of the way there and the
    velocity (Bergen et al., Nature Biotechnology 38, 2020). Cells that do not move go to all alike."""
    points, velocity = np.asarray(points, np.float64), np.asarray(velocity, np.float64)
    steps = points[neighbours] - points[:, None]
    lengths = np.linalg.norm(steps, axis=2) * np.linalg.norm(velocity, axis=1)[:, None]
    cosines = np.einsum("ijk,ik->ij", steps, velocity) / np.where(lengths > 0.0, lengths, 1.0)
    odds = np.exp(_SHARPNESS * (cosines - cosines.max(1, keepdims=True)))
    chances: Reals = odds / odds.sum(1, keepdims=True)
    return chances


def project(points: Any, velocity: Any, embedding: Any, count: int) -> Reals:
    """Directions of motion in another embedding of the cells: the mean of the steps to neighbours in it, each of length 1, by
    the chances of :func:`walk` less those of a walk without direction (Bergen et al. 2020). Lengths are no speeds."""
    neighbours, _ = nearest(points, points, count, others=True)
    embedding = np.asarray(embedding, np.float64)
    steps = embedding[neighbours] - embedding[:, None]
    lengths = np.linalg.norm(steps, axis=2, keepdims=True)
    steps /= np.where(lengths > 0.0, lengths, 1.0)
    excess = walk(points, velocity, neighbours) - 1.0 / neighbours.shape[1]
    directions: Reals = np.einsum("ij,ijk->ik", excess, steps)
    return directions
