//! Every kernel by name, loaded when it is first launched.

use super::error;
use super::image;
use crate::error::Result;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule};
use cudarc::nvrtc::Ptx;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Declares the kernels of each file in `kernels/`.
macro_rules! kernels {
    ($($file:literal: $($variant:ident $name:literal,)*)*) => {
        /// A kernel: a `__global__` function of a file in `kernels/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kernel {
            $($(#[doc = concat!("`", $name, "` of `kernels/", $file, ".cu`")] $variant,)*)*
        }

        impl Kernel {
            /// All of them, file by file.
            pub const ALL: &[Self] = &[$($(Self::$variant,)*)*];

            /// The function's name.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// The file it stands in, without `.cu`.
            pub const fn file(self) -> &'static str {
                match self { $($(Self::$variant => $file,)*)* }
            }
        }
    };
}

kernels! {
    "conv_plain":
        ConvForwardPlain "conv_forward_plain",
        ConvBackwardDataPlain "conv_backward_data_plain",
        ConvBackwardWeightsPlain "conv_backward_weights_plain",
    "conv_tiled":
        ConvForwardWide "conv_forward_wide",
        ConvForwardTall "conv_forward_tall",
        ConvForwardSquare "conv_forward_square",
        ConvForwardAny "conv_forward_any",
        ConvForwardDot "conv_forward_dot",
        ConvBackwardDataWide "conv_backward_data_wide",
        ConvBackwardDataTall "conv_backward_data_tall",
        ConvBackwardDataSquare "conv_backward_data_square",
        ConvBackwardDataNarrow "conv_backward_data_narrow",
        ConvBackwardDataAny "conv_backward_data_any",
        ConvBackwardWeightsWide "conv_backward_weights_wide",
        ConvBackwardWeightsTall "conv_backward_weights_tall",
        ConvBackwardWeightsSquare "conv_backward_weights_square",
        ConvBackwardWeightsAny "conv_backward_weights_any",
        ConvReduceWeights "conv_reduce_weights",
    "batch_norm":
        BatchNormForwardPlain "batch_norm_forward_plain",
        BatchNormBackwardPlain "batch_norm_backward_plain",
        BatchNormMoments "batch_norm_moments",
        BatchNormStatistics "batch_norm_statistics",
        BatchNormApply "batch_norm_apply",
        BatchNormApply4 "batch_norm_apply_4",
        BatchNormProjections "batch_norm_projections",
        BatchNormGradients "batch_norm_gradients",
        BatchNormApplyBackward "batch_norm_apply_backward",
        BatchNormApplyBackward4 "batch_norm_apply_backward_4",
        BatchNormEvalCoefficients "batch_norm_eval_coefficients",
        BatchNormEvalBackward "batch_norm_eval_backward",
    "activation":
        ActivationForward "activation_forward",
        ActivationBackward "activation_backward",
    "loss":
        Bce "bce",
        BceWithLogits "bce_with_logits",
    "adam":
        AdamCoefficients "adam_coefficients",
        Adam "adam",
        Ema "ema",
        Advance "advance",
    "elementwise":
        Fill "fill",
        CountNonFinite "count_non_finite",
    "input":
        Gather "gather",
        Noise "noise",
}

/// The kernels of one context.
#[derive(Debug)]
pub struct Kernels {
    context: Arc<CudaContext>,
    functions: Vec<OnceLock<CudaFunction>>,
    /// Modules by file.
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
}

impl Kernels {
    /// Nothing is loaded yet.
    pub fn new(context: Arc<CudaContext>) -> Self {
        let functions = Kernel::ALL.iter().map(|_| OnceLock::new()).collect();
        Self { context, functions, modules: Mutex::default() }
    }

    /// The function, loaded now if this is the first time.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if this program has no image of it, or none that the driver
    /// accepts.
    pub fn get(&self, device: &str, kernel: Kernel) -> Result<&CudaFunction> {
        let cell = &self.functions[kernel as usize];
        if let Some(function) = cell.get() {
            return Ok(function);
        }
        let failed = |error| error::failure(device, format!("loading {}", kernel.name()), error);
        let function = self.module(device, kernel)?.load_function(kernel.name()).map_err(failed)?;
        Ok(cell.get_or_init(|| function))
    }

    fn module(&self, device: &str, kernel: Kernel) -> Result<Arc<CudaModule>> {
        let file = kernel.file();
        // A panic of another thread cannot have left half a module in the table.
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(file) {
            return Ok(module.clone());
        }
        let image = image::image(file)?.ok_or_else(|| {
            let reason = image::missing().unwrap_or("the kernel's file was not compiled");
            error::unusable(device, format!("loading {}: {reason}", kernel.name()))
        })?;
        let module = self
            .context
            .load_module(Ptx::from_binary(image))
            .map_err(|error| error::failure(device, format!("loading kernels/{file}.cu"), error))?;
        modules.insert(file, module.clone());
        Ok(module)
    }
}
