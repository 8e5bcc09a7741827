//! The system's keyring, through `keyring-core`: on Linux the kernel's own, which needs no service and forgets when the
//! machine restarts. Where the system has none, or forbids it, everything that asks is told so and the environment is
//! left.
//!
//! The store cannot list what it holds, so an entry of its own holds the names (never the secrets).

use crate::keys::{EnvKeys, KeySource};
use keyring_core::{CredentialStore, Entry, Error};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// What entries of this program are filed under.
const SERVICE: &str = "aic";
/// The entry that holds the names; no variable is called so.
const NAMES: &str = "*names*";
/// The longest secret, in bytes: what a kernel keeps in one key.
const LONGEST: usize = 32_000;

/// A keyring did not do what it was asked. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none.
    #[error("no keyring can be reached here ({why}): set an environment variable instead")]
    Unavailable {
        /// What the system says.
        why: String,
    },
    /// No such entry.
    #[error("the keyring holds no `{name}`: `aic key list` shows what it holds")]
    NotThere {
        /// The entry.
        name: String,
    },
    /// What should be stored cannot be.
    #[error("{why}")]
    Refused {
        /// Why not.
        why: &'static str,
    },
}

/// A keyring.
#[derive(Clone)]
pub struct Keyring(Result<Arc<CredentialStore>, String>);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_ok() { "Keyring" } else { "Keyring(none)" })
    }
}

impl Keyring {
    /// The system's.
    pub fn system() -> Self {
        #[cfg(target_os = "linux")]
        return match linux_keyutils_keyring_store::Store::new() {
            Ok(store) => Self(Ok(store)),
            Err(error) => Self(Err(words(&error))),
        };
        #[cfg(not(target_os = "linux"))]
        Self(Err("this version knows Linux's only".into()))
    }

    /// Another store behind the same interface.
    pub const fn with(store: Arc<CredentialStore>) -> Self {
        Self(Ok(store))
    }

    fn entry(&self, name: &str) -> Result<Entry, KeyringError> {
        let store = self.0.as_ref().map_err(|why| KeyringError::Unavailable { why: why.clone() })?;
        let build = || store.build(SERVICE, name, None);
        // Twice: where nobody logged in (a container, a service), the first one leaves this thread with another session
        // keyring than the one that it looked up, and with it no right to the entry.
        build().and_then(|_| build()).map_err(|error| KeyringError::Unavailable { why: words(&error) })
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        match self.entry(name)?.get_secret() {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(KeyringError::Unavailable { why: words(&error) }),
        }
    }

    /// The secret of this name; none where there is none.
    ///
    /// # Errors
    /// [`KeyringError::Unavailable`].
    pub fn get(&self, name: &str) -> Result<Option<SecretString>, KeyringError> {
        check(name)?;
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyringError::Refused { why: "the entry is no text" })?;
        Ok(Some(SecretString::from(text.to_owned())))
    }

    /// Keeps a secret, in place of another of the same name.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn set(&self, name: &str, secret: &SecretString) -> Result<(), KeyringError> {
        check(name)?;
        let bytes = secret.expose_secret().as_bytes();
        if bytes.is_empty() || bytes.len() > LONGEST {
            return Err(KeyringError::Refused { why: "a secret has 1 to 32,000 bytes" });
        }
        self.write(name, bytes)?;
        let mut names = self.names()?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
            names.sort();
            self.write(NAMES, names.join("\n").as_bytes())?;
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), KeyringError> {
        self.entry(name)?.set_secret(bytes).map_err(|error| KeyringError::Unavailable { why: words(&error) })
    }

    /// Forgets a secret.
    ///
    /// # Errors
    /// [`KeyringError::NotThere`], or another.
    pub fn remove(&self, name: &str) -> Result<(), KeyringError> {
        check(name)?;
        let removed = match self.entry(name)?.delete_credential() {
            Ok(()) => Ok(()),
            Err(Error::NoEntry) => Err(KeyringError::NotThere { name: name.to_owned() }),
            Err(error) => return Err(KeyringError::Unavailable { why: words(&error) }),
        };
        let mut names = self.names()?;
        if let Some(at) = names.iter().position(|known| known == name) {
            names.remove(at);
            // No entry can be empty.
            let text = if names.is_empty() { "\n".into() } else { names.join("\n") };
            self.write(NAMES, text.as_bytes())?;
        }
        removed
    }

    /// The names of the secrets that this program keeps.
    ///
    /// # Errors
    /// [`KeyringError::Unavailable`].
    pub fn names(&self) -> Result<Vec<String>, KeyringError> {
        let bytes = self.read(NAMES)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

/// What an error says, in words that hold nothing of an entry.
fn words(error: &Error) -> String {
    match error {
        Error::PlatformFailure(why) | Error::NoStorageAccess(why) => why.to_string(),
        Error::NoEntry => "no such entry".into(),
        Error::NotSupportedByStore(why) => why.clone(),
        _ => "it refuses the entry".into(),
    }
}

fn check(name: &str) -> Result<(), KeyringError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 200 || !name.bytes().all(fits) {
        return Err(KeyringError::Refused { why: "a name is like that of a variable: letters, digits and `_`" });
    }
    Ok(())
}

/// The environment, then the system's keyring.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemKeys;

impl KeySource for SystemKeys {
    fn key(&self, name: &str) -> Option<SecretString> {
        static KEYRING: LazyLock<Keyring> = LazyLock::new(Keyring::system);
        // Without a keyring there is no key in it: whoever needs one says where to put it.
        EnvKeys.key(name).or_else(|| KEYRING.get(name).ok().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    fn mock() -> Keyring {
        Keyring::with(keyring_core::mock::Store::new().unwrap())
    }

    #[test]
    fn what_is_kept_is_found_listed_replaced_and_forgotten() {
        let keyring = mock();
        assert_eq!(keyring.names().unwrap(), [] as [&str; 0]);
        assert!(keyring.get("OPENAI_API_KEY").unwrap().is_none());
        keyring.set("OPENAI_API_KEY", &secret("sk-1")).unwrap();
        keyring.set("B", &secret("b")).unwrap();
        keyring.set("OPENAI_API_KEY", &secret("sk-2")).unwrap();
        assert_eq!(keyring.get("OPENAI_API_KEY").unwrap().unwrap().expose_secret(), "sk-2");
        assert_eq!(keyring.names().unwrap(), ["B", "OPENAI_API_KEY"]);
        keyring.remove("OPENAI_API_KEY").unwrap();
        keyring.remove("B").unwrap();
        assert_eq!(keyring.names().unwrap(), [] as [&str; 0]);
        assert_eq!(keyring.remove("B"), Err(KeyringError::NotThere { name: "B".into() }));
    }

    #[test]
    fn names_are_those_of_variables_and_secrets_have_a_length() {
        let keyring = mock();
        for name in ["", "a b", "*names*", "ä", "a/b"] {
            assert!(matches!(keyring.set(name, &secret("x")), Err(KeyringError::Refused { .. })), "{name}");
        }
        assert!(keyring.set("A", &secret("")).is_err() && keyring.set("A", &secret(&"x".repeat(40_000))).is_err());
    }

    #[test]
    fn where_there_is_no_keyring_everybody_is_told_and_the_environment_is_left() {
        let none = Keyring(Err("no service runs".into()));
        let told = none.get("A").unwrap_err().to_string();
        assert!(told.contains("no service runs") && told.contains("environment variable"), "{told}");
        assert_eq!(none.set("A", &secret("planted-secret")).unwrap_err().to_string(), told);
        assert!(none.names().is_err() && none.remove("A").is_err());
    }

    #[test]
    fn an_error_of_the_store_holds_nothing_of_the_secret() {
        let bad = Error::BadEncoding(b"planted-secret".to_vec());
        assert_eq!(words(&bad), "it refuses the entry");
        let keyring = mock();
        keyring.set("A", &secret("planted-secret")).unwrap();
        assert!(!format!("{keyring:?}").contains("planted"));
    }

    #[test]
    fn the_kernels_keyring_keeps_a_secret_until_it_is_removed_or_says_that_it_cannot_be_reached() {
        let (keyring, name) = (Keyring::system(), format!("AIC_TEST_{}", std::process::id()));
        // Some containers forbid it.
        if let Err(error) = keyring.names() {
            assert!(matches!(error, KeyringError::Unavailable { .. }), "{error}");
            assert!(matches!(keyring.set(&name, &secret("x")), Err(KeyringError::Unavailable { .. })));
            return;
        }
        keyring.set(&name, &secret("planted-secret")).unwrap();
        assert_eq!(Keyring::system().get(&name).unwrap().unwrap().expose_secret(), "planted-secret");
        assert!(keyring.names().unwrap().contains(&name));
        keyring.remove(&name).unwrap();
        assert!(!keyring.names().unwrap().contains(&name));
    }
}
