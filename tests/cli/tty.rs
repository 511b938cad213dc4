//! A terminal of our own, and the program in its foreground: what it shows, and what is typed.

use crate::support::wait_for;
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

pub(crate) struct Tty {
    child: Child,
    master: File,
    shown: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Tty {
    /// Starts it in a terminal of so many columns.
    pub(crate) fn run(command: &Command, columns: u16) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        // setsid(1) makes the terminal that of a session of its own, so that its keys send signals.
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => session.env(key, value),
                None => session.env_remove(key),
            };
        }
        session.env("TERM", "xterm");
        let child = session.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
        drop((session, pty.slave));
        let master = File::from(pty.master);
        let (mut from, shown) = (master.try_clone().unwrap(), Arc::new(Mutex::new(String::new())));
        let into = Arc::clone(&shown);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // When the program has ended, reading is an error.
            while let Ok(n @ 1..) = from.read(&mut piece) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..n]));
            }
        });
        Self { child, master, shown, reader: Some(reader) }
    }

    pub(crate) fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    pub(crate) fn wait_for(&self, text: &str) {
        wait_for(&format!("`{text}` on the terminal"), || self.shown().contains(text).then_some(()));
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// How it ends, and all that it has shown.
    pub(crate) fn end(mut self) -> (i32, String) {
        let status = wait_for("the program to end", || self.child.try_wait().unwrap());
        self.reader.take().unwrap().join().unwrap();
        (status.code().expect("no signal ended it"), self.shown())
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
