//! How a database is reached, and what an operator is told when it is not.

use crate::mariadb::{Server, take_over};
use crate::support::{Lab, mozpool, wait_for};
use crate::{T0, at_port, comments, free_port, lab, location, open_error};
use mozpool::store::{DeviceEdit, StoreError};
use std::process::Command;

#[test]
fn what_is_wrong_with_a_database_is_said_with_its_remedy() {
    let server = Server::shared();
    let database = server.database();
    server.sql(&format!("CREATE USER 'u{database}'@'%' IDENTIFIED BY 'right'; GRANT SELECT ON {database}.* TO 'u{database}'@'%'"));
    let socket = server.folder.join("socket");
    let url =
        |who: &str, database: &str| format!("mysql://{who}@localhost/{database}?socket={}", socket.display());
    let user = format!("u{database}");
    let nobody = free_port();
    for (url, want) in [
        (url(&format!("{user}:secret"), &database), "the user or the password is wrong"),
        (url("root", "nowhere"), "Unknown database 'nowhere'"),
        (url("root", "nowhere"), "CREATE DATABASE it"),
        (url(&format!("{user}:right"), &database), "GRANT ALL ON the database TO the user"),
        (url(&format!("{user}:right"), "mysql"), "GRANT ALL ON the database TO the user"),
        (format!("mysql://u:secret@127.0.0.1:{nobody}/d"), "it cannot be reached"),
        (
            format!("mysql://u@127.0.0.1:{nobody}/d?password_file=/nowhere/secret"),
            "cannot be read from /nowhere/secret",
        ),
    ] {
        let error = open_error(&location(&url));
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains(want), "{url}: {error}");
        assert!(!error.contains("right") && !error.contains(":secret"), "{error}");
    }
    // A second try while it rests is told the same.
    let there = location(&format!("mysql://u:secret@127.0.0.1:{nobody}/d"));
    assert_eq!(open_error(&there).to_string(), open_error(&there).to_string());

    server.sql(&format!("CREATE TABLE {database}.bookmarks (url TEXT)"));
    let error = open_error(&location(&server.url(&database))).to_string();
    assert!(error.contains("tables of another program; name another one"), "{error}");
    server.sql(&format!("DROP TABLE {database}.bookmarks"));
    drop(location(&server.url(&database)).open().unwrap());
    server.sql(&format!("UPDATE {database}.schema_version SET version = 99"));
    let error = open_error(&location(&server.url(&database)));
    assert!(matches!(error, StoreError::TooNew { found: 99, known } if known < 99), "{error}");
}

#[test]
fn servers_that_start_at_once_make_one_schema() {
    let server = Server::shared();
    let url = server.url(&server.database());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // Each has a location of its own, as processes have.
            scope.spawn(|| assert_eq!(location(&url).open().unwrap().pxe_configs().unwrap().len(), 4));
        }
    });
    assert_eq!(location(&url).open().unwrap().images().unwrap().len(), 2, "seeded once");
}

#[test]
fn a_schema_that_was_left_half_made_is_finished() {
    let server = Server::shared();
    let whole = server.database();
    drop(location(&server.url(&whole)).open().unwrap());
    let half = server.database();
    // It died when it had made two tables and had counted the first.
    server.sql(&format!(
        "USE {half}; CREATE TABLE schema_version LIKE {whole}.schema_version; \
         CREATE TABLE imaging_servers LIKE {whole}.imaging_servers; CREATE TABLE hardware_types LIKE {whole}.hardware_types; \
         INSERT INTO schema_version VALUES (1, 0, 1, 'process 1 on nowhere, 0', 5)"
    ));
    let mut store = location(&server.url(&half)).open().unwrap();
    store.apply_lab(&lab(), false, T0).unwrap();
    assert_eq!(store.pxe_configs().unwrap().len(), 4);
    let definition = |database: &str| {
        server.sql(&format!(
            "SELECT table_name, column_name, column_type, column_key FROM information_schema.columns \
             WHERE table_schema = '{database}' ORDER BY 1, 2"
        ))
    };
    assert_eq!(definition(&half), definition(&whole));
    assert_eq!(server.sql(&format!("SELECT holder, done FROM {half}.schema_version")).trim(), "0");
}

#[test]
fn a_connection_that_was_cut_is_made_anew() {
    let server = Server::shared();
    let database = server.database();
    let mut store = location(&server.url(&database)).open().unwrap();
    store.apply_lab(&lab(), false, T0).unwrap();
    let cut = || {
        let ours =
            format!("SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE db = '{database}'");
        let kills = server.sql(&ours);
        assert!(!kills.is_empty(), "there is a connection to cut");
        server.sql(&kills.replace('\n', ";"));
    };
    cut();
    assert!(comments(&mut *store).starts_with("100 %"), "reading");
    cut();
    assert!(store.edit_device("panda-1", &DeviceEdit::Comments("new".into()), T0).unwrap(), "writing");
    assert_eq!(comments(&mut *store), "new");
    cut();
    let mut seen = 0;
    let window =
        mozpool::logic::report::Window { from: mozpool::logic::time::Timestamp(0), to: T0.plus_s(9) };
    store.spells(window, &mut |_| seen += 1).unwrap();
    assert!(seen > 0, "row by row");
}

#[test]
fn the_next_node_is_asked_when_one_is_gone() {
    let (gone, here) = (free_port(), free_port());
    let server = Server::own(&at_port(here));
    server.sql("CREATE DATABASE pool; CREATE USER mozpool@'127.0.0.1' IDENTIFIED BY 'p@ss%'; GRANT ALL ON pool.* TO mozpool@'127.0.0.1'");
    let there = location(&format!("mysql://mozpool:p%40ss%25@127.0.0.1:{gone},127.0.0.1:{here}/pool"));
    let mut store = there.open().unwrap();
    store.apply_lab(&lab(), false, T0).unwrap();
    let text =
        open_error(&location(&format!("mysql://mozpool:p%40ss%25@127.0.0.1:{here}/pool?tls=on"))).to_string();
    assert!(text.contains("it does not speak TLS; set it up there, or write tls=off"), "{text}");
    // It comes back while nobody has restarted anything, and the same connection goes on.
    let kept = server.kill();
    let error = store.device("panda-1").unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let text = error.to_string();
    assert!(!text.contains("p@ss") && !text.contains("p%40"), "{text}");
    let _server = Server::start(kept, &at_port(gone));
    let found = wait_for("the other node", || store.device("panda-1").ok());
    assert!(found.is_some(), "what was there is there");
}

#[test]
fn what_is_said_to_a_database_can_be_kept_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let certificate = |name: &str, more: &[&str]| {
        let out = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .args([
                "-subj",
                &format!("/CN={name}"),
                "-keyout",
                &path(&format!("{name}.key")),
                "-out",
                &path(&format!("{name}.pem")),
            ])
            .args(more)
            .output()
            .expect("openssl of the Debian package openssl");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    };
    certificate("lab", &["-addext", "basicConstraints=critical,CA:TRUE"]);
    certificate("other", &["-addext", "basicConstraints=critical,CA:TRUE"]);
    let (ca, key) = (path("lab.pem"), path("lab.key"));
    certificate(
        "db",
        &[
            "-CA",
            &ca,
            "-CAkey",
            &key,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "subjectAltName=DNS:localhost",
        ],
    );
    take_over(folder.path());
    let port = free_port();
    let mut more = at_port(port);
    more.extend([
        format!("--ssl-ca={ca}"),
        format!("--ssl-cert={}", path("db.pem")),
        format!("--ssl-key={}", path("db.key")),
    ]);
    let server = Server::own(&more);
    server
        .sql("CREATE DATABASE pool; CREATE USER mozpool@'%' REQUIRE SSL; GRANT ALL ON pool.* TO mozpool@'%'");
    let url = |host: &str, query: &str| location(&format!("mysql://mozpool@{host}:{port}/pool{query}"));

    let mut store = url("localhost", &format!("?ca={ca}")).open().unwrap();
    store.apply_lab(&lab(), false, T0).unwrap();
    for (host, query, want) in [
        ("localhost", String::new(), "the user or the password is wrong"),
        ("localhost", "?tls=on".into(), "no TLS with it: "),
        ("localhost", format!("?ca={}", path("other.pem")), "name the certificate of its maker with ca="),
        ("127.0.0.1", format!("?ca={ca}"), "no TLS with it: "),
    ] {
        let error = open_error(&url(host, &query)).to_string();
        assert!(error.contains(want), "{host}{query}: {error}");
    }
    url("127.0.0.1", "?tls=unverified").open().unwrap();
}

#[test]
fn a_check_says_what_is_wrong_with_the_database() {
    let server = Server::shared();
    let database = server.database();
    let lab = Lab::on(&server.url(&database));
    let rows = || {
        let out = mozpool(&lab.config()).arg("check").output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines().filter(|line| line.contains("store")).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let good = rows();
    assert!(good.contains("schema version") && good.contains("1 devices"), "{good}");
    let nobody = free_port();
    for (url, want) in [
        (server.url("nowhere"), "CREATE DATABASE it"),
        (format!("mysql://u:secret@127.0.0.1:{nobody}/d"), "it cannot be reached"),
        (server.url(&server.database()), "is empty; the daemon will make its tables"),
    ] {
        let text = std::fs::read_to_string(lab.config()).unwrap();
        let line = text.lines().find(|l| l.starts_with("url = ")).unwrap();
        std::fs::write(lab.config(), text.replace(line, &format!("url = \"{url}\""))).unwrap();
        let said = rows();
        assert!(said.contains(want) && !said.contains("secret"), "{url}: {said}");
    }
}
