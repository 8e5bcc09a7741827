//! `aic init`: a new spec that passes its own tests, in a workspace of its own.

use super::{Context, FINE, Format};
use crate::output::Style;
use crate::report::json;
use crate::workspace::Workspace;
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const SPEC: &str = include_str!("../../templates/init/spec.yml");
const PROMPT: &str = include_str!("../../templates/init/system.md");

#[derive(clap::Args)]
pub struct Args {
    /// The folder, made if it is not there
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The spec's name; the folder's where absent
    #[arg(long)]
    name: Option<String>,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    match make(args) {
        Err(why) => context.could_not_run(why),
        Ok((name, files)) => {
            let folder = args.folder.display();
            match context.format {
                Format::Json => json::write(&mut context.out, json!({ "name": name, "files": files })),
                Format::Human => {
                    let done = context.out.styled(Style::Good, format!("made {name}"));
                    context.out.line(done);
                    files.iter().for_each(|file| context.out.line(format_args!("  {file}")));
                    let cd = if args.folder == Path::new(".") { String::new() } else { format!("cd {folder} && ") };
                    context.out.line(context.out.styled(Style::Dim, format!("next: {cd}aic test")));
                }
            }
            FINE
        }
    }
}

fn make(args: &Args) -> Result<(String, Vec<String>), String> {
    let folder = &args.folder;
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    let full = folder.canonicalize().map_err(|error| at(folder, error))?;
    let given = args.name.clone().or_else(|| full.file_name().map(|name| name.to_string_lossy().into_owned()));
    let name = name_of(&given.unwrap_or_default());
    let files = [
        (".aicontainer.yml", SPEC.replace("NAME", &name)),
        ("prompts/system.md", PROMPT.to_owned()),
        (".gitignore", ".aic/\n".to_owned()),
    ];
    // All or nothing: what is there already is never touched.
    if let Some((taken, _)) = files.iter().take(2).find(|(file, _)| full.join(file).exists()) {
        return Err(format!("{}: there already. Choose another folder, or edit it", folder.join(taken).display()));
    }
    let mut made = Vec::new();
    for (file, text) in &files {
        let path = full.join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| at(parent, error))?;
        }
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            Ok(()) => made.push((*file).to_owned()),
            // A folder of one's own may have a .gitignore; its lines are the owner's.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && *file == ".gitignore" => {}
            Err(error) => return Err(at(&path, error)),
        }
    }
    // The folder becomes a workspace of its own, whatever lies above it.
    std::fs::create_dir_all(full.join(".aic")).map_err(|error| at(&full.join(".aic"), error))?;
    let workspace = Workspace::of(&full).map_err(|error| error.to_string())?;
    workspace.store().map_err(|error| error.to_string())?;
    Ok((name, made))
}

/// A folder's name as a spec's: lower case, digits and hyphens.
fn name_of(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { "my-agent".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_a_name_that_the_language_takes() {
        for (folder, name) in
            [("my-agent", "my-agent"), ("My Agent!", "my-agent"), ("Größe", "gr-e"), ("…", "my-agent")]
        {
            assert_eq!(name_of(folder), name);
        }
    }
}
