//! The files of a report.

use super::encode::{png_of_drawing, png_of_picture};
use super::plot::scene::{Scene, Shape};
use super::plot::{Room, Target, png, scene, svg};
use super::{Document, Figure, Picture, pairs};
use crate::error::{Error, Result};
use crate::fsx::{Aside, Survives};
use rayon::prelude::*;
use std::io::{self, Write};
use std::path::Path;

/// Around the plots of files, in pixels.
const MARGIN: f64 = 16.0;

/// Writes the figures, then the page.
///
/// # Errors
/// [`Error::Io`] that names the file.
pub fn write(document: &Document, page: &str, folder: &Path) -> Result<()> {
    let figures = folder.join("figures");
    std::fs::create_dir_all(&figures).map_err(|e| Error::io("create the folder", &figures, e))?;
    let all: Vec<&Figure> = document.figures().collect();
    all.par_iter().try_for_each(|figure| write_figure(figure, &figures))?;
    write_file(&folder.join("report.html"), page.as_bytes())
}

fn write_figure(figure: &Figure, folder: &Path) -> Result<()> {
    let path = |extension| folder.join(format!("{}.{extension}", figure.id));
    let failed = |extension| {
        let path = path(extension);
        move |reason: String| Error::io("draw", &path, io::Error::other(reason))
    };
    let (drawing, pixels) = content(figure).map_err(failed("png"))?;
    write_file(&path("png"), &pixels)?;
    let text = svg(&drawing, Target::File, &figure.alt).map_err(failed("svg"))?;
    write_file(&path("svg"), text.as_bytes())
}

/// A figure as shapes and as a PNG file.
fn content(figure: &Figure) -> Result<(Scene, Vec<u8>), String> {
    let drawing = match &figure.picture {
        Picture::Plot(plot) => Scene { margin: MARGIN, ..scene(plot, Room::file(plot))? },
        Picture::Pairs(rows) => pairs::sheet(rows)?,
        Picture::Image(image) => {
            let size = (f64::from(image.width()), f64::from(image.height()));
            let picture = Shape::Image { image: image.clone(), at: (0.0, 0.0), size };
            let drawing =
                Scene { width: size.0, height: size.1, margin: 0.0, shapes: vec![picture] };
            return Ok((drawing, png_of_picture(image)?));
        }
    };
    let pixels = png_of_drawing(&png(&drawing)?)?;
    Ok((drawing, pixels))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = Aside::create(path)?;
    file.write_all(bytes).map_err(|e| Error::io("write", path, e))?;
    file.commit(Survives::Kill)
}
