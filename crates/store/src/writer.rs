//! The one thread that writes: jobs come through a bounded queue, and those that wait together are committed together.

use crate::error::{Fault, StoreError};
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// How many jobs wait before whoever brings the next one has to. One run is one job; a thousand are a few megabytes.
const QUEUE: usize = 1024;

/// How many jobs share one commit, so that a reader's view is never far behind.
const GROUP: usize = 256;

/// Something to be written.
pub(crate) trait Job: Send {
    /// Does it, inside the group's transaction; what it did is taken back if it fails.
    fn run(&mut self, conn: &Connection) -> Result<(), Fault>;

    /// Is told how it went: once it is on the disk, or has failed.
    fn done(self: Box<Self>, result: Result<(), StoreError>);
}

/// The writer's handle. Dropping it writes what is queued, then stops the thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which owns the connection.
    pub(crate) fn start(conn: Connection, db: PathBuf) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("aic-store".into()).spawn(move || work(conn, &db, &jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a job; waits while the queue is full.
    pub(crate) fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.queue.as_ref().and_then(|queue| queue.send(job).ok()).ok_or(StoreError::Closed)
    }

    /// Does one thing and waits until it is on the disk.
    pub(crate) fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = sync_channel(1);
        self.submit(Box::new(Call { work: Some(work), value: None, reply }))?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        // The last handle may go inside a job: a thread cannot wait for itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A writer that panicked has said so on its own; whoever waited for it was told `Closed`.
            let _ = thread.join();
        }
    }
}

struct Call<T, F> {
    work: Option<F>,
    value: Option<T>,
    reply: SyncSender<Result<T, StoreError>>,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, conn: &Connection) -> Result<(), Fault> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(conn)?);
        }
        Ok(())
    }

    fn done(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        // Nobody waits any more: then nobody wants to know.
        let _ = reply.send(result.and_then(|()| value.ok_or(StoreError::Closed)));
    }
}

fn work(mut conn: Connection, db: &Path, jobs: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP - 1));
        let results = commit(&mut conn, db, &mut group);
        for (job, result) in group.into_iter().zip(results) {
            job.done(result);
        }
    }
}

/// Runs a group in one transaction; as many results as jobs.
fn commit(conn: &mut Connection, db: &Path, group: &mut [Box<dyn Job>]) -> Vec<Result<(), StoreError>> {
    let count = group.len();
    transact(conn, db, group).unwrap_or_else(|fault| vec![Err(fault.at(db)); count])
}

fn transact(
    conn: &mut Connection,
    db: &Path,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<Result<(), StoreError>>, Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(group.len());
    for job in group {
        tx.prepare_cached("SAVEPOINT job")?.execute([])?;
        match job.run(&tx) {
            Ok(()) => results.push(Ok(())),
            // A full disk takes the whole transaction back, and with it what the jobs before this one did.
            Err(fault) if tx.is_autocommit() => return Err(fault),
            Err(fault) => {
                tx.execute_batch("ROLLBACK TO job")?;
                results.push(Err(fault.at(db)));
            }
        }
        tx.prepare_cached("RELEASE job")?.execute([])?;
    }
    tx.commit()?;
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> Writer {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (x INTEGER UNIQUE)").unwrap();
        Writer::start(conn, "memory".into()).unwrap()
    }

    fn count(writer: &Writer) -> i64 {
        writer.call(|conn| Ok(conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).unwrap()
    }

    #[test]
    fn a_job_that_fails_takes_back_only_itself() {
        let writer = writer();
        writer.call(|conn| Ok(conn.execute("INSERT INTO t VALUES (1)", [])?)).unwrap();
        let twice = writer.call(|conn| {
            conn.execute("INSERT INTO t VALUES (2)", [])?;
            Ok(conn.execute("INSERT INTO t VALUES (1)", [])?)
        });
        assert!(matches!(twice, Err(StoreError::Database { .. })));
        assert_eq!(count(&writer), 1);
    }

    #[test]
    fn jobs_from_many_threads_are_all_done() {
        let writer = writer();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let writer = &writer;
                scope.spawn(move || {
                    for i in 0..100 {
                        let x = thread * 1000 + i;
                        writer.call(move |conn| Ok(conn.execute("INSERT INTO t VALUES (?1)", [x])?)).unwrap();
                    }
                });
            }
        });
        assert_eq!(count(&writer), 400);
    }

    #[test]
    fn a_database_that_somebody_holds_is_told_to_every_job_and_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("x.db");
        let holder = Connection::open(&db).unwrap();
        holder.execute_batch("CREATE TABLE t (x INTEGER UNIQUE); BEGIN IMMEDIATE").unwrap();
        let conn = Connection::open(&db).unwrap();
        conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        let writer = Writer::start(conn, db.clone()).unwrap();
        let insert = || writer.call(|conn| Ok(conn.execute("INSERT INTO t VALUES (1)", [])?));
        assert_eq!(insert(), Err(StoreError::Locked { path: db }));
        holder.execute_batch("COMMIT").unwrap();
        assert_eq!(insert(), Ok(1));
    }

    #[test]
    fn a_full_disk_loses_nothing_that_was_written_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("x.db");
        let conn = Connection::open(&db).unwrap();
        conn.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (x BLOB); PRAGMA max_page_count = 50").unwrap();
        let writer = Writer::start(conn, db.clone()).unwrap();
        let insert = || writer.call(|conn| Ok(conn.execute("INSERT INTO t VALUES (zeroblob(20000))", [])?));
        let written = (0..100).take_while(|_| insert().is_ok()).count();
        assert_eq!(insert(), Err(StoreError::DiskFull { path: db }));
        assert_eq!(count(&writer), written as i64);
        writer.call(|conn| Ok(conn.execute("DELETE FROM t WHERE rowid = 1", [])?)).unwrap();
        assert_eq!(insert(), Ok(1));
    }

    #[test]
    fn a_panicking_job_closes_the_writer_and_says_so() {
        let writer = writer();
        let answer = writer.call(|_| -> Result<(), Fault> { std::panic::resume_unwind(Box::new("on purpose")) });
        assert_eq!(answer, Err(StoreError::Closed));
        assert_eq!(writer.call(|_| Ok(())), Err(StoreError::Closed));
    }
}
