//! Connections of clients that mean ill, are broken, or are many: what is refused, who has to go, and that nobody else notices.

use crate::client::{Answer, connect, parse};
use crate::world::{Options, World, start, start_with};
use mozpool::access::Mode;
use mozpool::api::access::Rules;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, socket};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Connects from 127.0.0.`host`, which is another client to the server.
fn connect_from(host: u8, world: &World) -> TcpStream {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, host, 0)).unwrap();
    nix::sys::socket::connect(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, world.addr.port())).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Everything that comes until the server hangs up.
fn hear_out(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the server hangs up in time");
    String::from_utf8(all).unwrap()
}

/// One answer, on a connection that stays.
fn answer(stream: &mut TcpStream) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer has a head");
        head.push(byte[0]);
    }
    let mut answer = parse(&head);
    let length = answer.header("content-length").map_or(0, |l| l.parse().unwrap());
    answer.body = vec![0; length];
    stream.read_exact(&mut answer.body).unwrap();
    answer
}

const VERSION: &[u8] = b"GET /api/version HTTP/1.1\r\n\r\n";

/// How often something was counted.
fn counted(world: &World, what: &str) -> u64 {
    world.stats.rows().into_iter().find(|(name, _)| *name == what).expect("it is counted").1
}

#[test]
fn what_is_no_call_is_named_counted_and_ends_the_connection() {
    let world = start();
    let long = "x".repeat(20_000);
    for (words, status, code) in [
        ("GARBAGE\r\n\r\n".to_owned(), 400, "bad_call"),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned(), 400, "bad_call"),
        ("GET / HTTP/1.1\r\nNoColon\r\n\r\n".to_owned(), 400, "bad_call"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505, "bad_version"),
        (format!("GET /{long}"), 414, "head_too_long"),
        (format!("GET / HTTP/1.1\r\nA: {long}"), 431, "head_too_long"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)), 431, "head_too_long"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".to_owned(), 501, "bad_coding"),
    ] {
        let mut stream = connect(world.addr);
        // What follows is never a call.
        stream.write_all(words.as_bytes()).unwrap();
        stream.write_all(VERSION).unwrap();
        let all = hear_out(&mut stream);
        let answer = parse(all.as_bytes());
        assert_eq!(answer.error(), (status, code.to_owned()), "{words:.60?}");
        assert_eq!(
            (answer.header("connection"), all.matches("HTTP/1.1 ").count()),
            (Some("close"), 1),
            "{all}"
        );
    }
    assert_eq!((counted(&world, "malformed"), counted(&world, "too_long")), (5, 3));
}

#[test]
fn no_call_is_smuggled_in_another_ones_body() {
    let world = start();
    let hidden = "GET /api/device/panda-0001/event/ping_ok HTTP/1.1\r\n\r\n";
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4, 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\r\n chunked",
    ] {
        let mut stream = connect(world.addr);
        let call = format!("POST /api/request/1/return HTTP/1.1\r\n{framing}\r\n\r\n0\r\n\r\n{hidden}");
        stream.write_all(call.as_bytes()).unwrap();
        let all = hear_out(&mut stream);
        let status = parse(all.as_bytes()).status;
        assert!(matches!(status, 400 | 501) && all.matches("HTTP/1.1 ").count() == 1, "{framing}: {all}");
    }
    // A body in chunks that contradict themselves, and one that the connection ends in.
    for body in ["5\r\n{\"a\":1}\r\n0\r\n\r\n", "2\n{}\n0\n\n", "fffffffffffff\r\n", "5\r\n{"] {
        let mut stream = connect(world.addr);
        let head = "POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{body}{hidden}").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let all = hear_out(&mut stream);
        assert!(
            parse(all.as_bytes()).status == 400 && all.matches("HTTP/1.1 ").count() == 1,
            "{body}: {all}"
        );
    }
    assert!(world.heard_nothing(), "nothing was done");
}

#[test]
fn a_call_that_does_not_become_whole_is_given_up_however_it_drips() {
    let world = start_with(&Options { call_wait: Duration::from_millis(300), ..Options::default() });
    let mut rests = connect(world.addr);
    rests.write_all(VERSION).unwrap();
    assert_eq!(answer(&mut rests).status, 200);
    for begin in ["GET /api/version HTT", "POST /api/request/1/return HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"]
    {
        let mut stream = connect(world.addr);
        stream.write_all(begin.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut all = Vec::new();
        // A byte each time that nothing came: what comes does not make it last longer.
        for n in 0.. {
            assert!(n < 1000, "{begin} is waited for, for ever");
            match stream.read_to_end(&mut all) {
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let _ = stream.write_all(b" ");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(parse(&all).error(), (408, "too_slow".into()), "{begin}");
    }
    assert_eq!(counted(&world, "too_slow"), 2);
    rests.write_all(VERSION).unwrap();
    assert_eq!(answer(&mut rests).status, 200, "between two calls there is more time");
}

#[test]
fn a_call_that_its_connection_ends_in_is_not_waited_for() {
    let world = start();
    for n in 0..50 {
        let mut stream = connect(world.addr);
        // The end comes with the words, or right behind them.
        stream.write_all(b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 9\r\n\r\n{").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(parse(hear_out(&mut stream).as_bytes()).error(), (400, "bad_call".into()), "{n}");
    }
    assert!(world.heard_nothing() && counted(&world, "too_slow") == 0);
}

#[test]
fn thousands_of_calls_in_one_breath_are_all_answered_in_order() {
    const CALLS: usize = 4000;
    let world = start();
    let mut stream = connect(world.addr);
    let mut writes = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // All but the first end in the middle of a packet.
            let calls: Vec<u8> = (0..CALLS)
                .flat_map(|n| format!("GET /api/device/d{n}/state HTTP/1.1\r\n\r\n").into_bytes())
                .collect();
            for piece in calls.chunks(16_000) {
                writes.write_all(piece).unwrap();
            }
        });
        for n in 0..CALLS {
            let message = answer(&mut stream).message();
            assert!(message.contains(&format!("`d{n}`")), "{n}: {message}");
        }
    });
}

#[test]
fn who_reads_no_answers_takes_no_thread() {
    const CALLS: usize = 1000;
    let world = start_with(&Options { threads: 1, ..Options::default() });
    // Some kilobytes each: together more than the system takes for a peer that does not read.
    let long = b"GET /api/device/list?details=1 HTTP/1.1\r\n\r\n";
    let mut deaf: Vec<TcpStream> = (0..2).map(|_| connect(world.addr)).collect();
    for stream in &mut deaf {
        stream.write_all(&long.repeat(2 * CALLS)).unwrap();
    }
    // Calls take turns, so each of the deaf ones has had as many answers when these have theirs.
    let mut stream = connect(world.addr);
    for _ in 0..CALLS {
        stream.write_all(VERSION).unwrap();
        assert_eq!(answer(&mut stream).status, 200);
    }
}

#[test]
fn when_there_are_too_many_who_has_most_gives_way_and_the_longest_idle_first() {
    let world = start_with(&Options { connections_max: 10, ..Options::default() });
    let mut kept = connect_from(3, &world);
    kept.write_all(VERSION).unwrap();
    assert_eq!(answer(&mut kept).status, 200);
    // One client opens twice as many as there may be, and uses each.
    let mut crowd: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect_from(2, &world);
            stream.write_all(VERSION).unwrap();
            assert_eq!(answer(&mut stream).status, 200);
            stream
        })
        .collect();
    assert_eq!(counted(&world, "displaced"), 11);
    let alive = crowd.iter_mut().map(|stream| {
        let _ = stream.write_all(VERSION);
        let mut byte = [0];
        matches!(stream.read(&mut byte), Ok(1))
    });
    let alive: Vec<bool> = alive.collect();
    assert_eq!(alive, [vec![false; 11], vec![true; 9]].concat(), "its own oldest made room");
    kept.write_all(VERSION).unwrap();
    assert_eq!(answer(&mut kept).status, 200, "another one's was left alone, although it was older");
    assert_eq!((counted(&world, "connections_open"), counted(&world, "no_room")), (10, 0));
}

#[test]
fn calls_that_take_long_leave_a_thread_for_others() {
    // Creations wait for ten seconds for a layer that takes commands and says nothing.
    let world = start_with(&Options { threads: 4, stuck: Some(64), ..Options::default() });
    let body = r#"{"assignee":"a","duration":60,"image":"android"}"#;
    let call =
        format!("POST /api/device/any/request HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut crowd: Vec<TcpStream> = (0..16).map(|_| connect_from(2, &world)).collect();
    for stream in &mut crowd {
        stream.write_all(call.as_bytes()).unwrap();
    }
    let mut other = connect_from(3, &world);
    for _ in 0..10 {
        other.write_all(VERSION).unwrap();
        assert_eq!(answer(&mut other).status, 200);
    }
    for stream in &mut crowd {
        stream.set_nonblocking(true).unwrap();
        let nothing = stream.read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock, "they all still wait");
    }
}

#[test]
fn what_was_done_is_never_answered_as_if_there_had_been_no_place_for_it() {
    let world = start_with(&Options { transfers_max: 1, ..Options::default() });
    let lab = "name,fqdn\n".to_owned() + &(0..4000).map(|n| format!("{n},a\n")).collect::<String>();
    // Its body has a place of its own, and so has its answer, which is longer than what is sent at once.
    let long = world.call("POST", "/api/lab/import", &["Content-Type: text/csv"], lab.as_bytes());
    assert_eq!(long.status, 200, "{}", long.line());
    assert!(long.body.len() > 64 << 10, "{}", long.body.len());
    // Now the only place is taken: its body has been asked for.
    let mut holds = connect_from(2, &world);
    let head =
        "POST /api/lab/import HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n\r\n";
    holds.write_all(head.as_bytes()).unwrap();
    holds.read_exact(&mut [0; 25]).unwrap();
    let list = world.get("/api/device/list/");
    assert_eq!(
        (list.status, list.body.len() > 16 << 10),
        (200, true),
        "one that is not so long needs no place"
    );
    assert_eq!(
        world.get("/api/device/list/?details=1").error(),
        (503, "busy".into()),
        "this one has done nothing"
    );
}

#[test]
fn whoever_calls_through_a_proxy_is_a_client_of_their_own() {
    let rules = Rules { proxies: vec!["127.0.0.1".parse().unwrap()], ..Rules::of(Mode::Open) };
    let world = start_with(&Options { threads: 4, stuck: Some(64), rules, ..Options::default() });
    let body = r#"{"assignee":"a","duration":60,"image":"android"}"#;
    let from =
        |n: u8| format!("Host: h\r\nX-Forwarded-For: 10.9.9.9\r\nX-Forwarded-For: 10.0.0.{n}, 127.0.0.1\r\n");
    let head =
        format!("POST /api/device/any/request HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n", from(2), body.len());
    // They wait for ten seconds each for a layer that says nothing.
    let mut crowd: Vec<TcpStream> = (0..16).map(|_| connect(world.addr)).collect();
    for stream in &mut crowd {
        stream.write_all((head.clone() + body).as_bytes()).unwrap();
    }
    let mut other = connect(world.addr);
    for _ in 0..10 {
        other.write_all(format!("GET /api/version HTTP/1.1\r\n{}\r\n", from(3)).as_bytes()).unwrap();
        assert_eq!(answer(&mut other).status, 200);
    }
    let last = crowd.last_mut().unwrap();
    last.set_nonblocking(true).unwrap();
    assert_eq!(
        last.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "its turn comes later"
    );
}
