//! Units of work: tasks done in any order, anywhere, put together to the same bits as the call that does it all; and whatever is
//! wrong with a plan, a part or the data is found and named.

mod common;

use chreode::datasets::GeneNetwork;
use chreode::exec::progress::silent;
use chreode::method::Method;
use chreode::options::Settings;
use chreode::snapshots::MatrixView;
use chreode::work::{Inputs, Part, Plan};
use chreode::{Error, FitOptions, Snapshots};

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
    // 7 and the number of tasks have no divisor in common, here.
    assert!(count == 0 || !count.is_multiple_of(7));
    let order = (0..count).map(|i| (7 * i + 3) % count);
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
            let blocks = same_bits(&snapshots, &[("method", &name), ("chunk_size", "40")]);
            assert!(blocks > 10, "{name}: {blocks} blocks");
            assert_eq!(same_bits(&snapshots, &[("method", &name), ("seed", "3")]), 4, "{name}");
        } else {
            let short = [("method", name.as_str()), ("epochs", "2")];
            assert_eq!(same_bits(&snapshots, &short), 0, "{name}");
        }
    }
}

#[test]
fn an_ensemble_in_tasks_is_the_ensemble_at_once() {
    let snapshots = snapshots();
    for method in ["usb", "deep-ruot", "var-ruot"] {
        // Two members and two fits to every second snapshot.
        let options = [("method", method), ("ensemble", "2"), ("epochs", "2")];
        assert_eq!(same_bits(&snapshots, &options), 4, "{method}");
    }
}

/// Weights, of which some are 0, and masses that differ between times.
fn weighted() -> Snapshots {
    let all = snapshots();
    let (mut points, mut labels, mut weights) = (vec![], vec![], vec![]);
    for k in 0..all.len() {
        points.extend_from_slice(all.points(k));
        labels.extend(std::iter::repeat_n(all.times()[k], all.count(k)));
        weights.extend((0..all.count(k)).map(|i| ((i * 7 + k) % 5) as f64 / 3.0));
    }
    let view = MatrixView::from_f32(&points, labels.len(), all.dims()).unwrap();
    Snapshots::new(view, &labels, Some(&weights)).unwrap()
}

#[test]
fn weights_of_zero_and_of_any_size_are_coupled_as_at_once() {
    for method in ["usb", "ot-cfm", "uot-fm"] {
        assert!(same_bits(&weighted(), &[("method", method), ("chunk_size", "30")]) > 10);
    }
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
    let (mut points, mut labels, mut weights) = (vec![], vec![], vec![]);
    for (k, rows) in of_time.iter().enumerate() {
        for &row in rows {
            points.extend_from_slice(&snapshots.points(k)[row * dims..(row + 1) * dims]);
            labels.push(snapshots.times()[k]);
            weights.push(snapshots.weights(k)[row]);
        }
    }
    Snapshots::new(MatrixView::from_f32(&points, labels.len(), dims).unwrap(), &labels, Some(&weights))
        .unwrap()
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
