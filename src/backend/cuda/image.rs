//! What `build.rs` compiled and this program carries.

include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// The image that a file of `kernels/` was compiled to: a fatbin, of which the driver picks what suits the
/// card.
pub fn image(file: &str) -> Option<&'static [u8]> {
    IMAGES.iter().find(|(name, _)| *name == file).map(|(_, image)| *image)
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
