//! The system's clipboard, by way of the terminal (OSC 52): it works over SSH, and where the terminal does not allow it
//! nothing happens. What was copied is kept by the workbench itself as well.

/// The most that is copied, in bytes: terminals throw longer requests away.
pub const MOST: usize = 74_994;

/// The request to a terminal to take a text.
pub fn request(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MOST)];
    format!("\x1b]52;c;{}\x1b\\", base64(text.as_bytes()))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let all = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_what_terminals_understand() {
        // The examples of RFC 4648, section 10.
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(request("ü"), "\x1b]52;c;w7w=\x1b\\");
        assert!(request(&"é".repeat(MOST)).len() <= 100_000 + 10);
    }
}
