//! Models as bytes and as files: safetensors, with what is not a tensor as JSON in the metadata.
//!
//! Tensors are `<network>.<layer>.weight` (inputs × outputs, row-major: a row of inputs times it) and
//! `<network>.<layer>.bias`, in single precision, for the networks `velocity` or `potential`, `growth`, and `score` or
//! `log_density`; those of an ensemble begin with the member's number, counted from 0: `<member>.<network>.<layer>.weight`. The
//! networks of all members have the same shapes. The metadata key `chreode` holds the format's version, the recipe, the times, the change of units and
//! the networks' shapes; where there are any, also names of coordinates, masses and attributes.
//!
//! A population of branches has `branches` in the metadata, of each its `start`, the share of its founder's weight that a particle begins
//! with, and whether its source adds to that (`gains`) or takes from it; the networks of each are `velocity` and `source`, whose names
//! begin with the branch's number as those of a member do, unless there is one branch only. Its score, growth and potential are none.
//!
//! A model that keeps couplings has beside them, of the interval k from 0, `coupling.<k>.source` and `coupling.<k>.target` (cells of each
//! pair, whole numbers), `coupling.<k>.sent`, `coupling.<k>.received` and `coupling.<k>.coupled` (masses, in double precision), and
//! `coupling.<k>.dying` and `coupling.<k>.born` with their masses in `coupling.<k>.dying_mass` and `coupling.<k>.born_mass`; the metadata
//! `couplings` hold the times and the numbers of cells.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::{Value, json};

use super::{Dynamics, FieldError, ModelInfo, Uncertainty};
use crate::error::{Error, Result};
use crate::exec::files::write_atomically;
use crate::fields::{BranchWeight, GrowthLaw, GrowthPrice, Guard, Network, Role};
use crate::nn::{Activation, Architecture, Mlp};
use crate::transport::coupling::{Coupling, Pair};
use crate::transport::couplings::Couplings;
use crate::units::Scaling;

/// The newest version of the format that this library reads and writes.
///
/// Version 2 has potentials, densities and a diffusion that changes with time; version 3 has units of time for each interval
/// (`knots`) or a guard; version 4 has ensembles (`members`); version 5 has couplings; version 6 has branches; version 7 has
/// ensembles whose deviations are stretched; version 8 has ensembles with a fit at half the price of growth beside them (`cheaper`). An older reader would pass over some of them in silence, so a model
/// is of the oldest version that has all that
/// it needs.
pub const FORMAT_VERSION: u64 = 8;

/// The key of our JSON in the safetensors metadata.
const KEY: &str = "chreode";

impl Dynamics {
    /// The model as bytes; the same model gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut buffers: Vec<Tensor> = vec![];
        let mut shapes = serde_json::Map::new();
        // Those of branches are told apart as those of members are.
        let (members, lists) = (self.members(), self.compiled.members.len());
        let of_members = self.compiled.members.iter().enumerate();
        let of_members = of_members.map(|(m, all)| (prefix(lists, m), all));
        let of_cheaper = self.compiled.cheaper.iter().map(|all| (CHEAPER.to_string(), all));
        for (prefix, Network { role, mlp: network }) in of_members
            .chain(of_cheaper)
            .flat_map(|(prefix, all)| all.iter().map(move |n| (prefix.clone(), n)))
        {
            let (role, shape) = (role.name(), network.architecture());
            shapes.insert(
                role.into(),
                json!({ "hidden": shape.hidden, "outputs": shape.outputs, "activation": shape.activation.as_str() }),
            );
            let name = prefix + role;
            let bytes = |range: std::ops::Range<usize>| -> Vec<u8> {
                network.parameters()[range].iter().flat_map(|p| p.to_le_bytes()).collect()
            };
            for (i, layer) in shape.layers().enumerate() {
                let weight = vec![layer.inputs, layer.outputs];
                let mut push = |part: &str, shape: Vec<usize>, bytes: Vec<u8>| {
                    buffers.push((format!("{name}.{i}.{part}"), Dtype::F32, shape, bytes));
                };
                push("weight", weight, bytes(layer.weights()));
                push("bias", vec![layer.outputs], bytes(layer.bias()));
            }
        }
        let ModelInfo {
            method,
            sigma,
            final_sigma,
            delta,
            growth_price,
            times,
            seed,
            epochs,
            coordinates,
            masses,
            stretch,
            uncertainty,
            attributes,
        } = &self.info;
        let Scaling { centre, length, start, duration, knots } = &self.compiled.scaling;
        let mut metadata = json!({
            "format_version": self.format_version(),
            "library_version": env!("CARGO_PKG_VERSION"),
            "method": method,
            "sigma": sigma,
            "delta": delta,
            "times": times,
            // As text: JSON readers take numbers beyond 2⁵³ for floating point.
            "seed": seed.to_string(),
            "epochs": epochs,
            "scaling": { "centre": centre, "length": length, "start": start, "duration": duration },
            "networks": shapes,
        });
        if let Some(final_sigma) = final_sigma {
            metadata["final_sigma"] = json!(final_sigma);
        }
        if self.compiled.has_potential() {
            metadata["growth_law"] = match self.compiled.law {
                None => json!({ "name": "none" }),
                Some(GrowthLaw::Quadratic { alpha }) => json!({ "name": "quadratic", "alpha": alpha }),
                Some(GrowthLaw::Power { alpha, floor }) => {
                    json!({ "name": "power", "alpha": alpha, "floor": floor })
                }
            };
        }
        if *growth_price != GrowthPrice::Quadratic {
            metadata["growth_price"] = json!(growth_price.as_str());
        }
        if members > 1 {
            metadata["members"] = json!(members);
        }
        if !self.compiled.branches.is_empty() {
            let branch =
                |BranchWeight { start, gains }: &BranchWeight| json!({ "start": start, "gains": gains });
            metadata["branches"] = self.compiled.branches.iter().map(branch).collect();
        }
        if *stretch != 1.0 {
            metadata["stretch"] = json!(stretch);
        }
        if self.compiled.cheaper.is_some() {
            metadata["cheaper"] = json!(true);
        }
        if let Some(uncertainty) = uncertainty {
            metadata["uncertainty"] = uncertainty.to_json();
        }
        // What is not there is not written: a model without it is the same bytes as before there was any.
        if !knots.is_empty() {
            metadata["scaling"]["knots"] = json!(knots);
        }
        if let Some(guard) = &self.compiled.guard {
            let (lower, upper) = guard.corners();
            metadata["guard"] = json!({ "times": guard.times(), "lower": lower, "upper": upper });
        }
        if let Some(names) = coordinates {
            metadata["coordinates"] = json!(names);
        }
        if let Some(masses) = masses {
            metadata["masses"] = json!(masses);
        }
        if !attributes.is_empty() {
            metadata["attributes"] = json!(attributes);
        }
        if let Some(couplings) = &self.couplings {
            metadata["couplings"] = json!({ "times": couplings.times(), "counts": couplings.counts() });
            couplings.iter().enumerate().for_each(|(k, coupling)| buffers.extend(tensors_of(k, coupling)));
        }
        // One key only: the order of several would change from run to run.
        let metadata = HashMap::from([(KEY.to_string(), metadata.to_string())]);
        let views = buffers.iter().map(|(name, dtype, shape, bytes)| {
            let view =
                TensorView::new(*dtype, shape.clone(), bytes).expect("the buffer was made for the shape");
            (name.as_str(), view)
        });
        serialize(views, Some(metadata)).expect("tensors of distinct names in memory always serialise")
    }

    /// The model that [`to_bytes`](Self::to_bytes) wrote, with the same bits in every field.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for bytes that are damaged, not a chreode model, or of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bad = |what: String| Error::ModelFile(format!("not a usable chreode model: {what}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(e.to_string()))?;
        let text = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(KEY))
            .ok_or_else(|| bad(format!("a safetensors file without the metadata key `{KEY}`")))?;
        let metadata: Value = serde_json::from_str(text).map_err(|e| bad(format!("its metadata: {e}")))?;
        let fields = Metadata(&metadata);
        let version = fields.unsigned("format_version")?;
        if !(1..=FORMAT_VERSION).contains(&version) {
            return Err(Error::ModelFile(format!(
                "the model is of format version {version}; this library ({}) reads versions 1 to {FORMAT_VERSION}",
                env!("CARGO_PKG_VERSION")
            )));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(e.to_string()))?;
        let scaling = read_scaling(&Metadata(fields.get("scaling")?), version)?;
        let sigma = fields.number("sigma")?;
        if sigma < 0.0 {
            return Err(bad(format!("sigma is {sigma}")));
        }
        let info = ModelInfo {
            method: fields.text("method")?.into(),
            sigma,
            final_sigma: fields.find("final_sigma").map(|_| fields.positive("final_sigma")).transpose()?,
            delta: if fields.get("delta")?.is_null() { None } else { Some(fields.positive("delta")?) },
            growth_price: match fields.find("growth_price") {
                None => GrowthPrice::Quadratic,
                Some(_) => fields
                    .text("growth_price")?
                    .parse()
                    .map_err(|_| bad("its growth_price is not one that this library knows".into()))?,
            },
            times: fields.numbers("times")?,
            seed: fields.text("seed")?.parse().map_err(|_| bad("its seed is not a number".into()))?,
            epochs: fields.unsigned("epochs")? as usize,
            coordinates: fields.find("coordinates").map(|_| fields.texts("coordinates")).transpose()?,
            masses: fields.find("masses").map(|_| fields.numbers("masses")).transpose()?,
            stretch: read_stretch(&fields, version)?,
            uncertainty: fields
                .find("uncertainty")
                .map(|errors| read_uncertainty(&Metadata(errors)))
                .transpose()?,
            attributes: fields
                .find("attributes")
                .map_or(Ok(BTreeMap::new()), |_| fields.attributes("attributes"))?,
        };
        if info.times.is_empty() || info.times.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(bad("its times do not increase".into()));
        }
        let shapes = Metadata(fields.get("networks")?);
        let inputs = scaling.centre.len() + 1;
        let roles = || Role::ALL.into_iter().filter(|role| shapes.find(role.name()).is_some());
        let branches = read_branches(&fields, version)?;
        let count = match branches.len() {
            0 => read_member_count(&fields, version, &tensors)?,
            count => count,
        };
        let networks = |prefix: &str| -> Result<Vec<Network>> {
            let network = |role: Role| {
                let (name, shape) = (format!("{prefix}{}", role.name()), shapes.get(role.name())?);
                Ok(Network { role, mlp: read_network(&tensors, &name, inputs, &Metadata(shape))? })
            };
            roles().map(network).collect()
        };
        let members = (0..count).map(|m| networks(&prefix(count, m))).collect::<Result<Vec<_>>>()?;
        let cheaper = read_cheaper(&fields, version)?.then(|| networks(CHEAPER)).transpose()?;
        // What is not read would be a member left out.
        let named = |name: &str| {
            name.split('.').next().is_some_and(|first| first.parse::<usize>().is_ok_and(|m| m >= count))
        };
        if count > 1 && tensors.names().into_iter().any(named) {
            return Err(bad(format!("it holds tensors of other members or branches than its {count}")));
        }
        let has_potential = roles().any(|role| role == Role::Potential);
        let law = if has_potential { read_law(&fields)? } else { None };
        let guard = fields.find("guard").map(|_| read_guard(&fields, inputs - 1, version)).transpose()?;
        let model = if branches.is_empty() {
            Dynamics::new(info, scaling, members, law, guard)
        } else {
            Dynamics::of_branches(info, scaling, branches.into_iter().zip(members).collect(), guard)
        };
        let mut model = model.map_err(|e| bad(e.to_string()))?;
        if let Some(cheaper) = cheaper {
            model.put_beside(cheaper).map_err(|e| bad(e.to_string()))?;
        }
        model.couplings =
            fields.find("couplings").map(|_| read_couplings(&fields, version, &tensors)).transpose()?;
        Ok(model)
    }

    /// Writes the model to a file, which is whole or not there.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomically(path.as_ref(), &self.to_bytes())
    }

    /// Reads a model from a file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::ModelFile`] naming it as [`from_bytes`](Self::from_bytes).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, &error))?;
        Self::from_bytes(&bytes).map_err(|error| Error::ModelFile(format!("{}: {error}", path.display())))
    }

    /// The oldest version of the format that says all there is to say of the model.
    fn format_version(&self) -> u64 {
        if self.compiled.cheaper.is_some() {
            return 8;
        }
        if self.info.stretch != 1.0 {
            return 7;
        }
        if self.branches() > 0 {
            return 6;
        }
        let recent = |network: &Network| matches!(network.role, Role::Potential | Role::LogDensity);
        if self.couplings.is_some() {
            return 5;
        }
        if self.members() > 1 {
            return 4;
        }
        let is_second = self.compiled.members[0].iter().any(recent) || self.info.final_sigma.is_some();
        let is_third = !self.compiled.scaling.knots.is_empty() || self.compiled.guard.is_some();
        match (is_second, is_third) {
            (_, true) => 3,
            (true, false) => 2,
            (false, false) => 1,
        }
    }
}

/// A tensor: its name, the type of its elements, its shape and its bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// The tensors of the coupling of interval `k`.
fn tensors_of(k: usize, coupling: &Coupling) -> Vec<Tensor> {
    let Coupling { pairs, dying, born } = coupling;
    let cells = |part: &str, cells: &mut dyn Iterator<Item = u32>| {
        let bytes: Vec<u8> = cells.flat_map(u32::to_le_bytes).collect();
        (format!("coupling.{k}.{part}"), Dtype::U32, vec![bytes.len() / 4], bytes)
    };
    let masses = |part: &str, masses: &mut dyn Iterator<Item = f64>| {
        let bytes: Vec<u8> = masses.flat_map(f64::to_le_bytes).collect();
        (format!("coupling.{k}.{part}"), Dtype::F64, vec![bytes.len() / 8], bytes)
    };
    vec![
        cells("source", &mut pairs.iter().map(|pair| pair.source)),
        cells("target", &mut pairs.iter().map(|pair| pair.target)),
        masses("sent", &mut pairs.iter().map(|pair| pair.sent)),
        masses("received", &mut pairs.iter().map(|pair| pair.received)),
        masses("coupled", &mut pairs.iter().map(|pair| pair.coupled)),
        cells("dying", &mut dying.iter().map(|(cell, _)| *cell)),
        masses("dying_mass", &mut dying.iter().map(|(_, mass)| *mass)),
        cells("born", &mut born.iter().map(|(cell, _)| *cell)),
        masses("born_mass", &mut born.iter().map(|(_, mass)| *mass)),
    ]
}

/// The couplings of a file of this version.
fn read_couplings(fields: &Metadata<'_>, version: u64, tensors: &SafeTensors<'_>) -> Result<Couplings> {
    if version < 5 {
        return Err(fields.wrong("couplings", &format!("not of format version {version}, which has none")));
    }
    let bad = |what: String| Error::ModelFile(format!("not a usable chreode model: {what}"));
    let told = Metadata(fields.get("couplings")?);
    let counts = told.get("counts")?.as_array();
    let counts: Option<Vec<usize>> = counts.and_then(|counts| {
        counts.iter().map(|count| count.as_u64().and_then(|count| usize::try_from(count).ok())).collect()
    });
    let counts = counts.ok_or_else(|| told.wrong("counts", "not a list of counts"))?;
    let coupling = |k: usize| -> Result<Coupling> {
        let data = |part: &str, dtype: Dtype| -> Result<Vec<u8>> {
            let name = format!("coupling.{k}.{part}");
            let tensor = tensors.tensor(&name).map_err(|e| bad(format!("it lacks a tensor: {e}")))?;
            if tensor.dtype() != dtype || tensor.shape().len() != 1 {
                return Err(bad(format!("its tensor {name} is not a list of {dtype:?}")));
            }
            Ok(tensor.data().to_vec())
        };
        let cells = |part: &str| -> Result<Vec<u32>> {
            let data = data(part, Dtype::U32)?;
            Ok(data.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
        };
        let masses = |part: &str| -> Result<Vec<f64>> {
            let data = data(part, Dtype::F64)?;
            Ok(data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
        };
        let (source, target) = (cells("source")?, cells("target")?);
        let [sent, received, coupled] = [masses("sent")?, masses("received")?, masses("coupled")?];
        let (dying, dying_mass) = (cells("dying")?, masses("dying_mass")?);
        let (born, born_mass) = (cells("born")?, masses("born_mass")?);
        let lengths = [target.len(), sent.len(), received.len(), coupled.len()];
        if lengths.iter().any(|&length| length != source.len())
            || (dying.len(), born.len()) != (dying_mass.len(), born_mass.len())
        {
            return Err(bad(format!("the tensors of its coupling {k} are of different lengths")));
        }
        let pair = |i: usize| Pair {
            source: source[i],
            target: target[i],
            sent: sent[i],
            received: received[i],
            coupled: coupled[i],
        };
        Ok(Coupling {
            pairs: (0..source.len()).map(pair).collect(),
            dying: dying.into_iter().zip(dying_mass).collect(),
            born: born.into_iter().zip(born_mass).collect(),
        })
    };
    let couplings = (0..counts.len().saturating_sub(1)).map(coupling).collect::<Result<Vec<_>>>()?;
    Couplings::of_parts(couplings, told.numbers("times")?, counts).map_err(|e| bad(e.to_string()))
}

/// What the tensors of a member's networks are called before their role.
fn prefix(members: usize, member: usize) -> String {
    if members > 1 { format!("{member}.") } else { String::new() }
}

/// The same of the fit at another price beside an ensemble.
const CHEAPER: &str = "cheaper.";

/// Whether there is a fit at another price beside an ensemble, of a file of this version.
fn read_cheaper(fields: &Metadata<'_>, version: u64) -> Result<bool> {
    let Some(cheaper) = fields.find("cheaper") else { return Ok(false) };
    if version < 8 {
        return Err(fields.wrong("cheaper", &format!("not of format version {version}, which has none")));
    }
    cheaper.as_bool().ok_or_else(|| fields.wrong("cheaper", "neither true nor false"))
}

/// The number of members of an ensemble, which the file has tensors for; 1 of a model that is none.
fn read_member_count(fields: &Metadata<'_>, version: u64, tensors: &SafeTensors<'_>) -> Result<usize> {
    if fields.find("members").is_none() {
        return Ok(1);
    }
    if version < 4 {
        return Err(fields.wrong("members", &format!("not of format version {version}, which has none")));
    }
    let count = fields.unsigned("members")? as usize;
    // Every member has a tensor of its own, so that a count beyond them need not be looked for.
    if !(2..=tensors.len()).contains(&count) {
        return Err(fields.wrong("members", "not the number of members of an ensemble"));
    }
    Ok(count)
}

/// What the deviations over the members are multiplied by; 1 where the file does not say.
fn read_stretch(fields: &Metadata<'_>, version: u64) -> Result<f64> {
    if fields.find("stretch").is_none() {
        return Ok(1.0);
    }
    if version < 7 {
        return Err(fields.wrong("stretch", &format!("not of format version {version}, which has none")));
    }
    fields.number("stretch")
}

/// How each branch weighs, of a file of this version; empty of a model without.
fn read_branches(fields: &Metadata<'_>, version: u64) -> Result<Vec<BranchWeight>> {
    let Some(branches) = fields.find("branches") else { return Ok(vec![]) };
    if version < 6 {
        return Err(fields.wrong("branches", &format!("not of format version {version}, which has none")));
    }
    let read = |branch: &Value| {
        let branch = Metadata(branch);
        let gains =
            branch.get("gains")?.as_bool().ok_or_else(|| branch.wrong("gains", "neither true nor false"))?;
        Ok(BranchWeight { start: branch.number("start")?, gains })
    };
    let branches = branches.as_array().filter(|branches| !branches.is_empty());
    branches.ok_or_else(|| fields.wrong("branches", "not a list of branches"))?.iter().map(read).collect()
}

/// How far the fields of an ensemble are off.
fn read_uncertainty(errors: &Metadata<'_>) -> Result<Uncertainty> {
    let not_negative = |field: &Metadata<'_>, name: &str| {
        let number = field.number(name)?;
        if number >= 0.0 { Ok(number) } else { Err(field.wrong(name, "negative")) }
    };
    let error = |name: &str| {
        let field = Metadata(errors.get(name)?);
        let known = !field.get("resolution")?.is_null();
        Ok(FieldError {
            sampling: not_negative(&field, "sampling")?,
            shrinkage: field.find("shrinkage").map_or(Ok(1.0), |_| not_negative(&field, "shrinkage"))?,
            resolution: known.then(|| not_negative(&field, "resolution")).transpose()?,
            biased: field.find("biased").map_or(Ok(false), |biased| {
                biased.as_bool().ok_or_else(|| field.wrong("biased", "neither true nor false"))
            })?,
        })
    };
    Ok(Uncertainty {
        velocity: error("velocity")?,
        growth: error("growth")?,
        score_drift: error("score_drift")?,
    })
}

/// The change of units, of a file of this version.
fn read_scaling(fields: &Metadata<'_>, version: u64) -> Result<Scaling> {
    let scaling = Scaling {
        centre: fields.numbers("centre")?,
        length: fields.positive("length")?,
        start: fields.number("start")?,
        duration: fields.positive("duration")?,
        knots: fields.find("knots").map_or(Ok(vec![]), |_| fields.numbers("knots"))?,
    };
    let knots = &scaling.knots;
    if fields.find("knots").is_some() {
        let apart = |pair: &[f64]| pair[1] > pair[0] && (pair[1] - pair[0]).is_finite();
        if version < 3 {
            return Err(fields.wrong("knots", &format!("not of format version {version}, which has none")));
        }
        if knots.len() < 2 || knots[0] != scaling.start || !knots.windows(2).all(apart) {
            return Err(fields.wrong("knots", "not a list of increasing times from the start on"));
        }
    }
    Ok(scaling)
}

/// The guard, of a file of this version, in `dims` dimensions.
fn read_guard(fields: &Metadata<'_>, dims: usize, version: u64) -> Result<Guard> {
    if version < 3 {
        return Err(fields.wrong("guard", &format!("not of format version {version}, which has none")));
    }
    let guard = Metadata(fields.get("guard")?);
    let corners = |name| Ok(guard.numbers(name)?.into_iter().map(|x| x as f32).collect());
    Guard::new(dims, guard.numbers("times")?, corners("lower")?, corners("upper")?)
        .map_err(|error| fields.wrong("guard", &format!("not usable: {error}")))
}

/// The growth law of a potential, none of one without growth.
fn read_law(fields: &Metadata<'_>) -> Result<Option<GrowthLaw>> {
    let law = Metadata(fields.get("growth_law")?);
    let alpha = || law.positive("alpha");
    match law.text("name")? {
        "none" => Ok(None),
        "quadratic" => Ok(Some(GrowthLaw::Quadratic { alpha: alpha()? })),
        "power" => Ok(Some(GrowthLaw::Power { alpha: alpha()?, floor: law.positive("floor")? })),
        _ => Err(law.wrong("name", "not the name of a growth law that this library knows")),
    }
}

/// A network from its tensors; every shape is checked before anything is allocated for it.
fn read_network(tensors: &SafeTensors<'_>, name: &str, inputs: usize, shape: &Metadata<'_>) -> Result<Mlp> {
    let bad =
        |what: String| Error::ModelFile(format!("not a usable chreode model: the {name} network {what}"));
    let activation: Activation =
        shape.text("activation")?.parse().map_err(|e: Error| bad(format!("has {e}")))?;
    let width = |value: &Value| value.as_u64().and_then(|width| usize::try_from(width).ok());
    let hidden: Option<Vec<usize>> =
        shape.get("hidden")?.as_array().and_then(|all| all.iter().map(width).collect());
    let architecture = Architecture {
        inputs,
        hidden: hidden.ok_or_else(|| bad("has no list of hidden widths".into()))?,
        outputs: shape.unsigned("outputs")? as usize,
        activation,
    };
    architecture.validate().map_err(|e| bad(format!("has {e}")))?;
    let mut parameters = Vec::new();
    for (i, layer) in architecture.layers().enumerate() {
        for (part, want) in [("weight", vec![layer.inputs, layer.outputs]), ("bias", vec![layer.outputs])] {
            let tensor = tensors
                .tensor(&format!("{name}.{i}.{part}"))
                .map_err(|e| bad(format!("lacks a tensor: {e}")))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != want {
                return Err(bad(format!(
                    "has a tensor {i}.{part} of type {:?} and shape {:?} instead of F32 and {want:?}",
                    tensor.dtype(),
                    tensor.shape()
                )));
            }
            let (numbers, _) = tensor.data().as_chunks::<4>();
            parameters.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
    }
    if parameters.iter().any(|p| !p.is_finite()) {
        return Err(bad("has parameters that are not finite".into()));
    }
    Mlp::from_parameters(architecture, parameters).map_err(|e| bad(e.to_string()))
}

/// Typed access to a JSON object, with errors that name the field.
struct Metadata<'a>(&'a Value);

impl<'a> Metadata<'a> {
    fn find(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    fn get(&self, name: &str) -> Result<&'a Value> {
        self.find(name).ok_or_else(|| self.wrong(name, "missing"))
    }

    fn number(&self, name: &str) -> Result<f64> {
        let number = self.get(name)?.as_f64().filter(|x| x.is_finite());
        number.ok_or_else(|| self.wrong(name, "not a finite number"))
    }

    fn positive(&self, name: &str) -> Result<f64> {
        let number = self.number(name)?;
        if number > 0.0 { Ok(number) } else { Err(self.wrong(name, "not positive")) }
    }

    fn unsigned(&self, name: &str) -> Result<u64> {
        self.get(name)?.as_u64().ok_or_else(|| self.wrong(name, "not a count"))
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        self.get(name)?.as_str().ok_or_else(|| self.wrong(name, "not a text"))
    }

    fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let list = self.get(name)?.as_array();
        let numbers =
            list.and_then(|list| list.iter().map(|x| x.as_f64().filter(|x| x.is_finite())).collect());
        numbers.ok_or_else(|| self.wrong(name, "not a list of finite numbers"))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>> {
        let list = self.get(name)?.as_array();
        let texts = list.and_then(|list| list.iter().map(|text| text.as_str().map(String::from)).collect());
        texts.ok_or_else(|| self.wrong(name, "not a list of texts"))
    }

    fn attributes(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let object = self.get(name)?.as_object();
        let pair = |(name, text): (&String, &Value)| Some((name.clone(), text.as_str()?.to_string()));
        let pairs = object.and_then(|object| object.iter().map(pair).collect());
        pairs.ok_or_else(|| self.wrong(name, "not an object of texts"))
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::ModelFile(format!("not a usable chreode model: the metadata field `{name}` is {what}"))
    }
}
