//! A model file gives back the same model, and anything else a clear error.

use chreode::Error;
use chreode::datasets::GeneNetwork;
use chreode::exec::progress::silent;
use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::method::{FitOptions, Method, couple, fit};
use chreode::model::Dynamics;
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

fn model(method: Method) -> Dynamics {
    let mut options = FitOptions::new(method);
    options.training.epochs = 2;
    options.training.batch_size = 8;
    options.training.hidden = vec![7, 5];
    options.training.growth_hidden = Some(vec![3]);
    options.interpolant_epochs = 2;
    options.rollout.growth_epochs = 2;
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

/// Cells of which some have no partner, and the fit of a moment to them.
fn options_and_cells(method: Method) -> (FitOptions, chreode::Snapshots) {
    let mut options = FitOptions::new(method);
    options.training.epochs = 1;
    options.training.hidden = vec![3];
    options.delta = options.recipe.takes("delta").then_some(0.12);
    (options, GeneNetwork { cells_per_state: 9, seed: 1 }.generate().unwrap())
}

#[test]
fn couplings_are_kept_where_that_is_asked_and_change_nothing_else() {
    for method in [Method::OtCfm, Method::Sf2m, Method::UotFm, Method::WfrFm, Method::Usb] {
        let (mut options, snapshots) = options_and_cells(method);
        let plain = fit(&snapshots, &options, &mut silent).unwrap().dynamics;
        options.keep_couplings = true;
        let keeping = fit(&snapshots, &options, &mut silent).unwrap().dynamics;
        let (bytes, more) = (plain.to_bytes(), keeping.to_bytes());
        assert!(plain.couplings().is_none() && !String::from_utf8_lossy(&bytes).contains("couplings"));
        assert!(String::from_utf8_lossy(&more).contains(r#"format_version\":5"#), "{method}");
        // Those of coupling alone, to the bit, also from the file.
        let made = couple(&snapshots, &options, &mut silent).unwrap().couplings;
        let back = Dynamics::from_bytes(&more).unwrap();
        assert_eq!(keeping.couplings(), Some(&made), "{method}");
        assert!(back == keeping && back.to_bytes() == more);
        let unmatched = made.iter().map(|coupling| coupling.unmatched_mass().0).sum::<f64>();
        assert_eq!(unmatched > 0.0, [Method::WfrFm, Method::Usb].contains(&method), "{method}");
        // The fields are the same.
        let at = |model: &Dynamics| {
            let (points, mut values) = (snapshots.points(1), vec![0.0; snapshots.count(1) * 2]);
            let velocity = FieldValues { velocity: Some(&mut values), ..FieldValues::default() };
            model.evaluate(0.7, &points, velocity, &mut Scratch::default());
            values
        };
        assert_eq!(at(&plain), at(&back));
    }
    let (mut options, snapshots) = options_and_cells(Method::Usb);
    (options.keep_couplings, options.ensemble) = (true, 2);
    let refused = fit(&snapshots, &options, &mut silent).unwrap_err().to_string();
    assert!(refused.starts_with("keep_couplings must be false for an ensemble"), "{refused}");
}

#[test]
fn couplings_that_are_none_are_refused() {
    let (mut options, snapshots) = options_and_cells(Method::Usb);
    options.keep_couplings = true;
    let bytes = fit(&snapshots, &options, &mut silent).unwrap().dynamics.to_bytes();
    let told = |from: &str, to: &str| complaint(&replaced(&bytes, from, to));
    assert!(told(r#"format_version\":5"#, r#"format_version\":4"#).contains("not of format version 4"));
    assert!(told("coupling.1.sent", "coupling.1.send").contains("coupling.1.sent"));
    let few = told(r#"counts\":[18"#, r#"counts\":[17"#);
    assert!(few.contains("of cell 17 of 17 in interval 0"), "{few}");
    let turned = told(r#"\"couplings\":{\"times\":[0.0,1.0"#, r#"\"couplings\":{\"times\":[1.0,0.0"#);
    assert!(turned.contains("times do not increase"), "{turned}");
    // A cell without a partner has a mass of one.
    let mass = 1f64.to_le_bytes();
    let mut broken = bytes.clone();
    let at = broken.windows(8).rposition(|window| window == mass).unwrap();
    broken[at..at + 8].copy_from_slice(&(-1f64).to_le_bytes());
    assert!(complaint(&broken).contains("the mass -1 of cell"));
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
        complaint(&replaced(&bytes, r#"format_version\":3"#, r#"format_version\":9"#))
            .contains("format version 9")
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

/// A file as another program would write it: networks of (t, x, y) by their names and outputs, and metadata beside the
/// usual.
fn written(version: u64, networks: &[(&str, usize)], more: Value) -> Vec<u8> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = vec![];
    let mut shapes = json!({});
    for &(name, outputs) in networks {
        shapes[name] = json!({ "hidden": [4], "outputs": outputs, "activation": "tanh" });
        for (layer, inputs, outputs) in [(0, 3, 4), (1, 4, outputs)] {
            for (part, shape) in [("weight", vec![inputs, outputs]), ("bias", vec![outputs])] {
                let count: usize = shape.iter().product();
                let numbers =
                    (0..count).flat_map(|i| ((i * i + outputs) as f32).sin().to_le_bytes()).collect();
                tensors.push((format!("{name}.{layer}.{part}"), shape, numbers));
            }
        }
    }
    let mut metadata = json!({
        "format_version": version, "method": "foreign", "sigma": 0.7, "delta": null, "times": [0.0, 1.5, 2.0],
        "seed": "3", "epochs": 12, "networks": shapes,
        "scaling": { "centre": [0.5, -0.5], "length": 2.0, "start": 0.0, "duration": 1.0 },
    });
    more.as_object().unwrap().iter().for_each(|(name, value)| metadata[name] = value.clone());
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let metadata = std::collections::HashMap::from([("chreode".to_string(), metadata.to_string())]);
    safetensors::serialize(views, Some(metadata)).unwrap()
}

/// A law with numbers that only a reader of all their digits gets right.
fn power_law() -> Value {
    json!({ "growth_law": { "name": "power", "alpha": 0.1 + 0.2, "floor": 1.0 / 3.0 } })
}

#[test]
fn potentials_densities_and_changing_diffusions_are_read_as_written() {
    let with_final_sigma = |mut more: Value| {
        more["final_sigma"] = json!(0.1 + 0.2);
        more
    };
    let quadratic = json!({ "growth_law": { "name": "quadratic", "alpha": 0.1 + 0.2 } });
    for (networks, more, landscape) in [
        (vec![("potential", 1)], power_law(), true),
        (vec![("potential", 1)], json!({ "growth_law": { "name": "none" } }), true),
        (vec![("potential", 1), ("log_density", 1)], quadratic, true),
        (vec![("potential", 1), ("score", 2)], with_final_sigma(power_law()), true),
        (vec![("velocity", 2), ("growth", 1), ("log_density", 1)], with_final_sigma(json!({})), true),
        (vec![("velocity", 2), ("score", 2)], with_final_sigma(json!({})), false),
    ] {
        let dynamics = Dynamics::from_bytes(&written(2, &networks, more.clone())).unwrap();
        let bytes = dynamics.to_bytes();
        let back = Dynamics::from_bytes(&bytes).unwrap();
        assert_eq!(back, dynamics);
        assert_eq!(back.to_bytes(), bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.contains(r#"format_version\":2"#),
            "an older reader must not take it for a model it knows"
        );
        let law_name = &more["growth_law"]["name"];
        if law_name.is_string() && law_name != "none" {
            assert!(text.contains(r#"\"alpha\":0.30000000000000004"#), "{text}");
        }
        assert_eq!(back.info().final_sigma, more.get("final_sigma").and_then(Value::as_f64));
        assert_eq!(back.has_landscape(), landscape);
        assert_eq!(
            back.has_growth(),
            law_name != "none" && networks.iter().any(|(name, _)| ["potential", "growth"].contains(name))
        );
        let (mut velocity, mut growth) = ([f32::NAN; 4], [f32::NAN; 2]);
        let values = FieldValues {
            velocity: Some(&mut velocity),
            growth: Some(&mut growth),
            ..FieldValues::default()
        };
        back.evaluate(1.0, &[0.0, 0.1, 1.0, -2.0], values, &mut Scratch::default());
        assert!(velocity.iter().chain(&growth).all(|x| x.is_finite()));
    }
}

#[test]
fn models_that_older_readers_understand_stay_readable_to_them() {
    let bytes = written(1, &[("velocity", 2), ("growth", 1), ("score", 2)], json!({}));
    let again = Dynamics::from_bytes(&bytes).unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&again).contains(r#"format_version\":1"#));
}

/// The change of units with an entry more.
fn with_knots(knots: Value) -> Value {
    json!({ "scaling": { "centre": [0.5, -0.5], "length": 2.0, "start": 0.0, "duration": 1.0, "knots": knots } })
}

#[test]
fn units_of_each_interval_are_read_as_written() {
    let velocity = [("velocity", 2), ("growth", 1), ("score", 2)];
    let read = |version, more| Dynamics::from_bytes(&written(version, &velocity, more)).unwrap();
    let (paced, plain) = (read(3, with_knots(json!([0.0, 0.5, 2.0]))), read(1, json!({})));
    let bytes = paced.to_bytes();
    assert_eq!(Dynamics::from_bytes(&bytes).unwrap(), paced);
    assert!(
        String::from_utf8_lossy(&bytes).contains(r#"format_version\":3"#),
        "older readers must not guess"
    );
    assert_eq!((paced.knots(), plain.knots()), (&[0.0, 0.5, 2.0][..], &[][..]));
    let fields = |model: &Dynamics, time| {
        let (mut velocity, mut growth, mut score) = ([0.0; 2], [0.0], [0.0; 2]);
        let values = FieldValues {
            velocity: Some(&mut velocity),
            growth: Some(&mut growth),
            score_drift: Some(&mut score),
        };
        model.evaluate(time, &[0.3, 0.4], values, &mut Scratch::default());
        [velocity[0], growth[0], score[0]]
    };
    // The networks see 0.5 at 0.25, in units of 0.5, and 1.5 at 1.25, in units of 1.5; outside they go on.
    for (time, seen, unit) in [(0.25, 0.5, 0.5), (1.25, 1.5, 1.5), (-0.5, -1.0, 0.5), (3.5, 3.0, 1.5f32)] {
        let scale = [1.0 / unit, 1.0 / unit, 1.0 / unit.sqrt()];
        for ((got, want), scale) in fields(&paced, time).into_iter().zip(fields(&plain, seen)).zip(scale) {
            assert!((got - want * scale).abs() < 1e-6 * got.abs(), "at {time}: {got}, not {}", want * scale);
        }
    }
}

#[test]
fn a_guard_moves_what_is_outside_of_its_box_to_the_border() {
    let guard =
        json!({ "times": [0.0, 1.0, 4.0], "lower": [-0.5, -0.5, 0.0, 0.0], "upper": [0.5, 0.5, 1.0, 2.0] });
    let read = |version, more| Dynamics::from_bytes(&written(version, &[("velocity", 2)], more)).unwrap();
    let (guarded, plain) = (read(3, json!({ "guard": guard })), read(1, json!({})));
    assert_eq!(Dynamics::from_bytes(&guarded.to_bytes()).unwrap(), guarded);
    assert_eq!((guarded.knots(), plain.knots()), (&[0.0, 1.0, 4.0][..], &[][..]));
    let velocity = |model: &Dynamics, time: f64, point: [f32; 2]| {
        let mut v = [0.0f32; 2];
        let values = FieldValues { velocity: Some(&mut v), ..Default::default() };
        model.evaluate(time, &point, values, &mut Scratch::default());
        v
    };
    for (time, asked, seen) in [
        (0.3, [0.2, -0.4], [0.2, -0.4]),
        (0.3, [7.0, -0.4], [0.5, -0.4]),
        (-2.0, [-7.0, 0.7], [-0.5, 0.5]),
        (1.0, [-7.0, 1.7], [0.0, 1.7]),
        (9.0, [7.0, 7.0], [1.0, 2.0]),
    ] {
        assert_eq!(velocity(&guarded, time, asked), velocity(&plain, time, seen), "{time} {asked:?}");
    }
    assert_ne!(velocity(&plain, 0.3, [7.0, -0.4]), velocity(&plain, 0.3, [0.5, -0.4]));
    let told =
        |version, guard: Value| complaint(&written(version, &[("velocity", 2)], json!({ "guard": guard })));
    assert!(told(1, guard.clone()).contains("`guard` is not of format version 1"));
    for (name, wrong) in [
        ("times", json!([0.0, 0.0, 1.0])),
        ("times", json!([0.0])),
        ("lower", json!([-0.5, -0.5])),
        ("lower", json!([-0.5, 9.0, 0.0, 0.0])),
        ("upper", json!("x")),
    ] {
        let mut guard = guard.clone();
        guard[name] = wrong;
        let told = told(3, guard);
        assert!(told.contains("guard") || told.contains("`upper`"), "{told}");
    }
}

#[test]
fn knots_that_are_no_times_are_refused() {
    let refusal = |version, knots| complaint(&written(version, &[("velocity", 2)], with_knots(knots)));
    for knots in [
        json!([]),
        json!([0.0]),
        json!([0.0, 0.0, 1.0]),
        json!([0.0, 2.0, 1.0]),
        json!([1.0, 2.0]),
        json!([0.0, null]),
        json!([0.0, "1"]),
        json!("0, 1"),
        json!(null),
    ] {
        let told = refusal(3, knots.clone());
        assert!(told.contains("the metadata field `knots` is not a list of"), "{knots}: {told}");
    }
    let far = json!([-1.7e308, 1.7e308]);
    let start = json!({ "scaling": { "centre": [0.0, 0.0], "length": 1.0, "start": -1.7e308, "duration": 1.0, "knots": far } });
    assert!(complaint(&written(3, &[("velocity", 2)], start)).contains("`knots`"));
    // Versions that had none.
    for version in [1, 2] {
        assert!(refusal(version, json!([0.0, 0.5, 2.0])).contains("which has none"));
    }
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let velocity = ("velocity", 2);
    let refusal = |networks: &[(&str, usize)], more| complaint(&written(2, networks, more));
    assert!(refusal(&[("growth", 1)], json!({})).contains("neither a velocity nor a potential"));
    assert!(refusal(&[velocity, ("potential", 1)], power_law()).contains("both a velocity and a potential"));
    assert!(refusal(&[velocity, ("score", 2), ("log_density", 1)], json!({})).contains("both a score"));
    assert!(refusal(&[("potential", 1), ("growth", 1)], power_law()).contains("a second one"));
    assert!(refusal(&[("potential", 2)], power_law()).contains("the potential network"));
    assert!(refusal(&[velocity, ("log_density", 2)], json!({})).contains("the log_density network"));
    assert!(refusal(&[velocity], json!({ "final_sigma": 0.0 })).contains("`final_sigma` is not positive"));
    assert!(refusal(&[velocity], json!({ "final_sigma": 1.0, "sigma": 0.0 })).contains("the diffusion"));
    assert!(refusal(&[("potential", 1)], json!({})).contains("`growth_law` is missing"));
    for (law, what) in [
        (json!({ "name": "cubic", "alpha": 1.0 }), "`name` is not the name of a growth law"),
        (json!({ "name": "quadratic", "alpha": -1.0 }), "`alpha` is not positive"),
        (json!({ "name": "power", "alpha": 1.0 }), "`floor` is missing"),
        (json!({ "name": "power", "alpha": 1.0, "floor": 0.0 }), "`floor` is not positive"),
        (json!(3), "`name` is missing"),
    ] {
        assert!(refusal(&[("potential", 1)], json!({ "growth_law": law })).contains(what), "{what}");
    }
}

#[test]
fn what_a_model_is_asked_to_remember_is_in_its_file_and_changes_nothing_else() {
    let plain = model(Method::Usb);
    let mut noted = plain.clone();
    noted.set_coordinates(vec!["Gata1".into(), "Spi1 \"PU.1\" \u{1F9EC}".into()]).unwrap();
    noted.set_masses(vec![1.0, 2.5, 3.0, 4.0, 1e-3]).unwrap();
    noted.set_attribute("obsm", "X_pca").unwrap();
    noted.set_attribute("note", "two\nlines").unwrap();
    let back = Dynamics::from_bytes(&noted.to_bytes()).unwrap();
    assert_eq!((&back, back.to_bytes()), (&noted, noted.to_bytes()));
    assert_eq!(back.info().attributes["obsm"], "X_pca");
    assert_eq!(back.info().masses.as_deref(), Some(&[1.0, 2.5, 3.0, 4.0, 1e-3][..]));
    // The order of setting does not matter, and an attribute that is taken away leaves nothing behind.
    let mut other = plain.clone();
    other.set_attribute("note", "two\nlines").unwrap();
    assert_ne!(other.to_bytes(), plain.to_bytes());
    other.set_attribute("note", "").unwrap();
    assert_eq!(other.to_bytes(), plain.to_bytes());
    assert!(!String::from_utf8_lossy(&plain.to_bytes()).contains("attributes"));
    // What is refused changes nothing.
    let told = |outcome: chreode::Result<()>| outcome.unwrap_err().to_string();
    assert_eq!(
        told(other.set_coordinates(vec!["x".into()])),
        "coordinates must be 2 names, one a dimension, got 1 names"
    );
    assert_eq!(told(other.set_masses(vec![1.0])), "masses must be 5 numbers, one a time, got 1 numbers");
    assert_eq!(
        told(other.set_masses(vec![1.0, 0.0, 1.0, 1.0, 1.0])),
        "mass must be positive and finite, got 0"
    );
    assert!(told(other.set_attribute("", "x")).contains("the name of an attribute"));
    assert_eq!(other, plain);
}

#[test]
fn what_a_file_claims_to_remember_is_checked() {
    let refusal = |more| complaint(&written(1, &[("velocity", 2)], more));
    for (more, what) in [
        (json!({ "coordinates": ["x"] }), "coordinates must be 2 names"),
        (json!({ "coordinates": ["x", 3] }), "`coordinates` is not a list of texts"),
        (json!({ "coordinates": null }), "`coordinates` is not a list of texts"),
        (json!({ "masses": [1.0, 2.0] }), "masses must be 3 numbers"),
        (json!({ "masses": [1.0, -2.0, 1.0] }), "mass must be positive"),
        (json!({ "masses": "heavy" }), "`masses` is not a list of finite numbers"),
        (json!({ "attributes": { "a": 1 } }), "`attributes` is not an object of texts"),
        (json!({ "attributes": ["a"] }), "`attributes` is not an object of texts"),
        (json!({ "attributes": { "": "a" } }), "the name of an attribute"),
    ] {
        let told = refusal(more);
        assert!(told.contains("not a usable chreode model") && told.contains(what), "{told}");
    }
    let more = json!({ "coordinates": ["x", "y"], "masses": [1.0, 2.0, 3.0], "attributes": { "a": "b" } });
    let read = Dynamics::from_bytes(&written(1, &[("velocity", 2)], more)).unwrap();
    assert_eq!(read.info().coordinates.as_deref(), Some(&["x".to_string(), "y".into()][..]));
    assert_eq!((read.info().masses.clone(), read.info().attributes.len()), (Some(vec![1.0, 2.0, 3.0]), 1));
}

proptest! {
    #[test]
    fn any_knots_are_read_or_refused(knots in prop::collection::vec(any::<f64>(), 0..6), time: f64) {
        let knots: Vec<Value> = [0.0].into_iter().chain(knots).map(|knot| json!(knot)).collect();
        if let Ok(model) = Dynamics::from_bytes(&written(3, &[("velocity", 2)], with_knots(json!(knots)))) {
            let mut velocity = [0.0; 2];
            let values = FieldValues { velocity: Some(&mut velocity), ..FieldValues::default() };
            model.evaluate(time, &[0.3, 0.4], values, &mut Scratch::default());
            prop_assert_eq!(&Dynamics::from_bytes(&model.to_bytes()).unwrap(), &model);
        }
    }

    #[test]
    fn damaged_files_of_potentials_never_panic(damage in prop::collection::vec((0.0f64..1.0, any::<u8>()), 1..4)) {
        let mut bytes = Dynamics::from_bytes(&written(2, &[("potential", 1), ("log_density", 1)], power_law()))
            .unwrap()
            .to_bytes();
        for (at, value) in damage {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = value;
        }
        if let Err(error) = Dynamics::from_bytes(&bytes) {
            prop_assert!(matches!(error, Error::ModelFile(_)));
        }
    }

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

#[test]
fn branches_are_read_as_written_and_what_they_claim_is_checked() {
    let both = [("velocity", 2), ("source", 1)];
    let read = |version, networks: &[(&str, usize)], branches: Value| {
        Dynamics::from_bytes(&written(version, networks, json!({ "sigma": 0.0, "branches": branches })))
    };
    let one = json!([{ "start": 1.0, "gains": true }]);
    let model = read(6, &both, one.clone()).unwrap();
    assert_eq!((model.branches(), model.members()), (1, 1));
    assert!(Dynamics::from_bytes(&model.to_bytes()).unwrap() == model);
    let told = |version, networks: &[(&str, usize)], branches: Value| match read(version, networks, branches)
    {
        Err(Error::ModelFile(told)) => told,
        other => panic!("expected a complaint, got {other:?}"),
    };
    assert!(told(5, &both, one.clone()).contains("`branches` is not of format version 5, which has none"));
    for (branches, why) in [
        (json!([]), "not a list of branches"),
        (json!(2), "not a list of branches"),
        (json!([{ "start": -1.0, "gains": true }]), "the weights of the branches at the start"),
        (json!([{ "start": 0.0, "gains": true }]), "the weights of the branches at the start"),
        (json!([{ "start": 1.0, "gains": 1 }]), "`gains` is neither true nor false"),
        (json!([{ "gains": true }]), "`start` is missing"),
        (json!([{ "start": 1.0, "gains": true }, { "start": 0.0, "gains": true }]), "lacks a tensor"),
    ] {
        let told = told(6, &both, branches);
        assert!(told.contains(why), "{told}, not {why}");
    }
    for (networks, why) in [
        (&[("velocity", 2)][..], "a source is that of a branch"),
        (&[("velocity", 2), ("source", 1), ("growth", 1)], "a branch has a velocity and a source"),
        (&[("velocity", 2), ("source", 2)], "the source network takes"),
    ] {
        assert!(told(6, networks, one.clone()).contains(why), "{why}");
    }
    let noisy = complaint(&written(6, &both, json!({ "branches": one })));
    assert!(noisy.contains("branches have no noise, and sigma is 0.7"), "{noisy}");
    let without = complaint(&written(6, &both, json!({})));
    assert!(without.contains("a source is that of a branch"), "{without}");
}
