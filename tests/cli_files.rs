//! The command reads the files that people have, and the same cells in any of them are the same model to the bit.

#![cfg(feature = "cli")]

mod cli_support;
mod common;
mod python_support;

use std::fs;
use std::path::{Path, PathBuf};

use cli_support::{TINY, folder, run};
use python_support::{Python, READ_PARQUET};

/// 60 cells of three coordinates at three times that are no powers of two, alternating, in every format.
const MAKE: &str = r#"
import warnings
warnings.simplefilter("ignore")
import anndata, numpy as np, pandas as pd, pyarrow, scipy.sparse as sp
rng = np.random.default_rng(0)
day = np.tile([0.1, 2.0, 7.3], 20)
x = (rng.normal(size=(60, 3)) + day[:, None]).astype("f4")
weight = rng.random(60) + 0.5
names = ["x1", "x2", "x3"]
label = np.char.add("day", day.astype(str))
index = [f"cell{i}" for i in range(60)]

frame = pd.DataFrame(x, columns=names)
frame.insert(0, "day", day)
frame["weight"] = weight
frame.to_csv("t.csv", index=False)
frame.to_csv("t.tsv.gz", index=False, sep="\t")
frame.to_parquet("snappy.parquet")
frame.astype({name: "f8" for name in names}).to_parquet("gzip.parquet", compression="gzip", row_group_size=7)
frame.set_index(pd.Index(index)).to_parquet("index.parquet", compression=None)
frame.to_parquet("zstd.parquet", compression="zstd")
frame.assign(day=pd.Categorical(label)).to_parquet("label.parquet")
frame.assign(x2=[None if i == 4 else v for i, v in enumerate(x[:, 1])]).to_parquet("hole.parquet")
frame.assign(x2=["a"] * 60).to_parquet("text.parquet")
frame.assign(x2=[[1.0]] * 60).to_parquet("lists.parquet")
frame.assign(day=pd.to_datetime("2020-01-01") + pd.to_timedelta(day, "D")).to_parquet("dates.parquet")

np.save("x.npy", x)
np.save("double.npy", x.astype("f8"))
np.save("big_endian.npy", x.astype(">f4"))
np.save("fortran.npy", np.asfortranarray(x))
np.save("with_time.npy", np.column_stack([day, x.astype("f8")]))
np.save("day.npy", day)
np.save("label.npy", label)
np.save("short.npy", day[:-1])
np.save("object.npy", x.astype(object))
np.save("complex.npy", x.astype("c8"))
np.save("half.npy", x.astype("f2"))
np.save("cube.npy", x.reshape(3, 20, 3))
np.save("record.npy", np.zeros(60, [("t", "f8")]))
open("cut.npy", "wb").write(open("x.npy", "rb").read()[:500])
open("stub.npy", "wb").write(open("x.npy", "rb").read()[:50])
broken = x.copy()
broken[7, 1] = np.nan
np.save("nan.npy", broken)

obs = pd.DataFrame({
    "day": day, "weight": weight,
    "category": pd.Categorical(day), "label": label, "ordered": pd.Categorical(label, ordered=True),
    "text": [str(d) for d in day], "batch": ["a", "b"] * 30,
}, index=index)
obs.to_csv("obs.csv")
obs.to_parquet("obs.parquet")

def write(name, matrix, **how):
    data = anndata.AnnData(matrix, obs=obs.copy(), var=pd.DataFrame(index=names[:matrix.shape[1]] or None))
    data.obsm["X_pca"] = x
    data.obsm["double"] = x.astype("f8")
    data.obsm["frame"] = pd.DataFrame(x, columns=names, index=index)
    data.obsm["sparse"] = sp.csr_matrix(x)
    data.obsm["words"] = pd.DataFrame({"w": label}, index=index)
    data.obs["integer"] = pd.array(np.tile([0, 1, 2], 20), dtype="Int64")
    data.obs["lost"] = pd.array([None] + list(range(59)), dtype="Int64")
    data.obs["late"] = np.tile([False, True, True], 20)
    data.write(name, **how)

write("plain.h5ad", x)
write("gzip.h5ad", x.astype("f8"), compression="gzip")
write("csr.h5ad", sp.csr_matrix(x), compression="gzip")
write("csc.h5ad", sp.csc_matrix(x))
write("lzf.h5ad", x, compression="lzf")
wide = anndata.AnnData(np.zeros((60, 201), "f4"), obs=obs.copy())
wide.obsm["X_pca"] = x
wide.write("wide.h5ad")
open("cut.h5ad", "wb").write(open("plain.h5ad", "rb").read()[:9000])
open("none.h5ad", "w").write("day,x\n0,1\n")
"#;

const MODULES: [&str; 5] = ["numpy", "pandas", "scipy", "anndata", "pyarrow"];

fn python(python: &Python, folder: &Path, program: &str) {
    let output = python.command().args(["-c", program]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with the cells in every format, and their model.
fn made(name: &str) -> Option<(Python, PathBuf)> {
    let found = Python::find(&MODULES)?;
    let folder = folder(name);
    python(&found, &folder, MAKE);
    Some((found, folder))
}

/// The bytes of the model that is fitted to data.
fn model(folder: &Path, data: &str) -> Vec<u8> {
    let outcome = run(folder, &format!("fit {data} {TINY} --method wfr-fm --delta 9 -o model"));
    assert_eq!(outcome.code, Some(0), "{data}: {outcome:?}");
    fs::read(folder.join("model")).unwrap()
}

#[test]
fn the_same_cells_are_the_same_model_in_every_format() {
    let Some((_, folder)) = made("formats") else { return };
    let plain = model(&folder, "t.csv --ignore-column weight");
    let weighted = model(&folder, "t.csv --weight-column weight");
    assert_ne!(plain, weighted);
    for data in [
        "t.tsv.gz --ignore-column weight",
        "snappy.parquet --ignore-column weight",
        "gzip.parquet --ignore-column weight",
        "index.parquet --ignore-column weight",
        "label.parquet --ignore-column weight",
        "x.npy --times-file day.npy",
        "x.npy --times-file label.npy",
        "x.npy --times-file obs.csv",
        "x.npy --times-file obs.parquet --time-column category",
        "double.npy --times-file day.npy",
        "big_endian.npy --times-file day.npy",
        "fortran.npy --times-file day.npy",
        "with_time.npy --time-column 0",
        "plain.h5ad --obsm X_pca --obs day",
        "gzip.h5ad --obsm double --obs day",
        "plain.h5ad --obsm frame --obs day",
        "csc.h5ad --obsm sparse --obs day",
        "plain.h5ad --obs day",
        "gzip.h5ad --obs category",
        "csr.h5ad --time-column label",
        "csc.h5ad --obs ordered",
        "gzip.h5ad --obsm X_pca --obs text",
    ] {
        assert!(model(&folder, data) == plain, "{data}");
    }
    for data in [
        "gzip.parquet --weight-column weight",
        "x.npy --times-file obs.csv --weight-column weight",
        "csr.h5ad --obsm X_pca --obs day --weight-column weight",
    ] {
        assert!(model(&folder, data) == weighted, "{data}");
    }
    let by_number = model(&folder, "plain.h5ad --obs integer");
    assert!(by_number != plain && by_number == model(&folder, "gzip.h5ad --obsm X_pca --obs integer"));
    model(&folder, "plain.h5ad --obs late");
    // What a model is asked about may come from another file than it was fitted to.
    let told = |data: &str| run(&folder, &format!("evaluate model {data} --json")).json();
    model(&folder, "x.npy --times-file day.npy");
    assert_eq!(told("t.csv --ignore-column weight"), told("plain.h5ad --obsm X_pca --obs day"));
}

#[test]
fn columns_beside_the_coordinates_are_found_wherever_they_are() {
    let Some((_, folder)) = made("annotations") else { return };
    let told = |data: &str| {
        run(&folder, &format!("validate {data} --half-column batch {TINY} --seeds 1 --json")).json()
    };
    let from_table = told("x.npy --times-file obs.csv");
    for data in ["x.npy --times-file obs.parquet --time-column day", "csr.h5ad --obsm X_pca --obs day"] {
        assert_eq!(told(data)["recipes"][0]["w1"], from_table["recipes"][0]["w1"], "{data}");
    }
    assert!(from_table["recipes"][0]["w1"].is_array());
}

#[test]
fn a_page_draws_cells_in_an_embedding_of_an_anndata() {
    let Some((_, folder)) = made("embedding") else { return };
    model(&folder, "x.npy --times-file day.npy");
    let report = |key: &str| {
        let call = format!(
            "report model csr.h5ad --obsm X_pca --obs day --label-column category --embedding-columns {key}"
        );
        run(&folder, &format!("{call} -o page.html"))
    };
    assert!(report("frame").notes().is_empty());
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.contains("nearest to it are in the mean") && page.contains("What becomes what"));
    assert!(report("X_tsne").complaint(1).contains("X_tsne"));
}

#[test]
fn a_copy_of_an_array_is_told_and_a_mapped_one_is_not() {
    let Some((_, folder)) = made("copies") else { return };
    let notes = |data: &str| {
        let outcome = run(&folder, &format!("fit {data} --times-file day.npy {TINY} -o model"));
        outcome.notes().concat()
    };
    assert_eq!(notes("x.npy"), "");
    for (data, why) in
        [("double.npy", "`<f8` in C order"), ("big_endian.npy", "`>f4`"), ("fortran.npy", "in Fortran order")]
    {
        let told = notes(data);
        assert!(told.contains(why) && told.contains("copied"), "{told}");
    }
}

#[test]
fn files_that_cannot_be_read_are_refused_by_name_and_by_what_is_allowed() {
    let Some((_, folder)) = made("refused") else { return };
    for (data, told) in [
        ("x.npy", "x.npy: an array has no times: give --times-file"),
        ("x.npy --times-file short.npy", "short.npy: it has 59 rows, but x.npy has 60 cells"),
        ("x.npy --times-file x.npy", "x.npy: no column has a usual name for times"),
        ("x.npy --times-file obs.csv --time-column dey", "obs.csv: there is no column `dey`; there are"),
        ("x.npy --time-column 7", "x.npy: there is no column `7`; there are 0, 1, 2"),
        ("x.npy --times-file gone.npy", "gone.npy: "),
        ("gone.npy --times-file day.npy", "gone.npy: "),
        (
            "cut.npy --times-file day.npy",
            "cut.npy: the file is cut off: 500 bytes are too few for an array of shape [60, 3]",
        ),
        ("stub.npy --times-file day.npy", "stub.npy: the file is cut off"),
        ("object.npy --times-file day.npy", "object.npy: the array is of type `|O`, Python objects"),
        ("complex.npy --times-file day.npy", "complex.npy: the array is of type `<c8`, complex numbers"),
        ("half.npy --times-file day.npy", "half.npy: the array is of type `<f2`"),
        ("record.npy --times-file day.npy", "records"),
        ("label.npy --times-file day.npy", "label.npy: the array has one dimension"),
        ("cube.npy --times-file day.npy", "cube.npy: the array has 3 dimensions"),
        (
            "day.npy --times-file day.npy",
            "day.npy: the array has one dimension, of 60 elements; 2 are needed",
        ),
        ("nan.npy --times-file day.npy", "nan.npy: row 8, coordinate 2: NaN is not a finite number"),
        ("t.csv --times-file day.npy", "--times-file is for .npy files"),
        ("t.csv --obsm X_pca", "--obsm is for .h5ad files"),
        ("snappy.parquet --time-column dey", "snappy.parquet: there is no column `dey`; there are day, x1"),
        ("hole.parquet", "hole.parquet: row 5, column `x2`: NaN is not a finite number"),
        (
            "text.parquet",
            "text.parquet: row 1, column `x2`: `a` is not a number; if the column holds no coordinate: --ignore-column x2",
        ),
        ("lists.parquet", "it holds lists"),
        ("dates.parquet", "dates.parquet: column `day`: it holds dates"),
        (
            "plain.h5ad --obsm X_umap --obs day",
            "plain.h5ad: there is no obsm `X_umap`; there are X_pca, double, frame, sparse, words",
        ),
        ("plain.h5ad --obs dey", "plain.h5ad: there is no column `dey`; there are day, weight, category"),
        ("plain.h5ad --obs batch", "column `batch`"),
        ("plain.h5ad --obs lost", "row 1, column `lost`: NaN is not a finite number"),
        ("plain.h5ad --obsm words --obs day", "plain.h5ad: row 1, coordinate 1"),
        (
            "wide.h5ad --obs day",
            "wide.h5ad: `X` has 201 columns, more than the 200 that are taken for coordinates: name others by --obsm; there are X_pca",
        ),
        ("lzf.h5ad --obs day", "compression=\"gzip\""),
        ("cut.h5ad --obs day", "cut.h5ad: "),
        ("none.h5ad --obs day", "none.h5ad: this is no readable HDF5 file"),
    ] {
        let outcome = run(&folder, &format!("fit {data} {TINY} -o refused"));
        let line = outcome.one_line();
        assert!(line.contains(told), "{data}: {line}");
        assert!(!folder.join("refused").exists(), "{data}");
    }
    let zstd = run(&folder, &format!("fit zstd.parquet --ignore-column weight {TINY} -o refused"));
    if cfg!(feature = "zstd") {
        zstd.succeeded();
    } else {
        assert!(zstd.one_line().contains("if it was built with that feature"), "{zstd:?}");
    }
}

#[test]
fn what_is_written_in_any_format_is_read_as_the_same_cells() {
    let folder = folder("written");
    let generate = "generate branching --cells 90 --dims 3 --time-points 3 -o";
    let name = |format: &str| format!("cells.{format}");
    run(&folder, &format!("{generate} cells.csv")).succeeded();
    let expected = model(&folder, "cells.csv");
    for format in ["csv.gz", "tsv", "tsv.gz", "parquet", "pq", "npy"] {
        run(&folder, &format!("{generate} {}", name(format))).succeeded();
        assert!(model(&folder, &name(format)) == expected, "{format}");
    }
    let table = fs::read_to_string(folder.join("cells.obs.csv")).unwrap();
    assert!(table.starts_with("samples\n0\n") && table.lines().count() == 91, "{table}");
    assert_eq!(fs::read(folder.join("cells.tsv.gz")).unwrap()[..2], [0x1f, 0x8b]);
    let noted = run(&folder, &format!("fit cells.npy {TINY} -o model"));
    assert_eq!(noted.notes(), ["cells.npy: the times are those of cells.obs.csv"]);
}

#[test]
fn simulations_are_the_same_numbers_in_every_format() {
    let Some(found) = Python::find(&MODULES) else { return };
    let folder = folder("simulated");
    run(&folder, "generate branching --cells 90 --dims 3 --time-points 3 -o cells.csv").succeeded();
    run(&folder, &format!("fit cells.csv {TINY} --method wfr-fm --delta 9 -o model")).succeeded();
    for mode in ["ode", "branching"] {
        for format in ["csv", "csv.gz", "parquet", "npy"] {
            run(&folder, &format!("simulate model cells.csv --mode {mode} -o {mode}.{format}")).succeeded();
        }
    }
    let compare = r#"
import numpy as np, pandas as pd
for mode in ["ode", "branching"]:
    table = pd.read_csv(mode + ".csv", float_precision="round_trip")
    assert list(table) == ["time", "particle", "parent", "weight", "x1", "x2", "x3"], list(table)
    pd.testing.assert_frame_equal(table, pd.read_csv(mode + ".csv.gz", float_precision="round_trip"))
    columns = read_parquet(mode + ".parquet")
    assert list(columns) == list(table) and columns["x1"].dtype == "float32"
    for name in table:
        assert np.array_equal(table[name].astype(columns[name].dtype), columns[name], equal_nan=True), name
    x = np.load(mode + ".npy", mmap_mode="r")
    assert x.dtype == "<f4" and x.flags.c_contiguous
    assert np.array_equal(x, columns[["x1", "x2", "x3"]].to_numpy())
    pd.testing.assert_frame_equal(pd.read_csv(mode + ".obs.csv", float_precision="round_trip"), table[["time", "particle", "parent", "weight"]])
"#;
    python(&found, &folder, &[READ_PARQUET, compare].concat());
}

#[test]
fn a_real_anndata_gives_the_fit_of_its_table() {
    let (Some(data), Some(table)) =
        (common::shared("data/simulation_gene.h5ad"), common::shared("data/simulation_gene.csv"))
    else {
        return;
    };
    let folder = folder("real-anndata");
    let fitted = |data: &Path| {
        let options = "--method wfr-fm --delta 1 --epochs 5 --hidden 8x1 --chunk-size 100 -o model --json";
        let told = run(&folder, &format!("fit {} {options}", data.display())).json();
        ["last_loss", "pairs", "unmatched_mass"].map(|key| told[key].clone())
    };
    let of_anndata = fitted(&data);
    assert!(of_anndata[0].as_f64().is_some_and(f64::is_finite), "{of_anndata:?}");
    assert_eq!(of_anndata, fitted(&table));
}

#[test]
fn damaged_files_are_read_or_refused_and_never_end_in_a_panic() {
    let Some((_, folder)) = made("damaged") else { return };
    // Reproducible: Knuth's MMIX generator.
    let mut state = 7u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for (name, more) in [
        ("gzip.h5ad", "--obsm X_pca --obs label"),
        ("csr.h5ad", "--obs day"),
        ("gzip.parquet", "--ignore-column weight"),
        ("x.npy", "--times-file day.npy"),
    ] {
        let whole = fs::read(folder.join(name)).unwrap();
        let damaged = format!("damaged-{name}");
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..1 + draw(4) {
                let (at, value) = (draw(bytes.len()), [0, 255, draw(256)][draw(3)]);
                bytes[at] = value as u8;
            }
            if draw(5) == 0 {
                bytes.truncate(draw(whole.len()));
            }
            fs::write(folder.join(&damaged), bytes).unwrap();
            let outcome = run(&folder, &format!("fit {damaged} {more} --delta 9 --sigma 1 {TINY} -o model"));
            assert!(matches!(outcome.code, Some(0..=2)), "{damaged}: {outcome:?}");
            assert!(!outcome.stderr.contains("panicked"), "{damaged}: {outcome:?}");
        }
    }
}
