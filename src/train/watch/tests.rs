use super::*;
use crate::backend::reference::Reference;
use crate::backend::{Backend, Cpu, HostTensor};
use crate::config::{Every, Preset};
use crate::evaluate::features::{FEATURES, PrintFeatures};
use crate::evaluate::stats::Features;
use crate::evaluate::stats::frechet::{Gaussian, frechet};
use crate::evaluate::stats::kernel::kernel_distance;
use crate::evaluate::stats::manifold::manifold;
use crate::sample::latent::latent;
use crate::sample::stream::{Generator, Prints};
use crate::train::Gan;
use crate::train::log::read_metrics;
use crate::train::run_dir::RunDir;
use crate::train::trainer::{Outcome, Progress, Trainer};
use image::GrayImage;

/// Keeps the notes; stops after a step.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    stop_at: Option<u64>,
    step: u64,
}

impl Observer for Notes {
    fn started(&mut self, _: &Progress) {}
    fn stepped(&mut self, progress: &Progress) {
        self.step = progress.step;
    }
    fn logged(&mut self, _: &Metrics) {}
    fn note(&mut self, message: &str) {
        self.lines.push(message.to_owned());
    }
    fn wants_to_stop(&self) -> bool {
        self.stop_at.is_some_and(|step| self.step >= step)
    }
}

impl Notes {
    fn count(&self, needle: &str) -> usize {
        self.lines.iter().filter(|line| line.contains(needle)).count()
    }
}

/// 12 steps of a small network on prints from the formula, evaluated every 2 steps.
fn config() -> RunConfig {
    let mut config = RunConfig::new(Preset::Tiny.values()).unwrap();
    (config.synth_count, config.no_cache, config.steps) = (60, true, Some(12));
    (config.evaluate_every, config.checkpoint_every) = (Every::Steps(2), Every::Steps(2));
    (config.sample_every, config.keep) = (Every::Never, 100);
    config
}

fn dataset(config: &RunConfig) -> Dataset {
    crate::data::load(&config.data_config(), &mut ()).unwrap()
}

fn train(config: &RunConfig, run: &RunDir, dataset: &Dataset, notes: &mut Notes) -> Outcome {
    let backend = Cpu::new(None).unwrap();
    Trainer::new(backend, config, run, dataset).unwrap().train(notes).unwrap()
}

fn new_run(folder: &tempfile::TempDir, name: &str, config: &RunConfig) -> RunDir {
    let run = RunDir::create(Some(&folder.path().join(name)), Preset::Tiny).unwrap();
    run.write_config(config).unwrap();
    run
}

fn evaluations(run: &RunDir) -> Vec<(u64, Figures)> {
    let lines = read_metrics(run.path()).unwrap();
    let of = |m: &Metrics| {
        let figures = Figures {
            step: m.eval_step?,
            frechet: m.eval_frechet,
            kernel: m.eval_kernel,
            precision: m.eval_precision,
            recall: m.eval_recall,
        };
        Some((m.step, figures))
    };
    lines.iter().filter_map(of).collect()
}

/// The same figures from a checkpoint of the step, by the functions that an evaluation is made of.
fn directly(checkpoint: &Path, dataset: &Dataset) -> [f64; 4] {
    let mut network = PrintFeatures::embedded(None).unwrap();
    let mut features = |images: &[GrayImage]| {
        let outputs = network.of(images).unwrap();
        Features::new(FEATURES, outputs.iter().flat_map(|o| o.features).collect()).unwrap()
    };
    let image = |&index: &u32| {
        let pixels = dataset.image(index as usize).to_vec();
        GrayImage::from_raw(dataset.size, dataset.size, pixels).unwrap()
    };
    let real = features(&dataset.train.iter().map(image).collect::<Vec<_>>());
    let backend = Cpu::new(None).unwrap();
    let mut file = WeightFile::open(checkpoint).unwrap();
    let source = checkpoint::generator_source(&file, false).unwrap();
    let network = checkpoint::load_generator(&backend, &mut file, &source).unwrap();
    let mut generator = Generator::new(&backend, network).unwrap();
    let latents = (0..1000).map(|seed| (String::new(), latent(seed, source.model.nz)));
    let made: Vec<_> =
        Prints::new(&mut generator, latents).map(|print| print.unwrap().into_luma8()).collect();
    let made = features(&made);
    let gaussians = [&real, &made].map(|set| Gaussian::of(set).unwrap());
    let regions = manifold(&real, &made, 5).unwrap();
    [
        frechet(&gaussians[0], &gaussians[1]).unwrap(),
        kernel_distance(&real, &made, 0.95).unwrap().value,
        regions.precision,
        regions.recall,
    ]
}

#[test]
fn figures_are_those_of_the_step_and_the_best_generator_is_kept() {
    let (folder, config) = (tempfile::tempdir().unwrap(), config());
    let dataset = dataset(&config);
    let run = new_run(&folder, "run", &config);
    let mut notes = Notes::default();
    let outcome = train(&config, &run, &dataset, &mut notes);

    let found = evaluations(&run);
    let steps: Vec<u64> = found.iter().map(|(_, figures)| figures.step).collect();
    assert!(steps.is_sorted_by(|a, b| a < b), "{steps:?}");
    assert!(steps.iter().all(|step| step.is_multiple_of(2)), "{steps:?}");
    assert_eq!((steps.first(), steps.last()), (Some(&2), Some(&12)));
    assert_eq!(notes.count("of the print features"), steps.len());
    let (trained, held_out) = (dataset.train.len(), dataset.held_out.len());
    assert!(held_out > 0);
    let beside = format!("beside {trained} training prints (of {held_out} held-out ones, 200");
    assert_eq!(notes.count(&beside), 1);
    let checkpoint = |step: u64| run.path().join(format!("checkpoints/step-{step:07}.safetensors"));
    for (line, figures) in &found {
        assert!(*line >= figures.step);
        let [frechet, kernel, precision, recall] = directly(&checkpoint(figures.step), &dataset);
        // JSON gives numbers back to within one unit in the last place.
        let close = |found: Option<f64>, wanted: f64| {
            assert!((found.unwrap() - wanted).abs() <= 1e-15 * wanted.abs(), "{found:?} {wanted}");
        };
        close(figures.frechet, frechet);
        close(figures.kernel, kernel);
        close(figures.precision, precision);
        close(figures.recall, recall);
    }

    let lowest = found.iter().map(|f| f.1.frechet.unwrap()).fold(f64::INFINITY, f64::min);
    let argmin = found.iter().find(|f| f.1.frechet == Some(lowest)).unwrap().1.step;
    let best = outcome.best.unwrap();
    assert_eq!(best.step, argmin);
    assert!((best.frechet - lowest).abs() <= 1e-15 * lowest);
    assert_eq!(best.file, run.path().join("checkpoints/best.safetensors"));
    let [mut kept, mut whole] =
        [&best.file, &checkpoint(argmin)].map(|path| WeightFile::open(path).unwrap());
    assert_eq!(kept.meta().unwrap().step, argmin);
    assert_eq!(kept.meta().unwrap().data, dataset.fingerprint);
    let source = checkpoint::generator_source(&whole, false).unwrap();
    assert_eq!(checkpoint::generator_source(&kept, false).unwrap(), source);
    let weights = |file: &mut WeightFile| {
        let network = checkpoint::load_generator(&Reference, file, &source).unwrap();
        network.tensors().map(|t| Reference.snapshot(t).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(weights(&mut kept), weights(&mut whole));
    assert!(kept.names().iter().all(|name| name.starts_with("generator_ema.")));
}

#[test]
fn training_computes_the_same_and_logs_the_same_without_it() {
    let (folder, with) = (tempfile::tempdir().unwrap(), config());
    let without = RunConfig { evaluate_every: Every::Never, ..with.clone() };
    let dataset = dataset(&with);
    let [a, b] = [("with", &with), ("without", &without)].map(|(name, config)| {
        let run = new_run(&folder, name, config);
        let outcome = train(config, &run, &dataset, &mut Notes::default());
        assert_eq!(outcome.best.is_some(), name == "with");
        let mut file = WeightFile::open(&outcome.checkpoint).unwrap();
        let mut gan = Gan::new(Cpu::new(None).unwrap(), config.hyper()).unwrap();
        gan.restore(12, &mut |name, shape| file.tensor(name, shape)).unwrap();
        let mut losses: Vec<_> = read_metrics(run.path())
            .unwrap()
            .iter()
            .map(|m| (m.step, m.loss_d.to_bits(), m.loss_g.to_bits()))
            .collect();
        // The last line is written once more for an evaluation that came after it.
        losses.dedup();
        (gan.state().unwrap(), losses)
    });
    assert!(a == b, "the weights or the losses differ");
    assert_eq!(evaluations(&RunDir::open(&folder.path().join("without")).unwrap()), []);
    assert!(!folder.path().join("without/checkpoints/best.safetensors").exists());
}

#[test]
fn a_resumed_run_knows_its_best_and_only_a_better_one_replaces_it() {
    let (folder, config) = (tempfile::tempdir().unwrap(), config());
    let dataset = dataset(&config);
    let run = new_run(&folder, "run", &config);
    let stopped =
        train(&config, &run, &dataset, &mut Notes { stop_at: Some(3), ..Notes::default() });
    assert_eq!(stopped.progress.step, 3);
    // The evaluation under way is waited for; a run that goes on begins none of its last step.
    assert_eq!(evaluations(&run).iter().map(|f| f.1.step).collect::<Vec<_>>(), [2]);
    let before = stopped.best.unwrap();
    assert_eq!(before.step, 2);

    // Said to be better than anything: nothing replaces it, and the end still names it.
    let log = run.path().join("metrics.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        if !line["eval_step"].is_null() {
            line["eval_frechet"] = (-1.0).into();
        }
        format!("{line}\n")
    });
    std::fs::write(&log, lines.collect::<String>()).unwrap();
    let bytes = std::fs::read(&before.file).unwrap();
    let resumed = train(&config, &run, &dataset, &mut Notes::default());
    assert_eq!(resumed.best, Some(Best { frechet: -1.0, ..before.clone() }));
    assert_eq!(std::fs::read(&before.file).unwrap(), bytes);
    assert_eq!(evaluations(&run).last().unwrap().1.step, 12);

    // A file of another step is none that the log speaks of.
    assert_eq!(best_so_far(&before.file, &read_metrics(run.path()).unwrap()), resumed.best);
    let other = run.path().join("checkpoints/step-0000004.safetensors");
    assert_eq!(best_so_far(&other, &read_metrics(run.path()).unwrap()), None);
    assert_eq!(best_so_far(Path::new("absent"), &read_metrics(run.path()).unwrap()), None);
}

#[test]
fn held_out_prints_are_the_measure_where_there_are_enough() {
    let config = RunConfig { held_out: 0.9, synth_count: 260, image_size: 16, ..config() };
    let mut dataset = dataset(&config);
    assert!(dataset.held_out.len() >= judge::FEWEST_HELD_OUT, "{}", dataset.held_out.len());
    let (_, described) = Reals::choose(&dataset, 0).unwrap();
    let held_out = dataset.held_out.len();
    assert_eq!(described, format!("by 1000 generated prints beside {held_out} held-out prints"));
    dataset.held_out.truncate(199);
    let (_, described) = Reals::choose(&dataset, 0).unwrap();
    let train = dataset.train.len();
    assert!(described.contains(&format!("beside {train} training prints")), "{described}");
}

/// Nothing waits for a busy thread, the user learns of it once, and dropping it does not take as long as its
/// work.
#[test]
fn a_busy_evaluation_is_skipped_and_a_failed_one_is_a_note() {
    let (folder, config) = (tempfile::tempdir().unwrap(), config());
    let dataset = dataset(&config);
    let store = Store::new(folder.path(), 1);
    std::fs::create_dir(folder.path().join("checkpoints")).unwrap();
    let gan = Gan::new(Cpu::new(None).unwrap(), config.hyper()).unwrap();
    let meta = |step| Meta::new(step, config.to_toml().unwrap(), dataset.fingerprint.clone());
    let mut notes = Notes::default();
    let (mut watch, _) = Watch::start(&config, &dataset, &store, &[]).unwrap();

    let mut broken = gan.average_state().unwrap();
    broken.last_mut().unwrap().data = HostTensor::F32(Vec::new());
    watch.offer(meta(2), broken);
    assert!(!watch.is_free(4, &mut notes) && !watch.is_free(6, &mut notes));
    assert_eq!(notes.count("step 4 is not evaluated: the evaluation of step 2 is not done"), 1);
    assert_eq!(notes.count("step 6"), 0);
    assert_eq!(watch.wait(&mut notes), None);
    assert_eq!(notes.count("step 2 cannot be evaluated"), 1);

    // It goes on with the next.
    assert!(watch.is_free(8, &mut notes));
    watch.offer(meta(8), gan.average_state().unwrap());
    assert_eq!(watch.wait(&mut notes).unwrap().step, 8);
    assert_eq!(watch.wait(&mut notes), None);
    assert_eq!(watch.into_best().unwrap().step, 8);
}
