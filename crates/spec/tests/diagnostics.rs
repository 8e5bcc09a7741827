//! Every code's examples: the bad one gives that code and no other, the good one gives none, a fix makes it go away; and
//! the page of the documentation says what the table says.

mod common;

use aic_base::{MemorySource, RelPath};
use aic_spec::codes::{PRELUDE, page};
use aic_spec::{CODES, CodeDoc, LoadOptions, Loaded, apply, load};
use std::collections::BTreeSet;

/// Codes whose example is a whole file by itself, although it names no model.
const WHOLE: [&str; 2] = ["ABS006", "ABS020"];

struct Example {
    files: Vec<(String, Vec<u8>)>,
    environment: Option<String>,
}

fn example(doc: &CodeDoc, text: &str) -> Example {
    let mut environment = None;
    let mut files: Vec<(String, String)> = vec![("spec.ai.yml".into(), String::new())];
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("# file: ") {
            let name = name.trim().to_owned();
            if files.len() == 1 && files[0].1.is_empty() {
                files[0].0 = name;
            } else {
                files.push((name, String::new()));
            }
        } else if let Some(name) = line.strip_prefix("# aic check --env ") {
            environment = Some(name.trim().to_owned());
        } else {
            files.last_mut().unwrap().1.push_str(line);
        }
    }
    let main = &mut files[0];
    let says = |key: &str| main.1.lines().any(|line| line.starts_with(key));
    if !says("model:") && !says("models:") && !says("inherits:") && !says("services:") && !WHOLE.contains(&doc.code.0) {
        main.1.insert_str(0, PRELUDE);
    }
    match doc.code.0 {
        "ABS008" if text.starts_with('(') => main.1 = format!("name: a{}", "\n".repeat(5_000_000)),
        "ABS102" if text.starts_with('(') => {
            main.1 = format!("{PRELUDE}inherits: ./b1.ai.yml\n");
            for at in 1..=17 {
                files.push((format!("b{at}.ai.yml"), format!("inherits: ./b{}.ai.yml\n", at + 1)));
            }
        }
        _ => {}
    }
    // `ÿ` stands for the byte that begins no UTF-8 character.
    let bytes = |text: String| if text.starts_with('ÿ') { vec![0xff] } else { text.into_bytes() };
    Example { files: files.into_iter().map(|(name, text)| (name, bytes(text))).collect(), environment }
}

impl Example {
    fn load(&self) -> Loaded {
        let mut source = MemorySource::new();
        for (name, bytes) in &self.files {
            source.insert(RelPath::new(name).unwrap(), bytes.clone());
        }
        let options =
            LoadOptions { environment: self.environment.clone(), today: "2026-11-22T12:00:00Z".parse().unwrap() };
        load(&source, &RelPath::new(&self.files[0].0).unwrap(), &options)
    }
}

/// The codes that were found. What this version does not enforce or run is no point of an example of something else.
fn codes(doc: &CodeDoc, loaded: &Loaded) -> BTreeSet<&'static str> {
    let beside = |code: &str| matches!(code, "ABS090" | "ABS092") && code != doc.code.0;
    loaded.diagnostics.iter().filter(|found| !beside(found.code.0)).map(|found| found.code.0).collect()
}

#[test]
fn each_bad_example_gives_its_code_and_each_good_one_gives_none() {
    let mut wrong = Vec::new();
    for doc in &CODES {
        let bad = example(doc, doc.bad).load();
        if codes(doc, &bad) != BTreeSet::from([doc.code.0]) {
            wrong.push(format!("bad {}: {:#?}", doc.code, bad.diagnostics));
        }
        let good = example(doc, doc.good).load();
        if !codes(doc, &good).is_empty() {
            wrong.push(format!("good {}: {:#?}", doc.code, good.diagnostics));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_fix_of_an_example_makes_the_finding_go_away_and_no_error_come() {
    let mut fixed = 0;
    for doc in &CODES {
        let mut example = example(doc, doc.bad);
        let loaded = example.load();
        for found in loaded.diagnostics.iter().filter(|found| found.code == doc.code) {
            let Some(fix) = &found.fix else { continue };
            let file = example.files.iter_mut().find(|(name, _)| *name == found.file.as_str()).unwrap();
            let text = String::from_utf8(file.1.clone()).unwrap();
            file.1 = apply(&text, [fix]).into_bytes();
            let after = example.load();
            assert!(!codes(doc, &after).contains(doc.code.0), "{}: {:#?}", doc.code, after.diagnostics);
            assert!(!after.has_errors(), "{}: {:#?}", doc.code, after.diagnostics);
            fixed += 1;
            break;
        }
    }
    assert!(fixed >= 20, "{fixed} examples have a fix");
}

#[test]
fn the_page_of_the_documentation_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/diagnostics.md");
    let made = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let stands = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stands == made, "docs/diagnostics.md is out of date: run this test with UPDATE_DOCS=1");
}

#[test]
fn the_language_page_holds_the_table_of_what_tightens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/language.md");
    let table = aic_spec::tightening_table();
    let mut page = std::fs::read_to_string(path).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let head = table.lines().next().unwrap();
        let start = page.find(head).or_else(|| page.find("TIGHTENING\n")).expect("a place for the table");
        let end = page[start..].find("\n\n").map_or(page.len(), |end| start + end + 1);
        page.replace_range(start..end, &table);
        std::fs::write(path, &page).unwrap();
    }
    assert!(page.contains(&table), "docs/language.md is out of date: run this test with UPDATE_DOCS=1");
}
