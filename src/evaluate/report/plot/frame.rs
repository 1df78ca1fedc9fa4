//! The parts that all plots share: legend, scales with their labels, and the rectangle of the data.

use super::Mark;
use super::axis::Scale;
use super::draw::Room;
use super::scene::{Anchor, Fill, Ink, Marker, Point, Scene, Shape, Style, text_width};

/// Sizes of text, in pixels.
const LABEL: f64 = 12.0;
const LEGEND: f64 = 12.5;
/// Heights of lines of text.
const ROW: f64 = 20.0;
const LABEL_ROW: f64 = 16.0;
/// Room for half of the last label beyond the end of the x axis.
const RIGHT: f64 = 14.0;
const DASHED: &[f64] = &[3.0, 3.0];

/// What stands before a name in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Line,
    /// A line with the marker of its points.
    MarkedLine,
    Marker,
    Bar,
}

/// A name in the legend.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub style: Style,
    pub key: Key,
}

/// The rectangle of the data, and where values stand in it.
#[derive(Debug)]
pub struct Frame {
    pub scene: Scene,
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    x: Scale,
    y: Scale,
}

/// What is above the data.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub legend: &'a [Entry],
    pub y_label: &'a str,
    pub marks: &'a [Mark],
}

impl Frame {
    /// Lays out what is above the data and finds the rectangle; `scales` are x and y. If
    /// `y_ticks` is false, there is no room for their labels.
    ///
    /// # Errors
    /// A sentence, if the font cannot be read.
    pub fn new(
        room: Room,
        head: Head<'_>,
        (x, y): (Scale, Scale),
        y_ticks: bool,
    ) -> Result<Self, String> {
        let mut scene = Scene { width: room.width, height: 0.0, margin: 0.0, shapes: Vec::new() };
        let mut top = draw_legend(&mut scene, head.legend)?;
        if !head.y_label.is_empty() {
            top += LABEL_ROW;
            let text = fitted(head.y_label, LABEL, room.width)?;
            scene.text(text, (0.0, top - 3.0), Anchor::Start, Ink::Muted, LABEL);
        }
        top += 6.0 + LABEL_ROW * head.marks.len() as f64;
        let mut left = 1.0;
        if y_ticks {
            for (_, label) in y.ticks(y_tick_count(room.height)) {
                left = text_width(&label, LABEL)?.max(left);
            }
            left = (left + 8.0).ceil();
        }
        let (right, bottom) = (room.width - RIGHT, top + room.height);
        scene.height = bottom + 6.0;
        Ok(Self { scene, left, top, right, bottom, x, y })
    }

    /// Where a point stands.
    pub fn at(&self, (x, y): Point) -> Point {
        let place = |start: f64, end: f64, share: f64| start + (end - start) * share;
        (
            place(self.left, self.right, self.x.place(x)),
            place(self.bottom, self.top, self.y.place(y)),
        )
    }

    /// Faint lines across, and the labels of the y axis.
    pub fn draw_y_axis(&mut self) {
        for (value, label) in self.y.ticks(y_tick_count(self.bottom - self.top)) {
            let (_, y) = self.at((0.0, value));
            self.scene.line(vec![(self.left, y), (self.right, y)], Ink::Grid, 1.0, &[]);
            let at = (self.left - 8.0, y + 0.35 * LABEL);
            self.scene.text(label, at, Anchor::End, Ink::Muted, LABEL);
        }
    }

    /// The ticks, the labels and the name of the x axis; with `grid`, faint lines upwards.
    ///
    /// # Errors
    /// A sentence, if the font cannot be read.
    pub fn draw_x_axis(&mut self, label: &str, grid: bool) -> Result<(), String> {
        for (value, text) in self.x_ticks()? {
            let (x, _) = self.at((value, 0.0));
            if grid {
                self.scene.line(vec![(x, self.top), (x, self.bottom)], Ink::Grid, 1.0, &[]);
            }
            let tick = vec![(x, self.bottom), (x, self.bottom + 4.0)];
            self.scene.line(tick, Ink::Muted, 1.0, &[]);
            // A label at an end of the axis stays within the picture.
            let half = text_width(&text, LABEL)? / 2.0;
            let middle = x.min(self.scene.width - half);
            let at = (middle, self.bottom + 5.0 + LABEL);
            self.scene.text(text, at, Anchor::Middle, Ink::Muted, LABEL);
        }
        self.draw_base_line();
        self.scene.height = self.bottom + 6.0 + LABEL_ROW;
        if !label.is_empty() {
            let text = fitted(label, LABEL, self.scene.width)?;
            let centre = (self.left + self.right) / 2.0;
            let half = text_width(&text, LABEL)? / 2.0;
            let middle = centre.min(self.scene.width - half).max(half);
            let at = (middle, self.scene.height + LABEL);
            self.scene.text(text, at, Anchor::Middle, Ink::Muted, LABEL);
            self.scene.height += LABEL_ROW + 2.0;
        }
        Ok(())
    }

    /// As many ticks as have room for their labels.
    fn x_ticks(&self) -> Result<Vec<(f64, String)>, String> {
        let width = self.right - self.left;
        let mut most = (width / 55.0) as usize;
        loop {
            let ticks = self.x.ticks(most);
            let mut needed = 0.0;
            for (_, label) in &ticks {
                needed += text_width(label, LABEL)? + 14.0;
            }
            if needed <= width || most <= 2 {
                return Ok(ticks);
            }
            most -= 1;
        }
    }

    /// The line that the data stand on.
    pub fn draw_base_line(&mut self) {
        let base = vec![(self.left, self.bottom), (self.right, self.bottom)];
        self.scene.line(base, Ink::Muted, 1.0, &[]);
    }

    /// Names under parts of equal width, broken at spaces.
    ///
    /// # Errors
    /// A sentence, if the font cannot be read.
    pub fn draw_categories(&mut self, names: &[String]) -> Result<(), String> {
        self.draw_base_line();
        let width = (self.right - self.left) / names.len().max(1) as f64;
        let mut most = 1;
        for (i, name) in names.iter().enumerate() {
            let lines = wrapped(name, LABEL, width - 6.0)?;
            most = most.max(lines.len());
            let x = self.left + width * (i as f64 + 0.5);
            for (row, line) in lines.into_iter().enumerate() {
                let y = self.bottom + 4.0 + LABEL + LABEL_ROW * row as f64;
                self.scene.text(line, (x, y), Anchor::Middle, Ink::Muted, LABEL);
            }
        }
        self.scene.height = self.bottom + 8.0 + LABEL_ROW * most as f64;
        Ok(())
    }

    /// Vertical lines with their names above, each in a row of its own: the leftmost on top, so that
    /// the lines pass beside the names below.
    ///
    /// # Errors
    /// A sentence, if the font cannot be read.
    pub fn draw_marks(&mut self, marks: &[Mark]) -> Result<(), String> {
        let mut sorted: Vec<&Mark> = marks.iter().collect();
        sorted.sort_by(|a, b| a.x.total_cmp(&b.x));
        let base = |row: usize| self.top - 2.0 - LABEL_ROW * (marks.len() - 1 - row) as f64;
        let places: Vec<Point> =
            sorted.iter().enumerate().map(|(i, m)| (self.at((m.x, 0.0)).0, base(i))).collect();
        for (x, base) in &places {
            let line = vec![(*x, base - LABEL), (*x, self.bottom)];
            self.scene.line(line, Ink::Muted, 1.2, DASHED);
        }
        for (mark, (x, base)) in sorted.iter().zip(places) {
            let (left, right) = (x - 5.0, self.scene.width - x - 5.0);
            let text = fitted(&mark.label, LABEL, left.max(right))?;
            let width = text_width(&text, LABEL)?;
            let start = if width <= right { x + 5.0 } else { left - width };
            // The ground interrupts a line that passes behind the name.
            let (from, to) = ((start - 2.0, base - LABEL), (start + width + 2.0, base + 3.0));
            let points = vec![from, (to.0, from.1), to, (from.0, to.1)];
            self.scene.shapes.push(Shape::Area { points, ink: Ink::Paper, opacity: 1.0 });
            let (at, anchor) =
                if width <= right { (start, Anchor::Start) } else { (left, Anchor::End) };
            self.scene.text(text, (at, base - 2.0), anchor, Ink::Text, LABEL);
        }
        Ok(())
    }
}

impl Scene {
    /// Adds a path.
    pub fn line(&mut self, points: Vec<Point>, ink: Ink, width: f64, dash: &'static [f64]) {
        self.shapes.push(Shape::Line { points, ink, width, dash });
    }

    /// Adds a text.
    pub fn text(&mut self, text: String, at: Point, anchor: Anchor, ink: Ink, size: f64) {
        self.shapes.push(Shape::Text { text, at, anchor, ink, size });
    }

    /// Adds markers of a style.
    pub fn markers(&mut self, at: Vec<Point>, style: Style, opacity: f64, radius: f64) {
        let Style { marker, ink, .. } = style;
        self.shapes.push(Shape::Markers { at, marker, ink, opacity, radius });
    }

    /// Adds a bar in the fill of a style; `from` is its upper left corner, `to` its lower right one.
    pub fn bar(&mut self, from: Point, to: Point, style: Style) {
        let corners = vec![from, (to.0, from.1), to, (from.0, to.1)];
        let opacity = match style.fill {
            Fill::Solid => 0.9,
            Fill::Light => 0.3,
            Fill::Rising | Fill::Falling => 0.12,
        };
        self.shapes.push(Shape::Area { points: corners.clone(), ink: style.ink, opacity });
        if matches!(style.fill, Fill::Rising | Fill::Falling) {
            for line in hatch(from, to, style.fill == Fill::Rising) {
                self.line(line.to_vec(), style.ink, 1.2, &[]);
            }
        }
        let outline = corners.iter().chain(corners.first()).copied().collect();
        self.line(outline, style.ink, 1.2, &[]);
    }
}

/// Oblique lines within a rectangle.
fn hatch(from: Point, to: Point, rising: bool) -> Vec<[Point; 2]> {
    const SPACING: f64 = 5.0;
    let (width, height) = (to.0 - from.0, to.1 - from.1);
    let count = ((width + height) / SPACING).max(0.0) as usize;
    let line = |k: usize| {
        // In a corner's coordinates these are the points with u + v = c, for u along the width.
        let c = SPACING * (k as f64 + 0.5);
        let ends = [c.min(width), (c - height).max(0.0)].map(|u| (u, c - u));
        ends.map(|(u, v)| (from.0 + u, if rising { from.1 + v } else { to.1 - v }))
    };
    (0..count).map(line).collect()
}

/// Names in rows, as many in each as have room. Gives the height.
fn draw_legend(scene: &mut Scene, entries: &[Entry]) -> Result<f64, String> {
    let (mut x, mut y) = (0.0, 0.0);
    for entry in entries {
        let swatch = match entry.key {
            Key::Line | Key::MarkedLine => 30.0,
            Key::Marker => 10.0,
            Key::Bar => 16.0,
        };
        let name = fitted(&entry.name, LEGEND, scene.width - swatch - 7.0)?;
        let width = swatch + 7.0 + text_width(&name, LEGEND)?;
        if x > 0.0 && x + width > scene.width {
            (x, y) = (0.0, y + ROW);
        }
        let middle = y + ROW / 2.0;
        let (ink, dash) = (entry.style.ink, entry.style.dash);
        match entry.key {
            Key::Line | Key::MarkedLine => {
                scene.line(vec![(x, middle), (x + swatch, middle)], ink, 2.0, dash);
                if entry.key == Key::MarkedLine {
                    scene.markers(vec![(x + swatch / 2.0, middle)], entry.style, 1.0, 3.5);
                }
            }
            Key::Marker => scene.markers(vec![(x + 5.0, middle)], entry.style, 1.0, 4.0),
            Key::Bar => scene.bar((x, middle - 6.0), (x + swatch, middle + 6.0), entry.style),
        }
        let at = (x + swatch + 7.0, middle + 0.35 * LEGEND);
        scene.text(name, at, Anchor::Start, Ink::Text, LEGEND);
        x += width + 22.0;
    }
    Ok(if entries.is_empty() { 0.0 } else { y + ROW + 2.0 })
}

fn y_tick_count(height: f64) -> usize {
    (height / 48.0) as usize
}

/// The text, or its beginning and an ellipsis, no wider than `room`.
fn fitted(text: &str, size: f64, room: f64) -> Result<String, String> {
    let mut fitting = text.to_owned();
    let mut letters = text.chars().count();
    while text_width(&fitting, size)? > room && letters > 1 {
        letters -= 1;
        fitting = text.chars().take(letters).chain(['…']).collect();
    }
    Ok(fitting)
}

/// The text in lines no wider than `room`, broken at spaces.
fn wrapped(text: &str, size: f64, room: f64) -> Result<Vec<String>, String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(last) = lines.last_mut() {
            let longer = format!("{last} {word}");
            if text_width(&longer, size)? <= room {
                *last = longer;
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines.iter().map(|line| fitted(line, size, room)).collect()
}

/// The sign of a marker as paths around the origin; a filled one is an area.
pub fn outline(marker: Marker, radius: f64) -> Vec<Vec<Point>> {
    let r = radius;
    let closed = |corners: &[Point]| corners.iter().chain(corners.first()).copied().collect();
    match marker {
        // Both renderers have circles.
        Marker::Dot | Marker::Ring => Vec::new(),
        Marker::Cross => vec![vec![(-r, -r), (r, r)], vec![(-r, r), (r, -r)]],
        Marker::Plus => vec![vec![(-r, 0.0), (r, 0.0)], vec![(0.0, -r), (0.0, r)]],
        Marker::Triangle => vec![closed(&[(0.0, -1.1 * r), (r, 0.8 * r), (-r, 0.8 * r)])],
        Marker::Square => vec![closed(&[(-r, -r), (r, -r), (r, r), (-r, r)])],
        Marker::Diamond => vec![closed(&[(0.0, -r), (r, 0.0), (0.0, r), (-r, 0.0)])],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hatching_stays_within_its_bar() {
        for (from, to) in [((3.0, 5.0), (23.0, 95.0)), ((0.0, 0.0), (80.0, 7.0))] {
            for rising in [true, false] {
                let lines = hatch(from, to, rising);
                assert!(lines.len() > 10);
                for [a, b] in lines {
                    for (x, y) in [a, b] {
                        assert!(x >= from.0 && x <= to.0 && y >= from.1 && y <= to.1, "{x} {y}");
                    }
                    let slope = (b.1 - a.1) / (b.0 - a.0);
                    assert!((slope - if rising { -1.0 } else { 1.0 }).abs() < 1e-9, "{slope}");
                }
            }
        }
    }

    #[test]
    fn long_names_are_cut_or_broken() {
        let name = "a very long name that no legend of a phone has room for";
        let cut = fitted(name, 12.0, 100.0).unwrap();
        assert!(cut.ends_with('…') && name.starts_with(cut.trim_end_matches('…')));
        assert!(text_width(&cut, 12.0).unwrap() <= 100.0);
        assert_eq!(fitted("short", 12.0, 100.0).unwrap(), "short");
        assert_eq!(wrapped("tented arch", 12.0, 50.0).unwrap(), ["tented", "arch"]);
        assert_eq!(wrapped("tented arch", 12.0, 90.0).unwrap(), ["tented arch"]);
        assert_eq!(wrapped("unbreakable", 12.0, 30.0).unwrap().len(), 1);
    }
}
