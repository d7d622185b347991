//! Newton's method on the few entries that matter.
//!
//! Near the optimum at small ε nearly all entries exp((f_i + g_j − C_ij)/ε) vanish, and Sinkhorn's iteration creeps: mass has to
//! move through entries that hold little of it. With f eliminated, the dual is a concave function of g, whose second
//! derivative on the entries that do not vanish is a weighted graph Laplacian (Brauer, Clason, Lorenz, Wirth, 2017; truncated
//! kernels: Schmitzer, SIAM J. Sci. Comput. 2019). Conjugate gradients solve for the step, and a sweep after it settles what is
//! local. The dense sweeps, to which the result is handed back, check it on all pairs and bring in what was left out.

use rayon::prelude::*;

use super::super::Problem;
use super::super::backend::{Block, Kernel, kappa};
use super::Sweeper;
use crate::error::Result;
use crate::exec::simd;
use crate::exec::stop::Stop;

/// How far, in ε, the potentials may get from where the kernel was made: farther away other entries matter.
const DRIFT: f64 = 20.0;
/// The longest step in ε: the second derivative changes by the exponential of it.
const LONGEST_STEP: f64 = 3.0;
/// Newton steps on one kernel, and of them those that may pass without progress.
const MOST_STEPS: usize = 60;
const MOST_IDLE: usize = 6;
/// Conjugate gradients end at this share of the residual, or after so many steps: every one of them is an ascent direction.
const INNER_TOLERANCE: f64 = 0.01;
const INNER_STEPS: usize = 400;
/// Kernels with fewer entries are not worth the threads.
const WORTH_THREADS: usize = 1 << 15;

impl Sweeper<'_> {
    /// Improves the potentials until the columns' masses are off by the share `tolerance`, as far as the kernel of the entries
    /// above e^−`cutoff` allows. Does nothing where these are too many.
    pub(in crate::transport) fn refine(&mut self, epsilon: f64, tolerance: f64, cutoff: f64) -> Result<()> {
        let Some(kernel) = self.backend.kernel(epsilon, cutoff)? else { return Ok(()) };
        let (f, g) = self.backend.potentials()?;
        let mut newton = Newton::new(&self.problem, &kernel, (f, g), epsilon);
        newton.run(tolerance, &self.stop)?;
        let (f, g) = newton.into_potentials();
        self.backend.set_potentials(f, g)
    }
}

/// The state of the iteration: everything follows from g.
struct Newton<'a> {
    problem: &'a Problem<'a>,
    epsilon: f64,
    kappa: [f64; 2],
    f0: Vec<f64>,
    g0: Vec<f64>,
    g: Vec<f64>,
    /// exp((g − g0)/ε).
    v: Vec<f64>,
    blocks: Vec<BlockState<'a>>,
    parallel: bool,
    /// b e^{−g/ρ}, and what it is beyond the columns' mass: the ascent of the dual.
    wanted: Vec<f64>,
    ascent: Vec<f64>,
    column_mass: Vec<f64>,
}

/// A block of the kernel, and what is computed on its rows.
struct BlockState<'a> {
    kernel: &'a Block,
    f: Vec<f64>,
    /// 1/r of each row; 0 for a row without mass.
    inverse_mass: Vec<f64>,
    plan: Vec<f64>,
    /// Sums over the block's rows, one a column.
    sums: Vec<f64>,
}

impl<'a> Newton<'a> {
    fn new(
        problem: &'a Problem<'a>,
        kernel: &'a Kernel,
        (f0, g0): (Vec<f64>, Vec<f64>),
        epsilon: f64,
    ) -> Self {
        let m = g0.len();
        let state = |block: &'a Block| BlockState {
            kernel: block,
            f: f0[block.rows()].to_vec(),
            inverse_mass: vec![0.0; block.rows().len()],
            plan: vec![0.0; block.columns.len()],
            sums: vec![0.0; m],
        };
        let entries: usize = kernel.blocks.iter().map(|block| block.columns.len()).sum();
        let mut newton = Self {
            problem,
            epsilon,
            kappa: [problem.source_penalty, problem.target_penalty].map(|rho| kappa(rho, epsilon)),
            g: g0.clone(),
            v: vec![1.0; m],
            blocks: kernel.blocks.iter().map(state).collect(),
            parallel: entries >= WORTH_THREADS,
            wanted: vec![0.0; m],
            ascent: vec![0.0; m],
            column_mass: vec![0.0; m],
            f0,
            g0,
        };
        newton.evaluate();
        newton
    }

    fn into_potentials(self) -> (Vec<f64>, Vec<f64>) {
        (self.blocks.into_iter().flat_map(|block| block.f).collect(), self.g)
    }

    fn run(&mut self, tolerance: f64, stop: &Stop) -> Result<()> {
        let m = self.g.len();
        let (mut best, mut idle) = (f64::INFINITY, 0);
        let mut step = vec![0.0; m];
        let mut work = Work {
            residual: vec![0.0; m],
            direction: vec![0.0; m],
            image: vec![0.0; m],
            diagonal: vec![0.0; m],
        };
        for _ in 0..MOST_STEPS {
            let residual = self.residual();
            idle = if residual < 0.9 * best { 0 } else { idle + 1 };
            best = best.min(residual);
            // Not a number is a drift too.
            if residual <= tolerance || idle == MOST_IDLE || !(self.drift() <= DRIFT) {
                return Ok(());
            }
            self.solve(&mut step, &mut work, stop)?;
            self.advance(&step);
            self.sweep();
        }
        Ok(())
    }

    /// Σ |b e^{−g/ρ} − c| / Σ b e^{−g/ρ}.
    fn residual(&self) -> f64 {
        let off: f64 = self.ascent.iter().map(|x| x.abs()).sum();
        off / self.wanted.iter().sum::<f64>()
    }

    fn drift(&self) -> f64 {
        let largest = |now: &[f64], then: &[f64]| {
            now.iter()
                .zip(then)
                .fold(0.0, |m: f64, (x, y)| if (x - y).abs() <= m { m } else { (x - y).abs() })
        };
        let of_rows = self.blocks.iter().map(|b| largest(&b.f, &self.f0[b.kernel.rows()]));
        of_rows.fold(largest(&self.g, &self.g0), f64::max) / self.epsilon
    }

    /// f, the plan and its masses at g.
    fn evaluate(&mut self) {
        let Self { problem, epsilon, f0, g0, v, g, .. } = self;
        for (v, (g, g0)) in v.iter_mut().zip(g.iter().zip(g0.iter())) {
            *v = simd::exp((g - g0) / *epsilon);
        }
        let (a, rho, kappa, epsilon) =
            (problem.source.weights(), problem.source_penalty, self.kappa[0], *epsilon);
        let (v, f0) = (&*v, &*f0);
        for_each(&mut self.blocks, self.parallel, |block| {
            let BlockState { kernel, f, inverse_mass, plan, sums } = block;
            sums.fill(0.0);
            for (r, i) in kernel.rows().enumerate() {
                let entries = kernel.entries(r);
                let (columns, values, plan) =
                    (&kernel.columns[entries.clone()], &kernel.values[entries.clone()], &mut plan[entries]);
                let sum: f64 = columns.iter().zip(values).map(|(&j, k)| k * v[j as usize]).sum();
                if !(sum > 0.0) {
                    // Every entry underflowed: a mass that is nothing beside any other.
                    inverse_mass[r] = 0.0;
                    plan.fill(0.0);
                    continue;
                }
                f[r] = kappa * (f0[i] - epsilon * libm::log(sum));
                let mass = if rho.is_infinite() { a[i] } else { a[i] * libm::exp(-f[r] / rho) };
                inverse_mass[r] = if mass > 0.0 { 1.0 / mass } else { 0.0 };
                let scale = mass / sum;
                for ((&j, k), entry) in columns.iter().zip(values).zip(plan) {
                    *entry = scale * k * v[j as usize];
                    sums[j as usize] += *entry;
                }
            }
        });
        collect(&self.blocks, &mut self.column_mass);
        let (b, rho) = (self.problem.target.weights(), self.problem.target_penalty);
        for j in 0..b.len() {
            self.wanted[j] = if rho.is_infinite() { b[j] } else { b[j] * libm::exp(-self.g[j] / rho) };
            self.ascent[j] = self.wanted[j] - self.column_mass[j];
        }
    }

    /// Solves −(second derivative) · `step` = ascent, in units of ε, by preconditioned conjugate gradients.
    fn solve(&mut self, step: &mut [f64], work: &mut Work, stop: &Stop) -> Result<()> {
        let Work { residual, direction, image, diagonal } = work;
        self.diagonal(diagonal);
        step.fill(0.0);
        residual.copy_from_slice(&self.ascent);
        for j in 0..step.len() {
            direction[j] = residual[j] / diagonal[j];
        }
        let mut size = dot(residual, direction);
        let enough = INNER_TOLERANCE * INNER_TOLERANCE * size;
        for _ in 0..INNER_STEPS.min(2 * step.len()) {
            stop.check()?;
            if !(size > enough) {
                break;
            }
            self.apply(direction, image);
            let curvature = dot(direction, image);
            if !(curvature > 0.0) {
                break;
            }
            let length = size / curvature;
            let mut next = 0.0;
            for j in 0..step.len() {
                step[j] += length * direction[j];
                residual[j] -= length * image[j];
                next += residual[j] * residual[j] / diagonal[j];
            }
            let ratio = next / size;
            for j in 0..step.len() {
                direction[j] = residual[j] / diagonal[j] + ratio * direction[j];
            }
            size = next;
        }
        Ok(())
    }

    /// The diagonal of −ε (second derivative): Σ_i γ_ij (1 − κ γ_ij/r_i), and what the target's penalty adds.
    fn diagonal(&mut self, diagonal: &mut [f64]) {
        let kappa = self.kappa[0];
        for_each(&mut self.blocks, self.parallel, |block| {
            let BlockState { kernel, inverse_mass, plan, sums, .. } = block;
            sums.fill(0.0);
            for r in 0..inverse_mass.len() {
                let entries = kernel.entries(r);
                for (&j, entry) in kernel.columns[entries.clone()].iter().zip(&plan[entries]) {
                    sums[j as usize] += entry * (1.0 - kappa * entry * inverse_mass[r]).max(f64::EPSILON);
                }
            }
        });
        collect(&self.blocks, diagonal);
        let share = self.epsilon / self.problem.target_penalty;
        for (d, wanted) in diagonal.iter_mut().zip(&self.wanted) {
            *d = (*d + share * wanted).max(f64::MIN_POSITIVE);
        }
    }

    /// `image` = −ε (second derivative) · `x`, from differences, so that what is nearly constant loses no figures.
    fn apply(&mut self, x: &[f64], image: &mut [f64]) {
        let kappa = self.kappa[0];
        for_each(&mut self.blocks, self.parallel, |block| {
            let BlockState { kernel, inverse_mass, plan, sums, .. } = block;
            sums.fill(0.0);
            for r in 0..inverse_mass.len() {
                let entries = kernel.entries(r);
                let (columns, plan) = (&kernel.columns[entries.clone()], &plan[entries]);
                let sum: f64 = columns.iter().zip(plan).map(|(&j, entry)| entry * x[j as usize]).sum();
                let mean = kappa * sum * inverse_mass[r];
                for (&j, entry) in columns.iter().zip(plan) {
                    sums[j as usize] += entry * (x[j as usize] - mean);
                }
            }
        });
        collect(&self.blocks, image);
        let share = self.epsilon / self.problem.target_penalty;
        for (image, (x, wanted)) in image.iter_mut().zip(x.iter().zip(&self.wanted)) {
            *image += share * wanted * x;
        }
    }

    /// Goes along `step` as far as the dual rises.
    fn advance(&mut self, step: &[f64]) {
        let slope = dot(&self.ascent, step);
        let longest = step.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let mut length = (LONGEST_STEP / longest).min(1.0);
        let from = self.g.clone();
        for _ in 0..20 {
            for ((g, from), step) in self.g.iter_mut().zip(&from).zip(step) {
                *g = from + length * self.epsilon * step;
            }
            self.evaluate();
            // A concave function that does not fall steeply yet has risen.
            if dot(&self.ascent, step) >= -0.25 * slope {
                return;
            }
            length *= 0.5;
        }
        self.g = from;
        self.evaluate();
    }

    /// Updates g as Sinkhorn does.
    fn sweep(&mut self) {
        let b = self.problem.target.weights();
        for j in 0..b.len() {
            if self.column_mass[j] > 0.0 {
                let to = self.kappa[1] * (self.g[j] - self.epsilon * libm::log(self.column_mass[j] / b[j]));
                self.g[j] = to;
            }
        }
        self.evaluate();
    }
}

/// What conjugate gradients work in.
struct Work {
    residual: Vec<f64>,
    direction: Vec<f64>,
    image: Vec<f64>,
    diagonal: Vec<f64>,
}

/// Runs `work` on every block; the results do not depend on `parallel`.
fn for_each<'a>(
    blocks: &mut [BlockState<'a>],
    parallel: bool,
    work: impl Fn(&mut BlockState<'a>) + Sync + Send,
) {
    if parallel {
        blocks.par_iter_mut().for_each(work);
    } else {
        blocks.iter_mut().for_each(work);
    }
}

/// Adds the blocks' sums up, in order.
fn collect(blocks: &[BlockState<'_>], out: &mut [f64]) {
    out.fill(0.0);
    for block in blocks {
        out.iter_mut().zip(&block.sums).for_each(|(out, sum)| *out += sum);
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
