//! Prints beside others: in the page as rows of small pictures, in files as one sheet.

use super::blocks::render_cell;
use super::encode::data_url;
use super::number::{fixed, interval};
use super::plot::scene::{Anchor, Ink, Scene, Shape, text_width};
use super::text::{escape, inline};
use super::{Cell, Pair, Thumb};

/// The width of a small picture on the page, about.
const WIDTH: u32 = 96;
/// Places on the sheet, in pixels.
const GAP: f64 = 14.0;
const TEXT: f64 = 11.0;
const LINE: f64 = 14.0;

/// The width and height at which a picture is shown: whole multiples of its own where it is small.
fn shown(thumb: &Thumb) -> (u32, u32) {
    let (width, height) = (thumb.image.width(), thumb.image.height());
    if width > WIDTH + WIDTH / 2 {
        let scaled = u64::from(height) * u64::from(WIDTH) / u64::from(width);
        return (WIDTH, u32::try_from(scaled).unwrap_or(u32::MAX).max(1));
    }
    let times = (WIDTH / width).max(1);
    (width * times, height * times)
}

/// Adds the rows to the page.
///
/// # Errors
/// A sentence, if a picture cannot be encoded.
pub fn render(out: &mut String, pairs: &[Pair], alt: &str) -> Result<(), String> {
    out.push_str(&format!("<div class=\"pairs\" role=\"group\" aria-label=\"{alt}\">\n"));
    for pair in pairs {
        out.push_str("<div class=\"pair\">\n");
        render_thumb(out, &pair.first, "thumb first")?;
        out.push_str("<div class=\"others\">\n");
        for other in &pair.others {
            render_thumb(out, other, "thumb")?;
        }
        out.push_str("</div>\n</div>\n");
    }
    out.push_str("</div>\n");
    Ok(())
}

fn render_thumb(out: &mut String, thumb: &Thumb, class: &str) -> Result<(), String> {
    let (width, height) = shown(thumb);
    let style = if width < thumb.image.width() { "" } else { " class=\"pixels\"" };
    let (url, alt) = (data_url(&thumb.image)?, escape(&thumb.label));
    let size = format!("width=\"{width}\" height=\"{height}\"");
    let label = inline(&thumb.label);
    out.push_str(&format!(
        "<div class=\"{class}\"><img{style} src=\"{url}\" alt=\"{alt}\" {size}>\
         <span class=\"label\">{label}</span>"
    ));
    if let Some(score) = &thumb.score {
        out.push_str(&format!("<span class=\"score\">{}</span>", render_cell(score)));
    }
    out.push_str("</div>\n");
    Ok(())
}

/// Lays the rows out on one sheet.
///
/// # Errors
/// A sentence, if the font cannot be read.
pub fn sheet(pairs: &[Pair]) -> Result<Scene, String> {
    let thumbs = || pairs.iter().flat_map(|pair| std::iter::once(&pair.first).chain(&pair.others));
    let mut column = 0.0f64;
    for thumb in thumbs() {
        column = column.max(f64::from(shown(thumb).0));
        for line in lines(thumb) {
            column = column.max(text_width(&line, TEXT)?.min(2.0 * f64::from(WIDTH)));
        }
    }
    let column = (column + GAP).ceil();
    let most = pairs.iter().map(|pair| pair.others.len()).max().unwrap_or(0);
    // A wider gap behind the first picture parts it from those it is compared with.
    let width = GAP + column * (most + 1) as f64 + if most > 0 { GAP } else { 0.0 };
    let mut scene = Scene { width, height: GAP, margin: 0.0, shapes: Vec::new() };
    for pair in pairs {
        let row = std::iter::once(&pair.first).chain(&pair.others);
        let tallest = row.clone().map(|thumb| shown(thumb).1).max().unwrap_or(0);
        for (i, thumb) in row.enumerate() {
            let x = GAP + column * i as f64 + if i > 0 { GAP } else { 0.0 };
            place(&mut scene, thumb, x, f64::from(tallest));
        }
        if !pair.others.is_empty() {
            let x = column + GAP;
            let points = vec![(x, scene.height), (x, scene.height + f64::from(tallest))];
            scene.shapes.push(Shape::Line { points, ink: Ink::Muted, width: 1.0, dash: &[] });
        }
        scene.height += f64::from(tallest) + 2.0 * LINE + 2.0 * GAP;
    }
    Ok(scene)
}

fn place(scene: &mut Scene, thumb: &Thumb, x: f64, tallest: f64) {
    let (width, height) = shown(thumb);
    let size = (f64::from(width), f64::from(height));
    let image = thumb.image.clone();
    scene.shapes.push(Shape::Image { image, at: (x, scene.height), size });
    for (i, text) in lines(thumb).into_iter().enumerate() {
        let at = (x, scene.height + tallest + LINE * (i + 1) as f64);
        let ink = if i == 0 { Ink::Text } else { Ink::Muted };
        let anchor = Anchor::Start;
        scene.shapes.push(Shape::Text { text, at, anchor, ink, size: TEXT });
    }
}

/// The texts under a picture of the sheet.
fn lines(thumb: &Thumb) -> Vec<String> {
    let score = thumb.score.as_ref().map(|score| match score {
        Cell::Text(text) => text.clone(),
        Cell::Number { value, digits } => fixed(*value, *digits),
        Cell::Interval { value, low, high, digits } => {
            format!("{} {}", fixed(*value, *digits), interval(*low, *high, *digits))
        }
        Cell::State(state) => state.word().into(),
        Cell::Missing(_) => "missing".into(),
    });
    std::iter::once(thumb.label.clone()).chain(score).collect()
}
