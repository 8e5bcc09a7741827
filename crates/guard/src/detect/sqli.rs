//! SQL injections: fragments that break out of a statement, alone or inside a message. Whole statements that somebody
//! pastes to talk about them are none.

use super::Finding;
use super::pattern::{Pattern, pattern};
use super::prefilter::Prefilter;
use super::signs::{Sign, Weighed, signs, weigh};
use crate::normalize::{Folded, Folding};
use crate::sql;

// Texts are folded first: lower case, escapes decoded, comments turned into spaces.
static PREFILTER: Prefilter = Prefilter::new();

static SIGNS: [Sign; 24] = signs! {
    1.0, "a UNION that reads other data", r"\bunion(?:\s+(?:all|distinct))?[\s(@]+select\b";
    1.0, "a UNION that reads other data", r"['\x22)\d]\s*\bunion\b\s*(?:all\b|\(|$)";
    1.0, "a condition that is always true behind a broken quote", r"['\x22`]\s*\)*\s*(?:or|and|xor|having|\|\||&&)[\s('\x22!~+-]*(?:not\s+)?[\w'\x22.@]{0,20}\s*(?:=|<|>|\bis\b|\blike\b|\brlike\b|\bregexp\b|\bin\b|\bbetween\b|&|\||\^)";
    1.0, "a condition that is always true", r"\b(?:or|and|xor|having|where)\b[\s(]*(?:not\s+|!)?[\s(]*['\x22]?(\w{1,12})['\x22]?[\s)]*(?:=|<=>|<|>|\blike\b|\bin\s*\()\s*\(*['\x22]?\d";
    1.0, "a condition that is always true", r"\b(?:or|and)\b[\s(]+['\x22](\w{0,12})['\x22]\s*(?:=|<|>|\blike\b)\s*['\x22]";
    1.0, "a condition that is always true", r"(?:^|['\x22)\s\d])(?:\|\||&&)\s*\(*\s*['\x22]?\w{0,12}['\x22]?\s*(?:=|<|>|\blike\b)\s*\(*['\x22]?\w";
    1.0, "a second statement", r"(?:['\x22)\d]|^)\s*;\s*(?:drop|delete|insert|update|alter|create|exec(?:ute)?|shutdown|declare|truncate|select|waitfor|grant|merge|call|begin|set|if|use)\b";
    1.0, "a delay that tells an attacker something", r"\b(?:sleep|benchmark|pg_sleep|randomblob)\s*\(\s*[\d(]|\bwaitfor\s+(?:delay|time)\b|\bdbms_(?:pipe|lock|session)\b|generate_series\s*\(\s*\d";
    1.0, "a procedure of the database server", r"\b(?:xp_\w{3,}|sp_(?:executesql|oacreate|addextendedproc|password|makewebtask|configure|addlogin|addsrvrolemember)|utl_(?:http|inaddr|file|smtp)|dbms_\w+|master\.\.?\w+|openrowset|ctxsys\.\w+|lo_import|lo_export)\b";
    1.0, "the catalogue of the database", r"\b(?:from|into|table|select)\b[^;]{0,80}\b(?:information_schema|sysobjects|syscolumns|sqlite_master|pg_catalog|pg_shadow|pg_user|all_tables|user_tables|mysql\s*\.\s*(?:user|db)|msysobjects|sys\.\w+|v\$version|sysusers|syslogins|sysdatabases)\b";
    1.0, "an error that shows data", r"\b(?:extractvalue|updatexml|xmltype|exp\s*\(\s*~|json_keys|polygon|geometrycollection|multipoint|gtid_subset)\s*\(\s*(?:\(|\d|rand|concat|chr|null)";
    1.0, "a read or write of a file", r"\bload_file\s*\(|\binto\s+(?:out|dump)file\b|\bload\s+data\s+(?:local\s+)?infile\b|\bbulk\s+insert\b|\bcopy\b[^;]{1,80}\bprogram\b";
    1.0, "text put together from codes", r"\b(?:concat|concat_ws|group_concat|unhex|char|nchar|chr|ascii|ord|hex|cast|convert)\s*\(\s*(?:0x[0-9a-f]{2,}|\d{2,3}\s*[,)]\s*(?:\+|\|\||,|\d)|char\s*\(|chr\s*\(|\(?\s*select\b|version\s*\(|user\s*\(|database\s*\(|username|user_?name\s*,|password)";
    1.0, "a comparison of single characters", r"\b(?:ascii|ord|substr|substring|mid|left|right|unicode|hex|lpad|rpad)\s*\(\s*[^)]{1,120}\)?\s*,?[^)]{0,30}\)\s*(?:=|<|>|\blike\b|\bin\b|/|\^|\*)|\b(?:substr|substring|mid)\s*\([^,]{1,60},\s*\d+\s*,\s*1\s*\)";
    1.0, "a broken quote and a comment", r"^[^\n]{0,60}['\x22]\s*\)*\s*(?:--|#|/\*|;%00)[\s+-]{0,6}\w?\s*$";
    1.0, "a broken quote before a word of SQL", r"(?:^|\s|\w)['\x22]\s*\)*\s*(?:union|order\s+by\s+\d|group\s+by|having\s+\d|limit\s+\d|procedure\s+analyse|waitfor|exec\b|select\b|insert\s+into|declare\s+@|is\s+(?:not\s+)?null|div\s|mod\s|rlike\b|sounds\s+like|collate\b)";
    1.0, "ORDER BY that counts columns", r"\b(?:order|group)\s+by\s+\d{1,4}\s*(?:,\s*\d+\s*)*(?:--|#|/\*|$)";
    1.0, "a subquery in a value", r"(?:^|[\s\d,'\x22=(])\(+\s*select\b[^;]{1,200}(?:\bfrom\b|\bcount\b|\bcase\b|\bif\b|@@|\bconcat|\bchr?\b|0x)";
    1.0, "a variable that holds a statement", r"\bdeclare\s+@\w+\s+(?:n?varchar|n?char|int|cursor|table)|\bset\s+@\w+\s*=|@@(?:version|datadir|hostname|basedir|servername)|\bexec(?:ute)?\s*[(\s]\s*(?:@|immediate|'|master|sp_|xp_|cmd)";
    0.7, "a comment that cuts a statement off", r"(?:--|#|/\*|;?%00)[\s+-]*(?:\w{1,4}\s*)?$";
    0.6, "a number before a word of SQL", r"(?:^|\s|=)-?\d+(?:\.\d+)?['\x22)]*\s+(?:or|and|xor|having|procedure|order\s+by|group\s+by|rlike|regexp|div|is\s+(?:not\s+)?(?:null|unknown|true|false)|between|in\s*\(|like|for\s+update)\b";
    0.6, "functions of a database server", r"\b(?:version|database|user|current_user|session_user|system_user|schema|rand|md5|sha1|elt|make_set|if|iif|floor|count|char_length)\s*\(\s*(?:\)|\d|\*\)|\(|null)";
    0.6, "values in hexadecimal", r"\b0x[0-9a-f]{4,}\b";
    0.6, "words of a statement", r"\b(?:select\b[^;]{1,200}\bfrom|insert\s+into\b[^;]{1,80}\bvalues|update\s+\w+\s+set\b|delete\s+from\s+\w|drop\s+(?:table|database)\s+\w|alter\s+table\s+\w|create\s+(?:table|user)\s+\w)";
};

static COMMENT: Pattern = pattern!(r"/\*!?\d{0,6}|\*/");
static HARMFUL_CALL: Pattern = pattern!(
    r"(?i)\b(?:load_file|pg_read_file|pg_ls_dir|lo_import|lo_export|xp_\w+|sleep|pg_sleep|benchmark|utl_\w+|dbms_\w+|load_extension|writefile|readfile|extractvalue|updatexml)\s*\(|\binto\s+(?:out|dump)file\b"
);
/// Questions about SQL, and code in fences: talk, not payload.
static TALK: Pattern = pattern!(
    r"(?i)```|\b(?:explain|what does|what is wrong|why does|optimi[sz]e|review|rewrite|translate|difference between|how (?:do|can|should|would) (?:i|you|we)|what's the)\b.{0,60}\b(?:query|queries|statement|sql|select|join|syntax|injection)\b"
);

/// Looks for an injection; the higher the sensitivity, the less evidence is needed.
pub(super) fn find(text: &str, sensitivity: f64) -> Option<Finding> {
    let folded = Folded::new(text, Folding::ATTACKS);
    let mut plain = folded.text.clone();
    // Comments between words are spaces to a database; same length, so that places stay.
    for comment in COMMENT.find_iter(&folded.text) {
        plain.replace_range(comment.range(), &" ".repeat(comment.len()));
    }
    // A form's `+` is a space, where there are no other spaces.
    if !plain.trim().contains(char::is_whitespace) && plain.matches('+').count() >= 2 {
        plain = plain.replace('+', " ");
    }
    let grammar = super::breakout::find(&folded.text)
        .or_else(|| (plain != folded.text).then(|| super::breakout::find(&plain))?);
    let mut weighed = weigh(&SIGNS, &PREFILTER, &plain);
    if let Some(range) = grammar {
        let whole =
            weighed.get_or_insert(Weighed { score: 0.0, range, what: "a value that ends and goes on as a condition" });
        whole.score += 1.0;
    }
    let weighed = weighed?;
    let found = weighed.is_enough(sensitivity) && !innocent(text, weighed.score);
    found.then(|| weighed.finding(&folded, "the text carries an SQL injection"))
}

/// Whole statements, and talk about them.
fn innocent(text: &str, score: f64) -> bool {
    let trimmed = text.trim();
    let statement = trimmed.trim_end_matches(';');
    let first = statement.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_lowercase();
    // A statement that sleeps, or reads and writes files, is nobody's question.
    let whole =
        matches!(first.as_str(), "select" | "with") && !HARMFUL_CALL.is_match(trimmed) && sql::parses_as_one(statement);
    whole || (score < 2.0 && TALK.is_match(trimmed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> bool {
        find(text, 0.5).is_some()
    }

    #[test]
    fn fragments_that_break_out_of_a_statement_are_found() {
        for text in [
            "' or 1=1 --",
            "admin'--",
            "1 UNION SELECT user, pass FROM t",
            "x'; DROP TABLE users; --",
            "1/**/uNiOn/**/sElEcT/**/1",
            "%27%20or%20%271%27=%271",
            "1 and sleep(5)",
            "My name is ' OR 'a'='a, please log me in",
            "＇ ＯＲ １＝１",
            "1;waitfor delay '0:0:5'--",
        ] {
            assert!(found(text), "{text}");
        }
    }

    #[test]
    fn statements_and_prose_are_left_alone() {
        for text in [
            "SELECT name FROM users WHERE id = 1 OR id = 2",
            "It's John's or Mary's book",
            "Which of the cars is 1 or 2 years old?",
            "rock 'n' roll and jazz",
            "What's the difference between UNION and UNION ALL in an SQL query?",
            "select a seat and order by phone",
            "Please add $5 -- thanks",
            "O'Brien and O'Neil",
            "C# or F#?",
            "He said \"yes\" or \"no\".",
        ] {
            assert!(!found(text), "{text}");
        }
    }
}
