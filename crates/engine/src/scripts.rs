//! The user's own code: guards, tools, mocks and graders in JavaScript or WebAssembly, in the sandbox only.

use crate::modules::Modules;
use aic_base::{Limits, RelPath, Span, Timestamp};
use aic_sandbox::{Cancel, ScriptCall, ScriptHost};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The scripts and modules of a spec and the sandbox that runs them.
#[derive(Clone)]
pub struct Scripts {
    host: Arc<ScriptHost>,
    sources: Arc<BTreeMap<RelPath, Arc<str>>>,
    modules: Arc<Modules>,
    limits: Limits,
}

/// What a file of the user's own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A JavaScript file, whose default export is called.
    Script,
    /// A WebAssembly module or component, which reads a document and answers with one.
    Module,
}

/// One call of a script or a module.
#[derive(Debug)]
pub struct ScriptJob<'a> {
    /// What it is.
    pub code: Code,
    /// The file.
    pub path: &'a RelPath,
    /// A script's first argument; a module reads it.
    pub args: Value,
    /// A script's second; a module finds it under `ctx` of what it reads.
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
            .field("modules", &self.modules.paths().collect::<Vec<_>>())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Scripts {
    /// The scripts and modules among these files, under these limits.
    pub fn new(host: Arc<ScriptHost>, files: &BTreeMap<RelPath, Arc<[u8]>>, limits: Limits) -> Self {
        let text = |bytes: &Arc<[u8]>| std::str::from_utf8(bytes).ok().map(Arc::from);
        let is_script = |path: &RelPath| [".js", ".mjs"].iter().any(|ending| path.as_str().ends_with(ending));
        let sources = files
            .iter()
            .filter(|(path, _)| is_script(path))
            .filter_map(|(path, bytes)| Some((path.clone(), text(bytes)?)));
        let modules = Arc::new(Modules::new(host.clone(), files));
        Self { host, sources: Arc::new(sources.collect()), modules, limits }
    }

    /// The spec's limits.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Starts a worker ahead of the first call.
    pub fn warm_up(&self) {
        self.host.warm_up();
    }

    /// The modules.
    pub(crate) const fn modules(&self) -> &Arc<Modules> {
        &self.modules
    }

    /// Calls a script's default export, or a module.
    ///
    /// # Errors
    /// A sentence that names the file and what went wrong.
    pub async fn call(&self, mut job: ScriptJob<'_>, cancel: &CancellationToken) -> Result<Value, String> {
        let limits = job.limits.take().unwrap_or_else(|| self.limits.clone());
        match job.code {
            Code::Script => self.script(job, limits, cancel).await,
            Code::Module => self.modules.call(job, limits, cancel).await,
        }
    }

    async fn script(&self, job: ScriptJob<'_>, limits: Limits, cancel: &CancellationToken) -> Result<Value, String> {
        let ScriptJob { path, args, ctx, now, seed, .. } = job;
        let source = self.sources.get(path).cloned();
        let source = source.ok_or_else(|| format!("{path}: not a JavaScript file that the spec names"))?;
        let call = ScriptCall { filename: path.to_string(), source, args, ctx, limits, now, seed };
        let host = self.host.clone();
        match on_thread(cancel, move |stop| host.call(&call, stop)).await {
            Ok(Ok(result)) => Ok(result.value),
            Ok(Err(error)) => Err(error.to_string()),
            Err(why) => Err(format!("{path}: {why}")),
        }
    }
}

/// Does blocking work of the sandbox's on a thread of its own. Dropping this future stops the guest too.
pub(crate) async fn on_thread<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce(&Cancel) -> T + Send + 'static,
) -> Result<T, &'static str> {
    let stop = Cancel::new();
    let _guard = StopOnDrop(stop.clone());
    tokio::select! {
        outcome = tokio::task::spawn_blocking(move || work(&stop)) => {
            outcome.map_err(|_| "the sandbox's thread ended before its guest did")
        }
        () = cancel.cancelled() => Err("cancelled"),
    }
}

/// Ends what was started when nobody waits for it any more.
pub(crate) struct StopOnDrop(pub Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Reads a span as a guest gives it, `[start, end]` or `{start, end}`; turned into bytes of `text`. A script counts
/// UTF-16 code units, as JavaScript does, a module bytes of UTF-8. None if it is no span inside the text.
pub fn read_span(value: &Value, text: &str, code: Code) -> Option<Span> {
    let (start, end) = match value {
        Value::Array(pair) => (pair.first()?.as_u64()?, pair.get(1)?.as_u64()?),
        Value::Object(map) => (map.get("start")?.as_u64()?, map.get("end")?.as_u64()?),
        _ => return None,
    };
    let byte_at = |wanted: u64| {
        if code == Code::Module {
            return usize::try_from(wanted).ok().filter(|at| text.is_char_boundary(*at));
        }
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
        let of = |span: Value| read_span(&span, text, Code::Script).map(|span| span.of(text));
        assert_eq!(of(json!([3, 4])), Some("b"));
        assert_eq!(of(json!({"start": 1, "end": 3})), Some("😀"));
        assert_eq!(of(json!([0, 5])), Some(text));
        assert_eq!(of(json!([4, 2])), None);
        assert_eq!(of(json!([0, 99])), None);
        assert_eq!(of(json!("x")), None);
    }

    #[test]
    fn spans_of_modules_count_bytes_and_never_cut_a_character() {
        let text = "a😀bé";
        let of = |span: Value| read_span(&span, text, Code::Module).map(|span| span.of(text));
        assert_eq!((of(json!([5, 6])), of(json!([1, 5])), of(json!([0, 8]))), (Some("b"), Some("😀"), Some(text)));
        assert_eq!((of(json!([1, 3])), of(json!([0, 9])), of(json!([6, 5]))), (None, None, None));
    }
}
