//! The AI Behavior Specification language: text to tree, diagnostics and typed specs.
//!
//! [`load`] is the way in: it reads a spec and the files it names through a [`Source`](aic_base::Source), so that the disk,
//! unsaved buffers and a stored version look the same, and gives what was found and, where there is no error, the typed
//! [`Spec`]. [`tree`] alone knows the YAML parser; [`schema`] is the one table of keys that validation, completion and the
//! reference pages read. Nothing in a spec, however odd, may make any of this panic or take long.

mod args;
mod check;
pub mod codes;
mod cx;
mod de;
mod diagnostic;
mod digest;
mod emit;
mod files;
mod fix;
mod format;
pub mod ide;
mod inherit;
mod json_schema;
mod load;
mod long;
mod lower;
mod resolved;
mod rules;
pub mod schema;
mod secrets;
mod template;
mod toml;
pub mod tree;
mod typed;
mod words;

pub use codes::{CODES, Code, CodeDoc};
pub use de::{DeError, from_node};
pub use diagnostic::{Diagnostic, Fix, Related, Severity};
pub use files::{FileKind, Found, file_kind, find_files, find_specs, is_ignore_file, is_spec_file};
pub use fix::{apply, apply_sound, keeps_form};
pub use format::{FormatError, format};
pub use inherit::MAX_CHAIN;
pub use inherit::tighten::{ROWS as TIGHTENING, Row as TighteningRow, Tighter, table as tightening_table};
pub use json_schema::json_schema;
pub use load::{LoadOptions, Loaded, load};
pub use resolved::resolved;
pub use template::{MissingVar, Template, TemplateError, Variable as TemplateVariable};
pub use tree::{Parsed, SyntaxError, SyntaxKind, parse};
pub use typed::*;

/// The versions of the language that this program reads.
pub const LANGUAGE_VERSIONS: [&str; 1] = ["1.0"];
