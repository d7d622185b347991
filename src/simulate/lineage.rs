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
/// neighbours. The founders come first, then the descendants of the first founder in the order of their birth, those of the second,
/// and so on.
#[derive(Debug, Clone, PartialEq)]
pub struct Lineage {
    nodes: Vec<Node>,
}

impl Lineage {
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
        self.newick_of(&|id| id)
    }

    /// The same with the cells called by other numbers.
    pub(super) fn newick_of(&self, number: &dyn Fn(u64) -> u64) -> String {
        let daughters = self.first_daughters();
        let mut text = String::new();
        for founder in 0..self.founders() {
            let lone = daughters[founder].is_none();
            text.push_str(if lone { "(" } else { "" });
            self.write_tree(founder, &daughters, number, &mut text);
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
    fn write_tree(
        &self,
        root: usize,
        daughters: &[Option<usize>],
        number: &dyn Fn(u64) -> u64,
        text: &mut String,
    ) {
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
                let called = number(id as u64);
                write!(text, "c{called}:{}", node.end - node.birth).expect("writing to a string cannot fail");
            }
        }
    }

    /// The forest of the families of all `parts`, one part after another, and which numbers the cells of each have there.
    pub(super) fn join(parts: &[Self]) -> (Self, Vec<Renumbering>) {
        let founders: usize = parts.iter().map(Self::founders).sum();
        let mut next = Renumbering::first(founders);
        let numbers: Vec<Renumbering> = parts.iter().map(|part| next.take(part)).collect();
        let mut nodes = Vec::with_capacity(parts.iter().map(|part| part.nodes.len()).sum());
        for founders in [true, false] {
            for (part, number) in parts.iter().zip(&numbers) {
                let some = part.nodes.iter().filter(|node| node.parent.is_none() == founders);
                nodes.extend(some.map(|node| Node { parent: node.parent.map(|id| number.of(id)), ..*node }));
            }
        }
        (Self { nodes }, numbers)
    }
}

/// Which numbers the cells of a part of a forest have in the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Renumbering {
    /// How many founders the part has.
    founders: u64,
    /// The number of its first founder, and of the first descendant.
    first_founder: u64,
    first_descendant: u64,
}

impl Renumbering {
    /// Before the first part of a forest of so many `founders`.
    pub(super) fn first(founders: usize) -> Self {
        Self { founders: 0, first_founder: 0, first_descendant: founders as u64 }
    }

    /// Those of the next part; from then on, of the one after it.
    pub(super) fn take(&mut self, part: &Lineage) -> Self {
        let founders = part.founders() as u64;
        let next = Self { founders, ..*self };
        self.first_founder += founders;
        self.first_descendant += part.nodes.len() as u64 - founders;
        next
    }

    /// The number of the part's cell `id`.
    pub(super) fn of(&self, id: u64) -> u64 {
        match id.checked_sub(self.founders) {
            None => self.first_founder + id,
            Some(descendant) => self.first_descendant + descendant,
        }
    }
}
