//! What a scene is, and how one is played: a sample in a temporary folder, the program on a terminal, steps, a screen.

use super::pty::Session;
use super::shapes::Palette;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A picture to be: all of it is data, see `scenes.rs`.
pub(crate) struct Scene {
    /// The name of the picture: `docs/images/NAME.svg`.
    pub name: &'static str,
    /// What is to be seen on it, in a sentence: its title, for those who do not see it.
    pub title: &'static str,
    /// The sample it plays on, a folder of `sample-specs/`. Its name stands in the window's title, too.
    pub sample: &'static str,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The terminal's colours. The program is told their background when it asks, and chooses its theme by that.
    pub palette: &'static Palette,
    /// What happens.
    pub steps: &'static [Step],
}

/// One thing that happens in a scene.
#[derive(Debug)]
pub(crate) enum Step {
    /// Waits until the screen shows this on one line.
    Shows(&'static str),
    /// Waits until the screen does not show this any more.
    Gone(&'static str),
    /// Presses keys, named as in the workbench's help, with blanks between: `3 e ctrl-n down`. After `esc` something is
    /// to be waited for: a terminal takes an Escape with a key right behind it for Alt.
    Press(&'static str),
    /// Types a text; its line ends are Enter.
    Type(&'static str),
    /// Somebody replaces a text in a file of the sample, in another program. It must be there exactly once.
    Replace {
        /// The file, from the sample's folder on.
        file: &'static str,
        /// What is there.
        from: &'static str,
        /// What is put in its place.
        to: &'static str,
    },
}

/// Plays a scene: the screen as it is in the end. `cache` is kept from scene to scene, for what the program compiles.
///
/// # Errors
/// If something that is waited for does not come, with the screen as it was.
pub(crate) fn play(scene: &Scene, aic: &Path, samples: &Path, cache: &Path) -> Result<vt100::Screen, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let root = folder.path().join(scene.sample);
    let program = program(aic, &samples.join(scene.sample), &root, cache)?;
    let mut session = Session::start(&program, scene.size, scene.palette.background)?;
    act(&mut session, scene.steps, &root)?;
    session.settled()
}

/// Runs a sample's tests once, so that no picture shows how long a first start takes.
///
/// # Errors
/// If they do not pass.
pub(crate) fn warm_up(aic: &Path, samples: &Path, cache: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let name = "user-management";
    let mut program = program(aic, &samples.join(name), &folder.path().join(name), cache)?;
    let output = program.arg("test").output().map_err(|error| format!("{}: {error}", aic.display()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("the sample {name} does not pass:\n{}", String::from_utf8_lossy(&output.stdout)))
}

/// The program in a copy of a sample, apart from everything else on this machine.
fn program(aic: &Path, sample: &Path, root: &Path, cache: &Path) -> Result<Command, String> {
    copy(sample, root)?;
    // The workspace is this folder, whatever lies above it.
    make(&root.join(".aic"))?;
    let home = root.with_extension("home");
    make(&home)?;
    let mut program = Command::new(aic);
    program.current_dir(root);
    program.env("TERM", "xterm-256color").env("COLORTERM", "truecolor").env("LANG", "C.UTF-8").env("TZ", "UTC");
    program.env("HOME", &home).env("TMPDIR", &home).env("XDG_CACHE_HOME", cache);
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "LC_ALL"] {
        program.env_remove(name);
    }
    Ok(program)
}

/// Carries out the steps, one after the other.
fn act(session: &mut Session, steps: &[Step], root: &Path) -> Result<(), String> {
    for step in steps {
        match step {
            Step::Shows(text) => session.wait(&format!("`{text}`"), |screen| shows(screen, text))?,
            Step::Gone(text) => session.wait(&format!("`{text}` to go"), |screen| !shows(screen, text))?,
            Step::Press(keys) => {
                for key in keys.split_whitespace() {
                    session.press(&bytes_of(key).ok_or_else(|| format!("`{key}` is no key that is known here"))?)?;
                }
            }
            Step::Type(text) => session.press(text.replace('\n', "\r").as_bytes())?,
            Step::Replace { file, from, to } => replace(root, file, from, to)?,
        }
    }
    Ok(())
}

fn shows(screen: &vt100::Screen, text: &str) -> bool {
    let (_, columns) = screen.size();
    screen.rows(0, columns).any(|row| row.contains(text))
}

/// What a terminal sends for a key.
fn bytes_of(key: &str) -> Option<Vec<u8>> {
    let named = match key {
        "enter" => "\r",
        "esc" => "\x1b",
        "tab" => "\t",
        "shift-tab" => "\x1b[Z",
        "space" => " ",
        "ctrl-space" => "\0",
        "backspace" => "\x7f",
        "up" => "\x1b[A",
        "down" => "\x1b[B",
        "right" => "\x1b[C",
        "left" => "\x1b[D",
        "home" => "\x1b[H",
        "end" => "\x1b[F",
        "pageup" => "\x1b[5~",
        "pagedown" => "\x1b[6~",
        "delete" => "\x1b[3~",
        _ => "",
    };
    if !named.is_empty() {
        return Some(named.into());
    }
    if let Some(key) = key.strip_prefix("alt-") {
        return Some([b"\x1b".to_vec(), bytes_of(key)?].concat());
    }
    let one = |text: &str| {
        let mut chars = text.chars();
        chars.next().filter(|_| chars.next().is_none())
    };
    match key.strip_prefix("ctrl-") {
        Some(key) => one(key).filter(char::is_ascii_lowercase).map(|c| vec![c as u8 & 0x1f]),
        None => one(key).map(|c| c.to_string().into_bytes()),
    }
}

/// Replaces a text the way careful editors do: a new file beside the workspace, renamed over the old one.
fn replace(root: &Path, file: &str, from: &str, to: &str) -> Result<(), String> {
    let path = root.join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
    let count = text.matches(from).count();
    if count != 1 {
        return Err(format!("{file} holds `{from}` {count} times and not once: mend the scene"));
    }
    let new = root.with_extension("being-written");
    fs::write(&new, text.replace(from, to))
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|error| format!("{file}: {error}"))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    make(to)?;
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        if name == ".aic" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_terminals_send() {
        for (key, bytes) in
            [("R", "R"), ("ctrl-s", "\x13"), ("alt-f", "\x1bf"), ("down", "\x1b[B"), ("ü", "ü"), ("ctrl-space", "\0")]
        {
            assert_eq!(bytes_of(key).as_deref(), Some(bytes.as_bytes()), "{key}");
        }
        for key in ["", "ctrl-", "ctrl-é", "hyper-x", "ab"] {
            assert_eq!(bytes_of(key), None, "{key}");
        }
    }

    #[test]
    fn steps_happen_one_after_the_other_and_a_wait_is_a_wait() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "one two").unwrap();
        let mut program = Command::new("sh");
        // Each line typed shows the file; the screen is cleared before.
        program.args(["-c", "echo ready; while read line; do clear; echo \"$line:\"; cat a.txt; done"]);
        program.current_dir(folder.path()).env("TERM", "xterm");
        let mut session = Session::start(&program, (40, 8), (0, 0, 0)).unwrap();
        let steps = [
            Step::Shows("ready"),
            Step::Type("first\n"),
            Step::Shows("one two"),
            Step::Replace { file: "a.txt", from: "two", to: "three" },
            Step::Press("n o w enter"),
            Step::Shows("one three"),
            Step::Gone("first"),
        ];
        act(&mut session, &steps, folder.path()).unwrap();
        assert!(session.settled().unwrap().contents().contains("now:\none three"));
        let gone = Step::Replace { file: "a.txt", from: "two", to: "" };
        assert!(act(&mut session, &[gone], folder.path()).unwrap_err().contains("0 times"));
    }
}
