//! Fates are those of the process: held against closed forms, against known lineages, and against each other.

use chreode::datasets::BranchingTree;
use chreode::exec::progress::silent;
use chreode::exec::stop::Stop;
use chreode::fates::{FateOptions, Fates, Labels, fates, fates_of_model};
use chreode::fields::ClosedForm;
use chreode::method::{FitOptions, Method, fit};
use chreode::simulate::branching::BirthDeath;
use chreode::simulate::simulation::Process;
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::{Error, Fields, Result};

/// One-dimensional fields without a score.
fn line(sigma: f64, velocity: fn(f64, f32) -> f32, growth: fn(f64, f32) -> f32) -> ClosedForm {
    ClosedForm {
        dims: 1,
        sigma,
        velocity: Box::new(move |t, x, v| v[0] = velocity(t, x[0])),
        growth: Box::new(move |t, x| growth(t, x[0])),
        score_drift: Box::new(|_, _, s| s[0] = 0.0),
    }
}

/// Cells at `starts` at time 0, and at `time` one at either place, labelled 0 and 1.
fn two_kinds(starts: &[f64], time: f64, places: [f64; 2]) -> (Snapshots, Labels) {
    let points = [starts, &places].concat();
    let mut times = vec![0.0; starts.len()];
    times.extend([time; 2]);
    let view = MatrixView::from_f64(&points, points.len(), 1).unwrap();
    let labels = starts.iter().map(|_| None).chain([Some(0), Some(1)]);
    (Snapshots::new(view, &times, None).unwrap(), Labels::new(labels.collect()).unwrap())
}

fn options(process: Process, descendants: usize) -> FateOptions {
    FateOptions { process, descendants, neighbours: Some(1), seed: 3, ..FateOptions::default() }
}

fn run(
    fields: &dyn Fields,
    (snapshots, labels): &(Snapshots, Labels),
    options: &FateOptions,
) -> Result<Fates> {
    fates(fields, snapshots, labels, options, &Stop::default())
}

/// Asserts that `got` is `want` to three standard errors, beside a known error of another kind.
fn assert_near(what: &str, (got, se): (f64, f64), want: f64, beside: f64) {
    assert!((got - want).abs() <= 3.0 * se + beside, "{what}: {got} ± {se}, want {want}");
}

fn normal_distribution(z: f64) -> f64 {
    0.5 * libm::erfc(-z / 2f64.sqrt())
}

fn simpson(f: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let n = 20_000;
    let h = (to - from) / f64::from(n);
    let weight = |i: i32| {
        if i == 0 || i == n {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    (0..=n).map(|i| weight(i) * f(from + h * f64::from(i))).sum::<f64>() * h / 3.0
}

/// dX = −U′(X) dt + σ dW with U = (x² − 1)²/4: which well is reached first has the probability ∫ e^{2U/σ²} from the left well to
/// the cell, over that between the wells (the committor). Back over the barrier, e^{−2ΔU/σ²} = e^{−9}, go few: at the rate
/// √2/2π e^{−9} = 3e-5, 2e-4 in all.
#[test]
fn a_double_well_splits_cells_by_its_committor() {
    let sigma = (0.5f64 / 9.0).sqrt();
    let fields = line(sigma, |_, x| x - x * x * x, |_, _| 0.0);
    let starts = [-0.3, -0.1, -0.02, 0.0, 0.05, 0.15, 0.4];
    let cells = two_kinds(&starts, 8.0, [-1.0, 1.0]);
    let density = |x: f64| (2.0 * (x * x - 1.0).powi(2) / 4.0 / (sigma * sigma)).exp();
    for process in [Process::Sde, Process::Branching] {
        let found =
            run(&fields, &cells, &FateOptions { step: Some(0.1), ..options(process, 10_000) }).unwrap();
        for (cell, &start) in starts.iter().enumerate() {
            let committor = simpson(density, -1.0, start) / simpson(density, -1.0, 1.0);
            let [left, right] =
                [2 * cell, 2 * cell + 1].map(|i| (found.probability.mean[i], found.probability.se[i]));
            assert_near(&format!("{process} from {start}"), right, committor, 1e-3);
            assert!((left.0 + right.0 - 1.0).abs() < 1e-12);
            // The standard error is that of a share of independent draws.
            let want = (right.0 * left.0 / 10_000.0).sqrt();
            assert!((right.1 - want).abs() < 1e-3 * want, "{} ± {}, want {want}", right.0, right.1);
            assert_eq!((found.none.mean[cell], found.none.se[cell]), (0.0, 0.0));
        }
    }
}

/// A saddle, X(t) normal with mean x e^t and variance σ²(e^{2t} − 1)/2, in a few steps: the rule is of second order.
#[test]
fn few_steps_are_enough() {
    let cells = two_kinds(&[-0.4, 0.1, 0.25], 1.0, [-1.0, 1.0]);
    let found = run(&line(0.5, |_, x| x, |_, _| 0.0), &cells, &options(Process::Sde, 40_000)).unwrap();
    let (growth, sd) = (1f64.exp(), 0.5 * ((2f64.exp() - 1.0) / 2.0).sqrt());
    for (cell, start) in [-0.4, 0.1, 0.25].into_iter().enumerate() {
        let i = 2 * cell + 1;
        let want = normal_distribution(start * growth / sd);
        // A tenth of a step of second order: (1/10)²/6 of the way.
        assert_near("a saddle", (found.probability.mean[i], found.probability.se[i]), want, 1e-3);
    }
}

/// Two types by position that stay where they are: numbers and extinction are those of the linear birth–death process.
#[test]
fn families_that_stay_are_linear_birth_death_processes() {
    let fields = line(0.0, |_, _| 0.0, |_, x| if x < 0.0 { -0.9 } else { 0.7 });
    let cells = two_kinds(&[-1.0, 1.0], 2.0, [-1.0, 1.0]);
    for turnover in [0.0, 0.4] {
        let found =
            run(&fields, &cells, &FateOptions { turnover, ..options(Process::Branching, 20_000) }).unwrap();
        for (cell, growth) in [-0.9, 0.7].into_iter().enumerate() {
            let law = BirthDeath::of_growth(growth, turnover);
            let what = format!("growth {growth}, turnover {turnover}");
            let own = 3 * cell;
            assert_near(&what, (found.number.mean[own], found.number.se[own]), law.mean(2.0), 0.0);
            assert_near(&what, (found.none.mean[cell], found.none.se[cell]), law.extinction(2.0), 0.0);
            let want = (law.variance(2.0) / 20_000.0).sqrt();
            assert!((found.number.se[own] / want - 1.0).abs() < 0.1, "{} for {want}", found.number.se[own]);
            assert_eq!((found.probability.mean[own], found.probability.se[own]), (1.0, 0.0));
        }
    }
    // Weighted: the same means without chance, and the extinction of cells that divide or die, never both.
    for process in [Process::Ode, Process::Sde] {
        let found = run(&fields, &cells, &options(process, 5)).unwrap();
        for (cell, growth) in [-0.9, 0.7].into_iter().enumerate() {
            let law = BirthDeath::of_growth(growth, 0.0);
            assert!((found.number.mean[3 * cell] - law.mean(2.0)).abs() < 1e-5, "{process}");
            assert!((found.none.mean[cell] - law.extinction(2.0)).abs() < 1e-6, "{process}");
            assert!(found.number.se[3 * cell] < 1e-9 && found.none.se[cell] < 1e-9);
        }
    }
}

/// Brownian cells that grow everywhere alike: n = e^{gt} Φ, and extinction does not depend on the way.
#[test]
fn families_that_part_have_the_numbers_of_independent_motion() {
    let cells = two_kinds(&[-0.5, 0.2], 1.5, [-1.0, 1.0]);
    let fields = line(0.6, |_, _| 0.0, |_, _| 0.5);
    let law = BirthDeath::of_growth(0.5, 0.3);
    for (process, turnover) in [(Process::Sde, 0.0), (Process::Branching, 0.3)] {
        let found = run(&fields, &cells, &FateOptions { turnover, ..options(process, 20_000) }).unwrap();
        for (cell, start) in [-0.5, 0.2].into_iter().enumerate() {
            let right = normal_distribution(start / (0.6 * 1.5f64.sqrt()));
            for (label, share) in [1.0 - right, right].into_iter().enumerate() {
                let i = 2 * cell + label;
                let what = format!("{process} from {start}, label {label}");
                assert_near(&what, (found.probability.mean[i], found.probability.se[i]), share, 0.0);
                assert_near(&what, (found.number.mean[i], found.number.se[i]), share * law.mean(1.5), 0.0);
            }
            let none = if process == Process::Sde { 0.0 } else { law.extinction(1.5) };
            assert_near("extinction", (found.none.mean[cell], found.none.se[cell]), none, 1e-9);
        }
    }
}

/// Where growth depends on the way, p is of descendants, not of lineages, by weights and by families alike.
#[test]
fn weights_and_families_agree() {
    let cells = two_kinds(&[-0.3, 0.0, 0.3], 1.0, [-1.0, 1.0]);
    let fields = line(0.7, |_, x| x.sin(), |_, x| x.clamp(-1.0, 1.0));
    let weights = run(&fields, &cells, &options(Process::Sde, 20_000)).unwrap();
    let families = run(&fields, &cells, &options(Process::Branching, 20_000)).unwrap();
    for (a, b) in [(&weights.probability, &families.probability), (&weights.number, &families.number)] {
        for i in 0..6 {
            let se = a.se[i].hypot(b.se[i]);
            assert_near("families beside weights", (b.mean[i], se), a.mean[i], 0.0);
        }
    }
    // More descendants are on the side where they divide than particles: a single lineage from 0 goes either way alike.
    assert!(weights.probability.mean[3] > 0.6, "{:?}", weights.probability.mean);
    // Members that part die out together less often.
    for cell in 0..3 {
        let se = weights.none.se[cell].hypot(families.none.se[cell]);
        assert!(families.none.mean[cell] < weights.none.mean[cell] + 3.0 * se);
    }
}

/// Where nothing dies, no family is extinct, and no probability is a little below 0.
#[test]
fn cells_that_only_divide_always_have_descendants() {
    let fields = line(0.3, |_, x| -x, |t, x| 0.3 + 0.1 * (3.0 * x + t as f32).sin());
    let cells = two_kinds(&[-0.7, -0.1, 0.4, 1.3], 2.0, [-1.0, 1.0]);
    for process in [Process::Ode, Process::Sde, Process::Branching] {
        let found = run(&fields, &cells, &options(process, 50)).unwrap();
        assert!(
            found.none.mean.iter().all(|none| (0.0..1e-12).contains(none)),
            "{process}: {:?}",
            found.none
        );
    }
}

/// A cell that divides at first and dies later: Kendall's formula for rates that change, exact by the flow, where a family
/// stays together.
#[test]
fn the_flow_tells_extinction_with_rates_that_change() {
    let fields = line(0.0, |_, _| 1.0, |t, _| t.cos() as f32);
    let cells = two_kinds(&[0.0], std::f64::consts::PI, [-1.0, 1.0]);
    // G = sin t is 0 at the end; births are those until π/2.
    let want = 1.0 - 1.0 / (1.0 + 1.0 - (-1f64).exp());
    let flow = run(&fields, &cells, &options(Process::Ode, 2)).unwrap();
    assert!((flow.none.mean[0] - want).abs() < 1e-5, "{} for {want}", flow.none.mean[0]);
    assert!((flow.number.mean[1] - 1.0).abs() < 1e-5 && flow.number.se == [0.0, 0.0]);
    let counted = run(&fields, &cells, &options(Process::Branching, 20_000)).unwrap();
    assert_near("counted", (counted.none.mean[0], counted.none.se[0]), want, 1e-3);
}

/// Bits of all numbers.
fn bits(found: &Fates) -> Vec<u64> {
    let all = [&found.probability, &found.number, &found.none];
    all.iter().flat_map(|e| e.mean.iter().chain(&e.se)).map(|x| x.to_bits()).collect()
}

/// Cells of the built-in branching populations, and the branch that each is on as its label: the fates that it leads to, as bits.
fn tree(time_points: usize, cells: usize, seed: u64) -> (BranchingTree, Snapshots, Labels) {
    let tree = BranchingTree { cells, time_points, seed, ..BranchingTree::default() };
    let snapshots = tree.generate().unwrap();
    let label = |k: usize, cell: usize| {
        let of = tree.fate_probabilities(snapshots.times()[k], snapshots.point(k, cell)).unwrap();
        Some(of.iter().enumerate().map(|(fate, &p)| u32::from(p > 0.01) << fate).sum())
    };
    let cells = (0..snapshots.len()).flat_map(|k| (0..snapshots.count(k)).map(move |cell| (k, cell)));
    let labels = Labels::new(cells.map(|(k, cell)| label(k, cell)).collect()).unwrap();
    (tree, snapshots, labels)
}

/// Cells on a branch of the built-in population are alike, and become its fates in the shares that those have at the last time. A fit
/// of 500 cells a snapshot finds them to .05, mean over branches and fates. (What a single cell on a branch becomes, nothing in such data
/// tells: its place on the branch says nothing of it, and the fitted diffusion takes it for a sign.)
#[test]
fn a_fit_finds_the_fates_of_known_lineages() {
    for seed in 0..2 {
        let (tree, snapshots, labels) = tree(7, 3500, seed);
        let model = fit(&snapshots, &FitOptions::new(Method::Usb), &mut silent).unwrap().dynamics;
        let options = FateOptions { descendants: 20, ..FateOptions::default() };
        let found = fates_of_model(&model, &snapshots, &labels, &options, &Stop::default()).unwrap();
        assert_eq!(found.labels, [1, 2, 4, 8]);
        let root = tree.fate_probabilities(0.0, &[0.0; 10]).unwrap();
        let mut errors = vec![];
        for (table, branches) in found.transitions.iter().zip([1, 1, 1, 2, 2, 4]) {
            assert_eq!(table.sources.len(), branches, "{table:?}");
            for (source, went) in table.sources.iter().zip(table.went().chunks(4)) {
                let leads_to = |fate: usize| f64::from(source.unwrap() >> fate & 1);
                let all: f64 = (0..4).map(|fate| leads_to(fate) * root[fate]).sum();
                errors.extend((0..4).map(|fate| (went[fate] - leads_to(fate) * root[fate] / all).abs()));
            }
        }
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        println!("seed {seed}: {mean:.4}");
        assert!(mean < 0.05, "{errors:.3?}");
    }
}

#[test]
fn cells_without_a_label_are_nobodys_neighbours_and_their_mass_is_told() {
    let points = [0.0, 0.0, 0.0, -1.0, -0.9, 1.0, 1.1];
    let times = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
    let weights = [1.0, 2.0, 4.0, 1.0, 1.0, 1.0, 3.0];
    let view = MatrixView::from_f64(&points, 7, 1).unwrap();
    let snapshots = Snapshots::new(view, &times, Some(&weights)).unwrap();
    let labels = [None, Some(7), Some(2), Some(2), None, Some(5), Some(2)];
    let cells = (snapshots, Labels::new(labels.to_vec()).unwrap());
    let fields = line(1.0, |_, _| 0.0, |_, _| 0.3);
    let found = run(&fields, &cells, &options(Process::Sde, 500)).unwrap();
    // Label 7 is of no cell at the end.
    assert_eq!((&found.labels[..], found.unlabelled, found.neighbours), (&[2, 5][..], 1, 1));
    let table = &found.transitions[0];
    assert_eq!((table.from, &table.sources[..]), (0.0, &[None, Some(2), Some(7)][..]));
    assert_eq!(table.weight, [1.0, 4.0, 2.0]);
    for (weight, row) in table.weight.iter().zip(table.mass.mean.chunks(2)) {
        assert!((row[0] + row[1] - weight * 0.3f64.exp()).abs() < 1e-5, "all of the mass is somewhere");
    }
    assert!(table.went().chunks(2).all(|row| (row[0] + row[1] - 1.0).abs() < 1e-12));
    assert!(
        (0..2).all(|column| {
            (table.came().chunks(2).map(|row| row[column]).sum::<f64>() - 1.0).abs() < 1e-12
        })
    );
    // Of both cells to the right one has each label: three quarters of the weight says 2.
    let pair = FateOptions { neighbours: None, ..options(Process::Ode, 2) };
    let all = run(&line(0.0, |_, _| 0.0, |_, _| 0.0), &cells, &pair).unwrap();
    assert_eq!((all.neighbours, &all.probability.mean[..2]), (3, &[0.8, 0.2][..]));
}

#[test]
fn a_cell_whose_families_all_died_out_has_no_probabilities() {
    let cells = two_kinds(&[0.0], 1.0, [-1.0, 1.0]);
    let found = run(&line(0.1, |_, _| 0.0, |_, _| -60.0), &cells, &options(Process::Branching, 50)).unwrap();
    assert!(found.probability.mean.iter().chain(&found.probability.se).all(|p| p.is_nan()));
    assert_eq!((&found.number.mean[..], &found.none.mean[..]), (&[0.0, 0.0][..], &[1.0][..]));
}

#[test]
fn what_cannot_be_told_is_one_clear_error() {
    let fields = line(0.5, |_, x| x, |_, _| 0.1);
    let cells = || two_kinds(&[0.1], 1.0, [-1.0, 1.0]);
    let (snapshots, labels) = cells();
    let told = |labels: Labels, options: FateOptions| {
        run(&fields, &(snapshots.clone(), labels), &options).unwrap_err().to_string()
    };
    let sde = options(Process::Sde, 10);
    let none = Labels::new(vec![Some(0), None, None]).unwrap();
    assert!(told(none, sde).starts_with("none of the 2 cells at time 1 has a label"));
    let few = Labels::new(vec![Some(0); 2]).unwrap();
    assert_eq!(told(few, sde), "the number of labels must be 3, one a cell, got 2");
    for (options, want) in [
        (
            FateOptions { neighbours: Some(3), ..sde },
            "neighbours must be between 1 and 2, the labelled cells at time 1, got 3",
        ),
        (FateOptions { neighbours: Some(0), ..sde }, "neighbours must be between 1 and 2"),
        (FateOptions { descendants: 1, ..sde }, "descendants must be between 2 and 1000000, got 1"),
        (FateOptions { to: Some(0.0), ..sde }, "to must be later than the first time"),
        (
            FateOptions { from: Some(1.0), ..sde },
            "from must be before 1, the time of the labelled cells, got 1",
        ),
        (FateOptions { to: Some(0.5), ..sde }, "time"),
        (FateOptions { step: Some(0.0), ..sde }, "step must be positive and finite, got 0"),
        (
            FateOptions { turnover: -1.0, ..options(Process::Branching, 10) },
            "turnover must be finite and not negative, got -1",
        ),
    ] {
        let got = told(labels.clone(), options);
        assert!(got.starts_with(want), "{got}");
    }
    let names = Labels::new(vec![Some(10_000)]).unwrap_err().to_string();
    assert!(names.starts_with("the label of cell 1 must be below 10000"), "{names}");
    let (plane, stop) = (MatrixView::from_f64(&[0.0; 4], 2, 2).unwrap(), Stop::default());
    let plane = Snapshots::new(plane, &[0.0, 1.0], None).unwrap();
    let two = Labels::new(vec![Some(0); 2]).unwrap();
    let told = fates(&fields, &plane, &two, &sde, &stop).unwrap_err().to_string();
    assert_eq!(told, "dimension of the cells must be 1, the dimension of the fields, got 2");
    stop.request();
    assert_eq!(fates(&fields, &snapshots, &labels, &sde, &stop), Err(Error::Cancelled));
    let limited = FateOptions { max_population: 20, ..options(Process::Branching, 10) };
    let growing = line(0.0, |_, _| 0.0, |_, _| 9.0);
    assert!(matches!(run(&growing, &cells(), &limited), Err(Error::PopulationLimit { limit: 20, .. })));
    let blown_up = run(&line(0.0, |_, _| 0.0, |_, _| 800.0), &cells(), &sde).unwrap_err().to_string();
    assert!(
        blown_up.starts_with("cell 1: a descendant's position or weight at time 1 is not finite"),
        "{blown_up}"
    );
}

#[test]
fn the_numbers_are_the_same_bits_at_any_number_of_threads_and_whoever_else_is_asked_for() {
    let (_, snapshots, labels) = tree(3, 700, 1);
    let mut few = FitOptions::new(Method::Usb);
    few.training.epochs = 20;
    let model = fit(&snapshots, &few, &mut silent).unwrap().dynamics;
    for process in [Process::Ode, Process::Sde, Process::Branching] {
        let options = FateOptions { process, descendants: 7, ..FateOptions::default() };
        let found = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let run = || fates_of_model(&model, &snapshots, &labels, &options, &Stop::default()).unwrap();
            pool.install(run)
        });
        assert!(found.iter().all(|other| bits(other) == bits(&found[0])), "{process}");
        assert_eq!(found[0].cells.len(), snapshots.count(0) + snapshots.count(1));
        assert!(found[0].outside.is_some());
        // Those of one time alone.
        let one = FateOptions { from: Some(1.0), ..options };
        let one = fates_of_model(&model, &snapshots, &labels, &one, &Stop::default()).unwrap();
        let first = snapshots.count(0);
        assert_eq!(one.cells[0], first);
        assert_eq!(one.number.mean, found[0].number.mean[first * one.labels.len()..]);
        let other = FateOptions { seed: 1, ..options };
        let other = fates_of_model(&model, &snapshots, &labels, &other, &Stop::default()).unwrap();
        assert_eq!(bits(&other) == bits(&found[0]), process == Process::Ode);
    }
}
