//! A validation as JSON: what the command prints and what the C interface, and with it every binding, gives.

use serde_json::{Map, Value, json};

use super::scores::{MeanInterval, RecipeScore, Scores, TimeScore, Validation};

impl Validation {
    /// The scores of the best recipe by their names, then those of all in `recipes`, and what they are held against. Numbers
    /// that there are not are null.
    pub fn to_json(&self) -> Value {
        let best = self.best();
        let mut all = best.map_or_else(Map::new, |best| self.of_recipe(best));
        let recipes = (0..self.recipes.len()).map(|i| Value::Object(self.of_recipe(i)));
        all.insert("best".into(), json!(best));
        all.insert("recipes".into(), recipes.collect());
        let of_time = self.held_out_times.iter();
        let more = json!({
            "times": self.times,
            "floor": self.floor.iter().map(|floor| floor.mean).collect::<Vec<_>>(),
            "nothing_moves": self.nothing_moves.iter().map(|at| at.w1).collect::<Vec<_>>(),
            "nothing_moves_energy": self.nothing_moves.iter().map(|at| at.energy).collect::<Vec<_>>(),
            "nothing_moves_rme": self.nothing_moves.iter().map(|at| at.rme).collect::<Vec<_>>(),
            "nothing_moves_ratio": self.nothing_moves_ratio.mean,
            "held_out": {
                "times": of_time.clone().map(|at| at.time).collect::<Vec<_>>(),
                "interpolation": of_time.clone().map(|at| at.interpolation_w1).collect::<Vec<_>>(),
                "interpolation_rme": of_time.clone().map(|at| at.interpolation_rme).collect::<Vec<_>>(),
                "nothing_moves": of_time.clone().map(|at| at.nothing_moves_w1).collect::<Vec<_>>(),
                "nothing_moves_rme": of_time.map(|at| at.nothing_moves_rme).collect::<Vec<_>>(),
            },
            "splits": self.splits,
            "seeds": self.seeds,
            "parts": self.parts,
            "cells": self.cells,
            "cells_used": self.cells_used,
        });
        if let Value::Object(more) = more {
            all.extend(more);
        }
        Value::Object(all)
    }

    fn of_recipe(&self, index: usize) -> Map<String, Value> {
        let RecipeScore { name, scores } = &self.recipes[index];
        let mut of = Map::from_iter([("recipe".to_string(), json!(name))]);
        match scores {
            Err(why) => drop(of.insert("failed".into(), json!(why))),
            Ok(scores) => of.extend(of_scores(scores)),
        }
        let verdict = self.verdict(index);
        of.insert("trust".into(), json!(verdict.as_ref().map(|verdict| verdict.trust.as_str())));
        of.insert("verdict".into(), json!(verdict.map(|verdict| verdict.sentence)));
        of.insert("as_good_as_best".into(), json!(self.is_as_good_as_best(index)));
        of
    }
}

fn of_scores(scores: &Scores) -> Map<String, Value> {
    let mut of = Map::new();
    let estimates = [
        ("ratio", Some(scores.ratio)),
        ("energy", Some(scores.energy)),
        ("rme", Some(scores.rme)),
        ("mean_w1", Some(scores.w1)),
        ("growth_error", scores.growth_error),
        ("growth_correlation", scores.growth_correlation),
        ("held_out_mean_w1", scores.held_out_w1),
    ];
    for (name, estimate) in estimates {
        let Some(MeanInterval { mean, half_width }) = estimate else { continue };
        of.insert(name.into(), json!(mean));
        of.insert(format!("{name}_interval"), json!(half_width));
    }
    let lists = |prefix: &str, times: &[TimeScore], of: &mut Map<String, Value>| {
        let list = |measure: fn(&TimeScore) -> f64| times.iter().map(measure).collect::<Vec<_>>();
        of.insert(format!("{prefix}w1"), json!(list(|at| at.w1)));
        of.insert(format!("{prefix}energies"), json!(list(|at| at.energy)));
        of.insert(format!("{prefix}rmes"), json!(list(|at| at.rme)));
    };
    lists("", &scores.times, &mut of);
    if !scores.held_out_times.is_empty() {
        lists("held_out_", &scores.held_out_times, &mut of);
    }
    of.insert("ratios".into(), json!(scores.ratios));
    of.insert("cpu_seconds".into(), json!(scores.cpu_seconds));
    of.insert("mode".into(), json!(scores.simulator.process.as_str()));
    of.insert("particles".into(), json!(scores.simulator.particles));
    of
}
