//! Networks as fields: the one description from which the CPU and the devices evaluate them.

use super::{Diffusion, FieldValues, GrowthLaw, Guard, Scratch};
use crate::error::{Error, Result};
use crate::nn::Mlp;
use crate::units::{Clock, Scaling};

/// What the output of a network of (t, x) is, in network units: see [`Scaling`].
/// Their order here is that of a model file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The velocity v: d outputs.
    Velocity,
    /// A potential λ: one output. Its gradient is the drift of the diffusion, v + s = ∇λ, and the growth rate follows from
    /// its value by a [`GrowthLaw`].
    Potential,
    /// The growth rate g: one output.
    Growth,
    /// The score drift s, in units of [`Clock::score_unit`]: d outputs.
    Score,
    /// ln p, up to a constant: one output. Its gradient is that of the score drift, s = (σ²/2) ∇ ln p.
    LogDensity,
}

impl Role {
    /// All roles.
    pub(crate) const ALL: [Self; 5] =
        [Role::Velocity, Role::Potential, Role::Growth, Role::Score, Role::LogDensity];

    /// The name in a model file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Velocity => "velocity",
            Role::Potential => "potential",
            Role::Growth => "growth",
            Role::Score => "score",
            Role::LogDensity => "log_density",
        }
    }

    /// How many outputs the network has in `dims` dimensions.
    pub(crate) fn outputs(self, dims: usize) -> usize {
        match self {
            Role::Velocity | Role::Score => dims,
            Role::Potential | Role::Growth | Role::LogDensity => 1,
        }
    }

    /// Whether it is the gradient in x that moves particles.
    pub(crate) fn is_differentiated(self) -> bool {
        matches!(self, Role::Potential | Role::LogDensity)
    }
}

/// A network, and what it is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Network {
    pub(crate) role: Role,
    pub(crate) mlp: Mlp,
}

/// Fields that are made of networks: which there are, and what becomes of their outputs.
///
/// [`Fields::compiled`](super::Fields::compiled) offers it to whoever can evaluate fields faster, or elsewhere, than one
/// call for a block of points at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// The units of the networks.
    pub(crate) scaling: Scaling,
    /// σ(t).
    pub(crate) diffusion: Diffusion,
    /// At most one of each role, in the order of the roles, which is that of the model file.
    pub(crate) networks: Vec<Network>,
    /// g as a function of λ, where there is a potential.
    pub(crate) law: Option<GrowthLaw>,
    /// Where the networks are asked, unless everywhere.
    pub(crate) guard: Option<Guard>,
}

impl Compiled {
    /// Fields of these networks, in any order.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the networks do not go together or have other widths than their roles ask for.
    pub(crate) fn new(
        scaling: Scaling,
        diffusion: Diffusion,
        mut networks: Vec<Network>,
        law: Option<GrowthLaw>,
        guard: Option<Guard>,
    ) -> Result<Self> {
        networks.sort_by_key(|network| network.role as u8);
        let compiled = Self { scaling, diffusion, networks, law, guard };
        compiled.check().map(|()| compiled)
    }

    fn check(&self) -> Result<()> {
        let refused = |what: &str| Err(Error::InvalidData(what.into()));
        let has = |role: Role| self.network(role).is_some();
        if self.networks.windows(2).any(|pair| pair[0].role == pair[1].role) {
            return refused("there are two networks of one role");
        }
        match (has(Role::Velocity), has(Role::Potential)) {
            (true, true) => return refused("there is both a velocity and a potential network"),
            (false, false) => return refused("there is neither a velocity nor a potential network"),
            (_, potential) if potential != self.law.is_some() => {
                return refused("a potential and the law of its growth come together");
            }
            _ => {}
        }
        if has(Role::Potential) && has(Role::Growth) {
            return refused("a potential gives the growth rate; there is a second one");
        }
        if has(Role::Score) && has(Role::LogDensity) {
            return refused("there is both a score and a log_density network");
        }
        let dims = self.dims();
        for Network { role, mlp } in &self.networks {
            let (shape, outputs) = (mlp.architecture(), role.outputs(dims));
            if shape.inputs != dims + 1 || shape.outputs != outputs {
                return Err(Error::InvalidData(format!(
                    "the {} network takes {} numbers to {}; for {dims} dimensions it must take {} to {outputs}",
                    role.name(),
                    shape.inputs,
                    shape.outputs,
                    dims + 1
                )));
            }
        }
        Ok(())
    }

    /// The dimension d of the space.
    pub(crate) fn dims(&self) -> usize {
        self.scaling.centre.len()
    }

    /// The network of a role.
    fn network(&self, role: Role) -> Option<&Mlp> {
        self.networks.iter().find(|network| network.role == role).map(|network| &network.mlp)
    }

    pub(crate) fn has_growth(&self) -> bool {
        self.network(Role::Growth).is_some() || self.law.is_some()
    }

    pub(crate) fn has_score(&self) -> bool {
        self.network(Role::Score).or(self.network(Role::LogDensity)).is_some()
    }

    /// The network whose value, times a factor at each time, is Waddington's landscape.
    fn landscape(&self) -> Option<&Network> {
        self.networks.iter().find(|network| network.role.is_differentiated())
    }

    pub(crate) fn has_landscape(&self) -> bool {
        self.landscape().is_some()
    }

    /// Writes the landscape, or zeros where there is none: −λ of a potential, −(σ²/2) ln p of a density.
    pub(crate) fn write_landscape(
        &self,
        time: f64,
        points: &[f32],
        values: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let Some(Network { role, mlp }) = self.landscape() else { return values.fill(0.0) };
        let (length, clock) = (self.scaling.length, self.scaling.clock(time));
        let unit = match role {
            Role::Potential => -(length * length / clock.unit),
            _ => -(0.5 * self.diffusion.at(time).powi(2)),
        };
        let input = self.network_input(time, points, &mut scratch.input);
        apply(mlp, input, unit, values, &mut scratch.layers);
    }

    /// As [`Fields::evaluate`](super::Fields::evaluate).
    pub(crate) fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
        let FieldValues { mut velocity, mut growth, score_drift } = values;
        let Scratch { input, layers, values: scalars, gradient, score_drift: own_score_drift } = scratch;
        let (dims, length, clock) = (self.dims(), self.scaling.length, self.scaling.clock(time));
        let Clock { unit: duration, .. } = clock;
        let input = self.network_input(time, points, input);
        // A potential gives v + s, so that v asks for s.
        let gives_the_sum = self.has_score() && self.law.is_some();
        let mut score_drift = match (score_drift, &velocity) {
            (None, Some(velocity)) if gives_the_sum => {
                own_score_drift.resize(velocity.len(), 0.0);
                Some(&mut own_score_drift[..])
            }
            (score_drift, _) => score_drift,
        };
        if !self.has_growth() {
            growth.iter_mut().for_each(|growth| growth.fill(0.0));
        }
        if !self.has_score() {
            score_drift.iter_mut().for_each(|score_drift| score_drift.fill(0.0));
        }
        for Network { role, mlp } in &self.networks {
            match role {
                Role::Velocity => {
                    if let Some(velocity) = velocity.as_deref_mut() {
                        apply(mlp, input, length / duration, velocity, layers);
                    }
                }
                Role::Growth => {
                    if let Some(growth) = growth.as_deref_mut() {
                        apply(mlp, input, 1.0 / duration, growth, layers);
                    }
                }
                Role::Score => {
                    if let Some(score_drift) = score_drift.as_deref_mut() {
                        let unit = clock.score_unit(self.diffusion.first());
                        apply(mlp, input, unit, score_drift, layers);
                    }
                }
                Role::Potential => {
                    if velocity.is_some() || growth.is_some() {
                        differentiate(mlp, input, scalars, gradient, layers);
                    }
                    if let (Some(growth), Some(law)) = (growth.as_deref_mut(), self.law) {
                        let rate = |&potential: &f32| (law.growth(potential.into()).0 / duration) as f32;
                        growth.iter_mut().zip(scalars.iter()).for_each(|(g, potential)| *g = rate(potential));
                    }
                    if let Some(velocity) = velocity.as_deref_mut() {
                        write_space_gradient(dims, gradient, length / duration, velocity);
                    }
                }
                Role::LogDensity => {
                    if let Some(score_drift) = score_drift.as_deref_mut() {
                        differentiate(mlp, input, scalars, gradient, layers);
                        let unit = 0.5 * self.diffusion.at(time).powi(2) / length;
                        write_space_gradient(dims, gradient, unit, score_drift);
                    }
                }
            }
        }
        if let (true, Some(velocity), Some(score_drift)) = (gives_the_sum, velocity, score_drift) {
            velocity.iter_mut().zip(score_drift.iter()).for_each(|(v, s)| *v -= s);
        }
    }

    /// The times at which the fields may jump; see [`Fields::knots`](super::Fields::knots).
    pub(crate) fn knots(&self) -> &[f64] {
        self.guard.as_ref().map_or(&self.scaling.knots, Guard::times)
    }

    /// The rows (t, x) of `points` at `time`, in network units, none outside of the guard.
    fn network_input<'a>(&self, time: f64, points: &[f32], input: &'a mut Vec<f32>) -> &'a [f32] {
        let dims = self.dims();
        input.resize(points.len() / dims * (dims + 1), 0.0);
        let moment = self.scaling.clock(time).read(time);
        let rows = points.chunks_exact(dims).zip(input.chunks_exact_mut(dims + 1));
        match self.guard.as_ref().map(|guard| guard.at(time)) {
            None => rows.for_each(|(point, row)| self.scaling.write_row(moment, point.iter().copied(), row)),
            Some((lower, upper)) => rows.for_each(|(point, row)| {
                let sides = lower.iter().zip(upper);
                let inside = point.iter().zip(sides).map(|(x, (&low, &high))| x.clamp(low, high));
                self.scaling.write_row(moment, inside, row);
            }),
        }
        input
    }
}

/// Writes a network's outputs at the rows of `input`, times their unit.
fn apply(network: &Mlp, input: &[f32], unit: f64, values: &mut [f32], layers: &mut Vec<f32>) {
    network.forward(input.len() / network.architecture().inputs, input, values, layers);
    let unit = unit as f32;
    values.iter_mut().for_each(|value| *value *= unit);
}

/// Leaves a scalar network's values and gradients in (t, x) at the rows of `input`, in network units.
fn differentiate(
    network: &Mlp,
    input: &[f32],
    values: &mut Vec<f32>,
    gradient: &mut Vec<f32>,
    layers: &mut Vec<f32>,
) {
    let rows = input.len() / network.architecture().inputs;
    values.resize(rows, 0.0);
    gradient.resize(input.len(), 0.0);
    network.value_and_gradient(rows, input, values, gradient, layers);
}

/// Writes the part in x of gradients in (t, x), times its unit.
fn write_space_gradient(dims: usize, gradient: &[f32], unit: f64, values: &mut [f32]) {
    let unit = unit as f32;
    for (row, gradient) in values.chunks_exact_mut(dims).zip(gradient.chunks_exact(dims + 1)) {
        row.iter_mut().zip(&gradient[1..]).for_each(|(value, slope)| *value = unit * slope);
    }
}
