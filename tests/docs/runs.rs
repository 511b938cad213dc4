//! What is marked as runnable runs, and the demo says what the README shows.

use super::text::{blocks, documents, programs, read, root};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// For the demo to get as far as its first picture, and for any one block. Both take seconds; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(180);

/// `mozpool demo` with its boards imaged, in a folder of its own.
struct Demo {
    child: Child,
    api: String,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(programs().join("mozpool"))
            .args(["demo", "--boards", "4"])
            .env("TMPDIR", folder.path())
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (lines_tx, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = lines_tx.send(line);
            }
        });
        let end = Instant::now() + LIMIT;
        let mut api = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).expect("the demo gets its boards ready");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["API", url] => api = Some(url.trim_end_matches('/').to_owned()),
                ["end", "Ctrl-C"] => break,
                _ => {}
            }
        }
        Self { child, api: api.expect("the demo says where its API is"), folder }
    }

    /// Runs every runnable block of a document, in order.
    fn run(&self, document: &str) {
        let mut ran = 0;
        for (info, text, line) in blocks(&read(document)) {
            let file = self.folder.path().join(format!("block-{line}"));
            let interpreter = match &*info {
                // A failed call ends the block, as it would not for a reader.
                "sh run" => {
                    fs::write(
                        &file,
                        format!("curl() {{ command curl -sS --fail-with-body \"$@\"; }}\n{text}"),
                    )
                    .unwrap();
                    ["sh", "-eu"].as_slice()
                }
                "python run" => {
                    fs::write(&file, &text).unwrap();
                    ["python3"].as_slice()
                }
                _ => {
                    assert!(!info.ends_with(" run"), "{document}:{line}: nothing runs `{info}`");
                    continue;
                }
            };
            let path = std::env::join_paths(
                std::iter::once(programs()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
            );
            let output = Command::new("timeout")
                .arg(LIMIT.as_secs().to_string())
                .args(interpreter)
                .arg(&file)
                .current_dir(self.folder.path())
                .env("API", &self.api)
                .env("PYTHONPATH", root().join("mozpoolclient"))
                .env("PATH", path.unwrap())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{document}:{line} ended with {} (needs the Debian packages curl and python3):\n{text}\n{}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            ran += 1;
        }
        assert!(ran > 0);
    }

    /// Ctrl-C.
    fn end(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        assert!(self.child.wait().unwrap().success(), "the demo ends well");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line with every number replaced by `#`, and blanks by one.
fn without_numbers(line: &str) -> String {
    let mut out = String::new();
    for c in line.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

#[test]
fn the_demo_says_what_the_readme_shows() {
    let demo = Command::new(programs().join("mozpool"))
        .args(["demo", "--once", "--boards", "10"])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    assert!(demo.status.success(), "{}", String::from_utf8_lossy(&demo.stderr));
    let said: BTreeSet<String> =
        String::from_utf8(demo.stdout).unwrap().lines().map(without_numbers).collect();
    let readme = read("README.md");
    let (_, shown, _) = blocks(&readme).into_iter().find(|(info, ..)| info == "text").unwrap();
    for line in shown.lines().filter(|l| l.trim() != "…") {
        assert!(said.contains(&without_numbers(line)), "README.md shows {line}; the demo says {said:#?}");
    }
}

/// Demos at once: each waits for its relays most of the time.
const AT_ONCE: usize = 3;

#[test]
fn every_runnable_block_of_every_document_runs() {
    let with: Vec<String> = documents()
        .into_iter()
        .filter(|(_, text)| blocks(text).iter().any(|(info, ..)| info.ends_with(" run")))
        .map(|(name, _)| name)
        .collect();
    for wanted in ["README.md", "docs/quick-start.md", "docs/api.md", "docs/operating.md"] {
        assert!(with.iter().any(|name| name == wanted), "{wanted} has no runnable block: {with:?}");
    }
    for some in with.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for name in some {
                // Each has a demo of its own: what one document does to it is not in another's way.
                scope.spawn(move || {
                    let demo = Demo::start();
                    demo.run(name);
                    demo.end();
                });
            }
        });
    }
}
