//! Sizes of tensors: the only place with size arithmetic.

use crate::error::{Error, Result};
use std::fmt;

/// Shape of a batch of images or feature maps: `[n, c, h, w]`.
///
/// This is the *logical* order, the one in which host memory holds a tensor (PyTorch's). A backend
/// stores the numbers as suits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Nchw {
    pub n: u32,
    pub c: u32,
    pub h: u32,
    pub w: u32,
}

impl Nchw {
    /// `[n, c, h, w]`.
    pub const fn new(n: usize, c: usize, h: usize, w: usize) -> Self {
        Self { n: n as u32, c: c as u32, h: h as u32, w: w as u32 }
    }

    /// Number of elements.
    pub const fn len(&self) -> usize {
        self.n as usize * self.image_len()
    }

    /// Whether there is no element at all.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of elements of one batch item, `c·h·w`.
    pub const fn image_len(&self) -> usize {
        self.c as usize * self.area()
    }

    /// Pixels of one channel, `h·w`.
    pub const fn area(&self) -> usize {
        self.h as usize * self.w as usize
    }

    /// The same images in a batch of `n`.
    pub const fn with_batch(self, n: usize) -> Self {
        Self { n: n as u32, ..self }
    }
}

impl fmt::Display for Nchw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}, {}]", self.n, self.c, self.h, self.w)
    }
}

/// What a tensor is, which is all a backend needs to choose its memory layout.
///
/// Host memory always holds the order written here; [`crate::backend::Backend::upload`] and
/// `download` convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorShape {
    /// `[len]`: batch-norm parameters, statistics, losses, counters.
    Vector(usize),
    /// `[n, c, h, w]`: images and activations.
    Image(Nchw),
    /// `[y_channels, x_channels, kh, kw]`: PyTorch's `[out, in, kh, kw]` for a convolution and its
    /// `[in, out, kh, kw]` for a transposed one (see [`ConvGeometry`]).
    Filter([usize; 4]),
}

impl TensorShape {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Vector(len) => *len,
            Self::Image(shape) => shape.len(),
            Self::Filter(dims) => dims.iter().product(),
        }
    }

    /// Whether there is no element at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dimensions as PyTorch prints them.
    pub fn dims(&self) -> Vec<usize> {
        match self {
            Self::Vector(len) => vec![*len],
            Self::Image(s) => vec![s.n as usize, s.c as usize, s.h as usize, s.w as usize],
            Self::Filter(dims) => dims.to_vec(),
        }
    }
}

impl fmt::Display for TensorShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

/// The sizes of a 2-d convolution *or* of the transposed one that undoes its shape.
///
/// There is one geometry for both. `x` is the side with the larger image, which a convolution reads
/// and a transposed convolution writes; `y` is the other side. The filter is `[y.c, x.c, kh, kw]`
/// in both cases, which is exactly how PyTorch stores the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct ConvGeometry {
    /// The side a convolution reads.
    pub x: Nchw,
    /// The side a convolution writes.
    pub y: Nchw,
    /// Filter height and width.
    pub kernel: [u32; 2],
    /// Vertical and horizontal step of the filter over `x`.
    pub stride: [u32; 2],
    /// Zero rows above and below, zero columns left and right of `x`.
    pub padding: [u32; 2],
}

impl fmt::Display for ConvGeometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, kernel: [kh, kw], stride: [sh, sw], padding: [ph, pw] } = self;
        write!(f, "{x} ↔ {y}, filter {kh}×{kw}, stride {sh}×{sw}, padding {ph}×{pw}")
    }
}

impl ConvGeometry {
    /// A convolution that reads `x`: `y.h = ⌊(x.h + 2·pad − kh)/stride⌋ + 1`.
    ///
    /// # Errors
    /// If a size is zero or the filter is larger than the padded image.
    pub fn conv(
        x: Nchw,
        out_channels: usize,
        kernel: [u32; 2],
        stride: [u32; 2],
        padding: [u32; 2],
    ) -> Result<Self> {
        let fits = |size: u32, axis: usize| {
            let padded = size.checked_add(padding[axis].checked_mul(2)?)?;
            let positions = padded.checked_sub(kernel[axis])?.checked_div(stride[axis])? + 1;
            (kernel[axis] > 0).then_some(positions)
        };
        let (Some(h), Some(w)) = (fits(x.h, 0), fits(x.w, 1)) else {
            return Err(Error::shape(
                "conv",
                format!(
                    "a {kernel:?} filter with stride {stride:?} and padding {padding:?} does not fit the image {x}"
                ),
            ));
        };
        let y = Nchw { n: x.n, c: out_channels as u32, h, w };
        Self { x, y, kernel, stride, padding }.checked("conv")
    }

    /// A transposed convolution that reads `y`:
    /// `x.h = (y.h − 1)·stride − 2·pad + kh + output_padding`.
    ///
    /// # Errors
    /// If a size is zero or negative, or `output_padding` is not smaller than the stride.
    pub fn conv_transpose(
        y: Nchw,
        out_channels: usize,
        kernel: [u32; 2],
        stride: [u32; 2],
        padding: [u32; 2],
        output_padding: [u32; 2],
    ) -> Result<Self> {
        let grown = |size: u32, axis: usize| {
            if output_padding[axis] >= stride[axis] {
                return None;
            }
            size.checked_sub(1)?
                .checked_mul(stride[axis])?
                .checked_add(kernel[axis])?
                .checked_add(output_padding[axis])?
                .checked_sub(padding[axis].checked_mul(2)?)
        };
        let (Some(h), Some(w)) = (grown(y.h, 0), grown(y.w, 1)) else {
            return Err(Error::shape(
                "conv_transpose",
                format!(
                    "a {kernel:?} filter with stride {stride:?}, padding {padding:?} and output padding {output_padding:?} does not fit the map {y}"
                ),
            ));
        };
        let x = Nchw { n: y.n, c: out_channels as u32, h, w };
        Self { x, y, kernel, stride, padding }.checked("conv_transpose")
    }

    fn checked(self, op: &'static str) -> Result<Self> {
        if self.x.is_empty() || self.y.is_empty() || self.kernel.contains(&0) {
            return Err(Error::shape(
                op,
                format!("empty tensor: x {}, y {}, kernel {:?}", self.x, self.y, self.kernel),
            ));
        }
        Ok(self)
    }

    /// The row (axis 0) or column (axis 1) of `x` that filter tap `tap` reads at output `position`,
    /// or `None` where that is padding.
    pub fn source(&self, axis: usize, position: usize, tap: usize) -> Option<usize> {
        let size = if axis == 0 { self.x.h } else { self.x.w } as usize;
        (position * self.stride[axis] as usize + tap)
            .checked_sub(self.padding[axis] as usize)
            .filter(|&at| at < size)
    }

    /// The filter, `[y.c, x.c, kh, kw]`.
    pub fn filter(&self) -> TensorShape {
        TensorShape::Filter([
            self.y.c as usize,
            self.x.c as usize,
            self.kernel[0] as usize,
            self.kernel[1] as usize,
        ])
    }

    /// The same convolution for a batch of `n`.
    pub fn with_batch(self, n: usize) -> Self {
        Self { x: self.x.with_batch(n), y: self.y.with_batch(n), ..self }
    }

    /// Multiply-accumulates of one pass by the direct count: every filter tap at every position,
    /// those that fall on padding included. Forward, data gradient and weight gradient cost the same.
    pub fn macs(&self) -> u64 {
        self.y.len() as u64
            * u64::from(self.x.c)
            * u64::from(self.kernel[0])
            * u64::from(self.kernel[1])
    }
}
