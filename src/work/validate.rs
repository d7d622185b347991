//! Validations: a task for each fit to a part of the cells or without a time, and for what fits are held against.

use serde_json::{Map, Value, json};

use super::data::Shape;
use super::evaluate::refuse_auto;
use super::failure;
use super::plan::{Inputs, Task, Work, read_settings, settings_json, without_threads};
use super::reading::{Fields, unusable};
use super::worker::stage_of;
use crate::error::{Error, Result};
use crate::evaluate::mass::GrowthError;
use crate::evaluate::validation::{
    Annotations, Baselines, Course, Distance, Done, Interpolated, Measured, Parts, Simulator, Task as Unit,
    Validation, ValidationOptions, tasks,
};
use crate::exec::arrays::{Arrays, Read};
use crate::exec::progress::{Reporter, Stage};
use crate::exec::threads::Threads;
use crate::method::{NamedRecipe, learner};
use crate::options::validate::{Grid, Request};
use crate::simulate::simulation::Process;
use crate::snapshots::Snapshots;

/// A validation as a plan has it.
#[derive(Debug)]
pub(super) struct ValidateJob {
    request: Request,
    options: ValidationOptions,
    recipes: Vec<NamedRecipe>,
    annotations: Annotations,
    shape: Shape,
}

impl ValidateJob {
    pub(super) fn new(
        snapshots: &Snapshots,
        annotations: &Annotations,
        request: &Request,
        threads: usize,
    ) -> Result<Self> {
        let job = Self::of(request.clone(), annotations.clone(), Shape::of(snapshots))?;
        // What cannot be cut is found now.
        Course::new(snapshots, annotations, &job.options)?.cut(&Threads::new(threads)?)?;
        Ok(job)
    }

    fn of(request: Request, annotations: Annotations, shape: Shape) -> Result<Self> {
        let (validation, options) = without_threads(&request.validation)?;
        let recipes = request.grid.recipes()?;
        recipes.iter().try_for_each(|recipe| refuse_auto(recipe.options.device))?;
        Ok(Self { request: Request { validation, ..request }, options, recipes, annotations, shape })
    }

    fn units(&self) -> Vec<Unit> {
        tasks(self.recipes.len(), self.shape.times.len(), &self.annotations, &self.options)
    }

    pub(super) fn read(&self, task: usize, bytes: &[u8]) -> Result<Done> {
        let read = Read::new(bytes)?;
        let error = match &read.beside["error"] {
            Value::Null => None,
            error => Some(failure::of_json(&Fields(error))?),
        };
        // Read only where there is no error.
        let or_error = |numbers: &dyn Fn() -> Result<Vec<f64>>| match &error {
            Some(_) => Ok(vec![]),
            None => numbers(),
        };
        let numbers = or_error(&|| read.reals("numbers"))?;
        let rows = |numbers: &[f64]| -> Result<Vec<Distance>> {
            let (rows, rest) = numbers.as_chunks::<3>();
            let later = self.shape.times.len() - 1;
            if rest.is_empty() && rows.len() == later {
                Ok(rows.iter().map(distance).collect())
            } else {
                Err(unusable("its distances are of other times"))
            }
        };
        let wrong = || unusable("it does not hold what it should");
        Ok(match self.units()[task] {
            Unit::Baselines { .. } => Done::Baselines(match error {
                Some(error) => Err(error),
                None => {
                    let (floor, still) =
                        numbers.split_at_checked(self.shape.times.len() - 1).ok_or_else(wrong)?;
                    Ok(Baselines { floor: floor.to_vec(), nothing_moves: rows(still)? })
                }
            }),
            Unit::Interpolation { k } => {
                let found = match (error, &numbers[..]) {
                    (Some(error), _) => Err(error),
                    (None, &[a, b, c, d]) => Ok(Interpolated { by_coupling: (a, b), nothing_moves: (c, d) }),
                    _ => return Err(wrong()),
                };
                Done::Interpolation(self.shape.times[k], found)
            }
            Unit::Cells { recipe, .. } => {
                let found = match (error, &numbers[..]) {
                    (Some(error), _) => Err(error),
                    (
                        None,
                        &[
                            seconds,
                            process,
                            particles,
                            grows,
                            relative,
                            correlates,
                            correlation,
                            ref more @ ..,
                        ],
                    ) => {
                        let growth =
                            GrowthError { relative, correlation: (correlates != 0.0).then_some(correlation) };
                        let process = Process::ALL.get(process as usize).ok_or_else(wrong)?;
                        Ok(Measured {
                            distances: rows(more)?,
                            growth: (grows != 0.0).then_some(growth),
                            simulator: Simulator { process: *process, particles: particles as usize },
                            seconds,
                        })
                    }
                    _ => return Err(wrong()),
                };
                Done::Cells(recipe, found)
            }
            Unit::Time { recipe, .. } => {
                let found = match (error, &numbers[..]) {
                    (Some(error), _) => Err(error),
                    (None, &[w1, energy, rme]) => Ok(Distance { w1, energy, rme }),
                    _ => return Err(wrong()),
                };
                Done::Time(recipe, found)
            }
        })
    }

    pub(super) fn finish(&self, snapshots: &Snapshots, done: Vec<Done>) -> Result<Validation> {
        self.shape.check(snapshots)?;
        let names: Vec<String> = self.recipes.iter().map(|recipe| recipe.name.clone()).collect();
        Course::new(snapshots, &self.annotations, &self.options)?.gather(&names, done)
    }

    pub(super) fn of_json(fields: &Fields<'_>, count: usize) -> Result<Self> {
        let validation = read_settings(&fields.fields("options")?)?;
        let mut grid = Grid::default();
        let given = fields.get("grid")?.as_object().ok_or_else(|| unusable("its grid"))?;
        for (name, text) in given {
            grid.set(name, text.as_str().ok_or_else(|| unusable(format!("the option {name}")))?)?;
        }
        let parts = match fields.get("parts")? {
            Value::Null => None,
            _ => {
                let parts = fields.fields("parts")?;
                let of_cell = parts.list("of_cell", |part| u32::try_from(part.as_u64()?).ok())?;
                Some(Parts::new(of_cell, parts.texts("names")?)?)
            }
        };
        let growth = if fields.get("growth")?.is_null() { None } else { Some(fields.reals("growth")?) };
        let shape = Shape::of_json(&fields.fields("data")?)?;
        let job = Self::of(Request { validation, grid }, Annotations { parts, growth }, shape)?;
        if job.units().len() == count {
            Ok(job)
        } else {
            Err(unusable("its tasks are not those of its recipes"))
        }
    }
}

impl Work for ValidateJob {
    fn name(&self) -> &'static str {
        "validate"
    }

    fn stage(&self) -> Stage {
        Stage::Validation
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn tasks(&self) -> Vec<Task> {
        let name = |recipe: usize| &self.recipes[recipe].name;
        let cost = |recipe: usize| {
            let training = &self.recipes[recipe].options.training;
            let widths = training.hidden.windows(2).map(|pair| pair[0] * pair[1]).sum::<usize>() as f64;
            let rows = training.epochs as f64 * training.batch_size as f64;
            rows * self.shape.times.len() as f64 * widths * SECONDS_OF_WEIGHT
        };
        let task = |unit| match unit {
            Unit::Baselines { split } => Task::new("baselines", json!({ "split": split }), 1.0),
            Unit::Interpolation { k } => {
                Task::new("interpolation", json!({ "time": self.shape.times[k] }), 1.0)
            }
            Unit::Cells { recipe, split, seed } => {
                let about = json!({ "recipe": name(recipe), "split": split, "seed": seed.to_string() });
                Task::new("fold", about, cost(recipe))
            }
            Unit::Time { recipe, k, seed } => {
                let time = self.shape.times[k];
                let about = json!({ "recipe": name(recipe), "time": time, "seed": seed.to_string() });
                Task::new("time", about, cost(recipe))
            }
        };
        self.units().into_iter().map(task).collect()
    }

    fn run(
        &self,
        inputs: Inputs<'_>,
        task: usize,
        threads: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Vec<u8>> {
        self.shape.check(inputs.snapshots)?;
        let course = Course::new(inputs.snapshots, &self.annotations, &self.options)?;
        let done = stage_of(self.stage(), threads, reporter, |stop| {
            Ok(course.run(self.units()[task], &learner(&self.recipes), &Threads::new(0)?, stop))
        })?;
        let mut arrays = Arrays::default();
        let error = match done {
            Done::Baselines(found) => keep(&mut arrays, found, |Baselines { floor, nothing_moves }| {
                let still = nothing_moves.iter().flat_map(numbers);
                floor.into_iter().chain(still).collect()
            }),
            Done::Interpolation(_, found) => {
                keep(&mut arrays, found, |Interpolated { by_coupling: (a, b), nothing_moves: (c, d) }| {
                    vec![a, b, c, d]
                })
            }
            Done::Cells(_, found) => keep(&mut arrays, found, |measured| {
                let Measured { distances, growth, simulator, seconds } = measured;
                let correlation = growth.and_then(|growth| growth.correlation);
                let told = |is: bool| f64::from(u8::from(is));
                let process = Process::ALL.iter().position(|process| *process == simulator.process);
                let first = [
                    seconds,
                    process.unwrap_or(0) as f64,
                    simulator.particles as f64,
                    told(growth.is_some()),
                    growth.map_or(0.0, |growth| growth.relative),
                    told(correlation.is_some()),
                    correlation.unwrap_or(0.0),
                ];
                first.into_iter().chain(distances.iter().flat_map(numbers)).collect()
            }),
            Done::Time(_, found) => keep(&mut arrays, found, |distance| numbers(&distance).to_vec()),
        };
        match error {
            Some(Error::Cancelled) => Err(Error::Cancelled),
            error => Ok(arrays.to_bytes(&json!({ "error": error.as_ref().map(failure::to_json) }))),
        }
    }

    fn check(&self, task: usize, result: &[u8]) -> Result<()> {
        self.read(task, result).map(drop)
    }

    fn to_json(&self) -> Map<String, Value> {
        let Annotations { parts, growth } = &self.annotations;
        let parts = parts.as_ref().map(Parts::of_cells);
        let mut json = Map::new();
        json.insert("options".into(), settings_json(&self.request.validation));
        let grid = self.request.grid.given().map(|(name, text)| (name.to_string(), Value::from(text)));
        json.insert("grid".into(), Value::Object(grid.collect()));
        let parts = parts.map(|(of_cell, names)| json!({ "of_cell": of_cell, "names": names }));
        json.insert("parts".into(), json!(parts));
        json.insert("growth".into(), json!(growth));
        json.insert("data".into(), self.shape.to_json());
        json
    }
}

/// What a weight of the network takes a row of a batch: roughly, on one core.
const SECONDS_OF_WEIGHT: f64 = 2e-9;

/// Keeps what came of a task as numbers; the error, where there is one.
fn keep<T>(arrays: &mut Arrays, found: Result<T>, numbers: impl FnOnce(T) -> Vec<f64>) -> Option<Error> {
    match found {
        Ok(found) => {
            arrays.reals("numbers", numbers(found));
            None
        }
        Err(error) => Some(error),
    }
}

fn numbers(&Distance { w1, energy, rme }: &Distance) -> [f64; 3] {
    [w1, energy, rme]
}

fn distance(&[w1, energy, rme]: &[f64; 3]) -> Distance {
    Distance { w1, energy, rme }
}
