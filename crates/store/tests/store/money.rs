//! Money in two processes: whatever is asked for, used and reported, what is held never exceeds the cap, everything that
//! was used is counted, and nothing is forgotten when a process ends.

use crate::child::command;
use crate::support::{Workspace, noon, open};
use aic_store::{Reserved, Store};
use proptest::prelude::*;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

const KEY: &str = "cost/shop";
const HOUR: Duration = Duration::from_secs(3600);

/// Thirty-two runs at once, each of which holds an amount and then settles with what it used, no more than that. Says
/// how much was used.
pub fn spend(store: &Store, seed: u64, cap: u64) {
    let used: u64 = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..32).map(|run| scope.spawn(move || one(store, seed ^ (run << 32), cap))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    std::io::stdout().write_all(format!("used {used}\n").as_bytes()).unwrap();
}

fn one(store: &Store, mut seed: u64, cap: u64) -> u64 {
    let mut random = |below: u64| {
        // A splitmix64: the same amounts for the same seed.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    };
    let asked = 1 + random(cap / 8);
    let granted = store.try_reserve(KEY, Some(HOUR), cap, asked, noon()).unwrap();
    let seen = store.counted(KEY, None).unwrap();
    assert!(seen <= cap, "{seen} of {cap} are held");
    match granted {
        Reserved::Refused { sum } => {
            assert!(sum + asked > cap, "{asked} was refused although only {sum} of {cap} are held");
            0
        }
        Reserved::Granted(reservation) => match random(4) {
            // The process dies, or usage never comes: what is held stays.
            0 => asked,
            1 => {
                store.release(reservation).unwrap();
                0
            }
            _ => {
                let used = random(asked + 1);
                store.settle(reservation, used).unwrap();
                used
            }
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sixty_four_runs_in_two_processes_never_hold_more_than_the_cap(seed: u64, cap in 8_u64..1_000_000_000_000) {
        let ws = Workspace::new();
        let children = [seed, !seed].map(|seed| {
            let mut child = command(&format!("spend {seed} {cap}"), ws.folder.path());
            child.stdout(Stdio::piped()).spawn().unwrap()
        });
        let used: u64 = children
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                assert!(output.status.success(), "{said}");
                let line = said.lines().find_map(|line| line.split_once("used ")).unwrap();
                line.1.trim().parse::<u64>().unwrap()
            })
            .sum();
        // Both are gone; what they spent is not.
        let counted = open(ws.folder.path()).counted(KEY, None).unwrap();
        prop_assert_eq!(counted, used);
        prop_assert!(counted <= cap);
    }

    #[test]
    fn who_reports_more_than_was_held_is_counted_in_full_and_everybody_is_refused_then(
        cap in 2_u64..1_000_000, asked in 1_u64..1_000_000, over in 0_u64..1_000_000_000, next in 1_u64..1_000_000,
    ) {
        let ws = Workspace::new();
        let asked = asked.min(cap);
        let Reserved::Granted(held) = ws.store.try_reserve(KEY, Some(HOUR), cap, asked, noon()).unwrap() else {
            return Err(TestCaseError::fail("there was room"));
        };
        ws.store.settle(held, cap + over).unwrap();
        // Another handle, as another process has it.
        let other = open(ws.folder.path());
        let refused = other.try_reserve(KEY, Some(HOUR), cap, next, noon()).unwrap();
        prop_assert_eq!(refused, Reserved::Refused { sum: cap + over });
        // An hour later it has left the window, and there is room again.
        let later = other.try_reserve(KEY, Some(HOUR), cap, next.min(cap), noon().plus(HOUR)).unwrap();
        prop_assert!(matches!(later, Reserved::Granted(_)));
    }
}

#[test]
fn what_left_its_window_long_ago_is_cleared_away() {
    let ws = Workspace::new();
    let reserve = |at| {
        let reserved = ws.store.try_reserve(KEY, Some(HOUR), 100, 1, at).unwrap();
        assert!(matches!(reserved, Reserved::Granted(_)));
    };
    reserve(noon());
    reserve(noon().plus(Duration::from_secs(86_400)));
    assert_eq!(ws.store.counted(KEY, None).unwrap(), 2);
    reserve(noon().plus(Duration::from_secs(40 * 86_400)));
    assert_eq!(ws.store.counted(KEY, None).unwrap(), 1);
}
