//! Do time and memory grow linearly with the cells? Fits, evaluations and simulations of `BranchingTree` in 50 dimensions at three time
//! points, each size in a process of its own that maps a file of the cells: processor seconds of two threads together (and those of the clock, which a busy machine makes
//! longer), the memory that each stage takes beyond the data, the slope of time against cells in logarithms, and of every hot loop how
//! near it is to what bounds it.
//!
//! `cargo bench --features npy --bench scale` does 10⁴ to 10⁵ cells, `-- CELLS…` others (`-- 10000 30000 100000 300000 1000000` takes some
//! minutes), `-- chunks CELLS` compares sizes of blocks. What the figures mean for more cells and more cores: `scale.md`.

#[path = "clouds.rs"]
mod clouds;

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use chreode::datasets::BranchingTree;
use chreode::device::Device;
use chreode::evaluate::{EvaluationOptions, Mode, evaluate};
use chreode::exec::mapped::MappedNumbers;
use chreode::exec::progress::{Progress, Stage, silent};
use chreode::exec::simd;
use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::method::{FitOptions, FitReport, fit};
use chreode::model::Dynamics;
use chreode::simulate::simulation::{Piece, Process, Simulation};
use chreode::simulate::{Particles, ode};
use chreode::snapshots::Snapshots;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

const DIMS: usize = 50;
const TIMES: usize = 3;
const STEPS: usize = 3000;
const THREADS: usize = 2;
const FOUNDERS: usize = 1_000_000;
/// The first words of a call of this program by itself: to write a file of so many cells, and to fit that file's.
const WRITE: &str = "write";
const ONE: &str = "one";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match words.first().map(String::as_str) {
        Some(WRITE) => write(numbers[0], Path::new(&words[2])),
        Some(ONE) => with_threads(THREADS, || one(Path::new(&words[1]))).unwrap(),
        Some("chunks") => compare_chunks(numbers.first().copied().unwrap_or(20_000)),
        _ if numbers.is_empty() => curve(&[10_000, 30_000, 50_000, 100_000]),
        _ => curve(&numbers),
    }
}

fn cells(count: usize) -> Snapshots {
    BranchingTree { cells: count, dims: DIMS, time_points: TIMES, ..Default::default() }.generate().unwrap()
}

/// Every size in a process of its own, whose peak memory is that of its size, and the slopes.
fn curve(sizes: &[usize]) {
    let mut points: Vec<(f64, f64, f64)> = vec![];
    for &size in sizes {
        let file = std::env::temp_dir().join(format!("chreode-scale-{}-{size}", std::process::id()));
        let call = |words: &[&str]| {
            let output = Command::new(std::env::current_exe().unwrap()).args(words).output();
            let output = output.expect("this program runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        call(&[WRITE, &size.to_string(), file.to_str().expect("a path of letters")]);
        let text = call(&[ONE, file.to_str().expect("a path of letters")]);
        std::fs::remove_file(&file).expect("a file of this program");
        print!("{text}");
        let figure = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).expect("a figure")
        };
        points.push((size as f64, figure("coupling "), figure("fit ")));
    }
    if points.len() > 1 {
        let slope_of = |of: fn(&(f64, f64, f64)) -> f64| {
            slope(&points.iter().map(|point| (point.0.ln(), of(point).ln())).collect::<Vec<_>>())
        };
        println!(
            "slope of log time against log cells: coupling {:.2}, the whole fit {:.2} (at most 1.1)",
            slope_of(|point| point.1),
            slope_of(|point| point.2)
        );
    }
}

/// The slope of the line of least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let products: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    products / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// Writes the counts of every time's cells, eight bytes each, and their coordinates.
fn write(count: usize, file: &Path) {
    let snapshots = cells(count);
    let mut out = BufWriter::new(File::create(file).unwrap());
    for k in 0..TIMES {
        out.write_all(&(snapshots.count(k) as u64).to_ne_bytes()).unwrap();
    }
    for x in snapshots.all_cells().flatten() {
        out.write_all(&x.to_ne_bytes()).unwrap();
    }
    out.flush().unwrap();
}

/// The cells of a file, which stay there.
fn mapped(file: &Path) -> Snapshots {
    let mut counts = [[0u8; 8]; TIMES];
    let mut start = File::open(file).unwrap();
    counts.iter_mut().for_each(|count| start.read_exact(count).unwrap());
    let counts = counts.map(|count| u64::from_ne_bytes(count) as usize);
    let labels: Vec<f64> =
        counts.iter().enumerate().flat_map(|(k, &count)| std::iter::repeat_n(k as f64, count)).collect();
    let points = MappedNumbers::open(file, 8 * TIMES, labels.len() * DIMS).unwrap();
    Snapshots::shared(Arc::new(points), DIMS, &labels, None).unwrap()
}

/// A fit, an evaluation and a simulation of a file's cells.
fn one(file: &Path) {
    let snapshots = mapped(file);
    let counts: Vec<usize> = (0..snapshots.len()).map(|k| snapshots.count(k)).collect();
    let count = snapshots.cells();
    let data = (count * DIMS * 4) as f64 / 1e6;
    println!("== {count} cells {counts:?}, {DIMS} dimensions, {data:.0} MB of points, memory-mapped");
    let mut options = FitOptions::default();
    (options.threads, options.training.epochs) = (THREADS, STEPS);
    let (before, mut coupled) = (clouds::processor_seconds(), None);
    let mut note = |progress: &Progress| {
        if progress.stage == Stage::Training {
            coupled.get_or_insert_with(clouds::processor_seconds);
        }
        ControlFlow::Continue(())
    };
    let (fitted, Took { clock, processor, memory }) =
        measured(|| fit(&snapshots, &options, &mut note).unwrap());
    let coupling = coupled.expect("a fit trains") - before;
    let training = processor - coupling;
    let report = &fitted.report;
    println!(
        "coupling {coupling:.2} s, {:.0} cells/s ({:.1} s by the clock), {} pairs, blocks {:?}, of the whole at the most {:?}",
        count as f64 / coupling,
        report.coupling_seconds,
        report.pairs.iter().sum::<usize>(),
        report.couplings.iter().map(Vec::len).collect::<Vec<_>>(),
        report.whole_gaps.iter().map(|gap| (1000.0 * gap.relative).round() / 1000.0).collect::<Vec<_>>(),
    );
    println!(
        "training {training:.2} s for {STEPS} steps, {:.2} s each of two cores ({:.1} s by the clock)",
        training / THREADS as f64,
        report.training_seconds
    );
    println!(
        "fit {processor:.2} s, {:.0} cells/s ({clock:.1} s by the clock), {memory:.0} MB at the peak beyond the data",
        count as f64 / processor
    );
    roofline_of_fit(&counts, &options, report, coupling, training);

    let model = &fitted.dynamics;
    let mode = Mode::Ode(ode::Solver::Euler { step: 0.05 });
    let evaluation = EvaluationOptions {
        mode,
        runs: 1,
        seed: 0,
        delta: 1.0,
        device: Device::Cpu,
        exact_cells: EvaluationOptions::EXACT_CELLS,
    };
    let (evaluated, Took { clock, processor, memory }) =
        measured(|| evaluate(model, &snapshots, &evaluation, &Stop::default()).unwrap());
    for point in &evaluated.time_points {
        let how = point.sampled.map_or("exact".into(), |of| {
            format!("± {:.4} of samples of {} cells, floor {:.4}", of.w1_se, of.cells, of.w1_floor)
        });
        println!("W1 at {}: {:.4} {how}", point.time, point.w1.mean);
    }
    println!(
        "evaluation {processor:.2} s ({clock:.1} s by the clock), {memory:.0} MB at the peak beyond the data"
    );
    simulate_in_pieces(model, &snapshots);
}

/// Founders, the cells of the first snapshot again and again, by the diffusion, with memory for one piece of them.
fn simulate_in_pieces(model: &Dynamics, snapshots: &Snapshots) {
    let simulation = Simulation { process: Process::Sde, step: Some(0.1), ..Simulation::default() };
    let first = snapshots.count(0);
    let founders = FOUNDERS.min(10 * first);
    let mut start = |rows: Range<usize>| {
        let points = rows.flat_map(|i| snapshots.point(0, i % first)).copied().collect();
        Particles::new(snapshots.times()[0], DIMS, points, None)
    };
    let (mass, Took { clock, processor, memory }) = measured(|| {
        let mut mass = 0.0;
        let mut take = |piece: Piece| {
            mass += piece.frames.last().map_or(0.0, Particles::mass);
            Ok(())
        };
        let times = &snapshots.times()[1..];
        simulation
            .run_in_pieces(model, founders, &mut start, times, &Stop::default(), &mut take)
            .expect("a simulation");
        mass
    });
    // Twenty steps of a tenth, a velocity, a growth rate and a score drift each.
    let steps = 20.0 * founders as f64;
    let flops = 2.0 * model.parameter_count() as f64 * steps;
    println!(
        "simulation {processor:.2} s ({clock:.1} s by the clock) for {founders} founders in pieces, {memory:.0} MB at the peak beyond the data; mass {:.3} of \
         the start; {:.1} GFLOP/s a core of {:.0} in the networks",
        mass / founders as f64,
        1e-9 * flops / processor,
        best_product_rate()
    );
}

/// How near coupling and training are to what bounds them.
fn roofline_of_fit(counts: &[usize], options: &FitOptions, report: &FitReport, coupling: f64, training: f64) {
    // A look at every pair of every block, which is one exponential each, and as many passes as that.
    let of_interval = |k: usize| (counts[k] * counts[k + 1]) as f64 / report.couplings[k].len() as f64;
    let pairs: f64 = (0..counts.len() - 1).map(of_interval).sum();
    let sweep = pairs / exponential_rate();
    println!(
        "roofline: a look at the {:.2e} pairs of all blocks takes {sweep:.2} s: coupling is {:.0} of them",
        pairs,
        coupling / sweep
    );
    let rows = (options.training.batch_size * (counts.len() - 1)) as f64;
    let of_network = |widths: &[usize], output: usize| -> f64 {
        let all: Vec<usize> = [&[DIMS + 1][..], widths, &[output]].concat();
        all.windows(2).map(|pair| (pair[0] * pair[1]) as f64).sum()
    };
    let hidden = &options.training.hidden;
    let other = |widths: &Option<Vec<usize>>| widths.clone().unwrap_or_else(|| hidden.clone());
    let weights = of_network(hidden, DIMS)
        + of_network(&other(&options.training.growth_hidden), 1)
        + of_network(&other(&options.training.score_hidden), 1);
    // Forward, and backward to the inputs and to the weights; a score is a gradient of its network, which takes as much again.
    let flops = 6.0 * weights * rows;
    let step = training / report.losses.len() as f64;
    println!(
        "roofline: {:.1} MFLOP of matrix products a step in {:.2} ms of one core are {:.0} GFLOP/s of {:.0}",
        1e-6 * flops,
        1e3 * step,
        1e-9 * flops / step,
        best_product_rate()
    );
}

/// What smaller and larger blocks cost, in seconds and in the gap of the whole.
fn compare_chunks(count: usize) {
    let snapshots = cells(count);
    println!("{count} cells {:?}", (0..snapshots.len()).map(|k| snapshots.count(k)).collect::<Vec<_>>());
    for chunk in [500, 1000, 2000, 4000, count] {
        let mut options = FitOptions::default();
        (options.threads, options.training.epochs, options.chunk_size) = (THREADS, 1, Some(chunk));
        let (fitted, took) = measured(|| fit(&snapshots, &options, &mut silent).unwrap());
        let report = fitted.report;
        let primal = |k: usize| report.couplings[k].iter().map(|block| block.primal).sum::<f64>();
        println!(
            "blocks of {chunk:6}: {:7.2} s, objectives {:.2} {:.2}, of the whole at the most {:.3} {:.3}",
            took.processor,
            primal(0),
            primal(1),
            report.whole_gaps[0].relative,
            report.whole_gaps[1].relative
        );
    }
}

/// Seconds by the clock and of all processors, and the megabytes at the peak beyond what was there before.
struct Took {
    clock: f64,
    processor: f64,
    memory: f64,
}

/// What `work` gives, and what it took.
fn measured<R>(work: impl FnOnce() -> R) -> (R, Took) {
    // The peak so far counts from here on; without that right it would be the whole process's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (before, start, processor) = (megabytes("VmRSS:"), Instant::now(), clouds::processor_seconds());
    let result = work();
    let clock = start.elapsed().as_secs_f64();
    let took = Took {
        clock,
        processor: clouds::processor_seconds() - processor,
        memory: megabytes("VmHWM:") - before,
    };
    (result, took)
}

/// A line of the process's status, where the system tells.
fn megabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(f64::NAN, |kb| kb * 1024.0 / 1e6)
}

/// Exponentials a second of one core. The best of many short bursts is what it does while it has the core to itself.
fn exponential_rate() -> f64 {
    let mut numbers: Vec<f64> = (0..1 << 14).map(|i| -f64::from(i) / 2e4).collect();
    let mut burst = || {
        let start = Instant::now();
        simd::vectorised(
            #[inline(always)]
            || numbers.iter_mut().for_each(|x| *x = simd::exp(-*x)),
        );
        start.elapsed().as_secs_f64()
    };
    let best = (0..1000).map(|_| burst()).fold(f64::INFINITY, f64::min);
    (1 << 14) as f64 / best
}

/// GFLOP/s of single-precision matrix products on one core, likewise.
fn best_product_rate() -> f64 {
    const SIDE: usize = 256;
    let (left, right) = (vec![0.5f32; SIDE * SIDE], vec![0.25f32; SIDE * SIDE]);
    let mut product = vec![0.0f32; SIDE * SIDE];
    let mut burst = || {
        let start = Instant::now();
        matmul(
            MatMut::from_row_major_slice_mut(&mut product, SIDE, SIDE),
            Accum::Replace,
            MatRef::from_row_major_slice(&left, SIDE, SIDE),
            MatRef::from_row_major_slice(&right, SIDE, SIDE),
            1.0,
            Par::Seq,
        );
        2e-9 * (SIDE as f64).powi(3) / start.elapsed().as_secs_f64()
    };
    (0..500).map(|_| burst()).fold(0.0, f64::max)
}
