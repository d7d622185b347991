//! The options of a static transport problem.

use super::IfUnset::{Rule, Value};
use super::Kind::{Device, Integer, Name, Real, Switch};
use super::RealRange::{NotNegative, Positive, PositiveOrInfinite};
use super::{Entry, Target};
use crate::transport::solver::{CostName, TransportOptions};

impl Target for TransportOptions {
    const LIST: &'static str = "transport";

    const ENTRIES: &'static [Entry<Self>] = &[
        Entry {
            name: "cost",
            kind: Name(CostName::NAMES, |o, v| {
                o.cost = v.parse()?;
                Ok(())
            }),
            default: Value("wfr"),
            meaning: "Cost of moving a unit of mass by r: −2 ln cos(min(r/2δ, π/2)), r, or r²/2",
        },
        Entry {
            name: "delta",
            kind: Real(Positive, |o, v| o.delta = v),
            default: Value("1"),
            meaning: "δ of the cost wfr, a length",
        },
        Entry {
            name: "epsilon",
            kind: Real(NotNegative, |o, v| o.epsilon = v),
            default: Value("0"),
            meaning: "Entropic regularisation, in units of the cost; 0 for the unregularised optimum",
        },
        Entry {
            name: "penalty",
            kind: Real(PositiveOrInfinite, |o, v| o.penalty = v),
            default: Value("1"),
            meaning: "Penalty ρ of either marginal; inf for hard marginals",
        },
        Entry {
            name: "source_penalty",
            kind: Real(PositiveOrInfinite, |o, v| o.source_penalty = Some(v)),
            default: Rule("the penalty"),
            meaning: "Penalty of the source's marginal, where it differs",
        },
        Entry {
            name: "target_penalty",
            kind: Real(PositiveOrInfinite, |o, v| o.target_penalty = Some(v)),
            default: Rule("the penalty"),
            meaning: "Penalty of the target's marginal, where it differs",
        },
        Entry {
            name: "normalise",
            kind: Switch(|o, v| o.normalise = v),
            default: Value("false"),
            meaning: "Divide the weights of either cloud by their sum",
        },
        Entry {
            name: "tolerance",
            kind: Real(Positive, |o, v| o.tolerance = v),
            default: Value("0.000000001"),
            meaning: "Relative duality gap to stop at; exact transport ends at the optimum itself",
        },
        Entry {
            name: "max_iterations",
            kind: Integer(1..=u64::MAX, |o, v| o.max_iterations = Some(v as usize)),
            default: Rule("10 000 sweeps, or 100 million pivots"),
            meaning: "Give up after so many sweeps or pivots; exact transport needs no bound",
        },
        Entry {
            name: "device",
            kind: Device(|o, v| o.device = v),
            default: Value("cpu"),
            meaning: "Where Sinkhorn's sweeps run; auto takes another device than the cpu from 4 194 304 pairs of points on",
        },
        Entry {
            name: "threads",
            kind: Integer(0..=1024, |o, v| o.threads = v as usize),
            default: Value("0"),
            meaning: "Threads to compute with, 0 for all cores; the results are the same bits at any number",
        },
    ];

    fn initial() -> Self {
        Self::default()
    }
}
