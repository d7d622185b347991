//! What lineage barcodes tell of fates: the built-in branching populations (`chreode generate branching`), in which every cell has a
//! clone and a fate that its place does not show before its branch has split, and some of the cells carry the clone as a barcode.
//!
//! A founder is committed: all of its clone come to one fate. So of a single cell on a shared branch the place tells no more than the
//! branch's shares, and that is the best that can be had without barcodes. Errors are means of |p − 1{the cell's fate}| over the
//! cells of all times but the last and over the fates, by couplings of the cells, carried from time to time, and by a fit.
//!
//! Barcodes are had in two ways. Either so many cells are read, of whichever clone, and of the others nothing is known: they may be
//! joined with all. Or so many founders have one, which all of their clone inherit and show: then cells without are known to be
//! of other founders, which is told by a clone of their own.
//!
//! `cargo bench --bench barcodes`; other seeds: `cargo bench --bench barcodes -- 5 6`

use chreode::datasets::BranchingTree;
use chreode::exec::progress::silent;
use chreode::exec::rng::{Purpose, stream, uniform};
use chreode::exec::stop::Stop;
use chreode::fates::{FateOptions, Labels, fates_of_model};
use chreode::method::{FitOptions, Method, couple, fit};
use chreode::snapshots::Snapshots;

const FATES: usize = 4;
/// Founders whose clones come to one fate.
const CLONES: usize = 10;
const SHARES: [f64; 5] = [0.0, 0.1, 0.5, 0.9, 1.0];
/// How the errors are told, one a column.
const COLUMNS: [&str; 3] =
    ["cells are read: couplings", "founders have one: couplings", "founders have one: a fit"];

/// A population with what is hidden of it.
struct Population {
    snapshots: Snapshots,
    /// The fates that the branch of each cell leads to, by time.
    branches: Vec<Vec<Vec<bool>>>,
    /// What each cell becomes, by time.
    fates: Vec<Vec<usize>>,
    /// The clone of each cell, in the order of all cells.
    clones: Vec<u32>,
    /// The cells, and the clones, in the order in which they get barcodes.
    order: [Vec<usize>; 2],
    /// The share of each fate in the descendants of a founder.
    root: Vec<f64>,
}

impl Population {
    fn new(seed: u64) -> Self {
        let tree =
            BranchingTree { cells: 3500, time_points: 7, fates: FATES, seed, ..BranchingTree::default() };
        let snapshots = tree.generate().unwrap();
        let mut rng = stream(seed, Purpose::Dataset, 1 << 40, 0);
        let (mut branches, mut fates, mut clones) = (vec![], vec![], vec![]);
        for (k, &time) in snapshots.times().iter().enumerate() {
            let leads_to = |cell| {
                let of = tree.fate_probabilities(time, snapshots.point(k, cell)).unwrap();
                of.iter().map(|&p| p > 0.01).collect::<Vec<bool>>()
            };
            branches.push((0..snapshots.count(k)).map(leads_to).collect::<Vec<_>>());
            // On one branch there are as many cells of each fate, wherever they are.
            let mut drawn = |branch: &Vec<bool>| {
                let possible: Vec<usize> = (0..FATES).filter(|&fate| branch[fate]).collect();
                let fate = possible[(uniform(&mut rng) * possible.len() as f64) as usize];
                clones.push((fate * CLONES + (uniform(&mut rng) * CLONES as f64) as usize) as u32);
                fate
            };
            fates.push(branches[k].iter().map(&mut drawn).collect());
        }
        let mut in_order = |count: usize| {
            let mut keyed: Vec<(f64, usize)> = (0..count).map(|at| (uniform(&mut rng), at)).collect();
            keyed.sort_by(|a, b| a.partial_cmp(b).unwrap());
            keyed.into_iter().map(|(_, at)| at).collect::<Vec<usize>>()
        };
        let order = [in_order(clones.len()), in_order(FATES * CLONES)];
        let root = tree.fate_probabilities(0.0, &[0.0; 10]).unwrap();
        Self { snapshots, branches, fates, clones, order, root }
    }

    /// The snapshots, so large a share of whose cells tell their clones.
    fn with_cells_read(&self, share: f64) -> Snapshots {
        let mut known = vec![None; self.clones.len()];
        let read = &self.order[0][..(share * known.len() as f64).round() as usize];
        read.iter().for_each(|&cell| known[cell] = Some(self.clones[cell]));
        self.snapshots.clone().with_clones(&known).unwrap()
    }

    /// The snapshots, so large a share of whose founders have barcodes; the clones of all others are one.
    fn with_founders_marked(&self, share: f64) -> Snapshots {
        let marked = &self.order[1][..(share * (FATES * CLONES) as f64).round() as usize];
        let told = |&clone: &u32| {
            Some(if marked.contains(&(clone as usize)) { clone } else { (FATES * CLONES) as u32 })
        };
        self.snapshots.clone().with_clones(&self.clones.iter().map(told).collect::<Vec<_>>()).unwrap()
    }

    /// What a branch becomes: the shares of the fates that it leads to.
    fn becomes(&self, branch: &[bool]) -> Vec<f64> {
        let kept: Vec<f64> =
            (0..FATES).map(|fate| if branch[fate] { self.root[fate] } else { 0.0 }).collect();
        let all: f64 = kept.iter().sum();
        kept.iter().map(|share| share / all).collect()
    }

    /// The mean error of the fates of the cells of all times but the last, of which something is told: of 99 of 100 at least.
    fn error(&self, found: impl Fn(usize, usize) -> Vec<f64>) -> f64 {
        let (mut errors, mut untold) = (vec![], 0);
        for k in 0..self.snapshots.len() - 1 {
            for cell in 0..self.snapshots.count(k) {
                let p = found(k, cell);
                if p.iter().sum::<f64>() == 0.0 {
                    untold += 1;
                    continue;
                }
                let truth = |fate| f64::from(u8::from(self.fates[k][cell] == fate));
                errors.extend((0..FATES).map(|fate| (p[fate] - truth(fate)).abs()));
            }
        }
        assert!(FATES * 99 * untold <= errors.len(), "{untold} cells have no partners");
        errors.iter().sum::<f64>() / errors.len() as f64
    }

    /// The fates of all cells by couplings: where a random unit of a cell's mass goes, from time to time.
    fn by_couplings(&self, snapshots: &Snapshots) -> f64 {
        let made = couple(snapshots, &FitOptions::new(Method::Usb), &mut silent).unwrap();
        let last = snapshots.len() - 1;
        let one = |fate: &usize| (0..FATES).map(|f| f64::from(u8::from(f == *fate))).collect::<Vec<f64>>();
        let mut table: Vec<Vec<Vec<f64>>> = vec![self.fates[last].iter().map(one).collect()];
        for k in (0..last).rev() {
            let (later, mut found) = (&table[0], vec![vec![0.0; FATES]; snapshots.count(k)]);
            for pair in &made.couplings[k].pairs {
                let goes = &later[pair.target as usize];
                found[pair.source as usize].iter_mut().zip(goes).for_each(|(p, q)| *p += pair.sent * q);
            }
            // Of a cell whose clone has none later nothing is told: its row stays 0.
            for p in &mut found {
                let all: f64 = p.iter().sum();
                if all > 0.0 {
                    p.iter_mut().for_each(|p| *p /= all);
                }
            }
            table.insert(0, found);
        }
        self.error(|k, cell| table[k][cell].clone())
    }

    /// The fates of all cells by the simulations of a fit.
    fn by_a_fit(&self, snapshots: &Snapshots, seed: u64) -> f64 {
        let mut options = FitOptions::new(Method::Usb);
        options.seed = seed;
        let model = fit(snapshots, &options, &mut silent).unwrap().dynamics;
        let last = snapshots.len() - 1;
        let mut labels = vec![None; snapshots.cells()];
        let before = snapshots.cells() - snapshots.count(last);
        self.fates[last]
            .iter()
            .enumerate()
            .for_each(|(cell, &fate)| labels[before + cell] = Some(fate as u32));
        let options = FateOptions { descendants: 20, ..FateOptions::default() };
        let found =
            fates_of_model(&model, snapshots, &Labels::new(labels).unwrap(), &options, &Stop::default())
                .unwrap();
        assert_eq!((found.labels.len(), found.cells.len()), (FATES, before));
        let mut table: Vec<Vec<Vec<f64>>> = (0..last).map(|k| vec![vec![]; snapshots.count(k)]).collect();
        let starts: Vec<usize> = (0..=last).map(|k| (0..k).map(|j| snapshots.count(j)).sum()).collect();
        for (row, &cell) in found.cells.iter().enumerate() {
            let k = starts.partition_point(|&start| start <= cell) - 1;
            table[k][cell - starts[k]] = found.probability.mean[row * FATES..(row + 1) * FATES].to_vec();
        }
        self.error(|k, cell| table[k][cell].clone())
    }
}

fn main() {
    let given: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let seeds = if given.is_empty() { (0..3).collect() } else { given };
    let mut measured = vec![vec![vec![]; COLUMNS.len()]; SHARES.len()];
    let mut best = vec![];
    for &seed in &seeds {
        let population = Population::new(seed);
        best.push(population.error(|k, cell| population.becomes(&population.branches[k][cell])));
        for (row, share) in SHARES.into_iter().enumerate() {
            let read = population.by_couplings(&population.with_cells_read(share));
            let marked = population.with_founders_marked(share);
            let found = [read, population.by_couplings(&marked), population.by_a_fit(&marked, seed)];
            found.iter().zip(&mut measured[row]).for_each(|(error, all)| all.push(*error));
        }
    }
    let told = |errors: &[f64]| {
        let count = errors.len() as f64;
        let mean = errors.iter().sum::<f64>() / count;
        let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        format!("{mean:.3} ± {:.3}", variance.sqrt())
    };
    println!("mean absolute error of fate probabilities, mean ± sd over seeds {seeds:?}");
    println!("| with barcodes | {} |", COLUMNS.join(" | "));
    println!("| ---: | {} |", vec!["---:"; COLUMNS.len()].join(" | "));
    for (share, row) in SHARES.iter().zip(&measured) {
        let cells: Vec<String> = row.iter().map(|errors| told(errors)).collect();
        println!("| {:.0} % | {} |", 100.0 * share, cells.join(" | "));
    }
    println!("the best that places alone can tell of a cell: {}", told(&best));
}
