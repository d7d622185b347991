//! Streamlines of the velocity among cells, in any plane.

use chreode::fields::{FieldValues, Fields, Scratch};

use super::colours::{PALE, PALETTE};
use super::mesh::{Mesh, NODES};
use super::nearest::Cells;
use super::pictures::{Figure, dot, drawn, plane};
use super::section::ModelSection;
use super::svg::Stroke;

/// A cell moves among so many others.
const NEIGHBOURS: usize = 30;
/// 1/σ² of its steps: the chance of a neighbour is in proportion to exp(cosine/σ²), as of scVelo.
const SHARPNESS: f64 = 10.0;
/// The length of a step, in spacings of the mesh, and the most of them to either side.
const STEP: f64 = 0.2;
const STEPS: usize = 160;
/// Two lines are so many spacings apart, and each is at least so long.
const APART: f64 = 1.1;
const SHORTEST: usize = 16;

/// The velocity of each cell at its own time; none in one dimension, nor of a population whose branches have one each.
pub fn figure(section: &ModelSection<'_>) -> Option<Figure> {
    if section.model.branches() > 0 {
        return None;
    }
    if section.view.is_linear() && section.shown.dims() == 1 {
        return None;
    }
    let mut plot = plane(section);
    let mesh = Mesh::over(&plot);
    let places: Vec<(f64, f64)> = section.places.iter().flatten().copied().collect();
    let field = Field::new(mesh.means(&places, &directions(section)), &mesh);
    for k in 0..section.shown.len() {
        plot.dots(drawn(section, k), dot(section), PALE, 1.0);
    }
    let lines = field.lines();
    let place = |line: &Vec<(f64, f64)>| line.iter().map(|&at| mesh.place(at)).collect::<Vec<_>>();
    let lines: Vec<Vec<(f64, f64)>> = lines.iter().map(place).collect();
    plot.lines(lines.iter().map(|line| line.iter().copied()), Stroke::new(PALETTE[0], 1.1));
    plot.arrows(lines.iter().map(|line| (line[line.len() / 2 - 1], line[line.len() / 2])), PALETTE[0]);
    let among = "the direction in which it is expected among its nearest cells, as scVelo does it (Bergen et al., Nature \
                 Biotechnology 38, 2020), which tells directions but no speeds";
    let what = match (section.view.is_linear(), section.shown.dims()) {
        (true, 2) => "as it is".into(),
        (true, _) => "its part in the plane".into(),
        (false, _) => among.to_string(),
    };
    Some(Figure {
        title: "Streamlines".into(),
        svg: plot.finish("Streamlines of the velocity among cells"),
        bar: None,
        legend: vec![],
        caption: format!(
            "The learned velocity of each cell at its time: {what}. Between cells it is their mean."
        ),
    })
}

/// The direction of each cell in the plane.
fn directions(section: &ModelSection<'_>) -> Vec<[f64; 2]> {
    let snapshots = &section.shown;
    let dims = snapshots.dims();
    let mut velocities = vec![0.0; snapshots.cells() * dims];
    let mut rest = &mut velocities[..];
    let mut scratch = Scratch::default();
    for k in 0..snapshots.len() {
        let (of_snapshot, later) = rest.split_at_mut(snapshots.count(k) * dims);
        rest = later;
        let values = FieldValues { velocity: Some(of_snapshot), ..Default::default() };
        section.model.evaluate(snapshots.times()[k], &snapshots.points(k), values, &mut scratch);
    }
    let in_plane = |velocity: &[f32]| section.view.direction(velocity).map(|(x, y)| [x, y]);
    let linear: Option<Vec<[f64; 2]>> = velocities.chunks_exact(dims).map(in_plane).collect();
    linear.unwrap_or_else(|| walks(section, &velocities))
}

/// The mean step in the plane, each of length 1, of walks to neighbours along the velocity less those without direction.
fn walks(section: &ModelSection<'_>, velocities: &[f32]) -> Vec<[f64; 2]> {
    let dims = section.shown.dims();
    let points: Vec<&[f32]> = section.shown.all_cells().collect();
    let places: Vec<(f64, f64)> = section.places.iter().flatten().copied().collect();
    // Itself, and others.
    let index = Cells::new(dims, points.iter().copied()).with_neighbours(NEIGHBOURS + 1);
    let near = index.near(&points.concat());
    let mean_step = |cell: usize| {
        let velocity = &velocities[cell * dims..(cell + 1) * dims];
        let others = near[cell * index.found()..(cell + 1) * index.found()].iter().map(|near| near.row);
        let others: Vec<usize> = others.filter(|&other| other != cell).collect();
        let cosine = |&other: &usize| {
            let (mut product, mut step, mut speed) = (0.0, 0.0, 0.0);
            for ((x, y), v) in points[cell].iter().zip(points[other]).zip(velocity) {
                let (d, v) = (f64::from(y - x), f64::from(*v));
                product += d * v;
                step += d * d;
                speed += v * v;
            }
            let lengths = (step * speed).sqrt();
            if lengths > 0.0 { product / lengths } else { 0.0 }
        };
        let odds: Vec<f64> = others.iter().map(|other| (SHARPNESS * (cosine(other) - 1.0)).exp()).collect();
        let total: f64 = odds.iter().sum();
        let mut mean = [0.0; 2];
        for (other, odds) in others.iter().zip(&odds) {
            let step = [places[*other].0 - places[cell].0, places[*other].1 - places[cell].1];
            let length = step[0].hypot(step[1]);
            if length > 0.0 {
                let excess = odds / total - 1.0 / others.len() as f64;
                mean.iter_mut().zip(step).for_each(|(mean, x)| *mean += excess * x / length);
            }
        }
        mean
    };
    (0..points.len()).map(mean_step).collect()
}

/// Directions at the nodes of a mesh, in its spacings.
struct Field(Vec<Option<[f64; 2]>>);

impl Field {
    fn new(means: Vec<Option<[f64; 2]>>, mesh: &Mesh) -> Self {
        let in_spacings = |[x, y]: [f64; 2]| [x / mesh.spacing.0, y / mesh.spacing.1];
        Self(means.into_iter().map(|mean| mean.map(in_spacings)).collect())
    }

    /// The direction at a place, of length 1; none where cells are far, or nothing moves.
    fn at(&self, (column, row): (f64, f64)) -> Option<(f64, f64)> {
        let last = (NODES - 1) as f64;
        if !(0.0..last).contains(&column) || !(0.0..last).contains(&row) {
            return None;
        }
        let (left, below) = (column as usize, row as usize);
        let (right, up) = (column - left as f64, row - below as f64);
        let mut sum = [0.0; 2];
        for (i, j, share) in [
            (0, 0, (1.0 - right) * (1.0 - up)),
            (1, 0, right * (1.0 - up)),
            (0, 1, (1.0 - right) * up),
            (1, 1, right * up),
        ] {
            let direction = self.0[(below + j) * NODES + left + i]?;
            sum.iter_mut().zip(direction).for_each(|(sum, x)| *sum += share * x);
        }
        let length = sum[0].hypot(sum[1]);
        (length > 0.0).then(|| (sum[0] / length, sum[1] / length))
    }

    /// Lines that keep their distance from each other, begun all over the mesh.
    fn lines(&self) -> Vec<Vec<(f64, f64)>> {
        let mut taken = Taken::default();
        let mut lines = vec![];
        for i in 0..NODES * NODES {
            // A step that is coprime to the number of nodes comes to all of them, far from the last.
            let node = i * 617 % (NODES * NODES);
            let seed = ((node % NODES) as f64 + 0.5, (node / NODES) as f64 + 0.5);
            if taken.is_free(seed) {
                let mut line = self.half(seed, -1.0, &taken);
                line.reverse();
                line.extend(self.half(seed, 1.0, &taken).into_iter().skip(1));
                if line.len() >= SHORTEST {
                    line.iter().for_each(|&at| taken.take(at));
                    lines.push(line);
                }
            }
        }
        lines
    }

    /// One end of a line, by the midpoint rule, until it leaves the cells or comes near another.
    fn half(&self, seed: (f64, f64), sign: f64, taken: &Taken) -> Vec<(f64, f64)> {
        let mut line = vec![seed];
        let mut at = seed;
        for _ in 0..STEPS {
            let Some(first) = self.at(at) else { break };
            let half = sign * STEP / 2.0;
            let Some(direction) = self.at((at.0 + half * first.0, at.1 + half * first.1)) else { break };
            at = (at.0 + sign * STEP * direction.0, at.1 + sign * STEP * direction.1);
            if !taken.is_free(at) {
                break;
            }
            line.push(at);
        }
        line
    }
}

/// Squares of the plane that a line goes through.
struct Taken(Vec<bool>);

/// Such squares in a row.
const SQUARES: usize = (NODES as f64 / APART) as usize + 1;

impl Default for Taken {
    fn default() -> Self {
        Self(vec![false; SQUARES * SQUARES])
    }
}

impl Taken {
    fn square((column, row): (f64, f64)) -> usize {
        let along = |x: f64| ((x / APART).max(0.0) as usize).min(SQUARES - 1);
        along(row) * SQUARES + along(column)
    }

    fn is_free(&self, at: (f64, f64)) -> bool {
        !self.0[Self::square(at)]
    }

    fn take(&mut self, at: (f64, f64)) {
        self.0[Self::square(at)] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(of: impl Fn(f64, f64) -> Option<[f64; 2]>) -> Field {
        let node = |i: usize| of((i % NODES) as f64, (i / NODES) as f64);
        Field((0..NODES * NODES).map(node).collect())
    }

    #[test]
    fn lines_of_a_rotation_are_circles_that_run_its_way() {
        let middle = (NODES - 1) as f64 / 2.0;
        let lines = field(|x, y| Some([middle - y, x - middle])).lines();
        assert!(lines.len() > 10, "{}", lines.len());
        for line in lines {
            let radius = |at: &(f64, f64)| (at.0 - middle).hypot(at.1 - middle);
            let (first, last) = (radius(&line[0]), radius(&line[line.len() - 1]));
            assert!((first - last).abs() < 0.02 * first.max(5.0), "{first} {last}");
            let turn = |a: (f64, f64), b: (f64, f64)| {
                (a.0 - middle) * (b.1 - middle) - (a.1 - middle) * (b.0 - middle)
            };
            assert!(line.windows(2).all(|pair| turn(pair[0], pair[1]) > 0.0));
        }
    }

    #[test]
    fn lines_stay_where_cells_are() {
        let lines = field(|x, _| (x < 20.0).then_some([1.0, 0.2])).lines();
        assert!(!lines.is_empty() && lines.iter().flatten().all(|at| at.0 < 20.0));
        assert!(field(|_, _| None).lines().is_empty() && field(|_, _| Some([0.0; 2])).lines().is_empty());
    }
}
