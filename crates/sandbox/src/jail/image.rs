//! The guest image: the kernel and the few programs that a virtual machine begins with, as `cargo xtask guest-image`
//! makes them. A folder that holds `vmlinuz`, `busybox`, `applets` and their `SHA256SUMS`.

use aic_base::Digest;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Names the folder, where it is not the usual one: an image, or a folder of images.
pub(crate) const VARIABLE: &str = "AIC_GUEST_IMAGE";
const FILES: [&str; 3] = ["vmlinuz", "busybox", "applets"];

/// A guest image that was found.
#[derive(Debug)]
pub(crate) struct GuestImage {
    folder: PathBuf,
    sums: String,
    checked: OnceLock<Result<(), String>>,
}

impl GuestImage {
    /// The one that the environment names, or the current one of the user's cache.
    ///
    /// # Errors
    /// Says what is missing and how to make it.
    pub(crate) fn find() -> Result<Self, String> {
        match std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) if Path::new(&folder).join("current").exists() => Self::current(Path::new(&folder)),
            Some(folder) => Self::at(Path::new(&folder)),
            None => Self::current(&usual_folder().ok_or("this user has no home folder")?),
        }
    }

    /// The one that the file `current` in this folder names.
    fn current(folder: &Path) -> Result<Self, String> {
        let missing = || {
            format!(
                "there is no guest image in {}; run `cargo xtask guest-image` in the sources of aic, or name a folder that has one with AIC_GUEST_IMAGE",
                folder.display()
            )
        };
        let name = fs::read_to_string(folder.join("current")).map_err(|_| missing())?;
        let plain = !name.trim().is_empty() && name.trim().chars().all(|c| c.is_ascii_hexdigit());
        if plain { Self::at(&folder.join(name.trim())) } else { Err(missing()) }
    }

    pub(crate) fn at(folder: &Path) -> Result<Self, String> {
        let sums = fs::read_to_string(folder.join("SHA256SUMS")).map_err(|error| {
            format!("{}: no guest image ({error}); run `cargo xtask guest-image`", folder.display())
        })?;
        // qemu is started elsewhere.
        let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder, sums, checked: OnceLock::new() })
    }

    /// What a cached probe of it depends on.
    pub(crate) fn key(&self) -> String {
        Digest::of(&self.sums).short()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    pub(crate) fn busybox(&self) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join("busybox"))
    }

    /// The names under which busybox is called.
    pub(crate) fn applets(&self) -> io::Result<Vec<String>> {
        let plain = |name: &&str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        Ok(fs::read_to_string(self.folder.join("applets"))?.lines().filter(plain).map(str::to_owned).collect())
    }

    /// Compares the files with their sums, once in this object's life.
    pub(crate) fn check(&self) -> io::Result<()> {
        let checked = self.checked.get_or_init(|| {
            for name in FILES {
                let path = self.folder.join(name);
                let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let line = format!("{}  {name}", Digest::of(bytes));
                if !self.sums.lines().any(|sum| sum == line) {
                    return Err(format!("{} is not what was made; run `cargo xtask guest-image`", path.display()));
                }
            }
            Ok(())
        });
        checked.clone().map_err(io::Error::other)
    }
}

/// Where images are kept: `guest-image` in the user's cache folder for `aic`.
fn usual_folder() -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let home = || std::env::var_os("HOME").map(PathBuf::from).and_then(absolute).map(|home| home.join(".cache"));
    Some(cache.or_else(home)?.join("aic/guest-image"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_changed_is_refused_and_a_missing_one_says_what_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let why = GuestImage::current(folder.path()).unwrap_err();
        assert!(why.contains("cargo xtask guest-image"), "{why}");
        let image = folder.path().join("ab12");
        fs::create_dir(&image).unwrap();
        fs::write(folder.path().join("current"), "ab12\n").unwrap();
        let mut sums = String::new();
        for name in FILES {
            fs::write(image.join(name), format!("{name}\n../up\nls\n")).unwrap();
            sums.push_str(&format!("{}  {name}\n", Digest::of(format!("{name}\n../up\nls\n"))));
        }
        fs::write(image.join("SHA256SUMS"), &sums).unwrap();
        let found = GuestImage::current(folder.path()).unwrap();
        found.check().unwrap();
        assert_eq!(found.applets().unwrap(), ["applets", "ls"]);
        fs::write(image.join("vmlinuz"), "another").unwrap();
        assert!(GuestImage::at(&image).unwrap().check().unwrap_err().to_string().contains("vmlinuz"));
    }

    #[test]
    fn a_current_image_cannot_lead_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("current"), "../../etc").unwrap();
        assert!(GuestImage::current(folder.path()).is_err());
    }
}
