//! What a benchmark compares: recipes by their options, with the figures that were published for them.

use std::fs;
use std::path::Path;

use chreode::FitOptions;
use chreode::options::Settings;
use serde_json::{Map, Value};

use crate::failure::{Failure, Result};

/// The published tables: settings and figures of the papers that each of them names.
const PUBLISHED: &str = include_str!("tables.json");

/// A table of recipes.
#[derive(Debug)]
pub struct Table {
    pub name: String,
    pub about: String,
    /// Where the published figures are from.
    pub source: String,
    /// Whether the true growth rate is that of the built-in gene network.
    pub is_gene_network: bool,
    pub rows: Vec<Row>,
}

/// A recipe, and what was published for it.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    /// Options of a fit by name, over the defaults.
    pub options: Map<String, Value>,
    /// `w1` (at each later time), `mean_w1`, `rme`, `action`, `growth_correlation`, `hold_one_out`; what is missing was not published.
    pub published: Map<String, Value>,
}

impl Table {
    /// The names of the published tables.
    pub fn names() -> Vec<String> {
        let tables: Map<String, Value> = serde_json::from_str(PUBLISHED).unwrap_or_default();
        tables.keys().cloned().collect()
    }

    /// A published table by its name, or one of a file: an object with `rows`, each with `name`, `options` and, where it has them,
    /// `published` figures.
    pub fn find(name: &str) -> Result<Self> {
        let published: Map<String, Value> = serde_json::from_str(PUBLISHED)
            .map_err(|error| Failure::Failed(format!("the published tables: {error}")))?;
        if let Some(table) = published.get(name) {
            return Self::of(name, table);
        }
        let path = Path::new(name);
        let text = fs::read_to_string(path).map_err(|error| {
            let known = Self::names().join(" ");
            Failure::Usage(format!("table must be one of {known}, or a file: {name}: {error}"))
        })?;
        let table: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::Failed(format!("{name}: no JSON: {error}")))?;
        let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self::of(&stem, &table).map_err(|error| Failure::Failed(format!("{name}: {error}")))
    }

    /// The default recipe, and the published recipe of every method: where there is no table of the data.
    pub fn of_methods() -> Self {
        let row = |method: &chreode::Method| {
            let name = method.as_str();
            let options = [("method", name), ("preset", "published")];
            Row {
                name: name.into(),
                options: options.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
                published: Map::new(),
            }
        };
        let default = Row { name: "default".into(), options: Map::new(), published: Map::new() };
        Self {
            name: "methods".into(),
            about: "the default recipe, and every method by its published settings".into(),
            source: String::new(),
            is_gene_network: false,
            rows: std::iter::once(default).chain(chreode::Method::ALL.iter().map(row)).collect(),
        }
    }

    fn of(name: &str, table: &Value) -> Result<Self> {
        let text = |key: &str| table[key].as_str().unwrap_or_default().to_string();
        let Some(rows) = table["rows"].as_array().filter(|rows| !rows.is_empty()) else {
            return Err(Failure::Failed("a table needs `rows`, a list of recipes that is not empty".into()));
        };
        let row = |row: &Value| {
            let Some(name) = row["name"].as_str() else {
                return Err(Failure::Failed(format!("every row needs a `name`, {row} has none")));
            };
            let object = |key: &str| match &row[key] {
                Value::Null => Ok(Map::new()),
                Value::Object(map) => Ok(map.clone()),
                other => {
                    Err(Failure::Failed(format!("`{key}` of row `{name}` must be an object, got {other}")))
                }
            };
            let row = Row { name: name.into(), options: object("options")?, published: object("published")? };
            row.recipe(0, &[])
                .map_err(|error| Failure::Failed(format!("options of row `{name}`: {error}")))?;
            Ok(row)
        };
        Ok(Self {
            name: name.into(),
            about: text("about"),
            source: text("source"),
            is_gene_network: table["growth_truth"] == "gene-network",
            rows: rows.iter().map(row).collect::<Result<_>>()?,
        })
    }

    /// Keeps the rows of these names; all of them for `all`.
    pub fn keep(&mut self, names: &[String]) -> Result<()> {
        if names.iter().any(|name| name == "all") {
            return Ok(());
        }
        let known: Vec<String> = self.rows.iter().map(|row| row.name.clone()).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            let allowed = known.join(" ");
            return Err(Failure::Usage(format!("methods must be all, or of {allowed}, got {unknown}")));
        }
        self.rows.retain(|row| names.contains(&row.name));
        Ok(())
    }
}

impl Row {
    /// The options of a fit, with those of the call over the row's own.
    pub fn recipe(&self, seed: u64, over: &[(String, String)]) -> chreode::Result<FitOptions> {
        let mut settings = Settings::<FitOptions>::default();
        for (name, value) in &self.options {
            // Text without its quotes; numbers as they are written.
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            settings.set(name, &text)?;
        }
        for (name, text) in over {
            settings.set(name, text)?;
        }
        settings.set("seed", &seed.to_string())?;
        settings.build()
    }

    /// A published figure.
    pub fn figure(&self, name: &str) -> Option<f64> {
        match name {
            // Where only those of each time were published.
            "mean_w1" if !self.published.contains_key(name) => {
                let w1: Vec<f64> =
                    self.published.get("w1")?.as_array()?.iter().filter_map(Value::as_f64).collect();
                Some(w1.iter().sum::<f64>() / w1.len() as f64)
            }
            _ => self.published.get(name)?.as_f64(),
        }
    }
}
