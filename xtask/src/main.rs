//! Chores of the repository: `cargo xtask CHORE`. One file a chore.

mod frames;
mod guest_image;
mod guests;
mod licenses;
mod sample_data;
mod train_harmless;
mod train_injection;
mod train_sources;
mod train_texts;

use std::process::ExitCode;

/// A chore: what it is called, what it does, and the function that does it.
type Chore = (&'static str, &'static str, fn(&[String]) -> Result<(), String>);

const CHORES: &[Chore] = &[
    ("frames", "render the pictures of the docs; --check only compares", frames::run),
    ("guest-image", "fetch the kernel and programs that microVMs start from", guest_image::run),
    ("guests", "rebuild the sandbox's guests; --check only compares", guests::run),
    ("licenses", "check what every dependency is licensed as", licenses::run),
    ("sample-data", "make the samples' databases anew", sample_data::run),
    ("train-injection", "train prompt_injection's table on a folder of public texts", train_injection::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    let Some((_, _, chore)) = CHORES.iter().find(|(known, ..)| *known == name) else {
        say("usage: cargo xtask CHORE");
        CHORES.iter().for_each(|(name, about, _)| say(&format!("  {name:<16} {about}")));
        return ExitCode::from(2);
    };
    match chore(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("cargo xtask {name}: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells the person at the terminal.
#[expect(clippy::print_stderr, reason = "the one place where chores speak")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
