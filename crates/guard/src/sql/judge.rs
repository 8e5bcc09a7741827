//! The judgement of one SQL statement on its parsed tree: may a tool with these permissions run it?
//!
//! What is not understood is denied. Names of common table expressions count as such only where the database would read
//! them so, and never as the target of a write.

use super::functions::FUNCTIONS;
use super::tokens::Reading;
use super::{Dialect, parse, postgres};
use crate::distance::nearest;
use aic_base::Span;
use sqlparser::ast::{
    AlterTableOperation, ArrayElemTypeDef, BinaryOperator, CascadeOption, ColumnDef, ColumnOption, DataType,
    DropBehavior, Expr, FromTable, Insert, ObjectName, ObjectType, OnInsert, Query, RenameTableNameKind, Select,
    SelectItem, SetExpr, SqliteOnConflict, Statement, TableConstraint, TableFactor, TableObject, TableWithJoins,
    Truncate, TypedString, Visit as _, Visitor,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What a tool may do in a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SqlPolicy {
    /// The verbs it may use, in any case.
    pub verbs: Vec<String>,
    /// The tables it may name; none means any but those of the system.
    pub tables: Option<Vec<String>>,
    /// The functions it may call; none means [`crate::sql::default_functions`].
    pub functions: Option<Vec<String>>,
}

/// A statement that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its verb, in upper case: what it does in the end (`DELETE` for `WITH … DELETE`).
    pub verb: String,
    /// The tables it names, in lower case, without common table expressions.
    pub tables: Vec<String>,
    /// Whether it changes nothing.
    pub reads_only: bool,
}

/// Why a statement may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// In one sentence, with what would be allowed.
    pub reason: String,
    /// The bytes of the statement that are to blame, where they are known.
    pub span: Option<Span>,
}

fn denied<T>(reason: impl Into<String>) -> Result<T, Denied> {
    Err(Denied { reason: reason.into(), span: None })
}

/// Verbs that a policy can allow at all; everything else (`ATTACH`, `PRAGMA`, `COPY`, `PREPARE`, triggers…) never runs.
const VERBS: [&str; 9] = ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP", "TRUNCATE"];

/// Judges a text that must be exactly one statement. PostgreSQL's is judged in its [`super::plain`] spelling, and must be
/// sent in it.
///
/// # Errors
/// [`Denied`], if it does not parse, is more than one statement, or does anything the policy does not allow.
pub fn judge_statement(sql: &str, policy: &SqlPolicy, dialect: Dialect) -> Result<Judged, Denied> {
    if sql.contains('\0') {
        return denied("the statement holds a NUL character, which ends it early in some databases");
    }
    let readings: Vec<_> =
        Reading::of(sql).into_iter().map(|reading| (reading, super::tokens::statements(sql, reading))).collect();
    if readings.iter().any(|(reading, tokens)| reading.comment_code && *tokens != readings[0].1) {
        return denied("`/*! … */` is a comment to some databases and code to others: leave it out");
    }
    if dialect == Dialect::Generic && readings.iter().any(|(_, tokens)| kinds(tokens) != kinds(&readings[0].1)) {
        return denied(
            "the statement's strings or comments mean different things to different databases: write it without backslashes, `#` and nested comments",
        );
    }
    let plain = match dialect {
        Dialect::Postgres => {
            Some(postgres::plain(sql).or_else(|why| denied(format!("the statement is denied because {why}")))?.text)
        }
        _ => None,
    };
    let sql = plain.as_deref().unwrap_or(sql);
    let statements = parse(sql, dialect).or_else(|why| {
        // Of what never runs it does not matter whether it is written well.
        let first = readings.first().and_then(|(_, all)| all.first()?.first()?.word()).map(str::to_uppercase);
        let never = first.filter(|word| OTHER_VERBS.contains(&&**word) && !VERBS.contains(&&**word));
        denied(match never {
            Some(verb) => format!("{verb} statements are never permitted"),
            None => format!("the statement is denied because {why}"),
        })
    })?;
    let [statement] = statements.as_slice() else {
        return denied(match statements.len() {
            0 => "there is no statement".to_owned(),
            many => format!("one statement is allowed at a time, and these are {many}"),
        });
    };
    let mut judge =
        Judge { policy, dialect, scopes: Vec::new(), tables: BTreeSet::new(), verbs: Vec::new(), functions: 0 };
    if let ControlFlow::Break(reason) = statement.visit(&mut judge) {
        return denied(*reason);
    }
    let found = verbs_of(statement);
    for verb in found.iter().chain(&judge.verbs) {
        judge.allow_verb(verb)?;
    }
    let verb = main_verb(statement);
    let reads_only = found.iter().chain(&judge.verbs).all(|verb| *verb == "SELECT");
    Ok(Judged { verb: verb.to_owned(), tables: judge.tables.into_iter().collect(), reads_only })
}

fn kinds(statements: &[Vec<super::tokens::Token>]) -> Vec<Vec<&super::tokens::TokenKind>> {
    statements.iter().map(|tokens| tokens.iter().map(|token| &token.kind).collect()).collect()
}

/// The verbs of a statement and of those inside it, in the order in which they are carried out.
pub(super) fn verbs_of(statement: &Statement) -> Vec<&'static str> {
    struct Verbs(Vec<&'static str>);
    impl Visitor for Verbs {
        type Break = ();
        fn post_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
            match statement {
                Statement::Explain { .. } => {}
                Statement::Query(query) if writes(&query.body) => {}
                other => self.0.push(own_verb(other)),
            }
            ControlFlow::Continue(())
        }
    }
    let mut verbs = Verbs(Vec::new());
    let _ = statement.visit(&mut verbs);
    verbs.0
}

/// As [`verbs_of`], with what a reading verb changes all the same (`SELECT … INTO`, and locks aside).
pub(super) fn effects_of(statement: &Statement) -> Vec<&'static str> {
    struct Into(bool);
    impl Visitor for Into {
        type Break = ();
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            self.0 |= select.into.is_some();
            ControlFlow::Continue(())
        }
    }
    let mut into = Into(false);
    let _ = statement.visit(&mut into);
    let mut verbs = verbs_of(statement);
    if into.0 {
        verbs.push("CREATE");
    }
    verbs
}

/// Whether a query's body is a statement of its own (`WITH … DELETE`).
fn writes(body: &SetExpr) -> bool {
    matches!(body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_))
}

fn main_verb(statement: &Statement) -> &'static str {
    match statement {
        Statement::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) | SetExpr::Merge(inner) => {
                own_verb(inner)
            }
            _ => "SELECT",
        },
        Statement::Explain { statement, .. } => match statement.as_ref() {
            Statement::Query(query) if !writes(&query.body) => "SELECT",
            inner => own_verb(inner),
        },
        other => own_verb(other),
    }
}

fn own_verb(statement: &Statement) -> &'static str {
    match statement {
        Statement::Query(_) => "SELECT",
        Statement::Insert(insert) if replaces(insert) => "REPLACE",
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Merge(_) => "MERGE",
        Statement::CreateTable(_) | Statement::CreateIndex(_) | Statement::CreateView(_) => "CREATE",
        Statement::AlterTable(_) => "ALTER",
        Statement::Drop { object_type: ObjectType::Table | ObjectType::Index | ObjectType::View, .. } => "DROP",
        Statement::Truncate(_) => "TRUNCATE",
        Statement::Explain { .. } => "EXPLAIN",
        other => {
            // Everything else goes by its first word, which no policy can allow unless it is a verb above.
            let text = other.to_string();
            let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("").to_ascii_uppercase();
            OTHER_VERBS.into_iter().find(|verb| **verb == *first).unwrap_or("OTHER")
        }
    }
}

/// Verbs that are named in a refusal, and seen by conditions; the ones a policy can allow are spelled so that they differ.
const OTHER_VERBS: [&str; 27] = [
    "ATTACH",
    "DETACH",
    "PRAGMA",
    "VACUUM",
    "COPY",
    "PREPARE",
    "EXECUTE",
    "DEALLOCATE",
    "CALL",
    "DO",
    "SET",
    "GRANT",
    "REVOKE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "BEGIN",
    "START",
    "LOCK",
    "ANALYZE",
    "USE",
    "SHOW",
    "LOAD",
    "RENAME",
    "CREATE",
    "DROP",
    "ALTER",
];

fn replaces(insert: &Insert) -> bool {
    insert.replace_into || insert.or == Some(SqliteOnConflict::Replace) || insert.overwrite
}

/// A query's common table expressions, while it is walked.
struct QueryScope {
    names: Vec<String>,
    /// The bodies of the expressions, by address, to know when one begins and ends.
    bodies: Vec<*const Query>,
    /// How many of the names can be seen now.
    visible: usize,
}

struct Judge<'a> {
    policy: &'a SqlPolicy,
    dialect: Dialect,
    scopes: Vec<QueryScope>,
    tables: BTreeSet<String>,
    /// Verbs that parts of the statement need besides the statement's own.
    verbs: Vec<&'static str>,
    functions: usize,
}

type Flow = ControlFlow<Box<String>>;

fn stop(reason: impl Into<String>) -> Flow {
    ControlFlow::Break(Box::new(reason.into()))
}

impl Judge<'_> {
    fn allow_verb(&self, verb: &str) -> Result<(), Denied> {
        let allowed = &self.policy.verbs;
        if VERBS.contains(&verb) && allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(verb)) {
            return Ok(());
        }
        let list = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
        denied(format!("{verb} is not permitted: the tool's permissions are {list}"))
    }

    /// A name as the database compares it.
    fn folded(&self, value: &str, quoted: bool) -> String {
        // PostgreSQL takes quoted names as they are; the others compare without case.
        if quoted && self.dialect == Dialect::Postgres { value.to_owned() } else { value.to_lowercase() }
    }

    fn parts(&self, name: &ObjectName) -> Option<Vec<String>> {
        name.0
            .iter()
            .map(|part| part.as_ident().map(|ident| self.folded(&ident.value, ident.quote_style.is_some())))
            .collect()
    }

    /// Refuses what PostgreSQL would read as a word of its own.
    fn is_name(&self, name: &ObjectName) -> Flow {
        let idents = name.0.iter().filter_map(|part| part.as_ident());
        let reserved =
            idents.filter(|ident| ident.quote_style.is_none()).find(|ident| postgres::is_reserved(&ident.value));
        match reserved.filter(|_| self.dialect == Dialect::Postgres) {
            Some(ident) => {
                stop(format!("`{}` is a word of PostgreSQL's own: quote it where it is a name", shown(&ident.value)))
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// Allows a table, which is no common table expression.
    fn table(&mut self, name: &ObjectName) -> Flow {
        self.is_name(name)?;
        let Some(parts) = self.parts(name) else { return stop("the name of a table is computed") };
        let full = parts.join(".");
        let schema = parts.len().checked_sub(2).and_then(|at| parts.get(at)).map(String::as_str);
        let Some(last) = parts.last() else { return stop("a table has no name") };
        let home = match self.dialect {
            Dialect::Sqlite => "main",
            _ => "public",
        };
        let allowed = match &self.policy.tables {
            Some(list) => list.iter().any(|entry| {
                let entry = entry.to_lowercase();
                entry == full || (entry == *last && parts.len() <= 2 && schema.is_none_or(|schema| schema == home))
            }),
            None => !system_table(&parts),
        };
        if !allowed {
            let list = match &self.policy.tables {
                Some(list) => format!("the tool's tables are {}", list.join(", ")),
                None => "tables of the database's own are denied unless `tables:` names them".to_owned(),
            };
            return stop(format!("the table `{}` is not permitted: {list}", shown(&full)));
        }
        self.tables.insert(full);
        ControlFlow::Continue(())
    }

    /// Whether a name is a common table expression here. Compared as PostgreSQL does, the strictest: what is one to it is
    /// one to the others.
    fn is_cte(&self, name: &ObjectName) -> bool {
        let [part] = name.0.as_slice() else { return false };
        let Some(ident) = part.as_ident() else { return false };
        let wanted = cte_name(&ident.value, ident.quote_style.is_some());
        self.scopes.iter().any(|scope| scope.names.iter().take(scope.visible).any(|name| *name == wanted))
    }

    /// The tables a statement writes to: never common table expressions, whatever their names.
    fn targets(&mut self, tables: &[TableWithJoins]) -> Flow {
        for table in tables {
            match &table.relation {
                TableFactor::Table { name, .. } => self.table(name)?,
                _ => return stop("what is written to must be a plain table"),
            }
        }
        ControlFlow::Continue(())
    }

    /// Allows what changes a table's own columns, and nothing that changes its owner, its triggers or its place.
    fn alteration(&mut self, operation: &AlterTableOperation) -> Flow {
        use AlterTableOperation as Alter;
        match operation {
            Alter::AddColumn { column_def, .. } => {
                referenced(&[], std::slice::from_ref(column_def)).try_for_each(|name| self.table(name))
            }
            Alter::AddConstraint { constraint, .. } => {
                referenced(std::slice::from_ref(constraint), &[]).try_for_each(|name| self.table(name))
            }
            Alter::DropColumn { drop_behavior: Some(DropBehavior::Cascade), .. }
            | Alter::DropConstraint { drop_behavior: Some(DropBehavior::Cascade), .. } => {
                stop("CASCADE reaches what the statement does not name, and is not permitted")
            }
            Alter::RenameTable { table_name } => {
                let (RenameTableNameKind::To(name) | RenameTableNameKind::As(name)) = table_name;
                self.table(name)
            }
            Alter::DropColumn { .. }
            | Alter::DropConstraint { .. }
            | Alter::AlterColumn { .. }
            | Alter::RenameColumn { .. }
            | Alter::RenameConstraint { .. } => ControlFlow::Continue(()),
            _ => stop("ALTER TABLE may change columns and constraints only"),
        }
    }

    fn function(&mut self, name: &ObjectName, table: bool) -> Flow {
        self.functions += 1;
        let Some(parts) = self.parts(name) else { return stop("the name of a function is computed") };
        let full = parts.join(".").to_lowercase();
        let listed = match &self.policy.functions {
            Some(list) => list.iter().any(|entry| entry.eq_ignore_ascii_case(&full)),
            None => !table && FUNCTIONS.contains(&full.as_str()),
        };
        if listed {
            return ControlFlow::Continue(());
        }
        let known = self
            .policy
            .functions
            .as_ref()
            .map_or_else(|| FUNCTIONS.to_vec(), |list| list.iter().map(String::as_str).collect());
        let hint = nearest(&full, known).map(|near| format!(" (`{near}` is)")).unwrap_or_default();
        stop(format!("the function `{}` is not permitted{hint}: `functions:` lists what is", shown(&full)))
    }
}

/// Types whose values are only values. An enumeration needs no cast: a plain string is read as one.
fn is_plain_type(data_type: &DataType) -> bool {
    const PLAIN: [&str; 12] = [
        "money",
        "inet",
        "cidr",
        "macaddr",
        "citext",
        "bpchar",
        "daterange",
        "tsrange",
        "tstzrange",
        "int4range",
        "int8range",
        "numrange",
    ];
    match data_type {
        DataType::Regclass => false,
        DataType::Custom(name, _) => match name.0.as_slice() {
            [only] => only.as_ident().is_some_and(|ident| PLAIN.contains(&ident.value.to_lowercase().as_str())),
            _ => false,
        },
        DataType::Array(
            ArrayElemTypeDef::AngleBracket(inside)
            | ArrayElemTypeDef::SquareBracket(inside, _)
            | ArrayElemTypeDef::Parenthesis(inside),
        ) => is_plain_type(inside),
        _ => true,
    }
}

/// The tables that constraints point to.
fn referenced<'a>(
    constraints: &'a [TableConstraint],
    columns: &'a [ColumnDef],
) -> impl Iterator<Item = &'a ObjectName> {
    let of_columns = columns.iter().flat_map(|column| &column.options).filter_map(|option| match &option.option {
        ColumnOption::ForeignKey(key) => Some(&key.foreign_table),
        _ => None,
    });
    let of_table = constraints.iter().filter_map(|constraint| match constraint {
        TableConstraint::ForeignKey(key) => Some(&key.foreign_table),
        _ => None,
    });
    of_table.chain(of_columns)
}

/// Names come from the statement; a refusal shows a short piece of them only.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn cte_name(value: &str, quoted: bool) -> String {
    if quoted { value.to_owned() } else { value.to_lowercase() }
}

/// Tables and virtual tables of the database's own: catalogues, settings, pages, files.
fn system_table(parts: &[String]) -> bool {
    const SCHEMAS: [&str; 8] =
        ["information_schema", "pg_catalog", "pg_toast", "mysql", "sys", "performance_schema", "sqlite_schema", "temp"];
    const NAMES: [&str; 14] = [
        "dbstat",
        "fsdir",
        "bytecode",
        "tables_used",
        "generate_series",
        "json_each",
        "json_tree",
        "jsonb_each",
        "jsonb_tree",
        "completion",
        "zipfile",
        "csv",
        "dual",
        "information_schema",
    ];
    const PREFIXES: [&str; 6] = ["sqlite_", "pragma_", "pg_", "fts5vocab", "sys_", "stat_"];
    let parts: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
    parts.iter().any(|part| SCHEMAS.contains(&part.as_str()))
        || parts.last().is_some_and(|last| {
            NAMES.contains(&last.as_str()) || PREFIXES[..4].iter().any(|prefix| last.starts_with(prefix))
        })
}

impl Visitor for Judge<'_> {
    type Break = Box<String>;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Flow {
        match statement {
            Statement::Query(_) | Statement::Explain { .. } => ControlFlow::Continue(()),
            Statement::Insert(insert) => {
                if insert.multi_table_insert_type.is_some() {
                    return stop("an INSERT into several tables is not permitted");
                }
                if insert.source.as_ref().is_some_and(|source| !matches!(source.body.as_ref(), SetExpr::Values(_))) {
                    self.verbs.push("SELECT");
                }
                match &insert.on {
                    None => {}
                    Some(OnInsert::OnConflict(conflict))
                        if conflict.action == sqlparser::ast::OnConflictAction::DoNothing => {}
                    Some(_) => self.verbs.push("UPDATE"),
                }
                match &insert.table {
                    TableObject::TableName(name) => self.table(name),
                    _ => stop("what is written to must be a plain table"),
                }
            }
            Statement::Update(update) => {
                if update.from.is_some() || !update.table.joins.is_empty() {
                    self.verbs.push("SELECT");
                }
                if update.or == Some(SqliteOnConflict::Replace) {
                    self.verbs.push("REPLACE");
                }
                self.targets(std::slice::from_ref(&update.table))
            }
            Statement::Delete(delete) => {
                if !delete.tables.is_empty() {
                    return stop("a DELETE from several tables is not permitted");
                }
                if delete.using.is_some() {
                    self.verbs.push("SELECT");
                }
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                self.targets(from)
            }
            Statement::CreateTable(create) => {
                if create.query.is_some() || create.like.is_some() || create.clone.is_some() {
                    self.verbs.push("SELECT");
                }
                if create.location.is_some() || create.external {
                    return stop("a table over files is not permitted");
                }
                if create.inherits.is_some() || create.partition_of.is_some() {
                    return stop("a table that is part of another is not permitted");
                }
                referenced(&create.constraints, &create.columns).try_for_each(|name| self.table(name))?;
                self.table(&create.name)
            }
            Statement::CreateView(view) => {
                self.verbs.push("SELECT");
                self.table(&view.name)
            }
            Statement::CreateIndex(index) => self.table(&index.table_name),
            Statement::AlterTable(alter) => {
                alter.operations.iter().try_for_each(|operation| self.alteration(operation))?;
                self.table(&alter.name)
            }
            Statement::Drop { cascade: true, .. }
            | Statement::Truncate(Truncate { cascade: Some(CascadeOption::Cascade), .. }) => {
                stop("CASCADE reaches what the statement does not name, and is not permitted")
            }
            Statement::Drop {
                object_type: ObjectType::Table | ObjectType::Index | ObjectType::View, names, ..
            } => names.iter().try_for_each(|name| self.table(name)),
            Statement::Truncate(truncate) => {
                truncate.table_names.iter().try_for_each(|target| self.table(&target.name))
            }
            other => stop(format!("{} statements are never permitted", own_verb(other))),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        if let Some(parent) = self.scopes.last_mut()
            && let Some(index) = parent.bodies.iter().position(|body| std::ptr::eq(*body, query))
        {
            parent.visible = parent.visible.max(index);
        }
        let mut scope = QueryScope { names: Vec::new(), bodies: Vec::new(), visible: 0 };
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                scope.names.push(cte_name(&cte.alias.name.value, cte.alias.name.quote_style.is_some()));
                scope.bodies.push(std::ptr::from_ref::<Query>(&cte.query));
            }
            if with.recursive {
                scope.visible = scope.names.len();
            }
        }
        self.scopes.push(scope);
        if !query.locks.is_empty() {
            self.verbs.push("UPDATE");
        }
        if query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
            || query.for_clause.is_some()
        {
            return stop("the query has clauses that are not judged");
        }
        let mut bodies = vec![query.body.as_ref()];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([left.as_ref(), right.as_ref()]),
                SetExpr::Table(_) => return stop("write `SELECT * FROM …` in place of `TABLE …`"),
                SetExpr::Select(_) => self.verbs.push("SELECT"),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> Flow {
        self.scopes.pop();
        if let Some(parent) = self.scopes.last_mut()
            && let Some(index) = parent.bodies.iter().position(|body| std::ptr::eq(*body, query))
        {
            parent.visible = parent.visible.max(index + 1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        if select.into.is_some() {
            return stop("SELECT … INTO makes a table and is not permitted");
        }
        let string = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.quote_style == Some('\''));
        if self.dialect == Dialect::Postgres && select.projection.iter().any(string) {
            // To PostgreSQL `regproc 'x'` is a cast, and no column under another name.
            return stop("a cast to a type of the database's own is not permitted");
        }
        if !select.lateral_views.is_empty() || !select.connect_by.is_empty() || select.value_table_mode.is_some() {
            return stop("the query has clauses that are not judged");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.function(name, true)
            }
            TableFactor::Table { json_path: Some(_), .. } | TableFactor::Table { version: Some(_), .. } => {
                stop("the table has clauses that are not judged")
            }
            TableFactor::Table { name, .. } if self.is_cte(name) => self.is_name(name),
            TableFactor::Table { name, .. } => self.table(name),
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } | TableFactor::UNNEST { .. } => {
                ControlFlow::Continue(())
            }
            _ => stop("only tables, joins and subqueries may stand in FROM"),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::Function(function) => self.function(&function.name, false),
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. })
                if !is_plain_type(data_type) =>
            {
                stop("a cast to a type of the database's own is not permitted")
            }
            Expr::BinaryOp { op: BinaryOperator::PGCustomBinaryOperator(_), .. } => {
                stop("`OPERATOR(…)` is not permitted: write the operator itself")
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests;
