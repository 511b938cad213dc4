//! Where the server is: options, variables, files, and several of a pool.

use crate::world::{World, alone, end};
use std::net::TcpListener;

#[test]
fn the_server_is_found_by_option_variable_file_and_configuration() {
    let world = World::with(1);
    let url = format!("http://{}", world.daemon().http);
    let names = |command: &mut std::process::Command| end(command.args(["device", "list", "--names"])).out;
    // A free port that nobody listens on.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = format!("http://{nobody}");
    assert_eq!(
        names(alone(&world, &["--config", world.config().to_str().unwrap()]).env("MOZPOOL_URL", "")),
        "board-001\n"
    );

    std::fs::create_dir_all(world.path("home/.config/mozpool")).unwrap();
    let file = world.path("home/.config/mozpool/client.toml");
    std::fs::write(&file, format!("url = '{url}/api/'\nassignee = 'me'\nduration = '2h'\n")).unwrap();
    assert_eq!(names(&mut alone(&world, &[])), "board-001\n");
    let made = end(&mut alone(&world, &["request", "new", "demo", "--json"]));
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!(made["assignee"], "me");
    let mine = end(&mut alone(&world, &["request", "list", "--mine"]));
    assert!(mine.out.contains(" 1h 59m") && mine.out.lines().count() == 2, "{}", mine.out);

    // The variable goes before the file, the option before the variable.
    let said = end(alone(&world, &["status"]).env("MOZPOOL_URL", &nowhere));
    assert_eq!(said.code, 4);
    assert!(said.err.contains(&format!("{nowhere} (from $MOZPOOL_URL) does not answer: ")), "{}", said.err);
    assert_eq!(names(alone(&world, &["--url", &url]).env("MOZPOOL_URL", &nowhere)), "");
    let listed =
        end(alone(&world, &["device", "list", "--names", "--url", &url]).env("MOZPOOL_URL", &nowhere));
    assert_eq!(listed.out, "board-001\n");

    // Several are tried in turn, for reading and for writing.
    let both = format!("{nowhere},{url}");
    for words in [&["device", "list"][..], &["device", "comment", "board-001", "x"], &["log", "-n", "1"]] {
        let said = end(alone(&world, words).env("MOZPOOL_URL", &both));
        assert_eq!(said.code, 0, "{words:?}: {}", said.err);
    }
    std::fs::write(&file, format!("urls = ['{nowhere}', '{url}']\n")).unwrap();
    assert_eq!(end(&mut alone(&world, &["request", "return", "1", "-y"])).out, "request 1 is returned\n");

    for (text, why) in [
        ("uri = 'x'", "client.toml:1: unknown field `uri`"),
        ("\nduration = 'soon'", "client.toml:2: write a length of time"),
        ("url = 'x:80'", "`x:80` (from "),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = end(&mut alone(&world, &["status"]));
        assert_eq!(said.code, 2, "{text}: {}", said.err);
        assert!(said.err.contains(why), "{text}: {}", said.err);
    }
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let world = World::with(1);
    let program = env!("CARGO_BIN_EXE_mozpool");
    let script = format!("{{ {program} log -f -n 1000; echo \"ended with $?\" >&2; }} | head -n 1");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).env("MOZPOOL_URL", format!("http://{}", world.daemon().http));
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Lines enough for the pipe's end to be noticed.
    let mut n = 0;
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        let flag = std::sync::Arc::clone(&done);
        let ends = scope.spawn(move || {
            let output = child.wait_with_output().unwrap();
            flag.store(true, std::sync::atomic::Ordering::SeqCst);
            output
        });
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            n += 1;
            world.done(&["device", "comment", "board-001", &n.to_string()]);
        }
        let output = ends.join().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "ended with 0\n");
    });
}
