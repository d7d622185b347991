//! Do error bars hold? The share of cells whose true growth rate lies in its 90 % interval, by ensembles on data whose
//! truth is known: the gene network and the branching tree. By time as well, and of what the cells explain alone, by the members.
//!
//! `cargo bench --bench coverage -- [THREADS [MEMBERS [SEED…]]]` (all cores, 16 members, seeds 1 to 5). An ensemble of sixteen takes one to four
//! minutes of one core.

use chreode::Snapshots;
use chreode::datasets::{BranchingTree, GeneNetwork};
use chreode::exec::progress::silent;
use chreode::fields::{FieldValues, Fields, Scratch, SpreadScratch};
use chreode::method::{FitOptions, fit};
use chreode::statistics::normal_quantile;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let given = |place: usize, default: usize| numbers.get(place).map_or(default, |&number| number as usize);
    let (threads, members) = (given(0, 0), given(1, 16));
    let seeds = match numbers.get(2..) {
        Some(seeds @ [_, ..]) => seeds.to_vec(),
        _ => vec![1, 2, 3, 4, 5],
    };
    let measure = |name: &str, snapshots: &Snapshots, truth: &dyn Fn(f64, &[f32]) -> f64| {
        measure(name, snapshots, (threads, members), truth);
    };
    println!("data, coverage (members alone), by time, mean half-width, rms error");
    for &seed in &seeds {
        let snapshots = GeneNetwork { seed, ..Default::default() }.generate().unwrap();
        // Eight steps a unit of time, in each of which a cell divides with probability 0.065 of the shape.
        let truth = |_, point: &[f32]| 8.0 * (0.065 * GeneNetwork::growth_shape(point)).ln_1p();
        measure(&format!("gene network, seed {seed}"), &snapshots, &truth);
        measure(&format!("gene network, drawn, seed {seed}"), &drawn(seed), &truth);
    }
    let small = BranchingTree { cells: 2000, dims: 5, time_points: 5, ..Default::default() };
    for (name, tree) in
        [("branching", BranchingTree::default()), ("branching, 2000 cells, 5 dimensions, 5 times", small)]
    {
        // As `chreode generate branching` makes it, without a seed, comes first.
        for &seed in [0].iter().chain(&seeds) {
            let tree = BranchingTree { seed, ..tree };
            let truth = |time, point: &[f32]| tree.growth_rate(time, point).unwrap();
            measure(&format!("{name}, seed {seed}"), &tree.generate().unwrap(), &truth);
        }
    }
}

/// As many cells at each time as a gene network of the default size has in the mean, but each time others, drawn from a population of
/// twenty times as many. In the network itself cells are followed, and half of them start in each state to the cell: shares of states
/// do not differ by chance as they do between samples of a tissue.
fn drawn(seed: u64) -> Snapshots {
    const TIMES: usize = 20;
    let all = GeneNetwork { cells_per_state: 200 * TIMES, seed }.generate().unwrap();
    let mut rng = chreode::exec::rng::stream(seed, chreode::exec::rng::Purpose::Dataset, 0, 1);
    let of_snapshot =
        |k: usize| rand::seq::index::sample(&mut rng, all.count(k), all.count(k) / TIMES).into_vec();
    all.subset(&(0..all.len()).map(of_snapshot).collect::<Vec<_>>()).unwrap()
}

fn measure(
    name: &str,
    snapshots: &Snapshots,
    (threads, members): (usize, usize),
    truth: &dyn Fn(f64, &[f32]) -> f64,
) {
    let mut options = FitOptions::default();
    (options.ensemble, options.threads) = (members, threads);
    let model = fit(snapshots, &options, &mut silent).unwrap().dynamics;
    let z = normal_quantile(0.95).unwrap();
    let members: Vec<_> = (0..members).map(|index| model.member(index).unwrap()).collect();
    let (mut all, mut by_time) = ([0.0; 4], vec![]);
    for (k, &time) in snapshots.times().iter().enumerate() {
        let points = snapshots.points(k);
        let growth = |model: &dyn Fields| {
            let mut values = vec![0.0; snapshots.count(k)];
            let wanted = FieldValues { growth: Some(&mut values), ..Default::default() };
            model.evaluate(time, &points, wanted, &mut Scratch::default());
            values
        };
        let mut sds = vec![0.0; snapshots.count(k)];
        let wanted = FieldValues { growth: Some(&mut sds), ..Default::default() };
        model.field_sd(time, &points, wanted, &mut SpreadScratch::default()).unwrap();
        let (mean, of_members) = (growth(&model), members.iter().map(|m| growth(m)).collect::<Vec<_>>());
        let mut sums = [0.0; 4];
        for (i, point) in points.chunks_exact(snapshots.dims()).enumerate() {
            let error = (f64::from(mean[i]) - truth(time, point)).abs();
            let values: Vec<f64> = of_members.iter().map(|values| values[i].into()).collect();
            let alone = z * model.deviation_over_members(&values);
            let width = z * f64::from(sds[i]);
            let told = [
                f64::from(u8::from(error <= width)),
                f64::from(u8::from(error <= alone)),
                width,
                error * error,
            ];
            sums.iter_mut().zip(told).for_each(|(sum, told)| *sum += told);
        }
        by_time.push(format!("{:.2}", sums[0] / snapshots.count(k) as f64));
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
    }
    let cells = snapshots.cells() as f64;
    let [covered, alone, width, squares] = all.map(|sum| sum / cells);
    println!("{name}: {covered:.3} ({alone:.3}), {}, {width:.3}, {:.3}", by_time.join(" "), squares.sqrt());
}
