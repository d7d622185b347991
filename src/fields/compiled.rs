//! Networks as fields: the one description from which the CPU and the devices evaluate them.

use super::{
    Branch, Diffusion, FieldValues, Fields, GrowthLaw, Guard, MemberScratch, Moments, Scratch, SpreadScratch,
};
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
    /// its value by a [`GrowthLaw`], where it has one.
    Potential,
    /// The growth rate g: one output.
    Growth,
    /// The score drift s, in units of [`Clock::score_unit`]: d outputs.
    Score,
    /// ln p, up to a constant: one output. Its gradient is that of the score drift, s = (σ²/2) ∇ ln p.
    LogDensity,
    /// What a [branch](BranchWeight) adds to the weights of its particles a unit of time, whatever they weigh: one output z, of which it
    /// is ± ln(1 + e^z).
    Source,
}

impl Role {
    /// All roles.
    pub(crate) const ALL: [Self; 6] =
        [Role::Velocity, Role::Potential, Role::Growth, Role::Score, Role::LogDensity, Role::Source];

    /// The name in a model file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Velocity => "velocity",
            Role::Potential => "potential",
            Role::Growth => "growth",
            Role::Score => "score",
            Role::LogDensity => "log_density",
            Role::Source => "source",
        }
    }

    /// How many outputs the network has in `dims` dimensions.
    pub(crate) fn outputs(self, dims: usize) -> usize {
        match self {
            Role::Velocity | Role::Score => dims,
            Role::Potential | Role::Growth | Role::LogDensity | Role::Source => 1,
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

/// How the particles of a branch weigh, for each unit of their founder's weight: they begin with `start`, and its source adds to that
/// what is positive where the branch `gains`, and negative where it does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BranchWeight {
    pub(crate) start: f64,
    pub(crate) gains: bool,
}

impl BranchWeight {
    /// The rate of a source network's output `z`, and its derivative: ± ln(1 + e^z).
    pub(crate) fn source(self, z: f64) -> (f64, f64) {
        let sign = if self.gains { 1.0 } else { -1.0 };
        let value = z.max(0.0) + libm::log1p(libm::exp(-z.abs()));
        (sign * value, sign / (1.0 + libm::exp(-z)))
    }
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
    /// The networks of every member of an ensemble, of a model that is none of its only one. The fields are the means of those
    /// of the members, which have the same roles: at most one network of each, in the order of the roles, which is that of the
    /// model file. Where there are `branches`, those of each branch.
    pub(crate) members: Vec<Vec<Network>>,
    /// The networks of a fit at half the price of growth, with the roles of the members: what a finite price gets wrong is to first order
    /// twice as much there.
    pub(crate) cheaper: Option<Vec<Network>>,
    /// How each branch weighs, of a population that goes several ways; empty of others. The fields are then those of each branch, and
    /// there are none of the whole.
    pub(crate) branches: Vec<BranchWeight>,
    /// g as a function of λ, where there is a potential.
    pub(crate) law: Option<GrowthLaw>,
    /// Where the networks are asked, unless everywhere.
    pub(crate) guard: Option<Guard>,
}

impl Compiled {
    /// Fields of these networks, a list for each member of an ensemble, in any order within it.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the networks do not go together or have other widths than their roles ask for, or if there is no
    /// member or one of other roles than the first.
    pub(crate) fn new(
        scaling: Scaling,
        diffusion: Diffusion,
        mut members: Vec<Vec<Network>>,
        law: Option<GrowthLaw>,
        guard: Option<Guard>,
    ) -> Result<Self> {
        for networks in &mut members {
            networks.sort_by_key(|network| network.role as u8);
        }
        let compiled = Self { scaling, diffusion, members, cheaper: None, branches: vec![], law, guard };
        compiled.check().map(|()| compiled)
    }

    /// The same fields, with [those](Self::cheaper) of a fit at half the price of growth beside them.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::InvalidData`] for fields that are not those of an ensemble, or of scalar networks.
    pub(crate) fn beside(mut self, mut cheaper: Vec<Network>) -> Result<Self> {
        cheaper.sort_by_key(|network| network.role as u8);
        self.cheaper = Some(cheaper);
        self.check().map(|()| self)
    }

    /// Fields of branches, a velocity and a source for each.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::InvalidData`] unless there is a weight for each branch, of which one is positive at the start.
    pub(crate) fn of_branches(
        scaling: Scaling,
        mut branches: Vec<(BranchWeight, Vec<Network>)>,
        guard: Option<Guard>,
    ) -> Result<Self> {
        for (_, networks) in &mut branches {
            networks.sort_by_key(|network| network.role as u8);
        }
        let (branches, members) = branches.into_iter().unzip();
        let diffusion = Diffusion::Constant(0.0);
        let compiled = Self { scaling, diffusion, members, cheaper: None, branches, law: None, guard };
        compiled.check().map(|()| compiled)
    }

    /// The networks of the first member, whose roles are those of all.
    fn first(&self) -> &[Network] {
        &self.members[0]
    }

    /// The fields of one member alone.
    pub(crate) fn member(&self, index: usize) -> Self {
        Self {
            scaling: self.scaling.clone(),
            diffusion: self.diffusion,
            members: vec![self.members[index].clone()],
            cheaper: None,
            branches: self.branches.get(index).copied().into_iter().collect(),
            law: self.law,
            guard: self.guard.clone(),
        }
    }

    /// The velocity of one branch alone, as that of a population that goes one way and keeps its mass.
    pub(crate) fn velocity_of_branch(&self, index: usize) -> Self {
        let mut alone = self.member(index);
        alone.branches.clear();
        alone.members[0].retain(|network| network.role == Role::Velocity);
        alone
    }

    /// The branches, as simulations ask for them.
    pub(crate) fn branches(&self) -> Vec<Branch<'_>> {
        let branch = |(index, weight): (usize, &BranchWeight)| Branch {
            fields: Box::new(OfBranch { compiled: self, index }),
            start: weight.start,
        };
        self.branches.iter().enumerate().map(branch).collect()
    }

    fn check(&self) -> Result<()> {
        let refused = |what: &str| Err(Error::InvalidData(what.into()));
        let has = |role: Role| self.network(role).is_some();
        let roles = |networks: &[Network]| networks.iter().map(|network| network.role).collect::<Vec<_>>();
        match &self.members[..] {
            [] => return refused("an ensemble needs at least one member"),
            [first, others @ ..] if others.iter().any(|member| roles(member) != roles(first)) => {
                return refused("the members of the ensemble have networks of different roles");
            }
            _ => {}
        }
        if self.first().windows(2).any(|pair| pair[0].role == pair[1].role) {
            return refused("there are two networks of one role");
        }
        match (has(Role::Velocity), has(Role::Potential)) {
            (true, true) => return refused("there is both a velocity and a potential network"),
            (false, false) => return refused("there is neither a velocity nor a potential network"),
            (true, false) if self.law.is_some() => {
                return refused("a law of growth is that of a potential, of which there is none");
            }
            _ => {}
        }
        if has(Role::Potential) && has(Role::Growth) {
            return refused("a potential gives the growth rate; there is a second one");
        }
        if has(Role::Score) && has(Role::LogDensity) {
            return refused("there is both a score and a log_density network");
        }
        let is_branched = !self.branches.is_empty();
        if is_branched != has(Role::Source) {
            return refused("a source is that of a branch, which has one");
        }
        if is_branched {
            let starts = || self.branches.iter().map(|branch| branch.start);
            if self.branches.len() != self.members.len()
                || !starts().all(|start| start >= 0.0 && start.is_finite())
                || starts().all(|start| start == 0.0)
            {
                return refused(
                    "the weights of the branches at the start are not one each, not negative, and some positive",
                );
            }
            if !has(Role::Velocity) || has(Role::Growth) || self.has_score() {
                return refused("a branch has a velocity and a source, and no other network");
            }
        }
        if let Some(cheaper) = &self.cheaper {
            if self.members.len() < 2 || roles(cheaper) != roles(self.first()) {
                return refused(
                    "a fit at another price is that of an ensemble, with networks of the same roles",
                );
            }
            if self.first().iter().any(|network| network.role.is_differentiated()) {
                return refused("there is no fit at another price of a potential");
            }
        }
        let dims = self.dims();
        for Network { role, mlp } in self.members.iter().chain(&self.cheaper).flatten() {
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

    /// The first member's network of a role.
    fn network(&self, role: Role) -> Option<&Mlp> {
        self.first().iter().find(|network| network.role == role).map(|network| &network.mlp)
    }

    pub(crate) fn has_potential(&self) -> bool {
        self.network(Role::Potential).is_some()
    }

    pub(crate) fn has_growth(&self) -> bool {
        self.network(Role::Growth).is_some() || self.law.is_some()
    }

    pub(crate) fn has_score(&self) -> bool {
        self.network(Role::Score).or(self.network(Role::LogDensity)).is_some()
    }

    pub(crate) fn has_landscape(&self) -> bool {
        landscape(self.first()).is_some()
    }

    /// Writes the landscape, or zeros where there is none: −λ of a potential, −(σ²/2) ln p of a density.
    pub(crate) fn write_landscape(
        &self,
        time: f64,
        points: &[f32],
        values: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (length, clock) = (self.scaling.length, self.scaling.clock(time));
        let Scratch { input, networks: MemberScratch { layers, .. }, member: [own, ..] } = scratch;
        let input = self.network_input(time, points, input);
        let mut of_member = |member: &[Network], values: &mut [f32]| {
            let Some(Network { role, mlp }) = landscape(member) else { return values.fill(0.0) };
            let unit = match role {
                Role::Potential => -(length * length / clock.unit),
                _ => -(0.5 * self.diffusion.at(time).powi(2)),
            };
            apply(mlp, input, unit, values, layers);
        };
        if let [only] = &self.members[..] {
            return of_member(only, values);
        }
        values.fill(0.0);
        own.resize(values.len(), 0.0);
        for member in &self.members {
            of_member(member, own);
            add(values, own);
        }
        divide(values, self.members.len());
    }

    /// As [`Fields::evaluate`](super::Fields::evaluate): the mean over the members, added in their order. Not a number where there are
    /// branches.
    pub(crate) fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
        if !self.branches.is_empty() {
            return values.into_parts().into_iter().flatten().for_each(|part| part.fill(f32::NAN));
        }
        let Scratch { input, networks, member } = scratch;
        let clock = self.scaling.clock(time);
        let input = self.network_input(time, points, input);
        if let [only] = &self.members[..] {
            return self.evaluate_member(only, (time, clock), input, values, networks);
        }
        let mut sums = values.into_parts();
        sums.iter_mut().flatten().for_each(|sum| sum.fill(0.0));
        let wanted = sums.each_ref().map(|sum| sum.as_ref().map(|sum| sum.len()));
        for of_member in &self.members {
            let values = FieldValues::in_buffers(member, wanted);
            self.evaluate_member(of_member, (time, clock), input, values, networks);
            sums.iter_mut()
                .zip(&*member)
                .for_each(|(sum, own)| add(sum.as_deref_mut().unwrap_or_default(), own));
        }
        sums.into_iter().flatten().for_each(|sum| divide(sum, self.members.len()));
    }

    /// By how much the requested fields of the [fit at half the price](Self::cheaper) are more than these. Zero without such a fit.
    pub(crate) fn bias(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
        let mut parts = values.into_parts();
        let Some(cheaper) = &self.cheaper else {
            return parts.into_iter().flatten().for_each(|part| part.fill(0.0));
        };
        let [velocity, growth, score_drift] = parts.each_mut().map(Option::as_deref_mut);
        self.evaluate(time, points, FieldValues { velocity, growth, score_drift }, scratch);
        let Scratch { input, networks, member } = scratch;
        let wanted = parts.each_ref().map(|part| part.as_ref().map(|part| part.len()));
        let clock = self.scaling.clock(time);
        let input = self.network_input(time, points, input);
        self.evaluate_member(
            cheaper,
            (time, clock),
            input,
            FieldValues::in_buffers(member, wanted),
            networks,
        );
        for (bias, cheaper) in parts.into_iter().zip(&*member) {
            let bias = bias.unwrap_or_default().iter_mut();
            bias.zip(cheaper).for_each(|(bias, cheaper)| *bias = cheaper - *bias);
        }
    }

    /// The velocity of a branch, and its source in the place of growth.
    fn evaluate_branch(
        &self,
        index: usize,
        time: f64,
        points: &[f32],
        values: FieldValues<'_>,
        scratch: &mut Scratch,
    ) {
        let Scratch { input, networks: MemberScratch { layers, .. }, .. } = scratch;
        let (clock, weight) = (self.scaling.clock(time), self.branches[index]);
        let input = self.network_input(time, points, input);
        let FieldValues { mut velocity, mut growth, score_drift } = values;
        score_drift.into_iter().for_each(|score_drift| score_drift.fill(0.0));
        for Network { role, mlp } in &self.members[index] {
            match (role, velocity.as_deref_mut(), growth.as_deref_mut()) {
                (Role::Velocity, Some(velocity), _) => {
                    apply(mlp, input, self.scaling.length / clock.unit, velocity, layers);
                }
                (Role::Source, _, Some(source)) => {
                    apply(mlp, input, 1.0, source, layers);
                    source.iter_mut().for_each(|z| *z = (weight.source((*z).into()).0 / clock.unit) as f32);
                }
                _ => {}
            }
        }
    }

    /// The standard deviations of the requested fields over the members, with one less than their number in the denominator, times
    /// `stretch`; 0 of a single one.
    pub(crate) fn deviation(
        &self,
        time: f64,
        points: &[f32],
        values: FieldValues<'_>,
        stretch: f64,
        scratch: &mut SpreadScratch,
    ) {
        let SpreadScratch { scratch: Scratch { input, networks, member }, moments } = scratch;
        let clock = self.scaling.clock(time);
        let input = self.network_input(time, points, input);
        let parts = values.into_parts();
        let wanted = parts.each_ref().map(|part| part.as_ref().map(|part| part.len()));
        for (moments, len) in moments.iter_mut().zip(wanted) {
            moments.clear();
            moments.resize(len.unwrap_or(0), Moments::default());
        }
        for (m, of_member) in self.members.iter().enumerate() {
            let values = FieldValues::in_buffers(member, wanted);
            self.evaluate_member(of_member, (time, clock), input, values, networks);
            for (moments, own) in moments.iter_mut().zip(&*member) {
                moments.iter_mut().zip(own).for_each(|(moments, &value)| moments.add(m, value.into()));
            }
        }
        for (part, moments) in parts.into_iter().zip(moments) {
            let deviation = |moments: &Moments| (stretch * moments.deviation(self.members.len())) as f32;
            part.unwrap_or_default()
                .iter_mut()
                .zip(moments)
                .for_each(|(sd, moments)| *sd = deviation(moments));
        }
    }

    /// The units of velocity, growth and score drift at a time: what the networks' outputs of order one are multiplied by.
    pub(crate) fn units(&self, time: f64) -> [f64; 3] {
        let clock = self.scaling.clock(time);
        [self.scaling.length / clock.unit, 1.0 / clock.unit, clock.score_unit(self.diffusion.first())]
    }

    /// The fields of one member at the rows of `input`, which are those of `time`.
    fn evaluate_member(
        &self,
        networks: &[Network],
        (time, clock): (f64, Clock),
        input: &[f32],
        values: FieldValues<'_>,
        scratch: &mut MemberScratch,
    ) {
        let FieldValues { mut velocity, mut growth, score_drift } = values;
        let MemberScratch { layers, values: scalars, gradient, score_drift: own_score_drift } = scratch;
        let (dims, length) = (self.dims(), self.scaling.length);
        let Clock { unit: duration, .. } = clock;
        // A potential gives v + s, so that v asks for s.
        let gives_the_sum = self.has_score() && self.has_potential();
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
        for Network { role, mlp } in networks {
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
                Role::Source => unreachable!("a source is evaluated with its branch"),
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

/// The fields of a branch: its velocity, and its source as the growth.
struct OfBranch<'a> {
    compiled: &'a Compiled,
    index: usize,
}

impl Fields for OfBranch<'_> {
    fn dims(&self) -> usize {
        self.compiled.dims()
    }

    fn sigma(&self, time: f64) -> f64 {
        self.compiled.diffusion.at(time)
    }

    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
        self.compiled.evaluate_branch(self.index, time, points, values, scratch);
    }

    fn knots(&self) -> &[f64] {
        self.compiled.knots()
    }

    fn guard(&self) -> Option<&Guard> {
        self.compiled.guard.as_ref()
    }
}

/// A member's network whose value, times a factor at each time, is Waddington's landscape.
fn landscape(member: &[Network]) -> Option<&Network> {
    member.iter().find(|network| network.role.is_differentiated())
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

fn divide(sum: &mut [f32], count: usize) {
    let share = 1.0 / count as f32;
    sum.iter_mut().for_each(|sum| *sum *= share);
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
