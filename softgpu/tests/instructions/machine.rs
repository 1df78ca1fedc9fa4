//! Kernels of a few lines, run on the device.

use softgpu::{Arg, Dim3, Gpu, LaunchError, Options, Report};

#[path = "../support/random.rs"]
#[allow(dead_code)]
mod random;
pub use random::Random;

pub const HEADER: &str = ".version 9.0\n.target sm_90\n.address_size 64\n";

/// Registers that every test kernel has. %rd0 is the thread's place in the output, %r0 its number in
/// the block, %p0 free.
const REGISTERS: &str = ".reg .pred %p<32>;\n.reg .b16 %rs<32>;\n.reg .b32 %r<64>;\n\
                         .reg .b64 %rd<64>;\n.reg .f32 %f<32>;\n.reg .f64 %fd<32>;\n";

/// A kernel `k(out, in)`: `%rd1` is `out`, `%rd2` is `in`, `%r0` the thread's number in its block.
pub fn kernel(variables: &str, body: &str) -> String {
    format!(
        "{HEADER}{variables}\n.visible .entry k(.param .u64 out, .param .u64 in)\n{{\n{REGISTERS}\
         ld.param.u64 %rd1, [out];\nld.param.u64 %rd2, [in];\nmov.u32 %r0, %tid.x;\n{body}\nret;\n}}\n"
    )
}

/// What a run starts from.
#[derive(Clone)]
pub struct Run {
    pub options: Options,
    pub grid: Dim3,
    pub block: Dim3,
    pub dynamic_shared: u32,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            options: Options { workers: 1, ..Options::default() },
            grid: Dim3::x(1),
            block: Dim3::x(32),
            dynamic_shared: 0,
        }
    }
}

impl Run {
    pub fn threads(threads: u32) -> Self {
        Self { block: Dim3::x(threads), ..Self::default() }
    }

    /// Launches `k(out, in)`; `out` starts as `bytes` bytes of 0xA5. What stands there then, and the
    /// report.
    pub fn try_go(
        &self,
        text: &str,
        input: &[u8],
        bytes: usize,
    ) -> Result<(Vec<u8>, Report), LaunchError> {
        let gpu = Gpu::new(self.options.clone());
        let module = gpu.load_ptx(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let out = gpu.upload(&vec![0xA5u8; bytes.max(1)]).unwrap();
        let input = gpu.upload(if input.is_empty() { &[0] } else { input }).unwrap();
        let args: [Arg; 2] = [out.into(), input.into()];
        let report = gpu.launch(&module, "k", self.grid, self.block, self.dynamic_shared, &args)?;
        Ok((gpu.download(out, bytes).unwrap(), report))
    }

    pub fn go(&self, text: &str, input: &[u8], bytes: usize) -> (Vec<u8>, Report) {
        self.try_go(text, input, bytes).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The output as 32-bit words.
    pub fn words(&self, text: &str, input: &[u8], count: usize) -> Vec<u32> {
        words(&self.go(text, input, 4 * count).0)
    }
}

pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Puts `%rd{to}` at element `%r0` of `size` bytes of the array at `%rd{base}`.
pub fn element(to: u32, base: u32, size: u32) -> String {
    format!("mul.wide.u32 %rd{to}, %r0, {size};\nadd.s64 %rd{to}, %rd{base}, %rd{to};\n")
}

/// Why the text does not load.
pub fn refused(text: &str) -> String {
    let gpu = Gpu::new(Options::default());
    match gpu.load_ptx(text) {
        Ok(_) => panic!("this loads:\n{text}"),
        Err(error) => error.to_string(),
    }
}
