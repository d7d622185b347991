//! A gene network of three genes whose cells divide at a rate set by the second gene.

use super::Generator;
use crate::error::{Error, Result, fits_in_memory};
use crate::exec::rng::{ChaCha8Rng, Purpose, normals, stream, uniform};
use crate::snapshots::{MatrixView, Snapshots};

/// Three genes, of which the first two are recorded: X1 and X2 repress each other, X3 represses both, and
/// cells rich in X2 divide.
///
/// ```text
/// f1 = (α1 x1² + β)/(1 + α1 x1² + γ2 x2² + γ3 x3² + β) − δ x1      α = (0.5, 1, 1), β = 1
/// f2 = (α2 x2² + β)/(1 + γ1 x1² + α2 x2² + γ3 x3² + β) − δ x2      γ = (0.5, 1, 10), δ = 0.4
/// f3 =  α3 x3²     /(1 + α3 x3²)                       − δ x3
/// ```
///
/// Thirty-two Euler–Maruyama steps of length 1 with noise 0.05, clipped at 0; after each step a cell divides
/// with probability 0.065·x2²/(1+x2²) and its daughters are displaced by N(0, 0.014²) a gene (clipped
/// likewise). Half of the cells start around (2, 0.2, 0), half around (0, 0, 2), with standard deviation 0.1.
/// Steps 0, 8, 16, 24, 32 are recorded as times 0 … 4, as (x1, x2). With the default 400 cells the mean
/// counts over runs are 400, 440, 537, 702 and 954, with standard deviations 0, 7, 15, 27 and 45 between
/// runs.
///
/// Source: the simulation of Zhang, Li and Zhou (DeepRUOT, ICLR 2025).
///
/// ```
/// use chreode::datasets::GeneNetwork;
/// let snapshots = GeneNetwork { seed: 1, ..Default::default() }.generate()?;
/// assert_eq!((snapshots.len(), snapshots.dims(), snapshots.count(0)), (5, 2, 400));
/// # Ok::<(), chreode::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneNetwork {
    /// How many cells start in each of the two states. Default 200.
    pub cells_per_state: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Default for GeneNetwork {
    fn default() -> Self {
        Self { cells_per_state: 200, seed: 0 }
    }
}

const ALPHA: [f64; 3] = [0.5, 1.0, 1.0];
const GAMMA: [f64; 3] = [0.5, 1.0, 10.0];
const BETA: f64 = 1.0;
const DECAY: f64 = 0.4;
const NOISE: f64 = 0.05;
const DIVISION: f64 = 0.065;
const DAUGHTER_SPREAD: f64 = 0.014;
const START_MEANS: [[f64; 3]; 2] = [[2.0, 0.2, 0.0], [0.0, 0.0, 2.0]];
const START_SPREAD: f64 = 0.1;
const STEPS: usize = 32;
const STEPS_PER_SNAPSHOT: usize = 8;

impl GeneNetwork {
    /// The shape x2²/(1 + x2²) of the true growth rate at a recorded `point` (x1, x2). The rate itself is
    /// proportional to it: 8·0.065 times as much per unit of recorded time, to first order.
    pub fn growth_shape(point: &[f32]) -> f64 {
        hill(f64::from(point[1]))
    }

    /// The five snapshots.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] without cells.
    pub fn generate(&self) -> Result<Snapshots> {
        if self.cells_per_state == 0 {
            return Err(Error::argument("cells per state", 0, "at least 1"));
        }
        // Two states, three genes, twice four bytes, and three times as many cells in the end.
        fits_in_memory("cells per state", self.cells_per_state, self.cells_per_state.checked_mul(36))?;
        let mut rng = stream(self.seed, Purpose::Dataset, Generator::GeneNetwork as u64, 0);
        let mut cells: Vec<[f64; 3]> = Vec::new();
        for mean in START_MEANS {
            cells.extend((0..self.cells_per_state).map(|_| displaced(mean, START_SPREAD, &mut rng)));
        }
        let (mut recorded, mut labels) = (Vec::new(), Vec::new());
        for step in 0..=STEPS {
            if step > 0 {
                cells = after_a_step(&cells, &mut rng);
            }
            if step % STEPS_PER_SNAPSHOT == 0 {
                recorded.extend(cells.iter().flat_map(|x| &x[..2]));
                labels.resize(recorded.len() / 2, (step / STEPS_PER_SNAPSHOT) as f64);
            }
        }
        Snapshots::new(MatrixView::from_f64(&recorded, labels.len(), 2)?, &labels, None)
    }
}

fn after_a_step(cells: &[[f64; 3]], rng: &mut ChaCha8Rng) -> Vec<[f64; 3]> {
    let mut next = Vec::with_capacity(cells.len() + cells.len() / 16);
    for &cell in cells {
        let drift = drift(cell);
        let moved = displaced(std::array::from_fn(|i| cell[i] + drift[i]), NOISE, rng);
        if uniform(rng) < DIVISION * hill(moved[1]) {
            next.extend([displaced(moved, DAUGHTER_SPREAD, rng), displaced(moved, DAUGHTER_SPREAD, rng)]);
        } else {
            next.push(moved);
        }
    }
    next
}

fn drift(x: [f64; 3]) -> [f64; 3] {
    let [s1, s2, s3] = x.map(|x| x * x);
    let activated = |a: f64, others: f64| (a + BETA) / (1.0 + a + others + BETA);
    [
        activated(ALPHA[0] * s1, GAMMA[1] * s2 + GAMMA[2] * s3) - DECAY * x[0],
        activated(ALPHA[1] * s2, GAMMA[0] * s1 + GAMMA[2] * s3) - DECAY * x[1],
        ALPHA[2] * s3 / (1.0 + ALPHA[2] * s3) - DECAY * x[2],
    ]
}

fn hill(x: f64) -> f64 {
    x * x / (1.0 + x * x)
}

/// A normal displacement; concentrations do not fall below 0.
fn displaced(x: [f64; 3], spread: f64, rng: &mut ChaCha8Rng) -> [f64; 3] {
    let mut noise = [0.0; 3];
    normals(rng, &mut noise);
    std::array::from_fn(|i| (x[i] + spread * noise[i]).max(0.0))
}
