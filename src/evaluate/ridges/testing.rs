//! Images with known answers for this room's tests.

use std::f64::consts::TAU;
use std::ops::ControlFlow;

use image::{GrayImage, Luma};

use crate::data::procedural::ridges::{MASTER_HEIGHT, MASTER_WIDTH};
use crate::data::procedural::{Master, SynthSet};
use crate::rng::{Sequence, Stream};

/// An image from a function of the pixel, −1 (white) to 1 (black).
pub fn draw(width: u32, height: u32, ink: impl Fn(f64, f64) -> f64) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| {
        Luma([(127.5 - 127.5 * ink(f64::from(x), f64::from(y))).round() as u8])
    })
}

/// A wave whose crests run along `angle` radians, y downward.
pub fn wave(width: u32, height: u32, period: f64, angle: f64) -> GrayImage {
    let (sin, cos) = angle.sin_cos();
    draw(width, height, |x, y| (TAU * (y * cos - x * sin) / period + 0.4).cos())
}

/// Rings `period` pixels apart around `centre`.
pub fn rings(width: u32, height: u32, period: f64, centre: [f64; 2]) -> GrayImage {
    draw(width, height, |x, y| (TAU * (x - centre[0]).hypot(y - centre[1]) / period).cos())
}

/// Gaussian noise of `sigma` grey levels on an image.
pub fn noisy(image: &GrayImage, sigma: f64, seed: u64) -> GrayImage {
    let mut rng = Sequence::new(seed, Stream::Impression, 77, 0);
    let mut out = image.clone();
    for pixel in out.pixels_mut() {
        let value = f64::from(pixel.0[0]) + rng.normal(0.0, sigma);
        pixel.0[0] = value.round().clamp(0.0, 255.0) as u8;
    }
    out
}

/// White noise around mid grey.
pub fn noise(width: u32, height: u32, sigma: f64, seed: u64) -> GrayImage {
    noisy(&draw(width, height, |_, _| 0.0), sigma, seed)
}

/// Images without a print in them, of usual, odd and tiny sizes.
pub fn hopeless() -> Vec<GrayImage> {
    let sizes = [(96, 103), (64, 64), (16, 16), (16, 40), (1, 1), (3, 200), (0, 0)];
    let greys = [0u8, 255, 131];
    let image = |(w, h), grey| GrayImage::from_pixel(w, h, Luma([grey]));
    sizes.into_iter().flat_map(|size| greys.map(|grey| image(size, grey))).collect()
}

/// Procedural prints.
pub fn prints(count: u64, width: u32, height: u32, impressions: u32) -> Vec<GrayImage> {
    let set = SynthSet { count, seed: 5, width, height, impressions, class: None };
    let mut prints = Vec::new();
    set.render(|print| {
        prints.push(print.image);
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    prints
}

/// `image` turned clockwise by `degrees` about its centre and moved by `shift`, by bilinear
/// interpolation in a copy four times as large.
pub fn moved(image: &GrayImage, degrees: f64, shift: [f64; 2]) -> GrayImage {
    const UP: u32 = 4;
    let (width, height) = image.dimensions();
    let filter = image::imageops::FilterType::CatmullRom;
    let large = image::imageops::resize(image, UP * width, UP * height, filter);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let centre = [f64::from(width) / 2.0, f64::from(height) / 2.0];
    GrayImage::from_fn(width, height, |x, y| {
        let dx = f64::from(x) + 0.5 - centre[0] - shift[0];
        let dy = f64::from(y) + 0.5 - centre[1] - shift[1];
        let (u, v) = (cos * dx + sin * dy + centre[0], cos * dy - sin * dx + centre[1]);
        let at = |t: f64| (t * f64::from(UP) - 0.5) as f32;
        image::imageops::interpolate_bilinear(&large, at(u), at(v)).unwrap_or(Luma([255]))
    })
}

/// The ridge period of a finger at 500 ppi, found without any spectrum: distances between upward
/// zero crossings of the ridges' height along their normals, the median over length.
pub fn crossing_period(master: &Master) -> f64 {
    const REACH: f64 = 20.0;
    const STEP: f64 = 0.25;
    let heights = master.heights();
    let at = |x: f64, y: f64| {
        let column = x + MASTER_WIDTH as f64 / 2.0 - 0.5;
        let row = MASTER_HEIGHT as f64 / 2.0 - 0.5 - y;
        let (u, v) = (column.fract(), row.fract());
        let corner = row as usize * MASTER_WIDTH + column as usize;
        let h = |offset: usize| f64::from(heights[corner + offset]);
        let (upper, lower) = (h(0) + u * (h(1) - h(0)), MASTER_WIDTH);
        upper + v * (h(lower) + u * (h(lower + 1) - h(lower)) - upper)
    };
    let orientation = master.finger().orientation();
    let mut intervals = Vec::new();
    for place in 0..31 * 31 {
        let (x, y) = (f64::from(place % 31 - 15) * 6.0, f64::from(place / 31 - 15) * 6.0);
        let (sin, cos) = orientation.angle(x, y).sin_cos();
        let along = |u: f64| at(x - u * sin, y + u * cos);
        let (mut before, mut last) = (along(-REACH), None);
        for step in 1..=(2.0 * REACH / STEP) as i32 {
            let u = f64::from(step) * STEP - REACH;
            let height = along(u);
            if before <= 0.0 && height > 0.0 {
                let crossing = u - STEP * height / (height - before);
                intervals.extend(last.replace(crossing).map(|last| crossing - last));
            }
            before = height;
        }
    }
    intervals.sort_unstable_by(f64::total_cmp);
    let half = 0.5 * intervals.iter().sum::<f64>();
    let mut passed = 0.0;
    let beyond = |interval: &&f64| {
        passed += **interval;
        passed >= half
    };
    *intervals.iter().find(beyond).unwrap()
}
