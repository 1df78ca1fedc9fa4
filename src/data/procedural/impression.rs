//! One impression of a finger: how it was put down, how dry it was, what the sensor saw.
//!
//! Nothing here depends on the finger's identity, and nothing of the finger's identity is drawn
//! here: two impressions of one finger are a mated pair.
//!
//! The ridges' height cos ψ ∈ [−1, 1] touches the glass where it exceeds a threshold. Pressure lowers
//! the threshold, so ridges widen until the valleys fill; it fades towards the edge of the contact
//! area, where ridges thin out and break up. Ink is
//!
//! ```text
//! ink = 1 / (1 + exp(−6 v))      v = cos ψ + pressure + roughness − marks − edge
//! ```

use image::GrayImage;

use super::field::{Field, Spot, quick_normal, sigmoid, smooth_step, soft_sign};
use super::ridges::{MASTER_HEIGHT, MASTER_WIDTH};
use super::{Master, VIEW_HEIGHT, VIEW_WIDTH};
use crate::rng::Sequence;

/// The part of the skin that touches the sensor: an arch over straight sides, in pixels from the
/// fingertip's centre, y upward.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact {
    x: f64,
    top: f64,
    bottom: f64,
    half_width: f64,
    /// Height of the rounded top.
    dome: f64,
    /// Width of the band in which the ridges fade out.
    fade: f64,
}

impl Contact {
    /// A contact area: 22 of 25 show the whole fingertip, the others a part of it.
    pub(super) fn draw(rng: &mut Sequence) -> Self {
        let mut contact = Self {
            x: rng.normal(0.0, 4.0),
            top: rng.range(104.0, 127.0),
            bottom: -rng.range(112.0, 190.0),
            half_width: rng.range(92.0, 122.0),
            dome: rng.range(95.0, 135.0),
            fade: rng.range(8.0, 26.0),
        };
        match (rng.uniform() * 25.0) as u32 {
            // Only the tip was put down.
            0 => contact.bottom = rng.range(-60.0, -10.0),
            // The finger was rolled to one side.
            1 => {
                let side = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
                contact.x += side * rng.range(30.0, 60.0);
            }
            // A light touch with the pad.
            2 => {
                contact.top -= rng.range(20.0, 45.0);
                contact.half_width *= rng.range(0.62, 0.8);
                contact.bottom = -rng.range(80.0, 120.0);
            }
            _ => {}
        }
        contact
    }

    /// About how far (x, y) lies inside the edge, in pixels; negative outside.
    pub(super) fn depth(&self, x: f64, y: f64) -> f64 {
        let across = (x - self.x).abs();
        let shoulder = self.top - self.dome;
        let side = if y > shoulder {
            let radius =
                ((across / self.half_width).powi(2) + ((y - shoulder) / self.dome).powi(2)).sqrt();
            (1.0 - radius) * self.half_width.min(self.dome)
        } else {
            (self.half_width - across) * (self.half_width.min(self.dome) / self.half_width)
        };
        // The lower edge sags in the middle.
        let sag = 14.0 * (1.0 - (across / self.half_width).powi(2));
        side.min(y - self.bottom + sag)
    }
}

/// How the skin was and what the sensor made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    /// Added to the ridges' height: above 0 ridges are wider than valleys.
    pub(super) pressure: f64,
    /// Amplitude of the pressure's smooth variation over the print.
    unevenness: f64,
    /// 0 wet … 1 dry: dry ridges are rough and broken.
    pub(super) dryness: f64,
    /// Darkness of the ink, 0–1.
    density: f64,
    /// Grey of the background.
    paper: f64,
}

impl Condition {
    pub(super) fn draw(rng: &mut Sequence) -> Self {
        let dryness = rng.uniform();
        let density =
            if rng.uniform() < 0.12 { rng.range(0.45, 0.75) } else { rng.range(0.8, 1.0) };
        Self {
            pressure: rng.normal(0.2 - 0.3 * dryness, 0.26).clamp(-0.7, 0.85),
            unevenness: rng.range(0.12, 0.38),
            dryness,
            density,
            paper: rng.range(244.0, 255.0),
        }
    }
}

/// Where each pixel of the view reads the finger: shift, turn, stretch and the skin's elastic
/// distortion, in pixels of the master.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    cos: f64,
    sin: f64,
    stretch_x: f64,
    stretch_y: f64,
    shift: (f64, f64),
    bend_x: Field,
    bend_y: Field,
    elastic: f64,
}

impl Placement {
    pub(super) fn draw(rng: &mut Sequence) -> Self {
        let (sin, cos) = rng.normal(0.0, 6.0).clamp(-14.0, 14.0).to_radians().sin_cos();
        Self {
            cos,
            sin,
            stretch_x: rng.normal(1.0, 0.018),
            stretch_y: rng.normal(1.0, 0.018),
            shift: (
                rng.normal(0.0, 6.0).clamp(-14.0, 14.0),
                rng.normal(0.0, 6.0).clamp(-14.0, 14.0),
            ),
            bend_x: Field::smooth_noise(VIEW_WIDTH, VIEW_HEIGHT, 45.0, rng),
            bend_y: Field::smooth_noise(VIEW_WIDTH, VIEW_HEIGHT, 45.0, rng),
            elastic: rng.range(1.0, 3.5),
        }
    }

    /// The position on the finger, pixels from its centre, y upward, under pixel (column, row).
    pub(super) fn position(&self, column: usize, row: usize) -> (f64, f64) {
        let x = column as f64 + 0.5 - VIEW_WIDTH as f64 / 2.0 + self.shift.0;
        let y = VIEW_HEIGHT as f64 / 2.0 - row as f64 - 0.5 + self.shift.1;
        let x = x * self.stretch_x + self.elastic * f64::from(self.bend_x.at(column, row));
        let y = y * self.stretch_y + self.elastic * f64::from(self.bend_y.at(column, row));
        (x * self.cos - y * self.sin, x * self.sin + y * self.cos)
    }
}

/// The ink, 0–1, over the whole view at 500 ppi.
fn ink(master: &Master, condition: &Condition, rng: &mut Sequence) -> Field {
    let placement = Placement::draw(rng);
    let contact = Contact::draw(rng);
    let noise =
        |sigma, rng: &mut Sequence| Field::smooth_noise(VIEW_WIDTH, VIEW_HEIGHT, sigma, rng);
    let (uneven, outline) = (noise(30.0, rng), noise(7.0, rng));
    let (blobs, grain) = (noise(5.0, rng), noise(1.2, rng));
    let dryness = condition.dryness;
    let blob_height = 0.08 + 0.22 * dryness;
    let grain_height = 0.10 + 0.30 * dryness;
    let mark_depth = 0.7 + 0.9 * dryness;
    let pressure = condition.pressure;
    Field::from_fn(VIEW_WIDTH, VIEW_HEIGHT, |column, row| {
        let (x, y) = placement.position(column, row);
        let inside = contact.depth(x, y) as f32 + 3.5 * outline.at(column, row);
        if inside < -12.0 {
            return 0.0;
        }
        let edge = 2.6 * (1.0 - smooth_step(-4.0, contact.fade as f32, inside));
        let at_x = (x + MASTER_WIDTH as f64 / 2.0 - 0.5) as f32;
        let at_y = (MASTER_HEIGHT as f64 / 2.0 - y - 0.5) as f32;
        let spot = Spot::new(&master.ridges, at_x, at_y);
        let (height, marks) = (spot.read(&master.ridges), spot.read(&master.marks));
        let push = pressure as f32
            + condition.unevenness as f32 * uneven.at(column, row)
            + blob_height as f32 * blobs.at(column, row)
            + grain_height as f32 * grain.at(column, row);
        sigmoid(6.0 * (height + push - edge - mark_depth as f32 * marks))
    })
}

/// The largest window of the view with the aspect of `width` × `height`, as (x, y, width, height).
/// A print that is lower than the view loses more below than above, as prints do.
pub(super) fn window(width: u32, height: u32) -> (usize, usize, usize, usize) {
    let (w, h) = (width as usize, height as usize);
    let columns = (VIEW_HEIGHT * w / h).clamp(1, VIEW_WIDTH);
    let rows = (VIEW_WIDTH * h / w).clamp(1, VIEW_HEIGHT);
    ((VIEW_WIDTH - columns) / 2, (VIEW_HEIGHT - rows) * 7 / 20, columns, rows)
}

/// Renders one impression: dark ridges on a bright ground.
pub(super) fn render(master: &Master, width: u32, height: u32, rng: &mut Sequence) -> GrayImage {
    let condition = Condition::draw(rng);
    let ink = ink(master, &condition, rng);
    let (left, top, columns, rows) = window(width, height);
    let cut = Field::from_fn(columns, rows, |x, y| ink.at(left + x, top + y));
    let scaled = cut.resized(width as usize, height as usize);
    let (paper, density) = (condition.paper as f32, condition.density as f32);
    let mut image = GrayImage::new(width, height);
    for (pixel, ink) in image.pixels_mut().zip(&scaled.data) {
        // The sensor's own contrast: greys that the reduction made move towards black and white.
        let ink = 0.5 + 0.5 * soft_sign(2.6 * (ink - 0.5)) / soft_sign(1.3);
        let speckle = 3.0 * quick_normal(rng);
        pixel.0[0] = (paper * (1.0 - density * ink) + speckle).round().clamp(0.0, 255.0) as u8;
    }
    image
}
