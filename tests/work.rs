//! Units of work: tasks done in any order, anywhere, put together to the same bits as the call that does it all; and whatever is
//! wrong with a plan, a part or the data is found and named.

use std::ops::ControlFlow;
use std::time::Duration;

use chreode::datasets::GeneNetwork;
use chreode::evaluate::protocol::Protocol;
use chreode::evaluate::validation::{Annotations, Parts, Validation};
use chreode::exec::progress::{Progress, Stage, silent};
use chreode::exec::rng::{Purpose, stream};
use chreode::exec::stop::Stop;
use chreode::method::{Method, validate};
use chreode::options::validate::Request;
use chreode::options::{Settings, Target};
use chreode::simulate::Particles;
use chreode::simulate::simulation::Simulation;
use chreode::snapshots::MatrixView;
use chreode::work::{Inputs, Part, Plan};
use chreode::{Dynamics, Error, FitOptions, Snapshots};
use rand::Rng;

fn snapshots() -> Snapshots {
    GeneNetwork { cells_per_state: 30, seed: 4 }.generate().unwrap()
}

fn settings(options: &[(&str, &str)]) -> Settings<FitOptions> {
    let mut settings = Settings::default();
    for (name, text) in [("epochs", "12"), ("batch_size", "20"), ("hidden", "8x2")].iter().chain(options) {
        settings.set(name, text).unwrap();
    }
    settings
}

/// A plan that went through its bytes, as a worker gets it.
fn sent(plan: &Plan) -> Plan {
    Plan::from_bytes(&plan.to_bytes()).unwrap()
}

/// The parts of all tasks, done one by one in an order that is not theirs, each from a plan that was read anew.
fn parts(plan: &Plan, snapshots: &Snapshots) -> Vec<Vec<u8>> {
    let count = plan.tasks().len();
    let inputs = Inputs { snapshots, model: None };
    // 13 and the number of tasks have no divisor in common, here.
    assert!(count == 0 || !count.is_multiple_of(13));
    let order = (0..count).map(|i| (13 * i + 3) % count);
    order.map(|task| sent(plan).run(inputs, task, 1 + task % 2, &mut silent).unwrap()).collect()
}

fn named(parts: &[Vec<u8>]) -> impl Iterator<Item = Part<'_>> {
    parts.iter().map(|bytes| Part { name: "a part", bytes })
}

/// Fits at once and in tasks, and gives the number of these.
fn same_bits(snapshots: &Snapshots, options: &[(&str, &str)]) -> usize {
    let settings = settings(options);
    let at_once = chreode::fit(snapshots, &settings.build().unwrap(), &mut silent).unwrap();
    let plan = Plan::fit(snapshots, &settings, 1, &mut silent).unwrap();
    let parts = parts(&plan, snapshots);
    let fitted = sent(&plan).finish_fit(snapshots, named(&parts), 2, &mut silent).unwrap();
    assert!(fitted.dynamics.to_bytes() == at_once.dynamics.to_bytes(), "{options:?}");
    let told = |report: &chreode::method::FitReport| {
        let mut told = report.to_json();
        for seconds in ["coupling_seconds", "training_seconds", "cpu_seconds"] {
            told[seconds].take();
        }
        (told, report.losses.clone(), report.couplings.clone())
    };
    assert_eq!(told(&fitted.report), told(&at_once.report), "{options:?}");
    plan.tasks().len()
}

#[test]
fn a_fit_in_tasks_is_the_fit_at_once_for_every_method() {
    let snapshots = snapshots();
    for method in Method::ALL {
        let name = method.to_string();
        if method.recipe().coupling().is_some() {
            let learned = method.recipe().takes("interpolant_epochs");
            let steps = learned.then_some(("interpolant_epochs", "3"));
            // A potential takes longer to learn than fields.
            let is_potential = method.recipe().fields().contains(&"landscape");
            let epochs = is_potential.then_some(("epochs", "20"));
            let options = |more| {
                [("method", name.as_str()), more].into_iter().chain(steps).chain(epochs).collect::<Vec<_>>()
            };
            let blocks = same_bits(&snapshots, &options(("chunk_size", "40")));
            assert!(blocks > 10, "{name}: {blocks} blocks");
            assert_eq!(same_bits(&snapshots, &options(("seed", "3"))), 4, "{name}");
        } else {
            let short = [("method", name.as_str()), ("epochs", "2")];
            let of_branches = [("interpolant_epochs", "3"), ("growth_epochs", "3"), ("joint_epochs", "2")];
            let has_branches = method.recipe().takes("branches");
            let short: Vec<_> =
                short.into_iter().chain(of_branches.into_iter().filter(|_| has_branches)).collect();
            assert_eq!(same_bits(&snapshots, &short), 0, "{name}");
        }
    }
}

#[test]
fn an_ensemble_in_tasks_is_the_ensemble_at_once() {
    let snapshots = snapshots();
    let one_more: [(&str, &[(&str, &str)]); 6] = [
        ("usb", &[("finetune_steps", "2"), ("score_epochs", "3")]),
        ("vgfm", &[("finetune_steps", "2")]),
        ("metric-fm", &[("interpolant_epochs", "3")]),
        ("mioflow", &[("local_epochs", "2"), ("post_local_epochs", "3"), ("density_weight", "0.5")]),
        ("deep-ruot", &[]),
        ("var-ruot", &[]),
    ];
    for (method, more) in one_more {
        // Two members, two fits to every second snapshot and one to every fourth, and where growth has a price, two at half and a quarter of it.
        let options = [&[("method", method), ("ensemble", "2"), ("epochs", "2")], more].concat();
        let fits = if ["usb", "deep-ruot", "var-ruot"].contains(&method) { 7 } else { 5 };
        assert_eq!(same_bits(&snapshots, &options), fits, "{method}");
    }
}

/// Weights, of which some are 0, and masses that differ between times.
fn weighted() -> Snapshots {
    let all = snapshots();
    let of_time = |k: usize| (0..all.count(k)).map(move |i| ((i * 7 + k) % 5) as f64 / 3.0);
    reweighted(&all, &(0..all.len()).flat_map(of_time).collect::<Vec<_>>())
}

#[test]
fn weights_of_zero_and_of_any_size_are_coupled_as_at_once() {
    for method in ["usb", "ot-cfm", "uot-fm", "uot-growth"] {
        assert!(same_bits(&weighted(), &[("method", method), ("chunk_size", "30")]) > 10);
    }
}

/// The weighted cells, of which growth is expected at rates of either sign, and of some of which a clone is known.
fn expecting() -> Snapshots {
    let cells = weighted();
    let rates: Vec<f64> = (0..cells.cells()).map(|i| ((i * 11) % 7) as f64 / 10.0 - 0.3).collect();
    let clones: Vec<Option<u32>> = (0..cells.cells()).map(|i| [Some(1), None, Some(7)][i % 3]).collect();
    cells.with_growth_prior(&rates).unwrap().with_clones(&clones).unwrap()
}

#[test]
fn what_is_known_of_cells_is_that_of_the_fit_at_once_and_other_data_are_refused() {
    let cells = expecting();
    let options = [("method", "usb"), ("chunk_size", "30"), ("source_penalty", "5"), ("clone_penalty", "2")];
    assert!(same_bits(&cells, &options) > 10);
    assert_eq!(same_bits(&cells, &[("method", "usb"), ("ensemble", "2"), ("epochs", "2")]), 7);
    let plan = Plan::fit(&cells, &settings(&options), 1, &mut silent).unwrap();
    let told = plan.check_data(&weighted()).unwrap_err().to_string();
    assert!(told.contains("other growth priors"), "{told}");
    let task = plan.tasks().len() - 1;
    let run = |snapshots: &Snapshots| {
        sent(&plan).run(Inputs { snapshots, model: None }, task, 1, &mut silent).map_err(|e| e.to_string())
    };
    assert!(run(&weighted()).unwrap_err().contains("other growth priors"));
    // Of all cells, or of its own alone.
    let own = only(&cells, &plan.rows(task).unwrap().unwrap());
    assert_eq!(run(&own), run(&cells));
}

/// Snapshots of some cells of all.
fn only(snapshots: &Snapshots, rows: &[usize]) -> Snapshots {
    let mut of_time: Vec<Vec<usize>> = vec![vec![]; snapshots.len()];
    for &row in rows {
        let (mut k, mut before) = (0, 0);
        while row >= before + snapshots.count(k) {
            before += snapshots.count(k);
            k += 1;
        }
        of_time[k].push(row - before);
    }
    let dims = snapshots.dims();
    let (mut points, mut labels, mut weights, mut rates) = (vec![], vec![], vec![], vec![]);
    let mut clones = vec![];
    for (k, rows) in of_time.iter().enumerate() {
        for &row in rows {
            rates.extend(snapshots.growth_prior(k).map(|rates| rates[row]));
            clones.extend(snapshots.clones(k).map(|clones| clones[row]));
            points.extend_from_slice(&snapshots.points(k)[row * dims..(row + 1) * dims]);
            labels.push(snapshots.times()[k]);
            weights.push(snapshots.weights(k)[row]);
        }
    }
    let view = MatrixView::from_f32(&points, labels.len(), dims).unwrap();
    let some = Snapshots::new(view, &labels, Some(&weights)).unwrap();
    if rates.is_empty() {
        some
    } else {
        some.with_growth_prior(&rates).unwrap().with_clones(&clones).unwrap()
    }
}

#[test]
fn a_block_needs_no_other_cells_than_those_that_it_names() {
    let snapshots = weighted();
    let plan = Plan::fit(&snapshots, &settings(&[("chunk_size", "40")]), 1, &mut silent).unwrap();
    let run = |snapshots: &Snapshots, task| plan.run(Inputs { snapshots, model: None }, task, 1, &mut silent);
    for task in 0..plan.tasks().len() {
        let rows = plan.rows(task).unwrap().unwrap();
        assert!(rows.len() <= 80);
        assert_eq!(run(&only(&snapshots, &rows), task), run(&snapshots, task));
    }
    let of_other = only(&snapshots, &plan.rows(1).unwrap().unwrap());
    assert!(matches!(run(&of_other, 0), Err(Error::InvalidData(_))));
    let too_few = only(&snapshots, &plan.rows(0).unwrap().unwrap()[1..]);
    let told = run(&too_few, 0).unwrap_err().to_string();
    assert!(told.starts_with("task 0 is given") && told.contains("or its own"), "{told}");
}

#[test]
fn what_is_missing_damaged_or_foreign_is_named() {
    let snapshots = snapshots();
    let plan_of = |seed| {
        Plan::fit(&snapshots, &settings(&[("chunk_size", "60"), ("seed", seed)]), 1, &mut silent).unwrap()
    };
    let plan = plan_of("1");
    let parts = parts(&plan, &snapshots);
    let finish = |parts: &mut dyn Iterator<Item = Part<'_>>| {
        plan.finish_fit(&snapshots, parts, 1, &mut silent).map(|fitted| fitted.dynamics.to_bytes())
    };
    let whole = finish(&mut named(&parts)).unwrap();
    assert!(finish(&mut named(&parts).chain(named(&parts).skip(2))) == Ok(whole), "twice is as good as once");
    let told = finish(&mut named(&parts).skip(1)).unwrap_err().to_string();
    let first = plan.task_of(Part { name: "", bytes: &parts[0] }).unwrap();
    assert!(told.ends_with(&format!("1 have no part yet: {first}")), "{told}");

    let with = |bytes: &[u8]| {
        let bad = Part { name: "000007.part", bytes };
        finish(&mut named(&parts).chain([bad])).unwrap_err().to_string()
    };
    let mut corrupt = parts[2].clone();
    *corrupt.last_mut().unwrap() ^= 1;
    let foreign = plan_of("2").run(Inputs { snapshots: &snapshots, model: None }, 0, 1, &mut silent).unwrap();
    for (bytes, what) in [
        (&corrupt[..], "corrupted"),
        (&parts[2][..200], "truncated"),
        (&parts[2][..5], "not a part"),
        (&foreign[..], "of another plan"),
    ] {
        let told = with(bytes);
        assert!(told.starts_with("000007.part: ") && told.contains(what), "{told}");
    }
}

#[test]
fn other_data_than_those_of_the_plan_are_found() {
    let (all, members) = (snapshots(), [("ensemble", "2")]);
    let masses: Vec<f64> = (0..all.len()).map(|k| 1.0 + k as f64).collect();
    let changed = [
        GeneNetwork { cells_per_state: 30, seed: 5 }.generate().unwrap(),
        all.clone().with_masses(&masses).unwrap(),
        all.without(&[all.times()[1]]).unwrap(),
    ];
    for options in [&members[..], &[]] {
        let plan = Plan::fit(&all, &settings(options), 1, &mut silent).unwrap();
        let parts = parts(&plan, &all);
        for other in &changed {
            let run = plan.run(Inputs { snapshots: other, model: None }, 0, 1, &mut silent);
            let finished = plan.finish_fit(other, named(&parts), 1, &mut silent).map(drop);
            for outcome in [run.map(drop), finished] {
                assert!(matches!(outcome, Err(Error::InvalidData(_))), "{outcome:?}");
            }
        }
    }
}

#[test]
fn a_plan_is_refused_after_a_change_and_by_another_version() {
    let plan = Plan::fit(&snapshots(), &settings(&[]), 1, &mut silent).unwrap();
    let text = String::from_utf8(plan.to_bytes()).unwrap();
    let told = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Plan::from_bytes(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    assert!(told("\"chreode_plan\": 1", "\"chreode_plan\": 2").contains("format version 2"));
    let version = format!("\"library_version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(told(&version, "\"library_version\": \"0.0.1\"").contains("plan again"));
    assert!(told("\"epochs\": \"12\"", "\"epochs\": \"13\"").contains("changed or corrupted"));
    assert!(told("\"epochs\": \"12\"", "\"epoch\": \"12\"").contains("`epochs` is the nearest"));
    assert!(told("}", "").contains("no JSON"));
    let cut = Plan::from_bytes(&plan.to_bytes()[..300]).unwrap_err().to_string();
    assert!(cut.starts_with("not a usable plan: it is truncated or no JSON"), "{cut}");
    let device = settings(&[("device", "auto")]);
    let told = Plan::fit(&snapshots(), &device, 1, &mut silent).unwrap_err().to_string();
    assert!(told.starts_with("device must be the name of one"), "{told}");
}

/// Fits in pieces: each call is cancelled after some steps of its training, and goes on from what the one before has kept.
fn resumed(options: &[(&str, &str)], steps: usize) {
    let snapshots = snapshots();
    let settings = settings(options);
    let at_once = chreode::fit(&snapshots, &settings.build().unwrap(), &mut silent).unwrap();
    let plan = Plan::fit(&snapshots, &settings, 1, &mut silent).unwrap();
    let parts = parts(&plan, &snapshots);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("resumed {}", options[0].1));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let (mut calls, mut reached) = (0, vec![]);
    let fitted = loop {
        let mut begun = None;
        let mut some_steps = |now: &Progress| {
            // Told at the first and the last step of a stage, and else no sooner than a twentieth of a second after the time before: so
            // of every step.
            std::thread::sleep(Duration::from_millis(60));
            if !matches!(now.stage, Stage::Training | Stage::PreTraining | Stage::Score) {
                return ControlFlow::Continue(());
            }
            let (stage, first) = *begun.get_or_insert((now.stage, now.done));
            reached.push((now.stage, first));
            let enough = stage == now.stage && now.done >= first + steps && now.done < now.total;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let fitted =
            plan.finish_fit_resumably(&snapshots, named(&parts), &folder, 1, &mut some_steps).unwrap();
        calls += 1;
        match fitted.stopped {
            Some(Error::Cancelled) => {}
            None => break fitted,
            Some(error) => panic!("{error}"),
        }
    };
    assert!(calls >= 2, "{calls} calls: {reached:?}");
    assert!(reached.iter().any(|(_, first)| *first > 0), "no call went on: {reached:?}");
    assert!(fitted.dynamics.to_bytes() == at_once.dynamics.to_bytes(), "{options:?}");
    assert_eq!(fitted.report.losses, at_once.report.losses);
    assert_eq!(fitted.report.rollout, at_once.report.rollout);

    let path = folder.join("training.checkpoint");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let broken = plan.finish_fit_resumably(&snapshots, named(&parts), &folder, 1, &mut silent).unwrap();
    let told = broken.stopped.unwrap().to_string();
    assert!(told.contains("training.checkpoint: ") && told.contains("corrupted"), "{told}");
}

#[test]
fn training_that_was_cut_short_goes_on_to_the_same_bits() {
    resumed(&[("method", "usb"), ("epochs", "9")], 3);
    resumed(&[("method", "wfr-fm"), ("epochs", "8"), ("ema", "0"), ("clip", "0.5")], 2);
}

#[test]
fn rollouts_that_were_cut_short_go_on_to_the_same_bits() {
    resumed(
        &[("method", "deep-ruot"), ("epochs", "6"), ("pretraining_epochs", "5"), ("score_epochs", "60")],
        2,
    );
    // In the training of the density, whose paths are rolled out every fifty steps.
    let density = [("pretraining_epochs", "0"), ("score_epochs", "60")];
    resumed(&[&[("method", "deep-ruot"), ("epochs", "3")][..], &density].concat(), 50);
    resumed(&[("method", "mioflow"), ("epochs", "6")], 2);
    // With all cells a step, plans begin at those of the step before: of several optimal ones it decides which are met.
    resumed(&[("method", "tigon-w2"), ("epochs", "8"), ("batch_size", "500")], 2);
}

/// A plan and a part with changes: an error, or what they were before; never a panic.
#[test]
fn bytes_that_are_changed_anywhere_are_refused_or_change_nothing() {
    let snapshots = snapshots();
    let plan = Plan::fit(&snapshots, &settings(&[("chunk_size", "60")]), 1, &mut silent).unwrap();
    let bytes = plan.to_bytes();
    let mut rng = stream(1, Purpose::Dataset, 0, 0);
    for _ in 0..2000 {
        let mut changed = bytes.clone();
        for _ in 0..1 + rng.next_u32() % 3 {
            let at = rng.next_u64() as usize % changed.len();
            match rng.next_u32() % 4 {
                0 => changed[at] ^= 1 << (rng.next_u32() % 8),
                1 => changed[at] = bytes[rng.next_u64() as usize % bytes.len()],
                2 => drop(changed.remove(at)),
                _ => changed.truncate(at.max(8)),
            }
        }
        if let Ok(read) = Plan::from_bytes(&changed) {
            assert_eq!(read.fingerprint(), plan.fingerprint());
            assert_eq!(read.to_bytes(), bytes);
        }
    }
    let part = plan.run(Inputs { snapshots: &snapshots, model: None }, 0, 1, &mut silent).unwrap();
    for at in (0..part.len()).step_by(7) {
        let mut changed = part.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(plan.task_of(Part { name: "it", bytes: &changed }).is_err(), "byte {at}");
        assert!(plan.task_of(Part { name: "it", bytes: &part[..at] }).is_err(), "{at} bytes");
    }
}

/// A model of some members, trained for some steps.
fn model(snapshots: &Snapshots, options: &[(&str, &str)]) -> Dynamics {
    chreode::fit(snapshots, &settings(options).build().unwrap(), &mut silent).unwrap().dynamics
}

fn list<T: Target>(options: &[(&str, &str)]) -> Settings<T> {
    let mut settings = Settings::default();
    options.iter().for_each(|(name, text)| settings.set(name, text).unwrap());
    settings
}

/// The parts of all tasks of a plan that has a model, the last first, each from a plan that was read anew.
fn parts_with(plan: &Plan, model: &Dynamics, snapshots: &Snapshots) -> Vec<Vec<u8>> {
    let inputs = Inputs { snapshots, model: Some(model) };
    let run = |task| sent(plan).run(inputs, task, 1 + task % 2, &mut silent).unwrap();
    (0..plan.tasks().len()).rev().map(run).collect()
}

#[test]
fn an_evaluation_in_tasks_is_the_evaluation_at_once() {
    let snapshots = snapshots();
    let (one, two) = (model(&snapshots, &[]), model(&snapshots, &[("ensemble", "2")]));
    let sde = [("mode", "sde"), ("runs", "3"), ("step", "0.2"), ("seed", "5")];
    let branching = [("mode", "branching"), ("runs", "2"), ("step", "0.2"), ("turnover", "2")];
    for (model, options, tasks) in [
        (&one, &[][..], 2),
        (&one, &sde[..], 4),
        (&one, &branching[..], 3),
        (&two, &[][..], 4),
        (&two, &[("error_bars", "false")][..], 2),
    ] {
        let settings = list::<Protocol>(options);
        let at_once = settings.build().unwrap().run(model, &snapshots, &Stop::default()).unwrap();
        let plan = Plan::evaluate(model, &snapshots, &settings).unwrap();
        assert_eq!(plan.tasks().len(), tasks, "{options:?}");
        let parts = parts_with(&plan, model, &snapshots);
        let together = sent(&plan).finish_evaluate(model, &snapshots, named(&parts)).unwrap();
        // As text, for NaN.
        assert_eq!(format!("{together:?}"), format!("{at_once:?}"), "{options:?}");
        let other = if model.members() == 1 { &two } else { &one };
        let told = plan.finish_evaluate(other, &snapshots, named(&parts)).unwrap_err().to_string();
        assert!(told.starts_with("the model is not the one that the plan was made for"), "{told}");
    }
}

#[test]
fn a_simulation_in_shards_is_the_simulation_at_once() {
    // More founders than three blocks of particles.
    let snapshots = GeneNetwork { cells_per_state: 500, seed: 4 }.generate().unwrap();
    let model = model(&snapshots, &[]);
    let times = [0.0, 0.7, 2.0];
    let count = snapshots.count(0);
    // In thirds, none and heavy ones among them.
    let thirds: Vec<f64> = (0..snapshots.cells()).map(|cell| (cell * 7 % 5) as f64 / 3.0).collect();
    let weighted = reweighted(&snapshots, &thirds);
    let turnover = [("mode", "branching"), ("step", "0.1"), ("turnover", "1"), ("seed", "3")];
    let of_reference =
        [("mode", "branching"), ("step", "0.1"), ("offspring", "reference"), ("branching_rate", "2")];
    for (snapshots, options, founders) in [
        (&snapshots, &[][..], Some(300)),
        (&snapshots, &[("solver", "rk4"), ("step", "0.1")], Some(300)),
        (&snapshots, &[("mode", "sde"), ("step", "0.1"), ("seed", "9")], Some(300)),
        (&snapshots, &[("mode", "sde"), ("step", "0.1"), ("resample_below", "0.9")], None),
        (&snapshots, &turnover, Some(1)),
        (&snapshots, &turnover, Some(300)),
        (&snapshots, &turnover, Some(100_000)),
        (&snapshots, &of_reference, Some(300)),
        (&weighted, &turnover, Some(1)),
        (&weighted, &turnover, Some(300)),
    ] {
        let settings = list::<Simulation>(options);
        let start = Particles::of_snapshot(snapshots, 0);
        let at_once = settings.build().unwrap().run(&model, &start, &times, &Stop::default()).unwrap();
        let plan = Plan::simulate(&model, snapshots, &times, &settings, founders.unwrap_or(300)).unwrap();
        // Whole blocks of 256.
        let tasks = founders.map_or(1, |founders| count.div_ceil(founders.div_ceil(256) * 256));
        assert_eq!(plan.tasks().len(), tasks, "{options:?}");
        let parts = parts_with(&plan, &model, snapshots);
        let together = sent(&plan).finish_simulate(&model, snapshots, named(&parts)).unwrap();
        assert!(together == at_once, "{options:?} in {tasks} tasks");
        if let Some(lineage) = &at_once.lineage {
            assert!(lineage.nodes().len() > 2 * count, "{options:?}: there were births");
        }
        let Some(rows) = plan.rows(tasks - 1).unwrap() else { continue };
        let own = only_first(snapshots, &rows);
        let of_own = plan.run(Inputs { snapshots: &own, model: Some(&model) }, tasks - 1, 1, &mut silent);
        assert!(of_own.as_ref() == Ok(&parts[0]), "{options:?}");
    }
}

#[test]
fn a_population_that_is_too_large_in_all_shards_together_is_refused_as_at_once() {
    let snapshots = GeneNetwork { cells_per_state: 500, seed: 4 }.generate().unwrap();
    let (model, times) = (model(&snapshots, &[]), [0.5, 2.0]);
    let count = snapshots.count(0);
    let limit = (count + count / 50).to_string();
    let options = [("mode", "branching"), ("step", "0.1"), ("turnover", "3"), ("max_population", &*limit)];
    let settings = list::<Simulation>(&options);
    let start = Particles::of_snapshot(&snapshots, 0);
    let at_once = settings.build().unwrap().run(&model, &start, &times, &Stop::default());
    assert!(matches!(at_once, Err(Error::PopulationLimit { .. })), "{at_once:?}");
    let plan = Plan::simulate(&model, &snapshots, &times, &settings, 256).unwrap();
    // None of the shards is too large by itself.
    let parts = parts_with(&plan, &model, &snapshots);
    assert_eq!(plan.finish_simulate(&model, &snapshots, named(&parts)), at_once);
}

/// The same cells with other weights.
fn reweighted(snapshots: &Snapshots, weights: &[f64]) -> Snapshots {
    let (mut points, mut labels) = (vec![], vec![]);
    for k in 0..snapshots.len() {
        points.extend_from_slice(&snapshots.points(k));
        labels.extend(std::iter::repeat_n(snapshots.times()[k], snapshots.count(k)));
    }
    let view = MatrixView::from_f32(&points, labels.len(), snapshots.dims()).unwrap();
    Snapshots::new(view, &labels, Some(weights)).unwrap()
}

/// Snapshots of some cells of the first alone.
fn only_first(snapshots: &Snapshots, rows: &[usize]) -> Snapshots {
    let dims = snapshots.dims();
    let points: Vec<f32> = rows.iter().flat_map(|&row| snapshots.point(0, row)).copied().collect();
    let weights: Vec<f64> = rows.iter().map(|&row| snapshots.weights(0)[row]).collect();
    let labels = vec![snapshots.times()[0]; rows.len()];
    let view = MatrixView::from_f32(&points, rows.len(), dims).unwrap();
    Snapshots::new(view, &labels, Some(&weights)).unwrap()
}

#[test]
fn a_validation_in_tasks_is_the_validation_at_once() {
    let snapshots = snapshots();
    let cells: usize = (0..snapshots.len()).map(|k| snapshots.count(k)).sum();
    let parts: Vec<u32> = (0..cells).map(|cell| (cell * 5 % 3) as u32).collect();
    let growth: Vec<f64> = (0..cells).map(|cell| (cell as f64).sin()).collect();
    let names = ["a", "b", "c"].map(String::from).to_vec();
    let given = Annotations { parts: Some(Parts::new(parts, names).unwrap()), growth: Some(growth) };
    // The penalty of the last is so small that nothing is coupled, and one of the recipes fails.
    for (annotations, options, tasks) in [
        (Annotations::default(), &[("method", "usb,wfr-fm"), ("hold_out_times", "true")][..], 3 + 3 + 2 * 6),
        (given, &[("method", "usb"), ("seeds", "2")][..], 3 + 6),
        (Annotations::default(), &[("method", "usb"), ("delta", "1,1e-7")][..], 3 + 6),
    ] {
        let mut request = Request::default();
        let short = [("epochs", "4"), ("hidden", "8x1"), ("batch_size", "10"), ("seed", "7")];
        short.iter().chain(options).for_each(|(name, text)| request.set(name, text).unwrap());
        let (recipes, validation) = (request.grid.recipes().unwrap(), request.validation.build().unwrap());
        let at_once = validate(&snapshots, &annotations, &recipes, &validation, &mut silent).unwrap();
        let plan = Plan::validate(&snapshots, &annotations, &request, 1).unwrap();
        assert_eq!(plan.tasks().len(), tasks, "{options:?}");
        let inputs = Inputs { snapshots: &snapshots, model: None };
        let run = |task| sent(&plan).run(inputs, task, 1, &mut silent).unwrap();
        let parts: Vec<Vec<u8>> = (0..tasks).rev().map(run).collect();
        let together = sent(&plan).finish_validate(&snapshots, named(&parts)).unwrap();
        let told = |found: &Validation| {
            let mut told = found.to_json();
            told["cpu_seconds"].take();
            told["recipes"].as_array_mut().unwrap().iter_mut().for_each(|of| drop(of["cpu_seconds"].take()));
            told.to_string()
        };
        assert_eq!(told(&together), told(&at_once), "{options:?}");
    }
}
