//! What a document must be before it is rendered.

use super::plot::{Axis, Bars, Histograms, Lines, Mark, Plot, Scatter};
use super::{Block, Cell, Document, Figure, Picture, Table, Thumb};
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// Ids that the page itself uses.
const RESERVED: [&str; 3] = ["top", "contents", "summary"];
/// A row of pairs must fit a page.
const MOST_OTHERS: usize = 12;
/// Digits after the point that a double has at most.
const MOST_DIGITS: usize = 17;
/// Beyond this a scale's arithmetic may overflow.
const LARGEST: f64 = 1e100;

fn fault(place: &str, reason: impl AsRef<str>) -> Error {
    Error::shape("report", format!("{place}: {}", reason.as_ref()))
}

fn require(holds: bool, place: &str, reason: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(fault(place, reason())) }
}

/// Checks every part.
///
/// # Errors
/// [`Error::Shape`] that names the first fault's place.
pub fn document(document: &Document) -> Result<()> {
    require(!document.title.trim().is_empty(), "title", || "it is empty".into())?;
    let mut ids: BTreeSet<&str> = RESERVED.into();
    let sections = document.sections.iter().map(|section| section.id.as_str());
    for id in sections {
        require(is_id(id), "section", || malformed(id))?;
        // The page makes such ids for figures and tables.
        let own = id.starts_with("figure-") || id.starts_with("table-");
        require(!own && ids.insert(id), "section", || format!("the id '{id}' is taken"))?;
    }
    let mut ids = BTreeSet::new();
    for figure in document.figures() {
        require(is_id(&figure.id), "figure", || malformed(&figure.id))?;
        let new = ids.insert(&figure.id);
        require(new, "figure", || format!("the id '{}' is there twice", figure.id))?;
    }
    for section in &document.sections {
        for block in &section.blocks {
            match block {
                Block::Table(content) => table(content)?,
                Block::Figure(content) => figure(content)?,
                Block::Note(_) | Block::List(_) | Block::Text(_) | Block::Verdict(_) => {}
            }
        }
    }
    Ok(())
}

fn is_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(allowed)
}

fn malformed(id: &str) -> String {
    format!("the id '{id}' is not a lower-case letter followed by such letters, digits, hyphens")
}

fn table(table: &Table) -> Result<()> {
    let name = format!("table '{}'", table.caption);
    require(!table.columns.is_empty(), &name, || "it has no columns".into())?;
    for (number, row) in table.rows.iter().enumerate() {
        let (found, wanted) = (row.len(), table.columns.len());
        require(found == wanted, &name, || {
            format!("row {} has {found} cells, the table {wanted} columns", number + 1)
        })?;
        for (column, content) in table.columns.iter().zip(row) {
            cell(content, &format!("{name}, row {}, column '{}'", number + 1, column.name))?;
        }
    }
    Ok(())
}

fn cell(cell: &Cell, place: &str) -> Result<()> {
    let (numbers, digits) = match cell {
        Cell::Number { value, digits } => (vec![*value], *digits),
        Cell::Interval { value, low, high, digits } => (vec![*low, *high, *value], *digits),
        Cell::Text(_) | Cell::State(_) => return Ok(()),
        Cell::Missing(reason) => {
            return require(!reason.trim().is_empty(), place, || {
                "a missing number has no reason".into()
            });
        }
    };
    require(digits <= MOST_DIGITS, place, || {
        format!("{digits} digits after the point; at most {MOST_DIGITS} have a meaning")
    })?;
    for number in &numbers {
        require(number.is_finite(), place, || {
            format!("it holds {number}; give what cannot be computed as missing, with the reason")
        })?;
    }
    let ordered = numbers.len() < 2 || numbers[0] <= numbers[1];
    require(ordered, place, || "the ends of its interval are swapped".into())
}

fn figure(figure: &Figure) -> Result<()> {
    let name = format!("figure '{}'", figure.id);
    require(!figure.alt.trim().is_empty(), &name, || "it has no alternative text".into())?;
    match &figure.picture {
        Picture::Plot(content) => plot(content, &name),
        Picture::Image(image) => {
            let pixels = image.width() > 0 && image.height() > 0;
            require(pixels, &name, || "its picture has no pixels".into())
        }
        Picture::Pairs(pairs) => {
            require(!pairs.is_empty(), &name, || "it has no pairs".into())?;
            for pair in pairs {
                let count = pair.others.len();
                require(count <= MOST_OTHERS, &name, || {
                    format!("{count} pictures beside one; at most {MOST_OTHERS} have room")
                })?;
                let mut thumbs = std::iter::once(&pair.first).chain(&pair.others);
                thumbs.try_for_each(|content| thumb(content, &name))?;
            }
            Ok(())
        }
    }
}

fn thumb(thumb: &Thumb, name: &str) -> Result<()> {
    let pixels = thumb.image.width() > 0 && thumb.image.height() > 0;
    require(pixels, name, || format!("the picture '{}' has no pixels", thumb.label))?;
    let labelled = !thumb.label.trim().is_empty();
    require(labelled, name, || "a picture of a pair has no label".into())?;
    match &thumb.score {
        Some(score) => cell(score, &format!("{name}, '{}'", thumb.label)),
        None => Ok(()),
    }
}

fn plot(plot: &Plot, name: &str) -> Result<()> {
    match plot {
        Plot::Lines(plot) => lines(plot, name),
        Plot::Histograms(plot) => histograms(plot, name),
        Plot::Scatter(plot) => scatter(plot, name),
        Plot::Bars(plot) => bars(plot, name),
    }
}

/// Values that a scale can show.
fn values(axis: &Axis, values: impl IntoIterator<Item = f64>, place: &str) -> Result<()> {
    let ends = axis.at_least.iter().flat_map(|(low, high)| [*low, *high]);
    for value in values.into_iter().chain(ends) {
        require(value.abs() <= LARGEST, place, || {
            format!("it holds {value}, which has no place in a plot; leave the point out")
        })?;
        require(!axis.log || value > 0.0, place, || {
            format!("it holds {value}, which has no place on a logarithmic scale")
        })?;
    }
    Ok(())
}

fn marks(axis: &Axis, marks: &[Mark], name: &str) -> Result<()> {
    marks.iter().try_for_each(|mark| values(axis, [mark.x], &format!("{name}, '{}'", mark.label)))
}

fn intervals(axis: &Axis, ends: &[(f64, f64)], count: usize, place: &str) -> Result<()> {
    require(ends.is_empty() || ends.len() == count, place, || {
        format!("{} intervals for {count} values", ends.len())
    })?;
    for (low, high) in ends {
        let linear = Axis { log: false, ..axis.clone() };
        values(&linear, [*low, *high], place)?;
        require(low <= high, place, || format!("the interval [{low}, {high}] is swapped"))?;
    }
    Ok(())
}

fn lines(lines: &Lines, name: &str) -> Result<()> {
    require(!lines.series.is_empty(), name, || "it has no curve".into())?;
    for series in &lines.series {
        let place = format!("{name}, '{}'", series.name);
        require(!series.points.is_empty(), &place, || "it has no points".into())?;
        values(&lines.x, series.points.iter().map(|p| p.0), &place)?;
        values(&lines.y, series.points.iter().map(|p| p.1), &place)?;
        intervals(&lines.y, &series.band, series.points.len(), &place)?;
    }
    marks(&lines.x, &lines.marks, name)
}

fn histograms(histograms: &Histograms, name: &str) -> Result<()> {
    let edges = &histograms.edges;
    let rising = edges.windows(2).all(|pair| pair[0] < pair[1]);
    require(edges.len() >= 2 && rising, name, || "the ends of its bins do not rise".into())?;
    values(&histograms.x, edges.iter().copied(), name)?;
    require(!histograms.samples.is_empty(), name, || "it has no sample".into())?;
    for sample in &histograms.samples {
        let place = format!("{name}, '{}'", sample.name);
        require(!sample.values.is_empty(), &place, || "it has no values".into())?;
        // A value that the scale cannot show lies outside the bins, and the legend counts it.
        let any = Axis { log: false, ..Axis::default() };
        values(&any, sample.values.iter().copied(), &place)?;
    }
    marks(&histograms.x, &histograms.marks, name)
}

fn scatter(scatter: &Scatter, name: &str) -> Result<()> {
    let none = Axis::default();
    let (x, y) = scatter.axes.as_ref().map_or((&none, &none), |(x, y)| (x, y));
    let any = scatter.groups.iter().any(|group| !group.points.is_empty());
    require(any, name, || "it has no points".into())?;
    for group in &scatter.groups {
        let place = format!("{name}, '{}'", group.name);
        values(x, group.points.iter().map(|p| p.0), &place)?;
        values(y, group.points.iter().map(|p| p.1), &place)?;
    }
    Ok(())
}

fn bars(bars: &Bars, name: &str) -> Result<()> {
    let count = bars.categories.len();
    require(count > 0 && !bars.sets.is_empty(), name, || "it has no bars".into())?;
    require(!bars.y.log, name, || "bars stand on zero, which a logarithmic scale has not".into())?;
    for set in &bars.sets {
        let place = format!("{name}, '{}'", set.name);
        require(set.values.len() == count, &place, || {
            format!("{} values for {count} categories", set.values.len())
        })?;
        values(&bars.y, set.values.iter().copied(), &place)?;
        intervals(&bars.y, &set.intervals, count, &place)?;
    }
    Ok(())
}
