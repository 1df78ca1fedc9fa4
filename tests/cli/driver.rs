//! Drivers that cannot be used: a stand-in for libcuda answers what a broken or old one would.

use crate::common::{Place, stderr};
use std::path::PathBuf;
use std::process::{Command, Output};

/// A libcuda that knows one device and answers as the macros say.
const DRIVER: &str = r#"
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) { return INIT; }
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int room, int device) { strncpy(name, "Stand-in", room); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? MAJOR : 0; return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 1 << 30; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return RETAIN; }
int cuGetErrorName(int code, const char **name) { *name = "CUDA_ERROR_STAND_IN"; return 0; }
int cuGetErrorString(int code, const char **text) { *text = "stand-in"; return 0; }
"#;

/// The folder of a driver made with these macros.
fn driver(place: &Place, name: &str, macros: &[&str]) -> PathBuf {
    let folder = place.path(name);
    std::fs::create_dir(&folder).unwrap();
    let source = folder.join("driver.c");
    std::fs::write(&source, DRIVER).unwrap();
    let mut gcc = Command::new("gcc");
    for default in ["INIT=0", "VERSION=13000", "MAJOR=9", "RETAIN=0"] {
        let name = default.split('=').next().unwrap();
        let given = macros.iter().find(|given| given.starts_with(name));
        gcc.arg(format!("-D{}", given.unwrap_or(&default)));
    }
    gcc.args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"]);
    let made = gcc.arg(folder.join("libcuda.so.1")).arg(&source).output().expect("gcc");
    assert!(made.status.success(), "{}", stderr(&made));
    std::os::unix::fs::symlink("libcuda.so.1", folder.join("libcuda.so")).unwrap();
    folder
}

fn run(place: &Place, args: &str, folder: &PathBuf) -> Output {
    let output = place.command(args).env("LD_LIBRARY_PATH", folder).output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{args}: {}", stderr(&output));
    output
}

#[test]
fn a_driver_that_cannot_be_used_says_why_and_auto_goes_to_the_cpu_aloud() {
    let place = Place::new();
    let train = "train --preset tiny --steps 1 --data images --no-cache";
    for (name, macros, needles) in [
        ("empty", &["INIT=100"][..], &["sees no card"][..]),
        ("old", &["VERSION=12040"], &["driver is too old", "CUDA 12.4", "580", "NVCC"]),
        ("kepler", &["MAJOR=3"], &["Stand-in", "compute capability 3.0", "7.5"]),
        ("broken", &["INIT=999"], &["does not start", "999"]),
    ] {
        let folder = driver(&place, name, macros);
        let refused = run(&place, &format!("{train} --device cuda --out no"), &folder);
        assert_eq!(refused.status.code(), Some(7), "{name}: {}", stderr(&refused));
        for needle in needles {
            assert!(stderr(&refused).contains(needle), "{name}, {needle}: {}", stderr(&refused));
        }
        assert!(!place.path("no").exists(), "{name}: nothing is left behind");
        let auto = run(&place, &format!("{train} --device auto --out {name}-run"), &folder);
        assert!(auto.status.success(), "{name}: {}", stderr(&auto));
        assert!(stderr(&auto).contains("--device auto: cpu"), "{name}: {}", stderr(&auto));
        assert!(stderr(&auto).contains(needles[0]), "{name}: {}", stderr(&auto));
        // The software device is loaded in the driver's place.
        let software =
            run(&place, &format!("{train} --device software --out {name}-soft"), &folder);
        assert!(software.status.success(), "{name}: {}", stderr(&software));
        let doctor = run(&place, "doctor", &folder);
        assert!(doctor.status.success(), "{name}: {}", stderr(&doctor));
        let said = String::from_utf8_lossy(&doctor.stdout);
        assert!(said.contains(needles[0]) && said.contains("not tried"), "{name}: {said}");
    }
}

#[test]
fn a_card_that_another_process_holds_says_so() {
    let place = Place::new();
    let folder = driver(&place, "held", &["RETAIN=46"]);
    let train = "train --preset tiny --data images --no-cache --out run --device cuda";
    let refused = run(&place, train, &folder);
    assert_eq!(refused.status.code(), Some(7), "{}", stderr(&refused));
    for needle in ["opening the device", "46", "another process", "exclusive"] {
        assert!(stderr(&refused).contains(needle), "{needle}: {}", stderr(&refused));
    }
    let absent =
        run(&place, "train --preset tiny --data images --out run --device cuda:3", &folder);
    assert_eq!(absent.status.code(), Some(7));
    assert!(stderr(&absent).contains("no device 3, only device 0"), "{}", stderr(&absent));
}
