//! What one problem leaves for the next.

use super::{Candidate, CostRows, INITIAL_PAIRS, Optimum, Problem, Start, reduced_cost};

/// What is left of a problem for another one that is nearly the same: the tree of its optimum, and the pairs that mattered.
///
/// Between as many points it is where the simplex method begins. Points may have moved and weights changed: what the tree cannot
/// route as it is, it routes anew. The optimum does not depend on it (of several, which one does).
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Basis {
    /// How many points with weight there were.
    points: (usize, usize),
    /// The node above each in the tree.
    pub(super) parents: Vec<u32>,
    /// f and g.
    potentials: (Vec<f64>, Vec<f64>),
    /// Pairs that mattered.
    pairs: Vec<(u32, u32)>,
}

impl Basis {
    /// The pairs are those with the least reduced costs, as many as there are at a cold start at the most.
    pub(super) fn of(optimum: &Optimum, mut arcs: Vec<Candidate>) -> Self {
        let (f, g) = (optimum.tree.f(), optimum.tree.g());
        let kept = INITIAL_PAIRS * (f.len() + g.len());
        if arcs.len() > kept {
            arcs.select_nth_unstable_by(kept, |a, b| {
                reduced_cost(a, f, g)
                    .total_cmp(&reduced_cost(b, f, g))
                    .then((a.row, a.column).cmp(&(b.row, b.column)))
            });
            arcs.truncate(kept);
        }
        let mut pairs: Vec<(u32, u32)> = arcs.iter().map(|arc| (arc.row, arc.column)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self {
            points: (f.len(), g.len()),
            parents: optimum.tree.parents(),
            potentials: (f.to_vec(), g.to_vec()),
            pairs,
        }
    }

    /// All of it, for a file.
    pub(crate) fn to_numbers(&self) -> Vec<f64> {
        let sizes = [self.points.0, self.points.1].map(|count| count as f64);
        let (f, g) = &self.potentials;
        let parents = self.parents.iter().map(|&parent| f64::from(parent));
        let pairs = self.pairs.iter().flat_map(|&(row, column)| [f64::from(row), f64::from(column)]);
        sizes.into_iter().chain(parents).chain(f.iter().chain(g).copied()).chain(pairs).collect()
    }

    /// What [`to_numbers`](Self::to_numbers) gave; none of too few numbers.
    pub(crate) fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let (&[n, m], rest) = numbers.split_first_chunk()?;
        let points = (n as usize, m as usize);
        let (parents, rest) = rest.split_at_checked(points.0.checked_add(points.1)?)?;
        let (f, rest) = rest.split_at_checked(points.0)?;
        let (g, rest) = rest.split_at_checked(points.1)?;
        Some(Self {
            points,
            parents: parents.iter().map(|&parent| parent as u32).collect(),
            potentials: (f.to_vec(), g.to_vec()),
            pairs: rest.chunks_exact(2).map(|pair| (pair[0] as u32, pair[1] as u32)).collect(),
        })
    }

    /// Whether it is of as many points, and of any.
    pub(super) fn fits(&self, problem: &Problem<'_>) -> bool {
        !self.pairs.is_empty() && self.points == (problem.source.len(), problem.target.len())
    }

    /// The pairs at what they cost now, and the potentials of before.
    pub(super) fn start(&self, costs: &CostRows<'_>) -> Start {
        let arc = |&(row, column): &(u32, u32)| Candidate {
            row,
            column,
            cost: costs.entry(row as usize, column as usize),
        };
        let arcs = self.pairs.iter().map(arc).filter(|arc| arc.cost.is_finite()).collect();
        Start { f: self.potentials.0.clone(), g: self.potentials.1.clone(), arcs }
    }
}
