//! The AIContainer workbench.
