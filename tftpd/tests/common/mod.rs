//! What the tests share: a running server with files in memory, bytes to serve, and a client that sends raw packets.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part of it")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tftpd::packet::{self, Packet};
use tftpd::{
    Config, Content, Mode, Options, Refusal, Request, RunError, Server, Source, Stats, Stopper,
    TransferRecord,
};

/// Nothing here takes a second on an idle machine; busy ones are slow, and a hang must still end.
pub const PATIENCE: Duration = Duration::from_secs(20);

struct Memory {
    files: HashMap<String, Arc<[u8]>>,
    records: Sender<TransferRecord>,
}

impl Source for Memory {
    fn open(&self, request: &Request<'_>) -> Result<Content, Refusal> {
        self.files.get(request.name).map(|f| Content::Bytes(Arc::clone(f))).ok_or(Refusal::NotFound)
    }

    fn finished(&self, record: &TransferRecord) {
        // The test may have ended already.
        let _ = self.records.send(record.clone());
    }
}

/// A server in a thread of its own; dropping it stops and joins it.
pub struct Running {
    pub addresses: Vec<SocketAddr>,
    pub stats: Arc<Stats>,
    pub stopper: Stopper,
    records: Receiver<TransferRecord>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Running {
    pub fn start(listen: &[&str], config: Config, files: &[(&str, &[u8])]) -> Self {
        let (sender, records) = channel();
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), Arc::from(*bytes))).collect();
        let listen: Vec<SocketAddr> = listen.iter().map(|a| a.parse().unwrap()).collect();
        let server = Server::bind(&listen, config, Memory { files, records: sender }).unwrap();
        let (addresses, stats, stopper) = (server.local_addrs(), server.stats(), server.stopper());
        let thread = Some(std::thread::spawn(move || server.run()));
        Self { addresses, stats, stopper, records, thread }
    }

    pub fn local(files: &[(&str, &[u8])]) -> Self {
        Self::start(&["127.0.0.1:0"], Config::default(), files)
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The record of the next transfer that ends.
    pub fn record(&self) -> TransferRecord {
        self.records.recv_timeout(PATIENCE).expect("a transfer should have ended by now")
    }

    pub fn no_record(&self) -> bool {
        self.records.try_recv().is_err()
    }

    pub fn stop(&mut self) -> Result<(), RunError> {
        self.stopper.stop();
        self.thread.take().expect("stopped once").join().expect("the server must not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let result = self.stop();
            assert!(result.is_ok() || std::thread::panicking(), "{result:?}");
        }
    }
}

/// Bytes without a pattern that a misplaced block would fit into.
pub fn noise(len: usize) -> Vec<u8> {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// Sends and reads single packets.
pub struct Raw {
    pub socket: UdpSocket,
    buf: Vec<u8>,
}

impl Raw {
    pub fn new() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub fn at(local: &str) -> Self {
        let socket = UdpSocket::bind(local).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, buf: vec![0; 70_000] }
    }

    pub fn ask(&mut self, server: SocketAddr, path: &str, options: Options) {
        packet::encode_read_request(&mut self.buf, path, Mode::Octet, &options);
        self.socket.send_to(&self.buf, server).unwrap();
        self.buf.resize(70_000, 0);
    }

    pub fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.socket.send_to(bytes, to).unwrap();
    }

    pub fn ack(&self, to: SocketAddr, block: u16) {
        let [a, b] = block.to_be_bytes();
        self.send(to, &[0, 4, a, b]);
    }

    /// The next packet in words: `OACK …`, `DATA n:len`, `ERROR code text`.
    pub fn read(&mut self) -> (String, SocketAddr) {
        let (len, from) = self.socket.recv_from(&mut self.buf).expect("an answer should have come by now");
        let words = match packet::decode(&self.buf[..len]).unwrap() {
            Packet::OptionAck { options } => format!("OACK {options}"),
            Packet::Data { block, data } => format!("DATA {block}:{}", data.len()),
            Packet::Error { code, message } => format!("ERROR {code} {message}"),
            other => format!("{other:?}"),
        };
        (words, from)
    }

    /// What has come and waits already.
    pub fn nothing_waits(&mut self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let empty = self.socket.recv_from(&mut self.buf).is_err();
        self.socket.set_nonblocking(false).unwrap();
        empty
    }
}

pub fn options(words: &str) -> Options {
    let mut options = Options::default();
    for pair in words.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap();
        options.read(name, value);
    }
    options
}
