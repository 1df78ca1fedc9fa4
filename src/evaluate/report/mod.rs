//! The report as a document: its parts, and how they become files.
//!
//! A caller fills plain structs with plain text; the renderers escape it. The result is one
//! `report.html` that needs nothing else, and `figures/` with every picture as PNG and SVG. The same
//! document gives the same bytes.
//!
//! Text may hold `code` between backticks. It has no other markup.

mod blocks;
mod check;
mod encode;
mod files;
mod number;
mod page;
mod pairs;
mod plot;
#[cfg(test)]
mod tests;
mod text;

pub use plot::{Axis, Bars, Cloud, Histograms, Lines, Mark, Plot, Sample, Scatter, Series, Shares};

use crate::error::Result;
use image::DynamicImage;
use std::path::Path;

/// The whole report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    pub title: String,
    /// One sentence under the title: what was compared.
    pub subtitle: String,
    /// Names and values of what was done: folders, seeds, sizes, versions, the date.
    pub facts: Vec<(String, String)>,
    /// What the reader should take away, most important first.
    pub summary: Vec<Verdict>,
    pub sections: Vec<Section>,
}

/// One sentence of judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub state: State,
    pub text: String,
}

/// How a figure is judged. Shown as a symbol and a word beside the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Good,
    Warning,
    Bad,
    /// It could not be judged; the text says why.
    Missing,
}

/// A part of the report with a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The link's target: a lower-case letter, then lower-case letters, digits and hyphens.
    pub id: String,
    pub title: String,
    /// Paragraphs under the heading.
    pub text: Vec<String>,
    pub blocks: Vec<Block>,
}

/// What a section is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    Table(Table),
    Figure(Figure),
    /// A paragraph set apart: a limit, a caution, how to read what follows.
    Note(String),
    List(Vec<String>),
    /// A paragraph between other blocks.
    Text(String),
    /// A judgement within the section.
    Verdict(Verdict),
}

/// Rows of cells. The first column names the row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub caption: String,
    pub columns: Vec<Column>,
    /// As many cells in each row as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub align: Align,
}

/// To which side the cells of a column are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// For words.
    Left,
    /// For numbers: digits of equal value stand below each other.
    Right,
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    /// A finite number, with so many digits after the point.
    Number {
        value: f64,
        digits: usize,
    },
    /// A finite number and the interval it lies in; `low` ≤ `high`.
    Interval {
        value: f64,
        low: f64,
        high: f64,
        digits: usize,
    },
    /// A judgement in a word, beside its symbol.
    State(State),
    /// There is no number, for this reason, which is printed under the table.
    Missing(String),
}

/// A picture with its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The link's target and the name of the files, under the rules of [`Section::id`].
    pub id: String,
    pub caption: String,
    /// What the picture shows, for those who do not see it.
    pub alt: String,
    pub picture: Picture,
}

/// What a figure shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    Plot(Plot),
    /// Pixels as they are; small pictures are enlarged without smoothing.
    Image(DynamicImage),
    /// Rows of small pictures: a print, and those to compare it with.
    Pairs(Vec<Pair>),
}

/// A print beside others.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub first: Thumb,
    /// At most 12.
    pub others: Vec<Thumb>,
}

/// A small picture with its name and, where there is one, a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumb {
    pub image: DynamicImage,
    pub label: String,
    pub score: Option<Cell>,
}

impl Verdict {
    /// A sentence and how it is meant.
    pub fn new(state: State, text: impl Into<String>) -> Self {
        Self { state, text: text.into() }
    }
}

impl Column {
    /// A column of words.
    pub fn left(name: impl Into<String>) -> Self {
        Self { name: name.into(), align: Align::Left }
    }

    /// A column of numbers.
    pub fn right(name: impl Into<String>) -> Self {
        Self { name: name.into(), align: Align::Right }
    }
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number with so many digits after the point.
    pub fn number(value: f64, digits: usize) -> Self {
        Self::Number { value, digits }
    }

    /// A whole number.
    pub fn count(count: usize) -> Self {
        Self::Number { value: count as f64, digits: 0 }
    }

    /// Nothing, and why.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self::Missing(reason.into())
    }
}

impl Document {
    /// The page: HTML5 with everything in it.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) that names the place: a number is not finite, a
    /// row has too few cells, a plot is empty or its lists do not fit, an id is malformed or there
    /// twice, a figure has no alternative text.
    pub fn html(&self) -> Result<String> {
        check::document(self)?;
        page::render(self)
    }

    /// Writes `report.html`, `figures/ID.png` and `figures/ID.svg` into `folder`, which is made if
    /// missing. Every file is either whole or as it was; the page comes last. Other files stay.
    ///
    /// # Errors
    /// As [`html`](Self::html), before anything is written; [`Error::Io`](crate::error::Error::Io)
    /// that names the file.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<()> {
        let page = self.html()?;
        files::write(self, &page, folder.as_ref())
    }

    /// All figures in reading order.
    fn figures(&self) -> impl Iterator<Item = &Figure> {
        let blocks = self.sections.iter().flat_map(|section| &section.blocks);
        blocks.filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        })
    }
}
