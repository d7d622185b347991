//! The population that a film plays: a simulation of the model, from the first time to the last.

use chreode::Error;
use chreode::exec::stop::Stop;
use chreode::fields::Fields;
use chreode::simulate::lineage::{Fate, Lineage};
use chreode::simulate::simulation::Simulation;
use chreode::simulate::{Particles, branching, ode, sde};

use super::encoding;
use crate::report::section::{ModelSection, fine_times};
use crate::simulate::choose;

/// What is played.
#[derive(Debug)]
pub struct Population {
    pub frames: Vec<Particles>,
    /// The divisions and deaths, of a branching population.
    pub lineage: Option<Lineage>,
    /// What moves, and how.
    pub told: String,
}

/// The frames, about.
const FRAMES: usize = 40;
/// Cells in the beginning, at most.
const FOUNDERS: usize = 2000;
/// Rows of a frame have numbers of 16 bits.
const MOST: usize = 65_535;

impl Population {
    /// A population that takes at most so many `bytes`, of which a row of a frame takes `width`.
    pub fn new(section: &ModelSection<'_>, bytes: usize, width: usize) -> chreode::Result<Self> {
        let rows = bytes / width;
        let times = fine_times(section.shown.times(), FRAMES);
        if times.len() < 2 {
            return Err(Error::InvalidData("the cells are of one time".into()));
        }
        let mut count = section.shown.count(0).min(FOUNDERS).min(rows / times.len());
        // Each is a particle in every branch.
        count = count.min(MOST).div_ceil(section.model.branches().max(1)).max(1);
        if !section.model.has_growth() {
            return Self::moving(section, &times, count);
        }
        // As many founders as there is room for with all that descend from them.
        loop {
            match Self::branching(section, &times, count, rows) {
                Ok(population) => {
                    let taken = population.bytes(width);
                    if taken <= bytes || count == 1 {
                        return Ok(population);
                    }
                    count = (count * bytes / taken * 9 / 10).clamp(1, count - 1);
                }
                Err(Error::PopulationLimit { .. }) if count > 1 => count = (count / 4).max(1),
                Err(error) => return Err(error),
            }
        }
    }

    /// What its frames take, and its divisions and deaths.
    fn bytes(&self, width: usize) -> usize {
        let rows: usize = self.frames.iter().map(Particles::len).sum();
        let times = |fate| self.lineage.iter().flat_map(|lineage| lineage.times_of(fate)).count();
        rows * width + encoding::MOMENT * (times(Fate::Divided) + times(Fate::Died))
    }

    fn branching(
        section: &ModelSection<'_>,
        times: &[f64],
        count: usize,
        rows: usize,
    ) -> chreode::Result<Self> {
        let founders = founders(section, count)?;
        let rule = Simulation::default();
        let options = branching::Options {
            motion: rule.motion_of(section.model),
            max_population: rows.min(MOST),
            ..branching::Options::new(rule.step_from(times[0], section.shown.times()), section.seed)
        };
        let branched = branching::simulate(section.model, &founders, times, &options, &Stop::default())?;
        let told = format!(
            "A simulation of the model by cells that divide and die, from {} of the first snapshot. As it plays, a ring is a \
             division, a cross a death.",
            some_of(section, count)
        );
        Ok(Self { frames: branched.trajectory.frames, lineage: Some(branched.lineage), told })
    }

    fn moving(section: &ModelSection<'_>, times: &[f64], count: usize) -> chreode::Result<Self> {
        let founders = founders(section, count)?;
        let (model, stop) = (section.model, Stop::default());
        let is_noisy = model.sigma(times[0]) > 0.0;
        let frames = if is_noisy {
            let step = Simulation::default().step_from(times[0], section.shown.times());
            sde::simulate(model, &founders, times, &sde::Options::new(step, section.seed), &stop)?.frames
        } else {
            ode::integrate(model, &founders, times, &ode::Solver::default(), &stop)?.frames
        };
        let ways = model.branches();
        if ways > 0 {
            let told = format!(
                "A simulation of the model along the velocities of its branches, of {count} cells of the first snapshot, each of which \
                 goes all {ways} ways, whatever it weighs there."
            );
            return Ok(Self { frames, lineage: None, told });
        }
        let how = if is_noisy { "with its noise" } else { "along its velocity" };
        let told = format!(
            "A simulation of the model, {how}, of {} of the first snapshot; it has no growth, so nothing divides or dies.",
            some_of(section, count)
        );
        Ok(Self { frames, lineage: None, told })
    }
}

/// So many cells, of so many that there are.
fn some_of(section: &ModelSection<'_>, count: usize) -> String {
    let all = section.counts[0];
    if count < all { format!("{count} of the {all} cells") } else { format!("{count} cells") }
}

/// Some cells of the first snapshot, each of weight 1: where weights differ, heavy ones more often.
fn founders(section: &ModelSection<'_>, count: usize) -> chreode::Result<Particles> {
    let snapshots = &section.shown;
    let start = Particles::of_snapshot(snapshots, 0);
    let weights = snapshots.weights(0);
    let rows = if weights.iter().all(|weight| *weight == weights[0]) {
        choose(start.len(), count, section.seed)
    } else {
        snapshots.sample(0, count, section.seed)?
    };
    let points = rows.iter().flat_map(|&row| start.point(row)).copied().collect();
    Particles::new(start.time, start.dims, points, None)
}
