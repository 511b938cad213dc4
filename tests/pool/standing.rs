//! Who may work with a database: one daemon of a name, none alone beside others, and none of two schemas.

use crate::support::{Daemon, LIMIT};
use crate::world::Pool;

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

#[test]
fn a_schema_is_not_changed_under_daemons_that_do_not_know_it() {
    let pool = Pool::on_mariadb(2, 0);
    let s1 = pool.serve(1);
    let versions =
        "SELECT v.version, b.schema_version FROM schema_version v, server_heartbeats b WHERE b.server = 's1'";
    let known: i64 = pool.sql("SELECT version FROM schema_version").parse().expect("a number");
    // As if both were of the schema before; what the last step does is found done.
    let older = known - 1;
    pool.sql(&format!(
        "UPDATE server_heartbeats SET schema_version = {older}; UPDATE schema_version SET version = {older}"
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
