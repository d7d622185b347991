//! Couplings: which cells of one snapshot become which cells of the next, with how much mass at either end.

use super::SparsePlan;

/// A matched pair of a semi-coupling: source cell i sends `sent`, target cell j receives `received`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The source cell.
    pub source: u32,
    /// The target cell.
    pub target: u32,
    /// γ0_ij, the mass at the start of the interval.
    pub sent: f64,
    /// γ1_ij, the mass at its end.
    pub received: f64,
    /// γ_ij, the mass that the plan itself couples.
    pub coupled: f64,
}

/// A semi-coupling (Chizat et al., FoCM 2018): pairs, and the cells that have no partner.
///
/// The masses sent by a source cell add up to its weight, the masses received by a target cell to its weight;
/// cells without a partner die or are born, and are listed, never dropped.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Coupling {
    /// The matched pairs.
    pub pairs: Vec<Pair>,
    /// Source cells without a partner, with their weights.
    pub dying: Vec<(u32, f64)>,
    /// Target cells without a partner, with their weights.
    pub born: Vec<(u32, f64)>,
}

impl Coupling {
    /// Takes all masses times `factor`.
    pub(crate) fn scale(&mut self, factor: f64) {
        let masses = |pair: &mut Pair| {
            [&mut pair.sent, &mut pair.received, &mut pair.coupled].map(|mass| *mass *= factor)
        };
        self.pairs.iter_mut().for_each(|pair| _ = masses(pair));
        self.dying.iter_mut().chain(&mut self.born).for_each(|(_, mass)| *mass *= factor);
    }

    /// Takes what each source cell sends, or dies with, times its `factor`.
    pub(crate) fn scale_sources(&mut self, factor: impl Fn(usize) -> f64) {
        self.pairs.iter_mut().for_each(|pair| pair.sent *= factor(pair.source as usize));
        self.dying.iter_mut().for_each(|(cell, mass)| *mass *= factor(*cell as usize));
    }

    /// The semi-coupling of an unbalanced plan between measures with weights `a` and `b`:
    /// γ0_ij = γ_ij/(Σ_j γ_ij)·a_i and γ1_ij = γ_ij/(Σ_i γ_ij)·b_j.
    pub fn from_plan(plan: &SparsePlan, a: &[f64], b: &[f64]) -> Self {
        let (row_mass, column_mass) = (plan.row_mass(), plan.column_mass(b.len()));
        let pair = |(i, j, mass): (usize, usize, f64)| Pair {
            source: i as u32,
            target: j as u32,
            sent: mass / row_mass[i] * a[i],
            received: mass / column_mass[j] * b[j],
            coupled: mass,
        };
        let alone = |weights: &[f64], mass: &[f64]| {
            let cells = weights.iter().zip(mass).enumerate();
            cells.filter(|(_, (w, m))| **w > 0.0 && **m == 0.0).map(|(i, (w, _))| (i as u32, *w)).collect()
        };
        Self {
            // A pair whose share underflows at either end carries nothing that could be learned.
            pairs: plan.entries().map(pair).filter(|p| p.sent > 0.0 && p.received > 0.0).collect(),
            dying: alone(a, &row_mass),
            born: alone(b, &column_mass),
        }
    }

    /// Parts the pairs that are not `within` reach of each other: what was sent dies, what was received is born.
    pub(crate) fn part(&mut self, within: impl Fn(&Pair) -> bool) {
        let Self { pairs, dying, born } = self;
        pairs.retain(|pair| {
            let together = within(pair);
            if !together {
                dying.push((pair.source, pair.sent));
                born.push((pair.target, pair.received));
            }
            together
        });
    }

    /// What each of `cells` source cells sends to partners.
    pub fn sent(&self, cells: usize) -> Vec<f64> {
        let mut sent = vec![0.0; cells];
        self.pairs.iter().for_each(|pair| sent[pair.source as usize] += pair.sent);
        sent
    }

    /// What each of `cells` target cells receives from partners.
    pub fn received(&self, cells: usize) -> Vec<f64> {
        let mut received = vec![0.0; cells];
        self.pairs.iter().for_each(|pair| received[pair.target as usize] += pair.received);
        received
    }

    /// The total weight of the cells without a partner, (dying, born).
    pub fn unmatched_mass(&self) -> (f64, f64) {
        // From 0: the sum of no numbers is −0.
        let total = |cells: &[(u32, f64)]| cells.iter().fold(0.0, |sum, cell| sum + cell.1);
        (total(&self.dying), total(&self.born))
    }
}
