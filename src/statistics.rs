//! Estimates: a mean, how far it may be off, and the quantiles that follow.

use crate::error::{Error, Result};

/// A number that is known up to an error, which is taken to be normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub mean: f64,
    /// The standard deviation of its error.
    pub sd: f64,
}

impl Estimate {
    /// The mean of values and their standard deviation around it, with n − 1 in the denominator: both NaN without values, the
    /// deviation 0 of a single one.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let sd = match values.len() {
            0 => f64::NAN,
            1 => 0.0,
            _ => (squares / (n - 1.0)).sqrt(),
        };
        Self { mean, sd }
    }

    /// The quantile of a level between 0 and 1: between those of 0.05 and 0.95 the true number lies in nine cases of ten.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another level.
    pub fn quantile(&self, level: f64) -> Result<f64> {
        Ok(self.mean + normal_quantile(level)? * self.sd)
    }
}

/// The quantile z of the standard normal distribution: Φ(z) = `level`.
///
/// # Errors
/// [`Error::InvalidArgument`] unless the level is above 0 and below 1.
pub fn normal_quantile(level: f64) -> Result<f64> {
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::argument("the level of a quantile", level, "above 0 and below 1"));
    }
    if level == 0.5 {
        // To the bit, so that a median needs no deviation.
        return Ok(0.0);
    }
    // Φ(z) = erfc(−z/√2)/2, and Φ(−39) is the least number above 0. A bisection ends at neighbouring numbers.
    let (mut low, mut high) = (-39.0, 39.0);
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return Ok(middle);
        }
        let below = 0.5 * libm::erfc(-middle * std::f64::consts::FRAC_1_SQRT_2);
        if below < level { low = middle } else { high = middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_quantiles_are_those_of_the_tables() {
        // Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, table 26.5.
        for (level, z) in
            [(0.5, 0.0), (0.95, 1.644_853_626_951), (0.975, 1.959_963_984_540), (0.99, 2.326_347_874_041)]
        {
            assert!((normal_quantile(level).unwrap() - z).abs() < 1e-12, "{level}");
            assert!((normal_quantile(1.0 - level).unwrap() + z).abs() < 1e-12, "{level}");
        }
        assert_eq!(normal_quantile(0.5).unwrap(), 0.0);
        assert!(normal_quantile(1e-300).unwrap() < -37.0);
        for level in [0.0, 1.0, -0.5, 2.0, f64::NAN] {
            let told = normal_quantile(level).unwrap_err().to_string();
            assert!(told.starts_with("the level of a quantile must be above 0 and below 1"), "{told}");
        }
    }

    #[test]
    fn an_estimate_is_the_mean_and_the_deviation_of_its_values() {
        let estimate = Estimate::of(&[1.0, 2.0, 6.0]);
        assert_eq!((estimate.mean, estimate.sd), (3.0, 7f64.sqrt()));
        assert_eq!(estimate.quantile(0.5), Ok(3.0));
        assert!((estimate.quantile(0.95).unwrap() - (3.0 + 1.644_853_626_951 * 7f64.sqrt())).abs() < 1e-9);
        assert_eq!(Estimate::of(&[4.0]), Estimate { mean: 4.0, sd: 0.0 });
    }
}
