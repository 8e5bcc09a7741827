//! A server in the sandbox: one JSON message a line, over the pipes of a program.

use super::rpc::{Heard, hear, notification, request};
use crate::tools::rooms::{Entered, LONG};
use aic_sandbox::Cancel;
use aic_sandbox::runtime::{Attached, Exec, Printed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest message that is read.
const LONGEST: usize = 4 << 20;
/// What is kept of a server's complaints.
const COMPLAINT: usize = 2000;
/// How long one look lasts: so long may it take until somebody who gave up is heard.
const LOOK: Duration = Duration::from_millis(100);

/// A line to a server.
pub(super) struct Stdio {
    program: Box<dyn Attached>,
    next: u64,
    read: Vec<u8>,
    complaint: String,
    ended: Option<String>,
}

impl Stdio {
    /// Starts the program.
    pub fn start(entered: &Entered, argv: &[String], env: BTreeMap<String, String>) -> Result<Self, String> {
        let exec = Exec { env, timeout: LONG, ..Exec::command(argv) };
        let program = entered.runtime.attach(&entered.id, &exec, None).map_err(|error| error.to_string())?;
        Ok(Self { program, next: 1, read: Vec::new(), complaint: String::new(), ended: None })
    }

    pub fn tell(&mut self, method: &str) -> Result<(), String> {
        self.send(&notification(method))
    }

    fn send(&mut self, message: &Value) -> Result<(), String> {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        self.program.write(&line).map_err(|error| error.to_string())
    }

    /// Asks and waits for the answer. Blocks.
    pub fn ask(&mut self, method: &str, params: Value, within: Duration, cancel: &Cancel) -> Result<Value, String> {
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        let id = self.next;
        self.next += 1;
        self.send(&request(id, method, &params))?;
        let until = Instant::now() + within;
        loop {
            while let Some(line) = self.line()? {
                // Some servers print other things too; what is no message is none.
                let Ok(message) = serde_json::from_slice::<Value>(&line) else { continue };
                match hear(&message, id) {
                    Heard::Answer(answer) => return answer,
                    Heard::Question(answer) => self.send(&answer)?,
                    Heard::Other => {}
                }
            }
            if cancel.is_cancelled() {
                return Err("it was cancelled".into());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!(
                    "it did not answer `{method}` within {} s{}",
                    within.as_secs_f64(),
                    self.complained()
                ));
            }
            match self.program.next(left.min(LOOK)).map_err(|error| error.to_string())? {
                None => {}
                Some(Printed::Stdout(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Printed::Stderr(bytes)) => self.complain(&bytes),
                Some(Printed::End(exit)) => {
                    let why = format!("it ended ({exit}){}", self.complained());
                    self.ended = Some(why.clone());
                    return Err(why);
                }
            }
        }
    }

    /// The next whole line that was read.
    fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.read.iter().position(|byte| *byte == b'\n') {
            Some(end) => Ok(Some(self.read.drain(..=end).collect())),
            None if self.read.len() > LONGEST => {
                let why = format!("it sent a message of more than {LONGEST} bytes");
                self.ended = Some(why.clone());
                self.read.clear();
                Err(why)
            }
            None => Ok(None),
        }
    }

    fn complain(&mut self, bytes: &[u8]) {
        self.complaint.push_str(&String::from_utf8_lossy(bytes));
        let over = self.complaint.len().saturating_sub(COMPLAINT);
        if over > 0 {
            let cut = self.complaint.ceil_char_boundary(over);
            self.complaint.drain(..cut);
        }
    }

    fn complained(&self) -> String {
        let text: String = self.complaint.trim().chars().filter(|c| !c.is_control() || *c == '\n').collect();
        if text.is_empty() { text } else { format!("; it said: {text}") }
    }
}
