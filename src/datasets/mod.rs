//! Built-in synthetic data: three generators of snapshots whose true dynamics are known.

mod branching;
mod gaussian_mixture;
mod gene_network;

pub use branching::BranchingTree;
pub use gaussian_mixture::GaussianMixture;
pub use gene_network::GeneNetwork;

/// Which random numbers belong to which data set.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
enum Generator {
    GeneNetwork = 0,
    GaussianMixture = 1,
    Directions = 2,
    Cells = 3,
}
