//! Simulations: a task for each shard of founders, which do not know of each other: of particles that branch, with the lineage of their
//! families; one for all of them where they do, or where a device steps them.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::data::{Fingerprint, Shape, Side};
use super::evaluate::refuse_auto;
use super::plan::{Inputs, Task, Work, read_settings, settings_json, without_threads};
use super::reading::{Fields, unusable};
use super::worker::stage_of;
use crate::error::{Error, Result};
use crate::exec::arrays::{Arrays, Read};
use crate::exec::progress::{Reporter, Stage};
use crate::fields::require_whole;
use crate::model::Dynamics;
use crate::options::Settings;
use crate::simulate::lineage::{Fate, Lineage, Node};
use crate::simulate::resampling::Drawn;
use crate::simulate::simulation::{Outcome, Process, Simulation};
use crate::simulate::{BLOCK, Particles, Shard, Trajectory, resampling, spread};
use crate::snapshots::Snapshots;

/// A simulation as a plan has it.
#[derive(Debug)]
pub(super) struct SimulateJob {
    settings: Settings<Simulation>,
    simulation: Simulation,
    model: Fingerprint,
    times: Vec<f64>,
    /// The most founders of a shard; none where all are simulated together.
    founders: Option<usize>,
    /// How far all founders are spread, which an adaptive step's error is relative to.
    spread: f64,
    /// Which cells particles start from that branch, where the cells weigh differently.
    drawn: Option<Drawn>,
    /// Of each shard, the fingerprint of its founders.
    cells: Vec<Fingerprint>,
    shape: Shape,
}

/// What came of a task.
pub(super) enum Piece {
    Shard(Shard),
    Population(Trajectory, Option<Lineage>),
}

impl SimulateJob {
    pub(super) fn new(
        model: &Dynamics,
        snapshots: &Snapshots,
        times: &[f64],
        settings: &Settings<Simulation>,
        founders: usize,
    ) -> Result<Self> {
        let (settings, simulation) = without_threads(settings)?;
        refuse_auto(simulation.device)?;
        require_whole(model, "a plan")?;
        if founders == 0 {
            return Err(Error::argument("founders", 0, "at least 1"));
        }
        let start = Particles::of_snapshot(snapshots, 0);
        simulation.check(model, &start, times)?;
        // Whole blocks, whose particles are stepped together.
        let founders = simulation.has_shards().then(|| founders.div_ceil(BLOCK).saturating_mul(BLOCK));
        let mut job = Self {
            settings,
            simulation,
            model: Fingerprint::of_model(model),
            times: times.to_vec(),
            founders,
            spread: spread(&start),
            drawn: None,
            cells: vec![],
            shape: Shape::of(snapshots),
        };
        if job.founders.is_none() {
            return Ok(job);
        }
        if simulation.process == Process::Branching {
            job.drawn = resampling::equal_rows(&start.log_weights, simulation.seed)?;
        }
        job.cells =
            job.shards().into_iter().map(|shard| fingerprint_of(snapshots, &job.cells_of(shard))).collect();
        Ok(job)
    }

    pub(super) fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// The founders of each task.
    fn shards(&self) -> Vec<Range<usize>> {
        let all = self.shape.counts[0];
        let size = self.founders.unwrap_or(all).max(1);
        (0..all.div_ceil(size)).map(|shard| shard * size..((shard + 1) * size).min(all)).collect()
    }

    /// The row of the cell that each of some founders starts from.
    fn rows_of_founders(&self, founders: Range<usize>) -> Vec<usize> {
        match &self.drawn {
            None => founders.collect(),
            Some(drawn) => drawn.rows[founders].to_vec(),
        }
    }

    /// The rows of the cells that some founders need, each once.
    fn cells_of(&self, founders: Range<usize>) -> Vec<usize> {
        let mut rows = self.rows_of_founders(founders);
        rows.dedup();
        rows
    }

    /// The founders of a task, with the numbers that they have among all, from all cells or from those alone.
    fn start(&self, snapshots: &Snapshots, task: usize) -> Result<Particles> {
        if self.founders.is_none() {
            self.shape.check(snapshots)?;
            return Ok(Particles::of_snapshot(snapshots, 0));
        }
        let founders = self.shards()[task].clone();
        let cells = self.cells_of(founders.clone());
        let is_shard = snapshots.len() == 1
            && (snapshots.dims(), snapshots.times()[0], snapshots.count(0))
                == (self.shape.dims, self.shape.times[0], cells.len());
        let has_all = self.shape.is_that_of(snapshots);
        if !has_all && !is_shard {
            return Err(Error::InvalidData(format!(
                "task {task} is given other cells than all of the plan, {:?} at {:?}, or its own, {} at {}",
                self.shape.counts,
                self.shape.times,
                cells.len(),
                self.shape.times[0]
            )));
        }
        let here: Vec<usize> = if has_all { cells.clone() } else { (0..cells.len()).collect() };
        if Some(&fingerprint_of(snapshots, &here)) != self.cells.get(task) {
            return Err(Error::InvalidData(format!(
                "the cells of task {task} are not those that the plan was made for: other coordinates, weights, or another order"
            )));
        }
        let weights = snapshots.weights(0);
        let place = |row| here[cells.partition_point(|&cell| cell < row)];
        let rows: Vec<usize> = self.rows_of_founders(founders.clone()).into_iter().map(place).collect();
        let log_weight = |&row: &usize| match &self.drawn {
            Some(drawn) => drawn.log_weight,
            None => libm::log(weights[row]),
        };
        Ok(Particles {
            time: snapshots.times()[0],
            dims: snapshots.dims(),
            points: rows.iter().flat_map(|&row| snapshots.point(0, row)).copied().collect(),
            log_weights: rows.iter().map(log_weight).collect(),
            ids: founders.clone().map(|row| row as u64).collect(),
            ancestors: founders.collect(),
        })
    }

    pub(super) fn read(&self, bytes: &[u8]) -> Result<Piece> {
        let read = Read::new(bytes)?;
        let frame = |(k, &time): (usize, &f64)| self.read_frame(&read, k, time);
        let frames = self.times.iter().enumerate().map(frame).collect::<Result<Vec<_>>>()?;
        let fields = Fields(&read.beside);
        if self.founders.is_some() {
            let ticks = |name: &str| {
                fields.text(name)?.parse::<u128>().map_err(|_| unusable(format!("the field `{name}`")))
            };
            let residence = [ticks("all")?, ticks("outside")?];
            if self.simulation.process != Process::Branching {
                return Ok(Piece::Shard(Shard { frames, residence, lineage: None, living: vec![] }));
            }
            let (lineage, living) = (read_lineage(&read, &frames)?, read.integers("living")?);
            return Ok(Piece::Shard(Shard { frames, residence, lineage: Some(lineage), living }));
        }
        let outside = fields.optional_real("outside")?;
        let lineage = match fields.get("has_lineage")?.as_bool() {
            Some(true) => Some(read_lineage(&read, &frames)?),
            _ => None,
        };
        Ok(Piece::Population(Trajectory { frames, outside }, lineage))
    }

    fn read_frame(&self, read: &Read<'_>, k: usize, time: f64) -> Result<Particles> {
        let dims = self.shape.dims;
        let points = read.singles(&format!("points {k}"))?;
        let log_weights = read.reals(&format!("log_weights {k}"))?;
        let ids = read.integers(&format!("ids {k}"))?;
        let ancestors = read.integers(&format!("ancestors {k}"))?;
        let count = log_weights.len();
        if Some(points.len()) != count.checked_mul(dims) || [ids.len(), ancestors.len()] != [count; 2] {
            return Err(unusable("its particles do not go together"));
        }
        let ancestors = ancestors.into_iter().map(|row| row as usize).collect();
        Ok(Particles { time, dims, points, log_weights, ids, ancestors })
    }

    pub(super) fn finish(
        &self,
        model: &Dynamics,
        snapshots: &Snapshots,
        pieces: Vec<Piece>,
    ) -> Result<Outcome> {
        self.shape.check(snapshots)?;
        self.model.check_model(model)?;
        let mut shards = vec![];
        for piece in pieces {
            match piece {
                Piece::Shard(shard) => shards.push(shard),
                Piece::Population(trajectory, lineage) => {
                    return Ok(self.simulation.conclude(model, self.shape.times[0], trajectory, lineage));
                }
            }
        }
        let branches = self.simulation.process == Process::Branching;
        let of_shard = |(shard, rows): (&Shard, Range<usize>)| {
            let keeps_all = shard.frames.iter().all(|frame| frame.len() == rows.len());
            let has_as_many_steps = shard.living.len() == shards[0].living.len();
            shard.founders() == rows.len() && (branches || keeps_all) && has_as_many_steps
        };
        if !shards.iter().zip(self.shards()).all(of_shard) {
            return Err(unusable("a part has other particles than its founders"));
        }
        self.simulation.join(model, self.shape.times[0], &self.times, shards)
    }

    pub(super) fn of_json(fields: &Fields<'_>, tasks: &[Fields<'_>]) -> Result<Self> {
        let (settings, simulation): (_, Simulation) =
            without_threads(&read_settings(&fields.fields("options")?)?)?;
        refuse_auto(simulation.device)?;
        let founders = match fields.get("founders")? {
            Value::Null => None,
            _ => Some(fields.count("founders")?),
        };
        let fits = |founders: usize| founders > 0 && founders.is_multiple_of(BLOCK);
        if founders.is_some() != simulation.has_shards() || !founders.is_none_or(fits) {
            return Err(unusable("its shards are not those of its options"));
        }
        let mut job = Self {
            settings,
            simulation,
            model: fields.fingerprint("model")?,
            times: fields.reals("times")?,
            founders,
            spread: fields.real("spread")?,
            drawn: None,
            cells: vec![],
            shape: Shape::of_json(&fields.fields("data")?)?,
        };
        let count = job.shape.counts[0];
        if job.founders.map_or(1, |founders| count.div_ceil(founders)) != tasks.len() {
            return Err(unusable("its tasks are not those of its shards"));
        }
        if job.founders.is_some() {
            job.cells = tasks.iter().map(|task| task.fingerprint("cells")).collect::<Result<_>>()?;
        }
        if let Some(log_weight) = fields.optional_real("log_weight")? {
            let of_tasks = tasks.iter().map(|task| task.counts("drawn")).collect::<Result<Vec<_>>>()?;
            let as_many = of_tasks.iter().zip(job.shards()).all(|(rows, shard)| rows.len() == shard.len());
            let rows = of_tasks.concat();
            if !as_many || !rows.is_sorted() || rows.last().is_some_and(|&row| row >= count) {
                return Err(unusable("its founders are not drawn from its cells"));
            }
            job.drawn = Some(Drawn { rows, log_weight });
        }
        Ok(job)
    }
}

impl Work for SimulateJob {
    fn name(&self) -> &'static str {
        "simulate"
    }

    fn stage(&self) -> Stage {
        Stage::Simulation
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn tasks(&self) -> Vec<Task> {
        let task = |(shard, rows): (usize, Range<usize>)| {
            let cost = rows.len() as f64 * SECONDS_OF_FOUNDER;
            match self.founders {
                None => Task::new("population", json!({}), cost),
                Some(_) => {
                    let cells = self.cells.get(shard).map(Fingerprint::to_string);
                    let mut about = json!({ "founders": [rows.start, rows.end], "cells": cells });
                    if self.drawn.is_some() {
                        about["drawn"] = json!(self.rows_of_founders(rows));
                    }
                    Task::new("shard", about, cost)
                }
            }
        };
        self.shards().into_iter().enumerate().map(task).collect()
    }

    fn rows_of(&self, task: usize) -> Result<Option<Vec<usize>>> {
        Ok(self.founders.map(|_| self.cells_of(self.shards()[task].clone())))
    }

    fn run(
        &self,
        inputs: Inputs<'_>,
        task: usize,
        threads: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Vec<u8>> {
        let model = inputs.model()?;
        self.model.check_model(model)?;
        let start = self.start(inputs.snapshots, task)?;
        stage_of(self.stage(), threads, reporter, |stop| {
            let mut arrays = Arrays::default();
            if self.founders.is_some() {
                let shard = self.simulation.run_shard(model, &start, &self.times, self.spread, stop)?;
                let [all, outside] = shard.residence.map(|ticks| ticks.to_string());
                write_frames(&mut arrays, &shard.frames);
                if let Some(lineage) = &shard.lineage {
                    write_lineage(&mut arrays, lineage);
                    arrays.integers("living", shard.living.iter().copied());
                }
                return Ok(arrays.to_bytes(&json!({ "all": all, "outside": outside })));
            }
            let Outcome { trajectory, lineage, .. } =
                self.simulation.run(model, &start, &self.times, stop)?;
            write_frames(&mut arrays, &trajectory.frames);
            if let Some(lineage) = &lineage {
                write_lineage(&mut arrays, lineage);
            }
            let beside = json!({ "outside": trajectory.outside, "has_lineage": lineage.is_some() });
            Ok(arrays.to_bytes(&beside))
        })
    }

    fn check(&self, _task: usize, result: &[u8]) -> Result<()> {
        self.read(result).map(drop)
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("options".into(), settings_json(&self.settings));
        json.insert("model".into(), json!(self.model.to_string()));
        json.insert("times".into(), json!(self.times));
        json.insert("founders".into(), json!(self.founders));
        json.insert("spread".into(), json!(self.spread));
        json.insert("log_weight".into(), json!(self.drawn.as_ref().map(|drawn| drawn.log_weight)));
        json.insert("data".into(), self.shape.to_json());
        json
    }
}

/// What a founder takes: very roughly, on one core.
const SECONDS_OF_FOUNDER: f64 = 5e-4;

fn fingerprint_of(snapshots: &Snapshots, rows: &[usize]) -> Fingerprint {
    let founders = Side::of(snapshots, 0, rows, snapshots.weights(0));
    Fingerprint::of_cells(&[founders, Side::default()])
}

fn write_frames(arrays: &mut Arrays, frames: &[Particles]) {
    for (k, frame) in frames.iter().enumerate() {
        arrays.singles(format!("points {k}"), frame.points.iter().copied());
        arrays.reals(format!("log_weights {k}"), frame.log_weights.iter().copied());
        arrays.integers(format!("ids {k}"), frame.ids.iter().copied());
        arrays.integers(format!("ancestors {k}"), frame.ancestors.iter().map(|&row| row as u64));
    }
}

const FATES: [Fate; 3] = [Fate::Divided, Fate::Died, Fate::Alive];

/// No cell is its own mother: a founder has itself there.
fn write_lineage(arrays: &mut Arrays, lineage: &Lineage) {
    let nodes = lineage.nodes();
    let mother = |(id, node): (usize, &Node)| node.parent.unwrap_or(id as u64);
    let fate = |node: &Node| FATES.iter().position(|fate| *fate == node.fate).unwrap_or(0) as u32;
    arrays.integers("mothers", nodes.iter().enumerate().map(mother));
    arrays.reals("lives", nodes.iter().flat_map(|node| [node.birth, node.end]));
    arrays.cells("fates", nodes.iter().map(fate));
}

/// The lineage that the particles of these frames are of.
fn read_lineage(read: &Read<'_>, frames: &[Particles]) -> Result<Lineage> {
    let (mothers, lives, fates) = (read.integers("mothers")?, read.rows::<2>("lives")?, read.cells("fates")?);
    let wrong = || unusable("its lineage does not go together");
    if [lives.len(), fates.len()] != [mothers.len(); 2] {
        return Err(wrong());
    }
    let node = |(id, ((mother, [birth, end]), fate)): (usize, ((u64, [f64; 2]), u32))| {
        // Mothers come before their daughters.
        let parent = if mother == id as u64 { None } else { Some(mother) };
        if parent.is_some_and(|parent| parent > id as u64) {
            return Err(wrong());
        }
        let fate = *FATES.get(fate as usize).ok_or_else(wrong)?;
        Ok(Node { parent, birth, end, fate })
    };
    let nodes =
        mothers.into_iter().zip(lives).zip(fates).enumerate().map(node).collect::<Result<Vec<_>>>()?;
    let founders_first = nodes.is_sorted_by_key(|node| node.parent.is_some());
    let mut ids = frames.iter().flat_map(|frame| &frame.ids);
    if !founders_first || ids.any(|&id| id >= nodes.len() as u64) {
        return Err(wrong());
    }
    Ok(Lineage::of_nodes(nodes))
}
