//! A model file gives back the same model, and anything else a clear error.

use chreode::Error;
use chreode::datasets::GeneNetwork;
use chreode::dynamics::Dynamics;
use chreode::exec::progress::silent;
use chreode::method::{FitOptions, Method, fit};
use proptest::prelude::*;

fn model(method: Method) -> Dynamics {
    let mut options = FitOptions::new(method);
    options.training.epochs = 2;
    options.training.batch_size = 8;
    options.training.hidden = vec![7, 5];
    options.training.growth_hidden = Some(vec![3]);
    options.seed = u64::MAX; // beyond what JSON numbers hold
    let snapshots = GeneNetwork { cells_per_state: 5, seed: 1 }.generate().unwrap();
    fit(&snapshots, &options, &mut silent).unwrap().dynamics
}

fn complaint(bytes: &[u8]) -> String {
    match Dynamics::from_bytes(bytes) {
        Err(Error::ModelFile(message)) => message,
        other => panic!("expected a complaint, got {other:?}"),
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    for &method in Method::ALL {
        let dynamics = model(method);
        let bytes = dynamics.to_bytes();
        let back = Dynamics::from_bytes(&bytes).unwrap();
        assert_eq!(back, dynamics);
        assert_eq!(back.to_bytes(), bytes);
    }
}

#[test]
fn files_are_whole_or_not_there() {
    let folder = std::env::temp_dir().join(format!("chreode-model-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, dynamics) = (folder.join("model.safetensors"), model(Method::Usb));
    dynamics.save(&path).unwrap();
    assert_eq!(Dynamics::load(&path).unwrap(), dynamics);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside the file");
    let missing = folder.join("no such folder").join("model");
    assert!(matches!(dynamics.save(&missing), Err(Error::Io { .. })));
    assert!(matches!(Dynamics::load(&missing), Err(Error::Io { .. })));
    // A folder in the way: the rename fails, and the partial file is gone again.
    std::fs::create_dir(folder.join("taken")).unwrap();
    assert!(matches!(dynamics.save(folder.join("taken")), Err(Error::Io { .. })));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The bytes with one substring of the (ASCII) header replaced by another of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at =
        bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap_or_else(|| panic!("no {from}"));
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

#[test]
fn foreign_and_newer_files_are_told_apart() {
    let bytes = model(Method::Usb).to_bytes();
    assert!(
        complaint(&replaced(&bytes, r#"format_version\":1"#, r#"format_version\":7"#))
            .contains("format version 7")
    );
    let foreign = safetensors::serialize(
        [("x", safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4]).unwrap())],
        None,
    );
    assert!(complaint(&foreign.unwrap()).contains("metadata key"));
    assert!(complaint(b"").contains("not a usable chreode model"));
    assert!(complaint(b"PK\x03\x04 a zip archive, as PyTorch writes").contains("not a usable chreode model"));
    // A header that claims to be 2^63 bytes long.
    assert!(complaint(&[0, 0, 0, 0, 0, 0, 0, 0x80, b'{']).contains("not a usable chreode model"));
    // Widths that would need terabytes.
    assert!(complaint(&replaced(&bytes, r#"hidden\":[7,5]"#, r#"hidden\":[9e9]"#)).contains("velocity"));
    assert!(complaint(&replaced(&bytes, r#"hidden\":[7,5]"#, r#"hidden\":[8,5]"#)).contains("shape"));
    assert!(complaint(&replaced(&bytes, r#"leaky-relu"#, r#"sneaky-rel"#)).contains("activation"));
}

proptest! {
    #[test]
    fn truncated_files_are_refused(cut in 0.0f64..1.0) {
        let bytes = model(Method::WfrFm).to_bytes();
        complaint(&bytes[..(cut * bytes.len() as f64) as usize]);
    }

    #[test]
    fn damaged_files_never_panic(at in 0.0f64..1.0, value: u8, more in prop::collection::vec((0.0f64..0.2, any::<u8>()), 0..4)) {
        let mut bytes = model(Method::Usb).to_bytes();
        for (at, value) in std::iter::once((at, value)).chain(more) {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = value;
        }
        // A flipped bit of a parameter is a model too; everything else is a complaint.
        if let Err(error) = Dynamics::from_bytes(&bytes) {
            prop_assert!(matches!(error, Error::ModelFile(_)));
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        complaint(&bytes);
    }
}
