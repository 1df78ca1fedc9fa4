//! What `build.rs` compiled and this program carries.

use crate::error::{Error, Result};
use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// The folder that images come from instead of this program, if somebody tries out changed kernels:
/// `NAME.ptx` or `NAME.fatbin` for `kernels/NAME.cu`; what is not there is taken from the program.
const FOLDER: &str = "DERMAGLYPH_KERNELS";

/// The image that a file of `kernels/` was compiled to: a fatbin, of which the driver picks what suits the
/// card. `None` if there is none of that name.
///
/// # Errors
/// The folder that `DERMAGLYPH_KERNELS` names holds a file that cannot be read.
pub fn image(file: &str) -> Result<Option<Vec<u8>>> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let candidates =
            ["ptx", "fatbin"].map(|kind| Path::new(&folder).join(format!("{file}.{kind}")));
        if let Some(path) = candidates.into_iter().find(|path| path.exists()) {
            let mut image = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
            // The driver takes PTX as a C string.
            image.push(0);
            return Ok(Some(image));
        }
    }
    let embedded = IMAGES.iter().find(|(name, _)| *name == file);
    Ok(embedded.map(|(_, image)| image.to_vec()))
}

/// Whether there is anything to run.
pub fn is_empty() -> bool {
    IMAGES.is_empty()
}

/// One line: "nvcc 13.0: sm_75 sm_80 … compute_75".
pub fn describe() -> String {
    match NVCC {
        Some(version) => format!("nvcc {version}: {}", TARGETS.join(" ")),
        None => "no kernels: no nvcc was found when this program was built".into(),
    }
}

/// Why nothing can run, and what to do; `None` if the images are there.
pub fn missing() -> Option<&'static str> {
    is_empty().then_some(
        "this program was built without CUDA kernels, as no nvcc was found; run \
         scripts/cuda-toolchain (or install the CUDA toolkit and set NVCC), then build again",
    )
}
