//! Conditions, detectors and decisions of the AIContainer workbench: text in, decision out.
