//! One line of a run's log: losses, speed, and now and then an evaluation.

use serde::{Deserialize, Deserializer, Serialize};

/// The figures of one logged step, as they stand in `metrics.jsonl` and `metrics.csv`.
///
/// JSON has no NaN and no infinities: both are written as `null` there, which reads back as NaN. The
/// CSV file says `NaN`, `inf` or `-inf`.
///
/// The five figures of an evaluation stand in one line, the first that was written after it was done,
/// and say which step they are of; in all other lines they are `null`, or empty in the CSV file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Finished steps: 1 after the first.
    pub step: u64,
    /// Passes over the training set so far, with fraction.
    #[serde(deserialize_with = "null_is_nan")]
    pub epoch: f64,
    /// Training images D has looked at so far, repetitions included.
    pub images_seen: u64,
    /// Wall-clock time spent training, in seconds, over all sessions of the run.
    #[serde(deserialize_with = "null_is_nan")]
    pub seconds: f64,
    /// Training images per second since the line before; pictures and checkpoints are not counted.
    #[serde(deserialize_with = "null_is_nan")]
    pub images_per_second: f64,
    /// D's loss: `loss_d_real + loss_d_fake`.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_d: f32,
    /// D's loss on real images.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_d_real: f32,
    /// D's loss on fakes.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_d_fake: f32,
    /// G's loss.
    #[serde(deserialize_with = "null_is_nan")]
    pub loss_g: f32,
    /// D's mean probability that real images are real.
    #[serde(deserialize_with = "null_is_nan")]
    pub d_x: f32,
    /// The same for fakes, before D's update.
    #[serde(deserialize_with = "null_is_nan")]
    pub d_g_z1: f32,
    /// The same for the same fakes, after D's update.
    #[serde(deserialize_with = "null_is_nan")]
    pub d_g_z2: f32,
    /// The step whose averaged generator was evaluated: this one or an earlier one.
    pub eval_step: Option<u64>,
    /// Squared Fréchet distance of the print features to those of the real prints.
    pub eval_frechet: Option<f64>,
    /// Kernel distance of the same; can be below 0.
    pub eval_kernel: Option<f64>,
    /// Share of the generated prints in the region of the real ones.
    pub eval_precision: Option<f64>,
    /// Share of the real prints in the region of the generated ones.
    pub eval_recall: Option<f64>,
}

/// What an evaluation found. A figure for which there are too few prints is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The step whose averaged generator was evaluated.
    pub step: u64,
    pub frechet: Option<f64>,
    pub kernel: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
}

impl Metrics {
    /// The same line with an evaluation.
    pub(super) fn with(self, found: Figures) -> Self {
        Self {
            eval_step: Some(found.step),
            eval_frechet: found.frechet,
            eval_kernel: found.kernel,
            eval_precision: found.precision,
            eval_recall: found.recall,
            ..self
        }
    }

    /// The curves TensorBoard shows, by the names it groups them under.
    pub(super) fn scalars(&self) -> [(&'static str, f32); 9] {
        [
            ("loss/d", self.loss_d),
            ("loss/d_real", self.loss_d_real),
            ("loss/d_fake", self.loss_d_fake),
            ("loss/g", self.loss_g),
            ("output/d_x", self.d_x),
            ("output/d_g_z1", self.d_g_z1),
            ("output/d_g_z2", self.d_g_z2),
            ("progress/epoch", self.epoch as f32),
            ("progress/images_per_second", self.images_per_second as f32),
        ]
    }

    /// The curves of the evaluation in this line, if there is one.
    pub(super) fn evaluation(&self) -> Vec<(&'static str, f32)> {
        let figures = [
            ("evaluation/frechet", self.eval_frechet),
            ("evaluation/kernel", self.eval_kernel),
            ("evaluation/precision", self.eval_precision),
            ("evaluation/recall", self.eval_recall),
        ];
        figures.into_iter().filter_map(|(tag, value)| Some((tag, value? as f32))).collect()
    }
}

fn null_is_nan<'de, D: Deserializer<'de>, F: Deserialize<'de> + From<f32>>(
    deserializer: D,
) -> std::result::Result<F, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(|| F::from(f32::NAN)))
}
