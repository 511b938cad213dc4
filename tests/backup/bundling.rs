//! `mozpool support-bundle`: of a daemon that lives, of one that is dead, of a configuration that is broken; and never with a secret.

use crate::support::{Lab, mozpool};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Secrets of all kinds; none of them may be found in a bundle.
const PLANTED: [&str; 11] = [
    "mzp_planted-api-token",
    "planted-ticket",
    "planted-session",
    "planted-comment",
    "planted-site-value",
    "planted-netbox-token",
    "planted-pool-secret-0123456789",
    "planted-in-a-header",
    "planted-in-a-query",
    "planted-in-an-environment",
    "planted-in-an-address",
];

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("it is ours");
}

/// A lab with secrets wherever there may be one, and programs that tell more of them.
fn with_secrets() -> Lab {
    let lab = Lab::new();
    write(&lab.path("token"), "planted-netbox-token\n", 0o600);
    write(&lab.path("pool"), "planted-pool-secret-0123456789\n", 0o600);
    let mut config = std::fs::read_to_string(lab.config()).expect("a file");
    let path = |name: &str| lab.path(name).display().to_string();
    config += &format!(
        "# the old password was planted-comment\n[pxe.values]\nwifi = \"planted-site-value\"\n\
         [inventory]\nsource = \"netbox\"\nurl = \"http://127.0.0.1:9\"\ntoken_file = \"{}\"\n\
         [peers]\nsecret_file = \"{}\"\n",
        path("token"),
        path("pool")
    );
    std::fs::write(lab.config(), config).expect("a file");
    std::fs::create_dir(lab.path("bin")).expect("a folder");
    write(
        &lab.path("bin/journalctl"),
        "#!/bin/sh\necho \"asked $*\"\necho 'Authorization: Bearer planted-in-a-header'\n\
         echo 'GET /x?access_token=planted-in-a-query&y=2'\necho 'netbox has refused planted-netbox-token'\n\
         echo 'lost mzp_planted-api-token, GET /x?ticket=17~ann~planted-ticket, mozpool_session=planted-session'\n\
         echo 'store mysql://mozpool:planted-in-an-address@db/pool'\n",
        0o755,
    );
    write(
        &lab.path("bin/systemctl"),
        "#!/bin/sh\necho \"asked $*\"\necho 'Environment=DB_PASSWORD=planted-in-an-environment'\n",
        0o755,
    );
    lab
}

fn bundle(lab: &Lab, name: &str) -> Output {
    let path = std::env::var("PATH").expect("there are programs");
    let mut command = mozpool(&lab.config());
    command.arg("support-bundle").arg(lab.path(name)).env_remove("MOZPOOL_URL");
    command.env("PATH", format!("{}:{path}", lab.path("bin").display())).output().expect("mozpool runs")
}

/// Makes a bundle; all that is in it by name, and its table of contents.
fn bundled(lab: &Lab, name: &str) -> (String, impl Fn(&str) -> String) {
    let output = bundle(lab, name);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mode = std::fs::metadata(lab.path(name)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = lab.path(&format!("{name}.d"));
    std::fs::create_dir(&folder).expect("a folder");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(lab.path(name)).arg("--strip-components=1").arg("-C").arg(&folder);
    assert!(tar.status().expect("tar of Debian's base system").success());
    let read = move |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    for name in said.lines().filter(|l| !l.is_empty() && !l.contains(": ")) {
        let text = read(name);
        assert!(!text.is_empty(), "{name}");
        for secret in PLANTED {
            assert!(!text.contains(secret), "{name} has {secret}: {text}");
        }
    }
    for secret in PLANTED {
        assert!(!said.contains(secret), "{said}");
    }
    (said, read)
}

#[test]
fn a_server_that_lives_is_told_of_without_its_secrets() {
    let lab = with_secrets();
    let daemon = lab.serve();
    // Where this one listens nobody has written down.
    let config = std::fs::read_to_string(lab.config()).expect("a file");
    let config = config.replacen("127.0.0.1:0", &daemon.http.to_string(), 1);
    std::fs::write(lab.config(), config).expect("a file");
    let (said, read) = bundled(&lab, "alive.tar.gz");
    assert!(!said.contains("not there"), "{said}");
    assert!(read("health.json").contains("\"status\":\"ok\""));
    assert!(read("ready.json").contains("\"ready\":true"));
    assert!(read("servers.json").contains("\"s1\""));
    assert!(read("metrics.txt").contains("mozpool_store_damaged 0"));
    assert!(read("config.toml").contains("wifi = \"(left out)\""));
    let store = read("store.txt");
    assert!(store.contains("\n  devices: 1 rows") && store.contains("integrity: whole ("), "{store}");
    assert!(read("process.txt").contains(&format!("process {}\n", daemon.pid())));
    assert!(read("disks.txt").contains("MiB free"));
    assert!(
        read("log.txt").contains("--unit=mozpool")
            && read("log.txt").contains("netbox has refused (left out)")
    );
    assert!(read("version.txt").contains(env!("CARGO_PKG_VERSION")));
    // A bundle that is there is somebody's.
    let again = bundle(&lab, "alive.tar.gz");
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("alive.tar.gz: File exists"));
    assert!(daemon.terminate().success());
}

#[test]
fn what_a_dead_server_cannot_tell_is_named() {
    let lab = with_secrets();
    write(&lab.path("bin/journalctl"), "#!/bin/sh\necho 'No journal files were found.' >&2\nexit 1\n", 0o755);
    std::fs::write(
        lab.path("mozpool.db"),
        "no store any more, and long enough for the head of one ".repeat(20),
    )
    .expect("a file");
    let (said, read) = bundled(&lab, "dead.tar.gz");
    for name in ["health.json", "ready.json", "metrics.txt", "servers.json"] {
        assert!(said.contains(&format!("{name}: not there: ")), "{said}");
    }
    assert!(
        said.contains("log.txt: not there: journalctl: ") && said.contains("No journal files were found."),
        "{said}"
    );
    assert!(said.contains("process.txt: not there: no daemon has the store"), "{said}");
    assert!(read("store.txt").contains("is not a SQLite database"), "{}", read("store.txt"));
    assert_eq!(read("contents.txt").lines().count(), said.lines().count() - 2);

    std::fs::write(lab.config(), "[store\nurl = \"mysql://mozpool:planted-in-an-address@db/pool\"\n")
        .expect("a file");
    let (said, read) = bundled(&lab, "broken.tar.gz");
    assert!(said.contains("config.toml: not there: ") && said.contains("not TOML"), "{said}");
    assert!(said.contains("store.txt: not there: there is no configuration"), "{said}");
    assert!(read("disks.txt").contains("MiB free"));
}
