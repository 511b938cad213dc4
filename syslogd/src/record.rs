//! One syslog message: bytes in, [`Record`] out. It never fails; what no rule explains is the message.
//!
//! It knows no socket, no clock and no device. RFC 3164 section 4 and RFC 5424 section 6 rule it, read as leniently as
//! real boards need: busybox sends no host name, Python no time stamp and a NUL, a kernel no PRI, relays cut lines.
//!
//! Everything rests on the cleaned text (see [`crate::text`]), so each part is safe to show and of bounded length.

use crate::pri::{Facility, Severity};
use crate::scan::Scan;
use crate::stamp::{self, SenderTime};
use crate::{kernel, pri, text};
use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A host name is at most this long (RFC 1035 2.3.4, RFC 5424 6.2.4); a longer word is not one.
const MAX_HOSTNAME: usize = 255;
/// A tag is at most this long: RFC 3164 allows 32 characters, RFC 5424 6.2.5 allows 48, Java class names take more.
const MAX_TAG: usize = 64;
/// A process id in brackets is at most this long; some senders put a thread name there.
const MAX_PID: usize = 32;

/// What a sender said. All of it is a claim; the source address is the receiver's to add.
///
/// It borrows from the bytes of the message where they are plain ASCII, as most are: reading such a line allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Who speaks; [`Facility::USER`] without a PRI (RFC 3164 4.3.3), [`Facility::KERN`] for netconsole lines.
    pub facility: Facility,
    /// How bad it is; [`Severity::Notice`] without a PRI.
    pub severity: Severity,
    /// Whether the line had a valid PRI, so that both values above are the sender's and not a default.
    pub pri_given: bool,
    /// When, by the sender's clock.
    pub timestamp: Option<SenderTime<'a>>,
    /// HOSTNAME: a name or an address, as it stood.
    pub hostname: Option<Cow<'a, str>>,
    /// TAG (RFC 3164) or APP-NAME (RFC 5424): the program.
    pub tag: Option<Cow<'a, str>>,
    /// PROCID: mostly a number, but not always.
    pub pid: Option<Cow<'a, str>>,
    /// MSGID (RFC 5424).
    pub msgid: Option<Cow<'a, str>>,
    /// STRUCTURED-DATA (RFC 5424) as it stood, brackets and escapes included.
    pub structured_data: Option<Cow<'a, str>>,
    /// The rest of the line: what a person wants to read.
    pub message: Cow<'a, str>,
    /// Whether we know that a part of the line is lost.
    pub truncated: bool,
}

impl<'a> Record<'a> {
    /// Reads one message, without its framing. Any bytes give a record.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        match text::clean(bytes) {
            (Cow::Borrowed(text), truncated) => Self::read(text, truncated),
            (Cow::Owned(text), truncated) => Record::read(&text, truncated).into_owned(),
        }
    }

    /// The same, which outlives the bytes.
    #[must_use]
    pub fn into_owned(self) -> Record<'static> {
        let own = |field: Option<Cow<'a, str>>| field.map(|text| Cow::Owned(text.into_owned()));
        Record {
            facility: self.facility,
            severity: self.severity,
            pri_given: self.pri_given,
            timestamp: self.timestamp.map(SenderTime::into_owned),
            hostname: own(self.hostname),
            tag: own(self.tag),
            pid: own(self.pid),
            msgid: own(self.msgid),
            structured_data: own(self.structured_data),
            message: Cow::Owned(self.message.into_owned()),
            truncated: self.truncated,
        }
    }

    /// Reads cleaned text.
    fn read(text: &'a str, truncated: bool) -> Self {
        let mut scan = Scan(text);
        let pri = pri::take(&mut scan);
        let (facility, severity) = pri.unwrap_or((Facility::USER, Severity::Notice));
        let mut record = Self {
            facility,
            severity,
            pri_given: pri.is_some(),
            timestamp: None,
            hostname: None,
            tag: None,
            pid: None,
            msgid: None,
            structured_data: None,
            message: Cow::Borrowed(""),
            truncated,
        };
        let message = if pri.is_none()
            && let Some((facility, severity, message)) = kernel::recognise(scan.0)
        {
            (record.facility, record.severity) = (facility, severity);
            record.tag = Some(Cow::Borrowed("kernel"));
            message
        } else {
            record.rfc5424(scan).unwrap_or_else(|| record.rfc3164(scan))
        };
        record.message = Cow::Borrowed(message.trim_start());
        record
    }

    /// Reads what follows the PRI by RFC 5424 and returns MSG; `None`, and nothing changed, if it is of another kind.
    ///
    /// Version 1 and a time stamp make it one. With the nil stamp the whole header must be there: `<13>1 - no` is a
    /// sentence. Otherwise fields that a cut removed stay empty.
    fn rfc5424(&mut self, scan: Scan<'a>) -> Option<&'a str> {
        let mut s = scan;
        if !(self.pri_given && s.eat('1') && s.eat(' ')) {
            return None;
        }
        let timestamp = match s.token() {
            "-" => None,
            token => {
                let mut t = Scan(token);
                Some(stamp::take_iso(&mut t).filter(|_| t.0.is_empty())?)
            }
        };
        let mut fields = [None; 4];
        for field in &mut fields {
            if !s.eat(' ') {
                timestamp.as_ref()?;
                break;
            }
            *field = nil(s.token());
        }
        let [hostname, tag, pid, msgid] = fields.map(|f| f.map(Cow::Borrowed));
        s.eat(' ');
        let structured_data = take_structured_data(&mut s);
        if timestamp.is_none() && structured_data.is_none() {
            return None;
        }
        self.timestamp = timestamp;
        (self.hostname, self.tag, self.pid, self.msgid) = (hostname, tag, pid, msgid);
        self.structured_data = structured_data.and_then(nil).map(Cow::Borrowed);
        Some(s.0)
    }

    /// Reads what follows the PRI by RFC 3164 and returns CONTENT.
    fn rfc3164(&mut self, mut s: Scan<'a>) -> &'a str {
        self.timestamp = stamp::take(&mut s);
        s.run(|c| c == ' ');
        // What looks like `tag:` is one, although the RFC wants a host name here: busybox and every C library write
        // no host name, and send to the network what they wrote. Without a stamp there is no host name (4.3.3).
        if !self.take_tag(&mut s) && self.timestamp.is_some() {
            let mut ahead = s;
            let word = ahead.token();
            // A lone word is the message, not a host with nothing to say.
            if (word == "-" || is_hostname(word)) && ahead.eat(' ') {
                self.hostname = nil(word).map(Cow::Borrowed);
                ahead.run(|c| c == ' ');
                self.take_tag(&mut ahead);
                s = ahead;
            }
        }
        s.0
    }

    /// Takes `tag:`, `tag[pid]:` or `tag[pid]`, if that comes next.
    fn take_tag(&mut self, s: &mut Scan<'a>) -> bool {
        let mut ahead = *s;
        let tag = ahead.run(|c| c.is_ascii_alphanumeric() || "_-./@+()#~*".contains(c));
        if tag.is_empty() || tag.len() > MAX_TAG {
            return false;
        }
        let mut pid = None;
        if ahead.eat('[') {
            let inner = ahead.run(|c| c != ']' && c != ' ');
            if inner.is_empty() || inner.len() > MAX_PID || !ahead.eat(']') {
                return false;
            }
            pid = Some(inner);
        }
        let colon = ahead.eat(':');
        // `http://…` and `10:30` are not tags: behind the colon of a tag comes a blank, unless a pid made it clear.
        let is_tag = match pid {
            Some(_) => colon || ahead.at_gap(),
            None => colon && ahead.at_gap(),
        };
        if is_tag {
            self.tag = Some(Cow::Borrowed(tag));
            self.pid = pid.map(Cow::Borrowed);
            *s = ahead;
        }
        is_tag
    }
}

/// RFC 5424's `-` means that there is nothing.
fn nil(field: &str) -> Option<&str> {
    (!field.is_empty() && field != "-").then_some(field)
}

/// A name or address that could stand in HOSTNAME.
fn is_hostname(word: &str) -> bool {
    if word.len() > MAX_HOSTNAME {
        return false;
    }
    if word.contains(':') {
        let address = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
        let address = address.split_once('%').map_or(address, |(address, _zone)| address);
        return address.parse::<Ipv6Addr>().is_ok();
    }
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Takes `-` or one or more `[id name="value" …]` (RFC 5424 6.3); takes nothing if neither is there.
///
/// In a value `\` escapes `"`, `\` and `]`. An element without end was cut: then all that is left belongs to it.
fn take_structured_data<'a>(s: &mut Scan<'a>) -> Option<&'a str> {
    let start = s.0;
    let mut ahead = *s;
    if ahead.eat('-') && ahead.at_gap() {
        *s = ahead;
        return Some("-");
    }
    ahead = *s;
    while ahead.0.starts_with('[') {
        // A message may begin with a bracket where the sender left out the `-`, as in `[ 1.2] usb`: an SD-ID has
        // no blank, no quote and no `=` in it.
        let mut id = ahead;
        id.eat('[');
        if id.run(|c| c.is_ascii_graphic() && !"=]\"".contains(c)).is_empty()
            || !(id.at_gap() || id.0.starts_with(']'))
        {
            break;
        }
        let (mut quoted, mut escaped) = (false, false);
        ahead.run(|c| {
            if escaped {
                escaped = false;
                return true;
            }
            match c {
                '\\' => escaped = quoted,
                '"' => quoted = !quoted,
                ']' if !quoted => return false,
                _ => {}
            }
            true
        });
        ahead.eat(']');
    }
    let data = start.strip_suffix(ahead.0)?;
    if data.is_empty() {
        return None;
    }
    *s = ahead;
    Some(data)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
