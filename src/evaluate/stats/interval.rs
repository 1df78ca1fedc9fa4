//! A value with its confidence interval.

use super::refusal::{Judged, LeftOut};
use crate::error::{Error, Result};
use serde::Serialize;

/// A figure and the interval that holds the true value with probability `level`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// Confidence, 0.95 for 95 %.
    pub level: f64,
}

impl Interval {
    /// The same in a smaller unit: value and ends times `factor`, which is positive.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let Self { value, low, high, .. } = self;
        Self { value: factor * value, low: factor * low, high: factor * high, ..self }
    }

    /// `value ± z·error` with the normal quantile z of the level.
    ///
    /// # Errors
    /// [`Error::Config`] for a level outside (0, 1), [`Error::NonFinite`] if a bound overflows.
    pub fn normal(value: f64, error: f64, level: f64) -> Result<Self> {
        let reach = two_sided_z(level)? * error;
        let (low, high) = (value - reach, value + reach);
        if low.is_finite() && high.is_finite() {
            return Ok(Self { value, low, high, level });
        }
        Err(Error::NonFinite { place: format!("the confidence interval of {value}") })
    }
}

/// The share `successes / trials` with Wilson's score interval ("Probable inference", JASA 1927,
/// eq. 4), which stays honest at 0 and 1.
///
/// # Errors
/// [`LeftOut::TooFew`] for no trial, [`Error::Config`] for a level outside (0, 1) or more successes
/// than trials.
pub fn share(successes: usize, trials: usize, level: f64) -> Judged<Interval> {
    LeftOut::unless("a share", "trials", 1, trials)?;
    if successes > trials {
        let text = format!("a share of {successes} out of {trials} is more than all");
        return Err(Error::Config(text).into());
    }
    Ok(wilson(successes as f64 / trials as f64, trials, level)?)
}

/// Wilson's interval of the proportion `value` seen in `trials` independent trials.
pub(super) fn wilson(value: f64, trials: usize, level: f64) -> Result<Interval> {
    let (z, n) = (two_sided_z(level)?, trials as f64);
    let centre = (value + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let spread = (value * (1.0 - value) / n + z * z / (4.0 * n * n)).sqrt();
    let reach = z * spread / (1.0 + z * z / n);
    let (low, high) = ((centre - reach).max(0.0), (centre + reach).min(1.0));
    Ok(Interval { value, low: low.min(value), high: high.max(value), level })
}

/// z with P(|N(0, 1)| ≤ z) = level.
fn two_sided_z(level: f64) -> Result<f64> {
    check_level(level)?;
    Ok(normal_quantile((1.0 + level) / 2.0))
}

/// # Errors
/// [`Error::Config`] for a level outside (0, 1).
pub(super) fn check_level(level: f64) -> Result<()> {
    if level > 0.0 && level < 1.0 {
        return Ok(());
    }
    Err(Error::Config(format!("a confidence level of {level} is not between 0 and 1; try 0.95")))
}

/// The quantile of the standard normal distribution for p in [0.5, 1), to about 1e-15
/// (Wichura, algorithm AS 241 PPND16, Applied Statistics 37, 1988).
fn normal_quantile(p: f64) -> f64 {
    let ratio = |top: &[f64; 8], bottom: &[f64; 8], x: f64| {
        let poly = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * x + c);
        poly(top) / poly(bottom)
    };
    let q = p - 0.5;
    if q <= 0.425 {
        return q * ratio(&CENTRE.0, &CENTRE.1, 0.180_625 - q * q);
    }
    let r = (-(1.0 - p).ln()).sqrt();
    if r <= 5.0 { ratio(&MIDDLE.0, &MIDDLE.1, r - 1.6) } else { ratio(&TAIL.0, &TAIL.1, r - 5.0) }
}

type Ratio = ([f64; 8], [f64; 8]);

#[allow(clippy::excessive_precision)]
const CENTRE: Ratio = (
    [
        3.387_132_872_796_366_608_0e0,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_083_0e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061_0e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561_0e3,
    ],
);

#[allow(clippy::excessive_precision)]
const MIDDLE: Ratio = (
    [
        1.423_437_110_749_683_577_34e0,
        4.630_337_846_156_545_295_90e0,
        5.769_497_221_460_691_405_50e0,
        3.647_848_324_763_204_605_04e0,
        1.270_458_252_452_368_382_58e0,
        2.417_807_251_774_506_117_70e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_40e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87e0,
        1.676_384_830_183_803_849_40e0,
        6.897_673_349_851_000_045_50e-1,
        1.481_039_764_274_800_745_90e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946_00e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
);

#[allow(clippy::excessive_precision)]
const TAIL: Ratio = (
    [
        6.657_904_643_501_103_777_20e0,
        5.463_784_911_164_114_369_90e0,
        1.784_826_539_917_291_335_80e0,
        2.965_605_718_285_048_912_30e-1,
        2.653_218_952_657_612_309_30e-2,
        1.242_660_947_388_078_438_60e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879_376_90e-1,
        1.369_298_809_227_358_053_10e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591_00e-4,
        1.846_318_317_510_054_681_80e-5,
        1.421_511_758_316_445_888_70e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::stats::reference;

    /// One value in each of the three branches, the middle and the usual 95 %.
    #[test]
    fn normal_quantiles_are_scipys() {
        let stored = reference::load();
        assert_eq!(stored.normal_quantiles.len(), 5);
        for (p, z) in stored.normal_quantiles {
            assert!((normal_quantile(p) - z).abs() <= 4e-15 * (1.0 + z), "{p}: {z}");
        }
    }

    /// scipy's interval, and the closed forms z²/(n + z²), n/(n + z²) at the ends.
    #[test]
    fn shares_have_wilsons_interval() {
        let some = share(7, 40, 0.95).unwrap();
        let [low, high] = reference::load().wilson_7_of_40;
        assert_eq!(some.value, 0.175);
        assert!((some.low - low).abs() < 1e-14 && (some.high - high).abs() < 1e-14, "{some:?}");
        let z2 = 1.959_963_984_540_054_f64.powi(2);
        let (none, all) = (share(0, 25, 0.95).unwrap(), share(25, 25, 0.95).unwrap());
        assert_eq!((none.low, all.high), (0.0, 1.0));
        assert!((none.high - z2 / (25.0 + z2)).abs() < 1e-14);
        assert!((all.low - 25.0 / (25.0 + z2)).abs() < 1e-14);
        assert!(share(0, 0, 0.95).unwrap_err().to_string().contains("at least 1 trials"));
        assert!(share(3, 2, 0.95).is_err());
    }

    #[test]
    fn impossible_levels_and_bounds_are_errors() {
        for level in [0.0, 1.0, -0.5, 95.0, f64::NAN] {
            assert!(Interval::normal(1.0, 1.0, level).is_err(), "{level}");
        }
        assert!(Interval::normal(f64::NAN, 1.0, 0.9).is_err());
        let wide = Interval::normal(3.0, 2.0, 0.9).unwrap();
        assert!((wide.high - (3.0 + 2.0 * 1.644_853_626_951_472_2)).abs() < 1e-14);
        assert!((wide.low - (3.0 - 2.0 * 1.644_853_626_951_472_2)).abs() < 1e-14);
    }
}
