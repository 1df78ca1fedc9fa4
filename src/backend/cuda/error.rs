//! The driver's codes as errors that say what was done, on what, and what helps.

use crate::error::Error;
use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;
use std::fmt::Display;

/// A failed driver call; `doing` is what was attempted: "conv_forward_wide on …".
pub fn failure(device: &str, doing: impl AsRef<str>, error: DriverError) -> Error {
    let advice = advice(error.0).map(|advice| format!(": {advice}")).unwrap_or_default();
    unusable(device, format!("{}: {}{advice}", doing.as_ref(), name(error)))
}

/// The same with what the software device's sanitizer found, which says more than any advice.
pub fn found(device: &str, doing: &str, error: DriverError, finding: impl Display) -> Error {
    unusable(device, format!("{doing}: {}; the last checkpoint is kept\n{finding}", name(error)))
}

/// A failure that no driver call reported.
pub fn unusable(device: &str, reason: impl Into<String>) -> Error {
    Error::Device { device: device.to_owned(), reason: reason.into() }
}

/// `CUDA_ERROR_OUT_OF_MEMORY (2)`.
pub fn name(error: DriverError) -> String {
    let code = error.0 as u32;
    match error.error_name() {
        Ok(name) => format!("{} ({code})", name.to_string_lossy()),
        Err(_) => format!("driver error {code}"),
    }
}

/// What the user can do about it, where something can be said.
fn advice(code: CUresult) -> Option<&'static str> {
    use CUresult as C;
    Some(match code {
        C::CUDA_ERROR_OUT_OF_MEMORY => {
            "the card's memory is full; lower --batch-size, --ngf or --ndf, or end what else runs on it \
             (`nvidia-smi` lists it)"
        }
        C::CUDA_ERROR_NO_DEVICE => {
            "the driver sees no card; is one there, and CUDA_VISIBLE_DEVICES right?"
        }
        C::CUDA_ERROR_INVALID_DEVICE => {
            "there is no device of that number; `dermaglyph doctor` lists them"
        }
        C::CUDA_ERROR_DEVICE_UNAVAILABLE => {
            "another process holds the card, which is in exclusive mode; end it, or set the mode to \
             DEFAULT (`nvidia-smi -c 0`)"
        }
        C::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
        | C::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
        | C::CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE => {
            "the driver is older than the compiler of the kernels; update it (CUDA 13 needs 580 or \
             newer), or build with an older nvcc (set NVCC)"
        }
        C::CUDA_ERROR_NO_BINARY_FOR_GPU => {
            "the kernels were not compiled for this card; build with \
             DERMAGLYPH_CUDA_TARGETS=\"sm_NN compute_75\"; cards before sm_75 are not supported"
        }
        C::CUDA_ERROR_INVALID_IMAGE => "the driver cannot read the kernels; update it",
        C::CUDA_ERROR_LAUNCH_TIMEOUT => {
            "the system stopped a kernel that ran too long, as it does where the card draws a screen; \
             lower --batch-size"
        }
        C::CUDA_ERROR_ECC_UNCORRECTABLE => "the card's memory is faulty",
        C::CUDA_ERROR_ILLEGAL_ADDRESS
        | C::CUDA_ERROR_MISALIGNED_ADDRESS
        | C::CUDA_ERROR_LAUNCH_FAILED
        | C::CUDA_ERROR_ASSERT
        | C::CUDA_ERROR_HARDWARE_STACK_ERROR
        | C::CUDA_ERROR_ILLEGAL_INSTRUCTION => {
            "a kernel failed, this one or one before it; the context is lost and the last checkpoint \
             is kept. `--device software` with the same settings names the fault"
        }
        C::CUDA_ERROR_DEINITIALIZED
        | C::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | C::CUDA_ERROR_UNKNOWN => {
            "the device is lost (unplugged, reset, or its driver restarted); the last checkpoint is kept"
        }
        C::CUDA_ERROR_NOT_FOUND => "the image and this program do not belong together; build again",
        _ => return None,
    })
}
