//! Lines as real senders put them on the wire, and bytes that nobody should send.

use super::*;
use crate::text::MAX_TEXT;

/// A record in one line: `facility.severity|stamp|host|tag|pid|message`, a `-` where there is nothing; then what is rare.
fn shown(bytes: &[u8]) -> String {
    let r = Record::parse(bytes);
    let or = |field: &Option<Cow<'_, str>>| field.as_deref().unwrap_or("-").to_owned();
    let mut out = format!(
        "{}.{}|{}|{}|{}|{}|{}",
        r.facility,
        r.severity,
        or(&r.timestamp.map(|t| t.text)),
        or(&r.hostname),
        or(&r.tag),
        or(&r.pid),
        r.message
    );
    for (name, value) in [("msgid", &r.msgid), ("sd", &r.structured_data)] {
        if let Some(value) = value {
            out += &format!("|{name}={value}");
        }
    }
    if r.truncated {
        out += "|truncated";
    }
    out
}

#[rustfmt::skip]
const LINES: &[(&[u8], &str)] = &[
    // busybox: logger and syslogd -R, klogd, its own name in its file format
    (b"<13>Jan  1 00:00:00 root: text", "user.notice|Jan  1 00:00:00|-|root|-|text"),
    (b"<13>Jan  1 00:00:07 root: text\n", "user.notice|Jan  1 00:00:07|-|root|-|text"),
    (b"<12>Jan  1 00:00:07 mobile-init.sh[312]: no disk", "user.warning|Jan  1 00:00:07|-|mobile-init.sh|312|no disk"),
    (b"<6>Jan  1 00:00:07 kernel: [    1.0] usb 1-1: new", "kern.info|Jan  1 00:00:07|-|kernel|-|[    1.0] usb 1-1: new"),
    (b"<46>Jan  1 00:00:01 panda syslogd started: BusyBox v1.35.0", "syslog.info|Jan  1 00:00:01|panda|-|-|syslogd started: BusyBox v1.35.0"),
    // RFC 3164 5.4, traditional relays
    (b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", "auth.crit|Oct 11 22:14:15|mymachine|su|-|'su root' failed for lonvick on /dev/pts/8"),
    (b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", "user.notice|Feb  5 17:32:18|10.0.0.99|-|-|Use the BFG!"),
    (b"<30>Nov  2 10:00:00 rack1 systemd[1]: Started foo.", "daemon.info|Nov  2 10:00:00|rack1|systemd|1|Started foo."),
    (b"<78>Nov  2 10:00:00 rack1 /usr/sbin/cron[77]: x", "cron.info|Nov  2 10:00:00|rack1|/usr/sbin/cron|77|x"),
    (b"<78>Nov  2 10:00:00 rack1 (cron)[77] x", "cron.info|Nov  2 10:00:00|rack1|(cron)|77|x"),
    (b"<13>Nov  2 10:00:00 rack1 app[12]:text", "user.notice|Nov  2 10:00:00|rack1|app|12|text"),
    (b"<13>Nov  2 10:00:00 rack1 last message repeated 3 times", "user.notice|Nov  2 10:00:00|rack1|-|-|last message repeated 3 times"),
    (b"<13>Nov  2 10:00:00 rack1 -- MARK --", "user.notice|Nov  2 10:00:00|rack1|-|-|-- MARK --"),
    (b"<13>Nov  2 10:00:00 - app: x", "user.notice|Nov  2 10:00:00|-|app|-|x"),
    (b"<13>Nov  2 10:00:00 fe80::1 app: x", "user.notice|Nov  2 10:00:00|fe80::1|app|-|x"),
    (b"<13>Nov  2 10:00:00 fe80:: app: x", "user.notice|Nov  2 10:00:00|fe80::|app|-|x"),
    (b"<13>Nov  2 10:00:00 [2001:db8::7] app: x", "user.notice|Nov  2 10:00:00|[2001:db8::7]|app|-|x"),
    (b"<13>Nov  2 10:00:00 fe80::1%eth0 app: x", "user.notice|Nov  2 10:00:00|fe80::1%eth0|app|-|x"),
    (b"<13>Nov  2 10:00:00 http://x/ is down", "user.notice|Nov  2 10:00:00|-|-|-|http://x/ is down"),
    (b"<13>Nov  2 10:00:00 alone", "user.notice|Nov  2 10:00:00|-|-|-|alone"),
    (b"<13>Nov  2 10:00:00", "user.notice|Nov  2 10:00:00|-|-|-|"),
    (b"Nov  2 10:00:00 rack1 app: piped from a file", "user.notice|Nov  2 10:00:00|rack1|app|-|piped from a file"),
    // rsyslog: RSYSLOG_ForwardFormat
    (b"<13>2024-05-01T10:00:00.123456+02:00 rack1 app[12]: x", "user.notice|2024-05-01T10:00:00.123456+02:00|rack1|app|12|x"),
    (b"<13>2024-05-01T10:00:00Z app: no host", "user.notice|2024-05-01T10:00:00Z|-|app|-|no host"),
    (b"<13>2024-05-01 10:00:00,123 INFO asctime is text", "user.notice|-|-|-|-|2024-05-01 10:00:00,123 INFO asctime is text"),
    // Python's SysLogHandler: no stamp, no host, a NUL behind; with and without ident
    (b"<14>hello world\0", "user.info|-|-|-|-|hello world"),
    (b"<11>agent: it failed\0", "user.err|-|-|agent|-|it failed"),
    ("<14>\u{feff}gr\u{fc}n\0".as_bytes(), "user.info|-|-|-|-|gr\u{fc}n"),
    // no stamp
    (b"<13>root: text", "user.notice|-|-|root|-|text"),
    (b"<13>root[7]: text", "user.notice|-|-|root|7|text"),
    (b"<13>12:30 is not a tag", "user.notice|-|-|-|-|12:30 is not a tag"),
    (b"<13>Sentence with a colon: here", "user.notice|-|-|-|-|Sentence with a colon: here"),
    (b"<13>   leading blanks", "user.notice|-|-|-|-|leading blanks"),
    // no PRI: netconsole, plain text, what is not a PRI
    (b"[    1.234567] usb 1-1: new device\n", "kern.notice|-|-|kernel|-|[    1.234567] usb 1-1: new device"),
    (b"6,416,1758426,-,ncfrag=0/33;netconsole: x", "kern.info|-|-|kernel|-|netconsole: x"),
    (b"plain text", "user.notice|-|-|-|-|plain text"),
    (b"<999>x y", "user.notice|-|-|-|-|<999>x y"),
    (b"<6", "user.notice|-|-|-|-|<6"),
    // RFC 5424 6.5 and its relatives
    ("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed".as_bytes(), "auth.crit|2003-10-11T22:14:15.003Z|mymachine.example.com|su|-|'su root' failed|msgid=ID47"),
    (b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", "local4.notice|2003-08-24T05:14:15.000003-07:00|192.0.2.1|myproc|8710|%% It's time"),
    (b"<165>1 2003-10-11T22:14:15.003Z h e - ID47 [ex@1 i=\"3\" s=\"Ap\"][b@2 p=\"h\"]", "local4.notice|2003-10-11T22:14:15.003Z|h|e|-||msgid=ID47|sd=[ex@1 i=\"3\" s=\"Ap\"][b@2 p=\"h\"]"),
    (br#"<165>1 - - - - - [a b="x \] y \" z \\" c="]"] text"#, r#"local4.notice|-|-|-|-|text|sd=[a b="x \] y \" z \\" c="]"]"#),
    (b"<13>1 2024-05-01T10:00:00 2001:db8::7 app - - - v6", "user.notice|2024-05-01T10:00:00|2001:db8::7|app|-|v6"),
    (b"<13>1 - h app 1 - - [tagged] text", "user.notice|-|h|app|1|[tagged] text"),
    (b"<13>1 - h app 1 - [timeQuality tzKnown=\"1\"] from logger", "user.notice|-|h|app|1|from logger|sd=[timeQuality tzKnown=\"1\"]"),
    (b"<13>1 2024-05-01T10:00:00Z h app 1 - no structured data", "user.notice|2024-05-01T10:00:00Z|h|app|1|no structured data"),
    (b"<13>1 2024-05-01T10:00:00Z h app 1 - [ 1.2] usb", "user.notice|2024-05-01T10:00:00Z|h|app|1|[ 1.2] usb"),
    (b"<13>1 2024-05-01T10:00:00Z h app 1 - [a b=\"cut", "user.notice|2024-05-01T10:00:00Z|h|app|1||sd=[a b=\"cut"),
    (b"<13>1 2024-05-01T10:00:00Z cut", "user.notice|2024-05-01T10:00:00Z|cut|-|-|"),
    (b"<13>1 - is a sentence", "user.notice|-|-|-|-|1 - is a sentence"),
    (b"<13>1 - of the five words is missing", "user.notice|-|-|-|-|1 - of the five words is missing"),
    (b"1 2024-05-01T10:00:00Z h app - - - x", "user.notice|-|-|-|-|1 2024-05-01T10:00:00Z h app - - - x"),
    (b"<13>1 apple fell", "user.notice|-|-|-|-|1 apple fell"),
    (b"<13>2 2024-05-01T10:00:00Z h app - - - x", "user.notice|-|-|-|-|2 2024-05-01T10:00:00Z h app - - - x"),
    // bytes
    (b"<13>Nov  2 10:00:00 rack1 app: gr\xfcn", "user.notice|Nov  2 10:00:00|rack1|app|-|gr\u{fc}n"),
    (b"<13>app: a\0b\x1b[2Jc\nd", "user.notice|-|-|app|-|a\u{2400}bc\u{240a}d"),
    (b"", "user.notice|-|-|-|-|"), (b"<13>", "user.notice|-|-|-|-|"), (b"\0\0\n", "user.notice|-|-|-|-|"),
];

#[test]
fn real_lines() {
    for (bytes, want) in LINES {
        assert_eq!(shown(bytes), *want, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn the_stamp_is_utc_when_it_can_be_known() {
    let time = |bytes: &[u8]| Record::parse(bytes).timestamp.and_then(|t| t.utc_ms);
    assert_eq!(time(b"<34>1 2003-10-11T22:14:15.003Z h su - - - x"), Some(1_065_910_455_003));
    assert_eq!(time(b"<34>2003-10-12T00:14:15.003+02:00 h su: x"), Some(1_065_910_455_003));
    assert_eq!(time(b"<34>Oct 11 22:14:15 h su: x"), None);
}

/// No byte of any part may drive a terminal or a page, and no part is longer than the text may be.
fn assert_sane(record: &Record<'_>) {
    let stamp = record.timestamp.as_ref().map(|t| &t.text);
    let options = [&record.hostname, &record.tag, &record.pid, &record.msgid, &record.structured_data];
    for part in options.into_iter().flatten().chain(stamp).chain([&record.message]) {
        assert!(part.len() <= MAX_TEXT, "{} bytes", part.len());
        assert!(!part.contains(|c: char| c.is_control()), "{part:?}");
    }
    assert!(!record.message.starts_with(' '), "{:?}", record.message);
}

#[test]
fn every_prefix_and_suffix_of_every_line_is_a_record() {
    for (bytes, _) in LINES {
        for n in 0..=bytes.len() {
            assert_sane(&Record::parse(&bytes[..n]));
            assert_sane(&Record::parse(&bytes[n..]));
        }
    }
}

#[test]
fn no_bytes_panic() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..30_000 {
        // Half of the rounds break a good line in a few places: pure noise rarely gets behind the PRI.
        let mut bytes = if round % 2 == 0 {
            (0..random(120)).map(|_| u8::try_from(random(256)).unwrap()).collect()
        } else {
            LINES[random(LINES.len())].0.to_vec()
        };
        for _ in 0..random(6) {
            let at = random(bytes.len() + 1);
            let pieces: [&[u8]; 8] = [b"[", b"\"", b"\\", b"]", b" ", b"\xc3", b"\x1b[", b"Jan "];
            bytes.splice(at..at, pieces[random(8)].iter().copied());
        }
        assert_sane(&Record::parse(&bytes));
    }
}

#[test]
fn a_64_kib_line_is_cut_and_says_so() {
    let mut bytes = b"<13>Nov  2 10:00:00 rack1 app: ".to_vec();
    bytes.resize(64 * 1024, b'x');
    let record = Record::parse(&bytes);
    assert!(record.truncated);
    assert_eq!(record.tag.as_deref(), Some("app"));
    assert!(record.message.len() > MAX_TEXT - 64);
    for byte in 0..=255_u8 {
        assert_sane(&Record::parse(&vec![byte; 64 * 1024]));
    }
}
