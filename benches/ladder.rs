//! What a fit costs and how well it predicts cells that it has not seen, for a ladder of recipes: the trade-off as a curve.
//!
//! `cargo bench --bench ladder -- [DATA] [SPLITS]` (simulation_gene and 2 without words), on one thread a fit. Needs the data of
//! ../shared. The ratio is that of `chreode validate`: W1 to unseen cells over the distance between two halves of the data; CPU
//! seconds are of one fit to a half.

#[path = "../tests/common/mod.rs"]
mod common;

use chreode::evaluate::validation::{Annotations, ValidationOptions};
use chreode::exec::progress::silent;
use chreode::method::{FitOptions, Method, NamedRecipe, Preset, validate};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let data = words.first().map_or("simulation_gene", String::as_str);
    let splits = words.get(1).map_or(2, |word| word.parse().expect("a number of splits"));
    let Some(snapshots) = common::shared_snapshots(data) else { return };
    // The default is the one of 64, 80 and 2400.
    let step = |(velocity, score, epochs): (usize, usize, usize)| {
        let mut options = FitOptions::default();
        let training = &mut options.training;
        (training.hidden, training.score_hidden) = (vec![velocity; 3], Some(vec![score; 3]));
        training.epochs = epochs;
        NamedRecipe { name: format!("v {velocity}x3, s {score}x3, {epochs} steps"), options }
    };
    let ladder = [
        (16, 24, 600),
        (32, 48, 1200),
        (64, 80, 1200),
        (96, 48, 2400),
        (64, 80, 2400),
        (96, 96, 2400),
        (128, 192, 2400),
    ];
    let mut recipes: Vec<NamedRecipe> = ladder.map(step).into();
    for method in [Method::WfrFm, Method::Usb] {
        let options = FitOptions::of(method.recipe(), Preset::Published);
        recipes.push(NamedRecipe { name: format!("{method}, published"), options });
    }
    let mut options = ValidationOptions::default();
    options.splits = Some(splits);
    let found = validate(&snapshots, &Annotations::default(), &recipes, &options, &mut silent).unwrap();
    println!("{data}, {splits} splits; nothing moves: {:.3}", found.nothing_moves_ratio.mean);
    println!("{:<28} {:>8} {:>8} {:>8} {:>8}  ratio over CPU", "recipe", "CPU s", "ratio", "energy", "RME");
    for recipe in &found.recipes {
        let scores = recipe.scores.as_ref().unwrap();
        let bar = "█".repeat(((scores.ratio.mean - 0.9).clamp(0.0, 2.0) * 40.0).round() as usize);
        println!(
            "{:<28} {:>8.2} {:>8.3} {:>8.4} {:>8.4}  {bar}",
            recipe.name, scores.cpu_seconds, scores.ratio.mean, scores.energy.mean, scores.rme.mean
        );
    }
}
