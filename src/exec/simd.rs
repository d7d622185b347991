//! Elementary functions that the compiler can vectorise, and the runtime dispatch that lets it.
//!
//! The hot loops of transport and of the activations are plain loops over slices that call these functions
//! inside [`vectorised`]: branch-free polynomials, so that AVX2 and FMA are used where the machine has them. The
//! results depend on the machine's instruction set in the last bit, never on the number of threads.

/// Runs `work`, which should be `#[inline(always)]` code, compiled for the best instruction set of this machine.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
/// 1.5·2^52: adding it to a number rounds that to an integer, held in the low bits of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// A polynomial by Horner's rule, the coefficient of the highest power first.
macro_rules! polynomial {
    ($x:expr; $highest:expr $(, $next:expr)* $(,)?) => {{
        let p = $highest;
        $(let p = $x.mul_add(p, $next);)*
        p
    }};
}

/// x = n ln 2 + r with |r| ≤ ln 2/2: gives r and 2^n. To be called with −708 ≤ x ≤ 709.
#[inline(always)]
fn reduced(x: f64) -> (f64, f64) {
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, x));
    (r, f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52)))
}

/// e^x to 1 ulp; 0 below −708, and above 709 the largest power.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let (r, scale) = reduced(x.clamp(-708.0, 709.0));
    // Taylor to degree 13: |r| ≤ ln2/2, so the remainder is below 4e-18.
    let p = polynomial!(
        r;
        1.0 / 6_227_020_800.0, 1.0 / 479_001_600.0, 1.0 / 39_916_800.0, 1.0 / 3_628_800.0,
        1.0 / 362_880.0, 1.0 / 40_320.0, 1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0,
        1.0 / 6.0, 0.5, 1.0, 1.0,
    );
    if x < -708.0 { 0.0 } else { p * scale }
}

/// e^x − 1 to 2 ulp; −1 below −708, and above 709 the largest power.
#[inline(always)]
pub fn expm1(x: f64) -> f64 {
    let (r, scale) = reduced(x.clamp(-708.0, 709.0));
    // (e^r − 1)/r, as in `exp`: for small x the scale is 1 and nothing cancels.
    let p = polynomial!(
        r;
        1.0 / 6_227_020_800.0, 1.0 / 479_001_600.0, 1.0 / 39_916_800.0, 1.0 / 3_628_800.0,
        1.0 / 362_880.0, 1.0 / 40_320.0, 1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0,
        1.0 / 6.0, 0.5, 1.0,
    );
    if x < -708.0 { -1.0 } else { scale.mul_add(p * r, scale - 1.0) }
}

/// ln x to 1 ulp for positive normal x; −∞ below the smallest normal number.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    // Split x = 2^e·m with m in [√½, √2).
    let offset = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let m = f64::from_bits((offset & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcd));
    // offset >> 52 is e mod 2^12, biased here by 2048 so that it is positive, and placed in a float's low bits.
    let biased = (offset >> 52).wrapping_add(2048) & 0xfff;
    let e = f64::from_bits(biased | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 2048.0);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    // 2 artanh(s), |s| ≤ 0.1716.
    let p = polynomial!(
        z;
        1.0 / 23.0, 1.0 / 21.0, 1.0 / 19.0, 1.0 / 17.0, 1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0,
        1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0,
    );
    let tail = 2.0 * s * z * p;
    let value = e.mul_add(LN2_HI, e.mul_add(LN2_LO, tail) + 2.0 * s);
    if x < f64::MIN_POSITIVE { f64::NEG_INFINITY } else { value }
}

/// The sine and the cosine of 2πu for 0 ≤ u ≤ 1, to 2⁻⁵².
#[inline(always)]
pub fn sincos_of_turns(u: f64) -> (f64, f64) {
    // The nearest quarter, and what is left of it, at most an eighth of a turn.
    let shifted = u.mul_add(4.0, ROUND);
    let quarter = shifted.to_bits();
    let r = std::f64::consts::TAU * (shifted - ROUND).mul_add(-0.25, u);
    let z = r * r;
    // Taylor to degrees 15 and 16: |r| ≤ π/4, so the remainders are below 5e-17.
    let sine = polynomial!(
        z;
        -1.0 / 1_307_674_368_000.0, 1.0 / 6_227_020_800.0, -1.0 / 39_916_800.0, 1.0 / 362_880.0, -1.0 / 5_040.0,
        1.0 / 120.0, -1.0 / 6.0,
    );
    let sine = (r * z).mul_add(sine, r);
    let cosine = polynomial!(
        z;
        1.0 / 20_922_789_888_000.0, -1.0 / 87_178_291_200.0, 1.0 / 479_001_600.0, -1.0 / 3_628_800.0,
        1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0,
    );
    let (a, b) = if quarter & 1 == 0 { (sine, cosine) } else { (cosine, -sine) };
    if quarter & 2 == 0 { (a, b) } else { (-a, -b) }
}

/// Σ x in eight interleaved partial sums, the order that vectorises.
#[inline(always)]
pub fn sum(values: &[f64]) -> f64 {
    let (tiles, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0f64; 8];
    for tile in tiles {
        for l in 0..8 {
            lanes[l] += tile[l];
        }
    }
    lanes.iter().chain(rest).sum()
}

/// e^x in single precision to 1 ulp; 0 below −87, and above 88 the largest power.
#[inline(always)]
pub fn exp_f32(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5·2^23
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, clamped));
    let p = polynomial!(
        r;
        1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0,
    );
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { p * scale }
}

/// ln(1 + x) in single precision to 2 ulp, for 0 ≤ x ≤ 1.
#[inline(always)]
pub fn ln_1p_f32(x: f32) -> f32 {
    // 2 artanh(s) with s = x/(2+x) ≤ 1/3: no cancellation at small x, and the remainder is below 3e-9.
    let s = x / (2.0 + x);
    let z = s * s;
    let p = polynomial!(
        z;
        1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0,
    );
    let twice = 2.0 * s;
    (twice * z).mul_add(p, twice)
}

/// tanh x in single precision to 2 ulp.
#[inline(always)]
pub fn tanh_f32(x: f32) -> f32 {
    let magnitude = x.abs();
    // Near zero 1 − e^{−2|x|} cancels, so an odd polynomial takes over (S. L. Moshier, Cephes library, 1992).
    let z = x * x;
    let p = polynomial!(
        z;
        -5.704_988_7e-3, 2.063_909e-2, -5.373_971_5e-2, 1.333_144_2e-1, -0.333_332_8,
    );
    let near = (magnitude * z).mul_add(p, magnitude);
    let e = exp_f32(-2.0 * magnitude);
    let far = (1.0 - e) / (1.0 + e);
    (if magnitude < 0.625 { near } else { far }).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elementary_functions_agree_with_libm() {
        for i in 0..200_000 {
            let x = -720.0 + 1429.0 * f64::from(i) / 200_000.0;
            let (got, want) = (exp(x), if x < -708.0 { 0.0 } else { libm::exp(x) });
            assert!((got - want).abs() <= 4.0 * f64::EPSILON * want, "exp({x}) = {got}, libm {want}");
            let y = libm::exp(x / 2.0);
            let (got, want) = (ln(y), libm::log(y));
            assert!(
                (got - want).abs() <= 4.0 * f64::EPSILON * want.abs().max(1e-300),
                "ln({y}) = {got}, libm {want}"
            );
            let x = (x / 9.0) as f32;
            let (got, want) = (exp_f32(x), libm::expf(x));
            assert!((got - want).abs() <= 4.0 * f32::EPSILON * want, "expf({x}) = {got}, libm {want}");
        }
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert!(exp(f64::NAN).is_nan());
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn sines_and_cosines_of_turns_agree_with_libm() {
        for i in 0..=100_000 {
            let u = f64::from(i) / 100_000.0;
            let (got, want) = (sincos_of_turns(u), libm::sincos(std::f64::consts::TAU * u));
            // Libm's angle was rounded, by half of its last bit.
            let error = (got.0 - want.0).abs().max((got.1 - want.1).abs());
            assert!(error <= 8e-16, "sincos of {u} turns is {got:?}, libm {want:?}");
        }
        assert_eq!(sincos_of_turns(0.25), (1.0, 0.0));
    }

    #[test]
    fn single_precision_functions_agree_with_libm() {
        for i in 0..=400_000u32 {
            // From 1e-30 to 1, evenly in the logarithm.
            let x = libm::expf(-69.0 * (1.0 - i as f32 / 400_000.0));
            let (got, want) = (ln_1p_f32(x), libm::log1p(f64::from(x)) as f32);
            assert!((got - want).abs() <= 2.0 * f32::EPSILON * want, "ln_1p({x}) = {got}, libm {want}");
            for x in [x, -x, 20.0 * x, -20.0 * x] {
                let (got, want) = (tanh_f32(x), libm::tanh(f64::from(x)) as f32);
                assert!(
                    (got - want).abs() <= 2.0 * f32::EPSILON * want.abs(),
                    "tanh({x}) = {got}, libm {want}"
                );
            }
        }
        assert_eq!(ln_1p_f32(0.0), 0.0);
        assert_eq!(tanh_f32(0.0), 0.0);
        assert_eq!(tanh_f32(f32::INFINITY), 1.0);
        assert_eq!(tanh_f32(f32::NEG_INFINITY), -1.0);
        assert!(tanh_f32(f32::NAN).is_nan() && ln_1p_f32(f32::NAN).is_nan() && exp_f32(f32::NAN).is_nan());
    }
}
