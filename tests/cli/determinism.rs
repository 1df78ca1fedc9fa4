//! The same seed gives the same bits: across stops, threads and processes.

use crate::common::Place;

#[test]
fn ten_steps_and_ten_more_are_twenty_steps() {
    let place = Place::new();
    place.train("--steps 20 --out whole");
    place.train("--steps 10 --out parts");
    place.succeed("train --resume parts --steps 20");
    let losses = place.losses("whole");
    assert_eq!(losses.len(), 20);
    assert_eq!(place.losses("parts"), losses);
    assert_eq!(place.tensors("parts"), place.tensors("whole"));
    // The metrics of the second session do not repeat the header.
    let csv = std::fs::read_to_string(place.path("parts/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 21);
}

#[test]
fn metrics_beyond_the_checkpoint_are_trained_and_written_again() {
    let place = Place::new();
    place.train("--steps 6 --out whole");
    place.train("--steps 6 --keep 9 --out run");
    // As a kill would leave it: the metrics are ahead of the last checkpoint.
    std::fs::remove_file(place.path("run/checkpoints/step-0000006.safetensors")).unwrap();
    std::fs::remove_file(place.path("run/checkpoints/step-0000004.safetensors")).unwrap();
    place.succeed("train --resume run");
    assert_eq!(place.losses("run"), place.losses("whole"));
    assert_eq!(place.tensors("run"), place.tensors("whole"));
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let place = Place::new();
    for threads in ["1", "2", "3"] {
        place.train(&format!("--steps 5 --threads {threads} --out t{threads}"));
    }
    assert_eq!(place.losses("t1"), place.losses("t2"));
    assert_eq!(place.tensors("t1"), place.tensors("t2"));
    assert_eq!(place.tensors("t1"), place.tensors("t3"));
}

#[test]
fn another_seed_is_another_run() {
    let place = Place::new();
    place.train("--steps 1 --seed 1 --out a");
    place.train("--steps 1 --seed 2 --out b");
    assert_ne!(place.losses("a"), place.losses("b"));
}

#[test]
fn resuming_refuses_what_would_change_the_numbers() {
    let place = Place::new();
    place.train("--steps 2 --out run");
    place.refuse(
        "train --resume run --steps 4 --lr 0.1 --batch-size 8",
        2,
        &["batch_size: 16 in the run, 8 now", "lr: 0.0002 in the run, 0.1 now"],
    );
    place.refuse("train --resume run --steps 1", 2, &["steps: 2 in the run, 1 now"]);
    place.refuse("train --resume run", 2, &["finished its 2 steps", "--steps"]);
    place.refuse("train --resume run --out other", 2, &["--out"]);
    place.refuse("train --resume nowhere", 2, &["nowhere", "config.toml"]);
    let config = std::fs::read_to_string(place.path("run/config.toml")).unwrap();
    let edited = config.replace("beta1 = 0.5", "beta1 = 0.6");
    assert_ne!(edited, config);
    std::fs::write(place.path("run/config.toml"), edited).unwrap();
    place.refuse("train --resume run --steps 4", 2, &["config.toml", "beta1: 0.5 in the run, 0.6"]);
    std::fs::write(place.path("run/config.toml"), config).unwrap();
    std::fs::remove_file(place.path("images/07.png")).unwrap();
    place.refuse("train --resume run --steps 4", 3, &["not the images the run was started with"]);
}
