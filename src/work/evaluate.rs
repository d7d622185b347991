//! Evaluations: a task for each run, of the model and, for error bars, of every member of an ensemble, and one for the action.

use serde_json::{Map, Value, json};

use super::data::{Fingerprint, Shape};
use super::plan::{Inputs, Task, Work, read_settings, settings_json, without_threads};
use super::reading::{Fields, unusable};
use super::worker::stage_of;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::evaluate::action::PathAction;
use crate::evaluate::ensemble::{add_errors, has_error_bars};
use crate::evaluate::protocol::Protocol;
use crate::evaluate::{Compared, Distances, Evaluation, EvaluationOptions, Run, action_of, check, summarise};
use crate::exec::arrays::{Arrays, Read};
use crate::exec::progress::{Reporter, Stage};
use crate::exec::stop::Stop;
use crate::fields::require_whole;
use crate::model::Dynamics;
use crate::options::Settings;
use crate::snapshots::Snapshots;
use crate::statistics::Estimate;

/// An evaluation as a plan has it.
#[derive(Debug)]
pub(super) struct EvaluateJob {
    settings: Settings<Protocol>,
    protocol: Protocol,
    model: Fingerprint,
    /// How many members are evaluated as well.
    members: usize,
    runs: usize,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    /// A run of the model, or of a member of it.
    Run {
        member: Option<usize>,
        run: usize,
    },
    Action,
}

/// What came of a task.
pub(super) enum Piece {
    Run(Run),
    Action(PathAction),
}

impl EvaluateJob {
    pub(super) fn new(
        model: &Dynamics,
        snapshots: &Snapshots,
        settings: &Settings<Protocol>,
    ) -> Result<Self> {
        let (settings, protocol) = without_threads(settings)?;
        require_whole(model, "a plan")?;
        let options = protocol.options(model, snapshots)?;
        check(snapshots, &options)?;
        let members = if has_error_bars(model, protocol.simulation.error_bars) { model.members() } else { 0 };
        let (runs, shape) = (options.run_count(), Shape::of(snapshots));
        Self::of(settings, protocol, Fingerprint::of_model(model), members, runs, shape)
    }

    fn of(
        settings: Settings<Protocol>,
        protocol: Protocol,
        model: Fingerprint,
        members: usize,
        runs: usize,
        shape: Shape,
    ) -> Result<Self> {
        refuse_auto(protocol.simulation.device)?;
        Ok(Self { settings, protocol, model, members, runs, shape })
    }

    fn units(&self) -> Vec<Unit> {
        let of = |member: Option<usize>| (0..self.runs).map(move |run| Unit::Run { member, run });
        let members = (0..self.members).flat_map(|member| of(Some(member)));
        of(None).chain(members).chain([Unit::Action]).collect()
    }

    fn options(&self, model: &Dynamics, snapshots: &Snapshots) -> Result<EvaluationOptions> {
        self.shape.check(snapshots)?;
        self.model.check_model(model)?;
        self.protocol.options(model, snapshots)
    }

    pub(super) fn read(&self, task: usize, bytes: &[u8]) -> Result<Piece> {
        let read = Read::new(bytes)?;
        match self.units()[task] {
            Unit::Run { .. } => {
                let measures: Vec<Compared> = read.rows::<7>("measures")?.into_iter().map(compared).collect();
                if measures.len() != self.shape.times.len() - 1 {
                    return Err(unusable("its measures are of other times"));
                }
                let strayed = match &read.beside["strayed"] {
                    Value::Null => None,
                    told => Some(told.as_str().ok_or_else(|| unusable("its warning"))?.into()),
                };
                Ok(Piece::Run(Run { measures, strayed }))
            }
            Unit::Action => match read.reals("action")?[..] {
                [flow] => Ok(Piece::Action(PathAction { flow, regularised: None })),
                [flow, regularised] => Ok(Piece::Action(PathAction { flow, regularised: Some(regularised) })),
                _ => Err(unusable("its action")),
            },
        }
    }

    pub(super) fn finish(
        &self,
        model: &Dynamics,
        snapshots: &Snapshots,
        pieces: Vec<Piece>,
    ) -> Result<Evaluation> {
        let options = self.options(model, snapshots)?;
        let (mut runs, mut action) = (vec![], None);
        for piece in pieces {
            match piece {
                Piece::Run(run) => runs.push(run),
                Piece::Action(found) => action = Some(found),
            }
        }
        let action = action.ok_or_else(|| unusable("the plan has no action"))?;
        let of_members = runs.split_off(self.runs);
        let mut evaluation = summarise(model, snapshots, &options, &runs, action, &Stop::default())?;
        if self.members > 0 {
            let of_members: Vec<Vec<Run>> = of_members.chunks(self.runs).map(<[Run]>::to_vec).collect();
            add_errors(&mut evaluation, model, &of_members);
        }
        Ok(evaluation)
    }

    pub(super) fn of_json(fields: &Fields<'_>, tasks: usize) -> Result<Self> {
        let (settings, protocol): (_, Protocol) =
            without_threads(&read_settings(&fields.fields("options")?)?)?;
        let (members, runs) = (fields.count("members")?, fields.count("runs")?);
        if members.checked_add(1).and_then(|of| of.checked_mul(runs)) != tasks.checked_sub(1) || runs == 0 {
            return Err(unusable("its tasks are not those of its runs"));
        }
        let shape = Shape::of_json(&fields.fields("data")?)?;
        Self::of(settings, protocol, fields.fingerprint("model")?, members, runs, shape)
    }
}

impl Work for EvaluateJob {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    fn stage(&self) -> Stage {
        Stage::Evaluation
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn tasks(&self) -> Vec<Task> {
        let cells = |k: usize| self.shape.counts[k] as f64;
        let pairs: f64 = (1..self.shape.counts.len()).map(|k| cells(0) * cells(k)).sum();
        let task = |unit| match unit {
            Unit::Run { member, run } => {
                Task::new("run", json!({ "member": member, "run": run }), 2.0 * pairs * SECONDS_OF_PAIR)
            }
            Unit::Action => Task::new("action", json!({}), cells(0) * SECONDS_OF_CELL),
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
        let (model, snapshots) = (inputs.model()?, inputs.snapshots);
        let options = self.options(model, snapshots)?;
        stage_of(self.stage(), threads, reporter, |stop| {
            let mut arrays = Arrays::default();
            match self.units()[task] {
                Unit::Run { member, run } => {
                    let member = member.map(|member| model.member(member)).transpose()?;
                    let fields = member.as_ref().unwrap_or(model);
                    let Run { measures, strayed } = Run::of(fields, snapshots, &options, run, stop)?;
                    arrays.reals("measures", measures.into_iter().flat_map(row));
                    Ok(arrays.to_bytes(&json!({ "strayed": strayed })))
                }
                Unit::Action => {
                    let PathAction { flow, regularised } = action_of(model, snapshots, &options, stop)?;
                    arrays.reals("action", [flow].into_iter().chain(regularised));
                    Ok(arrays.to_bytes(&json!({})))
                }
            }
        })
    }

    fn check(&self, task: usize, result: &[u8]) -> Result<()> {
        self.read(task, result).map(drop)
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("options".into(), settings_json(&self.settings));
        json.insert("model".into(), json!(self.model.to_string()));
        json.insert("members".into(), json!(self.members));
        json.insert("runs".into(), json!(self.runs));
        json.insert("data".into(), self.shape.to_json());
        json
    }
}

/// A compared snapshot as numbers: its mass error, its particles, W1 and W2 with their deviations, NaN where there are none, and the
/// cells of a sample, 0 where distances are exact.
fn row(of: Compared) -> [f64; 7] {
    let Compared { distances, rme, particles } = of;
    let [w1, w2] = [|of: Distances| of.w1, |of: Distances| of.w2]
        .map(|of| distances.map_or(Estimate { mean: f64::NAN, sd: f64::NAN }, of));
    let cells = distances.and_then(|distances| distances.cells).unwrap_or(0);
    [rme, particles as f64, w1.mean, w1.sd, w2.mean, w2.sd, cells as f64]
}

/// The snapshot that these are the numbers of.
fn compared([rme, particles, w1, w1_sd, w2, w2_sd, cells]: [f64; 7]) -> Compared {
    let distances = Distances {
        w1: Estimate { mean: w1, sd: w1_sd },
        w2: Estimate { mean: w2, sd: w2_sd },
        cells: (cells > 0.0).then_some(cells as usize),
    };
    Compared { distances: (!w1.is_nan()).then_some(distances), rme, particles: particles as usize }
}

/// What a pair of a particle and a cell takes in an exact distance, and a particle in a simulation: roughly, on one core.
const SECONDS_OF_PAIR: f64 = 2e-7;
const SECONDS_OF_CELL: f64 = 1e-3;

/// Refuses a device that may be another one for each worker.
pub(super) fn refuse_auto(device: Device) -> Result<()> {
    match device {
        Device::Auto => {
            let allowed = "the name of one (cpu) in a plan: auto may be another on each machine";
            Err(Error::argument("device", device, allowed))
        }
        _ => Ok(()),
    }
}
