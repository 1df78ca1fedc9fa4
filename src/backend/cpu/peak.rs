//! What this machine's vector units can do at most: multiply-adds on registers and nothing else.

use super::Cpu;
use super::simd::{Kernel, LANES, Line, Simd};
use std::hint::black_box;
use std::time::Instant;

/// Multiply-adds of each chain between two looks at the clock: a fraction of a millisecond.
const ITERATIONS: u32 = 100_000;

impl Cpu {
    /// GFLOP/s of independent multiply-adds in registers, two floating-point operations each, on all
    /// threads at once, measured for `seconds`. It is what the time of a product of matrices is a share
    /// of: clocks differ from minute to minute, so measure both in one run.
    pub fn fma_peak(&self, seconds: f64) -> f64 {
        let isa = self.engine.isa;
        let rates = self.engine.pool.broadcast(|_| {
            let started = Instant::now();
            let mut flop = 0.0;
            loop {
                let work = MultiplyAdds { iterations: black_box(ITERATIONS), ..STABLE };
                flop += black_box(isa.run(work)).flop;
                let elapsed = started.elapsed().as_secs_f64();
                if elapsed >= seconds || seconds.is_nan() {
                    return flop / elapsed;
                }
            }
        });
        rates.iter().sum::<f64>() / 1e9
    }
}

/// Chains of `sum = sum·factor + addend`, as many as keep every unit busy and still fit the registers.
#[derive(Clone, Copy)]
struct MultiplyAdds {
    iterations: u32,
    /// Of the first chain. Equal chains or lanes would be one to the compiler.
    start: Line,
    factor: f32,
    addend: f32,
}

/// The chains go to 0.1: no denormals, no infinities.
const STABLE: MultiplyAdds = MultiplyAdds {
    iterations: 0,
    start: [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
    factor: 0.999_999,
    addend: 1e-7,
};

/// What was computed, so that it must be, and how much that was.
struct Done {
    total: Line,
    flop: f64,
}

impl Kernel for MultiplyAdds {
    type Output = Done;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Done {
        // The tile of a product says how many sums the registers hold. Twelve of AVX-512's cover its
        // latency already.
        match S::TILE_ROWS[0] * S::TILE_PANELS {
            12.. => self.chains::<S, 12>(s),
            6..12 => self.chains::<S, 6>(s),
            _ => self.chains::<S, 2>(s),
        }
    }
}

impl MultiplyAdds {
    #[inline(always)]
    fn chains<S: Simd, const N: usize>(self, s: S) -> Done {
        let Self { iterations, start, factor, addend } = black_box(self);
        let (factor, addend) = (s.splat(factor), s.splat(addend));
        let mut sums = [s.load(&start); N];
        for (chain, sum) in sums.iter_mut().enumerate() {
            *sum = s.add(*sum, s.splat(chain as f32));
        }
        for _ in 0..iterations {
            for sum in &mut sums {
                *sum = s.fma(*sum, factor, addend);
            }
        }
        let mut total = s.zero();
        for sum in sums {
            total = s.add(total, sum);
        }
        let mut done =
            Done { total: [0.0; LANES], flop: 2.0 * (N * LANES) as f64 * f64::from(iterations) };
        s.store(&mut done.total, total);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::Isa;
    use super::*;

    #[test]
    fn every_multiply_add_that_is_counted_is_computed() {
        for isa in Isa::all() {
            let work = MultiplyAdds { iterations: 5, factor: 0.5, addend: 0.25, ..STABLE };
            let done = isa.run(work);
            // By hand: s → s/2 + 1/4 has the fixed point 1/2, and halves the distance from it.
            let chains = (done.flop / (2.0 * 5.0 * LANES as f64)) as usize;
            let after = |first: f64| 0.5 + (first - 0.5) / 32.0;
            for (lane, total) in done.total.into_iter().enumerate() {
                let first = |chain| f64::from(STABLE.start[lane]) + chain as f64;
                let expected: f64 = (0..chains).map(|chain| after(first(chain))).sum();
                assert!((f64::from(total) - expected).abs() < 1e-5, "{isa:?}: {total} {expected}");
            }
        }
    }

    #[test]
    fn the_peak_is_a_rate() {
        for threads in [1, 2] {
            let peak = Cpu::new(Some(threads)).unwrap().fma_peak(0.01);
            assert!(peak.is_finite() && peak > 0.0, "{threads} threads: {peak} GFLOP/s");
        }
    }
}
