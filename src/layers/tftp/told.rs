//! What is told of a transfer: a sentence for the history of the board that asked, with what to look at when it went wrong.
//!
//! Pure. It knows no device; transfers of which nobody learns anything are left out here, each with its reason.

use crate::logic::attempt::{Step, StepKind};
use crate::logic::time::Timestamp;
use tftpd::{Outcome, Refusal, TransferRecord};

/// A share of repeated packets that a sound cable does not reach, in percent; a lossy one slows a boot down long before it fails.
const MANY_PERCENT: u64 = 5;
/// So few may be chance.
const MANY_LEAST: u64 = 10;
/// Without the option (RFC 1350 section 2).
const DEFAULT_BLKSIZE: u16 = 512;

/// What a transfer's end is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The board has the file.
    Good(String),
    /// It has not, and a person may have to look.
    Bad(String),
    /// Nobody acknowledged anything. If it was a board it is worth a line; if the address was forged it is nobody's.
    Unheard(String),
    /// Worth no line.
    Nothing,
}

/// What is told of a transfer that is over.
pub(super) fn of_transfer(record: &TransferRecord) -> Told {
    let TransferRecord { name, bytes, .. } = record;
    let why = match record.outcome {
        Outcome::Complete => return Told::Good(sent(record)),
        // EDK II asks for the size first and for the file at once after it: the file is what is told of.
        Outcome::Probed => return Told::Nothing,
        // The second request came while the first one had no answer yet: only the second is a transfer.
        Outcome::Superseded if *bytes == 0 => return Told::Nothing,
        // Nobody had acknowledged anything; a board asks again, and has a place then.
        Outcome::Displaced => return Told::Nothing,
        Outcome::Superseded => {
            return Told::Good(format!("{name}: the board began anew after {bytes} bytes"));
        }
        Outcome::TimedOut if *bytes <= u64::from(record.options.blksize.unwrap_or(DEFAULT_BLKSIZE)) => {
            return Told::Unheard(format!(
                "{name}: nothing was acknowledged; a boot loader that asks twice leaves one request behind, but if none is \
                 followed by a line that it was sent, our answers do not reach the board: look for a firewall between it and \
                 this server"
            ));
        }
        // The last block is out and its ACK was lost, or is none of the loader's habits.
        Outcome::TimedOut | Outcome::PeerUnreachable if *bytes > 0 && record.size == Some(*bytes) => {
            return Told::Good(format!("{}; its last packet was not acknowledged", sent(record)));
        }
        Outcome::TimedOut => {
            "the board fell silent; look at its power, its cable and its console, and whether it was power-cycled just then"
                .to_owned()
        }
        Outcome::PeerUnreachable => {
            "nobody listens on the board's port any more; it was reset, or its boot loader has given up".to_owned()
        }
        Outcome::ClientError(code) => {
            format!("the board said error {code}, {}; its console tells more", meaning(code))
        }
        Outcome::ReadFailed => {
            "the file could not be read to its end, or was changed meanwhile; look at this server's log and disk".to_owned()
        }
        Outcome::Stopped => "this server was stopped; a boot loader asks again by itself".to_owned(),
    };
    Told::Bad(format!("warning: {name} broke off after {} in {}: {why}", amount(record), seconds(record)))
}

/// What is told of a request that got no file. Boot loaders try a dozen names for their config, so those are not told of here.
pub(super) fn of_refusal(name: &str, why: &Refusal) -> String {
    let why = match why {
        Refusal::NotFound => {
            "there is no such file in the TFTP root. Boot loaders ask for some names in vain; it matters if the board \
             stays here"
        }
        Refusal::AccessViolation => {
            "the file may not be read: its permissions, or a link that leads out of the TFTP root"
        }
        Refusal::Busy => "the server was busy; a boot loader asks again by itself",
        Refusal::Failed(_) => "the file could not be opened; this server's log says why",
    };
    format!("refused {name}: {why}")
}

/// A transfer as a step of the board's attempt; its time is set by whoever passes it on. A request that was only the first of two
/// is none.
pub(super) fn step_of_transfer(record: &TransferRecord) -> Option<Step> {
    let TransferRecord { name, bytes, size, .. } = record;
    let all = *bytes > 0 && *size == Some(*bytes);
    let (what, bad) = match record.outcome {
        Outcome::Complete => ("sent".to_owned(), false),
        Outcome::TimedOut | Outcome::PeerUnreachable if all => ("sent".to_owned(), false),
        Outcome::Superseded => (format!("the board began anew after {bytes} bytes"), false),
        Outcome::Probed | Outcome::Displaced => return None,
        Outcome::TimedOut if *bytes == 0 => return None,
        Outcome::TimedOut
        | Outcome::PeerUnreachable
        | Outcome::ClientError(_)
        | Outcome::ReadFailed
        | Outcome::Stopped => (format!("broke off after {}", amount(record)), true),
    };
    let took = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX);
    Some(Step::new(Timestamp(0), StepKind::Tftp, name.as_str(), what).sent(*bytes).took(took).is_bad(bad))
}

/// The same for a request that got no file.
pub(super) fn step_of_refusal(name: &str, why: &Refusal) -> Step {
    let why = match why {
        Refusal::NotFound => "not sent: there is no such file",
        Refusal::AccessViolation => "not sent: the file may not be read",
        Refusal::Busy => "not sent: the server was busy",
        Refusal::Failed(_) => "not sent: the file could not be opened",
    };
    Step::new(Timestamp(0), StepKind::Tftp, name, why).is_bad(true)
}

/// `sent vmlinuz: 8675309 bytes in 2.41 s, 3.6 MB/s, 3 packets repeated (blksize=1408 tsize=8675309)`.
fn sent(record: &TransferRecord) -> String {
    let TransferRecord { name, bytes, retransmissions, options, .. } = record;
    let mut text = format!("sent {name}: {bytes} bytes in {}", seconds(record));
    let ms = record.duration.as_millis().max(1);
    // Of a small file it says nothing.
    if *bytes >= 1 << 20 {
        let tenths = u128::from(*bytes) / ms / 100;
        text.push_str(&format!(", {}.{} MB/s", tenths / 10, tenths % 10));
    }
    if *retransmissions > 0 {
        text.push_str(&format!(", {retransmissions} packets repeated"));
        let packets = bytes / u64::from(options.blksize.unwrap_or(DEFAULT_BLKSIZE)) + 1;
        if *retransmissions >= MANY_LEAST && retransmissions * 100 >= packets * MANY_PERCENT {
            text.push_str(": many, look at cable and switch port");
        }
    }
    if !options.is_empty() {
        text.push_str(&format!(" ({options})"));
    }
    text
}

fn amount(record: &TransferRecord) -> String {
    match record.size {
        Some(size) => format!("{} of {size} bytes", record.bytes),
        None => format!("{} bytes", record.bytes),
    }
}

fn seconds(record: &TransferRecord) -> String {
    format!("{:.2} s", record.duration.as_secs_f64())
}

/// RFC 1350 section 5, RFC 2347.
fn meaning(code: u16) -> &'static str {
    match code {
        0 => "which has no meaning of its own",
        1 => "file not found",
        2 => "access violation",
        3 => "no room for the file",
        4 => "illegal operation",
        5 => "unknown transfer",
        6 => "the file exists already",
        7 => "no such user",
        8 => "options refused",
        _ => "which no RFC has",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tftpd::Options;

    fn record(outcome: Outcome, bytes: u64, retransmissions: u64, size: u64) -> TransferRecord {
        TransferRecord {
            name: "live/vmlinuz".into(),
            peer: "10.0.0.7:49152".parse().unwrap(),
            local: [10, 0, 0, 1].into(),
            bytes,
            size: Some(size),
            round_trip: Duration::ZERO,
            duration: Duration::from_millis(2410),
            retransmissions,
            options: Options { blksize: Some(1408), ..Options::default() },
            outcome,
        }
    }

    #[test]
    fn what_was_sent_is_told_with_what_it_took() {
        for (bytes, repeated, want) in [
            (8_675_309, 0, "8675309 bytes in 2.41 s, 3.5 MB/s (blksize=1408)"),
            (8_675_309, 3, "8675309 bytes in 2.41 s, 3.5 MB/s, 3 packets repeated (blksize=1408)"),
            (140_000, 9, "140000 bytes in 2.41 s, 9 packets repeated (blksize=1408)"),
            (
                140_000,
                10,
                "140000 bytes in 2.41 s, 10 packets repeated: many, look at cable and switch port (blksize=1408)",
            ),
            (0, 0, "0 bytes in 2.41 s (blksize=1408)"),
        ] {
            let told = of_transfer(&record(Outcome::Complete, bytes, repeated, bytes));
            assert_eq!(told, Told::Good(format!("sent live/vmlinuz: {want}")));
        }
    }

    #[test]
    fn every_end_is_told_or_has_a_reason_not_to_be() {
        for (outcome, bytes, want) in [
            (Outcome::Probed, 0, Told::Nothing),
            (Outcome::Superseded, 0, Told::Nothing),
            (
                Outcome::Superseded,
                2816,
                Told::Good("live/vmlinuz: the board began anew after 2816 bytes".into()),
            ),
        ] {
            assert_eq!(of_transfer(&record(outcome, bytes, 0, 9_000_000)), want, "{outcome:?}");
        }
        for bytes in [0, 1408] {
            let told = of_transfer(&record(Outcome::TimedOut, bytes, 4, 9_000_000));
            assert!(matches!(&told, Told::Unheard(text) if text.contains("firewall")), "{told:?}");
        }
        for outcome in [Outcome::TimedOut, Outcome::PeerUnreachable] {
            let Told::Good(text) = of_transfer(&record(outcome, 2816, 0, 2816)) else {
                panic!("{outcome:?}")
            };
            assert!(text.ends_with("; its last packet was not acknowledged"), "{text}");
        }
        // Of an empty file nothing was left to send, but nobody is known to have it either.
        let told = of_transfer(&record(Outcome::PeerUnreachable, 0, 0, 0));
        assert!(
            matches!(&told, Told::Bad(text) if text.contains("broke off after 0 of 0 bytes")),
            "{told:?}"
        );
        for (outcome, want) in [
            (Outcome::TimedOut, "the board fell silent; look at its power"),
            (Outcome::PeerUnreachable, "nobody listens on the board's port any more"),
            (Outcome::ClientError(3), "the board said error 3, no room for the file; its console"),
            (Outcome::ReadFailed, "look at this server's log and disk"),
            (Outcome::Stopped, "this server was stopped"),
        ] {
            let Told::Bad(text) = of_transfer(&record(outcome, 2816, 0, 9_000_000)) else {
                panic!("{outcome:?}");
            };
            let begin = "warning: live/vmlinuz broke off after 2816 of 9000000 bytes in 2.41 s: ";
            assert!(text.starts_with(begin) && text.contains(want), "{text}");
        }
    }
}
