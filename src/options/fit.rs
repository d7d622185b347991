//! The options of a fit.

use super::Default::{Rule, Value};
use super::Kind::{Device, Integer, Name, Real, Widths};
use super::Range::{BelowOne, NotNegative, Positive, ShareOrNone};
use super::{Entry, Settings, Target};
use crate::error::{Error, Result};
use crate::matching::IntervalWeighting;
use crate::method::{BridgeKind, CouplingKind, FitOptions, Method, Recipe};
use crate::nn::Activation;
use crate::rollout::{GrowthPrice, Scheme};

impl Target for FitOptions {
    const LIST: &'static str = "fit";

    const ENTRIES: &'static [Entry<Self>] = &[
        // First, since it brings the published settings of everything that follows.
        Entry {
            name: "method",
            kind: Name(Method::NAMES, |o, v| {
                *o = FitOptions::new(v.parse()?);
                Ok(())
            }),
            default: Value("wfr-fm"),
            meaning: "The published method",
        },
        Entry {
            name: "coupling",
            kind: Name(CouplingKind::NAMES, |o, v| {
                let bridge = o.recipe.bridge().unwrap_or(BridgeKind::Straight);
                o.recipe = Recipe::custom(v.parse()?, bridge);
                Ok(())
            }),
            default: Rule("the method's"),
            meaning: "A coupling of free choice, with a bridge, instead of a method",
        },
        Entry {
            name: "bridge",
            kind: Name(BridgeKind::NAMES, |o, v| {
                let coupling = o.recipe.coupling().unwrap_or(CouplingKind::ExactOt);
                o.recipe = Recipe::custom(coupling, v.parse()?);
                Ok(())
            }),
            default: Rule("the method's"),
            meaning: "A bridge of free choice, with a coupling, instead of a method",
        },
        Entry {
            name: "delta",
            kind: Real(Positive, |o, v| o.delta = Some(v)),
            default: Rule(
                "the largest 99 % quantile of nearest-neighbour distances between consecutive snapshots",
            ),
            meaning: "δ of the Wasserstein–Fisher–Rao metric, a length: cells farther apart than πδ are never matched",
        },
        Entry {
            name: "sigma",
            kind: Real(Positive, |o, v| o.sigma = Some(v)),
            default: Rule(
                "so that σ√h is 3 % (sf2m, deep-ruot, var-ruot: 10 %) of the spread of a coordinate, h the mean interval",
            ),
            meaning: "Diffusion σ, a length per square root of time",
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
            meaning: "ρ of uot-fm and vgfm, a squared length: what it costs to create or destroy mass",
        },
        Entry {
            name: "chunk_size",
            kind: Integer(1..=u64::MAX, |o, v| o.chunk_size = Some(v as usize)),
            default: Rule("all cells at once"),
            meaning: "Couple in random blocks of at most this many cells a side, to bound memory",
        },
        Entry {
            name: "epochs",
            kind: Integer(1..=u64::MAX, |o, v| o.training.epochs = v as usize),
            default: Value("3000"),
            meaning: "Training steps; unless told, mioflow and tigon take 2000, deep-ruot 500 after its other stages, var-ruot 1500",
        },
        Entry {
            name: "batch_size",
            kind: Integer(1..=u64::MAX, |o, v| o.training.batch_size = v as usize),
            default: Value("400"),
            meaning: "Pairs of cells drawn a step, for each interval; of rollouts the most particles, and cells of a snapshot, a step (unless told 1024)",
        },
        Entry {
            name: "seed",
            kind: Integer(0..=u64::MAX, |o, v| o.seed = v),
            default: Value("0"),
            meaning: "Seed of all random numbers",
        },
        Entry {
            name: "hidden",
            kind: Widths(|o, v| o.training.hidden = v),
            default: Value("256x5"),
            meaning: "Hidden layers of the velocity network, or of the potential of var-ruot; of rollouts 64x3 unless told",
        },
        Entry {
            name: "growth_hidden",
            kind: Widths(|o, v| o.training.growth_hidden = Some(v)),
            default: Rule("256x3; usb and rollouts: as the velocity's"),
            meaning: "Hidden layers of the growth network",
        },
        Entry {
            name: "score_hidden",
            kind: Widths(|o, v| o.training.score_hidden = Some(v)),
            default: Rule("as the velocity's"),
            meaning: "Hidden layers of the score network, or of the density of deep-ruot and var-ruot",
        },
        Entry {
            name: "activation",
            kind: Name(Activation::NAMES, |o, v| {
                o.training.activation = v.parse()?;
                Ok(())
            }),
            default: Value("leaky-relu"),
            meaning: "Function of the hidden units; of rollouts silu unless told, and deep-ruot and var-ruot need tanh, silu or softplus",
        },
        Entry {
            name: "learning_rate",
            kind: Real(Positive, |o, v| o.training.learning_rate = v),
            default: Value("0.005"),
            meaning: "Adam's learning rate at the first step",
        },
        Entry {
            name: "final_learning_rate",
            kind: Real(Positive, |o, v| o.training.final_learning_rate = Some(v)),
            default: Value("0.00001"),
            meaning: "The rate that half a cosine leads down to; equal to the learning rate, that stays constant",
        },
        Entry {
            name: "ema",
            kind: Real(BelowOne, |o, v| o.training.ema = v),
            default: Value("0.995"),
            meaning: "Decay of the moving average of the parameters, which is the model; 0 for the last parameters. Of a rollout only the density is averaged: the model is the best parameters",
        },
        Entry {
            name: "clip",
            kind: Real(Positive, |o, v| o.training.clip = Some(v)),
            default: Rule("no clipping; rollouts: 1"),
            meaning: "Clip the gradient's norm to this",
        },
        Entry {
            name: "interval_weighting",
            kind: Name(IntervalWeighting::NAMES, |o, v| {
                o.training.interval_weighting = v.parse()?;
                Ok(())
            }),
            default: Value("uniform"),
            meaning: "How much an interval counts in the loss: all the same, or by the mass at its start",
        },
        Entry {
            name: "scheme",
            kind: Name(Scheme::NAMES, |o, v| {
                o.rollout.scheme = v.parse()?;
                Ok(())
            }),
            default: Rule("rk4; var-ruot: euler"),
            meaning: "Solver of the rollouts of mioflow, tigon and deep-ruot; with noise it is Euler–Maruyama",
        },
        Entry {
            name: "rollout_steps",
            kind: Integer(1..=1_000_000, |o, v| o.rollout.steps = v as usize),
            default: Rule("3; var-ruot: 10"),
            meaning: "Solver steps of a rollout in a mean interval between snapshots",
        },
        Entry {
            name: "mass_weight",
            kind: Real(NotNegative, |o, v| o.rollout.mass_weight = v),
            default: Rule("1; var-ruot: 5"),
            meaning: "Weight of the total mass at each snapshot in the loss of a rollout, where transport has 1",
        },
        Entry {
            name: "local_mass_weight",
            kind: Real(NotNegative, |o, v| o.rollout.local_mass_weight = v),
            default: Rule("0.01 for tigon and deep-ruot, else 0"),
            meaning: "Weight of the particles’ own masses in the loss of a rollout",
        },
        Entry {
            name: "energy_weight",
            kind: Real(NotNegative, |o, v| o.rollout.energy_weight = v),
            default: Rule("0.001; var-ruot: 0.01"),
            meaning: "Weight of the energy, or action, of the paths; 0 leaves it out",
        },
        Entry {
            name: "residual_weight",
            kind: Real(NotNegative, |o, v| o.rollout.residual_weight = v),
            default: Rule("0.01 for deep-ruot and var-ruot"),
            meaning: "Weight of the Fokker–Planck (deep-ruot) or Hamilton–Jacobi–Bellman residual (var-ruot); 0 leaves it out",
        },
        Entry {
            name: "initial_density_weight",
            kind: Real(NotNegative, |o, v| o.rollout.initial_density_weight = v),
            default: Value("0.01"),
            meaning: "Weight of the density at the first snapshot, of deep-ruot",
        },
        Entry {
            name: "growth_price",
            kind: Name(GrowthPrice::NAMES, |o, v| {
                o.rollout.growth_price = v.parse()?;
                Ok(())
            }),
            default: Value("quadratic"),
            meaning: "What growth costs in a rollout: δ²g²/2, that of branching Brownian motion (tigon, deep-ruot), or δ²|g|^(2/15) (var-ruot)",
        },
        Entry {
            name: "growth_cap",
            kind: Real(Positive, |o, v| o.rollout.growth_cap = v),
            default: Value("5"),
            meaning: "The largest growth rate under the power price, per mean interval",
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
            default: Value("8"),
            meaning: "Random directions for divergences and Laplacians in more than 12 dimensions; in fewer they are exact",
        },
        Entry {
            name: "resample_below",
            kind: Real(ShareOrNone, |o, v| o.rollout.resample_below = v),
            default: Value("0.5"),
            meaning: "Resample where the effective sample size is below this share of the particles, 0 for never, of var-ruot",
        },
        Entry {
            name: "pretraining_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.pretraining_epochs = v as usize),
            default: Value("1000"),
            meaning: "Steps on the reconstruction alone before all others, of deep-ruot",
        },
        Entry {
            name: "score_epochs",
            kind: Integer(0..=u64::MAX, |o, v| o.rollout.score_epochs = v as usize),
            default: Value("500"),
            meaning: "Steps of the density on bridges between rolled-out cells, of deep-ruot and var-ruot",
        },
        Entry {
            name: "final_sigma",
            kind: Real(Positive, |o, v| o.rollout.final_sigma = Some(v)),
            default: Rule("as sigma"),
            meaning: "σ at the last snapshot, geometric in time from sigma at the first, of deep-ruot",
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
        FitOptions::new(Method::WfrFm)
    }

    fn check(given: &Settings<Self>) -> Result<()> {
        let (method, coupling, bridge) = (given.has("method"), given.has("coupling"), given.has("bridge"));
        if coupling != bridge {
            let (there, missing) = if coupling { ("coupling", "bridge") } else { ("bridge", "coupling") };
            return Err(Error::argument(missing, "nothing", &format!("given, as {there} is")));
        }
        if method && coupling {
            let allowed = "left out where a coupling and a bridge are given";
            return Err(Error::argument("method", given.get("method")?.unwrap_or_default(), allowed));
        }
        Ok(())
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

    fn built(settings: &[(&str, &str)]) -> FitOptions {
        let mut all = Settings::<FitOptions>::default();
        settings.iter().for_each(|(name, text)| all.set(name, text).unwrap());
        all.build().unwrap()
    }

    #[test]
    fn the_initial_fit_is_the_default_method_s() {
        assert_eq!(built(&[]), FitOptions::new(Method::WfrFm));
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
        assert_eq!(settings.build().unwrap().training.epochs, 3000);
    }
}
