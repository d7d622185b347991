//! The options of the built-in data sets; each is a list of its own.

use super::IfUnset::Value;
use super::Kind::{Integer, Real};
use super::RealRange::{NotNegative, Positive};
use super::{Entry, Target};
use crate::datasets::{BranchingTree, GaussianMixture, GeneNetwork};

impl Target for GeneNetwork {
    const LIST: &'static str = "gene-network";

    const ENTRIES: &'static [Entry<Self>] = &[
        Entry {
            name: "cells_per_state",
            kind: Integer(1..=u64::MAX, |o, v| o.cells_per_state = v as usize),
            default: Value("200"),
            meaning: "Cells that start in each of the two states",
        },
        Entry {
            name: "seed",
            kind: Integer(0..=u64::MAX, |o, v| o.seed = v),
            default: Value("0"),
            meaning: "Seed of all random numbers",
        },
    ];

    fn initial() -> Self {
        Self::default()
    }
}

impl Target for GaussianMixture {
    const LIST: &'static str = "gaussian-mixture";

    const ENTRIES: &'static [Entry<Self>] = &[
        Entry {
            name: "dims",
            kind: Integer(2..=u64::MAX, |o, v| o.dims = v as usize),
            default: Value("100"),
            meaning: "Dimension",
        },
        Entry {
            name: "seed",
            kind: Integer(0..=u64::MAX, |o, v| o.seed = v),
            default: Value("0"),
            meaning: "Seed of all random numbers",
        },
    ];

    fn initial() -> Self {
        Self::default()
    }
}

impl Target for BranchingTree {
    const LIST: &'static str = "branching";

    const ENTRIES: &'static [Entry<Self>] = &[
        Entry {
            name: "cells",
            kind: Integer(1..=u64::MAX, |o, v| o.cells = v as usize),
            default: Value("10000"),
            meaning: "Cells of all time points together",
        },
        Entry {
            name: "dims",
            kind: Integer(1..=u64::MAX, |o, v| o.dims = v as usize),
            default: Value("10"),
            meaning: "Dimension",
        },
        Entry {
            name: "fates",
            kind: Integer(1..=u64::MAX, |o, v| o.fates = v as usize),
            default: Value("4"),
            meaning: "Number of fates",
        },
        Entry {
            name: "time_points",
            kind: Integer(2..=u64::MAX, |o, v| o.time_points = v as usize),
            default: Value("3"),
            meaning: "Number of time points",
        },
        Entry {
            name: "growth",
            kind: Real(NotNegative, |o, v| o.growth = v),
            default: Value("0.5"),
            meaning: "Growth rate of the last fate, per unit of time",
        },
        Entry {
            name: "spread",
            kind: Real(Positive, |o, v| o.spread = v),
            default: Value("0.1"),
            meaning: "Standard deviation of a coordinate around the path",
        },
        Entry {
            name: "seed",
            kind: Integer(0..=u64::MAX, |o, v| o.seed = v),
            default: Value("0"),
            meaning: "Seed of all random numbers",
        },
    ];

    fn initial() -> Self {
        Self::default()
    }
}
