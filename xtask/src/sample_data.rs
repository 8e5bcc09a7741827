//! `cargo xtask sample-data`: makes the database of `sample-specs/user-management` anew.
//!
//! 300 accounts, the same each time. Under the samples' frozen `now`, 2025-06-01T12:00:00Z, exactly the seven of
//! [`INACTIVE`] are active accounts whose last login is over 30 days ago; [`ON_THE_EDGE`] logged in exactly 30 days ago,
//! which is not over. The names are made up from lists of common first names and of trees; the addresses end in
//! `example.com`, which belongs to nobody.

use rusqlite::{Connection, params};
use std::path::Path;

/// Accounts that have been inactive for over 30 days, and their last login.
const INACTIVE: [(usize, &str, &str); 7] = [
    (17, "Ada Alder", "2025-05-01"),
    (42, "Bruno Birch", "2025-04-30"),
    (77, "Chiara Cedar", "2025-04-02"),
    (123, "Dmitri Dogwood", "2025-03-15"),
    (188, "Elif Elm", "2025-01-20"),
    (251, "Farah Fir", "2024-12-24"),
    (299, "Goran Ginkgo", "2024-06-01"),
];
/// Logged in exactly 30 days before the frozen moment.
const ON_THE_EDGE: (usize, &str, &str) = (200, "Hana Hazel", "2025-05-02");
/// Inactive for long, but disabled already.
const DISABLED: (usize, &str, &str) = (64, "Ivo Ivy", "2024-11-11");

const FIRST: [&str; 20] = [
    "Amara", "Bilal", "Clara", "Daria", "Emil", "Fatou", "Gita", "Hugo", "Ines", "Jonas", "Kamil", "Lena", "Mei",
    "Nuno", "Olga", "Pavel", "Rosa", "Samir", "Tomas", "Uma",
];
const LAST: [&str; 15] = [
    "Acacia", "Beech", "Chestnut", "Date", "Ebony", "Fig", "Guava", "Holly", "Juniper", "Kauri", "Larch", "Maple",
    "Oak", "Pine", "Rowan",
];

pub fn run(_: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace above xtask")?;
    make(root).map_err(|error| error.to_string())
}

fn make(root: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let path = root.join("sample-specs/user-management/data/users.db");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let mut connection = Connection::open(&path)?;
    connection.execute_batch(
        "PRAGMA page_size = 4096;
         CREATE TABLE users (
             id INTEGER PRIMARY KEY,
             name TEXT NOT NULL,
             email TEXT NOT NULL UNIQUE,
             status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
             last_login TEXT NOT NULL,
             created TEXT NOT NULL
         );
         CREATE TABLE payroll (user_id INTEGER PRIMARY KEY, salary INTEGER NOT NULL);",
    )?;
    let transaction = connection.transaction()?;
    for id in 1..=300_usize {
        let special = INACTIVE.iter().chain([&ON_THE_EDGE, &DISABLED]).find(|(other, ..)| *other == id);
        let (name, last_login) = match special {
            Some((_, name, login)) => ((*name).to_owned(), (*login).to_owned()),
            // Every pair of names occurs once; logins fall on the 29 days before the frozen moment.
            None => {
                let name = format!("{} {}", FIRST[(id - 1) % 20], LAST[((id - 1) / 20) % 15]);
                let day = 3 + (id * 7) % 29;
                (name, format!("2025-05-{day:02}"))
            }
        };
        let email = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        let status = if id == DISABLED.0 { "disabled" } else { "active" };
        let created = format!("20{:02}-{:02}-{:02}", 18 + id % 6, 1 + id % 12, 1 + id % 28);
        transaction.execute(
            "INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id as i64, name, email, status, last_login, created],
        )?;
        transaction
            .execute("INSERT INTO payroll VALUES (?1, ?2)", params![id as i64, 40_000 + (id as i64 * 137) % 50_000])?;
    }
    transaction.commit()?;
    connection.execute_batch("VACUUM")?;
    let sql = "SELECT count(*) FROM users WHERE status = 'active' AND last_login < date('2025-06-01', '-30 days')";
    let inactive: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    if inactive != INACTIVE.len() as i64 {
        return Err(format!("{inactive} users are inactive, and {} should be", INACTIVE.len()).into());
    }
    Ok(())
}
