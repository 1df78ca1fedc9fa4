//! What ptxas says of a kernel's registers, spills and shared memory (`-Xptxas -v`). Shared by `build.rs`
//! and by the tests that assemble the kernels.

/// One kernel on one architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resources {
    pub kernel: String,
    pub architecture: u32,
    /// Per thread.
    pub registers: u32,
    /// Bytes a thread stores to and loads from local memory for want of registers.
    pub spills: u32,
    /// Bytes of local memory a thread has, for spills and for arrays that are indexed at run time.
    pub stack: u32,
    /// Bytes a block has without what a launch adds.
    pub shared: u32,
}

/// The kernels that `said`, ptxas's report, speaks of.
pub fn parse(said: &str) -> Vec<Resources> {
    let entries = said.split("Compiling entry function '").skip(1);
    entries.filter_map(entry).collect()
}

fn entry(text: &str) -> Option<Resources> {
    let (kernel, rest) = text.split_once('\'')?;
    let architecture = rest.split("'sm_").nth(1)?.split('\'').next()?.parse().ok()?;
    let before = |what: &str| -> Option<u32> {
        rest.split(what)
            .next()
            .filter(|head| head.len() < rest.len())?
            .split_whitespace()
            .last()?
            .parse()
            .ok()
    };
    let registers = rest.split("Used ").nth(1)?.split_whitespace().next()?.parse().ok()?;
    Some(Resources {
        kernel: kernel.to_owned(),
        architecture,
        registers,
        spills: before(" bytes spill stores")? + before(" bytes spill loads")?,
        stack: before(" bytes stack frame")?,
        shared: before(" bytes smem").unwrap_or(0),
    })
}
