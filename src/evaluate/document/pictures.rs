//! What can be seen: prints side by side, and a map of them.

use super::{REAL, SYNTHETIC};
use crate::data::procedural::HenryClass;
use crate::error::Result;
use crate::evaluate::evaluation::Material;
use crate::evaluate::nearest::{MATCHED, Nearest};
use crate::evaluate::prints::{Draw, Prints, choose};
use crate::evaluate::report::{
    Block, Cell, Cloud, Figure, Pair, Picture, Plot, Scatter, Section, Thumb,
};
use crate::sample::grid::Grid;
use image::{DynamicImage, GrayImage, Rgb};

/// Columns and rows of a picture of prints.
const COLUMNS: u32 = 8;
const ROWS: u32 = 4;

pub fn prints(material: &Material) -> Result<Section> {
    let mut blocks = Vec::new();
    for (prints, id, name) in
        [(&material.sets.real, "real", "Real"), (&material.sets.fake, "synthetic", "Synthetic")]
    {
        blocks.push(Block::Figure(Figure {
            id: format!("prints-{id}"),
            caption: format!("{name} prints, drawn at random from those compared."),
            alt: format!("A grid of {id} fingerprints"),
            picture: Picture::Image(sheet(prints)?),
        }));
    }
    let text = material.sets.notes.clone();
    Ok(Section { id: "prints".into(), title: "The prints".into(), text, blocks })
}

fn sheet(prints: &Prints) -> Result<DynamicImage> {
    let count = (COLUMNS * ROWS) as usize;
    let indices = choose(prints.len(), count, 0, Draw::Sample);
    let images: Vec<DynamicImage> =
        indices.iter().map(|&index| DynamicImage::ImageLuma8(prints.image(index))).collect();
    let rows = (images.len() as u32).div_ceil(COLUMNS).max(1);
    Grid { columns: COLUMNS.min(images.len().max(1) as u32), rows }.compose(&images)
}

pub fn map(material: &Material) -> Section {
    let mut section = Section {
        id: "map".into(),
        title: "A map of the prints".into(),
        text: vec![
            "t-SNE of the feature vectors: prints that are alike lie beside each other. Distances between groups, \
             directions and the scale mean nothing."
                .into(),
        ],
        blocks: Vec::new(),
    };
    let embedding = match material.map.get() {
        Ok(embedding) => embedding,
        Err(reason) => {
            section.blocks.push(Block::Note(format!("There is no map: {reason}.")));
            return section;
        }
    };
    let points = &embedding.map.points;
    let (real, synthetic) = points.split_at(embedding.real);
    let cloud =
        |name: &str, style, points: Vec<(f64, f64)>| Cloud { name: name.into(), style, points };
    let by_set =
        vec![cloud("real", REAL, real.to_vec()), cloud("synthetic", SYNTHETIC, synthetic.to_vec())];
    let by_class = (0..).zip(HenryClass::ALL).map(|(class, name)| {
        let of_class = points.iter().zip(&embedding.classes).filter(|(_, c)| **c == class);
        cloud(name.name(), class, of_class.map(|(point, _)| *point).collect())
    });
    let by_class: Vec<Cloud> = by_class.filter(|cloud| !cloud.points.is_empty()).collect();
    for (id, groups, caption) in [
        (
            "map-sets",
            by_set,
            "Real and synthetic prints. Where only one colour lies, the other set is missing.",
        ),
        ("map-classes", by_class, "The same map by likeliest pattern class."),
    ] {
        section.blocks.push(Block::Figure(Figure {
            id: id.into(),
            caption: caption.into(),
            alt: "A map of points, one a print".into(),
            picture: Picture::Plot(Plot::Scatter(Scatter { axes: None, groups })),
        }));
    }
    section
}

/// A small picture of a print.
pub fn thumb(print: GrayImage, label: &str, score: Option<f64>) -> Thumb {
    Thumb {
        image: DynamicImage::ImageLuma8(print),
        label: label.into(),
        score: score.map(|score| Cell::number(score, 3)),
    }
}

pub fn nearest(material: &Material) -> Section {
    let sets = &material.sets;
    let row = |found: &Nearest| {
        let (index, distance) = found.by_features;
        let mut others = vec![thumb(sets.real.image(index), "by features", Some(distance))];
        others.extend(
            found
                .by_match
                .map(|(index, score)| thumb(sets.real.image(index), "by match", Some(score))),
        );
        Pair { first: thumb(sets.fake.image(found.synthetic), "synthetic", None), others }
    };
    let rows: Vec<Pair> = material.nearest.iter().map(row).collect();
    let blocks = if rows.is_empty() {
        vec![Block::Note("There are no prints to set side by side.".into())]
    } else {
        vec![Block::Figure(Figure {
            id: "nearest".into(),
            caption: format!(
                "Synthetic prints, drawn at random; beside each the real print at the least distance in feature space, \
                 and the one with the highest match score among the {MATCHED} nearest."
            ),
            alt: "Rows of prints: synthetic, nearest real by features, nearest real by match"
                .into(),
            picture: Picture::Pairs(rows),
        })]
    };
    Section {
        id: "nearest-section".into(),
        title: "Nearest real prints".into(),
        text: vec!["A copy of a real print would show here as a pair of twins.".into()],
        blocks,
    }
}

/// A shade for a value from 0 (nearly white) to 1 (dark blue).
pub fn ramp(value: f64) -> Rgb<u8> {
    let (light, dark) = ([247.0, 251.0, 255.0], [8.0, 48.0, 107.0]);
    let value = value.clamp(0.0, 1.0);
    Rgb([0, 1, 2].map(|i| {
        let (light, dark): (f64, f64) = (light[i], dark[i]);
        (light + value * (dark - light)).round() as u8
    }))
}
