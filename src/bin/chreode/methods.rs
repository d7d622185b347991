//! `chreode methods`: the published methods and what they are made of.

use chreode::method::{BridgeKind, CouplingKind, Learning, Method, Recipe};
use chreode::rollout::Model;
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
                    "name": recipe.name,
                    "coupling": recipe.coupling().map(CouplingKind::as_str),
                    "bridge": recipe.bridge().map(BridgeKind::as_str),
                    "simulates_to_learn": matches!(recipe.learning, Learning::Rollout(_)),
                    "fields": fields(recipe.learning), "source": source(method),
                })
            };
            return print_json(&Method::ALL.iter().map(of_method).collect());
        }
        let row = |&method: &Method| {
            let recipe = Recipe::from(method);
            let coupling = recipe.coupling().map_or("rollout", CouplingKind::as_str).to_string();
            let bridge = recipe.bridge().map_or("—", BridgeKind::as_str).to_string();
            vec![recipe.name, coupling, bridge, fields(recipe.learning).join(", "), source(method).into()]
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

/// What a method learns.
fn fields(learning: Learning) -> Vec<&'static str> {
    match learning {
        Learning::Matching { bridge, .. } => match bridge {
            BridgeKind::Straight => vec!["velocity"],
            BridgeKind::StraightLogLinear | BridgeKind::TravellingDirac => vec!["velocity", "growth"],
            BridgeKind::Brownian => vec!["velocity", "score"],
            BridgeKind::PoissonBrownian => vec!["velocity", "growth", "score"],
        },
        Learning::Rollout(model) => match model {
            Model::MioFlow => vec!["velocity"],
            Model::Tigon => vec!["velocity", "growth"],
            Model::DeepRuot | Model::VarRuot => vec!["velocity", "growth", "score", "landscape"],
        },
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
        Method::MioFlow => "Huguet et al., NeurIPS 2022",
        Method::Tigon => "Sha et al., Nat. Mach. Intell. 2024",
        Method::DeepRuot => "Zhang, Li, Zhou, ICLR 2025",
        Method::VarRuot => "Sun et al., NeurIPS 2025",
    }
}
