//! Where the active-set method starts.

use rayon::prelude::*;

use super::super::backend::{Entry, chunk_rows, column_exponents, exponentials};
use super::super::cost::CostRows;
use super::super::sinkhorn::Sweeper;
use super::super::{Problem, network_simplex};
use crate::device::Opened;
use crate::error::Result;
use crate::exec::stop::Stop;

/// Entries (row, column, mass) to start from, heaviest first.
///
/// The marginals of an entropic plan are right long before its support is; exact transport between them gives the support,
/// of which little has to change, but for what it cannot route: between clusters out of each other's reach the small
/// difference of their masses, which the active set's own pivots take up. Where a marginal is hard, and so every point
/// needs a partner, the heavy entries of the entropic plan itself must do then.
pub(super) fn start(problem: &Problem<'_>, opened: &Opened, stop: &Stop) -> Result<Vec<Entry>> {
    // The entropic problem is not homogeneous in the masses, as this one is: its bias is smallest for weights about 1.
    let points = (problem.source.len() * problem.target.len()) as f64;
    let unit = (points / (problem.source.mass() * problem.target.mass())).sqrt();
    let (source, target) = (problem.source.clone().scaled(unit), problem.target.clone().scaled(unit));
    let scaled = Problem { source: &source, target: &target, ..*problem };
    let mut sweeper = Sweeper::new(&scaled, opened, stop)?;
    // At the resolution of the costs. The floor keeps f/ε representable.
    let epsilon = sweeper.resolution.max(1e-9 * sweeper.scale);
    sweeper.scale_down(epsilon, (STAGE_ERROR, STUCK), usize::MAX)?;
    let mut before = f64::INFINITY;
    for _ in 0..MOST_POLISHES {
        sweeper.backend.sweep(epsilon)?;
        let error = sweeper.target_residual()?;
        if error < MARGINAL_ERROR || error > STUCK * before {
            break;
        }
        before = error;
        sweeper.backend.update_target(epsilon)?;
        sweeper.refine(epsilon, 0.3 * MARGINAL_ERROR, CUTOFF)?;
    }
    sweeper.backend.sweep(epsilon)?;
    let (rows, columns) = sweeper.backend.masses()?;
    let (f, g) = sweeper.backend.potentials()?;
    let (source, target) =
        (problem.source.clone().with_weights(&rows), problem.target.clone().with_weights(&columns));
    let hard = f64::INFINITY;
    let balanced =
        Problem { source: &source, target: &target, source_penalty: hard, target_penalty: hard, ..*problem };
    let support = network_simplex::support(&balanced, &g, stop)?;
    let soft = problem.source_penalty.is_finite() && problem.target_penalty.is_finite();
    let mut entries = match support {
        // Each point of a hard marginal must have a partner.
        Some((entries, all)) if all || soft => entries,
        _ => heavy_entries(&scaled, (&f, &g), epsilon, 0.02, stop)?,
    };
    entries.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    entries.iter_mut().for_each(|entry| entry.2 /= unit);
    Ok(entries)
}

// Chosen on Gaussian clouds of 2, 10 and 50 dimensions. The error of the marginals counts most: mass is shared along
// long chains of neighbours, where small errors add up and leave thousands of pivots to make.
const CUTOFF: f64 = 15.0;
const STAGE_ERROR: f64 = 0.01;
const MARGINAL_ERROR: f64 = 1e-3;
const MOST_POLISHES: usize = 60;
/// Where more than this share of the error is left, masses of whole clusters are off, out of each other's reach: all of a cluster's potentials
/// have to move by many ε. The active set moves them at once.
const STUCK: f64 = 0.9;

/// Entries of the plan at the current potentials that hold at least `fraction` of their row's largest entry, or
/// are the largest of their column in a chunk of rows.
fn heavy_entries(
    problem: &Problem<'_>,
    (f, g): (&[f64], &[f64]),
    epsilon: f64,
    fraction: f64,
    stop: &Stop,
) -> Result<Vec<Entry>> {
    let (a, u) = (problem.source.weights(), column_exponents(problem, g, epsilon));
    let costs = CostRows::new(problem);
    let rows: Vec<usize> = (0..f.len()).collect();
    let blocks: Vec<Vec<Entry>> = rows
        .par_chunks(chunk_rows(f.len()))
        .map(|rows| {
            let (mut row_costs, mut entries) = (vec![0.0; u.len()], vec![0.0; u.len()]);
            let mut kept = Vec::new();
            let mut best = vec![(0u32, 0.0f64); u.len()];
            for &i in rows.iter().take_while(|_| !stop.is_requested()) {
                costs.row(i, 0, &mut row_costs);
                exponentials(f[i] / epsilon, 1.0 / epsilon, &row_costs, &u, &mut entries);
                let max = entries.iter().fold(0.0f64, |m, &p| m.max(p));
                for (j, &p) in entries.iter().enumerate() {
                    let mass = a[i] * p;
                    if mass > best[j].1 {
                        best[j] = (i as u32, mass);
                    }
                    if p >= fraction * max && p > 0.0 {
                        kept.push((i as u32, j as u32, mass));
                    }
                }
            }
            kept.extend(
                best.iter().enumerate().filter(|(_, b)| b.1 > 0.0).map(|(j, b)| (b.0, j as u32, b.1)),
            );
            kept
        })
        .collect();
    stop.check()?;
    Ok(blocks.concat())
}
