//! Exact optimal transport with hard marginals, by the network simplex method.
//!
//! The primal network simplex on the bipartite graph (Bonneel, van de Panne, Paris, Heidrich, ACM Transactions on
//! Graphics 2011) with three additions that keep both memory and time low:
//!
//! * *Column generation*: pivots look at a few pairs a point, and pricing (`pricing.rs`) finds from the points the
//!   pairs that were overlooked, until there are none. The cost matrix is never stored.
//! * *A coarse start*: the potentials of a problem with a quarter of the points, each carrying the mass of its
//!   neighbourhood, solved the same way first, say which pairs matter (Mérigot, Computer Graphics Forum 2011; Schmitzer,
//!   Journal of Mathematical Imaging and Vision 2016).
//! * *A rising price*: mass may stay where it is at a price, low at first so that near pairs are settled first and
//!   raised until all mass is on its way.
//!
//! Of problems that follow each other, each a little different, a basis carries the tree of one to the next.

mod basis;
mod tree;

use super::backend::Entry;
use super::clones::{self, ClonePenalty};
use super::cost::CostRows;
use super::pricing::{self, Candidate};
use super::{Cost, PointCloud, Problem, Report, Solution, SparsePlan};
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use tree::{Tree, TreeArc};

pub(crate) use basis::Basis;

/// A pair enters only if it violates f_i + g_j ≤ C_ij by more than this, relative to |f_i| + |g_j|: above the rounding of
/// potentials, which are sums of costs along the tree, and far below the promised gap.
const TOLERANCE: f64 = 1e-13;
/// The duality gap, relative to the optimum, at which a solution counts as converged.
const GAP: f64 = 1e-9;
/// Pairs a point to start with, and to add a pass. More cost memory and time in every scan, fewer cost more passes.
const INITIAL_PAIRS: usize = 10;
const ADDED_PAIRS: usize = 5;
/// The coarse start keeps every so many-th point, and is left out for fewer points than the minimum.
const COARSENING: usize = 4;
const COARSEST: usize = 100;
/// How fast the price of unrouted mass rises.
const PRICE_FACTOR: f64 = 8.0;

/// The optimum of a transport problem with both marginals hard.
///
/// The plan has at most n + m − 1 entries, in units of the source's mass (the target's total may differ from it by
/// rounding and is scaled). The potentials satisfy f_i + g_j ≤ C_ij for all pairs of points, those without weight
/// included, with equality where the plan has mass. `report.iterations` counts pivots; `report.converged` says that the
/// duality gap is below 1e-9 of the optimum, or of the order of the rounding of its terms, and is always so but for
/// costs of extremely different magnitudes. Memory is O(n + m), and the result is the same at any number of threads.
///
/// Network simplex: Bonneel, van de Panne, Paris, Heidrich, ACM Transactions on Graphics 2011.
///
/// # Errors
/// [`Error::InvalidArgument`] for a finite penalty, a cost parameter out of its domain or clouds of different dimensions;
/// [`Error::Infeasible`] for total weights that differ, and where every plan has infinite cost;
/// [`Error::NonFinite`] where the optimum is beyond the range of double precision; [`Error::Cancelled`] once `stop` is
/// requested.
///
/// # Examples
/// ```
/// use chreode::exec::stop::Stop;
/// use chreode::snapshots::MatrixView;
/// use chreode::transport::{Cost, PointCloud, Problem, network_simplex::network_simplex};
///
/// let source = PointCloud::new(MatrixView::from_f64(&[0.0, 1.0], 2, 1)?, None)?;
/// let target = PointCloud::new(MatrixView::from_f64(&[1.5, 3.0], 2, 1)?, None)?;
/// let problem = Problem {
///     source: &source,
///     target: &target,
///     cost: Cost::Euclidean,
///     source_penalty: f64::INFINITY,
///     target_penalty: f64::INFINITY,
/// };
/// let solution = network_simplex(&problem, &Stop::default())?;
/// assert!((solution.report.primal - 3.5).abs() < 1e-12);
/// # Ok::<(), chreode::Error>(())
/// ```
pub fn network_simplex(problem: &Problem<'_>, stop: &Stop) -> Result<Solution> {
    network_simplex_from(problem, None, stop)
}

/// [`network_simplex`] from a basis, which becomes that of this problem.
pub(crate) fn network_simplex_from(
    problem: &Problem<'_>,
    basis: Option<&mut Basis>,
    stop: &Stop,
) -> Result<Solution> {
    problem.validate()?;
    for (name, penalty) in
        [("source_penalty", problem.source_penalty), ("target_penalty", problem.target_penalty)]
    {
        if penalty.is_finite() {
            return Err(Error::argument(name, penalty, "infinite: the network simplex takes hard marginals"));
        }
    }
    let (rows, source) = with_weight(problem.source);
    let (columns, target) = with_weight(problem.target);
    let weighty = Problem { source: &source, target: &target, ..*problem };
    let (optimum, arcs) = optimise(&weighty, basis.as_deref(), stop)?;
    if let Some(basis) = basis {
        *basis = Basis::of(&optimum, arcs);
    }
    let (units, mass) = (units(&weighty) as f64, exact_sum(source.weights()));
    if optimum.finished && optimum.tree.unrouted() > 0 {
        return Err(Error::Infeasible(format!(
            "every plan has infinite cost: {:.3} of the mass lies out of reach of the other cloud; {}, or give a finite \
             penalty",
            optimum.tree.unrouted() as f64 / units,
            problem.reach_advice()
        )));
    }
    let (f, g) = extend(problem, (&rows, &optimum.f), (&columns, optimum.tree.g()), stop)?;
    // Fractions first: mass / units may be too small for a normal number.
    let flow = |arc: &TreeArc| arc.flow as f64 / units * mass;
    let primal = optimum.tree.arcs().filter(|arc| arc.flow > 0).map(|arc| flow(&arc) * arc.cost).sum();
    let entries = optimum
        .tree
        .arcs()
        .filter(|arc| arc.flow > 0)
        .map(|arc| (rows[arc.source] as u32, columns[arc.target] as u32, flow(&arc)));
    let plan = SparsePlan::from_entries(problem.source.len(), entries.collect());
    let report = report(problem, &plan, primal, &optimum, (&rows, units));
    if !(report.primal.is_finite() && report.dual.is_finite()) {
        return Err(Error::NonFinite(format!(
            "the optimal transport cost is {}, beyond double precision; rescale the coordinates",
            report.primal
        )));
    }
    Ok(Solution { source_potential: f, target_potential: g, plan, report })
}

/// A good plan between the clouds' weights (of which only the proportions matter), as entries (row, column, mass): optimal
/// among the pairs that are cheapest at target potentials `g`. It lacks what these pairs cannot route: between clusters out of
/// each other's reach, the difference of their masses. None if there is no mass; and whether it lacks none.
///
/// For solvers that need a support to start from, and know potentials that are nearly right.
pub(super) fn support(problem: &Problem<'_>, g: &[f64], stop: &Stop) -> Result<Option<(Vec<Entry>, bool)>> {
    // Masses that all underflow have no proportions.
    if [problem.source, problem.target].iter().any(|cloud| !cloud.mass().is_normal()) {
        return Ok(None);
    }
    let Start { f, g, arcs } = promising(problem, &CostRows::new(problem), g.to_vec(), stop)?;
    let units = units(problem);
    let mut tree = Tree::new(&masses(problem.source, units), &masses(problem.target, units), &f, &g);
    let highest = highest_price(problem, &f, &g);
    // High enough for nearly all mass to be routed at once, low enough to keep the figures of the potentials.
    let typical = mean_reduced_cost(&arcs, &f, &g);
    let mut price = if typical > 0.0 { typical.min(highest) } else { highest };
    loop {
        tree.set_price(&f, &g, price);
        pivot_among(&arcs, &mut tree, usize::MAX, stop)?;
        if tree.unrouted() == 0 || price >= highest {
            break;
        }
        price = (PRICE_FACTOR * price).min(highest);
    }
    let mass = |flow: i128| flow as f64 / units as f64 * problem.source.mass();
    let carried = tree.arcs().filter(|arc| arc.flow > 0);
    let entries = carried.map(|arc| (arc.source as u32, arc.target as u32, mass(arc.flow))).collect();
    Ok(Some((entries, tree.unrouted() == 0)))
}

/// Where the simplex method ended.
struct Optimum {
    tree: Tree,
    /// The sources' potentials, dual feasible with the tree's targets' for all pairs.
    f: Vec<f64>,
    pivots: usize,
    /// Whether no pair violates the dual constraints and, if some mass is unrouted, none can be routed.
    finished: bool,
}

/// The simplex method for clouds whose weights are all positive; only the weights' proportions matter. And the pairs that it looked at.
fn optimise(problem: &Problem<'_>, basis: Option<&Basis>, stop: &Stop) -> Result<(Optimum, Vec<Candidate>)> {
    let costs = CostRows::new(problem);
    let basis = basis.filter(|basis| basis.fits(problem));
    let Start { f, g, mut arcs } = match basis {
        Some(basis) => basis.start(&costs),
        None => start(problem, &costs, stop)?,
    };
    let highest = highest_price(problem, &f, &g);
    let mut price = match mean_reduced_cost(&arcs, &f, &g) {
        mean if mean > 0.0 => mean.min(highest),
        _ => highest,
    };
    let units = units(problem);
    let (sent, mut received) = (masses(problem.source, units), masses(problem.target, units));
    clones::level(problem, &sent, &mut received);
    let mut tree = match basis {
        Some(basis) => Tree::near(&basis.parents, (&sent, &received), (&f, &g), |i, j| costs.entry(i, j)),
        None => Tree::new(&sent, &received, &f, &g),
    };
    tree.set_price(&f, &g, price);
    let mut pivots = 0;
    // Rounding could, with costs of extremely different magnitudes, undo its own pivots forever.
    let limit = 100_000 + 1000 * (f.len() + g.len());
    loop {
        pivots += pivot_among(&arcs, &mut tree, limit - pivots, stop)?;
        let routed = tree.unrouted() == 0;
        if routed {
            // The artificial arcs are empty: their cost no longer matters, and without the price figures are saved.
            tree.set_price(&f, &g, 0.0);
        }
        let overlooked = pricing::all_violated(&costs, tree.f(), tree.g(), ADDED_PAIRS, stop)?;
        let known = arcs.len();
        arcs.extend(overlooked.iter().filter(|arc| enters(arc, tree.f(), tree.g())));
        let settled = arcs.len() == known;
        let finished = settled && (routed || price >= highest);
        if finished || pivots == limit {
            let mut lowered = tree.f().to_vec();
            pricing::lower(&mut lowered, tree.g(), &overlooked);
            return Ok((Optimum { f: lowered, tree, pivots, finished }, arcs));
        }
        if !routed {
            price = if settled { highest } else { (PRICE_FACTOR * price).min(highest) };
            tree.set_price(&f, &g, price);
        }
    }
}

/// Pivots until none of `arcs` violates its dual constraint, and at most `limit` times; the number of pivots.
///
/// Block search (Bonneel et al. 2011): the most violated arc of a block enters, then the next block is searched.
fn pivot_among(arcs: &[Candidate], tree: &mut Tree, limit: usize, stop: &Stop) -> Result<usize> {
    let block = 4 * arcs.len().isqrt() + 1;
    let refresh_every = tree.f().len() + tree.g().len();
    let (mut pivots, mut position, mut idle) = (0, 0, 0);
    while idle < arcs.len() && pivots < limit {
        stop.check()?;
        let end = arcs.len().min(position + block);
        let entering = most_violated(&arcs[position..end], tree.f(), tree.g());
        idle += end - position;
        position = if end == arcs.len() { 0 } else { end };
        if let Some(arc) = entering {
            tree.pivot(arc.row as usize, arc.column as usize, arc.cost);
            pivots += 1;
            idle = 0;
            if pivots % refresh_every == 0 {
                tree.refresh();
            }
        }
    }
    tree.refresh();
    Ok(pivots)
}

fn most_violated(arcs: &[Candidate], f: &[f64], g: &[f64]) -> Option<Candidate> {
    let mut most = (0.0, None);
    for arc in arcs {
        let reduced = reduced_cost(arc, f, g);
        if reduced < most.0 && enters(arc, f, g) {
            most = (reduced, Some(*arc));
        }
    }
    most.1
}

fn reduced_cost(arc: &Candidate, f: &[f64], g: &[f64]) -> f64 {
    arc.cost - f[arc.row as usize] - g[arc.column as usize]
}

/// Whether the arc violates its dual constraint by more than rounding.
fn enters(arc: &Candidate, f: &[f64], g: &[f64]) -> bool {
    let magnitude = f[arc.row as usize].abs() + g[arc.column as usize].abs();
    -reduced_cost(arc, f, g) > TOLERANCE * magnitude
}

fn mean_reduced_cost(arcs: &[Candidate], f: &[f64], g: &[f64]) -> f64 {
    arcs.iter().map(|arc| reduced_cost(arc, f, g) / arcs.len() as f64).sum()
}

/// A price at which mass is left unrouted only if no plan of finite cost routes it: above what rerouting along any
/// path, which uses each point once, can cost.
fn highest_price(problem: &Problem<'_>, f: &[f64], g: &[f64]) -> f64 {
    let largest_potential = f.iter().chain(g).fold(0.0f64, |largest, x| largest.max(x.abs()));
    let price = largest_cost(problem) * f.len().min(g.len()) as f64 + 2.0 * largest_potential;
    // Positive, so that raising the price ends there even if all costs are zero, and such that sums stay finite.
    price.clamp(f64::MIN_POSITIVE, f64::MAX / 16.0)
}

/// A bound of all finite costs, from the box around the points.
pub(super) fn largest_cost(problem: &Problem<'_>) -> f64 {
    let mut extents = vec![0.0; problem.source.dims()];
    for (c, extent) in extents.iter_mut().enumerate() {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for cloud in [problem.source, problem.target] {
            for x in cloud.points().iter().skip(c).step_by(cloud.dims()) {
                (low, high) = (low.min(*x), high.max(*x));
            }
        }
        *extent = high - low;
    }
    let of_clones = ClonePenalty::of(problem).map_or(0.0, |clones| clones.penalty);
    let of_distance = match problem.cost {
        // The cost's largest finite value: −2 ln of the distance between 1 and the number before it, and a little.
        Cost::Wfr { .. } => 80.0,
        cost => cost.of_differences(extents.into_iter()),
    };
    of_distance + if of_clones.is_finite() { of_clones } else { 0.0 }
}

/// Potentials to start from, and the pairs that they make promising.
struct Start {
    f: Vec<f64>,
    g: Vec<f64>,
    arcs: Vec<Candidate>,
}

/// Extends the potentials of a coarser problem to all points.
fn start(problem: &Problem<'_>, costs: &CostRows<'_>, stop: &Stop) -> Result<Start> {
    let (n, m) = (problem.source.len(), problem.target.len());
    let mut g = vec![0.0; m];
    if n.min(m) > COARSEST {
        let (source, target) =
            (coarsened(problem, problem.source, stop)?, coarsened(problem, problem.target, stop)?);
        let coarse = Problem { source: &source, target: &target, ..*problem };
        let (coarse, _) = optimise(&coarse, None, stop)?;
        // A coarse problem without a finite plan says little about the fine one, which may have one.
        if coarse.tree.unrouted() == 0 {
            let backward = CostRows::new(&Problem { source: problem.target, target: &source, ..*problem });
            g = potentials(m, &coarse.f, &pricing::cheapest(&backward, m, &coarse.f, 1, stop)?);
        }
    }
    promising(problem, costs, g, stop)
}

/// The pairs that are cheapest for either of their points at target potentials `g`, which f completes.
fn promising(problem: &Problem<'_>, costs: &CostRows<'_>, g: Vec<f64>, stop: &Stop) -> Result<Start> {
    let (n, m) = (problem.source.len(), problem.target.len());
    let mut arcs = pricing::cheapest(costs, n, &g, INITIAL_PAIRS, stop)?;
    let f = potentials(n, &g, &arcs);
    let backward = CostRows::new(&Problem { source: problem.target, target: problem.source, ..*problem });
    for arc in pricing::cheapest(&backward, m, &f, INITIAL_PAIRS, stop)? {
        arcs.push(Candidate { row: arc.column, column: arc.row, cost: arc.cost });
    }
    // Pivots look at the arcs in this order: a row's together.
    arcs.sort_unstable_by_key(|arc| (arc.row, arc.column));
    arcs.dedup();
    Ok(Start { f, g, arcs })
}

/// The c-transform from each row's cheapest pairs, and 0 for a row out of reach of all columns.
fn potentials(rows: usize, g: &[f64], cheapest: &[Candidate]) -> Vec<f64> {
    let mut f = vec![f64::INFINITY; rows];
    pricing::lower(&mut f, g, cheapest);
    f.iter().map(|&f| if f.is_finite() { f } else { 0.0 }).collect()
}

/// Every fourth point of the cloud, with the weight of the points to which it is the nearest of these.
fn coarsened(problem: &Problem<'_>, cloud: &PointCloud, stop: &Stop) -> Result<PointCloud> {
    let kept: Vec<usize> = (0..cloud.len()).step_by(COARSENING).collect();
    let mut coarse = cloud.subset(&kept);
    let costs = CostRows::new(&Problem { source: cloud, target: &coarse, ..*problem });
    let mut weights = vec![0.0; kept.len()];
    for nearest in pricing::cheapest(&costs, cloud.len(), &vec![0.0; kept.len()], 1, stop)? {
        weights[nearest.column as usize] += cloud.weights()[nearest.row as usize];
    }
    coarse.weights = weights;
    Ok(with_weight(&coarse).1)
}

/// The rows with positive weight, and the cloud of them.
fn with_weight(cloud: &PointCloud) -> (Vec<usize>, PointCloud) {
    let rows: Vec<usize> = (0..cloud.len()).filter(|&i| cloud.weights()[i] > 0.0).collect();
    let cloud = cloud.subset(&rows);
    (rows, cloud)
}

/// The integer that stands for the whole mass, so that flows are exact in units of at most 1e-37 of it: a multiple of
/// n m, so that uniform weights are exact too and equal clouds match point to point.
fn units(problem: &Problem<'_>) -> i128 {
    let product = (problem.source.len() * problem.target.len()) as i128;
    product << (product.leading_zeros() - 2)
}

/// The weights, all positive, as integers that add up to `units`: their shares of it to the last unit, at least 1.
fn masses(cloud: &PointCloud, units: i128) -> Vec<i128> {
    // As integers of 125 bits in all, by a power of two: exact, if they are within thirty orders of magnitude.
    let heaviest = cloud.weights().iter().fold(0.0f64, |heaviest, w| heaviest.max(*w));
    let room = 124 - cloud.len().next_power_of_two().ilog2() as i32;
    let integer = |w: &f64| libm::scalbn(*w, room - libm::ilogb(heaviest) - 1) as u128;
    let integers: Vec<u128> = cloud.weights().iter().map(integer).collect();
    let total = integers.iter().sum();
    let share = |&integer: &u128| (multiple(integer, units as u128, total) as i128).max(1);
    let mut masses: Vec<i128> = integers.iter().map(share).collect();
    let largest = (0..masses.len()).max_by_key(|&i| masses[i]).unwrap_or(0);
    masses[largest] += units - masses.iter().sum::<i128>();
    masses
}

/// ⌊part · whole / total⌋ for part ≤ total < 2¹²⁶, bit by bit of `whole`, as the product needs 256 bits.
fn multiple(part: u128, whole: u128, total: u128) -> u128 {
    let (mut quotient, mut rest) = (0, 0);
    for bit in (0..u128::BITS - whole.leading_zeros()).rev() {
        rest = 2 * rest + (whole >> bit & 1) * part;
        quotient *= 2;
        while rest >= total {
            rest -= total;
            quotient += 1;
        }
    }
    quotient
}

/// Σ values with the rounding of every addition put back (Neumaier, ZAMM 1974): a plain sum of thousands of equal
/// weights is off by more than the integers resolve.
fn exact_sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0);
    for &value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

/// Potentials of all points from those of the points with weight: the largest that stay dual feasible.
fn extend(
    problem: &Problem<'_>,
    (rows, f): (&[usize], &[f64]),
    (columns, g): (&[usize], &[f64]),
    stop: &Stop,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, m) = (problem.source.len(), problem.target.len());
    let (mut all_f, mut all_g) = (vec![f64::INFINITY; n], vec![f64::INFINITY; m]);
    rows.iter().zip(f).for_each(|(&i, f)| all_f[i] = *f);
    columns.iter().zip(g).for_each(|(&j, g)| all_g[j] = *g);
    if columns.len() < m {
        let source = problem.source.subset(rows);
        let weightless: Vec<usize> = (0..m).filter(|j| problem.target.weights()[*j] == 0.0).collect();
        let target = problem.target.subset(&weightless);
        let costs = CostRows::new(&Problem { source: &target, target: &source, ..*problem });
        for pair in pricing::cheapest(&costs, weightless.len(), f, 1, stop)? {
            all_g[weightless[pair.row as usize]] = pair.cost - f[pair.column as usize];
        }
    }
    if rows.len() < n {
        let weightless: Vec<usize> = (0..n).filter(|i| problem.source.weights()[*i] == 0.0).collect();
        let source = problem.source.subset(&weightless);
        // A target that no source with weight reaches: its potential is free, 0 where a weightless source reaches it.
        let costs = CostRows::new(&Problem { source: &source, ..*problem });
        let bounded: Vec<f64> = all_g.iter().map(|&g| if g.is_finite() { g } else { 0.0 }).collect();
        for pair in pricing::cheapest(&costs, weightless.len(), &bounded, 1, stop)? {
            all_f[weightless[pair.row as usize]] = pair.cost - bounded[pair.column as usize];
        }
        all_g = bounded;
    }
    Ok((all_f, all_g))
}

/// The value of the plan, and its distance from the optimum at the most.
///
/// Along the tree f_i + g_j = C_ij, so that only what f was lowered by to be feasible, and the rounding of weights to units, keep
/// the dual below the primal.
fn report(
    problem: &Problem<'_>,
    plan: &SparsePlan,
    primal: f64,
    optimum: &Optimum,
    (rows, units): (&[usize], f64),
) -> Report {
    let a = problem.source.weights();
    let mass = exact_sum(a);
    let scale = mass / exact_sum(problem.target.weights());
    let b: Vec<f64> = problem.target.weights().iter().map(|w| w * scale).collect();
    let lowered =
        rows.iter().zip(optimum.tree.f().iter().zip(&optimum.f)).map(|(&i, (f, to))| a[i] * (f - to));
    let magnitude: f64 = optimum.f.iter().chain(optimum.tree.g()).map(|p| p.abs()).sum();
    // No cost is negative, and so the optimum is not.
    let gap = (lowered.sum::<f64>() + magnitude / units * mass).min(primal);
    let residual = |got: &[f64], want: &[f64]| {
        got.iter().zip(want).map(|(got, want)| (got - want).abs()).sum::<f64>() / mass
    };
    Report {
        iterations: optimum.pivots,
        converged: optimum.finished && gap <= GAP * primal,
        primal,
        dual: primal - gap,
        gap,
        transport_cost: primal,
        transported_mass: plan.values.iter().sum(),
        source_residual: residual(&plan.row_mass(), a),
        target_residual: residual(&plan.column_mass(problem.target.len()), &b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::{Purpose, stream};
    use crate::snapshots::MatrixView;
    use rand::RngExt;

    /// `count` points of the plane: a lattice that is moved by up to `far`, with weights around one where they vary.
    fn cloud(count: usize, far: f64, vary: bool, seed: u64) -> PointCloud {
        let mut rng = stream(seed, Purpose::Dataset, 0, 0);
        let mut near = |x: f64| x + far * (2.0 * rng.random::<f64>() - 1.0);
        let points: Vec<f64> =
            (0..count).flat_map(|i| [(i % 11) as f64, (i / 11) as f64]).map(&mut near).collect();
        let weights: Vec<f64> = (0..count).map(|_| if vary { 2f64.powf(near(0.0)) } else { 1.0 }).collect();
        let view = MatrixView::from_f64(&points, count, 2).unwrap();
        PointCloud::new(view, Some(&weights)).unwrap().normalised()
    }

    fn solved(cost: Cost, (source, target): (&PointCloud, &PointCloud), basis: &mut Basis) -> Result<Report> {
        let (source_penalty, target_penalty) = (f64::INFINITY, f64::INFINITY);
        let problem = Problem { source, target, cost, source_penalty, target_penalty };
        network_simplex_from(&problem, Some(basis), &Stop::default()).map(|solution| solution.report)
    }

    #[test]
    fn the_optimum_does_not_depend_on_where_the_method_begins() {
        let costs = [Cost::HalfSquaredEuclidean, Cost::Euclidean, Cost::Wfr { delta: 1.5 }];
        for (cost, vary) in costs.into_iter().flat_map(|cost| [(cost, true), (cost, false)]) {
            let mut basis = Basis::default();
            let (mut warm, mut cold) = (0, 0);
            // Clouds that come nearer to each other, another pair, and one of other sizes.
            for (seed, far, n) in [(1, 0.1, 160), (2, 0.1, 160), (3, 0.12, 160), (4, 2.0, 160), (5, 0.1, 161)]
            {
                let clouds = (&cloud(n, far, vary, seed), &cloud(if vary { 140 } else { n }, far, vary, 7));
                let got = solved(cost, clouds, &mut basis).unwrap();
                let want = solved(cost, clouds, &mut Basis::default()).unwrap();
                assert!(got.converged && want.converged);
                // Both gaps are below 1e-9 of the optimum; what is left is rounding.
                let off = (got.primal - want.primal).abs() / want.primal;
                assert!(off < 1e-12, "{cost:?} {seed}: {} for {}", got.primal, want.primal);
                if (2..=3).contains(&seed) {
                    (warm, cold) = (warm + got.iterations, cold + want.iterations);
                }
            }
            assert!(2 * warm < cold, "{cost:?}, {vary}: {warm} pivots for {cold}");
        }
    }

    #[test]
    fn a_basis_comes_back_from_its_numbers() {
        let mut basis = Basis::default();
        assert_eq!(Basis::from_numbers(&basis.to_numbers()), Some(Basis::default()));
        let (source, target) = (cloud(30, 0.1, true, 1), cloud(20, 0.1, true, 2));
        solved(Cost::Euclidean, (&source, &target), &mut basis).unwrap();
        let numbers = basis.to_numbers();
        assert_eq!(Basis::from_numbers(&numbers).unwrap(), basis);
        for short in [0, 1, 40, 90] {
            assert_eq!(Basis::from_numbers(&numbers[..short]), None, "{short}");
        }
    }

    #[test]
    fn a_point_that_leaves_all_others_is_refused_from_any_start() {
        let cost = Cost::Wfr { delta: 1.5 };
        let (source, target) = (cloud(120, 0.1, true, 1), cloud(110, 0.1, true, 2));
        let mut basis = Basis::default();
        solved(cost, (&source, &target), &mut basis).unwrap();
        let mut points = source.points().to_vec();
        points[..2].fill(1e6);
        let view = MatrixView::from_f64(&points, source.len(), 2).unwrap();
        let far = PointCloud::new(view, Some(source.weights())).unwrap();
        assert!(matches!(solved(cost, (&far, &target), &mut basis), Err(Error::Infeasible(_))));
        // What it left is no worse a start.
        let (got, want) = (
            solved(cost, (&source, &target), &mut basis),
            solved(cost, (&source, &target), &mut Basis::default()),
        );
        assert!((got.unwrap().primal / want.unwrap().primal - 1.0).abs() < 1e-12);
    }
}
