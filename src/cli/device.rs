//! The choice of the machine: the only place that knows all backends.

use dermaglyph::Error;
use dermaglyph::backend::Backend;
use dermaglyph::backend::cpu::Cpu;
use dermaglyph::backend::reference::Reference;
use dermaglyph::config::Device;

/// What a command does once it has a backend.
pub trait Job {
    fn run<B: Backend>(self, backend: B) -> anyhow::Result<()>;
}

/// Refuses a device that this build does not have, before anything is read or drawn for it.
///
/// # Errors
/// [`Error::Device`].
pub fn check(device: Device) -> Result<(), Error> {
    match device {
        Device::Auto | Device::Cpu | Device::Reference => Ok(()),
        Device::Cuda(_) | Device::Software => Err(Error::Device {
            device: device.to_string(),
            reason: "this build has no CUDA engine; use --device cpu".into(),
        }),
    }
}

/// Runs `job` on `device`.
///
/// # Errors
/// [`Error::Device`] if this build or machine has no such device; whatever the job fails with.
pub fn run_on(device: Device, threads: Option<u32>, job: impl Job) -> anyhow::Result<()> {
    match device {
        Device::Auto | Device::Cpu => job.run(Cpu::new(threads.map(|n| n as usize))?),
        Device::Reference => job.run(Reference),
        Device::Cuda(_) | Device::Software => Ok(check(device)?),
    }
}
