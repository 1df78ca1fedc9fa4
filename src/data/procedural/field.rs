//! Scalar fields on a pixel grid: the arithmetic under the ridges and the impressions.
//!
//! Loops over pixels use additions, multiplications, divisions and square roots, which IEEE 754
//! rounds the same way everywhere: no print depends on the vector width or the number of threads.
//! Sines and logarithms come from the system's library in f64 and are rounded to f32, so a library
//! that differs in a last bit changes few prints, by single grey levels.

use crate::rng::Sequence;

/// A `width` × `height` field of f32 values, row-major, y downward.
#[derive(Clone, Debug)]
pub struct Field {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height · width` values; (x, y) lies at `y · width + x`.
    pub data: Vec<f32>,
}

impl Field {
    /// A field with the same value everywhere.
    pub fn filled(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, data: vec![value; width * height] }
    }

    /// A field computed from the pixel's column and row.
    pub fn from_fn(
        width: usize,
        height: usize,
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            data.extend((0..width).map(|x| value(x, y)));
        }
        Self { width, height, data }
    }

    /// The value at (x, y).
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    /// Smooth noise of mean 0 and variance 1: white noise on a coarse lattice, interpolated with
    /// the cubic B-spline.
    ///
    /// The B-spline of lattice spacing h is nearly a Gaussian of standard deviation h/√3, so the
    /// result is white noise blurred with `sigma` pixels at the cost of eight multiplications a
    /// pixel. Its variance, ∫B² = 151/315 a dimension, is divided out.
    pub fn smooth_noise(width: usize, height: usize, sigma: f64, rng: &mut Sequence) -> Self {
        const SPLINE_ENERGY: f64 = 151.0 / 315.0;
        let spacing = sigma * 3f64.sqrt();
        let columns = lattice_size(width, spacing);
        let rows = lattice_size(height, spacing);
        // A random shift of the lattice hides its nodes.
        let (shift_x, shift_y) = (rng.uniform(), rng.uniform());
        let nodes: Vec<f32> =
            (0..columns * rows).map(|_| quick_normal(rng) / SPLINE_ENERGY as f32).collect();
        let across: Vec<_> = (0..width).map(|x| spline_weights(x, spacing, shift_x)).collect();
        let mut wide = vec![0.0; width * rows];
        for (line, out) in nodes.chunks_exact(columns).zip(wide.chunks_exact_mut(width)) {
            for ((node, w), out) in across.iter().zip(out) {
                let p = &line[*node..*node + 4];
                *out = w[0] * p[0] + w[1] * p[1] + w[2] * p[2] + w[3] * p[3];
            }
        }
        let mut data = vec![0.0; width * height];
        for (y, out) in data.chunks_exact_mut(width).enumerate() {
            let (node, w) = spline_weights(y, spacing, shift_y);
            for (k, weight) in w.iter().enumerate() {
                let line = &wide[(node + k) * width..(node + k + 1) * width];
                out.iter_mut().zip(line).for_each(|(o, v)| *o += weight * v);
            }
        }
        Self { width, height, data }
    }

    /// Twice the size: each pixel splits into four, by an eight-tap windowed sinc.
    ///
    /// Pixel centres of the result lie a quarter of a source pixel off the source's centres, on
    /// either side alike, so every output pixel has the same frequency response and no beat
    /// between the grids shows.
    pub fn doubled(&self) -> Self {
        let taps = quarter_sinc();
        let (width, height) = (2 * self.width, 2 * self.height);
        let mut wide = vec![0.0; width * self.height];
        let mut padded = vec![0.0; self.width + 8];
        for (line, out) in self.data.chunks_exact(self.width).zip(wide.chunks_exact_mut(width)) {
            padded[4..4 + self.width].copy_from_slice(line);
            padded[..4].fill(line[0]);
            padded[4 + self.width..].fill(line[self.width - 1]);
            for (x, pair) in out.chunks_exact_mut(2).enumerate() {
                let p = &padded[x..x + 9];
                pair[0] = (0..8).map(|k| taps[k] * p[k]).sum();
                pair[1] = (0..8).map(|k| taps[7 - k] * p[k + 1]).sum();
            }
        }
        let mut data = vec![0.0; width * height];
        for (y, out) in data.chunks_exact_mut(width).enumerate() {
            for k in 0..8 {
                let (row, tap) =
                    if y % 2 == 0 { (y / 2 + k, taps[k]) } else { (y / 2 + k + 1, taps[7 - k]) };
                let row = row.saturating_sub(4).min(self.height - 1);
                let line = &wide[row * width..(row + 1) * width];
                out.iter_mut().zip(line).for_each(|(o, v)| *o += tap * v);
            }
        }
        Self { width, height, data }
    }

    /// The value at a real position, by Catmull–Rom's cubic; pixel centres are whole numbers.
    /// Positions outside read the nearest inside.
    pub fn sample(&self, x: f32, y: f32) -> f32 {
        Spot::new(self, x, y).read(self)
    }

    /// The root mean square over the (2r + 1)² window around every pixel, cut at the borders.
    pub fn local_rms(&self, r: usize) -> Self {
        let (w, h) = (self.width, self.height);
        let mut rows = vec![0.0; w * h];
        for (line, out) in self.data.chunks_exact(w).zip(rows.chunks_exact_mut(w)) {
            running_sums(w, r, |x| line[x] * line[x], |x, sum| out[x] = sum);
        }
        // Columns are summed a row at a time: the window slides down all of them at once.
        let mut sums = vec![0.0f32; w];
        let mut data = vec![0.0; w * h];
        for y in 0..h + r {
            if y < h {
                sums.iter_mut().zip(&rows[y * w..]).for_each(|(s, v)| *s += v);
            }
            if y > 2 * r {
                let old = &rows[(y - 2 * r - 1) * w..];
                sums.iter_mut().zip(old).for_each(|(s, v)| *s -= v);
            }
            let Some(centre) = y.checked_sub(r) else { continue };
            let count_y = (centre + r).min(h - 1) - centre.saturating_sub(r) + 1;
            for (x, out) in data[centre * w..(centre + 1) * w].iter_mut().enumerate() {
                let count = ((x + r).min(w - 1) - x.saturating_sub(r) + 1) * count_y;
                *out = (sums[x].max(0.0) / count as f32).sqrt();
            }
        }
        Self { width: w, height: h, data }
    }

    /// Resampled to `width` × `height`: by area where it shrinks, by Catmull–Rom's cubic where it
    /// grows.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        if width <= self.width && height <= self.height {
            return self.reduced(width, height);
        }
        let scale_x = self.width as f32 / width as f32;
        let scale_y = self.height as f32 / height as f32;
        Self::from_fn(width, height, |x, y| {
            self.sample((x as f32 + 0.5) * scale_x - 0.5, (y as f32 + 0.5) * scale_y - 0.5)
        })
    }

    /// Resampled to a smaller `width` × `height` by area: every output pixel is the mean of the
    /// rectangle it covers, with fractional weights at its edges.
    fn reduced(&self, width: usize, height: usize) -> Self {
        let across = box_weights(self.width, width);
        let down = box_weights(self.height, height);
        let mut narrow = vec![0.0; width * self.height];
        for (line, out) in self.data.chunks_exact(self.width).zip(narrow.chunks_exact_mut(width)) {
            for ((first, weights), out) in across.iter().zip(out) {
                *out = weights.iter().zip(&line[*first..]).map(|(w, v)| w * v).sum();
            }
        }
        let mut data = vec![0.0; width * height];
        for ((first, weights), out) in down.iter().zip(data.chunks_exact_mut(width)) {
            for (k, weight) in weights.iter().enumerate() {
                let line = &narrow[(first + k) * width..];
                out.iter_mut().zip(line).for_each(|(o, v)| *o += weight * v);
            }
        }
        Self { width, height, data }
    }
}

/// The sixteen pixels around a real position and their Catmull–Rom weights, for reading several
/// fields of one size at the same place.
pub struct Spot {
    corner: usize,
    across: [f32; 4],
    down: [f32; 4],
}

impl Spot {
    /// The place (x, y) in fields of the size of `like`; clamped into it.
    pub fn new(like: &Field, x: f32, y: f32) -> Self {
        let (x, fraction_x) = split(x, like.width);
        let (y, fraction_y) = split(y, like.height);
        let (across, down) = (catmull_rom(fraction_x), catmull_rom(fraction_y));
        Self { corner: y * like.width + x, across, down }
    }

    /// The value of `field` there.
    pub fn read(&self, field: &Field) -> f32 {
        let mut sums = [0.0f32; 4];
        for (k, down) in self.down.iter().enumerate() {
            let pixels = &field.data[self.corner + k * field.width..][..4];
            for lane in 0..4 {
                sums[lane] += down * pixels[lane];
            }
        }
        let [a, b, c, d] = self.across;
        (a * sums[0] + b * sums[1]) + (c * sums[2] + d * sums[3])
    }
}

/// A nearly normal number of mean 0 and variance 1 from 32 bits: the sum of four bytes (Irwin and
/// Hall's distribution), for noise of which there is one number a pixel.
pub fn quick_normal(rng: &mut Sequence) -> f32 {
    // Four uniform numbers in 0..256: mean 510, variance 4 (256² − 1)/12.
    const DEVIATION: f32 = 147.801;
    let sum: u32 = rng.next_u32().to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - 510.0) / DEVIATION
}

/// tanh by its continued fraction, x(27 + x²)/(27 + 9x²), which meets ±1 at x = ±3 with slope 0;
/// within 0.024 of tanh.
pub fn soft_sign(x: f32) -> f32 {
    let x = x.clamp(-3.0, 3.0);
    x * (27.0 + x * x) / (27.0 + 9.0 * x * x)
}

/// 1/(1 + e^−x) with [`soft_sign`] for tanh(x/2).
pub fn sigmoid(x: f32) -> f32 {
    0.5 + 0.5 * soft_sign(0.5 * x)
}

/// 0 below `low`, 1 above `high`, and the cubic 3t² − 2t³ between.
pub fn smooth_step(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Lattice nodes that cover `size` pixels with three to spare for the spline's support.
fn lattice_size(size: usize, spacing: f64) -> usize {
    (size as f64 / spacing).ceil() as usize + 5
}

/// First node and the four weights of the uniform cubic B-spline at pixel `i`.
fn spline_weights(i: usize, spacing: f64, shift: f64) -> (usize, [f32; 4]) {
    let position = i as f64 / spacing + shift;
    let t = position.fract();
    let (t2, t3) = (t * t, t * t * t);
    let weights = [
        (1.0 - t).powi(3) / 6.0,
        (3.0 * t3 - 6.0 * t2 + 4.0) / 6.0,
        (-3.0 * t3 + 3.0 * t2 + 3.0 * t + 1.0) / 6.0,
        t3 / 6.0,
    ];
    (position as usize, weights.map(|w| w as f32))
}

/// Catmull–Rom's weights of the four pixels around a position `t` past the second.
fn catmull_rom(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
}

/// The first of the four pixels that [`catmull_rom`] weighs, and the fraction past the second.
fn split(position: f32, size: usize) -> (usize, f32) {
    let position = position.clamp(1.0, size as f32 - 2.001);
    let whole = position as u32;
    (whole as usize - 1, position - whole as f32)
}

/// Lanczos-4 taps for the point a quarter pixel before a pixel's centre; taps 0..8 weigh the
/// pixels −4..4, and sum to 1.
fn quarter_sinc() -> [f32; 8] {
    let sinc = |x: f64| {
        if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) }
    };
    let raw: [f64; 8] = std::array::from_fn(|k| {
        let distance = k as f64 - 4.0 + 0.25;
        sinc(distance) * sinc(distance / 4.0)
    });
    let sum: f64 = raw.iter().sum();
    raw.map(|w| (w / sum) as f32)
}

/// Calls `put(x, Σ value(i) for |i − x| ≤ r, i in 0..n)` for every x.
fn running_sums(n: usize, r: usize, value: impl Fn(usize) -> f32, mut put: impl FnMut(usize, f32)) {
    let mut sum = 0.0;
    for x in 0..n + r {
        if x < n {
            sum += value(x);
        }
        if x > 2 * r {
            sum -= value(x - 2 * r - 1);
        }
        if x >= r {
            put(x - r, sum);
        }
    }
}

/// For every output cell the first source cell that it touches and the share of each.
fn box_weights(source: usize, target: usize) -> Vec<(usize, Vec<f32>)> {
    let ratio = source as f64 / target as f64;
    (0..target)
        .map(|i| {
            let (start, end) = (i as f64 * ratio, (i + 1) as f64 * ratio);
            let first = start as usize;
            let last = (end.ceil() as usize).min(source).max(first + 1);
            let share = |cell: usize| {
                ((cell as f64 + 1.0).min(end) - (cell as f64).max(start)).max(0.0) / ratio
            };
            (first, (first..last).map(|cell| share(cell) as f32).collect())
        })
        .collect()
}
