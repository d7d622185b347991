//! `chreode generate`: the built-in data sets as files.

use std::path::PathBuf;

use chreode::datasets::{BranchingTree, GaussianMixture, GeneNetwork};
use chreode::snapshots::Snapshots;
use clap::{Args, Subcommand};

use crate::failure::Result;
use crate::output::{check_writable, columns, print, write_snapshots};

#[derive(Debug, Args)]
pub struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A network of three genes, two of them recorded, whose cells divide (2 dimensions, 5 time points)
    GeneNetwork {
        /// Cells that start in each of the two states
        #[arg(long, value_name = "COUNT", default_value_t = GeneNetwork::default().cells_per_state)]
        cells_per_state: usize,
        #[command(flatten)]
        to: To,
    },
    /// A cloud that grows without moving beside one that splits without growing (2 time points)
    GaussianMixture {
        /// Dimension, at least 2
        #[arg(long, value_name = "COUNT", default_value_t = GaussianMixture::default().dims)]
        dims: usize,
        #[command(flatten)]
        to: To,
    },
    /// Progenitors that branch into fates, of any size
    Branching {
        /// Cells of all time points together
        #[arg(long, value_name = "COUNT", default_value_t = BranchingTree::default().cells)]
        cells: usize,
        /// Dimension
        #[arg(long, value_name = "COUNT", default_value_t = BranchingTree::default().dims)]
        dims: usize,
        /// Number of fates
        #[arg(long, value_name = "COUNT", default_value_t = BranchingTree::default().fates)]
        fates: usize,
        /// Number of time points, at least 2
        #[arg(long, value_name = "COUNT", default_value_t = BranchingTree::default().time_points)]
        time_points: usize,
        /// Growth rate of the last fate, per unit of time
        #[arg(long, value_name = "REAL", default_value_t = BranchingTree::default().growth)]
        growth: f64,
        /// Standard deviation of a coordinate around the path
        #[arg(long, value_name = "REAL", default_value_t = BranchingTree::default().spread)]
        spread: f64,
        #[command(flatten)]
        to: To,
    },
}

/// Where to, and from which random numbers.
#[derive(Debug, Args)]
struct To {
    /// Seed of all random numbers
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Where to write the cells: samples (the time), x1 … xd
    ///
    /// By the end of its name a table (.csv, .tsv, either with .gz), Parquet (.parquet) or NumPy's array (.npy) of the coordinates, with
    /// the times beside it in OUT.obs.csv.
    #[arg(short, long, value_name = "OUT.csv")]
    output: PathBuf,
}

impl Generate {
    pub fn run(self) -> Result<()> {
        let (What::GeneNetwork { to, .. } | What::GaussianMixture { to, .. } | What::Branching { to, .. }) =
            &self.what;
        check_writable(&to.output)?;
        let snapshots = self.what.generate(to.seed)?;
        let written = write_snapshots(&to.output, &snapshots)?;
        print(&format!("{}cells: {written}, {} coordinates", counts(&snapshots), snapshots.dims()))
    }
}

impl What {
    fn generate(&self, seed: u64) -> chreode::Result<Snapshots> {
        match *self {
            What::GeneNetwork { cells_per_state, .. } => GeneNetwork { cells_per_state, seed }.generate(),
            What::GaussianMixture { dims, .. } => GaussianMixture { dims, seed }.generate(),
            What::Branching { cells, dims, fates, time_points, growth, spread, .. } => {
                BranchingTree { cells, dims, fates, time_points, growth, spread, seed }.generate()
            }
        }
    }
}

/// The cells of each time point, as a table.
pub fn counts(snapshots: &Snapshots) -> String {
    let row = |(k, time): (usize, &f64)| vec![time.to_string(), snapshots.count(k).to_string()];
    columns(&["time", "cells"], &snapshots.times().iter().enumerate().map(row).collect::<Vec<_>>())
}
