//! Couplings by themselves, and what is carried along them: nothing is lost, and intervals compose as matrices do.

use chreode::datasets::GeneNetwork;
use chreode::exec::progress::silent;
use chreode::method::{FitOptions, Method, couple, fit};
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::transport::coupling::Carry;
use chreode::transport::couplings::Couplings;

const METHODS: [Method; 6] =
    [Method::OtCfm, Method::Sf2m, Method::UotFm, Method::Vgfm, Method::WfrFm, Method::Usb];

/// Cells at four times; some of them weigh nothing, and some are out of everyone's reach for a short δ.
fn cells() -> Snapshots {
    let all = GeneNetwork { cells_per_state: 12, seed: 2 }.generate().unwrap().without(&[4.0]).unwrap();
    let (mut points, mut labels, mut weights) = (vec![], vec![], vec![]);
    for k in 0..all.len() {
        points.extend_from_slice(&all.points(k));
        labels.extend(std::iter::repeat_n(all.times()[k], all.count(k)));
        weights.extend((0..all.count(k)).map(|i| ((i * 7 + k) % 5) as f64 / 3.0));
    }
    let view = MatrixView::from_f32(&points, labels.len(), all.dims()).unwrap();
    Snapshots::new(view, &labels, Some(&weights)).unwrap()
}

fn made(snapshots: &Snapshots, method: Method) -> Couplings {
    let mut options = FitOptions::new(method);
    // Short, for some cells to have no partner.
    options.delta = options.recipe.takes("delta").then_some(0.12);
    couple(snapshots, &options, &mut silent).unwrap().couplings
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1e-3), "{got} for {want}");
}

#[test]
fn couplings_are_those_of_a_fit() {
    let snapshots = cells();
    let mut options = FitOptions::new(Method::Usb);
    options.training.epochs = 1;
    let (alone, fitted) =
        (couple(&snapshots, &options, &mut silent).unwrap(), fit(&snapshots, &options, &mut silent).unwrap());
    assert_eq!(alone.report.couplings, fitted.report.couplings);
    assert_eq!(alone.report.pairs, fitted.report.pairs);
    assert_eq!(alone.report.choices, fitted.report.choices);
    let of = &alone.couplings;
    assert_eq!((of.times(), of.counts().len()), (snapshots.times(), snapshots.len()));
    assert!(alone.report.losses.is_empty());
    for method in [Method::Tigon, Method::MioFlow] {
        let told = couple(&snapshots, &FitOptions::new(method), &mut silent).unwrap_err().to_string();
        assert!(told.contains("one that couples cells"), "{told}");
    }
    options.ensemble = 2;
    assert!(
        couple(&snapshots, &options, &mut silent).unwrap_err().to_string().contains("ensemble must be 1")
    );
}

#[test]
fn what_is_carried_as_shares_arrives_or_is_told_to_be_lost() {
    let snapshots = cells();
    for method in METHODS {
        let couplings = made(&snapshots, method);
        let mut without_partner = 0.0;
        for (from, to) in [(0, 3), (3, 0), (1, 2), (2, 0), (2, 2)] {
            // On cells that weigh nothing, too.
            let masses: Vec<f64> = (0..snapshots.count(from)).map(|i| 0.1 + (i % 4) as f64).collect();
            let carried = couplings.carry(from, to, &masses, Carry::Share).unwrap();
            let lost: f64 = carried.lost.iter().sum();
            close(carried.masses.iter().sum::<f64>() + lost, masses.iter().sum());
            assert_eq!(carried.lost.len(), from.abs_diff(to));
            without_partner += lost;
        }
        assert!(without_partner > 0.1, "{method}");
    }
}

#[test]
fn all_the_mass_there_is_becomes_all_that_there_is_next() {
    let snapshots = cells();
    for method in METHODS {
        let couplings = made(&snapshots, method);
        for k in 0..3 {
            let coupling = &couplings[k];
            let (dying, born) = coupling.unmatched_mass();
            let onwards = couplings.carry(k, k + 1, snapshots.weights(k), Carry::Mass).unwrap();
            close(onwards.masses.iter().sum::<f64>() + born, snapshots.mass(k + 1));
            close(onwards.lost[0], dying);
            for (got, want) in onwards.masses.iter().zip(coupling.received(snapshots.count(k + 1))) {
                close(*got, want);
            }
            let back = couplings.carry(k + 1, k, snapshots.weights(k + 1), Carry::Mass).unwrap();
            close(back.masses.iter().sum::<f64>() + dying, snapshots.mass(k));
            close(back.lost[0], born);
        }
    }
}

/// Rows the cells before, columns the cells after: what comes of a unit, as a share or with its growth.
fn dense(
    couplings: &Couplings,
    snapshots: &Snapshots,
    k: usize,
    carry: Carry,
    onwards: bool,
) -> Vec<Vec<f64>> {
    let (rows, columns) = (snapshots.count(k), snapshots.count(k + 1));
    let mut matrix = vec![vec![0.0; columns]; rows];
    for pair in &couplings[k].pairs {
        let (i, j) = (pair.source as usize, pair.target as usize);
        let at_cell = if (carry == Carry::Share) == onwards { pair.sent } else { pair.received };
        matrix[i][j] = at_cell / if onwards { snapshots.weights(k)[i] } else { snapshots.weights(k + 1)[j] };
    }
    matrix
}

#[test]
fn intervals_compose_as_the_product_of_their_matrices() {
    let snapshots = cells();
    for method in METHODS {
        let couplings = made(&snapshots, method);
        for carry in [Carry::Share, Carry::Mass] {
            let of = |onwards: bool| {
                let matrices: Vec<_> =
                    (0..3).map(|k| dense(&couplings, &snapshots, k, carry, onwards)).collect();
                let product = |a: &[Vec<f64>], b: &[Vec<f64>]| -> Vec<Vec<f64>> {
                    let entry = |row: &[f64], j: usize| row.iter().zip(b).map(|(x, b)| x * b[j]).sum();
                    a.iter().map(|row| (0..b[0].len()).map(|j| entry(row, j)).collect()).collect()
                };
                product(&product(&matrices[0], &matrices[1]), &matrices[2])
            };
            // Of every single cell, a row of the product; back, a column.
            let (forth, back) = (of(true), of(false));
            for i in 0..snapshots.count(0) {
                let mut one = vec![0.0; snapshots.count(0)];
                one[i] = 1.0;
                let carried = couplings.carry(0, 3, &one, carry).unwrap();
                carried.masses.iter().zip(&forth[i]).for_each(|(got, want)| close(*got, *want));
            }
            for j in 0..snapshots.count(3) {
                let mut one = vec![0.0; snapshots.count(3)];
                one[j] = 1.0;
                let carried = couplings.carry(3, 0, &one, carry).unwrap();
                carried.masses.iter().zip(&back).for_each(|(got, row)| close(*got, row[j]));
            }
        }
    }
}

#[test]
fn what_cannot_be_carried_is_named() {
    let snapshots = cells();
    let couplings = made(&snapshots, Method::WfrFm);
    let told =
        |from, to, masses: &[f64]| couplings.carry(from, to, masses, Carry::Share).unwrap_err().to_string();
    assert!(told(4, 0, &[]).starts_with("from must be below 4"));
    assert!(told(0, 9, &[]).starts_with("to must be below 4"));
    assert!(told(0, 1, &[1.0]).starts_with("masses must be"));
    let mut masses = vec![1.0; snapshots.count(0)];
    masses[2] = -1.0;
    assert!(told(0, 1, &masses).starts_with("the mass on cell 3 must be finite and not negative"));
}
