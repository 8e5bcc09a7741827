//! Unpacks an OCI image, a layout folder or an archive of one, into a folder that can be a root file system.
//!
//! The image is somebody else's work: every blob's digest is compared before it is used, names lead nowhere but into the
//! folder (the kernel resolves them with that folder as root), devices and set-user-ID bits are left out, and there are
//! caps on everything. Of the image's settings none is used: what runs, as whom and with what environment is ours to say.

use super::images::{self, Unpacked, Work};
use super::tar::{Archive, What};
use super::workspace::{enter, look, names};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, fchmod, linkat, mkdirat, openat, openat2, symlinkat, unlinkat};
use rustix::io::Errno;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Bytes of all files together, unpacked.
const MOST_BYTES: u64 = 4 << 30;
const MOST_ENTRIES: usize = 500_000;
const MOST_LAYERS: usize = 128;
/// Bytes of an index or a manifest.
const MOST_JSON: u64 = 4 << 20;
/// Indexes in indexes, and folders in folders.
const DEEPEST: usize = 4;
const DEEPEST_FOLDER: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// This image unpacked, in a folder below `home`. It is unpacked if it is not there yet, once for all sandboxes.
///
/// # Errors
/// When the image cannot be read, is none, or is too large.
pub(crate) fn unpacked(image: &Path, home: &Path) -> io::Result<Unpacked> {
    if image.is_dir() {
        return from_layout(image, home);
    }
    let layout = Work::new(home)?;
    open_archive(image, layout.path())?;
    from_layout(layout.path(), home)
}

/// Unpacks one plain archive, such as a guest made of its workspace, into a new folder. Names have no second meaning.
///
/// # Errors
/// When it is none, or more than so many bytes.
pub(crate) fn unpack_archive(from: impl Read, to: &Path, most: u64) -> io::Result<()> {
    fs::create_dir(to)?;
    let mut unpacker = Unpacker { left: most, whiteouts: false, ..Unpacker::new(to)? };
    unpacker.layer(from)
}

/// Takes the index and the blobs out of an archive.
fn open_archive(image: &Path, to: &Path) -> io::Result<()> {
    let mut file = BufReader::new(File::open(image)?);
    let packed = io::BufRead::fill_buf(&mut file)?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> = if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut archive = Archive::new(reader.take(2 * MOST_BYTES));
    let blobs = to.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    for _ in 0..MOST_ENTRIES {
        let Some(entry) = archive.next()? else { return Ok(()) };
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let name = name.trim_start_matches("./");
        let target = match name.strip_prefix("blobs/sha256/") {
            Some(hex) if is_hex(hex) => blobs.join(hex),
            None if name == "index.json" => to.join(name),
            _ => continue,
        };
        if entry.what == What::File {
            io::copy(&mut archive, &mut File::create(target)?)?;
        }
    }
    Err(bad("more entries than an image has"))
}

fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where a blob lies, once it is known to be what its digest says.
fn blob(layout: &Path, digest: &str) -> io::Result<PathBuf> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| is_hex(hex));
    let hex = hex.ok_or_else(|| bad(format!("{digest:?} is no SHA-256 digest")))?;
    let path = layout.join("blobs/sha256").join(hex);
    let mut file = File::open(&path).map_err(|error| io::Error::new(error.kind(), format!("{digest}: {error}")))?;
    let mut hash = Sha256::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => break,
            count => hash.update(bytes.get(..count).unwrap_or_default()),
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == hex { Ok(path) } else { Err(bad(format!("{digest} is another file than it says: sha256:{found}"))) }
}

fn json(path: &Path) -> io::Result<Document> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST_JSON + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST_JSON {
        return Err(bad("an index or manifest of more than 4 MiB"));
    }
    serde_json::from_slice(&text).map_err(|error| bad(format!("an index or manifest: {error}")))
}

fn from_layout(layout: &Path, home: &Path) -> io::Result<Unpacked> {
    let index = layout.join("index.json");
    let mut document = json(&index).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => bad("no OCI image: it has no index.json"),
        _ => error,
    })?;
    let mut name = String::new();
    for _ in 0..DEEPEST {
        if document.manifests.is_empty() {
            break;
        }
        let chosen = choose(&document.manifests)?;
        name = chosen.digest.clone();
        document = json(&blob(layout, &name)?)?;
    }
    let layers = document.layers;
    if layers.is_empty() || layers.len() > MOST_LAYERS || name.is_empty() {
        return Err(bad(format!("{} layers in its manifest", layers.len())));
    }
    let short: String = name.chars().skip("sha256:".len()).take(24).collect();
    if let Some(known) = images::take(home, &short)? {
        return Ok(known);
    }
    let work = Work::new(home)?;
    let room = work.path().join("root");
    fs::create_dir(&room)?;
    let mut unpacker = Unpacker::new(&room)?;
    for layer in &layers {
        let path = blob(layout, &layer.digest)?;
        let file = BufReader::new(File::open(path)?);
        let unpack = match layer.media_type.rsplit(['.', '+']).next() {
            Some("tar") => unpacker.layer(file),
            Some("gzip") => unpacker.layer(flate2::read::MultiGzDecoder::new(file)),
            _ => Err(bad(format!("layers of the kind {:?} are not read; repack them with gzip", layer.media_type))),
        };
        unpack.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", layer.digest)))?;
    }
    // Everybody reads it, whoever programs are.
    fs::set_permissions(&room, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    images::put(home, &short, &room, MOST_BYTES - unpacker.left)
}

/// The manifest for this machine: the only one, or the one that names its platform.
fn choose(all: &[Descriptor]) -> io::Result<&Descriptor> {
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |one: &&Descriptor| {
        one.platform.as_ref().is_some_and(|platform| platform.architecture == here && platform.os == "linux")
    };
    match all {
        [only] => Ok(only),
        _ => all.iter().find(fits).ok_or_else(|| bad(format!("none of its {} images is for linux/{here}", all.len()))),
    }
}

struct Unpacker {
    root: OwnedFd,
    left: u64,
    entries: usize,
    /// Whether some names take away what an earlier layer brought.
    whiteouts: bool,
}

impl Unpacker {
    fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: File::open(root)?.into(), left: MOST_BYTES, entries: 0, whiteouts: true })
    }

    fn layer(&mut self, from: impl Read) -> io::Result<()> {
        // Of padding and headers there may be as much again.
        let mut archive = Archive::new(from.take(2 * MOST_BYTES));
        let mut fresh = HashSet::new();
        while let Some(entry) = archive.next()? {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(bad(format!("more than {MOST_ENTRIES} files")));
            }
            let shown = String::from_utf8_lossy(&entry.name).into_owned();
            let Some((folder, name)) = split(&entry.name)? else { continue };
            self.entry(&entry, &folder, &name, &mut archive, &mut fresh)
                .map_err(|error| io::Error::new(error.kind(), format!("{shown:?}: {error}")))?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &super::tar::Entry,
        folder: &[Vec<u8>],
        name: &[u8],
        archive: &mut impl Read,
        fresh: &mut HashSet<Vec<u8>>,
    ) -> io::Result<()> {
        let parent = self.folder(folder)?;
        let own = |name: &[u8]| [&folder.join(&b'/')[..], b"/", name].concat();
        if self.whiteouts && name == b".wh..wh..opq" {
            for old in names(&parent)? {
                if !fresh.contains(&own(old.as_bytes())) {
                    remove(&parent, &old, 0)?;
                }
            }
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(b".wh.").filter(|_| self.whiteouts) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(bad("it hides a name that is none"));
            }
            return remove(&parent, &c(hidden)?, 0);
        }
        let path = c(name)?;
        let found = look(&parent, &path).ok();
        let is_folder = found.is_some_and(|(kind, _)| kind.is_dir());
        if found.is_some() && !(is_folder && entry.what == What::Folder) {
            remove(&parent, &path, 0)?;
        }
        fresh.insert(own(name));
        match entry.what {
            What::Folder => {
                if !is_folder {
                    mkdirat(&parent, &path, Mode::RWXU)?;
                }
                Ok(fchmod(enter(&parent, &path)?, Mode::from_raw_mode(entry.mode & 0o1777 | 0o700))?)
            }
            What::File => {
                self.left =
                    self.left.checked_sub(entry.size).ok_or_else(|| bad("more bytes than it may be unpacked"))?;
                let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file: File = openat(&parent, &path, how, Mode::RUSR | Mode::WUSR)?.into();
                let copied = io::copy(archive, &mut file)?;
                if copied < entry.size {
                    return Err(bad("it ends in the middle of a file"));
                }
                file.flush()?;
                Ok(fchmod(&file, Mode::from_raw_mode(entry.mode & 0o777 | 0o400))?)
            }
            What::Link => Ok(symlinkat(c(&entry.target)?, &parent, &path)?),
            What::HardLink => {
                let (folder, name) = split(&entry.target)?.ok_or_else(|| bad("a hard link to the root"))?;
                Ok(linkat(self.folder(&folder)?, c(&name)?, &parent, &path, AtFlags::empty())?)
            }
            // Sandboxes have devices of their own.
            What::Other => Ok(()),
        }
    }

    /// Opens a folder below the root, and makes what is missing. Links on the way are followed as the image's own
    /// programs would follow them: with this root.
    fn folder(&self, names: &[Vec<u8>]) -> io::Result<OwnedFd> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut path = b".".to_vec();
        let mut folder = self.root.as_fd().try_clone_to_owned()?;
        for name in names {
            path.extend_from_slice(b"/");
            path.extend_from_slice(name);
            let open = || openat2(&self.root, c(&path)?, how, Mode::empty(), ResolveFlags::IN_ROOT);
            folder = match open() {
                Err(Errno::NOENT) => {
                    let name = c(name)?;
                    match mkdirat(&folder, &name, Mode::from_raw_mode(0o755)) {
                        // A link that leads to nothing: what follows would go through it.
                        Err(Errno::EXIST) => return Err(bad("a folder on its way is a broken link")),
                        made => made?,
                    }
                    open()?
                }
                result => result?,
            };
        }
        Ok(folder)
    }
}

fn c(name: &[u8]) -> Result<CString, Errno> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

/// The folders on the way and the name; nothing for the root itself.
type Place = Option<(Vec<Vec<u8>>, Vec<u8>)>;

fn split(path: &[u8]) -> io::Result<Place> {
    let mut parts = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(bad(format!("{:?} leads out of the image", String::from_utf8_lossy(path)))),
            _ if parts.len() >= DEEPEST_FOLDER => return Err(bad("folders lie too deep in each other")),
            part => parts.push(part.to_vec()),
        }
    }
    Ok(parts.pop().map(|name| (parts, name)))
}

/// Removes a name with all that is below it; one that is not there is gone already.
fn remove(folder: &OwnedFd, name: &CString, depth: usize) -> io::Result<()> {
    if depth > DEEPEST_FOLDER {
        return Err(bad("folders lie too deep in each other"));
    }
    if matches!(name.as_bytes(), b"" | b"." | b"..") {
        return Err(bad("a name that leads elsewhere"));
    }
    match look(folder, name) {
        Ok((kind, _)) if kind.is_dir() => {
            let below = enter(folder, name)?;
            for name in names(&below)? {
                remove(&below, &name, depth + 1)?;
            }
            Ok(unlinkat(folder, name, AtFlags::REMOVEDIR)?)
        }
        Ok(_) => Ok(unlinkat(folder, name, AtFlags::empty())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tar::tests::tar;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    type Made<'a> = (u8, &'a str, &'a str, u32, &'a [u8]);

    fn put(layout: &Path, bytes: &[u8]) -> String {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        fs::write(layout.join("blobs/sha256").join(&hex), bytes).unwrap();
        format!("sha256:{hex}")
    }

    /// A layout with these layers, packed with gzip or not in turns.
    fn layout(layers: &[&[Made<'_>]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for (index, entries) in layers.iter().enumerate() {
            let bytes = tar(entries);
            let (kind, bytes) = if index % 2 == 0 {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(&bytes).unwrap();
                ("application/vnd.oci.image.layer.v1.tar+gzip", packed.finish().unwrap())
            } else {
                ("application/vnd.oci.image.layer.v1.tar", bytes)
            };
            all.push(serde_json::json!({"mediaType": kind, "digest": put(folder.path(), &bytes)}));
        }
        let manifest = put(folder.path(), serde_json::json!({"layers": all}).to_string().as_bytes());
        let index = serde_json::json!({"manifests": [{"digest": manifest}]}).to_string();
        fs::write(folder.path().join("index.json"), index).unwrap();
        folder
    }

    fn unpack(layers: &[&[Made<'_>]]) -> (tempfile::TempDir, io::Result<PathBuf>) {
        let (layout, home) = (layout(layers), tempfile::tempdir().unwrap());
        let root = unpacked(layout.path(), home.path()).map(|image| image.path().to_owned());
        (home, root)
    }

    #[test]
    fn layers_lie_on_each_other_and_whiteouts_take_away() {
        let (_home, root) = unpack(&[
            &[
                (b'5', "bin/", "", 0o755, b""),
                (b'0', "bin/tool", "", 0o4755, b"one"),
                (b'0', "etc/gone", "", 0o644, b"x"),
                (b'0', "old/a", "", 0o644, b"x"),
                (b'0', "old/deep/b", "", 0o644, b"x"),
                (b'2', "lib", "usr/lib", 0o777, b""),
                (b'5', "usr/lib", "", 0o755, b""),
                (b'3', "dev/null", "", 0o666, b""),
            ],
            &[
                (b'0', "old/new", "", 0o644, b"new"),
                (b'0', "old/.wh..wh..opq", "", 0, b""),
                (b'0', "etc/.wh.gone", "", 0, b""),
                (b'0', "lib/late", "", 0o644, b"through the link"),
                (b'1', "bin/same", "bin/tool", 0, b""),
            ],
        ]);
        let root = root.unwrap();
        let read = |name: &str| fs::read_to_string(root.join(name)).ok();
        assert_eq!(read("bin/tool").as_deref(), Some("one"));
        assert_eq!(read("bin/same").as_deref(), Some("one"));
        assert_eq!(fs::metadata(root.join("bin/tool")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!([read("etc/gone"), read("old/a"), read("old/deep/b")], [None, None, None]);
        assert_eq!(read("old/new").as_deref(), Some("new"));
        assert_eq!(read("usr/lib/late").as_deref(), Some("through the link"));
        assert!(!root.join("dev/null").exists());
    }

    #[test]
    fn names_and_links_lead_nowhere_but_into_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let out = outside.path().to_str().unwrap();
        for name in ["../evil", "a/../../evil", "/../evil"] {
            let (_home, root) = unpack(&[&[(b'0', name, "", 0o644, b"x")]]);
            assert!(root.unwrap_err().to_string().contains("leads out"), "{name}");
        }
        // Through a link that points out: the same path, but below the root.
        let (_home, root) = unpack(&[&[(b'2', "way", out, 0o777, b""), (b'0', "way/evil", "", 0o644, b"x")]]);
        assert!(root.is_err());
        let up = "../".repeat(20) + out.trim_start_matches('/');
        let (_home, root) = unpack(&[&[
            (b'5', &out[1..], "", 0o755, b""),
            (b'2', "way", &up, 0o777, b""),
            (b'0', "way/evil", "", 0o644, b"x"),
        ]]);
        assert_eq!(fs::read(root.unwrap().join(&out[1..]).join("evil")).unwrap(), b"x");
        // A file over a link replaces the link.
        let file = outside.path().join("file");
        fs::write(&file, "kept").unwrap();
        let entries: &[Made<'_>] = &[(b'2', "f", file.to_str().unwrap(), 0o777, b""), (b'0', "f", "", 0o644, b"new")];
        let (_home, root) = unpack(&[entries]);
        assert_eq!(fs::read(root.unwrap().join("f")).unwrap(), b"new");
        // A hard link takes the link itself, not what it points at.
        let (_home, root) = unpack(&[&[(b'2', "f", file.to_str().unwrap(), 0, b""), (b'1', "g", "f", 0, b"")]]);
        assert!(fs::symlink_metadata(root.unwrap().join("g")).unwrap().is_symlink());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read(&file).unwrap(), b"kept");
    }

    #[test]
    fn a_whiteout_that_names_the_folder_itself_or_the_one_above_is_refused_and_removes_nothing() {
        for name in ["a/.wh...", "a/.wh..", "a/.wh.", ".wh..."] {
            let (layout, home) = (layout(&[&[(b'0', name, "", 0, b"")]]), tempfile::tempdir().unwrap());
            fs::create_dir(home.path().join("other")).unwrap();
            let error = unpacked(layout.path(), home.path()).unwrap_err();
            assert!(error.to_string().contains("hides a name that is none"), "{name}: {error}");
            assert!(home.path().join("other").is_dir(), "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        assert!(remove(&File::open(&below).unwrap().into(), &c"..".to_owned(), 0).is_err() && below.is_dir());
    }

    #[test]
    fn a_blob_that_is_not_what_its_digest_says_is_refused() {
        let layout = layout(&[&[(b'0', "a", "", 0o644, b"x")]]);
        for entry in fs::read_dir(layout.path().join("blobs/sha256")).unwrap().flatten() {
            let home = tempfile::tempdir().unwrap();
            let good = fs::read(entry.path()).unwrap();
            let mut changed = good.clone();
            *changed.last_mut().unwrap() ^= 1;
            fs::write(entry.path(), &changed).unwrap();
            assert!(unpacked(layout.path(), home.path()).unwrap_err().to_string().contains("another file"));
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left");
            fs::write(entry.path(), &good).unwrap();
        }
    }

    #[test]
    fn an_archive_is_as_good_as_a_layout_and_is_unpacked_once() {
        let layout = layout(&[&[(b'0', "bin/sh", "", 0o755, b"x")]]);
        let index = fs::read(layout.path().join("index.json")).unwrap();
        let blobs: Vec<(String, Vec<u8>)> = fs::read_dir(layout.path().join("blobs/sha256"))
            .unwrap()
            .flatten()
            .map(|entry| {
                (format!("./blobs/sha256/{}", entry.file_name().to_str().unwrap()), fs::read(entry.path()).unwrap())
            })
            .collect();
        let mut entries: Vec<Made<'_>> =
            vec![(b'0', "index.json", "", 0o644, &index), (b'0', "../blobs/sha256/evil", "", 0o644, b"x")];
        entries.extend(blobs.iter().map(|(name, bytes)| (b'0', name.as_str(), "", 0o644, bytes.as_slice())));
        let home = tempfile::tempdir().unwrap();
        let archive = home.path().join("image.tar");
        fs::write(&archive, tar(&entries)).unwrap();
        let image = unpacked(&archive, home.path()).unwrap();
        let root = image.path();
        fs::write(root.join("mark"), "").unwrap();
        assert_eq!(unpacked(layout.path(), home.path()).unwrap().path(), root);
        assert!(root.join("mark").exists() && root.join("bin/sh").exists());
    }

    #[test]
    fn what_is_no_image_says_so() {
        let home = tempfile::tempdir().unwrap();
        let why = |path: &Path| unpacked(path, home.path()).unwrap_err().to_string();
        assert!(why(home.path()).contains("index.json"));
        fs::write(home.path().join("text"), vec![b'x'; 2000]).unwrap();
        assert!(why(&home.path().join("text")).contains("no tar archive"));
        let zstd = tempfile::tempdir().unwrap();
        let layer = put(zstd.path(), b"x");
        let kind = "application/vnd.oci.image.layer.v1.tar+zstd";
        let manifest = serde_json::json!({"layers": [{"mediaType": kind, "digest": layer}]}).to_string();
        let manifest = put(zstd.path(), manifest.as_bytes());
        let index = serde_json::json!({"manifests": [{"digest": manifest}]}).to_string();
        fs::write(zstd.path().join("index.json"), index).unwrap();
        assert!(why(zstd.path()).contains("repack"));
    }
}
