//! What became of some of the particles of a start: a part of a simulation, or all of it.

use super::lineage::Lineage;
use super::residence::{Residence, share_of};
use super::{Particles, Trajectory};
use crate::fields::Fields;

/// What became of some of the particles of a start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shard {
    pub(crate) frames: Vec<Particles>,
    /// The ticks of their time in all, and outside of the box of the cells.
    pub(crate) residence: [u128; 2],
    /// Of a branching population, its cells, and how many lived after each step.
    pub(crate) lineage: Option<Lineage>,
    pub(crate) living: Vec<u64>,
}

impl Shard {
    /// Of particles that neither divide nor die.
    pub(super) fn of(frames: Vec<Particles>, residence: Residence) -> Self {
        Self { frames, residence: residence.ticks(), lineage: None, living: vec![] }
    }

    /// How many particles it started from.
    pub(crate) fn founders(&self) -> usize {
        let in_first_frame = self.frames.first().map_or(0, Particles::len);
        self.lineage.as_ref().map_or(in_first_frame, Lineage::founders)
    }

    /// Those of all shards, in their order.
    pub(super) fn join(mut shards: Vec<Self>) -> Self {
        if shards.len() == 1 {
            return shards.remove(0);
        }
        let founders: Vec<usize> = shards.iter().map(Self::founders).collect();
        let lineages: Option<Vec<Lineage>> = shards.iter_mut().map(|shard| shard.lineage.take()).collect();
        let lineage = lineages.filter(|lineages| !lineages.is_empty()).map(|lineages| {
            let (lineage, numbers) = Lineage::join(&lineages);
            for (shard, number) in shards.iter_mut().zip(numbers) {
                let ids = shard.frames.iter_mut().flat_map(|frame| &mut frame.ids);
                ids.for_each(|id| *id = number.of(*id));
            }
            lineage
        });
        let mut shards = shards.into_iter().zip(founders);
        let Some((mut joined, mut started)) = shards.next() else {
            return Self { frames: vec![], residence: [0; 2], lineage: None, living: vec![] };
        };
        for (shard, founders) in shards {
            // Particles come from rows of the frame before, of which the earlier shards have the first.
            let mut before = started;
            started += founders;
            for (frame, more) in joined.frames.iter_mut().zip(shard.frames) {
                let rows = frame.len();
                frame.points.extend(more.points);
                frame.log_weights.extend(more.log_weights);
                frame.ids.extend(more.ids);
                frame.ancestors.extend(more.ancestors.into_iter().map(|row| row.saturating_add(before)));
                before = rows;
            }
            for (sum, ticks) in joined.residence.iter_mut().zip(shard.residence) {
                *sum = sum.saturating_add(ticks);
            }
            for (sum, living) in joined.living.iter_mut().zip(shard.living) {
                *sum = sum.saturating_add(living);
            }
        }
        joined.lineage = lineage;
        joined
    }

    /// As it is reported, of these fields.
    pub(crate) fn trajectory(self, fields: &dyn Fields) -> Trajectory {
        let outside = fields.guard().map(|_| share_of(self.residence));
        Trajectory { frames: self.frames, outside }
    }
}
