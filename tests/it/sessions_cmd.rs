//! Sessions and memory through the whole program: gone on with in another process, sealed on the disk, and never read by
//! half.

use crate::support::{Live, Ran, SPEC, Workspace};
use std::path::Path;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const SAID: &str = "My name is Ada Lovelace";

fn echo(context: &str) -> Workspace {
    let spec = format!(
        "name: desk\nmodels: {{primary: {{provider: scripted, rules: [{{match: {{}}, reply: {{echo: prompt}}}}]}}}}\ncontext:\n{context}"
    );
    Workspace::with(&[(SPEC, &spec)])
}

fn sealed() -> Workspace {
    echo("  session: {timeout: 1h}\n  persistence: {enabled: true, encryption: AES-256, key_env: DESK_KEY}\n")
}

/// Runs the program with a key; the key is in nothing that it says or writes.
fn with(workspace: &Workspace, key: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = workspace.command(arguments);
    match key {
        Some(key) => command.env("DESK_KEY", key),
        None => command.env_remove("DESK_KEY"),
    };
    let ran = Live::start(command).finish();
    for planted in [KEY, OTHER] {
        assert!(!ran.out.contains(planted) && !ran.err.contains(planted), "{ran}");
        assert!(!lies_below(workspace.root(), planted), "the key is written down");
    }
    ran
}

fn lies_below(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return lies_below(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn a_question_that_waits_is_sealed_too_and_without_its_key_it_is_not_used_up() {
    let workspace = sealed();
    let guard = "guardrails: {pre_execution: [{name: ask, condition: \"input.contains('Ada')\", action: require_confirmation}]}\n";
    let spec = std::fs::read_to_string(workspace.path(SPEC)).unwrap();
    std::fs::write(workspace.path(SPEC), format!("{spec}{guard}")).unwrap();
    let asked = with(&workspace, Some(KEY), &["run", "--format", "json", SAID]).exits(1).json();
    let token = asked["waits"]["token"].as_str().unwrap();
    assert!(!lies_below(&workspace.path(".aic"), "Lovelace"), "what was said lies in the clear");
    with(&workspace, Some(KEY), &["confirm", "list"]).exits(0).says(&["the user answers"]);
    with(&workspace, None, &["confirm", "list"]).exits(0).says(&["there is no key `DESK_KEY`"]);
    with(&workspace, None, &["run", "--confirm", token]).exits(2).warns(&["there is no key `DESK_KEY`"]);
    with(&workspace, Some(OTHER), &["run", "--confirm", token]).exits(2).warns(&["encrypted with another key"]);
    with(&workspace, Some(KEY), &["run", "--confirm", token]).exits(0).says(&["Ada Lovelace"]);
    with(&workspace, Some(KEY), &["run", "--confirm", token]).exits(2).warns(&["answered already"]);
}

#[test]
fn a_question_in_the_clear_is_not_answered_where_questions_are_encrypted() {
    let workspace = echo("  session: {timeout: 1h}\n");
    let guard = "guardrails: {pre_execution: [{name: ask, condition: \"input.contains('Ada')\", action: require_confirmation}]}\n";
    let open = format!("{}{guard}", std::fs::read_to_string(workspace.path(SPEC)).unwrap());
    std::fs::write(workspace.path(SPEC), &open).unwrap();
    let asked = with(&workspace, None, &["run", "--format", "json", SAID]).exits(1).json();
    std::fs::write(
        workspace.path(SPEC),
        open.replace("context:", "context:\n  persistence: {encryption: AES-256, key_env: DESK_KEY}"),
    )
    .unwrap();
    // Somebody who can write there says that the spec asked as it is now.
    let source = aic_base::DiskSource::new(workspace.root()).unwrap();
    let options = aic_spec::LoadOptions { environment: None, today: aic_base::Timestamp::default() };
    let spec = aic_spec::load(&source, &aic_base::RelPath::new(SPEC).unwrap(), &options).spec.unwrap();
    let entry = std::fs::read_dir(workspace.path(".aic/confirmations")).unwrap().next().unwrap().unwrap();
    let mut question: serde_json::Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
    assert!(question["said"]["open"]["behaviour"].is_string());
    question["said"]["open"]["behaviour"] = serde_json::to_value(spec.behaviour).unwrap();
    std::fs::write(entry.path(), question.to_string()).unwrap();
    let token = asked["waits"]["token"].as_str().unwrap();
    with(&workspace, Some(KEY), &["run", "--confirm", token]).exits(2).warns(&["is not encrypted", "ask again"]);
}

#[test]
fn a_session_goes_on_in_the_next_process_and_lies_sealed_on_the_disk() {
    let workspace = sealed();
    with(&workspace, Some(KEY), &["run", "--session", "front", SAID])
        .exits(0)
        .warns(&["session front: turn 1, 2 messages kept, encrypted"]);
    with(&workspace, Some(KEY), &["run", "--session", "front", "Who am I?"])
        .exits(0)
        .says(&["Ada Lovelace"])
        .warns(&["session front: turn 2, 4 messages kept, encrypted"]);
    assert!(!lies_below(&workspace.path(".aic"), "Lovelace"), "what was said lies in the clear");
    // Another session is another conversation.
    let other = with(&workspace, Some(KEY), &["run", "--session", "back", "Who am I?"]).exits(0);
    assert!(!other.out.contains("Lovelace"), "{other}");
    with(&workspace, Some(KEY), &["session", "list"]).exits(0).says(&["front", "back", "encrypted, kept until"]);
    with(&workspace, Some(KEY), &["session", "show", "front"]).exits(0).says(&[&format!("user: {SAID}")]);
    let document = with(&workspace, None, &["session", "list", "--format", "json"]).exits(0).json();
    assert_eq!(document["sessions"].as_array().unwrap().len(), 2);
    with(&workspace, None, &["session", "rm", "front"]).exits(0);
    with(&workspace, Some(KEY), &["session", "show", "front"]).exits(2).warns(&["there is no session `front`"]);
}

#[test]
fn without_the_key_nothing_is_read_and_nothing_is_written_in_the_clear() {
    let workspace = sealed();
    let refused = with(&workspace, None, &["run", "--session", "front", SAID]).exits(2);
    refused.warns(&["`DESK_KEY`", "aic key set DESK_KEY --generate"]);
    with(&workspace, Some("correct horse"), &["run", SAID]).exits(2).warns(&["`DESK_KEY`: the key is no AES-256 key"]);
    assert!(!lies_below(&workspace.path(".aic"), "Lovelace"));
    with(&workspace, Some(KEY), &["run", "--session", "front", SAID]).exits(0);
    for arguments in [&["run", "--session", "front", "Who am I?"][..], &["session", "show", "front"]] {
        let wrong = with(&workspace, Some(OTHER), arguments).exits(2);
        let wrong = wrong.warns(&["session `front`: it is encrypted with another key"]);
        assert!(!wrong.out.contains("Ada"));
    }
}

#[test]
fn a_session_that_is_cut_off_or_tampered_with_is_an_error_and_never_half_read() {
    let workspace = sealed();
    with(&workspace, Some(KEY), &["run", "--session", "front", SAID]).exits(0);
    let database = rusqlite::Connection::open(workspace.path(".aic/store.db")).unwrap();
    let body: Vec<u8> = database.query_row("SELECT body FROM session", [], |row| row.get(0)).unwrap();
    let put = |body: &[u8]| assert_eq!(database.execute("UPDATE session SET body = ?1", [body]).unwrap(), 1);
    let mut turned = body.clone();
    *turned.last_mut().unwrap() ^= 1;
    for (bytes, why) in [(&body[..body.len() / 2], "it is cut off"), (&turned[..], "damaged or was tampered with")] {
        put(bytes);
        for arguments in [&["run", "--session", "front", "Who am I?"][..], &["session", "show", "front"]] {
            let ran = with(&workspace, Some(KEY), arguments).exits(2);
            let ran = ran.warns(&["session `front`", why]);
            assert!(!ran.out.contains("Ada"));
        }
    }
    put(&body);
    with(&workspace, Some(KEY), &["run", "--session", "front", "Who am I?"]).exits(0).says(&["Lovelace"]);
}

#[test]
fn nobody_who_writes_to_the_store_switches_encryption_off() {
    let workspace = sealed();
    with(&workspace, Some(KEY), &["run", "--session", "front", SAID]).exits(0);
    let database = rusqlite::Connection::open(workspace.path(".aic/store.db")).unwrap();
    let planted = r#"{"messages":[{"role":"user","text":"INJECTED"}],"turns":1,"last":0}"#;
    database.execute("UPDATE session SET enc = 0, body = ?1", [planted.as_bytes()]).unwrap();
    drop(database);
    for arguments in [&["run", "--session", "front", "Who am I?"][..], &["session", "show", "front"]] {
        let ran = with(&workspace, Some(KEY), arguments).exits(2);
        let ran =
            ran.warns(&["session `front`: it is not encrypted, though", "`aic session seal`", "`aic session rm`"]);
        assert!(!ran.out.contains("INJECTED"), "{ran}");
    }
    with(&workspace, Some(KEY), &["session", "seal", "--erase"])
        .exits(0)
        .says(&["front", "1 session and 0 memories erased"]);
    with(&workspace, Some(KEY), &["session", "show", "front"]).exits(2).warns(&["there is no session `front`"]);
}

#[test]
fn what_was_kept_before_the_spec_wanted_it_encrypted_is_sealed_by_a_word() {
    let open = "  memory: {type: vector, provider: sqlite}\n  session: {timeout: 1h}\n";
    let workspace = echo(open);
    workspace.aic(&["run", "--session", "front", "--user", "ann", SAID]).exits(0).warns(&["2 messages kept"]);
    let spec = std::fs::read_to_string(workspace.path(SPEC)).unwrap();
    let sealed = format!("{spec}  persistence: {{enabled: true, encryption: AES-256, key_env: DESK_KEY}}\n");
    std::fs::write(workspace.path(SPEC), sealed).unwrap();
    // Its memory is gone without, its session refused.
    let recall = &["run", "--user", "ann", "--trace", "Ada Lovelace is my name?"];
    let without = with(&workspace, Some(KEY), recall).exits(0);
    without.says(&["nothing is recalled", "it is not encrypted, though"]);
    with(&workspace, None, &["session", "seal"]).exits(2).warns(&["there is no key `DESK_KEY`"]);
    with(&workspace, Some(KEY), &["session", "seal"]).exits(0).says(&["front", "1 session and 1 memory encrypted"]);
    with(&workspace, Some(KEY), &["run", "--session", "front", "--user", "ann", "Who?"]).exits(0).says(&["Lovelace"]);
    with(&workspace, Some(KEY), recall).exits(0).says(&["recalled from memory: "]);
}

#[test]
fn a_new_key_takes_the_old_ones_place() {
    let workspace = sealed();
    with(&workspace, Some(KEY), &["run", "--session", "front", SAID]).exits(0);
    let mut command = workspace.command(&["session", "rotate", "--from", "OLD_KEY"]);
    command.env("OLD_KEY", KEY).env("DESK_KEY", OTHER);
    Live::start(command).finish().exits(0).says(&["encrypted with DESK_KEY"]);
    with(&workspace, Some(KEY), &["session", "show", "front"]).exits(2).warns(&["encrypted with another key"]);
    with(&workspace, Some(OTHER), &["run", "--session", "front", "Who am I?"]).exits(0).says(&["Lovelace"]);
}

#[test]
fn what_a_user_said_before_is_recalled_in_another_process() {
    let workspace = echo(
        "  memory: {type: vector, provider: sqlite}\n  persistence: {enabled: true, encryption: AES-256, key_env: DESK_KEY}\n",
    );
    with(&workspace, Some(KEY), &["run", "--user", "ann", "My sofa is green and stands in Berlin"]).exits(0);
    let recalled =
        with(&workspace, Some(KEY), &["run", "--user", "ann", "--trace", "What colour is my sofa?"]).exits(0);
    recalled.says(&["green and stands in Berlin", "by local hash embedding"]);
    let other = with(&workspace, Some(KEY), &["run", "--user", "bob", "What colour is my sofa?"]).exits(0);
    assert!(!other.out.contains("green"), "{other}");
    assert!(!lies_below(&workspace.path(".aic"), "green and stands"), "what is remembered lies in the clear");
}

#[test]
fn a_spec_that_keeps_nothing_has_no_sessions() {
    for (context, why) in [
        ("  session: {retention: none}\n", "keeps nothing of a session"),
        ("  persistence: {enabled: false}\n", "keeps no sessions"),
    ] {
        let workspace = echo(context);
        workspace.aic(&["run", "--session", "front", "Hello"]).exits(2).warns(&[why]);
        workspace.aic(&["run", "Hello"]).exits(0);
    }
    echo("  session: {timeout: 1h}\n").aic(&["run", "--session", "", "Hello"]).exits(2).warns(&["1 to 100 characters"]);
}

#[test]
fn a_key_is_made_whole_and_never_the_same_twice() {
    let workspace = Workspace::mini();
    let (one, two) =
        (workspace.aic(&["key", "generate"]).exits(0).out, workspace.aic(&["key", "generate"]).exits(0).out);
    let is_key = |text: &str| text.trim().len() == 64 && text.trim().bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_key(&one) && is_key(&two) && one != two);
    with(&sealed(), Some(one.trim()), &["run", "--session", "front", SAID]).exits(0);
}

#[test]
fn a_secret_goes_into_the_keyring_and_out_of_it_and_is_shown_nowhere() {
    let workspace = sealed();
    let name = format!("AIC_IT_{}", std::process::id());
    workspace.edit(SPEC, "DESK_KEY", &name);
    workspace.aic(&["run", SAID]).exits(2).warns(&[&name]);
    let listed = workspace.aic(&["key", "list"]);
    if !listed.status.success() {
        // Some containers forbid it: then it is said, and nothing is kept elsewhere instead.
        listed.exits(2).warns(&["no keyring can be reached here", "environment variable"]);
        workspace.aic(&["key", "set", &name, "--generate"]).exits(2);
        return;
    }
    workspace.aic(&["key", "set", &name, "--generate"]).exits(0).says(&[&name, "until the machine restarts"]);
    workspace.aic(&["key", "list"]).exits(0).says(&[&name]);
    workspace.aic(&["run", "--session", "front", SAID]).exits(0);
    workspace.aic(&["key", "rm", &name]).exits(0);
    workspace.aic(&["key", "rm", &name]).exits(2).warns(&["the keyring holds no"]);
    workspace.aic(&["session", "show", "front"]).exits(2).warns(&[&name]);
}
