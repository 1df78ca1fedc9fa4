//! The numbers of small formats, all of them, and rounding by looking for the neighbours among them.

/// A format by the bits of its exponent and fraction.
pub struct Small {
    fraction: u32,
    exponent: u32,
    /// The finite numbers that are not negative, in the order of their codes, which is that of size.
    values: Vec<f64>,
}

/// How `cvt` rounds, by its word.
pub type Direction = &'static str;

impl Small {
    pub fn new(exponent: u32, fraction: u32) -> Small {
        let codes = 0..((1 << exponent) - 1) << fraction;
        let mut format = Small { fraction, exponent, values: Vec::new() };
        format.values = codes.map(|code| format.magnitude(code)).collect();
        format
    }

    pub fn f16() -> Small {
        Small::new(5, 10)
    }

    pub fn bf16() -> Small {
        Small::new(8, 7)
    }

    /// Its codes lie 13 bits higher in a register.
    pub fn tf32() -> Small {
        Small::new(8, 10)
    }

    /// By the definition of IEEE 754, section 3.4.
    fn magnitude(&self, code: u32) -> f64 {
        let (biased, fraction) = (code >> self.fraction, code & ((1 << self.fraction) - 1));
        let share = f64::from(fraction) / f64::from(1 << self.fraction);
        let bias = (1 << (self.exponent - 1)) - 1;
        match biased {
            0 => share * 2f64.powi(1 - bias),
            _ => (1.0 + share) * 2f64.powi(biased as i32 - bias),
        }
    }

    pub fn infinity(&self) -> u32 {
        ((1 << self.exponent) - 1) << self.fraction
    }

    pub fn sign(&self) -> u32 {
        1 << (self.exponent + self.fraction)
    }

    pub fn one(&self) -> u32 {
        ((1 << (self.exponent - 1)) - 1) << self.fraction
    }

    pub fn is_nan(&self, code: u32) -> bool {
        code & !self.sign() > self.infinity()
    }

    /// What a code stands for.
    pub fn value(&self, code: u32) -> f64 {
        let magnitude = code & !self.sign();
        let value = match magnitude {
            m if m > self.infinity() => f64::NAN,
            m if m == self.infinity() => f64::INFINITY,
            m => self.values[m as usize],
        };
        if code & self.sign() != 0 { -value } else { value }
    }

    /// The code that `x` rounds to, `None` for NaN.
    pub fn round(&self, x: f64, direction: Direction) -> Option<u32> {
        if x.is_nan() {
            return None;
        }
        let sign = if x.is_sign_negative() { self.sign() } else { 0 };
        let size = x.abs();
        if size.is_infinite() {
            return Some(sign | self.infinity());
        }
        let below = self.values.partition_point(|value| *value <= size) as u32 - 1;
        let lower = self.values[below as usize];
        if lower == size {
            return Some(sign | below);
        }
        // Above the largest number, infinity stands where the next one would be.
        let upper = self.magnitude(below + 1);
        let middle = (lower + upper) / 2.0;
        let up = match direction {
            "rz" => false,
            "rm" => x < 0.0,
            "rp" => x > 0.0,
            "rna" => size >= middle,
            _ => size > middle || size == middle && below % 2 == 1,
        };
        Some(sign | (below + u32::from(up)))
    }
}
