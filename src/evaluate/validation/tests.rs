use super::*;
use crate::exec::progress::silent;
use crate::exec::rng::{Purpose, normals, stream};
use crate::fields::ClosedForm;
use crate::snapshots::MatrixView;

const DRIFT: [f32; 2] = [3.0, -1.0];
const GROWTH: f64 = 0.2;

/// Independent normal samples in the plane at the times 0, 1, 2 and 4, moved by a constant drift, with masses that grow.
fn drifting(cells: usize, sigma: f64) -> Snapshots {
    let times = [0.0, 1.0, 2.0, 4.0];
    let mut points = vec![];
    for (k, time) in times.iter().enumerate() {
        let mut noise = vec![0.0; 2 * cells];
        normals(&mut stream(1, Purpose::Dataset, k as u64, 0), &mut noise);
        let spread = (1.0 + sigma * sigma * time).sqrt();
        points.extend(noise.iter().enumerate().map(|(i, z)| z * spread + f64::from(DRIFT[i % 2]) * time));
    }
    let labels: Vec<f64> = times.iter().flat_map(|&t| std::iter::repeat_n(t, cells)).collect();
    let view = MatrixView::from_f64(&points, labels.len(), 2).unwrap();
    let masses = times.map(|time| (GROWTH * time).exp());
    Snapshots::new(view, &labels, None).unwrap().with_masses(&masses).unwrap()
}

/// Fields of that drift times `speed`.
fn fields(speed: f32, sigma: f64) -> ClosedForm {
    ClosedForm {
        dims: 2,
        sigma,
        velocity: Box::new(move |_, _, v| v.copy_from_slice(&DRIFT.map(|d| d * speed))),
        growth: Box::new(|_, _| GROWTH as f32),
        score_drift: Box::new(|_, _, s| s.fill(0.0)),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("recipe {i}")).collect()
}

/// Recipe i knows the true fields, times these speeds.
fn with_speeds(snapshots: &Snapshots, speeds: &[f32], sigma: f64, options: &ValidationOptions) -> Validation {
    let learn =
        |lesson: &Lesson<'_>| Ok(Learned { fields: fields(speeds[lesson.recipe], sigma), seconds: 2.0 });
    validate(snapshots, &Annotations::default(), &names(speeds.len()), learn, options, &mut silent).unwrap()
}

fn scores(validation: &Validation, recipe: usize) -> &Scores {
    validation.recipes[recipe].scores.as_ref().unwrap()
}

#[test]
fn the_true_flow_scores_as_a_second_sample_does_and_others_do_not() {
    let snapshots = drifting(600, 0.0);
    let options = ValidationOptions { splits: Some(8), ..Default::default() };
    let found = with_speeds(&snapshots, &[1.0, 0.9, 0.0], 0.0, &options);
    let truth = scores(&found, 0);
    assert_eq!((truth.simulator.process, truth.simulator.particles), (Process::Ode, 1));
    // Founders in matched pairs stand for the whole sample better than cells drawn at random, so the ratio is a little below 1;
    // all splits are of one sample, whose chance remains.
    assert!((0.75..1.1).contains(&truth.ratio.mean), "{:?}", truth.ratio);
    assert!(truth.energy.mean.abs() < 0.005 && truth.rme.mean < 1e-6, "{truth:?}");
    assert_eq!(truth.cpu_seconds, 2.0);
    assert_eq!(found.verdict(0).unwrap().trust, Trust::Holds);
    assert_eq!(found.best(), Some(0));
    // A drift that is a tenth too slow misses by .1·√10·t at time t: with t = 1, 2, 4, .738 in the mean; W1 is at least that of the
    // means, and a coupling by founders has no more than that beside the noise.
    let slow = scores(&found, 1);
    assert!((slow.w1.mean - 0.738).abs() < 0.1 && slow.ratio.mean > 2.0, "{:?}", slow.w1);
    assert_eq!(found.is_as_good_as_best(1), Some(false));
    let two = ValidationOptions { splits: Some(2), ..options };
    let two = with_speeds(&snapshots, &[1.0, 0.9], 0.0, &two);
    assert_eq!(two.is_as_good_as_best(1), None, "from two splits nearly nothing can be told");
    assert_eq!(found.verdict(1).unwrap().trust, Trust::InTheMain);
    // No motion at all is the baseline, which has no growth besides.
    let still = scores(&found, 2);
    assert!((still.ratio.mean / found.nothing_moves_ratio.mean - 1.0).abs() < 1e-9);
    assert_eq!(found.verdict(2).unwrap().trust, Trust::Fails);
    for (k, at) in found.nothing_moves.iter().enumerate() {
        assert!((at.w1 / still.times[k].w1 - 1.0).abs() < 1e-9);
        assert!((at.energy - still.times[k].energy).abs() < 1e-9 && at.energy > 0.1);
        assert!((at.rme - (1.0 - (-GROWTH * found.times[k]).exp())).abs() < 1e-9);
    }
}

#[test]
fn a_diffusion_is_predicted_by_several_particles_a_founder_without_bias() {
    // With s = 0 the drift v alone and the noise carry the law on.
    let snapshots = drifting(400, 0.8);
    let options = ValidationOptions { splits: Some(6), step: Some(0.2), ..Default::default() };
    let found = with_speeds(&snapshots, &[1.0], 0.8, &options);
    let truth = scores(&found, 0);
    assert_eq!((truth.simulator.process, truth.simulator.particles), (Process::Sde, 4));
    // More particles than cells: below the distance of two equal samples.
    assert!(truth.ratio.mean > 0.6 && truth.ratio.mean < 1.05, "{:?}", truth.ratio);
    assert!(truth.energy.mean.abs() < 0.01, "{:?}", truth.energy);
    let narrow = with_speeds(&snapshots, &[1.0], 0.0, &options);
    let narrow = scores(&narrow, 0).energy.mean;
    assert!(
        narrow > 0.01 && narrow > 5.0 * truth.energy.mean.abs(),
        "a missing spread is seen: {narrow}, {truth:?}"
    );
}

#[test]
fn held_out_times_stand_beside_their_neighbours_interpolation() {
    let snapshots = drifting(300, 0.0);
    let options = ValidationOptions { hold_out_times: true, splits: Some(1), seeds: 2, ..Default::default() };
    let seen = std::sync::Mutex::new(vec![]);
    let learn = |lesson: &Lesson<'_>| {
        seen.lock().unwrap().push((lesson.seen.times().to_vec(), lesson.seen.count(0), lesson.seed));
        Ok(Learned { fields: fields(1.0, 0.0), seconds: 0.0 })
    };
    let found =
        validate(&snapshots, &Annotations::default(), &names(1), learn, &options, &mut silent).unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let all = vec![0.0, 1.0, 2.0, 4.0];
    let (first, second) = (vec![0.0, 1.0, 4.0], vec![0.0, 2.0, 4.0]);
    assert_eq!(
        seen,
        [
            (all.clone(), 150, 0),
            (all, 150, 1),
            (first.clone(), 300, 0),
            (first, 300, 1),
            (second.clone(), 300, 0),
            (second, 300, 1)
        ]
    );
    let of = scores(&found, 0);
    assert_eq!(of.held_out_times.iter().map(|at| at.time).collect::<Vec<_>>(), [1.0, 2.0]);
    for (at, beside) in of.held_out_times.iter().zip(&found.held_out_times) {
        assert!(at.w1 < 0.3 && at.rme < 1e-6, "{at:?}");
        assert!(beside.interpolation_w1 < 0.3 && beside.interpolation_rme < 1e-9, "{beside:?}");
        let distance = 10f64.sqrt() * at.time;
        assert!((beside.nothing_moves_w1 / distance - 1.0).abs() < 0.1, "{beside:?}");
    }
    let mean = (of.held_out_times[0].w1 + of.held_out_times[1].w1) / 2.0;
    assert!((of.held_out_w1.unwrap().mean - mean).abs() < 1e-12);
}

#[test]
fn results_are_the_same_bits_at_any_number_of_threads() {
    let snapshots = drifting(120, 0.5);
    let with = |threads: usize| {
        let options = ValidationOptions {
            threads,
            splits: Some(3),
            seeds: 2,
            step: Some(0.5),
            hold_out_times: true,
            cap: 40,
            ..Default::default()
        };
        with_speeds(&snapshots, &[1.0, 0.7], 0.5, &options).to_json().to_string()
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

#[test]
fn thinning_is_told() {
    let snapshots = drifting(120, 0.0);
    let options = ValidationOptions { cap: 25, splits: Some(1), ..Default::default() };
    let found = with_speeds(&snapshots, &[1.0], 0.0, &options);
    assert_eq!((found.cells, found.cells_used), (480, 200));
}

#[test]
fn a_recipe_that_fails_says_why_and_the_others_have_their_scores() {
    let snapshots = drifting(40, 0.0);
    let learn = |lesson: &Lesson<'_>| match lesson.recipe {
        0 => Err(Error::NonFinite("the loss at epoch 3".into())),
        _ => Ok(Learned { fields: fields(1.0, 0.0), seconds: 0.0 }),
    };
    let run = |recipes: usize| {
        let options = ValidationOptions::default();
        validate(&snapshots, &Annotations::default(), &names(recipes), learn, &options, &mut silent)
    };
    let found = run(2).unwrap();
    assert!(found.recipes[0].scores.as_ref().unwrap_err().contains("the loss at epoch 3"));
    assert!(found.recipes[1].scores.is_ok() && found.best() == Some(1));
    assert!(found.verdict(0).is_none() && found.to_json()["recipes"][0]["failed"].is_string());
    assert_eq!(run(1), Err(Error::NonFinite("the loss at epoch 3".into())));
}

#[test]
fn the_growth_error_is_that_at_held_out_cells() {
    let snapshots = drifting(40, 0.0);
    let annotations = Annotations { growth: Some(vec![2.0 * GROWTH; 160]), parts: None };
    let learn = |_: &Lesson<'_>| Ok(Learned { fields: fields(1.0, 0.0), seconds: 0.0 });
    let options = ValidationOptions::default();
    let found = validate(&snapshots, &annotations, &names(1), learn, &options, &mut silent).unwrap();
    let of = scores(&found, 0);
    assert!((of.growth_error.unwrap().mean - 0.5).abs() < 1e-6, "{of:?}");
    assert!(of.growth_correlation.unwrap().mean.is_nan(), "both are constant");
}

#[test]
fn a_break_of_the_progress_function_cancels_and_progress_counts_fits() {
    let snapshots = drifting(40, 0.0);
    let options = ValidationOptions { threads: 2, ..Default::default() };
    let slow = |lesson: &Lesson<'_>| -> Result<Learned<ClosedForm>> {
        for hundredth in 0..1000 {
            if lesson.done(f64::from(hundredth) / 1000.0).is_break() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("nobody waits ten seconds")
    };
    let mut told = vec![];
    let mut progress = |now: &Progress| {
        assert_eq!((now.stage, now.total), (Stage::Validation, 300));
        told.push(now.done);
        if now.done > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let ended = validate(&snapshots, &Annotations::default(), &names(1), slow, &options, &mut progress);
    assert_eq!(ended, Err(Error::Cancelled));
    assert!(told[0] == 0 && told.len() >= 2 && told.is_sorted(), "{told:?}");
}

#[test]
fn what_cannot_be_validated_is_refused_by_name() {
    let snapshots = drifting(40, 0.0);
    let refused = |snapshots: &Snapshots, annotations: &Annotations, options: ValidationOptions| {
        let learn = |_: &Lesson<'_>| -> Result<Learned<ClosedForm>> { panic!("nothing is learned") };
        validate(snapshots, annotations, &names(1), learn, &options, &mut silent).unwrap_err().to_string()
    };
    let none = Annotations::default();
    let options = ValidationOptions::default;
    let single = snapshots.without(&[1.0, 2.0, 4.0]).unwrap();
    assert!(refused(&single, &none, options()).contains("there is one, 0"));
    let told = |options: ValidationOptions| refused(&snapshots, &none, options);
    assert!(told(ValidationOptions { splits: Some(0), ..options() }).contains("splits must be at least 1"));
    assert!(told(ValidationOptions { seeds: 0, ..options() }).contains("seeds must be at least 1"));
    assert!(told(ValidationOptions { particles: 0, ..options() }).contains("particles must be at least 1"));
    assert!(told(ValidationOptions { cap: 1, ..options() }).contains("cap must be at least 2"));
    assert!(told(ValidationOptions { folds: Some(21), ..options() }).contains("folds must be 2 to 20"));
    let branching = ValidationOptions { process: Some(Process::Branching), ..options() };
    assert!(told(branching).contains("mode must be ode or sde"));
    let two = snapshots.without(&[1.0, 2.0]).unwrap();
    let times = ValidationOptions { hold_out_times: true, ..options() };
    assert!(refused(&two, &none, times).contains("hold_out_times must be false for two snapshots"));
    let parts = Parts::new((0..160).map(|i| i % 2).collect(), vec!["a".into(), "b".into()]).unwrap();
    let halves = Annotations { parts: Some(parts), growth: None };
    let three = ValidationOptions { splits: Some(3), ..options() };
    assert!(refused(&snapshots, &halves, three).contains("at most 2, the number of parts"));
    let folds = ValidationOptions { folds: Some(2), ..options() };
    assert!(refused(&snapshots, &halves, folds).contains("left out where the parts are given"));
}

#[test]
fn intervals_are_over_splits_or_seeds_by_students_t() {
    let snapshots = drifting(40, 0.0);
    // The speed differs by seed, and W1 with it.
    let learn = |lesson: &Lesson<'_>| {
        Ok(Learned { fields: fields([1.0, 0.5, 0.0][lesson.seed as usize], 0.0), seconds: 0.0 })
    };
    let run = |splits: usize, seeds: usize| {
        let options = ValidationOptions { splits: Some(splits), seeds, ..Default::default() };
        let found =
            validate(&snapshots, &Annotations::default(), &names(1), learn, &options, &mut silent).unwrap();
        scores(&found, 0).clone()
    };
    assert!(run(1, 1).ratio.half_width.is_nan());
    let wide = run(1, 3).ratio;
    assert!(wide.half_width > wide.mean, "two degrees of freedom: {wide:?}");
    let of_splits = run(3, 3);
    let mean = of_splits.ratios.iter().sum::<f64>() / 3.0;
    let variance = of_splits.ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 2.0;
    assert!((of_splits.ratio.mean - mean).abs() < 1e-12);
    assert!((of_splits.ratio.half_width / (4.3027 * (variance / 3.0).sqrt()) - 1.0).abs() < 1e-9);
}
