//! `dermaglyph doctor`: what this program can compute on here, and what is missing.

use super::{device, output};
use dermaglyph::backend::cuda::device::{DeviceInfo, driver_is_installed, hardware, usable};
use dermaglyph::backend::cuda::{Kernel, image};
use dermaglyph::backend::{Backend, Cpu, Cuda};
use dermaglyph::config::Device;
use dermaglyph::shape::TensorShape;
use serde::Serialize;
use std::fmt;

/// Says what there is to compute on: driver, cards, kernels in this program, and how to get what is missing.
///
/// Every device that can be used is tried: it fills a tensor and reads it back. The exit code is 0 whatever
/// is missing; `--device cuda` fails with 7 where it cannot be used.
#[derive(clap::Args)]
pub struct Args {
    /// List the kernels of this program with what ptxas said of each: registers, spills, shared memory
    #[arg(long, conflicts_with = "json")]
    kernels: bool,

    /// Report as JSON on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    cpu: String,
    kernels: Kernels,
    driver: Finding<[i32; 2]>,
    cards: Vec<Card>,
    software: Finding<String>,
    /// What `--device auto` comes to, and why.
    auto: (String, String),
    advice: Vec<String>,
}

#[derive(Serialize)]
struct Kernels {
    nvcc: Option<&'static str>,
    targets: &'static [&'static str],
    count: usize,
}

#[derive(Serialize)]
struct Card {
    #[serde(flatten)]
    info: DeviceInfo,
    works: Finding<String>,
}

/// Something that is there, or why not.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding<T> {
    Yes(T),
    No(String),
}

impl<T> From<Result<T, String>> for Finding<T> {
    fn from(result: Result<T, String>) -> Self {
        match result {
            Ok(found) => Self::Yes(found),
            Err(reason) => Self::No(reason),
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if args.kernels {
        return Ok(output::print(kernel_table())?);
    }
    let report = examine()?;
    if args.json {
        return Ok(output::print(serde_json::to_string(&report)?)?);
    }
    Ok(output::print(report)?)
}

fn examine() -> anyhow::Result<Report> {
    let hardware = hardware();
    let (auto, why) = device::resolve(Device::Auto);
    let cards: Vec<Card> = hardware.iter().flat_map(|h| &h.devices).map(card).collect();
    let software = match driver_is_installed() {
        // One process, one driver.
        true => Err("not tried beside the driver; --device software loads it instead".into()),
        false => Cuda::software().and_then(|cuda| try_out(&cuda)).map_err(|e| e.to_string()),
    };
    let mut advice = Vec::new();
    if let Some(missing) = image::missing() {
        advice.push(missing.to_owned());
    }
    if hardware.is_err() {
        advice.push(
            "for a card: install NVIDIA's driver, 580 or newer for kernels made by nvcc 13; \
             without one, --device cpu trains, and --device software runs the kernels, slowly"
                .into(),
        );
    }
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        cpu: Cpu::new(None)?.describe(),
        kernels: Kernels { nvcc: image::NVCC, targets: image::TARGETS, count: kernel_count() },
        driver: hardware.map(|h| h.driver).into(),
        cards,
        software: software.into(),
        auto: (auto.to_string(), why.unwrap_or_default()),
        advice,
    })
}

/// Registers of a thread, bytes spilled, bytes of shared memory of a block, by kernel and architecture.
fn kernel_table() -> String {
    if image::RESOURCES.is_empty() {
        return format!(
            "no machine code in this program ({}): build with --release where nvcc is found",
            image::describe()
        );
    }
    let rows = image::RESOURCES.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = vec!["kernel", "target", "registers", "spills", "shared"];
    let lines = std::iter::once(header).chain(rows).map(|row| {
        let field = |i: usize| row.get(i).copied().unwrap_or_default();
        format!("{:<32}{:<8}{:>10}{:>8}{:>8}", field(0), field(1), field(2), field(3), field(4))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn kernel_count() -> usize {
    if image::is_empty() { 0 } else { Kernel::ALL.len() }
}

fn card(info: &DeviceInfo) -> Card {
    let works = usable(info.index)
        .and_then(|_| Cuda::open(info.index).map_err(|e| e.to_string()))
        .and_then(|cuda| try_out(&cuda).map_err(|e| e.to_string()));
    Card { info: info.clone(), works: works.into() }
}

/// Runs a kernel and looks at its result.
fn try_out(cuda: &Cuda) -> dermaglyph::Result<String> {
    let mut tensor = cuda.alloc(TensorShape::Vector(1000))?;
    cuda.fill(&mut tensor, 0.75)?;
    let mut numbers = [0.0; 1000];
    cuda.download(&mut numbers, &tensor)?;
    if numbers != [0.75; 1000] {
        return Err(dermaglyph::Error::Device {
            device: cuda.describe(),
            reason: "a kernel ran and left wrong numbers".into(),
        });
    }
    Ok(cuda.describe())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: &str| writeln!(f, "{name:<10}{text}");
        line("dermaglyph", &format!("  {}", self.version))?;
        line("cpu", &self.cpu)?;
        line("kernels", &format!("{} in this program; {}", self.kernels.count, image::describe()))?;
        match &self.driver {
            Finding::Yes([major, minor]) => line("driver", &format!("knows CUDA {major}.{minor}"))?,
            Finding::No(reason) => line("driver", &format!("none: {reason}"))?,
        }
        for Card { info, works } in &self.cards {
            let [major, minor] = info.compute_capability;
            let about = format!(
                "{}, compute capability {major}.{minor}, {} multiprocessors, {} GiB",
                info.name,
                info.multiprocessors,
                info.memory_bytes >> 30
            );
            let verdict = match works {
                Finding::Yes(_) => "works".to_owned(),
                Finding::No(reason) => format!("cannot be used: {reason}"),
            };
            line(&format!("cuda:{}", info.index), &format!("{about}; {verdict}"))?;
        }
        match &self.software {
            Finding::Yes(_) => {
                line("software", "works: the kernels run on this CPU, every access checked")?
            }
            Finding::No(reason) => line("software", reason)?,
        }
        let (auto, why) = &self.auto;
        write!(f, "{:<10}{auto} ({why})", "auto")?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n\n{advice}"))
    }
}
