//! The options of a fit.

use super::Default::{Rule, Value};
use super::Kind::{Integer, Name, Real, Widths};
use super::Range::{BelowOne, Positive};
use super::{Entry, Settings, Target};
use crate::error::{Error, Result};
use crate::matching::IntervalWeighting;
use crate::method::{BridgeKind, CouplingKind, FitOptions, Method};
use crate::nn::Activation;

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
                (o.recipe.name, o.recipe.coupling) = ("custom".into(), v.parse()?);
                Ok(())
            }),
            default: Rule("the method's"),
            meaning: "A coupling of free choice, with a bridge, instead of a method",
        },
        Entry {
            name: "bridge",
            kind: Name(BridgeKind::NAMES, |o, v| {
                (o.recipe.name, o.recipe.bridge) = ("custom".into(), v.parse()?);
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
                "so that σ√h is 3 % (sf2m: 10 %) of the spread of a coordinate, h the mean interval",
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
            meaning: "Training steps",
        },
        Entry {
            name: "batch_size",
            kind: Integer(1..=u64::MAX, |o, v| o.training.batch_size = v as usize),
            default: Value("400"),
            meaning: "Pairs of cells drawn a step, for each interval",
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
            meaning: "Hidden layers of the velocity network",
        },
        Entry {
            name: "growth_hidden",
            kind: Widths(|o, v| o.training.growth_hidden = Some(v)),
            default: Rule("256x3; usb: as the velocity's"),
            meaning: "Hidden layers of the growth network",
        },
        Entry {
            name: "score_hidden",
            kind: Widths(|o, v| o.training.score_hidden = Some(v)),
            default: Rule("as the velocity's"),
            meaning: "Hidden layers of the score network",
        },
        Entry {
            name: "activation",
            kind: Name(Activation::NAMES, |o, v| {
                o.training.activation = v.parse()?;
                Ok(())
            }),
            default: Value("leaky-relu"),
            meaning: "Function of the hidden units",
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
            meaning: "Decay of the moving average of the parameters, which is the model; 0 for the last parameters",
        },
        Entry {
            name: "clip",
            kind: Real(Positive, |o, v| o.training.clip = Some(v)),
            default: Rule("no clipping"),
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
        assert_eq!((both.recipe.name.as_str(), both.recipe.bridge), ("custom", BridgeKind::Straight));
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
