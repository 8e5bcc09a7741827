//! Writing a file the careful way: a new one beside it with the same mode, renamed over it; never over what somebody
//! else wrote meanwhile.

use crate::tui::message::NotSaved;
use aic_base::Digest;
use std::io::Write as _;
use std::path::Path;

/// Writes a text into a file, if the file still is what `base` says, or the same text already.
pub fn save(path: &Path, text: &str, base: Option<Digest>) -> Result<Digest, NotSaved> {
    let failed = |error: std::io::Error| NotSaved::Failed(error.to_string());
    // A link stays a link: what it leads to is written.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let new = Digest::of(text);
    match std::fs::read(&real) {
        Ok(bytes) => {
            let now = Digest::of(&bytes);
            if now == new {
                return Ok(new);
            }
            if base.is_some_and(|base| base != now) {
                return Err(NotSaved::Changed(String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let folder = real.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".aic-save-").suffix("~").tempfile_in(folder).map_err(failed)?;
    if let Ok(meta) = real.metadata() {
        file.as_file().set_permissions(meta.permissions()).map_err(failed)?;
    }
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(&real).map_err(|error| failed(error.error))?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_its_link() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.yml"), folder.path().join("link.yml"));
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real.yml", &link).unwrap();
        assert_eq!(save(&link, "new", Some(Digest::of("old"))), Ok(Digest::of("new")));
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn what_somebody_else_wrote_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yml");
        std::fs::write(&path, "theirs").unwrap();
        assert_eq!(save(&path, "mine", Some(Digest::of("old"))), Err(NotSaved::Changed("theirs".into())));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(save(&path, "theirs", Some(Digest::of("old"))), Ok(Digest::of("theirs")));
        assert_eq!(save(&path, "mine", Some(Digest::of("theirs"))), Ok(Digest::of("mine")));
    }
}
