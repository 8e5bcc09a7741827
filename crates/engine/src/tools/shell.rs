//! Command lines of the `shell` tool: read as a shell would, and denied where they are not understood.
//!
//! The reader knows a small part of the language: lists, pipes, subshells, groups, quotes, substitutions, plain
//! variables, and redirections that write nowhere. Whatever else there is (loops, functions, assignments, files to write
//! to, here-documents, arithmetic) is denied, so that no shell can understand a line in another way than it was judged.
//! An existing parser would understand more, and each thing it understands would have to be judged too.

/// The longest line that is read, in bytes.
const LONGEST: usize = 8 * 1024;
/// How deep substitutions and `sh -c` may stand in each other.
const DEEPEST: usize = 12;
/// The most simple commands of a line.
const MOST: usize = 200;

/// Shells whose `-c` is read too.
const SHELLS: [&str; 4] = ["sh", "bash", "dash", "ash"];
/// Words that change what later words mean.
const NEVER: [&str; 20] = [
    "eval", ".", "source", "exec", "alias", "unalias", "trap", "set", "export", "readonly", "local", "declare",
    "typeset", "unset", "read", "enable", "builtin", "hash", "shopt", "function",
];
/// Words that begin what is not read here.
const KEYWORDS: [&str; 15] = [
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "[[", "coproc",
];

/// Programs that start another program, which stands among their arguments.
const STARTERS: [&str; 27] = [
    "env", "xargs", "nice", "timeout", "nohup", "command", "time", "setsid", "stdbuf", "sudo", "doas", "busybox",
    "find", "watch", "parallel", "chroot", "unshare", "flock", "ionice", "taskset", "strace", "ssh", "su", "runuser",
    "sh", "bash", "dash",
];

/// A word of a command: its text, or nothing where only the shell will know it (variables, substitutions, globs).
type Word = Option<String>;

/// Judges a command line: every simple command in it must match one of `allow` and none of `deny`.
///
/// # Errors
/// Why it is denied, in a sentence.
pub(super) fn judge(line: &str, allow: &[String], deny: &[String]) -> Result<(), String> {
    let mut commands = Vec::new();
    Reader::read(line, 0, &mut commands)?;
    if commands.is_empty() {
        return Err("there is no command in it".into());
    }
    for command in &commands {
        judge_one(command, allow, deny)?;
    }
    Ok(())
}

fn judge_one(command: &[Word], allow: &[String], deny: &[String]) -> Result<(), String> {
    let shown = || command.iter().map(|word| word.as_deref().unwrap_or("…")).collect::<Vec<_>>().join(" ");
    let Some(Some(program)) = command.first() else {
        return Err(format!("`{}`: which program it starts is known to the shell only", shown()));
    };
    if NEVER.contains(&program.as_str()) {
        return Err(format!("`{program}` changes what other words mean, so it is never allowed"));
    }
    if let Some(pattern) = deny.iter().find(|pattern| denies(pattern, command)) {
        return Err(format!("`{}` matches `{pattern}` under `deny`", shown()));
    }
    // `sh -c TEXT` does what the text says, and that was judged; any other way to start a shell is a command like others.
    let is_shell_text =
        SHELLS.contains(&program.as_str()) && matches!(command, [_, Some(flag), Some(_)] if flag == "-c");
    if is_shell_text || allow.iter().any(|pattern| allows(pattern, command)) {
        return Ok(());
    }
    Err(format!("`{}` matches nothing under `allow`", shown()))
}

/// Whether the pattern fits the whole command. `*` alone stands for any run of words, inside a word for any run of
/// characters; a word that only the shell knows fits `*` alone.
fn allows(pattern: &str, command: &[Word]) -> bool {
    let pattern: Vec<&str> = pattern.split_whitespace().collect();
    // Which places of the pattern are reached; linear in words times pattern.
    let mut reached = vec![false; pattern.len() + 1];
    let open = |reached: &mut Vec<bool>| {
        for (at, part) in pattern.iter().enumerate() {
            if *part == "*" && reached.get(at) == Some(&true) {
                reached[at + 1] = true;
            }
        }
    };
    reached[0] = true;
    open(&mut reached);
    for word in command {
        let mut next = vec![false; pattern.len() + 1];
        for (at, part) in pattern.iter().enumerate().filter(|(at, _)| reached[*at]) {
            if *part == "*" {
                next[at] = true;
            } else if word.as_deref().is_some_and(|word| glob(part, word)) {
                next[at + 1] = true;
            }
        }
        reached = next;
        open(&mut reached);
    }
    reached[pattern.len()]
}

/// Whether the pattern's words stand in the command in this order, whatever stands between them. On the safe side: a
/// word that only the shell knows could be any; `-r` is also in `-fr`; `/bin/rm` is also `rm`.
fn denies(pattern: &str, command: &[Word]) -> bool {
    let parts: Vec<&str> = pattern.split_whitespace().filter(|part| *part != "*").collect();
    if parts.is_empty() {
        return true;
    }
    let fits = |part: &str, word: &Word| {
        let Some(word) = word else { return true };
        let bundled = |flag: char| word.starts_with('-') && !word.starts_with("--") && word.contains(flag);
        glob(part, word)
            || glob(part, word.rsplit('/').next().unwrap_or(word))
            || matches!(part.as_bytes(), [b'-', flag] if flag.is_ascii_alphabetic() && bundled(char::from(*flag)))
    };
    let mut rest = parts.as_slice();
    let starter = matches!(command.first(), Some(Some(program)) if STARTERS.contains(&program.rsplit('/').next().unwrap_or(program)));
    for (at, word) in command.iter().enumerate() {
        let Some((part, more)) = rest.split_first() else { break };
        // The program stands first, or somewhere behind one that starts it.
        if rest.len() == parts.len() && at > 0 && !starter {
            return false;
        }
        if fits(part, word) {
            // What could be any word could be any number of them.
            rest = if word.is_none() { &[] } else { more };
        }
    }
    rest.is_empty()
}

/// `*` stands for any run of characters of one word.
fn glob(pattern: &str, word: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = word.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(found) => rest = rest.get(found + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

struct Reader<'c> {
    text: Vec<char>,
    at: usize,
    depth: usize,
    commands: &'c mut Vec<Vec<Word>>,
}

/// What ends a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Round,
    Curly,
}

impl<'c> Reader<'c> {
    fn read(text: &str, depth: usize, commands: &'c mut Vec<Vec<Word>>) -> Result<(), String> {
        if text.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes"));
        }
        if depth > DEEPEST {
            return Err("commands stand in each other too deep".into());
        }
        if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(format!("it holds the control character {:?}", c));
        }
        let mut reader = Reader { text: text.chars().collect(), at: 0, depth, commands };
        reader.list(End::Text)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn after(&self, by: usize) -> Option<char> {
        self.text.get(self.at + by).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        self.at += usize::from(there);
        there
    }

    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.at += 1,
                Some('\\') if self.after(1) == Some('\n') => self.at += 2,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Commands with what joins them, up to the end of the list.
    fn list(&mut self, end: End) -> Result<(), String> {
        let mut wants_command = false;
        loop {
            self.blanks();
            match self.peek() {
                None if end == End::Text && !wants_command => return Ok(()),
                Some(')') if end == End::Round && !wants_command => {
                    self.at += 1;
                    return Ok(());
                }
                Some('}') if end == End::Curly && !wants_command => {
                    self.at += 1;
                    return Ok(());
                }
                None => return Err("it ends too early".into()),
                Some('\n') => {
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            self.command()?;
            self.blanks();
            wants_command = false;
            match (self.peek(), self.after(1)) {
                (Some('&'), Some('&')) | (Some('|'), Some('|')) => {
                    self.at += 2;
                    wants_command = true;
                }
                (Some('|'), Some('&')) => return Err("`|&` means different things to different shells".into()),
                (Some('|'), _) => {
                    self.at += 1;
                    wants_command = true;
                }
                (Some(';'), Some(';' | '&')) => return Err("`;;` belongs to `case`, which is not read here".into()),
                (Some(';' | '\n' | '&'), _) => self.at += 1,
                (Some(')'), _) if end == End::Round => {}
                (Some('}'), _) if end == End::Curly => {}
                (None, _) => {}
                (Some(c), _) => return Err(format!("{c:?} is not expected there")),
            }
        }
    }

    fn command(&mut self) -> Result<(), String> {
        self.nested(|reader| reader.one_command())
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        if self.depth >= DEEPEST || self.commands.len() >= MOST {
            return Err("there is more in it than is read".into());
        }
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }

    fn one_command(&mut self) -> Result<(), String> {
        if self.peek() == Some('!') && self.after(1).is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
            self.blanks();
        }
        match (self.peek(), self.after(1)) {
            (Some('('), Some('(')) => return Err("arithmetic is not read here".into()),
            (Some('('), _) => {
                self.at += 1;
                self.list(End::Round)?;
                return self.only_redirections();
            }
            (Some('{'), Some(' ' | '\t' | '\n')) => {
                self.at += 1;
                self.list(End::Curly)?;
                return self.only_redirections();
            }
            _ => {}
        }
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                None | Some('\n' | ';' | '|' | ')') => break,
                Some('&') if self.after(1) != Some('>') => break,
                // A group's end is one at a command's place only.
                Some('}') if words.is_empty() => break,
                Some('(') => return Err("functions are not read here".into()),
                _ if self.redirection()? => {}
                _ => {
                    let (word, quoted) = self.word()?;
                    if let Some(text) = word.as_deref().filter(|_| !quoted && words.is_empty()) {
                        if KEYWORDS.contains(&text) {
                            return Err(format!("`{text}` is not read here"));
                        }
                        if sets(text) {
                            return Err(format!("`{text}` sets a variable, which could change what a program does"));
                        }
                    }
                    words.push(word);
                }
            }
        }
        if words.is_empty() {
            return Err("a command is missing".into());
        }
        if let [Some(program), Some(flag), text, ..] = words.as_slice()
            && SHELLS.contains(&program.rsplit('/').next().unwrap_or(program))
            && flag.starts_with('-')
            && flag.contains('c')
        {
            let Some(text) = text else {
                return Err(format!("what `{program} -c` would run is known to the shell only"));
            };
            let text = text.clone();
            Reader::read(&text, self.depth + 1, self.commands)?;
        }
        self.commands.push(words);
        Ok(())
    }

    fn only_redirections(&mut self) -> Result<(), String> {
        loop {
            self.blanks();
            if !self.redirection()? {
                return Ok(());
            }
        }
    }

    /// Reads a redirection, if one stands here. Those that write to nowhere or join two streams are fine.
    fn redirection(&mut self) -> Result<bool, String> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let both = self.at == start && self.peek() == Some('&') && self.after(1) == Some('>');
        if !both && !matches!(self.peek(), Some('<' | '>')) {
            self.at = start;
            return Ok(false);
        }
        let refused =
            "only `2>&1` and redirections to `/dev/null` are allowed: print instead, and take what was printed";
        if both || self.at - start > 1 {
            return Err(refused.into());
        }
        let out = self.take('>');
        if !out {
            self.at += 1;
        }
        let append = out && self.take('>');
        if !append && self.take('&') {
            let joins = matches!(self.peek(), Some('1' | '2')) && !self.after(1).is_some_and(|c| c.is_alphanumeric());
            self.at += 1;
            return if out && joins { Ok(true) } else { Err(refused.into()) };
        }
        if matches!(self.peek(), Some('<' | '>' | '|' | '(')) {
            return Err(refused.into());
        }
        self.blanks();
        let (word, _) = self.word()?;
        if word.as_deref() == Some("/dev/null") { Ok(true) } else { Err(refused.into()) }
    }

    /// A word, and whether any of it is quoted.
    fn word(&mut self) -> Result<(Word, bool), String> {
        let (mut text, mut known, mut quoted) = (String::new(), true, false);
        let start = self.at;
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    quoted = true;
                    self.at += 1;
                    loop {
                        match self.peek() {
                            None => return Err("a quote is not closed".into()),
                            Some('\'') => break,
                            Some(c) => text.push(c),
                        }
                        self.at += 1;
                    }
                    self.at += 1;
                }
                '"' => {
                    quoted = true;
                    self.at += 1;
                    known &= self.double_quoted(&mut text)?;
                }
                '\\' => {
                    quoted = true;
                    self.at += 1;
                    match self.peek() {
                        None => return Err("it ends with a backslash".into()),
                        Some('\n') => {}
                        Some(c) => text.push(c),
                    }
                    self.at += 1;
                }
                '$' | '`' => {
                    known &= self.expansion(&mut text)?;
                }
                '{' | '}' => return Err("braces mean different things to different shells: quote them".into()),
                '*' | '?' | '[' => {
                    known = false;
                    text.push(c);
                    self.at += 1;
                }
                '~' if self.at == start => {
                    known = false;
                    self.at += 1;
                }
                _ => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
        if self.at == start {
            return Err(format!("{:?} is not expected there", self.peek().unwrap_or(' ')));
        }
        Ok((known.then_some(text), quoted))
    }

    /// The rest of a text in double quotes; whether all of it is known.
    fn double_quoted(&mut self, text: &mut String) -> Result<bool, String> {
        let mut known = true;
        loop {
            match self.peek() {
                None => return Err("a quote is not closed".into()),
                Some('"') => {
                    self.at += 1;
                    return Ok(known);
                }
                Some('\\') => {
                    self.at += 1;
                    match self.peek() {
                        None => return Err("a quote is not closed".into()),
                        Some('\n') => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => text.push(c),
                        Some(c) => text.extend(['\\', c]),
                    }
                    self.at += 1;
                }
                Some('$' | '`') => known &= self.expansion(text)?,
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
    }

    /// `$NAME`, `${NAME}`, `$(…)`, `` `…` ``, or a `$` that means nothing. Whether it is known.
    fn expansion(&mut self, text: &mut String) -> Result<bool, String> {
        if self.take('`') {
            let mut inner = String::new();
            loop {
                match self.peek() {
                    None => return Err("a backquote is not closed".into()),
                    Some('`') => break,
                    Some('\\') => return Err("a backslash between backquotes is read in many ways: use `$(…)`".into()),
                    Some(c) => inner.push(c),
                }
                self.at += 1;
            }
            self.at += 1;
            Reader::read(&inner, self.depth + 1, self.commands)?;
            return Ok(false);
        }
        self.at += 1;
        match (self.peek(), self.after(1)) {
            (Some('('), Some('(')) => Err("arithmetic is not read here".into()),
            (Some('('), _) => {
                self.at += 1;
                self.nested(|reader| reader.list(End::Round))?;
                Ok(false)
            }
            (Some('{'), _) => {
                self.at += 1;
                let start = self.at;
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.at += 1;
                }
                if self.at == start || !self.take('}') {
                    return Err("only `${NAME}` is read of what `${` can do".into());
                }
                Ok(false)
            }
            (Some('\'' | '"'), _) => Err("`$` before a quote means different things to different shells".into()),
            (Some(c), _) if c.is_ascii_alphanumeric() || "_@*#?$!-".contains(c) => {
                self.at += 1;
                while (c.is_ascii_alphabetic() || c == '_')
                    && self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
                {
                    self.at += 1;
                }
                Ok(false)
            }
            (Some('['), _) => Err("arithmetic is not read here".into()),
            _ => {
                text.push('$');
                Ok(true)
            }
        }
    }
}

/// Whether a word sets a variable (`A=b`, `A+=b`, `A[1]=b`).
fn sets(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim_end_matches('+');
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
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
        ] {
            let said = judged(line);
            assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{line}: {said:?} rather than {why}");
        }
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
}
