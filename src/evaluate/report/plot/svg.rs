//! A scene as SVG: in the page with its colours, in a file with colours of its own.

use super::frame::outline;
use super::scene::{Anchor, Ink, Marker, Point, Scene, Shape};
use crate::evaluate::report::encode::data_url;
use crate::evaluate::report::text::escape;
use std::fmt::Write;

/// Where the drawing will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Within the page: colours are its classes `sK` (stroke) and `fK` (fill).
    Page,
    /// A file: colours on white.
    File,
}

const FONT: &str = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// Draws a scene. `alt` describes it in a file; in the page the element around it does.
///
/// # Errors
/// A sentence, if a picture in it cannot be encoded.
pub fn svg(scene: &Scene, target: Target, alt: &str) -> Result<String, String> {
    let mut out = String::new();
    let (width, height) = (scene.width.ceil(), scene.height.ceil());
    match target {
        Target::Page => {
            out.push_str(&format!("<svg viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\">\n"))
        }
        Target::File => {
            let (margin, xmlns) = (scene.margin, "http://www.w3.org/2000/svg");
            let (width, height) = (width + 2.0 * margin, height + 2.0 * margin);
            let size = format!("width=\"{width}\" height=\"{height}\"");
            let view = format!("viewBox=\"{0} {0} {width} {height}\"", -margin);
            out.push_str(&format!(
                "<svg xmlns=\"{xmlns}\" {size} {view} role=\"img\" font-family=\"{FONT}\">\n\
                 <title>{}</title>\n\
                 <path fill=\"#ffffff\" d=\"M{1} {1}h{width}v{height}h-{width}Z\"/>\n",
                escape(alt),
                -margin
            ));
        }
    }
    for shape in &scene.shapes {
        draw(&mut out, shape, target)?;
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn draw(out: &mut String, shape: &Shape, target: Target) -> Result<(), String> {
    match shape {
        Shape::Line { points, ink, width, dash } => {
            let paint = stroke(*ink, target);
            let dash = match dash {
                [] => String::new(),
                _ => format!(" stroke-dasharray=\"{}\"", list(dash)),
            };
            let d = path(points);
            out.push_str(&format!(
                "<path {paint} stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash} d=\"{d}\"/>\n"
            ));
        }
        Shape::Area { points, ink, opacity } => {
            let (paint, d) = (fill(*ink, target), path(points));
            out.push_str(&format!("<path {paint} fill-opacity=\"{opacity}\" d=\"{d}Z\"/>\n"));
        }
        Shape::Markers { at, marker, ink, opacity, radius } => {
            draw_markers(out, at, *marker, &stroke(*ink, target), (*opacity, *radius));
        }
        Shape::Text { text, at, anchor, ink, size } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let (paint, x, y) = (fill(*ink, target), short(at.0), short(at.1));
            let text = escape(text);
            out.push_str(&format!(
                "<text {paint} x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}>{text}</text>\n"
            ));
        }
        Shape::Image { image, at, size } => {
            let ([x, y], [width, height]) = ([at.0, at.1].map(short), [size.0, size.1].map(short));
            let href = data_url(image)?;
            out.push_str(&format!(
                "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                 style=\"image-rendering:pixelated\" href=\"{href}\"/>\n"
            ));
        }
    }
    Ok(())
}

/// All markers in one element: a point is a dozen bytes.
fn draw_markers(out: &mut String, at: &[Point], marker: Marker, paint: &str, look: (f64, f64)) {
    if at.is_empty() {
        return;
    }
    let (opacity, radius) = look;
    let width = if marker == Marker::Dot { 2.0 * radius } else { (0.5 * radius).max(1.0) };
    let sign = relative(marker, radius);
    let shift = if marker == Marker::Ring { radius } else { 0.0 };
    let mut d = String::new();
    for (x, y) in at {
        d.push_str(&format!("M{} {}{sign}", short(x - shift), short(*y)));
    }
    out.push_str(&format!(
        "<path {paint} stroke-width=\"{}\" stroke-linecap=\"round\" \
         stroke-opacity=\"{opacity}\" d=\"{d}\"/>\n",
        short(width)
    ));
}

/// The path of a marker from its middle, or a ring's from its left; in relative coordinates.
fn relative(marker: Marker, radius: f64) -> String {
    let (r, double) = (short(radius), short(2.0 * radius));
    match marker {
        // A line of no length with round ends.
        Marker::Dot => return "h0".into(),
        Marker::Ring => return format!("a{r} {r} 0 1 0 {double} 0a{r} {r} 0 1 0-{double} 0"),
        _ => {}
    }
    let mut d = String::new();
    let mut from = (0.0, 0.0);
    for part in outline(marker, radius) {
        for (i, to) in part.into_iter().enumerate() {
            let command = if i == 0 { 'm' } else { 'l' };
            d.push_str(&format!("{command}{} {}", short(to.0 - from.0), short(to.1 - from.1)));
            from = to;
        }
    }
    d
}

fn stroke(ink: Ink, target: Target) -> String {
    match target {
        Target::Page => format!("class=\"s{}\"", class(ink)),
        Target::File => format!("fill=\"none\" stroke=\"{}\"", hex(ink)),
    }
}

fn fill(ink: Ink, target: Target) -> String {
    match target {
        Target::Page => format!("class=\"f{}\"", class(ink)),
        Target::File => format!("fill=\"{}\"", hex(ink)),
    }
}

/// The end of a class name: a letter, or the number of a series.
fn class(ink: Ink) -> String {
    match ink {
        Ink::Text => "t".into(),
        Ink::Muted => "m".into(),
        Ink::Grid => "g".into(),
        Ink::Paper => "p".into(),
        Ink::Series(number) => number.to_string(),
    }
}

fn hex(ink: Ink) -> String {
    let [r, g, b] = ink.on_white();
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn path(points: &[Point]) -> String {
    let mut d = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        d.push_str(&format!("{command}{} {}", short(*x), short(*y)));
    }
    d
}

fn list(numbers: &[f64]) -> String {
    let mut text = String::new();
    for (i, number) in numbers.iter().enumerate() {
        let separator = if i == 0 { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{}", short(*number));
    }
    text
}

/// A coordinate with at most one digit after the point.
fn short(number: f64) -> String {
    let tenths = (10.0 * number).round() / 10.0;
    if tenths == 0.0 { "0".into() } else { tenths.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        let texts = [12.04, -0.04, 100.0, -3.25, 0.05].map(short);
        assert_eq!(texts, ["12", "0", "100", "-3.3", "0.1"]);
    }

    #[test]
    fn thousands_of_points_are_one_short_element() {
        let at: Vec<Point> = (0..3000).map(|i| (f64::from(i) / 7.0, f64::from(i % 331))).collect();
        let mut out = String::new();
        draw_markers(&mut out, &at, Marker::Dot, "class=\"s1\"", (0.5, 2.0));
        assert_eq!(out.matches("<path").count(), 1);
        assert_eq!(out.matches("h0").count(), 3000);
        assert!(out.len() < 3000 * 14, "{}", out.len());
    }

    #[test]
    fn markers_stand_around_their_place() {
        // The relative steps of a closed sign end where its outline began.
        assert_eq!(relative(Marker::Square, 2.0), "m-2 -2l4 0l0 4l-4 0l0 -4");
        assert_eq!(relative(Marker::Plus, 3.0), "m-3 0l6 0m-3 -3l0 6");
    }
}
