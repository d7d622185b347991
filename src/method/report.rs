//! What was chosen, how the fit went, and both as JSON for everyone who asks.

use serde_json::{Map, Value, json};

use crate::model::Uncertainty;
use crate::rollout::RolloutReport;
use crate::transport::Report;
use crate::transport::whole::WholeGap;

/// What was chosen, and how the fit went.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct FitReport {
    /// δ, where the recipe has one.
    pub delta: Option<f64>,
    /// σ, where the recipe has one: that at the first snapshot, where it changes with time.
    pub sigma: Option<f64>,
    /// σ at the last snapshot, where it changes with time.
    pub final_sigma: Option<f64>,
    /// λ = σ²/δ², where the recipe has both.
    pub branching_rate: Option<f64>,
    /// ρ, where the recipe has one.
    pub penalty: Option<f64>,
    /// Each of these numbers with the rule that it came by.
    pub choices: Vec<Choice>,
    /// For each interval, the mass of source cells and of target cells out of everyone's reach.
    pub unmatched_mass: Vec<(f64, f64)>,
    /// For each interval, the reports of its static problems, one a block.
    pub couplings: Vec<Vec<Report>>,
    /// For each interval, how far its coupling is from the best one of all its cells at the most: of one made in several blocks an
    /// estimate, else its relative gap.
    pub whole_gaps: Vec<WholeGap>,
    /// The number of matched pairs of each interval.
    pub pairs: Vec<usize>,
    /// The loss of every training step, of the main stage where there are several.
    pub losses: Vec<f64>,
    /// The losses of the training of a bridge's paths, where it learns them.
    pub interpolant_losses: Vec<f64>,
    /// The branches of a population that goes several ways, in their order; empty of other fits, whose intervals are told of above.
    pub branches: Vec<BranchReport>,
    /// What a simulation-based fit, or the fine-tuning of another, tells beside.
    pub rollout: Option<RolloutReport>,
    /// What an ensemble found of its errors; the rest of the report is then that of its first member, but for the seconds, which
    /// are those of all fits together.
    pub ensemble: Option<EnsembleReport>,
    /// The largest |g|/λ over the cells at their own times, where the recipe has a λ. The quadratic price of growth, ½δ²g²,
    /// stands for that of branching Brownian motion only while this is far below one; beyond, δ says what growth costs, and λ
    /// is but a name for σ²/δ².
    pub growth_over_branching_rate: Option<f64>,
    /// Why the fit may mean little, in whole sentences; none where nothing is odd.
    pub warnings: Vec<String>,
    /// Seconds spent coupling.
    pub coupling_seconds: f64,
    /// Seconds spent training.
    pub training_seconds: f64,
    /// Processor seconds of all threads of the fit, without what they waited for; none where the system does not tell. Where the
    /// threads are the ambient pool, what else it did meanwhile is counted too.
    pub cpu_seconds: Option<f64>,
}

/// A part of the last snapshot, and how its cells were coupled with those of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BranchReport {
    /// Its cells that weigh anything.
    pub cells: usize,
    /// Their mass.
    pub mass: f64,
    /// The number of matched pairs.
    pub pairs: usize,
    /// The largest duality gap of the coupling's blocks, relative to the block's optimum.
    pub relative_gap: f64,
}

/// What an ensemble is made of, and how far it is off.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EnsembleReport {
    /// The members that there are.
    pub members: usize,
    /// The fits to fewer snapshots beside them: two to every second from three snapshots on, and from five on one to every fourth.
    pub coarse_fits: usize,
    /// The fits at half and at a quarter of the price of growth beside them: two, where it has a price δ².
    pub cheaper_fits: usize,
    /// How far the fields are off; none where a fit was stopped.
    pub uncertainty: Option<Uncertainty>,
}

/// A number that a fit was made with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// The option's name.
    pub name: &'static str,
    /// Its value, in the data's units.
    pub value: f64,
    /// How it came to be: `given`, or the rule in words.
    pub rule: String,
}

impl FitReport {
    /// The largest duality gap of an interval's blocks, relative to the block's optimum. Of a coupling in several blocks it
    /// certifies each block's optimum, not that of the whole; of that tells [`whole_gaps`](Self::whole_gaps).
    pub fn coupling_gap(&self, interval: usize) -> f64 {
        self.couplings[interval].iter().map(Report::relative_gap).fold(0.0, f64::max)
    }

    /// The report as JSON: what the command prints and what the C interface, and with it every binding, gives.
    pub fn to_json(&self) -> Value {
        let couplings = (0..self.couplings.len()).map(|k| {
            let blocks = &self.couplings[k];
            json!({
                "blocks": blocks.len(),
                "iterations": blocks.iter().map(|block| block.iterations).sum::<usize>(),
                "relative_gap": self.coupling_gap(k),
                "whole_gap": self.whole_gaps[k].relative,
                "whole_gap_error": self.whole_gaps[k].standard_error,
                "converged": blocks.iter().all(|block| block.converged),
            })
        });
        let choice =
            |choice: &Choice| json!({ "name": choice.name, "value": choice.value, "rule": choice.rule });
        json!({
            "delta": self.delta,
            "sigma": self.sigma,
            "final_sigma": self.final_sigma,
            "branching_rate": self.branching_rate,
            "penalty": self.penalty,
            "choices": self.choices.iter().map(choice).collect::<Value>(),
            "unmatched_mass": self.unmatched_mass,
            "pairs": self.pairs,
            "couplings": couplings.collect::<Value>(),
            "epochs": self.losses.len(),
            "first_loss": self.losses.first(),
            "last_loss": self.losses.last(),
            "interpolant": (!self.interpolant_losses.is_empty()).then(|| stage(&self.interpolant_losses)),
            "branches": (!self.branches.is_empty()).then(|| self.branches.iter().map(of_branch).collect::<Value>()),
            "rollout": self.rollout.as_ref().map(of_rollout),
            "ensemble": self.ensemble.as_ref().map(of_ensemble),
            "growth_over_branching_rate": self.growth_over_branching_rate,
            "warnings": self.warnings,
            "coupling_seconds": self.coupling_seconds,
            "training_seconds": self.training_seconds,
            "cpu_seconds": self.cpu_seconds,
        })
    }
}

fn of_ensemble(ensemble: &EnsembleReport) -> Value {
    let errors = ensemble.uncertainty.map(|errors| errors.to_json());
    let EnsembleReport { members, coarse_fits, cheaper_fits, .. } = *ensemble;
    json!({
        "members": members,
        "coarse_fits": coarse_fits,
        "cheaper_fits": cheaper_fits,
        "uncertainty": errors,
    })
}

fn of_branch(branch: &BranchReport) -> Value {
    let &BranchReport { cells, mass, pairs, relative_gap } = branch;
    json!({ "cells": cells, "mass": mass, "pairs": pairs, "relative_gap": relative_gap })
}

fn stage(losses: &[f64]) -> Value {
    json!({ "epochs": losses.len(), "first_loss": losses.first(), "last_loss": losses.last() })
}

fn of_rollout(rollout: &RolloutReport) -> Value {
    json!({
        "pre-training": stage(&rollout.pretraining_losses),
        "local": stage(&rollout.local_losses),
        "post-local": stage(&rollout.post_local_losses),
        "fine-tuning": stage(&rollout.finetuning_losses),
        "score": stage(&rollout.score_losses),
        "growth": stage(&rollout.growth_losses),
        "joint": stage(&rollout.joint_losses),
        "terms": rollout.last_terms().map(|(name, value)| (name.into(), value.into())).collect::<Map<String, Value>>(),
    })
}
