//! (being merged)
pub fn network_simplex(_p: &super::Problem<'_>) -> crate::Result<super::Solution> { Err(crate::Error::Infeasible("not merged".into())) }
