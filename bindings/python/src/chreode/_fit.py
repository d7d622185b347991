"""Fits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Optional

from . import _anndata, _progress, _snapshots
from ._dynamics import Dynamics, written
from ._errors import of_status, warn_of
from ._ffi import ffi
from ._library import lib, message
from ._options import documented, make

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._option_types import FitOptions

_log = logging.getLogger("chreode")


@documented("fit", "method")
def fit(
    x: Any,
    time: Any = None,
    method: Optional[str] = None,
    *,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    growth_prior: Any = None,
    clones: Any = None,
    progress: _progress.Progress = None,
    annotate: bool = True,
    key_added: str = "chreode",
    overwrite: bool = False,
    **options: Unpack[FitOptions],
) -> Dynamics:
    """Learns the dynamics of a population from snapshots.

    Parameters
    ----------
    x : array or DataFrame n × d with one row a cell, an AnnData, or :class:`Snapshots`
        An AnnData's coordinates are ``x.obsm[obsm]``.
    time : the time of each cell; for an AnnData also the name of a column of ``obs``
        Numbers, or labels that are numbers between the same words (``day0``, ``E8.5``, ``3h``), durations or dates, which
        become days, dates since the first. How labels were read is told to the logger ``chreode``.
    method : a name of ``chreode.capabilities()["methods"]``; the library's default if there is none
        ``coupling`` and ``bridge`` together make a method of their own.
    obsm : the coordinates of an AnnData, ``"X_pca"`` unless another key is given
    weights : the weight of each cell; for an AnnData also the name of a column of ``obs``
        Series of times and weights are aligned with an AnnData or a DataFrame by their index.
    masses : total mass of each time, where it is not the number of cells
        A mapping or a Series from time to mass, or an array in increasing order of time.
    growth_prior : the growth rate that is expected of each cell, per unit of time; for an AnnData also the name of a column of ``obs``
        Births less deaths that are known from elsewhere. It enters the couplings, by the options ``source_penalty`` and
        ``target_penalty``.
    clones : the clone of each cell, None, NaN or "" where none is known; for an AnnData also the name of a column of ``obs``
        Cells of different clones are not joined, or at the price of the option ``clone_penalty``.
    progress : True for a bar (tqdm's, if it is installed), or a function
        It is called as ``progress(stage, done, total, loss)`` at most twenty times a second, on the calling thread, and ends
        the fit by returning something true. What it raises comes back from ``fit``.
    annotate : write each cell's velocity and growth to ``obsm["chreode_velocity"]`` and ``obs["chreode_growth"]`` of an AnnData
        As :meth:`Dynamics.annotate` does; what made them goes to ``uns["chreode"]``.
    key_added : what those names begin with instead of ``"chreode"``
    overwrite : replace what is there under these names; otherwise it is an error before anything is learned

    Returns
    -------
    Dynamics

    Raises
    ------
    CancelledError, NonFiniteError, KeyboardInterrupt, or what ``progress`` or writing to the AnnData raised
        The error's ``model`` is what was learned so far, None if training had not begun.
    """
    watch = _progress.Watch(progress)
    annotate = annotate and _anndata.is_anndata(x)
    if annotate:
        _anndata.refuse_unwritable(x, written(key_added), overwrite)
    snapshots = _snapshots.of(x, time, obsm, weights, masses, growth_prior=growth_prior, clones=clones)
    if _anndata.is_anndata(x):
        snapshots.remember(key_added if annotate else None, {"method": method, **options})
    _log.info("fit to %r", snapshots)
    made = ffi.new("chreode_model **")
    failure: Optional[BaseException] = None
    try:
        with watch, make("fit", {"method": method, **dict(options)}) as choice, snapshots._handle as cells:
            status = lib.chreode_fit(cells, choice, watch.callback, ffi.NULL, made)
            if status != lib.CHREODE_OK:
                failure = of_status(status, message())
    except BaseException as error:  # an interrupt just before or after the call must not lose the model
        failure = error
    model = conclude(made[0], watch.failure or failure, snapshots)
    if annotate:
        write(model, x, time, obsm=obsm, key_added=key_added, overwrite=overwrite)
    return model


def conclude(pointer: Any, failure: Optional[BaseException], snapshots: _snapshots.Snapshots) -> Dynamics:
    """The model of a fit that has ended, told of. A failure is raised, and hands over the model, if there is one."""
    model = Dynamics._own(pointer, snapshots._source) if pointer != ffi.NULL else None
    if failure is not None:
        raise _with_model(failure, model)
    assert model is not None
    try:
        _tell(model)
    except BaseException as error:
        _with_model(error, model)
        raise
    return model


def write(model: Dynamics, *given: Any, **named: Any) -> None:
    """Writes to an AnnData, as :meth:`Dynamics.annotate`; what goes wrong then hands over the model."""
    try:
        model.annotate(*given, **named)
    except BaseException as error:
        _with_model(error, model)
        raise


def _with_model(error: BaseException, model: Optional[Dynamics]) -> BaseException:
    """An error that hands over what was learned."""
    try:
        error.model = model  # type: ignore[attr-defined]
    except AttributeError:  # an exception of the callback's with slots
        pass
    return error


def _tell(model: Dynamics) -> None:
    """Tells the logger what the fit chose, and warns of what the library warns of."""
    report = model.report or {}
    chosen = {key: value for key, value in report.items() if isinstance(value, (int, float))}
    told = {"method": model.info["method"], **chosen, "pairs": report.get("pairs")}
    _log.info("fitted: %s", ", ".join(f"{key} {value}" for key, value in told.items()))
    warn_of(model.report)
