//! What a plan knows of its data: their shape, and a fingerprint by which changed data are found.

use std::fmt;

use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::reading::{Fields, unusable};
use crate::error::{Error, Result};
use crate::model::Dynamics;
use crate::snapshots::Snapshots;

/// 128 bits that tell data, plans and parts from others (XXH3): against accidents, not against forgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u128);

/// What tells data apart, in 32 hexadecimal digits: XXH3 of the times, the coordinates and the weights of all cells, with what is known
/// beforehand of their growth and their clones.
pub fn fingerprint(snapshots: &Snapshots) -> String {
    Fingerprint::of_snapshots(snapshots).to_string()
}

impl Fingerprint {
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(bytes))
    }

    /// Of all that a fit, or whatever else, sees of snapshots.
    pub(super) fn of_snapshots(snapshots: &Snapshots) -> Self {
        let mut hasher = Hasher::default();
        hasher.counts(&[snapshots.dims(), snapshots.len()]);
        hasher.reals(snapshots.times());
        for k in 0..snapshots.len() {
            hasher.counts(&[snapshots.count(k)]);
            snapshots.cells_of(k).for_each(|cell| hasher.singles(cell));
            hasher.reals(snapshots.weights(k));
            if let Some(rates) = snapshots.growth_prior(k) {
                hasher.reals(rates);
            }
            if let Some(clones) = snapshots.clones(k) {
                hasher.clones(clones);
            }
        }
        hasher.end()
    }

    /// Of the cells that one side of a block has, and of the other.
    pub(super) fn of_cells(sides: &[Side; 2]) -> Self {
        let mut hasher = Hasher::default();
        for side in sides {
            hasher.counts(&[side.weights.len()]);
            hasher.singles(&side.points);
            hasher.reals(&side.weights);
            if let Some(clones) = &side.clones {
                hasher.clones(clones);
            }
        }
        hasher.end()
    }

    /// Of what a model computes: not of what its makers have it remember.
    pub(super) fn of_model(model: &Dynamics) -> Self {
        let mut bare = model.clone();
        bare.info.coordinates = None;
        bare.info.masses = None;
        bare.info.attributes.clear();
        Self::of_bytes(&bare.to_bytes())
    }

    /// Refuses another model than that of the plan.
    ///
    /// # Errors
    /// [`Error::InvalidData`].
    pub(super) fn check_model(self, model: &Dynamics) -> Result<()> {
        let found = Self::of_model(model);
        if found == self {
            return Ok(());
        }
        let message = format!(
            "the model is not the one that the plan was made for (fingerprint {found}, the plan's is {self})"
        );
        Err(Error::InvalidData(message))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| is_hex).map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Hashes numbers as their little-endian bytes, some thousand at a time.
#[derive(Default)]
struct Hasher {
    state: Xxh3,
    buffer: Vec<u8>,
}

impl Hasher {
    fn counts(&mut self, values: &[usize]) {
        self.add(values, |value| (*value as u64).to_le_bytes());
    }

    fn reals(&mut self, values: &[f64]) {
        self.add(values, |value| value.to_le_bytes());
    }

    fn singles(&mut self, values: &[f32]) {
        self.add(values, |value| value.to_le_bytes());
    }

    fn clones(&mut self, values: &[Option<u32>]) {
        self.add(values, |value| value.unwrap_or(u32::MAX).to_le_bytes());
    }

    fn add<T, const N: usize>(&mut self, values: &[T], bytes: impl Fn(&T) -> [u8; N]) {
        for some in values.chunks(4096) {
            self.buffer.clear();
            some.iter().for_each(|value| self.buffer.extend_from_slice(&bytes(value)));
            self.state.update(&self.buffer);
        }
    }

    fn end(self) -> Fingerprint {
        Fingerprint(self.state.digest128())
    }
}

/// Cells of one snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    /// Row-major.
    pub(super) points: Vec<f32>,
    pub(super) weights: Vec<f64>,
    /// The clones of the cells, where some are known.
    pub(super) clones: Option<Vec<Option<u32>>>,
}

impl Side {
    /// The cells `rows` of snapshot `k`, which have these `weights`.
    pub(super) fn of(snapshots: &Snapshots, k: usize, rows: &[usize], weights: &[f64]) -> Self {
        Self {
            points: rows.iter().flat_map(|&row| snapshots.point(k, row)).copied().collect(),
            weights: rows.iter().map(|&row| weights[row]).collect(),
            clones: snapshots.clones(k).map(|clones| rows.iter().map(|&row| clones[row]).collect()),
        }
    }

    /// The cells of a block of interval `k` of these snapshots as they are coupled: those before weigh what they are expected to.
    pub(super) fn of_block(snapshots: &Snapshots, k: usize, [rows, columns]: [&[usize]; 2]) -> [Self; 2] {
        let duration = snapshots.duration(k);
        [
            Self::of(snapshots, k, rows, &snapshots.expected_weights(k, duration)),
            Self::of(snapshots, k + 1, columns, snapshots.weights(k + 1)),
        ]
    }
}

/// The shape of snapshots, and their fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub(super) fingerprint: Fingerprint,
    pub(super) dims: usize,
    pub(super) times: Vec<f64>,
    pub(super) counts: Vec<usize>,
    /// Of each snapshot, the cells that weigh nothing, which are never coupled.
    pub(super) weightless: Vec<Vec<usize>>,
}

impl Shape {
    pub(super) fn of(snapshots: &Snapshots) -> Self {
        let weightless = |k: usize| {
            let weights = snapshots.weights(k);
            (0..weights.len()).filter(|&row| weights[row] <= 0.0).collect()
        };
        Self {
            fingerprint: Fingerprint::of_snapshots(snapshots),
            dims: snapshots.dims(),
            times: snapshots.times().to_vec(),
            counts: (0..snapshots.len()).map(|k| snapshots.count(k)).collect(),
            weightless: (0..snapshots.len()).map(weightless).collect(),
        }
    }

    /// Whether these snapshots have as many cells at the same times; their points may be others.
    pub(super) fn is_that_of(&self, snapshots: &Snapshots) -> bool {
        let counts = (0..snapshots.len()).map(|k| snapshots.count(k));
        self.dims == snapshots.dims()
            && self.times == snapshots.times()
            && counts.eq(self.counts.iter().copied())
    }

    /// Refuses other data than those of the plan.
    ///
    /// # Errors
    /// [`Error::InvalidData`].
    pub(super) fn check(&self, snapshots: &Snapshots) -> Result<()> {
        let found = Fingerprint::of_snapshots(snapshots);
        if found == self.fingerprint {
            return Ok(());
        }
        let what = if self.is_that_of(snapshots) {
            "they have as many cells at the same times, but other coordinates or weights, or other growth priors or clones"
                .into()
        } else {
            let cells: usize = (0..snapshots.len()).map(|k| snapshots.count(k)).sum();
            format!(
                "it was made for {} cells of {} coordinates at the times {:?}, these are {cells} of {} at {:?}",
                self.counts.iter().sum::<usize>(),
                self.dims,
                self.times,
                snapshots.dims(),
                snapshots.times()
            )
        };
        Err(Error::InvalidData(format!(
            "the data are not those that the plan was made for (fingerprint {found}, the plan's is {}): {what}",
            self.fingerprint
        )))
    }

    /// The cells of snapshot `k` that weigh anything.
    pub(super) fn weighted(&self, k: usize) -> Vec<usize> {
        let mut weightless = self.weightless[k].iter().peekable();
        (0..self.counts[k]).filter(|row| weightless.next_if_eq(&row).is_none()).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "fingerprint": self.fingerprint.to_string(),
            "dims": self.dims,
            "times": self.times,
            "counts": self.counts,
            "weightless": self.weightless,
        })
    }

    pub(super) fn of_json(fields: &Fields<'_>) -> Result<Self> {
        let shape = Self {
            fingerprint: fields.fingerprint("fingerprint")?,
            dims: fields.count("dims")?,
            times: fields.reals("times")?,
            counts: fields.counts("counts")?,
            weightless: fields.list("weightless", Fields::all_counts)?,
        };
        let increase = |rows: &[usize]| rows.windows(2).all(|pair| pair[0] < pair[1]);
        let within = |(rows, &count): (&Vec<usize>, &usize)| {
            increase(rows) && rows.last().is_none_or(|&last| last < count) && rows.len() < count
        };
        let lengths = [shape.counts.len(), shape.weightless.len()];
        let fits = lengths.iter().all(|&length| length == shape.times.len())
            && !shape.times.is_empty()
            && shape.times.windows(2).all(|pair| pair[0] < pair[1])
            && shape.counts.iter().try_fold(0usize, |sum, &count| sum.checked_add(count)).is_some()
            && shape.weightless.iter().zip(&shape.counts).all(within);
        if fits { Ok(shape) } else { Err(unusable("its data are not snapshots")) }
    }
}
