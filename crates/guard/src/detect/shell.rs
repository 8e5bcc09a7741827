//! Shell commands that destroy something: the text is cut into simple commands, as a shell does, and each is looked at.

use super::Grams;
use super::pattern::{Pattern, pattern};

/// Commands that only show or store their arguments.
const SHOWS: [&str; 18] = [
    "echo", "printf", "grep", "rg", "cat", "sort", "ag", "sed", "awk", "man", "which", "type", "hash", "tldr", "head",
    "tail", "less", "whatis",
];
const SHELLS: [&str; 9] = ["sh", "bash", "zsh", "dash", "ksh", "fish", "ash", "eval", "ssh"];
const PREFIXES: [&str; 18] = [
    "sudo", "doas", "env", "command", "builtin", "time", "nice", "nohup", "exec", "xargs", "timeout", "ionice",
    "setsid", "stdbuf", "then", "do", "else", "!",
];

/// Every program that [`judge`] knows, and the folder of devices, in order.
const PROGRAMS: [&str; 78] = [
    "Remove-Item",
    "ash",
    "aws",
    "az",
    "bash",
    "blkdiscard",
    "cdk",
    "chmod",
    "chown",
    "cp",
    "crontab",
    "dash",
    "dd",
    "del",
    "deluser",
    "deno",
    "dev",
    "docker",
    "doctl",
    "dropdb",
    "dropuser",
    "erase",
    "eval",
    "fdisk",
    "find",
    "fish",
    "format",
    "gcloud",
    "git",
    "groupdel",
    "gsutil",
    "halt",
    "helm",
    "init",
    "kill",
    "killall",
    "ksh",
    "kubectl",
    "lua",
    "mariadb",
    "mkfs",
    "mv",
    "mysql",
    "nerdctl",
    "node",
    "oc",
    "parted",
    "perl",
    "php",
    "pkill",
    "podman",
    "poweroff",
    "psql",
    "pulumi",
    "python",
    "python3",
    "rd",
    "reboot",
    "redis-cli",
    "rm",
    "ruby",
    "service",
    "sgdisk",
    "sh",
    "shred",
    "shutdown",
    "sqlcmd",
    "sqlite3",
    "srm",
    "ssh",
    "systemctl",
    "terraform",
    "tofu",
    "truncate",
    "unlink",
    "userdel",
    "wipefs",
    "zsh",
];

/// By the first letter of a program: a bit for each length, and from where to where its programs stand.
const LETTERS: [(u16, u8, u8); 256] = {
    let (mut letters, mut at) = ([(0, 0, 0); 256], 0);
    while at < PROGRAMS.len() {
        let program = PROGRAMS[at].as_bytes();
        let (lengths, from, _) = letters[program[0] as usize];
        let from = if lengths == 0 { at as u8 } else { from };
        letters[program[0] as usize] = (lengths | 1 << program.len(), from, at as u8 + 1);
        at += 1;
    }
    letters
};

/// Whether a text names one of the programs, with any quotes inside of its name. Cheap, and says yes too often.
fn names_program(text: &str) -> bool {
    let known = |word: &[u8]| {
        // No program is longer.
        let word = word.get(..12).unwrap_or(word);
        let (lengths, from, to) = word.first().map_or((0, 0, 0), |first| LETTERS[usize::from(*first)]);
        let programs = PROGRAMS.get(usize::from(from)..usize::from(to)).unwrap_or(&[]);
        word.starts_with(b"mkfs")
            || lengths >> word.len() & 1 == 1 && programs.iter().any(|program| program.as_bytes() == word)
    };
    let bytes = text.as_bytes();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in bytes.iter().chain(b" ").enumerate() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' => {}
            b'\\' => return true,
            b'\'' | b'"' => quoted = true,
            _ => {
                let word = bytes.get(start..at).unwrap_or(&[]);
                let is_known = match word {
                    [] | [_] => false,
                    _ if !quoted => known(word),
                    _ => {
                        let bare = word.iter().copied().filter(|byte| !matches!(byte, b'\'' | b'"'));
                        let bare: Vec<u8> = bare.take(12).collect();
                        bare.len() > 1 && known(&bare)
                    }
                };
                if is_known {
                    return true;
                }
                (start, quoted) = (at + 1, false);
            }
        }
    }
    false
}

/// Destruction inside of another program's code.
static CODE: Pattern = pattern!(
    r"(?i)\brm\s+-\w*[rf]|\brm_rf\b|\brmtree\b|\bos\.(?:remove|unlink|rmdir|removedirs)\s*\(|\bunlinksync\b|\brmsync\b|\brmdirsync\b|remove_dir_all|git\s+reset\s+--hard|git\s+clean\s+-\w*f|\bdrop\s+(?:table|database)\b|\bdeletetree\b|recursive:\s*true"
);
/// Commands in a sentence: "please run rm -rf /".
static IN_PROSE: Pattern = pattern!(
    r"(?:^|[\s`'\x22(:])((?:sudo\s+)?(?:rm\s+-\w*[rRf]\w*\s+\S+|git\s+(?:reset\s+--hard|clean\s+-\w*f|push\s+(?:-f|--force)\b)|mkfs(?:\.\w+)?\s+/\S+|dd\s+if=\S+\s+of=/dev/\S+|shutdown\s+(?:-\w+|now)|terraform\s+destroy|kubectl\s+delete\s+\S+|docker\s+(?:system|volume|image)\s+prune|:\(\)\s*\{\s*:\|:&\s*\};:))"
);

/// What a text would do as a shell command; none where it destroys nothing.
pub(super) fn destroys(text: &str, grams: &Grams) -> Option<&'static str> {
    if text.len() > 20_000 {
        return None;
    }
    if names_program(text)
        && let Some(what) = commands(text).iter().find_map(|command| judge(command, 0))
    {
        return Some(what);
    }
    let hit = IN_PROSE.captures((text, grams))?.get(1)?;
    let simple = commands(text);
    let shows = simple
        .first()
        .and_then(|command| command.first())
        .is_some_and(|program| SHOWS.contains(&program.as_str()) || program == "git");
    let talk = text.trim_end().ends_with('?')
        || ["how ", "what ", "why ", "explain ", "don't ", "do not ", "never "]
            .iter()
            .any(|word| text.to_lowercase().starts_with(word));
    if shows || talk || text.contains("<<") {
        return None;
    }
    let words: Vec<String> = hit
        .as_str()
        .split_whitespace()
        .map(|word| word.trim_matches(['`', '\'', '"', '.', ',', ')']).to_owned())
        .collect();
    judge(&words, 0)
}

/// Whether a text begins as a command of a shell or a program's command line, so that words in it are no request in prose.
pub(super) fn is_command(text: &str) -> bool {
    const RUNNERS: [&str; 12] =
        ["git", "docker", "npm", "cargo", "kubectl", "curl", "tee", "wc", "md5sum", "base64", "gh", "make"];
    let first = text.split_whitespace().next().unwrap_or("");
    SHOWS.contains(&first) || RUNNERS.contains(&first) || text.contains(" --help")
}

/// Cuts a text into simple commands; quotes are taken off, substitutions are commands of their own, here-documents of
/// anything but a shell are left out.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut command: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut has_word = false;
    let mut quote: Option<char> = None;
    let mut heredoc: Option<String> = None;
    let mut chars = text.chars().peekable();
    macro_rules! end_word {
        () => {
            if has_word || !word.is_empty() {
                command.push(std::mem::take(&mut word));
                has_word = false;
            }
        };
    }
    macro_rules! end_command {
        () => {
            end_word!();
            if !command.is_empty() {
                all.push(std::mem::take(&mut command));
            }
        };
    }
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => word.push(c),
            (_, '`') => {
                end_command!();
            }
            (_, '$') if chars.peek() == Some(&'(') => {
                chars.next();
                end_command!();
            }
            (Some(_), '\\') if matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => word.extend(chars.next()),
            (Some(_), _) => word.push(c),
            (None, '\\') => match chars.next() {
                Some('\n') | None => {}
                Some(escaped) => word.push(escaped),
            },
            (None, '\'' | '"') => {
                quote = Some(c);
                has_word = true;
            }
            (None, '#') if word.is_empty() && !has_word => {
                while chars.peek().is_some_and(|next| *next != '\n') {
                    chars.next();
                }
            }
            (None, '<') if chars.peek() == Some(&'<') => {
                chars.next();
                if chars.peek() == Some(&'<') {
                    chars.next();
                    end_word!();
                    command.push("<<<".into());
                } else {
                    end_word!();
                    let mark: String = std::iter::from_fn(|| {
                        chars.next_if(|next| !next.is_whitespace() && *next != ';' && *next != '|')
                    })
                    .collect();
                    heredoc = Some(mark.trim_start_matches('-').trim_matches(['\'', '"', '\\']).to_owned());
                }
            }
            (None, '\n') => {
                let shell =
                    command.iter().chain(all.last().into_iter().flatten()).any(|word| SHELLS.contains(&base(word)));
                end_command!();
                if let Some(mark) = heredoc.take()
                    && !shell
                {
                    skip_heredoc(&mut chars, &mark);
                }
            }
            (None, ';' | '&' | '|' | '(' | ')') => {
                end_command!();
            }
            (None, '{' | '}') if word.is_empty() => {
                end_command!();
            }
            (None, _) if c.is_whitespace() => {
                end_word!();
            }
            (None, _) => word.push(c),
        }
    }
    if has_word || !word.is_empty() {
        command.push(word);
    }
    if !command.is_empty() {
        all.push(command);
    }
    all
}

fn skip_heredoc(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, mark: &str) {
    loop {
        let line: String = std::iter::from_fn(|| chars.next_if(|next| *next != '\n')).collect();
        let more = chars.next().is_some();
        if line.trim() == mark || !more {
            return;
        }
    }
}

/// The program without its folder.
fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Whether a word sets a variable (`A=b`).
fn sets(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn judge(command: &[String], depth: usize) -> Option<&'static str> {
    if depth > 3 {
        return None;
    }
    let mut words = command;
    // Steps over what only starts another command, with its flags and numbers.
    while let [first, rest @ ..] = words {
        if sets(first)
            || (words.len() < command.len()
                && (first.starts_with('-') || first.bytes().all(|byte| byte.is_ascii_digit())))
            || PREFIXES.contains(&base(first))
        {
            words = rest;
        } else {
            break;
        }
    }
    let [program, args @ ..] = words else { return None };
    let program = base(program);
    let has = |flag: &str| {
        args.iter().any(|arg| arg == flag || arg.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')))
    };
    // One of these letters in a bundle of short flags.
    let short = |letters: &[char]| {
        args.iter().any(|arg| arg.starts_with('-') && !arg.starts_with("--") && arg.contains(letters))
    };
    let plain = || args.iter().filter(|arg| !arg.starts_with('-'));
    match program {
        "rm" | "unlink" | "shred" | "srm" => {
            let mut targets = plain().peekable();
            let forced = short(&['r', 'R', 'f']) || has("--recursive") || has("--force") || program != "rm";
            (targets.peek().is_some() && forced && !targets.all(|target| temporary(target))).then_some("delete files")
        }
        "git" => git(args),
        "dd" => args.iter().any(|arg| arg.starts_with("of=/dev/")).then_some("overwrite a disk"),
        "wipefs" | "blkdiscard" | "fdisk" | "parted" | "sgdisk" => plain().next().map(|_| "overwrite a disk"),
        _ if program.starts_with("mkfs") => Some("format a disk"),
        "shutdown" | "poweroff" | "reboot" | "halt" | "init" if command.len() <= 6 => {
            match args.first().map(String::as_str) {
                Some(arg) if program == "init" => matches!(arg, "0" | "6").then_some("shut the machine down"),
                None if program == "init" => None,
                None => Some("shut the machine down"),
                Some(arg) => (arg.starts_with(['-', '+']) || arg == "now" || arg.contains(':'))
                    .then_some("shut the machine down"),
            }
        }
        "killall" | "pkill" if !args.is_empty() && args.len() <= 4 => Some("kill processes"),
        "kill" => (has("-9") || has("-KILL") || has("-SIGKILL")).then_some("kill a process"),
        "truncate" => (has("-s") || has("--size")).then_some("empty a file"),
        "find" => (has("-delete")
            || args
                .windows(2)
                .any(|pair| pair[0].starts_with("-exec") && matches!(base(&pair[1]), "rm" | "shred" | "unlink")))
        .then_some("delete files"),
        "chmod" | "chown" => (short(&['R'])
            && plain().any(|target| matches!(target.as_str(), "/" | "/*" | "~" | "/etc" | "/usr" | "000")))
        .then_some("change the rights of everything"),
        "docker" | "podman" | "nerdctl" => {
            let words: Vec<&str> = plain().map(String::as_str).take(2).collect();
            let removes = matches!(
                words.as_slice(),
                ["system" | "volume" | "image" | "container" | "network" | "builder", "prune", ..]
                    | ["rm" | "rmi", ..]
                    | ["volume" | "image" | "container" | "network", "rm" | "remove", ..]
            );
            removes.then_some("remove containers, images or volumes")
        }
        "kubectl" | "oc" => plain()
            .next()
            .is_some_and(|word| matches!(word.as_str(), "delete" | "drain"))
            .then_some("delete resources of a cluster"),
        "helm" => plain()
            .next()
            .is_some_and(|word| matches!(word.as_str(), "uninstall" | "delete"))
            .then_some("remove a release"),
        "terraform" | "tofu" | "pulumi" | "cdk" => (plain().next().is_some_and(|word| word == "destroy")
            || has("-destroy"))
        .then_some("destroy infrastructure"),
        "aws" | "gcloud" | "az" | "gsutil" | "doctl" => plain()
            .any(|word| {
                matches!(word.as_str(), "rb" | "delete" | "terminate-instances" | "rm")
                    || word.starts_with("delete-")
                    || word.starts_with("terminate-")
            })
            .then_some("delete resources of a cloud"),
        "dropdb" | "dropuser" => Some("drop a database"),
        "redis-cli" => plain()
            .any(|word| word.eq_ignore_ascii_case("flushall") || word.eq_ignore_ascii_case("flushdb"))
            .then_some("empty a database"),
        "psql" | "mysql" | "sqlite3" | "mariadb" | "sqlcmd" => args
            .iter()
            .any(|arg| {
                let lower = arg.to_lowercase();
                lower.contains("drop ") || lower.contains("delete from") || lower.contains("truncate ")
            })
            .then_some("delete data"),
        "systemctl" | "service" => plain()
            .any(|word| matches!(word.as_str(), "stop" | "poweroff" | "reboot" | "halt" | "disable" | "mask"))
            .then_some("stop a service"),
        "crontab" => has("-r").then_some("delete the schedule"),
        "userdel" | "deluser" | "groupdel" => Some("delete a user"),
        "Remove-Item" | "del" | "erase" | "rd" => (!args.is_empty()
            && args.iter().any(|arg| arg.starts_with(['/', '-', '*']) || arg.contains('\\')))
        .then_some("delete files"),
        "format" => args.first().is_some_and(|arg| arg.len() == 2 && arg.ends_with(':')).then_some("format a disk"),
        "mv" => args.last().is_some_and(|arg| arg == "/dev/null").then_some("delete files"),
        "cp" => (args.len() > 1 && args.first().is_some_and(|arg| arg == "/dev/null")).then_some("empty a file"),
        _ if SHELLS.contains(&program) => args
            .iter()
            .filter(|arg| arg.contains(' '))
            .flat_map(|arg| commands(arg))
            .find_map(|inner| judge(&inner, depth + 1))
            .or_else(|| (program == "eval").then(|| judge(args, depth + 1)).flatten()),
        "python" | "python3" | "perl" | "ruby" | "node" | "deno" | "php" | "lua" => {
            args.iter().any(|arg| CODE.is_match(arg)).then_some("delete files")
        }
        _ => words
            .iter()
            .any(|word| word.starts_with("/dev/sd") || word.starts_with("/dev/nvme"))
            .then_some("overwrite a disk")
            .filter(|_| words.iter().any(|word| word.starts_with('>'))),
    }
}

fn git(args: &[String]) -> Option<&'static str> {
    let mut rest = args;
    // `git -C path --no-pager reset`
    while let [first, more @ ..] = rest {
        match first.as_str() {
            "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" => rest = more.get(1..).unwrap_or(&[]),
            flag if flag.starts_with('-') => rest = more,
            _ => break,
        }
    }
    let [verb, args @ ..] = rest else { return None };
    let has = |flag: &str| {
        args.iter().any(|arg| arg == flag || arg.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')))
    };
    let short =
        |letter: char| args.iter().any(|arg| arg.starts_with('-') && !arg.starts_with("--") && arg.contains(letter));
    let loses = match verb.as_str() {
        "reset" => has("--hard") || has("--merge"),
        "clean" => (short('f') || has("--force")) && !short('n') && !has("--dry-run"),
        "push" => {
            has("--force")
                || short('f')
                || has("--delete")
                || short('d')
                || has("--mirror")
                || args.iter().any(|arg| arg.starts_with('+') || arg.starts_with(':'))
        }
        "checkout" => (has("--") && !has("-b")) || has("--force") || short('f') || has("."),
        "switch" => has("--discard-changes") || has("--force") || short('f'),
        "restore" => !(has("--staged") || short('S')) || has("--worktree") || short('W'),
        "branch" => short('D') || (has("--delete") && has("--force")) || (short('d') && has("--force")),
        "stash" => args.first().is_some_and(|word| matches!(word.as_str(), "drop" | "clear")),
        "filter-branch" | "filter-repo" => true,
        "reflog" => args.first().is_some_and(|word| matches!(word.as_str(), "expire" | "delete")),
        "gc" => has("--prune") && args.iter().any(|arg| arg.contains("now") || arg.contains("all")),
        "worktree" => args.first().is_some_and(|word| word == "remove") && (has("--force") || short('f')),
        "update-ref" => short('d'),
        "tag" => short('d') || has("--delete"),
        "rm" => !has("--cached"),
        _ => false,
    };
    loses.then_some("throw work in a repository away")
}

/// Whether a path lies in a folder for temporary files, and does not lead out of it.
fn temporary(path: &str) -> bool {
    let path = path.trim_start_matches("--");
    let inside = ["/tmp/", "/var/tmp/", "$TMPDIR/", "${TMPDIR}/", "${TMPDIR:-/tmp}/", "/private/tmp/"]
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| !rest.is_empty() && rest != "."));
    inside && path.split('/').all(|name| name != "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_programs_stand_in_order() {
        assert!(PROGRAMS.is_sorted());
    }

    proptest! {
        #[test]
        fn a_text_that_names_no_program_destroys_nothing(
            text in "(rm|git|dd|of=/dev/sda|-rf|/home|sudo|-s|mkfs|find|-delete|kill|-9|sh|-c|é|\u{3000}| |'|\"|\\\\|/|\\$\\(|`|<<|\n|;|\\||>|x){0,16}",
        ) {
            let destroyed = commands(&text).iter().find_map(|command| judge(command, 0));
            prop_assert!(names_program(&text) || destroyed.is_none(), "{destroyed:?}");
        }
    }
}
