"""Learn how a cell population moves, spreads, divides and dies from time-stamped snapshots, and simulate it.

>>> import chreode
>>> snapshots = chreode.dataset("gene-network", cells_per_state=50)
>>> model = chreode.fit(snapshots, method="usb", delta=1.5, sigma=0.02, hidden="32x2", epochs=20, seed=1)
>>> model.velocity(snapshots.points(0), 0.0).shape
(100, 2)
>>> population = model.simulate(snapshots.sample(0, 50, seed=1), snapshots.times, mode="branching", seed=1)
>>> len(population.frames)
5
"""

from . import distributed, external, genes, plot
from ._couplings import Carried, Couplings, couple
from ._dynamics import Dynamics
from ._errors import (
    CancelledError,
    ChreodeError,
    ChreodeWarning,
    FileError,
    ForkedError,
    InfeasibleError,
    InternalError,
    InvalidArgumentError,
    InvalidDataError,
    ModelFileError,
    NonFiniteError,
    NotConvergedWarning,
    PopulationLimitError,
    WorkerError,
)
from ._evaluation import Evaluation
from ._fates import Fates, Transitions
from ._fit import fit
from ._library import capabilities, version
from ._options import Option, options
from ._report import report
from ._simulation import Fate, Frame, Lineage, Trajectory
from ._snapshots import Snapshots, dataset
from ._transport import Plan, transport
from ._validation import Validation, validate

__version__ = version()

__all__ = [
    "CancelledError",
    "Carried",
    "ChreodeError",
    "ChreodeWarning",
    "Couplings",
    "Dynamics",
    "Evaluation",
    "Fate",
    "Fates",
    "FileError",
    "ForkedError",
    "Frame",
    "InfeasibleError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "Lineage",
    "ModelFileError",
    "NonFiniteError",
    "NotConvergedWarning",
    "Option",
    "Plan",
    "PopulationLimitError",
    "Snapshots",
    "Trajectory",
    "Transitions",
    "Validation",
    "WorkerError",
    "capabilities",
    "couple",
    "dataset",
    "distributed",
    "external",
    "fit",
    "genes",
    "options",
    "plot",
    "report",
    "transport",
    "validate",
    "version",
]
