//! Encryption of what people said: AES-256-GCM, a fresh random nonce for each text, under a key that is never stored.
//!
//! What is sealed is bound to its place (a session's spec and name), so that nobody can put one in another's place. Its
//! head names the key by a fingerprint and the length of the text; both are authenticated. So a wrong key, a text that
//! was cut off and one that was changed are told apart, and nothing is ever read by half: either all of it, or an error.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use std::fmt;

/// What every sealed text begins with: the format and its version.
const MAGIC: &[u8; 4] = b"AIC\x01";
/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a key's fingerprint.
const FINGERPRINT: usize = 8;
/// Bytes of the head: magic, fingerprint, the text's length, nonce.
const HEAD: usize = MAGIC.len() + FINGERPRINT + 8 + NONCE_LEN;

/// A key of AES-256. `Debug` shows its fingerprint only.
pub struct SealKey {
    key: LessSafeKey,
    fingerprint: [u8; FINGERPRINT],
}

/// Why a text cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key has no form that a key can have.
    #[error(
        "the key is no AES-256 key: write 32 bytes as 64 hexadecimal digits or as base64 (`aic key generate` prints one)"
    )]
    BadKey,
    /// Sealed with another key.
    #[error("it is encrypted with another key ({wrote}, this one is {have}): give the key it was written with")]
    OtherKey {
        /// The fingerprint of the key it was written with.
        wrote: String,
        /// The fingerprint of the key that was given.
        have: String,
    },
    /// The end is missing.
    #[error("it is cut off: {have} of {whole} bytes are there; restore a backup, or remove it")]
    Truncated {
        /// How many bytes there are.
        have: usize,
        /// How many there should be.
        whole: usize,
    },
    /// Not as it was written.
    #[error("it is damaged or was tampered with, and nothing of it is used; restore a backup, or remove it")]
    Damaged,
    /// The system has no random numbers.
    #[error("the system gives no random numbers, so nothing is encrypted")]
    NoRandom,
}

impl SealKey {
    /// The key in a text: 64 hexadecimal digits, or base64 of 32 bytes.
    ///
    /// # Errors
    /// [`SealError::BadKey`], which does not repeat the text.
    pub fn read(text: &SecretString) -> Result<Self, SealError> {
        let text = text.expose_secret().trim();
        let bytes = Zeroizing::new(hex(text).or_else(|| base64(text)).ok_or(SealError::BadKey)?);
        Self::of(&bytes)
    }

    fn of(bytes: &[u8]) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| SealError::BadKey)?;
        let mut named = Zeroizing::new(b"aic seal key fingerprint\0".to_vec());
        named.extend_from_slice(bytes);
        let digest = aic_base::Digest::of(&*named);
        let mut fingerprint = [0; FINGERPRINT];
        fingerprint.copy_from_slice(&digest.as_bytes()[..FINGERPRINT]);
        Ok(Self { key: LessSafeKey::new(key), fingerprint })
    }

    /// A new key, as 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn generate() -> Result<SecretString, SealError> {
        let mut bytes = Zeroizing::new([0; KEY]);
        SystemRandom::new().fill(&mut *bytes).map_err(|_| SealError::NoRandom)?;
        Ok(SecretString::from(digits(&*bytes)))
    }

    /// What names the key without telling it.
    pub fn fingerprint(&self) -> String {
        digits(&self.fingerprint)
    }

    /// Encrypts a text for its place. Twice the same text gives different bytes.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn seal(&self, place: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let mut sealed = Vec::with_capacity(HEAD + text.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&self.fingerprint);
        sealed.extend_from_slice(&(text.len() as u64).to_le_bytes());
        sealed.extend_from_slice(&nonce);
        let about = about(&sealed, place);
        let mut body = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        // Only a text of more than 64 GB is refused.
        self.key.seal_in_place_append_tag(nonce, Aad::from(about), &mut body).map_err(|_| SealError::Damaged)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Decrypts what was sealed for this place: all of it, or an error.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let magic = sealed.len().min(MAGIC.len());
        if sealed[..magic] != MAGIC[..magic] {
            return Err(SealError::Damaged);
        }
        let Some((head, body)) = sealed.split_at_checked(HEAD) else {
            return Err(SealError::Truncated { have: sealed.len(), whole: HEAD + AES_256_GCM.tag_len() });
        };
        let (wrote, rest) = head[MAGIC.len()..].split_at(FINGERPRINT);
        if wrote != self.fingerprint {
            return Err(SealError::OtherKey { wrote: digits(wrote), have: self.fingerprint() });
        }
        let (length, nonce) = rest.split_at(8);
        let length = <[u8; 8]>::try_from(length).map_or(0, u64::from_le_bytes);
        let whole = usize::try_from(length).ok().and_then(|length| length.checked_add(AES_256_GCM.tag_len()));
        match whole {
            Some(whole) if body.len() < whole => {
                return Err(SealError::Truncated { have: sealed.len(), whole: HEAD.saturating_add(whole) });
            }
            Some(whole) if body.len() == whole => {}
            _ => return Err(SealError::Damaged),
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut text = body.to_vec();
        let opened =
            self.key.open_in_place(nonce, Aad::from(about(head, place)), &mut text).map_err(|_| SealError::Damaged)?;
        let length = opened.len();
        text.truncate(length);
        Ok(text)
    }
}

/// What is authenticated beside the text: the head and the place.
fn about(head: &[u8], place: &str) -> Vec<u8> {
    [head, place.as_bytes()].concat()
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.fingerprint())
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * KEY || !text.is_ascii() {
        return None;
    }
    (0..KEY).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

/// 32 bytes in base64, of either alphabet, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    if text.len() != 43 {
        return None;
    }
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::with_capacity(KEY));
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (bytes.len() == KEY && bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> SealKey {
        SealKey::of(&[byte; KEY]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_at_its_place_only() {
        let sealed = key(1).seal("a", b"hello").unwrap();
        assert_eq!(key(1).open("a", &sealed).unwrap(), b"hello");
        assert!(matches!(key(2).open("a", &sealed), Err(SealError::OtherKey { .. })));
        assert_eq!(key(1).open("b", &sealed), Err(SealError::Damaged));
        assert!(!sealed.windows(5).any(|five| five == b"hello"));
    }

    #[test]
    fn each_sealing_has_a_nonce_of_its_own() {
        let nonces: std::collections::HashSet<Vec<u8>> =
            (0..1000).map(|_| key(1).seal("a", b"x").unwrap()[HEAD - NONCE_LEN..HEAD].to_vec()).collect();
        assert_eq!(nonces.len(), 1000);
    }

    #[test]
    fn a_key_is_read_from_digits_and_from_base64_and_from_nothing_else() {
        let read = |text: &str| SealKey::read(&SecretString::from(text.to_owned()));
        let hex = "0101010101010101010101010101010101010101010101010101010101010101";
        assert_eq!(read(hex).unwrap().fingerprint(), key(1).fingerprint());
        assert_eq!(read("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n").unwrap().fingerprint(), key(1).fingerprint());
        for wrong in ["", "correct horse battery staple", &hex[1..], "é".repeat(32).as_str()] {
            let error = read(wrong).unwrap_err();
            assert_eq!(error, SealError::BadKey);
            assert!(wrong.is_empty() || !error.to_string().contains(wrong));
        }
        let made = SealKey::generate().unwrap();
        assert!(SealKey::read(&made).is_ok());
    }

    #[test]
    fn a_fingerprint_is_all_that_debug_shows() {
        assert_eq!(format!("{:?}", key(1)), format!("SealKey({})", key(1).fingerprint()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_cut_off_is_an_error(text in proptest::collection::vec(any::<u8>(), 0..200), at in any::<usize>()) {
            let sealed = key(1).seal("a", &text).unwrap();
            let cut = &sealed[..at % sealed.len()];
            let is_truncated = matches!(key(1).open("a", cut), Err(SealError::Truncated { .. }));
            prop_assert!(is_truncated);
        }

        #[test]
        fn whatever_bit_is_turned_is_an_error(
            text in proptest::collection::vec(any::<u8>(), 0..200), at in any::<usize>(), bit in 0..8_u8,
        ) {
            let mut sealed = key(1).seal("a", &text).unwrap();
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert!(key(1).open("a", &sealed).is_err());
        }

        #[test]
        fn what_was_never_sealed_is_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(key(1).open("a", &bytes).is_err());
        }
    }
}
