//! Model providers of the AIContainer workbench.
