//! What this library is.

use std::ffi::c_char;

use serde_json::json;

use super::options::lists;
use super::pointers::fill_text;
use super::status::{chreode_status, guard};
use super::{field, workers};
use crate::datasets::{BranchingTree, GaussianMixture, GeneNetwork};
use crate::device;
use crate::method::{BridgeKind, CouplingKind, Method};
use crate::model::FORMAT_VERSION;
use crate::options::Target;
use crate::simulate::simulation::Process;

/// The number of the binary interface that this header describes. It is raised when a function or a struct is changed or
/// taken away; what is only added leaves it.
pub const CHREODE_ABI_VERSION: u32 = 0;

/// Returns the number of the binary interface of the library that is loaded: use it only if it is CHREODE_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn chreode_abi_version() -> u32 {
    CHREODE_ABI_VERSION
}

/// Returns the version of the library, "0.1.0" for instance. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn chreode_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Gets what the library can do, as a JSON object (size, then fill): version, abi_version, model_format_version, methods,
/// couplings, bridges, modes (of a simulation), fields, data_sets, option_lists, devices, cores. Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_capabilities(
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    guard(|| {
        let all = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "abi_version": CHREODE_ABI_VERSION,
            "model_format_version": FORMAT_VERSION,
            "methods": Method::NAMES,
            "couplings": CouplingKind::NAMES,
            "bridges": BridgeKind::NAMES,
            "modes": Process::NAMES,
            "fields": field::names().collect::<Vec<_>>(),
            "data_sets": [GeneNetwork::LIST, GaussianMixture::LIST, BranchingTree::LIST],
            "option_lists": lists().collect::<Vec<_>>(),
            "devices": device::available(),
            "cores": workers::resolved(0),
        });
        // SAFETY: the conventions of the header.
        unsafe { fill_text(&all.to_string(), buffer, capacity, size) }
    })
}
