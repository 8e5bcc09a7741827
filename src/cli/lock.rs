//! `aic lock`: looks at what the MCP servers of a spec offer, and writes down that somebody has looked.

use super::{COULD_NOT_RUN, Context, FINDINGS, FINE, Format};
use crate::host::script_host;
use crate::output::{Style, harmless};
use crate::report::json;
use crate::session::{Session, Tested};
use crate::workspace::Target;
use aic_engine::{Lock, RunOptions};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The spec, or its folder
    #[arg(default_value = ".")]
    spec: PathBuf,
    /// Only look: exit code 1 where a server offers something else than what was locked
    #[arg(long)]
    check: bool,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    let (workspace, spec) = match Target::one(&args.spec) {
        Ok(target) => target,
        Err(error) => return context.could_not_run(error),
    };
    let session = Session::new(workspace.clone(), spec.clone(), None, script_host());
    let loaded = session.load(None);
    let container = match session.container(&loaded) {
        Ok(container) => container,
        Err(refusal) => {
            let tested = Tested { loaded, version: None, result: Err(refusal), unkept: None, whole: false };
            if let Err(refusal) = &tested.result {
                super::test::refused(context, &workspace, &tested, refusal);
            }
            return COULD_NOT_RUN;
        }
    };
    let options = RunOptions { cancel: context.cancel.clone(), ..RunOptions::live(workspace.root.clone()) };
    let lists = container.tool_lists(&options).await;
    let mut lock: Lock = container.lock().clone();
    let (mut changed, mut failed, mut rows) = (false, None, Vec::new());
    for (server, list) in lists {
        let list = match list {
            Ok(list) => list,
            Err(why) => {
                failed.get_or_insert(why);
                continue;
            }
        };
        let locked = lock.get(spec.as_str(), &server);
        let difference = match locked {
            None => Some("not locked yet".to_owned()),
            Some(locked) => locked.difference(&list),
        };
        changed |= difference.is_some();
        if context.format == Format::Human {
            let count = crate::report::count(list.tools.len(), "tool");
            let style = if difference.is_some() { Style::Warn } else { Style::Good };
            let said = difference.clone().unwrap_or_else(|| "as locked".into());
            let said = context.out.styled(style, harmless(&said));
            context.out.line(format_args!("{}: {count}, {} · {said}", harmless(&server), list.digest().short()));
            // Whoever locks a list vouches for these words.
            for name in list.tools.keys() {
                context.out.line(format_args!("    {}", harmless(name)));
                let said = list.said.get(name).map(String::as_str).unwrap_or_default();
                for line in said.lines().filter(|line| !line.trim().is_empty()) {
                    context.out.line(context.out.styled(Style::Dim, format_args!("      {}", harmless(line))));
                }
            }
        }
        rows.push(json!({ "server": server, "digest": list.digest().to_string(), "tools": list.tools, "descriptions": list.said, "difference": difference }));
        lock.put(spec.as_str(), &server, list);
    }
    if let Some(why) = failed {
        return context.could_not_run(why);
    }
    if rows.is_empty() && context.format == Format::Human {
        context.out.line("the spec has no MCP servers: there is nothing to lock");
    }
    if context.format == Format::Json {
        json::write(
            &mut context.out,
            json!({ "servers": rows, "changed": changed, "written": changed && !args.check }),
        );
    }
    if changed && args.check {
        return FINDINGS;
    }
    if changed {
        let path = workspace.root.join("aic.lock");
        if let Err(error) = write(&path, &lock.text()) {
            return context.could_not_run(format_args!("{}: {error}", path.display()));
        }
        if context.format == Format::Human {
            context.out.line(context.out.styled(Style::Dim, "written to aic.lock: look at it, and commit it"));
        }
    }
    FINE
}

/// Never half a file: what is locked is what runs depend on.
fn write(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.as_file().sync_all()?;
    #[cfg(unix)]
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
