//! `softgpu list` and `softgpu run`.

use std::path::{Path, PathBuf};

use clap::Args;
use softgpu::report::CAVEAT;
use softgpu::{Arg, Checks, DevicePtr, Dim3, Gpu, LaunchError, Options, Report};

use crate::argument::{Argument, Type, contents, show};

/// Options of `softgpu run`.
#[derive(Args)]
pub struct Run {
    /// PTX text, or a fatbin made with --compress-mode=none
    file: PathBuf,
    /// Kernel to run; may be left out where the file has one
    #[arg(long)]
    kernel: Option<String>,
    /// Blocks, as X or X,Y or X,Y,Z
    #[arg(long, value_parser = dim3)]
    grid: Dim3,
    /// Threads of a block
    #[arg(long, value_parser = dim3)]
    block: Dim3,
    /// Dynamic shared memory, bytes
    #[arg(long, default_value_t = 0)]
    shared: u32,
    /// Kernel arguments in order: f32=2.5, or a buffer as f32[1024]=iota, =random:SEED, =0.5, =@file.bin;
    /// without a value a buffer stays unwritten
    #[arg(long = "arg", value_name = "ARGUMENT")]
    arguments: Vec<Argument>,
    /// After the run print elements of a buffer argument: its number from 0, perhaps :COUNT
    #[arg(long, value_name = "N[:COUNT]", value_parser = shown)]
    show: Vec<(usize, Option<usize>)>,
    /// After the run write a buffer argument to a file
    #[arg(long, value_name = "N=FILE", value_parser = saved)]
    save: Vec<(usize, PathBuf)>,
    /// Order of blocks and warps
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads that run blocks; 0 for one per core. With one, a seed repeats a run exactly
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Most instructions of a thread, 0 for no limit
    #[arg(long, default_value_t = 2_000_000_000)]
    watchdog: u64,
    /// Check bounds, alignment and barriers only, not races and unwritten memory
    #[arg(long)]
    bounds_only: bool,
    /// Print the report as JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Print the PTX with what each line executed
    #[arg(long)]
    listing: bool,
}

fn dim3(text: &str) -> Result<Dim3, String> {
    let numbers: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
    match numbers.as_deref() {
        Ok([x]) => Ok(Dim3::x(*x)),
        Ok([x, y]) => Ok(Dim3::new(*x, *y, 1)),
        Ok([x, y, z]) => Ok(Dim3::new(*x, *y, *z)),
        _ => Err("expected X, X,Y or X,Y,Z".to_owned()),
    }
}

fn shown(text: &str) -> Result<(usize, Option<usize>), String> {
    let (number, count) = match text.split_once(':') {
        Some((number, count)) => (number, Some(count.parse().map_err(|_| "expected N:COUNT")?)),
        None => (text, None),
    };
    Ok((number.parse().map_err(|_| "expected the number of an argument")?, count))
}

fn saved(text: &str) -> Result<(usize, PathBuf), String> {
    let (number, file) = text.split_once('=').ok_or("expected N=FILE")?;
    Ok((number.parse().map_err(|_| "expected the number of an argument")?, file.into()))
}

/// The PTX of a file.
fn ptx(file: &Path) -> Result<String, String> {
    let image = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = softgpu::ptx::image::ptx_text(&image);
    text.map(|text| text.into_owned()).map_err(|error| format!("{}: {error}", file.display()))
}

/// Prints the kernels of a file.
///
/// # Errors
/// A file that cannot be read or loaded.
pub fn list(file: &Path) -> Result<bool, String> {
    let gpu = Gpu::new(Options::default());
    let module =
        gpu.load_ptx(&ptx(file)?).map_err(|error| format!("{}: {error}", file.display()))?;
    for name in module.kernel_names() {
        let Some(kernel) = module.kernel(name) else { continue };
        println!("{name}");
        for param in &kernel.params {
            println!("  parameter {}: {} bytes at {}", param.name, param.bytes, param.offset);
        }
        println!(
            "  {} instructions, {} registers (estimate), {} bytes shared, {} bytes local",
            kernel.code.len(),
            kernel.registers,
            kernel.shared_bytes,
            kernel.local_bytes
        );
    }
    Ok(true)
}

/// A buffer argument on the device.
struct Buffer {
    number: usize,
    ty: Type,
    count: usize,
    at: DevicePtr,
}

impl Run {
    /// Runs the kernel. False when the sanitizer found something.
    ///
    /// # Errors
    /// What cannot be read, loaded, allocated or launched, in words.
    pub fn run(&self) -> Result<bool, String> {
        let text = ptx(&self.file)?;
        let gpu = Gpu::new(Options {
            seed: self.seed,
            workers: self.workers,
            watchdog: self.watchdog,
            checks: if self.bounds_only { Checks::NONE } else { Checks::ALL },
            ..Options::default()
        });
        let module =
            gpu.load_ptx(&text).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let kernel = match (&self.kernel, module.kernel_names().as_slice()) {
            (Some(kernel), _) => kernel.clone(),
            (None, [only]) => (*only).to_owned(),
            (None, names) => return Err(format!("--kernel is needed: the file has {names:?}")),
        };
        let (args, buffers) = self.prepare(&gpu)?;
        let launched = gpu.launch(&module, &kernel, self.grid, self.block, self.shared, &args);
        let (report, clean) = match launched {
            Ok(report) => (report, true),
            Err(LaunchError::Found(report)) => (*report, false),
            Err(error) => return Err(error.to_string()),
        };
        self.print(&report, &text)?;
        for (number, count) in &self.show {
            let buffer = buffer(&buffers, *number)?;
            let count = count.unwrap_or(buffer.count).min(buffer.count);
            let bytes: Vec<u8> = gpu
                .download(buffer.at, count * buffer.ty.bytes())
                .map_err(|error| error.to_string())?;
            print!("argument {number}:\n{}", show(buffer.ty, &bytes));
        }
        for (number, file) in &self.save {
            let buffer = buffer(&buffers, *number)?;
            let size = buffer.count * buffer.ty.bytes();
            let bytes: Vec<u8> =
                gpu.download(buffer.at, size).map_err(|error| error.to_string())?;
            std::fs::write(file, bytes).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(clean)
    }

    fn prepare(&self, gpu: &Gpu) -> Result<(Vec<Arg>, Vec<Buffer>), String> {
        let (mut args, mut buffers) = (Vec::new(), Vec::new());
        for (number, argument) in self.arguments.iter().enumerate() {
            let name = |error: String| format!("argument {number}: {error}");
            match argument {
                Argument::Scalar { bytes } => args.push(Arg(bytes.clone())),
                Argument::Buffer { ty, count, fill } => {
                    let size =
                        count.checked_mul(ty.bytes()).ok_or_else(|| name("too large".into()))?;
                    let at = gpu.alloc(size).map_err(|error| name(error.to_string()))?;
                    if let Some(data) = contents(*ty, *count, fill).map_err(name)? {
                        gpu.write(at, &data).map_err(|error| name(error.to_string()))?;
                    }
                    buffers.push(Buffer { number, ty: *ty, count: *count, at });
                    args.push(at.into());
                }
            }
        }
        Ok((args, buffers))
    }

    fn print(&self, report: &Report, text: &str) -> Result<(), String> {
        if self.json {
            println!("{}", report.json().map_err(|error| error.to_string())?);
            return Ok(());
        }
        if self.listing {
            print!("{}", report.listing(text));
        }
        print!("{}", report.printed);
        print!("{report}");
        if report.findings.is_empty() {
            println!("  the sanitizer found nothing");
        }
        print!("{}", report.table());
        println!("{CAVEAT}");
        Ok(())
    }
}

fn buffer(buffers: &[Buffer], number: usize) -> Result<&Buffer, String> {
    let found = buffers.iter().find(|buffer| buffer.number == number);
    found.ok_or_else(|| format!("argument {number} is no buffer"))
}
