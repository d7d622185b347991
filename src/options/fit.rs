//! The options of a fit.

use super::IfUnset::{Brought, Rule, RuleOf, Value};
use super::Kind::{Device, Integer, Name, Real, Switch, Widths};
use super::RealRange::{BelowOne, NotNegative, Positive, PositiveOrInfinite, ShareOrNone};
use super::{Entry, Settings, Target};
use crate::error::{Error, Result};
use crate::method::{
    BridgeKind, CouplingKind, DeltaRule, FitOptions, Method, MetricKind, Preset, Recipe, SigmaRule,
};
use crate::nn::Activation;
use crate::rollout::{GrowthPrice, Scheme};
use crate::train::{IntervalWeighting, PairWeighting};

impl Target for FitOptions {
    const LIST: &'static str = "fit";

    const ENTRIES: &'static [Entry<Self>] = &[
        // First, since these bring the settings of everything that follows.
        Entry {
            name: "preset",
            kind: Name(Preset::NAMES, |o, v| {
                *o = FitOptions::of(o.recipe, v.parse()?);
                Ok(())
            }),
            default: Value("recommended"),
            meaning: "Where the settings come from that nobody gives: recommended are those that predict cells best that were not fitted, published those of the papers",
        },
        Entry {
            name: "method",
            kind: Name(Method::NAMES, |o, v| {
                *o = FitOptions::of(v.parse::<Method>()?.recipe(), o.preset);
                Ok(())
            }),
            default: Value("usb"),
            meaning: "The published method",
        },
        Entry {
            name: "coupling",
            kind: Name(CouplingKind::NAMES, |o, v| {
                let bridge = o.recipe.bridge().unwrap_or(BridgeKind::Straight);
                *o = FitOptions::of(Recipe::custom(v.parse()?, bridge), o.preset);
                Ok(())
            }),
            default: Rule("the method's"),
            meaning: "A coupling of free choice, with a bridge, instead of a method",
        },
        Entry {
            name: "bridge",
            kind: Name(BridgeKind::NAMES, |o, v| {
                let coupling = o.recipe.coupling().unwrap_or(CouplingKind::ExactOt);
                *o = FitOptions::of(Recipe::custom(coupling, v.parse()?), o.preset);
                Ok(())
            }),
            default: Rule("the method's"),
            meaning: "A bridge of free choice, with a coupling, instead of a method",
        },
        Entry {
            name: "delta",
            kind: Real(Positive, |o, v| o.delta = Some(v)),
            default: RuleOf(FitOptions::delta_rule_in_words),
            meaning: "δ of the Wasserstein–Fisher–Rao metric, a length: cells farther apart than πδ are never matched",
        },
        Entry {
            name: "delta_rule",
            kind: Name(DeltaRule::NAMES, |o, v| {
                o.delta_rule = v.parse()?;
                Ok(())
            }),
            default: Brought(|o| Some(o.delta_rule.to_string()), ""),
            meaning: "How δ is chosen where it is not given: by how far apart neighbouring snapshots are, with the spread of the data as the least or without",
        },
        Entry {
            name: "sigma",
            kind: Real(Positive, |o, v| o.sigma = Some(v)),
            default: RuleOf(FitOptions::sigma_rule_in_words),
            meaning: "Diffusion σ, a length per square root of time",
        },
        Entry {
            name: "sigma_rule",
            kind: Name(SigmaRule::NAMES, |o, v| {
                o.sigma_rule = v.parse()?;
                Ok(())
            }),
            default: Brought(|o| Some(o.sigma_rule.to_string()), ""),
            meaning: "How σ is chosen where it is not given: by the cells' own spacing, or as a share of the data's spread",
        },
        Entry {
            name: "branching_rate",
            kind: Real(Positive, |o, v| o.branching_rate = Some(v)),
            default: Rule("from σ and δ"),
            meaning: "λ of branching Brownian motion, per unit of time; λ = σ²/δ², so two of the three are enough",
        },
        Entry {
            name: "penalty",
            kind: Real(Positive, |o, v| o.penalty = Some(v)),
            default: Rule("2δ²"),
            meaning: "ρ, a squared length: what it costs to create or destroy mass",
        },
        Entry {
            name: "source_penalty",
            kind: Real(PositiveOrInfinite, |o, v| o.source_penalty = Some(v)),
            default: Rule("1 of wfr and entropic-wfr, else the penalty"),
            meaning: "How much the growth prior of cells binds, in units of the cost: the penalty of the source's marginal, infinite for what is expected",
        },
        Entry {
            name: "target_penalty",
            kind: Real(PositiveOrInfinite, |o, v| o.target_penalty = Some(v)),
            default: Rule("1 of wfr and entropic-wfr, else the penalty"),
            meaning: "The penalty of the target's marginal, in units of the cost: infinite for all that there is to be received",
        },
        Entry {
            name: "clone_penalty",
            kind: Real(PositiveOrInfinite, |o, v| o.clone_penalty = Some(v)),
            default: Rule("infinite"),
            meaning: "What it costs more to join cells of known, different clones, in units of the cost: infinite for never",
        },
        Entry {
            name: "tension",
            kind: Real(ShareOrNone, |o, v| o.tension = v),
            default: Value("0.25"),
            meaning: "How straight paths are between snapshots: 0 lets the velocity go on through them, 1 is straight",
        },
        Entry {
            name: "growth_tension",
            kind: Real(ShareOrNone, |o, v| o.growth_tension = v),
            default: Brought(|o| Some(o.growth_tension.to_string()), ""),
            meaning: "How straight log-masses are between snapshots: 0 lets growth go on through them, 1 keeps it constant in between, as published",
        },
        Entry {
            name: "bandwidth",
            kind: Real(NotNegative, |o, v| o.bandwidth = v),
            default: Value("0"),
            meaning: "Standard deviation of cells about their bridges, a length: travelling Gaussians instead of points",
        },
        Entry {
            name: "interpolant_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.interpolant_epochs = v as usize),
            default: Brought(|o| Some(o.interpolant_epochs.to_string()), ""),
            meaning: "Training steps of the paths between cells, before what moves along them; 0 leaves them straight",
        },
        Entry {
            name: "metric",
            kind: Name(MetricKind::NAMES, |o, v| {
                o.metric = v.parse()?;
                Ok(())
            }),
            default: Value("land"),
            meaning: "The metric in which paths are to be short: by the cells' own spread about a place (land), or by kernels about clusters (rbf), for many dimensions",
        },
        Entry {
            name: "metric_width",
            kind: Real(Positive, |o, v| o.metric_width = v),
            default: Value("0.4"),
            meaning: "Of land: width of the kernel by which cells make motion near them cheap, in units of the data's spread",
        },
        Entry {
            name: "metric_ridge",
            kind: Real(Positive, |o, v| o.metric_ridge = v),
            default: Value("0.001"),
            meaning: "What the cells' spread about a place is at least, the same unit squared (of rbf the sum of kernels, without unit): its inverse is what motion far from all cells costs",
        },
        Entry {
            name: "metric_centres",
            kind: Integer(1..=1_000_000, |o, v| o.metric_centres = v as usize),
            default: Value("100"),
            meaning: "Of rbf: clusters of cells by k-means, each with a kernel; never more than one for every four cells",
        },
        Entry {
            name: "metric_kappa",
            kind: Real(Positive, |o, v| o.metric_kappa = v),
            default: Value("1"),
            meaning: "Of rbf: width of a kernel over the spread of its cluster",
        },
        Entry {
            name: "metric_energy",
            kind: Switch(|o, v| o.metric_energy = v),
            default: Value("false"),
            meaning: "Whether the energy of branches is in that metric too, as in the public code, and not in the plane; goals of mass are then missed",
        },
        Entry {
            name: "branches",
            kind: Integer(1..=1000, |o, v| o.branches = v as usize),
            default: Value("2"),
            meaning: "Branches of the population: parts of the last snapshot by k-means, to each of which a way of its own leads",
        },
        Entry {
            name: "chunk_size",
            kind: Integer(1..=u64::MAX, |o, v| o.chunk_size = Some(v as usize)),
            default: Rule("all cells at once, blocks of 2000 for snapshots of more than 6000"),
            meaning: "Couple in random blocks of at most this many cells a side, whose time and memory grow linearly; a number as large as the snapshots couples them whole",
        },
        Entry {
            name: "keep_couplings",
            kind: Switch(|o, v| o.keep_couplings = v),
            default: Value("false"),
            meaning: "Keep in the model which cells were coupled, with how much mass, for descendants and ancestors by it later; its file grows by them",
        },
        Entry {
            name: "epochs",
            kind: Integer(1..=u64::MAX, |o, v| o.training.epochs = v as usize),
            default: Brought(|o| Some(o.training.epochs.to_string()), ""),
            meaning: "Training steps, of the main stage where there are several",
        },
        Entry {
            name: "batch_size",
            kind: Integer(1..=u64::MAX, |o, v| o.training.batch_size = v as usize),
            default: Brought(|o| Some(o.training.batch_size.to_string()), ""),
            meaning: "Pairs of cells drawn a step, for each interval; of rollouts the most particles, and cells of a snapshot, a step",
        },
        Entry {
            name: "seed",
            kind: Integer(0..=u64::MAX, |o, v| o.seed = v),
            default: Value("0"),
            meaning: "Seed of all random numbers",
        },
        Entry {
            name: "ensemble",
            kind: Integer(1..=1000, |o, v| o.ensemble = v as usize),
            default: Value("1"),
            meaning: "Members of an ensemble, fitted side by side to resampled cells: the model is their mean, with error bars; beside them two fits to every second snapshot, one to every fourth, and one each at half and a quarter of the price of growth, tell what intervals of time and δ add to the errors. 1 for a single fit without error bars",
        },
        Entry {
            name: "hidden",
            kind: Widths(|o, v| o.training.hidden = v),
            default: Brought(|o| Some(widths(&o.training.hidden)), ""),
            meaning: "Hidden layers of the velocity network, or of a potential (action matching, wlf and var-ruot) and of the paths of wlf",
        },
        Entry {
            name: "growth_hidden",
            kind: Widths(|o, v| o.training.growth_hidden = Some(v)),
            default: Brought(|o| o.training.growth_hidden.as_deref().map(widths), "as the velocity's"),
            meaning: "Hidden layers of the growth network",
        },
        Entry {
            name: "score_hidden",
            kind: Widths(|o, v| o.training.score_hidden = Some(v)),
            default: Brought(|o| o.training.score_hidden.as_deref().map(widths), "as the velocity's"),
            meaning: "Hidden layers of the score network, or of the density of deep-ruot and var-ruot",
        },
        Entry {
            name: "activation",
            kind: Name(Activation::NAMES, |o, v| {
                o.training.activation = v.parse()?;
                Ok(())
            }),
            default: Brought(|o| Some(o.training.activation.to_string()), ""),
            meaning: "Function of the hidden units; tigon, deep-ruot and potentials (action matching, wlf and var-ruot) need tanh, silu or softplus",
        },
        Entry {
            name: "growth_activation",
            kind: Name(Activation::NAMES, |o, v| {
                o.training.growth_activation = Some(v.parse()?);
                Ok(())
            }),
            default: Brought(|o| o.training.growth_activation.map(|a| a.to_string()), "as activation"),
            meaning: "Function of the hidden units of the growth network",
        },
        Entry {
            name: "learning_rate",
            kind: Real(Positive, |o, v| o.training.learning_rate = v),
            default: Brought(|o| Some(o.training.learning_rate.to_string()), ""),
            meaning: "Adam's learning rate at the first step",
        },
        Entry {
            name: "final_learning_rate",
            kind: Real(Positive, |o, v| o.training.final_learning_rate = Some(v)),
            default: Brought(|o| o.training.final_learning_rate.map(|rate| rate.to_string()), "constant"),
            meaning: "The rate that half a cosine leads down to; equal to the learning rate, that stays constant",
        },
        Entry {
            name: "ema",
            kind: Real(BelowOne, |o, v| o.training.ema = v),
            default: Brought(|o| Some(o.training.ema.to_string()), ""),
            meaning: "Decay of the moving average of the parameters, which is the model; 0 for the last parameters. Of a rollout, but tigon, the model is the best parameters, and the density alone is averaged",
        },
        Entry {
            name: "clip",
            kind: Real(Positive, |o, v| o.training.clip = Some(v)),
            default: Brought(|o| o.training.clip.map(|clip| clip.to_string()), "no clipping"),
            meaning: "Clip the gradient's norm to this",
        },
        Entry {
            name: "interval_weighting",
            kind: Name(IntervalWeighting::NAMES, |o, v| {
                o.training.interval_weighting = v.parse()?;
                Ok(())
            }),
            default: Brought(|o| Some(o.training.interval_weighting.to_string()), ""),
            meaning: "How much an interval counts in the loss: all the same, or by the mass at its start",
        },
        Entry {
            name: "pair_weighting",
            kind: Name(PairWeighting::NAMES, |o, v| {
                o.training.pair_weighting = v.parse()?;
                Ok(())
            }),
            default: Brought(|o| Some(o.training.pair_weighting.to_string()), ""),
            meaning: "How much a pair of cells counts in the loss: by the mass that it has on the way, or by what the plan couples, as in uot-fm and vgfm",
        },
        Entry {
            name: "guard",
            kind: Switch(|o, v| o.guard = v),
            default: Brought(|o| Some(o.guard.to_string()), ""),
            meaning: "Whether the fields outside of the box of an interval's cells are what they are at its border",
        },
        Entry {
            name: "finetune_steps",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.finetune_steps = v as usize),
            default: Brought(|o| Some(o.rollout.finetune_steps.to_string()), ""),
            meaning: "Steps of fine-tuning afterwards: the flow is rolled out and fitted to the snapshots, and the best networks are kept, those before it among them; 0 for none",
        },
        Entry {
            name: "finetune_learning_rate",
            kind: Real(Positive, |o, v| o.rollout.finetune_learning_rate = v),
            default: Brought(|o| Some(o.rollout.finetune_learning_rate.to_string()), ""),
            meaning: "Adam's learning rate in a fine-tuning",
        },
        Entry {
            name: "finetune_batch_size",
            kind: Integer(1..=u64::MAX, |o, v| o.rollout.finetune_batch_size = v as usize),
            default: Brought(|o| Some(o.rollout.finetune_batch_size.to_string()), ""),
            meaning: "The most particles, and cells of a snapshot, in a fine-tuning; of more a sample is drawn once",
        },
        Entry {
            name: "scheme",
            kind: Name(Scheme::NAMES, |o, v| {
                o.rollout.scheme = v.parse()?;
                Ok(())
            }),
            default: Brought(|o| Some(o.rollout.scheme.to_string()), ""),
            meaning: "Solver of a rollout without noise",
        },
        Entry {
            name: "rollout_steps",
            kind: Integer(1..=1_000_000, |o, v| o.rollout.steps = v as usize),
            default: Brought(|o| Some(o.rollout.steps.to_string()), ""),
            meaning: "Solver steps of a rollout in a mean interval between snapshots",
        },
        Entry {
            name: "mass_weight",
            kind: Real(NotNegative, |o, v| o.rollout.mass_weight = v),
            default: Brought(|o| Some(o.rollout.mass_weight.to_string()), ""),
            meaning: "Weight of the total mass at each snapshot in the loss of a rollout, where transport has 1",
        },
        Entry {
            name: "local_mass_weight",
            kind: Real(NotNegative, |o, v| o.rollout.local_mass_weight = v),
            default: Brought(|o| Some(o.rollout.local_mass_weight.to_string()), ""),
            meaning: "Weight of the particles’ own masses in the loss of a rollout, and of those at the end of each branch",
        },
        Entry {
            name: "density_weight",
            kind: Real(NotNegative, |o, v| o.rollout.density_weight = v),
            default: Brought(|o| Some(o.rollout.density_weight.to_string()), ""),
            meaning: "Weight of how far particles are from their five nearest cells; 0 leaves it out",
        },
        Entry {
            name: "density_hinge",
            kind: Real(NotNegative, |o, v| o.rollout.density_hinge = v),
            default: Brought(|o| Some(o.rollout.density_hinge.to_string()), ""),
            meaning: "The distance that is forgiven there, a root mean over coordinates in units of the data's spread",
        },
        Entry {
            name: "local_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.local_epochs = v as usize),
            default: Brought(|o| Some(o.rollout.local_epochs.to_string()), ""),
            meaning: "Steps before all others in which particles begin every interval as cells of its own snapshot",
        },
        Entry {
            name: "post_local_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.post_local_epochs = v as usize),
            default: Brought(|o| Some(o.rollout.post_local_epochs.to_string()), ""),
            meaning: "The same after all others",
        },
        Entry {
            name: "energy_weight",
            kind: Real(NotNegative, |o, v| o.rollout.energy_weight = v),
            default: Brought(|o| Some(o.rollout.energy_weight.to_string()), ""),
            meaning: "Weight of the energy, or action, of the paths; 0 leaves it out",
        },
        Entry {
            name: "residual_weight",
            kind: Real(NotNegative, |o, v| o.rollout.residual_weight = v),
            default: Brought(|o| Some(o.rollout.residual_weight.to_string()), ""),
            meaning: "Weight of the Fokker–Planck (deep-ruot) or Hamilton–Jacobi–Bellman residual (var-ruot); 0 leaves it out",
        },
        Entry {
            name: "initial_density_weight",
            kind: Real(NotNegative, |o, v| o.rollout.initial_density_weight = v),
            default: Brought(|o| Some(o.rollout.initial_density_weight.to_string()), ""),
            meaning: "Weight of the density at the first snapshot; 0 leaves it out",
        },
        Entry {
            name: "kernel_variance",
            kind: Real(Positive, |o, v| o.rollout.kernel_variance = v),
            default: Brought(|o| Some(o.rollout.kernel_variance.to_string()), ""),
            meaning: "Variance of the Gaussian kernels that make densities of cells, in units of the data's spread squared; they begin with 1 and come down to this",
        },
        Entry {
            name: "growth_price",
            kind: Name(GrowthPrice::NAMES, |o, v| {
                o.rollout.growth_price = v.parse()?;
                Ok(())
            }),
            default: Brought(|o| Some(o.rollout.growth_price.to_string()), ""),
            meaning: "What growth costs in a rollout: δ²g²/2, that of branching Brownian motion (tigon, tigon-w2, deep-ruot), or δ²|g|^(2/15) (var-ruot)",
        },
        Entry {
            name: "growth_cap",
            kind: Real(Positive, |o, v| o.rollout.growth_cap = v),
            default: Brought(|o| Some(o.rollout.growth_cap.to_string()), ""),
            meaning: "The largest growth rate under the price power, per mean interval",
        },
        Entry {
            name: "plan_epsilon",
            kind: Real(Positive, |o, v| o.rollout.plan_epsilon = Some(v)),
            default: Rule("exact plans"),
            meaning: "Regularisation of the plans between particles and cells of a rollout, a squared length",
        },
        Entry {
            name: "probes",
            kind: Integer(1..=65536, |o, v| o.rollout.probes = v as usize),
            default: Brought(|o| Some(o.rollout.probes.to_string()), ""),
            meaning: "Random directions for divergences and Laplacians in more than 12 dimensions; in fewer they are exact",
        },
        Entry {
            name: "resample_below",
            kind: Real(ShareOrNone, |o, v| o.rollout.resample_below = v),
            default: Brought(|o| Some(o.rollout.resample_below.to_string()), ""),
            meaning: "Resample where the effective sample size is below this share of the particles; 0 for never. Which particles are drawn is not differentiated, so the gradient is biased where it happens",
        },
        Entry {
            name: "pretraining_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.pretraining_epochs = v as usize),
            default: Brought(|o| Some(o.rollout.pretraining_epochs.to_string()), ""),
            meaning: "Steps on the reconstruction alone before all others",
        },
        Entry {
            name: "score_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.score_epochs = v as usize),
            default: Brought(|o| Some(o.rollout.score_epochs.to_string()), ""),
            meaning: "Steps of the density, or of the score after a fine-tuning, on bridges between rolled-out cells",
        },
        Entry {
            name: "growth_epochs",
            kind: Integer(1..=u64::MAX, |o, v| o.rollout.growth_epochs = v as usize),
            default: Brought(|o| Some(o.rollout.growth_epochs.to_string()), ""),
            meaning: "Steps of how much of the population goes into each branch, once the ways there are known",
        },
        Entry {
            name: "joint_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.joint_epochs = v as usize),
            default: Brought(|o| Some(o.rollout.joint_epochs.to_string()), ""),
            meaning: "Steps of that and of the ways together, afterwards; 0 for none",
        },
        Entry {
            name: "final_sigma",
            kind: Real(Positive, |o, v| o.rollout.final_sigma = Some(v)),
            default: Rule("as sigma"),
            meaning: "σ at the last snapshot, geometric in time from sigma at the first",
        },
        Entry {
            name: "device",
            kind: Device(|o, v| o.device = v),
            default: Value("cpu"),
            meaning: "Where Sinkhorn's sweeps of the couplings run; auto takes another device than the cpu from 4 194 304 pairs on",
        },
        THREADS,
    ];

    fn initial() -> Self {
        FitOptions::default()
    }

    fn variants() -> Vec<(&'static str, Self)> {
        Method::ALL.iter().map(|&method| (method.as_str(), FitOptions::new(method))).collect()
    }

    fn parts(option: &str) -> Vec<&'static str> {
        let bridges = BridgeKind::ALL.iter().filter(|kind| kind.facts().options.contains(&option));
        bridges.map(|kind| kind.as_str()).collect()
    }

    fn variant(&self) -> String {
        match self.recipe.source {
            "" => self.recipe.parts(),
            _ => self.recipe.name.into(),
        }
    }

    fn takes(&self, option: &str) -> bool {
        self.recipe.takes(option)
    }

    fn check(&self, given: &Settings<Self>) -> Result<()> {
        let refused = |name: &str, allowed: &str| {
            Err(Error::argument(name, given.get(name)?.unwrap_or("nothing"), allowed))
        };
        match (given.has("method"), given.has("coupling"), given.has("bridge")) {
            (_, true, false) => refused("bridge", "given, as coupling is")?,
            (_, false, true) => refused("coupling", "given, as bridge is")?,
            (true, true, true) => refused("method", "left out where a coupling and a bridge are given")?,
            _ => {}
        }
        // Options whose effect depends on another one.
        let price = self.rollout.growth_price;
        if given.has("growth_cap") && price != GrowthPrice::Power {
            refused("growth_cap", "left out unless growth_price is power: no other price is unbounded")?;
        }
        let prices_by_noise = self.recipe.default_noise().is_none() && self.recipe.takes("sigma");
        if prices_by_noise && price != GrowthPrice::Branching {
            for name in ["sigma", "sigma_rule", "branching_rate"].into_iter().filter(|name| given.has(name)) {
                let allowed = "left out unless growth_price is branching: nothing else here has a noise";
                refused(name, allowed)?;
            }
        }
        if self.rollout.finetune_steps == 0 {
            let useless =
                |entry: &&Entry<Self>| given.has(entry.name) && self.recipe.takes_when_finetuned(entry.name);
            if let Some(entry) = Self::ENTRIES.iter().find(useless) {
                refused(
                    entry.name,
                    "left out unless finetune_steps is above 0: nothing else here rolls particles out",
                )?;
            }
        }
        // A rule chooses what is not given, nor follows from δ² = σ²/λ.
        for (rule, value, other) in [("sigma_rule", "sigma", "delta"), ("delta_rule", "delta", "sigma")] {
            if given.has(rule) && given.has(value) {
                refused(rule, &format!("left out where {value} is given: it would choose that"))?;
            }
            if given.has(rule) && given.has("branching_rate") && given.has(other) {
                refused(
                    rule,
                    &format!("left out where branching_rate and {other} are given: they set {value}"),
                )?;
            }
        }
        if given.has("delta_rule") && given.has("penalty") && !self.recipe.needs_delta() {
            refused("delta_rule", "left out where a penalty is given: nothing else here has a delta")?;
        }
        // What a penalty would set, or δ where a penalty follows from it, is all given.
        let sets_penalties = given.has("source_penalty")
            && (given.has("target_penalty") || !self.recipe.takes("target_penalty"));
        for name in ["penalty", "delta", "delta_rule"] {
            let serves_else = name != "penalty" && self.recipe.needs_delta();
            if given.has(name) && sets_penalties && !serves_else {
                refused(
                    name,
                    "left out where the penalties of both marginals are given: it would only set them",
                )?;
            }
        }
        if given.has("delta") && given.has("penalty") && !self.recipe.needs_delta() {
            refused("delta", "left out where a penalty is given: it would only set that")?;
        }
        Ok(())
    }
}

/// Widths of hidden layers, as they can be set.
fn widths(hidden: &[usize]) -> String {
    match hidden {
        [first, rest @ ..] if rest.iter().all(|width| width == first) => format!("{first}x{}", hidden.len()),
        _ => hidden.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
    }
}

/// How many threads a fit may use; the command takes it before all its subcommands.
const THREADS: Entry<FitOptions> = Entry {
    name: "threads",
    kind: Integer(0..=1024, |o, v| o.threads = v as usize),
    default: Value("0"),
    meaning: "Threads to compute with, 0 for all cores; the results are the same bits at any number",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::EquationsKind;

    fn built(settings: &[(&str, &str)]) -> FitOptions {
        let mut all = Settings::<FitOptions>::default();
        settings.iter().for_each(|(name, text)| all.set(name, text).unwrap());
        all.build().unwrap()
    }

    #[test]
    fn the_initial_fit_is_the_default_method_s() {
        assert_eq!(built(&[]), FitOptions::new(Method::Usb));
    }

    #[test]
    fn the_order_of_setting_does_not_matter() {
        let there = [("epochs", "7"), ("growth_hidden", "8x2"), ("method", "usb"), ("threads", "2")];
        let mut back = there;
        back.reverse();
        let options = built(&there);
        assert_eq!(options, built(&back));
        assert_eq!((options.training.epochs, options.threads), (7, 2));
        assert_eq!(options.training.growth_hidden, Some(vec![8, 8]));
        assert_eq!(built(&[("method", "usb")]), FitOptions::new(Method::Usb));
    }

    #[test]
    fn a_free_recipe_needs_both_halves_and_no_method() {
        let both = built(&[("bridge", "straight"), ("coupling", "wfr")]);
        assert_eq!(both.recipe, Recipe::custom(CouplingKind::Wfr, BridgeKind::Straight));
        for given in [&["bridge"][..], &["coupling"], &["bridge", "coupling", "method"]] {
            let mut settings = Settings::<FitOptions>::default();
            for name in given {
                let value = match *name {
                    "bridge" => "straight",
                    "coupling" => "wfr",
                    _ => "usb",
                };
                settings.set(name, value).unwrap();
            }
            assert!(settings.build().is_err(), "{given:?}");
        }
    }

    #[test]
    fn an_option_without_effect_is_refused_with_the_methods_that_take_it() {
        let told = |settings: &[(&str, &str)]| {
            let mut all = Settings::<FitOptions>::default();
            settings.iter().for_each(|(name, text)| all.set(name, text).unwrap());
            all.build().unwrap_err().to_string()
        };
        assert_eq!(
            told(&[("method", "usb"), ("residual_weight", "0.5")]),
            "residual_weight must be left out with usb: it is an option of deep-ruot, var-ruot, got 0.5"
        );
        for (method, name, value) in [
            ("usb", "final_sigma", "1"),
            ("usb", "penalty", "1"),
            ("var-ruot", "scheme", "rk4"),
            ("var-ruot", "chunk_size", "3"),
            ("mioflow", "sigma", "3"),
            ("mioflow", "delta", "4"),
            ("mioflow", "mass_weight", "9"),
            ("ot-cfm", "device", "cpu"),
            ("wfr-fm", "branching_rate", "1"),
            ("ot-cfm", "source_penalty", "1"),
            ("sf2m", "source_penalty", "1"),
            ("vgfm", "target_penalty", "1"),
        ] {
            assert!(told(&[("method", method), (name, value)]).starts_with(name), "{method} {name}");
        }
        let free = told(&[("coupling", "exact-ot"), ("bridge", "straight"), ("sigma", "1")]);
        assert!(free.contains("left out with coupling exact-ot, bridge straight"), "{free}");
        let none = told(&[("method", "usb"), ("tension", "1")]);
        assert!(none.contains("it is an option of hermite"), "{none}");
        let none = told(&[("method", "wfr-fm"), ("growth_tension", "1")]);
        assert!(none.contains("it is an option of usb, got 1"), "{none}");
        // Options that depend on another option's value.
        assert!(told(&[("method", "var-ruot"), ("growth_cap", "1")]).contains("growth_price is power"));
        let tuned = told(&[("method", "wfr-fm"), ("rollout_steps", "5")]);
        assert!(
            tuned.starts_with("rollout_steps must be left out unless finetune_steps is above 0"),
            "{tuned}"
        );
        assert!(
            told(&[("method", "ot-cfm"), ("finetune_steps", "5"), ("mass_weight", "1")])
                .starts_with("mass_weight")
        );
        assert!(told(&[("method", "tigon"), ("sigma", "1")]).contains("growth_price is branching"));
        assert!(told(&[("method", "uot-fm"), ("delta", "1"), ("penalty", "1")]).starts_with("delta"));
        let both = [("source_penalty", "inf"), ("target_penalty", "2")];
        for name in ["penalty", "delta"] {
            assert!(told(&[&[("method", "uot-fm"), (name, "1")], &both[..]].concat()).starts_with(name));
            assert!(told(&[("method", "vgfm"), (name, "1"), both[0]]).starts_with(name));
        }
        assert_eq!(
            built(&[&[("method", "usb"), ("delta", "1")], &both[..]].concat()).target_penalty,
            Some(2.0)
        );
        for (rule, values) in [
            ("sigma_rule", &[("sigma", "1")][..]),
            ("delta_rule", &[("delta", "1")]),
            ("sigma_rule", &[("delta", "1"), ("branching_rate", "1")]),
            ("delta_rule", &[("sigma", "1"), ("branching_rate", "1")]),
        ] {
            let of_rule = if rule == "sigma_rule" { "spread" } else { "reach" };
            let given = [&[("method", "usb"), (rule, of_rule)], values].concat();
            assert!(told(&given).contains("left out where"), "{given:?}");
        }
        let penalty = [("method", "vgfm"), ("penalty", "1"), ("delta_rule", "reach")];
        assert!(told(&penalty).starts_with("delta_rule must be left out"));
    }

    #[test]
    fn every_option_is_taken_by_a_method_or_a_bridge_and_every_part_names_options_that_there_are() {
        let names: Vec<&str> = FitOptions::ENTRIES.iter().map(|entry| entry.name).collect();
        for name in &names {
            let methods = Method::ALL.iter().any(|method| method.recipe().takes(name));
            assert!(methods || !FitOptions::parts(name).is_empty(), "{name}");
        }
        let parts = BridgeKind::ALL.iter().map(|kind| kind.facts().options);
        let parts = parts.chain(EquationsKind::ALL.iter().map(|kind| kind.facts().options));
        for name in parts.flatten() {
            assert!(names.contains(name), "{name} is no option");
        }
    }

    /// What is listed for a method is what it does: each default that is a value, set by name, changes nothing.
    #[test]
    fn the_listed_defaults_are_those_of_every_method() {
        for &method in Method::ALL {
            let of_method = FitOptions::new(method);
            // A price of growth other than the default has a use for these.
            let price = |name: &str| {
                name == "growth_cap" || name == "sigma_rule" && method.recipe().default_noise().is_none()
            };
            // Nor has what is not fine-tuned for these.
            let tuned = |name: &str| {
                of_method.recipe.takes_when_finetuned(name) && of_method.rollout.finetune_steps == 0
            };
            let is_useful =
                |e: &&Entry<FitOptions>| of_method.takes(e.name) && !price(e.name) && !tuned(e.name);
            for entry in FitOptions::ENTRIES.iter().filter(is_useful) {
                let default = entry.describe_for(&of_method).default;
                if entry.name == "method" || entry.check(&default).is_err() {
                    continue;
                }
                let set = built(&[("method", method.as_str()), (entry.name, &default)]);
                assert_eq!(set, of_method, "{} of {method}", entry.name);
            }
        }
    }

    #[test]
    fn wrong_names_and_values_are_told_what_would_be_right() {
        let told = |name: &str, text: &str| {
            Settings::<FitOptions>::default().set(name, text).unwrap_err().to_string()
        };
        assert_eq!(
            told("branching-rte", "1"),
            "the option's name must be one of those of `fit`, of which `branching_rate` is the nearest, got `branching-rte`"
        );
        assert_eq!(told("delta", "-1"), "delta must be positive and finite, got -1");
        assert_eq!(told("delta", "x"), "delta must be a number, positive and finite, got x");
        assert_eq!(told("epochs", "0"), "epochs must be a whole number, at least 1, got 0");
        assert_eq!(told("threads", "99999"), "threads must be a whole number, 0 to 1024, got 99999");
        assert!(told("method", "best").contains("one of ot-cfm"));
        for widths in ["", "0", "8x", "x8", "8,,8", "2x999999999"] {
            assert!(told("hidden", widths).contains("1000 layers"), "{widths}");
        }
    }

    #[test]
    fn numbers_of_either_kind_set_an_option() {
        let mut settings = Settings::<FitOptions>::default();
        settings.set("method", "usb").unwrap();
        settings.set_real("epochs", 30.0).unwrap();
        settings.set_integer("delta", 2).unwrap();
        settings.set_real("sigma", 1e-300).unwrap();
        let options = settings.build().unwrap();
        assert_eq!((options.training.epochs, options.delta, options.sigma), (30, Some(2.0), Some(1e-300)));
        for wrong in [30.5, 0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(settings.set_real("epochs", wrong).is_err(), "{wrong}");
        }
        assert!(settings.set_integer("epochs", -1).is_err());
        assert_eq!(settings.get("epochs"), Ok(Some("30")), "a refused value changes nothing");
        settings.unset("epochs").unwrap();
        let epochs = FitOptions::new(Method::Usb).training.epochs;
        assert_eq!(settings.build().unwrap().training.epochs, epochs);
    }
}
