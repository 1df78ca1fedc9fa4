//! The CUDA device that tests run on: a card if there is one, else the software device, which executes the
//! same kernels and checks every access. `DERMAGLYPH_TEST_DEVICE=software` or `cuda` chooses. A test without
//! any device fails.

use dermaglyph::backend::Cuda;
use dermaglyph::backend::cuda::device;

/// A CUDA backend of its own for a test.
pub fn cuda() -> Cuda {
    let wish = std::env::var("DERMAGLYPH_TEST_DEVICE").unwrap_or_default();
    let on_card = match wish.as_str() {
        "cuda" => true,
        "software" => false,
        "" => device::usable(0).is_ok_and(|info| !info.name.contains("softgpu")),
        other => panic!("DERMAGLYPH_TEST_DEVICE={other}: wanted software or cuda"),
    };
    let device = if on_card { Cuda::open(0) } else { Cuda::software() };
    device.unwrap_or_else(|error| panic!("{error}"))
}
