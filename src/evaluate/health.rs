//! What is wrong with a set before any figure is computed.

use super::prints::Prints;
use serde::Serialize;
use std::collections::HashMap;

/// A print whose pixels vary less than this (standard deviation of gray values) shows nothing.
const BLANK: f64 = 2.0;

/// How a set looks from afar.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    pub prints: usize,
    /// Prints without any contrast: white, black, or gray all over.
    pub blank: usize,
    /// Prints whose pixels an earlier one has, too.
    pub copies: usize,
}

impl Health {
    /// Looks at every print of a set.
    pub fn of(prints: &Prints) -> Self {
        let mut seen: HashMap<&[u8], usize> = HashMap::new();
        let mut blank = 0;
        for index in 0..prints.len() {
            let pixels = prints.pixels(index);
            *seen.entry(pixels).or_default() += 1;
            blank += usize::from(deviation(pixels) < BLANK);
        }
        Self { prints: prints.len(), blank, copies: prints.len() - seen.len() }
    }

    /// Different prints.
    pub fn distinct(&self) -> usize {
        self.prints - self.copies
    }

    /// What a reader must know of a set called `name`, worst first; empty for a healthy one.
    pub fn complaints(&self, name: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.prints > 1 && self.distinct() == 1 {
            complaints.push(format!(
                "All {} {name} prints are one and the same image: figures of variety say nothing else.",
                self.prints
            ));
        } else if self.copies > 0 {
            complaints.push(format!(
                "{} of {} {name} prints are exact copies of others.",
                self.copies, self.prints
            ));
        }
        if self.blank == self.prints {
            complaints.push(format!("No {name} print shows anything: all are blank."));
        } else if self.blank > 0 {
            complaints.push(format!("{} of {} {name} prints are blank.", self.blank, self.prints));
        }
        complaints
    }
}

fn deviation(pixels: &[u8]) -> f64 {
    let n = pixels.len().max(1) as f64;
    let mean = pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    (pixels.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(images: &[[u8; 4]]) -> Health {
        let mut prints = Prints::empty(2);
        for image in images {
            prints.push("x".into(), None, image).unwrap();
        }
        Health::of(&prints)
    }

    #[test]
    fn copies_and_blank_prints_are_counted() {
        let found =
            health(&[[0, 255, 0, 255], [255; 4], [0, 255, 0, 255], [9, 80, 200, 7], [1, 2, 1, 2]]);
        assert_eq!(found, Health { prints: 5, blank: 2, copies: 1 });
        let complaints = found.complaints("synthetic");
        assert_eq!(complaints[0], "1 of 5 synthetic prints are exact copies of others.");
        assert_eq!(complaints[1], "2 of 5 synthetic prints are blank.");
        assert!(health(&[[0, 9, 80, 255], [3, 90, 8, 25]]).complaints("real").is_empty());
    }

    #[test]
    fn one_image_again_and_again_and_nothing_but_white_are_named() {
        let white = health(&[[255; 4]; 3]).complaints("synthetic");
        assert!(white[0].contains("one and the same image"), "{white:?}");
        assert!(white[1].contains("all are blank"), "{white:?}");
    }
}
