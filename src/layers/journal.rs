//! stub
use super::messages::JournalLine;
use super::supervise::Exit;
use crate::clock::Clock;
use crate::store::{DeviceLogLine, Store};
use crossbeam_channel::{Receiver, select_biased};
use std::sync::Arc;
/// s
pub struct Settings {
    pub server: String,
    pub log_retention_days: u32,
    pub request_retention_days: u32,
}
/// j
pub struct Journal {
    store: Box<dyn Store>,
}
impl Journal {
    /// n
    pub fn new(
        store: Box<dyn Store>,
        _c: Arc<dyn Clock>,
        _s: Settings,
        _l: Arc<std::sync::atomic::AtomicU64>,
    ) -> Self {
        Self { store }
    }
    /// r
    pub fn run(mut self, lines: &Receiver<JournalLine>, stop: &Receiver<()>) -> Exit {
        loop {
            let line = select_biased! { recv(stop) -> _ => return Exit::Stopped, recv(lines) -> l => match l { Ok(l) => l, Err(_) => return Exit::Lost("x") } };
            if let JournalLine::Device { device, at, source, message } = line {
                let _ = self.store.append_device_log(&[DeviceLogLine {
                    device,
                    at,
                    source: source.into(),
                    message,
                }]);
            }
        }
    }
}
