//! Semantic tokens: the words inside of prompts and conditions, whole, in part, or as what changed.

use crate::position::Lines;
use crate::shared::Snapshot;
use aic_spec::ide::{Token, TokenKind};
use tower_lsp_server::ls_types::*;

/// The tokens of a document, or of some of its lines.
pub(crate) fn of(snapshot: &Snapshot, lines: &Lines<'_>, within: Option<Range>) -> Vec<SemanticToken> {
    let Snapshot { document, host, .. } = snapshot;
    let within = within.map(|range| lines.bytes(range));
    let wanted = |token: &Token| {
        within
            .as_ref()
            .is_none_or(|within| (token.span.start as usize) < within.end && (token.span.end as usize) > within.start)
    };
    let found = host.tokens(&document.home.path, &document.text).into_iter().filter(wanted);
    let mut last = Position::new(0, 0);
    let tokens = found.map(|token| {
        let Range { start, end } = lines.range(token.span);
        let same_line = start.line == last.line;
        let encoded = SemanticToken {
            delta_line: start.line - last.line,
            delta_start: if same_line { start.character - last.character } else { start.character },
            length: end.character - start.character,
            token_type: number(token.kind),
            token_modifiers_bitset: 0,
        };
        last = start;
        encoded
    });
    tokens.collect()
}

fn number(kind: TokenKind) -> u32 {
    TokenKind::ALL.iter().position(|other| *other == kind).and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
}

/// The one edit that makes of the old tokens the new ones; none where they are the same. Offsets count numbers, five a token.
pub(crate) fn edit(old: &[SemanticToken], new: &[SemanticToken]) -> Option<SemanticTokensEdit> {
    let same = |(a, b): &(&SemanticToken, &SemanticToken)| a == b;
    let before = old.iter().zip(new).take_while(same).count();
    let after = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let after = after.min(old.len().min(new.len()) - before);
    let (removed, added) = (old.len() - before - after, new.get(before..new.len() - after)?);
    if removed == 0 && added.is_empty() {
        return None;
    }
    let count = |tokens: usize| u32::try_from(tokens * 5).unwrap_or(u32::MAX);
    Some(SemanticTokensEdit { start: count(before), delete_count: count(removed), data: Some(added.to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(delta_line: u32) -> SemanticToken {
        SemanticToken { delta_line, delta_start: 0, length: 1, token_type: 0, token_modifiers_bitset: 0 }
    }

    proptest! {
        #[test]
        fn the_edit_makes_the_new_tokens_of_the_old_ones(
            old in proptest::collection::vec(0u32..3, 0..12), new in proptest::collection::vec(0u32..3, 0..12)
        ) {
            let (old, new): (Vec<_>, Vec<_>) = (old.into_iter().map(token).collect(), new.into_iter().map(token).collect());
            let mut edited = old.clone();
            match edit(&old, &new) {
                None => prop_assert_eq!(&old, &new),
                Some(edit) => {
                    let (start, count) = (edit.start as usize / 5, edit.delete_count as usize / 5);
                    edited.splice(start..start + count, edit.data.unwrap_or_default());
                    prop_assert_eq!(edited, new);
                }
            }
        }
    }
}
