//! The options of fates.

use super::IfUnset::{Rule, Value};
use super::Kind::{Integer, Name, Real, Switch};
use super::RealRange::{Finite, NotNegative, Positive};
use super::{Entry, Target};
use crate::fates::{FateOptions, MOST_DESCENDANTS};
use crate::simulate::branching::Motion;
use crate::simulate::simulation::Process;

impl Target for FateOptions {
    const LIST: &'static str = "fates";

    const ENTRIES: &'static [Entry<Self>] = &[
        Entry {
            name: "mode",
            kind: Name(Process::NAMES, |o, v| {
                o.process = v.parse()?;
                Ok(())
            }),
            default: Value("sde"),
            meaning: "What moves: weighted particles without noise, with noise, or cells that divide and die",
        },
        Entry {
            name: "from",
            kind: Real(Finite, |o, v| o.from = Some(v)),
            default: Rule("all times before that of the labelled cells"),
            meaning: "The time of the cells whose fates are asked for",
        },
        Entry {
            name: "to",
            kind: Real(Finite, |o, v| o.to = Some(v)),
            default: Rule("the last time"),
            meaning: "The time of the labelled cells, by which fates are told",
        },
        Entry {
            name: "descendants",
            kind: Integer(2..=MOST_DESCENDANTS, |o, v| o.descendants = v as usize),
            default: Value("100"),
            meaning: "Particles or families simulated of each cell: standard errors of probabilities are at most half of one over the square root of it",
        },
        Entry {
            name: "neighbours",
            kind: Integer(1..=u64::MAX, |o, v| o.neighbours = Some(v as usize)),
            default: Rule("10, or all labelled cells where they are fewer"),
            meaning: "The nearest labelled cells that say what a descendant is, each by its share of their weight",
        },
        Entry {
            name: "step",
            kind: Real(Positive, |o, v| o.step = Some(v)),
            default: Rule("a tenth of the mean interval between snapshots"),
            meaning: "Longest step, in units of time; the rule is of second order",
        },
        Entry {
            name: "seed",
            kind: Integer(0..=u64::MAX, |o, v| o.seed = v),
            default: Value("0"),
            meaning: "Seed of all random numbers",
        },
        Entry {
            name: "turnover",
            kind: Real(NotNegative, |o, v| o.turnover = v),
            default: Value("0"),
            meaning: "Rate added to both divisions and deaths, per unit of time",
        },
        Entry {
            name: "motion",
            kind: Name(Motion::NAMES, |o, v| {
                o.motion = Some(v.parse()?);
                Ok(())
            }),
            default: Rule("diffusion for a model with noise, else flow"),
            meaning: "How cells move between divisions, by v + s and noise or by v alone",
        },
        Entry {
            name: "max_population",
            kind: Integer(1..=u64::MAX, |o, v| o.max_population = v as usize),
            default: Value("1000000"),
            meaning: "The most descendants that one cell may have at once, in all its families",
        },
        Entry {
            name: "error_bars",
            kind: Switch(|o, v| o.error_bars = v),
            default: Value("true"),
            meaning: "Find the fates by every member of an ensemble as well, for their standard deviations; a model that is none has no error bars",
        },
        Entry {
            name: "threads",
            kind: Integer(0..=1024, |o, v| o.threads = Some(v as usize)),
            default: Rule("those of the model"),
            meaning: "Threads to compute with, 0 for all cores; the results are the same bits at any number",
        },
    ];

    fn initial() -> Self {
        Self::default()
    }

    fn variants() -> Vec<(&'static str, Self)> {
        let of = |&process: &Process| (process.as_str(), Self { process, ..Self::default() });
        Process::ALL.iter().map(of).collect()
    }

    fn variant(&self) -> String {
        format!("mode {}", self.process)
    }

    fn takes(&self, option: &str) -> bool {
        match option {
            "descendants" => self.process != Process::Ode,
            "turnover" | "motion" | "max_population" => self.process == Process::Branching,
            _ => true,
        }
    }
}
