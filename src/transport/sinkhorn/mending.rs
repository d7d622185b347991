//! What it costs at the most to mend a plan that misses a hard target.

use super::super::Problem;
use super::super::clones::{SAME_MASS, groups_in_reach};
use super::super::cost::CostRows;

/// What the columns may be off by, as a share of the mass, and be counted as met: the rounding of their sums.
pub(super) const ROUNDING: f64 = 1e-14;

/// s_j = min(1, b_j/c_j), which takes from the columns' masses c what they have too much.
pub(super) fn scaling(problem: &Problem<'_>, columns: &[f64]) -> Vec<f64> {
    problem.target.weights().iter().zip(columns).map(|(b, c)| if c > b { b / c } else { 1.0 }).collect()
}

/// How far above the dual at the potentials (f, g) the objective is, at the most, of a plan that meets both hard marginals a
/// and b, made from the plan γ of the potentials, which has row masses a and column masses c.
///
/// Its columns are scaled by s (see [`scaling`]), which leaves `rows`, and what the points then lack, δ = a − rows and d = b − c s,
/// each of the total t, is coupled by a plan β (after Altschuler, Weed, Rigollet, NeurIPS 2017). The objective is convex: that of
/// the sum is at most the mean of those of its parts, scaled up to the whole mass M. What remains, less the dual, is
///
/// ⟨C − f − g, β⟩ + ε (Σ c_j s_j ln s_j + (M − t) ln (M/(M − t)) + Σ β ln (β/ab) + t ln (M/t)),
///
/// which vanishes with t.
pub(super) fn mending(
    problem: &Problem<'_>,
    (f, g): (&[f64], &[f64]),
    (rows, columns): (&[f64], &[f64]),
    epsilon: f64,
) -> f64 {
    let (a, b) = (problem.source.weights(), problem.target.weights());
    let scaling = scaling(problem, columns);
    let mut of_rows: Vec<f64> = a.iter().zip(rows).map(|(a, r)| (a - r).max(0.0)).collect();
    let of_columns: Vec<f64> = b.iter().zip(columns).map(|(b, c)| (b - c).max(0.0)).collect();
    let mass: f64 = a.iter().sum();
    let (lack, of_rows_in_all): (f64, f64) = (of_columns.iter().sum(), of_rows.iter().sum());
    if lack <= ROUNDING * mass || of_rows_in_all <= 0.0 {
        return 0.0;
    }
    of_rows.iter_mut().for_each(|lack_of_row| *lack_of_row *= lack / of_rows_in_all);
    let shrinking: f64 = columns.iter().zip(&scaling).map(|(c, s)| c * s * libm::log(*s)).sum();
    let left = (mass - lack).max(f64::MIN_POSITIVE);
    let mut gap = epsilon * (shrinking + left * libm::log(mass / left) + lack * libm::log(mass / lack));
    let costs = CostRows::new(problem);
    let (all_rows, all_columns) = ((0..a.len()).collect::<Vec<_>>(), (0..b.len()).collect::<Vec<_>>());
    let groups = groups_in_reach(problem).unwrap_or_else(|| vec![(all_rows, all_columns)]);
    let (mut of_columns, mut moves) = (of_columns, vec![]);
    for (rows, columns) in groups {
        staircase((&rows, &mut of_rows), (&columns, &mut of_columns), &mut moves);
    }
    if of_columns.iter().sum::<f64>() > SAME_MASS * mass {
        // Only a detour through other points could bring the rest there.
        return f64::INFINITY;
    }
    for (i, j, moved) in moves {
        let share = moved / a[i] / b[j];
        gap += moved * (costs.entry(i, j) - f[i] - g[j] + epsilon * libm::log(share));
    }
    gap.max(0.0)
}

/// Takes from the source points `rows` what the target points `columns` lack, point by point in their order (the north-west corner
/// rule): all that the lesser of the two has.
fn staircase(
    (rows, source): (&[usize], &mut [f64]),
    (columns, target): (&[usize], &mut [f64]),
    moves: &mut Vec<(usize, usize, f64)>,
) {
    let (mut at, mut to) = (0, 0);
    while at < rows.len() && to < columns.len() {
        let (i, j) = (rows[at], columns[to]);
        let moved = source[i].min(target[j]);
        if moved > 0.0 {
            moves.push((i, j, moved));
        }
        source[i] -= moved;
        target[j] -= moved;
        if source[i] <= 0.0 {
            at += 1;
        } else {
            to += 1;
        }
    }
}
