//! Which prints to generate: `0-63`, `5`, `1,4,7-9`.

use crate::error::{Error, Result};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A list of seeds in the order given, kept as ranges: a million take no more room than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds {
    ranges: Vec<RangeInclusive<u64>>,
}

impl Seeds {
    /// The seeds 0 to `count` − 1.
    ///
    /// # Errors
    /// [`Error::Config`] for a count of 0.
    pub fn first(count: u64) -> Result<Self> {
        let last = count
            .checked_sub(1)
            .ok_or_else(|| Error::Config("--count 0 asks for no print at all".into()))?;
        Ok(Self { ranges: vec![0..=last] })
    }

    /// How many there are; all 2⁶⁴ of them fit.
    pub fn count(&self) -> u128 {
        self.ranges.iter().map(|r| u128::from(r.end() - r.start()) + 1).sum()
    }

    /// The last one in the order given.
    pub fn last(&self) -> Option<u64> {
        self.ranges.last().map(|range| *range.end())
    }

    /// The seeds one after the other.
    pub fn iter(&self) -> impl Iterator<Item = u64> + Clone + '_ {
        self.ranges.iter().cloned().flatten()
    }
}

impl FromStr for Seeds {
    type Err = Error;

    /// Reads numbers and ranges A-B (both included) between commas.
    ///
    /// # Errors
    /// [`Error::Config`] that quotes the part at fault: not a number, larger than 2⁶⁴ − 1, a range
    /// that runs backwards, or two parts that share a seed (a print would be made twice).
    fn from_str(text: &str) -> Result<Self> {
        let ranges = text
            .split(',')
            .map(|part| parse_part(text, part.trim()))
            .collect::<Result<Vec<_>>>()?;
        let mut sorted: Vec<_> = ranges.iter().collect();
        sorted.sort_unstable_by_key(|range| *range.start());
        for pair in sorted.windows(2) {
            if let [a, b] = pair
                && b.start() <= a.end()
            {
                return Err(Error::Config(format!(
                    "seeds {text:?}: seed {} is listed twice; every seed makes one print",
                    b.start()
                )));
            }
        }
        Ok(Self { ranges })
    }
}

fn parse_part(text: &str, part: &str) -> Result<RangeInclusive<u64>> {
    let number = |digits: &str| {
        let digits = digits.trim();
        digits
            .parse::<u64>()
            .ok()
            .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(|| {
                Error::Config(format!(
                    "seeds {text:?}: {part:?} is neither a number up to {} nor a range; \
                     write for example 0-63 or 1,4,7-9",
                    u64::MAX
                ))
            })
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(Error::Config(format!(
            "seeds {text:?}: the range {part} runs backwards; write {last}-{first}"
        )));
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<u64> {
        text.parse::<Seeds>().unwrap().iter().collect()
    }

    #[test]
    fn numbers_and_ranges_in_the_order_given() {
        assert_eq!(list("5"), [5]);
        assert_eq!(list("0-3"), [0, 1, 2, 3]);
        assert_eq!(list("1,4,7-9"), [1, 4, 7, 8, 9]);
        assert_eq!(list(" 8 - 9 , 2 "), [8, 9, 2]);
        assert_eq!(list("18446744073709551615"), [u64::MAX]);
        assert_eq!(Seeds::first(3).unwrap().iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_range_is_not_written_out() {
        let all: Seeds = "0-18446744073709551615".parse().unwrap();
        assert_eq!(all.count(), 1 << 64);
        assert_eq!(all.iter().nth(1_000_000), Some(1_000_000));
        assert_eq!(all.last(), Some(u64::MAX));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (text, complaint) in [
            ("", "neither a number"),
            ("1,,2", "\"\" is neither a number"),
            ("a-b", "\"a-b\""),
            ("1-2-3", "\"1-2-3\""),
            ("-5", "\"-5\""),
            ("+5", "\"+5\""),
            ("1.5", "\"1.5\""),
            ("18446744073709551616", "\"18446744073709551616\""),
            ("9-7", "runs backwards; write 7-9"),
            ("0-5,3", "seed 3 is listed twice"),
            ("7,1-9", "seed 7 is listed twice"),
            ("4,4", "seed 4 is listed twice"),
        ] {
            let error = text.parse::<Seeds>().unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(complaint), "{text:?}: {error}");
        }
        assert!(Seeds::first(0).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9,\\- x]{0,30}") {
            if let Ok(seeds) = text.parse::<Seeds>() {
                prop_assert!(seeds.count() >= 1);
                prop_assert!(seeds.iter().next().is_some());
            }
        }
    }
}
