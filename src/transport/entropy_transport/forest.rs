//! The support of the plan as a forest, and the moves that keep every tree at its minimiser.

use super::super::Problem;
use super::super::pricing::Candidate;
use super::PER_ROW;
use crate::error::Result;
use crate::exec::simd;
use crate::exec::stop::Stop;

/// An entry of the plan: it joins a row's node and a column's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    /// The nodes, row first.
    ends: [u32; 2],
    /// The next edge in the list of either end.
    next: [u32; 2],
    cost: f64,
    flow: f64,
}

/// Trees of edges that all carry mass. Nodes are the rows 0..n, then the columns n..n+m.
#[derive(Debug)]
pub(super) struct Forest {
    rows: usize,
    /// ρ of either side, rows first.
    penalty: [f64; 2],
    weight: Vec<f64>,
    /// f on rows, g on columns; where no edge is, what stands for no mass.
    potential: Vec<f64>,
    /// Live edges and holes of cut ones, which are used again.
    edges: Vec<Edge>,
    holes: Vec<u32>,
    /// The first edge of each node.
    first: Vec<u32>,
    /// Parent, edge to it, and depth of each node in the walk that settled its tree.
    up: Vec<(u32, u32, u32)>,
    /// The pass in which each node was last settled.
    settled: Vec<u32>,
    pass: u32,
    unsettled: Vec<u32>,
    walk: Walk,
    path: Vec<u32>,
    stop: Stop,
}

/// A depth-first walk of one tree and what is computed on it, by position in the walk.
#[derive(Debug, Default)]
struct Walk {
    nodes: Vec<u32>,
    /// Position of the parent, and the edge to it.
    parent: Vec<u32>,
    edge: Vec<u32>,
    /// (node, its parent's position, edge) yet to be visited.
    stack: Vec<(u32, u32, u32)>,
    potential: Vec<f64>,
    /// The mass of each node at the tree's minimiser.
    mass: Vec<f64>,
    /// The flow of the parent edge at the tree's minimiser.
    flow: Vec<f64>,
}

const NONE: u32 = u32::MAX;
/// A root with less than this share of the heaviest node's mass is not one to sum flows towards.
const LIGHT: f64 = 1e-4;
/// A point whose potential reaches this many penalties has mass below the smallest positive number.
const EMPTY: f64 = 700.0;

impl Forest {
    /// The forest of the `entries`, with their masses, taken in their order wherever they close no cycle. The masses of a
    /// hard side are scaled to its weights; everything is then brought to the forest's minimiser.
    pub(super) fn new(
        problem: &Problem<'_>,
        entries: impl Iterator<Item = (Candidate, f64)>,
        stop: &Stop,
    ) -> Result<Self> {
        let (n, m) = (problem.source.len(), problem.target.len());
        let mut forest = Self {
            rows: n,
            penalty: [problem.source_penalty, problem.target_penalty],
            weight: [problem.source.weights(), problem.target.weights()].concat(),
            potential: vec![0.0; n + m],
            edges: Vec::with_capacity(n + m),
            holes: vec![],
            first: vec![NONE; n + m],
            up: vec![(NONE, NONE, 0); n + m],
            settled: vec![0; n + m],
            pass: 1,
            unsettled: vec![],
            walk: Walk::default(),
            path: vec![],
            stop: stop.clone(),
        };
        let mut root: Vec<u32> = (0..(n + m) as u32).collect();
        let mut linked = vec![0.0; n + m];
        for (Candidate { row, column, cost }, mass) in entries {
            let ends = [row, n as u32 + column];
            let (a, b) = (find(&mut root, ends[0]), find(&mut root, ends[1]));
            if a != b && mass > 0.0 {
                root[a as usize] = b;
                forest.link(ends, cost, mass);
                ends.iter().for_each(|&node| linked[node as usize] += mass);
            }
        }
        for edge in &mut forest.edges {
            for (side, &node) in edge.ends.iter().enumerate() {
                if forest.penalty[side].is_infinite() {
                    edge.flow *= forest.weight[node as usize] / linked[node as usize];
                }
            }
        }
        for node in 0..(n + m) as u32 {
            forest.unsettled.push(node);
            forest.settle()?;
        }
        Ok(forest)
    }

    /// Potentials of the rows and of the columns.
    pub(super) fn potentials(&self) -> (&[f64], &[f64]) {
        self.potential.split_at(self.rows)
    }

    /// By how much each of the potentials (f, g) must fall, rows first, so that none of the violated `pairs` stays so: those of a
    /// row, in order, and all that it has if they are fewer than [`PER_ROW`].
    ///
    /// What falls is the lighter end, if that settles the row: the dual bound loses mass times fall.
    pub(super) fn slack(&self, (f, g): (&[f64], &[f64]), pairs: &[Candidate]) -> Vec<f64> {
        let mass = |node: usize, p: f64| {
            let rho = self.penalty[self.side(node as u32)];
            self.weight[node] * if rho.is_infinite() { 1.0 } else { libm::exp(-p / rho) }
        };
        let mut slack = vec![0.0f64; self.weight.len()];
        for of_row in pairs.chunk_by(|a, b| a.row == b.row) {
            let row = of_row[0].row as usize;
            let row_mass = mass(row, f[row]);
            let lighter = |pair: &Candidate| {
                let column = pair.column as usize;
                mass(self.rows + column, g[column]) < row_mass
            };
            let by_columns = of_row.len() < PER_ROW && of_row.iter().all(lighter);
            for pair in of_row {
                let column = pair.column as usize;
                // Of the potential that falls, so that the difference rounds once.
                let (node, excess) = if by_columns {
                    (self.rows + column, g[column] - (pair.cost - f[row]))
                } else {
                    (row, f[row] - (pair.cost - g[column]))
                };
                slack[node] = slack[node].max(excess);
            }
        }
        slack
    }

    /// ρ of the rows, and of the columns.
    pub(super) fn penalties(&self) -> [f64; 2] {
        self.penalty
    }

    /// The entries that carry mass: row, column, mass.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let live = self.edges.iter().filter(|edge| edge.ends[0] != NONE);
        live.map(|edge| (edge.ends[0] as usize, edge.ends[1] as usize - self.rows, edge.flow))
    }

    /// Weights, potentials and penalties of all nodes.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let penalty = |node: usize| self.penalty[self.side(node as u32)];
        self.weight.iter().zip(&self.potential).enumerate().map(move |(node, (&w, &p))| (w, p, penalty(node)))
    }

    /// Lets an entry with f_i + g_j > C_ij carry mass, and brings the trees that it touches to their minimisers.
    pub(super) fn enter(&mut self, pair: &Candidate) -> Result<()> {
        let ends = [pair.row, self.rows as u32 + pair.column];
        self.pass += 1;
        self.unsettled.extend(ends);
        let flow = if self.find_path(ends[0], ends[1]) { self.push_around_cycle() } else { 0.0 };
        self.link(ends, pair.cost, flow);
        self.settle()
    }

    fn side(&self, node: u32) -> usize {
        usize::from(node as usize >= self.rows)
    }

    /// Leaves the edges between two nodes of one tree in `path`, in order; false for nodes of different trees.
    fn find_path(&mut self, mut i: u32, mut j: u32) -> bool {
        self.path.clear();
        let mut far_half = std::mem::take(&mut self.walk.edge);
        far_half.clear();
        let met = loop {
            if i == j {
                break true;
            }
            let (at_i, at_j) = (self.up[i as usize], self.up[j as usize]);
            // The deeper of the two climbs; at equal depth either may, and both roots end it.
            if at_i.2 >= at_j.2 && at_i.0 != NONE {
                self.path.push(at_i.1);
                i = at_i.0;
            } else if at_j.0 != NONE {
                far_half.push(at_j.1);
                j = at_j.0;
            } else {
                break false;
            }
        };
        self.path.extend(far_half.iter().rev());
        self.walk.edge = far_half;
        met
    }

    /// Takes as much mass as possible off every other edge of `path`, the first and the last included, and puts it on
    /// the edges between; cuts what empties and returns the amount, which the entering edge carries.
    fn push_around_cycle(&mut self) -> f64 {
        let path = std::mem::take(&mut self.path);
        let giving = path.iter().step_by(2);
        let amount = giving.map(|&e| self.edges[e as usize].flow).fold(f64::INFINITY, f64::min);
        for (k, &e) in path.iter().enumerate() {
            let edge = &mut self.edges[e as usize];
            edge.flow += if k % 2 == 0 { -amount } else { amount };
            if edge.flow <= 0.0 {
                self.cut(e);
            }
        }
        self.path = path;
        amount
    }

    /// Brings every tree with a node in `unsettled` to its minimiser, cutting it where flows would turn negative.
    fn settle(&mut self) -> Result<()> {
        while let Some(node) = self.unsettled.pop() {
            self.stop.check()?;
            if self.settled[node as usize] == self.pass {
                continue;
            }
            self.walk_tree(node);
            self.minimise_tree();
            // A flow is a sum over the subtree below: one that holds nearly all mass rounds a light rest away.
            if let Some(heavy) = self.heavy_node() {
                self.walk_tree(heavy);
                self.minimise_tree();
            }
            let step = (1..self.walk.nodes.len()).map(|at| self.blocking_step(at)).fold(1.0, f64::min);
            if step == 1.0 { self.accept() } else { self.move_and_cut(step) }
        }
        Ok(())
    }

    /// Walks the tree of `root` depth first, with potentials relative to the root's: f_i + g_j = C_ij along edges.
    fn walk_tree(&mut self, root: u32) {
        let Self { walk, edges, first, rows, .. } = self;
        walk.nodes.clear();
        walk.parent.clear();
        walk.edge.clear();
        walk.potential.clear();
        walk.stack.push((root, NONE, NONE));
        while let Some((node, parent, parent_edge)) = walk.stack.pop() {
            let at = walk.nodes.len() as u32;
            let potential = match parent {
                NONE => 0.0,
                parent => edges[parent_edge as usize].cost - walk.potential[parent as usize],
            };
            walk.nodes.push(node);
            walk.parent.push(parent);
            walk.edge.push(parent_edge);
            walk.potential.push(potential);
            let side = usize::from(node as usize >= *rows);
            let mut e = first[node as usize];
            while e != NONE {
                let edge = &edges[e as usize];
                if e != parent_edge {
                    walk.stack.push((edge.ends[1 - side], at, e));
                }
                e = edge.next[side];
            }
        }
    }

    /// Potentials, masses and flows of the walked tree at its minimiser.
    fn minimise_tree(&mut self) {
        let (rows, penalty) = (self.rows, self.penalty);
        let Self { walk, weight, .. } = self;
        let side = |node: u32| usize::from(node as usize >= rows);
        let len = walk.nodes.len();
        walk.mass.clear();
        walk.flow.clear();
        walk.flow.resize(len, 0.0);
        if len == 1 {
            let rho = penalty[side(walk.nodes[0])];
            walk.potential[0] = if rho.is_infinite() { f64::INFINITY } else { EMPTY * rho };
            walk.mass.push(0.0);
            return;
        }
        // Masses w e^{−p/ρ} of either side relative to their largest exponent, and the logarithm of their sum.
        let inverse = penalty.map(|rho| 1.0 / rho);
        let mut max = [f64::NEG_INFINITY; 2];
        for (&node, &p) in walk.nodes.iter().zip(&walk.potential) {
            let side = side(node);
            max[side] = max[side].max(-p * inverse[side]);
        }
        let mut sum = [0.0; 2];
        simd::vectorised(
            #[inline(always)]
            || {
                for (&node, &p) in walk.nodes.iter().zip(&walk.potential) {
                    let side = side(node);
                    let mass = weight[node as usize] * simd::exp(-p * inverse[side] - max[side]);
                    sum[side] += mass;
                    walk.mass.push(mass);
                }
            },
        );
        // The shift f + λ, g − λ that balances the tree.
        let log = sum.map(libm::log);
        let shift = (max[0] + log[0] - max[1] - log[1]) / (inverse[0] + inverse[1]);
        // exp(max_0 − λ/ρ_a) and exp(max_1 + λ/ρ_b), arranged so that large potentials cancel exactly: the share of a
        // hard side is 0.
        let share = inverse.map(|inverse_rho| inverse_rho / (inverse[0] + inverse[1]));
        let common = share[1] * max[0] + share[0] * max[1];
        let ratio = log[1] - log[0];
        let factor = [libm::exp(common + share[0] * ratio), libm::exp(common - share[1] * ratio)];
        let shift = [shift, -shift];
        for (at, &node) in walk.nodes.iter().enumerate() {
            let side = side(node);
            walk.potential[at] += shift[side];
            walk.mass[at] *= factor[side];
        }
        // A parent edge carries the node's mass less what its children's edges carry (`flow`, summed at the node).
        for at in (1..len).rev() {
            let flow = walk.mass[at] - walk.flow[at];
            walk.flow[at] = flow;
            walk.flow[walk.parent[at] as usize] += flow;
        }
    }

    /// The heaviest node of the walked tree, if the root is light beside it.
    fn heavy_node(&self) -> Option<u32> {
        let Walk { nodes, mass, .. } = &self.walk;
        let heaviest = (0..mass.len()).fold(0, |best, at| if mass[at] > mass[best] { at } else { best });
        (mass[0] < LIGHT * mass[heaviest]).then(|| nodes[heaviest])
    }

    /// The step towards the minimiser at which the parent edge of position `at` empties; infinite if it does not.
    fn blocking_step(&self, at: usize) -> f64 {
        let (from, to) = (self.edges[self.walk.edge[at] as usize].flow, self.walk.flow[at]);
        if to > 0.0 {
            f64::INFINITY
        } else if from > 0.0 {
            (from / (from - to)).min(1.0 - f64::EPSILON)
        } else {
            0.0
        }
    }

    /// Takes over the minimiser of the walked tree.
    fn accept(&mut self) {
        for at in 0..self.walk.nodes.len() {
            let node = self.walk.nodes[at] as usize;
            self.settled[node] = self.pass;
            self.potential[node] = self.walk.potential[at];
            self.up[node] = match self.walk.parent[at] {
                NONE => (NONE, NONE, 0),
                parent => {
                    let (edge, parent) = (self.walk.edge[at], self.walk.nodes[parent as usize]);
                    self.edges[edge as usize].flow = self.walk.flow[at];
                    (parent, edge, self.up[parent as usize].2 + 1)
                }
            };
        }
    }

    /// Moves the flows `step` of the way to the minimiser and cuts the edges that empty there.
    fn move_and_cut(&mut self, step: f64) {
        self.unsettled.push(self.walk.nodes[0]);
        for at in 1..self.walk.nodes.len() {
            let e = self.walk.edge[at];
            let empties = self.blocking_step(at) <= step;
            let edge = &mut self.edges[e as usize];
            edge.flow += step * (self.walk.flow[at] - edge.flow);
            if empties || edge.flow < 0.0 {
                self.cut(e);
            }
        }
    }

    fn link(&mut self, ends: [u32; 2], cost: f64, flow: f64) {
        let next = ends.map(|node| self.first[node as usize]);
        let edge = Edge { ends, next, cost, flow };
        let e = match self.holes.pop() {
            Some(e) => {
                self.edges[e as usize] = edge;
                e
            }
            None => {
                self.edges.push(edge);
                (self.edges.len() - 1) as u32
            }
        };
        ends.iter().for_each(|&node| self.first[node as usize] = e);
    }

    /// Removes an edge; its ends must be settled again.
    fn cut(&mut self, e: u32) {
        let Edge { ends, next, .. } = self.edges[e as usize];
        for side in 0..2 {
            let node = ends[side] as usize;
            if self.first[node] == e {
                self.first[node] = next[side];
            } else {
                let mut before = self.first[node] as usize;
                while self.edges[before].next[side] != e {
                    before = self.edges[before].next[side] as usize;
                }
                self.edges[before].next[side] = next[side];
            }
        }
        self.unsettled.extend(ends);
        self.edges[e as usize].ends = [NONE; 2];
        self.holes.push(e);
    }
}

/// The root of a union–find tree, with path halving.
fn find(root: &mut [u32], mut node: u32) -> u32 {
    while root[node as usize] != node {
        root[node as usize] = root[root[node as usize] as usize];
        node = root[node as usize];
    }
    node
}
