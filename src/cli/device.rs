//! The choice of the machine: the only place that knows all backends.

use super::output;
use dermaglyph::Error;
use dermaglyph::backend::cpu::{Convolutions, Cpu};
use dermaglyph::backend::reference::Reference;
use dermaglyph::backend::{Backend, Cuda, cuda};
use dermaglyph::config::Device;

/// What a command does once it has a backend.
pub trait Job {
    fn run<B: Backend>(self, backend: B) -> anyhow::Result<()>;
}

/// What `auto` comes to, and why: the first card if it can be used, else the CPU.
pub fn resolve(device: Device) -> (Device, Option<String>) {
    if device != Device::Auto {
        return (device, None);
    }
    match cuda::device::usable(0) {
        Ok(info) => (Device::Cuda(0), Some(info.name)),
        Err(reason) => (Device::Cpu, Some(reason)),
    }
}

/// Refuses a device that is not there, before anything is read or drawn for it.
///
/// # Errors
/// [`Error::Device`].
pub fn check(device: Device) -> Result<(), Error> {
    let unusable = |reason| Error::Device { device: device.to_string(), reason };
    match device {
        Device::Auto | Device::Cpu | Device::Reference => Ok(()),
        Device::Cuda(index) => cuda::device::usable(index).map(drop).map_err(unusable),
        Device::Software => {
            cuda::image::missing().map_or(Ok(()), |reason| Err(unusable(reason.into())))
        }
    }
}

/// Runs `job` on `device`. What `auto` came to is said, and why.
///
/// # Errors
/// [`Error::Device`] if this build or machine has no such device; whatever the job fails with.
pub fn run_on(
    device: Device,
    threads: Option<u32>,
    conv: Option<Convolutions>,
    job: impl Job,
) -> anyhow::Result<()> {
    let (device, why) = resolve(device);
    if let Some(why) = why {
        output::note(format_args!("--device auto: {device} ({why})"));
    }
    match device {
        Device::Auto | Device::Cpu => {
            let cpu = Cpu::new(threads.map(|n| n as usize))?;
            job.run(cpu.with_convolutions(conv.unwrap_or_default()))
        }
        Device::Reference => job.run(Reference),
        Device::Cuda(index) => job.run(Cuda::open(index)?),
        Device::Software => job.run(Cuda::software()?),
    }
}
