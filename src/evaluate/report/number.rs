//! Numbers as text.

/// A finite number with `digits` digits after the point, thousands in groups and a real minus sign:
/// −12,345.60. What rounds to zero has no sign.
pub fn fixed(value: f64, digits: usize) -> String {
    let plain = format!("{:.digits$}", value.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain.as_str(), ""));
    let is_zero = plain.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let mut text = String::new();
    if value < 0.0 && !is_zero {
        text.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if digits > 0 {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// An interval: \[−0.10, 2.35].
pub fn interval(low: f64, high: f64, digits: usize) -> String {
    format!("[{}, {}]", fixed(low, digits), fixed(high, digits))
}

/// A power of ten: 0.01, 1, 100, then 10⁴.
pub fn power_of_ten(exponent: i32) -> String {
    match exponent {
        -3..0 => fixed(10f64.powi(exponent), exponent.unsigned_abs() as usize),
        0..=3 => fixed(10f64.powi(exponent), 0),
        _ => format!("10{}", superscript(exponent)),
    }
}

/// A number of few digits times a power of ten: 2·10⁻⁶.
pub fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent = exponent.parse().unwrap_or(0);
    format!("{}·10{}", mantissa.replace('-', "−"), superscript(exponent))
}

fn superscript(exponent: i32) -> String {
    let raised = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4'..='9' => char::from_u32('⁴' as u32 + (c as u32 - '4' as u32)).unwrap_or(c),
        _ => '⁰',
    };
    exponent.to_string().chars().map(raised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_rounded_and_signed() {
        for (value, digits, text) in [
            (0.0, 0, "0"),
            (-0.0004, 3, "0.000"),
            (-0.0006, 3, "−0.001"),
            (999.5, 1, "999.5"),
            (1_234_567.891, 2, "1,234,567.89"),
            (-12_345.0, 0, "−12,345"),
            (0.125, 2, "0.12"),
            (100.0, 0, "100"),
        ] {
            assert_eq!(fixed(value, digits), text);
        }
        assert_eq!(interval(-0.1, 2.345, 2), "[−0.10, 2.35]");
    }

    #[test]
    fn powers_are_raised() {
        let texts: Vec<String> = [-12, -3, -1, 0, 3, 4, 10].map(power_of_ten).into();
        assert_eq!(texts, ["10⁻¹²", "0.001", "0.1", "1", "1,000", "10⁴", "10¹⁰"]);
        assert_eq!(scientific(-2.5e-7, 1), "−2.5·10⁻⁷");
    }
}
