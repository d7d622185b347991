//! The fates of 50 000 cells by three labels of 50 000 later ones, 100 descendants each, with the networks of a default fit; and how
//! close that is to what it cannot do without: the evaluations of the fields at as many rows, timed alone, in the same run and on the
//! same threads. Beside the seconds by the clock are those of a processor, over the threads: what the clock tells where nobody else
//! computes.
//!
//! How long the search takes depends on the cells: on those that fill all ten dimensions alike, as the built-in ones do, and on those whose
//! coordinates have less and less spread, as principal components do.
//!
//! `cargo bench --bench fates`; in other dimensions, of fewer cells: `cargo bench --bench fates -- 50 5000`

use std::hint::black_box;
use std::time::Instant;

use chreode::datasets::BranchingTree;
use chreode::exec::progress::silent;
use chreode::exec::stop::Stop;
use chreode::fates::{FateOptions, Labels, fates_of_model};
use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::method::{FitOptions, Method, fit};
use chreode::model::Dynamics;
use chreode::simulate::simulation::Process;
use chreode::snapshots::{MatrixView, Snapshots};
use rayon::prelude::*;

const FATES: usize = 3;
const DESCENDANTS: usize = 100;
/// Rows that are stepped together: those of two cells.
const ROWS: usize = 200;
/// Steps of the interval.
const STEPS: usize = 10;

/// Seconds by the clock, and those that the threads ran on processors, over their number.
#[derive(Clone, Copy)]
struct Time {
    clock: f64,
    processor: f64,
}

fn processor() -> f64 {
    let of_this_thread = |_: rayon::BroadcastContext<'_>| {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        told.split_whitespace()
            .next()
            .and_then(|nanoseconds| nanoseconds.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
            * 1e-9
    };
    rayon::broadcast(of_this_thread).into_iter().sum()
}

fn timed<R: Send>(work: impl FnOnce() -> R + Send) -> (Time, R) {
    let (start, before) = (Instant::now(), processor());
    // On a thread of the pool, which does its share.
    let result = rayon::scope(|_| work());
    let processor = (processor() - before) / rayon::current_num_threads() as f64;
    (Time { clock: start.elapsed().as_secs_f64(), processor }, result)
}

fn report(name: &str, time: Time, more: &str) {
    println!(
        "  {name:<14} {:>6.1} s of the processor, {:>6.1} s by the clock{more}",
        time.processor, time.clock
    );
}

/// The cells that are labelled, whoever is asked for.
const LABELLED: usize = 50_000;

/// The cells of a tree, each coordinate so much narrower than the one before.
fn narrowing(all: &Snapshots, by: f32) -> Snapshots {
    let scale = |cell: &[f32]| {
        cell.iter().enumerate().map(|(axis, x)| x * by.powi(axis as i32)).collect::<Vec<f32>>()
    };
    let points: Vec<f32> = all.all_cells().flat_map(scale).collect();
    let times: Vec<f64> = (0..2).flat_map(|k| vec![k as f64; all.count(k)]).collect();
    Snapshots::new(MatrixView::from_f32(&points, times.len(), all.dims()).unwrap(), &times, None).unwrap()
}

/// So many cells at the first time and those that are labelled at the second, and the branch of each.
fn cells(tree: &BranchingTree, count: usize) -> (Snapshots, Labels) {
    let all = tree.generate().unwrap();
    let counts = [count, LABELLED];
    let snapshots = all.subset(&counts.map(|count| (0..count).collect())).unwrap();
    let label = |k: usize, cell: usize| {
        let of = tree.fate_probabilities(k as f64, snapshots.point(k, cell)).unwrap();
        (0..FATES as u32).max_by(|&a, &b| of[a as usize].total_cmp(&of[b as usize]))
    };
    let labels = (0..2).flat_map(|k| (0..counts[k]).map(move |cell| (k, cell)));
    let labels = labels.map(|(k, cell)| label(k, cell)).collect();
    (snapshots, Labels::new(labels).unwrap())
}

/// Evaluates v, g and s at a row for each descendant, twice a step.
fn evaluate(model: &Dynamics, points: &[f32]) {
    let dims = model.dims();
    let block = points[..ROWS * dims].to_vec();
    let blocks = points.len() / dims * DESCENDANTS / ROWS;
    let buffers = || (Scratch::default(), vec![0.0; ROWS * dims], vec![0.0; ROWS], vec![0.0; ROWS * dims]);
    (0..blocks).into_par_iter().for_each_init(buffers, |(scratch, v, g, s), _| {
        for step in 0..2 * STEPS {
            let values = FieldValues { velocity: Some(v), growth: Some(g), score_drift: Some(s) };
            model.evaluate(step as f64 / (2 * STEPS) as f64, black_box(&block), values, scratch);
        }
        black_box((v, g, s));
    });
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (dims, count) = (arguments.next().unwrap_or(10), arguments.next().unwrap_or(50_000));
    let tree = BranchingTree { dims, fates: FATES, time_points: 2, ..BranchingTree::default() };
    let few = BranchingTree { cells: 1000, ..tree }.generate().unwrap();
    let (many, labels) = cells(&BranchingTree { cells: 3 * LABELLED, ..tree }, count);
    let threads = rayon::current_num_threads();
    println!(
        "{count} cells × {FATES} labels × {DESCENDANTS} descendants, d = {dims}, {LABELLED} labelled cells, {threads} threads"
    );
    for (by, what) in [(1.0, "all coordinates alike"), (0.8, "each coordinate 0.8 of the one before")] {
        println!("{what}");
        let model = fit(&narrowing(&few, by), &FitOptions::new(Method::Usb), &mut silent).unwrap().dynamics;
        let snapshots = narrowing(&many, by);
        let points = snapshots.points(0);
        let find = |process: Process| {
            let options = FateOptions { process, step: Some(1.0 / STEPS as f64), ..FateOptions::default() };
            fates_of_model(&model, &snapshots, &labels, &options, &Stop::default()).unwrap()
        };
        let (fields, ()) = timed(|| evaluate(&model, &points));
        let rate = (count * DESCENDANTS * 2 * STEPS) as f64 / fields.processor / 1e6;
        report("fields alone", fields, &format!(";  {rate:.2} M evaluations/s"));
        for (name, process) in [("sde", Process::Sde), ("branching", Process::Branching)] {
            let (time, found) = timed(|| find(process));
            let se = found.probability.se.iter().copied().filter(|se| se.is_finite()).fold(0.0, f64::max);
            let share = 100.0 * fields.processor / time.processor;
            let more = format!(
                ";  fields alone are {share:.0} % of it, standard errors of probabilities up to {se:.3}"
            );
            report(name, time, &more);
        }
    }
}
