//! The options of a simulation and of an evaluation, which simulates.

use super::IfUnset::{Rule, Value};
use super::Kind::{Device, Integer, Name, Real, Switch};
use super::RealRange::{NotNegative, Positive, ShareOrNone};
use super::{Entry, Target};
use crate::evaluate::protocol::Protocol;
use crate::simulate::branching::{Motion, Offspring};
use crate::simulate::simulation::{Process, Rule as SolverRule, Simulation};

/// Which simulations take an option that not all of them take; the only place that knows.
fn takes(simulation: &Simulation, option: &str) -> bool {
    let flows = simulation.process == Process::Ode;
    let adapts = flows && simulation.rule == SolverRule::DormandPrince;
    match option {
        "step" => !adapts,
        "solver" => flows,
        "relative_tolerance" | "absolute_tolerance" | "max_steps" => adapts,
        "resample_below" => simulation.process == Process::Sde,
        "turnover" | "motion" | "max_population" | "offspring" => simulation.process == Process::Branching,
        "branching_rate" => {
            simulation.process == Process::Branching && simulation.offspring == Offspring::Reference
        }
        "runs" => !flows,
        _ => true,
    }
}

/// The simulations that differ in the options that they take.
fn variants() -> Vec<(&'static str, Simulation)> {
    let of = |process, rule| Simulation { process, rule, ..Simulation::default() };
    vec![
        ("ode with dormand-prince", of(Process::Ode, SolverRule::DormandPrince)),
        ("ode with rk4 or euler", of(Process::Ode, SolverRule::RungeKutta4)),
        ("sde", of(Process::Sde, SolverRule::DormandPrince)),
        ("branching", of(Process::Branching, SolverRule::DormandPrince)),
        (
            "branching with offspring reference",
            Simulation {
                offspring: Offspring::Reference,
                ..of(Process::Branching, SolverRule::DormandPrince)
            },
        ),
    ]
}

/// The mode, and the solver where there is one.
fn variant(simulation: &Simulation) -> String {
    match simulation.process {
        Process::Ode => format!("mode ode and solver {}", simulation.rule),
        Process::Branching => format!("mode branching and offspring {}", simulation.offspring),
        process => format!("mode {process}"),
    }
}

/// The rows of a simulation, which lies at `$path` in the target, and then `$more`.
macro_rules! simulation_entries {
    ([$($path:ident).*] $(, $more:expr)* $(,)?) => {
        &[
            Entry {
                name: "mode",
                kind: Name(Process::NAMES, |o, v| {
                    o.$($path.)*process = v.parse()?;
                    Ok(())
                }),
                default: Value("ode"),
                meaning: "What moves: weighted particles without noise, with noise, or cells that divide and die",
            },
            Entry {
                name: "step",
                kind: Real(Positive, |o, v| o.$($path.)*step = Some(v)),
                default: Rule("a hundredth of the mean interval"),
                meaning: "Longest step, in units of time",
            },
            Entry {
                name: "seed",
                kind: Integer(0..=u64::MAX, |o, v| o.$($path.)*seed = v),
                default: Value("0"),
                meaning: "Seed of all random numbers",
            },
            Entry {
                name: "solver",
                kind: Name(SolverRule::NAMES, |o, v| {
                    o.$($path.)*rule = v.parse()?;
                    Ok(())
                }),
                default: Value("dormand-prince"),
                meaning: "The rule, adaptive or of equal steps",
            },
            Entry {
                name: "relative_tolerance",
                kind: Real(Positive, |o, v| o.$($path.)*tolerance.relative = v),
                default: Value("0.00001"),
                meaning: "Error of an adaptive step, relative to the state",
            },
            Entry {
                name: "absolute_tolerance",
                kind: Real(Positive, |o, v| o.$($path.)*tolerance.absolute = v),
                default: Value("0.00001"),
                meaning: "Error of an adaptive step, relative to the spread of the starting particles",
            },
            Entry {
                name: "max_steps",
                kind: Integer(1..=u64::MAX, |o, v| o.$($path.)*tolerance.max_steps = v as usize),
                default: Value("100000"),
                meaning: "The most adaptive steps of a block of particles",
            },
            Entry {
                name: "turnover",
                kind: Real(NotNegative, |o, v| o.$($path.)*turnover = v),
                default: Value("0"),
                meaning: "Rate added to both divisions and deaths, per unit of time",
            },
            Entry {
                name: "offspring",
                kind: Name(Offspring::NAMES, |o, v| {
                    o.$($path.)*offspring = v.parse()?;
                    Ok(())
                }),
                default: Value("one-hot"),
                meaning: "At which rates cells divide and die that grow at a rate: growth as divisions and shrinking as deaths, or both as in the reference process, branching Brownian motion; turnover comes on top, and the expected population is the same",
            },
            Entry {
                name: "branching_rate",
                kind: Real(Positive, |o, v| o.$($path.)*branching_rate = Some(v)),
                default: Rule("the model's σ²/δ²"),
                meaning: "λ of the reference process, per unit of time: without growth, half of it are divisions and half deaths",
            },
            Entry {
                name: "motion",
                kind: Name(Motion::NAMES, |o, v| {
                    o.$($path.)*motion = Some(v.parse()?);
                    Ok(())
                }),
                default: Rule("diffusion for a model with noise, else flow"),
                meaning: "How cells move between divisions, by v + s and noise or by v alone",
            },
            Entry {
                name: "max_population",
                kind: Integer(1..=u64::MAX, |o, v| o.$($path.)*max_population = v as usize),
                default: Value("1000000"),
                meaning: "The most cells that may live at once",
            },
            Entry {
                name: "device",
                kind: Device(|o, v| o.$($path.)*device = v),
                default: Value("cpu"),
                meaning: "Where particles are stepped; auto takes another device than the cpu from 16 384 particles on",
            },
            Entry {
                name: "error_bars",
                kind: Switch(|o, v| o.$($path.)*error_bars = v),
                default: Value("true"),
                meaning: "Simulate every member of an ensemble as well, for the errors of masses and measures; a model that is none has no error bars",
            },
            Entry {
                name: "threads",
                kind: Integer(0..=1024, |o, v| o.$($path.)*threads = Some(v as usize)),
                default: Rule("those of the model"),
                meaning: "Threads to compute with, 0 for all cores; the results are the same bits at any number",
            },
            $($more,)*
        ]
    };
}

impl Target for Simulation {
    const LIST: &'static str = "simulate";

    const ENTRIES: &'static [Entry<Self>] = simulation_entries!(
        [],
        Entry {
            name: "resample_below",
            kind: Real(ShareOrNone, |o, v| o.resample_below = v),
            default: Value("0"),
            meaning: "Resample when the effective sample size falls under this share of the particles, 0 for never",
        },
    );

    fn initial() -> Self {
        Self::default()
    }

    fn variants() -> Vec<(&'static str, Self)> {
        variants()
    }

    fn variant(&self) -> String {
        variant(self)
    }

    fn takes(&self, option: &str) -> bool {
        takes(self, option)
    }
}

impl Target for Protocol {
    const LIST: &'static str = "evaluate";

    const ENTRIES: &'static [Entry<Self>] = simulation_entries!(
        [simulation],
        Entry {
            name: "runs",
            kind: Integer(1..=u64::MAX, |o, v| o.runs = v as usize),
            default: Value("5"),
            meaning: "Independent runs, with consecutive seeds",
        },
        Entry {
            name: "delta",
            kind: Real(Positive, |o, v| o.delta = Some(v)),
            default: Rule("the model's, else 1"),
            meaning: "δ of the action",
        },
        Entry {
            name: "exact_cells",
            kind: Integer(6..=u64::MAX, |o, v| o.exact_cells = v as usize),
            default: Value("6000"),
            meaning: "W1 and W2 are exact up to so many particles or cells; of more they are means over samples of a third of it, with standard errors",
        },
    );

    fn initial() -> Self {
        Self::default()
    }

    fn variants() -> Vec<(&'static str, Self)> {
        let of = |(name, simulation)| (name, Self { simulation, ..Self::default() });
        variants().into_iter().map(of).collect()
    }

    fn variant(&self) -> String {
        variant(&self.simulation)
    }

    fn takes(&self, option: &str) -> bool {
        takes(&self.simulation, option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Settings;

    /// The options of two lists that a choice of mode and solver refuses, by trying all of them.
    fn refused<T: Target>(choice: &[(&str, &str)]) -> Vec<&'static str> {
        let refuses = |entry: &&Entry<T>| {
            let value = match entry.name {
                "mode" | "solver" | "device" | "motion" | "offspring" | "error_bars" => return false,
                "seed" | "threads" | "max_steps" | "max_population" | "runs" => "3",
                "exact_cells" => "6",
                _ => "0.5",
            };
            let mut settings = Settings::<T>::default();
            choice.iter().for_each(|(name, text)| settings.set(name, text).unwrap());
            settings.set(entry.name, value).unwrap();
            let outcome = settings.build().map(|_| ()).map_err(|error| error.to_string());
            outcome.is_err_and(|told| told.starts_with(&format!("{} must be left out with mode", entry.name)))
        };
        T::ENTRIES.iter().filter(refuses).map(|entry| entry.name).collect()
    }

    #[test]
    fn what_a_mode_or_a_solver_does_not_use_is_refused_by_name() {
        let adaptive = ["relative_tolerance", "absolute_tolerance", "max_steps"];
        let families = ["turnover", "branching_rate", "max_population"];
        let equal = [&adaptive[..], &families, &["resample_below"]].concat();
        let reference = ["branching_rate"];
        let of = refused::<Simulation>;
        assert_eq!(of(&[]), [&["step"][..], &families, &["resample_below"]].concat());
        assert_eq!(of(&[("solver", "rk4")]), equal);
        assert_eq!(of(&[("solver", "euler")]), equal);
        assert_eq!(of(&[("mode", "sde")]), [&adaptive[..], &families].concat());
        assert_eq!(of(&[("mode", "branching")]), [&adaptive[..], &reference, &["resample_below"]].concat());
        let reference = [("mode", "branching"), ("offspring", "reference")];
        assert_eq!(of(&reference), [&adaptive[..], &["resample_below"]].concat());
        let of = refused::<Protocol>;
        assert_eq!(of(&[]), [&["step"][..], &families, &["runs"]].concat());
        assert_eq!(of(&[("mode", "sde")]), [&adaptive[..], &families].concat());
        assert_eq!(of(&[("mode", "branching")]), [&adaptive[..], &["branching_rate"]].concat());
        assert_eq!(of(&reference), adaptive);
    }

    #[test]
    fn a_refusal_tells_the_mode_and_who_takes_the_option() {
        let told = |settings: &[(&str, &str)]| {
            let mut all = Settings::<Simulation>::default();
            settings.iter().for_each(|(name, text)| all.set(name, text).unwrap());
            all.build().unwrap_err().to_string()
        };
        assert_eq!(
            told(&[("turnover", "1")]),
            "turnover must be left out with mode ode and solver dormand-prince: it is an option of branching, branching with offspring reference, got 1"
        );
        assert_eq!(
            told(&[("mode", "sde"), ("solver", "rk4")]),
            "solver must be left out with mode sde: it is an option of ode with dormand-prince, ode with rk4 or euler, got rk4"
        );
        assert!(
            told(&[("mode", "sde"), ("motion", "flow")]).starts_with("motion must be left out with mode sde")
        );
    }
}
