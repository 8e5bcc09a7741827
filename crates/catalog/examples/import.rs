//! Makes the snapshot: `cargo run -p aic-catalog --example import FILE SOURCE DATE > crates/catalog/data/models.tsv`.
#![allow(clippy::print_stdout, reason = "this is what it is for")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().ok_or_else(|| format!("{what} is missing"));
    let (file, source, date) = (next("the file")?, next("the source")?, next("the date")?);
    print!("{}", aic_catalog::import(&std::fs::read_to_string(file)?, &source, &date)?.write());
    Ok(())
}
