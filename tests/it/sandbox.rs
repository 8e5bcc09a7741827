//! `aic sandbox`: sandboxes by hand, as a person uses them.

use crate::support::Workspace;

#[test]
#[ignore = "needs runsc"]
fn a_command_runs_in_a_sandbox_of_its_own_and_its_failure_is_a_finding() {
    let workspace = Workspace::mini();
    workspace.write("shared/file", "from the host");
    let run = |words: &[&str]| workspace.aic(&[&["sandbox", "run"], words].concat());
    run(&["--", "sh", "-c", "echo out"]).exits(0).says(&["out"]);
    run(&["--workspace", "shared", "--", "cat", "file"]).exits(0).says(&["from the host"]);
    run(&["--", "sh", "-c", "exit 3"]).exits(1);
    run(&["--", "no-such-program"]).exits(2);
    let result = run(&["--format", "json", "--", "sh", "-c", "id -u; exit 3"]).exits(1).json();
    assert_eq!((&result["runtime"], &result["exit"]["code"]), (&"gvisor".into(), &3.into()));
    assert_ne!(result["stdout"], "0\n");
    assert_eq!(result["limits"].as_array().unwrap().len(), 8);
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
        run.exits(2).warns(&[why]);
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
    exec("true").exits(2).warns(&["is created"]);
    act("start").exits(0);
    exec("echo kept > /tmp/file").exits(0);
    exec("cat /tmp/file").exits(0).says(&["kept"]);
    workspace.aic(&["sandbox", "attach", &name, "--", "cat", "/tmp/file"]).exits(0).says(&["kept"]);
    act("stats").exits(0).says(&["memory"]);
    workspace.aic(&["sandbox", "ls"]).exits(0).says(&[&name, "running"]);
    act("stop").exits(0);
    exec("true").exits(2).warns(&["exited"]);
    act("restart").exits(0);
    exec("echo fine").exits(0).says(&["fine"]);
    act("rm").exits(0);
    act("rm").exits(2);
}
