//! The published methods by name, and the fit that they are recipes of.
//!
//! Most couple consecutive snapshots, then regress networks on the bridges between coupled cells: such a method is a
//! coupling and a bridge, and any coupling goes with any bridge. The others roll particles forward and differentiate
//! through the solver: see [`mod@rollout`].

use std::time::Instant;

use rand::seq::SliceRandom;

use crate::bridge::Bridge;
use crate::device::{Device, Opened};
use crate::dynamics::{Drift, Dynamics, ModelInfo, Scaling, Score};
use crate::error::{Error, Result, positive};
use crate::exec::progress::{Progress, ProgressFn, Reporter};
use crate::exec::rng::{Purpose, stream};
use crate::exec::stop::Stop;
use crate::exec::threads::Threads;
use crate::matching::{Interval, IntervalWeighting, TrainingOptions, train};
use crate::named::named;
use crate::nn::Activation;
use crate::rollout::{self, GrowthPrice, Model, RolloutOptions, RolloutReport};
use crate::snapshots::{MatrixView, Snapshots};
use crate::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use crate::transport::minibatch::couple;
use crate::transport::network_simplex::network_simplex;
use crate::transport::pricing::nearest_distances;
use crate::transport::sampling::PairSampler;
use crate::transport::sinkhorn::{self, SinkhornOptions};
use crate::transport::{Cost, PointCloud, Problem, Report, Solution};

/// A published method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// OT-CFM: exact optimal transport, straight lines (Tong et al., TMLR 2024).
    OtCfm,
    /// SF2M: entropic optimal transport, Brownian bridges, score (Tong et al., AISTATS 2024).
    Sf2m,
    /// UOT-FM: unbalanced optimal transport, straight lines, growth (Eyring et al., ICLR 2024).
    UotFm,
    /// VGFM's matching stage: semi-relaxed optimal transport, straight lines, growth (Wang et al., NeurIPS 2025).
    Vgfm,
    /// WFR-FM: Wasserstein–Fisher–Rao semi-coupling, travelling Diracs, growth (Peng et al., ICLR 2026).
    WfrFm,
    /// USB: Wasserstein–Fisher–Rao semi-coupling, Poisson–Brownian bridges, growth and score (Ying et al. 2026).
    Usb,
    /// MIOFlow: rollout of a velocity (Huguet et al., NeurIPS 2022).
    MioFlow,
    /// TIGON: rollout of velocity and growth (Sha et al., Nature Machine Intelligence 2024).
    Tigon,
    /// DeepRUOT: rollout of velocity, growth and density (Zhang, Li, Zhou, ICLR 2025).
    DeepRuot,
    /// Var-RUOT: rollout of one potential (Sun et al., NeurIPS 2025).
    VarRuot,
}

/// Which static problem couples the cells of consecutive snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CouplingKind {
    /// Exact optimal transport of the normalised snapshots, cost ½‖x−y‖².
    ExactOt,
    /// Entropic optimal transport of the normalised snapshots, cost ½‖x−y‖², ε = σ²h.
    EntropicOt,
    /// Unregularised transport, cost ½‖x−y‖², both marginals relaxed by ρ KL.
    UnbalancedOt,
    /// Unregularised transport, cost ½‖x−y‖², the source marginal relaxed by ρ KL, the target's hard.
    SemiRelaxedOt,
    /// The Wasserstein–Fisher–Rao optimum of length δ.
    Wfr,
}

/// Which bridge joins a coupled pair; see [`Bridge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeKind {
    /// [`Bridge::Straight`]
    Straight,
    /// [`Bridge::StraightLogLinear`]
    StraightLogLinear,
    /// [`Bridge::Brownian`]
    Brownian,
    /// [`Bridge::TravellingDirac`]
    TravellingDirac,
    /// [`Bridge::PoissonBrownian`]
    PoissonBrownian,
}

/// A method as what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The published name, or `custom`.
    pub name: String,
    /// How it learns.
    pub learning: Learning,
}

/// How a method learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learning {
    /// By regression on bridges between coupled cells, without simulation.
    Matching {
        /// Which cells belong together.
        coupling: CouplingKind,
        /// How they get from one to the other.
        bridge: BridgeKind,
    },
    /// By differentiating through rolled-out particles.
    Rollout(Model),
}

named!(
    Method,
    "method",
    OtCfm = "ot-cfm",
    Sf2m = "sf2m",
    UotFm = "uot-fm",
    Vgfm = "vgfm",
    WfrFm = "wfr-fm",
    Usb = "usb",
    MioFlow = "mioflow",
    Tigon = "tigon",
    DeepRuot = "deep-ruot",
    VarRuot = "var-ruot"
);
named!(
    CouplingKind,
    "coupling",
    ExactOt = "exact-ot",
    EntropicOt = "entropic-ot",
    UnbalancedOt = "unbalanced-ot",
    SemiRelaxedOt = "semi-relaxed-ot",
    Wfr = "wfr"
);
named!(
    BridgeKind,
    "bridge",
    Straight = "straight",
    StraightLogLinear = "straight-log-linear",
    Brownian = "brownian",
    TravellingDirac = "travelling-dirac",
    PoissonBrownian = "poisson-brownian"
);

impl From<Method> for Recipe {
    fn from(method: Method) -> Self {
        use BridgeKind::{Brownian, PoissonBrownian, Straight, StraightLogLinear, TravellingDirac};
        use CouplingKind::{EntropicOt, ExactOt, SemiRelaxedOt, UnbalancedOt, Wfr};
        let matching = |coupling, bridge| Learning::Matching { coupling, bridge };
        let learning = match method {
            Method::OtCfm => matching(ExactOt, Straight),
            Method::Sf2m => matching(EntropicOt, Brownian),
            Method::UotFm => matching(UnbalancedOt, StraightLogLinear),
            Method::Vgfm => matching(SemiRelaxedOt, StraightLogLinear),
            Method::WfrFm => matching(Wfr, TravellingDirac),
            Method::Usb => matching(Wfr, PoissonBrownian),
            Method::MioFlow => Learning::Rollout(Model::MioFlow),
            Method::Tigon => Learning::Rollout(Model::Tigon),
            Method::DeepRuot => Learning::Rollout(Model::DeepRuot),
            Method::VarRuot => Learning::Rollout(Model::VarRuot),
        };
        Self { name: method.as_str().into(), learning }
    }
}

impl Recipe {
    /// A free combination.
    pub fn custom(coupling: CouplingKind, bridge: BridgeKind) -> Self {
        Self { name: "custom".into(), learning: Learning::Matching { coupling, bridge } }
    }

    /// The coupling of a simulation-free method.
    pub fn coupling(&self) -> Option<CouplingKind> {
        match self.learning {
            Learning::Matching { coupling, .. } => Some(coupling),
            Learning::Rollout(_) => None,
        }
    }

    /// The bridge of a simulation-free method.
    pub fn bridge(&self) -> Option<BridgeKind> {
        match self.learning {
            Learning::Matching { bridge, .. } => Some(bridge),
            Learning::Rollout(_) => None,
        }
    }
}

impl Learning {
    /// The share of the data's spread that the automatic σ diffuses in a mean interval; none without a σ.
    pub fn default_noise(self) -> Option<f64> {
        match self {
            Learning::Matching { bridge: BridgeKind::PoissonBrownian, .. } => Some(0.03),
            Learning::Matching { bridge: BridgeKind::Brownian, .. }
            | Learning::Matching { coupling: CouplingKind::EntropicOt, .. }
            | Learning::Rollout(Model::DeepRuot | Model::VarRuot) => Some(0.1),
            Learning::Matching { .. } | Learning::Rollout(Model::MioFlow | Model::Tigon) => None,
        }
    }

    fn needs_delta(self) -> bool {
        match self {
            Learning::Matching { coupling, bridge } => {
                coupling == CouplingKind::Wfr || bridge == BridgeKind::TravellingDirac
            }
            Learning::Rollout(model) => model != Model::MioFlow,
        }
    }

    fn needs_penalty(self) -> bool {
        let Learning::Matching { coupling, .. } = self else { return false };
        matches!(coupling, CouplingKind::UnbalancedOt | CouplingKind::SemiRelaxedOt)
    }
}

/// What a fit is to do.
///
/// δ, σ and the branching rate λ of USB's reference process are tied by δ² = σ²/λ: any two give the third. What is
/// absent is chosen from the data by a rule, and the report says what was chosen:
///
/// * δ: the largest, over intervals and both directions, of the 99 % quantiles of the distance from a cell to
///   the nearest cell of the neighbouring snapshot. Cells then reach their neighbours at half a radian of the cone,
///   well inside πδ, where mass would rather die and be born.
/// * σ: the noise of a mean interval, σ√h̄, is 3 % of the root mean square deviation of a coordinate for growing
///   bridges (branching particles), and 10 % for SF2M, whose entropic plan it also sets, DeepRUOT and Var-RUOT.
/// * ρ (UOT-FM, VGFM): 2δ², which makes small displacements cost what they do in WFR_δ.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// Coupling and bridge.
    pub recipe: Recipe,
    /// δ of the Wasserstein–Fisher–Rao metric, a length in the data's units.
    pub delta: Option<f64>,
    /// Diffusion σ, length per square root of time.
    pub sigma: Option<f64>,
    /// λ of branching Brownian motion, per unit of time.
    pub branching_rate: Option<f64>,
    /// ρ of UOT-FM and VGFM, a squared length.
    pub penalty: Option<f64>,
    /// Couple in random blocks of at most this many cells a side.
    pub chunk_size: Option<usize>,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Where Sinkhorn's sweeps of the couplings run. Exact plans, training and simulation-based methods have none.
    pub device: Device,
    /// Threads; 0 for the ambient rayon pool.
    pub threads: usize,
    /// Networks and optimiser.
    pub training: TrainingOptions,
    /// What simulation-based methods take beside that.
    pub rollout: RolloutOptions,
}

impl FitOptions {
    /// The published settings of a method; of simulation-based ones, those found to serve here.
    pub fn new(method: Method) -> Self {
        let recipe = Recipe::from(method);
        let mut training = TrainingOptions::default();
        if method == Method::Usb {
            training.growth_hidden = None; // five layers, as its velocity
        }
        let model = match recipe.learning {
            Learning::Rollout(model) => model,
            Learning::Matching { .. } => Model::MioFlow,
        };
        if let Learning::Rollout(_) = recipe.learning {
            training = rollout_training(model);
        }
        Self {
            recipe,
            delta: None,
            sigma: None,
            branching_rate: None,
            penalty: None,
            chunk_size: None,
            seed: 0,
            device: Device::default(),
            threads: 0,
            training,
            rollout: RolloutOptions::new(model),
        }
    }
}

/// The networks and the optimiser of a simulation-based method.
fn rollout_training(model: Model) -> TrainingOptions {
    TrainingOptions {
        epochs: match model {
            Model::MioFlow | Model::Tigon => 2000,
            Model::DeepRuot => 500,
            Model::VarRuot => 1500,
        },
        batch_size: 1024,
        hidden: vec![64; 3],
        growth_hidden: None,
        score_hidden: None,
        activation: Activation::Silu,
        learning_rate: 5e-3,
        clip: Some(1.0),
        ..TrainingOptions::default()
    }
}

/// What was chosen, and how the fit went.
#[derive(Debug, Clone, PartialEq)]
pub struct FitReport {
    /// δ, where the recipe has one.
    pub delta: Option<f64>,
    /// σ, where the recipe has one.
    pub sigma: Option<f64>,
    /// λ = σ²/δ², where the recipe has both.
    pub branching_rate: Option<f64>,
    /// ρ, where the recipe has one.
    pub penalty: Option<f64>,
    /// For each interval, the mass of source cells and of target cells out of everyone's reach.
    pub unmatched_mass: Vec<(f64, f64)>,
    /// For each interval, the reports of its static problems, one a block.
    pub couplings: Vec<Vec<Report>>,
    /// The number of matched pairs of each interval.
    pub pairs: Vec<usize>,
    /// The loss of every training step, of the main stage where there are several.
    pub losses: Vec<f64>,
    /// What a simulation-based fit tells beside.
    pub rollout: Option<RolloutReport>,
    /// Seconds spent coupling.
    pub coupling_seconds: f64,
    /// Seconds spent training.
    pub training_seconds: f64,
}

/// A fitted model and the report of its making.
#[derive(Debug, Clone)]
pub struct Fit {
    /// The learned fields.
    pub dynamics: Dynamics,
    /// What was chosen, and how it went.
    pub report: FitReport,
    /// Why training ended early, if it did: [`Error::Cancelled`] or [`Error::NonFinite`]. The fields are then those of
    /// the last good step.
    pub stopped: Option<Error>,
}

/// Learns the dynamics of a population from snapshots.
///
/// ```
/// use chreode::datasets::GeneNetwork;
/// use chreode::method::{FitOptions, Method, fit};
///
/// let snapshots = GeneNetwork::default().generate()?;
/// let mut options = FitOptions::new(Method::WfrFm);
/// options.training.epochs = 20; // 3000 for a real fit
/// let fitted = fit(&snapshots, &options, &mut chreode::exec::progress::silent)?;
/// assert!(fitted.report.losses.iter().all(|loss| loss.is_finite()));
/// # Ok::<(), chreode::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidData`] for fewer than two snapshots, [`Error::InvalidArgument`] for an option outside its domain,
/// [`Error::Infeasible`] if a hard marginal cannot be met, [`Error::NonFinite`] if a static problem did not reach its
/// tolerance, [`Error::Cancelled`] if `progress` breaks during the coupling. A break, or a loss that is not
/// finite, during training ends with a usable model: see [`Fit::stopped`].
pub fn fit(snapshots: &Snapshots, options: &FitOptions, progress: &mut ProgressFn<'_>) -> Result<Fit> {
    options.training.validate()?;
    if options.chunk_size == Some(0) {
        return Err(Error::argument("chunk_size", 0, "at least 1"));
    }
    if snapshots.len() < 2 {
        let message =
            format!("a fit needs cells at two times or more; there is one, {}", snapshots.times()[0]);
        return Err(Error::InvalidData(message));
    }
    let _in_use = open_device(snapshots, options)?;
    let threads = Threads::new(options.threads)?;
    let scaling = Scaling::of(snapshots);
    let parameters = threads.run(|| Parameters::resolve(snapshots, &scaling, options))?;
    let mut reporter = Reporter::new(progress);

    let started = Instant::now();
    let mut report = FitReport {
        delta: parameters.delta,
        sigma: parameters.sigma,
        branching_rate: parameters.delta.zip(parameters.sigma).map(|(delta, sigma)| (sigma / delta).powi(2)),
        penalty: parameters.penalty,
        unmatched_mass: vec![],
        couplings: vec![],
        pairs: vec![],
        losses: vec![],
        rollout: None,
        coupling_seconds: 0.0,
        training_seconds: 0.0,
    };
    let learned = match options.recipe.learning {
        Learning::Matching { coupling, bridge } => {
            let mut intervals = Vec::with_capacity(snapshots.len() - 1);
            for index in 0..snapshots.len() - 1 {
                intervals.push(couple_interval(
                    snapshots,
                    (index, coupling, bridge),
                    options,
                    &parameters,
                    &threads,
                    &mut reporter,
                    &mut report,
                )?);
            }
            let mean_weight =
                intervals.iter().map(|interval| interval.weight).sum::<f64>() / intervals.len() as f64;
            intervals.iter_mut().for_each(|interval| interval.weight /= mean_weight);
            report.coupling_seconds = started.elapsed().as_secs_f64();
            let bridge = parameters.bridge(bridge)?;
            let (training, seed) = (&options.training, options.seed);
            let trained =
                train(snapshots, &intervals, (bridge, &scaling), training, seed, &threads, &mut reporter)?;
            report.losses = trained.losses;
            report.training_seconds = trained.seconds;
            let fields = (Drift::Velocity(trained.velocity), trained.growth, trained.score.map(Score::Drift));
            (bridge.sigma(), fields, trained.stopped)
        }
        Learning::Rollout(model) => {
            let numbers = rollout::Numbers {
                sigma: parameters.sigma.unwrap_or(0.0),
                delta: parameters.delta.unwrap_or(f64::NAN),
            };
            let trained = rollout::train(
                snapshots,
                &scaling,
                model,
                numbers,
                &options.rollout,
                &options.training,
                options.seed,
                &threads,
                &mut reporter,
            )?;
            report.losses = trained.losses;
            report.rollout = Some(trained.report);
            report.training_seconds = trained.seconds;
            (numbers.sigma, (trained.drift, trained.growth, trained.score), trained.stopped)
        }
    };
    let (sigma, (drift, growth, score), stopped) = learned;
    let info = ModelInfo {
        method: options.recipe.name.clone(),
        sigma,
        final_sigma: options.rollout.final_sigma.filter(|_| options.recipe.learning == DEEP_RUOT),
        delta: parameters.length(),
        times: snapshots.times().to_vec(),
        seed: options.seed,
        epochs: report.losses.len(),
    };
    let dynamics = Dynamics::new(info, scaling, drift, growth, score)?;
    Ok(Fit { dynamics, report, stopped })
}

/// Opens the device of a fit's couplings before anything is computed, to be kept while they are.
fn open_device(snapshots: &Snapshots, options: &FitOptions) -> Result<Opened> {
    match options.recipe.coupling() {
        Some(CouplingKind::ExactOt) => options.device.require_cpu("exact couplings")?,
        Some(_) => {}
        None => options.device.require_cpu("a method without couplings")?,
    }
    let cells =
        |k: usize| options.chunk_size.map_or(snapshots.count(k), |chunk| snapshots.count(k).min(chunk));
    let pairs = (1..snapshots.len()).map(|k| cells(k - 1).saturating_mul(cells(k))).max();
    options.device.open(pairs.unwrap_or(0), sinkhorn::ENOUGH)
}

/// The one method whose σ may change with time.
const DEEP_RUOT: Learning = Learning::Rollout(Model::DeepRuot);

/// Couples the cells of snapshots `index` and `index + 1`.
fn couple_interval(
    snapshots: &Snapshots,
    (index, kind, bridge): (usize, CouplingKind, BridgeKind),
    options: &FitOptions,
    parameters: &Parameters,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
    report: &mut FitReport,
) -> Result<Interval> {
    let (start, end) = (snapshots.times()[index], snapshots.times()[index + 1]);
    let (mut source, mut target) = (cloud(snapshots, index)?, cloud(snapshots, index + 1)?);
    if matches!(kind, CouplingKind::ExactOt | CouplingKind::EntropicOt) {
        (source, target) = (source.normalised(), target.normalised());
    }
    let solve = |source: &PointCloud, target: &PointCloud| {
        let solution = parameters.solve(kind, source, target, end - start, options.device)?;
        if solution.report.converged {
            Ok((solution.plan, solution.report))
        } else {
            Err(Error::NonFinite(format!(
                "the coupling from time {start} to {end} did not converge: relative gap {:.1e} after {} iterations; \
                 raise sigma, which sets its regularisation, or use smaller chunks",
                solution.report.gap / solution.report.primal,
                solution.report.iterations
            )))
        }
    };
    let intervals = snapshots.len() - 1;
    let mut on_block = |done: usize, total: usize| {
        // Blocks of all intervals are counted as if each had as many as this one.
        let progress =
            Progress { stage: "coupling", done: index * total + done, total: intervals * total, loss: None };
        reporter.report(&progress)
    };
    let key = (options.seed, index as u64);
    let (mut coupling, reports) = couple(
        (&source, &target),
        options.chunk_size,
        key,
        &solve,
        threads,
        &Stop::default(),
        &mut on_block,
    )?;
    if bridge == BridgeKind::TravellingDirac {
        // No Dirac travels πδ or farther, whatever a coupling other than its own asks for.
        let cost = Cost::Wfr { delta: parameters.delta.unwrap_or(f64::NAN) };
        coupling.part(|pair| {
            let (x, y) = (source.point(pair.source as usize), target.point(pair.target as usize));
            cost.of_squared_distance(x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()).is_finite()
        });
    }
    report.unmatched_mass.push(coupling.unmatched_mass());
    report.pairs.push(coupling.pairs.len());
    report.couplings.push(reports);
    let weight = match options.training.interval_weighting {
        IntervalWeighting::Uniform => 1.0,
        IntervalWeighting::Mass => snapshots.mass(index),
    };
    Ok(Interval { index, start, length: end - start, sampler: PairSampler::new(coupling)?, weight })
}

/// The numbers of a recipe, given or chosen.
#[derive(Debug, Clone, Copy)]
struct Parameters {
    delta: Option<f64>,
    sigma: Option<f64>,
    penalty: Option<f64>,
}

/// Relative duality gap of the couplings of a fit: far below what sampling a few hundred pairs a step can see.
const COUPLING_TOLERANCE: f64 = 1e-6;
/// The same of entropic couplings, whose sweeps converge slowly where clusters lie far apart in units of σ: the automatic σ
/// must not fail there, and no step sees an error of this size either.
const ENTROPIC_TOLERANCE: f64 = 1e-4;
const ENTROPIC_SWEEPS: usize = 100_000;

impl Parameters {
    fn resolve(snapshots: &Snapshots, scaling: &Scaling, options: &FitOptions) -> Result<Self> {
        let learning = options.recipe.learning;
        let needs_sigma = learning.default_noise().is_some()
            || matches!(learning, Learning::Rollout(_))
                && options.rollout.growth_price == GrowthPrice::Branching;
        for (name, value) in [
            ("delta", options.delta),
            ("sigma", options.sigma),
            ("branching_rate", options.branching_rate),
            ("penalty", options.penalty),
        ] {
            value.map(|value| positive(name, value)).transpose()?;
        }
        let (mut delta, mut sigma) = (options.delta, options.sigma);
        if let Some(rate) = options.branching_rate {
            match (delta, sigma) {
                (Some(delta), Some(sigma)) if (delta * delta * rate / (sigma * sigma) - 1.0).abs() > 1e-6 => {
                    let allowed =
                        format!("sigma²/delta² = {} (give two of the three)", (sigma / delta).powi(2));
                    return Err(Error::argument("branching_rate", rate, &allowed));
                }
                (None, Some(sigma)) => delta = Some(sigma / rate.sqrt()),
                (Some(delta), None) => sigma = Some(delta * rate.sqrt()),
                (None, None) if !needs_sigma => {
                    let allowed = "given with sigma or delta: delta² = sigma²/branching_rate";
                    return Err(Error::argument("branching_rate", rate, allowed));
                }
                _ => {}
            }
        }
        if needs_sigma && sigma.is_none() {
            let fraction = learning.default_noise().unwrap_or(0.1);
            sigma = Some(fraction * scaling.length / scaling.duration.sqrt());
        }
        if let (None, Some(rate), Some(sigma)) = (delta, options.branching_rate, sigma) {
            delta = Some(sigma / rate.sqrt());
        }
        if (learning.needs_delta() || learning.needs_penalty() && options.penalty.is_none())
            && delta.is_none()
        {
            delta = Some(automatic_delta(snapshots, scaling, options.seed)?);
        }
        let penalty = options.penalty.or(delta.map(|delta| 2.0 * delta * delta));
        Ok(Self {
            delta: delta.filter(|_| learning.needs_delta()),
            sigma: sigma.filter(|_| needs_sigma),
            penalty: penalty.filter(|_| learning.needs_penalty()),
        })
    }

    /// δ, or what it corresponds to where a penalty ρ = 2δ² stands in its place.
    fn length(&self) -> Option<f64> {
        self.delta.or(self.penalty.map(|penalty| (penalty / 2.0).sqrt()))
    }

    fn bridge(&self, kind: BridgeKind) -> Result<Bridge> {
        // `resolve` gave every kind what it needs.
        let (sigma, delta) = (self.sigma.unwrap_or(f64::NAN), self.delta.unwrap_or(f64::NAN));
        let bridge = match kind {
            BridgeKind::Straight => Bridge::Straight,
            BridgeKind::StraightLogLinear => Bridge::StraightLogLinear,
            BridgeKind::Brownian => Bridge::Brownian { sigma },
            BridgeKind::TravellingDirac => Bridge::TravellingDirac { delta },
            BridgeKind::PoissonBrownian => Bridge::PoissonBrownian { sigma },
        };
        bridge.validate()?;
        Ok(bridge)
    }

    /// The static problem of an interval of length `h`.
    fn solve(
        &self,
        kind: CouplingKind,
        source: &PointCloud,
        target: &PointCloud,
        h: f64,
        device: Device,
    ) -> Result<Solution> {
        const HARD: f64 = f64::INFINITY;
        let rho = self.penalty.unwrap_or(f64::NAN);
        let (cost, source_penalty, target_penalty) = match kind {
            CouplingKind::ExactOt | CouplingKind::EntropicOt => (Cost::HalfSquaredEuclidean, HARD, HARD),
            CouplingKind::UnbalancedOt => (Cost::HalfSquaredEuclidean, rho, rho),
            CouplingKind::SemiRelaxedOt => (Cost::HalfSquaredEuclidean, rho, HARD),
            CouplingKind::Wfr => (Cost::Wfr { delta: self.delta.unwrap_or(f64::NAN) }, 1.0, 1.0),
        };
        let problem = Problem { source, target, cost, source_penalty, target_penalty };
        let stop = Stop::default();
        match kind {
            CouplingKind::ExactOt => network_simplex(&problem, &stop),
            CouplingKind::EntropicOt => {
                let epsilon = self.sigma.unwrap_or(f64::NAN).powi(2) * h;
                let options = SinkhornOptions {
                    tolerance: ENTROPIC_TOLERANCE,
                    max_iterations: ENTROPIC_SWEEPS,
                    drop_below: 1e-6,
                    device,
                    ..SinkhornOptions::new(epsilon)
                };
                sinkhorn::sinkhorn(&problem, &options, &stop)
            }
            CouplingKind::UnbalancedOt | CouplingKind::SemiRelaxedOt | CouplingKind::Wfr => {
                let options =
                    EntropyTransportOptions { tolerance: COUPLING_TOLERANCE, device, ..Default::default() };
                entropy_transport(&problem, &options, &stop)
            }
        }
    }
}

/// Cells whose nearest neighbours are looked up for the automatic δ, for each interval and direction.
const NEIGHBOUR_SAMPLE: usize = 1000;

/// The rule of [`FitOptions`]: the largest 99 % quantile of nearest-neighbour distances between neighbouring
/// snapshots, or the data's length where all of them are zero.
fn automatic_delta(snapshots: &Snapshots, scaling: &Scaling, seed: u64) -> Result<f64> {
    let mut largest = 0.0f64;
    for k in 0..snapshots.len() - 1 {
        for (from, to) in [(k, k + 1), (k + 1, k)] {
            let mut cells: Vec<usize> = (0..snapshots.count(from)).collect();
            let mut rng = stream(seed, Purpose::Minibatch, from as u64, 2 + to as u64);
            let (sample, _) = cells.partial_shuffle(&mut rng, NEIGHBOUR_SAMPLE);
            let sample = cloud(snapshots, from)?.subset(sample);
            let mut distances = nearest_distances(&sample, &cloud(snapshots, to)?, &Stop::default())?;
            distances.sort_by(f64::total_cmp);
            largest = largest.max(distances[((distances.len() - 1) as f64 * 0.99).round() as usize]);
        }
    }
    Ok(if largest > 0.0 { largest } else { scaling.length })
}

/// The cells of a snapshot, for the static solvers.
fn cloud(snapshots: &Snapshots, k: usize) -> Result<PointCloud> {
    let view = MatrixView::from_f32(snapshots.points(k), snapshots.count(k), snapshots.dims())?;
    PointCloud::new(view, Some(snapshots.weights(k)))
}
