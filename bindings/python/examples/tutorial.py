# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From snapshots to conclusions
#
# A simulated network of genes, measured at five times: some cells stay where they are, others switch a gene off and another
# one on, and divide the faster the further they have come. Each measurement ends a cell, so that no cell is seen twice. We
# learn how cells move and divide, look at how far that may be trusted, and ask which genes go with it.
#
# Needs `pip install "chreode[anndata,genes,plot]"`. Open it as a notebook by jupytext, or run it.

# %%
import logging
import os

import anndata
import numpy as np

import chreode

logging.basicConfig(level="INFO")  # chreode tells what it chose
path = os.environ.get("CHREODE_TUTORIAL_DATA", "simulation_gene.h5ad")

# %% [markdown]
# ## Snapshots
#
# Expression of two genes, and the time of each cell in `obs["samples"]`. Models live in coordinates: here principal components,
# with their loadings in `varm`, as `scanpy.pp.pca` leaves them.

# %%
adata = anndata.read_h5ad(path)[::2].copy()  # every second cell, to be quick
adata.var_names = ["A", "B"]
centred = adata.X - adata.X.mean(0)
directions = np.linalg.svd(centred, full_matrices=False)[2]
adata.obsm["X_pca"] = np.asarray(centred @ directions.T, np.float32)
adata.varm["PCs"] = directions.T.copy()
print(adata.obs["samples"].value_counts(sort=False).sort_index())

# %% [markdown]
# ## A fit with error bars
#
# Four members, each fitted to resampled cells: their mean is the model, and their differences say how sure it is. What was
# learned about each cell is written back.

# %%
model = chreode.fit(adata, "samples", ensemble=4, hidden="64x3", epochs=600, seed=1)
print(model)
print(adata)

# %% [markdown]
# ## May it be trusted?
#
# First in the cells of the fit, then in half of them that were not fitted: between the distance of two halves of the data,
# which nothing can beat but by chance, and that of "nothing moves", which needs no model.

# %%
evaluation = model.evaluate(adata)
print(evaluation)
ax = chreode.plot.distance(evaluation, snapshots=chreode.Snapshots.from_anndata(adata, "samples"))

# %%
validation = chreode.validate(adata, "samples", "usb", hidden="64x3", epochs=600, splits=1, seed=1)
print(validation.verdict)
ax = chreode.plot.distance(validation)

# %%
population = model.simulate(adata)  # the cells of the first time, by the keys of the fit
axes = chreode.plot.populations(population, adata)
ax = chreode.plot.mass(model.simulate(adata, np.linspace(0, 4, 17)))

# %% [markdown]
# ## Where cells go, and how fast they divide

# %%
ax = chreode.plot.streamlines(model, adata)
ax = chreode.plot.cells(adata, "chreode_growth", center=0, label="births minus deaths, per unit of time")

# %% [markdown]
# Growth is not 0 where its interval does not hold 0.

# %%
low, high = (model.field_quantile("growth", level, adata)[:, 0] for level in (0.05, 0.95))
sure = (low > 0) | (high < 0)
print(f"growth is sure of {100 * sure.mean():.0f} % of the cells")

# %% [markdown]
# Labels follow along: how many cells of each state there are between the measurements, by each member of the ensemble.

# %%
adata.obs["state"] = np.where(
    adata[:, "B"].X.ravel() > 1, "B on", np.where(adata[:, "A"].X.ravel() > 1, "A on", "both off")
)
members = [model.member(k).simulate(adata, np.linspace(0, 4, 17)) for k in range(model.members)]
ax = chreode.plot.label_mass(members, adata, "state")

# %% [markdown]
# Cells that divide and die one by one have families. `to_anndata` knows the founder of every cell by its name.

# %%
families = model.simulate(adata, mode="branching", seed=1)
ax = chreode.plot.lineages(families)
descendants = families.to_anndata().obs.query("time == 4").groupby("founder").size()
print(descendants.describe())

# %% [markdown]
# ## Genes
#
# The loadings lead back from coordinates to genes.

# %%
chreode.genes.velocity(model, adata)  # layers["chreode_velocity"] and its standard deviation
ranking = chreode.genes.associate(adata, "chreode_growth", key_added="growth")
print(ranking.to_frame())

# %% [markdown]
# Along the mean path of the cells that begin with A on: the mean with its error, and where nine tenths of the cells are.

# %%
moving = adata[(adata.obs["samples"] > 0) | (adata.obs["state"] == "A on")]
along = chreode.genes.trends(model, moving)
axes = chreode.plot.trends(along)

# %% [markdown]
# ## One page of all that

# %%
page = chreode.report(model, adata, "report.html", labels="state", validation=validation)
print(f"report.html: {len(page) / 1e6:.1f} MB")
