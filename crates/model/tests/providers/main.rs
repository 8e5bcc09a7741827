//! Providers against a server on loopback that speaks their formats byte for byte, in good and in bad weather.

#[path = "../support/mod.rs"]
mod support;

mod bad_weather;
mod good_weather;
mod memory;
