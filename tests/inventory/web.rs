//! An inventory's server: answers what the test has put there, and remembers what it was asked.

use serde_json::Value;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tiny_http::{Header, Response, Server};

type Pages = Arc<Mutex<HashMap<String, (u16, String)>>>;

/// The server; it ends with its value.
pub(crate) struct Web {
    server: Arc<Server>,
    pages: Pages,
    asked: Arc<Mutex<Vec<(String, String)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    pub(crate) fn new() -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let (pages, asked) = (Pages::default(), Arc::<Mutex<Vec<_>>>::default());
        let (to, answers, calls) = (Arc::clone(&server), Arc::clone(&pages), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            for request in to.incoming_requests() {
                let header = |name: &str| {
                    let found =
                        request.headers().iter().find(|h| h.field.to_string().eq_ignore_ascii_case(name));
                    found.map(|h| h.value.to_string()).unwrap_or_default()
                };
                let url = request.url().to_owned();
                calls.lock().unwrap().push((url.clone(), header("Authorization")));
                let (status, text) =
                    answers.lock().unwrap().get(&url).cloned().unwrap_or((404, "{}".to_owned()));
                let mut answer = Response::from_string(text).with_status_code(status);
                if (300..400).contains(&status) {
                    answer.add_header(Header::from_bytes("Location", "http://127.0.0.1:9/").unwrap());
                }
                let _ = request.respond(answer);
            }
        });
        Self { server, pages, asked, thread: Some(thread) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.server_addr())
    }

    /// It answers this from now on.
    pub(crate) fn put(&self, path: &str, answer: &Value) {
        self.put_text(path, 200, &answer.to_string());
    }

    pub(crate) fn put_text(&self, path: &str, status: u16, text: &str) {
        self.pages.lock().unwrap().insert(path.to_owned(), (status, text.to_owned()));
    }

    /// It answers nothing any more.
    pub(crate) fn clear(&self) {
        self.pages.lock().unwrap().clear();
    }

    /// What it was asked since the last look.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().drain(..).map(|(url, _)| url).collect()
    }

    /// As whom it was asked since the last look, each once.
    pub(crate) fn credentials(&self) -> Vec<String> {
        let mut all: Vec<String> = self.asked.lock().unwrap().drain(..).map(|(_, who)| who).collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A server that answers one call with these bytes and hangs up.
pub(crate) fn broken(bytes: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        // As far as the end of the head, or it would be a reset and not an end.
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") && peer.read(&mut byte).unwrap() == 1 {
            seen.extend(byte);
        }
        peer.write_all(bytes.as_bytes()).unwrap();
    });
    url
}
