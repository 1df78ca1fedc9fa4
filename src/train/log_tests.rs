use super::*;

fn at(step: u64) -> Metrics {
    Metrics {
        step,
        epoch: step as f64 / 64.0,
        images_seen: step * 128,
        seconds: step as f64 * 0.375,
        images_per_second: 345.0625,
        loss_d: 1.25,
        loss_d_real: 0.1,
        loss_d_fake: 1.15,
        loss_g: 0.7 + step as f32,
        d_x: 0.9,
        d_g_z1: 0.3,
        d_g_z2: 0.2,
        ..Metrics::default()
    }
}

/// The same line with the evaluation of an earlier step; a figure that could not be had is absent.
fn evaluated(step: u64, eval_step: u64) -> Metrics {
    let (eval_frechet, eval_kernel) = (Some(41.5), Some(-0.25));
    let eval_step = Some(eval_step);
    Metrics { eval_step, eval_frechet, eval_kernel, eval_precision: Some(0.5), ..at(step) }
}

fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write_steps(log: &mut RunLog, steps: std::ops::RangeInclusive<u64>) {
    steps.for_each(|step| log.append(&at(step)).unwrap());
}

#[test]
fn what_is_written_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::create(folder.path()).unwrap();
    assert_eq!(read_metrics(folder.path()).unwrap(), []);
    write_steps(&mut log, 1..=3);
    let read = read_metrics(folder.path()).unwrap();
    assert_eq!(read, [at(1), at(2), at(3)]);

    let json: serde_json::Value = serde_json::from_str(&lines(folder.path(), JSONL)[1]).unwrap();
    assert_eq!(json["step"], 2);
    assert_eq!(json["images_seen"], 256);
    assert_eq!(json["images_per_second"], 345.0625);
    let csv = lines(folder.path(), CSV);
    assert_eq!(
        csv[0],
        "step,epoch,images_seen,seconds,images_per_second,loss_d,loss_d_real,loss_d_fake,\
         loss_g,d_x,d_g_z1,d_g_z2,eval_step,eval_frechet,eval_kernel,eval_precision,eval_recall"
    );
    assert!(csv[2].starts_with("2,0.03125,256,0.75,345.0625,1.25,0.1,1.15,2.7,"));
    assert_eq!(csv.len(), 4);
}

#[test]
fn what_is_not_a_number_is_null_in_json_and_named_in_csv() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::create(folder.path()).unwrap();
    let bad = Metrics { loss_g: f32::NAN, loss_d: f32::INFINITY, seconds: f64::NAN, ..at(1) };
    log.append(&bad).unwrap();
    let json: serde_json::Value = serde_json::from_str(&lines(folder.path(), JSONL)[0]).unwrap();
    assert!(json["loss_g"].is_null() && json["loss_d"].is_null() && json["seconds"].is_null());
    let read = read_metrics(folder.path()).unwrap()[0];
    assert!(read.loss_g.is_nan() && read.loss_d.is_nan() && read.seconds.is_nan());
    assert_eq!(lines(folder.path(), CSV)[1].matches("NaN").count(), 2);
    assert_eq!(lines(folder.path(), CSV)[1].matches(",inf,").count(), 1);
}

#[test]
fn a_resumed_log_equals_an_uninterrupted_one() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_steps(&mut RunLog::create(whole.path()).unwrap(), 1..=9);

    let mut log = RunLog::create(broken.path()).unwrap();
    write_steps(&mut log, 1..=5);
    let different = Metrics { loss_g: -1.0, ..at(6) };
    log.append(&different).unwrap();
    drop(log);
    let mut log = RunLog::resume(broken.path(), 5).unwrap();
    write_steps(&mut log, 6..=9);
    for name in [JSONL, CSV] {
        assert_eq!(lines(broken.path(), name), lines(whole.path(), name));
    }
}

#[test]
fn a_line_cut_off_anywhere_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    write_steps(&mut RunLog::create(folder.path()).unwrap(), 1..=3);
    for name in [JSONL, CSV] {
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        let third = whole[..whole.len() - 1].iter().rposition(|&b| b == b'\n').unwrap() + 1;
        for cut in (third..whole.len()).step_by(29).chain([whole.len() - 1]) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read_metrics(folder.path()).unwrap()[..2], [at(1), at(2)]);
            drop(RunLog::resume(folder.path(), 3).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), whole[..third], "{name} cut at {cut}");
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_cut_off_header_and_missing_files_start_anew() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(CSV), "step,ep").unwrap();
    std::fs::write(folder.path().join(".metrics.csv.abc.tmp"), "half").unwrap();
    let mut log = RunLog::resume(folder.path(), 7).unwrap();
    write_steps(&mut log, 8..=8);
    assert_eq!(read_metrics(folder.path()).unwrap(), [at(8)]);
    let csv = lines(folder.path(), CSV);
    assert!(csv.len() == 2 && csv[0].starts_with("step,epoch") && csv[1].starts_with("8,"));
    assert!(!folder.path().join(".metrics.csv.abc.tmp").exists());
}

#[test]
fn an_evaluation_stands_in_one_line_and_is_empty_in_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::create(folder.path()).unwrap();
    for metrics in [at(1), evaluated(2, 1), at(3)] {
        log.append(&metrics).unwrap();
    }
    assert_eq!(read_metrics(folder.path()).unwrap(), [at(1), evaluated(2, 1), at(3)]);
    let csv = lines(folder.path(), CSV);
    assert!(csv[1].ends_with(",0.3,0.2,,,,,"), "{}", csv[1]);
    assert!(csv[2].ends_with(",0.3,0.2,1,41.5,-0.25,0.5,"), "{}", csv[2]);
    let json: serde_json::Value = serde_json::from_str(&lines(folder.path(), JSONL)[1]).unwrap();
    assert_eq!((&json["eval_step"], &json["eval_kernel"]), (&1.into(), &(-0.25).into()));
    assert!(json["eval_recall"].is_null());
    assert!(json.get("eval_recall").is_some());
}

/// TensorBoard has it at the step that was evaluated, and a line that is written once more for its sake
/// makes no second point of the losses.
#[test]
fn tensorboard_has_an_evaluation_at_its_own_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::create(folder.path()).unwrap();
    for metrics in [at(1), at(99), evaluated(99, 77)] {
        log.append(&metrics).unwrap();
    }
    let mut paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let events = paths.find(|path| path.to_str().unwrap().contains("tfevents"));
    let events = std::fs::read(events.unwrap()).unwrap();
    let places = |tag: &str| {
        let tag = tag.as_bytes();
        (0..events.len()).filter(|&at| events[at..].starts_with(tag)).collect::<Vec<_>>()
    };
    assert_eq!(places("loss/d_real").len(), 2);
    assert_eq!(places("evaluation/recall"), [0; 0]);
    let &[at] = &places("evaluation/frechet")[..] else { panic!("not once") };
    // Field 2 of the event, the step as one byte, stands before field 5, the values.
    assert!(events[at - 12..at].windows(3).any(|bytes| bytes == [0x10, 77, 0x2a]));
}

/// The files of a run that was started before there were evaluations.
#[test]
fn logs_with_fewer_figures_are_gone_on_with() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_steps(&mut RunLog::create(new.path()).unwrap(), 1..=3);
    for (name, known) in [(JSONL, ",\"eval_step\""), (CSV, ",eval_step")] {
        let text: String = lines(new.path(), name)
            .iter()
            .map(|line| match line.split_once(known) {
                Some((before, _)) if name == JSONL => format!("{before}}}\n"),
                Some((before, _)) => format!("{before}\n"),
                None => format!("{}\n", line.strip_suffix(",,,,,").unwrap()),
            })
            .collect();
        assert!(!text.contains("eval"), "{text}");
        std::fs::write(old.path().join(name), text).unwrap();
    }
    assert_eq!(read_metrics(old.path()).unwrap(), [at(1), at(2), at(3)]);
    for folder in [old.path(), new.path()] {
        let mut log = RunLog::resume(folder, 2).unwrap();
        log.append(&evaluated(3, 2)).unwrap();
    }
    assert_eq!(lines(old.path(), CSV), lines(new.path(), CSV));
    assert_eq!(lines(old.path(), CSV).len(), 4);
    assert_eq!(read_metrics(old.path()).unwrap(), [at(1), at(2), evaluated(3, 2)]);
}

#[test]
fn damage_in_the_middle_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write_steps(&mut RunLog::create(folder.path()).unwrap(), 1..=3);
    let path = folder.path().join(JSONL);
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
    bytes[second] = 0xff;
    std::fs::write(&path, bytes).unwrap();
    for error in
        [read_metrics(folder.path()).unwrap_err(), RunLog::resume(folder.path(), 3).unwrap_err()]
    {
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("metrics.jsonl: line 2 is damaged"), "{error}");
    }
}

#[test]
fn nothing_is_overwritten_silently() {
    let folder = tempfile::tempdir().unwrap();
    write_steps(&mut RunLog::create(folder.path()).unwrap(), 1..=1);
    let error = RunLog::create(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(read_metrics(folder.path()).unwrap(), [at(1)]);
    assert!(RunLog::create(folder.path().join("missing")).is_err());
}
