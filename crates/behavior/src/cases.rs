//! Cases from files: a `.csv` or `.jsonl`, a row a case.

use aic_base::RelPath;
use serde_json::{Map, Value};

/// The most rows of one file.
const MAX_ROWS: usize = 100_000;

/// One row: the input and the other columns, which are variables.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub input: String,
    pub vars: Map<String, Value>,
}

/// Reads the rows of a file.
pub(crate) fn read(path: &RelPath, bytes: &[u8]) -> Result<Vec<Row>, String> {
    if path.as_str().ends_with(".csv") {
        read_csv(path, bytes)
    } else if path.as_str().ends_with(".jsonl") {
        read_jsonl(path, bytes)
    } else {
        Err(format!("{path}: cases come from a .csv or a .jsonl file"))
    }
}

fn read_csv(path: &RelPath, bytes: &[u8]) -> Result<Vec<Row>, String> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(bytes);
    let headers = reader.headers().map_err(|error| format!("{path}: {error}"))?.clone();
    let Some(input) = headers.iter().position(|name| name == "input") else {
        return Err(format!("{path}: the first line names the columns, and one of them must be `input`"));
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("{path}: {error}"))?;
        if rows.len() == MAX_ROWS {
            return Err(format!("{path}: more than {MAX_ROWS} rows"));
        }
        let vars = headers.iter().zip(&record).enumerate().filter(|(i, _)| *i != input);
        rows.push(Row {
            input: record.get(input).unwrap_or_default().to_owned(),
            vars: vars.map(|(_, (name, value))| (name.to_owned(), value.into())).collect(),
        });
    }
    Ok(rows)
}

fn read_jsonl(path: &RelPath, bytes: &[u8]) -> Result<Vec<Row>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{path}: not UTF-8"))?;
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = i + 1;
        if rows.len() == MAX_ROWS {
            return Err(format!("{path}: more than {MAX_ROWS} rows"));
        }
        let value: Value = serde_json::from_str(line).map_err(|error| format!("{path}, line {at}: {error}"))?;
        rows.push(match value {
            Value::String(input) => Row { input, vars: Map::new() },
            Value::Object(mut map) => match map.remove("input") {
                Some(Value::String(input)) => {
                    // `vars` may be a map of its own, as in a spec, or simply the other keys.
                    let inner = match map.remove("vars") {
                        Some(Value::Object(inner)) => inner,
                        _ => Map::new(),
                    };
                    map.extend(inner);
                    Row { input, vars: map }
                }
                _ => return Err(format!("{path}, line {at}: a case has a text `input`")),
            },
            _ => return Err(format!("{path}, line {at}: a case is a text or a map with `input`")),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> RelPath {
        RelPath::new(name).unwrap()
    }

    #[test]
    fn a_row_is_a_case_and_its_other_columns_are_variables() {
        let rows = read(&path("q.csv"), b"id,input\n7,\"Hello, you\"\n").unwrap();
        assert_eq!((rows[0].input.as_str(), rows[0].vars["id"].as_str()), ("Hello, you", Some("7")));
        let rows =
            read(&path("q.jsonl"), b"\"plain\"\n\n{\"input\": \"x\", \"vars\": {\"a\": 1}, \"b\": 2}\n").unwrap();
        assert_eq!(rows[0].input, "plain");
        assert_eq!((rows[1].vars["a"].as_i64(), rows[1].vars["b"].as_i64()), (Some(1), Some(2)));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let error = |name: &str, bytes: &[u8]| read(&path(name), bytes).unwrap_err();
        assert!(error("q.csv", b"a,b\n1,2\n").contains("one of them must be `input`"));
        assert!(error("q.jsonl", b"\"x\"\n{").starts_with("q.jsonl, line 2"));
        assert!(error("q.jsonl", b"[1]").contains("a case is a text or a map"));
        assert!(error("q.txt", b"").contains(".csv or a .jsonl"));
    }
}
