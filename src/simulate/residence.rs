//! How long particles are outside of the box that the fields were learned in.

/// Time that particles spent in all, and outside of the fields' [`Guard`](crate::fields::Guard), in ticks: whole numbers, whose sums are the same in
/// any order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Residence {
    /// Ticks in a unit of time.
    rate: f64,
    all: u128,
    outside: u128,
}

impl Residence {
    /// No time yet, of a simulation from `start` to the last of `times`.
    pub(super) fn new(start: f64, times: &[f64]) -> Self {
        let span = times.last().map_or(0.0, |last| (last - start).abs());
        Self { rate: if span > 0.0 { (1u64 << 40) as f64 / span } else { 0.0 }, all: 0, outside: 0 }
    }

    /// Adds a time that `rows` particles spent, `outside` of them outside.
    pub(super) fn add(&mut self, length: f64, rows: usize, outside: usize) {
        let ticks = (length.abs() * self.rate).round() as u128;
        self.all += ticks * rows as u128;
        self.outside += ticks * outside as u128;
    }

    /// All ticks, and those outside.
    pub(super) fn ticks(self) -> [u128; 2] {
        [self.all, self.outside]
    }

    /// Adds what was counted of other particles.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.all += other.all;
        self.outside += other.outside;
        self
    }

    /// The share of the time that was spent outside; 0 where no time was spent.
    pub(super) fn share_outside(self) -> f64 {
        share_of(self.ticks())
    }
}

/// The share of all ticks that is outside; 0 without any.
pub(super) fn share_of([all, outside]: [u128; 2]) -> f64 {
    if all == 0 { 0.0 } else { outside as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use crate::exec::stop::Stop;
    use crate::fields::{ClosedForm, FieldValues, Fields, Guard, Scratch};
    use crate::simulate::simulation::{Process, Rule, Simulation};
    use crate::simulate::{Particles, Trajectory};

    /// One unit of way in a unit of time.
    struct Guarded(ClosedForm, Option<Guard>);

    impl Fields for Guarded {
        fn dims(&self) -> usize {
            1
        }

        fn sigma(&self, _time: f64) -> f64 {
            0.0
        }

        fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
            self.0.evaluate(time, points, values, scratch);
        }

        fn guard(&self) -> Option<&Guard> {
            self.1.as_ref()
        }

        fn knots(&self) -> &[f64] {
            self.1.as_ref().map_or(&[], Guard::times)
        }
    }

    /// Three particles from −0.5, 0.25 and 0.5 on, over four units of time in two intervals with boxes of their own: [0, 1] until
    /// time 1 and [1, 3] from then on.
    fn moved(simulation: &Simulation, guarded: bool) -> Trajectory {
        let plain = ClosedForm {
            dims: 1,
            sigma: 0.0,
            velocity: Box::new(|_, _, v| v.fill(1.0)),
            growth: Box::new(|_, _| 0.0),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        };
        let guard =
            guarded.then(|| Guard::new(1, vec![0.0, 1.0, 4.0], vec![0.0, 1.0], vec![1.0, 3.0]).unwrap());
        let start = Particles::new(0.0, 1, vec![-0.5, 0.25, 0.5], None).unwrap();
        let run = simulation.run(&Guarded(plain, guard), &start, &[0.5, 4.0], &Stop::default()).unwrap();
        assert_eq!(run.warnings.len(), usize::from(guarded), "{:?}", run.warnings);
        run.trajectory
    }

    #[test]
    fn the_share_of_time_outside_of_the_box_is_that_of_the_paths() {
        // Outside are: of the first [0, 0.5) and, at 0.5 from time 1 on, [1, 1.5) and (3.5, 4]; of the second (0.75, 1) and (2.75, 4];
        // of the third (0.5, 1) and (2.5, 4].
        let want = (0.5 + 0.5 + 0.5 + 0.25 + 1.25 + 0.5 + 1.5) / 12.0;
        let with = |process, rule, step| Simulation { process, rule, step: Some(step), ..Default::default() };
        for simulation in [
            with(Process::Ode, Rule::Euler, 0.001),
            with(Process::Ode, Rule::RungeKutta4, 0.001),
            with(Process::Sde, Rule::Euler, 0.001),
            with(Process::Branching, Rule::Euler, 0.001),
        ] {
            let outside = moved(&simulation, true).outside.unwrap();
            // Every way in or out is seen up to a step late.
            assert!((outside - want).abs() < 7.0 * 0.001 / 12.0, "{simulation:?}: {outside}, want {want}");
            assert_eq!(moved(&simulation, false).outside, None);
        }
        // Its few steps are long; each counts as what it begins as.
        let adaptive = moved(&with(Process::Ode, Rule::DormandPrince, 1.0), true);
        assert!((0.0..=1.0).contains(&adaptive.outside.unwrap()));
        assert!((adaptive.frames[1].points[0] - 3.5).abs() < 1e-5);
    }

    #[test]
    fn the_share_is_the_same_bits_at_any_number_of_threads() {
        let points: Vec<f32> = (0..3000).map(|i| (i as f32).sin()).collect();
        let start = Particles::new(0.0, 1, points, None).unwrap();
        let guard = || Guard::new(1, vec![0.0, 1.0, 4.0], vec![0.0, 1.0], vec![1.0, 3.0]).unwrap();
        let shares = [1, 2, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            [Process::Ode, Process::Sde, Process::Branching].map(|process| {
                let fields = ClosedForm {
                    dims: 1,
                    sigma: 0.0,
                    velocity: Box::new(|_, x, v| v[0] = x[0].cos()),
                    growth: Box::new(|_, x| 0.2 * x[0]),
                    score_drift: Box::new(|_, _, s| s.fill(0.0)),
                };
                let fields = Guarded(fields, Some(guard()));
                let simulation = Simulation { process, step: Some(0.03), ..Default::default() };
                let run = || simulation.run(&fields, &start, &[4.0], &Stop::default()).unwrap();
                pool.install(run).trajectory.outside
            })
        });
        assert!(shares[0].iter().all(|share| share.unwrap() > 0.1));
        assert!(shares.iter().all(|other| *other == shares[0]), "{shares:?}");
    }
}
