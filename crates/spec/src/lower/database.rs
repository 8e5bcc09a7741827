//! `run.sql`: which database a tool asks, and the password it shows.

use crate::codes::{BAD_TOOL, BAD_VALUE, SECRET};
use crate::cx::{Cx, Doc};
use crate::tree::Node;
use crate::typed::Database;
use crate::words::shown;
use aic_guard::Dialect;

/// The variable under `env` that holds PostgreSQL's password, as its own programs call it.
const PASSWORD: &str = "PGPASSWORD";

/// Whose SQL a database speaks.
pub(super) const fn dialect(database: &Database) -> Dialect {
    match database {
        Database::Sqlite(_) => Dialect::Sqlite,
        Database::Postgres { .. } => Dialect::Postgres,
    }
}

/// `sqlite:PATH`, or `postgres://USER@HOST:PORT/NAME` with its password under `env`.
pub(super) fn database(cx: &mut Cx<'_>, doc: &Doc, run: &Node) -> Option<Database> {
    let node = run.get("sql")?;
    let text = node.as_str()?;
    let env = run.get("env").map(Node::entries).unwrap_or_default();
    match text.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            if let Some(first) = env.first() {
                let message = "`env` holds a database server's password, and a file has none: remove it";
                cx.report(doc.find(BAD_TOOL, first.key.span, message));
            }
            cx.data_file(doc, node, path).map(Database::Sqlite)
        }
        Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
            address(cx, doc, node, rest);
            for entry in env.iter().filter(|entry| entry.key.text() != Some(PASSWORD)) {
                let name = entry.key.text().unwrap_or_default();
                let message = format!("`{}` is not read: a database takes its password in `{PASSWORD}`", shown(name));
                cx.report(doc.find(BAD_TOOL, entry.key.span, message));
            }
            let password = env.iter().find(|entry| entry.key.text() == Some(PASSWORD));
            if let Some(entry) = password
                && let Some(literal) = entry.value.text().filter(|text| !text.is_empty() && !text.contains("${"))
            {
                if cx.secrets.len() < 200 {
                    cx.secrets.push(literal.to_owned());
                }
                let message = "this is a password, and specs are shared: write `${secret:NAME}`";
                cx.report(doc.find(SECRET, entry.value.span, message));
            }
            let password = password.and_then(|entry| entry.value.text()).map(str::to_owned);
            Some(Database::Postgres { url: text.to_owned(), password })
        }
        _ => {
            let shown: String = shown(text.split(':').next().unwrap_or(""));
            let message = format!(
                "`{shown}` is no database that this version knows: write `sqlite:PATH`, relative to this file, or `postgres://USER@HOST/NAME`"
            );
            cx.report(doc.find(BAD_VALUE, node.span, message));
            None
        }
    }
}

/// What may stand in a server's address: no password, and nothing that the model says.
fn address(cx: &mut Cx<'_>, doc: &Doc, node: &Node, rest: &str) {
    let authority = rest.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| without_templates(user));
    let password = user.is_some_and(|user| user.contains(':'));
    if rest.contains("${args.") {
        let message = "which database a tool asks is the spec's to say: it takes no argument";
        cx.report(doc.find(BAD_TOOL, node.span, message));
    } else if password || rest.split(['?', '&']).skip(1).any(|pair| pair.starts_with("password=")) {
        let message =
            format!("an address holds no password: write `env: {{{PASSWORD}: \"${{secret:NAME}}\"}}` beside `sql`");
        cx.report(doc.find(BAD_TOOL, node.span, message));
    } else if authority.is_empty() && !rest.contains('?') {
        let message = "the address names no server: write `postgres://USER@HOST:PORT/NAME`";
        cx.report(doc.find(BAD_VALUE, node.span, message));
    }
}

/// The text without what `${…}` inserts, which may hold a colon.
fn without_templates(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('}').map_or("", |(_, rest)| rest))
}
