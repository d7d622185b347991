//! The spanning tree that the network simplex pivots.

/// No node: the end of a list of children, or the root's parent.
const NONE: u32 = u32::MAX;

/// A strongly feasible spanning tree over sources `0..n`, targets `n..n + m` and a root `n + m`.
///
/// Arcs lead from sources to targets, and *artificial* arcs from sources to the root and from the root to targets, for
/// mass that is not routed yet. So the direction of the arc between a node and its parent follows from the kind of
/// node: up from a source, down to a target. Strongly feasible means that an arc without flow points up; with the
/// choice of the leaving arc in [`Tree::pivot`] this rules out cycling (Cunningham, Mathematical Programming 1976).
///
/// Masses are integers, so that flows are exact and mass is conserved to the last unit.
pub(super) struct Tree {
    sources: usize,
    nodes: Vec<Node>,
    /// f of the sources, g of the targets, 0 of the root: they add up to the cost on every arc of the tree.
    potential: Vec<f64>,
}

/// A node, its place among its siblings, and the arc between it and its parent.
#[derive(Clone, Copy)]
struct Node {
    parent: u32,
    first_child: u32,
    next: u32,
    previous: u32,
    depth: u32,
    flow: i128,
    cost: f64,
}

/// An arc of the tree from a source to a target.
pub(super) struct TreeArc {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) flow: i128,
    pub(super) cost: f64,
}

/// The arc that leaves the tree in a pivot.
struct Leaving {
    /// The arc is the one above this node.
    node: usize,
    /// Its flow, which is what the pivot moves round the cycle.
    flow: i128,
    /// Whether it lies between the apex of the cycle and the entering arc's source.
    on_source_side: bool,
}

impl Tree {
    /// The tree of artificial arcs alone, with the potentials `f` and `g` as their costs.
    pub(super) fn new(supply: &[i128], demand: &[i128], f: &[f64], g: &[f64]) -> Self {
        let (n, m) = (supply.len(), demand.len());
        let node = Node {
            parent: NONE,
            first_child: NONE,
            next: NONE,
            previous: NONE,
            depth: 0,
            flow: 0,
            cost: 0.0,
        };
        let mut tree = Self { sources: n, nodes: vec![node; n + m + 1], potential: vec![0.0; n + m + 1] };
        for (v, (&mass, &cost)) in supply.iter().chain(demand).zip(f.iter().chain(g)).enumerate() {
            tree.attach(v, n + m, mass, cost);
        }
        tree.refresh();
        tree
    }

    /// A tree like the one with these `parents`, of as many nodes: where an arc would run backwards, as masses have changed, or leads
    /// where no cost is finite, what is below it hangs from the root.
    pub(super) fn near(
        parents: &[u32],
        (supply, demand): (&[i128], &[i128]),
        (f, g): (&[f64], &[f64]),
        cost: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let (n, root) = (supply.len(), supply.len() + demand.len());
        let between = |v: usize, parent: usize| match (v, parent) {
            _ if parent == root => {
                if v < n {
                    f[v]
                } else {
                    g[v - n]
                }
            }
            _ if v < n => cost(v, parent - n),
            _ => cost(parent, v - n),
        };
        let mut parents: Vec<usize> = parents.iter().map(|&parent| parent as usize).collect();
        for (v, parent) in parents.iter_mut().enumerate() {
            if !between(v, *parent).is_finite() {
                *parent = root;
            }
        }
        let mut children: Vec<Vec<usize>> = vec![vec![]; root + 1];
        (0..root).for_each(|v| children[parents[v]].push(v));
        let mut order = vec![root];
        for next in 0.. {
            let Some(&v) = order.get(next) else { break };
            order.extend(&children[v]);
        }
        // From the leaves up: what a node and those below it have too much of goes on to its parent.
        let mut flow: Vec<i128> = supply.iter().chain(demand).copied().collect();
        for &v in order[1..].iter().rev() {
            let mut left = flow[v];
            // A target may take what it needs, and a source give what it has, to the last unit: an arc down must not run empty.
            let exhausts = |wanted: i128, left: i128| if v < n { wanted > left } else { wanted >= left };
            let at = children[v].iter().position(|&child| {
                let exhausted = exhausts(flow[child], left);
                if !exhausted {
                    left -= flow[child];
                }
                exhausted
            });
            let Some(at) = at else {
                flow[v] = left;
                continue;
            };
            // Children from there on do without this node, and the first of them has it below itself.
            let cut = children[v].split_off(at);
            cut.iter().for_each(|&child| parents[child] = root);
            children[parents[v]].retain(|&child| child != v);
            flow[cut[0]] -= left;
            flow[v] = left;
            parents[v] = cut[0];
        }
        let mut tree = Self::new(supply, demand, f, g);
        for v in 0..root {
            if parents[v] != root {
                tree.detach(v);
                tree.attach(v, parents[v], flow[v], between(v, parents[v]));
            } else {
                tree.nodes[v].flow = flow[v];
            }
        }
        tree.refresh();
        tree
    }

    /// The node above each but the root.
    pub(super) fn parents(&self) -> Vec<u32> {
        self.nodes[..self.root()].iter().map(|node| node.parent).collect()
    }

    /// The sources' potentials.
    pub(super) fn f(&self) -> &[f64] {
        &self.potential[..self.sources]
    }

    /// The targets' potentials.
    pub(super) fn g(&self) -> &[f64] {
        &self.potential[self.sources..self.root()]
    }

    /// The arcs of the tree that are not artificial.
    pub(super) fn arcs(&self) -> impl Iterator<Item = TreeArc> + '_ {
        (0..self.root()).filter(|&v| !self.hangs_from_root(v)).map(|v| {
            let node = &self.nodes[v];
            let parent = node.parent as usize;
            let (source, target) = if v < self.sources { (v, parent) } else { (parent, v) };
            TreeArc { source, target: target - self.sources, flow: node.flow, cost: node.cost }
        })
    }

    /// The mass on artificial arcs out of sources, which is that on artificial arcs into targets.
    pub(super) fn unrouted(&self) -> i128 {
        (0..self.sources).filter(|&v| self.hangs_from_root(v)).map(|v| self.nodes[v].flow).sum()
    }

    /// Gives the tree's artificial arcs the costs f_i + `price` and g_j + `price`.
    pub(super) fn set_price(&mut self, f: &[f64], g: &[f64], price: f64) {
        for (v, potential) in f.iter().chain(g).enumerate() {
            if self.hangs_from_root(v) {
                self.nodes[v].cost = potential + price;
            }
        }
        self.refresh();
    }

    /// Computes depths and potentials afresh, without the rounding that pivots pile up.
    pub(super) fn refresh(&mut self) {
        let root = self.root();
        self.descend(root, |tree, v| {
            if v != root {
                let parent = tree.nodes[v].parent as usize;
                tree.nodes[v].depth = tree.nodes[parent].depth + 1;
                tree.potential[v] = tree.nodes[v].cost - tree.potential[parent];
            }
        });
    }

    /// Brings the arc from source `i` to target `j` into the tree: mass moves round the cycle that it closes until
    /// an arc runs empty, and that arc leaves.
    pub(super) fn pivot(&mut self, i: usize, j: usize, cost: f64) {
        let (source, target) = (i, self.sources + j);
        let reduced = cost - self.potential[source] - self.potential[target];
        let leaving = self.leaving(source, target);
        if leaving.flow > 0 {
            self.push(source, target, leaving.flow);
        }
        let (top, parent) = if leaving.on_source_side { (source, target) } else { (target, source) };
        self.rehang(top, parent, &leaving, cost);
        // The potentials of the subtree that moved change so that the new arc's reduced cost is zero.
        let f_shift = if leaving.on_source_side { reduced } else { -reduced };
        let sources = self.sources;
        self.descend(top, |tree, v| {
            tree.potential[v] += if v < sources { f_shift } else { -f_shift };
            tree.nodes[v].depth = tree.nodes[tree.nodes[v].parent as usize].depth + 1;
        });
    }

    fn root(&self) -> usize {
        self.nodes.len() - 1
    }

    fn hangs_from_root(&self, v: usize) -> bool {
        self.nodes[v].parent as usize == self.root()
    }

    /// The arc that empties first; of several, the last one on the way round the cycle from its apex in the direction of
    /// the entering arc, which keeps the tree strongly feasible.
    fn leaving(&self, source: usize, target: usize) -> Leaving {
        let mut before = Leaving { node: source, flow: i128::MAX, on_source_side: true };
        let mut after = Leaving { node: target, flow: i128::MAX, on_source_side: false };
        let (mut u, mut v) = (source, target);
        while u != v {
            if self.nodes[u].depth >= self.nodes[v].depth {
                // On the way down to the source, flow on the arcs up from sources shrinks.
                let node = &self.nodes[u];
                if u < self.sources && node.flow < before.flow {
                    (before.node, before.flow) = (u, node.flow);
                }
                u = node.parent as usize;
            } else {
                // On the way up from the target, flow on the arcs down to targets shrinks.
                let node = &self.nodes[v];
                if v >= self.sources && node.flow <= after.flow {
                    (after.node, after.flow) = (v, node.flow);
                }
                v = node.parent as usize;
            }
        }
        if after.flow <= before.flow { after } else { before }
    }

    /// Moves `mass` round the cycle that an arc from `source` to `target` closes.
    fn push(&mut self, source: usize, target: usize, mass: i128) {
        let (mut u, mut v) = (source, target);
        while u != v {
            if self.nodes[u].depth >= self.nodes[v].depth {
                self.nodes[u].flow += if u < self.sources { -mass } else { mass };
                u = self.nodes[u].parent as usize;
            } else {
                self.nodes[v].flow += if v < self.sources { mass } else { -mass };
                v = self.nodes[v].parent as usize;
            }
        }
    }

    /// Cuts the subtree below the leaving arc off and hangs it by its node `top` from `parent`: every arc between `top`
    /// and the leaving arc turns over.
    fn rehang(&mut self, top: usize, parent: usize, leaving: &Leaving, cost: f64) {
        let (mut v, mut parent, mut flow, mut cost) = (top, parent, leaving.flow, cost);
        loop {
            let old = self.nodes[v];
            self.detach(v);
            self.attach(v, parent, flow, cost);
            if v == leaving.node {
                return;
            }
            (parent, v, flow, cost) = (v, old.parent as usize, old.flow, old.cost);
        }
    }

    fn attach(&mut self, v: usize, parent: usize, flow: i128, cost: f64) {
        let next = self.nodes[parent].first_child;
        if next != NONE {
            self.nodes[next as usize].previous = v as u32;
        }
        self.nodes[parent].first_child = v as u32;
        self.nodes[v] = Node { parent: parent as u32, next, previous: NONE, flow, cost, ..self.nodes[v] };
    }

    fn detach(&mut self, v: usize) {
        let Node { parent, next, previous, .. } = self.nodes[v];
        if previous == NONE {
            self.nodes[parent as usize].first_child = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
    }

    /// Calls `visit` on `top` and all nodes below it, parents first.
    #[inline(always)]
    fn descend(&mut self, top: usize, mut visit: impl FnMut(&mut Self, usize)) {
        let mut v = top;
        loop {
            visit(self, v);
            if self.nodes[v].first_child != NONE {
                v = self.nodes[v].first_child as usize;
                continue;
            }
            while v != top && self.nodes[v].next == NONE {
                v = self.nodes[v].parent as usize;
            }
            if v == top {
                return;
            }
            v = self.nodes[v].next as usize;
        }
    }
}
