//! Resampling: weighted particles are replaced by equally weighted ones when a few carry most of the weight.

use std::borrow::Cow;

use super::Particles;
use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, stream, uniform};

/// The effective sample size (Σ w)² / Σ w² of particles with these ln w (Kish 1965): n for equal weights, 1
/// when one particle carries all, 0 when there is no mass.
pub fn effective_sample_size(log_weights: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = log_weights.clone().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut squares) = (0.0, 0.0);
    for weight in log_weights.map(|l| relative_weight(l, largest)) {
        sum += weight;
        squares += weight * weight;
    }
    if sum > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Draws `count` rows in proportion to `weights` by systematic resampling: row i is drawn ⌊count·p_i⌋ or
/// ⌈count·p_i⌉ times, p_i being its share of the weight, and count·p_i times on average over `offset` uniform
/// in (0, 1).
///
/// Source: Kitagawa, J. Comput. Graph. Stat. 1996.
///
/// # Errors
/// [`Error::InvalidData`] unless weights are finite and not negative, and one is positive.
pub fn systematic(weights: &[f64], count: usize, offset: f64) -> Result<Vec<usize>> {
    let total: f64 = weights.iter().sum();
    if weights.iter().any(|w| w.is_nan() || *w < 0.0) || !(total > 0.0 && total.is_finite()) {
        let message =
            format!("resampling needs finite weights, none negative and one positive; their sum is {total}");
        return Err(Error::InvalidData(message));
    }
    let last = weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
    let (mut row, mut reached) = (0, weights[0]);
    let draw = |i: usize| {
        let target = (i as f64 + offset) / count as f64 * total;
        // Rounding in the running sum must not push the last draw past the last particle that has weight.
        while reached <= target && row < last {
            row += 1;
            reached += weights[row];
        }
        row
    };
    Ok((0..count).map(draw).collect())
}

/// As many particles of equal weight and the same total mass, drawn in proportion to the weights of
/// `particles`. They are numbered anew, and `ancestors` holds the row that each was drawn from.
///
/// # Errors
/// [`Error::InvalidData`] if there is no mass.
pub fn resample(particles: &Particles, seed: u64) -> Result<Particles> {
    let (log_weight, ancestors) = equalise(&particles.log_weights, seed, (0, 0))?;
    let points = ancestors.iter().flat_map(|&row| particles.point(row)).copied().collect();
    Ok(Particles {
        points,
        log_weights: vec![log_weight; ancestors.len()],
        ids: (0..ancestors.len() as u64).collect(),
        ancestors,
        ..*particles
    })
}

/// Particles of equal weight, as a branching simulation starts from: the given ones where they are, else
/// [`resample`]d.
///
/// # Errors
/// [`Error::InvalidData`] if there is no mass.
pub fn equal(particles: &Particles, seed: u64) -> Result<Cow<'_, Particles>> {
    if are_equal(&particles.log_weights) {
        Ok(Cow::Borrowed(particles))
    } else {
        resample(particles, seed).map(Cow::Owned)
    }
}

/// Particles of equal weight that were drawn from others.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// ln of the weight of each.
    pub log_weight: f64,
    /// The row that each is drawn from.
    pub rows: Vec<usize>,
}

/// What [`equal`] would draw from particles of these ln w, in increasing order of the rows; nothing where they are equal.
///
/// # Errors
/// [`Error::InvalidData`] if there is no mass.
pub fn equal_rows(log_weights: &[f64], seed: u64) -> Result<Option<Drawn>> {
    if are_equal(log_weights) {
        return Ok(None);
    }
    equalise(log_weights, seed, (0, 0)).map(|(log_weight, rows)| Some(Drawn { log_weight, rows }))
}

fn are_equal(log_weights: &[f64]) -> bool {
    log_weights.windows(2).all(|pair| pair[0] == pair[1])
}

/// As [`equalise`], where the effective sample size is under `fraction` of the particles.
pub(crate) fn if_below(
    fraction: f64,
    log_weights: impl ExactSizeIterator<Item = f64> + Clone,
    seed: u64,
    step: u64,
) -> Result<Option<(f64, Vec<usize>)>> {
    let rows = log_weights.len();
    if rows == 0 || effective_sample_size(log_weights.clone()) >= fraction * rows as f64 {
        return Ok(None);
    }
    equalise(&log_weights.collect::<Vec<f64>>(), seed, (0, step)).map(Some)
}

/// The common ln w after resampling, and the row that each particle is drawn from; the draw is that of `step` of run `run`.
pub(crate) fn equalise(log_weights: &[f64], seed: u64, (run, step): (u64, u64)) -> Result<(f64, Vec<usize>)> {
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_weights.iter().map(|&l| relative_weight(l, largest)).collect();
    let offset = uniform(&mut stream(seed, Purpose::Resampling, run, step));
    let rows = systematic(&weights, weights.len(), offset)?;
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    Ok((largest + libm::log(mean), rows))
}

/// A weight in units of the largest, so that no exponential overflows.
fn relative_weight(log_weight: f64, largest: f64) -> f64 {
    if log_weight == f64::NEG_INFINITY { 0.0 } else { libm::exp(log_weight - largest) }
}
