//! What command lines are read as, and that no shell reads them otherwise.

use super::*;
use proptest::prelude::*;

fn judged(line: &str) -> Result<(), String> {
    let words = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let allow = words(&["git *", "rg *", "pytest *", "rm *", "sort", "wc *", "npm run test:*", "xargs *"]);
    let deny = words(&["git push *", "rm -r *", "sudo *"]);
    judge(line, &allow, &deny)
}

#[test]
fn what_is_allowed_runs_in_every_form_that_is_understood() {
    for line in [
        "git status",
        "git log --oneline | rg 'fix: (a|b)' | sort",
        "git diff && pytest -x tests/ || rg TODO",
        "(git status; rg x) 2>&1",
        "{ git status; rg x; } >/dev/null",
        "rg \"$(git rev-parse HEAD)\" src",
        "rg `git rev-parse HEAD`",
        "sh -c 'git status | sort'",
        "bash -c \"rg x\"",
        "rg \"a $HOME b\" ${DIR}",
        "! rg x\n# a comment\npytest -q",
        "rg 'rm -r /' docs",
        "npm run test:unit",
        "rm one.txt",
        "git status 2>/dev/null &",
        "rg x*.py \\\n  -n",
        "rg a$",
    ] {
        assert_eq!(judged(line), Ok(()), "{line}");
    }
}

#[test]
fn what_is_denied_is_denied_with_its_reason() {
    for (line, why) in [
        ("", "there is no command"),
        ("curl x", "`curl x` matches nothing under `allow`"),
        ("git status; curl x", "`curl x` matches nothing"),
        ("git status | sh", "`sh` matches nothing"),
        ("git status\ncurl x", "`curl x` matches nothing"),
        ("git push origin", "matches `git push *` under `deny`"),
        ("git -C . push", "matches `git push *`"),
        ("\"git\" pu\"sh\" origin", "matches `git push *`"),
        ("g\\it pus\\h", "matches `git push *`"),
        ("git $(rg x) origin", "matches `git push *`"),
        ("git pus? origin", "matches `git push *`"),
        ("git $X", "matches `git push *`"),
        ("xargs -n 1 rm -r", "matches `rm -r *`"),
        ("sudo git status", "matches `sudo *`"),
        ("rm -fr x", "matches `rm -r *`"),
        ("rm x -r", "matches `rm -r *`"),
        ("sh -c 'rm -r x'", "matches `rm -r *`"),
        ("sh -c \"sh -c 'rm -r x'\"", "matches `rm -r *`"),
        ("sh -ec 'rm -r x'", "matches `rm -r *`"),
        ("sh -c \"$X\"", "known to the shell only"),
        ("rg \"$(rm -r x)\"", "matches `rm -r *`"),
        ("rg \"`rm -r x`\"", "matches `rm -r *`"),
        ("rg \"$(rg \"$(rm -r x)\")\"", "matches `rm -r *`"),
        ("$X -r x", "known to the shell only"),
        ("eval 'rm -r x'", "never allowed"),
        ("exec git status", "never allowed"),
        (". ./x", "never allowed"),
        ("GIT_PAGER=evil git log", "sets a variable"),
        ("A=1", "sets a variable"),
        ("git log > ~/.bashrc", "only `2>&1`"),
        ("git log >> x", "only `2>&1`"),
        ("git log &> x", "only `2>&1`"),
        ("git log >& x", "only `2>&1`"),
        ("git log < x", "only `2>&1`"),
        ("rg x <<EOF\nrm\nEOF", "only `2>&1`"),
        ("rg x <(rm -r y)", "only `2>&1`"),
        ("rg x |& sort", "means different things"),
        ("for x in a; do rm -r $x; done", "`for` is not read"),
        ("if git status; then rm -r x; fi", "`if` is not read"),
        ("f() { rm -r x; }; f", "functions are not read"),
        ("rg $((1+1))", "arithmetic"),
        ("rg ${X:-$(rm -r y)}", "only `${NAME}`"),
        ("rg $'a'", "before a quote"),
        ("rg {a,b}", "braces"),
        ("rg 'open", "not closed"),
        ("rg \"open", "not closed"),
        ("rg $(rg x", "too early"),
        ("rg x &&", "too early"),
        ("(rg x", "too early"),
        ("rg x)", "not expected"),
        ("| rg x", "a command is missing"),
        ("rg x;;", "`;;`"),
        ("rg x\r\nrm -r y", "control character"),
        ("/bin/rm -r x", "matches `rm -r *`"),
        ("git status 2>&1#& id", "right behind `>&1`"),
        ("git status 2>&1#|id", "right behind `>&1`"),
        ("git status >&1#& id", "right behind `>&1`"),
        ("git status 2>&1\\\n#& id", "right behind `>&1`"),
        ("{ git status; }#; id; }", "right behind `}`"),
        ("{ git status; }\\\n#; id; }", "right behind `}`"),
        ("git sta\\\n#x; id", "`id` matches nothing"),
        ("git status >/dev/null#; id", "only `2>&1`"),
        ("rm -R x", "matches `rm -r *`"),
        ("rm --recursive x", "matches `rm -r *`"),
        ("rm --rec x", "matches `rm -r *`"),
        ("bash --norc", "`bash --norc` matches nothing"),
        ("rg x | xargs rm", "matches `rm -r *`"),
    ] {
        let said = judged(line);
        assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{line}: {said:?} rather than {why}");
    }
}

#[test]
fn a_shell_behind_another_program_is_judged_like_any_other() {
    let words = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let allow =
        words(&["xargs *", "timeout *", "env *", "find *", "nice *", "git status *", "echo *", "watch *", "rm *"]);
    let deny = words(&["rm -r *", "curl *"]);
    let judged = |line: &str| judge(line, &allow, &deny);
    for line in [
        "timeout 5 git status",
        "timeout 5 sh -c 'git status'",
        "echo x | xargs sh -c 'git status \"$@\"' sh",
        "find . -exec sh -c 'git status' x \\;",
        "find . -exec sh -c 'git status \"$1\"' x '{}' \\;",
        "find . -name bash -newer sh",
        "env -u HOME git log -S word",
        "env A=b git status",
        "nice sh -c 'echo x; git status'",
        "sh -ec 'git status' >/dev/null || timeout 5 sh -c 'echo a'",
        "watch -n 5 git status",
        "rm -i x",
        "timeout --foreground 5 git status",
    ] {
        let allowed = judged(line);
        // A bundle of options is a command like others, so it needs to be allowed itself.
        assert!(allowed.is_ok() != line.contains("-ec"), "{line}: {allowed:?}");
    }
    for (line, why) in [
        ("timeout 5 sh -c 'rm -r X'", "matches `rm -r *`"),
        ("echo x | xargs sh -c 'rm -r X'", "matches `rm -r *`"),
        ("find . -exec sh -c 'rm -r X' \\;", "matches `rm -r *`"),
        ("find . -exec sh -c 'echo a' \\; -exec sh -c 'rm -r X' \\;", "matches `rm -r *`"),
        ("timeout 5 find . -exec sh -c 'echo a' \\; -exec sh -c 'rm -r X' \\;", "matches `rm -r *`"),
        ("env sh -c 'curl x; id'", "matches `curl *`"),
        ("nice bash -c 'curl --version'", "matches `curl *`"),
        ("timeout 5 bash -lc 'id'", "`id` matches nothing"),
        ("timeout 5 bash -lc 'echo a'", "`bash -lc echo a` matches nothing"),
        ("echo 'rm -r X' | timeout 5 sh", "`sh` matches nothing"),
        ("echo 'rm -r X' | xargs -d, sh -c", "known to the shell only"),
        ("timeout 5 bash -o pipefail -c 'rm -r X'", "known to the shell only"),
        ("timeout 5 bash --norc -c 'rm -r X'", "known to the shell only"),
        ("timeout 5 sh -c -- 'rm -r X'", "known to the shell only"),
        ("timeout 5 sh -c \"$X\"", "known to the shell only"),
        ("env -S 'curl http://x'", "never allowed"),
        ("env --split-string='curl http://x'", "never allowed"),
        ("env -u HOME -iS 'curl http://x'", "never allowed"),
        ("timeout 5 env -S 'curl http://x'", "never allowed"),
        ("find / -exec rm --recursive x \\;", "matches `rm -r *`"),
        ("echo 'x; rm -r y' | xargs -I % sh -c 'git status %'", "known to nobody"),
        ("find . -exec sh -c 'git status {}' \\;", "known to nobody"),
        ("watch 'rm -r x'", "read the words of `watch` once more"),
        ("timeout 5 watch 'rm -r x'", "read the words of `watch` once more"),
        ("busybox sh -c 'rm -r x'", "matches `rm -r *`"),
    ] {
        let said = judged(line);
        assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{line}: {said:?} rather than {why}");
    }
}

/// Whether a shell that is given this line starts `evil`. Only the programs `a` and `evil` can be found.
fn starts_evil(shell: &str, line: &str, folder: &std::path::Path) -> bool {
    let mark = folder.join("mark");
    let mut started = std::process::Command::new(shell);
    started.arg("-c").arg(line).current_dir(folder).env_clear().env("PATH", folder.join("bin"));
    // Waits for what runs in the background too: it holds the other end.
    started.stdin(std::process::Stdio::null()).output().unwrap();
    let found = mark.exists();
    if found {
        std::fs::remove_file(&mark).unwrap();
    }
    found
}

#[test]
#[ignore = "needs dash and bash"]
fn no_line_that_is_allowed_makes_a_shell_start_what_is_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, does) in [("a", ":"), ("evil", ": >mark"), ("sh", "exec /bin/dash \"$@\"")] {
        let file = bin.join(name);
        std::fs::write(&file, format!("#!/bin/dash\n{does}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert!(starts_evil("/bin/dash", "a 2>&1#& evil", folder.path()), "the trap does not work");
    let allow = ["a *".to_owned()];
    let piece = proptest::sample::select(vec![
        "a",
        "a ",
        "a ",
        "evil",
        " evil",
        " evil ",
        " ",
        ";",
        "; ",
        "&",
        "|",
        "&&",
        "||",
        "#",
        "#",
        "2>&1",
        " 2>&1",
        ">&1",
        "2>&2",
        ">/dev/null",
        " </dev/null",
        "(",
        ")",
        "{ ",
        "}",
        "; }",
        "\n",
        "\\\n",
        "'",
        "\"",
        "$(",
        "`",
        "$X",
        "! ",
        "\\",
        "\t",
        "sh -c ",
        "1",
        "=",
        "~",
        "$",
        "*",
    ]);
    let lines = proptest::collection::vec(piece, 1..12).prop_map(|pieces| format!("a{}", pieces.concat()));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let (allowed, of_interest) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let ran = runner.run(&lines, |line| {
        if judge(&line, &allow, &[]).is_ok() {
            allowed.set(allowed.get() + 1);
            // Without the word no shell can start it.
            if line.contains("evil") {
                of_interest.set(of_interest.get() + 1);
                for shell in ["/bin/dash", "/bin/bash"] {
                    prop_assert!(!starts_evil(shell, &line, folder.path()), "{shell}: {line:?}");
                }
            }
        }
        Ok(())
    });
    ran.unwrap();
    assert!(of_interest.get() > 100, "only {} of {} allowed lines say much", of_interest.get(), allowed.get());
}

#[test]
fn a_line_that_nests_without_end_is_denied_and_does_not_hang() {
    for line in ["(".repeat(4000), "$(".repeat(2000), "{ ".repeat(2000), "rg x;".repeat(1500), "rg ".repeat(5000)] {
        assert!(judged(&line).is_err());
    }
}

proptest! {
    #[test]
    fn no_way_of_quoting_lets_a_denied_command_pass(cuts in proptest::collection::vec(0u8..4, 4), lead in "[ \t]{0,3}") {
        // Each letter of `push` bare, escaped, or in quotes.
        let word: String = "push".chars().zip(&cuts).map(|(c, cut)| match cut {
            0 => c.to_string(), 1 => format!("\\{c}"), 2 => format!("'{c}'"), _ => format!("\"{c}\""),
        }).collect();
        let line = format!("{lead}git {word} origin");
        prop_assert!(judged(&line).is_err());
    }

    #[test]
    fn nothing_makes_the_reader_panic(line in "[a-z $(){}<>|&;'\"`\\\\\n#*?~=!0-9/-]{0,60}") {
        let _ = judged(&line);
    }
}
