//! The built program: what it prints, how it ends, and that a lack of files does not end it.
#![allow(clippy::unwrap_used)] // clippy knows test functions, but not their helpers

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine, so that only a fault reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Program {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    udp: SocketAddr,
    tcp: SocketAddr,
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    thread::spawn(move || {
        // Without root the kernel gives a smaller buffer than wanted, which the program rightly says.
        let wanted = |line: &String| !line.contains("raise net.core.rmem_max");
        BufReader::new(from).lines().map_while(Result::ok).filter(wanted).try_for_each(|line| to.send(line))
    });
    lines
}

fn start(mut command: Command) -> Program {
    command.args(["--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
    let addr = |kind: &str| {
        let line = err.recv_timeout(PATIENCE).expect("the program should say where it listens");
        line.strip_prefix(&format!("listening on {kind} ")).expect(&line).parse().unwrap()
    };
    let (udp, tcp) = (addr("udp"), addr("tcp"));
    Program { child, out, err, udp, tcp }
}

fn syslogd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syslogd"));
    command.env_remove("RUST_LOG");
    command
}

impl Program {
    fn send(&self, line: &str) {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().send_to(line.as_bytes(), self.udp).unwrap();
    }

    fn json(&self) -> serde_json::Value {
        let line = self.out.recv_timeout(PATIENCE).expect("a line should have been printed");
        serde_json::from_str(&line).expect(&line)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "the program should have ended");
            thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After a failed assertion nobody else ends it; if it has ended, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_prints_json_lines_and_ends_with_0_on_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut program = start(syslogd());
        program.send("<34>1 2003-10-11T22:14:15.003Z host su 7 ID47 [a b=\"c\"] \u{feff}'su root'\nfailed\n");
        let json = program.json();
        let sender: SocketAddr = json["from"].as_str().unwrap().parse().unwrap();
        assert_eq!(sender.ip(), Ipv4Addr::LOCALHOST);
        assert!(json["received_ms"].as_u64().unwrap() > 1_700_000_000_000);
        let want = serde_json::json!({
            "received_ms": json["received_ms"], "from": json["from"], "facility": "auth", "severity": "crit",
            "pri_given": true, "timestamp": "2003-10-11T22:14:15.003Z", "timestamp_ms": 1_065_910_455_003_i64,
            "hostname": "host", "tag": "su", "pid": "7", "msgid": "ID47", "structured_data": "[a b=\"c\"]",
            "message": "'su root'\u{240a}failed", "truncated": false,
        });
        assert_eq!(json, want);
        let mut stream = TcpStream::connect(program.tcp).unwrap();
        stream.write_all(b"<13>by tcp\n").unwrap();
        assert_eq!(program.json()["message"], "by tcp");
        program.signal(signal);
        assert_eq!(program.exit_code(), Some(0));
        assert_eq!(program.err.iter().collect::<Vec<_>>(), Vec::<String>::new());
    }
}

#[test]
fn wrong_usage_is_2_and_a_taken_port_is_1_and_named() {
    let code = |args: &[&str]| {
        let output = syslogd().args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for args in [&[][..], &["--udp"], &["--udp", "nonsense"], &["--nonsense"]] {
        assert_eq!(code(args).0, Some(2), "{args:?}");
    }
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (exit, stderr) = code(&["--udp", &addr]);
    assert_eq!(exit, Some(1));
    assert!(stderr.starts_with(&format!("syslogd: cannot listen on udp {addr}: ")), "{stderr}");
}

#[test]
fn it_ends_with_1_when_nobody_can_read_what_it_prints() {
    let mut command = syslogd();
    command.args(["--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let err = lines(child.stderr.take().unwrap());
    let udp = err.recv_timeout(PATIENCE).unwrap();
    let udp: SocketAddr = udp.strip_prefix("listening on udp ").unwrap().parse().unwrap();
    let (_, out) = channel();
    let mut program = Program { child, out, err, udp, tcp: udp };
    program.send("<13>x");
    assert_eq!(program.exit_code(), Some(1));
    let said: Vec<String> = program.err.iter().collect();
    assert!(said.last().unwrap().starts_with("syslogd: cannot write to standard output: "), "{said:?}");
}

#[test]
fn without_free_files_it_neither_dies_nor_spins() {
    let mut command = Command::new("sh");
    command.env_remove("RUST_LOG").args([
        "-c",
        "ulimit -n 16; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_syslogd"),
    ]);
    let mut program = start(command);
    let streams: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(program.tcp).unwrap()).collect();
    let warning = program.err.recv_timeout(PATIENCE).expect("the program should complain");
    assert!(warning.contains("cannot accept connections"), "{warning}");

    // Connections wait in the kernel all this time. Nothing is said, and hardly any work is done.
    let before = cpu_ticks(program.child.id());
    assert_eq!(program.err.recv_timeout(Duration::from_millis(2500)), Err(RecvTimeoutError::Timeout));
    let used = cpu_ticks(program.child.id()) - before;
    assert!(used < 50, "{used} ticks of 250 used while nothing could be done");

    program.send("<13>udp is heard meanwhile");
    assert_eq!(program.json()["message"], "udp is heard meanwhile");
    drop(streams);
    TcpStream::connect(program.tcp).unwrap().write_all(b"<13>room again\n").unwrap();
    assert_eq!(program.json()["message"], "room again");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.exit_code(), Some(0));
}

/// Processor time used, in ticks of 10 ms (proc(5), utime and stime).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    after_name.split(' ').skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum()
}
