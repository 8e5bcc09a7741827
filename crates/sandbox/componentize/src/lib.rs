//! Makes components of WASI preview 2 of modules of preview 1, with the adapter that the makers of WASI give for that. For
//! tests: a member of the workspace, so that what it asks of wasmtime's own crates is asked in every build, and they are
//! compiled once.

use std::path::Path;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn encode(module: &[u8], adapter: &[u8]) -> Result<Vec<u8>, String> {
    let encoder = ComponentEncoder::default().module(module).map_err(|error| format!("{error:#}"))?;
    let encoder = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| format!("{error:#}"))
}

/// A program (`_start`) as a component that exports `wasi:cli/run`.
///
/// # Errors
/// Why there is no such component.
pub fn program(module: &[u8]) -> Result<Vec<u8>, String> {
    encode(module, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER)
}

/// A library as a component of the one world in this file of WIT.
///
/// # Errors
/// Why there is no such component.
pub fn library(module: &[u8], wit: &Path) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    let world = resolve.push_file(wit).and_then(|package| resolve.select_world(&[package], None));
    let mut module = module.to_vec();
    let described =
        world.and_then(|world| embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8));
    described.map_err(|error| format!("{}: {error:#}", wit.display()))?;
    encode(&module, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
}
