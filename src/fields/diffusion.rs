//! The diffusion as a function of time.

/// σ(t) of learned fields, a length per square root of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Diffusion {
    /// σ ≥ 0, the same at all times.
    Constant(f64),
    /// σ(t) = σ₀ (σ_K/σ₀)^{(t−t₀)/(t_K−t₀)} between the first and the last snapshot, and constant before and after.
    Geometric {
        /// σ₀ > 0.
        first: f64,
        /// σ_K > 0.
        last: f64,
        /// t₀.
        from: f64,
        /// t_K > t₀.
        to: f64,
    },
}

impl Diffusion {
    /// σ at time `time`.
    pub fn at(self, time: f64) -> f64 {
        match self {
            Diffusion::Constant(sigma) => sigma,
            Diffusion::Geometric { first, last, from, to } => {
                let share = ((time - from) / (to - from)).clamp(0.0, 1.0);
                first * libm::pow(last / first, share)
            }
        }
    }

    /// σ at the first snapshot.
    pub fn first(self) -> f64 {
        let (Diffusion::Constant(sigma) | Diffusion::Geometric { first: sigma, .. }) = self;
        sigma
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_geometrically_between_the_first_and_the_last_snapshot() {
        let falling = Diffusion::Geometric { first: 0.8, last: 0.2, from: 1.0, to: 6.0 };
        for (time, want) in [(-3.0, 0.8), (1.0, 0.8), (3.5, 0.4), (6.0, 0.2), (60.0, 0.2)] {
            assert!((falling.at(time) - want).abs() < 1e-15, "σ({time}) = {}", falling.at(time));
        }
        assert_eq!((falling.first(), Diffusion::Constant(0.8).at(5.0)), (0.8, 0.8));
    }
}
