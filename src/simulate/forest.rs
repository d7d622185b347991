//! The family trees of a branching simulation while they grow.
//!
//! A cell is known by its founder and by its place in the founder's family, in the order in which that family's cells are born: by
//! nothing that has to do with other families. Its random numbers are drawn by the two, so that a family is the same among any others.

use super::Particles;
use super::lineage::{Fate, Lineage, Node};
use crate::error::{Error, Result};

/// Founders are told apart by so many bits, and the cells of a family by the others.
const FOUNDER_BITS: u32 = 32;

/// The most founders of a population, and the most cells that a family may ever have.
const MOST: u64 = 1 << FOUNDER_BITS;

/// The cell that has a place in a founder's family; a founder's own place is 0, so that its number is itself.
fn cell(founder: u64, place: usize) -> u64 {
    founder | (place as u64) << FOUNDER_BITS
}

/// The founder whose family a cell is of.
pub(super) fn founder_of(cell: u64) -> u64 {
    cell & (MOST - 1)
}

fn place_of(cell: u64) -> usize {
    (cell >> FOUNDER_BITS) as usize
}

/// What errors call a cell.
pub(super) fn name(cell: u64) -> String {
    let founder = founder_of(cell);
    if founder == cell { format!("particle {cell}") } else { format!("a descendant of particle {founder}") }
}

/// The trees that some founders' families have become so far.
#[derive(Debug)]
pub(super) struct Forest {
    /// The number of the first founder; those of the others follow.
    first: u64,
    founders: Vec<Node>,
    /// Of each founder, its descendants in the order of their places, from 1 on. A mother is told by her place.
    descendants: Vec<Vec<Node>>,
}

impl Forest {
    /// `count` living founders at `time`, numbered from `first` on.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more than can be told apart.
    pub(super) fn new(first: u64, count: usize, time: f64) -> Result<Self> {
        if first.saturating_add(count as u64) > MOST {
            let end = first.saturating_add(count as u64);
            return Err(Error::argument("the number of founders", end, &format!("at most {MOST}")));
        }
        let founder = Node { parent: None, birth: time, end: time, fate: Fate::Alive };
        Ok(Self { first, founders: vec![founder; count], descendants: vec![vec![]; count] })
    }

    /// The founders.
    pub(super) fn founders(&self) -> impl Iterator<Item = u64> {
        self.first..self.first + self.founders.len() as u64
    }

    fn node(&mut self, cell: u64) -> &mut Node {
        let family = (founder_of(cell) - self.first) as usize;
        match place_of(cell) {
            0 => &mut self.founders[family],
            place => &mut self.descendants[family][place - 1],
        }
    }

    /// The cell dies at `time`.
    pub(super) fn die(&mut self, cell: u64, time: f64) {
        let node = self.node(cell);
        (node.end, node.fate) = (time, Fate::Died);
    }

    /// The living `cells` are seen for the last time at `time`.
    pub(super) fn survive(&mut self, cells: &[u64], time: f64) {
        cells.iter().for_each(|&cell| self.node(cell).end = time);
    }

    /// Replaces a cell by the tree of its descendants at `end` and hands those to `leaf`, left to right.
    ///
    /// `depths[j]` is how long before `end` the lines of leaves j and j + 1 parted.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more cells of a family than can be told apart.
    pub(super) fn divide(
        &mut self,
        cell: u64,
        end: f64,
        depths: &[f64],
        mut leaf: impl FnMut(u64),
    ) -> Result<()> {
        let founder = founder_of(cell);
        let family = (founder - self.first) as usize;
        let cells = self.descendants[family].len().saturating_add(depths.len().saturating_mul(2));
        if cells as u64 >= MOST {
            let what = format!("the cells that ever lived of the family of particle {founder}");
            return Err(Error::argument(&what, cells, &format!("below {MOST}")));
        }
        // (cell, its first leaf, its last leaf), the leftmost on top.
        let mut pending = vec![(cell, 0, depths.len())];
        while let Some((mother, first, last)) = pending.pop() {
            // The deepest parting among its leaves is where the cell divides.
            let Some(cut) = (first..last).max_by(|&a, &b| depths[a].total_cmp(&depths[b])) else {
                leaf(mother);
                continue;
            };
            let time = end - depths[cut];
            let node = self.node(mother);
            (node.end, node.fate) = (time, Fate::Divided);
            let born = &mut self.descendants[family];
            let parent = Some(place_of(mother) as u64);
            born.extend([Node { parent, birth: time, end: time, fate: Fate::Alive }; 2]);
            let second = born.len();
            pending.push((self::cell(founder, second), cut + 1, last));
            pending.push((self::cell(founder, second - 1), first, cut));
        }
        Ok(())
    }

    /// The lineage that the trees are now. The particles of `frames` are numbered as there: the founders first, then the
    /// descendants of the first founder, those of the second, and so on.
    pub(super) fn end(self, frames: &mut [Particles]) -> Lineage {
        let mut nodes = self.founders;
        let mut before = nodes.len() as u64;
        // What is added to the place of a descendant, of each family.
        let mut offsets = Vec::with_capacity(self.descendants.len());
        for (founder, born) in (0..).zip(self.descendants) {
            let offset = before - 1;
            before += born.len() as u64;
            nodes.extend(born.into_iter().map(|node| {
                let mother = |place| if place == 0 { founder } else { offset + place };
                Node { parent: node.parent.map(mother), ..node }
            }));
            offsets.push(offset);
        }
        for id in frames.iter_mut().flat_map(|frame| &mut frame.ids) {
            let family = founder_of(*id) - self.first;
            *id = match place_of(*id) {
                0 => family,
                place => offsets[family as usize] + place as u64,
            };
        }
        Lineage::of_nodes(nodes)
    }
}
