//! What a command says of a program that ran in a sandbox, and the number it ends with.

use crate::cli::{Context, Format};
use crate::output::{Out, Style, harmless};
use crate::report::{duration, json};
use aic_base::Limits;
use aic_sandbox::RuntimeError;
use aic_sandbox::egress::Outcome;
use aic_sandbox::runtime::{Choice, ExecResult, Exit, Hold, Kept, Limit, RuntimeKind};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// The program was ended at a limit; `timeout` of coreutils says so too.
const OVER: u8 = 124;
/// No sandbox, or none that lived long enough; as docker says it.
pub(super) const NO_SANDBOX: u8 = 125;
/// The program could not be started in it; as docker says it.
const NO_PROGRAM: u8 = 126;
/// How shells say that a signal ended a program: its number comes on top.
const BY_SIGNAL: i32 = 128;
const SIGXFSZ: i32 = 25;

/// Why a program did not run to an end: what to say, and with which number to end.
pub(super) struct Unrun(pub(super) u8, pub(super) String);

impl From<String> for Unrun {
    fn from(why: String) -> Self {
        Self(NO_SANDBOX, why)
    }
}

impl From<&str> for Unrun {
    fn from(why: &str) -> Self {
        Self(NO_SANDBOX, why.to_owned())
    }
}

impl From<RuntimeError> for Unrun {
    fn from(error: RuntimeError) -> Self {
        let no_program = matches!(
            error,
            RuntimeError::CannotRun { .. } | RuntimeError::CannotRunModule { .. } | RuntimeError::Script(_)
        );
        Self(if no_program { NO_PROGRAM } else { NO_SANDBOX }, error.to_string())
    }
}

pub(super) fn ended(done: Result<u8, Unrun>, context: &mut Context) -> u8 {
    done.unwrap_or_else(|Unrun(code, why)| {
        context.could_not_run(why);
        code
    })
}

/// Says what ran where, on stderr: stdout is the program's.
pub(super) fn tell_choice(choice: &Choice, context: &mut Context) {
    if let Some(why) = &choice.fallback {
        context.warn(format_args!("{} in place of {}: {}", choice.actual, choice.requested, harmless(why)));
    }
    if choice.actual == RuntimeKind::Process {
        context.warn("process shares the host's kernel: for your own code, not for code you do not trust");
    }
}

/// The number to end with after a program that ended so.
pub(super) fn code_of(exit: Exit) -> u8 {
    match exit {
        Exit::Code(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
        Exit::Signal(signal) => u8::try_from(BY_SIGNAL + signal).unwrap_or(u8::MAX),
        Exit::Over(_) => OVER,
    }
}

/// Limits as they were set, in bytes, seconds and numbers, and how each was kept.
pub(super) fn limits_of(limits: &Limits, kept: &[Kept]) -> Vec<Value> {
    let most = |limit: Limit| match limit {
        Limit::Memory => json!(limits.memory),
        Limit::Cpu => json!(limits.cpu),
        Limit::Pids => json!(limits.pids),
        Limit::Files => json!(limits.files),
        Limit::FileSize => json!(limits.file_size),
        Limit::Timeout => json!(limits.timeout.as_secs_f64()),
        Limit::Output => json!(limits.output),
        Limit::Disk => json!(limits.disk),
    };
    let one = |kept: &Kept| json!({"limit": kept.limit, "most": most(kept.limit), "hold": kept.hold, "by": kept.by});
    kept.iter().map(one).collect()
}

/// What a program printed, for a document: as text, and where that is not what it printed also as base64.
fn put_stream(document: &mut Value, name: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        document[format!("{name}_base64")] = base64(bytes).into();
    }
    document[name] = text.into();
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| -> [char; 4] {
        let number = (0..3).fold(0, |sum, at| sum << 8 | usize::from(three.get(at).copied().unwrap_or_default()));
        std::array::from_fn(|at| {
            let digit = DIGITS.get(number >> (18 - 6 * at) & 63).copied().unwrap_or_default();
            if at <= three.len() { char::from(digit) } else { '=' }
        })
    };
    bytes.chunks(3).flat_map(group).collect()
}

/// Hands on what a program printed, byte for byte; only a terminal, which would obey them, gets no controls.
fn hand_on(bytes: &[u8], to: &mut Out, mut raw: impl Write + IsTerminal) -> Result<(), Unrun> {
    if raw.is_terminal() {
        to.text(harmless(&String::from_utf8_lossy(bytes)));
        return Ok(());
    }
    match raw.write_all(bytes).and_then(|()| raw.flush()) {
        // Whoever read has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Unrun(NO_SANDBOX, format!("what it printed cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Hands on what a program printed, and says how it ended.
pub(super) fn show(result: &ExecResult, context: &mut Context) -> Result<u8, Unrun> {
    let code = code_of(result.exit);
    if context.format == Format::Json {
        let mut document = json!({ "exit": result.exit, "value": result.value });
        put_stream(&mut document, "stdout", &result.stdout);
        put_stream(&mut document, "stderr", &result.stderr);
        let rest = json!({
            "truncated": result.truncated,
            "took_ms": result.took.as_secs_f64() * 1e3,
            "requested": result.choice.requested,
            "runtime": result.choice.actual,
            "fallback": result.choice.fallback,
            "limits": limits_of(&result.limits, &result.kept),
            "network": result.network,
        });
        for (name, value) in rest.as_object().into_iter().flatten() {
            document[name] = value.clone();
        }
        json::write(&mut context.out, document);
        return Ok(code);
    }
    tell_choice(&result.choice, context);
    hand_on(&result.stdout, &mut context.out, std::io::stdout())?;
    hand_on(&result.stderr, &mut context.err, std::io::stderr())?;
    if let Some(value) = result.value.as_ref().filter(|value| **value != Value::Null) {
        context.out.line(harmless(&value.to_string()));
    }
    let advisory: Vec<_> = result.kept.iter().filter(|kept| kept.hold == Hold::Advisory).collect();
    for kept in advisory {
        context.warn(format_args!("limits.{} was only advisory: {}", kept.limit, kept.by));
    }
    for contact in result.network.iter().filter(|contact| contact.outcome != Outcome::Reached) {
        let target = contact.target.as_ref().map_or_else(|| "network".to_owned(), ToString::to_string);
        context.warn(format_args!("{target} {}", contact.outcome));
    }
    if result.truncated {
        context.warn("it printed more than `limits.output`; the rest is lost");
    }
    if !result.exit.is_success() {
        // A shell hides the signal that ended its last command.
        let hidden = matches!(result.exit, Exit::Code(code) if code == BY_SIGNAL + SIGXFSZ);
        let hint = if hidden { ", as a shell says that a file grew over limits.file_size" } else { "" };
        let line = format!("{}{hint} after {} in {}", result.exit, duration(result.took), result.choice.actual);
        let line = context.err.styled(Style::Bad, line);
        context.err.line(line);
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_others_write_it() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[255, 255, 254]), "///+");
    }

    #[test]
    fn a_command_ends_as_its_program_did_and_elsewhere_with_numbers_of_its_own() {
        let table = [(Exit::Code(0), 0), (Exit::Code(5), 5), (Exit::Signal(9), 137), (Exit::Over(Limit::Timeout), 124)];
        table.into_iter().for_each(|(exit, code)| assert_eq!(code_of(exit), code));
    }

    #[test]
    fn bytes_that_are_no_text_stand_in_a_document_as_base64_too() {
        let mut document = json!({});
        put_stream(&mut document, "stdout", b"a\xff");
        put_stream(&mut document, "stderr", b"fine");
        assert_eq!(document, json!({"stdout": "a\u{fffd}", "stdout_base64": "Yf8=", "stderr": "fine"}));
    }
}
