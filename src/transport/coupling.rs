//! Couplings: which cells of one snapshot become which cells of the next, with how much mass at either end.

use super::SparsePlan;
use crate::named::named;

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

/// What is carried along couplings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Carry {
    /// Shares of what there is, without growth: where a random unit of the mass goes or came from. What arrives and what has no
    /// partner add up to what there was (moscot's `push` and `pull`, Klein et al., Nature 2025, of row-stochastic couplings).
    #[default]
    Share,
    /// Mass with its growth: how much comes of it, or how much it has come of (Waddington-OT's descendants and ancestors before they
    /// are normalised, Schiebinger et al., Cell 2019).
    Mass,
}

named!(Carry, "carry", Share = "share", Mass = "mass");

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

    /// Carries a mass on each source cell to the target cells, and tells how much of it stood on cells without a partner.
    ///
    /// A cell's mass parts in the proportions in which the cell sends. Of a unit of it, what comes to a partner is `sent` over all that
    /// there is of the cell: as a share, so that what arrives and what does not add up to what there was. By
    /// [`Carry::Mass`] it is `received` over that: what the share has become.
    pub fn push(&self, masses: &[f64], targets: usize, carry: Carry) -> (Vec<f64>, f64) {
        let of_pair = |pair: &Pair| (pair.source, pair.target, pair.sent, pair.received);
        self.carried(masses, targets, &self.dying, carry, of_pair)
    }

    /// Carries a mass on each target cell back to the source cells that it came from, as [`push`](Self::push) does onwards.
    pub fn pull(&self, masses: &[f64], sources: usize, carry: Carry) -> (Vec<f64>, f64) {
        let of_pair = |pair: &Pair| (pair.target, pair.source, pair.received, pair.sent);
        self.carried(masses, sources, &self.born, carry, of_pair)
    }

    /// From the one end of each pair to the other: (from, to, how much at the one, how much at the other).
    fn carried(
        &self,
        masses: &[f64],
        others: usize,
        alone: &[(u32, f64)],
        carry: Carry,
        of_pair: impl Fn(&Pair) -> (u32, u32, f64, f64),
    ) -> (Vec<f64>, f64) {
        // All that there is of each cell, and of it what has partners.
        let (mut all, mut going) = (vec![0.0; masses.len()], vec![0.0; masses.len()]);
        for (from, _, here, _) in self.pairs.iter().map(&of_pair) {
            going[from as usize] += here;
        }
        all.copy_from_slice(&going);
        alone.iter().for_each(|&(cell, mass)| all[cell as usize] += mass);
        let mut arriving = vec![0.0; others];
        for (from, to, here, there) in self.pairs.iter().map(&of_pair) {
            let share = masses[from as usize] / all[from as usize];
            arriving[to as usize] += share * if carry == Carry::Share { here } else { there };
        }
        // A cell of which there is nothing has no partner either.
        let stays = |cell: usize| if all[cell] > 0.0 { 1.0 - going[cell] / all[cell] } else { 1.0 };
        let lost = masses.iter().enumerate().fold(0.0, |lost, (cell, mass)| lost + mass * stays(cell));
        (arriving, lost)
    }

    /// The total weight of the cells without a partner, (dying, born).
    pub fn unmatched_mass(&self) -> (f64, f64) {
        // From 0: the sum of no numbers is −0.
        let total = |cells: &[(u32, f64)]| cells.iter().fold(0.0, |sum, cell| sum + cell.1);
        (total(&self.dying), total(&self.born))
    }
}
