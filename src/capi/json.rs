//! Reports as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::field;
use crate::fields::Fields;
use crate::model::Dynamics;
use crate::transport::Solution;

pub(super) fn of_model(model: &Dynamics) -> Value {
    let info = model.info();
    json!({
        "method": info.method,
        "dims": model.dims(),
        "sigma": info.sigma,
        "delta": info.delta,
        "times": info.times,
        // As text: JSON readers take numbers beyond 2⁵³ for floating point.
        "seed": info.seed.to_string(),
        "epochs": info.epochs,
        "members": model.members(),
        "stretch": info.stretch,
        "branches": model.branches(),
        "uncertainty": info.uncertainty.map(|errors| errors.to_json()),
        "parameters": model.parameter_count(),
        "has_growth": model.has_growth(),
        "has_score": model.has_score(),
        "has_landscape": model.has_landscape(),
        "fields": field::learned(model).collect::<Vec<_>>(),
        "coordinates": info.coordinates,
        "masses": info.masses,
        "has_couplings": model.couplings().is_some(),
        // Of the losses tell functions of their own.
        "attributes": info.attributes.iter().filter(|(name, _)| *name != super::model::LOSSES).collect::<BTreeMap<_, _>>(),
    })
}

pub(super) fn of_transport(solution: &Solution) -> Value {
    let report = &solution.report;
    json!({
        "primal": report.primal,
        "dual": report.dual,
        "gap": report.gap,
        "transport_cost": report.transport_cost,
        "transported_mass": report.transported_mass,
        "source_residual": report.source_residual,
        "target_residual": report.target_residual,
        "iterations": report.iterations,
        "converged": report.converged,
        "warnings": solution.warnings(),
    })
}

/// A measure of something by its name.
pub(super) type Measure<T> = (&'static str, fn(&T) -> f64);

pub(super) fn of_measures<T>(measures: &[Measure<T>], of: &T) -> Value {
    let entries = measures.iter().map(|(name, measure)| (name.to_string(), json!(measure(of))));
    Value::Object(entries.collect::<Map<String, Value>>())
}
