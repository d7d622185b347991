//! Named arrays with a JSON object beside them, as safetensors: what parts of a computation and its checkpoints hold.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// The key of the JSON in the safetensors metadata.
const KEY: &str = "chreode";

/// The error of bytes that do not hold what they should.
pub(crate) fn unusable(what: impl std::fmt::Display) -> Error {
    Error::InvalidData(format!("not usable: {what}"))
}

/// Arrays to be written.
#[derive(Default)]
pub(crate) struct Arrays(Vec<(String, Dtype, usize, Vec<u8>)>);

impl Arrays {
    pub(crate) fn reals(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) {
        self.add(name.into(), Dtype::F64, values.into_iter().map(f64::to_le_bytes));
    }

    pub(crate) fn singles(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f32>) {
        self.add(name.into(), Dtype::F32, values.into_iter().map(f32::to_le_bytes));
    }

    pub(crate) fn integers(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = u64>) {
        self.add(name.into(), Dtype::U64, values.into_iter().map(u64::to_le_bytes));
    }

    pub(crate) fn cells(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = u32>) {
        self.add(name.into(), Dtype::U32, values.into_iter().map(u32::to_le_bytes));
    }

    fn add<const N: usize>(&mut self, name: String, kind: Dtype, values: impl Iterator<Item = [u8; N]>) {
        let bytes: Vec<u8> = values.flatten().collect();
        self.0.push((name, kind, bytes.len() / N, bytes));
    }

    /// All of them, with `beside`, as bytes.
    pub(crate) fn to_bytes(&self, beside: &Value) -> Vec<u8> {
        let metadata = HashMap::from([(KEY.to_string(), beside.to_string())]);
        let views = self.0.iter().map(|(name, kind, count, bytes)| {
            let view =
                TensorView::new(*kind, vec![*count], bytes).expect("the bytes were made for the count");
            (name.as_str(), view)
        });
        serialize(views, Some(metadata)).expect("arrays of distinct names in memory always serialise")
    }
}

/// Arrays that were read.
pub(crate) struct Read<'a> {
    arrays: SafeTensors<'a>,
    pub(crate) beside: Value,
}

impl<'a> Read<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unusable)?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let text = text.ok_or_else(|| unusable("its metadata are missing"))?;
        let beside = serde_json::from_str(text).map_err(unusable)?;
        Ok(Self { arrays: SafeTensors::deserialize(bytes).map_err(unusable)?, beside })
    }

    pub(crate) fn reals(&self, name: &str) -> Result<Vec<f64>> {
        self.read(name, Dtype::F64, f64::from_le_bytes)
    }

    /// Rows of `N` numbers.
    pub(crate) fn rows<const N: usize>(&self, name: &str) -> Result<Vec<[f64; N]>> {
        let all = self.reals(name)?;
        let (rows, rest) = all.as_chunks::<N>();
        if rest.is_empty() { Ok(rows.to_vec()) } else { Err(unusable(format!("`{name}` has broken rows"))) }
    }

    pub(crate) fn singles(&self, name: &str) -> Result<Vec<f32>> {
        self.read(name, Dtype::F32, f32::from_le_bytes)
    }

    pub(crate) fn integers(&self, name: &str) -> Result<Vec<u64>> {
        self.read(name, Dtype::U64, u64::from_le_bytes)
    }

    pub(crate) fn cells(&self, name: &str) -> Result<Vec<u32>> {
        self.read(name, Dtype::U32, u32::from_le_bytes)
    }

    fn read<T, const N: usize>(&self, name: &str, kind: Dtype, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let array = self.arrays.tensor(name).map_err(|_| unusable(format!("it lacks `{name}`")))?;
        if array.dtype() != kind {
            return Err(unusable(format!("`{name}` is of type {:?} instead of {kind:?}", array.dtype())));
        }
        let (values, _) = array.data().as_chunks::<N>();
        Ok(values.iter().map(|bytes| of(*bytes)).collect())
    }
}
