//! What a board has fetched, and what it did not get, stands in its history.

use crate::support::{Lab, wait_for};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tftpd::{FetchOptions, fetch};

/// The lab's board, at an address that only its MAC makes its own.
fn get(server: SocketAddr, from: [u8; 4], path: &str) -> bool {
    fetch(server, path, &FetchOptions { local: Some(from.into()), ..FetchOptions::default() }).is_ok()
}

#[test]
fn what_a_board_fetched_and_what_it_did_not_get_is_in_its_history() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("tftp/live")).unwrap();
    std::fs::write(lab.path("tftp/live/vmlinuz"), vec![7; 300_000]).unwrap();
    let daemon = lab.serve();
    let (board, stranger) = ([127, 0, 0, 9], [127, 0, 0, 8]);

    // Nobody knows this one, and it never says who it is.
    assert!(get(daemon.tftp, stranger, "live/vmlinuz"));
    // It has nothing to install: the default is what it gets. Names of the search are not listed.
    for name in ["01-02-00-00-00-00-01", "7F000009", "7F00000", "7F"] {
        assert!(!get(daemon.tftp, board, &format!("pxelinux.cfg/{name}")));
    }
    assert!(get(daemon.tftp, board, "pxelinux.cfg/default"));
    assert!(get(daemon.tftp, board, "/live/vmlinuz"));
    assert!(!get(daemon.tftp, board, "live/initrd"));
    // A size probe as of EDK II, and a client that goes in the middle of a file.
    for end in [&b"\0\x05\0\x08\0"[..], b"\0\x04\0\0"] {
        let socket = UdpSocket::bind((std::net::Ipv4Addr::from(board), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.send_to(b"\0\x01live/vmlinuz\0octet\0blksize\x008192\0tsize\x000\0", daemon.tftp).unwrap();
        let mut buf = [0; 9000];
        let (_, transfer) = socket.recv_from(&mut buf).unwrap();
        socket.send_to(end, transfer).unwrap();
        if end[1] == 4 {
            socket.recv_from(&mut buf).unwrap();
            socket.send_to(b"\0\x05\0\x03full\0", transfer).unwrap();
        }
    }

    let lines = wait_for("the last line", || {
        Some(daemon.log("tftp")).filter(|l| l.iter().any(|l| l.contains("broke off")))
    });
    // What differs from run to run: seconds, and packets that a busy machine repeats.
    let without_time = |line: &String| {
        let (before, rest) = line.split_once(" in ").unwrap_or((line, ""));
        let rest = rest.split_once(['(', ':']).map_or("", |(_, rest)| rest);
        format!("{before} | {rest}")
    };
    let told: Vec<String> = lines.iter().map(without_time).collect();
    assert_eq!(told.len(), 4, "{lines:#?}");
    assert!(told[0].starts_with("sent pxelinux.cfg/default: "), "{lines:#?}");
    // A request may be seen before the last ACK of the file before it.
    let sent = "sent live/vmlinuz: 300000 bytes | blksize=1408 tsize=300000)";
    assert!(told[1..3].iter().any(|l| l == sent), "{lines:#?}");
    let refused = "refused live/initrd: there is no such file in the TFTP root.";
    assert!(lines[1..3].iter().any(|l| l.starts_with(refused)), "{lines:#?}");
    assert!(
        told[3].starts_with("warning: live/vmlinuz broke off after 1468 of 300000 bytes | "),
        "{lines:#?}"
    );
    assert!(told[3].ends_with("the board said error 3, no room for the file; its console tells more"));
    // Config, kernel twice; a probe; what broke off; four names of the search, and a file that is not there.
    let health = daemon.get("health");
    let tftp = health["services"].as_array().unwrap().iter().find(|s| s["name"] == "tftp").unwrap();
    for (name, want) in [
        ("transfers_done", 3),
        ("size_probes", 1),
        ("transfers_failed", 1),
        ("refused", 5),
        ("lines_lost", 0),
    ] {
        assert_eq!(tftp["counters"][name], want, "{name} in {tftp}");
    }
    let said = daemon.said();
    assert!(
        said.iter().any(|l| l.contains(" warn ") && l.contains("file=live/vmlinuz client_error")),
        "{said:#?}"
    );
    assert!(daemon.terminate().success());
}
