//! What one marginal adds to the objective and its dual.

/// One marginal's share: masses r of a plan, weights w, potentials p and the penalty ρ.
pub(crate) struct Side {
    /// Σ r.
    pub(crate) mass: f64,
    /// Σ r p.
    pub(crate) linear: f64,
    /// ρ KL(r | w), 0 for a hard marginal.
    pub(crate) penalty: f64,
    /// −Σ w φ*(−p).
    pub(crate) dual: f64,
    /// Σ |r − w e^{−p/ρ}|.
    pub(crate) error: f64,
    /// Σ w e^{−p/ρ}: the mass that the potentials imply.
    pub(crate) total: f64,
}

impl Side {
    pub(crate) fn of(weights: &[f64], potential: &[f64], mass: &[f64], rho: f64) -> Self {
        let linear = mass.iter().zip(potential).map(|(r, p)| r * p).sum();
        let mut side =
            Self { mass: mass.iter().sum(), linear, penalty: 0.0, dual: 0.0, error: 0.0, total: 0.0 };
        for ((&w, &p), &r) in weights.iter().zip(potential).zip(mass) {
            let implied = if rho.is_infinite() { w } else { w * libm::exp(-p / rho) };
            side.error += (r - implied).abs();
            side.total += implied;
            if rho.is_finite() {
                side.penalty += rho * kl_term(r, w);
                side.dual += rho * (w - implied);
            } else if w > 0.0 {
                side.dual += w * p;
            }
        }
        side
    }

    /// The error in units of the implied mass.
    pub(crate) fn residual(&self) -> f64 {
        if self.total > 0.0 { self.error / self.total } else { 0.0 }
    }
}

/// r ln(r/w) − r + w.
fn kl_term(r: f64, w: f64) -> f64 {
    if r > 0.0 { r * libm::log(r / w) - r + w } else { w }
}
