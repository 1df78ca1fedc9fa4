//! Which generator a file of weights holds.

use super::WeightFile;
use crate::backend::Backend;
use crate::config::{RawConfig, RunConfig};
use crate::error::{Error, Result};
use crate::model::{ModelConfig, Network, generator};

/// A generator inside a file: its architecture and the prefix of its tensors' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub model: ModelConfig,
    /// `generator_ema.`, `generator.`, or empty for a bare state dict.
    pub prefix: String,
}

/// Finds the generator in a file: the moving average of one of our checkpoints (or its raw weights,
/// if `raw_weights`), else a PyTorch state dict of a DCGAN generator (`main.0.weight`, `main.1.…`),
/// bare or under one of the prefixes `generator_ema.`, `generator.` and `module.`.
///
/// # Errors
/// [`Error::Checkpoint`] if there is none, if the shapes fit no DCGAN, or if the network has
/// tensors, such as biases, that a DCGAN has not.
pub fn generator_source(file: &WeightFile, raw_weights: bool) -> Result<Source> {
    let order = if raw_weights {
        ["generator.", "", "module.", "generator_ema."]
    } else {
        ["generator_ema.", "generator.", "", "module."]
    };
    let holds = |prefix: &&str| file.dims(&format!("{prefix}main.0.weight")).is_some();
    let Some(prefix) = order.into_iter().find(holds) else {
        let known: Vec<String> = file.names().into_iter().take(4).collect();
        return Err(Error::checkpoint(
            file.path(),
            format!(
                "holds no generator: there is no tensor main.0.weight, only {} tensors such as {}",
                file.names().len(),
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ),
        ));
    };
    let model = infer(file, prefix).map_err(|reason| Error::checkpoint(file.path(), reason))?;
    if let Some(meta) = file.meta() {
        agrees_with_config(file, &model, &meta.config)?;
    }
    Ok(Source { model, prefix: prefix.to_owned() })
}

/// Reads the architecture off the filters: the first is `[nz, ngf·2^(k−1), base, base]`, the last
/// `[ngf, channels, 4, 4]`, and k + 1 filters make base·2^k pixels.
fn infer(file: &WeightFile, prefix: &str) -> std::result::Result<ModelConfig, String> {
    if file.dims(&format!("{prefix}main.2.weight")).is_some() {
        return Err(format!(
            "{prefix}main.* is a discriminator (it has a main.2.weight); give the generator"
        ));
    }
    let mut filters = Vec::new();
    while let Some(dims) = file.dims(&format!("{prefix}main.{}.weight", 3 * filters.len())) {
        let &[inputs, outputs, height, width] = dims else {
            return Err(format!(
                "the tensor {prefix}main.{}.weight has the shape {dims:?}, expected four dimensions",
                3 * filters.len()
            ));
        };
        filters.push([inputs, outputs, height, width]);
    }
    let (Some(first), Some(last)) = (filters.first(), filters.last()) else {
        return Err(format!("there is no tensor {prefix}main.0.weight"));
    };
    let doublings = filters.len() - 1;
    // 0, which is no image size, where the sizes fit no square or would overflow.
    let image_size = u32::try_from(doublings)
        .ok()
        .filter(|&k| first[2] == first[3] && first[2] < 8 && k < 32)
        .map_or(0, |k| first[2] << k);
    let model = ModelConfig {
        image_size,
        channels: last[1],
        nz: first[0],
        ngf: last[0],
        // The discriminator is not in the file; sampling does not need one.
        ndf: last[0],
    };
    let blocks = generator::blocks(&model, 1).map_err(|e| {
        format!("its filters {filters:?} are not those of a DCGAN generator of this kind: {e}")
    })?;
    for (i, (block, dims)) in blocks.iter().zip(&filters).enumerate() {
        let expected = block.geometry.filter();
        if expected.dims() != dims {
            return Err(format!(
                "the tensor {prefix}main.{}.weight has the shape {dims:?}, expected {expected}",
                3 * i
            ));
        }
    }
    no_foreign_tensors(file, prefix, blocks.len())?;
    Ok(model)
}

/// A tensor that this network has not would be silently ignored, and the prints would be wrong.
fn no_foreign_tensors(
    file: &WeightFile,
    prefix: &str,
    blocks: usize,
) -> std::result::Result<(), String> {
    let known = |name: &str| {
        let Some((index, kind)) = name.split_once('.') else { return false };
        let Ok(index) = index.parse::<usize>() else { return false };
        match (index % 3, kind) {
            (0, "weight") => index / 3 < blocks,
            (1, "weight" | "bias" | "running_mean" | "running_var" | "num_batches_tracked") => {
                index / 3 + 1 < blocks
            }
            _ => false,
        }
    };
    let main = format!("{prefix}main.");
    for name in file.names() {
        if let Some(rest) = name.strip_prefix(&main)
            && !known(rest)
        {
            return Err(format!(
                "holds the tensor {name}, which a DCGAN generator of {blocks} layers has not \
                 (convolutions have no biases, every hidden layer a batch normalisation)"
            ));
        }
    }
    Ok(())
}

fn agrees_with_config(file: &WeightFile, found: &ModelConfig, config: &str) -> Result<()> {
    let said = RawConfig::from_toml(config)
        .map_err(Error::Config)
        .and_then(RunConfig::new)
        .map_err(|e| Error::checkpoint(file.path(), format!("its configuration is invalid: {e}")))?
        .model();
    if (ModelConfig { ndf: said.ndf, ..*found }) != said {
        return Err(Error::checkpoint(
            file.path(),
            format!("its tensors make the network {found:?}, its configuration says {said:?}"),
        ));
    }
    Ok(())
}

/// Builds the generator that [`generator_source`] found and loads its weights.
///
/// # Errors
/// As [`WeightFile::tensor`].
pub fn load_generator<B: Backend>(
    backend: &B,
    file: &mut WeightFile,
    source: &Source,
) -> Result<Network<B>> {
    let blocks = generator::blocks(&source.model, 1)?;
    let mut network = Network::zeros(backend, blocks, generator::index)?;
    let names = network.names();
    for (name, buffer) in names.iter().zip(network.tensors_mut()) {
        let data = file.tensor(&format!("{}{name}", source.prefix), &backend.shape(buffer))?;
        backend.restore(buffer, &data)?;
    }
    Ok(network)
}
