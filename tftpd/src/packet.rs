//! The TFTP codec: a datagram becomes a value with all checks done, or the name of what was wrong with it.
//! It refuses to know sockets, files and which options a server would grant.
//! RFC 1350 (packets), RFC 2347 (options and OACK); both sides of the protocol, since our client uses it too.

use crate::options::Options;
use std::borrow::Cow;
use std::fmt;

/// Bytes in front of the payload of a DATA packet: opcode and block number (RFC 1350 section 5).
pub const DATA_HEADER: usize = 4;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// The error codes of RFC 1350 section 5 and RFC 2347 (8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorCode {
    /// See the text; the only code for "busy" and "stopping".
    NotDefined = 0,
    /// There is no such file.
    FileNotFound = 1,
    /// The file exists but is not for this client, or the request would write.
    AccessViolation = 2,
    /// The receiver has no room; our client says it when a file is longer than it was told to accept.
    DiskFull = 3,
    /// Not a request that TFTP has, or that this server serves.
    IllegalOperation = 4,
    /// The packet belongs to no transfer of this port.
    UnknownTransferId = 5,
    /// The receiver does not like the options it was granted; EDK II ends its size probe with it.
    OptionsRefused = 8,
}

impl ErrorCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }
}

/// How the bytes of the file travel (RFC 1350 section 1; its third mode, mail, is obsolete and refused).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// As they are.
    #[default]
    Octet,
    /// As text: LF becomes CR LF and a lone CR becomes CR NUL. tftp-hpa asks for it unless told otherwise.
    Netascii,
}

impl Mode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Octet => "octet",
            Self::Netascii => "netascii",
        }
    }
}

/// One well-formed packet. Text and data borrow from the datagram.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: please send me this file.
    ReadRequest {
        /// The name as the client wrote it, not yet fit for a file system.
        path: &'a str,
        /// Octet or netascii.
        mode: Mode,
        /// What the client would like.
        options: Options,
    },
    /// DATA: one block of the file.
    Data {
        /// Block number modulo 65,536.
        block: u16,
        /// 0 to blksize bytes; fewer than blksize end the file.
        data: &'a [u8],
    },
    /// ACK: everything up to this block has arrived.
    Ack {
        /// Block number modulo 65,536; 0 acknowledges an OACK.
        block: u16,
    },
    /// ERROR: the transfer is over.
    Error {
        /// The number as sent; see [`ErrorCode`].
        code: u16,
        /// The text as sent, made printable.
        message: Cow<'a, str>,
    },
    /// OACK: the options that the server grants.
    OptionAck {
        /// Those of them that we know.
        options: Options,
    },
}

/// Every way in which a datagram can be wrong.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum DecodeError {
    /// Shorter than its kind of packet can be.
    Truncated {
        /// Bytes that arrived.
        len: usize,
    },
    /// No TFTP packet has this number.
    UnknownOpcode(u16),
    /// A write request, and this code only ever serves.
    Write,
    /// A text field that does not end with NUL.
    Unterminated(&'static str),
    /// A text field that is not UTF-8.
    NotText(&'static str),
    /// A mode other than octet and netascii.
    UnsupportedMode,
}

impl DecodeError {
    /// What the sender should be told, or `None` where the datagram was no request and silence is right:
    /// whoever answers noise can be made to talk to himself.
    pub fn answer(self) -> Option<(ErrorCode, &'static str)> {
        match self {
            Self::Write => Some((ErrorCode::AccessViolation, "this server is read-only")),
            Self::UnsupportedMode => {
                Some((ErrorCode::IllegalOperation, "only modes octet and netascii are served"))
            }
            Self::NotText("path") => Some((ErrorCode::FileNotFound, "file not found")),
            Self::NotText(_) | Self::Truncated { .. } | Self::UnknownOpcode(_) | Self::Unterminated(_) => {
                None
            }
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { len } => write!(f, "a packet of {len} bytes is too short"),
            Self::UnknownOpcode(opcode) => write!(f, "opcode {opcode} is not TFTP"),
            Self::Write => f.write_str("this server is read-only"),
            Self::Unterminated(field) => write!(f, "the {field} has no end"),
            Self::NotText(field) => write!(f, "the {field} is not UTF-8 text"),
            Self::UnsupportedMode => f.write_str("only modes octet and netascii are served"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads one datagram.
///
/// # Errors
/// The first thing found to be wrong; never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let truncated = DecodeError::Truncated { len: bytes.len() };
    let &[hi, lo, ref rest @ ..] = bytes else { return Err(truncated) };
    let number = |rest: &[u8]| match *rest {
        [a, b, ..] => Ok(u16::from_be_bytes([a, b])),
        _ => Err(truncated),
    };
    match u16::from_be_bytes([hi, lo]) {
        RRQ => read_request(rest),
        WRQ => Err(DecodeError::Write),
        DATA => Ok(Packet::Data { block: number(rest)?, data: &rest[2..] }),
        ACK => Ok(Packet::Ack { block: number(rest)? }),
        ERROR => Ok(Packet::Error { code: number(rest)?, message: message_of(&rest[2..]) }),
        OACK => Ok(Packet::OptionAck { options: options_of(rest) }),
        opcode => Err(DecodeError::UnknownOpcode(opcode)),
    }
}

fn read_request(rest: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let (path, rest) = text_of(rest, "path")?;
    let (mode, rest) = text_of(rest, "mode")?;
    let mode = [Mode::Octet, Mode::Netascii].into_iter().find(|m| m.as_str().eq_ignore_ascii_case(mode));
    let mode = mode.ok_or(DecodeError::UnsupportedMode)?;
    Ok(Packet::ReadRequest { path, mode, options: options_of(rest) })
}

/// Options are wishes: a pair without an end, or with bytes that are no text, is passed over like an unknown
/// one. Old boot ROMs pad their requests.
fn options_of(mut rest: &[u8]) -> Options {
    let mut options = Options::default();
    while let Some((name, after)) = field_of(rest) {
        let Some((value, after)) = field_of(after) else { break };
        rest = after;
        if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) {
            options.read(name, value);
        }
    }
    options
}

fn text_of<'a>(bytes: &'a [u8], field: &'static str) -> Result<(&'a str, &'a [u8]), DecodeError> {
    let (text, rest) = field_of(bytes).ok_or(DecodeError::Unterminated(field))?;
    Ok((std::str::from_utf8(text).map_err(|_| DecodeError::NotText(field))?, rest))
}

fn field_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&b| b == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Some clients forget the NUL of an error text; what they mean is clear without it. The text goes to logs,
/// so control characters become spaces there.
fn message_of(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(field_of(bytes).map_or(bytes, |(text, _)| text));
    if text.chars().any(char::is_control) {
        return Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
    }
    text
}

/// Writes an RRQ into `buf`, replacing what it held.
pub fn encode_read_request(buf: &mut Vec<u8>, path: &str, mode: Mode, options: &Options) {
    start(buf, RRQ);
    put_text(buf, path);
    put_text(buf, mode.as_str());
    options.for_each(|name, value| {
        put_text(buf, name);
        put_text(buf, &value.to_string());
    });
}

/// Writes an OACK into `buf`, replacing what it held.
pub fn encode_option_ack(buf: &mut Vec<u8>, options: &Options) {
    start(buf, OACK);
    options.for_each(|name, value| {
        put_text(buf, name);
        put_text(buf, &value.to_string());
    });
}

/// Writes an ERROR into `buf`, replacing what it held.
pub fn encode_error(buf: &mut Vec<u8>, code: ErrorCode, message: &str) {
    start(buf, ERROR);
    buf.extend_from_slice(&code.number().to_be_bytes());
    put_text(buf, message);
}

/// Writes an ACK into `buf`, replacing what it held.
pub fn encode_ack(buf: &mut Vec<u8>, block: u16) {
    start(buf, ACK);
    buf.extend_from_slice(&block.to_be_bytes());
}

/// The header of a DATA packet; the payload follows it.
pub fn data_header(block: u16) -> [u8; DATA_HEADER] {
    let ([a, b], [c, d]) = (DATA.to_be_bytes(), block.to_be_bytes());
    [a, b, c, d]
}

fn start(buf: &mut Vec<u8>, opcode: u16) {
    buf.clear();
    buf.extend_from_slice(&opcode.to_be_bytes());
}

/// A NUL inside the text would end it early, so it is left out.
fn put_text(buf: &mut Vec<u8>, text: &str) {
    buf.extend(text.bytes().filter(|&b| b != 0));
    buf.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[&[u8]] = &[
        b"\0\x01pxelinux.cfg/01-aa-bb\0octet\0tsize\x000\0blksize\x001408\0windowsize\x004\0timeout\x005\0",
        b"\0\x03\xff\xffdata",
        b"\0\x04\0\x07",
        b"\0\x05\0\x08User aborted\0",
        b"\0\x06blksize\x001408\0tsize\x00123456\0",
    ];

    #[test]
    fn a_request_is_read_whatever_the_case_of_its_words() {
        let options = Options { blksize: Some(1408), tsize: Some(0), ..Options::default() };
        let packet = decode(b"\0\x01pxelinux.cfg/01-aa-bb\0OCTET\0BlkSize\x001408\0TSIZE\x000\0");
        assert_eq!(
            packet,
            Ok(Packet::ReadRequest { path: "pxelinux.cfg/01-aa-bb", mode: Mode::Octet, options })
        );
    }

    #[test]
    fn unknown_and_broken_options_are_passed_over() {
        for tail in ["multicast\0\0", "\0\0\0\0", "blksize", "blksize\0", "blksize\x001408", "\u{7}\0\u{7}\0"]
        {
            let bytes = [b"\0\x01f\0netascii\0", tail.as_bytes()].concat();
            let want = Packet::ReadRequest { path: "f", mode: Mode::Netascii, options: Options::default() };
            assert_eq!(decode(&bytes), Ok(want), "{tail:?}");
        }
        let not_utf8 = decode(b"\0\x01f\0octet\0\xff\xfe\0\xff\0blksize\x00512\0");
        let options = Options { blksize: Some(512), ..Options::default() };
        assert_eq!(not_utf8, Ok(Packet::ReadRequest { path: "f", mode: Mode::Octet, options }));
    }

    #[test]
    fn each_wrong_packet_has_a_name_and_only_requests_get_an_answer() {
        let rows: &[(&[u8], DecodeError, Option<u16>)] = &[
            (b"", DecodeError::Truncated { len: 0 }, None),
            (b"\0", DecodeError::Truncated { len: 1 }, None),
            (b"\0\x04\0", DecodeError::Truncated { len: 3 }, None),
            (b"\0\x09xx", DecodeError::UnknownOpcode(9), None),
            (b"\0\x02f\0octet\0", DecodeError::Write, Some(2)),
            (b"\0\x02", DecodeError::Write, Some(2)),
            (b"\0\x01f", DecodeError::Unterminated("path"), None),
            (b"\0\x01f\0octet", DecodeError::Unterminated("mode"), None),
            (b"\0\x01f\0mail\0", DecodeError::UnsupportedMode, Some(4)),
            (b"\0\x01\xff\0octet\0", DecodeError::NotText("path"), Some(1)),
        ];
        for (bytes, error, answer) in rows {
            assert_eq!(decode(bytes), Err(*error), "{bytes:?}");
            assert_eq!(error.answer().map(|(code, _)| code.number()), *answer, "{error}");
        }
    }

    #[test]
    fn error_texts_become_printable_and_may_lack_their_nul() {
        let packet = decode(b"\0\x05\0\0bad\x1b[2Jthing\0");
        assert_eq!(packet, Ok(Packet::Error { code: 0, message: "bad [2Jthing".into() }));
        assert_eq!(decode(b"\0\x05\0\x08no nul"), Ok(Packet::Error { code: 8, message: "no nul".into() }));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut buf = Vec::new();
        let options =
            Options { blksize: Some(8), tsize: Some(0), timeout_s: Some(255), windowsize: Some(65535) };
        encode_read_request(&mut buf, "/a/b", Mode::Netascii, &options);
        assert_eq!(decode(&buf), Ok(Packet::ReadRequest { path: "/a/b", mode: Mode::Netascii, options }));
        encode_option_ack(&mut buf, &options);
        assert_eq!(decode(&buf), Ok(Packet::OptionAck { options }));
        encode_error(&mut buf, ErrorCode::FileNotFound, "file\0 not found");
        assert_eq!(decode(&buf), Ok(Packet::Error { code: 1, message: "file not found".into() }));
        encode_ack(&mut buf, 513);
        assert_eq!(decode(&buf), Ok(Packet::Ack { block: 513 }));
        let data = [data_header(258).as_slice(), b"xyz"].concat();
        assert_eq!(decode(&data), Ok(Packet::Data { block: 258, data: b"xyz" }));
    }

    #[test]
    fn no_prefix_and_no_noise_makes_it_panic() {
        for good in GOOD {
            assert!(decode(good).is_ok());
            for n in 0..good.len() {
                let _ = decode(&good[..n]);
            }
        }
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut accepted = 0_u32;
        for round in 0..200_000_u32 {
            let mut bytes: Vec<u8> = GOOD[round as usize % GOOD.len()].to_vec();
            for _ in 0..=round % 7 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let [at, byte, cut, ..] = state.to_le_bytes();
                let len = bytes.len();
                if let Some(b) = bytes.get_mut(usize::from(at) % len.max(1)) {
                    *b = byte;
                }
                if cut < 8 {
                    bytes.truncate(usize::from(at) % len.max(1));
                }
            }
            accepted += u32::from(decode(&bytes).is_ok());
        }
        assert!(accepted > 1000, "the noise must also reach the accepting paths, {accepted} did");
    }
}
