//! What all benches share: a warm-up, a table of percentiles, and the disk's fsync time beside them.
#![allow(clippy::print_stdout, dead_code, reason = "a table is what a bench is for; none needs all of this")]

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the work took; its result is looked at, so that none of it is left out.
pub fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    std::hint::black_box(work());
    began.elapsed()
}

/// The head of a table.
pub fn head(title: &str) {
    let built = if cfg!(debug_assertions) { "a debug build: these are no figures to show" } else { "a release build" };
    println!("\n{title}, {built}\n{:<44} {:>10} {:>10} {:>10}  {:>8}", "", "p50", "p99", "worst", "runs");
}

/// A row: the median, the 99th percentile and the worst, in microseconds, and a target where there is one.
pub fn row(name: &str, mut times: Vec<Duration>, target: &str) {
    times.sort_unstable();
    let micros = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64) * 1e6;
    let at = |share: usize| micros(times.get(times.len() * share / 100));
    let name: String = name.replace(['\n', '\r'], " ").chars().take(44).collect();
    let worst = micros(times.last());
    println!("{name:<44} {:>7.1} µs {:>7.1} µs {worst:>7.1} µs  {:>8}  {target}", at(50), at(99), times.len());
}

/// How long this disk takes until 4 kB are on it, so often.
pub fn fsync(folder: &Path, times: usize) -> std::io::Result<Vec<Duration>> {
    let mut file = std::fs::File::create(folder.join("fsync"))?;
    (0..times)
        .map(|_| {
            file.write_all(&[0; 4096])?;
            let began = Instant::now();
            file.sync_all()?;
            Ok(began.elapsed())
        })
        .collect()
}
