//! Every bridge starts and ends at its cells and obeys its own differential equations.

use chreode::Scales;
use chreode::bridge::{
    BridgeKind, BridgeState, Ends, birth, birth_time_of_share, death, death_time_of_share,
};

const SIGMA: f64 = 0.3;
const DELTA: f64 = 0.8;

const BRIDGES: &[BridgeKind] = BridgeKind::ALL;

/// Displacements, end masses and interval lengths, reach limits included.
fn cases() -> Vec<(f64, (f64, f64), f64)> {
    let mut cases = vec![];
    for displacement in [0.0, 1e-9, 0.3, 1.7, 0.999 * std::f64::consts::PI * DELTA] {
        for masses in [(1.0, 1.0), (2.0, 0.5), (0.01, 3.0)] {
            for h in [1.0, 0.25, 7.0] {
                cases.push((displacement, masses, h));
            }
        }
    }
    cases
}

/// The state of the bridge of a kind, for cells that are `displacement` apart and an interval of length `h`.
fn state(
    kind: BridgeKind,
    (displacement, (sent, received), length): (f64, (f64, f64), f64),
    r: f64,
) -> BridgeState {
    let bridge = kind.build(&Scales { sigma: SIGMA, delta: DELTA }).unwrap();
    bridge.state(&Ends { distance2: displacement * displacement, sent, received, start: 0.0, length }, r)
}

#[test]
fn bridges_begin_and_end_at_their_cells() {
    for &bridge in BRIDGES {
        for case in cases() {
            let (start, end) = (state(bridge, case, 0.0), state(bridge, case, 1.0));
            assert!(start.along.abs() < 1e-12 && (end.along - 1.0).abs() < 1e-9, "{bridge:?} {case:?}");
            assert!(start.spread.abs() + end.spread.abs() < 1e-12, "{bridge:?} {case:?}");
            assert!((start.relative_mass - 1.0).abs() < 1e-12, "{bridge:?} {case:?}");
            if bridge.facts().grows {
                let (m0, m1) = case.1;
                assert!((end.relative_mass / (m1 / m0) - 1.0).abs() < 1e-12, "{bridge:?} {case:?}");
            }
        }
    }
}

#[test]
fn velocity_and_growth_are_the_derivatives_of_place_and_mass() {
    // Central differences: rounding 1e-16/1e-5 and truncation 1e-10 times third derivatives, which are of order 1 but
    // for nearly opposite points of the cone, whose mass nearly vanishes on the way (hence relative to the value).
    let step = 1e-5;
    for &bridge in BRIDGES {
        for case in cases() {
            for r in [0.05, 0.3, 0.5, 0.77, 0.95] {
                let (before, at, after) =
                    (state(bridge, case, r - step), state(bridge, case, r), state(bridge, case, r + step));
                let dt = 2.0 * step * case.2;
                for (what, got, want) in [
                    ("along", at.velocity_along, (after.along - before.along) / dt),
                    ("spread", at.velocity_spread, (after.spread - before.spread) / dt),
                    ("growth", at.growth, (after.relative_mass / before.relative_mass).ln() / dt),
                ] {
                    let tolerance = 1e-6 * (1.0 + want.abs()) / case.2.min(1.0);
                    assert!(
                        (got - want).abs() < tolerance,
                        "{bridge:?} {case:?} r {r}: {what} {got} vs {want}"
                    );
                }
            }
        }
    }
}

/// E φ(x) for x normal about `mean`, by the trapezium rule, which converges geometrically here.
fn expectation(mean: f64, sd: f64, phi: impl Fn(f64, f64) -> f64) -> f64 {
    if sd == 0.0 {
        return phi(mean, 0.0);
    }
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (-160..=160).map(|i| f64::from(i) / 16.0).map(|z| density(z) * phi(mean + sd * z, z) / 16.0).sum()
}

#[test]
fn both_continuity_equations_hold_weakly() {
    // d/dt ∫φρ = ∫(φ'v + gφ)ρ (flow) = ∫(φ'(v+s) + ½σ²φ'' + gφ)ρ (diffusion), for φ = sin(x + 0.4).
    let (phi, d_phi, d2_phi) =
        (|x: f64| (x + 0.4).sin(), |x: f64| (x + 0.4).cos(), |x: f64| -(x + 0.4).sin());
    let step = 1e-5;
    for &bridge in BRIDGES {
        for case in cases() {
            let (x0, displacement, h) = (0.2, case.0, case.2);
            for r in [0.1, 0.4, 0.8] {
                let total = |r: f64| {
                    let at = state(bridge, case, r);
                    let mean = x0 + at.along * displacement;
                    at.relative_mass * expectation(mean, at.spread, |x, _| phi(x))
                };
                let slope = (total(r + step) - total(r - step)) / (2.0 * step * h);
                let at = state(bridge, case, r);
                let mean = x0 + at.along * displacement;
                let velocity = |z: f64| at.velocity_along * displacement + at.velocity_spread * z;
                let flow = at.relative_mass
                    * expectation(mean, at.spread, |x, z| d_phi(x) * velocity(z) + at.growth * phi(x));
                let tolerance = 1e-6 * (1.0 + slope.abs()) / h.min(1.0);
                assert!((slope - flow).abs() < tolerance, "{bridge:?} {case:?} r {r}: {slope} vs {flow}");
                let sigma = if bridge.facts().noise.is_some() { SIGMA } else { 0.0 };
                if sigma > 0.0 {
                    let score = |z: f64| -z / at.score_weight;
                    let diffusion = at.relative_mass
                        * expectation(mean, at.spread, |x, z| {
                            d_phi(x) * (velocity(z) + score(z))
                                + 0.5 * sigma * sigma * d2_phi(x)
                                + at.growth * phi(x)
                        });
                    assert!(
                        (slope - diffusion).abs() < tolerance,
                        "{bridge:?} {case:?} r {r}: {slope} vs {diffusion}"
                    );
                }
            }
        }
    }
}

#[test]
fn travelling_dirac_agrees_with_the_published_form() {
    // m(r) = A r² − 2B r + m0 with A = m0 + m1 − 2√(m0 m1) cos θ, B = m0 − √(m0 m1) cos θ; constant momentum.
    for (displacement, (m0, m1), h) in cases() {
        let theta = displacement / (2.0 * DELTA);
        let s = (m0 * m1).sqrt() * theta.cos();
        let (a, b) = (m0 + m1 - 2.0 * s, m0 - s);
        let momentum = 2.0 * DELTA / h * (m0 * m1).sqrt() * theta.sin();
        for r in [0.0, 0.25, 0.6, 1.0] {
            let at = state(BridgeKind::TravellingDirac, (displacement, (m0, m1), h), r);
            let mass = a * r * r - 2.0 * b * r + m0;
            assert!((at.relative_mass * m0 - mass).abs() < 1e-12 * (m0 + m1));
            let got = at.relative_mass * m0 * at.velocity_along * displacement;
            assert!((got - momentum).abs() < 1e-11 * (1.0 + momentum), "{got} vs {momentum}");
            let growth = 2.0 / h * (a * r - b) / mass;
            assert!((at.growth - growth).abs() < 1e-9 * (1.0 + growth.abs()), "{} vs {growth}", at.growth);
        }
    }
}

#[test]
fn cells_without_a_partner_die_and_are_born_on_the_geodesic() {
    for h in [0.5, 2.0] {
        for r in [0.1, 0.5, 0.9] {
            let (death, birth) = (death(h, r), birth(h, r));
            assert_eq!((death.relative_mass, birth.relative_mass), ((1.0 - r) * (1.0 - r), r * r));
            assert!((death.growth + 2.0 / ((1.0 - r) * h)).abs() < 1e-12);
            assert!((birth.growth - 2.0 / (r * h)).abs() < 1e-12);
        }
    }
}

#[test]
fn times_come_in_proportion_to_the_mass_on_the_way() {
    for &kind in BRIDGES {
        let bridge = kind.build(&Scales { sigma: SIGMA, delta: DELTA }).unwrap();
        for (displacement, (sent, received), length) in cases() {
            let ends = Ends { distance2: displacement * displacement, sent, received, start: 0.0, length };
            let step = 1e-5;
            for r in [0.1, 0.5, 0.8] {
                let slope = (bridge.cumulative_mass(&ends, r + step)
                    - bridge.cumulative_mass(&ends, r - step))
                    / (2.0 * step);
                let mass = bridge.state(&ends, r).relative_mass;
                // Truncation 1e-10 times the mass's curvature, which is of the order of the larger end.
                assert!(
                    (slope - mass).abs() < 1e-8 * (1.0 + received / sent),
                    "{kind} at {r}: {slope}, mass {mass}"
                );
            }
            let range = (0.001, 0.999);
            let total = bridge.mean_mass(&ends, range) * (range.1 - range.0);
            for share in [0.0, 0.01, 0.4, 0.99, 1.0] {
                let r = bridge.time_of_share(&ends, range, share);
                let before = bridge.cumulative_mass(&ends, r) - bridge.cumulative_mass(&ends, range.0);
                assert!((before - share * total).abs() < 1e-9 * total, "{kind}: {share} at {r}");
                assert!((range.0 - 1e-9..=range.1 + 1e-9).contains(&r), "{kind}: {r}");
            }
        }
    }
    for share in [0.0, 0.2, 0.9] {
        let (death_time, birth_time) = (death_time_of_share(share), birth_time_of_share(share));
        // ∫₀^r (1−s)² ds = (1 − (1−r)³)/3 and ∫₀^r s² ds = r³/3, of 1/3 in all.
        assert!((1.0 - (1.0 - death_time).powi(3) - share).abs() < 1e-12);
        assert!((birth_time.powi(3) - share).abs() < 1e-12 && birth_time > 0.0);
    }
}
