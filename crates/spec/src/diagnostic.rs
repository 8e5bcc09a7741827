//! What is found in a spec, as plain data: the command line, the workbench and the language server all show these.

use crate::Code;
use aic_base::{RelPath, Span};

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The file it is in.
    pub file: RelPath,
    /// The bytes it is about.
    pub span: Span,
    /// What is wrong and what to do. Never quotes a secret.
    pub message: String,
    /// More, where there is more to say.
    pub help: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
    /// A change that mends it.
    pub fix: Option<Fix>,
    /// Whether running must refuse: something that safety depends on is not enforced.
    pub blocks_running: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The spec cannot be used.
    Error,
    /// It can, but probably not as meant.
    Warning,
    /// It could be written better.
    Hint,
}

impl Severity {
    /// `error`, `warning` or `hint`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

/// Another place that matters to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The file.
    pub file: RelPath,
    /// The bytes.
    pub span: Span,
    /// Why it matters.
    pub message: String,
}

/// A change that mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu.
    pub title: String,
    /// Bytes of the finding's file and what stands there afterwards; they do not overlap.
    pub edits: Vec<(Span, String)>,
    /// Whether it changes nothing that was meant, so that it can be applied unseen.
    pub safe: bool,
}

impl Fix {
    /// Puts one text in the place of another.
    pub(crate) fn replace(span: Span, with: &str) -> Self {
        Self { title: format!("Change to `{with}`"), edits: vec![(span, with.to_owned())], safe: false }
    }
}

impl Diagnostic {
    /// A finding with a message and nothing else.
    pub(crate) fn new(code: Code, file: &RelPath, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            file: file.clone(),
            span,
            message: message.into(),
            help: None,
            related: Vec::new(),
            fix: None,
            blocks_running: false,
        }
    }

    pub(crate) fn fix(mut self, fix: Option<Fix>) -> Self {
        self.fix = fix;
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(crate) fn blocking(mut self) -> Self {
        self.blocks_running = true;
        self
    }

    pub(crate) fn related(mut self, file: &RelPath, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related { file: file.clone(), span, message: message.into() });
        self
    }
}
