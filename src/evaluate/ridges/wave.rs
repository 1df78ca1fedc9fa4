//! The plane wave that fits a print best around one point.
//!
//! Pixels in a window across the ridges are projected on the normal of the local direction (the
//! x-signature of Hong, Wan & Jain, PAMI 1998, section 2.4). Instead of counting the signature's
//! peaks, which is hopeless at three pixels a ridge, a sine and a constant are fitted to it by least
//! squares at each frequency: the generalised Lomb–Scargle periodogram (Zechmeister & Kürster, A&A
//! 496, 2009, equations 4–15). It is exact for a sine of any period, also where only one and a half
//! of them fit into the window.

use std::f32::consts::{PI, TAU};

/// Half-length of the window across the ridges, pixels.
const ACROSS: f32 = 12.5;
/// Half-length of the window along the ridges, pixels. Longer averages more noise away, shorter
/// follows curved ridges.
const ALONG: f32 = 6.5;
/// Sum of the weights in a window that is all foreground: the biweight's mean is 8/15.
const WHOLE: f32 = 4.0 * ACROSS * ALONG * (8.0 / 15.0) * (8.0 / 15.0);
/// Bins of the signature per pixel.
const FINENESS: f32 = 2.0;
const BINS: usize = 52;
/// The frequencies tried: 0.06, 0.07 … 0.52 cycles per pixel. A peak must lie inside.
const LOWEST: f32 = 0.06;
const STEP: f32 = 0.01;
const STEPS: usize = 47;

/// cos and sin of 2π·f·u for every bin's place u and every frequency f.
struct Table {
    cos: Vec<[f32; STEPS]>,
    sin: Vec<[f32; STEPS]>,
}

/// A plane that waves are fitted to.
pub(super) struct Fitter<'a> {
    /// Ink without its slow variation, `height` rows of `width` values.
    pub ink: &'a [f32],
    pub mask: &'a [bool],
    pub width: usize,
    pub height: usize,
    table: Table,
}

/// `mean + amplitude·cos(2π·frequency·u − phase)`, u in pixels from the centre along the normal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave {
    pub x: f32,
    pub y: f32,
    /// Unit vector across the ridges.
    pub normal: [f32; 2],
    /// Cycles per pixel.
    pub frequency: f32,
    /// Of the cosine, in turns.
    pub phase: f32,
    /// Ink between ridge and valley.
    pub mean: f32,
    /// Share of the ink's variance in the window that the wave explains, 0–1.
    pub explained: f32,
}

impl Wave {
    /// Whether the wave has a ridge (more ink) rather than a valley at a pixel.
    pub fn is_ridge(&self, x: usize, y: usize) -> bool {
        let across = (x as f32 - self.x) * self.normal[0] + (y as f32 - self.y) * self.normal[1];
        let turns = self.frequency * across - self.phase;
        (turns - turns.round()).abs() < 0.25
    }
}

/// Weighted sums of the signature and of the pixels it is made of.
struct Signature {
    weight: [f32; BINS],
    ink: [f32; BINS],
    total: f32,
    mean: f32,
    /// Of the pixels, not of the signature: noise along the ridges counts.
    variance: f32,
}

impl<'a> Fitter<'a> {
    pub fn new(ink: &'a [f32], mask: &'a [bool], width: usize, height: usize) -> Self {
        let mut table = Table { cos: vec![[0.0; STEPS]; BINS], sin: vec![[0.0; STEPS]; BINS] };
        for bin in 0..BINS {
            // Turn from frequency to frequency instead of asking for a sine each time.
            let (mut sin, mut cos) = f64::from(TAU * LOWEST * place(bin)).sin_cos();
            let (turn_sin, turn_cos) = f64::from(TAU * STEP * place(bin)).sin_cos();
            for step in 0..STEPS {
                (table.cos[bin][step], table.sin[bin][step]) = (cos as f32, sin as f32);
                (cos, sin) = (cos * turn_cos - sin * turn_sin, sin * turn_cos + cos * turn_sin);
            }
        }
        Self { ink, mask, width, height, table }
    }

    /// The wave around pixel (`x`, `y`) whose ridges run along `direction`; `None` where less than
    /// a quarter of the window is foreground, nothing varies, or no frequency stands out.
    pub fn fit(&self, x: usize, y: usize, direction: f32) -> Option<Wave> {
        let (sin, cos) = direction.sin_cos();
        let normal = [-sin, cos];
        let signature = self.signature(x, y, normal)?;
        let powers = self.powers(&signature);
        let best = (1..STEPS - 1)
            .filter(|&k| powers[k] > powers[k - 1] && powers[k] >= powers[k + 1])
            .max_by(|&a, &b| powers[a].total_cmp(&powers[b]).then(b.cmp(&a)))?;
        let frequency = refine(&powers, best);
        let phase = phase(&signature, frequency);
        let explained = (powers[best] / signature.variance).clamp(0.0, 1.0);
        let (x, y) = (x as f32, y as f32);
        let wave = Wave { x, y, normal, frequency, phase, mean: signature.mean, explained };
        wave.explained.is_finite().then_some(wave)
    }

    /// Projects the window's foreground on the normal.
    fn signature(&self, x: usize, y: usize, normal: [f32; 2]) -> Option<Signature> {
        let mut weights = [0f32; BINS + 1];
        let mut inks = [0f32; BINS + 1];
        let (mut total, mut sum, mut squares) = (0f32, 0f32, 0f32);
        // The half sides of the upright box around the turned window.
        let reach = |a: f32, b: f32| (ACROSS * a.abs() + ALONG * b.abs()) as usize;
        let (wide, high) = (reach(normal[0], normal[1]), reach(normal[1], normal[0]));
        for row in y.saturating_sub(high)..(y + high + 1).min(self.height) {
            let dy = row as f32 - y as f32;
            for column in x.saturating_sub(wide)..(x + wide + 1).min(self.width) {
                let at = row * self.width + column;
                let dx = column as f32 - x as f32;
                let across = dx * normal[0] + dy * normal[1];
                let along = dx * normal[1] - dy * normal[0];
                if !self.mask[at] || across.abs() >= ACROSS || along.abs() >= ALONG {
                    continue;
                }
                let weight = window(across / ACROSS) * window(along / ALONG);
                let ink = self.ink[at];
                total += weight;
                sum += weight * ink;
                squares += weight * ink * ink;
                // Shared among two bins, so that the pixels' mean place is kept.
                let place = (across + ACROSS) * FINENESS;
                let bin = (place as usize).min(BINS - 1);
                let upper = weight * (place - bin as f32);
                weights[bin] += weight - upper;
                weights[bin + 1] += upper;
                inks[bin] += (weight - upper) * ink;
                inks[bin + 1] += upper * ink;
            }
        }
        if total < WHOLE / 4.0 {
            return None;
        }
        let mean = sum / total;
        let variance = squares / total - mean * mean;
        let mut signature =
            Signature { weight: [0.0; BINS], ink: [0.0; BINS], total, mean, variance };
        signature.weight.copy_from_slice(&weights[..BINS]);
        signature.ink.copy_from_slice(&inks[..BINS]);
        // A tenth of a grey level.
        (variance > (0.1f32 / 255.0).powi(2)).then_some(signature)
    }

    /// The variance that a sine explains, at each frequency: p(ω)·YY of Zechmeister & Kürster.
    fn powers(&self, signature: &Signature) -> [f32; STEPS] {
        let mut sums = [[0f32; STEPS]; 7];
        let [c, s, cc, ss, cs, yc, ys] = &mut sums;
        for bin in 0..BINS {
            let weight = signature.weight[bin] / signature.total;
            let ink = signature.ink[bin] / signature.total - weight * signature.mean;
            let (cos, sin) = (&self.table.cos[bin], &self.table.sin[bin]);
            for k in 0..STEPS {
                let (wc, ws) = (weight * cos[k], weight * sin[k]);
                c[k] += wc;
                s[k] += ws;
                cc[k] += wc * cos[k];
                ss[k] += ws * sin[k];
                cs[k] += wc * sin[k];
                yc[k] += ink * cos[k];
                ys[k] += ink * sin[k];
            }
        }
        std::array::from_fn(|k| {
            // Sharing among two bins is a triangular blur of the signature.
            let blur = sinc(frequency(k) / FINENESS).powi(4);
            let (cc, ss) = (cc[k] - c[k] * c[k], ss[k] - s[k] * s[k]);
            let cs = cs[k] - c[k] * s[k];
            let determinant = cc * ss - cs * cs;
            if determinant < 1e-4 {
                return 0.0;
            }
            let (yc, ys) = (yc[k], ys[k]);
            (ss * yc * yc + cc * ys * ys - 2.0 * cs * yc * ys) / (determinant * blur)
        })
    }
}

/// Frequency number `k`, cycles per pixel.
fn frequency(k: usize) -> f32 {
    LOWEST + STEP * k as f32
}

/// sin(πx)/(πx), not at 0.
fn sinc(x: f32) -> f32 {
    (PI * x).sin() / (PI * x)
}

/// The peak's frequency by a parabola through the powers at `best` and beside it.
///
/// A pixel is the mean over its square, which damps short periods more; where the period varies
/// inside the window this would pull the peak towards the long ones. Undone here, not when peaks
/// are compared: there it would lift noise.
fn refine(powers: &[f32; STEPS], best: usize) -> f32 {
    let power = |k: usize| powers[k] / sinc(frequency(k)).powi(2);
    let [left, middle, right] = [power(best - 1), power(best), power(best + 1)];
    let bend = left - 2.0 * middle + right;
    let offset = if bend < 0.0 { 0.5 * (left - right) / bend } else { 0.0 };
    frequency(best) + STEP * offset.clamp(-1.0, 1.0)
}

/// Where the signature's bin lies, pixels from the centre.
fn place(bin: usize) -> f32 {
    bin as f32 / FINENESS - ACROSS
}

/// Tukey's biweight on (−1, 1): nearly Hann's window, without a cosine for every pixel.
fn window(t: f32) -> f32 {
    (1.0 - t * t).powi(2)
}

/// The phase in turns of the cosine that correlates most with the signature.
fn phase(signature: &Signature, frequency: f32) -> f32 {
    let (mut re, mut im) = (0f32, 0f32);
    for bin in 0..BINS {
        let (sin, cos) = (TAU * frequency * place(bin)).sin_cos();
        let ink = signature.ink[bin] - signature.weight[bin] * signature.mean;
        re += ink * cos;
        im += ink * sin;
    }
    im.atan2(re) / TAU
}
