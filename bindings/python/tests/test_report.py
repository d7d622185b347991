"""The page about a model: whole, and the same bytes again."""

import base64
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import SMALL

import chreode

if os.environ.get("CI") == "true":
    import matplotlib
else:
    matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


class Page(HTMLParser):
    """Headings, pictures and what else a page asks for; every element that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.pictures, self.captions, self.links = [], [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.links += [given[name] for name in ("href", "src") if name in given and not given[name].startswith("data:")]
        if tag == "img":
            self.pictures.append(given)
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h2", "figcaption"):
            (self.headings if self.open[-1] == "h2" else self.captions).append(data)


def test_a_page_of_an_anndata(cells, tmp_path):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    x, t = cells
    order = np.random.default_rng(6).permutation(len(x))
    names = [f"cell{i}" for i in order]
    obs = pandas.DataFrame({"day": t[order], "kind": np.where(x[order, 1] > 1, "<high>", "low")}, index=names)
    data = anndata.AnnData(np.zeros((len(x), 1), np.float32), obs=obs, obsm={"X_pca": x[order]})
    data.obsm["X_umap"] = x[order, ::-1].copy()
    model = chreode.fit(data, "day", ensemble=2, **SMALL)
    text = chreode.report(model, data, tmp_path / "page.html", basis="umap", labels="kind", title="a < b")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == text
    page = Page(text)
    assert page.headings[:4] == ["Predicted and observed populations", "Velocity and growth", "Over time", "Labels"]
    assert page.headings[4:] == ["Lineages", "Training", "Measures", "How it was made"]
    assert len(page.pictures) == 5 + 2 + 2 + 2 + 1 + 1 and all(picture["alt"] for picture in page.pictures)
    assert not page.links and "<script" not in text, "nothing is fetched"
    for picture in page.pictures:
        drawn = base64.b64decode(picture["src"].split(",", 1)[1])
        assert b"<svg" in drawn and b"</svg>" in drawn
        assert not re.search(rb'href="(?!#|data:)', drawn)
    assert "a &lt; b" in text and "epochs=20" in text and "seed=1" in text
    assert chreode.report(model, data, basis="umap", labels="kind", title="a < b") == text
    from matplotlib import pyplot

    assert not pyplot.get_fignums(), "its figures are closed"


def test_pages_of_other_cells(model, cells, snapshots):
    x, t = cells
    page = Page(chreode.report(model, x[::-1], time=t[::-1]))
    assert "Labels" not in page.headings and len(page.pictures) == 5 + 2 + 2 + 1 + 1
    found = chreode.validate(snapshots, method="usb", hidden="8x1", epochs=2, splits=1)
    text = chreode.report(model, snapshots, labels=np.where(x[:, 1] > 1, "high", None), validation=found)
    assert found.verdict[:40] in text and "W1 to cells that were not fitted" in Page(text).captions
    plain = chreode.fit(snapshots, method="ot-cfm", hidden="8x1", epochs=2)
    assert "Lineages" not in Page(chreode.report(plain, snapshots)).headings
    deep = np.column_stack([x, x[:, 0], np.ones(len(x))])
    wide = chreode.fit(deep, t, method="usb", hidden="8x1", epochs=2)
    page = Page(chreode.report(wide, deep, time=t))
    assert "streamlines" not in page.captions, "no plane of its own"
    assert "streamlines" in Page(chreode.report(wide, deep, time=t, basis=x)).captions
    with pytest.raises(TypeError, match="labels must be one label a cell"):
        chreode.report(model, x, time=t, labels="kind")
