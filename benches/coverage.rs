//! Do error bars hold? The share of cells whose true growth rate lies in its 90 % interval, by ensembles on data whose
//! truth is known: the gene network and the branching tree. By time as well, and of what the cells explain alone, by the members; of the
//! tree the share of the velocity's coordinates, too.
//!
//! `cargo bench --bench coverage -- [THREADS [MEMBERS [SEED…]]]` (all cores, 16 members, seeds 1 to 5). An ensemble of sixteen takes one to four
//! minutes of one core.

use chreode::Snapshots;
use chreode::datasets::{BranchingTree, GeneNetwork};
use chreode::exec::progress::silent;
use chreode::fields::{FieldValues, Fields, Scratch, SpreadScratch};
use chreode::method::{FitOptions, fit};
use chreode::model::Dynamics;
use chreode::statistics::normal_quantile;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let given = |place: usize, default: usize| numbers.get(place).map_or(default, |&number| number as usize);
    let how = (given(0, 0), given(1, 16));
    let seeds = match numbers.get(2..) {
        Some(seeds @ [_, ..]) => seeds.to_vec(),
        _ => vec![1, 2, 3, 4, 5],
    };
    println!("data, coverage (members alone), by time, mean half-width, rms error, without bias");
    for &seed in &seeds {
        let snapshots = GeneNetwork { seed, ..Default::default() }.generate().unwrap();
        // Eight steps a unit of time, in each of which a cell divides with probability 0.065 of the shape.
        let truth = |_, point: &[f32]| 8.0 * (0.065 * GeneNetwork::growth_shape(point)).ln_1p();
        measure(&format!("gene network, seed {seed}"), &snapshots, how, &truth, None);
        measure(&format!("gene network, drawn, seed {seed}"), &drawn(seed), how, &truth, None);
    }
    let small = BranchingTree { cells: 2000, dims: 5, time_points: 5, ..Default::default() };
    for (name, tree) in
        [("branching", BranchingTree::default()), ("branching, 2000 cells, 5 dimensions, 5 times", small)]
    {
        // As `chreode generate branching` makes it, without a seed, comes first.
        for &seed in [0].iter().chain(&seeds) {
            let tree = BranchingTree { seed, ..tree };
            let truth = |time, point: &[f32]| tree.growth_rate(time, point).unwrap();
            let velocity = |time, point: &[f32]| tree.velocity(time, point).unwrap();
            let name = format!("{name}, seed {seed}");
            measure(&name, &tree.generate().unwrap(), how, &truth, Some(&velocity));
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

/// The true velocity of a cell, its coordinates in order, from its time and place.
type Velocity<'a> = &'a dyn Fn(f64, &[f32]) -> Vec<f64>;

fn measure(
    name: &str,
    snapshots: &Snapshots,
    (threads, members): (usize, usize),
    truth: &dyn Fn(f64, &[f32]) -> f64,
    velocity: Option<Velocity<'_>>,
) {
    let mut options = FitOptions::default();
    (options.ensemble, options.threads) = (members, threads);
    let model = fit(snapshots, &options, &mut silent).unwrap().dynamics;
    let z = normal_quantile(0.95).unwrap();
    let members: Vec<_> = (0..members).map(|index| model.member(index).unwrap()).collect();
    let (mut all, mut moving, mut by_time) = ([0.0; 5], [0.0; 4], vec![]);
    for (k, &time) in snapshots.times().iter().enumerate() {
        let points = snapshots.points(k);
        let growth = |ask: &mut dyn FnMut(FieldValues<'_>)| {
            let mut values = vec![0.0; snapshots.count(k)];
            ask(FieldValues { growth: Some(&mut values), ..Default::default() });
            values
        };
        let (scratch, spread) = (&mut Scratch::default(), &mut SpreadScratch::default());
        let mean = growth(&mut |values| model.evaluate(time, &points, values, scratch));
        let bias = growth(&mut |values| model.field_bias(time, &points, values, scratch).unwrap());
        let sds = growth(&mut |values| model.field_sd(time, &points, values, spread).unwrap());
        let mut of_member =
            |member: &Dynamics| growth(&mut |values| member.evaluate(time, &points, values, scratch));
        let of_members = members.iter().map(&mut of_member).collect::<Vec<_>>();
        let mut sums = [0.0; 5];
        for (i, point) in points.chunks_exact(snapshots.dims()).enumerate() {
            let plain = f64::from(mean[i]) - truth(time, point);
            let error = plain - f64::from(bias[i]);
            let values: Vec<f64> = of_members.iter().map(|values| values[i].into()).collect();
            let alone = z * model.deviation_over_members(&values);
            let width = z * f64::from(sds[i]);
            let told = [
                f64::from(u8::from(error.abs() <= width)),
                f64::from(u8::from(error.abs() <= alone)),
                width,
                plain * plain,
                error * error,
            ];
            sums.iter_mut().zip(told).for_each(|(sum, told)| *sum += told);
        }
        by_time.push(format!("{:.2}", sums[0] / snapshots.count(k) as f64));
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        let Some(velocity) = velocity else { continue };
        let moves = |ask: &mut dyn FnMut(FieldValues<'_>)| {
            let mut values = vec![0.0; points.len()];
            ask(FieldValues { velocity: Some(&mut values), ..Default::default() });
            values
        };
        let mean = moves(&mut |values| model.evaluate(time, &points, values, scratch));
        let bias = moves(&mut |values| model.field_bias(time, &points, values, scratch).unwrap());
        let sds = moves(&mut |values| model.field_sd(time, &points, values, spread).unwrap());
        let truth = points.chunks_exact(snapshots.dims()).flat_map(|point| velocity(time, point));
        for (i, truth) in truth.enumerate() {
            let plain = f64::from(mean[i]) - truth;
            let (error, width) = (plain - f64::from(bias[i]), z * f64::from(sds[i]));
            let told = [f64::from(u8::from(error.abs() <= width)), width, plain * plain, error * error];
            moving.iter_mut().zip(told).for_each(|(sum, told)| *sum += told);
        }
    }
    let cells = snapshots.cells() as f64;
    let [covered, alone, width, plain, squares] = all.map(|sum| sum / cells);
    println!(
        "{name}: {covered:.3} ({alone:.3}), {}, {width:.3}, {:.3}, {:.3}",
        by_time.join(" "),
        plain.sqrt(),
        squares.sqrt()
    );
    if velocity.is_some() {
        let [covered, width, plain, squares] = moving.map(|sum| sum / (cells * snapshots.dims() as f64));
        println!("{name}, velocity: {covered:.3}, {width:.3}, {:.3}, {:.3}", plain.sqrt(), squares.sqrt());
    }
}
