//! The LAND metric of cells: motion is cheap where cells are.

use super::MetricScratch;
use crate::exec::simd;

/// The diagonal metric G_c(x) = 1/(h_c(x) + ρ), h_c(x) = Σ_n w_n(x) (x_nc − x_c)², w_n(x) = exp(−‖x − x_n‖²/2γ²), of the cells x_n
/// (locally adaptive normal distributions: Arvanitidis, Hansen, Hauberg, NeurIPS 2016; as Metric FM has it: Kapuśniak et
/// al., NeurIPS 2024). All in the networks' units of length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Land {
    /// γ.
    pub(super) width: f64,
    /// ρ.
    pub(super) ridge: f64,
}

impl Land {
    /// The energy Σ_c u_c² G_c(x) of a velocity `u` at `x` among `cells`, each of which stands for `share` of them; its derivatives by
    /// u and by x are written beside.
    pub(super) fn energy(
        self,
        (cells, share): (&[f32], f64),
        (x, u): (&[f32], &[f32]),
        (d_u, d_x): (&mut [f32], &mut [f32]),
        scratch: &mut MetricScratch,
    ) -> f64 {
        let dims = x.len();
        let MetricScratch { weights, variance, slope } = scratch;
        let precision = 1.0 / (self.width * self.width);
        let offset = |cell: &[f32], c: usize| f64::from(cell[c]) - f64::from(x[c]);
        weights.clear();
        variance.clear();
        variance.resize(dims, self.ridge);
        for cell in cells.chunks_exact(dims) {
            let square: f64 = (0..dims).map(|c| offset(cell, c).powi(2)).sum();
            let exponent = -0.5 * precision * square;
            // Beyond, a cell weighs less than the rounding of a ridge.
            weights.push(if exponent > FARTHEST { share * simd::exp(exponent) } else { 0.0 });
        }
        let near = || cells.chunks_exact(dims).zip(&*weights).filter(|(_, w)| **w > 0.0);
        for (cell, &w) in near() {
            variance.iter_mut().enumerate().for_each(|(c, h)| *h += w * offset(cell, c).powi(2));
        }
        let mut energy = 0.0;
        for (c, h) in variance.iter_mut().enumerate() {
            let u = f64::from(u[c]);
            energy += u * u / *h;
            d_u[c] = (2.0 * u / *h) as f32;
            // u²G², from here on.
            *h = (u / *h).powi(2);
        }
        // −Σ_c u_c²G_c² ∂h_c/∂x_e, ∂h_c/∂x_e = Σ_n w_n [(x_ne − x_e)(x_nc − x_c)²/γ² − 2δ_ce (x_nc − x_c)].
        slope.clear();
        slope.resize(dims, 0.0);
        for (cell, &w) in near() {
            let spread: f64 = variance.iter().enumerate().map(|(c, v)| v * offset(cell, c).powi(2)).sum();
            for (e, (slope, v)) in slope.iter_mut().zip(&*variance).enumerate() {
                *slope += w * offset(cell, e) * (2.0 * v - precision * spread);
            }
        }
        d_x.iter_mut().zip(slope).for_each(|(d, slope)| *d = *slope as f32);
        energy
    }
}

/// The exponent of the least weight that counts.
const FARTHEST: f64 = -60.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_energy_is_that_of_its_formula_and_has_the_right_derivatives() {
        let cells: Vec<f32> = (0..36).map(|i| ((i * 7 % 11) as f32 - 5.0) / 6.0).collect();
        let metric = Land { width: 0.6, ridge: 0.05 };
        let (x, u) = ([0.2f32, -0.1, 0.3], [1.0f32, -0.5, 0.7]);
        let formula = |x: &[f64; 3], u: &[f64; 3]| {
            let weight = |cell: &[f32]| {
                let square: f64 = (0..3).map(|c| (x[c] - f64::from(cell[c])).powi(2)).sum();
                1.5 * (-square / (2.0 * 0.36)).exp()
            };
            let h = |c: usize| {
                cells.chunks(3).map(|cell| weight(cell) * (f64::from(cell[c]) - x[c]).powi(2)).sum::<f64>()
            };
            (0..3).map(|c| u[c] * u[c] / (h(c) + 0.05)).sum::<f64>()
        };
        let (mut d_u, mut d_x) = ([0.0; 3], [0.0; 3]);
        let mut scratch = MetricScratch::default();
        let energy = metric.energy((&cells, 1.5), (&x, &u), (&mut d_u, &mut d_x), &mut scratch);
        let (x, u) = (x.map(f64::from), u.map(f64::from));
        assert!((energy / formula(&x, &u) - 1.0).abs() < 1e-9, "{energy}");
        for c in 0..3 {
            let step = 1e-5;
            let moved = |of: &[f64; 3], by: f64| {
                let mut moved = *of;
                moved[c] += by;
                moved
            };
            let by_x = (formula(&moved(&x, step), &u) - formula(&moved(&x, -step), &u)) / (2.0 * step);
            let by_u = (formula(&x, &moved(&u, step)) - formula(&x, &moved(&u, -step))) / (2.0 * step);
            // Single precision of what is written.
            assert!((f64::from(d_x[c]) - by_x).abs() < 1e-5 * (1.0 + by_x.abs()), "{c}: {} {by_x}", d_x[c]);
            assert!((f64::from(d_u[c]) - by_u).abs() < 1e-5 * (1.0 + by_u.abs()), "{c}: {} {by_u}", d_u[c]);
        }
    }
}
