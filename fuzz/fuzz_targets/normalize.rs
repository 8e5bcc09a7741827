//! Folding: places of the folded text always lead back into the original, between characters.
#![no_main]

use aic_guard::normalize::{Folded, Folding};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for folding in [Folding::WORDS, Folding::ATTACKS, Folding::FORMATS, Folding::HIDDEN] {
        let folded = Folded::new(text, folding);
        for (at, c) in folded.text.char_indices() {
            let span = folded.original(at..at + c.len_utf8()).range();
            assert!(span.end <= text.len() && text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
        }
    }
});
