//! stub
use super::messages::JournalLine;
use super::supervise::Exit;
use crate::clock::Clock;
use crossbeam_channel::Sender;
use std::sync::Arc;
struct S(Sender<JournalLine>, Arc<dyn Clock>);
impl syslogd::Sink for S {
    fn record(&mut self, from: std::net::SocketAddr, r: syslogd::Record, _raw: &[u8]) {
        let _ = self.0.try_send(JournalLine::Syslog {
            from: from.ip(),
            hostname: r.hostname,
            at: self.1.now(),
            message: r.message,
        });
    }
}
/// r
pub fn run(
    server: syslogd::Server,
    lines: Sender<JournalLine>,
    clock: Arc<dyn Clock>,
    _lost: Arc<std::sync::atomic::AtomicU64>,
) -> Exit {
    match server.run(&mut S(lines, clock)) {
        Ok(()) => Exit::Stopped,
        Err(e) => Exit::Failed(e.to_string()),
    }
}
