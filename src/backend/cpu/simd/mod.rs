//! Sixteen f32 at a time, on whatever vector unit this machine has.
//!
//! A kernel is written once over [`Simd`] and compiled once for each instruction set; [`Isa`] picks one
//! when the backend is made. A value of an implementing type is the proof that the machine has the
//! instructions, so its methods are safe to call. They are inlined into [`Isa::run`]'s
//! `#[target_feature]` functions; called from anywhere else they would be calls of single instructions.
//!
//! | instruction set | registers | sixteen lanes are |
//! |---|---|---|
//! | AVX-512F | 32 × 16 lanes | one |
//! | AVX2 and FMA | 16 × 8 lanes | two |
//! | NEON | 32 × 4 lanes | four |
//! | portable | the compiler's choice | an array |
//!
//! The first three round a multiply-add once, so they give the same bits; the portable one rounds twice.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// Lanes of a vector, and channels of a panel.
pub const LANES: usize = 16;

/// A vector's numbers in memory.
pub type Line = [f32; LANES];

/// Sixteen of `numbers` from `at` on.
#[inline(always)]
pub fn line(numbers: &[f32], at: usize) -> &Line {
    match numbers[at..].first_chunk() {
        Some(line) => line,
        None => panic!("a line of sixteen ends behind its matrix"),
    }
}

/// Sixteen of `numbers` from `at` on.
#[inline(always)]
pub fn line_mut(numbers: &mut [f32], at: usize) -> &mut Line {
    match numbers[at..].first_chunk_mut() {
        Some(line) => line,
        None => panic!("a line of sixteen ends behind its matrix"),
    }
}

/// Arithmetic on sixteen f32.
pub trait Simd: Copy + Send + Sync {
    /// Sixteen f32 in registers.
    type V: Copy;

    /// Rows of the widest tile of a matrix product that stays in registers, and of the next smaller one;
    /// both divide a panel evenly or leave a remainder that the smaller one covers.
    const TILE_ROWS: [usize; 2];
    /// Panels of that tile.
    const TILE_PANELS: usize;

    fn splat(self, v: f32) -> Self::V;
    fn load(self, line: &Line) -> Self::V;
    fn store(self, line: &mut Line, v: Self::V);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a·b + c`.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// A square on its other side: lane `l` of row `r` becomes lane `r` of row `l`.
    #[inline(always)]
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let (mut square, mut columns) = ([[0.0; LANES]; LANES], rows);
        for row in 0..LANES {
            let mut line = [0.0; LANES];
            self.store(&mut line, rows[row]);
            for lane in 0..LANES {
                square[lane][row] = line[lane];
            }
        }
        for lane in 0..LANES {
            columns[lane] = self.load(&square[lane]);
        }
        columns
    }
    /// Asks for the cache line at `address`, which need not be valid.
    fn prefetch(self, address: *const f32);
    /// Runs `kernel` as compiled for this instruction set: a call, where a kernel's own code would
    /// otherwise be repeated in each of its users.
    fn enter<K: Kernel>(self, kernel: K) -> K::Output;

    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
    /// `a·v + c` for a number `a`.
    #[inline(always)]
    fn axpy(self, a: f32, v: Self::V, c: Self::V) -> Self::V {
        self.fma(self.splat(a), v, c)
    }
    #[inline(always)]
    fn scale(self, a: f32, v: Self::V) -> Self::V {
        self.mul(self.splat(a), v)
    }
}

/// Work written over [`Simd`].
pub trait Kernel {
    type Output;
    /// The work; `#[inline(always)]`, or it is compiled without the instructions.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}

/// The instruction set in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Isa {
    /// The best this machine has.
    pub fn detect() -> Self {
        Self::all().into_iter().next().unwrap_or(Self::Portable)
    }

    /// All that this machine can run, the best first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx512::detect().map(|_| Self::Avx512));
            all.extend(Avx2::detect().map(|_| Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(neon::Neon::detect().map(|_| Self::Neon));
        all.push(Self::Portable);
        all
    }

    /// Its name where a user types it.
    pub fn key(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

    /// As a processor's data sheet calls it.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2 and FMA",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            Self::Portable => "no vector extension",
        }
    }

    /// Runs `kernel` as compiled for this instruction set; where the machine lacks it, the portable one.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                if let Some(s) = Avx512::detect() {
                    return s.enter(kernel);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                if let Some(s) = Avx2::detect() {
                    return s.enter(kernel);
                }
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => {
                if let Some(s) = neon::Neon::detect() {
                    return s.enter(kernel);
                }
            }
            Self::Portable => {}
        }
        kernel.run(Portable)
    }
}
