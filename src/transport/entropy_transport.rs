//! Unregularised optimal entropy transport: min ⟨C,γ⟩ + ρ_a KL(γ1|a) + ρ_b KL(γᵀ1|b), at least one ρ finite.
//!
//! A finite active-set method in the spirit of the network simplex. The support of the plan is a forest of
//! (source, target) edges. On a fixed forest the minimiser is known in closed form, tree by tree: along the edges
//! f_i + g_j = C_ij fixes the potentials up to one shift, the tree's balance of mass fixes the shift, and the
//! potentials fix the mass of every point and so the flow on every edge. The method
//!
//! 1. moves the flows of a tree towards that minimiser, and where a flow would turn negative stops there, cuts the
//!    edge and goes on with the two parts;
//! 2. when all trees are at their minimisers, prices all pairs: one with f_i + g_j > C_ij would lower the
//!    objective, so it enters, joining two trees, or closing a cycle around which mass is pushed until an edge empties.
//!
//! Edges that empty are cut at once, so every edge carries mass and every step strictly lowers the objective: no
//! cycling, and an end after finitely many steps at the optimum itself. It starts from the forest of the heaviest
//! entries of a coarse entropic plan ([`sinkhorn`](super::sinkhorn)), which leaves it few steps to make.

use super::cost::CostRows;
use super::pricing::{self, Candidate};
use super::sinkhorn::{Reach, Sweeper, kl_term};
use super::{Problem, Report, Solution, SparsePlan};
use crate::error::{Error, Result};
use crate::exec::simd;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropyTransportOptions {
    /// Stop when the certified duality gap is at most this fraction of the primal value.
    pub tolerance: f64,
    /// Give up after this many pivots; the report then says that it did not converge.
    pub max_iterations: usize,
}

impl Default for EntropyTransportOptions {
    /// Relative gap 1e-9, at most 100 million pivots.
    fn default() -> Self {
        Self { tolerance: 1e-9, max_iterations: 100_000_000 }
    }
}

/// Solves min ⟨C,γ⟩ + ρ_a KL(γ1|a) + ρ_b KL(γᵀ1|b) to a certified duality gap.
///
/// The returned potentials are dual feasible for all pairs, so that `report.dual` is a true lower bound; the plan has
/// fewer entries than there are points. Points of zero weight, or that no finite cost connects to the other
/// side, keep potential +∞ and no mass. With [`Cost::Wfr`](super::Cost::Wfr) and both penalties 1, 2δ² times the
/// optimum is WFR²_δ (Liero, Mielke, Savaré, Inventiones 2018).
///
/// # Errors
/// [`Error::InvalidArgument`] for parameters outside their domain or two infinite penalties (that is
/// [`network_simplex`](super::network_simplex)), [`Error::Infeasible`] if a point of a hard marginal is out
/// of reach, [`Error::NonFinite`] if one side is hard and costs exceed the other's penalty by some 13 orders of magnitude.
pub fn entropy_transport(problem: &Problem<'_>, options: &EntropyTransportOptions) -> Result<Solution> {
    problem.validate()?;
    crate::error::positive("tolerance", options.tolerance)?;
    if problem.source_penalty.is_infinite() && problem.target_penalty.is_infinite() {
        return Err(Error::argument(
            "the penalties",
            "infinite on both sides",
            "finite on at least one side (two hard marginals are exact transport: network_simplex)",
        ));
    }
    let reach = Reach::of(problem)?;
    let mut source_potential = vec![f64::INFINITY; problem.source.len()];
    let mut target_potential = vec![f64::INFINITY; problem.target.len()];
    let mut entries = Vec::new();
    let (mut iterations, mut converged) = (0, true);
    if !reach.rows.is_empty() {
        let (source, target) = (problem.source.subset(&reach.rows), problem.target.subset(&reach.columns));
        let reduced = Problem { source: &source, target: &target, ..*problem };
        let mut forest = Forest::new(&reduced);
        converged = forest.solve(options);
        iterations = forest.pivots;
        let (f, g) = forest.feasible_potentials();
        reach.rows.iter().zip(f).for_each(|(&i, f)| source_potential[i] = f);
        reach.columns.iter().zip(g).for_each(|(&j, g)| target_potential[j] = g);
        let original =
            |e: &Edge| (reach.rows[e.row as usize] as u32, reach.columns[e.column as usize] as u32, e.flow);
        entries = forest.live_edges().map(original).collect();
    }
    let plan = SparsePlan::from_entries(problem.source.len(), entries);
    let report = report(problem, &plan, &source_potential, &target_potential, iterations, converged);
    if !(report.primal.is_finite() && report.dual.is_finite()) {
        return Err(Error::NonFinite(format!(
            "the transport problem is beyond double precision (objective {}, dual {}): its costs exceed the penalties \
             ({}, {}) too far; raise the finite penalty towards the scale of the costs",
            report.primal, report.dual, problem.source_penalty, problem.target_penalty
        )));
    }
    Ok(Solution { source_potential, target_potential, plan, report })
}

/// The objective and the residuals of a plan and feasible potentials.
fn report(
    problem: &Problem<'_>,
    plan: &SparsePlan,
    f: &[f64],
    g: &[f64],
    iterations: usize,
    converged: bool,
) -> Report {
    let costs = CostRows::new(problem);
    let transport_cost: f64 = plan.entries().map(|(i, j, mass)| mass * costs.entry(i, j)).sum();
    let side = |weights: &[f64], potential: &[f64], mass: &[f64], rho: f64| {
        let (mut penalty, mut dual, mut error, mut total) = (0.0, 0.0, 0.0, 0.0);
        for ((&w, &p), &r) in weights.iter().zip(potential).zip(mass) {
            let implied = if rho.is_infinite() { w } else { w * libm::exp(-p / rho) };
            error += (r - implied).abs();
            total += implied;
            if rho.is_finite() {
                penalty += rho * kl_term(r, w);
                dual += rho * (w - implied);
            } else if w > 0.0 {
                dual += w * p;
            }
        }
        (penalty, dual, if total > 0.0 { error / total } else { 0.0 })
    };
    let (source_penalty, source_dual, source_residual) =
        side(problem.source.weights(), f, &plan.row_mass(), problem.source_penalty);
    let (target_penalty, target_dual, target_residual) =
        side(problem.target.weights(), g, &plan.column_mass(problem.target.len()), problem.target_penalty);
    let primal = transport_cost + source_penalty + target_penalty;
    let dual = source_dual + target_dual;
    Report {
        iterations,
        converged,
        primal,
        dual,
        gap: primal - dual,
        transport_cost,
        transported_mass: plan.values.iter().sum(),
        source_residual,
        target_residual,
    }
}

/// An entry of the plan.
#[derive(Debug, Clone, Copy)]
struct Edge {
    row: u32,
    column: u32,
    cost: f64,
    flow: f64,
}

/// The support forest. Nodes are the rows 0..n, then the columns n..n+m.
#[derive(Debug)]
struct Forest<'a> {
    problem: Problem<'a>,
    costs: CostRows<'a>,
    rows: usize,
    /// Weights of all nodes.
    weight: Vec<f64>,
    /// Live edges and holes of cut ones, which are used again.
    edges: Vec<Edge>,
    holes: Vec<u32>,
    adjacency: Vec<Vec<u32>>,
    /// f on rows, g on columns.
    potential: Vec<f64>,
    pivots: usize,
    walk: Walk,
    /// The pass in which each node was last settled.
    settled: Vec<u32>,
    pass: u32,
    unsettled: Vec<u32>,
    /// By how much each row's worst pair was violated in the latest pricing.
    slack: Vec<f64>,
    /// The largest potential in absolute value.
    largest: f64,
}

/// A depth-first walk of one tree and what is computed on it, by position in the walk.
#[derive(Debug, Default)]
struct Walk {
    nodes: Vec<u32>,
    parent: Vec<u32>,
    parent_edge: Vec<u32>,
    stack: Vec<(u32, u32, u32)>,
    /// Position of each node of the graph in the latest walk that met it.
    position: Vec<u32>,
    /// Potentials relative to the root's.
    potential: Vec<f64>,
    /// The mass of each node at the tree's minimiser.
    mass: Vec<f64>,
    /// The flow of the parent edge at the tree's minimiser.
    flow: Vec<f64>,
}

const NONE: u32 = u32::MAX;
/// A point whose potential reaches this many penalties has mass below the smallest positive number.
const EMPTY: f64 = 700.0;

impl<'a> Forest<'a> {
    /// The maximum-weight spanning forest of a coarse entropic plan, and a feasible flow on it.
    fn new(problem: &Problem<'a>) -> Self {
        let (n, m) = (problem.source.len(), problem.target.len());
        let mut forest = Self {
            problem: *problem,
            costs: CostRows::new(problem),
            rows: n,
            weight: [problem.source.weights(), problem.target.weights()].concat(),
            edges: Vec::with_capacity(n + m),
            holes: vec![],
            adjacency: vec![vec![]; n + m],
            potential: vec![0.0; n + m],
            pivots: 0,
            walk: Walk { position: vec![0; n + m], ..Walk::default() },
            settled: vec![0; n + m],
            pass: 0,
            unsettled: vec![],
            slack: vec![],
            largest: 0.0,
        };
        // The side whose whole mass is put on each point's best edge: the hard one, if there is one.
        let rows_first = problem.source_penalty.is_infinite();
        let mut loaded = vec![false; n + m];
        let mut root: Vec<u32> = (0..(n + m) as u32).collect();
        for (row, column) in heaviest_entries(problem) {
            let (i, j) = (row, n as u32 + column);
            let (a, b) = (find(&mut root, i), find(&mut root, j));
            if a != b {
                root[a as usize] = b;
                let loader = if rows_first { i } else { j } as usize;
                let flow = if loaded[loader] { 0.0 } else { forest.weight[loader] };
                loaded[loader] = true;
                let cost = forest.costs.entry(row as usize, column as usize);
                forest.link(Edge { row, column, cost, flow });
            }
        }
        forest
    }

    /// Runs to the tolerance; false if the pivots ran out or rounding forbids further progress.
    fn solve(&mut self, options: &EntropyTransportOptions) -> bool {
        self.pass += 1;
        for node in 0..self.adjacency.len() as u32 {
            self.unsettled.push(node);
            self.settle();
        }
        let mut stalled = 0;
        let mut best = f64::INFINITY;
        loop {
            let (candidates, gap, primal) = self.price();
            if gap.is_finite() && gap <= options.tolerance * primal.abs() {
                return true;
            }
            // The objective falls strictly but for rounding; three rounds without a fall are rounding.
            stalled = if primal < best { 0 } else { stalled + 1 };
            best = best.min(primal);
            if candidates.is_empty() || stalled == 3 || self.pivots >= options.max_iterations {
                return false;
            }
            for candidate in &candidates {
                self.enter(candidate);
            }
        }
    }

    /// Lets an entry with f_i + g_j > C_ij carry mass.
    fn enter(&mut self, candidate: &Candidate) {
        let (i, j) = (candidate.row, self.rows as u32 + candidate.column);
        if self.violation(candidate) <= self.noise() {
            return; // settled by an earlier pivot
        }
        self.pivots += 1;
        self.pass += 1;
        self.unsettled.extend([i, j]);
        self.walk_tree(i);
        let mut flow = 0.0;
        if self.walk.holds(j) {
            flow = self.push_around_cycle(j);
        }
        self.link(Edge { row: candidate.row, column: candidate.column, cost: candidate.cost, flow });
        self.settle();
    }

    /// Takes as much mass as possible off every other edge of the path from the walk's root to `j`, and puts it on
    /// the edges between; cuts what empties and returns the amount, which the entering edge carries.
    fn push_around_cycle(&mut self, j: u32) -> f64 {
        let path = |walk: &Walk| {
            let mut edges = vec![];
            let mut at = walk.position[j as usize] as usize;
            while at != 0 {
                edges.push(walk.parent_edge[at]);
                at = walk.position[walk.parent[at] as usize] as usize;
            }
            edges
        };
        let path = path(&self.walk);
        let amount =
            path.iter().step_by(2).map(|&e| self.edges[e as usize].flow).fold(f64::INFINITY, f64::min);
        for (k, &e) in path.iter().enumerate() {
            let edge = &mut self.edges[e as usize];
            edge.flow += if k % 2 == 0 { -amount } else { amount };
            if edge.flow <= 0.0 {
                self.cut(e);
            }
        }
        amount
    }

    /// Brings every tree with a node in `unsettled` to its minimiser, cutting it where flows would turn negative.
    fn settle(&mut self) {
        while let Some(node) = self.unsettled.pop() {
            if self.settled[node as usize] == self.pass {
                continue;
            }
            self.walk_tree(node);
            self.minimise_tree();
            let step = self.longest_step();
            if step == 1.0 {
                for at in 0..self.walk.nodes.len() {
                    let node = self.walk.nodes[at] as usize;
                    self.settled[node] = self.pass;
                    self.potential[node] = self.walk.potential[at];
                    if at > 0 {
                        self.edges[self.walk.parent_edge[at] as usize].flow = self.walk.flow[at];
                    }
                }
            } else {
                self.move_and_cut(step);
            }
        }
    }

    /// Potentials, masses and flows of the walked tree at its minimiser.
    fn minimise_tree(&mut self) {
        let Self { walk, edges, weight, rows, problem, .. } = self;
        let is_row = |node: u32| (node as usize) < *rows;
        let rho = |node: u32| if is_row(node) { problem.source_penalty } else { problem.target_penalty };
        let len = walk.nodes.len();
        walk.potential.clear();
        walk.mass.clear();
        walk.flow.clear();
        walk.flow.resize(len, 0.0);
        if len == 1 {
            let rho = rho(walk.nodes[0]);
            walk.potential.push(if rho.is_infinite() { f64::INFINITY } else { EMPTY * rho });
            walk.mass.push(0.0);
            return;
        }
        // Along an edge f_i + g_j = C_ij.
        walk.potential.push(0.0);
        for at in 1..len {
            let parent = walk.position[walk.parent[at] as usize] as usize;
            walk.potential.push(edges[walk.parent_edge[at] as usize].cost - walk.potential[parent]);
        }
        // Masses w e^{−p/ρ} of either side relative to their largest exponent, and the logarithm of their sum.
        let exponent = |at: usize| -walk.potential[at] / rho(walk.nodes[at]);
        let mut max = [f64::NEG_INFINITY; 2];
        for at in 0..len {
            let side = usize::from(!is_row(walk.nodes[at]));
            max[side] = max[side].max(exponent(at));
        }
        let mut sum = [0.0; 2];
        for at in 0..len {
            let node = walk.nodes[at];
            let side = usize::from(!is_row(node));
            let mass = weight[node as usize] * simd::exp(exponent(at) - max[side]);
            sum[side] += mass;
            walk.mass.push(mass);
        }
        // The shift f + λ, g − λ that balances the tree.
        let (inverse_a, inverse_b) = (1.0 / problem.source_penalty, 1.0 / problem.target_penalty);
        let log = [libm::log(sum[0]), libm::log(sum[1])];
        let shift = (max[0] + log[0] - max[1] - log[1]) / (inverse_a + inverse_b);
        // exp(max_0 − λ/ρ_a) and exp(max_1 + λ/ρ_b), arranged so that large potentials cancel exactly: the share of a
        // hard side is 0.
        let (share_a, share_b) = (inverse_a / (inverse_a + inverse_b), inverse_b / (inverse_a + inverse_b));
        let common = share_b * max[0] + share_a * max[1];
        let ratio = log[1] - log[0];
        let factor = [libm::exp(common + share_a * ratio), libm::exp(common - share_b * ratio)];
        for at in 0..len {
            let side = usize::from(!is_row(walk.nodes[at]));
            walk.potential[at] += if side == 0 { shift } else { -shift };
            walk.mass[at] *= factor[side];
        }
        // A parent edge carries the node's mass less what its children's edges carry (`flow`, summed at the node).
        for at in (1..len).rev() {
            // Neighbours are of opposite sides: what the children send or take is what the node need not.
            let flow = walk.mass[at] - walk.flow[at];
            walk.flow[at] = flow;
            let parent = walk.position[walk.parent[at] as usize] as usize;
            walk.flow[parent] += flow;
        }
    }

    /// How far towards the minimiser all flows stay non-negative: 1 if none turns.
    fn longest_step(&self) -> f64 {
        (1..self.walk.nodes.len()).map(|at| self.blocking_step(at)).fold(1.0, f64::min)
    }

    /// The step at which the parent edge of position `at` empties; above 1 if it does not.
    fn blocking_step(&self, at: usize) -> f64 {
        let (from, to) = (self.edges[self.walk.parent_edge[at] as usize].flow, self.walk.flow[at]);
        if to > 0.0 {
            f64::INFINITY
        } else if from > 0.0 {
            (from / (from - to)).min(1.0 - f64::EPSILON)
        } else {
            0.0
        }
    }

    /// Moves the flows `step` of the way to the minimiser and cuts the edges that empty there.
    fn move_and_cut(&mut self, step: f64) {
        self.unsettled.push(self.walk.nodes[0]);
        for at in 1..self.walk.nodes.len() {
            let e = self.walk.parent_edge[at];
            let empties = self.blocking_step(at) <= step;
            let edge = &mut self.edges[e as usize];
            edge.flow += step * (self.walk.flow[at] - edge.flow);
            if empties || edge.flow < 0.0 {
                self.cut(e);
            }
        }
    }

    /// Walks the tree of `root` depth first.
    fn walk_tree(&mut self, root: u32) {
        let Self { walk, edges, adjacency, rows, .. } = self;
        walk.nodes.clear();
        walk.parent.clear();
        walk.parent_edge.clear();
        walk.stack.push((root, NONE, NONE));
        while let Some((node, parent, parent_edge)) = walk.stack.pop() {
            walk.position[node as usize] = walk.nodes.len() as u32;
            walk.nodes.push(node);
            walk.parent.push(parent);
            walk.parent_edge.push(parent_edge);
            for &e in adjacency[node as usize].iter().filter(|&&e| e != parent_edge) {
                let edge = &edges[e as usize];
                let column = *rows as u32 + edge.column;
                let other = if edge.row == node { column } else { edge.row };
                walk.stack.push((other, node, e));
            }
        }
    }

    fn link(&mut self, edge: Edge) {
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
        self.adjacency[edge.row as usize].push(e);
        self.adjacency[self.rows + edge.column as usize].push(e);
    }

    /// Removes an edge; its ends must be settled again.
    fn cut(&mut self, e: u32) {
        let edge = &mut self.edges[e as usize];
        let (i, j) = (edge.row, self.rows as u32 + edge.column);
        *edge = Edge { row: NONE, column: NONE, cost: 0.0, flow: 0.0 };
        for node in [i, j] {
            self.adjacency[node as usize].retain(|&other| other != e);
            self.unsettled.push(node);
        }
        self.holes.push(e);
    }

    fn live_edges(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|e| e.row != NONE)
    }

    /// What rounding does to a sum of potentials along a path.
    fn noise(&self) -> f64 {
        1e-14 * self.largest
    }

    /// Scans all pairs: those worth a pivot (worst first), the certified gap, and the objective.
    fn price(&mut self) -> (Vec<Candidate>, f64, f64) {
        let (f, g) = self.potential.split_at(self.rows);
        self.largest = self.potential.iter().filter(|p| p.is_finite()).fold(0.0, |m: f64, p| m.max(p.abs()));
        let pairs = pricing::all_violated(&self.costs, f, g, PER_ROW);
        let mut feasible = f.to_vec();
        pricing::lower(&mut feasible, g, &pairs);
        self.slack = f
            .iter()
            .zip(feasible)
            .map(|(f, lowered)| if f == &lowered { 0.0 } else { f - lowered })
            .collect();
        // Of a row only what is near its worst is worth a pivot: the others often vanish with it.
        let violation = |pair: &Candidate| self.violation(pair);
        let mut candidates: Vec<(f64, Candidate)> =
            pairs.into_iter().map(|pair| (violation(&pair), pair)).collect();
        let least = |row: u32| self.noise().max(0.3 * self.slack[row as usize]);
        candidates.retain(|(violation, pair)| *violation > self.noise() && *violation >= least(pair.row));
        candidates.sort_by(|(u, a), (v, b)| v.total_cmp(u).then((a.row, a.column).cmp(&(b.row, b.column))));
        let (mut gap, mut primal) = (0.0, 0.0);
        for (node, (&w, &p)) in self.weight.iter().zip(&self.potential).enumerate() {
            let rho =
                if node < self.rows { self.problem.source_penalty } else { self.problem.target_penalty };
            let slack = self.slack.get(node).copied().unwrap_or(0.0);
            if rho.is_infinite() {
                primal += w * p;
                gap += w * slack;
            } else {
                primal += rho * w * (1.0 - libm::exp(-p / rho));
                gap += rho * w * (libm::exp(-(p - slack) / rho) - libm::exp(-p / rho));
            }
        }
        (candidates.into_iter().map(|(_, pair)| pair).collect(), gap, primal)
    }

    /// f_i + g_j − C_ij.
    fn violation(&self, pair: &Candidate) -> f64 {
        self.potential[pair.row as usize] + self.potential[self.rows + pair.column as usize] - pair.cost
    }

    /// The potentials lowered on the rows until no pair violates its cost.
    fn feasible_potentials(&self) -> (Vec<f64>, Vec<f64>) {
        let (f, g) = self.potential.split_at(self.rows);
        (f.iter().zip(&self.slack).map(|(f, slack)| f - slack).collect(), g.to_vec())
    }
}

impl Walk {
    fn holds(&self, node: u32) -> bool {
        self.nodes.get(self.position[node as usize] as usize) == Some(&node)
    }
}

/// Candidates looked at of one row in one pass.
const PER_ROW: usize = 3;

/// The entries of a coarse entropic plan that matter to their row or their column, heaviest first.
fn heaviest_entries(problem: &Problem<'_>) -> Vec<(u32, u32)> {
    let mut sweeper = Sweeper::new(problem);
    // Below the resolution of the costs the plan is as good as sparse. The floor keeps f/ε representable.
    let epsilon = (0.1 * sweeper.resolution).max(1e-9 * sweeper.scale);
    sweeper.scale_down(epsilon, 0.25, 6, usize::MAX);
    let mut entries = sweeper.heavy_entries(epsilon, 0.02);
    entries.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    entries.into_iter().map(|(i, j, _)| (i, j)).collect()
}

/// The root of a union–find tree, with path halving.
fn find(root: &mut [u32], mut node: u32) -> u32 {
    while root[node as usize] != node {
        root[node as usize] = root[root[node as usize] as usize];
        node = root[node as usize];
    }
    node
}
