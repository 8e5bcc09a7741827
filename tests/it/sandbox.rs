//! `aic sandbox`: sandboxes by hand, as a person uses them.

use crate::support::Workspace;

#[test]
#[ignore = "needs runsc"]
fn a_command_runs_in_a_sandbox_of_its_own_and_ends_as_the_command_did() {
    let workspace = Workspace::mini();
    workspace.write("shared/file", "from the host");
    let run = |words: &[&str]| workspace.aic(&[&["sandbox", "run"], words].concat());
    run(&["--", "sh", "-c", "echo out"]).exits(0).says(&["out"]);
    run(&["--workspace", "shared", "--", "cat", "file"]).exits(0).says(&["from the host"]);
    run(&["--", "sh", "-c", "exit 5"]).exits(5).warns(&["exit code 5 after"]);
    run(&["--", "sh", "-c", "kill -9 $$"]).exits(137).warns(&["signal 9 after"]);
    run(&["--", "no-such-program"]).exits(126);
    run(&["--timeout", "1s", "--", "sleep", "1000"]).exits(124).warns(&["over limits.timeout"]);
    let big =
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('/tmp/x', 'wb').write(b'x' * 2_000_000)";
    run(&["--file-size", "1MB", "--", "python3", "-c", big]).exits(124).warns(&["over limits.file_size"]);
    let result = run(&["--format", "json", "--", "sh", "-c", "id -u; exit 3"]).exits(3).json();
    assert_eq!((&result["runtime"], &result["exit"]["code"]), (&"gvisor".into(), &3.into()));
    assert_ne!(result["stdout"], "0\n");
    let limits = result["limits"].as_array().unwrap();
    assert_eq!((limits.len(), &limits[0]["limit"], &limits[0]["most"]), (8, &"memory".into(), &256_000_000.into()));
}

#[test]
#[ignore = "needs runsc"]
fn what_a_program_prints_is_handed_on_byte_for_byte() {
    let workspace = Workspace::mini();
    let print = ["sandbox", "run", "--", "printf", r"a\377\000\r\033[31m"];
    let output = workspace.command(&print).output().unwrap();
    assert_eq!(output.stdout, b"a\xff\0\r\x1b[31m");
    let result = workspace.aic(&[&print[..2], &["--format", "json"], &print[2..]].concat()).exits(0).json();
    assert_eq!(result["stdout_base64"], "Yf8ADRtbMzFt");
    assert!(result.get("stderr_base64").is_none());
}

#[test]
fn nonsense_limits_are_refused_by_name() {
    let workspace = Workspace::mini();
    workspace.write("one.js", "export default () => 1;");
    for (flag, value) in [
        ("cpu", "nan"),
        ("cpu", "-1"),
        ("cpu", "0"),
        ("memory", "0"),
        ("memory", "1KB"),
        ("pids", "0"),
        ("pids", "4000000000"),
        ("files", "0"),
    ] {
        let flag_and_value = format!("--{flag}={value}");
        let words = ["sandbox", "run", &flag_and_value, "--script", "one.js"];
        workspace.aic(&words).exits(125).warns(&[&format!("limits.{flag}: must be")]);
    }
    let endless = ["sandbox", "run", "--memory=99999999GB", "--script", "one.js"];
    workspace.aic(&endless).exits(2).warns(&["99999999GB"]);
}

#[test]
fn what_would_be_ignored_or_could_never_work_is_refused() {
    let workspace = Workspace::mini();
    workspace.write("one.js", "export default () => 1;");
    let run = |words: &[&str]| workspace.aic(&[&["sandbox", "run"], words, &["--script", "one.js"]].concat());
    run(&["--env", "A=b"]).exits(125).warns(&["--args"]);
    run(&["--network", "169.254.169.254:80"]).exits(2).warns(&["not of the public internet"]);
    run(&["--network=-x.example:1"]).exits(2).warns(&["is no host"]);
    workspace.aic(&["sandbox", "stop", "nobody"]).exits(2).warns(&["there is no sandbox nobody; "]);
}

#[test]
fn a_module_that_is_no_interpreter_is_called_as_its_user_calls_it() {
    let workspace = Workspace::mini();
    workspace.write("e.wasm", "\0asm\u{1}\0\0\0");
    let run = workspace.aic(&["guest", "add", "e.wasm", "--for", "zz"]);
    run.exits(2).warns(&["e is no interpreter: e.wasm cannot be used: it exports neither"]);
}

#[test]
fn a_script_that_fails_says_where_it_ran_and_under_which_limits() {
    let workspace = Workspace::mini();
    workspace.write("bad.js", "export default () => { throw new Error('no') };");
    let run = workspace.aic(&["sandbox", "run", "--script", "bad.js", "--format", "json"]).exits(126);
    let result = run.json();
    assert_eq!((&result["runtime"], result["limits"].as_array().unwrap().len()), (&"wasm".into(), 8));
    assert!(result["error"].as_str().unwrap().contains("no"), "{result}");
}

#[test]
#[ignore = "needs runsc"]
fn another_runsc_can_be_named_and_one_that_is_none_is_told() {
    let workspace = Workspace::mini();
    let link = workspace.path("my-runsc");
    std::os::unix::fs::symlink("/usr/bin/runsc", &link).unwrap();
    let doctor = |runsc: &std::path::Path| {
        let output = workspace.command(&["doctor"]).env("AIC_RUNSC", runsc).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(doctor(&link).contains("my-runsc; "), "{}", doctor(&link));
    assert!(doctor(std::path::Path::new("runsc")).contains("AIC_RUNSC names no program"));
}

#[test]
fn a_folder_for_sandboxes_that_cannot_be_used_is_the_reason_that_is_told() {
    let workspace = Workspace::mini();
    let mut doctor = workspace.command(&["doctor", "--format", "json"]);
    doctor.env("TMPDIR", "/no/such").env_remove("XDG_RUNTIME_DIR");
    let said = String::from_utf8(doctor.output().unwrap().stdout).unwrap();
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    for name in ["gvisor", "process", "microvm"] {
        let all = document["sandboxes"].as_array().unwrap();
        let one = all.iter().find(|one| one["name"] == name).unwrap();
        assert!(one["why"].as_str().unwrap().contains("/no/such/aic-sandboxes-"), "{one}");
        assert!(one["install"].is_null(), "{one}");
    }
}

#[test]
fn a_script_runs_in_wasm() {
    let workspace = Workspace::mini();
    workspace.write("twice.js", "export default n => ({ twice: n * 2 });");
    let run = workspace.aic(&["sandbox", "run", "--script", "twice.js", "--args", "21", "--format", "json"]);
    let result = run.exits(0).json();
    assert_eq!((&result["runtime"], &result["value"]["twice"]), (&"wasm".into(), &42.into()));
}

#[test]
fn what_isolates_too_little_is_refused_with_the_reason() {
    let workspace = Workspace::mini();
    for (runtime, why) in [("docker", "host's kernel"), ("kata", "does not drive it"), ("gvizor", "is no runtime")] {
        let run = workspace.aic(&["sandbox", "run", "--runtime", runtime, "--", "true"]);
        run.exits(125).warns(&[why]);
    }
}

#[test]
#[ignore = "needs runsc"]
fn a_named_sandbox_lives_from_create_to_rm() {
    let workspace = Workspace::mini();
    let name = format!("it-{}", std::process::id());
    let act = |action: &str| workspace.aic(&["sandbox", action, &name]);
    let exec = |line: &str| workspace.aic(&["sandbox", "exec", &name, "--", "sh", "-c", line]);
    act("create").exits(0);
    act("create").exits(2).warns(&["already"]);
    exec("true").exits(125).warns(&["is created"]);
    act("start").exits(0);
    exec("echo kept > /tmp/file").exits(0);
    exec("cat /tmp/file").exits(0).says(&["kept"]);
    workspace.aic(&["sandbox", "attach", &name, "--", "cat", "/tmp/file"]).exits(0).says(&["kept"]);
    let attach = |line: &str| workspace.aic(&["sandbox", "attach", &name, "--", "sh", "-c", line]);
    attach("exit 5").exits(5);
    let mut large = workspace.command(&["sandbox", "exec", &name, "--stdin", "--", "sh", "-c", "wc -c"]);
    let large = large.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut large.stdin.as_ref().unwrap(), &vec![b'x'; 50_000_000]).unwrap();
    let counted = large.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&counted.stdout).trim(), "50000000");
    act("stats").exits(0).says(&["memory"]);
    workspace.aic(&["sandbox", "ls"]).exits(0).says(&[&name, "running"]);
    act("stop").exits(0);
    exec("true").exits(125).warns(&["exited"]);
    act("restart").exits(0);
    exec("echo fine").exits(0).says(&["fine"]);
    act("rm").exits(0);
    act("rm").exits(2);
}
