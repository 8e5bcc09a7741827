//! Sandboxes of the AIContainer workbench: a runtime trait, killable workers, limits.
