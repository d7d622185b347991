//! Parts: what came of a task, sealed so that a damaged, truncated or foreign one is found before it is used.
//!
//! | bytes | what |
//! | --- | --- |
//! | 12 | `chreode-part` |
//! | 4 | the version of the format, little-endian as all that follows |
//! | 16 | the XXH3 checksum of all that follows |
//! | 16 | the fingerprint of the plan |
//! | 8 | the number of the task |
//! | … | its result: safetensors |

use super::data::Fingerprint;
use crate::error::{Error, Result};

const MAGIC: &[u8; 12] = b"chreode-part";
/// The version of the format that this library reads and writes.
const VERSION: u32 = 1;
/// Where what the checksum covers begins.
const SEALED: usize = MAGIC.len() + 4 + 16;
/// Where the result begins.
const RESULT: usize = SEALED + 16 + 8;

/// A part, and what a complaint calls it: the name of its file.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// What a complaint calls it.
    pub name: &'a str,
    /// What [`Plan::run`](super::Plan::run) gave.
    pub bytes: &'a [u8],
}

/// The part of a task.
pub(super) fn seal(plan: Fingerprint, task: usize, result: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RESULT + result.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&plan.0.to_le_bytes());
    bytes.extend_from_slice(&(task as u64).to_le_bytes());
    bytes.extend_from_slice(result);
    let checksum = Fingerprint::of_bytes(&bytes[SEALED..]);
    bytes[SEALED - 16..SEALED].copy_from_slice(&checksum.0.to_le_bytes());
    bytes
}

impl<'a> Part<'a> {
    /// The task, below `tasks`, of the plan that the part is of, and its result.
    ///
    /// # Errors
    /// [`Error::InvalidData`] naming the part.
    pub(super) fn open(&self, plan: Fingerprint, tasks: usize) -> Result<(usize, &'a [u8])> {
        let Self { name, bytes } = *self;
        let wrong = |what: String| Err(Error::InvalidData(format!("{name}: {what}; do its task again")));
        if !bytes.starts_with(MAGIC) {
            return wrong("not a part of a chreode plan".into());
        }
        let Some(version) = bytes.get(MAGIC.len()..).and_then(<[u8]>::first_chunk).copied() else {
            return wrong("the part is truncated".into());
        };
        let version = u32::from_le_bytes(version);
        if version != VERSION {
            return wrong(format!(
                "the part is of format version {version}; this library reads version {VERSION}"
            ));
        }
        let (Some(checksum), Some(of_plan), Some(task)) = (
            bytes.get(SEALED - 16..).and_then(<[u8]>::first_chunk),
            bytes.get(SEALED..).and_then(<[u8]>::first_chunk),
            bytes.get(SEALED + 16..).and_then(<[u8]>::first_chunk),
        ) else {
            return wrong("the part is truncated".into());
        };
        if Fingerprint::of_bytes(&bytes[SEALED..]).0 != u128::from_le_bytes(*checksum) {
            return wrong("the part is truncated or corrupted (its checksum is another)".into());
        }
        let of_plan = Fingerprint(u128::from_le_bytes(*of_plan));
        if of_plan != plan {
            return wrong(format!("the part is of another plan ({of_plan}, this one is {plan})"));
        }
        match usize::try_from(u64::from_le_bytes(*task)).ok().filter(|&task| task < tasks) {
            Some(task) => Ok((task, &bytes[RESULT..])),
            None => wrong(format!("the part is of a task that the plan, of {tasks} tasks, does not have")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Fingerprint = Fingerprint(7);

    fn told(bytes: &[u8], plan: Fingerprint, tasks: usize) -> String {
        Part { name: "000003.part", bytes }.open(plan, tasks).unwrap_err().to_string()
    }

    #[test]
    fn a_part_is_opened_as_it_was_sealed_and_whatever_is_wrong_with_it_names_it() {
        let sealed = seal(PLAN, 3, b"result");
        assert_eq!(Part { name: "", bytes: &sealed }.open(PLAN, 4).unwrap(), (3, &b"result"[..]));
        for (told, what) in [
            (told(b"", PLAN, 4), "not a part"),
            (told(&sealed[..14], PLAN, 4), "truncated"),
            (told(&sealed[..SEALED + 20], PLAN, 4), "truncated"),
            (told(&sealed[..sealed.len() - 1], PLAN, 4), "truncated or corrupted"),
            (told(&sealed, Fingerprint(8), 4), "of another plan"),
            (told(&sealed, PLAN, 3), "does not have"),
        ] {
            assert!(told.starts_with("000003.part: ") && told.contains(what), "{told}");
        }
        for version in [0u32, 2] {
            let mut other = sealed.clone();
            other[12..16].copy_from_slice(&version.to_le_bytes());
            assert!(told(&other, PLAN, 4).contains(&format!("format version {version}")));
        }
        for byte in SEALED - 16..sealed.len() {
            let mut other = sealed.clone();
            other[byte] ^= 16;
            assert!(told(&other, PLAN, 4).contains("corrupted"), "byte {byte}");
        }
    }
}
