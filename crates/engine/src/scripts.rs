//! The user's own code: guards, tools, mocks and graders in JavaScript, in the sandbox only.

use aic_base::{Limits, RelPath, Span, Timestamp};
use aic_sandbox::{Cancel, ScriptCall, ScriptError, ScriptHost};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The scripts of a spec and the sandbox that runs them.
#[derive(Clone)]
pub struct Scripts {
    host: Arc<ScriptHost>,
    sources: Arc<BTreeMap<RelPath, Arc<str>>>,
    limits: Limits,
}

/// One call of a script.
#[derive(Debug)]
pub struct ScriptJob<'a> {
    /// The script.
    pub path: &'a RelPath,
    /// Its first argument.
    pub args: Value,
    /// Its second.
    pub ctx: Value,
    /// What it may use; the spec's limits where it has none of its own.
    pub limits: Option<Limits>,
    /// What `Date` shows.
    pub now: Timestamp,
    /// What `Math.random` draws from.
    pub seed: u64,
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripts")
            .field("sources", &self.sources.keys())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Scripts {
    /// The scripts among these files, under these limits.
    pub fn new(host: Arc<ScriptHost>, files: &BTreeMap<RelPath, Arc<[u8]>>, limits: Limits) -> Self {
        let text = |bytes: &Arc<[u8]>| std::str::from_utf8(bytes).ok().map(Arc::from);
        let is_script = |path: &RelPath| [".js", ".mjs"].iter().any(|ending| path.as_str().ends_with(ending));
        let sources = files
            .iter()
            .filter(|(path, _)| is_script(path))
            .filter_map(|(path, bytes)| Some((path.clone(), text(bytes)?)));
        Self { host, sources: Arc::new(sources.collect()), limits }
    }

    /// The spec's limits.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Starts a worker ahead of the first call.
    pub fn warm_up(&self) {
        self.host.warm_up();
    }

    /// Calls a script's default export.
    ///
    /// # Errors
    /// A sentence that names the script and what went wrong.
    pub async fn call(&self, job: ScriptJob<'_>, cancel: &CancellationToken) -> Result<Value, String> {
        let ScriptJob { path, args, ctx, limits, now, seed } = job;
        let source = self.sources.get(path).cloned();
        let source = source.ok_or_else(|| format!("{path}: not a JavaScript file that the spec names"))?;
        let limits = limits.unwrap_or_else(|| self.limits.clone());
        let call = ScriptCall { filename: path.to_string(), source, args, ctx, limits, now, seed };
        let (host, stop) = (self.host.clone(), Cancel::new());
        let stopper = stop.clone();
        let work = tokio::task::spawn_blocking(move || host.call(&call, &stop));
        // Dropping this future must stop the guest too.
        let guard = StopOnDrop(stopper);
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = cancel.cancelled() => return Err(format!("{path}: cancelled")),
        };
        drop(guard);
        match outcome {
            Ok(Ok(result)) => Ok(result.value),
            Ok(Err(error)) => Err(sentence(&error)),
            Err(_) => Err(format!("{path}: the sandbox's thread ended before the script did")),
        }
    }
}

/// Ends what was started when nobody waits for it any more.
pub(crate) struct StopOnDrop(pub Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn sentence(error: &ScriptError) -> String {
    error.to_string()
}

/// Reads a span as a script gives it, `[start, end]` or `{start, end}` in UTF-16 code units, the way JavaScript counts;
/// turned into bytes of `text`. None if it is no span inside the text.
pub fn read_span(value: &Value, text: &str) -> Option<Span> {
    let (start, end) = match value {
        Value::Array(pair) => (pair.first()?.as_u64()?, pair.get(1)?.as_u64()?),
        Value::Object(map) => (map.get("start")?.as_u64()?, map.get("end")?.as_u64()?),
        _ => return None,
    };
    let byte_at = |wanted: u64| {
        let mut units = 0;
        for (at, c) in text.char_indices() {
            if units >= wanted {
                return Some(at);
            }
            units += c.len_utf16() as u64;
        }
        (units >= wanted).then_some(text.len())
    };
    let (start, end) = (byte_at(start)?, byte_at(end)?);
    (start <= end).then(|| Span::new(start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spans_of_scripts_count_the_way_javascript_does() {
        let text = "a😀bé";
        assert_eq!(read_span(&json!([3, 4]), text).map(|span| span.of(text)), Some("b"));
        assert_eq!(read_span(&json!({"start": 1, "end": 3}), text).map(|span| span.of(text)), Some("😀"));
        assert_eq!(read_span(&json!([0, 5]), text).map(|span| span.of(text)), Some(text));
        assert_eq!(read_span(&json!([4, 2]), text), None);
        assert_eq!(read_span(&json!([0, 99]), text), None);
        assert_eq!(read_span(&json!("x"), text), None);
    }
}
