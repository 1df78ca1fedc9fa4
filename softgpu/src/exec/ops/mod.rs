//! Instructions that touch memory, other lanes or the flow of control, one file per family.

pub mod async_copy;
pub mod atomic;
pub mod banks;
pub mod call;
pub mod control;
pub mod exchange;
pub mod load_store;
pub mod matrix;
pub mod mma;
pub mod movement;
pub mod sync;

/// Two compilations of one warp function: with AVX2, FMA and F16C, and for any CPU.
#[derive(Clone, Copy)]
pub struct WarpOp {
    pub fast: super::inst::WarpFn,
    pub plain: super::inst::WarpFn,
}

impl WarpOp {
    /// The one this CPU runs.
    pub fn pick(self) -> super::inst::WarpFn {
        if super::inst::has_fast_path() { self.fast } else { self.plain }
    }
}

/// Compiles an expression over (warp, inst, mask) twice, as a [`WarpOp`].
macro_rules! warp_op {
    (|$warp:ident, $inst:ident, $mask:ident| $body:expr) => {{
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,fma,f16c"))]
        fn fast(
            $warp: &mut $crate::exec::warp::Warp,
            $inst: &$crate::exec::inst::Inst,
            $mask: u32,
        ) -> $crate::exec::warp::Flow {
            $body
        }
        fn plain(
            $warp: &mut $crate::exec::warp::Warp,
            $inst: &$crate::exec::inst::Inst,
            $mask: u32,
        ) -> $crate::exec::warp::Flow {
            $body
        }
        $crate::exec::ops::WarpOp { fast, plain }
    }};
}
pub(crate) use warp_op;
