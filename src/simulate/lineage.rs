//! The family trees of a branching simulation: who descends from whom, and when each cell was born and ended.

use std::fmt::Write;

/// What became of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It divided in two; its daughters are born at its end.
    Divided,
    /// It died.
    Died,
    /// It lived when the simulation ended.
    Alive,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// The cell that divided into this one and its sister; none for a founder.
    pub parent: Option<u64>,
    /// When it was born; for a founder, when the simulation started.
    pub birth: f64,
    /// When it divided or died; for a living cell, when the simulation ended.
    pub end: f64,
    /// Which of these it was.
    pub fate: Fate,
}

/// A forest of cells: a cell's id is its index, parents come before their daughters, and sisters are
/// neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Lineage {
    nodes: Vec<Node>,
}

impl Lineage {
    /// `founders` living cells at `time`.
    pub(super) fn new(founders: usize, time: f64) -> Self {
        Self { nodes: vec![Node { parent: None, birth: time, end: time, fate: Fate::Alive }; founders] }
    }

    /// A forest that was told of by its cells, mothers before their daughters.
    pub(crate) fn of_nodes(nodes: Vec<Node>) -> Self {
        Self { nodes }
    }

    /// The cells. The first ones are the founders, in the order of the simulation's start.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many founders there are; they are the cells 0 … `founders() - 1`.
    pub fn founders(&self) -> usize {
        self.nodes.partition_point(|node| node.parent.is_none())
    }

    /// The ancestors of a cell, from its mother to its founder.
    ///
    /// # Panics
    /// If there is no cell `id`.
    pub fn ancestors(&self, id: u64) -> impl Iterator<Item = u64> + '_ {
        std::iter::successors(self.nodes[id as usize].parent, |&id| self.nodes[id as usize].parent)
    }

    /// The founder that a cell descends from; itself if it is one.
    ///
    /// # Panics
    /// If there is no cell `id`.
    pub fn founder(&self, id: u64) -> u64 {
        self.ancestors(id).last().unwrap_or(id)
    }

    /// The times at which cells met `fate`, in order of their ids: of all divisions, or of all deaths.
    pub fn times_of(&self, fate: Fate) -> impl Iterator<Item = f64> + '_ {
        self.nodes.iter().filter(move |node| node.fate == fate).map(|node| node.end)
    }

    /// The forest in the Newick format, one tree a line for each founder: cells are called `c` and their id,
    /// and a branch is as long as its cell lived. Cells that died end before those that are alive at the last
    /// time. A founder that never divided is a leaf in parentheses, `(c1:4);`: readers take no tree without them.
    pub fn newick(&self) -> String {
        let daughters = self.first_daughters();
        let mut text = String::new();
        for founder in 0..self.founders() {
            let lone = daughters[founder].is_none();
            text.push_str(if lone { "(" } else { "" });
            self.write_tree(founder, &daughters, &mut text);
            text.push_str(if lone { ");\n" } else { ";\n" });
        }
        text
    }

    /// For each cell that divided, its first daughter; the second follows it.
    fn first_daughters(&self) -> Vec<Option<usize>> {
        let mut daughters = vec![None; self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate().rev() {
            if let Some(parent) = node.parent {
                daughters[parent as usize] = Some(id);
            }
        }
        daughters
    }

    /// Iterative, since a lineage may be deeper than a thread's stack.
    fn write_tree(&self, root: usize, daughters: &[Option<usize>], text: &mut String) {
        enum Visit {
            Enter(usize),
            Leave(usize),
            Separate,
        }
        let mut pending = vec![Visit::Enter(root)];
        while let Some(visit) = pending.pop() {
            let leaving = match visit {
                Visit::Separate => {
                    text.push(',');
                    None
                }
                Visit::Enter(id) => match daughters[id] {
                    None => Some(id),
                    Some(first) => {
                        text.push('(');
                        let inside =
                            [Visit::Enter(first), Visit::Separate, Visit::Enter(first + 1), Visit::Leave(id)];
                        pending.extend(inside.into_iter().rev());
                        None
                    }
                },
                Visit::Leave(id) => {
                    text.push(')');
                    Some(id)
                }
            };
            if let Some(id) = leaving {
                let node = &self.nodes[id];
                write!(text, "c{id}:{}", node.end - node.birth).expect("writing to a string cannot fail");
            }
        }
    }

    /// The cell dies at `time`.
    pub(super) fn die(&mut self, id: u64, time: f64) {
        let node = &mut self.nodes[id as usize];
        (node.end, node.fate) = (time, Fate::Died);
    }

    /// The living cells `ids` are seen for the last time at `time`.
    pub(super) fn survive(&mut self, ids: &[u64], time: f64) {
        ids.iter().for_each(|&id| self.nodes[id as usize].end = time);
    }

    /// Replaces a cell by the tree of its descendants at `end` and hands those to `leaf`, left to right.
    ///
    /// `depths[j]` is how long before `end` the lines of leaves j and j + 1 parted.
    pub(super) fn divide(&mut self, id: u64, end: f64, depths: &[f64], mut leaf: impl FnMut(u64)) {
        // (cell, its first leaf, its last leaf), the leftmost on top.
        let mut pending = vec![(id, 0, depths.len())];
        while let Some((id, first, last)) = pending.pop() {
            // The deepest parting among its leaves is where the cell divides.
            let Some(cut) = (first..last).max_by(|&a, &b| depths[a].total_cmp(&depths[b])) else {
                leaf(id);
                continue;
            };
            let time = end - depths[cut];
            let mother = &mut self.nodes[id as usize];
            (mother.end, mother.fate) = (time, Fate::Divided);
            let first_daughter = self.nodes.len() as u64;
            self.nodes.extend([Node { parent: Some(id), birth: time, end: time, fate: Fate::Alive }; 2]);
            pending.push((first_daughter + 1, cut + 1, last));
            pending.push((first_daughter, first, cut));
        }
    }
}
