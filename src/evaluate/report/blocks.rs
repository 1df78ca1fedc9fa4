//! Sections and what they are made of.

use super::number::{fixed, interval};
use super::page::{badge, verdict};
use super::plot::{Plot, Room, Target, scene, svg};
use super::text::{escape, inline};
use super::{Align, Block, Cell, Figure, Picture, Section, Table, encode, pairs};
use crate::error::{Error, Result};
use image::DynamicImage;
use std::io;

/// The numbers of the last figure and table: they count through the whole page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    pub figures: usize,
    pub tables: usize,
}

/// Pictures up to this width in pixels are enlarged to about it.
const SMALL: u32 = 320;

/// Renders a section under its number.
///
/// # Errors
/// [`Error::Io`] that names the figure: the built-in font cannot be read or a picture cannot be
/// encoded.
pub fn render_section(
    out: &mut String,
    section: &Section,
    number: usize,
    numbers: &mut Numbers,
) -> Result<()> {
    let (id, title) = (escape(&section.id), escape(&section.title));
    out.push_str(&format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\"><span>{number}</span>{title}</h2>\n"
    ));
    for text in &section.text {
        out.push_str(&format!("<p>{}</p>\n", inline(text)));
    }
    for block in &section.blocks {
        match block {
            Block::Table(table) => {
                numbers.tables += 1;
                render_table(out, table, numbers.tables);
            }
            Block::Figure(figure) => {
                numbers.figures += 1;
                render_figure(out, figure, numbers.figures)
                    .map_err(|reason| Error::io("draw", &figure.id, io::Error::other(reason)))?;
            }
            Block::Note(text) => {
                out.push_str(&format!("<p class=\"note\" role=\"note\">{}</p>\n", inline(text)));
            }
            Block::List(items) => {
                out.push_str("<ul>\n");
                for item in items {
                    out.push_str(&format!("<li>{}</li>\n", inline(item)));
                }
                out.push_str("</ul>\n");
            }
            Block::Text(text) => out.push_str(&format!("<p>{}</p>\n", inline(text))),
            Block::Verdict(sentence) => {
                out.push_str(&format!("<p class=\"verdict\">{}</p>\n", verdict(sentence)));
            }
        }
    }
    out.push_str("</section>\n");
    Ok(())
}

fn render_table(out: &mut String, table: &Table, number: usize) {
    let caption = inline(&table.caption);
    out.push_str(&format!(
        "<figure class=\"table\">\n<figcaption id=\"table-{number}\"><b>Table {number}</b> \
         {caption}</figcaption>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
         aria-labelledby=\"table-{number}\">\n<table aria-labelledby=\"table-{number}\">\n<thead><tr>"
    ));
    for column in &table.columns {
        let name = inline(&column.name);
        out.push_str(&format!("<th scope=\"col\"{}>{name}</th>", class(column.align)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let mut reasons: Vec<&str> = Vec::new();
    for row in &table.rows {
        out.push_str("<tr>");
        for (i, (column, cell)) in table.columns.iter().zip(row).enumerate() {
            let (tag, scope) = if i == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
            let content = match cell {
                Cell::Missing(reason) => missing(reason, &mut reasons),
                _ => render_cell(cell),
            };
            out.push_str(&format!("<{tag}{scope}{}>{content}</{tag}>", class(column.align)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if !reasons.is_empty() {
        out.push_str("<ol class=\"reasons\">\n");
        for reason in reasons {
            out.push_str(&format!("<li>{}</li>\n", inline(reason)));
        }
        out.push_str("</ol>\n");
    }
    out.push_str("</figure>\n");
}

fn class(align: Align) -> &'static str {
    match align {
        Align::Left => "",
        Align::Right => " class=\"right\"",
    }
}

/// A dash with the number of its reason; the same reason has the same number.
fn missing<'a>(reason: &'a str, reasons: &mut Vec<&'a str>) -> String {
    let known = reasons.iter().position(|other| *other == reason);
    let index = known.unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    });
    let number = index + 1;
    format!(
        "<span class=\"none\" aria-hidden=\"true\">–<sup>{number}</sup></span>\
         <span class=\"hidden\">missing, reason {number}</span>"
    )
}

/// A cell on its own.
pub fn render_cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => inline(text),
        Cell::Number { value, digits } => fixed(*value, *digits),
        Cell::Interval { value, low, high, digits } => format!(
            "{} <span class=\"interval\">{}</span>",
            fixed(*value, *digits),
            interval(*low, *high, *digits)
        ),
        Cell::State(state) => badge(*state),
        Cell::Missing(reason) => format!("<span class=\"none\">missing: {}</span>", inline(reason)),
    }
}

fn render_figure(out: &mut String, figure: &Figure, number: usize) -> Result<(), String> {
    let (id, alt) = (escape(&figure.id), escape(&figure.alt));
    out.push_str(&format!("<figure id=\"figure-{id}\">\n"));
    let mut caption = inline(&figure.caption);
    match &figure.picture {
        Picture::Plot(plot) => {
            out.push_str(&format!("<div class=\"plot\" role=\"img\" aria-label=\"{alt}\">\n"));
            for (class, room) in [("screen", Room::screen(plot)), ("phone", Room::phone(plot))] {
                let drawing = svg(&scene(plot, room)?, Target::Page, "")?;
                out.push_str(&format!("<div class=\"{class}\">\n{drawing}</div>\n"));
            }
            out.push_str("</div>\n");
            caption.push_str(&thinning(plot, &id));
        }
        Picture::Image(image) => render_image(out, image, &alt)?,
        Picture::Pairs(rows) => pairs::render(out, rows, &alt)?,
    }
    out.push_str(&format!(
        "<figcaption><b>Figure {number}</b> {caption}</figcaption>\n</figure>\n"
    ));
    Ok(())
}

/// What the page leaves out, said in the caption.
fn thinning(plot: &Plot, id: &str) -> String {
    let Some((k, count)) = plot.thinned() else { return String::new() };
    let count = fixed(count as f64, 0);
    let which = match k {
        2 => "second".into(),
        3 => "third".into(),
        _ => format!("{k}th"),
    };
    format!(
        " Drawn here: every {which} point; <code>figures/{id}.png</code> and \
         <code>figures/{id}.svg</code> show all {count}."
    )
}

fn render_image(out: &mut String, image: &DynamicImage, alt: &str) -> Result<(), String> {
    let url = encode::data_url(image)?;
    let times = if image.width() <= SMALL { (SMALL / image.width()).clamp(1, 8) } else { 1 };
    let (width, height) = (image.width() * times, image.height() * times);
    // A large picture is shown smaller, and then its ridges need smoothing.
    let class = if image.width() <= SMALL { " class=\"pixels\"" } else { "" };
    out.push_str(&format!(
        "<img{class} src=\"{url}\" alt=\"{alt}\" width=\"{width}\" height=\"{height}\">\n"
    ));
    Ok(())
}
