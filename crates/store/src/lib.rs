//! The local store of the AIContainer workbench: versions, tags, operations, runs, audit chain.
