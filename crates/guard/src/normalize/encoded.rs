//! Readable text in base64 or hexadecimal digits.

/// Shorter runs are words.
const SHORTEST: usize = 16;
/// Longer ones are files, and are not decoded.
const LONGEST: usize = 1 << 16;

/// How many bytes at the start of a text belong to one run of digits of an encoding.
pub(super) fn run(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    if bytes.first() == Some(&b'\\') {
        let code =
            |four: &&[u8]| matches!(four, [b'\\', b'x' | b'X', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        return bytes.chunks_exact(4).take_while(code).count() * 4;
    }
    let digits = bytes.iter().position(|byte| !DIGITS[usize::from(*byte)]).unwrap_or(bytes.len());
    let padding = bytes.iter().skip(digits).take(2).take_while(|byte| **byte == b'=').count();
    if digits == 0 { 0 } else { digits + padding }
}

/// The digits of base64, in either alphabet.
const DIGITS: [bool; 256] = {
    let (mut digits, mut byte) = ([false; 256], 0);
    while byte < 256 {
        let digit = byte as u8;
        digits[byte] = digit.is_ascii_alphanumeric() || matches!(digit, b'+' | b'/' | b'_' | b'-');
        byte += 1;
    }
    digits
};

/// Pieces further from the first are a run of their own, so that what they say never depends on what comes much later in
/// a stream: less than its window.
const WIDEST: usize = 600;
/// At most so much white space stands between two pieces of a run.
const WIDEST_GAP: usize = 8;

/// A run of an encoding that is cut into pieces by white space, as in mails and dumps: how many bytes its pieces take,
/// and the text it stands for. A word of prose is no piece, but for one between two others. The first piece has so many
/// bytes.
pub(super) fn pieces(rest: &str, first: usize) -> Option<(usize, Option<String>)> {
    if !is_odd(rest.get(..first)?) {
        return None;
    }
    // Where the pieces end in the text, and how many digits they are together.
    let (mut strict, mut tolerant) = ((0, 0), (0, 0));
    let (mut all, mut plain_before) = (0, false);
    for (start, piece) in split(rest) {
        let odd = is_odd(piece);
        if (!odd && (plain_before || all == 0)) || start + piece.len() > WIDEST {
            break;
        }
        let only_odd = strict.1 == all;
        all += piece.len();
        plain_before = !odd;
        if odd {
            tolerant = (start + piece.len(), all);
            if only_odd {
                strict = tolerant;
            }
        }
    }
    // One piece is an ordinary run.
    if tolerant.0 <= first || all < SHORTEST {
        return None;
    }
    let decoded = |(end, _): (usize, usize)| {
        let digits: String = rest.get(..end)?.split_ascii_whitespace().collect();
        readable(&digits).map(|text| (end, Some(text)))
    };
    Some(decoded(tolerant).or_else(|| decoded(strict)).unwrap_or((tolerant.0, None)))
}

/// Whether a text may hold a run in pieces. Cheap, and says yes too often.
pub(crate) fn may_have_pieces(text: &str) -> bool {
    let (mut length, mut plain_before) = (0, false);
    text.split_ascii_whitespace().any(|piece| {
        let odd = is_odd(piece);
        if odd {
            length += piece.len();
        } else if plain_before {
            length = 0;
        }
        plain_before = !odd;
        length >= SHORTEST
    })
}

/// The pieces at the start of a text that consist of digits of an encoding alone, and where each begins.
fn split(rest: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let tail = rest.get(at..)?;
        let gap = tail.bytes().take_while(u8::is_ascii_whitespace).count();
        if gap > WIDEST_GAP || (at > 0) == (gap == 0) {
            return None;
        }
        let tail = tail.get(gap..)?;
        let length = run(tail);
        let start = at + gap;
        at = start + length;
        (length > 0).then(|| tail.get(..length).map(|piece| (start, piece)))?
    })
}

/// Whether a piece is no word of prose: it has digits, signs, or capitals behind its first letter.
fn is_odd(piece: &str) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-' | b'=');
    let tells = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || matches!(byte, b'+' | b'/' | b'=');
    piece.bytes().all(|byte| digit(&byte))
        && (piece.bytes().skip(1).any(|byte| tells(&byte))
            || piece.bytes().next().is_some_and(|byte| byte.is_ascii_digit()))
}

/// The text that a run stands for; nothing where it is a word, a number, a hash or a key.
pub(super) fn readable(run: &str) -> Option<String> {
    if !(SHORTEST..=LONGEST).contains(&run.len()) {
        return None;
    }
    let bytes = hex(run).or_else(|| base64(run))?;
    let text = String::from_utf8(bytes).ok()?;
    // Bytes at random are hardly ever twelve characters that can be shown.
    let all = text.chars().count();
    let plain = text.chars().filter(|c| c.is_alphanumeric() || *c == ' ').count();
    let shown = text.chars().all(|c| !c.is_control() || c.is_whitespace());
    (shown && plain * 10 >= all * 3).then_some(text)
}

fn hex(run: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = if run.starts_with("\\x") || run.starts_with("\\X") {
        run.bytes().filter(|byte| !matches!(byte, b'\\' | b'x' | b'X')).collect()
    } else {
        run.strip_prefix("0x").unwrap_or(run).bytes().collect()
    };
    let value = |byte: u8| char::from(byte).to_digit(16);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(value(*high)? * 16 + value(*low)?).ok(),
            _ => None,
        })
        .collect()
}

/// Both alphabets of RFC 4648, with or without padding.
fn base64(run: &str) -> Option<Vec<u8>> {
    let digits = run.trim_end_matches('=');
    if digits.len() % 4 == 1 {
        return None;
    }
    let value = |byte: u8| {
        Some(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        })
    };
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in digits.bytes() {
        held = (held << 6 | u32::from(value(byte)?)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_text_is_decoded_and_nothing_else() {
        assert_eq!(readable("RFJPUCBUQUJMRSB1c2Vycw==").as_deref(), Some("DROP TABLE users"));
        assert_eq!(readable("RFJPUCBUQUJMRSB1c2Vycw").as_deref(), Some("DROP TABLE users"));
        assert_eq!(readable("44524f50205441424c45207573657273").as_deref(), Some("DROP TABLE users"));
        assert_eq!(readable("\\x44\\x52\\x4f\\x50\\x20\\x61").as_deref(), Some("DROP a"));
        for word in [
            "internationalization",
            "1234567890123456",
            "9f86d081884c7d659a2feaa0c55ad015",
            "abc",
            "ghp_x7Kq2mZ9vB4nL1pR8sT5wY3cD6fG0hJ2",
        ] {
            assert_eq!(readable(word), None, "{word}");
        }
    }
}
