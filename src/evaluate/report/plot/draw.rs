//! From a plot to shapes.

use super::axis::Scale;
use super::frame::{Entry, Frame, Head, Key};
use super::scene::{Ink, Point, Scene, Shape, Style};
use super::thin::{columns, every};
use super::{Axis, Bars, Histograms, Lines, Plot, Scatter, Series};
use crate::evaluate::report::number::fixed;

/// The room that a drawing gets.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of the whole drawing, in pixels.
    pub width: f64,
    /// Of the rectangle of the data, in pixels.
    pub height: f64,
    /// Points a scatter plot draws at most; more are thinned to every k-th.
    pub most_points: usize,
}

/// Curves with fewer points show each of them.
const MARKED_UP_TO: usize = 25;
/// In so many parts the points of a group are drawn.
const TURNS: usize = 6;

impl Room {
    /// Points of a scatter plot that the page draws.
    const PAGE_POINTS: usize = 4000;

    /// The page on a screen.
    pub fn screen(plot: &Plot) -> Self {
        let height = if plot.is_map() { 520.0 } else { 300.0 };
        Self { width: 720.0, height, most_points: Self::PAGE_POINTS }
    }

    /// The page on a phone.
    pub fn phone(plot: &Plot) -> Self {
        let height = if plot.is_map() { 320.0 } else { 220.0 };
        Self { width: 340.0, height, most_points: Self::PAGE_POINTS }
    }

    /// The files: nothing is left out.
    pub fn file(plot: &Plot) -> Self {
        Self { most_points: usize::MAX, ..Self::screen(plot) }
    }
}

impl Plot {
    fn is_map(&self) -> bool {
        matches!(self, Self::Scatter(_))
    }

    /// For a scatter plot of more points than the page draws: the `k` of every k-th, and how many
    /// there are.
    pub fn thinned(&self) -> Option<(usize, usize)> {
        let Self::Scatter(scatter) = self else { return None };
        let count = scatter.count();
        let k = every(count, Room::PAGE_POINTS);
        (k > 1).then_some((k, count))
    }
}

/// Lays a plot out. Its data must have passed the check of the document.
///
/// # Errors
/// A sentence, if the font cannot be read.
pub fn scene(plot: &Plot, room: Room) -> Result<Scene, String> {
    match plot {
        Plot::Lines(lines) => lines.scene(room),
        Plot::Histograms(histograms) => histograms.scene(room),
        Plot::Scatter(scatter) => scatter.scene(room),
        Plot::Bars(bars) => bars.scene(room),
    }
}

impl Series {
    fn key(&self) -> Key {
        if self.points.len() <= MARKED_UP_TO { Key::MarkedLine } else { Key::Line }
    }
}

impl Lines {
    fn scene(&self, room: Room) -> Result<Scene, String> {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bands = self.series.iter().flat_map(|series| &series.band);
        let ends = bands.flat_map(|(low, high)| [*low, *high]);
        let shown = ends.filter(|end| !self.y.log || *end > 0.0);
        let xs = points().map(|p| p.0).chain(self.marks.iter().map(|mark| mark.x));
        let x = Scale::new(&self.x, xs, false);
        let y = Scale::new(&self.y, points().map(|p| p.1).chain(shown), false);
        let entry = |s: &Series| {
            let style = Style::of(s.style);
            Entry { name: s.name.clone(), style, key: s.key() }
        };
        let legend: Vec<Entry> = self.series.iter().map(entry).collect();
        let head = Head { legend: &legend, y_label: &self.y.label, marks: &self.marks };
        let mut frame = Frame::new(room, head, (x, y), true)?;
        frame.draw_y_axis();
        frame.draw_x_axis(&self.x.label, false)?;
        frame.draw_marks(&self.marks)?;
        for series in &self.series {
            draw_band(&mut frame, series);
        }
        for series in &self.series {
            let style = Style::of(series.style);
            let path: Vec<Point> = series.points.iter().map(|p| frame.at(*p)).collect();
            if series.key() == Key::MarkedLine {
                frame.scene.markers(path.clone(), style, 1.0, 3.2);
            }
            frame.scene.line(columns(path), style.ink, 2.0, style.dash);
        }
        Ok(frame.scene)
    }
}

fn draw_band(frame: &mut Frame, series: &Series) {
    if series.band.is_empty() {
        return;
    }
    let ends = || series.points.iter().zip(&series.band);
    let lower = columns(ends().map(|(p, band)| frame.at((p.0, band.0))).collect());
    let upper = columns(ends().map(|(p, band)| frame.at((p.0, band.1))).collect());
    let points = lower.into_iter().chain(upper.into_iter().rev()).collect();
    let ink = Style::of(series.style).ink;
    frame.scene.shapes.push(Shape::Area { points, ink, opacity: 0.16 });
}

impl Histograms {
    fn scene(&self, room: Room) -> Result<Scene, String> {
        let shares: Vec<(Vec<f64>, usize)> =
            self.samples.iter().map(|sample| self.shares(&sample.values)).collect();
        let mut x_axis = self.x.clone();
        if let [first, .., last] = self.edges[..] {
            x_axis = x_axis.showing(first, last);
        }
        let ends = self.x.at_least.iter().flat_map(|(a, b)| [*a, *b]);
        let xs = ends.chain(self.edges.iter().copied()).chain(self.marks.iter().map(|m| m.x));
        let x = Scale::new(&x_axis, xs, false);
        let heights = shares.iter().flat_map(|(shares, _)| shares).map(|share| 100.0 * share);
        let y = Scale::new(&Axis::default(), heights, true);
        let entry = |(sample, (_, outside)): (&super::Sample, &(Vec<f64>, usize))| {
            let count = fixed(sample.values.len() as f64, 0);
            let name = match outside {
                0 => format!("{} (n = {count})", sample.name),
                _ => format!("{} (n = {count}, {outside} outside)", sample.name),
            };
            Entry { name, style: Style::of(sample.style), key: Key::Line }
        };
        let legend: Vec<Entry> = self.samples.iter().zip(&shares).map(entry).collect();
        let head = Head { legend: &legend, y_label: "share of each set, %", marks: &self.marks };
        let mut frame = Frame::new(room, head, (x, y), true)?;
        frame.draw_y_axis();
        frame.draw_x_axis(&self.x.label, false)?;
        frame.draw_marks(&self.marks)?;
        let outlines: Vec<(Vec<Point>, Style)> = (self.samples.iter().zip(&shares))
            .map(|(sample, (shares, _))| (self.outline(&frame, shares), Style::of(sample.style)))
            .collect();
        for (points, style) in &outlines {
            let area = Shape::Area { points: points.clone(), ink: style.ink, opacity: 0.08 };
            frame.scene.shapes.push(area);
        }
        for (points, style) in outlines {
            frame.scene.line(points, style.ink, 2.0, style.dash);
        }
        Ok(frame.scene)
    }

    fn outline(&self, frame: &Frame, shares: &[f64]) -> Vec<Point> {
        let ends = self.edges.first().into_iter().chain(self.edges.last());
        let mut feet = ends.map(|edge| frame.at((*edge, 0.0)));
        let tops = self.edges.windows(2).zip(shares);
        let steps = tops.flat_map(|(bin, share)| [(bin[0], share), (bin[1], share)]);
        let steps = steps.map(|(edge, share)| frame.at((edge, 100.0 * share)));
        feet.next().into_iter().chain(steps).chain(feet).collect()
    }
}

impl Scatter {
    fn count(&self) -> usize {
        self.groups.iter().map(|group| group.points.len()).sum()
    }

    fn scene(&self, room: Room) -> Result<Scene, String> {
        let entry = |group: &super::Cloud| {
            let count = fixed(group.points.len() as f64, 0);
            let name = format!("{} (n = {count})", group.name);
            Entry { name, style: Style::of(group.style), key: Key::Marker }
        };
        let legend: Vec<Entry> = self.groups.iter().map(entry).collect();
        let y_label = self.axes.as_ref().map_or("", |(_, y)| y.label.as_str());
        let head = Head { legend: &legend, y_label, marks: &[] };
        let points = || self.groups.iter().flat_map(|group| &group.points);
        let mut frame = if let Some((x, y)) = &self.axes {
            let x_scale = Scale::new(x, points().map(|p| p.0), false);
            let y_scale = Scale::new(y, points().map(|p| p.1), false);
            let mut frame = Frame::new(room, head, (x_scale, y_scale), true)?;
            frame.draw_y_axis();
            frame.draw_x_axis(&x.label, true)?;
            frame
        } else {
            let unit = (Scale::between(0.0, 1.0), Scale::between(0.0, 1.0));
            let empty = Frame::new(room, head, unit, false)?;
            let size = (empty.right - empty.left, empty.bottom - empty.top);
            let scales = same_scale(points().copied(), size);
            let mut frame = Frame::new(room, head, scales, false)?;
            frame.draw_box();
            frame
        };
        let k = every(self.count(), room.most_points);
        // Many small points show a cloud, few must be seen at all.
        let radius = if self.count() / k > 1000 { 1.8 } else { 2.8 };
        // The groups take turns: none lies wholly on top of another.
        for turn in 0..TURNS {
            for group in &self.groups {
                let points = group.points.iter().step_by(k).skip(turn).step_by(TURNS);
                let at = points.map(|p| frame.at(*p)).collect();
                frame.scene.markers(at, Style::of(group.style), 0.6, radius);
            }
        }
        Ok(frame.scene)
    }
}

impl Frame {
    /// A faint border, for a map without scales.
    fn draw_box(&mut self) {
        let (left, right) = (self.left, self.scene.width - 1.0);
        let corners =
            [(left, self.top), (right, self.top), (right, self.bottom), (left, self.bottom)];
        let border = corners.iter().chain(corners.first()).copied().collect();
        self.scene.line(border, Ink::Grid, 1.0, &[]);
    }
}

/// Scales for a rectangle of `size` pixels on which a unit is as long to the right as upwards.
fn same_scale(points: impl Iterator<Item = Point> + Clone, size: Point) -> (Scale, Scale) {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let ends = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), ends)
    };
    let (x, y) = (range(&mut points.clone().map(|p| p.0)), range(&mut points.map(|p| p.1)));
    let unit = ((x.1 - x.0) / size.0).max((y.1 - y.0) / size.1) * 1.06;
    let unit = if unit > 0.0 { unit } else { 1.0 };
    let around = |(low, high): (f64, f64), pixels: f64| {
        let (middle, half) = (f64::midpoint(low, high), unit * pixels / 2.0);
        Scale::between(middle - half, middle + half)
    };
    (around(x, size.0), around(y, size.1))
}

impl Bars {
    fn scene(&self, room: Room) -> Result<Scene, String> {
        let values = self.sets.iter().flat_map(|set| &set.values).copied();
        let ends = self.sets.iter().flat_map(|set| &set.intervals).flat_map(|(a, b)| [*a, *b]);
        let y = Scale::new(&self.y, values.chain(ends), true);
        let count = self.categories.len() as f64;
        let x = Scale::between(0.0, count);
        let entry = |set: &super::Shares| {
            let style = Style::of(set.style);
            Entry { name: set.name.clone(), style, key: Key::Bar }
        };
        let legend: Vec<Entry> = self.sets.iter().map(entry).collect();
        let head = Head { legend: &legend, y_label: &self.y.label, marks: &[] };
        let mut frame = Frame::new(room, head, (x, y), true)?;
        frame.draw_y_axis();
        let width = 0.76 / self.sets.len().max(1) as f64;
        for (k, set) in self.sets.iter().enumerate() {
            let style = Style::of(set.style);
            for (i, value) in set.values.iter().enumerate() {
                let start = i as f64 + 0.12 + width * k as f64;
                let (from, to) =
                    (frame.at((start, value.max(0.0))), (start + width, value.min(0.0)));
                let to = frame.at(to);
                frame.scene.bar((from.0 + 1.0, from.1), (to.0 - 1.0, to.1), style);
                if let Some((low, high)) = set.intervals.get(i) {
                    let middle = start + width / 2.0;
                    let ends = [*low, *high].map(|end| frame.at((middle, end)));
                    frame.draw_interval(ends);
                }
            }
        }
        frame.draw_categories(&self.categories)?;
        Ok(frame.scene)
    }
}

impl Frame {
    /// A line between two ends, with short bars across them.
    fn draw_interval(&mut self, [low, high]: [Point; 2]) {
        self.scene.line(vec![low, high], Ink::Text, 1.4, &[]);
        for (x, y) in [low, high] {
            self.scene.line(vec![(x - 3.0, y), (x + 3.0, y)], Ink::Text, 1.4, &[]);
        }
    }
}
