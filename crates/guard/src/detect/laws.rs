//! Laws of the exact guardrails: no way of writing turns a text that is stopped into one that passes.

use super::*;
use proptest::prelude::*;

/// What each exact detector stops. Keys are put together here, so that no scanner takes this file for a leak.
fn stopped() -> Vec<(Detector, String)> {
    let pii = || Detector::Data(Types { pii: PiiType::ALL.into(), secrets: BTreeSet::new() });
    let secrets = || Detector::Data(Types { pii: BTreeSet::new(), secrets: SecretType::ALL.into() });
    let key = format!("gh{}_{}", "p", "x7Kq2mZ9vB4nL1pR8sT5wY3cD6fG0hJ2aE4q");
    let all = [
        (pii(), "card 4242 4242 4242 4242"),
        (pii(), "pay to DE89 3704 0044 0532 0130 00 please"),
        (pii(), "write to jane.roe@example.com"),
        (pii(), "my ssn is 536-22-1234 there"),
        (pii(), "o CPF 529.982.247-25 dela"),
        (pii(), "from 86.121.97.248 last night"),
        (secrets(), key.as_str()),
        (secrets(), "postgres://app:s3cr3tPw@db/x"),
        (Detector::Destructive, "DROP TABLE users"),
        (Detector::Destructive, "DELETE FROM orders WHERE id > 3"),
        (Detector::SqlInjection(0.5), "x' OR 'a'='a' -- "),
        (Detector::SqlInjection(0.5), "1 UNION SELECT name, pass FROM users"),
        (Detector::Destructive, "please wipe the database"),
    ];
    all.into_iter().map(|(detector, text)| (detector, text.to_owned())).collect()
}

/// Ways of writing a text that mean the same to whoever decodes it.
#[derive(Debug, Clone, Copy)]
enum Way {
    Wide,
    Hidden,
    Entities,
    Percent,
    Base64,
    Hex,
}

fn written(text: &str, way: Way, picks: &[bool]) -> String {
    let picked = |i: usize| picks.get(i % picks.len().max(1)).copied().unwrap_or(true);
    let each = |change: &dyn Fn(char) -> String| -> String {
        text.chars().enumerate().map(|(i, c)| if picked(i) { change(c) } else { c.to_string() }).collect()
    };
    match way {
        Way::Wide => each(&|c| match c {
            '!'..='~' => char::from_u32(c as u32 + 0xfee0).unwrap_or(c).to_string(),
            ' ' => "\u{3000}".into(),
            other => other.to_string(),
        }),
        Way::Hidden => each(&|c| format!("{c}\u{200b}")),
        Way::Entities => each(&|c| format!("&#x{:x};", c as u32)),
        Way::Percent => each(&|c| format!("%{:02X}", c as u32)),
        Way::Base64 => base64(text),
        Way::Hex => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let held = three.iter().fold(0_u32, |held, byte| held << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(held >> (18 - 6 * place) & 63) as usize];
            encoded.push(if place > three.len() { '=' } else { char::from(digit) });
        }
    }
    encoded
}

fn stops(detector: &Detector, text: &str) -> bool {
    !detector.find(&Prepared::new(text), &Scope::default()).is_empty()
}

#[test]
fn whatever_is_stopped_is_stopped_in_every_way_of_writing_it_whole() {
    for (detector, text) in stopped() {
        assert!(stops(&detector, &text), "{text}");
        for way in [Way::Wide, Way::Hidden, Way::Entities, Way::Percent, Way::Base64, Way::Hex] {
            let written = written(&text, way, &[true]);
            assert!(stops(&detector, &written), "{way:?} of {text}: {written}");
        }
    }
}

proptest! {
    #[test]
    fn no_mix_of_ways_lets_a_stopped_text_pass(
        which in 0_usize..12,
        way in prop_oneof![Just(Way::Wide), Just(Way::Hidden), Just(Way::Entities), Just(Way::Percent)],
        picks in proptest::collection::vec(any::<bool>(), 1..12),
    ) {
        let (detector, text) = stopped().swap_remove(which);
        let written = written(&text, way, &picks);
        prop_assert!(stops(&detector, &written), "{:?} of {}: {}", way, text, written);
    }

    #[test]
    fn spacing_changes_no_verdict_of_any_exact_detector(
        which in prop_oneof![0_usize..8, Just(12)],
        spaces in proptest::collection::vec(prop_oneof![Just(" "), Just("  "), Just("\t"), Just("\n"), Just(" \n "), Just("   ")], 1..5),
    ) {
        let (detector, text) = stopped().swap_remove(which);
        let words = text.split(' ').enumerate();
        let written: String = words.map(|(i, word)| format!("{word}{}", spaces[i % spaces.len()])).collect();
        prop_assert!(stops(&detector, written.trim_end()), "{:?}", written);
    }

    #[test]
    fn controls_and_marks_change_no_verdict(which in 0_usize..12, cut in prop_oneof![Just('\u{1}'), Just('\0'), Just('\u{7f}'), Just('\u{336}')]) {
        let (detector, text) = stopped().swap_remove(which);
        let written: String = text.chars().flat_map(|c| [c, cut]).collect();
        prop_assert!(stops(&detector, &written), "{:?}", written);
    }

    #[test]
    fn case_and_spacing_of_sql_change_no_verdict(
        which in 8_usize..12,
        upper in proptest::collection::vec(any::<bool>(), 1..9),
        space in prop_oneof![Just(" "), Just("  "), Just("\t"), Just("\n"), Just("/**/"), Just(" /* x */ ")],
    ) {
        let (detector, text) = stopped().swap_remove(which);
        let cased = text.chars().enumerate().map(|(i, c)| if upper[i % upper.len()] { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        let written = cased.collect::<String>().trim_end().replace(' ', space);
        prop_assert!(stops(&detector, &written), "{}", written);
    }

    #[test]
    fn every_place_lies_in_the_text(which in 0_usize..12, before in "\\PC{0,12}", after in "\\PC{0,12}", way in 0_usize..6) {
        let (detector, text) = stopped().swap_remove(which);
        let way = [Way::Wide, Way::Hidden, Way::Entities, Way::Percent, Way::Base64, Way::Hex][way];
        let text = format!("{before} {} {after}", written(&text, way, &[true]));
        for finding in detector.find(&Prepared::new(&text), &Scope::default()) {
            if let Some(span) = finding.span {
                prop_assert!(text.get(span.range()).is_some(), "{:?} of {}", span, text);
            }
        }
    }

    #[test]
    fn no_mix_of_tokens_makes_a_detector_panic(
        parts in proptest::collection::vec(prop_oneof![
            "[a-z0-9]{1,6}", "['\"`;,()=<>|&!*/#@{}.+-]{1,4}", Just(" or ".into()), Just(" union select ".into()), Just("--".into()),
            Just("/*".into()), Just("*/".into()), Just("\n".into()), Just("delete from ".into()), Just("rm -rf ".into()),
            Just("password: ".into()), Just("@example.com".into()), Just("ignore all previous ".into()), "\\PC{1,3}", "[0-9]{9,18}",
        ], 0..24),
    ) {
        let text = parts.concat();
        let detectors = [
            Detector::SqlInjection(0.5), Detector::CodeExecution(0.5), Detector::PromptInjection(0.5), Detector::Destructive,
            Detector::DbMutations(Vec::new()), Detector::Data(Types::all()), Detector::MaxLength(9),
        ];
        for finding in detectors.iter().flat_map(|detector| detector.find(&Prepared::new(&text), &Scope::default())) {
            prop_assert!(finding.span.is_none_or(|span| text.get(span.range()).is_some()), "{:?} of {}", finding, text);
        }
    }
}
