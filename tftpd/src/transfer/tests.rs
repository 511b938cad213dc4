//! Stories of one transfer: what comes in, and what goes out because of it.

use super::*;
use crate::options::{Most, grant};

/// Plays a script against a transfer of `size` bytes. Each line is `stimulus | what is sent then`; stimuli
/// are `RRQ options`, `ACK n`, `ERROR n`, `+N` (N milliseconds pass) and `again` (the request is repeated).
fn check(size: u64, script: &str) {
    let most = Most { blksize: 1468, windowsize: 64 };
    let mut now = Instant::now();
    let mut transfer: Option<Transfer> = None;
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (stimulus, want) = line.split_once('|').expect("a line has a bar");
        let (word, rest) = stimulus.trim().split_once(' ').unwrap_or((stimulus.trim(), ""));
        let mut got = Vec::new();
        if word == "RRQ" {
            let mut wanted = Options::default();
            rest.split_whitespace().filter_map(|p| p.split_once('=')).for_each(|(n, v)| wanted.read(n, v));
            transfer =
                Some(Transfer::new(grant(&wanted, Some(size), most), Some(size), Timing::default(), now));
        }
        let t = transfer.as_mut().expect("the script begins with RRQ");
        match word {
            "RRQ" => {}
            "ACK" => match t.on_ack(rest.parse().expect("a block number"), now) {
                Acked::Complete => got.push("complete".to_owned()),
                Acked::Moved | Acked::Gap | Acked::Ignored => {}
            },
            "ERROR" => got.push(format!("{:?}", t.on_error(rest.parse().expect("a code")))),
            "again" => match t.on_repeated_request(now) {
                Repeated::StartedOver => got.push("starts over".to_owned()),
                Repeated::Ignored | Repeated::Answered => {}
            },
            wait => {
                let until =
                    now + Duration::from_millis(wait.strip_prefix('+').expect(wait).parse().expect("ms"));
                while got.is_empty() && t.deadline() <= until {
                    now = t.deadline();
                    got.extend(t.on_deadline(now).map(|o| format!("{o:?}")));
                    got.extend(drain(t, size, now));
                }
                now = until;
            }
        }
        if got.is_empty() {
            got = drain(t, size, now);
        }
        assert_eq!(got.join(" "), want.trim(), "at {line:?}");
    }
}

fn drain(t: &mut Transfer, size: u64, now: Instant) -> Vec<String> {
    let mut sent = Vec::new();
    // Three at a time, so that windows are made of several runs.
    while let Some(output) = t.output(3) {
        let len = |n: u64| (size - (n - 1) * t.blksize() as u64).min(t.blksize() as u64);
        let total = match output {
            Output::OptionAck => {
                sent.push(format!("OACK {}", t.granted()));
                0
            }
            Output::Blocks { first, count } => {
                let blocks = first..first + u64::from(count);
                sent.extend(blocks.clone().map(|n| format!("DATA{n}:{}", len(n))));
                blocks.map(len).sum()
            }
        };
        t.sent(output, usize::try_from(total).expect("small"), now);
    }
    sent
}

#[test]
fn lockstep_without_options() {
    check(
        1030,
        "RRQ    | DATA1:512
         ACK 1  | DATA2:512
         ACK 2  | DATA3:6
         ACK 3  | complete",
    );
    check(0, "RRQ | DATA1:0\n ACK 1 | complete");
    check(512, "RRQ | DATA1:512\n ACK 1 | DATA2:0\n ACK 2 | complete");
}

#[test]
fn options_are_acknowledged_before_data_flows() {
    check(
        10,
        "RRQ blksize=8 tsize=0 | OACK blksize=8 tsize=10
         ACK 1 |
         ACK 0 | DATA1:8
         ACK 0 |
         ACK 1 | DATA2:2
         ACK 2 | complete",
    );
}

#[test]
fn a_size_probe_is_no_failure_but_a_late_error_is() {
    check(10, "RRQ tsize=0 | OACK tsize=10\n ERROR 8 | Probed");
    check(10, "RRQ tsize=0 | OACK tsize=10\n ERROR 0 | ClientError(0)");
    check(10, "RRQ tsize=0 | OACK tsize=10\n ACK 0 | DATA1:10\n ERROR 8 | ClientError(8)");
}

#[test]
fn the_sorcerers_apprentice_stays_out() {
    check(
        2000,
        "RRQ   | DATA1:512
         ACK 1 | DATA2:512
         ACK 1 |
         ACK 1 |
         ACK 2 | DATA3:512
         ACK 1 |
         ACK 2 |
         ACK 3 | DATA4:464
         ACK 9 |
         ACK 65535 |
         ACK 4 | complete",
    );
}

#[test]
fn the_wait_is_learnt_doubles_in_vain_and_ends_a_minute_after_progress() {
    check(
        3000,
        "RRQ    | DATA1:512
         +10    |
         ACK 1  | DATA2:512
         +29    |
         +1     | DATA2:512
         +59    |
         +1     | DATA2:512
         +120   | DATA2:512
         ACK 2  | DATA3:512
         +99    |
         +1     | DATA3:512
         ACK 3  | DATA4:512
         +5     |
         ACK 4  | DATA5:512
         +29    |
         +1     | DATA5:512",
    );
    let mut now = Instant::now();
    let start = now;
    let mut t = Transfer::new(Options::default(), Some(2000), Timing::default(), now);
    drain(&mut t, 2000, now);
    assert_eq!(t.on_ack(1, now), Acked::Moved);
    let mut sends = 0;
    loop {
        sends += drain(&mut t, 2000, now).len();
        now = t.deadline();
        if let Some(outcome) = t.on_deadline(now) {
            assert_eq!(outcome, Outcome::TimedOut);
            break;
        }
    }
    assert_eq!(now - start, Duration::from_secs(60));
    assert_eq!(sends, 27, "0, 20, 60, 140, 300, 620, 1260, 2540, 5100 ms, then every 3 s");
    assert_eq!(t.retransmissions(), 26);
}

/// A board that stops for 300 ms after each 8 blocks, to write them to its flash, and acknowledges each copy.
#[test]
fn a_board_that_pauses_is_given_more_time_instead_of_more_copies() {
    let mut now = Instant::now();
    let size = 512 * 200 - 1;
    let mut t = Transfer::new(Options::default(), Some(size), Timing::default(), now);
    let mut copies = drain(&mut t, size, now).len();
    for block in 1..=200_u16 {
        let until = now + Duration::from_millis(if block % 8 == 0 { 300 } else { 1 });
        while t.deadline() <= until {
            now = t.deadline();
            assert_eq!(t.on_deadline(now), None);
            copies += drain(&mut t, size, now).len();
        }
        now = until;
        for _ in 0..copies {
            t.on_ack(block, now);
        }
        copies = drain(&mut t, size, now).len();
    }
    // 25 pauses: at first 4 copies in each, then 2.
    assert_eq!(t.acked(), 200);
    assert!((50..=56).contains(&t.retransmissions()), "{} copies", t.retransmissions());
}

#[test]
fn who_never_answers_gets_three_packets() {
    check(
        2000,
        "RRQ tsize=0 | OACK tsize=2000
         +100   | OACK tsize=2000
         +200   | OACK tsize=2000
         +9699  |
         +1     | TimedOut",
    );
}

#[test]
fn a_repeated_request_is_answered_again_only_when_the_answer_is_overdue() {
    check(
        2000,
        "RRQ    | DATA1:512
         +50    |
         again  |
         +50    | DATA1:512
         +150   |
         again  | DATA1:512
         again  |
         ACK 1  | DATA2:512
         again  |
         ACK 2  | DATA3:512",
    );
}

#[test]
fn a_repeated_request_after_silence_is_a_client_that_starts_over() {
    check(
        2000,
        "RRQ | DATA1:512\n ACK 1 | DATA2:512\n +100 | DATA2:512\n +900 | DATA2:512\n again | starts over",
    );
}

#[test]
fn a_window_goes_out_at_once_and_a_gap_is_filled_from_the_acknowledged_block() {
    check(
        100,
        "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
         ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
         ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8
         ACK 6  | DATA7:8 DATA8:8 DATA9:8 DATA10:8
         ACK 6  |
         ACK 10 | DATA11:8 DATA12:8 DATA13:4
         +100   | DATA11:8 DATA12:8 DATA13:4
         ACK 12 | DATA13:4
         ACK 13 | complete",
    );
}

/// The client acknowledges each copy of a window that went over twice: the first of these ACKs is a report of a gap like
/// any, the others speak of the time before what was sent because of it.
#[test]
fn reports_that_were_on_their_way_bring_no_further_copies() {
    check(
        400,
        "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
         +10    |
         ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
         +10    |
         ACK 1  | DATA2:8 DATA3:8 DATA4:8 DATA5:8
         +1     |
         ACK 2  | DATA6:8
         ACK 3  | DATA7:8
         ACK 3  |
         +10    |
         ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8",
    );
}

/// Eighty boards at once make answers slow; a moment later most of them wait for something that was lost, and answers are
/// quick. A report must not be taken for a stale one because of that, or the transfer waits for its timer.
#[test]
fn a_report_that_comes_sooner_than_usual_is_believed() {
    check(
        400,
        "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
         +10    |
         ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
         +1     |
         ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8
         +19    |
         ACK 8  | DATA9:8 DATA10:8 DATA11:8 DATA12:8
         +10    |
         ACK 10 | DATA11:8 DATA12:8 DATA13:8 DATA14:8
         +1     |
         ACK 11 | DATA12:8 DATA13:8 DATA14:8 DATA15:8
         +1     |
         ACK 15 | DATA16:8 DATA17:8 DATA18:8 DATA19:8",
    );
}

/// The timer runs out twice, then there is a gap in each window; but each also brings blocks that went out once.
#[test]
fn back_off_ends_with_the_first_answer_that_can_be_measured() {
    check(
        400,
        "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
         +1     |
         ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
         +1     |
         ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8
         +20    | DATA5:8 DATA6:8 DATA7:8 DATA8:8
         +40    | DATA5:8 DATA6:8 DATA7:8 DATA8:8
         +1     |
         ACK 8  | DATA9:8 DATA10:8 DATA11:8 DATA12:8
         +1     |
         ACK 10 | DATA11:8 DATA12:8 DATA13:8 DATA14:8
         +1     |
         ACK 14 | DATA15:8 DATA16:8 DATA17:8 DATA18:8
         +20    | DATA15:8 DATA16:8 DATA17:8 DATA18:8",
    );
}

#[test]
fn a_copy_of_an_ack_that_the_network_made_is_no_report() {
    check(
        400,
        "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
         +10    |
         ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
         ACK 0  |
         +10    |
         ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8
         +4     |
         ACK 4  |
         +6     |
         ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8",
    );
}

#[test]
fn a_lost_first_block_of_a_window_is_repeated_without_waiting_but_only_once() {
    check(
        1000,
        "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
         ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
         ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
         ACK 0  |
         ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8
         ACK 4  |
         ACK 8  | DATA9:8 DATA10:8 DATA11:8 DATA12:8
         ACK 8  | DATA9:8 DATA10:8 DATA11:8 DATA12:8
         ACK 8  |
         +100   | DATA9:8 DATA10:8 DATA11:8 DATA12:8",
    );
}

/// Somebody guessed the ACK of the options, or a board is slow to begin.
#[test]
fn a_first_window_that_nobody_acknowledges_goes_out_so_often_and_no_more() {
    // 94 kB, 23.5 kB, 5.9 kB and 1.5 kB.
    for (windowsize, blocks, copies) in
        [(64, 100, 3), (16, 100, 5), (4, 100, 22), (1, 100, 27), (64, 5, 17), (64, 64, 3)]
    {
        let (mut now, size) = (Instant::now(), 1468 * blocks - 1);
        let granted = Options { blksize: Some(1468), windowsize: Some(windowsize), ..Options::default() };
        let mut t = Transfer::new(granted, Some(size), Timing::default(), now);
        drain(&mut t, size, now);
        assert_eq!(t.on_ack(0, now), Acked::Moved);
        let (window, mut sent) = (u64::from(windowsize).min(blocks), 0);
        let outcome = loop {
            sent += drain(&mut t, size, now).len() as u64;
            // What a forger may send as well.
            t.on_ack(0, now);
            sent += drain(&mut t, size, now).len() as u64;
            now = t.deadline();
            if let Some(outcome) = t.on_deadline(now) {
                break outcome;
            }
        };
        assert_eq!((outcome, sent), (Outcome::TimedOut, copies * window), "windows of {windowsize}");
    }
    // A report of a gap counts, and whoever has a part of it after all gets the rest.
    let begin = "RRQ blksize=1468 windowsize=64 | OACK blksize=1468 windowsize=64
         ACK 0  | DATA1:1468 DATA2:1468 DATA3:1468 DATA4:1468
         ACK 0  | DATA1:1468 DATA2:1468 DATA3:1468 DATA4:1468";
    check(
        1468 * 4 + 10,
        &format!("{}\n ACK 3 | DATA4:1468 DATA5:10", begin.replace("DATA4:1468", "DATA4:1468 DATA5:10")),
    );
}

#[test]
fn numbers_wrap_to_zero_and_go_on() {
    let now = Instant::now();
    let size = 8 * 140_000;
    let granted = Options { blksize: Some(8), windowsize: Some(16), ..Options::default() };
    let mut t = Transfer::new(granted, Some(size), Timing::default(), now);
    drain(&mut t, size, now);
    let mut complete = t.on_ack(0, now) == Acked::Complete;
    let mut rounds = 0;
    while !complete {
        drain(&mut t, size, now);
        rounds += 1;
        assert!(rounds < 10_000, "stuck at block {}", t.acked);
        complete = t.on_ack((t.high & 0xffff) as u16, now) == Acked::Complete;
    }
    assert_eq!((t.acked, t.bytes(), t.retransmissions()), (140_001, size, 0));
}
