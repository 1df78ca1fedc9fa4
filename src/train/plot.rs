//! The curves of a run as a picture.

use super::curve::{
    envelope, every_kth, grouped, round_ticks, smooth, stretches, tick_label, upper_end,
};
use super::log::Metrics;
use crate::error::{Error, Result};
use crate::fsx::{Aside, Survives};
use crate::sample::writer::{Format, write_image};
use ::image::imageops::thumbnail;
use ::image::{DynamicImage, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

/// Width and height of the picture.
const SIZE: (u32, u32) = (1200, 800);
/// The drawing is made this much larger and reduced, which smooths all edges.
const SCALE: u32 = 2;

/// Okabe & Ito's colours ("Color Universal Design", 2008), told apart with any colour vision.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const INK: RGBColor = RGBColor(40, 40, 40);
const GREY: RGBColor = RGBColor(110, 110, 110);
const MESH: RGBColor = RGBColor(228, 228, 228);

/// All lengths below are in pixels of the enlarged drawing.
const TEXT: u32 = 28;
const LEGEND_WIDTH: u32 = 460;
/// Faint curves are thinned to two points in each of so many parts.
const PARTS: usize = 500;
/// A run of fewer points shows each as a dot.
const DOTS_UP_TO: usize = 50;
/// Larger numbers, which only a damaged log can hold, are drawn as this one.
const MOST_STEPS: u64 = 1 << 53;
/// The moving average's share of the run.
const REACH: usize = 80;

type Drawn<DB> = std::result::Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Draws the losses of G and D and, below, D's mean outputs over the steps: values as logged faint,
/// their moving average solid. 1200×800 pixels as PNG, or as SVG if that is the extension of `path`.
///
/// Values that are not finite leave a gap; single values beyond the axis
/// (which shows 99 % of them) are drawn at its end. A killed process leaves the whole file or the
/// one before.
///
/// # Errors
/// [`Error::Io`] that names `path`.
pub fn write_losses(path: impl AsRef<Path>, metrics: &[Metrics]) -> Result<()> {
    let path = path.as_ref();
    register_font().map_err(|reason| failed(path, reason))?;
    let (width, height) = (SIZE.0 * SCALE, SIZE.1 * SCALE);
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg")) {
        let mut text = String::new();
        draw(SVGBackend::with_string(&mut text, (width, height)), metrics)
            .map_err(|e| failed(path, e))?;
        let mut file = Aside::create(path)?;
        file.write_all(text.as_bytes()).map_err(|e| Error::io("write", path, e))?;
        return file.commit(Survives::Kill);
    }
    let mut large = RgbImage::new(width, height);
    draw(BitMapBackend::with_buffer(&mut large, (width, height)), metrics)
        .map_err(|e| failed(path, e))?;
    let picture = thumbnail(&large, SIZE.0, SIZE.1);
    write_image(path, &DynamicImage::ImageRgb8(picture), Format::Png)
}

fn failed(path: &Path, reason: impl Display) -> Error {
    Error::io("draw", path, io::Error::other(reason.to_string()))
}

/// The font is part of the program: a machine without fonts draws the same picture.
fn register_font() -> std::result::Result<(), &'static str> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| {
        let bytes = dejavu::sans::regular();
        plotters::style::register_font("sans-serif", FontStyle::Normal, bytes).is_ok()
    });
    registered.then_some(()).ok_or("the built-in font cannot be read")
}

/// One line of a panel.
struct Curve {
    name: &'static str,
    colour: RGBColor,
    faint: Vec<f64>,
    solid: Vec<f64>,
}

/// One pair of axes.
struct Panel<'a> {
    title: &'static str,
    steps: &'a [u64],
    curves: Vec<Curve>,
    upper_end: f64,
    /// Epochs at the last step, where the panel has a second scale for them.
    epochs: Option<f64>,
}

fn draw<DB: DrawingBackend>(backend: DB, metrics: &[Metrics]) -> Drawn<DB> {
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let steps: Vec<u64> = metrics.iter().map(|m| m.step.min(MOST_STEPS)).collect();
    // Twice the mean over a window is a window that falls off to its sides: no steps where a spike
    // enters and leaves.
    let reach = if steps.len() > DOTS_UP_TO { (steps.len() / REACH).max(1) } else { 0 };
    let curve = |name, colour, value: fn(&Metrics) -> f32| {
        let faint: Vec<f64> = metrics.iter().map(|m| f64::from(value(m))).collect();
        Curve { name, colour, solid: smooth(&smooth(&faint, reach), reach), faint }
    };
    let losses =
        vec![curve("loss of G", VERMILION, |m| m.loss_g), curve("loss of D", BLUE, |m| m.loss_d)];
    let outputs = vec![
        curve("D(x): real images", BLUE, |m| m.d_x),
        curve("D(G(z)) before D's update", VERMILION, |m| m.d_g_z1),
        curve("D(G(z)) after D's update", GREEN, |m| m.d_g_z2),
    ];
    let end = losses.iter().map(|c| upper_end(&c.solid, &c.faint)).fold(0.0, f64::max);
    let upper = Panel {
        title: "Losses",
        steps: &steps,
        curves: losses,
        upper_end: end,
        epochs: Some(metrics.last().map_or(0.0, |m| m.epoch)),
    };
    let lower = Panel {
        title: "Mean output of D: 1 says real, 0 says fake",
        steps: &steps,
        curves: outputs,
        upper_end: 1.0,
        epochs: None,
    };

    let (plots, legends) = root.split_horizontally(root.dim_in_pixel().0 - LEGEND_WIDTH);
    for (row, panel) in [upper, lower].iter().enumerate() {
        let at = row as i32 * (SIZE.1 * SCALE / 2) as i32;
        let area = plots.clone().shrink((0, at), (plots.dim_in_pixel().0, SIZE.1 * SCALE / 2));
        let legend = legends.clone().shrink((0, at), (LEGEND_WIDTH, SIZE.1 * SCALE / 2));
        panel.draw(&root, &area)?;
        panel.draw_legend(&legend)?;
    }
    if reach > 0 {
        let y = (SIZE.1 * SCALE) as i32 - 130;
        let style = text_style(TEXT - 4, GREY, HPos::Left);
        legends.draw_text("faint: every logged step", &style, (20, y))?;
        legends.draw_text("solid: moving average", &style, (20, y + 36))?;
    }
    root.present()
}

impl Panel<'_> {
    /// Room for the title and the second scale.
    fn top(&self) -> u32 {
        if self.epochs.is_some() { 124 } else { 84 }
    }

    fn draw<DB: DrawingBackend>(
        &self,
        root: &DrawingArea<DB, Shift>,
        area: &DrawingArea<DB, Shift>,
    ) -> Drawn<DB> {
        let last = self.steps.iter().copied().max().unwrap_or(0).max(1);
        let mut chart = ChartBuilder::on(area)
            .margin_top(self.top())
            .margin_right(30)
            .x_label_area_size(90)
            .y_label_area_size(110)
            .build_cartesian_2d(0..last + (last / 50).max(1), 0.0..self.upper_end)?;
        chart
            .configure_mesh()
            .x_labels(9)
            .y_labels(6)
            .label_style(text_style(TEXT, INK, HPos::Center))
            .bold_line_style(MESH.stroke_width(SCALE))
            .light_line_style(TRANSPARENT)
            .axis_style(GREY.stroke_width(SCALE))
            .x_label_formatter(&|step| grouped(*step))
            .y_label_formatter(&|value| tick_label(*value))
            .draw()?;
        area.draw_text(self.title, &text_style(TEXT + 6, INK, HPos::Left), (110, 36))?;
        let (width, height) = area.dim_in_pixel();
        let corner = (width as i32 - 30, height as i32 - 36);
        area.draw_text("step", &text_style(TEXT, GREY, HPos::Right), corner)?;

        for curve in &self.curves {
            let points = envelope(&self.points(&curve.faint), PARTS);
            let style = curve.colour.mix(0.55).stroke_width(1);
            chart.draw_series(
                stretches(&points).map(|stretch| PathElement::new(stretch.to_vec(), style)),
            )?;
        }
        for curve in &self.curves {
            let points = every_kth(&self.points(&curve.solid), PARTS);
            let style = curve.colour.stroke_width(2 * SCALE);
            // One element a segment: the bitmap's joins of thick lines stick out at sharp turns.
            let segments = stretches(&points).flat_map(|stretch| stretch.windows(2));
            chart.draw_series(segments.map(|pair| PathElement::new(pair.to_vec(), style)))?;
            if self.steps.len() <= DOTS_UP_TO {
                let dots = stretches(&points).flatten();
                chart.draw_series(
                    dots.map(|&at| Circle::new(at, 4 * SCALE, curve.colour.filled())),
                )?;
            }
        }
        self.draw_epochs(root, last, |step| chart.backend_coord(&(step, self.upper_end)))
    }

    /// The points of a curve, held inside the axes.
    fn points(&self, values: &[f64]) -> Vec<(u64, f64)> {
        let held = |&value: &f64| {
            if value.is_finite() { value.clamp(0.0, self.upper_end) } else { value }
        };
        self.steps.iter().copied().zip(values.iter().map(held)).collect()
    }

    /// The second scale, above the panel: every step is the same share of an epoch.
    fn draw_epochs<DB: DrawingBackend>(
        &self,
        root: &DrawingArea<DB, Shift>,
        last: u64,
        at_top: impl Fn(u64) -> (i32, i32),
    ) -> Drawn<DB> {
        let Some(epochs) = self.epochs else { return Ok(()) };
        let style = text_style(TEXT, GREY, HPos::Center);
        let ((left, y), (right, _)) = (at_top(0), at_top(last));
        for epoch in round_ticks(epochs, 8) {
            let x = left + (epoch / epochs * f64::from(right - left)).round() as i32;
            let tick = [(x, y - 12), (x, y)];
            root.draw(&PathElement::new(tick, GREY.stroke_width(SCALE)))?;
            root.draw_text(&tick_label(epoch), &style, (x, y - 30))?;
        }
        root.draw_text("epoch", &text_style(TEXT, GREY, HPos::Right), (right, y - 66))
    }

    fn draw_legend<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let mut y = self.top() as i32 + 20;
        for curve in &self.curves {
            let swatch = [(20, y), (70, y)];
            area.draw(&PathElement::new(swatch, curve.colour.stroke_width(3 * SCALE)))?;
            area.draw_text(curve.name, &text_style(TEXT, INK, HPos::Left), (84, y))?;
            if let Some(value) = curve.solid.last() {
                let latest = format!("now {value:.3}");
                area.draw_text(&latest, &text_style(TEXT - 4, GREY, HPos::Left), (84, y + 36))?;
            }
            y += 90;
        }
        Ok(())
    }
}

fn text_style(size: u32, colour: RGBColor, h_pos: HPos) -> TextStyle<'static> {
    let style: TextStyle =
        FontDesc::new(FontFamily::SansSerif, f64::from(size), FontStyle::Normal).color(&colour);
    style.pos(Pos::new(h_pos, VPos::Center))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::{ImageFormat, Rgb, load_from_memory_with_format};

    /// A run whose curves all stand at given heights.
    fn flat(steps: u64, loss: f32, output: f32) -> Vec<Metrics> {
        let at = |step| Metrics {
            step,
            epoch: step as f64 / 10.0,
            loss_g: loss,
            loss_d: loss / 2.0,
            d_x: output,
            d_g_z1: output / 2.0,
            d_g_z2: output / 4.0,
            ..Metrics::default()
        };
        (1..=steps).map(at).collect()
    }

    fn png(metrics: &[Metrics]) -> RgbImage {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("losses.png");
        write_losses(&path, metrics).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let image = load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), (1200, 800));
        image
    }

    /// The rows of one column, inside the axes, in which a curve's colour is.
    fn rows(image: &RgbImage, x: u32, range: std::ops::Range<u32>, colour: RGBColor) -> Vec<u32> {
        let Rgb(wanted) = Rgb([colour.0, colour.1, colour.2]);
        let near = |y: &u32| {
            let Rgb(found) = image.get_pixel(x, *y);
            found.iter().zip(wanted).all(|(&a, b)| a.abs_diff(b) < 40)
        };
        range.filter(near).collect()
    }

    #[test]
    fn a_curve_stands_where_its_value_says() {
        let row = |output| {
            let found = rows(&png(&flat(500, 1.0, output)), 500, 400..770, BLUE);
            assert!(!found.is_empty() && found.len() <= 4, "output {output}: {found:?}");
            f64::from(found[0] + found[found.len() - 1]) / 2.0
        };
        let (bottom, middle, top) = (row(0.1), row(0.5), row(0.9));
        assert!(bottom - top > 200.0, "{bottom} to {top}");
        assert!((middle - (bottom + top) / 2.0).abs() <= 1.0, "{bottom} {middle} {top}");
    }

    #[test]
    fn each_panel_shows_its_curves() {
        let image = png(&flat(500, 3.0, 0.8));
        for (range, colours) in
            [(70..350, [BLUE, VERMILION].as_slice()), (430..750, &[BLUE, VERMILION, GREEN])]
        {
            for &colour in colours {
                assert!(!rows(&image, 500, range.clone(), colour).is_empty(), "{colour:?}");
            }
        }
        assert!(rows(&image, 500, 70..350, GREEN).is_empty());
    }

    #[test]
    fn odd_runs_are_drawn_without_fail() {
        let mut broken = flat(300, 2.0, 0.5);
        for line in &mut broken[100..200] {
            line.loss_g = f32::NAN;
            line.d_x = f32::INFINITY;
        }
        let image = png(&broken);
        assert!(!rows(&image, 150, 70..350, VERMILION).is_empty());
        assert!(rows(&image, 500, 70..350, VERMILION).is_empty(), "a gap where there is no value");

        for metrics in [
            vec![],
            flat(1, 1.0, 0.5),
            flat(2, 0.0, 0.0),
            flat(60, f32::NAN, f32::NAN),
            flat(60, f32::MAX, -1.0),
            flat(60, f32::MIN_POSITIVE, 2.0),
            vec![Metrics { step: u64::MAX, epoch: f64::NAN, ..flat(1, 1.0, 0.5)[0] }],
            [flat(70, 1.0, 0.5), flat(3, 1.0, 0.5)].concat(),
            vec![Metrics { epoch: f64::INFINITY, ..flat(1, 1.0, 0.5)[0] }],
            vec![Metrics { epoch: 1e300, ..flat(1, 1.0, 0.5)[0] }],
        ] {
            png(&metrics);
        }
    }

    #[test]
    fn the_picture_of_a_long_run_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("losses.svg");
        let mut metrics = flat(100_000, 1.0, 0.5);
        for (i, m) in metrics.iter_mut().enumerate() {
            m.loss_g += (i % 17) as f32 / 20.0;
        }
        write_losses(&path, &metrics).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 500_000, "{} bytes", text.len());
        for label in ["loss of G", "loss of D", "D(x): real images", "epoch", "step", "100,000"] {
            assert!(text.contains(label), "{label}");
        }
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn a_path_that_cannot_be_written_is_an_error() {
        for name in ["losses.png", "losses.svg"] {
            let path = Path::new("/nowhere/at/all").join(name);
            let error = write_losses(&path, &flat(3, 1.0, 0.5)).unwrap_err();
            assert_eq!(error.exit_code(), 5, "{error}");
        }
    }
}
