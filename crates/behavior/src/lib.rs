//! Behaviour tests of the AIContainer workbench.
