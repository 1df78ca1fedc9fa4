//! A scene as pixels, by the bitmap backend of `plotters`.

use super::frame::outline;
use super::scene::{Anchor, Ink, Marker, Point, Scene, Shape, em, font, letters, strokes};
use ab_glyph::Font;
use image::imageops::{FilterType, overlay, resize, thumbnail};
use image::{DynamicImage, RgbImage};
use plotters::prelude::*;
use std::fmt::Display;

/// Pixels of the picture for one of the scene: sharp on dense screens and in print.
const DENSITY: u32 = 2;
/// The drawing is made this much larger than the picture and reduced, which smooths all edges.
const SMOOTHING: u32 = 2;

/// Draws a scene on white, 2 pixels for each of its own.
///
/// # Errors
/// A sentence, if the font cannot be read.
pub fn png(scene: &Scene) -> Result<RgbImage, String> {
    let scale = DENSITY * SMOOTHING;
    let size = [scene.width, scene.height].map(|length| length.ceil().max(1.0) as u32);
    let mut large = RgbImage::from_pixel(size[0] * scale, size[1] * scale, image::Rgb([255; 3]));
    {
        let (width, height) = large.dimensions();
        let backend = BitMapBackend::with_buffer(&mut large, (width, height));
        let mut pen = Pen { backend, scale: f64::from(scale) };
        for shape in &scene.shapes {
            pen.draw(shape)?;
        }
        pen.backend.present().map_err(reason)?;
    }
    let mut picture = thumbnail(&large, size[0] * DENSITY, size[1] * DENSITY);
    for shape in &scene.shapes {
        if let Shape::Image { image, at, size } = shape {
            place(&mut picture, image, *at, *size);
        }
    }
    let margin = (scene.margin * f64::from(DENSITY)).round() as u32;
    let (width, height) = (picture.width() + 2 * margin, picture.height() + 2 * margin);
    let mut framed = RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
    overlay(&mut framed, &picture, i64::from(margin), i64::from(margin));
    Ok(framed)
}

fn reason(error: impl Display) -> String {
    format!("cannot draw: {error}")
}

/// Pictures are placed after the reduction: their pixels stay as they are.
fn place(picture: &mut RgbImage, image: &DynamicImage, at: Point, size: Point) {
    let density = f64::from(DENSITY);
    let [width, height] = [size.0, size.1].map(|length| (length * density).round() as u32);
    let enlarged = width >= image.width();
    let filter = if enlarged { FilterType::Nearest } else { FilterType::Triangle };
    let scaled = resize(&image.to_rgb8(), width.max(1), height.max(1), filter);
    let [x, y] = [at.0, at.1].map(|place| (place * density).round() as i64);
    overlay(picture, &scaled, x, y);
}

struct Pen<'a> {
    backend: BitMapBackend<'a>,
    scale: f64,
}

impl Pen<'_> {
    fn draw(&mut self, shape: &Shape) -> Result<(), String> {
        match shape {
            Shape::Line { points, ink, width, dash } => {
                let style = self.style(*ink, 1.0, *width);
                strokes(points, dash).iter().try_for_each(|stroke| self.path(stroke, style))
            }
            Shape::Area { points, ink, opacity } => {
                let style = self.style(*ink, *opacity, 1.0);
                let corners: Vec<_> = points.iter().map(|p| self.at(*p)).collect();
                self.backend.fill_polygon(corners, &style).map_err(reason)
            }
            Shape::Markers { at, marker, ink, opacity, radius } => {
                let style = self.style(*ink, *opacity, (0.5 * radius).max(1.0));
                at.iter().try_for_each(|at| self.marker(*at, *marker, *radius, style))
            }
            Shape::Text { text, at, anchor, ink, size } => {
                self.text(text, *at, *anchor, (*ink, *size))
            }
            Shape::Image { .. } => Ok(()),
        }
    }

    fn style(&self, ink: Ink, opacity: f64, width: f64) -> ShapeStyle {
        let [r, g, b] = ink.on_white();
        let color = RGBColor(r, g, b).mix(opacity);
        ShapeStyle { color, filled: true, stroke_width: self.length(width) }
    }

    fn at(&self, (x, y): Point) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn length(&self, length: f64) -> u32 {
        (length * self.scale).round().max(1.0) as u32
    }

    /// Segments with round joints: the backend's own joints stick out at sharp turns.
    fn path(&mut self, points: &[Point], style: ShapeStyle) -> Result<(), String> {
        for pair in points.windows(2) {
            let (from, to) = (self.at(pair[0]), self.at(pair[1]));
            // It cannot draw a thick line of no length.
            if from != to {
                self.backend.draw_line(from, to, &style).map_err(reason)?;
            }
        }
        let joints = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
        for joint in joints {
            let centre = self.at(*joint);
            let radius = style.stroke_width / 2;
            self.backend.draw_circle(centre, radius, &style, true).map_err(reason)?;
        }
        Ok(())
    }

    fn marker(
        &mut self,
        at: Point,
        marker: Marker,
        radius: f64,
        style: ShapeStyle,
    ) -> Result<(), String> {
        let (centre, r) = (self.at(at), self.length(radius));
        match marker {
            Marker::Dot => self.backend.draw_circle(centre, r, &style, true).map_err(reason),
            Marker::Ring => self.backend.draw_circle(centre, r, &style, false).map_err(reason),
            _ => outline(marker, radius).into_iter().try_for_each(|part| {
                let moved: Vec<Point> = part.iter().map(|p| (p.0 + at.0, p.1 + at.1)).collect();
                self.path(&moved, style)
            }),
        }
    }

    fn text(
        &mut self,
        text: &str,
        at: Point,
        anchor: Anchor,
        (ink, size): (Ink, f64),
    ) -> Result<(), String> {
        let font = font()?;
        let (letters, width) = letters(font, text, size * self.scale);
        let share = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => 0.5,
            Anchor::End => 1.0,
        };
        let start = (at.0 * self.scale) as f32 - share * width;
        let base = (at.1 * self.scale).round() as f32;
        let [r, g, b] = ink.on_white();
        let (columns, rows) = self.backend.get_size();
        for (id, x) in letters {
            let place = ab_glyph::point(start + x, base);
            let glyph = id.with_scale_and_position(em(font, size * self.scale), place);
            // A space has no outline.
            let Some(outlined) = font.outline_glyph(glyph) else { continue };
            let corner = outlined.px_bounds().min;
            let mut pixels = Vec::new();
            outlined.draw(|x, y, covered| pixels.push((x, y, covered)));
            for (x, y, covered) in pixels {
                let at = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                let inside =
                    (0..columns as i32).contains(&at.0) && (0..rows as i32).contains(&at.1);
                if inside {
                    let colour = RGBColor(r, g, b).mix(f64::from(covered)).to_backend_color();
                    self.backend.draw_pixel(at, colour).map_err(reason)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(shape: Shape) -> RgbImage {
        png(&Scene { width: 100.0, height: 60.0, margin: 0.0, shapes: vec![shape] }).unwrap()
    }

    /// The first and the last column and row, in the scene's pixels, that are not white.
    fn extent(picture: &RgbImage) -> [f64; 4] {
        let inked = picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] < 200);
        let mut ends = [f64::MAX, f64::MIN, f64::MAX, f64::MIN];
        for (x, y, _) in inked {
            let (x, y) = (f64::from(x) / 2.0, f64::from(y) / 2.0);
            ends = [ends[0].min(x), ends[1].max(x), ends[2].min(y), ends[3].max(y)];
        }
        ends
    }

    fn assert_near(found: [f64; 4], wanted: [f64; 4], tolerance: f64) {
        for (a, b) in found.iter().zip(wanted) {
            assert!((a - b).abs() <= tolerance, "{found:?} {wanted:?}");
        }
    }

    #[test]
    fn shapes_stand_where_they_should() {
        let points = vec![(10.0, 20.0), (70.0, 20.0)];
        let line = Shape::Line { points, ink: Ink::Text, width: 2.0, dash: &[] };
        let picture = drawn(line);
        assert_eq!(picture.dimensions(), (200, 120));
        assert_near(extent(&picture), [10.0, 69.5, 19.0, 20.5], 0.5);

        let points = vec![(10.0, 20.0), (40.0, 20.0), (40.0, 50.0)];
        let area = drawn(Shape::Area { points, ink: Ink::Series(0), opacity: 0.5 });
        assert_near(extent(&area), [10.5, 39.5, 20.0, 49.0], 1.0);
        // Half the blue (0, 114, 178) on white.
        let image::Rgb(found) = *area.get_pixel(70, 60);
        assert!(found.iter().zip([127u8, 184, 216]).all(|(a, b)| a.abs_diff(b) <= 2), "{found:?}");
    }

    #[test]
    fn text_stands_on_its_base_line() {
        let text = |text: &str, anchor| Shape::Text {
            text: text.into(),
            at: (50.0, 40.0),
            anchor,
            ink: Ink::Text,
            size: 20.0,
        };
        // DejaVu's H: 0.752 em wide, 0.729 em high, bearing of 0.098 em on both sides.
        let (bearing, width, height) = (1.96, 15.04, 14.58);
        let start = extent(&drawn(text("H", Anchor::Start)));
        let wanted = [50.0 + bearing, 50.0 + width - bearing, 40.0 - height, 39.5];
        assert_near(start, wanted, 0.6);
        let end = extent(&drawn(text("H", Anchor::End)));
        assert_near(end, [wanted[0] - width, wanted[1] - width, wanted[2], wanted[3]], 0.6);
    }

    #[test]
    fn every_marker_is_drawn_around_its_place() {
        for number in 0..super::super::scene::STYLES {
            let marker = super::super::scene::Style::of(number).marker;
            let at = vec![(50.0, 30.0)];
            let shape = Shape::Markers { at, marker, ink: Ink::Text, opacity: 1.0, radius: 8.0 };
            assert_near(extent(&drawn(shape)), [41.0, 58.5, 21.5, 38.0], 2.6);
        }
    }
}
