//! Particles on a CUDA device: the launches of cuda/particles.cu. Their states stay on the device between steps.

use std::sync::Arc;

use cudarc::driver::CudaSlice;

use super::{Gpu, Queue, blocks, for_each, launch};
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::{Compiled, GrowthLaw, Network, Role};
use crate::nn::Activation;
use crate::units::{Clock, Scaling};

/// The threads of the stepping kernels, and the vectors of weights that they hold at a time.
const THREADS: usize = 256;
const TILE: usize = 256;
/// The stepping kernels, by the particles that a block takes: the more, the more is done with a weight that was fetched.
const KERNELS: [(usize, &str); 3] = [(64, "advance_64"), (32, "advance_32"), (16, "advance_16")];
/// Shared memory that a block may have unasked, in bytes.
const UNASKED: usize = 48 << 10;
/// Steps of one launch at most, and products of a weight with a particle's number, at four evaluations a step: a device that
/// also draws a screen must not be kept from it for long, and a request to stop waits for a launch's end.
const STEPS_A_LAUNCH: usize = 64;
const PRODUCTS_A_LAUNCH: usize = 1 << 38;
/// The threads of the scan.
const SCANNERS: u32 = 1024;

/// Which rule steps particles; the numbers are those of cuda/particles.cu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Euler = 0,
    RungeKutta4 = 1,
    EulerMaruyama = 2,
}

/// The numbers of a model beside its parameters, as cuda/particles.cu reads them. Those that change with time are of one interval
/// between snapshots.
#[derive(Debug, Clone)]
struct Reals {
    dims: usize,
    length: f64,
    /// The diffusion at the first snapshot.
    sigma: f64,
    all: Vec<f64>,
}

impl Reals {
    fn new(fields: &Compiled) -> Self {
        let Scaling { centre, length, .. } = &fields.scaling;
        let law = match fields.law {
            // Of a potential without a law: λ/∞.
            None => [0.0, f64::INFINITY, 0.0],
            Some(GrowthLaw::Quadratic { alpha }) => [0.0, alpha, 0.0],
            Some(GrowthLaw::Power { alpha, floor }) => [1.0, GrowthLaw::power_factor(alpha), floor],
        };
        let dims = fields.dims();
        let everywhere = [f64::NEG_INFINITY, f64::INFINITY].into_iter().flat_map(|side| vec![side; dims]);
        let all = [0.0; 4].into_iter().chain(law).chain(centre.iter().copied()).chain(everywhere).collect();
        let mut reals = Self { dims, length: *length, sigma: fields.diffusion.first(), all };
        reals.set(fields.scaling.clock_of(0), None);
        reals
    }

    /// Takes the units of time and the box of an interval; tells whether anything changed.
    fn set(&mut self, clock: Clock, bounds: Option<(&[f32], &[f32])>) -> bool {
        let units = [clock.start, clock.unit, self.length, clock.score_unit(self.sigma)];
        let mut changed = self.all[..4] != units;
        self.all[..4].copy_from_slice(&units);
        if let Some((lower, upper)) = bounds {
            let corners = lower.iter().chain(upper).map(|&x| f64::from(x));
            for (real, corner) in self.all[7 + self.dims..].iter_mut().zip(corners) {
                changed |= *real != corner;
                *real = corner;
            }
        }
        changed
    }
}

/// A model as cuda/particles.cu reads it.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    dims: usize,
    layout: Vec<i32>,
    parameters: Vec<f32>,
    reals: Reals,
    /// The widest hidden layer.
    widest: usize,
}

/// Steps of one length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps<'a> {
    pub(crate) rule: Rule,
    /// Where each begins, and the diffusion there.
    pub(crate) times: &'a [f64],
    pub(crate) sigmas: &'a [f64],
    pub(crate) length: f64,
    /// The units of the networks' time during all of them.
    pub(crate) clock: Clock,
    /// The corners of the box that networks are asked in during all of them, of fields with a guard.
    pub(crate) bounds: Option<(&'a [f32], &'a [f32])>,
    /// The number of the first among those of the simulation, with the highest bit set when time runs backward.
    pub(crate) first_index: u64,
    pub(crate) seed: u64,
}

/// A particle that left the finite numbers, at the end of one of the [`Steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) step: usize,
    pub(crate) row: usize,
}

/// A particle that leaves other than one descendant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Event {
    pub(crate) row: usize,
    pub(crate) count: usize,
    pub(crate) id: u64,
    /// ∫ g dt over the step.
    pub(crate) growth: f64,
}

/// The law of births and deaths over one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Branching {
    pub(crate) length: f64,
    pub(crate) turnover: f64,
    /// λ of the reference process, 0 for no more births and deaths than growth asks for.
    pub(crate) branching_rate: f64,
    pub(crate) seed: u64,
    pub(crate) step: u64,
    /// Offspring are counted no further than one past this.
    pub(crate) most: usize,
}

/// What is drawn for a step, until [`Stepper::settle`] makes it happen.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// How many particles there will be.
    pub(crate) total: usize,
    pub(crate) events: Vec<Event>,
    counts: CudaSlice<u32>,
    offsets: CudaSlice<u64>,
}

/// Particles on a device, and the model that moves them.
#[derive(Debug)]
pub(crate) struct Stepper {
    queue: Queue,
    dims: usize,
    layout: CudaSlice<i32>,
    parameters: CudaSlice<f32>,
    reals: CudaSlice<f64>,
    /// Those on the device.
    host_reals: Reals,
    widest: u32,
    /// Particles of a block, its kernel, its shared memory in bytes, and how many blocks run at a time.
    rows: usize,
    kernel: &'static str,
    shared: u32,
    most_blocks: usize,
    rates: CudaSlice<f32>,
    slopes: CudaSlice<f32>,
    next: CudaSlice<f64>,
    /// The least fault of a launch, and how many particles were outside of the box, over its steps.
    told: CudaSlice<u64>,
    outside: u64,
    count: usize,
    state: CudaSlice<f64>,
    ids: CudaSlice<u64>,
    /// The row of the last reported frame that each comes from.
    origins: CudaSlice<u64>,
}

impl Program {
    /// Learned fields as cuda/particles.cu evaluates them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more parameters than a device's 32-bit indices reach, and for an ensemble, whose mean no
    /// kernel takes.
    pub(crate) fn new(fields: &Compiled) -> Result<Self> {
        let [networks] = &fields.members[..] else {
            let (members, allowed) =
                (fields.members.len(), "1 on a CUDA device: the mean of an ensemble is taken on the CPU");
            return Err(Error::argument("the number of members of the model", members, allowed));
        };
        let (dims, reals) = (fields.dims(), Reals::new(fields));
        let layout = vec![dims as i32, networks.len() as i32, 0];
        let mut program = Self { dims, layout, parameters: vec![], reals, widest: 0 };
        networks.iter().try_for_each(|network| program.add(network))?;
        Ok(program)
    }

    fn add(&mut self, Network { role, mlp }: &Network) -> Result<()> {
        let shape = mlp.architecture();
        let hidden_layers = shape.hidden.len();
        self.layout.extend([
            role_number(*role),
            activation_number(shape.activation),
            hidden_layers as i32 + 1,
        ]);
        for layer in shape.layers() {
            let (weights, bias) = (&mlp.parameters()[layer.weights()], &mlp.parameters()[layer.bias()]);
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            let first = self.parameters.len();
            self.parameters.extend_from_slice(weights);
            self.parameters.extend_from_slice(bias);
            let transposed = self.parameters.len();
            if role.is_differentiated() {
                let columns = (0..outputs).flat_map(|c| (0..inputs).map(move |k| weights[k * outputs + c]));
                self.parameters.extend(columns);
            }
            let places = [inputs, outputs, first, first + weights.len(), transposed];
            for place in places {
                let allowed = "at most 2^31 with those of the gradients on a CUDA device";
                let place = i32::try_from(place)
                    .map_err(|_| Error::argument("the network's parameters", place, allowed))?;
                self.layout.push(place);
            }
        }
        self.widest = shape.hidden.iter().copied().fold(self.widest, usize::max);
        if role.is_differentiated() {
            self.layout[2] = self.layout[2].max(shape.hidden.iter().sum::<usize>() as i32);
        }
        Ok(())
    }

    /// Hidden units whose slopes a gradient needs.
    fn slopes(&self) -> usize {
        self.layout[2] as usize
    }

    /// The dynamic shared memory of a block of `rows` particles, in bytes.
    fn shared_memory(&self, rows: usize) -> usize {
        let (row_groups, width) = (rows / 4, self.dims + 1);
        16 * ((width + 2 * self.widest) * row_groups + TILE)
    }
}

/// As cuda/particles.cu counts them.
fn role_number(role: Role) -> i32 {
    match role {
        Role::Velocity => 0,
        Role::Growth => 1,
        Role::Potential => 2,
        Role::Score => 3,
        Role::LogDensity => 4,
        Role::Source => unreachable!("a model of branches runs on the CPU"),
    }
}

/// As cuda/particles.cu counts them.
fn activation_number(activation: Activation) -> i32 {
    match activation {
        Activation::LeakyRelu => 0,
        Activation::Relu => 1,
        Activation::Tanh => 2,
        Activation::Silu => 3,
        Activation::Softplus => 4,
        Activation::Selu => 5,
    }
}

impl Stepper {
    /// The bytes that a particle takes on a device, at most: its state, and what a step of branching makes of it.
    pub(crate) fn bytes_a_particle(dims: usize) -> usize {
        2 * (8 * (dims + 1) + 8 + 8) + 3 * 8 + 2 * 4
    }

    /// A model on a device, ready for about `count` particles.
    pub(crate) fn new(gpu: &Arc<Gpu>, program: &Program, count: usize) -> Result<Self> {
        let fits: Vec<_> =
            KERNELS.iter().filter(|(rows, _)| program.shared_memory(*rows) <= gpu.shared_memory).collect();
        // More rows do more with each weight, as long as there is work for all multiprocessors.
        let busy = fits.iter().find(|(rows, _)| count.div_ceil(*rows) >= gpu.description.multiprocessors);
        let Some(&&(rows, kernel)) = busy.or(fits.last()) else {
            return Err(Error::Device(format!(
                "networks {} units wide in {} dimensions need {} KiB of shared memory a block, cuda:{} has {}: use device cpu",
                program.widest,
                program.dims,
                program.shared_memory(KERNELS[2].0).div_ceil(1024),
                gpu.description.ordinal,
                gpu.shared_memory / 1024
            )));
        };
        let shared = program.shared_memory(rows);
        let queue = Queue::new(gpu)?;
        if shared > UNASKED {
            queue.allow_shared_memory(kernel, shared as u32)?;
        }
        let resident = queue.resident_blocks(kernel, THREADS as u32, shared)?;
        let most_blocks = gpu.description.multiprocessors * resident.max(1);
        let width = program.dims + 1;
        let numbers = most_blocks * rows * (4 * (2 * width - 1 + program.slopes()) + 8 * width)
            + 4 * (program.parameters.len() + program.layout.len());
        gpu.require("the model", numbers, "take smaller networks")?;
        Ok(Self {
            dims: program.dims,
            layout: queue.upload(&program.layout)?,
            parameters: queue.upload(&program.parameters)?,
            reals: queue.upload(&program.reals.all)?,
            host_reals: program.reals.clone(),
            widest: program.widest as u32,
            rows,
            kernel,
            shared: shared as u32,
            most_blocks,
            rates: queue.zeros(most_blocks * rows * (2 * width - 1))?,
            slopes: queue.zeros(most_blocks * rows * program.slopes())?,
            next: queue.zeros(most_blocks * rows * width)?,
            told: queue.zeros(2)?,
            outside: 0,
            count: 0,
            state: queue.zeros(0)?,
            ids: queue.zeros(0)?,
            origins: queue.zeros(0)?,
            queue,
        })
    }

    /// How many particles fit beside what is on the device already.
    pub(crate) fn capacity(&self) -> Result<usize> {
        // A tenth is left for the driver's bookkeeping.
        Ok(self.queue.gpu.free_memory()? / 10 * 9 / Self::bytes_a_particle(self.dims))
    }

    /// Refuses more particles than can be loaded.
    pub(crate) fn require(&self, count: usize) -> Result<()> {
        self.require_bytes(count, Self::bytes_a_particle(self.dims))
    }

    /// Refuses more descendants than fit beside their mothers: states, ids, origins and rows of mothers.
    pub(crate) fn require_next(&self, count: usize) -> Result<()> {
        self.require_bytes(count, 8 * (self.dims + 1) + 8 + 8 + 4)
    }

    fn require_bytes(&self, count: usize, bytes_each: usize) -> Result<()> {
        let what = format!("a population of {count} in {} dimensions", self.dims);
        self.queue.gpu.require(&what, count.saturating_mul(bytes_each), "start from fewer")
    }

    /// The particles of these states (n rows of d coordinates and the growth so far) and ids.
    pub(crate) fn load(&mut self, state: &[f64], ids: &[u64]) -> Result<()> {
        self.count = ids.len();
        self.state = self.queue.upload(state)?;
        self.ids = self.queue.upload(ids)?;
        self.reset_origins()
    }

    /// Lets origins be rows of a frame that is reported now.
    pub(crate) fn reset_origins(&mut self) -> Result<()> {
        let rows: Vec<u64> = (0..self.count as u64).collect();
        self.origins = self.queue.upload(&rows)?;
        Ok(())
    }

    /// The states.
    pub(crate) fn state(&self) -> Result<Vec<f64>> {
        self.queue.read(&self.state, self.count * (self.dims + 1))
    }

    /// The growth of each since its state began.
    pub(crate) fn growth(&self) -> Result<Vec<f64>> {
        let (queue, n, dims) = (&self.queue, self.count as u32, self.dims as u32);
        let growth = queue.zeros::<f64>(self.count)?;
        launch!(queue, "gather_growth", for_each(self.count), &self.state, &n, &dims, &growth)?;
        queue.read(&growth, self.count)
    }

    /// The ids.
    pub(crate) fn ids(&self) -> Result<Vec<u64>> {
        self.queue.read(&self.ids, self.count)
    }

    /// The rows of the last reported frame that particles come from.
    pub(crate) fn origins(&self) -> Result<Vec<u64>> {
        self.queue.read(&self.origins, self.count)
    }

    /// Takes steps with all particles; tells the first that leaves the finite numbers.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once `stop` is requested; a launch that has begun is waited for.
    pub(crate) fn advance(&mut self, steps: &Steps<'_>, stop: &Stop) -> Result<Option<Fault>> {
        let products_a_step = self.count.saturating_mul(4 * self.parameters.len()).max(1);
        let stride = (PRODUCTS_A_LAUNCH / products_a_step).clamp(1, STEPS_A_LAUNCH);
        for first in (0..steps.times.len()).step_by(stride) {
            stop.check()?;
            let last = steps.times.len().min(first + stride);
            let some = Steps {
                times: &steps.times[first..last],
                sigmas: &steps.sigmas[first..last],
                first_index: steps.first_index + first as u64,
                ..*steps
            };
            if let Some(fault) = self.launch_steps(&some)? {
                return Ok(Some(Fault { step: first + fault.step, ..fault }));
            }
        }
        Ok(None)
    }

    fn launch_steps(&mut self, steps: &Steps<'_>) -> Result<Option<Fault>> {
        if self.count == 0 {
            return Ok(None);
        }
        let queue = &self.queue;
        if self.host_reals.set(steps.clock, steps.bounds) {
            queue.write(&self.host_reals.all, &mut self.reals)?;
        }
        let (times, sigmas) = (queue.upload(steps.times)?, queue.upload(steps.sigmas)?);
        queue.write(&[u64::MAX, 0], &mut self.told)?;
        let (rule, n, count) = (steps.rule as i32, self.count as u32, steps.times.len() as u32);
        let grid = self.count.div_ceil(self.rows).min(self.most_blocks);
        launch!(
            queue,
            self.kernel,
            blocks((grid as u32, 1), THREADS as u32, self.shared),
            &self.layout,
            &self.parameters,
            &self.reals,
            &rule,
            &mut self.state,
            &self.ids,
            &n,
            &count,
            &times,
            &sigmas,
            &steps.length,
            &steps.seed,
            &steps.first_index,
            &self.widest,
            &mut self.rates,
            &mut self.slopes,
            &mut self.next,
            &mut self.told,
        )?;
        let told = queue.read(&self.told, 2)?;
        let fault = told[0];
        self.outside += told[1];
        let of = |fault: u64| Fault { step: (fault >> 40) as usize, row: (fault & ((1 << 40) - 1)) as usize };
        Ok((fault != u64::MAX).then(|| of(fault)))
    }

    /// How often a particle was outside of the box when a step began, since this was last asked.
    pub(crate) fn take_outside(&mut self) -> u64 {
        std::mem::take(&mut self.outside)
    }

    /// How many particles there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Draws how many descendants each particle leaves after a step that left its growth in its state.
    pub(crate) fn draw(&self, law: &Branching) -> Result<Drawn> {
        let queue = &self.queue;
        let (n, dims, most) =
            (self.count as u32, self.dims as u32, law.most.min(u32::MAX as usize - 1) as u64);
        let counts = queue.zeros::<u32>(self.count)?;
        let (offsets, places) = (queue.zeros::<u64>(self.count + 1)?, queue.zeros::<u64>(self.count + 1)?);
        let all = for_each(self.count);
        launch!(
            queue,
            "offspring",
            all,
            &self.state,
            &self.ids,
            &n,
            &dims,
            &law.length,
            &law.turnover,
            &law.branching_rate,
            &law.seed,
            &law.step,
            &most,
            &counts,
        )?;
        let one_block = blocks((1, 1), SCANNERS, 0);
        for (events, sums) in [(0u32, &offsets), (1, &places)] {
            launch!(queue, "scan", one_block, &counts, &n, &events, sums)?;
        }
        let total_of = |sums: &CudaSlice<u64>| -> Result<usize> {
            let mut last = [0u64];
            queue.read_into(&sums.slice(self.count..=self.count), &mut last)?;
            Ok(last[0] as usize)
        };
        let (total, happenings) = (total_of(&offsets)?, total_of(&places)?);
        let (rows, numbers) = (queue.zeros::<u32>(happenings)?, queue.zeros::<u32>(happenings)?);
        let (ids, growth) = (queue.zeros::<u64>(happenings)?, queue.zeros::<f64>(happenings)?);
        launch!(
            queue,
            "gather_events",
            all,
            &counts,
            &places,
            &self.state,
            &self.ids,
            &n,
            &dims,
            &rows,
            &numbers,
            &ids,
            &growth,
        )?;
        let (rows, numbers) = (queue.read(&rows, happenings)?, queue.read(&numbers, happenings)?);
        let (ids, growth) = (queue.read(&ids, happenings)?, queue.read(&growth, happenings)?);
        let event = |k: usize| Event {
            row: rows[k] as usize,
            count: numbers[k] as usize,
            id: ids[k],
            growth: growth[k],
        };
        Ok(Drawn { total, events: (0..happenings).map(event).collect(), counts, offsets })
    }

    /// Replaces every particle by its descendants, at the place of their mother and without growth; `new_ids` are those of the
    /// descendants of the particles that divide, in the order of the events.
    pub(crate) fn settle(&mut self, drawn: Drawn, new_ids: &[u64]) -> Result<()> {
        let (queue, total, n) = (&self.queue, drawn.total, self.count as u32);
        let mothers = queue.zeros::<u32>(total)?;
        launch!(queue, "place", for_each(self.count), &drawn.counts, &drawn.offsets, &n, &mothers)?;
        // Before a row, every event has changed the number of rows by its count less one.
        let mut shift = 0isize;
        let mut positions = Vec::with_capacity(new_ids.len());
        for event in &drawn.events {
            let first = event.row.wrapping_add_signed(shift);
            positions.extend((first..first + event.count).map(|row| row as u32));
            shift += event.count as isize - 1;
        }
        let ids = self.labels_of(&self.ids, &mothers, total)?;
        if !new_ids.is_empty() {
            let (rows, new_ids, n) =
                (queue.upload(&positions)?, queue.upload(new_ids)?, positions.len() as u32);
            launch!(queue, "set_labels", for_each(positions.len()), &rows, &new_ids, &n, &ids)?;
        }
        let origins = self.labels_of(&self.origins, &mothers, total)?;
        self.gather(&mothers, total)?;
        (self.ids, self.origins) = (ids, origins);
        Ok(())
    }

    /// Lets particle i take over the place and the origin of particle `rows[i]`, without growth; ids stay.
    pub(crate) fn resample(&mut self, rows: &[u32]) -> Result<()> {
        let mothers = self.queue.upload(rows)?;
        self.origins = self.labels_of(&self.origins, &mothers, rows.len())?;
        self.gather(&mothers, rows.len())
    }

    fn labels_of(
        &self,
        from: &CudaSlice<u64>,
        mothers: &CudaSlice<u32>,
        count: usize,
    ) -> Result<CudaSlice<u64>> {
        let (to, n) = (self.queue.zeros(count)?, count as u32);
        launch!(self.queue, "gather_labels", for_each(count), from, mothers, &n, &to)?;
        Ok(to)
    }

    fn gather(&mut self, mothers: &CudaSlice<u32>, count: usize) -> Result<()> {
        let (queue, n, dims) = (&self.queue, count as u32, self.dims as u32);
        let next = queue.zeros::<f64>(count * (self.dims + 1))?;
        let all = for_each(count * (self.dims + 1));
        launch!(queue, "gather_states", all, &self.state, mothers, &n, &dims, &next)?;
        self.state = next;
        self.count = count;
        Ok(())
    }
}
