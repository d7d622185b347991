//! Drawing pairs of a coupling in constant time.

use rand::Rng;
use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use super::coupling::{Coupling, Pair};
use crate::error::{Error, Result};

/// What a draw from a coupling gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw {
    /// A source cell and its partner.
    Matched(Pair),
    /// A source cell without a partner: it dies on the way.
    Dying(u32),
    /// A target cell without a partner: it is born on the way.
    Born(u32),
}

/// Draws from a [`Coupling`] by the alias method (Walker 1977, Vose 1991): O(1) a draw, whatever the number of pairs.
///
/// A matched pair or dying cell comes with probability proportional to the mass that it has at the start, a born
/// cell to the mass that it has at the end, each times what a caller says of the draw.
#[derive(Debug, Clone)]
pub struct PairSampler {
    coupling: Coupling,
    alias: WeightedAliasIndex<f64>,
    mean_factor: f64,
}

impl PairSampler {
    /// Builds the alias table of draws in proportion to mass.
    ///
    /// # Errors
    /// As [`weighted`](Self::weighted).
    pub fn new(coupling: Coupling) -> Result<Self> {
        Self::weighted(coupling, |_| 1.0)
    }

    /// Builds the alias table of draws in proportion to mass times `factor`.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the coupling holds no mass, or more than 2³² − 1 entries.
    pub fn weighted(coupling: Coupling, factor: impl Fn(Draw) -> f64) -> Result<Self> {
        let pairs = coupling.pairs.iter().map(|&pair| (Draw::Matched(pair), pair.sent));
        let dying = coupling.dying.iter().map(|&(cell, mass)| (Draw::Dying(cell), mass));
        let born = coupling.born.iter().map(|&(cell, mass)| (Draw::Born(cell), mass));
        let (mut mass, mut total) = (0.0, 0.0);
        let mut weights = Vec::with_capacity(coupling.pairs.len());
        for (draw, of_draw) in pairs.chain(dying).chain(born) {
            let weight = of_draw * factor(draw);
            mass += of_draw;
            total += weight;
            weights.push(weight);
        }
        // Relative weights: the table refuses weights above f64::MAX / n.
        weights.iter_mut().for_each(|w| *w /= total);
        let alias = WeightedAliasIndex::new(weights).map_err(|e| {
            Error::InvalidData(format!("a coupling of total mass {total} cannot be sampled: {e}"))
        })?;
        Ok(Self { coupling, alias, mean_factor: total / mass })
    }

    /// The mean of the factor that draws were weighted by, over draws in proportion to mass alone.
    pub fn mean_factor(&self) -> f64 {
        self.mean_factor
    }

    /// One draw.
    pub fn sample(&self, rng: &mut impl Rng) -> Draw {
        let Coupling { pairs, dying, born } = &self.coupling;
        let at = self.alias.sample(rng);
        match at.checked_sub(pairs.len()) {
            None => Draw::Matched(pairs[at]),
            Some(at) if at < dying.len() => Draw::Dying(dying[at].0),
            Some(at) => Draw::Born(born[at - dying.len()].0),
        }
    }

    /// The coupling that is sampled.
    pub fn coupling(&self) -> &Coupling {
        &self.coupling
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::{Purpose, stream};

    #[test]
    fn draws_follow_the_masses() {
        let pair = |source, sent| Pair { source, target: 0, sent, received: 1.0, coupled: sent };
        let coupling =
            Coupling { pairs: vec![pair(0, 1.0), pair(1, 3.0)], dying: vec![(2, 2.0)], born: vec![(5, 4.0)] };
        let sampler = PairSampler::new(coupling).unwrap();
        let mut rng = stream(1, Purpose::Training, 0, 0);
        let mut counts = [0.0; 4];
        let draws = 200_000;
        for _ in 0..draws {
            counts[match sampler.sample(&mut rng) {
                Draw::Matched(p) => p.source as usize,
                Draw::Dying(i) => i as usize,
                Draw::Born(_) => 3,
            }] += 1.0 / f64::from(draws);
        }
        for (count, want) in counts.iter().zip([0.1, 0.3, 0.2, 0.4]) {
            // Six standard errors of a binomial share.
            assert!(
                (count - want).abs() < 6.0 * (want * (1.0 - want) / f64::from(draws)).sqrt(),
                "{counts:?}"
            );
        }
    }
}
