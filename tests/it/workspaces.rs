//! What programs of a spec have to work in: the workspace, whose changes are told and looked at, and their root file
//! system.

use crate::support::{Live, SPEC, Workspace};
use aic_sandbox::RuntimeKind;
use serde_json::{Value, json};
use std::process::Command;

/// `sh …` does it in one sandbox, `big …` in another with more memory.
const PROGRAMS: &str = r#"
name: programs
models:
  primary:
    provider: scripted
    rules:
      - {match: {user: {matches: '^sh (?<cmd>.*)$'}}, reply: {tool_calls: [{name: sh, args: {cmd: "${match.cmd}"}}]}}
      - {match: {user: {matches: '^big (?<cmd>.*)$'}}, reply: {tool_calls: [{name: big, args: {cmd: "${match.cmd}"}}]}}
      - {match: {tool: sh}, reply: {text: "${result}"}}
      - {match: {tool: big}, reply: {text: "${result}"}}
      - {match: {}, reply: {text: hello}}
tools:
  allowed:
    - name: sh
      parameters: {type: object, properties: {cmd: {type: string}}, required: [cmd]}
      run: {command: [sh, "-c", "${args.cmd}"], env: {KEY: "${secret:TOOL_KEY}"}}
    - name: big
      parameters: {type: object, properties: {cmd: {type: string}}, required: [cmd]}
      run: {command: [sh, "-c", "${args.cmd}"], memory: 512MB}
sandbox: {runtime: RUNTIME, workspace: MODE, rootfs: ROOTFS, limits: {memory: 256MB, pids: 100, timeout: 120s}}
tests: TESTS
"#;

fn spec(runtime: &str, mode: &str, rootfs: &str, tests: &str) -> String {
    let spec = PROGRAMS.replace("RUNTIME", runtime).replace("MODE", mode);
    spec.replace("ROOTFS", rootfs).replace("TESTS", tests)
}

fn workspace(runtime: &str, mode: &str, tests: &str) -> Workspace {
    Workspace::with(&[(SPEC, &spec(runtime, mode, "host", tests)), ("note.txt", "one\ntwo\n"), ("old/file", "x\n")])
}

fn run(workspace: &Workspace, arguments: &[&str]) -> crate::support::Ran {
    let mut command = workspace.command(arguments);
    command.env("TOOL_KEY", "planted-tool-key-4");
    let ran = Live::start(command).finish();
    assert!(!format!("{ran}").contains("planted-tool-key-4"), "{ran}");
    ran
}

/// Those of these runtimes that this machine can use.
fn here(kinds: &[RuntimeKind]) -> Vec<&'static str> {
    kinds.iter().copied().filter(|kind| crate::support::stands(*kind)).map(RuntimeKind::name).collect()
}

const WALLS: [RuntimeKind; 2] = [RuntimeKind::Gvisor, RuntimeKind::Process];

#[test]
#[ignore = "needs runsc and bwrap"]
fn what_a_program_changed_in_its_copy_is_in_the_outcome_and_the_files_stay() {
    for wall in here(&WALLS) {
        let workspace = workspace(wall, "copy", "[]");
        let same = run(&workspace, &["run", "sh cat note.txt", "--format", "json"]).exits(0).json();
        assert_eq!(same["workspace"], json!({"files": []}), "{wall}");
        let change = "sh echo three >> note.txt; rm -r old; mkdir new; echo $KEY > new/key; printf 'a\\000b' > data";
        let ran = run(&workspace, &["run", change]).exits(0);
        ran.says(&["6 changes in the copy", "+ data", "+ new/key", "~ note.txt", "- old/file"]);
        let document = run(&workspace, &["run", change, "--format", "json"]).exits(0).json();
        let files = document["workspace"]["files"].as_array().unwrap_or_else(|| panic!("{document:#}"));
        let told = |path: &str| files.iter().find(|file| file["path"] == path).cloned().unwrap_or(Value::Null);
        let note = told("note.txt");
        assert_eq!(note["was"], "changed", "{wall}: {files:#?}");
        assert_eq!(note["diff"], "--- a/note.txt\n+++ b/note.txt\n@@ -1,2 +1,3 @@\n one\n two\n+three\n");
        assert_eq!((&told("data")["was"], &told("data")["diff"]), (&json!("added"), &Value::Null));
        assert_eq!((&told("old/file")["was"], &told("old")["was"]), (&json!("removed"), &json!("removed")));
        assert!(told("new/key")["diff"].as_str().unwrap().contains("+[secret]"), "{files:#?}");
        assert_eq!(workspace.read("note.txt"), "one\ntwo\n");
        // Without a copy there is nothing to tell.
        let none = self::workspace(wall, "read_only", "[]");
        assert_eq!(run(&none, &["run", "sh true", "--format", "json"]).exits(0).json()["workspace"], Value::Null);
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn tests_look_at_what_programs_left_and_run_programs_in_it() {
    let tests = r#"
  - {name: made, input: "sh echo hello > made.txt", expect: [{file: {path: made.txt, contains: hell}}]}
  - {name: one copy for all, turns: [{input: "sh echo x > a"}, {input: "big echo y >> a"}], expect: [{command: {run: [cat, a], stdout: "x\ny"}}]}
  - {name: gone, input: "sh rm note.txt", expect: [{file: {path: note.txt, exists: false}}, {not: {file: {path: note.txt}}}]}
  - {name: untouched, input: "sh true", expect: [{file: {path: note.txt, contains: two}}, {command: {run: [test, -e, note.txt]}}]}
  - {name: exit code, input: "sh true", expect: [{command: {run: [test, -e, none], exit: 1}}]}
  - {name: missing, input: "sh true", expect: [{file: {path: none.txt}}]}
  - {name: other text, input: "sh true", expect: [{file: {path: note.txt, contains: three}}]}
  - {name: other exit, input: "sh true", expect: [{command: {run: [test, -e, none]}}]}
  - {name: a link leads nowhere, input: "sh ln -s /etc/passwd link", expect: [{file: {path: link}}]}"#;
    for wall in here(&WALLS) {
        let workspace = workspace(wall, "read_write", tests);
        let report = run(&workspace, &["test", "--format", "json"]).exits(2).json();
        let cases = report["specs"][0]["cases"].as_array().unwrap_or_else(|| panic!("{report:#}"));
        let verdicts: Vec<&str> = cases.iter().map(|case| case["verdict"].as_str().unwrap()).collect();
        let wanted = ["pass", "pass", "pass", "pass", "pass", "fail", "fail", "fail", "error"];
        assert_eq!(verdicts, wanted, "{wall}: {cases:#?}");
        // However the spec shares its workspace, a test works on a copy.
        assert_eq!(workspace.read("note.txt"), "one\ntwo\n");
        assert!(!workspace.path("made.txt").exists() && !workspace.path("a").exists());
    }
}

#[test]
fn a_spec_without_a_workspace_cannot_be_looked_at_and_no_test_is_green_for_it() {
    let tests = "[{name: f, input: hi, expect: [{file: {path: a, exists: false}}]}, {name: c, input: hi, expect: [{command: {run: [true]}}]}]";
    let text = spec("process", "none", "host", tests);
    let workspace = Workspace::with(&[(SPEC, &text)]);
    let ran = workspace.aic(&["test"]).exits(2);
    ran.says(&["the spec shows its programs no workspace"]);
}

#[test]
#[ignore = "needs runsc, bwrap and busybox"]
fn an_image_of_the_workspace_is_a_root_file_system_and_nothing_outside_is() {
    let workspace = workspace("gvisor", "none", "[]");
    let root = workspace.tmp().join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in ["sh", "cat"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    std::fs::write(root.join("here"), "inside the image").unwrap();
    let packed = Command::new("tar").args(["-czf", "-", "-C"]).arg(&root).arg(".").output().unwrap();
    assert!(packed.status.success());
    let put = |bytes: &[u8]| {
        let digest = aic_base::Digest::of(bytes).to_string();
        workspace.write(&format!("image/blobs/sha256/{digest}"), bytes);
        format!("sha256:{digest}")
    };
    let layer = put(&packed.stdout);
    let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
    let manifest = put(format!(r#"{{"layers": [{{"mediaType": "{kind}", "digest": "{layer}"}}]}}"#).as_bytes());
    workspace.write("image/index.json", format!(r#"{{"manifests": [{{"digest": "{manifest}"}}]}}"#));
    for wall in here(&WALLS) {
        workspace.write(SPEC, spec(wall, "none", "oci:image", "[]"));
        let said = run(&workspace, &["run", "sh cat /here; cat /usr/bin/env", "--format", "json"]).exits(0).json();
        let said: Value = serde_json::from_str(said["output"].as_str().unwrap()).unwrap();
        assert_eq!((&said["stdout"], &said["exit"]), (&json!("inside the image"), &json!(1)), "{wall}: {said:#}");
    }
    // The same image outside of the workspace, by a path and by a link.
    Command::new("cp").arg("-r").arg(workspace.path("image")).arg(workspace.tmp()).status().unwrap();
    std::os::unix::fs::symlink(workspace.tmp().join("image"), workspace.path("link")).unwrap();
    for outside in ["oci:../tmp/image", "oci:link", "link", "oci:none"] {
        workspace.write(SPEC, spec("process", "none", outside, "[]"));
        run(&workspace, &["run", "sh cat /here"]).exits(2).says(&["`sandbox.rootfs`:"]);
    }
}
