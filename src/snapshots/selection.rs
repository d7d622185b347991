//! Snapshots of some of the cells, and draws of cells.

use super::checks::{check_len, offsets_of};
use super::{Rows, Snapshots};
use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, stream, uniform};

impl Snapshots {
    /// The snapshots without those at `times`: what a held-out fit learns from.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a time that is not there.
    pub fn without(&self, times: &[f64]) -> Result<Self> {
        let left_out = times.iter().map(|&time| self.index_of(time)).collect::<Result<Vec<usize>>>()?;
        let kept: Vec<usize> = (0..self.len()).filter(|k| !left_out.contains(k)).collect();
        let rows = match &self.rows {
            Rows::Together(starts) => Rows::Together(kept.iter().map(|&k| starts[k]).collect()),
            Rows::Listed(rows) => {
                let of_snapshot = |&k: &usize| &rows[self.offsets[k]..self.offsets[k + 1]];
                Rows::Listed(kept.iter().flat_map(of_snapshot).copied().collect())
            }
        };
        Self {
            dims: self.dims,
            times: kept.iter().map(|&k| self.times[k]).collect(),
            offsets: offsets_of(kept.iter().map(|&k| self.count(k))),
            points: self.points.clone(),
            rows,
            weights: kept.iter().flat_map(|&k| self.weights(k)).copied().collect(),
            known: self.known.of(kept.iter().flat_map(|&k| self.offsets[k]..self.offsets[k + 1])),
        }
        .checked()
    }

    /// Of each snapshot the cells `rows[k]`, in that order and with their weights: see
    /// [`with_masses`](Self::with_masses) for a sample that stands for the whole.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one list of rows a snapshot, each below its count;
    /// [`Error::InvalidData`] if nothing of a snapshot's mass is left.
    pub fn subset(&self, rows: &[Vec<usize>]) -> Result<Self> {
        check_len("rows", rows.len(), self.len())?;
        for (k, rows) in rows.iter().enumerate() {
            if let Some(&row) = rows.iter().find(|&&row| row >= self.count(k)) {
                let (time, count) = (self.times[k], self.count(k));
                return Err(Error::argument("row", row, &format!("below {count}, the cells at time {time}")));
            }
        }
        let cells = || rows.iter().enumerate().flat_map(|(k, rows)| rows.iter().map(move |&cell| (k, cell)));
        Self {
            dims: self.dims,
            times: self.times.clone(),
            offsets: offsets_of(rows.iter().map(Vec::len)),
            points: self.points.clone(),
            rows: Rows::Listed(cells().map(|(k, cell)| self.row(k, cell) as u32).collect()),
            weights: cells().map(|(k, cell)| self.weights(k)[cell]).collect(),
            known: self.known.of(cells().map(|(k, cell)| self.offsets[k] + cell)),
        }
        .checked()
    }

    /// Draws `count` different cells of snapshot `k`, as increasing numbers of its rows: one after another, each from those that
    /// are left with a chance in proportion to its weight. A function of the weights and `seed` alone.
    ///
    /// Efraimidis and Spirakis, Information Processing Letters 97 (2006): every cell waits for an exponential time whose rate is
    /// its weight, and the first ones are drawn.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there are so many cells with a weight.
    pub fn sample(&self, k: usize, count: usize, seed: u64) -> Result<Vec<usize>> {
        let weights = self.weights(k);
        let possible = weights.iter().filter(|&&weight| weight > 0.0).count();
        if !(1..=possible).contains(&count) {
            let allowed = format!("1 to {possible}, the cells with a weight at time {}", self.times[k]);
            return Err(Error::argument("the number of cells to draw", count, &allowed));
        }
        let mut rng = stream(seed, Purpose::Resampling, 1, 0);
        let waiting: Vec<f64> = weights.iter().map(|weight| -libm::log(uniform(&mut rng)) / weight).collect();
        let mut rows: Vec<usize> = (0..weights.len()).collect();
        rows.select_nth_unstable_by(count - 1, |&a, &b| waiting[a].total_cmp(&waiting[b]).then(a.cmp(&b)));
        rows.truncate(count);
        rows.sort_unstable();
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;

    #[test]
    fn draws_are_of_different_cells_in_proportion_to_their_weights() {
        let of = |weights: &[f64]| {
            let points: Vec<f64> = (0..weights.len()).map(|i| i as f64).collect();
            let view = MatrixView::from_f64(&points, weights.len(), 1).unwrap();
            Snapshots::new(view, &vec![0.0; weights.len()], Some(weights)).unwrap()
        };
        let uneven = of(&[3.0, 1.0, 0.0]);
        let firsts = (0..4000).filter(|&seed| uneven.sample(0, 1, seed) == Ok(vec![0])).count();
        // Four standard deviations about 3000.
        assert!((firsts as f64 - 3000.0).abs() < 4.0 * (4000.0f64 * 0.75 * 0.25).sqrt(), "{firsts}");
        assert_eq!(uneven.sample(0, 2, 5), Ok(vec![0, 1]), "a cell without weight is never drawn");
        assert!(uneven.sample(0, 3, 5).is_err() && uneven.sample(0, 0, 5).is_err());
        let even = of(&[1.0; 100]);
        let drawn = even.sample(0, 20, 7).unwrap();
        assert!(drawn.len() == 20 && drawn.is_sorted_by(|a, b| a < b) && drawn[19] < 100);
        assert_ne!(Ok(drawn), even.sample(0, 20, 8));
    }

    #[test]
    fn a_subset_keeps_the_chosen_cells_and_their_weights() {
        let points = MatrixView::from_f64(&[0.0, 1.0, 2.0, 3.0], 4, 1).unwrap();
        let all = Snapshots::new(points, &[0.0, 0.0, 1.0, 1.0], Some(&[1.0, 2.0, 0.0, 4.0])).unwrap();
        let some = all.subset(&[vec![1, 0], vec![1]]).unwrap();
        assert_eq!((&*some.points(0), some.weights(0)), (&[1.0, 0.0][..], &[2.0, 1.0][..]));
        assert_eq!((&*some.points(1), some.weights(1)), (&[3.0][..], &[4.0][..]));
        for rows in [vec![vec![0]], vec![vec![0], vec![2]], vec![vec![0], vec![]], vec![vec![0], vec![0]]] {
            assert!(all.subset(&rows).is_err(), "{rows:?}");
        }
    }
}
