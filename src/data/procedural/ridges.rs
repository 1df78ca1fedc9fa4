//! Ridges grown along the orientation field by Gabor filters, as in SFinGe (Cappelli, Maio &
//! Maltoni, "Synthetic fingerprint-image generation", ICPR 2000).
//!
//! A Gabor filter is a plane wave under a Gaussian; applied with the local direction and frequency
//! it strengthens what looks like ridges there and damps everything else. Repeated on a few random
//! seeds, with the amplitude made even in between, ridges spread until they meet. Where they meet
//! out of step they fork or end: minutiae arise by themselves.
//!
//! With u across the ridges, w along them and f the ridge frequency:
//!
//! ```text
//! even(u, w) = exp(−(u²/2s² + w²/2(es)²)) cos(2πfu)      s = 0.4036/f, e = 1.4
//! odd(u, w)  = the same with sin
//! ```
//!
//! Each kernel has its mean removed and Σ|k| = 1. All growing is done at 250 ppi, where a ridge
//! period is about four pixels: a kernel has a quarter of the taps and there are a quarter of the
//! pixels. The last step filters with both kernels; the pair is the local wave
//! A(cos ψ, sin ψ), and cos ψ = even/A has ridges of the same height everywhere, without the beads
//! that a varying A leaves. `even` and A vary slowly enough to be interpolated to 500 ppi; near a
//! minutia, where A vanishes, a small constant keeps the quotient smooth.

use std::sync::OnceLock;

use super::field::{Field, quick_normal, smooth_step, soft_sign};
use super::orientation::{Orientation, half_position};
use crate::rng::Sequence;

/// Columns of a master at 500 ppi: the widest view, 240, and a margin for moving and turning.
pub const MASTER_WIDTH: usize = 288;
/// Rows of a master at 500 ppi: the tallest view, 258, and a margin.
pub const MASTER_HEIGHT: usize = 304;
pub(super) const HALF_WIDTH: usize = MASTER_WIDTH / 2;
pub(super) const HALF_HEIGHT: usize = MASTER_HEIGHT / 2;

const ORIENTATIONS: usize = 48;
/// Ridge periods of the bank in pixels at 250 ppi: 2.8, 3.1 … 5.5.
const PERIODS: usize = 10;
const SHORTEST: f64 = 2.8;
const PERIOD_STEP: f64 = 0.3;

/// A kernel spans 15 × 15 pixels; rows are padded to 16 values, a whole number of SIMD vectors.
const RADIUS: usize = 7;
const ROWS: usize = 2 * RADIUS + 1;
const LANES: usize = 16;
const TAPS: usize = ROWS * LANES;

const ITERATIONS: usize = 9;
/// How much longer than wide a kernel's Gaussian is.
const ELONGATION: f64 = 1.4;
/// 32 random bits below this make a seed: 1 % of the pixels at 250 ppi.
const SEEDS_BELOW: u32 = (0.010 * u32::MAX as f64) as u32;

type Kernel = [f32; TAPS];

/// The kernels of every orientation and period: entry `period · ORIENTATIONS + orientation`.
struct Bank {
    even: Vec<Kernel>,
    odd: Vec<Kernel>,
}

impl Bank {
    /// The one bank, computed on first use: it depends on nothing.
    fn shared() -> &'static Self {
        static BANK: OnceLock<Bank> = OnceLock::new();
        BANK.get_or_init(|| {
            let kernels = |wave: fn(f64) -> f64| -> Vec<Kernel> {
                let entry = |i: usize| {
                    let period = SHORTEST + PERIOD_STEP * (i / ORIENTATIONS) as f64;
                    let theta =
                        std::f64::consts::PI * (i % ORIENTATIONS) as f64 / ORIENTATIONS as f64;
                    gabor(theta, period, wave)
                };
                (0..ORIENTATIONS * PERIODS).map(entry).collect()
            };
            Self { even: kernels(f64::cos), odd: kernels(f64::sin) }
        })
    }

    /// The entry nearest to a direction (radians) and a period (pixels at 250 ppi).
    fn nearest(theta: f32, period: f32) -> u16 {
        let turns = f64::from(theta) / std::f64::consts::PI;
        let orientation = ((turns - turns.floor()) * ORIENTATIONS as f64).round() as usize;
        let step = ((f64::from(period) - SHORTEST) / PERIOD_STEP).round().max(0.0) as usize;
        (step.min(PERIODS - 1) * ORIENTATIONS + orientation % ORIENTATIONS) as u16
    }
}

/// One kernel: ridges run along `theta` (y upward), one every `period` pixels.
fn gabor(theta: f64, period: f64, wave: fn(f64) -> f64) -> Kernel {
    let (sin, cos) = theta.sin_cos();
    let s = 0.4036 * period;
    let mut kernel = [0.0f64; TAPS];
    for row in 0..ROWS {
        for column in 0..ROWS {
            let (x, y) = (column as f64 - RADIUS as f64, RADIUS as f64 - row as f64);
            let (along, across) = (x * cos + y * sin, y * cos - x * sin);
            let bell = -0.5 * ((across / s).powi(2) + (along / (ELONGATION * s)).powi(2));
            kernel[row * LANES + column] =
                bell.exp() * wave(std::f64::consts::TAU * across / period);
        }
    }
    let mean = kernel.iter().sum::<f64>() / (ROWS * ROWS) as f64;
    for row in kernel.chunks_exact_mut(LANES) {
        row[..ROWS].iter_mut().for_each(|v| *v -= mean);
    }
    let weight: f64 = kernel.iter().map(|v| v.abs()).sum();
    kernel.map(|v| (v / weight) as f32)
}

/// The half-resolution pixels on which ridges grow, with the kernel of each, and a border of
/// zeros around the grid so that no window leaves it.
struct Growth {
    /// First and last + 1 column of every row.
    spans: Vec<(usize, usize)>,
    /// Kernel numbers, `HALF_WIDTH · HALF_HEIGHT`.
    kernels: Vec<u16>,
    padded: Vec<f32>,
}

impl Growth {
    const STRIDE: usize = HALF_WIDTH + LANES;

    fn new(orientation: &Field, period: &Field) -> Self {
        let spans = (0..HALF_HEIGHT).map(skin_span).collect();
        let kernels =
            orientation.data.iter().zip(&period.data).map(|(t, p)| Bank::nearest(*t, *p)).collect();
        let padded = vec![0.0; Self::STRIDE * (HALF_HEIGHT + 2 * RADIUS)];
        Self { spans, kernels, padded }
    }

    /// Filters every pixel of the skin with its own kernel; the rest of `out` stays as it was.
    fn filter(&mut self, source: &Field, bank: &[Kernel], out: &mut Field) {
        for (y, line) in source.data.chunks_exact(HALF_WIDTH).enumerate() {
            let start = (y + RADIUS) * Self::STRIDE + RADIUS;
            self.padded[start..start + HALF_WIDTH].copy_from_slice(line);
        }
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx") {
            // SAFETY: the processor has AVX, the only thing the function asks for.
            return unsafe { self.filter_avx(bank, out) };
        }
        self.filter_with(correlate, bank, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx")]
    fn filter_avx(&self, bank: &[Kernel], out: &mut Field) {
        self.filter_with(|window, kernel| correlate_avx(window, kernel), bank, out);
    }

    #[inline(always)]
    fn filter_with(
        &self,
        correlate: impl Fn(&[f32], &Kernel) -> f32,
        bank: &[Kernel],
        out: &mut Field,
    ) {
        for (y, (first, last)) in self.spans.iter().enumerate() {
            for x in *first..*last {
                let i = y * HALF_WIDTH + x;
                let window = &self.padded[y * Self::STRIDE + x..];
                out.data[i] = correlate(window, &bank[usize::from(self.kernels[i])]);
            }
        }
    }
}

/// Σ window · kernel, in sixteen running sums.
fn correlate(window: &[f32], kernel: &Kernel) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (row, taps) in kernel.chunks_exact(LANES).enumerate() {
        let line = &window[row * Growth::STRIDE..][..LANES];
        for lane in 0..LANES {
            sums[lane] += line[lane] * taps[lane];
        }
    }
    let halves: [f32; 8] = std::array::from_fn(|i| sums[i] + sums[i + 8]);
    add_up(halves)
}

/// [`correlate`] in vectors of eight, four times as fast: compilers leave the loop above scalar.
/// The sums are the same ones in the same order, without fused multiplications, so the bits are too.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[inline]
fn correlate_avx(window: &[f32], kernel: &Kernel) -> f32 {
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_loadu_ps, _mm256_mul_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    };
    let window = &window[..(ROWS - 1) * Growth::STRIDE + LANES];
    // SAFETY: eight values are read from a reference to eight values.
    let load = |v: &[f32; 8]| unsafe { _mm256_loadu_ps(v.as_ptr()) };
    let (mut low, mut high) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for row in 0..ROWS {
        let (line, _) = window[row * Growth::STRIDE..][..LANES].as_chunks::<8>();
        let (taps, _) = kernel[row * LANES..][..LANES].as_chunks::<8>();
        low = _mm256_add_ps(low, _mm256_mul_ps(load(&line[0]), load(&taps[0])));
        high = _mm256_add_ps(high, _mm256_mul_ps(load(&line[1]), load(&taps[1])));
    }
    let mut halves = [0.0; 8];
    // SAFETY: `halves` holds eight values.
    unsafe { _mm256_storeu_ps(halves.as_mut_ptr(), _mm256_add_ps(low, high)) };
    add_up(halves)
}

fn add_up(v: [f32; 8]) -> f32 {
    ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
}

/// Columns of a half-resolution row that hold skin: a superellipse over the master.
pub(super) fn skin_span(row: usize) -> (usize, usize) {
    let y = (row as f64 + 0.5) / HALF_HEIGHT as f64 * 2.0 - 1.0;
    // Straight sides below the middle, a rounded top.
    let half = if y < 0.0 { (1.0 - (-y).powf(2.4)).powf(1.0 / 2.4) } else { 1.0 };
    let half = half * HALF_WIDTH as f64 / 2.0;
    let centre = HALF_WIDTH as f64 / 2.0;
    ((centre - half).round() as usize, (centre + half).round() as usize)
}

/// The ridge period at the pixels of the half-resolution grid, in those pixels.
///
/// `mean` is in pixels at 500 ppi. The period varies smoothly by ±0.5 and is 0.8 longer below the
/// deltas, where ridges are coarser; all within 6–11.
pub(super) fn period_grid(mean: f64, orientation: &Orientation, rng: &mut Sequence) -> Field {
    let noise = Field::smooth_noise(HALF_WIDTH, HALF_HEIGHT, 10.0, rng);
    let lowest = orientation.deltas().iter().map(|d| d.y).fold(-45.0, f64::min);
    Field::from_fn(HALF_WIDTH, HALF_HEIGHT, |column, row| {
        let (_, y) = half_position(column, row);
        let below = smooth_step(-15.0, 35.0, (lowest - y) as f32);
        let period = mean as f32 + 0.5 * noise.at(column, row) + 0.8 * below;
        0.5 * period.clamp(6.0, 11.0)
    })
}

/// Grows the ridges of one finger: cos ψ at 500 ppi, `MASTER_WIDTH` × `MASTER_HEIGHT`, 1 on the
/// crest of a ridge and −1 in the middle of a valley; 0 where there is no skin.
pub(super) fn grow(orientation: &Field, period: &Field, rng: &mut Sequence) -> Field {
    let bank = Bank::shared();
    let mut growth = Growth::new(orientation, period);
    let mut wave = Field::from_fn(HALF_WIDTH, HALF_HEIGHT, |_, _| {
        let seed = if rng.next_u32() < SEEDS_BELOW { 1.0 } else { 0.0 };
        seed + 0.02 * quick_normal(rng)
    });
    let mut filtered = Field::filled(HALF_WIDTH, HALF_HEIGHT, 0.0);
    for _ in 0..ITERATIONS {
        growth.filter(&wave, &bank.even, &mut filtered);
        let rms = filtered.local_rms(6);
        for ((out, value), rms) in wave.data.iter_mut().zip(&filtered.data).zip(&rms.data) {
            *out = soft_sign(1.6 * value / (rms + 1e-6));
        }
    }
    growth.filter(&wave, &bank.even, &mut filtered);
    let mut odd = Field::filled(HALF_WIDTH, HALF_HEIGHT, 0.0);
    growth.filter(&wave, &bank.odd, &mut odd);
    let amplitude = Field {
        data: filtered.data.iter().zip(&odd.data).map(|(e, o)| (e * e + o * o).sqrt()).collect(),
        ..odd
    };
    let (even, amplitude) = (filtered.doubled(), amplitude.doubled());
    let quotient = |(e, a): (&f32, &f32)| (e / (a * a + 1e-3).sqrt()).clamp(-1.0, 1.0);
    Field { data: even.data.iter().zip(&amplitude.data).map(quotient).collect(), ..even }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn both_correlations_give_the_same_bits() {
        if !std::is_x86_feature_detected!("avx") {
            return;
        }
        let mut rng = Sequence::new(1, crate::rng::Stream::Finger, 0, 0);
        let window: Vec<f32> = (0..ROWS * Growth::STRIDE).map(|_| quick_normal(&mut rng)).collect();
        for kernel in &Bank::shared().odd {
            // SAFETY: AVX was detected.
            let vector = unsafe { correlate_avx(&window, kernel) };
            assert_eq!(vector.to_bits(), correlate(&window, kernel).to_bits());
        }
    }

    /// A plane wave along the kernel's own direction passes; one across it does not.
    #[test]
    fn kernels_are_tuned_to_their_direction_and_period() {
        for (i, kernel) in Bank::shared().even.iter().enumerate() {
            let period = SHORTEST + PERIOD_STEP * (i / ORIENTATIONS) as f64;
            let theta = std::f64::consts::PI * (i % ORIENTATIONS) as f64 / ORIENTATIONS as f64;
            let response = |angle: f64| {
                let (sin, cos) = angle.sin_cos();
                let mut window = vec![0.0; ROWS * Growth::STRIDE];
                for row in 0..ROWS {
                    for column in 0..ROWS {
                        let (x, y) = (column as f64 - 7.0, 7.0 - row as f64);
                        let across = y * cos - x * sin;
                        window[row * Growth::STRIDE + column] =
                            (std::f64::consts::TAU * across / period).cos() as f32;
                    }
                }
                correlate(&window, kernel)
            };
            let (own, crossed) = (response(theta), response(theta + std::f64::consts::FRAC_PI_2));
            assert!(own > 0.7 && crossed.abs() < 0.1 * own, "kernel {i}: {own}, {crossed}");
        }
    }
}
