//! Sinkhorn sweeps on a CUDA device: the launches of cuda/sinkhorn.cu. Potentials and marginals stay on the device between
//! sweeps.

use std::sync::Arc;

use cudarc::driver::{CudaSlice, LaunchConfig};

use super::{Gpu, Queue, blocks, for_each, launch};
use crate::error::{Error, Result};

/// The points that a block of the pairwise kernels takes, and its threads.
const TILE: usize = 64;
const THREADS: u32 = 256;
/// The threads of the kernels that reduce a vector in one block.
const REDUCERS: u32 = 1024;
/// As many blocks as keep a large device busy: few rows are given several blocks, each with a segment of the columns. It does
/// not depend on the device, so that results do not.
const BLOCKS: usize = 1024;
/// The most segments that a launch can have.
const SEGMENTS: usize = 65_535;

/// A weighted point cloud: row-major points and positive weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cloud<'a> {
    pub(crate) points: &'a [f64],
    pub(crate) weights: &'a [f64],
}

/// One side of the problem, on the device.
#[derive(Debug)]
struct Side {
    count: usize,
    /// Coordinate-major.
    points: CudaSlice<f64>,
    weights: CudaSlice<f64>,
    log_weights: CudaSlice<f64>,
    potential: CudaSlice<f64>,
    /// What the last look at the other side gave.
    log_sum: CudaSlice<f64>,
    mass: CudaSlice<f64>,
}

/// The entries of a sparse plan, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entries {
    /// Where each row begins, and the end of the last.
    pub(crate) offsets: Vec<u64>,
    pub(crate) columns: Vec<u32>,
    pub(crate) costs: Vec<f64>,
}

/// The state of Sinkhorn's iteration between two clouds.
#[derive(Debug)]
pub(crate) struct DeviceSinkhorn {
    queue: Queue,
    dims: u32,
    cost: i32,
    scale: f64,
    source: Side,
    target: Side,
    /// Buffers for either side in turn.
    exponents: CudaSlice<f64>,
    maxima: CudaSlice<f64>,
    sums: CudaSlice<f64>,
    totals: CudaSlice<f64>,
}

/// How the columns of a side are cut for the rows of the other: (columns of a segment, segments).
fn segments(rows: usize, columns: usize) -> (usize, usize) {
    let wanted = BLOCKS.div_ceil(rows.div_ceil(TILE)).min(SEGMENTS);
    let length = columns.div_ceil(wanted).next_multiple_of(TILE);
    (length, columns.div_ceil(length))
}

impl DeviceSinkhorn {
    /// Potentials 0 between two clouds in `dims` dimensions, at the cost number `cost` of cuda/sinkhorn.cu with its `scale`.
    pub(crate) fn new(
        gpu: &Arc<Gpu>,
        (source, target): (Cloud<'_>, Cloud<'_>),
        dims: usize,
        (cost, scale): (i32, f64),
    ) -> Result<Self> {
        let (n, m) = (source.weights.len(), target.weights.len());
        if n.max(m) > u32::MAX as usize / 2 {
            return Err(Error::argument("the number of points", n.max(m), "at most 2^31 on a CUDA device"));
        }
        let partial = (n * segments(n, m).1).max(m * segments(m, n).1);
        let numbers = (n + m) * (dims + 5) + n.max(m) + 2 * partial;
        gpu.require(
            &format!("transport between {n} and {m} points in {dims} dimensions"),
            8 * numbers,
            "couple in smaller blocks",
        )?;
        let queue = Queue::new(gpu)?;
        Ok(Self {
            source: Side::new(&queue, source, dims)?,
            target: Side::new(&queue, target, dims)?,
            dims: dims as u32,
            cost,
            scale,
            exponents: queue.zeros(n.max(m))?,
            maxima: queue.zeros(partial)?,
            sums: queue.zeros(partial)?,
            totals: queue.zeros(2)?,
            queue,
        })
    }

    /// For every source point its largest finite cost (0 without one) and its two smallest costs, infinite where there are fewer.
    pub(crate) fn cost_ranges(&self) -> Result<[Vec<f64>; 3]> {
        self.cost_ranges_of(&self.source, &self.target)
    }

    /// The smallest cost of every source point, and of every target point; infinite for one that is out of everyone's reach.
    pub(crate) fn nearest(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let [_, of_source, _] = self.cost_ranges()?;
        let [_, of_target, _] = self.cost_ranges_of(&self.target, &self.source)?;
        Ok((of_source, of_target))
    }

    fn cost_ranges_of(&self, rows: &Side, columns: &Side) -> Result<[Vec<f64>; 3]> {
        let queue = &self.queue;
        let (largest, smallest, second) =
            (queue.zeros(rows.count)?, queue.zeros(rows.count)?, queue.zeros(rows.count)?);
        let (n, m) = (rows.count as u32, columns.count as u32);
        launch!(
            queue,
            "cost_ranges",
            whole_rows(rows.count),
            &rows.points,
            &n,
            &columns.points,
            &m,
            &self.dims,
            &self.cost,
            &self.scale,
            &largest,
            &smallest,
            &second,
        )?;
        let read = |buffer| queue.read(buffer, rows.count);
        Ok([read(&largest)?, read(&smallest)?, read(&second)?])
    }

    /// Updates f, and leaves the marginals of the plan at (new f, old g).
    pub(crate) fn sweep(&mut self, epsilon: f64, kappa: f64) -> Result<()> {
        self.look_from_source(epsilon)?;
        self.source.update(&self.queue, epsilon, kappa)?;
        self.source.find_marginal(&self.queue, epsilon)?;
        self.look_from_target(epsilon)?;
        self.target.find_marginal(&self.queue, epsilon)
    }

    /// Updates g from the last sweep.
    pub(crate) fn update_target(&mut self, epsilon: f64, kappa: f64) -> Result<()> {
        self.target.update(&self.queue, epsilon, kappa)
    }

    /// The best translation f + λ, g − λ between penalties that are not both infinite.
    pub(crate) fn translate(&mut self, source_penalty: f64, target_penalty: f64) -> Result<()> {
        let rate = 1.0 / (1.0 / source_penalty + 1.0 / target_penalty);
        let queue = &self.queue;
        for (at, (side, penalty)) in
            [(&self.source, source_penalty), (&self.target, target_penalty)].iter().enumerate()
        {
            let (inverse, count) = (1.0 / penalty, side.count as u32);
            let mut out = self.totals.slice_mut(at..=at);
            launch!(
                queue,
                "log_total",
                one_block(),
                &side.log_weights,
                &side.potential,
                &inverse,
                &count,
                &mut out
            )?;
        }
        for (side, rate) in [(&mut self.source, rate), (&mut self.target, -rate)] {
            let count = side.count as u32;
            launch!(
                queue,
                "translate",
                for_each(side.count),
                &self.totals,
                &rate,
                &count,
                &mut side.potential
            )?;
        }
        Ok(())
    }

    /// (f, g)
    pub(crate) fn potentials(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let read = |side: &Side| self.queue.read(&side.potential, side.count);
        Ok((read(&self.source)?, read(&self.target)?))
    }

    /// Goes on from other potentials.
    pub(crate) fn set_potentials(&mut self, f: &[f64], g: &[f64]) -> Result<()> {
        self.queue.write(f, &mut self.source.potential)?;
        self.queue.write(g, &mut self.target.potential)
    }

    /// The marginals of the plan at the last sweep.
    pub(crate) fn marginals(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let read = |side: &Side| self.queue.read(&side.mass, side.count);
        Ok((read(&self.source)?, read(&self.target)?))
    }

    /// ln Σ_j exp(ln b_j + (g_j − C_ij)/ε) of every row, as the last sweep found it.
    pub(crate) fn row_log_sums(&self) -> Result<Vec<f64>> {
        self.queue.read(&self.source.log_sum, self.source.count)
    }

    /// The pairs with `exponents_j − C_ij/ε > thresholds_i`, if they are at most `most`.
    pub(crate) fn entries(
        &mut self,
        epsilon: f64,
        exponents: &[f64],
        thresholds: &[f64],
        most: usize,
    ) -> Result<Option<Entries>> {
        let Self { queue, source, target, dims, cost, scale, .. } = self;
        let (n, m, inverse) = (source.count as u32, target.count as u32, 1.0 / epsilon);
        queue.write(exponents, &mut self.exponents)?;
        let thresholds = queue.upload(thresholds)?;
        let counts = queue.zeros::<u32>(source.count)?;
        launch!(
            queue,
            "count_entries",
            whole_rows(source.count),
            &source.points,
            &n,
            &target.points,
            &m,
            &*dims,
            &*cost,
            &*scale,
            &self.exponents,
            &inverse,
            &thresholds,
            &counts,
        )?;
        let mut offsets = vec![0];
        offsets.extend(queue.read(&counts, source.count)?.iter().scan(0, |end, &count| {
            *end += u64::from(count);
            Some(*end)
        }));
        let total = offsets[source.count] as usize;
        if total > most {
            return Ok(None);
        }
        queue.gpu.require(&format!("a plan of {total} entries"), 12 * total, "raise epsilon")?;
        let (columns, costs) = (queue.zeros::<u32>(total)?, queue.zeros::<f64>(total)?);
        let device_offsets = queue.upload(&offsets)?;
        launch!(
            queue,
            "fill_entries",
            whole_rows(source.count),
            &source.points,
            &n,
            &target.points,
            &m,
            &*dims,
            &*cost,
            &*scale,
            &self.exponents,
            &inverse,
            &thresholds,
            &device_offsets,
            &columns,
            &costs,
        )?;
        let (columns, costs) = (queue.read(&columns, total)?, queue.read(&costs, total)?);
        Ok(Some(Entries { offsets, columns, costs }))
    }

    fn look_from_source(&mut self, epsilon: f64) -> Result<()> {
        let Self { queue, dims, cost, scale, source, target, exponents, maxima, sums, .. } = self;
        source.look_at(queue, target, (*dims, *cost, *scale), epsilon, [exponents, maxima, sums])
    }

    fn look_from_target(&mut self, epsilon: f64) -> Result<()> {
        let Self { queue, dims, cost, scale, source, target, exponents, maxima, sums, .. } = self;
        target.look_at(queue, source, (*dims, *cost, *scale), epsilon, [exponents, maxima, sums])
    }
}

impl Side {
    fn new(queue: &Queue, cloud: Cloud<'_>, dims: usize) -> Result<Self> {
        let count = cloud.weights.len();
        let mut points = vec![0.0; count * dims];
        for (i, point) in cloud.points.chunks_exact(dims).enumerate() {
            point.iter().enumerate().for_each(|(k, &x)| points[k * count + i] = x);
        }
        let log_weights: Vec<f64> = cloud.weights.iter().map(|&w| libm::log(w)).collect();
        Ok(Self {
            count,
            points: queue.upload(&points)?,
            weights: queue.upload(cloud.weights)?,
            log_weights: queue.upload(&log_weights)?,
            potential: queue.zeros(count)?,
            log_sum: queue.zeros(count)?,
            mass: queue.zeros(count)?,
        })
    }

    /// Leaves ln Σ_j exp(ln w_j + (potential_j − C_ij)/ε) over the other side's points j in `log_sum`.
    fn look_at(
        &mut self,
        queue: &Queue,
        other: &Side,
        (dims, cost, scale): (u32, i32, f64),
        epsilon: f64,
        [exponents, maxima, sums]: [&mut CudaSlice<f64>; 3],
    ) -> Result<()> {
        let (n, m, inverse) = (self.count as u32, other.count as u32, 1.0 / epsilon);
        let (length, count) = segments(self.count, other.count);
        let (segment, segments) = (length as u32, count as u32);
        launch!(
            queue,
            "exponents",
            for_each(other.count),
            &other.log_weights,
            &other.potential,
            &inverse,
            &m,
            &mut *exponents,
        )?;
        launch!(
            queue,
            "log_sums",
            blocks((self.count.div_ceil(TILE) as u32, segments), THREADS, 0),
            &self.points,
            &n,
            &other.points,
            &m,
            &dims,
            &cost,
            &scale,
            &*exponents,
            &inverse,
            &segment,
            &mut *maxima,
            &mut *sums,
        )?;
        launch!(
            queue,
            "join_segments",
            for_each(self.count),
            &*maxima,
            &*sums,
            &n,
            &segments,
            &mut self.log_sum,
        )
    }

    /// potential = −κ ε log_sum.
    fn update(&mut self, queue: &Queue, epsilon: f64, kappa: f64) -> Result<()> {
        let count = self.count as u32;
        let config = for_each(self.count);
        launch!(
            queue,
            "update_potential",
            config,
            &self.log_sum,
            &kappa,
            &epsilon,
            &count,
            &mut self.potential
        )
    }

    /// mass = weights exp(potential/ε + log_sum).
    fn find_marginal(&mut self, queue: &Queue, epsilon: f64) -> Result<()> {
        let (inverse, count) = (1.0 / epsilon, self.count as u32);
        launch!(
            queue,
            "marginal",
            for_each(self.count),
            &self.weights,
            &self.potential,
            &self.log_sum,
            &inverse,
            &count,
            &mut self.mass,
        )
    }
}

/// A launch of the pairwise kernels that look at all columns from each row.
fn whole_rows(rows: usize) -> LaunchConfig {
    blocks((rows.div_ceil(TILE) as u32, 1), THREADS, 0)
}

fn one_block() -> LaunchConfig {
    blocks((1, 1), REDUCERS, 0)
}
