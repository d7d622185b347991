//! Every bridge starts and ends at its cells and obeys its own differential equations.

use chreode::Scales;
use chreode::bridge::{
    BridgeKind, BridgeState, Ends, acceleration, birth, birth_time_of_share, death, death_time_of_share,
    trust_in_turn,
};
use rand::SeedableRng;

const SIGMA: f64 = 0.3;
const DELTA: f64 = 0.8;

const BRIDGES: &[BridgeKind] = BridgeKind::ALL;

/// Accelerations of place at the two cells, along the line that joins them, for a bridge that bends: per squared length of the
/// interval, as those of the log-mass.
const PLACE_BEND: [f64; 2] = [0.7, -1.3];
const LOG_MASS_BEND: [f64; 2] = [-0.9, 0.4];

/// What a bridge knows of cells that are `displacement` apart over an interval of length `h`.
fn ends((displacement, (sent, received), length): (f64, (f64, f64), f64)) -> Ends {
    let log_mass_acceleration = LOG_MASS_BEND.map(|bend| bend / (length * length));
    Ends { distance2: displacement * displacement, sent, received, start: 0.0, length, log_mass_acceleration }
}

/// How far a bridge has got, in one dimension, and how fast it is on average.
fn place(at: &BridgeState, (displacement, _, h): (f64, (f64, f64), f64)) -> (f64, f64) {
    let bend = |factors: [f64; 2]| (factors[0] * PLACE_BEND[0] + factors[1] * PLACE_BEND[1]) / (h * h);
    (at.along * displacement + bend(at.bend), at.velocity_along * displacement + bend(at.velocity_bend))
}

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

/// The state of the bridge of a kind.
fn state(kind: BridgeKind, case: (f64, (f64, f64), f64), r: f64) -> BridgeState {
    kind.build(&Scales { sigma: SIGMA, delta: DELTA }).unwrap().state(&ends(case), r)
}

#[test]
fn bridges_begin_and_end_at_their_cells() {
    for &bridge in BRIDGES {
        for case in cases() {
            let (start, end) = (state(bridge, case, 0.0), state(bridge, case, 1.0));
            assert!(start.along.abs() < 1e-12 && (end.along - 1.0).abs() < 1e-9, "{bridge:?} {case:?}");
            assert!(start.spread.abs() + end.spread.abs() < 1e-12, "{bridge:?} {case:?}");
            assert_eq!((start.bend, end.bend), ([0.0; 2], [0.0; 2]), "{bridge:?} {case:?}");
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
                    ("bend", at.velocity_bend[0], (after.bend[0] - before.bend[0]) / dt),
                    ("bend", at.velocity_bend[1], (after.bend[1] - before.bend[1]) / dt),
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
            let (x0, h) = (0.2, case.2);
            for r in [0.1, 0.4, 0.8] {
                let total = |r: f64| {
                    let at = state(bridge, case, r);
                    let mean = x0 + place(&at, case).0;
                    at.relative_mass * expectation(mean, at.spread, |x, _| phi(x))
                };
                let slope = (total(r + step) - total(r - step)) / (2.0 * step * h);
                let at = state(bridge, case, r);
                let (moved, speed) = place(&at, case);
                let (mean, velocity) = (x0 + moved, |z: f64| speed + at.velocity_spread * z);
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
        for case in cases() {
            let (ends, (sent, received)) = (ends(case), case.1);
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

#[test]
fn times_that_are_drawn_directly_have_the_law_of_those_of_shares() {
    let mut rng = rand::rngs::ChaCha8Rng::seed_from_u64(5);
    let (range, draws) = ((0.001, 0.999), 4000);
    for kind in [BridgeKind::PoissonBrownian, BridgeKind::Hermite] {
        let bridge = kind.build(&Scales { sigma: SIGMA, delta: DELTA }).unwrap();
        for (ratio, bends) in [(1.0, [2.0, -3.0]), (20.0, [-4.0, -4.0]), (0.02, [1.0, 9.0])] {
            let ends = Ends { received: ratio, log_mass_acceleration: bends, ..ends((0.0, (1.0, 1.0), 1.0)) };
            let total = bridge.mean_mass(&ends, range) * (range.1 - range.0);
            let share =
                |r| (bridge.cumulative_mass(&ends, r) - bridge.cumulative_mass(&ends, range.0)) / total;
            let mut times: Vec<f64> =
                (0..draws).filter_map(|_| bridge.draw_time(&ends, range, &mut rng)).collect();
            assert!(times.len() > draws * 9 / 10, "{kind} {ratio} {bends:?}: {}", times.len());
            times.sort_by(f64::total_cmp);
            let ranks =
                times.iter().enumerate().map(|(i, &r)| (share(r) - i as f64 / times.len() as f64).abs());
            // Kolmogorov's distance is beyond 1.95/√n once in a thousand times.
            let distance = ranks.fold(0.0, f64::max) * (times.len() as f64).sqrt();
            assert!(distance < 1.95, "{kind} {ratio} {bends:?}: {distance}");
        }
        // Of a constant rate there is a closed form, and all but no time has the mass of a steep peak.
        let of_bends = |bends| Ends { log_mass_acceleration: bends, ..ends((0.0, (1.0, 1.0), 1.0)) };
        assert_eq!(bridge.draw_time(&of_bends([0.0; 2]), range, &mut rng), None);
        assert_eq!(bridge.draw_time(&of_bends([-4000.0, 4000.0]), range, &mut rng), None);
    }
}

/// A hermite bridge between two cells of which nothing else is known.
fn straight_ends() -> impl Iterator<Item = Ends> {
    cases().into_iter().map(|case| Ends { log_mass_acceleration: [0.0; 2], ..ends(case) })
}

#[test]
fn without_accelerations_hermite_is_poisson_brownian_bit_for_bit() {
    let scales = Scales { sigma: SIGMA, delta: DELTA };
    let [hermite, straight] =
        [BridgeKind::Hermite, BridgeKind::PoissonBrownian].map(|kind| kind.build(&scales).unwrap());
    for ends in straight_ends() {
        for r in [0.001, 0.3, 0.5, 0.999] {
            let (a, b) = (hermite.state(&ends, r), straight.state(&ends, r));
            let unbent = BridgeState { bend: b.bend, velocity_bend: b.velocity_bend, ..a };
            assert_eq!(unbent, b);
            assert_eq!(hermite.cumulative_mass(&ends, r), straight.cumulative_mass(&ends, r));
        }
    }
}

/// A cell between two intervals of lengths `before` and `after` that moves along `path`: the hermite bridge on either side of it at
/// relative time `r`, with the acceleration that the three snapshots give for all cells.
fn bent(path: impl Fn(f64) -> f64, (before, after): (f64, f64), r: f64) -> [(f64, f64, f64); 2] {
    let (x, t) = ([path(-before), path(0.0), path(after)], [-before, 0.0, after]);
    let rate = |k: usize| (x[k + 1] - x[k]) / (t[k + 1] - t[k]);
    let acceleration = acceleration((rate(0), before), (rate(1), after));
    let bridge = BridgeKind::Hermite.build(&Scales { sigma: SIGMA, delta: DELTA }).unwrap();
    [0, 1].map(|k| {
        // The same path as a place and as a log-mass.
        let length = t[k + 1] - t[k];
        let ends = Ends {
            distance2: (x[k + 1] - x[k]).powi(2),
            sent: x[k].exp(),
            received: x[k + 1].exp(),
            start: t[k],
            length,
            log_mass_acceleration: [acceleration; 2],
        };
        let at = bridge.state(&ends, r);
        let place = x[k] + at.along * (x[k + 1] - x[k]) + (at.bend[0] + at.bend[1]) * acceleration;
        let velocity = at.velocity_along * (x[k + 1] - x[k])
            + (at.velocity_bend[0] + at.velocity_bend[1]) * acceleration;
        assert!((at.relative_mass.ln() - (place - x[k])).abs() < 1e-12, "log-mass as place");
        assert!((at.growth - velocity).abs() < 1e-12, "growth as velocity");
        (t[k] + r * length, place, velocity)
    })
}

#[test]
fn hermite_follows_constant_velocity_and_constant_acceleration_exactly() {
    for intervals in [(1.0, 1.0), (0.5, 1.5), (2.0, 1.0)] {
        for (velocity, acceleration) in [(0.7, 0.0), (0.7, -0.6), (0.0, 1.1)] {
            for r in [0.0, 0.2, 0.5, 0.9, 1.0] {
                let path = |t: f64| 0.3 + velocity * t + 0.5 * acceleration * t * t;
                for (t, place, slope) in bent(path, intervals, r) {
                    assert!((place - path(t)).abs() < 1e-12, "at {t}: {place} vs {}", path(t));
                    let want = velocity + acceleration * t;
                    assert!((slope - want).abs() < 1e-12, "at {t}: {slope} vs {want}");
                }
            }
        }
    }
}

#[test]
fn hermite_passes_a_snapshot_without_a_jump_and_heeds_the_nearer_interval() {
    // A path with a corner: at rest, then at speed 1.
    let corner = |t: f64| t.max(0.0);
    for (before, after) in [(1.0, 1.0), (1.0, 2.5), (3.0, 1.0)] {
        let [(_, _, from_left), _] = bent(corner, (before, after), 1.0);
        let [_, (_, _, from_right)] = bent(corner, (before, after), 0.0);
        let want = before / (before + after);
        assert!((from_left - want).abs() < 1e-12 && (from_right - want).abs() < 1e-12, "{from_left}");
    }
}

#[test]
fn a_short_interval_does_not_throw_a_long_one_off_its_course() {
    // At rest for a long time after a unit step: straight, the path stays at 1. The largest of r(1 − r)²·h²/2 is 2h²/27.
    for long in [10.0, 1e3, 1e6] {
        for r in [0.1, 1.0 / 3.0, 0.8] {
            let [_, (_, place, _)] = bent(|t| (1.0 + t).clamp(0.0, 1.0), (1.0, long), r);
            assert!((place - 1.0).abs() < 0.75, "{place} after {long}");
            let [(_, place, _), _] = bent(|t| (1.0 - t).clamp(0.0, 1.0), (long, 1.0), r);
            assert!((place - 1.0).abs() < 0.75, "{place} before {long}");
        }
    }
}

#[test]
fn turns_are_taken_for_bends_up_to_sixty_degrees_and_not_at_all_from_ninety() {
    let trust = |degrees: f64, speed: f64| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        trust_in_turn([0.3, 0.0].into_iter(), [speed * cos, speed * sin].into_iter())
    };
    for speed in [0.1, 4.0] {
        for (degrees, want) in [(0.0, 1.0), (30.0, 1.0), (59.0, 1.0), (90.0, 0.0), (140.0, 0.0), (180.0, 0.0)]
        {
            assert!((trust(degrees, speed) - want).abs() < 1e-12, "{degrees}: {}", trust(degrees, speed));
        }
        let between = 2.0 * 75f64.to_radians().cos();
        assert!((trust(75.0, speed) - between).abs() < 1e-12 && (0.5..0.6).contains(&between));
    }
    assert_eq!(trust(0.0, 0.0), 0.0);
}

#[test]
fn the_mass_on_a_bent_way_is_integrated_to_eleven_digits() {
    let bridge = BridgeKind::Hermite.build(&Scales { sigma: SIGMA, delta: DELTA }).unwrap();
    for (ratio, bends) in [(1.0, [0.5, 0.5]), (3.0, [-8.0, 5.0]), (1e-6, [20.0, -30.0]), (1e8, [60.0, 60.0])]
    {
        let ends = Ends { received: ratio, log_mass_acceleration: bends, ..ends((0.0, (1.0, 1.0), 1.0)) };
        // Simpson's rule on so many intervals that its error, (1/180)·step⁴ times fourth derivatives of at most 100⁴, is 1e-12.
        let (intervals, r) = (200_000, 0.8);
        let mass = |i: usize| bridge.state(&ends, r * i as f64 / f64::from(intervals)).relative_mass;
        let inner: f64 = (1..intervals as usize).map(|i| (2 + 2 * (i % 2)) as f64 * mass(i)).sum();
        let want = (mass(0) + inner + mass(intervals as usize)) * r / f64::from(3 * intervals);
        let got = bridge.cumulative_mass(&ends, r);
        assert!((got / want - 1.0).abs() < 1e-11, "{ratio} {bends:?}: {got} vs {want}");
    }
}
