//! One fit of an ensemble as bytes: its networks, and how they were learned.

use serde_json::{Value, json};

use super::failure;
use super::reading::{Fields, unusable};
use crate::error::Result;
use crate::exec::arrays::{Arrays, Read};
use crate::fields::{GrowthLaw, Network, Role};
use crate::method::{FitOptions, FitReport, Learned};
use crate::nn::Mlp;
use crate::rollout::{RolloutReport, Term};
use crate::transport::Report;
use crate::transport::whole::WholeGap;

/// The terms that a rollout's loss may have.
const TERMS: [&str; 10] = [
    "transport",
    "density",
    "mass",
    "local_mass",
    "energy",
    "residual",
    "initial_density",
    "density_from_start",
    "density_from_previous",
    "kernel_variance",
];

/// A static solver's report as numbers.
pub(super) fn of_report(report: &Report) -> [f64; 9] {
    [
        report.iterations as f64,
        f64::from(u8::from(report.converged)),
        report.primal,
        report.dual,
        report.gap,
        report.transport_cost,
        report.transported_mass,
        report.source_residual,
        report.target_residual,
    ]
}

pub(super) fn to_report(numbers: &[f64; 9]) -> Report {
    let &[
        iterations,
        converged,
        primal,
        dual,
        gap,
        transport_cost,
        transported_mass,
        source_residual,
        target_residual,
    ] = numbers;
    Report {
        iterations: iterations as usize,
        converged: converged != 0.0,
        primal,
        dual,
        gap,
        transport_cost,
        transported_mass,
        source_residual,
        target_residual,
    }
}

pub(super) fn to_bytes(learned: &Learned) -> Vec<u8> {
    // A fit that keeps couplings is none of an ensemble's.
    let Learned { networks, law, sigma, couplings: _, report, stopped } = learned;
    let mut arrays = Arrays::default();
    for network in networks {
        arrays.singles(network.role.name(), network.mlp.parameters().iter().copied());
    }
    arrays.reals("losses", report.losses.iter().copied());
    arrays.reals("interpolant", report.interpolant_losses.iter().copied());
    arrays.reals("unmatched_mass", report.unmatched_mass.iter().flat_map(|&(a, b)| [a, b]));
    arrays.reals("whole_gaps", report.whole_gaps.iter().flat_map(|gap| [gap.relative, gap.standard_error]));
    for (k, reports) in report.couplings.iter().enumerate() {
        arrays.reals(format!("coupling {k}"), reports.iter().flat_map(of_report));
    }
    if let Some(rollout) = &report.rollout {
        arrays.reals("pre-training", rollout.pretraining_losses.iter().copied());
        arrays.reals("local", rollout.local_losses.iter().copied());
        arrays.reals("post-local", rollout.post_local_losses.iter().copied());
        arrays.reals("fine-tuning", rollout.finetuning_losses.iter().copied());
        arrays.reals("score-training", rollout.score_losses.iter().copied());
        for term in &rollout.terms {
            arrays.reals(format!("term {}", term.name), term.values.iter().copied());
        }
    }
    let law = law.map(|law| match law {
        GrowthLaw::Quadratic { alpha } => json!([alpha]),
        GrowthLaw::Power { alpha, floor } => json!([alpha, floor]),
    });
    arrays.to_bytes(&json!({
        "networks": networks.iter().map(|network| network.role.name()).collect::<Vec<_>>(),
        "law": law,
        "sigma": sigma,
        "pairs": report.pairs,
        "couplings": report.couplings.len(),
        "terms": report.rollout.as_ref().map(|of| of.terms.iter().map(|term| term.name).collect::<Vec<_>>()),
        "warnings": report.warnings,
        "coupling_seconds": report.coupling_seconds,
        "training_seconds": report.training_seconds,
        "cpu_seconds": report.cpu_seconds,
        "stopped": stopped.as_ref().map(failure::to_json),
    }))
}

/// What [`to_bytes`] wrote of a fit by these options in so many dimensions; `report` is that of the numbers that were chosen.
pub(super) fn of_bytes(
    bytes: &[u8],
    options: &FitOptions,
    dims: usize,
    report: FitReport,
) -> Result<Learned> {
    let read = Read::new(bytes)?;
    let fields = Fields(&read.beside);
    let network = |name: &String| {
        let role = Role::ALL.into_iter().find(|role| role.name() == name);
        let role = role.ok_or_else(|| unusable(format!("a network `{name}`")))?;
        let parameters = read.singles(name)?;
        let mlp = Mlp::from_parameters(options.training.architecture(role, dims)?, parameters);
        Ok(Network { role, mlp: mlp.map_err(unusable)? })
    };
    let names = fields.texts("networks")?;
    let rollout = match fields.get("terms")? {
        Value::Null => None,
        _ => Some(read_rollout(&read, &fields.texts("terms")?)?),
    };
    let coupling = |k: usize| {
        Ok(read.rows::<9>(&format!("coupling {k}"))?.iter().map(to_report).collect::<Vec<Report>>())
    };
    let whole_gap = |&[relative, standard_error]: &[f64; 2]| WholeGap { relative, standard_error };
    let report = FitReport {
        losses: read.reals("losses")?,
        interpolant_losses: read.reals("interpolant")?,
        unmatched_mass: read.rows::<2>("unmatched_mass")?.iter().map(|&[a, b]| (a, b)).collect(),
        whole_gaps: read.rows::<2>("whole_gaps")?.iter().map(whole_gap).collect(),
        // Every interval has an array of its own, so that a count beyond them is not looked for.
        couplings: (0..fields.count("couplings")?).map(coupling).collect::<Result<_>>()?,
        pairs: fields.counts("pairs")?,
        rollout,
        warnings: fields.texts("warnings")?,
        coupling_seconds: fields.real("coupling_seconds")?,
        training_seconds: fields.real("training_seconds")?,
        cpu_seconds: fields.optional_real("cpu_seconds")?,
        ..report
    };
    let intervals = report.couplings.len();
    if [report.unmatched_mass.len(), report.whole_gaps.len(), report.pairs.len()] != [intervals; 3] {
        return Err(unusable("its intervals do not go together"));
    }
    let law = match fields.get("law")? {
        Value::Null => None,
        _ => Some(match fields.reals("law")?[..] {
            [alpha] => GrowthLaw::quadratic(alpha)?,
            [alpha, floor] => GrowthLaw::power(alpha, floor)?,
            _ => return Err(unusable("its growth law")),
        }),
    };
    let stopped = match fields.get("stopped")? {
        Value::Null => None,
        error => Some(failure::of_json(&Fields(error))?),
    };
    Ok(Learned {
        networks: names.iter().map(network).collect::<Result<_>>()?,
        law,
        sigma: fields.real("sigma")?,
        couplings: None,
        report,
        stopped,
    })
}

fn read_rollout(read: &Read<'_>, terms: &[String]) -> Result<RolloutReport> {
    let term = |name: &String| {
        let known = TERMS.iter().find(|known| *known == name);
        let name = known.ok_or_else(|| unusable(format!("a term `{name}` of a loss")))?;
        Ok(Term { name, values: read.reals(&format!("term {name}"))? })
    };
    Ok(RolloutReport {
        pretraining_losses: read.reals("pre-training")?,
        local_losses: read.reals("local")?,
        post_local_losses: read.reals("post-local")?,
        finetuning_losses: read.reals("fine-tuning")?,
        score_losses: read.reals("score-training")?,
        // Of branches there are no ensembles.
        growth_losses: vec![],
        joint_losses: vec![],
        terms: terms.iter().map(term).collect::<Result<_>>()?,
    })
}
