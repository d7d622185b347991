//! The plane in which cells are drawn: the first two coordinates, the first two principal components, or an embedding.

use chreode::snapshots::Snapshots;

use super::nearest::{self, Near, mean};
use crate::cells::Embedding;

/// Where cells are drawn.
#[derive(Debug)]
pub struct View {
    /// What the two axes measure.
    pub labels: [String; 2],
    map: Map,
}

#[derive(Debug)]
enum Map {
    Linear(Linear),
    Among(Among),
}

/// A linear map of cells to the plane.
#[derive(Debug)]
struct Linear {
    centre: Vec<f64>,
    axes: [Vec<f64>; 2],
}

/// Some cells in their space and in the plane. Whatever else is drawn stands where the nearest of them are in the mean.
#[derive(Debug)]
struct Among {
    cells: nearest::Cells,
    places: Vec<(f64, f64)>,
}

/// Cells of an embedding that others are placed among, at most.
const PLACED: usize = 3000;

/// Cells that the components are computed from, at most.
const CELLS: usize = 4000;
/// Steps of the power iteration: the components need be no more exact than a picture.
const ITERATIONS: usize = 60;

impl View {
    /// The view of a data set whose coordinates have `names`.
    pub fn of(snapshots: &Snapshots, names: &[String]) -> Self {
        let dims = snapshots.dims();
        let unit = |i: usize| (0..dims).map(|j| f64::from(u8::from(i == j))).collect::<Vec<f64>>();
        if dims > 2 {
            return Self::principal(snapshots);
        }
        // A single coordinate is drawn along a line.
        let second = names.get(1).cloned().unwrap_or_default();
        let map = Map::Linear(Linear { centre: vec![0.0; dims], axes: [unit(0), unit(1)] });
        Self { labels: [names[0].clone(), second], map }
    }

    /// An embedding of the cells.
    pub fn embedded(snapshots: &Snapshots, embedding: &Embedding) -> Self {
        let stride = snapshots.cells().div_ceil(PLACED);
        Self {
            labels: embedding.names.clone(),
            map: Map::Among(Among {
                cells: nearest::Cells::new(snapshots.dims(), snapshots.all_cells().step_by(stride)),
                places: embedding.places.iter().copied().step_by(stride).collect(),
            }),
        }
    }

    /// Whether directions in the plane are directions in the space.
    pub fn is_linear(&self) -> bool {
        matches!(self.map, Map::Linear(_))
    }

    /// Principal components by power iteration with deflation, after dividing by the largest deviation so that
    /// squares stay finite.
    fn principal(snapshots: &Snapshots) -> Self {
        let dims = snapshots.dims();
        let stride = snapshots.cells().div_ceil(CELLS);
        let sample = || snapshots.all_cells().step_by(stride);
        let cells = sample().count() as f64;
        let mut centre = vec![0.0; dims];
        sample().for_each(|cell| centre.iter_mut().zip(cell).for_each(|(c, &x)| *c += f64::from(x) / cells));
        let mut rows: Vec<Vec<f64>> =
            sample().map(|cell| cell.iter().zip(&centre).map(|(&x, c)| f64::from(x) - c).collect()).collect();
        let largest = rows.iter().flatten().fold(0.0f64, |m, x| m.max(x.abs()));
        if largest > 0.0 {
            rows.iter_mut().flatten().for_each(|x| *x /= largest);
        }
        let total: f64 = rows.iter().flatten().map(|x| x * x).sum();
        let mut labels = [String::new(), String::new()];
        let mut axes = [vec![], vec![]];
        for (c, (axis, label)) in axes.iter_mut().zip(&mut labels).enumerate() {
            *axis = leading_direction(&rows, dims);
            let mut explained = 0.0;
            for row in &mut rows {
                let along = dot(row, axis);
                explained += along * along;
                row.iter_mut().zip(axis.iter()).for_each(|(x, a)| *x -= along * a);
            }
            let share = if total > 0.0 { 100.0 * explained / total } else { 0.0 };
            *label = format!("principal component {} ({share:.0} % of variance)", c + 1);
        }
        Self { labels, map: Map::Linear(Linear { centre, axes }) }
    }

    /// Where each of `points` (row-major, `dims` coordinates each) is drawn.
    pub fn places(&self, points: &[f32], dims: usize) -> Vec<(f64, f64)> {
        match &self.map {
            Map::Linear(linear) => points.chunks_exact(dims).map(|point| linear.place(point)).collect(),
            Map::Among(among) => {
                let near = among.cells.near(points);
                let place = |near: &[Near]| {
                    (mean(near, |row| among.places[row].0), mean(near, |row| among.places[row].1))
                };
                near.chunks_exact(among.cells.found()).map(place).collect()
            }
        }
    }

    /// The cell that is drawn at `place` and differs from `through` within the plane only; none in an embedding.
    pub fn lift(&self, place: (f64, f64), through: &[f64]) -> Option<Vec<f32>> {
        let Map::Linear(linear) = &self.map else { return None };
        Some(linear.lift(place, through))
    }

    /// The velocity in the plane of one of the space; none in an embedding.
    pub fn direction(&self, velocity: &[f32]) -> Option<(f64, f64)> {
        let Map::Linear(linear) = &self.map else { return None };
        let along = |axis: &[f64]| velocity.iter().zip(axis).map(|(&v, a)| f64::from(v) * a).sum();
        Some((along(&linear.axes[0]), along(&linear.axes[1])))
    }
}

impl Linear {
    fn place(&self, cell: &[f32]) -> (f64, f64) {
        let along = |axis: &[f64]| {
            let terms = cell.iter().zip(&self.centre).zip(axis);
            terms.map(|((&x, c), a)| if *a == 0.0 { 0.0 } else { (f64::from(x) - c) * a }).sum()
        };
        (along(&self.axes[0]), along(&self.axes[1]))
    }

    fn lift(&self, place: (f64, f64), through: &[f64]) -> Vec<f32> {
        let along = |axis: &[f64]| -> f64 {
            through.iter().zip(&self.centre).zip(axis).map(|((x, c), a)| (x - c) * a).sum()
        };
        let steps = (place.0 - along(&self.axes[0]), place.1 - along(&self.axes[1]));
        let moves = self.axes[0].iter().zip(&self.axes[1]).map(|(a, b)| steps.0 * a + steps.1 * b);
        through.iter().zip(moves).map(|(x, step)| (x + step) as f32).collect()
    }
}

fn leading_direction(rows: &[Vec<f64>], dims: usize) -> Vec<f64> {
    // Any start that is not orthogonal to the component will do; unequal entries make that unlikely to happen.
    let mut direction: Vec<f64> = (0..dims).map(|i| 1.0 + (i as f64 * 0.618).fract()).collect();
    normalise(&mut direction);
    for _ in 0..ITERATIONS {
        let mut next = vec![0.0; dims];
        for row in rows {
            let along = dot(row, &direction);
            next.iter_mut().zip(row).for_each(|(n, x)| *n += along * x);
        }
        if !normalise(&mut next) {
            break;
        }
        direction = next;
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Whether there was a direction to normalise.
fn normalise(vector: &mut [f64]) -> bool {
    let length = dot(vector, vector).sqrt();
    let usable = length > 1e-150;
    if usable {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;
    use chreode::snapshots::MatrixView;

    #[test]
    fn what_is_lifted_from_the_picture_is_drawn_where_it_came_from() {
        let dims = 4;
        let points: Vec<f64> =
            (0..40 * dims).map(|i| (1 + i % dims) as f64 * (1.7 * i as f64).sin()).collect();
        let labels: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
        let view = MatrixView::from_f64(&points, 40, dims).unwrap();
        let snapshots = Snapshots::new(view, &labels, None).unwrap();
        let view = View::of(&snapshots, &[]);
        let through = [0.3, -1.0, 2.0, 0.7];
        let drawn = view.places(&view.lift((1.25, -0.5), &through).unwrap(), dims)[0];
        assert!((drawn.0 - 1.25).abs() < 1e-5 && (drawn.1 + 0.5).abs() < 1e-5, "{drawn:?}");
        // Through the place of a cell, it is that cell.
        let own = view.places(&through.map(|x| x as f32), dims)[0];
        for (x, y) in view.lift(own, &through).unwrap().iter().zip(through) {
            assert!((f64::from(*x) - y).abs() < 1e-5);
        }
    }
}
