//! What is fuzzed: one function for each part that reads what strangers, boards or people write.
//!
//! Each takes any bytes, must come back, and holds what it read to a rule that is worth more than "it did not panic". Used by
//! libFuzzer (`target.rs`), and by an ordinary test that replays the corpora and spoils them (`tests/corpora.rs`).

#[path = "tftp_session.rs"]
mod tftp_session;

use mozpool::api::body::Body;
use mozpool::api::call::{Call, Verb, decode};
use mozpool::api::routes::{self, ROUTES};
use mozpool::api::types::peers::{Answer, Letter};
use mozpool::api::types::{CreateBody, PowerCycleBody, PxeDraftBody, read_percent};
use mozpool::bmm::sut;
use mozpool::boot::description::{Draft, is_one};
use mozpool::boot::path::{ConfigName, config_name};
use mozpool::boot::render::{ServerValues, render, sample_values};
use mozpool::boot::table::BootTable;
use mozpool::config::{Config, Host};
use mozpool::inventory::take_in;
use mozpool::lab::{Format, Lab, Source};
use mozpool::layers::http::chunks::Chunks;
use mozpool::layers::http::head::Length;
use mozpool::layers::http::reader::{Arrival, BODY_HERE_MAX, HEAD_MAX, KEPT_MAX, PIECE, Reader};
use mozpool::layers::registration::line::Registration;
use mozpool::logic::inventory::{Extras, System};
use relayctl::packet::{MAX_REPLY, read_packet, wrap};
use relayctl::proxr::Command;
use relayctl::{Bank, Framing, PowerState, Relay, RelayAddress};
use std::sync::LazyLock;
use syslogd::frame::Framer;
use syslogd::{Facility, Record, Severity};
use tftpd::packet::{self, Packet};

/// One of them.
pub(crate) struct Target {
    /// The program's name, and its corpus' below `corpora/`.
    pub(crate) name: &'static str,
    /// What it does with an input.
    pub(crate) run: fn(&[u8]),
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "tftp_packet", run: tftp_packet },
    Target { name: "tftp_name", run: tftp_name },
    Target { name: "tftp_session", run: tftp_session::run },
    Target { name: "syslog_record", run: syslog_record },
    Target { name: "syslog_frames", run: syslog_frames },
    Target { name: "proxr_reply", run: proxr_reply },
    Target { name: "proxr_command", run: proxr_command },
    Target { name: "sut_reply", run: sut_reply },
    Target { name: "pxe_config", run: pxe_config },
    Target { name: "registration", run: registration },
    Target { name: "http_call", run: http_call },
    Target { name: "http_body", run: http_body },
    Target { name: "http_stream", run: http_stream },
    Target { name: "peer_letter", run: peer_letter },
    Target { name: "lab_file", run: lab_file },
    Target { name: "inventory", run: inventory },
    Target { name: "config", run: config },
];

/// The first byte, as a choice that the fuzzer makes, and the rest.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// What is encoded again from what was understood is understood in the same way.
fn tftp_packet(data: &[u8]) {
    let mut again = Vec::new();
    match packet::decode(data) {
        Ok(Packet::ReadRequest { path, mode, options }) => {
            packet::encode_read_request(&mut again, path, mode, &options);
        }
        Ok(Packet::OptionAck { options }) => packet::encode_option_ack(&mut again, &options),
        Ok(Packet::Ack { block }) => packet::encode_ack(&mut again, block),
        Ok(Packet::Data { block, data }) => {
            again.extend_from_slice(&packet::data_header(block));
            again.extend_from_slice(data);
        }
        Ok(Packet::Error { .. }) | Err(_) => return,
    }
    assert_eq!(packet::decode(&again), packet::decode(data));
}

/// No name that is served leads upwards, and cleaning it twice is cleaning it once.
fn tftp_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = tftpd::name::normalize(text) {
        assert!(!name.starts_with('/') && name.split('/').all(|part| !matches!(part, "" | "." | "..")));
        assert_eq!(tftpd::name::normalize(&name).as_deref(), Ok(name.as_str()));
    }
    if let Some(ConfigName::Board(mac)) = config_name(text) {
        assert!(text.to_ascii_lowercase().ends_with(&format!("01-{}", mac.join("-"))));
    }
    static TABLE: LazyLock<BootTable> = LazyLock::new(|| BootTable::new("default"));
    TABLE.answer(text);
}

/// A terminal may be shown what comes out, and a record outlives its bytes unchanged.
fn syslog_record(data: &[u8]) {
    let record = Record::parse(data);
    assert!(!record.message.chars().any(char::is_control), "{record:?}");
    assert!(Facility::from_number(record.facility.number()) == Some(record.facility));
    assert!(Severity::from_number(record.severity.number()) == Some(record.severity));
    assert_eq!(record.clone().into_owned(), record);
}

/// Where the pieces end in which bytes arrive changes nothing, and no frame is longer than it may be.
fn syslog_frames(data: &[u8]) {
    const MAX: usize = 64;
    let (piece, data) = choice(data);
    let frames = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut framer, mut out) = (Framer::new(MAX), Vec::new());
        let mut take = |frame: &[u8], cut: bool| {
            assert!(frame.len() <= MAX);
            out.push((frame.to_vec(), cut));
        };
        pieces.for_each(|piece| framer.push(piece, &mut take));
        framer.finish(&mut take);
        out
    };
    let whole = frames(&mut std::iter::once(data));
    assert_eq!(frames(&mut data.chunks(usize::from(piece).max(1))), whole);
}

/// What a connection says, cut into pieces of a length: its calls with their bodies, and how it ended.
fn calls_of(data: &[u8], piece: usize) -> (Vec<(Arrival, Vec<u8>)>, Option<String>) {
    let (mut reader, mut calls) = (Reader::default(), Vec::<(Arrival, Vec<u8>)>::new());
    // What is left of the last call's body.
    let (mut known, mut chunks) = (0, None::<Chunks>);
    for piece in data.chunks(piece) {
        reader.push(piece);
        loop {
            assert!(reader.kept() <= KEPT_MAX);
            if let (Some(decoder), Some((_, body))) = (&mut chunks, calls.last_mut()) {
                let mut out = [0; 7];
                match decoder.decode(reader.unread(), &mut out) {
                    Err(why) => {
                        // What came of it until then nobody believes.
                        body.clear();
                        return (calls, Some(why.0.to_owned()));
                    }
                    Ok((taken, given)) => {
                        reader.consume(taken);
                        body.extend_from_slice(&out[..given]);
                        if decoder.is_done() {
                            chunks = None;
                        } else if taken == 0 {
                            break;
                        }
                    }
                }
            } else if let (1.., Some((_, body))) = (known, calls.last_mut()) {
                let count = usize::try_from(known).unwrap_or(usize::MAX).min(reader.unread().len());
                body.extend_from_slice(&reader.unread()[..count]);
                reader.consume(count);
                known -= count as u64;
                if count == 0 {
                    break;
                }
            } else {
                match reader.next_call() {
                    Err(why) => return (calls, Some(format!("{why:?}"))),
                    Ok(None) => break,
                    Ok(Some(call)) => {
                        assert!(call.head.target.is_ascii() && call.head.target.len() <= HEAD_MAX);
                        assert!(call.body.as_ref().is_none_or(|body| body.len() <= BODY_HERE_MAX));
                        match (&call.body, call.head.body) {
                            (Some(_), _) => {}
                            (None, Length::Known(length)) => known = length,
                            (None, Length::Chunked) => chunks = Some(Chunks::default()),
                        }
                        calls.push((call, Vec::new()));
                    }
                }
            }
        }
    }
    (calls, None)
}

/// However a connection's bytes were cut into pieces, the calls are the same, with the same bodies, and it ends the same way; and
/// no more is kept of them than there is room for.
fn http_stream(data: &[u8]) {
    let (piece, data) = choice(data);
    let whole = calls_of(data, PIECE);
    assert_eq!(calls_of(data, usize::from(piece).max(1)), whole);
}

/// A command that some byte chooses.
fn command(chosen: u8) -> Command {
    let bank = Bank::new(chosen / 8 % 4 + 1).expect("banks begin at 1");
    let relay = Relay::new(chosen % 8 + 1).expect("there are eight relays");
    match chosen % 5 {
        0 => Command::TwoWayTest,
        1 => Command::ReadBank { bank },
        2 => Command::ReadRelay { bank, relay },
        3 => Command::Switch { bank, relay, to: relayctl::address::RelayState::On },
        _ => Command::SwitchBank { bank, to: relayctl::address::RelayState::Off },
    }
}

/// A reply does not change its meaning because more bytes came: it becomes an error, or stays.
fn proxr_reply(data: &[u8]) {
    let (chosen, bytes) = choice(data);
    let command = command(chosen);
    for framing in [Framing::Plain, Framing::Api] {
        let mut before = None;
        for end in 0..=bytes.len().min(MAX_REPLY + 2) {
            let now = framing.reply(command, &bytes[..end]);
            match (&before, &now) {
                (None, _) | (Some(Ok(None)), _) | (_, Err(_)) => {}
                (Some(Ok(Some(_))), now) => panic!("{before:?} became {now:?} with another byte"),
                (Some(Err(_)), now) => panic!("the error {before:?} became {now:?} with another byte"),
            }
            before = Some(now);
        }
    }
}

/// What a board understands is what would be sent for it, packed or not; addresses that people write come out as they went in.
fn proxr_command(data: &[u8]) {
    if let Ok(Some((command, length))) = Command::decode(data) {
        assert_eq!(Command::decode(&command.encode()), Ok(Some((command, command.encode().len()))));
        assert!(length <= data.len());
        let packed = wrap(&command.encode());
        assert_eq!(
            read_packet(&packed).ok().flatten().map(|(payload, _)| payload.to_vec()),
            Some(command.encode())
        );
    }
    let _ = read_packet(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<RelayAddress>() {
        assert_eq!(address.to_string().parse::<RelayAddress>().ok(), Some(address));
    }
    let _ = text.parse::<PowerState>();
}

/// An agent's words in any pieces: it keeps little of them, and what it says next is a command of one line.
fn sut_reply(data: &[u8]) {
    let (chosen, bytes) = choice(data);
    let goal = if chosen & 1 == 0 { sut::Goal::Verify } else { sut::Goal::SdCard };
    let mut talk = sut::Conversation::new(goal);
    // A reply ends where the agent's prompt does.
    for piece in bytes.split_inclusive(|byte| *byte == 0) {
        match talk.hear(piece) {
            Ok(sut::Next::More) => {}
            Ok(sut::Next::Send(line)) => {
                // `push` is followed by what is to be written.
                let (head, _) =
                    line.split_at(line.iter().position(|b| *b == b'\n').map_or(line.len(), |at| at + 1));
                assert!(head.ends_with(b"\r\n") && !head[..head.len() - 2].iter().any(u8::is_ascii_control));
            }
            Ok(sut::Next::Done) => return,
            Err(error) => {
                assert!(!error.to_string().chars().any(char::is_control), "{error}");
                return;
            }
        }
    }
}

/// A PXE config that an operator wrote: rendered, or an error that names one of its lines.
fn pxe_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    static VALUES: LazyLock<mozpool::boot::render::Values> =
        LazyLock::new(|| sample_values(&ServerValues::default()));
    // One line more than there are: what lacks an end is missed behind the last.
    let lines = text.lines().count() + 1;
    match render("fuzzed", text, &VALUES) {
        Ok(config) => assert!(config.contains('\0') <= text.contains('\0'), "{config:?}"),
        Err(error) => assert!(error.line <= lines, "{error:?}"),
    }
    if is_one(text)
        && let Err(error) = Draft::parse(text)
    {
        assert!((1..=lines).contains(&error.line), "{error:?}");
    }
}

/// An agent that registers: what is believed fits on one line.
fn registration(data: &[u8]) {
    if let Ok(line) = Registration::parse(data) {
        for text in [&line.os, &line.hardware, &line.pool] {
            assert!(!text.chars().any(char::is_control), "{line:?}");
        }
    }
}

/// The verb that some byte chooses.
fn verb(chosen: u8) -> Verb {
    [Verb::Get, Verb::Head, Verb::Post, Verb::Put, Verb::Delete, Verb::Options, Verb::Other]
        [usize::from(chosen % 7)]
}

/// A call finds its route both ways, and never a file by climbing.
fn http_call(data: &[u8]) {
    let (chosen, bytes) = choice(data);
    let target = String::from_utf8_lossy(bytes);
    let call = Call::new(verb(chosen), target.as_ref());
    assert!(!call.path().contains(['?', '#']));
    for key in ["details", "limit", "after", ""] {
        assert!(call.query(key).is_none() || call.has(key));
    }
    let _ = decode(&target);
    let found = match routes::find(ROUTES, &call) {
        routes::Found::Route(route, params) => {
            assert!(params.iter().all(|(_, value)| !value.is_empty()), "{params:?}");
            Some(route.path)
        }
        _ => None,
    };
    let counted = routes::place(call.verb, call.path()).map(|at| ROUTES[at].path);
    assert_eq!(found, counted, "{}", call.path());
}

/// What a body is told to be, it is, or it is refused in a sentence.
fn http_body(data: &[u8]) {
    let Ok(body) = Body::parse(data) else { return };
    for key in ["assignee", "duration", "image", "b2gbase", "environment", ""] {
        let _ = body.seconds(key, "a test's");
        let _ = body.texts(key);
    }
    let _ = PowerCycleBody::read(&body);
    let _ = PxeDraftBody::read(&body);
    assert!(read_percent(&body).is_ok_and(|percent| percent <= 100) || read_percent(&body).is_err());
    if let Ok(asked) = CreateBody::read(body) {
        assert!(!asked.assignee.chars().any(char::is_control));
    }
}

/// What another server says is read or refused, and written as it was read.
fn peer_letter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(letter) = Letter::read(text) {
        let once = letter.text();
        let again = Letter::read(&once).expect("it was read once");
        assert_eq!(again.text(), once);
        letter.messages.into_iter().for_each(|message| drop(message.read(&letter.from)));
    }
    let _ = Answer::fates_of(text);
}

/// A lab that could be read is written, and read again is the same; one that cannot names a line of it.
fn lab_file(data: &[u8]) {
    let (chosen, bytes) = choice(data);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let format = [Format::Toml, Format::Json, Format::Csv][usize::from(chosen % 3)];
    let source = |format| Source { format, origin: "fuzzed", default_server: "server-1", files: None };
    match Lab::read(text, source(format)) {
        Ok(lab) => {
            let written = lab.write(Format::Toml);
            match Lab::read(&written, source(Format::Toml)) {
                Ok(again) => assert_eq!(again.write(Format::Toml), written),
                Err(error) => panic!("{error}\n{written}"),
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Systems with any text in their fields: devices, reasons why not, or an error.
fn inventory(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let systems = text.lines().take(50).enumerate().map(|(n, line)| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default();
        System {
            place: format!("line {n}"),
            inventory_id: field(),
            fqdn: field(),
            name: field(),
            status: field(),
            mac: field(),
            imaging_server: field(),
            relay_info: field(),
            hardware_type: field(),
            hardware_model: field(),
            extras: Extras::default(),
        }
    });
    let systems: Vec<System> = systems.collect();
    let number = systems.len();
    match take_in(systems, None) {
        Ok(intake) => assert_eq!(intake.wanted.len() + intake.skipped.len(), number),
        Err(error) => drop(error.to_string()),
    }
}

/// A configuration is good, or every fault of it has a line, a problem and a remedy.
fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    static HOST: LazyLock<Host> = LazyLock::new(Host::default);
    if let Err(faults) = Config::parse(text, &HOST) {
        assert!(!faults.is_empty());
        for fault in faults {
            assert!(
                fault.line <= text.lines().count() + 1
                    && !fault.problem.is_empty()
                    && !fault.remedy.is_empty(),
                "{fault:?}"
            );
        }
    }
}
