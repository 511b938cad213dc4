//! A Galera cluster of three nodes on this machine: writers on two of them at once, and a node that dies.

use crate::mariadb::Server;
use crate::mariadb::galera::{Node, nodes, start};
use crate::{T0, lab, location};
use mozpool::store::{DeviceEdit, Location, ServerRow};
use std::fs;
use std::sync::Barrier;

/// A store whose preferred nodes are in this order.
fn through(nodes: &[&Node]) -> Location {
    let hosts: Vec<_> = nodes.iter().map(|n| format!("127.0.0.1:{}", n.port)).collect();
    location(&format!("mysql://mozpool@{}/pool", hosts.join(",")))
}

#[test]
fn a_cluster_keeps_one_store() {
    let nodes = nodes(3);
    let mut servers = start(&nodes);
    servers[0].sql("CREATE DATABASE pool; CREATE USER mozpool@'%'; GRANT ALL ON pool.* TO mozpool@'%'");
    let [a, b, c] = &nodes[..] else { panic!("three") };
    // Servers of a pool that start at once, each at another node, make one schema.
    std::thread::scope(|scope| {
        for order in [[a, b, c], [b, c, a], [c, a, b]] {
            scope.spawn(move || assert_eq!(through(&order).open().unwrap().pxe_configs().unwrap().len(), 4));
        }
    });
    through(&[a]).open().unwrap().apply_lab(&lab(), false, T0).unwrap();

    // Two writers at two nodes, all the time at the same rows: each is done once, and none fails.
    const ROUNDS: u64 = 25;
    let before = through(&[a]).open().unwrap().last_changes().unwrap().all;
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        for (who, node) in [("a", a), ("b", b)] {
            let start = &start;
            scope.spawn(move || {
                let mut store = through(&[node]).open().unwrap();
                start.wait();
                for round in 0..ROUNDS {
                    let text = format!("{who} {round}");
                    assert!(store.edit_device("panda-1", &DeviceEdit::Comments(text), T0).unwrap());
                }
            });
        }
    });
    let failures = |server: &Server| -> u64 {
        let told = server
            .sql("SHOW STATUS WHERE variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')");
        told.lines().filter_map(|l| l.split('\t').nth(1)?.parse::<u64>().ok()).sum()
    };
    assert!(failures(&servers[0]) + failures(&servers[1]) > 0, "they have met, or this shows nothing");
    let mut third = through(&[c]).open().unwrap();
    let page = third.changes(before, 1000).unwrap();
    let numbers: Vec<u64> = page.changes.iter().map(|change| change.seq).collect();
    assert_eq!(numbers, (before + 1..=before + 2 * ROUNDS).collect::<Vec<_>>(), "no gap, and none twice");

    // What was acknowledged at a node that dies a moment later is there.
    let order = [c, b, a];
    let mut store = through(&order).open().unwrap();
    let row = ServerRow { name: "kept".into(), url: "http://kept".into() };
    store.register_server(&row, T0).unwrap();
    drop(servers.remove(2).kill());
    let text = || DeviceEdit::Comments("after".into());
    let done = crate::support::wait_for("another node", || store.edit_device("panda-1", &text(), T0).ok());
    assert!(done);
    let mut other = through(&[a]).open().unwrap();
    assert_eq!(crate::comments(&mut *other), "after");
    assert!(other.servers().unwrap().contains(&row));

    // A node that is alone does not pretend to be the pool.
    drop(servers.remove(1).kill());
    let said = crate::support::wait_for("the last one to notice", || other.servers().err());
    assert!(matches!(said, mozpool::store::StoreError::Unavailable { .. }), "{said}");
    for node in [b, c] {
        fs::remove_dir_all(&node.folder).unwrap();
    }
}
