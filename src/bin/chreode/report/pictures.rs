//! The pictures of a report.

use std::collections::HashMap;

use chreode::simulate::lineage::{Fate, Lineage};
use chreode::statistics::Estimate;

use super::colours::{self, GREY, INK, PALETTE};
use super::section::{Fitted, ModelSection};
use super::svg::{Axis, Plot, Stroke, escape};
use crate::output::short;

/// A picture, what it shows and what its colours mean.
#[derive(Debug)]
pub struct Figure {
    pub title: String,
    pub svg: String,
    /// A bar of a continuous scale.
    pub bar: Option<String>,
    /// Colour, kind of mark and meaning.
    pub legend: Vec<(String, Mark, String)>,
    pub caption: String,
}

/// How a legend shows a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Dot,
    Square,
    Line,
    Dashes,
    Cross,
    Patch,
}

/// A dot's diameter: smaller where there are many.
pub fn dot(section: &ModelSection<'_>) -> f64 {
    let cells = section.shown.cells() / section.stride();
    (60.0 / (cells as f64).sqrt()).clamp(3.2, 9.0)
}

const PREDICTED: &str = PALETTE[0];
/// Particles among the observed cells, and those of branching populations.
const PARTICLES: &str = PALETTE[1];
const BRANCHING: &str = PALETTE[4];
const BRANCHING_RANGE: &str = "#e5cfdc";
const INTERVAL: &str = "#bfdbec";
const DIED: &str = PALETTE[1];
/// Panels of a figure with one for each time, at most.
const PANELS: usize = 9;
/// Sizes of dots that weights are drawn by.
const SIZES: usize = 8;
/// Levels of the quantiles between which intervals of error bars lie: nine cases of ten.
const LEVELS: [f64; 2] = [0.05, 0.95];
/// Groups of cells of like growth, whose mean error is drawn.
const GROUPS: usize = 80;
/// Trajectories drawn, at most.
const PATHS: usize = 70;
/// Growth rates are drawn in so many colours.
const SHADES: usize = 25;

/// The observed cells, coloured by time, and the probability flow through them.
pub fn trajectories(section: &ModelSection<'_>) -> Figure {
    let count = section.shown.len();
    let mut plot = plane(section);
    for k in 0..count {
        plot.dots(drawn(section, k), dot(section), &colours::of_time(k, count), 0.55);
    }
    let mut caption =
        "Observed cells and paths of the learned velocity from cells of the first snapshot.".to_string();
    match &section.flow {
        Ok(frames) => {
            // Of a founder that goes several ways, all of them.
            let ways = section.model.branches().max(1);
            let founders = (0..frames[0].len() / ways).step_by(frames[0].len().div_ceil(PATHS));
            let rows = founders.flat_map(|founder| founder * ways..(founder + 1) * ways);
            let path = |row: usize| section.flow_places.iter().map(move |places| places[row]);
            plot.lines(rows.map(path), Stroke::new(INK, 0.9).faint(0.55));
        }
        Err(why) => caption = format!("Observed cells. There are no paths: {why}."),
    }
    let mut legend = time_legend(section);
    legend.push((INK.into(), Mark::Line, "predicted path".into()));
    Figure {
        title: "Snapshots and trajectories".into(),
        svg: plot.finish("Cells coloured by time, with predicted paths"),
        bar: None,
        legend,
        caption,
    }
}

/// The predicted particles over the observed cells, a panel each time; areas are weights.
pub fn populations(section: &ModelSection<'_>) -> Option<Figure> {
    let frames = section.flow.as_ref().ok()?;
    let snapshots = &section.shown;
    let times = snapshots.times();
    let mut svg = String::new();
    let panels = chosen(times.len(), PANELS);
    for &k in &panels {
        let frame = frames.iter().position(|frame| frame.time == times[k])?;
        let mut plot = plane(section);
        weighted(&mut plot, &section.places[k], snapshots.weights(k), GREY, 0.7);
        weighted(&mut plot, &section.flow_places[frame], &frames[frame].weights(), PARTICLES, 0.6);
        let panel = plot.finish(&format!("Predicted and observed cells at time {}", times[k]));
        svg += &format!(
            "<div><h4>time {}: mass {} of {}, {} observed</h4>{panel}</div>\n",
            times[k],
            short(frames[frame].mass()),
            short(snapshots.mass(k)),
            section.counts[k]
        );
    }
    let mut caption = "All cells of the first time, moved by the flow, over the observed cells. Areas are weights, in each panel and \
                       of each kind relative to their mean."
        .to_string();
    if panels.len() < times.len() {
        caption += &format!(" Of {} times, {} are shown.", times.len(), panels.len());
    }
    if !section.view.is_linear() {
        caption +=
            " In the embedding, particles stand where the observed cells nearest to them are in the mean.";
    }
    Some(Figure {
        title: "Predicted and observed populations".into(),
        svg: format!("<div class=\"panels\">\n{svg}</div>"),
        bar: None,
        legend: vec![
            (GREY.into(), Mark::Dot, "observed".into()),
            (PARTICLES.into(), Mark::Dot, "predicted from the first snapshot".into()),
        ],
        caption,
    })
}

/// Dots whose areas are weights, in classes of like size; those without weight are left out.
fn weighted(plot: &mut Plot, places: &[(f64, f64)], weights: &[f64], colour: &str, opacity: f64) {
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let usual = (80.0 / (places.len().max(1) as f64).sqrt()).clamp(4.0, 9.0);
    // From a quarter of the usual diameter to three times it.
    let size = |weight: f64| usual * (weight / mean).sqrt().clamp(0.25, 3.0);
    let class = |weight: f64| (SIZES as f64 * (4.0 * size(weight) / usual).ln() / 12f64.ln()) as usize;
    for of in 0..=SIZES {
        let members = places.iter().zip(weights).filter(|(_, w)| **w > 0.0 && class(**w) == of);
        let (mut sum, mut count) = (0.0, 0);
        let members: Vec<(f64, f64)> = members
            .map(|(place, weight)| {
                sum += size(*weight).powi(2);
                count += 1;
                *place
            })
            .collect();
        if count > 0 {
            let diameter = (sum / f64::from(count)).sqrt();
            plot.dots(members.into_iter(), (100.0 * diameter).round() / 100.0, colour, opacity);
        }
    }
}

/// The growth rate at the observed cells.
pub fn growth(section: &ModelSection<'_>) -> Option<Figure> {
    if !section.model.has_growth() {
        return None;
    }
    let all = || section.growth.iter().flatten().map(|&g| f64::from(g));
    let largest = section.largest_growth();
    let cells = section.growth.iter().enumerate().flat_map(|(k, growth)| {
        let rows = section.drawn(k).map(|row| f64::from(growth[row]) / largest);
        rows.zip(drawn(section, k)).collect::<Vec<_>>()
    });
    let mut plot = plane(section);
    shaded(&mut plot, cells, -1.0, colours::of_growth, dot(section) + 0.4);
    let ends = [signed(-largest), "0".into(), signed(largest)];
    Some(Figure {
        title: "Growth rate".into(),
        svg: plot.finish("Cells coloured by the learned growth rate"),
        bar: Some(colours::bar(
            colours::of_growth,
            -1.0,
            [&ends[0], &ends[1], &ends[2]],
            "births minus deaths, per unit of time",
        )),
        legend: vec![],
        caption: format!(
            "The learned growth rate g at every cell at its own time. Range {} to {}; colours end at the 99 % quantile of |g|.",
            signed(all().fold(f64::INFINITY, f64::min)),
            signed(all().fold(f64::NEG_INFINITY, f64::max))
        ),
    })
}

/// Cells in the colours of a scale from `low` to 1, in so many shades, the strongest on top.
pub fn shaded(
    plot: &mut Plot,
    cells: impl Iterator<Item = (f64, (f64, f64))>,
    low: f64,
    of: fn(f64) -> String,
    size: f64,
) {
    let mut of_shade = vec![vec![]; SHADES];
    for (value, place) in cells {
        let share = ((value - low) / (1.0 - low)).clamp(0.0, 1.0);
        of_shade[(share * (SHADES - 1) as f64).round() as usize].push(place);
    }
    let value = |shade: usize| low + (1.0 - low) * shade as f64 / (SHADES - 1) as f64;
    let mut order: Vec<usize> = (0..SHADES).collect();
    order.sort_by(|&a, &b| value(a).abs().total_cmp(&value(b).abs()));
    for shade in order.into_iter().filter(|&shade| !of_shade[shade].is_empty()) {
        plot.dots(of_shade[shade].iter().copied(), size, &of(value(shade)), 0.8);
    }
}

/// The growth rate of an ensemble with its errors, from the slowest cell to the fastest.
pub fn growth_errors(section: &ModelSection<'_>) -> Option<Figure> {
    let unbiased = section.unbiased_growth.as_ref().filter(|_| section.model.has_growth())?;
    let mut cells: Vec<(&f32, &Estimate)> =
        section.growth.iter().flatten().zip(unbiased.iter().flatten()).collect();
    cells.sort_by(|a, b| a.0.total_cmp(b.0));
    let (mut learned, mut grouped): (Curve, Vec<(f64, Estimate)>) = (vec![], vec![]);
    for (group, cells_of_group) in cells.chunks(cells.len().div_ceil(GROUPS)).enumerate() {
        let count = cells_of_group.len() as f64;
        let mean = cells_of_group.iter().map(|(_, cell)| cell.mean).sum::<f64>() / count;
        let sd = (cells_of_group.iter().map(|(_, cell)| cell.sd * cell.sd).sum::<f64>() / count).sqrt();
        let place = (group * cells.len().div_ceil(GROUPS)) as f64 + 0.5 * count;
        let place = 100.0 * place / cells.len() as f64;
        grouped.push((place, Estimate { mean, sd }));
        learned.push((place, cells_of_group.iter().map(|(g, _)| f64::from(**g)).sum::<f64>() / count));
    }
    let ring = interval(&grouped);
    let mut plot = Plot::new(
        Axis::around("cells, % from the slowest on", [0.0, 100.0].into_iter()),
        Axis::around("growth rate, per unit of time", ring.iter().chain(&learned).map(|point| point.1)),
        0.62,
    );
    plot.areas(std::iter::once(ring.into_iter()), INTERVAL);
    plot.lines(std::iter::once([(0.0, 0.0), (100.0, 0.0)].into_iter()), Stroke::new(INK, 0.8).faint(0.5));
    plot.lines(std::iter::once(learned.into_iter()), Stroke::new(PREDICTED, 2.0));
    let members = section.model.members();
    Some(Figure {
        title: "Growth rate and its error".into(),
        svg: plot.finish("Growth rates in order, with intervals"),
        bar: None,
        legend: vec![
            (PREDICTED.into(), Mark::Line, "learned growth rate".into()),
            (INTERVAL.into(), Mark::Patch, "90 % interval".into()),
        ],
        caption: format!(
            "Every cell at its own time, in the order of its growth rate. The intervals are of what {members} members on resampled \
             cells differ by, and of what the distance between snapshots and the price of growth add to that{}.",
            if section.model.info().uncertainty.is_some_and(|errors| errors.growth.biased) {
                "; they lie around the rate less what its price makes wrong to first order"
            } else {
                ""
            }
        ),
    })
}

/// The ring between the quantiles of estimates at places in order.
pub fn interval(estimates: &[(f64, Estimate)]) -> Curve {
    let at = |level: f64| {
        let quantile = move |(x, of): &(f64, Estimate)| Some((*x, of.quantile(level).ok()?));
        estimates.iter().filter_map(quantile)
    };
    at(LEVELS[1]).chain(at(LEVELS[0]).collect::<Curve>().into_iter().rev()).collect()
}

/// Mass over time: the data's, the weighted particles' and the branching population's.
pub fn mass(section: &ModelSection<'_>) -> Figure {
    let snapshots = &section.shown;
    let start = snapshots.mass(0);
    let observed: Vec<(f64, f64)> =
        snapshots.times().iter().enumerate().map(|(k, &t)| (t, snapshots.mass(k) / start)).collect();
    let of_frames = |frames: &[chreode::simulate::Particles]| -> Vec<(f64, f64)> {
        let first = frames[0].mass();
        frames.iter().map(|frame| (frame.time, frame.mass() / first)).collect()
    };
    let flow = section.flow.as_ref().map(|frames| of_frames(frames)).unwrap_or_default();
    let populations = section.populations.as_deref().unwrap_or_default();
    let branching: Vec<Vec<(f64, f64)>> =
        populations.iter().map(|p| of_frames(&p.trajectory.frames)).collect();
    // Relative to the mass that the particles start with.
    let relative = |(k, estimate): (usize, &Estimate)| {
        let unit = flow[k].1 / estimate.mean;
        (flow[k].0, Estimate { mean: flow[k].1, sd: estimate.sd * unit })
    };
    let estimates = section.masses.as_deref().unwrap_or_default();
    let band = interval(&estimates.iter().enumerate().map(relative).collect::<Vec<_>>());
    let times = observed.iter().map(|p| p.0);
    let masses = observed.iter().chain(&flow).chain(&band).chain(branching.iter().flatten()).map(|p| p.1);
    let mut plot = Plot::new(
        Axis::around("time", times),
        Axis::around("mass, relative to the first time", masses).down_to_zero(),
        0.62,
    );
    let (range, mean) = range_and_mean(&branching);
    plot.areas(std::iter::once(range.into_iter()), BRANCHING_RANGE);
    if !band.is_empty() {
        plot.areas(std::iter::once(band.iter().copied()), INTERVAL);
    }
    plot.lines(std::iter::once(mean.into_iter()), Stroke::new(BRANCHING, 1.6).dashed());
    plot.lines(std::iter::once(flow.iter().copied()), Stroke::new(PREDICTED, 2.0));
    plot.dots(observed.iter().copied(), 8.0, GREY, 1.0);
    let mut legend = vec![
        (GREY.into(), Mark::Dot, "observed".into()),
        (PREDICTED.into(), Mark::Line, "weighted particles".into()),
    ];
    if !band.is_empty() {
        legend.push((INTERVAL.into(), Mark::Patch, "their 90 % interval".into()));
    }
    let mut caption =
        "Mass of the population as observed and as predicted from the first snapshot.".to_string();
    match &section.populations {
        Ok(populations) => {
            let (runs, founders) = (populations.len(), populations[0].lineage.founders());
            legend.push((BRANCHING.into(), Mark::Dashes, "branching cells, mean".into()));
            legend.push((BRANCHING_RANGE.into(), Mark::Patch, format!("their range over {runs} seeds")));
            caption += &format!(" Branching cells begin as {founders} founders.");
        }
        Err(why) => caption += &format!(" There is no branching simulation: {why}."),
    }
    Figure { title: "Mass over time".into(), svg: plot.finish("Mass over time"), bar: None, legend, caption }
}

/// Points (x, y) in the order of x.
pub type Curve = Vec<(f64, f64)>;

/// The ring around curves at the same times, and their mean.
fn range_and_mean(curves: &[Curve]) -> (Curve, Curve) {
    let Some(first) = curves.first() else { return (vec![], vec![]) };
    let at = |i: usize| curves.iter().map(move |curve| curve[i].1);
    let over = |summary: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        first.iter().enumerate().map(|(i, &(time, _))| (time, summary(i))).collect()
    };
    let mut ring = over(&|i| at(i).fold(f64::NEG_INFINITY, f64::max));
    ring.extend(over(&|i| at(i).fold(f64::INFINITY, f64::min)).into_iter().rev());
    (ring, over(&|i| at(i).sum::<f64>() / curves.len() as f64))
}

/// The training loss.
pub fn loss(fitted: Fitted<'_>) -> Figure {
    let losses = &fitted.report.losses;
    let window = (losses.len() / 50).max(1);
    let smooth: Vec<(f64, f64)> = losses
        .chunks(window)
        .enumerate()
        .map(|(i, chunk)| {
            ((i * window + chunk.len() / 2) as f64, chunk.iter().sum::<f64>() / chunk.len() as f64)
        })
        .collect();
    let stride = losses.len().div_ceil(1500);
    // The loss of a potential is minus an action.
    let is_signed = losses.iter().any(|&loss| loss < 0.0);
    let shown = |point: &(f64, f64)| is_signed || point.1 > 0.0;
    let raw = || losses.iter().enumerate().step_by(stride).map(|(i, &loss)| (i as f64, loss)).filter(shown);
    let steps = Axis::around("training step", [0.0, losses.len() as f64].into_iter());
    let values = raw().map(|p| p.1);
    let axis = match is_signed {
        true => Axis::around("loss", values),
        false => Axis::logarithmic("loss, logarithmic scale", values),
    };
    let mut plot = Plot::new(steps, axis, 0.62);
    plot.lines(std::iter::once(raw()), Stroke::new(PREDICTED, 0.8).faint(0.3));
    plot.lines(std::iter::once(smooth.into_iter().filter(shown)), Stroke::new(PREDICTED, 2.0));
    Figure {
        title: "Training loss".into(),
        svg: plot.finish("Training loss over steps"),
        bar: None,
        legend: match window {
            1 => vec![(PREDICTED.into(), Mark::Line, "every step".into())],
            _ => vec![
                (PREDICTED.into(), Mark::Line, format!("mean over {window} steps")),
                ("#99c7e0".into(), Mark::Line, "every step".into()),
            ],
        },
        caption: match fitted.report.rollout.as_ref().filter(|_| fitted.report.couplings.is_empty()) {
            Some(_) => "What is left of the distance to the snapshots and of the paths' costs; a sample of cells, or noise, makes \
                        it rough.",
            None if is_signed => "The loss of a potential ends at minus the action of the cells' motion and growth, and need only stop \
                                  falling.",
            None => "The loss is a variance that no field can bring to zero: bridges through one place differ. It need only \
                     stop falling.",
        }
        .into(),
    }
}

/// Family trees of a few founders.
pub fn lineages(section: &ModelSection<'_>) -> Option<Figure> {
    let population = section.populations.as_ref().ok()?.first()?;
    let forest = Trees::choose(&population.lineage);
    let nodes = population.lineage.nodes();
    let times = section.shown.times();
    let rows = Axis { label: "lineages".into(), from: -forest.height, to: 1.0, logarithmic: false };
    let mut plot =
        Plot::new(Axis::around("time", times.iter().copied()), rows, (0.018 * forest.height).clamp(0.5, 1.0))
            .without_y_ticks();
    let lives =
        forest.cells.iter().map(|&(id, row)| [(nodes[id].birth, row), (nodes[id].end, row)].into_iter());
    plot.lines(lives, Stroke::new(PREDICTED, 1.2));
    let forks = forest.forks.iter().map(|&(time, top, bottom)| [(time, top), (time, bottom)].into_iter());
    plot.lines(forks, Stroke::new(PREDICTED, 1.2));
    let ends = |fate: Fate| {
        let met = forest.cells.iter().filter(move |(id, _)| nodes[*id].fate == fate);
        met.map(|&(id, row)| (nodes[id].end, row))
    };
    plot.dots(ends(Fate::Divided), 4.0, INK, 1.0);
    plot.dots(ends(Fate::Alive), 4.5, PREDICTED, 1.0);
    plot.crosses(ends(Fate::Died), Stroke::new(DIED, 1.6));
    let count = |fate: Fate| population.lineage.times_of(fate).count();
    Some(Figure {
        title: "Lineages".into(),
        svg: plot.finish("Family trees of some founders"),
        bar: None,
        legend: vec![
            (INK.into(), Mark::Dot, "division".into()),
            (DIED.into(), Mark::Cross, "death".into()),
            (PREDICTED.into(), Mark::Dot, "alive at the end".into()),
        ],
        caption: format!(
            "Families of different sizes: {} of the {} founders of a branching simulation. Divisions in all families: {}, deaths: \
             {}.",
            forest.founders,
            population.lineage.founders(),
            count(Fate::Divided),
            count(Fate::Died)
        ),
    })
}

/// Family trees laid out in rows, downwards from 0.
#[derive(Debug, Default)]
struct Trees {
    founders: usize,
    height: f64,
    /// A cell and its row.
    cells: Vec<(usize, f64)>,
    /// A division: its time and the rows of the daughters.
    forks: Vec<(f64, f64, f64)>,
}

impl Trees {
    /// The trees of six founders, from small to large, that fit into a picture.
    fn choose(lineage: &Lineage) -> Self {
        const WANTED: usize = 6;
        const MOST_LEAVES: usize = 16;
        let mut daughters: Vec<Vec<usize>> = vec![vec![]; lineage.nodes().len()];
        for (id, node) in lineage.nodes().iter().enumerate() {
            if let Some(parent) = node.parent {
                daughters[parent as usize].push(id);
            }
        }
        // Daughters come after their mother, so one pass backward counts the leaves below every cell.
        let mut leaves = vec![0usize; daughters.len()];
        for id in (0..daughters.len()).rev() {
            leaves[id] = daughters[id].iter().map(|&d| leaves[d]).sum::<usize>().max(1);
        }
        // One founder of each size, since most are alike; then sizes evenly from the smallest to the largest.
        let mut sizes: Vec<usize> = (0..lineage.founders()).filter(|&id| leaves[id] <= MOST_LEAVES).collect();
        sizes.sort_by_key(|&id| (leaves[id], id));
        sizes.dedup_by_key(|id| leaves[*id]);
        let wanted = WANTED.min(sizes.len());
        let mut trees = Self::default();
        for i in 0..wanted {
            trees.add(sizes[i * (sizes.len() - 1) / (wanted - 1).max(1)], lineage, &daughters);
        }
        trees
    }

    fn add(&mut self, founder: usize, lineage: &Lineage, daughters: &[Vec<usize>]) {
        self.founders += 1;
        let mut next = 0;
        let mut rows = HashMap::new();
        // Depth first, so that a family's leaves are neighbours; then mothers between their daughters.
        let (mut order, mut pending) = (vec![], vec![founder]);
        while let Some(id) = pending.pop() {
            order.push(id);
            if daughters[id].is_empty() {
                rows.insert(id, -(self.height + next as f64));
                next += 1;
            }
            pending.extend(daughters[id].iter().rev());
        }
        for &id in order.iter().rev() {
            if let [first, .., last] = daughters[id][..] {
                let (top, bottom) = (rows[&first], rows[&last]);
                rows.insert(id, (top + bottom) / 2.0);
                self.forks.push((lineage.nodes()[id].end, top, bottom));
            }
        }
        self.cells.extend(order.iter().map(|id| (*id, rows[id])));
        // A gap between families.
        self.height += next as f64 + 1.0;
    }
}

/// The plane of the cells.
pub fn plane(section: &ModelSection<'_>) -> Plot {
    let [x, y] = section.axes.clone();
    match (section.view.is_linear(), section.shown.dims()) {
        (true, 1) => Plot::new(x, y, 0.5).without_y_ticks(),
        (true, _) => Plot::isometric(x, y),
        // Units of an embedding say little.
        (false, _) => Plot::new(x, y, 0.85),
    }
}

/// Where the cells of snapshot `k` are drawn.
pub fn cells<'a>(section: &'a ModelSection<'_>, k: usize) -> impl Iterator<Item = (f64, f64)> + 'a {
    section.places[k].iter().copied()
}

/// The same in a picture of all times.
pub fn drawn<'a>(section: &'a ModelSection<'_>, k: usize) -> impl Iterator<Item = (f64, f64)> + 'a {
    section.drawn(k).map(move |row| section.places[k][row])
}

/// All of `count` times, or so many `panels` of them, evenly, with the first and the last.
pub fn chosen(count: usize, panels: usize) -> Vec<usize> {
    let panels = count.min(panels);
    (0..panels).map(|i| i * (count - 1) / (panels - 1).max(1)).collect()
}

/// The colour of every time, and how many cells were observed.
pub fn time_legend(section: &ModelSection<'_>) -> Vec<(String, Mark, String)> {
    let times = section.shown.times();
    let entry = |(k, time): (usize, &f64)| {
        let cells = section.counts[k];
        (colours::of_time(k, times.len()), Mark::Dot, escape(&format!("time {time} ({cells} cells)")))
    };
    times.iter().enumerate().map(entry).collect()
}

fn signed(x: f64) -> String {
    if x > 0.0 { format!("+{}", short(x)) } else { short(x).replace('-', "−") }
}
