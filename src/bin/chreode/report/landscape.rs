//! Waddington's landscape, of the models that learn one.

use chreode::fields::Scratch;

use super::colours;
use super::contours::Grid;
use super::mesh::Mesh;
use super::pictures::{Figure, Mark, cells, chosen, dot, plane, time_legend};
use super::section::ModelSection;
use super::svg::{Axis, Plot, Stroke, nice_step};
use crate::output::short;

const TITLE: &str = "Waddington's landscape";
const MEANING: &str = "The learned landscape, down which cells roll while noise shakes them. Heights are above the lowest place of the \
     picture at that time, in units of a squared length over time.";

/// Times that have a panel, at most.
const PANELS: usize = 6;
/// Nodes of the mesh along the wider axis of the picture, about.
const NODES: usize = 44;
/// Points of a curve.
const CURVE: usize = 200;
/// Steps of height that have a colour of their own.
const BANDS: usize = 9;
/// Cells of a panel, at most.
const CELLS: usize = 400;

/// The landscape at the times of the snapshots; nothing for a model that has none.
pub fn figure(section: &ModelSection<'_>) -> Option<Figure> {
    if !section.model.has_landscape() {
        return None;
    }
    if section.shown.dims() == 1 && section.view.is_linear() { curves(section) } else { panels(section) }
}

/// One coordinate: the landscape as curves, with the cells on them.
fn curves(section: &ModelSection<'_>) -> Option<Figure> {
    let snapshots = &section.shown;
    let (count, times) = (snapshots.len(), snapshots.times());
    let all: Vec<f64> = snapshots.all_cells().flatten().map(|&x| f64::from(x)).collect();
    let axis = Axis::around(&section.view.labels[0], all.iter().copied());
    let place = |i: usize| axis.from + (axis.to - axis.from) * i as f64 / (CURVE - 1) as f64;
    let grid: Vec<f32> = (0..CURVE).map(|i| place(i) as f32).collect();
    let mut of_times = vec![];
    for (k, &time) in times.iter().enumerate() {
        let curve = heights(section, time, &grid)?;
        let lowest = curve.iter().copied().fold(f64::INFINITY, f64::min);
        let points = snapshots.points(k);
        let stride = section.drawn(k).count().div_ceil(CELLS);
        let some: Vec<f32> = section.drawn(k).step_by(stride).map(|row| points[row]).collect();
        let on_curve = heights(section, time, &some)?.into_iter().map(|h| h - lowest);
        let cells: Vec<(f64, f64)> = some.into_iter().map(f64::from).zip(on_curve).collect();
        of_times.push((curve.into_iter().map(|h| h - lowest).collect::<Vec<f64>>(), cells));
    }
    let highest = Axis::around("height", of_times.iter().flat_map(|(curve, _)| curve.iter().copied()));
    let mut plot = Plot::new(axis.clone(), highest, 0.62);
    for (k, (curve, cells)) in of_times.iter().enumerate() {
        let colour = colours::of_time(k, count);
        let line = curve.iter().enumerate().map(|(i, &h)| (place(i), h));
        plot.lines(std::iter::once(line), Stroke::new(&colour, 1.6));
        plot.dots(cells.iter().copied(), dot(section), &colour, 0.5);
    }
    Some(Figure {
        title: TITLE.into(),
        svg: format!(
            "<div class=\"panels\">{}</div>",
            plot.finish("The learned landscape as a curve for each time, with the cells on it")
        ),
        bar: None,
        legend: time_legend(section),
        caption: format!("{MEANING} Every curve is the landscape at one time, with the cells of that time."),
    })
}

/// Two coordinates or more: a panel a time, in the plane of the other pictures.
fn panels(section: &ModelSection<'_>) -> Option<Figure> {
    let snapshots = &section.shown;
    let times = chosen(snapshots.len(), PANELS);
    let sheets: Vec<Sheet> = times.iter().map(|&k| Sheet::new(section, k)).collect::<Option<_>>()?;
    let mut svg = String::new();
    for (&k, sheet) in times.iter().zip(&sheets) {
        let (time, step) = (snapshots.times()[k], sheet.step());
        let panel = sheet.draw(section, k, step);
        svg += &format!("<div><h4>time {time}, in steps of {}</h4>{panel}</div>\n", short(step));
    }
    let mut legend: Vec<_> = [(0, "the lowest step"), (4, "the fifth"), (BANDS - 1, "the ninth, and above")]
        .map(|(band, meaning)| (colour(band), Mark::Patch, meaning.to_string()))
        .to_vec();
    legend.extend(times.iter().map(|&k| {
        let time = snapshots.times()[k];
        (colours::of_time(k, snapshots.len()), Mark::Dot, format!("cells at time {time}"))
    }));
    let mut caption = MEANING.to_string();
    if !section.view.is_linear() {
        caption += " In the embedding, it is the mean of the cells' own heights, where there are cells.";
    } else if snapshots.dims() > 2 {
        caption += " Off the plane of the picture, it is taken at the mean of the cells of that time.";
    }
    if times.len() < snapshots.len() {
        caption += &format!(" Of {} times, {} are shown.", snapshots.len(), times.len());
    }
    Some(Figure {
        title: TITLE.into(),
        svg: format!("<div class=\"panels\">\n{svg}</div>"),
        bar: None,
        legend,
        caption,
    })
}

/// The colour of a band of heights.
fn colour(band: usize) -> String {
    colours::of_height(band as f64 / (BANDS - 1) as f64)
}

/// The landscape at the rows of `points`.
fn heights(section: &ModelSection<'_>, time: f64, points: &[f32]) -> Option<Vec<f64>> {
    let mut values = vec![0.0; points.len() / section.shown.dims()];
    section.model.landscape(time, points, &mut values, &mut Scratch::default()).ok()?;
    Some(values.into_iter().map(f64::from).collect())
}

/// The landscape at one time over a plane.
struct Sheet {
    /// Heights above the lowest.
    grid: Grid,
    /// Where the nodes of the grid are.
    mesh: Mesh,
}

impl Sheet {
    fn new(section: &ModelSection<'_>, k: usize) -> Option<Self> {
        if !section.view.is_linear() {
            return Self::among_cells(section, k);
        }
        let snapshots = &section.shown;
        // The nodes outside the picture are where the contours close.
        let mesh = Mesh::around(&plane(section), NODES);
        let through = mean(&snapshots.points(k), snapshots.dims());
        let mut points = vec![];
        for place in mesh.nodes() {
            points.extend(section.view.lift(place, &through)?);
        }
        let mut heights = heights(section, snapshots.times()[k], &points)?;
        let lowest = heights.iter().copied().fold(f64::INFINITY, f64::min);
        heights.iter_mut().for_each(|h| *h -= lowest);
        Some(Self { grid: Grid { columns: mesh.columns, heights }, mesh })
    }

    /// In an embedding: the mean of the cells' heights, where there are cells.
    fn among_cells(section: &ModelSection<'_>, k: usize) -> Option<Self> {
        let snapshots = &section.shown;
        let mesh = Mesh::over(&plane(section));
        let heights = heights(section, snapshots.times()[k], &snapshots.points(k))?;
        let heights: Vec<[f64; 1]> = heights.into_iter().map(|height| [height]).collect();
        let means = mesh.means(&section.places[k], &heights);
        let lowest = means.iter().flatten().fold(f64::INFINITY, |lowest, [height]| lowest.min(*height));
        let above = |mean: Option<[f64; 1]>| mean.map_or(f64::NAN, |[height]| height - lowest);
        let grid = Grid { columns: mesh.columns, heights: means.into_iter().map(above).collect() };
        Some(Self { grid, mesh })
    }

    /// The height of a band of colour: a round number, so that the last band begins near the 98 % quantile. A few steep
    /// corners, where no cells are, must not take the colours of all the rest.
    fn step(&self) -> f64 {
        let mut sorted: Vec<f64> = self.grid.heights.iter().copied().filter(|h| h.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let high = sorted.get(sorted.len().saturating_sub(1) * 98 / 100).copied().unwrap_or(0.0);
        // A plain has one band.
        if high > 0.0 && high.is_finite() { nice_step(high / (BANDS - 1) as f64) } else { 1.0 }
    }

    /// The panel: bands of colour, each `step` high, and the cells over them.
    fn draw(&self, section: &ModelSection<'_>, k: usize, step: f64) -> String {
        let mut plot = plane(section);
        for band in 0..BANDS {
            // Each band is painted over all that is at least as high, and the next over it.
            let rings = self.grid.rings(step * band as f64);
            let place = |&at: &(f64, f64)| self.mesh.place(at);
            plot.areas(rings.iter().map(|ring| ring.iter().map(place)), &colour(band));
        }
        let snapshots = &section.shown;
        let stride = snapshots.count(k).div_ceil(CELLS);
        let some = cells(section, k).step_by(stride);
        plot.dots(some, dot(section), &colours::of_time(k, snapshots.len()), 0.7);
        let time = snapshots.times()[k];
        plot.finish(&format!("The learned landscape at time {time}, with the cells of that time"))
    }
}

/// The mean of the rows of `points`.
fn mean(points: &[f32], dims: usize) -> Vec<f64> {
    let cells = (points.len() / dims) as f64;
    let mut mean = vec![0.0; dims];
    for cell in points.chunks_exact(dims) {
        mean.iter_mut().zip(cell).for_each(|(m, &x)| *m += f64::from(x) / cells);
    }
    mean
}
