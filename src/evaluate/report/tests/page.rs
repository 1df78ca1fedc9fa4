use super::*;
use std::collections::BTreeSet;

#[test]
fn text_is_escaped_everywhere() {
    let page = whole().html().unwrap();
    assert!(!page.contains("<script") && !page.contains("alert(\""));
    // Title twice, subtitle, facts, summary, contents, headings, paragraphs, blocks, figures …
    let escaped = page.matches("&lt;script&gt;alert(&quot;a &amp; b&quot;)&lt;/script&gt;").count();
    assert!(escaped > 50, "{escaped}");
}

#[test]
fn the_page_needs_nothing_else() {
    let page = whole().html().unwrap();
    for foreign in ["http", "//", "@import", "url(", "<link rel=\"stylesheet", "<script", "<iframe"]
    {
        let outside_pictures = page.split("data:image/png;base64,").map(|part| {
            let end = part.find('"').filter(|_| !part.starts_with('<')).unwrap_or(0);
            &part[end..]
        });
        assert!(outside_pictures.into_iter().all(|part| !part.contains(foreign)), "{foreign}");
    }
    for reference in attributes(&page, "src").into_iter().chain(attributes(&page, "href")) {
        assert!(reference.starts_with("data:") || reference.starts_with('#'), "{reference}");
    }
}

#[test]
fn ids_are_unique_and_all_links_have_their_target() {
    let page = whole().html().unwrap();
    let ids = attributes(&page, "id");
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    let links = attributes(&page, "href");
    let inner: Vec<&str> = links.iter().filter_map(|link| link.strip_prefix('#')).collect();
    for link in inner.iter().chain(&attributes(&page, "aria-labelledby")) {
        assert!(distinct.contains(link), "{link}");
    }
    let (start, end) = (page.find("<nav").unwrap(), page.find("</nav>").unwrap());
    assert_eq!(attributes(&page[start..end], "href"), ["#summary", "#plots", "#words-2"]);
}

#[test]
fn every_picture_has_words() {
    let page = whole().html().unwrap();
    let images = page.split("<img").skip(1);
    assert_eq!(images.clone().count(), 2 + 4);
    for image in images {
        let tag = image.split('>').next().unwrap();
        let alt = attributes(tag, "alt");
        assert!(alt.len() == 1 && !alt[0].is_empty(), "{}", &tag[..60]);
    }
    // Each plot is described once, though it is drawn twice.
    assert_eq!(page.matches("role=\"img\" aria-label=\"what ").count(), 5);
    for svg in page.split("<svg").skip(1) {
        assert!(svg.split('>').next().unwrap().contains("aria-hidden=\"true\""));
    }
    for word in ["good", "warning", "bad", "missing"] {
        assert!(page.contains(&format!("<use href=\"#symbol-{word}\"/></svg>{word}</span>")));
    }
}

#[test]
fn the_markup_is_balanced() {
    let page = whole().html().unwrap();
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    assert_balanced(&page);
    for (heading, count) in [("<h1>", 1), ("<h2 ", 4), ("<main", 1), ("<table ", 2)] {
        assert_eq!(page.matches(heading).count(), count, "{heading}");
    }
}

#[test]
fn tables_hold_their_cells() {
    let page = whole().html().unwrap();
    for cell in [
        "<td class=\"right\">12,345</td>",
        "<td class=\"right\">−1.50 <span class=\"interval\">[−2.25, 1,000.12]</span></td>",
        "<b>Table 2</b>",
        "<b>Figure 8</b>",
        "<li>too few</li>",
        "run <code>a &lt;b&gt;</code>",
    ] {
        assert!(page.contains(cell), "{cell}");
    }
    // The same reason has one number in one table.
    assert_eq!(page.matches("missing, reason 1").count(), 2 * 2);
    assert_eq!(page.matches("missing, reason 2").count(), 2);
}

#[test]
fn an_empty_report_is_a_page() {
    let document = Document { title: "empty".into(), ..Document::default() };
    assert_balanced(&document.html().unwrap());
    assert!(Document::default().html().is_err(), "a page without a title is not HTML5");
}
