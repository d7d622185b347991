//! `chreode methods`: the published methods and what they are made of.

use chreode::method::{BridgeKind, CouplingKind, Learning, Method};
use clap::Args;
use serde_json::json;

use crate::failure::Result;
use crate::output::{columns, print, print_json};

#[derive(Debug, Args)]
pub struct Methods {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Methods {
    pub fn run(self) -> Result<()> {
        if self.json {
            let of_method = |&method: &Method| {
                let recipe = method.recipe();
                json!({
                    "name": recipe.name,
                    "coupling": recipe.coupling().map(CouplingKind::as_str),
                    "bridge": recipe.bridge().map(BridgeKind::as_str),
                    "simulates_to_learn": matches!(recipe.learning, Learning::Rollout(_)),
                    "fields": recipe.fields(), "source": recipe.source,
                })
            };
            return print_json(&Method::ALL.iter().map(of_method).collect());
        }
        let row = |&method: &Method| {
            let recipe = method.recipe();
            let (coupling, bridge) = match recipe.learning {
                // Those of each branch, which cannot be chosen.
                Learning::Branches => (CouplingKind::ExactOt.to_string(), BridgeKind::Geodesic.to_string()),
                _ => (
                    recipe.coupling().map_or("rollout", CouplingKind::as_str).to_string(),
                    recipe.bridge().map_or("—", BridgeKind::as_str).to_string(),
                ),
            };
            vec![recipe.name.into(), coupling, bridge, recipe.fields().join(", "), recipe.source.into()]
        };
        let rows: Vec<Vec<String>> = Method::ALL.iter().map(row).collect();
        let couplings: Vec<&str> = CouplingKind::ALL.iter().map(|c| c.as_str()).collect();
        let bridges: Vec<&str> = BridgeKind::ALL.iter().map(|b| b.as_str()).collect();
        print(&format!(
            "{}\nOr any coupling with any bridge:\n  --coupling {}\n  --bridge   {}\n",
            columns(&["name", "coupling", "bridge", "fields", "source"], &rows),
            couplings.join(" | "),
            bridges.join(" | ")
        ))
    }
}
