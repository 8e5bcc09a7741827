//! `cargo xtask guest-image`: makes the image that microVMs start from, out of two packages of Debian's: the kernel for
//! clouds and the static busybox. Nothing is installed; the packages are fetched by `apt-get` and taken apart.
//!
//! An image is a folder named by the hash of its contents, with their sums in it; the file `current` beside it names
//! the one to use. `--to FOLDER` puts it elsewhere, for `AIC_GUEST_IMAGE`; `--if-missing` leaves one that is there.

use crate::say;
use aic_base::Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const KERNEL: &str = "linux-image-cloud-amd64";
const PROGRAMS: &str = "busybox-static";

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (to, only_if_missing) = match words[..] {
        [] => (usual_folder()?, false),
        ["--if-missing"] => (usual_folder()?, true),
        ["--to", folder] => (PathBuf::from(folder), false),
        ["--to", folder, "--if-missing"] => (PathBuf::from(folder), true),
        _ => return Err("usage: cargo xtask guest-image [--to FOLDER] [--if-missing]".into()),
    };
    if !cfg!(target_arch = "x86_64") {
        say("microVMs are driven on x86-64 only; nothing to fetch");
        return Ok(());
    }
    if only_if_missing && fs::read_to_string(to.join("current")).is_ok_and(|name| to.join(name.trim()).is_dir()) {
        say(&format!("there is one in {}", to.display()));
        return Ok(());
    }
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let kernel = take_apart(&real_package(KERNEL)?, work.path())?;
    let programs = take_apart(PROGRAMS, work.path())?;
    let vmlinuz = only_one(&kernel.join("boot"), "vmlinuz-")?;
    let busybox = [programs.join("bin/busybox"), programs.join("usr/bin/busybox")];
    let busybox = busybox.iter().find(|path| path.is_file()).ok_or("the package holds no busybox")?;
    let applets = output(Command::new(busybox).arg("--list"))?;

    let files = [("vmlinuz", read(&vmlinuz)?), ("busybox", read(busybox)?), ("applets", applets)];
    let sums: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", Digest::of(bytes))).collect();
    let name = Digest::of(&sums).short();
    put(&to, &name, &files, &sums).map_err(|error| format!("{}: {error}", to.display()))?;
    let version = vmlinuz.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    say(&format!("{} from {version} and {PROGRAMS}", to.join(name).display()));
    Ok(())
}

/// The folder in which `aic` looks.
fn usual_folder() -> Result<PathBuf, String> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    Ok(cache.ok_or("this user has no home folder; name one with --to")?.join("aic/guest-image"))
}

/// The package behind one that only names the newest.
fn real_package(name: &str) -> Result<String, String> {
    let text = output(Command::new("apt-cache").args(["depends", "--important", name]))?;
    let text = String::from_utf8_lossy(&text);
    let found = text.lines().find_map(|line| line.trim().strip_prefix("Depends: ").map(str::to_owned));
    found.ok_or_else(|| format!("{name} is not known here; run `apt-get update`"))
}

fn take_apart(package: &str, work: &Path) -> Result<PathBuf, String> {
    let folder = work.join(package);
    fs::create_dir(&folder).map_err(|error| error.to_string())?;
    say(&format!("fetching {package}"));
    output(Command::new("apt-get").args(["download", "-q", package]).current_dir(&folder))?;
    let archive = only_one(&folder, package)?;
    output(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&folder))?;
    Ok(folder)
}

fn only_one(folder: &Path, begins: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(begins));
    found.next().map(|entry| entry.path()).ok_or_else(|| format!("{}: there is no {begins}…", folder.display()))
}

fn put(to: &Path, name: &str, files: &[(&str, Vec<u8>)], sums: &str) -> std::io::Result<()> {
    let image = to.join(name);
    fs::create_dir_all(&image)?;
    for (name, bytes) in files {
        fs::write(image.join(name), bytes)?;
    }
    fs::write(image.join("SHA256SUMS"), sums)?;
    // Last, so that what it names is whole.
    fs::write(to.join("current"), format!("{name}\n"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|error| format!("{name}: {error}"))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    Err(format!("{name} failed: {}", String::from_utf8_lossy(&done.stderr).trim()))
}
