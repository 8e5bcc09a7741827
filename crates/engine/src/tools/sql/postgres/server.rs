//! A real PostgreSQL for the tests: in a folder of its own, as a user of its own, ended with the last test that uses it.

use super::connect::Server;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The password of the role `app` over TCP.
pub const PASSWORD: &str = "correct-horse-battery";

/// A server that runs; dropped, it is ended, and its folder removed.
pub struct TestServer {
    port: u16,
    child: Child,
    pub folder: TempDir,
}

/// What the server is started and ended by. It ends when its standard input does, so also where a test is killed.
const SCRIPT: &str = r#"
cd "$1" || exit 1
initdb -D data -U owner -A trust --no-sync -E UTF8 --locale=C >log 2>&1 || exit 1
printf 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n' > data/pg_hba.conf
{
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem
  openssl req -newkey rsa:2048 -nodes -subj /CN=test -keyout data/server.key -out server.csr
  printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > ext
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out data/server.crt
} >>log 2>&1 || exit 1
chmod 600 data/server.key
postgres -D data -k "$1" -p "$2" -c listen_addresses=127.0.0.1 -c fsync=off -c ssl=on >>log 2>&1 </dev/null &
server=$!
read -r _
# Until it is heard: a server that has only just begun does not listen yet.
while kill -INT "$server" 2>/dev/null; do sleep 0.1; done
cd / && rm -rf "$1"
"#;

impl TestServer {
    /// The server that all tests share, with its tables.
    pub async fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<TestServer>> = Mutex::const_new(Weak::new());
        let mut running = RUNNING.lock().await;
        if let Some(server) = running.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        server.ready().await;
        server.owner("").await.batch(include_str!("server.sql")).await;
        *running = Arc::downgrade(&server);
        server
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("aic-pg-").tempdir().unwrap();
        let port = free_port();
        // It refuses to be root's.
        let mut command = if number(&["-u"]) == 0 {
            std::os::unix::fs::chown(folder.path(), Some(number(&["-u", "postgres"])), None).unwrap();
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let path = std::env::var("PATH").unwrap_or_default();
        let child = command
            .args(["-c", SCRIPT, "sh"])
            .arg(folder.path())
            .arg(port.to_string())
            .env("PATH", format!("{}:{path}", programs().display()))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { port, child, folder }
    }

    async fn ready(&self) {
        for _ in 0..2400 {
            if let Ok(session) = self.server("owner", "").session().await {
                return session.end().await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("log"));
        panic!("PostgreSQL did not come up: {log:?}");
    }

    /// Its address, over the socket.
    pub fn url(&self, user: &str) -> String {
        let folder = self.folder.path().to_string_lossy().replace('/', "%2F");
        format!("postgres://{user}@{folder}:{}/postgres", self.port)
    }

    /// Its address over TCP.
    pub fn tcp(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    pub fn server(&self, user: &str, query: &str) -> Server {
        Server::parse(&format!("{}{query}", self.url(user)), None).unwrap()
    }

    /// What the owner sees and does, past all walls.
    pub async fn owner(&self, query: &str) -> Owner {
        Owner(self.server("owner", query).session().await.unwrap())
    }
}

/// The owner's own connection.
pub struct Owner(super::connect::Session);

impl Owner {
    pub async fn batch(&self, sql: &str) {
        self.0.client.batch_execute(sql).await.unwrap();
    }

    pub async fn count(&self, sql: &str) -> i64 {
        self.0.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until a count is this.
    pub async fn until(&self, sql: &str, wanted: i64) {
        for _ in 0..2400 {
            if self.count(sql).await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{sql} is {} and not {wanted}", self.count(sql).await);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A port below those that the system hands out by itself: until the server has it, nobody is given it by chance.
fn free_port() -> u16 {
    let from = 20_000 + std::process::id() % 5_000;
    let mut ports = (0..5_000).filter_map(|step| u16::try_from(from + step).ok());
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

fn number(of: &[&str]) -> u32 {
    let out = Command::new("id").args(of).output().unwrap();
    String::from_utf8_lossy(&out.stdout).trim().parse().expect("a user `postgres`")
}

/// Where the server's programs are: Debian keeps them out of the path.
fn programs() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = folders.map(|entry| entry.path().join("bin")).collect();
    all.sort();
    all.pop().unwrap_or_default()
}
