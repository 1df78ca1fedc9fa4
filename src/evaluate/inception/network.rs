//! A network from an ONNX file: images → features and class probabilities.

use super::Preparation;
use super::contract::{self, Input, Role, foreign};
use crate::error::{Error, Result};
use image::{Rgb, RgbImage};
use rten::{Model, NodeId, RunOptions, ThreadPool, Value};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Images that go through the network together, where the file leaves the number open. The last few
/// are filled up to as many: with another number the matrix products would round otherwise.
const BATCH: usize = 8;

/// Largest file that is read: Inception v3 takes 95 MB.
const MAX_BYTES: u64 = 1 << 30;

/// A network ready to run.
pub struct Network {
    path: PathBuf,
    sha256: String,
    model: Model,
    input: Input,
    features: Option<NodeId>,
    classes: Option<Head>,
    preparation: Preparation,
    threads: Option<Arc<ThreadPool>>,
}

/// The output with a number for each class.
#[derive(Clone, Copy)]
struct Head {
    id: NodeId,
    count: usize,
    /// Whether the file ends before the softmax.
    logits: bool,
}

/// What a network says about some images, row by row in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// `[images, 2048]`, if the network has that output.
    pub features: Option<Vec<f32>>,
    /// `[images, classes]`, each row adding up to 1, if the network has that output.
    pub probabilities: Option<Vec<f32>>,
}

impl Network {
    /// Loads an ONNX file and runs it once, to see what comes out.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, and [`Error::Checkpoint`], with what was found and
    /// what is expected, if it is no ONNX file, is damaged or larger than 1 GiB, keeps its weights in
    /// another file, uses an operator that the runtime lacks, has another input than one image of 32-bit
    /// floats `[batch, 3, side, side]`, or gives neither 2,048 features nor 1,000 or 1,008 classes.
    pub fn open(path: impl AsRef<Path>, preparation: Preparation) -> Result<Self> {
        let path = path.as_ref();
        let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?.len();
        if size > MAX_BYTES {
            return Err(foreign(path, format!("the file has {size} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let model = guarded(path, || contract::load(path, bytes))?;
        let input = contract::input(path, &model)?;
        let mut network = Self {
            path: path.to_owned(),
            sha256,
            model,
            input,
            features: None,
            classes: None,
            preparation,
            threads: None,
        };
        network.find_outputs()?;
        Ok(network)
    }

    /// Limits the network to this many threads; the results are the same.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = Some(Arc::new(ThreadPool::with_num_threads(threads.max(1))));
        self
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Height and width of its input in pixels.
    pub fn side(&self) -> usize {
        self.input.side
    }

    /// Whether it gives 2,048 features.
    pub fn has_features(&self) -> bool {
        self.features.is_some()
    }

    /// Number of classes, if it gives their probabilities.
    pub fn classes(&self) -> Option<usize> {
        self.classes.map(|head| head.count)
    }

    /// Everything that belongs beside its figures, in one line.
    pub fn describe(&self) -> String {
        let classes = self.classes.map_or("no classes".to_owned(), |head| {
            let how = if head.logits { "softmax added" } else { "softmax inside" };
            format!("{} classes ({how})", head.count)
        });
        let features = if self.has_features() { "2048 features" } else { "no features" };
        let file = self.path.file_name().unwrap_or(self.path.as_os_str());
        format!(
            "{} (SHA-256 {}), {:.1} million parameters, input \"{}\" {}x{}, {features}, {classes}; {}",
            file.display(),
            self.sha256,
            self.model.total_params() as f64 / 1e6,
            self.input.name,
            self.input.side,
            self.input.side,
            self.preparation,
        )
    }

    /// Runs images of any size through the network, a few at a time.
    ///
    /// What comes out for an image depends on it alone, to the last bit: neither on the others nor on
    /// the number of threads. Fewer images than the batch of 8 take as long as 8.
    ///
    /// # Errors
    /// [`Error::Shape`] for an image without pixels; [`Error::Checkpoint`] if the network fails or
    /// gives a NaN, an infinity or another number of values than it did when opened.
    pub fn run(&self, images: &[RgbImage]) -> Result<Outputs> {
        if let Some(index) = images.iter().position(|image| image.is_empty()) {
            return Err(Error::shape("inception", format!("image {index} has no pixels")));
        }
        let mut outputs = Outputs {
            features: self.features.map(|_| Vec::new()),
            probabilities: self.classes.map(|_| Vec::new()),
        };
        let ids: Vec<NodeId> = self.wanted();
        let count = self.input.batch.unwrap_or(BATCH);
        for (number, batch) in images.chunks(count).enumerate() {
            let first = number * count;
            let mut found = self.forward(batch, count, &ids)?.into_iter();
            if let (Some(rows), Some(values)) = (outputs.features.as_mut(), self.features) {
                let values = self.checked(found.next(), values, super::FEATURES, batch, first)?;
                rows.extend(values);
            }
            if let (Some(rows), Some(head)) = (outputs.probabilities.as_mut(), self.classes) {
                let values = self.checked(found.next(), head.id, head.count, batch, first)?;
                let start = rows.len();
                rows.extend(values);
                if head.logits {
                    rows[start..].chunks_exact_mut(head.count).for_each(softmax);
                }
            }
        }
        Ok(outputs)
    }

    /// The outputs to compute, features first.
    fn wanted(&self) -> Vec<NodeId> {
        self.features.into_iter().chain(self.classes.map(|head| head.id)).collect()
    }

    /// Runs one batch of `count` images, filled up with copies of the last one.
    fn forward(
        &self,
        images: &[RgbImage],
        count: usize,
        outputs: &[NodeId],
    ) -> Result<Vec<Vec<f32>>> {
        let side = self.input.side;
        let mut numbers = vec![0.0; count * 3 * side * side];
        for (index, plane) in numbers.chunks_exact_mut(3 * side * side).enumerate() {
            if let Some(image) = images.get(index).or(images.last()) {
                self.preparation.write(image, side, plane);
            }
        }
        let fail =
            |what: String| Error::checkpoint(&self.path, format!("the network fails: {what}"));
        let input = Value::from_shape(&[count, 3, side, side], numbers)
            .map_err(|error| fail(error.to_string()))?;
        let options = RunOptions::default().with_thread_pool(self.threads.clone());
        let values = guarded(&self.path, || {
            self.model
                .run(vec![(self.input.id, input.into())], outputs, Some(options))
                .map_err(|error| fail(error.to_string()))
        })?;
        let numbers = |value: Value| value.into_tensor::<f32>().map(|tensor| tensor.into_data());
        values
            .into_iter()
            .map(|value| numbers(value).ok_or_else(|| fail("an output is not of floats".into())))
            .collect()
    }

    /// The values for the images of a batch, without those of its filling.
    fn checked(
        &self,
        found: Option<Vec<f32>>,
        id: NodeId,
        each: usize,
        batch: &[RgbImage],
        first: usize,
    ) -> Result<Vec<f32>> {
        let name = contract::name(&self.model, id);
        let mut values = found.unwrap_or_default();
        let expected = each * self.input.batch.unwrap_or(BATCH);
        if values.len() != expected {
            return Err(Error::checkpoint(
                &self.path,
                format!("output \"{name}\" has {} values instead of {expected}", values.len()),
            ));
        }
        values.truncate(each * batch.len());
        if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::checkpoint(
                &self.path,
                format!(
                    "output \"{name}\" is {} for image {}: the weights are damaged, or the values \
                     of the images are not scaled as this network needs it",
                    values[bad],
                    first + bad / each
                ),
            ));
        }
        Ok(values)
    }

    /// Runs one image to learn what the outputs are: files need not state their shapes.
    fn find_outputs(&mut self) -> Result<()> {
        let ids = contract::outputs(&self.path, &self.model)?;
        let side = self.input.side as u32;
        let image = RgbImage::from_fn(side, side, |x, y| {
            let wave = (x * x + 3 * x * y + 7 * y) % 256;
            Rgb([wave, (wave + x) % 256, (2 * wave + y) % 256].map(|value| value as u8))
        });
        let mut seen = Vec::new();
        let count = self.input.batch.unwrap_or(1);
        let found = self.forward(std::slice::from_ref(&image), count, &ids)?;
        for (&id, mut values) in ids.iter().zip(found) {
            let each = values.len() / count;
            seen.push(format!("\"{}\" with {each} values", contract::name(&self.model, id)));
            values.truncate(each);
            match Role::of(each) {
                Some(Role::Features) if self.features.is_none() => self.features = Some(id),
                Some(Role::Classes(count)) if self.classes.is_none() => {
                    self.classes = Some(Head { id, count, logits: !are_probabilities(&values) });
                }
                _ => {}
            }
        }
        if self.features.is_none() && self.classes.is_none() {
            return Err(foreign(&self.path, format!("its outputs are {}", seen.join(", "))));
        }
        Ok(())
    }
}

/// Whether the values are from 0 to 1 and add up to 1. Logits are not: some are negative.
fn are_probabilities(values: &[f32]) -> bool {
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    values.iter().all(|value| (0.0..=1.0).contains(value)) && (sum - 1.0).abs() < 1e-3
}

fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - largest).exp();
        sum += f64::from(*value);
    }
    row.iter_mut().for_each(|value| *value = (f64::from(*value) / sum) as f32);
}

/// Turns a panic of the runtime, which a damaged file may cause, into an error.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(foreign(path, format!("the runtime cannot handle this network ({what})")))
    })
}
