//! The options of a simulation and of an evaluation, which simulates.

use super::IfUnset::{Rule, Value};
use super::Kind::{Device, Integer, Name, Real};
use super::RealRange::{NotNegative, Positive, Share};
use super::{Entry, Settings, Target};
use crate::error::{Error, Result};
use crate::evaluate::protocol::Protocol;
use crate::simulate::branching::Motion;
use crate::simulate::simulation::{Process, Rule as SolverRule, Simulation};

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
                meaning: "Longest step of sde, branching and the solvers of equal steps, in units of time",
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
                meaning: "Ode: the rule, adaptive or of equal steps",
            },
            Entry {
                name: "relative_tolerance",
                kind: Real(Positive, |o, v| o.$($path.)*tolerance.relative = v),
                default: Value("0.00001"),
                meaning: "Ode: error of an adaptive step, relative to the state",
            },
            Entry {
                name: "absolute_tolerance",
                kind: Real(Positive, |o, v| o.$($path.)*tolerance.absolute = v),
                default: Value("0.00001"),
                meaning: "Ode: error of an adaptive step, relative to the spread of the starting particles",
            },
            Entry {
                name: "max_steps",
                kind: Integer(1..=u64::MAX, |o, v| o.$($path.)*tolerance.max_steps = v as usize),
                default: Value("100000"),
                meaning: "Ode: the most adaptive steps of a block of particles",
            },
            Entry {
                name: "turnover",
                kind: Real(NotNegative, |o, v| o.$($path.)*turnover = v),
                default: Value("0"),
                meaning: "Branching: rate added to both divisions and deaths, per unit of time",
            },
            Entry {
                name: "motion",
                kind: Name(Motion::NAMES, |o, v| {
                    o.$($path.)*motion = Some(v.parse()?);
                    Ok(())
                }),
                default: Rule("diffusion for a model with noise, else flow"),
                meaning: "Branching: how cells move between divisions, by v + s and noise or by v alone",
            },
            Entry {
                name: "max_population",
                kind: Integer(1..=u64::MAX, |o, v| o.$($path.)*max_population = v as usize),
                default: Value("1000000"),
                meaning: "Branching: the most cells that may live at once",
            },
            Entry {
                name: "device",
                kind: Device(|o, v| o.$($path.)*device = v),
                default: Value("cpu"),
                meaning: "Where particles are stepped; auto takes another device than the cpu from 16 384 particles on",
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
            kind: Real(Share, |o, v| o.resample_below = Some(v)),
            default: Rule("never"),
            meaning: "Sde: resample when the effective sample size falls under this fraction of the particles",
        },
    );

    fn initial() -> Self {
        Self::default()
    }

    fn check(&self, given: &Settings<Self>) -> Result<()> {
        let mode = given.get("mode")?.unwrap_or(Process::Ode.as_str());
        match given.get("resample_below")? {
            Some(fraction) if mode != Process::Sde.as_str() => {
                let allowed = "left out but with mode sde: only there are particles resampled";
                Err(Error::argument("resample_below", fraction, allowed))
            }
            _ => Ok(()),
        }
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
            meaning: "Independent runs of sde and branching, with consecutive seeds",
        },
        Entry {
            name: "delta",
            kind: Real(Positive, |o, v| o.delta = Some(v)),
            default: Rule("the model's, else 1"),
            meaning: "δ of the action",
        },
    );

    fn initial() -> Self {
        Self::default()
    }
}
