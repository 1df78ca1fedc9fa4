//! Which CUDA devices there are, and opening one.

use super::error::{self, name};
use super::kernels::Kernels;
use super::profile::Timeline;
use super::{Cuda, Rung, Tiles, Workspace, image};
use crate::error::Result;
use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute};
use cudarc::driver::{CudaContext, DriverError, result};
use softgpu::client::SoftwareDevice;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

/// A device as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeviceInfo {
    pub index: u32,
    pub name: String,
    /// Compute capability, `[9, 0]` for an H100.
    pub compute_capability: [i32; 2],
    pub multiprocessors: i32,
    pub memory_bytes: usize,
}

/// What there is to run CUDA on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Hardware {
    /// The newest CUDA version that the driver knows, `[13, 0]`.
    pub driver: [i32; 2],
    pub devices: Vec<DeviceInfo>,
}

/// The oldest compute capability that the kernels are compiled for.
const OLDEST: [i32; 2] = [7, 5];

/// Whether there is a driver, usable or not. Loads it.
pub fn driver_is_installed() -> bool {
    // SAFETY: the library's initialisers are the driver's own.
    unsafe { sys::is_culib_present() }
}

/// Asks the driver what there is. Makes no context.
///
/// # Errors
/// One sentence that says what is missing.
pub fn hardware() -> Result<Hardware, String> {
    if !driver_is_installed() {
        return Err("no NVIDIA driver is installed here (libcuda.so was not found)".into());
    }
    let said = |doing: &str, error: DriverError| format!("{doing}: {}", name(error));
    result::init().map_err(|error| match error {
        DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE) => "the driver sees no card".into(),
        error => said("the driver does not start", error),
    })?;
    let mut version = 0;
    // SAFETY: the pointer is to a local that outlives the call.
    unsafe { sys::cuDriverGetVersion(&mut version) }
        .result()
        .map_err(|error| said("asking the driver's version", error))?;
    let count = result::device::get_count().map_err(|error| said("counting devices", error))?;
    let devices = (0..count)
        .map(describe)
        .collect::<Result<_, _>>()
        .map_err(|error| said("describing a device", error))?;
    Ok(Hardware { driver: [version / 1000, version % 1000 / 10], devices })
}

fn describe(index: i32) -> Result<DeviceInfo, DriverError> {
    let device = result::device::get(index)?;
    // SAFETY: `device` is what the driver just gave for this index.
    let attribute = |which| unsafe { result::device::get_attribute(device, which) };
    Ok(DeviceInfo {
        index: index as u32,
        name: result::device::get_name(device)?,
        compute_capability: [
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ],
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        // SAFETY: as above.
        memory_bytes: unsafe { result::device::total_mem(device)? },
    })
}

/// The device of that number, if it can be used; else one sentence that says why not.
///
/// # Errors
/// No kernels in this program, no driver, no such device, or one that is too old.
pub fn usable(index: u32) -> Result<DeviceInfo, String> {
    if let Some(missing) = image::missing() {
        return Err(missing.into());
    }
    let Hardware { driver, devices } = hardware()?;
    if let Some(made_by) = image::NVCC
        && driver[0] < major(made_by)
    {
        return Err(format!(
            "the driver is too old: it knows CUDA {}.{}, and the kernels were made by nvcc {made_by}; update \
             the driver (CUDA 13 needs 580 or newer), or build with an nvcc of CUDA {} (set NVCC)",
            driver[0], driver[1], driver[0]
        ));
    }
    let Some(device) = devices.get(index as usize) else {
        return Err(match devices.len() {
            0 => "the driver sees no card".into(),
            1 => format!("there is no device {index}, only device 0, {}", devices[0].name),
            n => format!("there is no device {index}, only 0 to {}", n - 1),
        });
    };
    if device.compute_capability < OLDEST {
        let [major, minor] = device.compute_capability;
        return Err(format!(
            "{} has compute capability {major}.{minor}; the kernels need {}.{} or newer",
            device.name, OLDEST[0], OLDEST[1]
        ));
    }
    Ok(device.clone())
}

/// 13 of `13.0`. Drivers accept what any compiler of their own major version makes.
fn major(version: &str) -> i32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

impl Cuda {
    /// Opens the card of that number.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) with what is missing and what helps.
    pub fn open(index: u32) -> Result<Self> {
        let label = if index == 0 { "cuda".into() } else { format!("cuda:{index}") };
        let info = usable(index).map_err(|reason| error::unusable(&label, reason))?;
        Self::new(label, info, None)
    }

    /// Opens the software device, which executes the same kernels on the CPU and checks every access. In a
    /// process that has used a card already there is none.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if its library is not found or this program has no kernels.
    pub fn software() -> Result<Self> {
        const LABEL: &str = "software";
        let unusable = |reason: String| error::unusable(LABEL, reason);
        let device = SoftwareDevice::load().map_err(|error| unusable(error.to_string()))?;
        let info = usable(0).map_err(unusable)?;
        Self::new(LABEL.into(), info, Some(device))
    }

    fn new(label: String, info: DeviceInfo, software: Option<SoftwareDevice>) -> Result<Self> {
        let failed = |error| error::failure(&label, "opening the device", error);
        let context = CudaContext::new(info.index as usize).map_err(failed)?;
        // SAFETY: there is one stream, on which everything happens in order, so no buffer needs events of
        // its own. They would break the recording of graphs, too.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(failed)?;
        Ok(Self {
            kernels: Kernels::new(Arc::clone(&context)),
            name: label,
            info,
            context,
            stream,
            rung: Rung::default(),
            tiles: Tiles::default(),
            workspace: Mutex::new(Workspace::default()),
            timeline: Timeline::default(),
            allocations: AtomicUsize::new(0),
            software,
        })
    }
}
