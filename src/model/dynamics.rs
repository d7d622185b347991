//! A model: learned fields, and what they were made with.

use super::ModelInfo;
use crate::error::{Error, Result};
use crate::fields::{
    Branch, BranchWeight, Compiled, FieldValues, Fields, GrowthLaw, GrowthPrice, Guard, Network, Price,
    Scratch,
};
use crate::transport::couplings::Couplings;
use crate::units::Scaling;

/// Learned fields: a few networks, the change of units around them, and what they were made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamics {
    pub(crate) info: ModelInfo,
    pub(crate) compiled: Compiled,
    pub(crate) couplings: Option<Couplings>,
}

impl Dynamics {
    /// Fields from networks with inputs (t, x), a list for each member of an ensemble, of which the law says how growth follows
    /// from a potential.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if the networks do not go together or have other widths than their roles ask for, or if the
    /// final diffusion is not positive or has nothing to begin from; [`Error::InvalidArgument`] for names and masses of
    /// another number than there are dimensions and times.
    pub(crate) fn new(
        info: ModelInfo,
        scaling: Scaling,
        members: Vec<Vec<Network>>,
        law: Option<GrowthLaw>,
        guard: Option<Guard>,
    ) -> Result<Self> {
        info.check(scaling.centre.len())?;
        let compiled = Compiled::new(scaling, info.diffusion(), members, law, guard)?;
        Ok(Self { info, compiled, couplings: None })
    }

    /// Fields of branches, from the weight of each and its networks.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::InvalidData`] for noise, which branches have none of.
    pub(crate) fn of_branches(
        info: ModelInfo,
        scaling: Scaling,
        branches: Vec<(BranchWeight, Vec<Network>)>,
        guard: Option<Guard>,
    ) -> Result<Self> {
        info.check(scaling.centre.len())?;
        if info.sigma != 0.0 {
            return Err(Error::InvalidData(format!("branches have no noise, and sigma is {}", info.sigma)));
        }
        let compiled = Compiled::of_branches(scaling, branches, guard)?;
        Ok(Self { info, compiled, couplings: None })
    }

    /// What the model was made with.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The couplings of the cells that it was fitted to, where it was asked to keep them.
    pub fn couplings(&self) -> Option<&Couplings> {
        self.couplings.as_ref()
    }

    /// Whether a growth rate was learned; without, g = 0.
    pub fn has_growth(&self) -> bool {
        self.compiled.has_growth()
    }

    /// Whether a score drift was learned; without, s = 0.
    pub fn has_score(&self) -> bool {
        self.compiled.has_score()
    }

    /// Whether the model has a [`landscape`](Self::landscape).
    pub fn has_landscape(&self) -> bool {
        self.compiled.has_landscape()
    }

    /// Waddington's landscape at time `time` and the rows of `points` (row-major, n × d), into `values`, one a point:
    /// cells roll down it. Its unit is that of a squared length over time.
    ///
    /// Of a method that learns a potential λ it is −λ, whose descent is the drift of the diffusion (Sun et al.,
    /// NeurIPS 2025, Var-RUOT). Of a method that learns the density p it is −(σ²/2) ln p, which is low where cells
    /// are many, up to a constant at each time (Zhang, Li, Zhou, ICLR 2025, DeepRUOT).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model that learned neither, or for slices that do not go together.
    pub fn landscape(
        &self,
        time: f64,
        points: &[f32],
        values: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<()> {
        if !self.has_landscape() {
            let allowed = "one that learns a landscape: deep-ruot or var-ruot";
            return Err(Error::argument("the model's method", &self.info.method, allowed));
        }
        let dims = self.dims();
        if points.len() != values.len() * dims {
            let allowed = format!("{dims} for each of {} values", values.len());
            return Err(Error::argument("the number of coordinates", points.len(), &allowed));
        }
        self.compiled.write_landscape(time, points, values, scratch);
        Ok(())
    }

    /// The number of trained parameters.
    pub fn parameter_count(&self) -> usize {
        let networks = self.compiled.members.iter().chain(&self.compiled.cheaper).flatten();
        networks.map(|network| network.mlp.parameters().len()).sum()
    }
}

impl Fields for Dynamics {
    fn dims(&self) -> usize {
        self.compiled.dims()
    }

    fn sigma(&self, time: f64) -> f64 {
        self.compiled.diffusion.at(time)
    }

    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
        self.compiled.evaluate(time, points, values, scratch);
    }

    fn knots(&self) -> &[f64] {
        self.compiled.knots()
    }

    fn guard(&self) -> Option<&Guard> {
        self.compiled.guard.as_ref()
    }

    fn growth_cost(&self, time: f64, growth: f64) -> Option<f64> {
        if let Some(law) = self.compiled.law {
            let Scaling { length, .. } = self.compiled.scaling;
            let unit = self.compiled.scaling.clock(time).unit;
            return Some(law.cost(growth * unit) * (length / unit).powi(2));
        }
        let branching = self.info.growth_price == GrowthPrice::Branching;
        if !(self.has_score() || branching) {
            return None;
        }
        match self.info.delta {
            Some(delta) if branching => {
                let sigma = self.sigma(time);
                Some(Price::Branching { sigma, rate: (sigma / delta).powi(2) }.of(growth).0)
            }
            Some(delta) => Some(Price::Quadratic { delta }.of(growth).0),
            None if !self.has_growth() => Some(0.0),
            None => None,
        }
    }

    fn branching_rate(&self) -> Option<f64> {
        let sigma = Some(self.info.sigma).filter(|sigma| *sigma > 0.0)?;
        self.info.delta.filter(|_| self.has_growth()).map(|delta| (sigma / delta).powi(2))
    }

    fn learned_times(&self) -> Option<[f64; 2]> {
        let times = &self.info.times;
        times.first().zip(times.last()).map(|(&first, &last)| [first, last])
    }

    fn of_branches(&self) -> Vec<Branch<'_>> {
        self.compiled.branches()
    }

    fn compiled(&self) -> Option<&Compiled> {
        // Of branches none are the whole.
        Some(&self.compiled).filter(|compiled| compiled.branches.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Role;
    use crate::nn::{Activation, Architecture, Mlp};

    const DIMS: usize = 3;
    /// More than a block of the networks.
    const ROWS: usize = 150;

    /// A smooth random network of (t, x).
    fn network(outputs: usize, index: u64) -> Mlp {
        let shape =
            Architecture { inputs: DIMS + 1, hidden: vec![24, 16], outputs, activation: Activation::Tanh };
        let mut network = Mlp::new(shape, 7, index).unwrap();
        // Wider than the initial parameters, so that the fields are not nearly constant.
        network.parameters_mut().iter_mut().for_each(|p| *p *= 2.0);
        network
    }

    /// The networks of a model, and the law of its growth.
    type Parts = (Vec<Network>, Option<GrowthLaw>);

    fn potential(law: GrowthLaw) -> Parts {
        (vec![Network { role: Role::Potential, mlp: network(1, 0) }], Some(law))
    }

    fn velocity() -> Parts {
        (vec![Network { role: Role::Velocity, mlp: network(DIMS, 0) }], None)
    }

    /// The parts with one network more.
    fn with((mut networks, law): Parts, role: Role, outputs: usize, index: u64) -> Parts {
        networks.push(Network { role, mlp: network(outputs, index) });
        (networks, law)
    }

    fn info() -> ModelInfo {
        ModelInfo { sigma: 0.8, final_sigma: Some(0.2), ..ModelInfo::custom(vec![1.0, 2.0, 6.0]) }
    }

    fn model((networks, law): Parts) -> Dynamics {
        let scaling =
            Scaling { centre: vec![5.0, -1.0, 0.0], length: 3.0, start: 1.0, duration: 2.5, knots: vec![] };
        Dynamics::new(info(), scaling, vec![networks], law, None).unwrap()
    }

    /// Points within about one length of the centre.
    fn points() -> Vec<f32> {
        (0..ROWS * DIMS).map(|i| [5.0, -1.0, 0.0][i % DIMS] + 3.0 * (12.9898 * i as f32).sin()).collect()
    }

    #[derive(Debug, PartialEq)]
    struct Values {
        velocity: Vec<f32>,
        growth: Vec<f32>,
        score_drift: Vec<f32>,
    }

    /// All fields at once, after asserting that each asked for alone is the same.
    fn fields(model: &Dynamics, time: f64) -> Values {
        let (points, mut scratch) = (points(), Scratch::default());
        let fresh = || (vec![f32::NAN; ROWS * DIMS], vec![f32::NAN; ROWS], vec![f32::NAN; ROWS * DIMS]);
        let (mut velocity, mut growth, mut score_drift) = fresh();
        let all = FieldValues {
            velocity: Some(&mut velocity),
            growth: Some(&mut growth),
            score_drift: Some(&mut score_drift),
        };
        model.evaluate(time, &points, all, &mut scratch);
        let (mut alone_v, mut alone_g, mut alone_s) = fresh();
        for values in [
            FieldValues { velocity: Some(&mut alone_v), ..Default::default() },
            FieldValues { growth: Some(&mut alone_g), ..Default::default() },
            FieldValues { score_drift: Some(&mut alone_s), ..Default::default() },
            FieldValues::default(),
        ] {
            model.evaluate(time, &points, values, &mut scratch);
        }
        let (all, alone) = (
            Values { velocity, growth, score_drift },
            Values { velocity: alone_v, growth: alone_g, score_drift: alone_s },
        );
        assert_eq!(all, alone);
        all
    }

    /// Minus the gradient of the landscape, by central differences. A step of 0.01 lengths leaves 1e-4 of truncation
    /// and, in single precision, about as much of rounding.
    fn descent(model: &Dynamics, time: f64) -> Vec<f32> {
        let (points, step, mut scratch) = (points(), 0.03, Scratch::default());
        let mut landscape = |axis: usize, shift: f32| {
            let mut moved = points.clone();
            moved.iter_mut().skip(axis).step_by(DIMS).for_each(|x| *x += shift);
            let mut values = vec![f32::NAN; ROWS];
            model.landscape(time, &moved, &mut values, &mut scratch).unwrap();
            values
        };
        let mut gradient = vec![0.0; ROWS * DIMS];
        for axis in 0..DIMS {
            let (above, below) = (landscape(axis, step), landscape(axis, -step));
            let slopes = gradient.iter_mut().skip(axis).step_by(DIMS);
            slopes.zip(above).zip(below).for_each(|((g, a), b)| *g = (b - a) / (2.0 * step));
        }
        gradient
    }

    fn assert_close(got: &[f32], want: &[f32]) {
        let scale = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!(scale > 0.01, "a field that is nearly zero tests nothing");
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-3 * scale, "{got}, want {want} (largest {scale})");
        }
    }

    fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
        a.iter().zip(b).map(|(a, b)| a + b).collect()
    }

    #[test]
    fn the_diffusion_of_a_potential_descends_its_landscape_with_and_without_a_score() {
        let law = GrowthLaw::quadratic(0.5).unwrap();
        let parts = [
            (false, potential(law)),
            (true, with(potential(law), Role::Score, DIMS, 2)),
            (true, with(potential(law), Role::LogDensity, 1, 3)),
        ];
        for (scored, parts) in parts {
            let model = model(parts);
            let fields = fields(&model, 3.0);
            assert_close(&sum(&fields.velocity, &fields.score_drift), &descent(&model, 3.0));
            assert_eq!(fields.score_drift.iter().any(|&s| s != 0.0), scored);
            assert_eq!(model.has_score(), scored);
        }
    }

    #[test]
    fn the_growth_rate_of_a_potential_is_its_laws() {
        for law in [GrowthLaw::quadratic(0.5).unwrap(), GrowthLaw::power(0.3, 2.0).unwrap()] {
            let model = model(potential(law));
            let mut landscape = vec![0.0; ROWS];
            model.landscape(2.0, &points(), &mut landscape, &mut Scratch::default()).unwrap();
            for (g, height) in fields(&model, 2.0).growth.iter().zip(landscape) {
                // λ = −height in the network's units of 3²/2.5, g per 2.5 units of time.
                let want = law.growth(f64::from(-height) * 2.5 / 9.0).0 / 2.5;
                assert!((f64::from(*g) - want).abs() < 1e-4 * want.abs().max(0.1), "{g}, want {want}");
            }
            assert!(model.has_growth() && model.has_landscape());
            assert_eq!(model.parameter_count(), (DIMS + 2) * 24 + 25 * 16 + 17);
        }
    }

    #[test]
    fn the_score_drift_of_a_density_descends_its_landscape() {
        let model = model(with(with(velocity(), Role::LogDensity, 1, 3), Role::Growth, 1, 1));
        // σ has halved at 3.5.
        for time in [1.0, 3.5] {
            assert_close(&fields(&model, time).score_drift, &descent(&model, time));
        }
        assert!(model.has_landscape() && model.has_score() && model.has_growth());
    }

    #[test]
    fn models_without_a_landscape_say_who_has_one() {
        let model = model(with(velocity(), Role::Score, DIMS, 2));
        assert!(!model.has_landscape() && !model.has_growth());
        let mut values = vec![0.0; ROWS];
        let error = model.landscape(1.0, &points(), &mut values, &mut Scratch::default()).unwrap_err();
        let want =
            "the model's method must be one that learns a landscape: deep-ruot or var-ruot, got custom";
        assert_eq!(error.to_string(), want);
    }

    #[test]
    fn parts_that_do_not_go_together_are_refused() {
        let scaling =
            || Scaling { centre: vec![0.0; DIMS], length: 1.0, start: 0.0, duration: 1.0, knots: vec![] };
        let law = GrowthLaw::quadratic(1.0).unwrap();
        let refusal = |info, (networks, law): Parts| {
            Dynamics::new(info, scaling(), vec![networks], law, None).unwrap_err().to_string()
        };
        for (what, parts) in [
            ("the potential network takes 4 numbers to 2", with((vec![], Some(law)), Role::Potential, 2, 0)),
            ("the log_density network", with(velocity(), Role::LogDensity, DIMS, 2)),
            ("the score network", with(velocity(), Role::Score, 1, 2)),
            ("a second one", with(potential(law), Role::Growth, 1, 1)),
            ("both a velocity and a potential", with(potential(law), Role::Velocity, DIMS, 1)),
            ("neither a velocity nor a potential", with((vec![], None), Role::Growth, 1, 1)),
            (
                "both a score and a log_density",
                with(with(velocity(), Role::Score, DIMS, 2), Role::LogDensity, 1, 3),
            ),
            ("two networks of one role", with(velocity(), Role::Velocity, DIMS, 2)),
            ("a law of growth is that of a potential", (velocity().0, Some(law))),
        ] {
            let told = refusal(info(), parts);
            assert!(told.contains(what), "{told}, not {what}");
        }
        for (sigma, last) in [(0.0, 1.0), (1.0, 0.0), (1.0, f64::NAN)] {
            let info = ModelInfo { sigma, final_sigma: Some(last), ..info() };
            assert!(refusal(info, velocity()).contains("the diffusion goes from"));
        }
        let model = model(potential(law));
        let error = model.landscape(1.0, &[0.0; 5], &mut [0.0; 2], &mut Scratch::default()).unwrap_err();
        assert!(error.to_string().contains("3 for each of 2 values"));
    }
}
