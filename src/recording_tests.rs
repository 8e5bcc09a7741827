//! Money through the whole path: real runs in two real processes, their counters in one store, a server that counts.

use super::StoreCounters;
use aic_base::{Clock, MemorySource, Outcome, RelPath, SystemClock, Usd};
use aic_engine::{Access, Answers, Backing, Container, RunOptions};
use aic_sandbox::{ScriptHost, WorkerCommand};
use aic_spec::{LoadOptions, load};
use aic_store::Store;
use serde_json::Map;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

const ADDRESS: &str = "AIC_MONEY_TEST_SERVER";
/// Each call holds a little more than ten cents of the dollar: nine fit.
const FIT: usize = 9;

#[derive(Default)]
struct Seen {
    asked: usize,
    open: usize,
    most_open: usize,
    greedy: bool,
}

/// Answers once as many have asked as the cap lets through, so that all of their money is held at the same time.
#[derive(Default)]
struct Server(Mutex<Seen>, Condvar);

impl Server {
    fn start(self: &Arc<Self>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), server) = (stream, server.clone()) else { return };
                std::thread::spawn(move || server.answer(stream));
            }
        });
        port
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut seen = self.0.lock().unwrap();
        seen.asked += 1;
        seen.open += 1;
        seen.most_open = seen.most_open.max(seen.open);
        self.1.notify_all();
        let mut seen = self.1.wait_while(seen, |seen| seen.asked < FIT).unwrap();
        seen.open -= 1;
        let output = if seen.greedy { 50_000 } else { 5 };
        drop(seen);
        let text = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n\
             data: {{\"choices\":[{{\"delta\":{{\"content\":\"Hi.\"}},\"finish_reason\":\"stop\"}}]}}\n\n\
             data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":10,\"completion_tokens\":{output}}}}}\n\ndata: [DONE]\n\n"
        );
        // Whoever is gone does not want it any more.
        let _ = stream.write_all(text.as_bytes());
    }
}

fn container(address: &str) -> Arc<Container> {
    let spec = format!(
        "name: real\nmodels:\n  primary: {{provider: openai_compatible, model: m, base_url: \"{address}\", max_tokens: 100,\n    \
         pricing: {{input_per_mtok: 1, output_per_mtok: 1000}}, retries: 0}}\nguardrails: [{{cost_limit: $1/hour}}]\n"
    );
    let path = RelPath::new("a.aicontainer.yml").unwrap();
    let mut source = MemorySource::new();
    source.insert(path.clone(), spec.into_bytes());
    let loaded = load(&source, &path, &LoadOptions { environment: None, today: SystemClock::new().now() });
    let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
    let backing = Backing { access: Access::Live, ..Backing::default() };
    Arc::new(Container::with(loaded.spec.clone().unwrap(), Arc::new(host), backing).unwrap())
}

/// So many runs at once, with the counters of this folder's store; how many were answered, and what they cost.
fn runs(folder: &Path, address: &str, count: usize) -> (usize, Usd) {
    let store = Store::open(folder, Arc::new(SystemClock::new())).unwrap();
    let counters = Arc::new(StoreCounters::new(store));
    let container = container(address);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let runs: Vec<_> = (0..count)
            .map(|_| {
                let options = RunOptions { counters: counters.clone(), ..RunOptions::live(".".into()) };
                let mut talk = container.conversation(options).unwrap();
                tokio::spawn(async move { talk.turn("Hello?", &Map::new(), &Answers::new()).await })
            })
            .collect();
        let (mut answered, mut cost) = (0, Usd::ZERO);
        for run in runs {
            let report = run.await.unwrap();
            assert!(matches!(report.outcome, Outcome::Completed | Outcome::Blocked), "{}", report.output);
            answered += usize::from(report.outcome == Outcome::Completed);
            cost += report.cost;
        }
        (answered, cost)
    })
}

#[test]
fn a_child_runs_what_its_parent_says() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let (answered, cost) = runs(&std::env::current_dir().unwrap(), &address, 32);
    std::io::stdout().write_all(format!("answered {answered} {}\n", cost.pico()).as_bytes()).unwrap();
}

/// Two processes with thirty-two runs each, all at once; how many were answered in all, and what they cost.
fn two_processes(folder: &Path, address: &str) -> (usize, u64) {
    let children = [(); 2].map(|()| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "recording::tests::a_child_runs_what_its_parent_says", "--nocapture"]);
        command.env(ADDRESS, address).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().unwrap()
    });
    children.into_iter().fold((0, 0), |(answered, cost), child| {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        let numbers = said.lines().find_map(|line| line.split_once("answered ")).unwrap().1;
        let (more, pico) = numbers.split_once(' ').unwrap();
        (answered + more.parse::<usize>().unwrap(), cost + pico.trim().parse::<u64>().unwrap())
    })
}

#[test]
fn sixty_four_runs_in_two_processes_never_hold_more_than_the_cap_and_one_that_overspends_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::default());
    let address = format!("http://127.0.0.1:{}/v1", server.start());
    let (answered, cost) = two_processes(folder.path(), &address);
    {
        let seen = server.0.lock().unwrap();
        assert_eq!(seen.asked, answered, "who was refused has not asked");
        assert_eq!(seen.most_open, FIT, "as many at once as fit, and no more");
    }
    let store = Store::open(folder.path(), Arc::new(SystemClock::new())).unwrap();
    assert_eq!(store.counted("cost/real", None).unwrap(), cost, "all of it is counted, and nothing else");
    assert!(Usd::from_pico(cost) <= Usd::from_dollars(1.0));

    server.0.lock().unwrap().greedy = true;
    let (one, cost) = runs(folder.path(), &address, 1);
    assert_eq!((one, cost), (1, Usd::from_dollars(50.00001)), "recorded in full");
    let asked = server.0.lock().unwrap().asked;
    assert_eq!(two_processes(folder.path(), &address), (0, 0), "and everybody is refused");
    assert_eq!(server.0.lock().unwrap().asked, asked);
}
