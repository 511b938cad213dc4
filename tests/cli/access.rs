//! Who calls: where the token is found, where it goes, and what is said when a server does not know it.

use crate::world::{Said, World, alone, at_home, end};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

/// A server that answers each call with the next of its answers, and tells what it was asked.
pub(crate) struct Stub {
    pub(crate) url: String,
    pub(crate) port: u16,
    /// The head of each call, in small letters.
    heads: Receiver<String>,
}

impl Stub {
    /// Answers are a status and a body; that of a redirect is where it leads.
    pub(crate) fn new(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (told, heads) = channel();
        let answers: Vec<String> = answers.iter().map(|(status, body)| answer(*status, body)).collect();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    head.extend(byte);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                // The test may have seen enough.
                let _ = told.send(String::from_utf8(head).unwrap().to_lowercase());
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), port, heads }
    }

    /// What the next call said of who makes it.
    pub(crate) fn authorization(&self) -> Option<String> {
        let head = self.heads.recv().unwrap();
        head.lines().find_map(|line| line.strip_prefix("authorization: ").map(str::to_owned))
    }
}

fn answer(status: u16, body: &str) -> String {
    match status {
        307 => {
            format!("HTTP/1.1 307 x\r\nLocation: {body}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        _ => {
            let length = body.len();
            format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        }
    }
}

fn refusal(message: &str) -> String {
    format!(r#"{{"error": {{"code": "unauthorized", "message": "{message}"}}}}"#)
}

/// With its rights.
fn write(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Asks a stub for its devices, with these options and variables.
fn ask(home: &Path, url: &str, words: &[&str], variables: &[(&str, &str)]) -> Said {
    let words = [&["device", "list", "--names", "--url", url], words].concat();
    end(at_home(home, &words).envs(variables.iter().copied()))
}

#[test]
fn the_token_is_found_by_option_variable_and_file() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let file = |name: &str| home.join(name).display().to_string();
    for name in ["option", "variable", "configured"] {
        write(&home.join(name), &format!("mzp_{name}\n"), 0o600);
    }
    let stub = Stub::new(&[(200, r#"{"devices": []}"#); 6]);
    let said = |words: &[&str], variables: &[(&str, &str)]| {
        let said = ask(home, &stub.url, words, variables);
        assert_eq!(said.code, 0, "{}", said.err);
        stub.authorization()
    };
    // From the last place to the first, each with the ones before.
    assert_eq!(said(&[], &[("MOZPOOL_TOKEN", "")]), None);
    write(&home.join(".config/mozpool/token"), "mzp_usual", 0o600);
    assert_eq!(said(&[], &[]).unwrap(), "bearer mzp_usual");
    let client = home.join(".config/mozpool/client.toml");
    write(&client, &format!("token_file = '{}'\n", file("configured")), 0o644);
    assert_eq!(said(&[], &[]).unwrap(), "bearer mzp_configured");
    let by_file = ("MOZPOOL_TOKEN_FILE", &*file("variable"));
    assert_eq!(said(&[], &[by_file]).unwrap(), "bearer mzp_variable");
    let itself = ("MOZPOOL_TOKEN", "mzp_itself");
    assert_eq!(said(&[], &[by_file, itself]).unwrap(), "bearer mzp_itself");
    assert_eq!(said(&["--token-file", &file("option")], &[by_file, itself]).unwrap(), "bearer mzp_option");
}

#[test]
fn a_token_that_is_none_or_is_everybodys_is_not_sent() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    // Nobody listens there, and nobody is asked.
    let refused = |variables: &[(&str, &str)]| {
        let said =
            ask(home.path(), "http://127.0.0.1:9", &["--token-file", file.to_str().unwrap()], variables);
        (said.code, said.err)
    };
    let (code, why) = refused(&[]);
    assert!(code == 1 && why.contains("token: No such file"), "{code} {why}");
    write(&file, "mzp_a\n", 0o644);
    let (code, why) = refused(&[]);
    assert!(code == 2 && why.contains("every user may read it or change it: chmod 600 "), "{code} {why}");
    write(&file, "mzp_a mzp_b\n", 0o600);
    let (code, why) = refused(&[]);
    assert!(code == 2 && why.contains("holds no token") && !why.contains("mzp_a"), "{code} {why}");
}

#[test]
fn a_redirect_takes_the_token_along() {
    let home = tempfile::tempdir().unwrap();
    let owner = Stub::new(&[(200, r#"{"devices": []}"#)]);
    let first = Stub::new(&[(307, &format!("{}/api/device/list", owner.url))]);
    let said = ask(home.path(), &first.url, &[], &[("MOZPOOL_TOKEN", "mzp_a")]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(first.authorization().unwrap(), "bearer mzp_a");
    assert_eq!(owner.authorization().unwrap(), "bearer mzp_a");
}

#[test]
fn a_server_that_does_not_know_us_is_told_of_in_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    let token = [("MOZPOOL_TOKEN", "mzp_a")];
    let (who, role) = (refusal("this call needs a token"), refusal("this needs the role operator"));
    let stub =
        Stub::new(&[(401, &who), (401, &who), (403, &role), (401, "<html>"), (401, &who), (401, &who)]);
    let said = |variables: &[(&str, &str)]| {
        let said = ask(home.path(), &stub.url, &[], variables);
        assert_eq!((said.code, &*said.out), (1, ""), "{}", said.err);
        said.err
    };
    let asks = format!("{} does not know who asks: this call needs a token. ", stub.url);
    let none = said(&[]);
    assert!(none.contains(&asks) && none.contains("--token-file"), "{none}");
    let unknown = said(&token);
    assert!(
        unknown.contains("does not take the token from $MOZPOOL_TOKEN: this call needs a token"),
        "{unknown}"
    );
    let missing = said(&token);
    assert!(missing.contains("this needs the role operator (the token is from $MOZPOOL_TOKEN)"), "{missing}");
    assert!(said(&[]).contains("does not know who asks: HTTP status 401"));
    // A monitor's look is no less clear, and a stream is asked like any call.
    let look = end(&mut at_home(home.path(), &["check", "--remote", &stub.url]));
    assert!(look.code == 3 && look.out.contains(&asks), "{} {}", look.code, look.out);
    let follow = end(at_home(home.path(), &["device", "log", "b", "-f", "--url", &stub.url]).envs(token));
    assert!(
        follow.code == 1 && follow.err.contains("does not take the token from $MOZPOOL_TOKEN"),
        "{}",
        follow.err
    );
}

#[test]
fn a_job_does_its_work_with_a_token_and_no_more() {
    let mut world = World::with(1);
    let token = |name: &str, role: &str| {
        let made = end(&mut alone(
            &world,
            &["token", "create", name, "--role", role, "--config", world.config().to_str().unwrap()],
        ));
        assert_eq!(made.code, 0, "{}", made.err);
        made.out.trim().to_owned()
    };
    let job = token("ci", "requester");
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), format!("{config}\n[auth]\nmode = \"token\"\n")).unwrap();
    world.kill_and_start();

    let said = world.run(&["device", "list"]);
    assert!(said.code == 1 && said.err.contains("does not know who asks: "), "{} {}", said.code, said.err);
    let as_job = |words: &[&str]| end(world.command(words).env("MOZPOOL_TOKEN", &job));
    let ran = as_job(&["request", "new", "demo", "--", "sh", "-c", "echo on $MOZPOOL_DEVICE; exit 7"]);
    assert!(ran.code == 7 && ran.out == "on board-001\n", "{} {}{}", ran.code, ran.out, ran.err);
    let refused = as_job(&["device", "power", "off", "board-001", "--yes"]);
    assert!(
        refused.code == 1 && refused.err.contains("needs the role operator"),
        "{} {}",
        refused.code,
        refused.err
    );
    assert!(!refused.err.contains(&job));
}
