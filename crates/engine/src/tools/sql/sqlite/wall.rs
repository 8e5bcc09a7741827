//! SQLite's authorizer: what a statement really does, against what the spec allows.
//!
//! What the database does by itself (its triggers, what its foreign keys reach, the tables behind a view or a virtual table)
//! was set up by whoever owns it, and runs with what it was given.

use super::super::SqlJob;
use aic_guard::SqlPolicy;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use std::collections::HashSet;
use std::sync::Arc;

/// What virtual tables (full-text search, r-trees) call the tables behind them.
const SHADOWS: [&str; 11] =
    ["_data", "_idx", "_content", "_docsize", "_config", "_segments", "_segdir", "_stat", "_node", "_rowid", "_parent"];

/// What is in a database. All names are in small letters.
#[derive(Debug)]
pub(super) struct Known {
    /// Tables and views, and SQLite's virtual tables.
    tables: HashSet<String>,
    virtuals: HashSet<String>,
    views: HashSet<String>,
    triggers: HashSet<String>,
    /// Tables that point by a foreign key to another, and that other; only writing reaches them.
    keys: Vec<(String, String)>,
}

impl Known {
    /// Looks at the database.
    pub fn of(connection: &Connection, writes: bool) -> rusqlite::Result<Self> {
        let mut known = Self {
            tables: HashSet::new(),
            virtuals: HashSet::new(),
            views: HashSet::new(),
            triggers: HashSet::new(),
            keys: Vec::new(),
        };
        let mut all = connection.prepare(
            "SELECT lower(name), type, sql LIKE 'CREATE VIRTUAL TABLE%' FROM sqlite_schema
             WHERE type IN ('table', 'view', 'trigger')",
        )?;
        let mut all = all.query([])?;
        while let Some(row) = all.next()? {
            let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
            match kind.as_str() {
                "trigger" => known.triggers.insert(name),
                "view" => known.views.insert(name.clone()) && known.tables.insert(name),
                _ => {
                    if row.get::<_, Option<bool>>(2)? == Some(true) {
                        known.virtuals.insert(name.clone());
                    }
                    known.tables.insert(name)
                }
            };
        }
        let mut modules = connection.prepare("SELECT lower(name) FROM pragma_module_list")?;
        for module in modules.query_map([], |row| row.get(0))? {
            known.tables.insert(module?);
        }
        if !writes {
            return Ok(known);
        }
        let mut keys = connection.prepare(
            "SELECT lower(child.name), lower(key.\"table\") FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS key
             WHERE child.type = 'table' AND child.sql NOT LIKE 'CREATE VIRTUAL TABLE%'",
        )?;
        known.keys = keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        Ok(known)
    }

    /// The tables that hang on these by foreign keys, those that hang on them in turn, and those that all of them point to.
    fn tied(&self, named: &HashSet<String>) -> HashSet<String> {
        let mut changed: HashSet<&String> = named.iter().collect();
        loop {
            let before = changed.len();
            let children = self.keys.iter().filter(|(_, parent)| changed.contains(parent)).map(|(child, _)| child);
            changed.extend(children.collect::<Vec<_>>());
            if changed.len() == before {
                break;
            }
        }
        let parents = self.keys.iter().filter(|(child, _)| changed.contains(child)).map(|(_, parent)| parent);
        let children = changed.iter().copied().filter(|child| !named.contains(*child));
        parents.chain(children).cloned().collect()
    }
}

/// What one statement may do. All names are in small letters.
pub(super) struct Wall {
    policy: Arc<SqlPolicy>,
    reads_only: bool,
    /// The statement's own verb.
    verb: String,
    /// The tables and views that the statement names.
    named: HashSet<String>,
    known: Arc<Known>,
    /// What foreign keys reach from the tables that the statement names.
    tied: HashSet<String>,
    /// What was refused first.
    pub refused: Option<String>,
}

impl Wall {
    /// Around the statement of a job, in the database that was looked at.
    pub fn around(known: Arc<Known>, job: &SqlJob) -> Self {
        let last = |name: &String| name.rsplit('.').next().unwrap_or(name).to_lowercase();
        let named: HashSet<String> = job.judged.tables.iter().map(last).collect();
        let tied = if job.judged.reads_only { HashSet::new() } else { known.tied(&named) };
        Self {
            policy: job.policy.clone(),
            reads_only: job.judged.reads_only,
            verb: job.judged.verb.clone(),
            named,
            known,
            tied,
            refused: None,
        }
    }

    pub fn judge(&mut self, context: &AuthContext<'_>) -> Authorization {
        if self.allows(context) || self.by_itself(context) {
            return Authorization::Allow;
        }
        self.refused.get_or_insert_with(|| told(&context.action));
        Authorization::Deny
    }

    /// Whether a name is only the statement's: no table, and no `pragma_…`, which SQLite makes up when it is asked for.
    fn is_own(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        !name.starts_with("pragma_") && !is_system(&name) && !self.known.tables.contains(&name)
    }

    fn table_ok(&self, table: &str) -> bool {
        let listed = |tables: &Vec<String>| {
            let last = |entry: &str| entry.rsplit('.').next().unwrap_or_default().eq_ignore_ascii_case(table);
            tables.iter().any(|entry| last(entry))
        };
        !is_system(table) && self.policy.tables.as_ref().is_none_or(listed)
    }

    fn verb_ok(&self, verb: &str) -> bool {
        !self.reads_only && self.policy.verbs.iter().any(|allowed| allowed.eq_ignore_ascii_case(verb))
    }

    /// Whether the statement changes what tables there are, which SQLite writes into tables of its own.
    fn builds(&self) -> bool {
        ["CREATE", "ALTER", "DROP"].contains(&self.verb.as_str()) && self.verb_ok(&self.verb)
    }

    /// What the spec allows.
    fn allows(&self, context: &AuthContext<'_>) -> bool {
        let its = |table: &str| self.builds() && is_system(table);
        // What is built is filled, and what is dropped is emptied first.
        let builds = |verb: &str, table: &str| self.verb == verb && self.builds() && self.table_ok(table);
        match context.action {
            AuthAction::Select | AuthAction::Recursive => true,
            AuthAction::Read { table_name, .. } => {
                self.table_ok(table_name) || self.is_own(table_name) || its(table_name)
            }
            AuthAction::Insert { table_name } => {
                (self.verb_ok("INSERT") || self.verb_ok("REPLACE")) && self.table_ok(table_name)
                    || its(table_name)
                    || builds("CREATE", table_name)
            }
            AuthAction::Update { table_name, .. } => {
                self.verb_ok("UPDATE") && self.table_ok(table_name) || its(table_name) || builds("ALTER", table_name)
            }
            AuthAction::Delete { table_name } => {
                self.verb_ok("DELETE") && self.table_ok(table_name) || its(table_name) || builds("DROP", table_name)
            }
            AuthAction::CreateTable { table_name } => builds("CREATE", table_name) || its(table_name),
            AuthAction::CreateView { view_name } => builds("CREATE", view_name),
            AuthAction::CreateIndex { table_name, .. } => builds("CREATE", table_name),
            AuthAction::Reindex { .. } => self.builds() && self.verb == "CREATE",
            AuthAction::DropTable { table_name }
            | AuthAction::DropIndex { table_name, .. }
            | AuthAction::DropTrigger { table_name, .. } => builds("DROP", table_name),
            AuthAction::DropView { view_name } => builds("DROP", view_name),
            AuthAction::AlterTable { table_name, .. } => builds("ALTER", table_name),
            AuthAction::Function { function_name } => {
                // The allow-list was the first wall's; these would reach files or code.
                !["load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"]
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(function_name))
            }
            AuthAction::Transaction { operation } => {
                matches!(operation, TransactionOperation::Begin | TransactionOperation::Rollback)
            }
            _ => false,
        }
    }

    /// What the database does by itself.
    fn by_itself(&self, context: &AuthContext<'_>) -> bool {
        let (reads, table) = match context.action {
            AuthAction::Read { table_name, .. } => (true, table_name),
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name } => (false, table_name),
            // With which full-text search looks whether somebody else has written.
            AuthAction::Pragma { pragma_name, pragma_value: None } => {
                return !self.known.virtuals.is_empty() && pragma_name.eq_ignore_ascii_case("data_version");
            }
            _ => return false,
        };
        let table = table.to_ascii_lowercase();
        if is_system(&table) || (self.reads_only && !reads) {
            return false;
        }
        // A name that the first wall took for a common table expression opens nothing.
        let within = |names: &HashSet<String>| {
            context.accessor.is_some_and(|accessor| names.contains(&accessor.to_ascii_lowercase()))
        };
        let of_view = reads && within(&self.known.views) && within(&self.named);
        let of_trigger = !self.reads_only && within(&self.known.triggers);
        let of_key = self.tied.contains(&table) && !matches!(context.action, AuthAction::Insert { .. });
        let behind = SHADOWS.iter().any(|end| {
            let owner = table.strip_suffix(end).filter(|owner| self.known.virtuals.contains(*owner));
            owner.is_some_and(|owner| self.named.contains(owner) && self.table_ok(owner))
        });
        of_view || of_trigger || of_key || behind
    }
}

fn is_system(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
}

fn told(action: &AuthAction<'_>) -> String {
    match action {
        AuthAction::Read { table_name, column_name: "" } => format!("reading `{table_name}`"),
        AuthAction::Read { table_name, column_name } => format!("reading `{table_name}.{column_name}`"),
        AuthAction::Insert { table_name } => format!("inserting into `{table_name}`"),
        AuthAction::Update { table_name, .. } => format!("updating `{table_name}`"),
        AuthAction::Delete { table_name } => format!("deleting from `{table_name}`"),
        AuthAction::Function { function_name } => format!("the function `{function_name}`"),
        AuthAction::CreateTempTable { .. } | AuthAction::CreateTempView { .. } | AuthAction::CreateTempIndex { .. } => {
            "temporary tables end with the call".to_owned()
        }
        _ => "what it does is not permitted".to_owned(),
    }
}
