//! The page around the sections.

use super::blocks::{Numbers, render_section};
use super::text::{escape, inline};
use super::{Document, State, Verdict};
use crate::error::Result;

const STYLE: &str = include_str!("style.css");

/// The symbols of the badges, drawn once and used by reference.
const SYMBOLS: &str = r##"<svg width="0" height="0" class="symbols" aria-hidden="true">
<symbol id="symbol-good" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="currentColor"/><path d="M4.6 8.3l2.3 2.3 4.5-4.9" fill="none" stroke="var(--paper)" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round"/></symbol>
<symbol id="symbol-warning" viewBox="0 0 16 16"><path d="M8 1.4L15.4 14.4H.6z" fill="currentColor" stroke="currentColor" stroke-linejoin="round"/><path d="M8 6v4M8 12.2v.1" fill="none" stroke="var(--paper)" stroke-width="1.8" stroke-linecap="round"/></symbol>
<symbol id="symbol-bad" viewBox="0 0 16 16"><path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z" fill="currentColor"/><path d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" fill="none" stroke="var(--paper)" stroke-width="1.9" stroke-linecap="round"/></symbol>
<symbol id="symbol-missing" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.6 2.27"/><path d="M5.4 8h5.2" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/></symbol>
</svg>
"##;

impl State {
    /// The word of the badge, which is also the class of its colours.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Missing => "missing",
        }
    }
}

/// A word with its symbol.
pub fn badge(state: State) -> String {
    let word = state.word();
    format!(
        "<span class=\"badge {word}\"><svg width=\"13\" height=\"13\" aria-hidden=\"true\">\
         <use href=\"#symbol-{word}\"/></svg>{word}</span>"
    )
}

/// A sentence behind its badge.
pub fn verdict(verdict: &Verdict) -> String {
    format!("{}<span>{}</span>", badge(verdict.state), inline(&verdict.text))
}

/// Renders a document that has passed the check.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) that names the figure, if the built-in font cannot be read
/// or a picture cannot be encoded.
pub fn render(document: &Document) -> Result<String> {
    let title = escape(&document.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{SYMBOLS}\
         <a class=\"skip\" href=\"#top\">Skip the contents</a>\n"
    );
    header(&mut out, document, &title);
    contents(&mut out, document);
    out.push_str("<main id=\"top\">\n");
    summary(&mut out, &document.summary);
    let mut numbers = Numbers::default();
    for (i, section) in document.sections.iter().enumerate() {
        render_section(&mut out, section, i + 1, &mut numbers)?;
    }
    if numbers.figures > 0 {
        out.push_str(
            "<footer>Every figure is also in the folder <code>figures</code> beside this page, as \
             PNG and as SVG.</footer>\n",
        );
    }
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(out)
}

fn contents(out: &mut String, document: &Document) {
    out.push_str("<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ol>\n");
    if !document.summary.is_empty() {
        out.push_str("<li><a href=\"#summary\"><span></span>Summary</a></li>\n");
    }
    for (i, section) in document.sections.iter().enumerate() {
        let (id, title) = (escape(&section.id), escape(&section.title));
        let number = i + 1;
        out.push_str(&format!("<li><a href=\"#{id}\"><span>{number}</span>{title}</a></li>\n"));
    }
    out.push_str("</ol>\n</nav>\n");
}

fn header(out: &mut String, document: &Document, title: &str) {
    out.push_str(&format!("<header>\n<h1>{title}</h1>\n"));
    if !document.subtitle.is_empty() {
        out.push_str(&format!("<p class=\"subtitle\">{}</p>\n", inline(&document.subtitle)));
    }
    if !document.facts.is_empty() {
        out.push_str("<dl class=\"facts\">\n");
        for (name, value) in &document.facts {
            out.push_str(&format!(
                "<div><dt>{}</dt><dd>{}</dd></div>\n",
                escape(name),
                inline(value)
            ));
        }
        out.push_str("</dl>\n");
    }
    out.push_str("</header>\n");
}

fn summary(out: &mut String, verdicts: &[Verdict]) {
    if verdicts.is_empty() {
        return;
    }
    out.push_str("<section class=\"summary\" aria-labelledby=\"summary\">\n");
    out.push_str("<h2 id=\"summary\">Summary</h2>\n<ul class=\"verdicts\">\n");
    for sentence in verdicts {
        out.push_str(&format!("<li>{}</li>\n", verdict(sentence)));
    }
    out.push_str("</ul>\n</section>\n");
}
