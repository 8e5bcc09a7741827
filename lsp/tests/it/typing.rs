//! Somebody types: every sample, each of its lines cut at each place (of large samples, each third). Whatever is asked then is answered within the text.

use aic_base::{DiskSource, MemorySource, OverlaySource, RelPath, Span};
use aic_spec::ide::{Host, load_tests};
use aic_spec::{FileKind, LoadOptions, file_kind, find_specs, load};
use std::path::Path;

/// In a sample larger than this, every third place is asked about: without optimisation, each takes milliseconds.
const LARGE: usize = 3_000;

/// Completion is asked at each of those places; the other questions see nearly the same text again at the next one.
/// The numbers are prime to the lengths of most lines, so that all columns have their turn.
const ASK_EVERY: usize = 5;
const LOAD_EVERY: usize = 35;

fn samples() -> (DiskSource, Vec<RelPath>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-specs");
    let source = DiskSource::new(&folder).unwrap();
    let specs: Vec<RelPath> = find_specs(&source, &RelPath::default()).specs.into_iter().collect();
    assert!(specs.len() >= 3, "{specs:?}");
    (source, specs)
}

/// The text with a line cut at a place: what stood behind it is not typed yet.
fn cuts(text: &str) -> impl Iterator<Item = (String, usize)> + '_ {
    let lines = text.split_inclusive('\n').scan(0, |start, line| {
        let at = *start;
        *start += line.len();
        Some((at, line.trim_end_matches(['\n', '\r'])))
    });
    lines.flat_map(move |(start, line)| {
        line.char_indices().map(move |(at, _)| {
            let cursor = start + at;
            (format!("{}{}", &text[..cursor], &text[start + line.len()..]), cursor)
        })
    })
}

#[test]
fn wherever_a_line_is_cut_every_question_is_answered_within_the_text() {
    let (disk, specs) = samples();
    let options = LoadOptions { environment: None, today: "2025-06-01T12:00:00Z".parse().unwrap() };
    let mut asked = 0;
    for path in specs {
        let text = aic_base::Source::read_text(&disk, &path).unwrap();
        let host = Host::new();
        let every = if text.len() > LARGE { 3 } else { 1 };
        for (count, (text, cursor)) in cuts(&text).step_by(every).enumerate() {
            asked += 1;
            let mut above = MemorySource::new();
            above.insert(path.clone(), text.as_bytes());
            let source = OverlaySource::new(above, std::sync::Arc::new(disk.clone()));
            let inside = |span: Span| text.get(span.range()).is_some();
            for offer in host.complete(&source, &path, &text, cursor) {
                assert!(inside(offer.replace) && offer.replace.touches(cursor), "{offer:?}\n{text}");
            }
            if count % ASK_EVERY != 0 {
                continue;
            }
            if let Some(hover) = host.hover(&source, &path, &text, cursor) {
                assert!(inside(hover.span), "{hover:?}\n{text}");
            }
            assert!(host.tokens(&path, &text).iter().all(|token| inside(token.span)), "{text}");
            assert!(host.folds(&path, &text).iter().all(|fold| inside(fold.span)), "{text}");
            assert!(host.hints(&source, &path, &text).iter().all(|hint| text.is_char_boundary(hint.offset)), "{text}");
            assert!(host.highlights(&path, &text, cursor).iter().all(|usage| inside(usage.span)), "{text}");
            assert!(host.surroundings(&path, &text, cursor).iter().all(|span| inside(*span)), "{text}");
            if count % LOAD_EVERY == 0 {
                let read = if file_kind(path.file_name()) == Some(FileKind::Tests) { load_tests } else { load };
                let loaded = read(&source, &path, &options);
                for found in loaded.diagnostics.iter().filter(|found| found.file == path) {
                    assert!(inside(found.span), "{found:?}\n{text}");
                    let edits = found.fix.iter().flat_map(|fix| &fix.edits);
                    edits.for_each(|(span, _)| assert!(inside(*span), "{found:?}\n{text}"));
                }
            }
        }
    }
    assert!(asked > 2000, "{asked}");
}
