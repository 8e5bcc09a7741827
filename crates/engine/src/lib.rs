//! The container of the AIContainer workbench: from an input to an outcome.
