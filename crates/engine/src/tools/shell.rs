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
const STARTERS: [&str; 36] = [
    "env", "xargs", "nice", "timeout", "nohup", "command", "time", "setsid", "stdbuf", "sudo", "doas", "busybox",
    "find", "watch", "parallel", "chroot", "unshare", "flock", "ionice", "taskset", "strace", "ssh", "su", "runuser",
    "sh", "bash", "dash", "ash", "script", "nsenter", "setarch", "setpriv", "prlimit", "chrt", "entr", "fakeroot",
];
/// Of those, the ones that may give their words to a shell to read again.
const READ_AGAIN: [&str; 8] = ["watch", "parallel", "ssh", "su", "runuser", "flock", "script", "entr"];
/// What `find` starts a program with.
const EXECS: [&str; 4] = ["-exec", "-execdir", "-ok", "-okdir"];
/// Options that mean the same: letters, and the long word that may be cut short.
const SAME: [(&str, &str); 2] = [("rR", "--recursive"), ("f", "--force")];

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
        SHELLS.contains(&program.as_str()) && matches!(command, [_, Some(flag), Some(_), ..] if flag == "-c");
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
/// word that only the shell knows could be any, and so could what `xargs` reads; `-r` is also in `-fr` and in
/// `--recursive`; `/bin/rm` is also `rm`.
fn denies(pattern: &str, command: &[Word]) -> bool {
    let parts: Vec<&str> = pattern.split_whitespace().filter(|part| *part != "*").collect();
    if parts.is_empty() {
        return true;
    }
    let fits = |part: &str, word: &Word| {
        let Some(word) = word else { return true };
        glob(part, word) || glob(part, base(word)) || same_option(part, word)
    };
    let mut rest = parts.as_slice();
    let starter = matches!(command.first(), Some(Some(program)) if STARTERS.contains(&base(program)));
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
    let reads_words = starter && command.iter().flatten().any(|word| base(word) == "xargs");
    rest.is_empty() || (reads_words && rest.len() < parts.len())
}

/// A program's name without its folder.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Whether an option of a pattern stands in this word, alone, bundled with others, or under its other name.
fn same_option(part: &str, word: &str) -> bool {
    let name = word.split('=').next().unwrap_or(word);
    let letter = match part.as_bytes() {
        [b'-', flag] if flag.is_ascii_alphabetic() => Some(char::from(*flag)),
        _ => None,
    };
    let same = SAME.iter().find(|(letters, long)| *long == part || letter.is_some_and(|flag| letters.contains(flag)));
    let bundled = |flag: char| word.starts_with('-') && !word.starts_with("--") && word.contains(flag);
    letter.is_some_and(bundled)
        || same.is_some_and(|(letters, long)| {
            letters.chars().any(bundled) || (name.len() > 2 && name.starts_with("--") && long.starts_with(name))
        })
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
                Some('#') if self.begins_word() => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Whether a word could begin here: inside of one, `#` is a letter like others.
    fn begins_word(&self) -> bool {
        let mut at = self.at;
        // A line that goes on is no end of a word.
        while at >= 2 && self.text.get(at - 2..at) == Some(&['\\', '\n']) {
            at -= 2;
        }
        let before = at.checked_sub(1).and_then(|before| self.text.get(before));
        before.is_none_or(|c| matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')'))
    }

    /// What was read must end here: what stands glued to it would be part of the same word to a shell.
    fn ends_word(&self, what: &str) -> Result<(), String> {
        match self.peek() {
            None | Some(' ' | '\t' | '\n' | ';' | '&' | '|' | ')' | '<' | '>') => Ok(()),
            Some(c) => Err(format!("{c:?} is not expected right behind `{what}`")),
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
                    return self.ends_word("}");
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
        self.started_shells(&words)?;
        self.commands.push(words);
        Ok(())
    }

    /// Reads what the shells of a command would read: the one that it is, and those that a program starts with its words.
    fn started_shells(&mut self, words: &[Word]) -> Result<(), String> {
        let Some(Some(program)) = words.first() else { return Ok(()) };
        let program = base(program);
        if SHELLS.contains(&program) {
            return self.shell_text(words);
        }
        if !STARTERS.contains(&program) {
            return Ok(());
        }
        let known = || words.iter().flatten().map(String::as_str);
        if let Some(name) = known().map(base).find(|name| READ_AGAIN.contains(name))
            && known().any(|word| !is_plain(word))
        {
            return Err(format!(
                "a shell may read the words of `{name}` once more: only plain words are allowed there"
            ));
        }
        refuse_split(words)?;
        let runs = |word: &Word| word.as_deref().is_some_and(|word| EXECS.contains(&word));
        // What `find` looks for may have a shell's name; what it runs may not hide one.
        let parts = words.split(runs).skip(usize::from(program == "find"));
        for part in parts {
            let shell = part.iter().position(|word| word.as_deref().is_some_and(|word| SHELLS.contains(&base(word))));
            let Some((before, started)) = shell.map(|at| part.split_at(at)) else { continue };
            let filled = started.iter().flatten().any(|word| word != "{}" && word.contains("{}"));
            if filled || before.iter().any(fills_in) {
                return Err("what is put into the text of a shell later is known to nobody: give it as `$1`".into());
            }
            self.shell_text(started)?;
            self.commands.push(started.to_vec());
        }
        Ok(())
    }

    /// Reads the text of `sh -c TEXT`, where it is one.
    fn shell_text(&mut self, words: &[Word]) -> Result<(), String> {
        let Some((Some(shell), words)) = words.split_first() else { return Ok(()) };
        let is_option = |word: &str| word.starts_with(['-', '+']);
        let takes_text = |word: &str| is_option(word) && !word.starts_with("--") && word.contains('c');
        let (mut with_text, mut odd) = (false, false);
        let asks = words.iter().flatten().any(|word| takes_text(word));
        for word in words {
            match word.as_deref() {
                Some(word) if is_option(word) => {
                    with_text |= takes_text(word);
                    // Such an option may take the next word, or end the options.
                    odd |= word.len() < 2 || word.starts_with("--") || word.contains(['o', 'O']);
                }
                // Without a text to find, it is a command like others.
                _ if !(with_text || odd && asks) => {
                    return Ok(());
                }
                Some(text) if !odd => return Reader::read(text, self.depth + 1, self.commands),
                _ => break,
            }
        }
        // The text is missing, unknown, or not surely that word.
        if with_text || odd && asks {
            return Err(format!("what `{shell} -c` would run is known to the shell only: write `{shell} -c 'TEXT'`"));
        }
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
            if !out || !joins {
                return Err(refused.into());
            }
            self.at += 1;
            return self.ends_word(">&1").map(|()| true);
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

/// Whether a shell that reads this word again finds the same word.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./:=+,@%^".contains(c))
}

/// Whether `xargs` puts what it reads into the words behind this option.
fn fills_in(word: &Word) -> bool {
    let Some(word) = word else { return true };
    word.starts_with("--r")
        || word.starts_with("--i")
        || (word.starts_with('-') && !word.starts_with("--") && word.contains(['I', 'i', 'J']))
}

/// `env -S TEXT` makes words of a text by rules of its own.
fn refuse_split(words: &[Word]) -> Result<(), String> {
    let envs = words.iter().enumerate().filter(|(_, word)| word.as_deref().is_some_and(|word| base(word) == "env"));
    for (at, _) in envs {
        let mut rest = words.get(at + 1..).unwrap_or_default().iter().flatten();
        while let Some(word) = rest.next() {
            let short = word.starts_with('-') && !word.starts_with("--");
            if word.starts_with("--s") || (short && word.contains('S')) {
                return Err("`env -S` splits a text into words by rules of its own, so it is never allowed".into());
            }
            match word.as_str() {
                "--unset" | "--chdir" => drop(rest.next()),
                word if short && word.ends_with(['u', 'C']) => drop(rest.next()),
                word if word.starts_with('-') || sets(word) => {}
                _ => break,
            }
        }
    }
    Ok(())
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
mod tests;
