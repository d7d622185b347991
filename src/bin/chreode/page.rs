//! `chreode report`: a page about a model and its cells.

use std::path::PathBuf;

use chreode::model::Dynamics;
use clap::Args;

use crate::cells::{DataArgs, Described, Places};
use crate::failure::{Failure, Result};
use crate::output::{check_writable, print};
use crate::report::{self, ModelSection, Observed, Page};
use crate::written::extension;

#[derive(Debug, Args)]
pub struct Report {
    /// The model
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// The two columns of an embedding that cells are drawn in, as in umap_1,umap_2; or of an AnnData one key of obsm, as X_umap
    ///
    /// Whatever is simulated stands there where the cells of the data nearest to it are in the mean.
    ///
    /// Default: the coordinates, if there are at most two, else their first two principal components.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    embedding_columns: Option<Vec<String>>,
    /// The column that holds the cells' labels: their types, clusters, fates
    ///
    /// They are drawn, and with those of the last time what earlier cells become. Cells without one (empty, NA) are neighbours of none.
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Seed of all random numbers
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Where to write the page: one file that needs nothing else
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,
}

impl Report {
    pub fn run(self) -> Result<()> {
        let embedding = self.embedding()?;
        let model = Dynamics::load(&self.model)?;
        let label = self.label_column.as_deref();
        let described = self.data.read_described_for(&self.model, &model, label, embedding)?;
        let described = Described { data: described.data.with_masses_of(&model, &self.data)?, ..described };
        if let (Some(column), Some((_, names))) = (label, &described.labels)
            && names.is_empty()
        {
            let told = format!("{}, column `{column}`: no cell has a label", self.data.name());
            return Err(Failure::Failed(told));
        }
        check_writable(&self.output)?;
        let section = ModelSection::new(&Observed::from(&described), &model, self.seed)?;
        let notes = match label {
            Some(column) if section.labels.is_none() => {
                vec![format!("Of the cells that are drawn, none has a label in the column {column}.")]
            }
            _ => vec![],
        };
        let page = Page {
            title: format!("{} on {}", model.info().method, self.data.name()),
            notes,
            comparison: None,
            data: &described.data,
            models: vec![section],
        };
        report::write(&self.output, &page)?;
        print(&format!("page: {}", self.output.display()))
    }

    fn embedding(&self) -> Result<Option<Places<'_>>> {
        match self.embedding_columns.as_deref() {
            None => Ok(None),
            Some([across, up]) => Ok(Some(Places::Columns([across, up]))),
            Some([key]) if extension(&self.data.data) == "h5ad" => Ok(Some(Places::Matrix(key))),
            Some(names) => Err(Failure::Usage(format!(
                "--embedding-columns: two columns are needed, separated by a comma, got {}",
                names.len()
            ))),
        }
    }
}
