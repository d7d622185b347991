//! A population that goes several ways: each is reached with its share, and nothing is asked of the whole that it does not have.

use chreode::Error;
use chreode::evaluate::mass::relative_mass_error;
use chreode::evaluate::protocol::Protocol;
use chreode::evaluate::validation::{Annotations, ValidationOptions};
use chreode::exec::progress::silent;
use chreode::exec::rng::{Purpose, normals, stream};
use chreode::exec::stop::Stop;
use chreode::fates::{FateOptions, Labels, fates};
use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::method::{FitOptions, Method, NamedRecipe, Preset, fit, validate};
use chreode::model::Dynamics;
use chreode::options::Settings;
use chreode::simulate::simulation::{Process, Simulation};
use chreode::simulate::{Particles, branching, sde};
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::work::Plan;

/// A Y in the plane: cells at (0, 0), at time 1 on the stem, and at time 2 so many at (4, 2) and at (4, −2), each cloud of deviation 0.3.
fn forked(up: usize, down: usize) -> Snapshots {
    let clouds =
        [(0.0, [0.0, 0.0], 200), (1.0, [2.0, 0.0], 200), (2.0, [4.0, 2.0], up), (2.0, [4.0, -2.0], down)];
    let (mut points, mut labels) = (vec![], vec![]);
    for (number, (time, centre, count)) in clouds.into_iter().enumerate() {
        let mut noise = vec![0.0; 2 * count];
        normals(&mut stream(7, Purpose::Dataset, number as u64, 0), &mut noise);
        points.extend(noise.iter().enumerate().map(|(i, z)| centre[i % 2] + 0.3 * z));
        labels.extend(std::iter::repeat_n(time, count));
    }
    Snapshots::new(MatrixView::from_f64(&points, labels.len(), 2).unwrap(), &labels, None).unwrap()
}

/// Small networks, and steps enough for two clouds.
fn options() -> FitOptions {
    let mut options = FitOptions::of(Method::BranchSbm.recipe(), Preset::Published);
    options.training.epochs = 400;
    options.training.hidden = vec![32; 2];
    options.training.learning_rate = 5e-3;
    options.interpolant_epochs = 100;
    options.rollout.growth_epochs = 300;
    options.seed = 3;
    options
}

/// What ends in a moment.
fn quick() -> FitOptions {
    let mut options = options();
    options.training.epochs = 6;
    options.interpolant_epochs = 4;
    (options.rollout.growth_epochs, options.rollout.joint_epochs) = (5, 3);
    options
}

fn fitted(snapshots: &Snapshots, options: &FitOptions) -> Dynamics {
    let fitted = fit(snapshots, options, &mut silent).unwrap();
    assert_eq!(fitted.stopped, None);
    fitted.dynamics
}

/// The masses of both branches at times, over that of the founders.
fn shares(model: &Dynamics, snapshots: &Snapshots, times: &[f64]) -> Vec<[f64; 2]> {
    let start = Particles::of_snapshot(snapshots, 0);
    let run = Simulation::default().run(model, &start, times, &Stop::default()).unwrap();
    let of_frame = |frame: &Particles| {
        assert_eq!(frame.len(), 2 * start.len());
        let mut masses = [0.0; 2];
        for (id, weight) in frame.ids.iter().zip(frame.weights()) {
            masses[(id % 2) as usize] += weight / start.mass();
        }
        masses
    };
    run.trajectory.frames.iter().map(of_frame).collect()
}

#[test]
fn two_ends_are_reached_with_their_shares_and_the_mass_is_kept_all_the_way() {
    let snapshots = forked(140, 60);
    let model = fitted(&snapshots, &options());
    assert_eq!((model.branches(), model.members()), (2, 1));
    let times: Vec<f64> = (0..=10).map(|i| 0.2 * f64::from(i)).collect();
    let shares = shares(&model, &snapshots, &times);
    assert!((shares[0][0] - 1.0).abs() < 1e-12 && shares[0][1] == 0.0, "all begins in the heaviest branch");
    for (share, time) in shares.iter().zip(&times) {
        assert!((share[0] + share[1] - 1.0).abs() < 0.05, "{time}: {share:?}");
    }
    let [up, down] = shares[10];
    assert!((up - 0.7).abs() < 0.05 && (down - 0.3).abs() < 0.05, "{up} : {down}");
    let measured = Protocol::default().run(&model, &snapshots, &Stop::default()).unwrap();
    let last = &measured.time_points[1];
    // Two samples of 200 such cells are 0.15 apart or so; 0.05 of the mass at the other end, 4 away, is 0.2.
    assert!(last.w1.mean < 0.4, "{}", last.w1.mean);
    assert!(last.rme.mean < 0.05 && measured.action.is_finite() && measured.action > 0.0);
    // Each way alone leads to its own end.
    for (index, height) in [(0, 2.0), (1, -2.0)] {
        let branch = model.branch(index).unwrap();
        let start = Particles::of_snapshot(&snapshots, 0);
        let end = Simulation::default().run(&branch, &start, &[2.0], &Stop::default()).unwrap();
        let frame = &end.trajectory.frames[0];
        let mean = |c: usize| frame.points.iter().skip(c).step_by(2).sum::<f32>() / frame.len() as f32;
        assert!((mean(0) - 4.0).abs() < 0.3 && (mean(1) - height).abs() < 0.3, "{index}");
        assert!((frame.mass() - start.mass()).abs() < 1e-9, "a branch alone keeps its mass");
    }
}

#[test]
fn a_population_that_grows_has_its_mass_at_the_end() {
    let snapshots = forked(350, 100);
    let model = fitted(&snapshots, &options());
    let [up, down] = shares(&model, &snapshots, &[2.0])[0];
    assert!((up - 1.75).abs() < 0.05 && (down - 0.5).abs() < 0.05, "{up}, {down}");
    assert!(relative_mass_error(1.0, up + down, &snapshots, 2).unwrap() < 0.03);
}

#[test]
fn ways_and_weights_learned_together_lose_none_of_it() {
    let snapshots = forked(140, 60);
    let mut options = options();
    (options.rollout.joint_epochs, options.rollout.energy_weight) = (100, 0.01);
    let model = fitted(&snapshots, &options);
    let [up, down] = shares(&model, &snapshots, &[2.0])[0];
    assert!((up - 0.7).abs() < 0.05 && (down - 0.3).abs() < 0.05, "{up} : {down}");
    let measured = Protocol::default().run(&model, &snapshots, &Stop::default()).unwrap();
    assert!(measured.time_points[1].w1.mean < 0.4, "{}", measured.time_points[1].w1.mean);
}

#[test]
fn held_out_cells_are_held_against_all_particles_of_their_founders() {
    let recipes = [NamedRecipe { name: "ways".into(), options: quick() }];
    let (annotations, options) = (Annotations::default(), ValidationOptions::default());
    let found = validate(&forked(140, 60), &annotations, &recipes, &options, &mut silent).unwrap();
    assert!(found.to_json().to_string().contains("\"ways\""));
    let verdict = found.verdict(0).unwrap().sentence;
    // Their masses are learned in a moment, places are not.
    assert!(verdict.starts_with("W1 to unseen cells is") && verdict.contains("mass"), "{verdict}");
}

/// The velocity at cells.
fn velocity(model: &Dynamics, snapshots: &Snapshots, time: f64) -> Vec<f32> {
    let points = snapshots.points(0);
    let mut values = vec![0.0; points.len()];
    let wanted = FieldValues { velocity: Some(&mut values), ..Default::default() };
    model.evaluate(time, &points, wanted, &mut Scratch::default());
    values
}

#[test]
fn a_single_branch_between_two_snapshots_is_what_metric_fm_learns_to_the_bit() {
    let snapshots = forked(140, 60).without(&[1.0]).unwrap();
    let mut one = quick();
    (one.branches, one.rollout.joint_epochs) = (1, 0);
    let mut metric = FitOptions::of(Method::MetricFm.recipe(), Preset::Published);
    (metric.training, metric.interpolant_epochs, metric.seed) =
        (one.training.clone(), one.interpolant_epochs, one.seed);
    let (branch, metric) = (fitted(&snapshots, &one).branch(0).unwrap(), fitted(&snapshots, &metric));
    for time in [0.0, 0.7, 2.0] {
        assert_eq!(velocity(&branch, &snapshots, time), velocity(&metric, &snapshots, time), "{time}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads_and_from_the_file() {
    let snapshots = forked(140, 60);
    let made = |threads: usize| {
        let mut options = quick();
        (options.threads, options.guard) = (threads, true);
        fitted(&snapshots, &options)
    };
    let model = made(1);
    let bytes = model.to_bytes();
    for threads in [2, 3] {
        assert!(made(threads).to_bytes() == bytes, "{threads}");
    }
    let header = String::from_utf8_lossy(&bytes).into_owned();
    assert!(header.contains(r#"format_version\":6"#) && !header.contains("members"));
    let back = Dynamics::from_bytes(&bytes).unwrap();
    assert!(back == model && back.to_bytes() == bytes);
    let start = Particles::of_snapshot(&snapshots, 0);
    let run = |model: &Dynamics, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Simulation::default().run(model, &start, &[1.0, 2.0], &Stop::default())).unwrap()
    };
    let (one, three) = (run(&model, 1), run(&back, 3));
    assert!(one == three);
    let first = &one.trajectory.frames[0];
    assert_eq!((&first.ids[..4], &first.ancestors[..4]), (&[0, 1, 2, 3][..], &[0, 0, 1, 1][..]));
    // A branch is a model like any other, and its file as old as its kind.
    let branch = model.branch(1).unwrap();
    assert!(Dynamics::from_bytes(&branch.to_bytes()).unwrap() == branch && branch.branches() == 0);
    assert!(!String::from_utf8_lossy(&branch.to_bytes()).contains("branches"));
    // An older reader would take the lists of networks for something else.
    let older = header.len();
    let text = bytes.iter().map(|&byte| byte as char).collect::<String>();
    let text = text.replacen(r#"format_version\":6"#, r#"format_version\":5"#, 1);
    let older_bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
    assert!(
        older > 0
            && matches!(Dynamics::from_bytes(&older_bytes), Err(Error::ModelFile(told)) if told.contains("`branches` is not of format version 5"))
    );
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let snapshots = forked(140, 60);
    let told = |change: &dyn Fn(&mut FitOptions), snapshots: &Snapshots| {
        let mut options = quick();
        change(&mut options);
        fit(snapshots, &options, &mut silent).unwrap_err().to_string()
    };
    assert_eq!(told(&|options| options.branches = 0, &snapshots), "branches must be at least 1, got 0");
    assert_eq!(
        told(&|options| options.branches = 201, &snapshots),
        "branches must be at most 200, the different places of the cells at time 2, got 201"
    );
    assert_eq!(
        told(&|options| options.ensemble = 2, &snapshots),
        "ensemble must be 1 with branch-sbm: its branches are no members of an ensemble, got 2"
    );
    let clones: Vec<Option<u32>> = (0..600).map(|i| Some(i % 3)).collect();
    let in_clones = snapshots.clone().with_clones(&clones).unwrap();
    assert!(told(&|_| {}, &in_clones).contains("branch-sbm: it couples no cells of consecutive snapshots"));
}

#[test]
fn what_a_model_of_branches_does_not_have_is_refused_and_a_branch_has_it() {
    let snapshots = forked(140, 60);
    let model = fitted(&snapshots, &quick());
    let (start, stop) = (Particles::of_snapshot(&snapshots, 0), Stop::default());
    let run = |model: &Dynamics, simulation: Simulation, start: &Particles, times: &[f64]| {
        simulation.run(model, start, times, &stop).map(drop)
    };
    let whole = |told: chreode::Result<()>, what: &str| {
        let told = told.unwrap_err().to_string();
        let wanted =
            format!("the model must be a population with one velocity for {what}; of a model of branches");
        assert!(told.starts_with(&wanted) && told.ends_with("got one of 2 branches"), "{told}");
    };
    for (process, what) in [(Process::Sde, "the mode sde"), (Process::Branching, "the mode branching")] {
        let simulation = Simulation { process, step: Some(0.5), ..Simulation::default() };
        whole(run(&model, simulation, &start, &[2.0]), what);
        run(&model.branch(0).unwrap(), simulation, &start, &[2.0]).unwrap();
    }
    let steps = sde::Options { step: 0.5, seed: 0, resample_below: 0.0 };
    whole(sde::simulate(&model, &start, &[2.0], &steps, &stop).map(drop), "the mode sde");
    let steps = branching::Options::new(0.5, 1);
    whole(branching::simulate(&model, &start, &[2.0], &steps, &stop).map(drop), "the mode branching");
    let labels = Labels::new((0..600).map(|i| Some(u32::from(i >= 540))).collect()).unwrap();
    let asked =
        |model: &Dynamics| fates(model, &snapshots, &labels, &FateOptions::default(), &stop).map(drop);
    whole(asked(&model), "fates");
    asked(&model.branch(1).unwrap()).unwrap();
    let plan = Plan::simulate(&model, &snapshots, &[2.0], &Settings::default(), 100).map(drop);
    whole(plan, "a plan");
    whole(Plan::evaluate(&model, &snapshots, &Settings::default()).map(drop), "a plan");
    // Which way a cell goes is not known from later on, nor from before.
    let later = Particles::of_snapshot(&snapshots, 1);
    let told = run(&model, Simulation::default(), &later, &[2.0]).unwrap_err().to_string();
    assert!(
        told.starts_with("the time of the start must be 0, the first that the branches were learned from"),
        "{told}"
    );
    let told = run(&model, Simulation::default(), &start, &[-1.0]).unwrap_err().to_string();
    assert_eq!(told, "output times must be from 0 on for a model of branches, got -1");
    // The fields of the whole are no numbers, and it has no landscape and no branch beyond its own.
    assert!(velocity(&model, &snapshots, 1.0).iter().all(|v| v.is_nan()));
    assert!(velocity(&model.branch(0).unwrap(), &snapshots, 1.0).iter().all(|v| v.is_finite()));
    let mut values = vec![0.0; 200];
    assert!(model.landscape(0.0, &snapshots.points(0), &mut values, &mut Scratch::default()).is_err());
    assert_eq!(
        model.branch(2).unwrap_err().to_string(),
        "branch must be below 2, the number of branches, got 2"
    );
    let plain = model.branch(0).unwrap().branch(0).unwrap_err().to_string();
    assert_eq!(plain, "branch must be left out: the model has no branches, got 0");
}
