"""Options as type checkers see them. Made by tools/option_types.py from the library's list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Optional, SupportsFloat, SupportsIndex, TypedDict, Union

import numpy as np
import numpy.typing as npt

Real = Optional[SupportsFloat]
Integer = Optional[SupportsIndex]
Widths = Union[str, Sequence[int], "npt.NDArray[np.integer[Any]]", None]
Switch = Optional[bool]


class FitOptions(TypedDict, total=False):
    preset: Optional[Literal["recommended", "published"]]
    coupling: Optional[
        Literal[
            "exact-ot",
            "entropic-ot",
            "unbalanced-ot",
            "semi-relaxed-ot",
            "entropic-semi-relaxed-ot",
            "wfr",
            "entropic-wfr",
        ]
    ]
    bridge: Optional[
        Literal[
            "straight",
            "straight-log-linear",
            "brownian",
            "travelling-dirac",
            "poisson-brownian",
            "hermite",
            "spline",
            "geodesic",
        ]
    ]
    delta: Real
    delta_rule: Optional[Literal["spread", "reach"]]
    sigma: Real
    sigma_rule: Optional[Literal["spacing", "spread"]]
    branching_rate: Real
    penalty: Real
    source_penalty: Real
    target_penalty: Real
    clone_penalty: Real
    tension: Real
    growth_tension: Real
    bandwidth: Real
    interpolant_epochs: Integer
    metric: Optional[Literal["land", "rbf"]]
    metric_width: Real
    metric_ridge: Real
    metric_centres: Integer
    metric_kappa: Real
    metric_energy: Switch
    branches: Integer
    chunk_size: Integer
    keep_couplings: Switch
    epochs: Integer
    batch_size: Integer
    seed: Integer
    ensemble: Integer
    hidden: Widths
    growth_hidden: Widths
    score_hidden: Widths
    activation: Optional[Literal["leaky-relu", "relu", "tanh", "silu", "softplus", "selu"]]
    growth_activation: Optional[Literal["leaky-relu", "relu", "tanh", "silu", "softplus", "selu"]]
    learning_rate: Real
    final_learning_rate: Real
    ema: Real
    clip: Real
    interval_weighting: Optional[Literal["uniform", "mass"]]
    pair_weighting: Optional[Literal["mass", "plan"]]
    guard: Switch
    finetune_steps: Integer
    finetune_learning_rate: Real
    finetune_batch_size: Integer
    scheme: Optional[Literal["euler", "rk4"]]
    rollout_steps: Integer
    mass_weight: Real
    local_mass_weight: Real
    density_weight: Real
    density_hinge: Real
    local_epochs: Integer
    post_local_epochs: Integer
    energy_weight: Real
    residual_weight: Real
    initial_density_weight: Real
    kernel_variance: Real
    growth_price: Optional[Literal["quadratic", "branching", "power"]]
    growth_cap: Real
    plan_epsilon: Real
    probes: Integer
    resample_below: Real
    pretraining_epochs: Integer
    score_epochs: Integer
    growth_epochs: Integer
    joint_epochs: Integer
    final_sigma: Real
    device: Optional[str]
    threads: Integer


class SimulateOptions(TypedDict, total=False):
    step: Real
    solver: Optional[Literal["dormand-prince", "rk4", "euler"]]
    relative_tolerance: Real
    absolute_tolerance: Real
    max_steps: Integer
    turnover: Real
    offspring: Optional[Literal["one-hot", "reference"]]
    branching_rate: Real
    motion: Optional[Literal["diffusion", "flow"]]
    max_population: Integer
    device: Optional[str]
    error_bars: Switch
    threads: Integer
    resample_below: Real


class EvaluateOptions(TypedDict, total=False):
    mode: Optional[Literal["ode", "sde", "branching"]]
    step: Real
    seed: Integer
    solver: Optional[Literal["dormand-prince", "rk4", "euler"]]
    relative_tolerance: Real
    absolute_tolerance: Real
    max_steps: Integer
    turnover: Real
    offspring: Optional[Literal["one-hot", "reference"]]
    branching_rate: Real
    motion: Optional[Literal["diffusion", "flow"]]
    max_population: Integer
    device: Optional[str]
    error_bars: Switch
    threads: Integer
    runs: Integer
    delta: Real
    exact_cells: Integer


class FatesOptions(TypedDict, total=False):
    descendants: Integer
    neighbours: Integer
    step: Real
    turnover: Real
    motion: Optional[Literal["diffusion", "flow"]]
    max_population: Integer
    error_bars: Switch
    threads: Integer


class TransportOptions(TypedDict, total=False):
    cost: Optional[Literal["wfr", "euclidean", "half-sqeuclidean"]]
    delta: Real
    epsilon: Real
    penalty: Real
    source_penalty: Real
    target_penalty: Real
    normalise: Switch
    tolerance: Real
    max_iterations: Integer
    device: Optional[str]
    threads: Integer


class DatasetOptions(TypedDict, total=False):
    cells_per_state: Integer
    seed: Integer
    dims: Integer
    cells: Integer
    fates: Integer
    time_points: Integer
    growth: Real
    spread: Real
