//! Correlation of two planes over the frequencies of their ridges.

use std::f32::consts::{PI, TAU};
use std::ops::RangeInclusive;
use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftDirection};

use super::fft::{frequency, plan, transform};

/// Places of the fine search for the peak in each direction, and their distance, pixels.
const FINE: usize = 5;
const FINE_STEP: f32 = 0.25;

/// Neighbours of one column of the half plane of frequencies that are in the band. The other half
/// plane is its conjugate.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Where it starts in the transposed spectrum of the whole plane.
    source: usize,
    /// Where it starts in a band.
    first: usize,
    length: usize,
    /// Column and first row in the grid of the inverse transform.
    column: usize,
    row: usize,
}

impl Run {
    /// Its part of a band.
    fn of<'a>(&self, band: &'a [Complex32]) -> &'a [Complex32] {
        &band[self.first..][..self.length]
    }
}

/// The ridge band of planes of one size: which frequencies there are, and how to correlate.
pub(super) struct Band {
    width: usize,
    height: usize,
    window: Vec<f32>,
    runs: Vec<Run>,
    size: usize,
    /// Columns and rows of the correlation, samples.
    grid: [usize; 2],
    /// Largest shift looked at, samples.
    reach: [usize; 2],
    plans: [Arc<dyn Fft<f32>>; 2],
}

/// Room for one correlation at a time.
#[derive(Default)]
pub(super) struct Room {
    grid: Vec<Complex32>,
    rows: Vec<Complex32>,
    products: [Vec<Complex32>; 2],
    scratch: Vec<Complex32>,
}

/// The highest sample of a correlation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peak {
    pub value: f32,
    /// How far the first plane lies to the right of and below the second, pixels.
    pub shift: [f32; 2],
}

impl Band {
    /// The frequencies from `low` to `high` cycles per pixel of `height` × `width` planes; shifts up
    /// to `share` of each side.
    pub fn new(width: usize, height: usize, low: f32, high: f32, share: f32) -> Self {
        let highest = |length: usize| ((high * length as f32) as usize).min((length - 1) / 2);
        let size = |length: usize| smooth_size(2 * highest(length) + 1);
        let grid = [size(width), size(height)];
        let runs = runs([width, height], grid[1], highest(width), low..=high);
        let reach = |length: usize, axis: usize| {
            ((share * grid[axis] as f32) as usize).min((grid[axis] - 1) / 2).min(length)
        };
        let plan = |length| plan(length, FftDirection::Inverse);
        Self {
            window: window(width, height),
            reach: [reach(width, 0), reach(height, 1)],
            plans: [plan(grid[0]), plan(grid[1])],
            width,
            height,
            size: runs.iter().map(|run| run.length).sum(),
            runs,
            grid,
        }
    }

    /// Frequencies in the band; 0 if the planes are too small for it.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The band of the middle of a larger plane of `stride` columns: F/√|F| at every frequency, the
    /// squares of all summing to 1; zeros for a uniform plane.
    pub fn spectrum(&self, plane: &[f32], stride: usize) -> Vec<Complex32> {
        let rows = plane.len() / stride.max(1);
        let (left, top) = ((stride - self.width) / 2, (rows - self.height) / 2);
        let lines = plane.chunks_exact(stride).skip(top).take(self.height);
        let values = lines.flat_map(|line| &line[left..left + self.width]);
        let windowed = values.zip(&self.window).map(|(v, w)| Complex32::new(v * w, 0.0)).collect();
        let whole = transform(windowed, self.width, self.height, FftDirection::Forward);
        let compress = |value: &Complex32| {
            let size = value.norm();
            // Rounding leaves a trace of every frequency in a uniform plane.
            if size > 1e-4 { value / size.sqrt() } else { Complex32::default() }
        };
        let runs = self.runs.iter().flat_map(|run| &whole[run.source..][..run.length]);
        let mut band: Vec<Complex32> = runs.map(compress).collect();
        let energy: f32 = band.iter().map(Complex32::norm_sqr).sum();
        if energy > 0.0 {
            let scale = energy.sqrt().recip();
            band.iter_mut().for_each(|value| *value *= scale);
        }
        band
    }

    /// The peaks of the correlations of `one` and of `two` with `other`: −1 to 1, both from one
    /// complex transform, whose real part is the first and imaginary part the second.
    pub fn peaks(
        &self,
        one: &[Complex32],
        two: &[Complex32],
        other: &[Complex32],
        room: &mut Room,
    ) -> [Peak; 2] {
        let [width, height] = self.grid;
        self.fill(one, two, other, room);
        let [across, down] = &self.plans;
        let scratch = across.get_inplace_scratch_len().max(down.get_inplace_scratch_len());
        room.scratch.resize(scratch, Complex32::default());
        down.process_with_scratch(&mut room.grid, &mut room.scratch);
        // Only the rows of shifts that are looked at, from the highest to the lowest.
        let reach = self.reach[1];
        room.rows.clear();
        room.rows.resize((2 * reach + 1) * width, Complex32::default());
        for (x, column) in room.grid.chunks_exact(height).enumerate() {
            let wanted = column[height - reach..].iter().chain(&column[..=reach]);
            let places = room.rows.iter_mut().skip(x).step_by(width);
            places.zip(wanted).for_each(|(place, value)| *place = *value);
        }
        across.process_with_scratch(&mut room.rows, &mut room.scratch);
        self.highest(&room.rows)
    }

    /// Both products with `other`, the second times i, on the whole plane of frequencies.
    fn fill(&self, one: &[Complex32], two: &[Complex32], other: &[Complex32], room: &mut Room) {
        let [width, height] = self.grid;
        let Room { grid, products, .. } = room;
        grid.clear();
        grid.resize(width * height, Complex32::default());
        for (band, product) in [one, two].into_iter().zip(products.iter_mut()) {
            product.clear();
            product.extend(band.iter().zip(other).map(|(a, c)| a * c.conj() * 0.5));
        }
        for run in &self.runs {
            let pairs = || run.of(&products[0]).iter().zip(run.of(&products[1]));
            let here = &mut grid[run.column * height + run.row..][..run.length];
            for (value, (a, b)) in here.iter_mut().zip(pairs()) {
                *value = Complex32::new(a.re - b.im, a.im + b.re);
            }
            // The opposite frequencies, in opposite order; row 0 is its own opposite.
            let last = (height - run.row) % height;
            let start = (width - run.column) % width * height + last + 1 - run.length;
            let there = &mut grid[start..][..run.length];
            for (value, (a, b)) in there.iter_mut().rev().zip(pairs()) {
                *value = Complex32::new(a.re + b.im, b.re - a.im);
            }
        }
    }

    fn highest(&self, rows: &[Complex32]) -> [Peak; 2] {
        let [width, height] = self.grid;
        let [right, low] = self.reach;
        let mut best = [(f32::NEG_INFINITY, 0usize, 0usize); 2];
        for (y, row) in rows.chunks_exact(width).enumerate() {
            let (after, before) = (&row[..=right], &row[width - right..]);
            for (x, value) in before.iter().chain(after).enumerate() {
                if value.re > best[0].0 {
                    best[0] = (value.re, x, y);
                }
                if value.im > best[1].0 {
                    best[1] = (value.im, x, y);
                }
            }
        }
        let pixels = |at: usize, reach: usize, length: usize, samples: usize| {
            (at as f32 - reach as f32) * length as f32 / samples as f32
        };
        best.map(|(value, x, y)| Peak {
            value,
            shift: [pixels(x, right, self.width, width), pixels(y, low, self.height, height)],
        })
    }

    /// The highest value of the correlation of two bands within half a pixel of a peak: the samples
    /// are about a pixel apart and a ridge is three, so they may straddle the summit.
    pub fn refine(&self, one: &[Complex32], other: &[Complex32], peak: Peak) -> Peak {
        let [width, height] = self.grid;
        // e^{2πi f·shift}, by signed frequency: first all columns of one row of frequencies are
        // summed, then the rows.
        let turns = |samples: usize, length: usize, shift: f32| -> Vec<Complex32> {
            let turn =
                |k| Complex32::from_polar(1.0, TAU * shift * signed(k, samples) / length as f32);
            (0..samples).map(turn).collect()
        };
        let offsets: [f32; FINE] =
            std::array::from_fn(|n| FINE_STEP * (n as f32 - (FINE / 2) as f32));
        let down = offsets.map(|dy| turns(height, self.height, peak.shift[1] + dy));
        let products: Vec<Complex32> = one.iter().zip(other).map(|(a, b)| a * b.conj()).collect();
        let mut best = peak;
        for dx in offsets {
            let across = turns(width, self.width, peak.shift[0] + dx);
            let mut rows = vec![Complex32::default(); height];
            for run in &self.runs {
                let turn = across[run.column];
                for (row, product) in rows[run.row..].iter_mut().zip(run.of(&products)) {
                    *row += product * turn;
                }
            }
            for (dy, turns) in offsets.into_iter().zip(&down) {
                let terms = rows.iter().zip(turns).map(|(a, b)| a.re * b.re - a.im * b.im);
                let value = terms.sum();
                if value > best.value {
                    best = Peak { value, shift: [peak.shift[0] + dx, peak.shift[1] + dy] };
                }
            }
        }
        best
    }
}

/// The runs of the half plane of frequencies whose length is in `band`, cycles per pixel.
fn runs(plane: [usize; 2], rows: usize, last: usize, band: RangeInclusive<f32>) -> Vec<Run> {
    let [width, height] = plane;
    let mut runs: Vec<Run> = Vec::new();
    let mut first = 0;
    for column in 0..=last {
        // Whether the place above is in the run at the end of the list.
        let mut inside = false;
        for ky in 0..height {
            let f = [frequency(column, width), frequency(ky, height)];
            // Column 0 is its own opposite: half of it will do.
            let half = column > 0 || f[1] > 0.0;
            let wanted = half && 2 * ky != height && band.contains(&f[0].hypot(f[1]));
            // Row 0 stands alone, and negative frequencies begin a run.
            let begins = ky == 1 || ky == height / 2 + 1;
            // A frequency of −1 is in the last row of any grid.
            let row = if 2 * ky > height { rows + ky - height } else { ky };
            match runs.last_mut() {
                Some(run) if wanted && inside && !begins => run.length += 1,
                _ if wanted => {
                    let source = column * height + ky;
                    runs.push(Run { source, first, length: 1, column, row });
                }
                _ => {}
            }
            first += usize::from(wanted);
            inside = wanted;
        }
    }
    runs
}

/// Bin `k` of `length` as a signed number of cycles.
fn signed(k: usize, length: usize) -> f32 {
    if 2 * k >= length { k as f32 - length as f32 } else { k as f32 }
}

/// The smallest 4·2^a·3^b·5^c of at least `length`: sizes with fast transforms.
fn smooth_size(length: usize) -> usize {
    let smooth = |size: usize| {
        let mut rest = size;
        for factor in [2, 3, 5] {
            while rest.is_multiple_of(factor) {
                rest /= factor;
            }
        }
        rest == 1
    };
    let mut size = length.next_multiple_of(4).max(4);
    while !smooth(size) {
        size += 4;
    }
    size
}

/// Hann's window in both directions.
fn window(width: usize, height: usize) -> Vec<f32> {
    let hann = |at: usize, length: usize| (PI * (at as f32 + 0.5) / length as f32).sin().powi(2);
    let rows = 0..height;
    rows.flat_map(|y| (0..width).map(move |x| hann(x, width) * hann(y, height))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU as TURN;

    /// A plane of numbers without any symmetry.
    fn plane(width: usize, height: usize, seed: usize) -> Vec<f32> {
        (0..width * height)
            .map(|n| ((n * n * 31 + n * seed + 7 * seed) % 101) as f32 - 50.0)
            .collect()
    }

    /// The correlation at any shift by its definition, in f64.
    fn direct(band: &Band, a: &[Complex32], b: &[Complex32], shift: [f64; 2]) -> f64 {
        let frequency = |k: usize, length: usize| {
            let k = if 2 * k > length { k as f64 - length as f64 } else { k as f64 };
            k / length as f64
        };
        let places = band.runs.iter().flat_map(|run| run.source..run.source + run.length);
        let term = |(place, (a, b)): (usize, (&Complex32, &Complex32))| {
            let fx = frequency(place / band.height, band.width);
            let fy = frequency(place % band.height, band.height);
            let (sin, cos) = (TURN * (fx * shift[0] + fy * shift[1])).sin_cos();
            let (re, im) = (f64::from((a * b.conj()).re), f64::from((a * b.conj()).im));
            re * cos - im * sin
        };
        places.zip(a.iter().zip(b)).map(term).sum()
    }

    #[test]
    fn peaks_are_the_highest_samples_of_both_correlations() {
        for (width, height, high) in [(48, 48, 0.41), (37, 50, 0.41), (30, 21, 0.5), (33, 28, 0.5)]
        {
            let band = Band::new(width, height, 0.18, high, 0.2);
            let spectrum = |seed| band.spectrum(&plane(width, height, seed), width);
            let (a, b, c) = (spectrum(3), spectrum(8), spectrum(29));
            let found = band.peaks(&a, &b, &c, &mut Room::default());
            for (one, peak) in [(&a, found[0]), (&b, found[1])] {
                let mut highest = f64::NEG_INFINITY;
                let [right, down] = band.reach.map(|r| r as i32);
                for (x, y) in (-right..=right).flat_map(|x| (-down..=down).map(move |y| (x, y))) {
                    let pixels = |at: i32, length: usize, samples: usize| {
                        f64::from(at) * length as f64 / samples as f64
                    };
                    let shift = [pixels(x, width, band.grid[0]), pixels(y, height, band.grid[1])];
                    highest = highest.max(direct(&band, one, &c, shift));
                }
                let there = direct(&band, one, &c, peak.shift.map(f64::from));
                assert!((f64::from(peak.value) - highest).abs() < 2e-6, "{peak:?} {highest}");
                assert!((there - highest).abs() < 2e-6, "{peak:?} {there}");
                let fine = band.refine(one, &c, peak);
                let there = direct(&band, one, &c, fine.shift.map(f64::from));
                assert!((f64::from(fine.value) - there).abs() < 2e-6, "{fine:?} {there}");
                assert!(fine.value >= peak.value);
            }
        }
    }

    #[test]
    fn a_plane_correlates_perfectly_with_itself_and_a_blank_one_with_nothing() {
        let band = Band::new(40, 33, 0.2, 0.45, 0.2);
        let a = band.spectrum(&plane(40, 33, 5), 40);
        let blank = band.spectrum(&[0.0; 40 * 33], 40);
        let [same, none] = band.peaks(&a, &blank, &a, &mut Room::default());
        assert!((same.value - 1.0).abs() < 1e-5 && same.shift == [0.0, 0.0], "{same:?}");
        assert!(none.value.abs() < 1e-6);
    }

    #[test]
    fn sizes_are_smooth_multiples_of_four() {
        assert_eq!([1, 4, 13, 77, 81, 129].map(smooth_size), [4, 4, 16, 80, 96, 144]);
    }
}
