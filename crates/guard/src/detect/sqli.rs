//! SQL injections: fragments that break out of a statement, alone or inside a message. Whole statements that somebody
//! pastes to talk about them are none.

use super::pattern::{Looked, Pattern, pattern};
use super::signs::{Sign, Weighed, signs, weigh};
use super::{Finding, Grams};
use crate::prepared::View;
use crate::sql;
use std::borrow::Cow;
use std::ops::Range;

// Texts are folded first: lower case, escapes decoded, comments turned into spaces.

static SIGNS: [Sign; 25] = signs! {
    1.0, "a UNION that reads other data", r"\bunion(?:\s+(?:all|distinct))?[\s(@]+select\b";
    1.0, "a UNION that reads other data", r"['\x22)\d]\s*\bunion\b\s*(?:all\b|\(|$)";
    1.0, "a condition that is always true behind a broken quote", r"['\x22`]\s*\)*\s*(?:or|and|xor|having|\|\||&&)[\s('\x22!~+-]*(?:not\s+)?[\w'\x22.@]{0,20}\s*(?:=|<|>|\bis\b|\blike\b|\brlike\b|\bregexp\b|\bin\b|\bbetween\b|&|\||\^)";
    1.0, "a number that goes on as a condition", r"^\s*-?\d{1,12}(?:\.\d+)?['\x22)]*\s+(?:or|and|xor|having)\b[\s(]*(?:not\s+|!)?[\s(]*['\x22]?\w{1,30}['\x22]?[\s)]*(?:=|<=>|<|>|\blike\b|\bin\s*\()\s*\(*['\x22]?\w";
    0.6, "a value that goes on as a condition", r"\b(?:or|and|xor|having|where)\b[\s(]*(?:not\s+|!)?[\s(]*['\x22]?(\w{1,12})['\x22]?[\s)]*(?:=|<=>|<|>|\blike\b|\bin\s*\()\s*\(*['\x22]?\d";
    1.0, "a condition that is always true", r"\b(?:or|and)\b[\s(]+['\x22](\w{0,12})['\x22]\s*(?:=|<|>|\blike\b)\s*['\x22]";
    1.0, "a condition that is always true", r"(?:^|['\x22])\s*\)*\s*(?:\|\||&&)\s*\(*\s*['\x22]?\w{0,12}['\x22]?\s*(?:=|<|>|\blike\b)\s*\(*['\x22]?\w";
    1.0, "a second statement", r"(?:['\x22)\d]|^)\s*;\s*(?:drop|delete|insert|update|alter|create|exec(?:ute)?|shutdown|declare|truncate|select|waitfor|grant|merge|call|begin|set|if|use)\b";
    1.0, "a delay that tells an attacker something", r"(?:(?:^\S{0,40}\s*|[\d'\x22)]\s*)\b(?:or|and|xor|having|where|like|rlike|regexp|div|mod|not|in)\b|\b(?:select|union|by|limit)\b|(?:^|[\d'\x22)])\s*(?:[-+*/|&^=<>%;]{1,2}|\|\|)|\bif\s*\([^;]{1,80},|\b(?:then|else)\b[^;\n]{0,3})[\s(+!~-]*\bsleep\s*\(\s*[\d(]|\bbenchmark\s*\(\s*\(?\d+\)?\s*,|\b(?:pg_sleep|randomblob)\s*\(\s*[\d(]|\bwaitfor\s+(?:delay|time)\b|\bdbms_(?:pipe|lock|session)\b|generate_series\s*\(\s*\d";
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
    0.6, "a value that goes on as a condition", r"(?:^|\s|=)-?\d+(?:\.\d+)?['\x22)]*\s+(?:or|and|xor|having|procedure|order\s+by|group\s+by|rlike|regexp|div|is\s+(?:not\s+)?(?:null|unknown|true|false)|between|in\s*\(|like|for\s+update)\b";
    0.6, "functions of a database server", r"\b(?:version|database|user|current_user|session_user|system_user|schema|rand|md5|sha1|elt|make_set|if|iif|floor|count|char_length)\s*\(\s*(?:\)|\d|\*\)|\(|null)";
    0.6, "values in hexadecimal", r"\b0x[0-9a-f]{4,}\b";
    0.6, "words of a statement", r"\b(?:select\b[^;]{1,200}\bfrom|insert\s+into\b[^;]{1,80}\bvalues|update\s+\w+\s+set\b|delete\s+from\s+\w|drop\s+(?:table|database)\s+\w|alter\s+table\s+\w|create\s+(?:table|user)\s+\w)";
};

/// A comparison behind a word that joins conditions: what is compared, how, and with what.
static COMPARED: Pattern = pattern!(
    r"(?:\b(?:or|and|xor|having|where)\b|\|\||&&)[\s(]*(?:not\s+|!|~)?[\s(+-]*(['\x22]?)(\w{1,20})(['\x22]?)[\s)]*(=|<=>|<>|!=|<|>|\blike\b|\bin\s*\(|\bis\b|\bbetween\b)\s*\(*\s*(['\x22]?)(\w{1,20})"
);
/// A comparison with a string that is whole: `colour = 'red'`.
static QUOTED: Pattern = pattern!(r"[=<>]\s*(?:'[\w .@-]{0,40}'|\x22[\w .@-]{0,40}\x22)");

static COMMENT: Pattern = pattern!(r"/\*!?\d{0,6}|\*/");
static HARMFUL_CALL: Pattern = pattern!(
    r"(?i)\b(?:load_file|pg_read_file|pg_ls_dir|lo_import|lo_export|xp_\w+|sleep|pg_sleep|benchmark|utl_\w+|dbms_\w+|load_extension|writefile|readfile|extractvalue|updatexml)\s*\(|\binto\s+(?:out|dump)file\b"
);
/// Questions about SQL, and code in fences: talk, not payload.
static TALK: Pattern = pattern!(
    r"(?i)```|\b(?:explain|what does|what is wrong|why does|optimi[sz]e|review|rewrite|translate|difference between|how (?:do|can|should|would) (?:i|you|we)|what's the)\b.{0,60}\b(?:query|queries|statement|sql|select|join|syntax|injection)\b"
);

/// Looks for an injection; the higher the sensitivity, the less evidence is needed.
pub(super) fn find(view: View<'_>, sensitivity: f64) -> Option<Finding> {
    let folded = view.attacks();
    let mut plain = Cow::Borrowed(folded.text.as_str());
    // Comments between words are spaces to a database; same length, so that places stay.
    for comment in COMMENT.find_iter(folded) {
        plain.to_mut().replace_range(comment.range(), &" ".repeat(comment.len()));
    }
    // A form's `+` is a space, where there are no other spaces.
    if !plain.trim().contains(char::is_whitespace) && plain.matches('+').count() >= 2 {
        plain = Cow::Owned(plain.replace('+', " "));
    }
    // Comparisons with whole strings break nothing open; same length again.
    let closed = closed_strings(match &plain {
        Cow::Borrowed(text) => Looked::from((*text, folded.grams())),
        Cow::Owned(text) => Looked::from(text),
    });
    let was_closed = closed.is_some();
    plain = closed.map_or(plain, Cow::Owned);
    let changed = matches!(plain, Cow::Owned(_)).then(|| Grams::of(&plain));
    let plain = Looked::from((plain.as_ref(), changed.as_ref().unwrap_or(folded.grams())));
    let grammar = super::breakout::find(if was_closed { plain.text } else { &folded.text })
        .or_else(|| (plain.text != folded.text).then(|| super::breakout::find(plain.text))?);
    let mut weighed = weigh(&SIGNS, plain);
    if let Some(range) = always_true(plain) {
        let what = "a condition that is always true";
        let whole = weighed.get_or_insert(Weighed { score: 0.0, range, what });
        whole.score += 1.0;
    }
    if let Some(range) = grammar {
        let whole =
            weighed.get_or_insert(Weighed { score: 0.0, range, what: "a value that ends and goes on as a condition" });
        whole.score += 1.0;
    }
    let weighed = weighed?;
    let found = weighed.is_enough(sensitivity) && !innocent(view, weighed.score);
    found.then(|| weighed.finding(folded, "the text carries an SQL injection"))
}

/// The place of a comparison that does not depend on the data: the same on both sides, or two values that are equated. A
/// question that only ends in one asks about arithmetic.
fn always_true(looked: Looked<'_>) -> Option<Range<usize>> {
    let text = looked.text;
    let asks = text.trim_end().ends_with('?') && !text.contains(['\'', '"', '#']) && !text.contains("--");
    if asks {
        return None;
    }
    COMPARED.captures_iter(looked).find_map(|caught| {
        let part = |i: usize| caught.get(i).map_or("", |part| part.as_str());
        let (left, right) = (part(2), part(6));
        let value = |quote: &str, word: &str| !quote.is_empty() || word.bytes().all(|byte| byte.is_ascii_digit());
        let constant = value(part(1), left) && value(part(5), right);
        let equated = !matches!(part(4), "<" | ">" | "is");
        (left == right || (constant && equated)).then(|| caught.get(0).map(|whole| whole.range()))?
    })
}

/// The text without the quotes of its strings, where each of them is whole and compared with something.
fn closed_strings(looked: Looked<'_>) -> Option<String> {
    let text = looked.text;
    let quotes = text.bytes().filter(|byte| matches!(byte, b'\'' | b'"')).count();
    if quotes == 0 {
        return None;
    }
    let strings: Vec<Range<usize>> = QUOTED.find_iter(looked).map(|hit| hit.range()).collect();
    if quotes != 2 * strings.len() {
        return None;
    }
    let mut plain = text.to_owned();
    for string in strings {
        let value = text.get(string.clone())?.replace(['\'', '"', ' '], "x");
        plain.replace_range(string.start + 1..string.end, value.get(1..)?);
    }
    Some(plain)
}

/// Whole statements, and talk about them.
fn innocent(view: View<'_>, score: f64) -> bool {
    let trimmed = view.text.trim();
    // What the whole text lacks, its part lacks too.
    let looked = Looked::from((trimmed, view.grams().as_ref()));
    let statement = trimmed.trim_end_matches(';');
    let first = statement.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_lowercase();
    // A statement that sleeps, or reads and writes files, is nobody's question.
    let whole = || {
        matches!(first.as_str(), "select" | "with")
            && !HARMFUL_CALL.is_match(looked)
            && !sql::is_several(statement)
            && sql::parses_as_one(statement)
    };
    (score < 2.0 && TALK.is_match(looked)) || whole()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prepared;

    fn find(text: &str, sensitivity: f64) -> Option<Finding> {
        super::find(Prepared::new(text).view(), sensitivity)
    }

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
    fn delays_and_comparisons_that_are_always_true_are_found() {
        for text in [
            "x or 1=1",
            "foo and 1 = 2",
            "id=5 or 7=7",
            "a or x=x",
            "1 and x = 5",
            "red' or color='blue",
            "'red' or color='blue' --",
            "1-sleep(5)",
            "'+sleep(5)+'",
            "1 and if(1=1,sleep(5),0)",
            "(select(0)from(select(sleep(5)))v)",
            "1 or benchmark(100000, md5(1))",
        ] {
            assert!(found(text), "{text}");
        }
    }

    #[test]
    fn comparisons_that_depend_on_the_data_are_left_alone() {
        for text in [
            "Solve for x = 3 and y = 4",
            "set width=100 and height=50",
            "page=1 and size=10 please",
            "If n = 0 or n = 1 the answer is trivial",
            "version > 1 and version < 2",
            "Find rows where price = 10 and qty = 5",
            "show items with color='red' or color='blue'",
            "show items with color = \"dark red\" and size = \"XL\"",
            "2+2=4 or 5=5?",
            "time.sleep(5)",
            "await sleep(1000)",
            "Let's sleep(5) more minutes",
            "if (a > 1 && b > 3) return",
            "from asyncio import sleep; x = sleep(3)",
        ] {
            assert!(!found(text), "{text}");
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
