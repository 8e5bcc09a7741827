//! The AI Behavior Specification language: text to tree, diagnostics and typed specs.
