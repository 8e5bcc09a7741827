//! What came of a command, for people and for programs.

pub mod diagnostics;
pub mod github;
pub mod json;
pub mod junit;
mod places;
pub mod sarif;
pub mod tests;
pub mod trace;

use std::time::Duration;

/// A duration the way people read it: `0.4 ms`, `38 ms`, `2.1 s`.
pub fn duration(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 1000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", millis / 1e3)
    }
}

/// `1 case`, `2 cases`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn durations_are_shown_the_way_people_read_them() {
        let shown = [400_u64, 38_400, 2_100_000].map(|micros| duration(Duration::from_micros(micros)));
        assert_eq!(shown, ["0.4 ms", "38 ms", "2.1 s"]);
        assert_eq!((count(1, "case"), count(0, "case")), ("1 case".into(), "0 cases".into()));
    }
}
