//! `confirm_destructive`: requests to delete, drop, overwrite or shut down, in SQL, shell and prose.

use super::Finding;
use super::pattern::{Looked, Pattern, pattern};
use crate::prepared::View;
use crate::sql;
use crate::sql::tokens::{Reading, Token, TokenKind, statements};
use aic_base::Span;

/// Looks for the first thing that would destroy something.
pub(super) fn find(view: View<'_>) -> Option<Finding> {
    let text = view.text;
    let whole = Span::new(0, text.len());
    if view.grams().may_have_one_of(&["drop", "delete", "truncate"])
        && let Some((span, verb)) = in_sql(text)
    {
        return Some(Finding::new(span, format!("the SQL would {verb}"), 1.0));
    }
    if let Some(what) = super::shell::destroys(text, view.grams()) {
        return Some(Finding::new(whole, format!("the command would {what}"), 0.95));
    }
    if super::shell::is_command(text) {
        return None;
    }
    amid_prose(view).or_else(|| in_prose(view)).or_else(|| super::orders::find(view))
}

/// Statements whose verb destroys: DROP, DELETE, TRUNCATE, and ALTER … DROP.
fn in_sql(text: &str) -> Option<(Span, &'static str)> {
    statements(text, Reading::default()).into_iter().find_map(|tokens| {
        let tokens =
            match tokens.iter().position(|token| token.is("delete") || token.is("truncate") || token.is("drop")) {
                // The verb of `WITH … DELETE` and `EXPLAIN ANALYZE DELETE` stands later.
                Some(at) if tokens.first().is_some_and(|token| token.is("with") || token.is("explain")) => {
                    tokens.get(at..)?.to_vec()
                }
                _ => tokens,
            };
        let verb = match tokens.first().and_then(Token::word)? {
            "drop" => "drop what it names",
            "delete" => "delete rows",
            "truncate" => "empty a table",
            "alter"
                if tokens
                    .iter()
                    .enumerate()
                    .any(|(at, token)| token.is("drop") && drops(tokens.get(at + 1..).unwrap_or(&[]))) =>
            {
                "drop a part of it"
            }
            _ => return None,
        };
        let span = tokens.first()?.span.to(tokens.last()?.span);
        (sql::looks_like_statement(&tokens) || parsed(&tokens, text)).then_some((span, verb))
    })
}

/// What an ALTER drops that holds data or guards it.
fn drops(rest: &[Token]) -> bool {
    let word = rest.first().and_then(Token::word).unwrap_or("");
    !matches!(word, "default" | "not" | "expression" | "identity")
}

/// SQL of other dialects that no list of words covers: every word of a short statement in capitals, or one that parses and
/// is not a sentence.
fn parsed(tokens: &[Token], text: &str) -> bool {
    const SENTENCE: [&str; 30] = [
        "the", "a", "an", "my", "me", "your", "our", "all", "every", "this", "that", "these", "those", "please", "i",
        "you", "it", "them", "some", "any", "and", "by", "off", "down", "out", "in", "on", "at", "for", "to",
    ];
    let second = tokens.get(1).and_then(Token::word).unwrap_or("");
    if SENTENCE.contains(&second) || tokens.len() < 2 {
        return false;
    }
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return false };
    let statement = first.span.to(last.span).of(text);
    let shouted = |token: &&Token| token.span.of(text).chars().all(|c| !c.is_lowercase());
    let capitals = tokens.iter().take(2).all(|token| shouted(&token));
    let kinds = [
        "policy",
        "constraint",
        "domain",
        "owned",
        "publication",
        "subscription",
        "foreign",
        "aggregate",
        "operator",
        "cast",
        "rule",
        "server",
        "statistics",
        "event",
        "language",
        "conversion",
        "collation",
        "warehouse",
        "stage",
        "stream",
        "task",
        "pipe",
        "share",
        "integration",
        "connection",
        "package",
        "synonym",
        "assembly",
        "partition",
        "routine",
        "logfile",
        "external",
        "network",
        "resource",
        "file",
        "masking",
        "row",
        "snapshot",
        "vault",
        "model",
        "macro",
        "text",
        "access",
        "transform",
        "catalog",
        "dynamic",
        "undo",
        "spatial",
        "reservation",
        "capacity",
        "assignment",
        "search",
        "vector",
        "if",
    ];
    // TRUNCATE takes the word TABLE or leaves it.
    let emptied = || {
        let tail = ["cascade", "restrict", "restart", "continue", "identity", "only"];
        let plain = |token: &Token| token.kind == TokenKind::Sign(',') || token.word().is_some();
        let closing = tokens.last().is_some_and(|token| tail.iter().any(|word| token.is(word)));
        let listed = tokens.iter().any(|token| token.kind == TokenKind::Sign(','));
        first.is("truncate") && shouted(&first) && tokens.iter().all(plain) && (closing || listed || tokens.len() == 2)
    };
    emptied()
        || (kinds.contains(&second) && (capitals || tokens.len() <= 12))
        || (capitals && tokens.len() <= 30)
        || (second == "from" && sql::parses_as_one(statement))
}

/// SQL and calls of databases inside a sentence: a verb in capitals or a pair of words that prose hardly has, and a name.
static AMID: Pattern = pattern!(
    r"\b(?:(?:DROP|drop)\s+(?:TABLE|DATABASE|SCHEMA|table|database|schema)|(?:TRUNCATE|truncate)\s+(?:TABLE|table)|TRUNCATE|DELETE\s+FROM)\s+(?:IF\s+EXISTS\s+|if\s+exists\s+)?([\w.]{1,60})|\bdelete\s+from\s+([\w.]{1,60})\s+where\b"
);
static CALL: Pattern = pattern!(
    r"\bdb\.dropDatabase\s*\(|\bdb\.[\w.]{1,60}\.(?:deleteMany|deleteOne|remove|drop|findOneAndDelete|dropIndexes)\s*\(|\bFLUSH(?:ALL|DB)\b|(?i:\b(?:vssadmin|wbadmin)\s+delete\s|\bwevtutil\s+(?:cl|clear-log)\s|\breg\s+delete\s|\bnet\s+user\s+\S{1,60}\s+/del|\bschtasks\s+/delete|\bheroku\s+apps:destroy|\b(?:Clear-Disk|Format-Volume|Remove-Partition|Stop-Computer|Clear-EventLog|Remove-ADUser|Remove-LocalUser)\b)"
);
/// A function of a shell that starts itself twice.
static BOMB: Pattern =
    pattern!(r"([:\w]{1,20})\s*\(\s*\)\s*\{\s*([:\w]{1,20})\s*\|\s*([:\w]{1,20})\s*&\s*\}\s*;\s*([:\w]{1,20})");
/// An UPDATE that takes the values out of every row.
static EMPTIES: Pattern =
    pattern!(r#"(?i)^\s*update\s+[\w.\x22`\[\]]{1,80}\s+set\s+[\w.\x22`]{1,80}\s*=\s*(?:''|\x22\x22|null)\s*;?\s*$"#);

fn amid_prose(view: View<'_>) -> Option<Finding> {
    let text = view.text;
    let looked = Looked::from((text, view.grams().as_ref()));
    let bomb = BOMB.captures(looked).filter(|caught| {
        let part = |i: usize| caught.get(i).map(|part| part.as_str());
        (2..=4).all(|i| part(i) == part(1))
    });
    if let Some(whole) = bomb.and_then(|caught| caught.get(0)) {
        return Some(Finding::new(Span::from(whole.range()), "the command would start processes without end", 0.95));
    }
    if let Some(hit) = EMPTIES.find(looked) {
        return Some(Finding::new(Span::from(hit.range()), "the SQL would empty a column of every row", 0.95));
    }
    let called = CALL.find(looked).map(|hit| (hit.range(), "the call would delete data"));
    let named = AMID.captures_iter(looked).find_map(|caught| {
        let name = caught.get(1).or_else(|| caught.get(2))?.as_str().to_ascii_lowercase();
        // What follows is the rest of the sentence rather than a name.
        let talk = [
            "is",
            "does",
            "do",
            "did",
            "statement",
            "statements",
            "command",
            "commands",
            "in",
            "and",
            "or",
            "to",
            "for",
            "from",
            "was",
            "query",
            "queries",
            "syntax",
            "vs",
            "versus",
            "with",
            "on",
            "by",
            "work",
            "works",
            "can",
            "a",
            "the",
            "clause",
            "but",
            "if",
            "of",
            "as",
            "not",
            "when",
            "because",
            "keyword",
            "operation",
            "operations",
        ];
        (!talk.contains(&name.as_str()))
            .then(|| (caught.get(0).map(|whole| whole.range()), "the SQL would destroy data"))
    });
    let (range, what) = called.or_else(|| named.and_then(|(range, what)| Some((range?, what))))?;
    let plain = view.attacks().text.as_str();
    let asks = plain.trim_end().ends_with('?') && !POLITE.is_match(plain);
    let start = floor(text, range.start.saturating_sub(200));
    let before = text.get(start..range.start).unwrap_or("").to_lowercase();
    // Quotes and fences show; a sentence that talks of it asks for nothing.
    let shown = before.ends_with(['\'', '"', '`', '_', '.', '\n', '(']) || before.contains("```");
    (!asks && !shown && !TALK.is_match(&before) && !TALK_NEAR.is_match(&before))
        .then(|| Finding::new(Span::from(range), what, 0.9))
}

/// A question that is a request.
static POLITE: Pattern = pattern!(r"\b(?:can|could|would|will)\s+you\b|\bplease\b");

/// Verbs of destruction in the imperative; `(?:ing)?` forms follow words such as "go ahead with".
const VERBS: &str = r"(?:delete|drop|erase|wipe|purge|destroy|remove|truncate|overwrite|nuke|obliterate|annihilate|eradicate|demolish|expunge|deprovision|decommission|terminate|shut\s*down|shutdown|power\s*off|turn\s+off|take\s+down|tear\s+down|kill|halt|reboot|restart|reformat|format|uninstall|clear(?:\s+out)?|flush|get\s+rid\s+of|throw\s+away|blow\s+away|trash|empty|reset|revoke|cancel|disable|deactivate|scrub|discard|dump|unpublish|zero\s+out|force[- ]push)";
/// What can be lost.
const OBJECTS: &str = r"(?:users?|accounts?|customers?|clients?|members?|employees?|people|everyone|everybody|everything|anything|data|database|databases|db|dbs|tables?|rows?|records?|entries|entry|columns?|indexes|indices|schemas?|views?|files?|folders?|director(?:y|ies)|documents?|backups?|snapshots?|logs?|history|repos?(?:itor(?:y|ies))?|branch(?:es)?|commits?|tags?|buckets?|volumes?|disks?|drives?|partitions?|servers?|hosts?|machines?|vms?|instances?|clusters?|nodes?|pods?|namespaces?|containers?|images?|deployments?|services?|process(?:es)?|environments?|production|prod|staging|systems?|network|firewall|queues?|topics?|cache|caches|keys?|secrets?|credentials?|passwords?|tokens?|certificates?|orders?|invoices?|transactions?|payments?|subscriptions?|tickets?|messages?|e?mails?|inbox|photos?|videos?|contacts?|projects?|workspaces?|tenants?|sessions?|roles?|permissions?|collections?|datasets?|archives?|configs?|configurations?|settings|hard\s+drive|home|laptop|computer|phone|website|site|posts?|comments?|profiles?|stacks?|resources?|infrastructure|tests?|stuff|contents?)";

static REQUEST: Pattern = pattern!(format r"(?:^|[.!?;:,\n>\x22'(*-]\s*|\b(?:please|pls|kindly|bitte|por\s+favor|per\s+favore|s'il\s+(?:te|vous)\s+pla[iî]t|then|and|now|just|immediately|also|simply|first|next|finally|quickly|to|let'?s|must|should|will|go\s+ahead\s+and|i\s+(?:want|need|would\s+like)\s+(?:you\s+)?to|i'?d\s+like\s+(?:you\s+)?to|can\s+you|could\s+you|would\s+you|will\s+you|you\s+can|you\s+should|you\s+must|need\s+to|want\s+to|have\s+to|help\s+me)\s+(?:please\s+|just\s+|also\s+|permanently\s+|completely\s+|immediately\s+|safely\s+|now\s+)*)(?:permanently\s+|completely\s+|immediately\s+|forcefully\s+|(?:force|bulk|mass|batch|hard)[- ])?({VERBS})\b(?:(?:[^.?!\n]|\n[ \t]{{0,3}}[a-z]){{0,60}}?)(?:\n[ \t]{{0,3}})?\b({OBJECTS})\b");
/// Questions, prohibitions and talk, in the clause before the verb or at the start of the sentence.
static TALK: Pattern = pattern!(
    r"\b(?:how|what|why|when|where|who|which|whether|explain|describe|discuss|tell\s+me\s+about|difference|example|examples|tutorial|steps|best\s+practices?|never|do\s+not|don'?t|doesn'?t|didn'?t|cannot|can'?t|avoid|without|instead\s+of|rather\s+than|prevent|should\s+i|do\s+i|did|does|is\s+it|are\s+there|was|were|write|generate|create|compose|draft|imagine|story|poem|essay|suppose|if|would|given|ensure|affirm|remember|recommend|advice|tips|ways|learn|understand|guide)\b"
);
/// Words that make talk of the clause they stand in, but not of the one behind it.
static TALK_NEAR: Pattern = pattern!(
    r"\b(?:list|show|find|count|summari[sz]e|translate|rewrite|rephrase|sentence|paragraph|article|code|function|program|script|algorithm|string|array|text|recipe|stain|odor|noise|outliers?|duplicates?|consequences?)\b"
);
/// After the verb, what is taken away from a text or an answer rather than from a system.
static HARMLESS: Pattern = pattern!(
    r"\b(?:sentence|sentences|word|words|paragraph|spaces?|punctuation|characters?|letters?|duplicates?|noise|stains?|outliers|adjectives?|from\s+(?:the\s+)?(?:list|text|string|array|answer|response|summary|draft|essay|sentence|paragraph)|bullet|headers?\s+from|first\s+drop|a\s+line|a\s+message|by\s+the|the\s+ball|as\s+(?:csv|json|yaml|a\s+table|a\s+list)|(?:in)?(?:to)?\s+(?:csv|json|yaml|markdown|a\s+table)|from\s+(?:this|the|my)\s+(?:code|script|function|snippet)|password|passcode)\b"
);

/// Verbs that are said of everyday things too.
const SOFT: [&str; 22] = [
    "clear",
    "reset",
    "empty",
    "format",
    "reformat",
    "cancel",
    "disable",
    "restart",
    "kill",
    "dump",
    "halt",
    "discard",
    "flush",
    "trash",
    "revoke",
    "deactivate",
    "turn off",
    "take down",
    "uninstall",
    "terminate",
    "scrub",
    "reboot",
];
/// What a system is made of.
const SYSTEM: [&str; 44] = [
    "users",
    "accounts",
    "data",
    "database",
    "databases",
    "db",
    "tables",
    "table",
    "disk",
    "disks",
    "drive",
    "hard drive",
    "production",
    "prod",
    "server",
    "servers",
    "cluster",
    "everything",
    "everyone",
    "backups",
    "logs",
    "queue",
    "cache",
    "firewall",
    "vms",
    "vm",
    "volume",
    "volumes",
    "partition",
    "instance",
    "instances",
    "subscriptions",
    "services",
    "systems",
    "system",
    "infrastructure",
    "environment",
    "website",
    "site",
    "machine",
    "machines",
    "process",
    "processes",
    "network",
];
/// What has happened to it afterwards.
const DONE: &str =
    r"(?:deleted|dropped|erased|wiped|purged|destroyed|removed|truncated|overwritten|shut\s+down|terminated)";
/// Work on a table in memory or on a piece of furniture.
static TABLES: Pattern = pattern!(
    r"\b(?:pandas|polars|dplyr|numpy|data\s?frames?|df|nans?|na|csv|excel|spreadsheets?|nulls|dinner|lunch|breakfast|meals?|kitchen|cloth|sponge|napkin|guests)\b"
);
/// The same in the passive voice, and with the object inside the verb.
static PASSIVE: Pattern = pattern!(format r"\b{OBJECTS}\b[^.?!,\n]{{0,30}}\b(?:needs?|must|should|has|have|ought|is|are|want)\s+to\s+be\s+(?:permanently\s+|completely\s+)?{DONE}\b|\b(?:all|every|the|these|those|my|our)\s+(?:of\s+)?(?:the\s+|my\s+|our\s+)?(?:\w+\s+)?{OBJECTS}\s+(?:must|should|shall)\s+be\s+(?:permanently\s+|completely\s+|now\s+)?{DONE}\b|\b(?:i'?d\s+like|i\s+would\s+like|i\s+want|i\s+need|we\s+want|we\s+need|please\s+have|please\s+get)\s+(?:all|every|the|these|those|my|our|their)\s+(?:\w+\s+){{0,2}}{OBJECTS}\s+(?:permanently\s+|completely\s+)?{DONE}\b|^(?:please\s+)?shut\s+(?:it\s+all|everything|all\s+\w+|the\s+\w+)\s+down\b");

fn in_prose(view: View<'_>) -> Option<Finding> {
    let folded = view.attacks();
    let plain = folded.text.as_str();
    if let Some(hit) = PASSIVE.find(folded)
        && !plain.trim_end().ends_with('?')
        && !TALK.is_match(plain.get(floor(plain, hit.start().saturating_sub(200))..hit.start()).unwrap_or(""))
    {
        return Some(Finding::new(folded.original(hit.range()), "the text asks to destroy or stop something", 0.7));
    }
    for caught in REQUEST.captures_iter(folded) {
        let (Some(verb), Some(object)) = (caught.get(1), caught.get(2)) else { continue };
        // A sentence is looked at for some hundred bytes only, so that a text without full stops costs no more.
        let near_start = floor(plain, verb.start().saturating_sub(400));
        let near_end = floor(plain, (object.end() + 300).min(plain.len()));
        let near = plain.get(near_start..verb.start()).unwrap_or("");
        let before = near.rfind(['.', '!', '?', '\n', ';']).map_or(near, |at| near.get(at + 1..).unwrap_or(""));
        let between = plain.get(verb.start()..object.end()).unwrap_or("");
        let rest = plain.get(object.end()..near_end).unwrap_or("");
        let sentence_end = object.end() + rest.find(['.', '!', '?', '\n']).unwrap_or(rest.len());
        let after = plain.get(verb.end()..sentence_end).unwrap_or("");
        let question = plain.get(sentence_end..).is_some_and(|rest| rest.starts_with('?'));
        let asks_politely =
            ["can you", "could you", "would you", "will you", "please"].iter().any(|phrase| before.contains(phrase));
        // Verbs of everyday speech count only with what a system is made of, or with all of something.
        let soft = SOFT.contains(&verb.as_str());
        let middle = between.get(verb.len()..).unwrap_or("");
        let all_of_it =
            middle.split_whitespace().take(3).any(|word| matches!(word, "all" | "every" | "entire" | "whole"));
        let next = middle.split_whitespace().next().unwrap_or("");
        let determiner = ["the", "all", "every", "my", "our", "your", "this", "that", "out", "both", "each"];
        let adjective = matches!(verb.as_str(), "clear" | "empty") && !determiner.contains(&next);
        let too_soft = soft
            && (adjective || middle.contains(" for ") || !(all_of_it || SYSTEM.contains(&object.as_str())))
            || verb.as_str() == "drop" && [" off", " in ", " by", " me"].iter().any(|word| middle.starts_with(word));
        // A method of an object, or columns of something that is no database.
        let method = plain.get(..verb.start()).is_some_and(|head| head.ends_with(['.', '_']));
        let in_memory = matches!(object.as_str(), "rows" | "columns" | "data" | "table" | "column" | "row" | "records")
            && (TABLES.is_match(before) || TABLES.is_match(after))
            || verb.as_str() == "drop"
                && matches!(object.as_str(), "columns" | "rows")
                && after.contains(" with ")
                && !["table", "database", " db"].iter().any(|word| after.contains(word));
        let far = between.split_whitespace().count() > 8;
        let clause = before.rsplit(',').next().unwrap_or(before);
        if TALK.is_match(before)
            || TALK_NEAR.is_match(clause)
            || HARMLESS.is_match(after)
            || (question && !asks_politely)
            || too_soft
            || method
            || in_memory
            || far
        {
            continue;
        }
        let span = folded.original(verb.start()..object.end());
        return Some(Finding::new(span, "the text asks to destroy or stop something", 0.8));
    }
    None
}

/// The last character boundary at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prepared;

    fn find(text: &str) -> Option<Finding> {
        super::find(Prepared::new(text).view())
    }

    fn asks(text: &str) -> bool {
        find(text).is_some()
    }

    #[test]
    fn requests_in_prose_are_found() {
        for text in [
            "The users table needs to be deleted",
            "Cancel all orders",
            "Shut everything down",
            "Bulk delete customers with no orders",
            "Terminate every instance",
            "Delete all users",
            "Remove everyone from the database",
            "please wipe the production database",
            "Can you drop the orders table?",
            "Shut down the server now",
            "I want you to erase every backup",
            "Go ahead and purge the logs",
            "ＤＥＬＥＴＥ all users",
            "Overwrite the config file",
            "First list them, then delete the inactive accounts",
        ] {
            assert!(asks(text), "{text}");
        }
    }

    #[test]
    fn other_languages_and_other_words_order_are_requests_too() {
        for text in [
            "can you execute DROP TABLE users for me",
            "please decode drop table users thanks",
            "I'd like all users deleted",
            "we want the old invoices purged",
            "all users should be removed from the database",
            "Bitte delete all users",
            "delete\nall users",
            "please\nwipe\nthe\ndatabase",
            "delete  \t all   users",
            ":(){ :|:& };:",
            "bomb(){ bomb|bomb& };bomb",
            "db.dropDatabase()",
            "db.users.deleteMany({})",
            "vssadmin delete shadows /all",
            "UPDATE users SET password=''",
            "update users set name = null;",
            "cp /dev/null db.sqlite",
            "Lösche alle Benutzer",
            "Bitte alle Daten löschen",
            "Kannst du die Datenbank leeren?",
            "Supprime tous les utilisateurs",
            "Veuillez effacer la base de données",
            "Elimina todos los usuarios",
            "¿Puedes borrar la base de datos?",
            "удали всех пользователей",
            "Удалите базу данных",
            "删除所有用户",
            "请把所有数据清空",
        ] {
            assert!(asks(text), "{text}");
        }
        for text in [
            "clean the data and drop NA rows in pandas",
            "df.drop(columns=['a'])",
            "drop all columns with nulls",
            "wipe the table after dinner",
            "Wie lösche ich alle Benutzer?",
            "Lösche die Daten nicht",
            "Comment supprimer un utilisateur ?",
            "Supprime la dernière phrase du texte",
            "Elimina las palabras repetidas de la lista",
            "как удалить пользователя",
            "не удаляй данные",
            "如何删除用户？",
            "不要删除数据",
            "What does db.dropDatabase() do?",
            "Please explain DROP TABLE users",
            "Is TRUNCATE faster than DELETE FROM users?",
            "UPDATE users SET name = '' WHERE id = 3",
            "ALTER TABLE users RENAME TO x",
        ] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn statements_and_commands_are_found() {
        for text in [
            "DROP TABLE users",
            "delete from a where 1",
            "truncate table x",
            "alter table a drop column b",
            "DROP OWNED BY bob",
            "with x as (select 1) delete from a",
            "select 1; drop table a",
            "rm -rf /",
            "sudo rm -r -f /home",
            "git reset --hard",
            "bash -c 'git clean -fd'",
            "git push --force",
            "dd if=/dev/zero of=/dev/sda",
            "find . -name x -delete",
            "kubectl delete ns prod",
            "echo `rm -rf /home`",
        ] {
            assert!(asks(text), "{text}");
        }
    }

    #[test]
    fn talk_and_reading_are_left_alone() {
        for text in [
            "The function removes duplicates from the list",
            "Can I delete my account?",
            "Which command deletes a user?",
            "Remove the duplicates from this list of users",
            "Summarize how the company dropped the tables",
            "Drop off the files at the office",
            "Reformat this document as bullets",
            "Clear instructions for the users please",
            "Dump the data to csv",
            "How do I delete a branch?",
            "What does DROP TABLE do?",
            "Explain how to safely erase data",
            "Don't delete the users",
            "Drop me a line",
            "select * from users",
            "git status",
            "rm -rf /tmp/build",
            "git restore --staged .",
            "Remove the last sentence from the text",
            "Write a story about a server that was shut down",
            "echo 'rm -rf /'",
            "git commit -m 'delete the users table'",
            "Which users were deleted?",
            "UPDATE a SET b = 1 WHERE c = 2",
            "Delete the stop words from the list",
            "git push --force-with-lease",
        ] {
            assert!(!asks(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(rm|git|-rf|delete|drop| |'|\"|\\$\\(|`|<<|EOF|\n|é|;|\\||\\\\|all users){0,24}") {
            find(&text);
        }
    }
}
