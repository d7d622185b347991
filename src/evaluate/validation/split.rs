//! Cuts of a data set into cells to learn from and cells to be predicted.

use rand::seq::SliceRandom;

use super::Annotations;
use crate::error::{Error, Result};
use crate::exec::rng::{ChaCha8Rng, Purpose, stream};
use crate::exec::stop::Stop;
use crate::snapshots::Snapshots;
use crate::transport::cost::CostRows;
use crate::transport::pricing::cheapest;
use crate::transport::{Cost, PointCloud, Problem};

/// Fewer cells than this of one part at one time say nothing of how far apart two of them are.
const FEWEST: usize = 2;
/// The neighbours among which a founder's partner is looked for.
const NEIGHBOURS: usize = 40;

/// Which part each cell is in, where the data come with parts: halves, folds, donors, replicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    of_cell: Vec<u32>,
    names: Vec<String>,
}

impl Parts {
    /// The part of each cell, in the order in which the snapshots hold the cells, numbered from 0; and what the parts are called.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number without a name; [`Error::InvalidData`] for fewer than two parts.
    pub fn new(of_cell: Vec<u32>, names: Vec<String>) -> Result<Self> {
        if names.len() < 2 {
            return Err(Error::InvalidData(format!(
                "the cells are all of one part ({}): one part is learned from and another predicted, so there must be two",
                names.join("")
            )));
        }
        if let Some(&part) = of_cell.iter().find(|&&part| part as usize >= names.len()) {
            let allowed = format!("below {}, the number of parts", names.len());
            return Err(Error::argument("the part of a cell", part, &allowed));
        }
        Ok(Self { of_cell, names })
    }

    /// The part of each cell, and what the parts are called.
    pub(crate) fn of_cells(&self) -> (&[u32], &[String]) {
        (&self.of_cell, &self.names)
    }

    /// The number of parts.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }
}

/// What is known of each cell, as a slice a snapshot.
fn by_snapshot<'a, T>(name: &str, of_cell: &'a [T], snapshots: &Snapshots) -> Result<Vec<&'a [T]>> {
    let cells: usize = (0..snapshots.len()).map(|k| snapshots.count(k)).sum();
    if of_cell.len() != cells {
        return Err(Error::argument(
            name,
            format!("{} values", of_cell.len()),
            &format!("{cells} values, one a cell"),
        ));
    }
    let mut rest = of_cell;
    let next = |k: usize| {
        let (these, others) = rest.split_at(snapshots.count(k));
        rest = others;
        these
    };
    Ok((0..snapshots.len()).map(next).collect())
}

/// How a data set is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutting<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) annotations: &'a Annotations,
    /// In how many parts, where they are drawn.
    pub(super) folds: usize,
    /// The most cells of a snapshot that are used.
    pub(super) most: usize,
    pub(super) seed: u64,
}

/// Cells to learn from and cells to be predicted.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) seen: Snapshots,
    pub(super) held: Snapshots,
    /// As many of the seen cells as there are held-out ones at each time: what a second sample of that size would be.
    pub(super) twin: Snapshots,
    /// The true growth rate of the held-out cells, where it is known.
    pub(super) growth: Option<Vec<f64>>,
}

impl Cutting<'_> {
    /// Split number `index`: part `index` modulo the number of parts, counted from the last, is held out of cut number `index`
    /// divided by it.
    pub(super) fn split(&self, index: usize, stop: &Stop) -> Result<Split> {
        let count = self.parts().map_or(self.folds, Parts::count);
        let (cut, held_part) = (index / count, count - 1 - index % count);
        let (mut seen, mut held) = (vec![], vec![]);
        for (k, of_parts) in self.cut(cut as u64, stop)?.into_iter().enumerate() {
            self.check(k, &of_parts)?;
            let (mut these, mut others) = (vec![], vec![]);
            for (part, rows) in of_parts.into_iter().enumerate() {
                if part == held_part { these = rows } else { others.extend(rows) }
            }
            held.push(these);
            seen.push(others);
        }
        let twin = seen.iter().zip(&held).map(|(seen, held)| seen[..seen.len().min(held.len())].to_vec());
        let twin = self.snapshots.subset(&twin.collect::<Vec<_>>())?;
        // In the order of the data: a fit to given parts is that to a file of their cells.
        seen.iter_mut().chain(&mut held).for_each(|rows| rows.sort_unstable());
        Ok(Split {
            seen: self.weighed(&seen, |part| part != held_part)?,
            held: self.weighed(&held, |part| part == held_part)?,
            twin,
            growth: self.growth_of(&held)?,
        })
    }

    fn parts(&self) -> Option<&Parts> {
        self.annotations.parts.as_ref()
    }

    /// The true growth rate of these cells of each snapshot.
    fn growth_of(&self, rows: &[Vec<usize>]) -> Result<Option<Vec<f64>>> {
        let Some(growth) = &self.annotations.growth else { return Ok(None) };
        let of_all = by_snapshot("growth", growth, self.snapshots)?;
        if let Some(cell) = growth.iter().position(|g| !g.is_finite()) {
            return Err(Error::argument(&format!("the growth of cell {}", cell + 1), growth[cell], "finite"));
        }
        let of_rows =
            of_all.iter().zip(rows).flat_map(|(of_cells, rows)| rows.iter().map(|&row| of_cells[row]));
        Ok(Some(of_rows.collect()))
    }

    /// All cells that cut 0 uses, with the masses of the whole.
    pub(super) fn whole(&self) -> Result<Snapshots> {
        let rows: Vec<Vec<usize>> = (0..self.snapshots.len()).map(|k| self.kept(0, k)).collect();
        self.weighed(&rows, |_| true)
    }

    /// The share of the cells that is used, the same at all times.
    fn share(&self) -> f64 {
        let largest = (0..self.snapshots.len()).map(|k| self.snapshots.count(k)).max().unwrap_or(1);
        (self.most as f64 / largest as f64).min(1.0)
    }

    /// The cells of snapshot `k` that a cut uses, in random order.
    fn kept(&self, cut: u64, k: usize) -> Vec<usize> {
        let count = self.snapshots.count(k);
        let mut rows: Vec<usize> = (0..count).collect();
        rows.shuffle(&mut stream(self.seed, Purpose::Split, cut, 2 * k as u64));
        rows.truncate((count as f64 * self.share()).round() as usize);
        rows
    }

    /// The cells of each part, at each time.
    fn cut(&self, cut: u64, stop: &Stop) -> Result<Vec<Vec<Vec<usize>>>> {
        let given = self
            .parts()
            .map(|parts| Ok((parts.count(), by_snapshot("parts", &parts.of_cell, self.snapshots)?)));
        let given = given.transpose()?;
        let of_snapshot = |k: usize| {
            let rows = self.kept(cut, k);
            if let Some((count, of_cell)) = &given {
                let of_part = |part: usize| {
                    rows.iter().copied().filter(|&row| of_cell[k][row] as usize == part).collect()
                };
                return Ok((0..*count).map(of_part).collect());
            }
            let mut rng = stream(self.seed, Purpose::Split, cut, 2 * k as u64 + 1);
            if k == 0 {
                return self.matched(&rows, &mut rng, stop);
            }
            let bound = |part: usize| rows.len() * part / self.folds;
            Ok((0..self.folds).map(|part| rows[bound(part)..bound(part + 1)].to_vec()).collect())
        };
        (0..self.snapshots.len()).map(of_snapshot).collect()
    }

    /// Founders in groups of near neighbours, of which one goes to each part: otherwise the parts' founders differ by chance in
    /// composition, and what is predicted of one from the other is measured by that. Greedily, the nearest pairs first.
    fn matched(&self, rows: &[usize], rng: &mut ChaCha8Rng, stop: &Stop) -> Result<Vec<Vec<usize>>> {
        let cells = PointCloud::of_snapshot(self.snapshots, 0).subset(rows);
        let groups = near_groups(&cells, self.folds, stop)?;
        let mut parts = vec![vec![]; self.folds];
        for mut group in groups {
            // A group that is not full leaves out parts at random.
            group.resize(self.folds, usize::MAX);
            group.shuffle(rng);
            for (part, &cell) in parts.iter_mut().zip(&group) {
                if cell != usize::MAX {
                    part.push(rows[cell]);
                }
            }
        }
        // Whoever takes the first few of a part takes a random few.
        parts.iter_mut().for_each(|part| part.shuffle(rng));
        Ok(parts)
    }

    /// Some cells with the relative masses of what they stand for: of the whole where parts are drawn, of the given parts
    /// before any cell was left out where they are not.
    fn weighed(&self, rows: &[Vec<usize>], within: impl Fn(usize) -> bool) -> Result<Snapshots> {
        let some = self.snapshots.subset(rows)?;
        let masses: Vec<f64> = match self.parts() {
            None => (0..some.len()).map(|k| self.snapshots.mass(k)).collect(),
            Some(parts) => {
                let of_cell = by_snapshot("parts", &parts.of_cell, self.snapshots)?;
                let mass = |k: usize| {
                    let cells = of_cell[k].iter().zip(self.snapshots.weights(k));
                    cells.filter(|(part, _)| within(**part as usize)).map(|(_, weight)| weight).sum()
                };
                (0..some.len()).map(mass).collect()
            }
        };
        let unit = some.mass(0) / masses[0];
        some.with_masses(&masses.iter().map(|mass| mass * unit).collect::<Vec<_>>())
    }

    fn check(&self, k: usize, of_parts: &[Vec<usize>]) -> Result<()> {
        let Some((part, rows)) = of_parts.iter().enumerate().find(|(_, rows)| rows.len() < FEWEST) else {
            return Ok(());
        };
        let time = self.snapshots.times()[k];
        let of_all = self.snapshots.count(k);
        Err(Error::InvalidData(match self.parts() {
            Some(parts) => format!(
                "part `{}` has {} cells at time {time}; every part needs at least {FEWEST} at every time",
                parts.names[part],
                rows.len()
            ),
            None => format!(
                "time {time}: its {of_all} cells (of which {} are used) cannot be cut into {} parts of at least {FEWEST}",
                of_parts.iter().map(Vec::len).sum::<usize>(),
                self.folds
            ),
        }))
    }
}

/// Points in groups of `size` near ones, the nearest pairs first; the last groups are of what is left, and the very last may
/// be smaller.
fn near_groups(points: &PointCloud, size: usize, stop: &Stop) -> Result<Vec<Vec<usize>>> {
    let hard = f64::INFINITY;
    let problem = Problem {
        source: points,
        target: points,
        cost: Cost::Euclidean,
        source_penalty: hard,
        target_penalty: hard,
    };
    let n = points.len();
    let neighbours = NEIGHBOURS.min(n);
    let pairs = cheapest(&CostRows::new(&problem), n, &vec![0.0; n], neighbours, stop)?;
    let of_row = |row: usize| pairs[row * neighbours..(row + 1) * neighbours].iter();
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|&a, &b| pairs[a].cost.total_cmp(&pairs[b].cost).then(a.cmp(&b)));
    let mut free = vec![true; n];
    let mut groups = vec![];
    for pair in order.into_iter().map(|at| pairs[at]) {
        let (one, other) = (pair.row as usize, pair.column as usize);
        if one == other || !free[one] || !free[other] {
            continue;
        }
        let near = of_row(one).map(|near| near.column as usize);
        let more = near.filter(|&cell| free[cell] && cell != one && cell != other).take(size - 2);
        let group: Vec<usize> = [one, other].into_iter().chain(more).collect();
        if group.len() == size {
            group.iter().for_each(|&cell| free[cell] = false);
            groups.push(group);
        }
    }
    let rest: Vec<usize> = (0..n).filter(|&cell| free[cell]).collect();
    groups.extend(rest.chunks(size).map(<[usize]>::to_vec));
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::uniform;
    use crate::snapshots::MatrixView;

    /// Cells at random places at the times 0, 1 and 3.
    fn cells(counts: [usize; 3]) -> Snapshots {
        let n: usize = counts.iter().sum();
        let mut rng = stream(3, Purpose::Dataset, 0, 0);
        let points: Vec<f64> = (0..2 * n).map(|_| uniform(&mut rng)).collect();
        let labels: Vec<f64> =
            counts.iter().zip([0.0, 1.0, 3.0]).flat_map(|(&n, t)| std::iter::repeat_n(t, n)).collect();
        Snapshots::new(MatrixView::from_f64(&points, n, 2).unwrap(), &labels, None).unwrap()
    }

    const NOTHING: &Annotations = &Annotations { parts: None, growth: None };

    fn cutting(snapshots: &Snapshots, folds: usize, most: usize) -> Cutting<'_> {
        Cutting { snapshots, annotations: NOTHING, folds, most, seed: 5 }
    }

    /// Every cell is told by its number, which stands where its growth rate would.
    fn numbered(snapshots: &Snapshots, parts: Option<Parts>) -> Annotations {
        let cells: usize = (0..snapshots.len()).map(|k| snapshots.count(k)).sum();
        Annotations { parts, growth: Some((0..cells).map(|i| i as f64).collect()) }
    }

    /// The numbers of the held-out cells in order.
    fn held(split: &Split) -> Vec<usize> {
        let mut held: Vec<usize> = split.growth.as_ref().unwrap().iter().map(|&g| g as usize).collect();
        held.sort_unstable();
        held
    }

    #[test]
    fn the_parts_of_a_cut_hold_every_cell_once_and_are_held_out_in_turn() {
        let snapshots = cells([41, 30, 64]);
        for folds in [2, 3, 5] {
            let annotations = numbered(&snapshots, None);
            let cutting = Cutting { annotations: &annotations, ..cutting(&snapshots, folds, 1000) };
            let mut all: Vec<usize> =
                (0..folds).flat_map(|i| held(&cutting.split(i, &Stop::default()).unwrap())).collect();
            all.sort_unstable();
            assert_eq!(all, (0..41 + 30 + 64).collect::<Vec<_>>());
            let split = cutting.split(0, &Stop::default()).unwrap();
            for k in 0..3 {
                assert_eq!(split.seen.count(k) + split.held.count(k), snapshots.count(k));
                assert_eq!(split.twin.count(k), split.held.count(k).min(split.seen.count(k)));
                assert!(split.held.count(k).abs_diff(snapshots.count(k) / folds) <= 1);
            }
            let next = cutting.split(folds, &Stop::default()).unwrap();
            assert_ne!(held(&split), held(&next), "another cut");
        }
    }

    #[test]
    fn thinned_cells_are_as_many_as_asked_for_and_the_masses_are_those_of_the_whole() {
        let snapshots = cells([400, 300, 601]).with_masses(&[2.0, 5.0, 3.0]).unwrap();
        let split = cutting(&snapshots, 2, 200).split(1, &Stop::default()).unwrap();
        assert_eq!((split.held.count(2), split.seen.count(2)), (100, 100));
        assert_eq!(split.held.count(0) + split.seen.count(0), (400.0f64 * 200.0 / 601.0).round() as usize);
        for part in [&split.seen, &split.held, &cutting(&snapshots, 2, 200).whole().unwrap()] {
            for k in 0..3 {
                let (got, want) = (part.mass(k) / part.mass(0), snapshots.mass(k) / snapshots.mass(0));
                assert!((got / want - 1.0).abs() < 1e-12, "{got} is not {want}");
            }
        }
    }

    #[test]
    fn founders_are_parted_in_pairs_of_nearest_neighbours() {
        // Pairs 0.001 apart, unit distances between pairs; the greedy choice is theirs, and no half has both of a pair.
        let mut points: Vec<f64> = (0..20).flat_map(|i| [f64::from(i), f64::from(i) + 0.001]).collect();
        points.extend([0.0, 1.0, 2.0, 3.0]);
        let labels: Vec<f64> = (0..44).map(|i| if i < 40 { 0.0 } else { 1.0 }).collect();
        let snapshots = Snapshots::new(MatrixView::from_f64(&points, 44, 1).unwrap(), &labels, None).unwrap();
        let annotations = numbered(&snapshots, None);
        let cutting = Cutting { annotations: &annotations, ..cutting(&snapshots, 2, 1000) };
        let held = held(&cutting.split(0, &Stop::default()).unwrap());
        let founders = &held[..20];
        assert_eq!(founders.iter().map(|row| row / 2).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        // The side is drawn: not always the first.
        let firsts = founders.iter().filter(|row| *row % 2 == 0).count();
        assert!((2..=18).contains(&firsts), "{firsts}");
    }

    #[test]
    fn groups_are_full_but_for_the_last_and_near_before_far() {
        let snapshots = cells([50, 2, 2]);
        for size in [2, 3, 7] {
            let groups =
                near_groups(&PointCloud::of_snapshot(&snapshots, 0), size, &Stop::default()).unwrap();
            let mut all = groups.concat();
            all.sort_unstable();
            assert_eq!(all, (0..50).collect::<Vec<_>>());
            assert!(groups[..groups.len() - 1].iter().all(|group| group.len() == size));
        }
        // Brute force: the first pair is the nearest of all.
        let x = snapshots.points(0);
        let d = |i: usize, j: usize| (x[2 * i] - x[2 * j]).hypot(x[2 * i + 1] - x[2 * j + 1]);
        let pairs = (0..50).flat_map(|i| (0..i).map(move |j| (i, j)));
        let nearest = pairs.min_by(|a, b| d(a.0, a.1).total_cmp(&d(b.0, b.1))).unwrap();
        let mut first =
            near_groups(&PointCloud::of_snapshot(&snapshots, 0), 2, &Stop::default()).unwrap()[0].clone();
        first.sort_unstable();
        assert_eq!((first[1], first[0]), nearest);
    }

    #[test]
    fn given_parts_are_kept_and_weigh_what_they_weigh() {
        let snapshots = cells([10, 12, 14]);
        // At time 0 six of ten, at 1 three of twelve, at 3 seven of fourteen are of the part `b`.
        let of_cell =
            [(10, 6), (12, 3), (14, 7)].iter().flat_map(|&(n, b)| (0..n).map(move |i| u32::from(i < b)));
        let parts = Parts::new(of_cell.collect(), vec!["a".into(), "b".into()]).unwrap();
        let annotations = Annotations { parts: Some(parts), growth: None };
        let cutting = Cutting { annotations: &annotations, ..cutting(&snapshots, 2, 1000) };
        let split = cutting.split(0, &Stop::default()).unwrap();
        let counts = |part: &Snapshots| (0..3).map(|k| part.count(k)).collect::<Vec<_>>();
        assert_eq!((counts(&split.held), counts(&split.seen)), (vec![6, 3, 7], vec![4, 9, 7]));
        assert_eq!((split.held.mass(1), split.seen.mass(1)), (3.0, 9.0));
        let other = cutting.split(1, &Stop::default()).unwrap();
        assert_eq!(counts(&other.held), [4, 9, 7]);
    }

    #[test]
    fn too_few_cells_are_told_by_time_and_part() {
        let told = |cutting: &Cutting<'_>| cutting.split(0, &Stop::default()).unwrap_err().to_string();
        let few = cells([10, 3, 10]);
        let text = told(&cutting(&few, 2, 1000));
        assert!(text.contains("time 1: its 3 cells") && text.contains("2 parts of at least 2"), "{text}");
        let with_parts = |of_cell: Vec<u32>| {
            let parts = Some(Parts::new(of_cell, vec!["a".into(), "b".into()]).unwrap());
            told(&Cutting { annotations: &Annotations { parts, growth: None }, ..cutting(&few, 2, 1000) })
        };
        let text = with_parts((0..23).map(|i| u32::from(i < 12)).collect());
        assert!(text.contains("part `a` has 0 cells at time 0"), "{text}");
        let text = with_parts(vec![0, 1, 1]);
        assert!(text.contains("parts must be 23 values, one a cell, got 3 values"), "{text}");
        let growth = |growth: Vec<f64>| {
            let annotations = Annotations { parts: None, growth: Some(growth) };
            let enough = cells([10, 10, 10]);
            told(&Cutting { annotations: &annotations, ..cutting(&enough, 2, 1000) })
        };
        assert!(growth(vec![0.0; 29]).contains("growth must be 30 values"));
        let text = growth((0..30).map(|i| if i == 7 { f64::NAN } else { 1.0 }).collect());
        assert!(text.contains("the growth of cell 8 must be finite"), "{text}");
        assert!(Parts::new(vec![0], vec!["a".into()]).is_err());
        assert!(Parts::new(vec![0, 2], vec!["a".into(), "b".into()]).is_err());
    }
}
