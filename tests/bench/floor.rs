//! What the machine could do at best: the same HTTP server with nothing behind it, and the same database with one row a commit.
//!
//! Figures do not travel between machines; what they are to these, in the same run, does.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The argument that makes this program the bare server.
pub(crate) const SERVE: &str = "--floor-server";
/// Threads that answer; more make a server that does nothing slower.
const THREADS: usize = 4;

/// Answers every call with so many bytes, until it is killed.
///
/// # Errors
/// The address cannot be had.
pub(crate) fn serve(at: &str, bytes: usize) -> io::Result<()> {
    let server = Arc::new(tiny_http::Server::http(at).map_err(io::Error::other)?);
    let body: Arc<[u8]> = vec![b'x'; bytes].into();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (server, body) = (Arc::clone(&server), Arc::clone(&body));
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    let length = Some(body.len());
                    let answer = tiny_http::Response::new(
                        200.into(),
                        Vec::new(),
                        io::Cursor::new(&*body),
                        length,
                        None,
                    );
                    // Who has hung up needs no answer.
                    let _ = request.respond(answer.with_chunked_threshold(usize::MAX));
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// Rows per second when each is committed by itself with full sync, in `folder`.
///
/// # Errors
/// The database's, as text.
pub(crate) fn commits_per_second(folder: &Path, time: Duration) -> io::Result<f64> {
    let run = || -> rusqlite::Result<f64> {
        let db = rusqlite::Connection::open(folder.join("floor.db"))?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "full")?;
        db.execute_batch("CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")?;
        let mut insert = db.prepare("INSERT INTO lines (text) VALUES (?)")?;
        let (mut rows, begun) = (0_u32, Instant::now());
        while begun.elapsed() < time || rows == 0 {
            insert.execute(["a line of a device's log, about as long as they are"])?;
            rows += 1;
        }
        Ok(f64::from(rows) / begun.elapsed().as_secs_f64())
    };
    run().map_err(io::Error::other)
}
