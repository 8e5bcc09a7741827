//! How long a spec takes from text to findings, at 60 and 5,000 lines and 10 MB, and how long the formatter takes. Not part
//! of the product; say with a figure which profile it was built with.
//!
//! `cargo run -p aic-spec --example bench_check`

use aic_base::{MemorySource, RelPath, Timestamp};
use aic_spec::{LoadOptions, format, load, parse};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// The median and the slowest of some runs.
fn timed(runs: usize, mut run: impl FnMut()) -> (Duration, Duration) {
    let mut all: Vec<Duration> = (0..runs)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    all.sort();
    (all[all.len() / 2], all[all.len() - 1])
}

/// The sample of the tests with more tests of its own until it has so many lines.
fn of_lines(lines: usize) -> String {
    let mut text = String::from(include_str!("../tests/fixtures/support.aicontainer.yml"));
    if lines < text.lines().count() {
        return text.lines().take(lines).map(|line| format!("{line}\n")).collect();
    }
    let more = (lines - text.lines().count()) / 5;
    for number in 0..more {
        text.push_str(&format!(
            "  - name: more {number}\n    input: Where is order {number}?\n    expect:\n      - {{contains: order}}\n      - not_blocked\n"
        ));
    }
    text
}

fn main() -> std::io::Result<()> {
    let path = RelPath::new("a.aicontainer.yml").unwrap_or_default();
    let options =
        LoadOptions { environment: None, today: "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap_or_default() };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<28} {:>10} {:>12} {:>12}", "what", "bytes", "median ms", "slowest ms")?;
    let mut line = |what: &str, bytes: usize, (median, slowest): (Duration, Duration)| {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(out, "{what:<28} {bytes:>10} {:>12.2} {:>12.2}", ms(median), ms(slowest))
    };
    let source = |text: &str| {
        let mut source = MemorySource::new();
        source.insert(path.clone(), text.as_bytes());
        source
    };
    for (name, lines, runs) in [("60 lines", 60, 51), ("5,000 lines", 5000, 11)] {
        let text = of_lines(lines);
        let whole = source(&text);
        line(&format!("{name}: parse"), text.len(), timed(runs, || drop(parse(&text))))?;
        line(&format!("{name}: check"), text.len(), timed(runs, || drop(load(&whole, &path, &options))))?;
        // While somebody types, the text is hardly ever whole.
        let unfinished = text.replacen("name:", "na\"me: {", 1);
        let broken = source(&unfinished);
        line(&format!("{name}: check, broken"), text.len(), timed(runs, || drop(load(&broken, &path, &options))))?;
        line(&format!("{name}: format"), text.len(), timed(runs.min(5), || drop(format(&text))))?;
    }
    let mut large = of_lines(5000);
    large.push_str(&"# more\n".repeat((10_000_000 - large.len()) / 7));
    let whole = source(&large);
    line("10 MB: check", large.len(), timed(5, || drop(load(&whole, &path, &options))))?;
    let most = of_lines(210_000);
    let most = &most[..most.floor_char_boundary(aic_spec::tree::MAX_TEXT)];
    let whole = source(most);
    line("4 MiB: check", most.len(), timed(3, || drop(load(&whole, &path, &options))))
}
