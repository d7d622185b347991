//! Chains of coupled cells, one of each snapshot, composed of the couplings between consecutive ones by sampling.

use rand::{Rng, RngExt};

use crate::bridge::natural_spline;
use crate::snapshots::Snapshots;
use crate::transport::coupling::{Coupling, Pair};

/// What chains are drawn from: for each interval, the partners of its source cells and of its target cells.
///
/// A pair of an interval is made a chain by drawing, from snapshot to snapshot on both sides, a partner of the cell that was drawn last,
/// in proportion to what the plan couples: so is the joint distribution of a Markov chain, π(x₀, x₁) π(x₂|x₁) π(x₃|x₂)…, composed
/// without ever being held (MMFM: Rohbeck et al., ICLR 2025). Where consecutive plans have the same marginal at the snapshot between
/// them, as balanced ones do, the interval that it begins with does not matter. A cell without a partner ends its chain.
#[derive(Debug)]
pub(crate) struct Chains {
    times: Vec<f64>,
    after: Vec<Partners>,
    before: Vec<Partners>,
}

/// Buffers of one task that draws chains.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    /// The chain's cells, from snapshot to snapshot.
    cells: Vec<u32>,
    elimination: Vec<[f64; 2]>,
    /// The accelerations at the start and at the end of an interval.
    accelerations: [Vec<f64>; 2],
}

impl Chains {
    pub(crate) fn new(snapshots: &Snapshots, couplings: &[Coupling]) -> Self {
        let count = |k: usize| snapshots.count(k);
        let of_sources = |(k, coupling): (usize, &Coupling)| {
            Partners::new(count(k), &coupling.pairs, |pair| (pair.source, pair.target))
        };
        let of_targets = |(k, coupling): (usize, &Coupling)| {
            Partners::new(count(k + 1), &coupling.pairs, |pair| (pair.target, pair.source))
        };
        Self {
            times: snapshots.times().to_vec(),
            after: couplings.iter().enumerate().map(of_sources).collect(),
            before: couplings.iter().enumerate().map(of_targets).collect(),
        }
    }

    /// The cells that the source of a pair of interval `k` came from and its target goes to: the first snapshot of the chain.
    fn draw(&self, k: usize, pair: &Pair, rng: &mut impl Rng, cells: &mut Vec<u32>) -> usize {
        cells.clear();
        cells.push(pair.source);
        let mut first = k;
        while let Some(cell) =
            first.checked_sub(1).and_then(|before| self.before[before].draw(*cells.last()?, rng))
        {
            cells.push(cell);
            first -= 1;
        }
        cells.reverse();
        cells.push(pair.target);
        let onwards = self.after.iter().skip(k + 1);
        for partners in onwards {
            match cells.last().and_then(|&cell| partners.draw(cell, rng)) {
                Some(cell) => cells.push(cell),
                None => break,
            }
        }
        first
    }

    /// The accelerations at the two cells of a pair of interval `k`, coordinate by coordinate, of the spline through a chain that is
    /// drawn about it.
    pub(super) fn accelerations<'s>(
        &self,
        snapshots: &Snapshots,
        (k, pair): (usize, &Pair),
        rng: &mut impl Rng,
        scratch: &'s mut Scratch,
    ) -> [&'s [f64]; 2] {
        let Scratch { cells, elimination, accelerations } = scratch;
        let first = self.draw(k, pair, rng, cells);
        let times = &self.times[first..first + cells.len()];
        accelerations.iter_mut().for_each(Vec::clear);
        for c in 0..snapshots.dims() {
            let value = |at: usize| f64::from(snapshots.point(first + at, cells[at] as usize)[c]);
            let of_ends = natural_spline(times, value, k - first, elimination);
            accelerations.iter_mut().zip(of_ends).for_each(|(all, one)| all.push(one));
        }
        [&accelerations[0], &accelerations[1]]
    }
}

/// The partners of each cell on one side of a coupling.
#[derive(Debug)]
struct Partners {
    /// Where each cell's partners begin, and the last one's end.
    starts: Vec<usize>,
    /// The partners, each with the sum of what is coupled to it and to those before it of the same cell.
    partners: Vec<(u32, f64)>,
}

impl Partners {
    /// The partners of `count` cells; `ends` gives a pair's cell and its partner.
    fn new(count: usize, pairs: &[Pair], ends: impl Fn(&Pair) -> (u32, u32)) -> Self {
        let mut starts = vec![0; count + 1];
        pairs.iter().for_each(|pair| starts[ends(pair).0 as usize + 1] += 1);
        (0..count).for_each(|cell| starts[cell + 1] += starts[cell]);
        let mut next = starts.clone();
        let mut partners = vec![(0, 0.0); pairs.len()];
        for pair in pairs {
            let (cell, partner) = ends(pair);
            let at = next[cell as usize];
            let before = if at > starts[cell as usize] { partners[at - 1].1 } else { 0.0 };
            partners[at] = (partner, before + pair.coupled);
            next[cell as usize] += 1;
        }
        Self { starts, partners }
    }

    /// A partner of a cell, in proportion to what is coupled; none of a cell that has none.
    fn draw(&self, cell: u32, rng: &mut impl Rng) -> Option<u32> {
        let partners = &self.partners[self.starts[cell as usize]..self.starts[cell as usize + 1]];
        let total = partners.last()?.1;
        let place = rng.random::<f64>() * total;
        let at = partners.partition_point(|(_, sum)| *sum <= place);
        Some(partners[at.min(partners.len() - 1)].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::{Purpose, stream};
    use crate::snapshots::MatrixView;

    fn pair(source: u32, target: u32, coupled: f64) -> Pair {
        Pair { source, target, sent: coupled, received: coupled, coupled }
    }

    /// Two cells at each of the times 0, 1, 3, and two plans of the same marginal in between, (0.4, 0.6).
    fn two_plans() -> (Snapshots, [Coupling; 2]) {
        let points = [0.0, 10.0, 1.0, 11.0, -2.0, 15.0];
        let labels = [0.0, 0.0, 1.0, 1.0, 3.0, 3.0];
        let snapshots = Snapshots::new(MatrixView::from_f64(&points, 6, 1).unwrap(), &labels, None).unwrap();
        let first = [pair(0, 0, 0.3), pair(0, 1, 0.2), pair(1, 0, 0.1), pair(1, 1, 0.4)];
        let second = [pair(0, 0, 0.1), pair(0, 1, 0.3), pair(1, 1, 0.6)];
        let coupling = |pairs: &[Pair]| Coupling { pairs: pairs.to_vec(), ..Default::default() };
        (snapshots, [coupling(&first), coupling(&second)])
    }

    #[test]
    fn chains_have_the_composed_distribution_whatever_interval_they_begin_with() {
        let (snapshots, couplings) = two_plans();
        let chains = Chains::new(&snapshots, &couplings);
        let mut rng = stream(4, Purpose::Training, 0, 0);
        let draws = 60_000;
        for (k, coupling) in couplings.iter().enumerate() {
            let mut counts = [0.0; 8];
            for _ in 0..draws {
                let mut place = rng.random::<f64>();
                let began = coupling.pairs.iter().find(|pair| {
                    place -= pair.coupled;
                    place <= 0.0
                });
                let mut cells = vec![];
                let first = chains.draw(k, began.unwrap_or(&coupling.pairs[0]), &mut rng, &mut cells);
                assert_eq!((first, cells.len()), (0, 3));
                counts[(cells[0] * 4 + cells[1] * 2 + cells[2]) as usize] += 1.0 / f64::from(draws);
            }
            for (chain, got) in counts.iter().enumerate() {
                let [a, b, c] = [chain as u32 / 4, chain as u32 / 2 % 2, chain as u32 % 2];
                let plan = |of: &Coupling, i: u32, j: u32| {
                    of.pairs.iter().find(|p| (p.source, p.target) == (i, j)).map_or(0.0, |p| p.coupled)
                };
                let want = plan(&couplings[0], a, b) * plan(&couplings[1], b, c) / [0.4, 0.6][b as usize];
                // Six standard errors of a binomial share.
                let error = (want * (1.0 - want) / f64::from(draws)).sqrt();
                assert!((got - want).abs() <= 6.0 * error, "from {k}, {a} {b} {c}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn a_cell_without_a_partner_ends_its_chain() {
        let (snapshots, mut couplings) = two_plans();
        couplings[0].pairs.retain(|pair| pair.target == 1);
        let chains = Chains::new(&snapshots, &couplings);
        let mut rng = stream(4, Purpose::Training, 0, 0);
        let mut cells = vec![];
        assert_eq!(chains.draw(1, &pair(0, 1, 0.3), &mut rng, &mut cells), 1);
        assert_eq!(cells, [0, 1]);
        // Of two cells the spline is the straight line.
        let mut scratch = Scratch::default();
        let accelerations = chains.accelerations(&snapshots, (1, &pair(0, 1, 0.3)), &mut rng, &mut scratch);
        assert_eq!(accelerations, [[0.0], [0.0]]);
    }

    /// Against the definition: through all values, twice continuously differentiable, and without curvature at both ends.
    #[test]
    fn the_spline_is_natural_and_smooth() {
        let (times, values) = ([0.0, 1.0, 1.5, 4.0, 6.0], [0.3, -1.0, 2.0, 0.5, 0.7]);
        let mut scratch = vec![];
        // From the accelerations of a bridge, the slopes and the second derivatives of its cubic at its two ends.
        let of_interval = |k: usize, scratch: &mut Vec<[f64; 2]>| {
            let [a0, a1] = natural_spline(&times, |at| values[at], k, scratch);
            let h = times[k + 1] - times[k];
            let line = (values[k + 1] - values[k]) / h;
            ([line - 0.5 * h * a0, line + 0.5 * h * a1], [2.0 * a0 - a1, 2.0 * a1 - a0])
        };
        let pieces: Vec<_> = (0..4).map(|k| of_interval(k, &mut scratch)).collect();
        for (before, after) in pieces.iter().zip(&pieces[1..]) {
            assert!((before.0[1] - after.0[0]).abs() < 1e-12, "{before:?} {after:?}");
            assert!((before.1[1] - after.1[0]).abs() < 1e-12, "{before:?} {after:?}");
        }
        assert!(pieces[0].1[0].abs() < 1e-12 && pieces[3].1[1].abs() < 1e-12, "{pieces:?}");
    }
}
