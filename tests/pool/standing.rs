//! Who may work with a database: one daemon of a name, none alone beside others, and none of two schemas.

use crate::support::{Daemon, LIMIT, mozpool, wait_for};
use crate::world::{Pool, board_of, play, request, wait_for_state};
use serde_json::json;

/// Longer than any test takes: who waited for it would be caught.
const FOR_EVER: &str = "gone_after_s = 600";

fn says(said: &[String], what: &str) -> bool {
    said.iter().any(|line| line.contains(what))
}

#[test]
fn a_database_has_one_daemon_of_a_name_and_its_next_start_follows_at_once() {
    let pool = Pool::on_mariadb(1, 0);
    pool.variant(1, "s1.toml", "gone_after_s = 3", FOR_EVER);
    let s1 = pool.serve(1);
    let url = s1.get("server/list")["servers"][0]["url"].clone();
    let text = pool.refused("s1.toml", &["serve"]);
    let who = format!("server s1 (process {} on ", s1.pid());
    assert!(
        text.contains(&who) && text.contains("started 20") && text.contains("another server.name"),
        "{text}"
    );
    assert_eq!(s1.get("server/list")["servers"][0]["url"], url, "who is refused leaves no trace");
    s1.kill();
    // Its count stands for nobody, and nobody waits until that is seen.
    let s1 = pool.serve(1);
    // One elsewhere, whose process nobody here can see, is watched.
    pool.sql("UPDATE server_heartbeats SET host = 'clone', life = 'elsewhere 1 1'");
    let text = pool.refused("s1.toml", &["serve"]);
    assert!(text.contains(" on clone, version "), "{text}");
    s1.kill();
    pool.sql("UPDATE server_heartbeats SET limit_ms = 600");
    let s1 = pool.serve(1);
    assert!(says(&s1.said(), "on clone, version"), "it says what it waits for");
    // Somebody takes its place after all.
    pool.sql("UPDATE server_heartbeats SET instance = 'other', host = 'clone'");
    let (status, said) = s1.ends();
    assert_eq!(status.code(), Some(1));
    assert!(says(&said, "another daemon has joined the pool as `s1`: server s1 (process "), "{said:?}");
    assert!(says(&said, "stopping the rest"), "in order");
}

#[test]
fn one_without_a_secret_is_alone_with_a_database() {
    let pool = Pool::on_mariadb(2, 0);
    pool.variant(2, "alone.toml", "secret_file", "#");
    let s1 = pool.serve(1);
    let text = pool.refused("alone.toml", &["serve"]);
    assert!(
        text.contains("server s1 (process ") && text.contains("this daemon has no peers.secret_file"),
        "{text}"
    );
    assert!(s1.terminate().success());
    let alone = Daemon::start(&pool.path("alone.toml"), LIMIT);
    let text = pool.refused("s1.toml", &["serve"]);
    assert!(text.contains("server s2 (process ") && text.contains("it has no peers.secret_file"), "{text}");
    let text = pool.refused("alone.toml", &["serve"]);
    assert!(text.contains("this daemon has the same name"), "{text}");
    alone.kill();
    drop(pool.serve(1));
}

/// How many statements bring a MariaDB to the newest schema from the one before.
fn statements_of_the_last_step() -> usize {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations/mysql");
    let steps = std::fs::read_dir(folder).expect("the steps").map(|entry| entry.expect("a file").path());
    let text = std::fs::read_to_string(steps.max().expect("there are some")).expect("a step");
    text.lines().filter(|line| line.trim_end().ends_with(';')).count()
}

#[test]
fn a_schema_is_not_changed_under_daemons_that_do_not_know_it() {
    let pool = Pool::on_mariadb(2, 0);
    let s1 = pool.serve(1);
    let versions =
        "SELECT v.version, b.schema_version FROM schema_version v, server_heartbeats b WHERE b.server = 's1'";
    let known: i64 = pool.sql("SELECT version FROM schema_version").parse().expect("a number");
    // As if both were of the schema before; what the last step does is done, and not counted as a step.
    let older = known - 1;
    let done = statements_of_the_last_step();
    pool.sql(&format!(
        "UPDATE server_heartbeats SET schema_version = {older}; \
         UPDATE schema_version SET version = {older}, done = {done}"
    ));
    std::fs::write(pool.path("empty.toml"), "").expect("a file");
    let file = pool.path("empty.toml").display().to_string();
    for words in [&["serve"][..], &["db", "import", &file]] {
        let text = pool.refused("s2.toml", words);
        let wanted = format!("has schema version {older}, this program brings it to {known}");
        assert!(text.contains(&wanted) && text.contains(": s1 ("), "{words:?}: {text}");
        assert!(text.contains("stop the daemons of all servers"), "{text}");
        assert_eq!(pool.sql(versions), format!("{older}\t{older}"), "it stays as it is");
    }
    assert_eq!(s1.get("server/list")["servers"][0]["alive"], true, "and so does whoever works with it");
    assert!(s1.terminate().success());
    let s2 = pool.serve(2);
    assert_eq!(pool.sql("SELECT version, holder = '' FROM schema_version"), format!("{known}\t1"));
    // Should it happen all the same, an older daemon finds out.
    pool.sql("UPDATE schema_version SET version = version + 1");
    let (status, said) = s2.ends();
    assert_eq!(status.code(), Some(1));
    let wanted = format!(
        "was brought to schema version {}, and this program knows {known}; install the newer",
        known + 1
    );
    assert!(says(&said, &wanted), "{said:?}");
    let text = pool.refused("s2.toml", &["serve"]);
    assert!(text.contains("install the newer program again"), "{text}");
}

#[test]
fn a_database_is_not_copied_under_daemons() {
    let pool = Pool::on_mariadb(1, 1);
    let s1 = pool.serve(1);
    let file = pool.path("home.db");
    let words = ["db", "copy", &pool.store, &format!("sqlite:{}", file.display())];
    let text = pool.refused("s1.toml", &words);
    assert!(text.contains("servers work with the store that is to be copied: s1 (process "), "{text}");
    assert!(text.contains("stop their daemons first") && !file.exists(), "{text}");
    // One that was killed has not left, but does not stand in the way.
    s1.kill();
    let done = mozpool(&pool.config(1)).args(words).output().expect("mozpool runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("devices: 1 rows\n"));
}

#[test]
fn an_import_beside_daemons_on_a_database_is_heard_by_them() {
    let pool = Pool::on_mariadb(2, 1);
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    let held = request(&s1, Some("s2"), 600);
    assert_eq!(board_of(&s1, held), "s2-b1");
    let import = |text: &str| {
        let file = pool.path("more.toml");
        std::fs::write(&file, text).expect("a file");
        mozpool(&pool.config(1)).args(["db", "import"]).arg(file).output().expect("mozpool runs")
    };
    // A new device, and one that moves in the middle of its work: both servers go on with what is stored.
    s1.post("device/s1-b1/event/please_image", json!({"image": "web", "boot_config": {}}));
    wait_for_state(&s1, "s1-b1", "pxe_booting");
    let moved = "[[device]]\nname = \"s1-b1\"\nimaging_server = \"s2\"\n";
    let done = import(&(moved.to_owned() + &pool.device("late", 2, 7, "new")));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let file = "pxelinux.cfg/01-02-00-00-00-01-01";
    wait_for("the old server to let go", || s1.fetch(file).is_err().then_some(()));
    wait_for("the new one to take it up", || s2.fetch(file).is_ok().then_some(()));
    play(&s2, "s1-b1");
    wait_for_state(&s1, "s1-b1", "ready");
    wait_for_state(&s1, "late", "pc_power_cycling");
    // One that somebody has stays.
    let refused = import("[[device]]\nname = \"s2-b1\"\nimaging_server = \"s1\"\n");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("request 1"), "{text}");

    // A daemon that is alone with its database hears of it, too.
    assert!(s1.terminate().success() && s2.terminate().success());
    pool.variant(2, "alone.toml", "secret_file", "#");
    let alone = Daemon::start(&pool.path("alone.toml"), LIMIT);
    let done = import(&pool.device("later", 2, 6, "new"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait_for_state(&alone, "later", "pc_power_cycling");
}

#[test]
fn a_check_looks_at_the_secret_and_at_the_other_servers() {
    let pool = Pool::on_mariadb(2, 0);
    pool.variant(2, "alone.toml", "secret_file", "#");
    let check = |config: &str| -> Vec<String> {
        let output = mozpool(&pool.path(config)).args(["check", "--json"]).output().expect("mozpool runs");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        let part = |row: &serde_json::Value, key: &str| row[key].as_str().expect("a text").to_owned();
        let rows = json["checks"].as_array().expect("a list").iter();
        rows.map(|r| ["check", "level", "what", "remedy"].map(|key| part(r, key)).join(" ")).collect()
    };
    let finds = |config: &str, wanted: &str| {
        let rows = check(config);
        assert!(rows.iter().any(|row| row.contains(wanted)), "{wanted}: {rows:#?}");
    };
    finds("alone.toml", "secret warn peers.secret_file is not set: this server is alone with its database");
    finds("s1.toml", "secret: 27 characters, and not everybody's to read");
    finds("s1.toml", "schema version");
    finds("s1.toml", "-MariaDB");
    assert!(!check("s1.toml").iter().any(|row| row.starts_with("servers ")), "nobody has started");
    let s1 = pool.serve(1);
    finds("s1.toml", &format!("servers ok the daemon of this name is process {} on ", s1.pid()));
    finds("s2.toml", "servers ok 1 other servers live, 0 do not");
    finds("alone.toml", "servers fail server s1 (process ");
    finds("alone.toml", "this server has no peers.secret_file: the daemon will not start");
    pool.sql("UPDATE server_heartbeats SET protocol = 9");
    finds("s2.toml", "protocol version 9, this program ");
    pool.sql("UPDATE server_heartbeats SET protocol = 1, life = 'elsewhere 1 1'");
    finds("s1.toml", "servers warn a daemon of this name has not left: process ");
    s1.kill();
    finds("s2.toml", "servers ok 1 other servers live, 0 do not");
    pool.sql("UPDATE server_heartbeats SET gone = 1");
    finds("s2.toml", "servers ok 0 other servers live, 1 do not");
    pool.sql("UPDATE schema_version SET version = version - 1");
    finds("s2.toml", "stop the daemons of all servers, and back it up");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(pool.path("secret"), open).expect("it is ours");
    finds("s2.toml", "secret fail everybody on this machine can read ");
    std::fs::remove_file(pool.path("secret")).expect("it is there");
    finds("s2.toml", "secret fail cannot read ");
}
