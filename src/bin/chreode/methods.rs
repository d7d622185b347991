//! `chreode methods`: the published methods and what they are made of.

use chreode::method::{BridgeKind, CouplingKind, Method, Recipe};
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
                let recipe = Recipe::from(method);
                json!({
                    "name": recipe.name, "coupling": recipe.coupling.as_str(), "bridge": recipe.bridge.as_str(),
                    "fields": fields(recipe.bridge), "source": source(method),
                })
            };
            return print_json(&Method::ALL.iter().map(of_method).collect());
        }
        let row = |&method: &Method| {
            let recipe = Recipe::from(method);
            let (coupling, bridge) = (recipe.coupling.to_string(), recipe.bridge.to_string());
            vec![recipe.name, coupling, bridge, fields(recipe.bridge).join(", "), source(method).into()]
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

/// What a bridge gives to learn.
fn fields(bridge: BridgeKind) -> Vec<&'static str> {
    match bridge {
        BridgeKind::Straight => vec!["velocity"],
        BridgeKind::StraightLogLinear | BridgeKind::TravellingDirac => vec!["velocity", "growth"],
        BridgeKind::Brownian => vec!["velocity", "score"],
        BridgeKind::PoissonBrownian => vec!["velocity", "growth", "score"],
    }
}

fn source(method: Method) -> &'static str {
    match method {
        Method::OtCfm => "Tong et al., TMLR 2024",
        Method::Sf2m => "Tong et al., AISTATS 2024",
        Method::UotFm => "Eyring et al., ICLR 2024",
        Method::Vgfm => "Wang et al., NeurIPS 2025 (matching stage)",
        Method::WfrFm => "Peng et al., ICLR 2026",
        Method::Usb => "Ying et al. 2026",
    }
}
