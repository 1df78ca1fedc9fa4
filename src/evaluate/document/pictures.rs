//! What can be seen: prints side by side, and a map of them.

use super::{REAL, SYNTHETIC};
use crate::data::procedural::HenryClass;
use crate::error::Result;
use crate::evaluate::evaluation::Material;
use crate::evaluate::prints::{Draw, Prints, choose};
use crate::evaluate::report::{Block, Cloud, Figure, Picture, Plot, Scatter, Section};
use crate::sample::grid::Grid;
use image::DynamicImage;

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
