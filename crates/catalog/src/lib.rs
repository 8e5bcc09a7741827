//! Facts about models for the AIContainer workbench: prices, windows, token estimates.
