//! An ensemble is the mean of its members, tells how far it may be off, and is the same at any number of threads.

use std::ops::ControlFlow;

use chreode::datasets::{BranchingTree, GaussianMixture, GeneNetwork};
use chreode::evaluate::ensemble::{evaluate_model, masses};
use chreode::evaluate::protocol::Protocol;
use chreode::exec::progress::{Progress, silent};
use chreode::exec::rng::{Purpose, stream};
use chreode::exec::stop::Stop;
use chreode::fields::{FieldValues, Fields, Scratch, SpreadScratch};
use chreode::method::{Fit, FitOptions, Method, fit};
use chreode::model::Dynamics;
use chreode::simulate::Particles;
use chreode::simulate::simulation::Simulation;
use chreode::statistics::Estimate;
use chreode::{Error, Snapshots};
use rand::Rng;

const MEMBERS: usize = 3;

fn cells() -> Snapshots {
    GeneNetwork { cells_per_state: 8, seed: 2 }.generate().unwrap()
}

/// A quick fit of small networks.
fn options(method: Method, ensemble: usize) -> FitOptions {
    let mut options = FitOptions::new(method);
    options.ensemble = ensemble;
    options.seed = 5;
    options.training.epochs = 4;
    options.training.batch_size = 8;
    options.training.hidden = vec![6, 5];
    options.training.growth_hidden = Some(vec![4]);
    options.training.score_hidden = Some(vec![4]);
    options.rollout.pretraining_epochs = options.rollout.pretraining_epochs.min(2);
    options.rollout.score_epochs = options.rollout.score_epochs.min(2);
    options.rollout.steps = 2;
    options.rollout.finetune_steps = options.rollout.finetune_steps.min(2);
    options.interpolant_epochs = 2;
    options.rollout.growth_epochs = 2;
    options
}

fn fitted(snapshots: &Snapshots, options: &FitOptions) -> Fit {
    let fitted = fit(snapshots, options, &mut silent).unwrap();
    assert_eq!(fitted.stopped, None);
    fitted
}

fn ensemble(method: Method) -> Dynamics {
    fitted(&cells(), &options(method, MEMBERS)).dynamics
}

/// v, g and s at the cells of the second snapshot.
fn fields(model: &Dynamics, snapshots: &Snapshots) -> [Vec<f32>; 3] {
    values(snapshots, |points, values| {
        model.evaluate(snapshots.times()[1], points, values, &mut Scratch::default())
    })
}

fn deviations(model: &Dynamics, snapshots: &Snapshots) -> [Vec<f32>; 3] {
    values(snapshots, |points, values| {
        model.field_sd(snapshots.times()[1], points, values, &mut SpreadScratch::default()).unwrap();
    })
}

fn values(snapshots: &Snapshots, evaluate: impl FnOnce(&[f32], FieldValues<'_>)) -> [Vec<f32>; 3] {
    let points = snapshots.points(1);
    let mut all = [vec![0.0; points.len()], vec![0.0; snapshots.count(1)], vec![0.0; points.len()]];
    let [velocity, growth, score_drift] = &mut all;
    evaluate(
        &points,
        FieldValues { velocity: Some(velocity), growth: Some(growth), score_drift: Some(score_drift) },
    );
    all
}

fn members(model: &Dynamics) -> Vec<Dynamics> {
    (0..model.members()).map(|index| model.member(index).unwrap()).collect()
}

#[test]
fn an_ensemble_of_one_is_the_plain_fit_to_the_bit() {
    for &method in Method::ALL {
        let (snapshots, options) = (cells(), options(method, 1));
        let mut plain = options.clone();
        plain.ensemble = FitOptions::new(method).ensemble;
        let (one, plain) = (fitted(&snapshots, &options), fitted(&snapshots, &plain));
        assert_eq!(one.dynamics.to_bytes(), plain.dynamics.to_bytes(), "{method}");
        assert!(one.dynamics.members() == 1 && one.report.ensemble.is_none());
        // Neither key of an ensemble, so that the file is what it was before there were any.
        let header = one.dynamics.to_bytes();
        let header = String::from_utf8_lossy(&header);
        assert!(!header.contains("members") && !header.contains("uncertainty"), "{method}");
    }
}

#[test]
fn the_fields_are_the_means_of_the_members_fields() {
    let snapshots = cells();
    for &method in Method::ALL.iter().filter(|method| method.recipe().takes("ensemble")) {
        let model = ensemble(method);
        assert_eq!(model.members(), MEMBERS);
        let of_members: Vec<_> = members(&model).iter().map(|member| fields(member, &snapshots)).collect();
        for (f, mean) in fields(&model, &snapshots).iter().enumerate() {
            let largest = mean.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            for (i, &mean) in mean.iter().enumerate() {
                let of_members: Vec<f64> = of_members.iter().map(|fields| fields[f][i].into()).collect();
                // Sums of three numbers in single precision.
                let error = (f64::from(mean) - Estimate::of(&of_members).mean).abs();
                assert!(error <= 1e-6 * f64::from(largest), "{method}: field {f} is off by {error:e}");
            }
        }
        let velocities: Vec<&Vec<f32>> = of_members.iter().map(|fields| &fields[0]).collect();
        assert!(velocities[0] != velocities[1] && velocities[1] != velocities[2], "{method}");
        if model.has_landscape() {
            let landscape = |model: &Dynamics| {
                let mut values = vec![0.0; snapshots.count(1)];
                let scratch = &mut Scratch::default();
                model.landscape(1.0, &snapshots.points(1), &mut values, scratch).unwrap();
                values
            };
            let of_members: Vec<Vec<f32>> = members(&model).iter().map(landscape).collect();
            for (i, mean) in landscape(&model).into_iter().enumerate() {
                let want = of_members.iter().map(|values| values[i]).sum::<f32>() / MEMBERS as f32;
                assert!((mean - want).abs() <= 1e-5 * want.abs().max(0.01), "{mean}, not {want}");
            }
        }
    }
}

#[test]
fn the_bias_is_by_how_much_a_fit_at_half_the_price_is_off_where_that_goes_with_its_inverse() {
    let trained = |method: Method| {
        let mut options = options(method, MEMBERS);
        (options.training.epochs, options.training.batch_size) = (300, 64);
        (options.training.hidden, options.training.growth_hidden) = (vec![24, 24], Some(vec![24]));
        options
    };
    // Cells that only move between two snapshots: at a finite price some die behind and are born ahead.
    let tree =
        BranchingTree { cells: 300, dims: 2, fates: 1, time_points: 2, spread: 0.3, ..Default::default() };
    let tree = tree.generate().unwrap();
    let model = fitted(&tree, &trained(Method::Usb)).dynamics;
    let errors = model.info().uncertainty.unwrap();
    assert!(errors.growth.biased, "{errors:?}");
    let bias = values(&tree, |points, values| {
        model.field_bias(tree.times()[1], points, values, &mut Scratch::default()).unwrap();
    });
    // It is the first after the members.
    let mut at_half = trained(Method::Usb);
    at_half.ensemble = 1;
    at_half.delta = model.info().delta.map(|delta| delta * 0.5f64.sqrt());
    at_half.sigma = Some(model.info().sigma);
    at_half.seed = stream(5, Purpose::Ensemble, MEMBERS as u64, 0).next_u64();
    let (mean, at_half) = (fields(&model, &tree), fields(&fitted(&tree, &at_half).dynamics, &tree));
    let biased = [errors.velocity, errors.growth, errors.score_drift].map(|error| error.biased);
    for (f, biased) in biased.into_iter().enumerate() {
        let largest = mean[f].iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for ((&bias, &at_half), &mean) in bias[f].iter().zip(&at_half[f]).zip(&mean[f]) {
            // The numbers of the fit at half went through their squares, and hundreds of steps.
            let want = if biased { at_half - mean } else { 0.0 };
            assert!((bias - want).abs() <= 1e-3 * largest, "field {f}: {bias}, not {want}");
        }
    }
    let growth = |growth: f32| f64::from(growth).powi(2);
    // All cells divide at one rate, 0 where there is one fate: less its bias the field is nearer.
    let off: f64 = mean[1].iter().map(|&g| growth(g)).sum();
    let less: f64 = mean[1].iter().zip(&bias[1]).map(|(g, bias)| growth(g - bias)).sum();
    assert!(less < 0.7 * off, "{less} of {off}");
    let read = Dynamics::from_bytes(&model.to_bytes()).unwrap();
    assert_eq!(read, model);
    assert!(String::from_utf8_lossy(&model.to_bytes()).contains("cheaper.growth.0.weight"));

    // A cloud that grows where it is, beside one that splits: the price is too high, and moves get less with its inverse.
    let mixture = GaussianMixture { dims: 2, ..Default::default() }.generate().unwrap();
    let model = fitted(&mixture, &trained(Method::Usb)).dynamics;
    let errors = model.info().uncertainty.unwrap();
    assert!(errors.growth.resolution.is_some_and(|r| r > 0.1) && !errors.growth.biased, "{errors:?}");
    // One has no price; of the other it is not known how what its price makes wrong goes with it.
    for method in [Method::OtCfm, Method::DeepRuot] {
        let model = ensemble(method);
        let errors = model.info().uncertainty.unwrap();
        assert!(!errors.velocity.biased && !errors.growth.biased, "{method}");
        let bias = values(&cells(), |points, values| {
            model.field_bias(1.0, points, values, &mut Scratch::default()).unwrap();
        });
        assert!(bias.iter().flatten().all(|&bias| bias == 0.0), "{method}");
        assert!(!String::from_utf8_lossy(&model.to_bytes()).contains("cheaper"));
    }
}

#[test]
fn deviations_are_those_over_the_members_and_what_intervals_add() {
    let snapshots = cells();
    let model = ensemble(Method::Usb);
    let of_members: Vec<_> = members(&model).iter().map(|member| fields(member, &snapshots)).collect();
    let errors = model.info().uncertainty.unwrap();
    let (length, duration) = {
        let bytes = model.to_bytes();
        let header = String::from_utf8_lossy(&bytes).replace('\\', "");
        let number = |name: &str| -> f64 {
            let after = header.split(&format!("\"{name}\":")).nth(1).unwrap();
            after.split([',', '}']).next().unwrap().parse().unwrap()
        };
        (number("length"), number("duration"))
    };
    let sigma = model.info().sigma;
    let units = [length / duration, 1.0 / duration, sigma / duration.sqrt()];
    let added = [errors.velocity, errors.growth, errors.score_drift].map(|error| error.resolution.unwrap());
    let shrunk = [errors.velocity, errors.growth, errors.score_drift].map(|error| error.shrinkage);
    // If nothing is added to what members differ by, that is shrunk, or all that fits move by.
    for (&added, &by) in added.iter().zip(&shrunk) {
        assert!((0.0..=1.0).contains(&by) && (added > 0.0 || by > 0.0), "{added} {by}");
    }
    for (f, sds) in deviations(&model, &snapshots).iter().enumerate() {
        for (i, &sd) in sds.iter().enumerate() {
            let of_members: Vec<f64> = of_members.iter().map(|fields| fields[f][i].into()).collect();
            let by_cells = model.info().stretch * Estimate::of(&of_members).sd;
            let want = ((shrunk[f] * by_cells).powi(2) + (added[f] * units[f]).powi(2)).sqrt();
            assert!((f64::from(sd) - want).abs() <= 1e-5 * want, "field {f}: {sd}, not {want}");
        }
    }
    let plain = fitted(&snapshots, &options(Method::Usb, 1)).dynamics;
    let mut sd = vec![0.0; 2];
    let wanted = FieldValues { velocity: Some(&mut sd), ..Default::default() };
    let told = plain.field_sd(0.0, &[0.0; 2], wanted, &mut SpreadScratch::default()).unwrap_err().to_string();
    assert!(told.starts_with("the number of members of the model must be 2 or more"), "{told}");
    assert!(model.member(MEMBERS).unwrap_err().to_string().starts_with("member must be below 3"));
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads_and_another_seed_others() {
    for method in [Method::Usb, Method::WfrFm, Method::VarRuot] {
        let at = |threads: usize, seed: u64| {
            let mut options = options(method, MEMBERS);
            (options.threads, options.seed) = (threads, seed);
            fitted(&cells(), &options).dynamics.to_bytes()
        };
        let one = at(1, 5);
        assert!(one == at(2, 5) && one == at(4, 5), "{method}");
        assert_ne!(one, at(2, 6), "{method}");
    }
}

#[test]
fn a_file_gives_the_ensemble_back_and_a_damaged_one_an_error() {
    let model = ensemble(Method::DeepRuot);
    let bytes = model.to_bytes();
    let back = Dynamics::from_bytes(&bytes).unwrap();
    assert_eq!(back, model);
    assert_eq!(back.to_bytes(), bytes);
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let damaged = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
        Dynamics::from_bytes(&damaged).unwrap_err().to_string()
    };
    assert!(replaced(r#"members\":3"#, r#"members\":4"#).contains("the 3.velocity network lacks a tensor"));
    assert!(replaced(r#"members\":3"#, r#"members\":2"#).contains("of other members"));
    assert!(replaced(r#"members\":3"#, r#"members\":1"#).contains("`members`"));
    assert!(replaced(r#"members\":3"#, r#"members\":x"#).contains("metadata"));
    for (version, told) in [(4, "`stretch` is not of format version 4"), (3, "not of format version 3")] {
        let damaged = replaced(r#"format_version\":7"#, &format!(r#"format_version\":{version}"#));
        assert!(damaged.contains(told), "{damaged}");
    }
    assert!(replaced(r#"stretch\":2.0"#, r#"stretch\":0.0"#).contains("stretch must be positive"));
    let negative = replaced(r#"sampling\":0."#, r#"sampling\":-1"#);
    assert!(negative.contains("`sampling` is negative") || negative.contains("its metadata"), "{negative}");
    for cut in [bytes.len() - 1, bytes.len() / 2, 9] {
        assert!(matches!(Dynamics::from_bytes(&bytes[..cut]), Err(Error::ModelFile(_))));
    }
}

/// On Linux: elsewhere the system does not tell.
#[test]
#[cfg(target_os = "linux")]
fn the_processor_seconds_are_those_of_all_members() {
    let mut options = options(Method::Usb, 1);
    (options.training.epochs, options.training.batch_size) = (60, 200);
    let seconds = |options: &FitOptions| fitted(&cells(), options).report.cpu_seconds.unwrap();
    let single = seconds(&options);
    options.ensemble = MEMBERS;
    // Three members and five fits beside them; a machine that throttles makes less of them, but not a single one.
    let all = seconds(&options);
    assert!(all > 1.5 * single, "{all} against {single}");
}

#[test]
fn two_snapshots_have_a_warning_and_uneven_ones_errors_by_their_own_clock() {
    let all = cells();
    let two = fitted(&all.without(&[1.0, 2.0, 3.0]).unwrap(), &options(Method::Usb, 2));
    assert!(two.report.warnings.iter().any(|warning| warning.starts_with("between two snapshots")));
    let errors = two.dynamics.info().uncertainty.unwrap();
    // The price of growth is known to matter all the same.
    assert!(errors.growth.resolution.is_some_and(f64::is_finite));
    let report = two.report.ensemble.unwrap();
    assert_eq!((report.coarse_fits, report.cheaper_fits), (0, 2));
    // Of a method without a price nothing is known beside the cells.
    let balanced = fitted(&all.without(&[1.0, 2.0, 3.0]).unwrap(), &options(Method::OtCfm, 2));
    let errors = balanced.dynamics.info().uncertainty.unwrap();
    assert_eq!((errors.velocity.resolution, errors.velocity.inflation()), (None, 1.0));
    assert_eq!(balanced.report.ensemble.unwrap().cheaper_fits, 0);
    // Four snapshots, of which each coarse fit leaves out another.
    let uneven = all.without(&[3.0]).unwrap();
    let mut longer = options(Method::Usb, 2);
    longer.training.epochs = 200;
    let model = fitted(&uneven, &longer).dynamics;
    let error = model.info().uncertainty.unwrap().velocity;
    assert!(error.resolution.unwrap() > 0.0 && error.inflation() > 1.0, "{error:?}");
    // The last interval is twice as long: what is added to a velocity there is half as much.
    let sd = |time: f64| {
        let (mut sd, mut of_members) = (vec![0.0; 2], vec![]);
        let wanted = FieldValues { velocity: Some(&mut sd), ..Default::default() };
        model.field_sd(time, &[1.0, 1.0], wanted, &mut SpreadScratch::default()).unwrap();
        for member in members(&model) {
            let mut velocity = vec![0.0; 2];
            let values = FieldValues { velocity: Some(&mut velocity), ..Default::default() };
            member.evaluate(time, &[1.0, 1.0], values, &mut Scratch::default());
            of_members.push(f64::from(velocity[0]));
        }
        (f64::from(sd[0]).powi(2) - model.deviation_over_members(&of_members).powi(2)).sqrt()
    };
    assert!((sd(0.5) / sd(3.0) - 2.0).abs() < 1e-3, "{} and {}", sd(0.5), sd(3.0));
}

#[test]
fn masses_and_measures_have_the_errors_that_the_members_differ_by() {
    let (snapshots, model) = (cells(), ensemble(Method::Usb));
    let (start, simulation) = (Particles::of_snapshot(&snapshots, 0), Simulation::default());
    let run = |model: &Dynamics| {
        let outcome = simulation.run(model, &start, snapshots.times(), &Stop::default()).unwrap();
        outcome.trajectory.frames
    };
    let frames = run(&model);
    let estimates = masses(&model, &simulation, &start, &frames, &Stop::default()).unwrap().unwrap();
    let of_members: Vec<Vec<Particles>> = members(&model).iter().map(run).collect();
    let inflation = model.info().uncertainty.unwrap().growth.inflation();
    for (k, estimate) in estimates.iter().enumerate() {
        let at_k: Vec<f64> = of_members.iter().map(|frames| frames[k].mass()).collect();
        assert_eq!(estimate.mean, frames[k].mass());
        assert!(
            (estimate.sd - inflation * model.info().stretch * Estimate::of(&at_k).sd).abs()
                <= 1e-12 * estimate.mean
        );
    }
    assert!(estimates[0].sd == 0.0 && estimates[4].sd > 0.0);
    let off = Simulation { error_bars: false, ..simulation };
    assert_eq!(masses(&model, &off, &start, &frames, &Stop::default()), Ok(None));
    assert_eq!(masses(&model.member(0).unwrap(), &simulation, &start, &frames, &Stop::default()), Ok(None));

    let options = Protocol::default().options(&model, &snapshots).unwrap();
    let measured = evaluate_model(&model, &snapshots, &options, true, &Stop::default()).unwrap();
    let w1 = |member: &Dynamics| {
        let measured = evaluate_model(member, &snapshots, &options, true, &Stop::default()).unwrap();
        assert!(measured.time_points.iter().all(|point| point.errors.is_none()));
        measured.time_points[2].w1.mean
    };
    let of_members: Vec<f64> = members(&model).iter().map(w1).collect();
    let want = model.deviation_over_members(&of_members);
    assert_eq!(want, model.info().stretch * Estimate::of(&of_members).sd);
    assert!((measured.time_points[2].errors.unwrap().w1 / want - 1.0).abs() < 1e-12);
}

#[test]
fn progress_runs_from_nothing_to_all_and_a_break_leaves_the_members_begun() {
    let (snapshots, mut options) = (cells(), options(Method::Usb, MEMBERS));
    options.threads = 2;
    let mut seen: Vec<Progress> = vec![];
    fit(&snapshots, &options, &mut |now| {
        seen.push(*now);
        ControlFlow::Continue(())
    })
    .unwrap();
    let training: Vec<&Progress> = seen.iter().filter(|now| now.stage.as_str() == "training").collect();
    let total = (MEMBERS + 5) * options.training.epochs;
    assert!(training.iter().all(|now| now.total == total));
    assert!(training.windows(2).all(|pair| pair[0].done <= pair[1].done));
    assert_eq!((training[0].done, training[training.len() - 1].done), (0, total));

    let mut long = options.clone();
    long.training.epochs = 1_000_000;
    let mut asked = 0;
    let stopped = fit(&snapshots, &long, &mut |now| {
        asked += usize::from(now.done > 0);
        if asked == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(stopped.stopped, Some(Error::Cancelled));
    assert_eq!((stopped.dynamics.members(), stopped.dynamics.info().uncertainty), (2, None));
    assert!(fields(&stopped.dynamics, &snapshots).iter().flatten().all(|x| x.is_finite()));
    let at_once = fit(&snapshots, &options, &mut |now| match now.stage.as_str() {
        "training" => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(at_once.unwrap_err(), Error::Cancelled);
}

#[test]
fn what_one_member_cannot_do_is_the_error_of_all() {
    let (snapshots, mut options) = (cells(), options(Method::WfrFm, MEMBERS));
    options.training.learning_rate = 1e300;
    let exploded = fit(&snapshots, &options, &mut silent).unwrap();
    assert!(matches!(exploded.stopped, Some(Error::NonFinite(_))), "{:?}", exploded.stopped);
    assert_eq!(exploded.dynamics.info().uncertainty, None);
    options.training.learning_rate = 1e-3;
    options.training.hidden = vec![0];
    let refused = fit(&snapshots, &options, &mut silent).unwrap_err().to_string();
    assert!(refused.starts_with("hidden must be at least 1"), "{refused}");
}
