//! Clones of points: two points of known, different clones are dearer to join than others, or cannot be joined at all.

use std::collections::{BTreeMap, HashMap};

use super::{PointCloud, Problem};
use crate::error::{Error, Result};
use crate::exec::simd;

/// The clone of a point of which none is known.
const UNKNOWN: u32 = u32::MAX;

/// To which clone each point of a cloud belongs, and what it costs to join two of different clones.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clones {
    of_point: Vec<u32>,
    penalty: f64,
}

impl Clones {
    /// # Errors
    /// [`Error::InvalidArgument`] for a number of clones other than `points`, an id that is too large and a penalty that is
    /// negative or not a number.
    pub(super) fn new(of_point: &[Option<u32>], penalty: f64, points: usize) -> Result<Self> {
        if of_point.len() != points {
            return Err(Error::argument("clones", of_point.len(), &format!("{points} values")));
        }
        if of_point.contains(&Some(UNKNOWN)) {
            return Err(Error::argument("a clone's number", UNKNOWN, &format!("below {UNKNOWN}")));
        }
        if penalty.is_nan() || penalty < 0.0 {
            let allowed = "0 or positive (infinite: different clones are out of reach)";
            return Err(Error::argument("clone_penalty", penalty, allowed));
        }
        Ok(Self::of(of_point.iter().copied(), penalty))
    }

    fn of(of_point: impl Iterator<Item = Option<u32>>, penalty: f64) -> Self {
        Self { of_point: of_point.map(|clone| clone.unwrap_or(UNKNOWN)).collect(), penalty }
    }

    pub(super) fn subset(&self, rows: &[usize]) -> Self {
        Self { of_point: rows.iter().map(|&row| self.of_point[row]).collect(), penalty: self.penalty }
    }
}

/// What the clones of two clouds add to the costs between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClonePenalty<'a> {
    source: &'a [u32],
    target: &'a [u32],
    pub(super) penalty: f64,
}

impl<'a> ClonePenalty<'a> {
    /// Between clouds both of which have clones.
    pub(super) fn of(problem: &Problem<'a>) -> Option<Self> {
        let (source, target) = (problem.source.clones.as_ref()?, problem.target.clones.as_ref()?);
        Some(Self { source: &source.of_point, target: &target.of_point, penalty: source.penalty })
    }

    /// What is added to the cost of a pair.
    pub(super) fn entry(&self, i: usize, j: usize) -> f64 {
        let (own, other) = (self.source[i], self.target[j]);
        if own != UNKNOWN && other != UNKNOWN && own != other { self.penalty } else { 0.0 }
    }

    /// Adds to the costs between source i and the targets from `first` on.
    pub(super) fn add_row(&self, i: usize, first: usize, costs: &mut [f64]) {
        let (own, penalty) = (self.source[i], self.penalty);
        if own == UNKNOWN {
            return;
        }
        let others = &self.target[first..first + costs.len()];
        simd::vectorised(
            #[inline(always)]
            || {
                for (cost, other) in costs.iter_mut().zip(others) {
                    *cost += if (*other == own) | (*other == UNKNOWN) { 0.0 } else { penalty };
                }
            },
        );
    }
}

/// Refuses two hard marginals that no plan within clones can meet, and penalties that differ.
///
/// Whatever a clone has at one end beyond what it has at the other must go to, or come from, points without a known clone. There are
/// no other conditions: what these points have beyond that goes among themselves.
pub(super) fn check(problem: &Problem<'_>) -> Result<()> {
    let &Problem { source, target, source_penalty, target_penalty, .. } = problem;
    let (Some(before), Some(after)) = (&source.clones, &target.clones) else { return Ok(()) };
    if before.penalty != after.penalty {
        let allowed = format!("{}, as the source's", before.penalty);
        return Err(Error::argument("the target's clone_penalty", after.penalty, &allowed));
    }
    if before.penalty.is_finite() || source_penalty.is_finite() || target_penalty.is_finite() {
        return Ok(());
    }
    let mut masses: BTreeMap<u32, [f64; 2]> = BTreeMap::new();
    for (side, (cloud, clones)) in [(source, before), (target, after)].into_iter().enumerate() {
        for (clone, weight) in clones.of_point.iter().zip(cloud.weights()) {
            masses.entry(*clone).or_default()[side] += weight;
        }
    }
    let unknown = masses.remove(&UNKNOWN).unwrap_or_default();
    for (side, name) in [(0, "source"), (1, "target")] {
        let beyond: f64 = masses.values().map(|mass| (mass[side] - mass[1 - side]).max(0.0)).sum();
        if beyond > unknown[1 - side] + SAME_MASS * source.mass() {
            return Err(Error::Infeasible(format!(
                "both marginals are hard and different clones are out of reach of each other, but {beyond:.6} of the mass of the \
                 {name}'s clones, {:.6} in all, has no partner in its own clone, and the other side has {:.6} without a known \
                 clone: give a finite clone_penalty, or a coupling that relaxes a marginal",
                if side == 0 { source.mass() } else { target.mass() },
                unknown[1 - side]
            )));
        }
    }
    Ok(())
}

/// Makes the integers that stand for the masses of the targets of each clone add up to those of its sources, where the two are the same
/// but for rounding: flow by flow, nothing may be left over.
pub(super) fn level(problem: &Problem<'_>, source: &[i128], target: &mut [i128]) {
    let Some(clones) = ClonePenalty::of(problem).filter(|clones| clones.penalty.is_infinite()) else {
        return;
    };
    let units: i128 = source.iter().sum();
    // Of each clone, how much more there is before than after, and its largest target.
    let mut beyond: HashMap<u32, (i128, Option<usize>)> = HashMap::new();
    for (clone, mass) in clones.source.iter().zip(source) {
        beyond.entry(*clone).or_default().0 += mass;
    }
    for (j, (clone, mass)) in clones.target.iter().zip(&*target).enumerate() {
        let (difference, largest) = beyond.entry(*clone).or_default();
        *difference -= mass;
        *largest = largest.filter(|&largest| target[largest] >= *mass).or(Some(j));
    }
    let spare = beyond.remove(&UNKNOWN).and_then(|(_, largest)| largest);
    for (difference, largest) in beyond.into_values() {
        let is_rounding = difference.unsigned_abs() as f64 <= SAME_MASS * units as f64;
        if let Some(largest) = largest.filter(|&largest| is_rounding && target[largest] + difference > 0) {
            target[largest] += difference;
            // Without others the differences of all clones add up to nothing.
            if let Some(spare) = spare {
                target[spare] -= difference;
            }
        }
    }
}

/// Points of either side that can be joined although clones are out of reach of each other, so that nothing need be left over: each
/// clone by itself first, then what is known with what is not. None where clones part nothing.
pub(super) fn groups_in_reach(problem: &Problem<'_>) -> Option<Vec<(Vec<usize>, Vec<usize>)>> {
    let clones = ClonePenalty::of(problem).filter(|clones| clones.penalty.is_infinite())?;
    let mut of_clone: BTreeMap<u32, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    clones.source.iter().enumerate().for_each(|(i, clone)| of_clone.entry(*clone).or_default().0.push(i));
    clones.target.iter().enumerate().for_each(|(j, clone)| of_clone.entry(*clone).or_default().1.push(j));
    let (rows, columns) = of_clone.remove(&UNKNOWN).unwrap_or_default();
    let mut groups: Vec<_> = of_clone.into_values().collect();
    groups.push(((0..clones.source.len()).collect(), columns));
    groups.push((rows, (0..clones.target.len()).collect()));
    Some(groups)
}

/// Masses that differ by less, relative to all, are the same, summed in another order.
pub(super) const SAME_MASS: f64 = 1e-9;

impl PointCloud {
    /// The same points, each with the clone that it belongs to, where that is known: to join points of known, different clones costs
    /// `penalty` more, in units of the cost; infinite puts them out of reach of each other. Only between clouds both of which have
    /// clones, by one penalty.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number of clones other than that of the points, an id of 2³² − 1, and a penalty that is
    /// negative or not a number.
    pub fn with_clones(mut self, clones: &[Option<u32>], penalty: f64) -> Result<Self> {
        let clones = Clones::new(clones, penalty, self.len())?;
        self.clones = (penalty > 0.0).then_some(clones);
        Ok(self)
    }

    /// The same of cells whose clones and whose penalty have been checked.
    pub(super) fn of_clones(mut self, clones: impl Iterator<Item = Option<u32>>, penalty: f64) -> Self {
        self.clones = Some(Clones::of(clones, penalty));
        self
    }
}

impl Problem<'_> {
    /// Whether points may be out of reach of each other.
    pub(super) fn bounds_reach(&self) -> bool {
        matches!(self.cost, super::Cost::Wfr { .. }) || self.parts_clones()
    }

    /// Whether different clones are out of reach of each other.
    pub(super) fn parts_clones(&self) -> bool {
        ClonePenalty::of(self).is_some_and(|clones| clones.penalty.is_infinite())
    }

    /// What brings points that are out of reach into it.
    pub(super) fn reach_advice(&self) -> &'static str {
        match (self.cost, self.parts_clones()) {
            (super::Cost::Wfr { .. }, false) => "raise delta",
            (super::Cost::Wfr { .. }, true) => "raise delta, or give a finite clone_penalty",
            (_, true) => "give a finite clone_penalty",
            (_, false) => "bring the points nearer",
        }
    }
}
