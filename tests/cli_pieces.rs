//! More founders than are simulated at a time become the same particles in the command's files as in one run of the library.

#![cfg(feature = "cli")]

mod cli_support;

use std::fmt::Write;
use std::fs;

use chreode::datasets::GeneNetwork;
use chreode::exec::progress::silent;
use chreode::exec::stop::Stop;
use chreode::options::Settings;
use chreode::simulate::Particles;
use chreode::simulate::simulation::{Outcome, Simulation};
use chreode::{FitOptions, Snapshots};
use cli_support::{folder, run};

/// A piece has 2^16.
const FOUNDERS: usize = (1 << 16) + 700;

fn fit_options(members: &str) -> FitOptions {
    let mut settings = Settings::default();
    let short = [("epochs", "3"), ("hidden", "6x1"), ("batch_size", "20"), ("seed", "1")];
    for (name, text) in short.into_iter().chain([("ensemble", members)]) {
        settings.set(name, text).unwrap();
    }
    settings.build().unwrap()
}

/// The coordinates of an array.
fn array(bytes: &[u8]) -> Vec<f32> {
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

#[test]
fn founders_in_pieces_are_written_as_they_become_all_at_once() {
    let folder = folder("pieces");
    let few = GeneNetwork { cells_per_state: 40, seed: 2 }.generate().unwrap();
    for (name, members) in [("one", "1"), ("two", "2")] {
        let model = chreode::fit(&few, &fit_options(members), &mut silent).unwrap().dynamics;
        model.save(folder.join(name)).unwrap();
    }
    // The same cells again and again, those of every fifth heavier.
    let mut text = "time,w,x1,x2\n".to_string();
    let (mut points, mut weights) = (vec![], vec![]);
    for row in 0..FOUNDERS {
        let cell = few.point(0, row % few.count(0));
        let weight = if row % 5 == 0 { 1.5 } else { 1.0 };
        writeln!(text, "0,{weight},{},{}", cell[0], cell[1]).unwrap();
        points.extend_from_slice(cell);
        weights.push(weight);
    }
    fs::write(folder.join("cells.csv"), text).unwrap();
    let start = Particles::new(0.0, 2, points, Some(&weights)).unwrap();
    for (model, options) in [
        ("one", &[("mode", "ode")][..]),
        ("one", &[("mode", "branching"), ("step", "0.5"), ("seed", "4"), ("turnover", "0.5")]),
        ("two", &[("mode", "sde"), ("step", "0.5"), ("seed", "4")]),
    ] {
        let mut settings = Settings::<Simulation>::default();
        options.iter().for_each(|(name, text)| settings.set(name, text).unwrap());
        let dynamics = chreode::Dynamics::load(folder.join(model)).unwrap();
        let simulation = settings.build().unwrap();
        let Outcome { trajectory, lineage, .. } =
            simulation.run(&dynamics, &start, &[0.5, 1.0], &Stop::default()).unwrap();
        let frames = &trajectory.frames;
        let mut call =
            format!("simulate {model} cells.csv --weight-column w --times 0.5,1 -o out.npy --json");
        options.iter().for_each(|(name, text)| write!(call, " --{name} {text}").unwrap());
        if lineage.is_some() {
            call += " --newick out.nwk";
        }
        let told = run(&folder, &call).json();
        let points: Vec<f32> = frames.iter().flat_map(|frame| frame.points.clone()).collect();
        assert!(array(&fs::read(folder.join("out.npy")).unwrap()) == points, "{call}");
        let table = fs::read_to_string(folder.join("out.obs.csv")).unwrap();
        let mut rows = table.lines().skip(1);
        for frame in frames {
            for (row, weight) in frame.weights().into_iter().enumerate() {
                let id = frame.ids[row];
                let parent = lineage.as_ref().and_then(|lineage| lineage.nodes()[id as usize].parent);
                let parent = parent.map_or(String::new(), |parent| parent.to_string());
                assert_eq!(rows.next(), Some(format!("{},{id},{parent},{weight}", frame.time).as_str()));
            }
        }
        assert_eq!(rows.next(), None);
        for (k, frame) in frames.iter().enumerate() {
            assert_eq!(told["time_points"][k]["mass"], frame.mass());
            assert_eq!(told["time_points"][k].get("mass_sd").is_some(), model == "two");
        }
        assert_eq!(told["outside"].as_f64(), trajectory.outside);
        if let Some(lineage) = lineage {
            assert!(fs::read_to_string(folder.join("out.nwk")).unwrap() == lineage.newick());
        }
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
    }
}

/// What is told before anything is written, and after some was.
#[test]
fn a_simulation_that_fails_leaves_no_file() {
    let folder = folder("no-pieces");
    let few: Snapshots = GeneNetwork { cells_per_state: 40, seed: 2 }.generate().unwrap();
    chreode::fit(&few, &fit_options("1"), &mut silent).unwrap().dynamics.save(folder.join("model")).unwrap();
    fs::write(folder.join("cells.csv"), "time,x1,x2\n".to_string() + &"0,1,1\n".repeat(50)).unwrap();
    let call = "simulate model cells.csv --mode branching --turnover 9 --max-population 51 --times 5 -o out.csv --newick out.nwk";
    let outcome = run(&folder, call);
    assert!(outcome.complaint(1).contains("its limit of 51 cells"), "{outcome:?}");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
