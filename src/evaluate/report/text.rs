//! Plain text as HTML.

/// Escapes a text for content and for attributes in quotes, of HTML and of SVG. Control characters,
/// which neither may hold, become U+FFFD; line breaks become spaces.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' | '\r' => out.push(' '),
            // Characters that HTML and XML call invalid.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Escapes a text and sets what stands between two backticks as code. A single backtick stays.
pub fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let pairs = (parts.len() - 1) / 2;
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        let (code, last) = (i % 2 == 1 && i < 2 * pairs, i > 2 * pairs);
        match (code, last) {
            (true, _) => out.push_str(&format!("<code>{}</code>", escape(part))),
            (false, true) => out.push_str(&format!("`{}", escape(part))),
            (false, false) => out.push_str(&escape(part)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            escape("<script>alert('a' & \"b\")</script>\n\u{0}\u{9f}"),
            "&lt;script&gt;alert(&#39;a&#39; &amp; &quot;b&quot;)&lt;/script&gt; \u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn backticks_mark_code_and_nothing_else() {
        assert_eq!(
            inline("run `a <b>` and `c`."),
            "run <code>a &lt;b&gt;</code> and <code>c</code>."
        );
        assert_eq!(inline("one ` only"), "one ` only");
        assert_eq!(inline("`a` and ` more"), "<code>a</code> and ` more");
        assert_eq!(inline(""), "");
    }
}
