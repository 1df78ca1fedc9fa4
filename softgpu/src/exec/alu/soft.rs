//! Exact arithmetic on binary floating-point numbers of any format, and rounding of its results in any
//! direction. Slow; the forms that kernels run all the time have faster bodies.
//!
//! A finite number is `digits × 2^exponent`. Where a result has more digits than fit, its lowest digit is
//! set if anything was lost below it: with at least two digits more than the format keeps, rounding comes
//! out as from the exact number.

/// The rounding modifiers of PTX (sections "Rounding Modifiers", "cvt").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// `.rn`, `.rni`: nearest, ties to even.
    Nearest,
    /// `.rz`, `.rzi`: toward zero.
    Zero,
    /// `.rm`, `.rmi`: toward minus infinity.
    Down,
    /// `.rp`, `.rpi`: toward plus infinity.
    Up,
    /// `.rna`: nearest, ties away from zero.
    NearestAway,
}

impl Round {
    const ALL: [Round; 5] =
        [Round::Nearest, Round::Zero, Round::Down, Round::Up, Round::NearestAway];

    /// The mode whose `as i64` is the low three bits of `code`.
    pub fn from_code(code: i64) -> Round {
        Round::ALL.get((code & 7) as usize).copied().unwrap_or(Round::Nearest)
    }
}

/// A binary interchange format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Digits of a normal number, the leading one included.
    pub precision: u32,
    /// Exponent of the largest numbers; 1 minus it is that of the smallest normal ones.
    pub max_exponent: i32,
}

pub const F16: Format = Format { precision: 11, max_exponent: 15 };
pub const BF16: Format = Format { precision: 8, max_exponent: 127 };
/// 19 bits; a register holds them above 13 zeros.
pub const TF32: Format = Format { precision: 11, max_exponent: 127 };
pub const F32: Format = Format { precision: 24, max_exponent: 127 };
pub const F64: Format = Format { precision: 53, max_exponent: 1023 };

impl Format {
    /// Bits below the sign.
    fn magnitude_bits(self) -> u32 {
        let biases = (2 * self.max_exponent + 1) as u32;
        biases.count_ones() + self.precision - 1
    }

    fn infinity(self) -> u64 {
        ((2 * self.max_exponent + 1) as u64) << (self.precision - 1)
    }

    /// The largest finite number.
    pub fn max(self) -> u64 {
        self.infinity() - 1
    }

    fn sign(self, negative: bool) -> u64 {
        u64::from(negative) << self.magnitude_bits()
    }

    /// The NaN that results where PTX leaves the payload open.
    pub fn nan(self) -> u64 {
        if self == F64 { 0xfff8_0000_0000_0000 } else { (1 << self.magnitude_bits()) - 1 }
    }

    /// Exponent of the lowest digit of subnormal numbers.
    fn min_quantum(self) -> i32 {
        2 - self.max_exponent - self.precision as i32
    }

    pub fn is_negative(self, bits: u64) -> bool {
        bits & self.sign(true) != 0
    }

    /// Zero of the same sign if `bits` is a subnormal number.
    pub fn flush(self, bits: u64) -> u64 {
        let magnitude = bits & !self.sign(true);
        if magnitude < 1 << (self.precision - 1) { bits & self.sign(true) } else { bits }
    }
}

/// What a bit pattern stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Nan,
    Infinite { negative: bool },
    Finite(Finite),
}

/// `±digits × 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finite {
    pub negative: bool,
    pub exponent: i32,
    pub digits: u128,
}

impl Finite {
    const fn zero(negative: bool) -> Self {
        Self { negative, exponent: 0, digits: 0 }
    }

    /// The same number with its highest digit at bit 125; zero stays.
    fn normalized(self) -> Self {
        if self.digits == 0 {
            return self;
        }
        let zeros = self.digits.leading_zeros() as i32 - 2;
        if zeros >= 0 {
            Self { exponent: self.exponent - zeros, digits: self.digits << zeros, ..self }
        } else {
            let digits = shift_right(self.digits, zeros.unsigned_abs());
            Self { exponent: self.exponent - zeros, digits, ..self }
        }
    }
}

/// Shifts right; the lowest digit is set if a set one was lost.
fn shift_right(digits: u128, by: u32) -> u128 {
    match digits.checked_shr(by) {
        Some(kept) => kept | u128::from(kept << by != digits),
        None => u128::from(digits != 0),
    }
}

/// Reads a number.
pub fn unpack(format: Format, bits: u64) -> Number {
    let negative = bits >> format.magnitude_bits() & 1 != 0;
    let magnitude = bits & !format.sign(true);
    if magnitude > format.infinity() {
        return Number::Nan;
    }
    if magnitude == format.infinity() {
        return Number::Infinite { negative };
    }
    let stored = format.precision - 1;
    let (biased, fraction) = ((magnitude >> stored) as i32, magnitude & ((1 << stored) - 1));
    let hidden = u64::from(biased != 0) << stored;
    Number::Finite(Finite {
        negative,
        exponent: format.min_quantum() + biased.max(1) - 1,
        digits: u128::from(fraction | hidden),
    })
}

/// `digits / 2^shift`, rounded to an integer.
pub fn round_digits(digits: u128, shift: u32, negative: bool, mode: Round) -> u128 {
    let kept = digits.checked_shr(shift).unwrap_or(0);
    let lost = if shift >= 128 { digits } else { digits & ((1 << shift) - 1) };
    if lost == 0 {
        return kept;
    }
    // Beyond 128 the lost part is below one half, whatever it is.
    let half = 1u128.checked_shl(shift.wrapping_sub(1)).filter(|_| shift <= 128);
    let up = match mode {
        Round::Zero => false,
        Round::Down => negative,
        Round::Up => !negative,
        Round::Nearest => half.is_some_and(|half| lost > half || lost == half && kept & 1 != 0),
        Round::NearestAway => half.is_some_and(|half| lost >= half),
    };
    kept + u128::from(up)
}

/// Writes a number, rounded.
pub fn pack(format: Format, number: Number, mode: Round) -> u64 {
    let finite = match number {
        Number::Nan => return format.nan(),
        Number::Infinite { negative } => return format.sign(negative) | format.infinity(),
        Number::Finite(finite) => finite,
    };
    let sign = format.sign(finite.negative);
    if finite.digits == 0 {
        return sign;
    }
    let leading = finite.exponent + 127 - finite.digits.leading_zeros() as i32;
    let stored = format.precision as i32 - 1;
    let quantum = (leading - stored).max(format.min_quantum());
    let shift = quantum - finite.exponent;
    let kept = if shift <= 0 {
        finite.digits << shift.unsigned_abs()
    } else {
        round_digits(finite.digits, shift as u32, finite.negative, mode)
    };
    // A carry into the next power of two carries into the exponent of the sum below by itself.
    let biased = i64::from(quantum - format.min_quantum());
    let magnitude = (biased << stored) as u64 + kept as u64;
    if leading <= format.max_exponent && magnitude < format.infinity() {
        return sign | magnitude;
    }
    let to_infinity = match mode {
        Round::Nearest | Round::NearestAway => true,
        Round::Zero => false,
        Round::Down => finite.negative,
        Round::Up => !finite.negative,
    };
    sign | if to_infinity { format.infinity() } else { format.max() }
}

/// a + b; `mode` decides the sign of an exact zero.
pub fn add(a: Number, b: Number, mode: Round) -> Number {
    use Number::{Finite as F, Infinite, Nan};
    match (a, b) {
        (Nan, _) | (_, Nan) => Nan,
        (Infinite { negative: x }, Infinite { negative: y }) if x != y => Nan,
        (Infinite { .. }, _) => a,
        (_, Infinite { .. }) => b,
        (F(a), F(b)) => F(add_finite(a, b, mode)),
    }
}

fn add_finite(a: Finite, b: Finite, mode: Round) -> Finite {
    if a.digits == 0 && b.digits == 0 {
        let negative = if a.negative == b.negative { a.negative } else { mode == Round::Down };
        return Finite::zero(negative);
    }
    if a.digits == 0 || b.digits == 0 {
        return if a.digits == 0 { b } else { a };
    }
    let (a, b) = (a.normalized(), b.normalized());
    let (a, b) = if (a.exponent, a.digits) >= (b.exponent, b.digits) { (a, b) } else { (b, a) };
    // Operands have at most 106 digits, so a shift that loses some leaves nothing to cancel.
    let smaller = shift_right(b.digits, a.exponent.abs_diff(b.exponent));
    let digits = if a.negative == b.negative { a.digits + smaller } else { a.digits - smaller };
    if digits == 0 { Finite::zero(mode == Round::Down) } else { Finite { digits, ..a } }
}

/// a × b.
pub fn mul(a: Number, b: Number) -> Number {
    use Number::{Finite as F, Infinite, Nan};
    let negative = is_negative(a) != is_negative(b);
    match (a, b) {
        (Nan, _) | (_, Nan) => Nan,
        (Infinite { .. }, F(x)) | (F(x), Infinite { .. }) if x.digits == 0 => Nan,
        (Infinite { .. }, _) | (_, Infinite { .. }) => Infinite { negative },
        (F(a), F(b)) => {
            F(Finite { negative, exponent: a.exponent + b.exponent, digits: a.digits * b.digits })
        }
    }
}

/// a / b.
pub fn div(a: Number, b: Number) -> Number {
    use Number::{Finite as F, Infinite, Nan};
    let negative = is_negative(a) != is_negative(b);
    match (a, b) {
        (Nan, _) | (_, Nan) | (Infinite { .. }, Infinite { .. }) => Nan,
        (F(a), F(b)) if a.digits == 0 && b.digits == 0 => Nan,
        (Infinite { .. }, _) => Infinite { negative },
        (_, F(b)) if b.digits == 0 => Infinite { negative },
        (_, Infinite { .. }) => F(Finite::zero(negative)),
        (F(a), F(b)) => {
            let a = a.normalized();
            let rest = u128::from(a.digits % b.digits != 0);
            let digits = (a.digits / b.digits) | rest;
            F(Finite { negative, exponent: a.exponent - b.exponent, digits })
        }
    }
}

/// √a.
pub fn sqrt(a: Number) -> Number {
    let finite = match a {
        Number::Infinite { negative: false } => return a,
        Number::Finite(finite) if finite.digits == 0 => return a,
        Number::Finite(finite) if !finite.negative => finite.normalized(),
        _ => return Number::Nan,
    };
    // An even exponent: halve it.
    let odd = finite.exponent & 1;
    let (square, exponent) = (finite.digits << odd, (finite.exponent - odd) / 2);
    let root = square.isqrt();
    let digits = root | u128::from(root * root != square);
    Number::Finite(Finite { negative: false, exponent, digits })
}

fn is_negative(number: Number) -> bool {
    match number {
        Number::Nan => false,
        Number::Infinite { negative } | Number::Finite(Finite { negative, .. }) => negative,
    }
}
