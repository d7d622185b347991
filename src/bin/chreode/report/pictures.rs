//! The pictures of a report.

use std::collections::HashMap;

use chreode::simulate::lineage::{Fate, Lineage};
use chreode::snapshots::Snapshots;
use chreode::statistics::Estimate;

use super::colours;
use super::section::ModelSection;
use super::svg::{Axis, Plot, Stroke, escape};
use super::view::View;
use crate::output::short;

/// A picture, what it shows and what its colours mean.
#[derive(Debug)]
pub struct Figure {
    pub title: String,
    pub svg: String,
    /// Colour, kind of mark and meaning.
    pub legend: Vec<(String, Mark, String)>,
    pub caption: String,
}

/// How a legend shows a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Dot,
    Line,
    Dashes,
    Cross,
    /// A patch of a continuous scale.
    Patch,
}

/// A dot's diameter: smaller where there are many.
pub fn dot(section: &ModelSection<'_>) -> f64 {
    let cells = section.shown.cells();
    (60.0 / (cells as f64).sqrt()).clamp(3.2, 9.0)
}

const INK: &str = "#1f2933";
const PREDICTED: &str = "#c2410c";
const OBSERVED: &str = "#1d4ed8";
const BRANCHING: &str = "#0f766e";
const BRANCHING_RANGE: &str = "#cde6e2";
const INTERVAL: &str = "#f9dccf";
/// Levels of the quantiles between which intervals of error bars lie: nine cases of ten.
const LEVELS: [f64; 2] = [0.05, 0.95];
/// Groups of cells of like growth, whose mean error is drawn.
const GROUPS: usize = 80;
/// Trajectories drawn, at most.
const PATHS: usize = 70;
/// Growth rates are drawn in so many colours.
const SHADES: usize = 13;

/// The observed cells, coloured by time, and the probability flow through them.
pub fn trajectories(section: &ModelSection<'_>, view: &View) -> Figure {
    let snapshots = &section.shown;
    let mut plot = plane(section, view);
    for k in 0..snapshots.len() {
        plot.dots(cells(snapshots, view, k), dot(section), &colours::of_time(k, snapshots.len()), 0.55);
    }
    let mut caption =
        "Observed cells and paths of the learned velocity from cells of the first snapshot.".to_string();
    match &section.flow {
        Ok(frames) => {
            let rows = (0..frames[0].len()).step_by(frames[0].len().div_ceil(PATHS));
            let path = |row: usize| frames.iter().map(move |frame| view.place(frame.point(row)));
            plot.lines(rows.map(path), Stroke::new(INK, 0.9).faint(0.55));
        }
        Err(why) => caption = format!("Observed cells. There are no paths: {why}."),
    }
    let mut legend = time_legend(section);
    legend.push((INK.into(), Mark::Line, "predicted path".into()));
    Figure {
        title: "Snapshots and trajectories".into(),
        svg: plot.finish("Cells coloured by time, with predicted paths"),
        legend,
        caption,
    }
}

/// The predicted particles beside the observed cells, at all times but the first.
pub fn prediction(section: &ModelSection<'_>, view: &View) -> Option<Figure> {
    let frames = section.flow.as_ref().ok()?;
    let snapshots = &section.shown;
    let mut plot = plane(section, view);
    for k in 1..snapshots.len() {
        plot.dots(cells(snapshots, view, k), dot(section), OBSERVED, 0.3);
    }
    for frame in frames.iter().filter(|frame| snapshots.times()[1..].contains(&frame.time)) {
        plot.dots(
            (0..frame.len()).map(|row| view.place(frame.point(row))),
            0.8 * dot(section),
            PREDICTED,
            0.5,
        );
    }
    Some(Figure {
        title: "Predicted beside observed".into(),
        svg: plot.finish("Predicted and observed cells at all times but the first"),
        legend: vec![
            (OBSERVED.into(), Mark::Dot, "observed".into()),
            (PREDICTED.into(), Mark::Dot, "predicted from the first snapshot".into()),
        ],
        caption: "At every time but the first: the observed cells, and particles that started as the cells of the first \
                  snapshot and followed the learned velocity. Particles also carry weights, which the picture does not show."
            .into(),
    })
}

/// The growth rate at the observed cells.
pub fn growth(section: &ModelSection<'_>, view: &View) -> Option<Figure> {
    if !section.model.has_growth() {
        return None;
    }
    let all = || section.growth.iter().flatten().map(|&g| f64::from(g));
    let mut magnitudes: Vec<f64> = all().map(f64::abs).collect();
    magnitudes.sort_by(f64::total_cmp);
    // A few extreme cells must not make all others grey.
    let largest = magnitudes[(magnitudes.len() - 1) * 99 / 100].max(f64::MIN_POSITIVE);
    let shade = |g: f64| ((g / largest).clamp(-1.0, 1.0) / 2.0 + 0.5) * (SHADES - 1) as f64;
    let mut plot = plane(section, view);
    for s in 0..SHADES {
        let of_shade = (0..section.shown.len()).flat_map(|k| {
            let growth = section.growth[k].iter().map(move |&g| shade(f64::from(g)).round() as usize);
            cells(&section.shown, view, k)
                .zip(growth)
                .filter(move |(_, shade)| *shade == s)
                .map(|(place, _)| place)
        });
        plot.dots(
            of_shade,
            dot(section) + 0.4,
            &colours::of_growth(2.0 * s as f64 / (SHADES - 1) as f64 - 1.0),
            0.8,
        );
    }
    let scale = [-1.0, -0.5, 0.0, 0.5, 1.0];
    let legend = scale.map(|r| (colours::of_growth(r), Mark::Patch, signed(r * largest)));
    Some(Figure {
        title: "Growth rate".into(),
        svg: plot.finish("Cells coloured by the learned growth rate"),
        legend: legend.to_vec(),
        caption: format!(
            "The learned growth rate g (divisions minus deaths per unit of time) at every cell at its own time. Range {} to {}; \
             colours end at the 99 % quantile of |g|.",
            signed(all().fold(f64::INFINITY, f64::min)),
            signed(all().fold(f64::NEG_INFINITY, f64::max))
        ),
    })
}

/// The growth rate of an ensemble with its errors, from the slowest cell to the fastest.
pub fn growth_errors(section: &ModelSection<'_>) -> Option<Figure> {
    let sds = section.growth_sd.as_ref().filter(|_| section.model.has_growth())?;
    let both = section.growth.iter().flatten().zip(sds.iter().flatten());
    let mut cells: Vec<Estimate> = both.map(|(&g, &sd)| Estimate { mean: g.into(), sd: sd.into() }).collect();
    cells.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let mut grouped: Vec<(f64, Estimate)> = vec![];
    for (group, cells_of_group) in cells.chunks(cells.len().div_ceil(GROUPS)).enumerate() {
        let count = cells_of_group.len() as f64;
        let mean = cells_of_group.iter().map(|cell| cell.mean).sum::<f64>() / count;
        let sd = (cells_of_group.iter().map(|cell| cell.sd * cell.sd).sum::<f64>() / count).sqrt();
        let place = (group * cells.len().div_ceil(GROUPS)) as f64 + 0.5 * count;
        grouped.push((100.0 * place / cells.len() as f64, Estimate { mean, sd }));
    }
    let ring = interval(&grouped);
    let mut plot = Plot::new(
        Axis::around("cells, % from the slowest on", [0.0, 100.0].into_iter()),
        Axis::around("growth rate, per unit of time", ring.iter().map(|point| point.1)),
        0.62,
    );
    plot.areas(std::iter::once(ring.into_iter()), INTERVAL);
    plot.lines(std::iter::once([(0.0, 0.0), (100.0, 0.0)].into_iter()), Stroke::new(INK, 0.8).faint(0.5));
    let mean = grouped.iter().map(|(place, estimate)| (*place, estimate.mean));
    plot.lines(std::iter::once(mean), Stroke::new(PREDICTED, 2.0));
    let members = section.model.members();
    Some(Figure {
        title: "Growth rate and its error".into(),
        svg: plot.finish("Growth rates in order, with intervals"),
        legend: vec![
            (PREDICTED.into(), Mark::Line, "learned growth rate".into()),
            (INTERVAL.into(), Mark::Patch, "90 % interval".into()),
        ],
        caption: format!(
            "Every cell at its own time, in the order of its growth rate. The intervals are of what {members} members on resampled \
             cells differ by, and of what the distance between snapshots adds to that."
        ),
    })
}

/// The ring between the quantiles of estimates at places in order.
fn interval(estimates: &[(f64, Estimate)]) -> Curve {
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
    plot.dots(observed.iter().copied(), 8.0, OBSERVED, 1.0);
    let mut legend = vec![
        (OBSERVED.into(), Mark::Dot, "observed".into()),
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
    Figure { title: "Mass over time".into(), svg: plot.finish("Mass over time"), legend, caption }
}

/// Points (x, y) in the order of x.
type Curve = Vec<(f64, f64)>;

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
pub fn loss(section: &ModelSection<'_>) -> Figure {
    let losses = &section.report.losses;
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
        legend: match window {
            1 => vec![(PREDICTED.into(), Mark::Line, "every step".into())],
            _ => vec![
                (PREDICTED.into(), Mark::Line, format!("mean over {window} steps")),
                ("#f3c3ae".into(), Mark::Line, "every step".into()),
            ],
        },
        caption: match section.report.rollout.as_ref().filter(|_| section.report.couplings.is_empty()) {
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
    plot.lines(lives, Stroke::new("#475569", 1.4));
    let forks = forest.forks.iter().map(|&(time, top, bottom)| [(time, top), (time, bottom)].into_iter());
    plot.lines(forks, Stroke::new("#475569", 1.4));
    let ends = |fate: Fate| {
        let met = forest.cells.iter().filter(move |(id, _)| nodes[*id].fate == fate);
        met.map(|&(id, row)| (nodes[id].end, row))
    };
    plot.dots(ends(Fate::Divided), 4.5, BRANCHING, 1.0);
    plot.dots(ends(Fate::Alive), 4.5, OBSERVED, 1.0);
    plot.crosses(ends(Fate::Died), Stroke::new("#b91c1c", 1.6));
    let count = |fate: Fate| population.lineage.times_of(fate).count();
    Some(Figure {
        title: "Lineages".into(),
        svg: plot.finish("Family trees of some founders"),
        legend: vec![
            (BRANCHING.into(), Mark::Dot, "division".into()),
            ("#b91c1c".into(), Mark::Cross, "death".into()),
            (OBSERVED.into(), Mark::Dot, "alive at the end".into()),
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

/// A plane that holds the observed cells, and the predicted ones unless they are far out.
pub fn plane(section: &ModelSection<'_>, view: &View) -> Plot {
    let snapshots = &section.shown;
    let observed: Vec<(f64, f64)> = (0..snapshots.len()).flat_map(|k| cells(snapshots, view, k)).collect();
    let last = section.flow.as_ref().ok().and_then(|frames| frames.last());
    let predicted: Vec<(f64, f64)> =
        last.iter().flat_map(|frame| (0..frame.len()).map(|row| view.place(frame.point(row)))).collect();
    let axis = |label: &str, along: fn(&(f64, f64)) -> f64| {
        let near = Axis::around(label, observed.iter().map(along));
        let room = 0.2 * (near.to - near.from);
        let within = |x: &f64| (near.from - room..=near.to + room).contains(x);
        Axis::around(label, observed.iter().chain(&predicted).map(along).filter(within))
    };
    let (x, y) = (axis(&view.labels[0], |p| p.0), axis(&view.labels[1], |p| p.1));
    if snapshots.dims() == 1 { Plot::new(x, y, 0.5).without_y_ticks() } else { Plot::isometric(x, y) }
}

/// Where the cells of snapshot `k` are drawn.
pub fn cells<'a>(
    snapshots: &'a Snapshots,
    view: &'a View,
    k: usize,
) -> impl Iterator<Item = (f64, f64)> + 'a {
    snapshots.cells_of(k).map(|cell| view.place(cell))
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
