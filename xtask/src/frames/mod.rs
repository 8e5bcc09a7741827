//! `cargo xtask frames [--check] [--aic PATH] [NAME…]`: renders the pictures of the docs from the running program.
//!
//! Each scene of `scenes.rs` is played by the real program on a terminal of its own, on a copy of a sample, and the screen
//! it ends with becomes `docs/images/NAME.svg`. Names choose among the scenes; `--aic` takes a program that is built
//! already, else this builds it.
//!
//! `--check` writes nothing and fails where a picture shows something else than the program does. What differs from run
//! to run is masked: durations, times of day, dates, digests, and the curves of the charts; `compare.rs` says exactly
//! what counts.

mod compare;
mod glyphs;
mod pty;
mod scene;
mod scenes;
mod shapes;
mod svg;

use crate::say;
use scene::Scene;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const USAGE: &str = "usage: cargo xtask frames [--check] [--aic PATH] [NAME…]";

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let wanted = Wanted::read(arguments)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace above xtask")?;
    let aic = match wanted.aic {
        Some(path) => fs::canonicalize(&path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => build()?,
    };
    let images = root.join("docs/images");
    fs::create_dir_all(&images).map_err(|error| format!("{}: {error}", images.display()))?;
    // What the program compiles once is kept, so that no picture is of the first start on a machine.
    let cache = beside("frames-cache")?;
    let samples = root.join("sample-specs");
    scene::warm_up(&aic, &samples, &cache)?;
    let mut stale = Vec::new();
    for scene in wanted.scenes {
        let screen = scene::play(scene, &aic, &samples, &cache).map_err(|why| format!("{}: {why}", scene.name))?;
        let window = format!("{} — aic", scene.sample);
        let new = svg::picture(&screen, scene.palette, scene.title, &window);
        let path = images.join(format!("{}.svg", scene.name));
        let shown = format!("docs/images/{}.svg ({} kB)", scene.name, new.len().div_ceil(1000));
        if !wanted.check {
            fs::write(&path, new).map_err(|error| format!("{}: {error}", path.display()))?;
            say(&shown);
            continue;
        }
        let difference = match fs::read_to_string(&path) {
            Ok(old) => compare::difference(&old, &new),
            Err(error) => Some(error.to_string()),
        };
        match difference {
            None => say(&format!("{shown}: up to date")),
            Some(why) => stale.push(format!("docs/images/{}.svg: {why}", scene.name)),
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("not what the program shows now; run `cargo xtask frames`:\n  {}", stale.join("\n  ")))
}

/// What the command line asks for.
struct Wanted {
    check: bool,
    aic: Option<PathBuf>,
    scenes: Vec<&'static Scene>,
}

impl Wanted {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut wanted = Self { check: false, aic: None, scenes: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--check" => wanted.check = true,
                "--aic" => wanted.aic = Some(arguments.next().ok_or(USAGE)?.into()),
                flag if flag.starts_with('-') => return Err(USAGE.into()),
                name => {
                    let names = || scenes::SCENES.iter().map(|scene| scene.name).collect::<Vec<_>>().join(", ");
                    let scene = scenes::SCENES.iter().find(|scene| scene.name == name);
                    wanted.scenes.push(scene.ok_or_else(|| format!("no scene `{name}`: {}", names()))?);
                }
            }
        }
        if wanted.scenes.is_empty() {
            wanted.scenes = scenes::SCENES.iter().collect();
        }
        Ok(wanted)
    }
}

/// Builds the program beside this one, and says where it is.
fn build() -> Result<PathBuf, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "aicontainer", "--bin", "aic"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // What `cargo run` says of this program is not true of that one, and makes some build scripts run again.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err("the program does not build".into());
    }
    beside("aic")
}

/// A name in the folder in which cargo put this program.
fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    Ok(own.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Wanted, String> {
        Wanted::read(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_choose_among_the_scenes_and_no_names_mean_all() {
        assert_eq!(read(&[]).unwrap().scenes.len(), scenes::SCENES.len());
        let wanted = read(&["--check", "--aic", "x/aic", "rollback"]).unwrap();
        assert!(wanted.check && wanted.aic == Some("x/aic".into()));
        assert_eq!(wanted.scenes.iter().map(|scene| scene.name).collect::<Vec<_>>(), ["rollback"]);
        assert!(read(&["no-such"]).err().unwrap().contains("first-look"));
        assert!(read(&["--chek"]).is_err() && read(&["--aic"]).is_err());
    }

    #[test]
    fn every_scene_has_a_name_of_its_own_and_a_sample_that_is_there() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-specs");
        for (at, scene) in scenes::SCENES.iter().enumerate() {
            assert!(samples.join(scene.sample).is_dir(), "{}", scene.name);
            assert!(scenes::SCENES[..at].iter().all(|other| other.name != scene.name), "{}", scene.name);
        }
    }

    #[test]
    fn the_pictures_of_the_readme_are_scenes_shown_by_relative_paths() {
        let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
        let pictures: Vec<&str> = readme.split("![").skip(1).collect();
        assert!(!pictures.is_empty());
        for picture in pictures {
            let (alt, rest) = picture.split_once("](").unwrap();
            let (path, _) = rest.split_once(')').unwrap();
            let name = path.strip_prefix("docs/images/").and_then(|name| name.strip_suffix(".svg"));
            assert!(scenes::SCENES.iter().any(|scene| Some(scene.name) == name), "{path}");
            assert!(!alt.is_empty() && !alt.contains('\n'), "{path} has no words for those who do not see it");
        }
    }
}
