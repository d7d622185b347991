//! `chreode demo`: everything once, on built-in data, beside the published figures.

use std::path::PathBuf;
use std::time::Instant;

use chreode::datasets::GeneNetwork;
use chreode::device::Device;
use chreode::evaluate::mass::growth_correlation;
use chreode::evaluate::validation::{Annotations, Validation, ValidationOptions};
use chreode::evaluate::{Evaluation, EvaluationOptions, Mode, evaluate};
use chreode::exec::stop::Stop;
use chreode::method::{self, FitOptions, Method, NamedRecipe, Preset};
use chreode::simulate::ode;
use chreode::snapshots::Snapshots;
use clap::Args;

use crate::cells::Data;
use crate::failure::{Failure, Result};
use crate::fit::fit;
use crate::generate::counts;
use crate::output::{check_writable, columns, print, seconds, short, write_snapshots};
use crate::progress::Bar;
use crate::report::{self, ModelSection, Page};
use crate::validate::table_of_recipes;

#[derive(Debug, Args)]
pub struct Demo {
    /// The folder for data, models and report
    #[arg(long, value_name = "DIR", default_value = "chreode-demo")]
    out: PathBuf,
    /// Seed of all random numbers
    #[arg(long, value_name = "SEED", default_value_t = 11)]
    seed: u64,
}

/// What was published for the gene network.
struct Published {
    method: Method,
    w1: f64,
    rme: f64,
}

const PUBLISHED: [Published; 2] = [
    Published { method: Method::WfrFm, w1: 0.019, rme: 0.001 },
    Published { method: Method::Usb, w1: 0.019, rme: 0.002 },
];

/// Hidden layers: a step of these costs an eighth of one at the published widths, and on this data they do as well.
const HIDDEN: [usize; 3] = [128, 128, 128];
const SHORTENED: &str = "wfr-fm and usb are as published, but shortened to run within two minutes: networks of 3 × 128 units instead of 5 × 256. \
                         `default` is what a fit does that is told nothing. The cells are freshly generated: the published figures are for \
                         another sample of the same process.";
/// What stands above the second table.
const HONEST: &str = "Cells that were not fitted: half of the cells are fitted, the other half is predicted. A ratio of 1 is as good as having \
                      measured again; figures on the fitted cells, as above, reward learning them by heart.";

impl Demo {
    pub fn run(self) -> Result<()> {
        let started = Instant::now();
        std::fs::create_dir_all(&self.out)
            .map_err(|error| Failure::Failed(format!("{}: {error}", self.out.display())))?;
        let page_path = self.out.join("report.html");
        check_writable(&page_path)?;
        let snapshots = GeneNetwork { seed: self.seed, ..Default::default() }.generate()?;
        write_snapshots(&self.out.join("gene-network.csv"), &snapshots)?;
        print(&format!("Gene network, cells a time point:\n{}", counts(&snapshots)))?;

        let data = Data { snapshots, names: vec!["x1".into(), "x2".into()] };
        let mut runs = vec![];
        let published =
            PUBLISHED.iter().map(|published| (published.method.as_str(), self.options(published.method)));
        for (name, options) in published.chain([(DEFAULT, self.default_options())]) {
            let fitted = fit(&data.snapshots, &options)?;
            fitted.dynamics.save(self.out.join(format!("{name}.safetensors")))?;
            runs.push((name, options, fitted));
        }
        let mut rows = vec![];
        let mut models = vec![];
        for (i, (name, options, fitted)) in runs.iter().enumerate() {
            rows.push(self.row(name, PUBLISHED.get(i), &data.snapshots, fitted)?);
            models.push(ModelSection::of_fit(&(&data).into(), options, fitted, &[])?);
        }
        let header =
            vec!["method", "W1", "published", "RME", "published", "growth correlation", "action", "fit"];
        let births = births(&models[runs.len() - 1]);
        print(&format!("\n{}\n{births}\n{SHORTENED}", columns(&header, &rows)))?;
        let honest = self.validate(&data.snapshots)?;
        let (unseen_header, unseen) = table_of_recipes(&honest);
        print(&format!("\n{HONEST}\n{}", columns(&unseen_header, &unseen)))?;
        let page = Page {
            title: "chreode demo: a gene network whose cells divide".into(),
            notes: vec![
                "Cells of two states repress each other's genes; those rich in gene 2 divide. The methods see the snapshots only."
                    .into(),
                SHORTENED.into(),
                format!("{HONEST} {}", ratios(&honest)),
            ],
            comparison: Some((header, rows)),
            data: &data,
            models,
        };
        report::write(&page_path, &page)?;
        if let Some(section) = page.models.last() {
            report::write_picture(&self.out.join("gene-network.svg"), section)?;
        }
        print(&format!(
            "\nreport: {}\nmodels, cells and a picture: {}\ndone in {}",
            page_path.display(),
            self.out.display(),
            seconds(started.elapsed().as_secs_f64())
        ))
    }

    fn default_options(&self) -> FitOptions {
        let mut options = FitOptions::default();
        options.seed = self.seed;
        options
    }

    /// The default and a published recipe, held against cells that they have not seen.
    fn validate(&self, snapshots: &Snapshots) -> Result<Validation> {
        let recipes = [
            NamedRecipe { name: DEFAULT.into(), options: self.default_options() },
            NamedRecipe { name: Method::WfrFm.as_str().into(), options: self.options(Method::WfrFm) },
        ];
        let mut options = ValidationOptions::default();
        (options.splits, options.seed) = (Some(1), self.seed);
        let mut bar = Bar::new("unseen cells");
        let show = &mut |now: &_| bar.show(now);
        Ok(method::validate(snapshots, &Annotations::default(), &recipes, &options, show)?)
    }

    fn options(&self, method: Method) -> FitOptions {
        let mut options = FitOptions::of(method.recipe(), Preset::Published);
        options.seed = self.seed;
        options.delta = Some(1.5); // the published setting
        options.training.hidden = HIDDEN.to_vec();
        options.training.growth_hidden = None;
        options
    }

    fn row(
        &self,
        name: &str,
        published: Option<&Published>,
        snapshots: &Snapshots,
        fitted: &method::Fit,
    ) -> Result<Vec<String>> {
        let model = &fitted.dynamics;
        let evaluation = |mode: Mode| -> Result<Evaluation> {
            let delta = model.info().delta.unwrap_or(1.0);
            Ok(evaluate(
                model,
                snapshots,
                &EvaluationOptions {
                    mode,
                    runs: 1,
                    seed: self.seed,
                    delta,
                    device: Device::Cpu,
                    exact_cells: EvaluationOptions::EXACT_CELLS,
                },
                &Stop::default(),
            )?)
        };
        let flow = evaluation(Mode::Ode(ode::Solver::default()))?;
        let correlation = growth_correlation(
            model,
            snapshots,
            |_, point| GeneNetwork::growth_shape(point),
            &Stop::default(),
        )?;
        Ok(vec![
            name.to_string(),
            format!("{:.4}", flow.mean_w1.mean),
            published.map_or(String::new(), |published| format!("{:.3}", published.w1)),
            format!("{:.4}", flow.mean_rme.mean),
            published.map_or(String::new(), |published| format!("{:.3}", published.rme)),
            format!("{correlation:.3}"),
            short(flow.action),
            seconds(fitted.report.coupling_seconds + fitted.report.training_seconds),
        ])
    }
}

/// The ratios of all recipes in words.
fn ratios(found: &Validation) -> String {
    let ratio = |recipe: &chreode::evaluate::validation::RecipeScore| {
        let scores = recipe.scores.as_ref().ok()?;
        Some(format!("{} {:.3}", recipe.name, scores.ratio.mean))
    };
    format!("Ratios: {}.", found.recipes.iter().filter_map(ratio).collect::<Vec<_>>().join(", "))
}

/// What the fit is called that is told nothing.
const DEFAULT: &str = "default";

/// A line on the branching simulation.
fn births(section: &ModelSection<'_>) -> String {
    use chreode::simulate::lineage::Fate;
    match section.populations.as_deref().map(|populations| &populations[0]) {
        Ok(population) => {
            let alive = population.trajectory.frames.last().map_or(0, |frame| frame.len());
            format!(
                "{} founders, {} divisions, {} deaths: {alive} cells at the end ({}; the data grow {:.3}-fold).",
                population.lineage.founders(),
                population.lineage.times_of(Fate::Divided).count(),
                population.lineage.times_of(Fate::Died).count(),
                format_args!("{:.3}-fold", alive as f64 / population.lineage.founders() as f64),
                section.shown.mass(section.shown.len() - 1) / section.shown.mass(0),
            )
        }
        Err(why) => format!("There is no branching simulation: {why}."),
    }
}
