"""A page about a model: what it learned, and how well, in plots and tables."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from . import _anndata, _drawing, _html, _library, _names, _snapshots, plot
from ._evaluation import Evaluation
from ._simulation import Trajectory
from ._validation import Validation

if TYPE_CHECKING:
    from ._dynamics import Dynamics

#: So many cells of the first time divide and die for the family trees.
_FOUNDERS = 50

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto; max-width: 76rem;
  padding: 1rem; }}
h1 {{ font-size: 1.5rem; margin: 0 0 .5rem; }} h2 {{ font-size: 1.15rem; margin: 1.6rem 0 .4rem; }}
.panels {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1rem; }}
.small {{ grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }}
figure {{ margin: 0; break-inside: avoid; }} img {{ width: 100%; max-width: 36rem; height: auto; display: block; }}
figcaption {{ font-size: .85rem; color: #555; }}
div.table {{ overflow-x: auto; }} table {{ border-collapse: collapse; font-size: .85rem; margin: .3rem 0; }}
th, td {{ text-align: left; padding: .15rem .7rem .15rem 0; border-bottom: 1px solid #e4e4e4; vertical-align: top; }}
td {{ overflow-wrap: anywhere; }} code {{ font-size: .85rem; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def report(
    model: Dynamics,
    x: Any,
    path: Any = None,
    time: Any = None,
    *,
    obsm: Optional[str] = None,
    weights: Any = None,
    masses: Any = None,
    basis: Any = None,
    labels: Any = None,
    validation: Optional[Validation] = None,
    seed: int = 0,
    title: Optional[str] = None,
) -> str:
    """Writes one page about a model and its cells: a file of HTML that holds all its pictures and needs nothing else.

    It has the simulated populations over the observed ones, the velocity, the growth, masses and W1 over time, with the bands
    of an ensemble, family trees, the losses, and how the model was made. Needs matplotlib (``pip install chreode[plot]``).

    Parameters
    ----------
    x, time, obsm, weights, masses : the cells, as in :meth:`Dynamics.evaluate`
    path : the file; none is written without
    basis : the embedding to draw in: a key of ``obsm`` of an AnnData, or an array n × 2; the first two coordinates by default
    labels : of the cells: a column of ``obs`` of an AnnData, or one label a cell. They are drawn, and their masses over time
    validation : what :func:`validate` found of the same recipe: W1 to cells that were not fitted, beside the sampling floor
    seed : of the family trees
    title : what stands above

    Returns
    -------
    str
        The page. The same arguments give the same bytes.
    """
    snapshots = _snapshots.of(x, time, obsm, weights, masses, model._source)
    evaluation = model.evaluate(snapshots)
    cells = _Cells.of(model, x, snapshots, obsm, basis, labels)
    heading = title or f"chreode: {model.info['method']}, {int(snapshots.counts.sum())} cells at {len(snapshots)} times"
    with _still():
        parts = [
            f"<p>{html.escape(_verdict(evaluation, validation))}</p>",
            _section("Predicted and observed populations", _populations(model, snapshots, cells)),
            _section("Velocity and growth", _panels(_fields(model, cells))),
            _section("Over time", _panels(_course(model, snapshots, evaluation, validation))),
        ]
        if labels is not None:
            parts.append(_section("Labels", _panels(_labels(model, snapshots, cells))))
        if "growth" in model.fields:
            parts.append(_section("Lineages", _panels([_lineages(model, snapshots, seed)])))
        if model.losses.size:
            parts.append(_section("Training", _panels([(_losses(model), "loss of each step")])))
    parts.append(_section("Measures", f'<div class="table">{evaluation._repr_html_()}</div>'))
    parts.append(_section("How it was made", f'<div class="table">{_html.table("", (), _made(model))}</div>'))
    page = _PAGE.format(title=html.escape(heading), body="\n".join(parts))
    if path is not None:
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            file.write(page)
    return page


@dataclass(frozen=True)
class _Cells:
    """The cells as plots take them: an AnnData or points, the time of each, where they are drawn, and their labels."""

    x: Any
    times: Any
    #: Of an AnnData; None of points.
    obsm: Optional[str]
    basis: Any
    labels: Any
    #: What the labels are called.
    name: Optional[str]

    @classmethod
    def of(
        cls, model: Dynamics, x: Any, snapshots: _snapshots.Snapshots, obsm: Optional[str], basis: Any, labels: Any
    ) -> _Cells:
        known = np.repeat(snapshots.times, snapshots.counts)
        name = labels if isinstance(labels, str) else None
        if isinstance(x, _snapshots.Snapshots):
            x = np.concatenate([x.points(k) for k in range(len(x))])
            times = known
        else:
            times = np.empty_like(known)
            times[snapshots._order] = known
        if _anndata.is_anndata(x):
            return cls(x, times, obsm or model._source.obsm or "X_pca", basis, labels, name)
        if name is not None:
            raise TypeError(f"labels must be one label a cell, got {labels!r}; names of columns are for an AnnData")
        return cls(_names.by_columns("x", x, model._source.coordinates), times, None, basis, labels, None)


#: Axes with what is drawn in them, and what is said below.
_Panel = tuple[Any, str]


def _populations(model: Dynamics, snapshots: _snapshots.Snapshots, cells: _Cells) -> str:
    axes = [_drawing.axes_of(None, 3.2, 3.1) for _ in snapshots.times]
    run = _run(model, snapshots, snapshots.times)
    each = np.empty(len(cells.times))
    order = np.argsort(cells.times, kind="stable")
    each[order] = np.concatenate([snapshots.weights(k) for k in range(len(snapshots))])
    given: dict[str, Any] = {"weights": each, "masses": snapshots.masses, "basis": cells.basis}
    plot.populations(run, cells.x, cells.times, axes, obsm=cells.obsm, **given)
    panels = [(ax, f"time {time:g}") for ax, time in zip(axes, snapshots.times)]
    return _panels(panels, small=True) + "<p>All cells of the first time, moved by the flow. Areas are weights.</p>"


def _fields(model: Dynamics, cells: _Cells) -> list[_Panel]:
    panels = []
    if model.dims == 2 or cells.basis is not None:
        ax = plot.streamlines(model, cells.x, cells.times, obsm=cells.obsm, basis=cells.basis)
        panels.append((ax, "streamlines"))
    if "growth" in model.fields and (model.dims > 1 or cells.basis is not None):
        rate = model.growth(cells.x, cells.times, obsm=cells.obsm)
        ax = plot.cells(cells.x, rate, basis=cells.basis, center=0.0, label="growth rate", **_key(cells))
        panels.append((ax, "births minus deaths, per unit of time"))
    return panels


def _key(cells: _Cells) -> dict[str, Any]:
    return {} if cells.obsm is None else {"obsm": cells.obsm}


def _course(
    model: Dynamics, snapshots: _snapshots.Snapshots, evaluation: Evaluation, validation: Optional[Validation]
) -> list[_Panel]:
    ax = plot.mass(_run(model, snapshots, _fine(snapshots)))
    ax.plot(snapshots.times, snapshots.masses, "o", color=_drawing.GREY, label="observed")
    _drawing.legend(ax)
    if validation is None:
        return [(ax, "mass"), (plot.distance(evaluation, snapshots=snapshots), "W1 to the cells of each time")]
    return [(ax, "mass"), (plot.distance(validation), "W1 to cells that were not fitted")]


def _labels(model: Dynamics, snapshots: _snapshots.Snapshots, cells: _Cells) -> list[_Panel]:
    members = [model.member(k) for k in range(model.members)] if model.members > 1 else [model]
    runs = [_run(member, snapshots, _fine(snapshots), error_bars=False) for member in members]
    drawn = plot.cells(cells.x, cells.labels, basis=cells.basis, label=cells.name, **_key(cells))
    return [(drawn, "labels"), (plot.label_mass(runs, cells.x, cells.labels, obsm=cells.obsm), "mass of each label")]


def _lineages(model: Dynamics, snapshots: _snapshots.Snapshots, seed: int) -> _Panel:
    founders = snapshots.sample(0, min(_FOUNDERS, int(snapshots.counts[0])), seed)
    families = model.simulate(founders, snapshots.times, "branching", seed)
    return plot.lineages(families), f"family trees of a simulation, seed {seed}"


def _run(model: Dynamics, snapshots: _snapshots.Snapshots, times: Any, error_bars: bool = True) -> Trajectory:
    """The flow from all cells of the first time."""
    start, weights = float(snapshots.times[0]), snapshots.weights(0)
    return model.simulate(snapshots.points(0), times, start=start, weights=weights, error_bars=error_bars)


def _fine(snapshots: _snapshots.Snapshots) -> Any:
    """Times enough for curves."""
    return np.linspace(snapshots.times[0], snapshots.times[-1], 25)


def _section(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>\n{body}"


def _verdict(evaluation: Evaluation, validation: Optional[Validation]) -> str:
    if validation is not None:
        return validation.verdict or "No recipe could be fitted to a part of the cells."
    return (
        f"W1 to the cells is {evaluation.mean_w1:.3g}, the masses are off by {100 * evaluation.mean_rme:.2g} %, in the mean "
        "over the times. How well cells are predicted that were not fitted, chreode.validate tells."
    )


def _made(model: Dynamics) -> Iterator[tuple[str, Any]]:
    yield "version", _library.version()
    for key, value in model.info.items():
        if value not in (None, {}) and key not in ("attributes", "masses", "stretch", "uncertainty"):
            yield key, _shown(value)
    if model._source.options:
        yield "options given", ", ".join(f"{key}={value!r}" for key, value in model._source.options.items())
    for choice in (model.report or {}).get("choices", ()):
        yield f"{choice['name']} was chosen", f"{choice['value']:.6g}: {choice['rule']}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)


def _losses(model: Dynamics) -> Any:
    ax = _drawing.axes_of(None)
    ax.plot(np.arange(1, len(model.losses) + 1), model.losses, color=_drawing.PALETTE[0], linewidth=0.7)
    if 0.0 < 10.0 * model.losses.min() < model.losses.max():
        ax.set_yscale("log")
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    return ax


def _panels(panels: Sequence[tuple[Any, str]], small: bool = False) -> str:
    figures = "".join(_figure(ax.figure, caption) for ax, caption in panels)
    return f'<div class="panels{" small" if small else ""}">{figures}</div>'


def _figure(figure: Any, caption: str) -> str:
    """A figure as a picture inside the page, and closed. Thousands of markers are pixels, all else are lines."""
    from matplotlib import pyplot

    written = io.BytesIO()
    figure.savefig(written, format="svg", dpi=200, metadata={"Date": None})
    pyplot.close(figure)
    data = base64.b64encode(written.getvalue()).decode("ascii")
    told = html.escape(caption)
    return f'<figure><img alt="{told}" src="data:image/svg+xml;base64,{data}"><figcaption>{told}</figcaption></figure>'


def _still() -> Any:
    """Figures of this package whose bytes depend on what is drawn alone."""
    try:
        from matplotlib import rc_context
    except ImportError:
        raise ModuleNotFoundError("reports need matplotlib: pip install chreode[plot]") from None
    given: Any = {"svg.hashsalt": "chreode", "figure.max_open_warning": 0}
    return rc_context(given)
