//! Cells of a file as snapshots: which column holds the times, which are coordinates, and whether they are those of a model.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chreode::evaluate::validation::{Annotations, Parts};
use chreode::fates;
use chreode::fields::Fields;
use chreode::model::Dynamics;
use chreode::snapshots::{Snapshots, time_order};
use clap::Args;

use crate::columns::{Matrix, numbered};
use crate::failure::{Failure, Result};
use crate::labels::Mapped;
use crate::output::note;
use crate::source;
use crate::table::{Role, Table, TableFile, listed};
#[cfg(feature = "npy")]
use crate::written::beside;
use crate::written::extension;

/// A data set and how it is to be read.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// Cells: a table (.csv, .tsv, .parquet) with a column of times, an array (.npy), or an AnnData (.h5ad); one row a cell
    ///
    /// Tables have a header, and all columns without another role are coordinates. In text, columns are separated by commas, semicolons
    /// or tabs; it may be compressed (gzip), and - is standard input. A first column without a name of its own, as R and pandas write for
    /// the rows, is left out. An array holds coordinates, its times stand elsewhere: see --times-file. float32 arrays in C order are used
    /// in the file, without a copy. Of an AnnData --obsm names the coordinates, and columns are those of obs.
    pub data: PathBuf,
    /// AnnData: the coordinates, as in X_pca
    ///
    /// Default: X, if it has at most 200 columns.
    #[arg(long, value_name = "KEY")]
    pub obsm: Option<String>,
    /// Of an array: the file with the times of its rows, in their order
    ///
    /// An array of one dimension (.npy), or a table, in which all columns that options name are looked for.
    ///
    /// Default: the table of the array's name that ends in .obs.csv, if it is there.
    #[arg(long, value_name = "FILE")]
    pub times_file: Option<PathBuf>,
    /// The column that holds the times
    ///
    /// Of an array without --times-file the columns are numbered from 0.
    ///
    /// Default: the one with a usual name (samples, time, day, hour, stage, timepoint, batch_time …), else the first.
    #[arg(long, visible_alias = "obs", value_name = "NAME")]
    pub time_column: Option<String>,
    /// Times of labels, as in day0=0,day2=2,iPSC=18
    ///
    /// Default: labels are numbers, or one number each between the same words (day7, E8.5, 3h).
    #[arg(long, value_name = "LABEL=TIME", value_delimiter = ',')]
    pub time_map: Vec<Mapped>,
    /// A column that holds the cells' weights
    ///
    /// Default: every cell weighs 1.
    #[arg(long, value_name = "NAME")]
    pub weight_column: Option<String>,
    /// A column that holds the growth rate that is expected of each cell, per unit of time: births less deaths that are known from
    /// elsewhere, as from scores of gene sets
    ///
    /// It enters the couplings of a fit, by --source-penalty; nothing else looks at it.
    #[arg(long, value_name = "NAME")]
    pub growth_prior_column: Option<String>,
    /// A column that holds the clone that each cell belongs to, as from lineage barcodes: any labels, empty or NA where none is known
    ///
    /// Couplings of a fit do not join cells of different clones, or at the price of --clone-penalty; nothing else looks at it.
    #[arg(long, value_name = "NAME")]
    pub clone_column: Option<String>,
    /// A column that is no coordinate; may be repeated
    #[arg(long, value_name = "NAME")]
    pub ignore_column: Vec<String>,
    /// The mass of the population at each time point, where the number of cells does not tell it
    ///
    /// Range: one positive number a time point, separated by commas.
    ///
    /// Default: the sum of the weights; to evaluate, the masses that the model was fitted with, if any.
    #[arg(long, value_name = "REALS", value_delimiter = ',', allow_hyphen_values = true)]
    pub masses: Option<Vec<f64>>,
}

/// Data that have been opened.
struct Opened {
    /// The columns: of all, or of all but the coordinates.
    file: TableFile,
    /// The coordinates, where they are no columns.
    matrix: Option<Matrix>,
    /// Whether the names of the columns are numbers.
    numbered_columns: bool,
}

/// Cells and what their coordinates are called.
#[derive(Debug)]
pub struct Data {
    pub snapshots: Snapshots,
    pub names: Vec<String>,
}

/// Cells with labels.
pub struct Labelled {
    pub data: Data,
    /// In the order of the cells.
    pub labels: fates::Labels,
    /// What the labels are called, by their numbers.
    pub names: Vec<String>,
    /// What the cells are called, by their rows, if they are.
    pub cells: Option<Vec<String>>,
    /// The row that each cell was in.
    pub rows: Vec<usize>,
}

impl Labelled {
    /// What a cell is called: its name, or its row in the data, from 1.
    pub fn called(&self, cell: usize) -> String {
        let row = self.rows[cell];
        self.cells.as_ref().map_or_else(|| (row + 1).to_string(), |names| names[row].clone())
    }
}

/// Where cells are drawn in an embedding of two coordinates.
#[derive(Debug)]
pub struct Embedding {
    /// What the two are called.
    pub names: [String; 2],
    /// In the order of the cells.
    pub places: Vec<(f64, f64)>,
}

/// Where the places of an embedding stand.
#[derive(Debug, Clone, Copy)]
pub enum Places<'a> {
    /// In two columns.
    Columns([&'a str; 2]),
    /// In the first two columns of a matrix of an AnnData, by its key in obsm.
    Matrix(&'a str),
}

/// Cells with labels or an embedding, or both.
#[derive(Debug)]
pub struct Described {
    pub data: Data,
    /// The label of each cell, in the order of the cells, and what the labels are called, by their numbers.
    pub labels: Option<(fates::Labels, Vec<String>)>,
    pub embedding: Option<Embedding>,
}

/// Cells, and what they are called.
pub struct Named {
    pub data: Data,
    /// What the cells are called, by their rows, if they are.
    pub cells: Option<Vec<String>>,
    /// The row that each cell was in.
    pub rows: Vec<usize>,
}

/// What columns of times are called, in lower case and without what is neither letter nor digit.
const TIMES: [&str; 27] = [
    "samples",
    "sample",
    "time",
    "times",
    "t",
    "timepoint",
    "timepoints",
    "timelabel",
    "timeid",
    "batchtime",
    "samplingtime",
    "sampletime",
    "collectiontime",
    "experimentaltime",
    "realtime",
    "day",
    "days",
    "dpi",
    "hour",
    "hours",
    "hpf",
    "hpi",
    "week",
    "weeks",
    "age",
    "stage",
    "developmentalstage",
];
/// Rows from which a column with a usual name may not give most of them a time of their own.
const FEW_ROWS: usize = 10;

/// The column of the times, and how it was found.
struct TimeColumn {
    index: usize,
    found: Found,
}

#[derive(PartialEq)]
enum Found {
    Given,
    ByName,
    First,
}

impl DataArgs {
    /// The cells, with the coordinates as they stand in the file.
    pub fn read(&self) -> Result<Data> {
        Ok(self.read_as(&[], false, |_, _| Ok(()))?.0)
    }

    /// The cells, their names if they have any, and the row that each was in.
    pub fn read_named(&self) -> Result<Named> {
        let (data, table) = self.read_as(&[], true, |_, _| Ok(()))?;
        Ok(Named { data, cells: table.cells, rows: time_order(&table.times) })
    }

    /// The same, with the coordinates of a model.
    pub fn read_named_for(&self, path: &Path, model: &Dynamics) -> Result<Named> {
        let arrange = |file: &TableFile, table: &mut Table| self.arrange_for(path, model, file, table);
        let (data, table) = self.read_as(&[], true, arrange)?;
        Ok(Named { data, cells: table.cells, rows: time_order(&table.times) })
    }

    /// The cells, and what other columns tell of them: the true growth rate, the part of the data that each is in.
    pub fn read_annotated(
        &self,
        growth_column: Option<&str>,
        part_column: Option<&str>,
    ) -> Result<(Data, Annotations)> {
        let columns = [(growth_column, Role::Growth), (part_column, Role::Part)];
        let given = columns.into_iter().filter_map(|(name, role)| Some((name?, role)));
        let (data, table) = self.read_as(&given.collect::<Vec<_>>(), false, |_, _| Ok(()))?;
        let order = time_order(&table.times);
        let parts = table.parts.map(|labels| parts(&labels, &order)).transpose()?;
        let growth = table.growth.map(|growth| order.iter().map(|&row| growth[row]).collect());
        Ok((data, Annotations { parts, growth }))
    }

    /// The cells with the coordinates of a model, in its order: by their names if it knows them, else by their number.
    pub fn read_for(&self, path: &Path, model: &Dynamics) -> Result<Data> {
        Ok(self.read_as(&[], false, |file, table| self.arrange_for(path, model, file, table))?.0)
    }

    /// The same, with the labels of a column, the names of the cells if they have any, and the row that each cell was in.
    pub fn read_labelled_for(&self, path: &Path, model: &Dynamics, column: &str) -> Result<Labelled> {
        let arrange = |file: &TableFile, table: &mut Table| self.arrange_for(path, model, file, table);
        let (data, table) = self.read_as(&[(column, Role::Label)], true, arrange)?;
        let rows = time_order(&table.times);
        let (labels, names) = self.labels(column, table.labels.unwrap_or_default(), &rows)?;
        Ok(Labelled { data, labels, names, cells: table.cells, rows })
    }

    /// The same without labels.
    pub fn read_unlabelled_for(&self, path: &Path, model: &Dynamics) -> Result<Labelled> {
        let Named { data, cells, rows } = self.read_named_for(path, model)?;
        let labels = fates::Labels::new(vec![None; rows.len()])?;
        Ok(Labelled { data, labels, names: vec![], cells, rows })
    }

    /// The cells with the coordinates of a model, with the labels of a column, and with their places in an embedding.
    pub fn read_described_for(
        &self,
        path: &Path,
        model: &Dynamics,
        label: Option<&str>,
        places: Option<Places<'_>>,
    ) -> Result<Described> {
        let arrange = |file: &TableFile, table: &mut Table| self.arrange_for(path, model, file, table);
        let mut columns: Vec<(&str, Role)> = label.map(|name| (name, Role::Label)).into_iter().collect();
        if let Some(Places::Columns(names)) = places {
            columns.extend(names.into_iter().enumerate().map(|(axis, name)| (name, Role::Embedding(axis))));
        }
        let (data, table) = self.read_as(&columns, false, arrange)?;
        let rows = time_order(&table.times);
        let texts = table.labels.unwrap_or_default();
        let labels = label.map(|column| self.labels(column, texts, &rows)).transpose()?;
        let embedding = match places {
            None => None,
            Some(Places::Columns(names)) => {
                let [across, up] = table.embedding.unwrap_or_default();
                let places = rows.iter().map(|&row| (across[row], up[row])).collect();
                Some(Embedding { names: names.map(String::from), places })
            }
            Some(Places::Matrix(key)) => Some(self.embedding_of(key, &rows)?),
        };
        Ok(Described { data, labels, embedding })
    }

    /// The places of the `rows` of an AnnData, by a key of obsm.
    #[cfg(feature = "h5ad")]
    fn embedding_of(&self, key: &str, rows: &[usize]) -> Result<Embedding> {
        let failed = |why: String| Failure::Failed(format!("{}: {why}", source::name(&self.data)));
        let matrix =
            crate::h5ad::H5ad::open(&self.data).and_then(|file| file.matrix(Some(key))).map_err(failed)?;
        let [across, up, ..] = &matrix.names[..] else {
            return Err(failed(format!("obsm `{key}` has one column; an embedding has two")));
        };
        let points = matrix.points.view(matrix.rows, matrix.names.len())?;
        let places: Vec<(f64, f64)> =
            rows.iter().map(|&row| (points.get(row, 0), points.get(row, 1))).collect();
        if let Some(cell) = places.iter().position(|(x, y)| !(x.is_finite() && y.is_finite())) {
            let (row, (x, y)) = (rows[cell] + 1, places[cell]);
            return Err(failed(format!("obsm `{key}`, row {row}: ({x}, {y}) is not finite")));
        }
        Ok(Embedding { names: [across.clone(), up.clone()], places })
    }

    #[cfg(not(feature = "h5ad"))]
    fn embedding_of(&self, _: &str, _: &[usize]) -> Result<Embedding> {
        Err(crate::written::without(&self.data, "h5ad"))
    }

    /// The labels of the cells in their order, out of those of the `rows` of a column, and what they are called.
    fn labels(
        &self,
        column: &str,
        texts: Vec<String>,
        rows: &[usize],
    ) -> Result<(fates::Labels, Vec<String>)> {
        let names = in_order(texts.iter().filter(|label| !label.is_empty()));
        let place =
            |row: &usize| names.iter().position(|name| *name == texts[*row]).map(|place| place as u32);
        let labels = fates::Labels::new(rows.iter().map(place).collect()).map_err(|error| {
            Failure::Failed(format!("{}, column `{column}`: {error}", source::name(&self.data)))
        })?;
        Ok((labels, names))
    }

    fn arrange_for(&self, path: &Path, model: &Dynamics, file: &TableFile, table: &mut Table) -> Result<()> {
        if let Some(names) = &model.info().coordinates {
            arrange(file, table, path, names)?;
        }
        let (dims, columns) = (model.dims(), table.names.len());
        if columns == dims {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} is of dimension {dims}, but {} has {columns} coordinates ({})",
            path.display(),
            self.name(),
            listed(&table.names)
        )))
    }

    /// The file's name without its folder.
    pub fn name(&self) -> String {
        let name = self.data.file_name().unwrap_or(self.data.as_os_str());
        if source::is_standard_input(&self.data) {
            source::name(&self.data)
        } else {
            name.to_string_lossy().into()
        }
    }

    /// The cells; and their table, for what `columns` hold beside, and what the cells are called if that is `named`.
    fn read_as(
        &self,
        columns: &[(&str, Role)],
        named: bool,
        arrange: impl Fn(&TableFile, &mut Table) -> Result<()>,
    ) -> Result<(Data, Table)> {
        let Opened { file, matrix, numbered_columns } = self.open()?;
        let (roles, time) = self.roles(&file, columns, named, matrix.is_some())?;
        let tell = |what: String| note(&format!("{}: {what}", source::name(&self.data)));
        let mut table = file.read(&roles, f32::MAX.into(), &self.time_map)?;
        refuse_own_times(&file, &table, &time)?;
        if time.found == Found::First {
            tell(format!(
                "the times are taken from `{}`, the first column, since none has a usual name (time, day, …); another: --time-column",
                file.header[time.index]
            ));
        }
        if let Some(mapping) = &table.time_labels {
            tell(format!("times: {mapping}"));
        }
        if matrix.is_none()
            && file.is_row_names(0)
            && roles[0] == Role::Ignored
            && !self.ignore_column.contains(&file.header[0])
        {
            tell("the first column, without a name of its own, is left out: names of rows".into());
        }
        match matrix {
            Some(matrix) if matrix.rows != table.rows => {
                return Err(file.failed(format!(
                    "it has {} rows, but {} has {} cells: one row a cell is needed, in the same order",
                    table.rows,
                    source::name(&self.data),
                    matrix.rows
                )));
            }
            Some(matrix) => table.take(matrix),
            None if numbered_columns => table.names = numbered(table.names.len()),
            None => {}
        }
        if roles[0] == Role::Coordinate
            && table.rows >= FEW_ROWS
            && table.names.len() > 1
            && table.begins_with_row_numbers()
        {
            tell(format!("the first column, `{}`, is left out: it counts the rows", table.names[0]));
            table.select(&(1..table.names.len()).collect::<Vec<_>>());
        }
        arrange(&file, &mut table)?;
        let failed = |error| Failure::Failed(format!("{}: {error}", source::name(&self.data)));
        let snapshots = table.snapshots().map_err(failed)?;
        let snapshots = match &self.masses {
            Some(masses) => snapshots.with_masses(masses)?,
            None => snapshots,
        };
        Ok((Data { snapshots, names: table.names.clone() }, table))
    }

    /// Opens the data, whatever they are.
    fn open(&self) -> Result<Opened> {
        let kind = extension(&self.data);
        let usage = |what: &str| Err(Failure::Usage(format!("{}: {what}", source::name(&self.data))));
        if self.obsm.is_some() && kind != "h5ad" {
            return usage("--obsm is for .h5ad files");
        }
        if self.times_file.is_some() && kind != "npy" {
            return usage("--times-file is for .npy files; other files have their times in a column");
        }
        match kind.as_str() {
            "npy" => self.open_array(),
            "h5ad" => self.open_anndata(),
            _ => Ok(Opened { file: TableFile::open(&self.data)?, matrix: None, numbered_columns: false }),
        }
    }

    #[cfg(feature = "npy")]
    fn open_array(&self) -> Result<Opened> {
        let failed = |why: String| Failure::Failed(format!("{}: {why}", source::name(&self.data)));
        let array = crate::npy::Array::open(&self.data).map_err(failed)?;
        if let Some(copied) = &array.copied {
            note(&format!("{}: {copied}", source::name(&self.data)));
        }
        let beside = beside(&self.data);
        let times = match &self.times_file {
            Some(times) => times,
            None if self.time_column.as_ref().is_some_and(|name| name.parse::<usize>().is_ok()) => {
                let file = TableFile::of_columns(&self.data, Box::new(array))?;
                return Ok(Opened { file, matrix: None, numbered_columns: true });
            }
            None if beside.is_file() => {
                note(&format!("{}: the times are those of {}", source::name(&self.data), beside.display()));
                &beside
            }
            None => {
                return Err(Failure::Usage(format!(
                    "{}: an array has no times: give --times-file (an array of one time a row, or a table with a column of times), or \
                     --time-column with the number of a column of the array, from 0",
                    source::name(&self.data)
                )));
            }
        };
        let file = TableFile::open(times)?;
        Ok(Opened { file, matrix: Some(array.matrix().map_err(failed)?), numbered_columns: false })
    }

    #[cfg(not(feature = "npy"))]
    fn open_array(&self) -> Result<Opened> {
        Err(crate::written::without(&self.data, "npy"))
    }

    #[cfg(feature = "h5ad")]
    fn open_anndata(&self) -> Result<Opened> {
        let failed = |why: String| Failure::Failed(format!("{}: {why}", source::name(&self.data)));
        let file = crate::h5ad::H5ad::open(&self.data).map_err(failed)?;
        let matrix = file.matrix(self.obsm.as_deref()).map_err(failed)?;
        let file = TableFile::of_columns(&self.data, Box::new(file))?;
        Ok(Opened { file, matrix: Some(matrix), numbered_columns: false })
    }

    #[cfg(not(feature = "h5ad"))]
    fn open_anndata(&self) -> Result<Opened> {
        Err(crate::written::without(&self.data, "h5ad"))
    }

    /// What each column holds. Where a matrix has the coordinates, columns without a role hold nothing of interest.
    fn roles(
        &self,
        file: &TableFile,
        columns: &[(&str, Role)],
        named: bool,
        has_matrix: bool,
    ) -> Result<(Vec<Role>, TimeColumn)> {
        // Names of rows are read where something is told of each.
        let names = if named { Role::Name } else { Role::Ignored };
        let row_names = |index: usize| if file.is_row_names(index) { names } else { Role::Coordinate };
        let mut roles: Vec<Role> = (0..file.header.len()).map(row_names).collect();
        for name in &self.ignore_column {
            roles[file.column(name)?] = Role::Ignored;
        }
        let given = [
            (&self.weight_column, Role::Weight),
            (&self.growth_prior_column, Role::GrowthPrior),
            (&self.clone_column, Role::Clone),
        ];
        for (name, role) in given {
            if let Some(name) = name {
                roles[file.column(name)?] = role;
            }
        }
        for &(name, role) in columns {
            let index = file.column(name)?;
            if !matches!(roles[index], Role::Coordinate | Role::Ignored | Role::Name) {
                return Err(two_roles(name));
            }
            roles[index] = role;
        }
        let time = match &self.time_column {
            Some(name) => TimeColumn { index: file.column(name)?, found: Found::Given },
            None => guess(file, &roles, has_matrix)?,
        };
        if columns.iter().any(|(name, _)| *name == file.header[time.index]) {
            return Err(two_roles(&file.header[time.index]));
        }
        roles[time.index] = Role::Time;
        if has_matrix {
            let free = roles.iter_mut().filter(|role| **role == Role::Coordinate);
            free.for_each(|role| *role = Role::Ignored);
        } else if !roles.contains(&Role::Coordinate) {
            return Err(file.failed("there is no column of coordinates"));
        }
        Ok((roles, time))
    }
}

/// The refusal of a column that was named twice.
fn two_roles(column: &str) -> Failure {
    Failure::Usage(format!("the column `{column}` was named for two things, but can be one only"))
}

impl Data {
    /// With the masses that a model was fitted with, unless there are none or others are given.
    pub fn with_masses_of(self, model: &Dynamics, given: &DataArgs) -> Result<Self> {
        let info = model.info();
        let Some(masses) = info.masses.as_ref().filter(|_| given.masses.is_none()) else { return Ok(self) };
        let mut of_time = vec![f64::NAN; self.snapshots.len()];
        for (&time, &mass) in info.times.iter().zip(masses) {
            if let Ok(k) = self.snapshots.index_of(time) {
                of_time[k] = mass;
            }
        }
        if let Some(k) = of_time.iter().position(|mass| mass.is_nan()) {
            let time = self.snapshots.times()[k];
            return Err(Failure::Usage(format!(
                "the model was fitted with masses of the times {:?}, and has none for {time}: give --masses",
                info.times
            )));
        }
        Ok(Self { snapshots: self.snapshots.with_masses(&of_time)?, ..self })
    }
}

/// Labels, each once, in order: of numbers where all are, else of text.
fn in_order<'a>(labels: impl Iterator<Item = &'a String>) -> Vec<String> {
    let number = |label: &String| label.parse::<f64>().ok().filter(|number| number.is_finite());
    let names: BTreeSet<&String> = labels.collect();
    let mut names: Vec<String> = names.into_iter().cloned().collect();
    if names.iter().all(|label| number(label).is_some()) {
        names.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)).then(a.cmp(b)));
    }
    names
}

/// Parts by their labels, in their order.
fn parts(labels: &[String], order: &[usize]) -> Result<Parts> {
    let names = in_order(labels.iter());
    let place = |row: &usize| names.iter().position(|name| *name == labels[*row]).unwrap_or(0) as u32;
    let of_cell = order.iter().map(place).collect();
    Ok(Parts::new(of_cell, names)?)
}

/// The column of the times by what it is called, else the first that has no other role; where all coordinates are elsewhere, the only one.
fn guess(file: &TableFile, roles: &[Role], has_matrix: bool) -> Result<TimeColumn> {
    let free = || (0..roles.len()).filter(|&index| roles[index] == Role::Coordinate);
    let is_usual = |&index: &usize| {
        let letters = file.header[index].chars().filter(|c| c.is_alphanumeric());
        TIMES.contains(&letters.flat_map(char::to_lowercase).collect::<String>().as_str())
    };
    let usual: Vec<usize> = free().filter(is_usual).collect();
    match usual[..] {
        [index] => Ok(TimeColumn { index, found: Found::ByName }),
        [] => match free().next() {
            Some(_) if has_matrix && free().count() > 1 => {
                let names: Vec<String> = free().map(|index| file.header[index].clone()).collect();
                Err(file.misused(format!(
                    "no column has a usual name for times (time, day, …): say which by --time-column; there are {}",
                    listed(&names)
                )))
            }
            Some(index) => Ok(TimeColumn { index, found: Found::First }),
            None => Err(file.misused("no column is left for the times")),
        },
        _ => {
            let names: Vec<String> = usual.iter().map(|&index| format!("`{}`", file.header[index])).collect();
            Err(file.misused(format!(
                "each of {} could be the times: say which by --time-column, and leave out the others by --ignore-column",
                names.join(", ")
            )))
        }
    }
}

/// Refuses a guess by which most cells would be a snapshot of their own.
fn refuse_own_times(file: &TableFile, table: &Table, time: &TimeColumn) -> Result<()> {
    let few = match time.found {
        Found::Given => return Ok(()),
        Found::ByName => FEW_ROWS,
        Found::First => 2,
    };
    let distinct = table.distinct_times();
    if table.rows < few || 2 * distinct <= table.rows {
        return Ok(());
    }
    Err(file.misused(format!(
        "`{}` has {distinct} values in {} rows, so it can hardly be the time of snapshots; name the column of the times: \
         --time-column",
        file.header[time.index], table.rows
    )))
}

/// Brings the coordinates into the order of a model's, by name.
fn arrange(file: &TableFile, table: &mut Table, model: &Path, names: &[String]) -> Result<()> {
    let of_model = format!("the coordinates of {} ({})", model.display(), listed(names));
    let unknown: Vec<String> = table.names.iter().filter(|name| !names.contains(name)).cloned().collect();
    let missing: Vec<String> = names.iter().filter(|name| !table.names.contains(name)).cloned().collect();
    match (&unknown[..], &missing[..]) {
        ([], []) => {}
        ([first, ..], []) => {
            return Err(file.failed(format!(
                "{} {} not among {of_model}; leave out what is none: --ignore-column {first}",
                quoted(&unknown),
                if unknown.len() == 1 { "is" } else { "are" }
            )));
        }
        (others, _) => {
            let instead =
                if others.is_empty() { String::new() } else { format!("; there are {}", quoted(others)) };
            return Err(file.failed(format!(
                "of {of_model}, {} {} missing{instead}",
                quoted(&missing),
                if missing.len() == 1 { "is" } else { "are" }
            )));
        }
    }
    let place = |name: &String| table.names.iter().position(|found| found == name);
    let order: Vec<usize> = names.iter().filter_map(place).collect();
    if order.iter().enumerate().any(|(to, &from)| to != from) {
        table.select(&order);
    }
    Ok(())
}

fn quoted(names: &[String]) -> String {
    listed(&names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>())
}
