//! ICMP echo: the bytes of a request, and what a reply echoes.
//!
//! Pure; no socket, no time. Facts: RFC 792 (echo), RFC 4443 section 4 (ICMPv6 echo), RFC 1071 (checksum), RFC 791
//! section 3.1 (the IPv4 header that raw sockets deliver), RFC 3542 section 3.1 (the kernel sums ICMPv6 itself).

use std::fmt;

/// Which of the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// ICMP over IPv4.
    V4,
    /// ICMPv6.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What a socket puts before the ICMP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: datagram sockets, and raw ones of IPv6.
    Bare,
    /// The IPv4 header: raw sockets of IPv4.
    Ipv4Header,
}

/// What a request carries and its reply echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Whose request. On datagram sockets the kernel puts its own number here, and gives us only replies to that.
    pub id: u16,
    /// Which try.
    pub sequence: u16,
    /// Our payload: which ping, in a form that nobody guesses.
    pub cookie: u64,
}

/// Header and cookie.
pub const MESSAGE_LEN: usize = 16;

impl Family {
    const fn request_type(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    const fn reply_type(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }
}

/// An echo request. ICMPv6 leaves the checksum to the kernel, which alone knows the source address.
pub fn request(family: Family, echo: Echo) -> [u8; MESSAGE_LEN] {
    message(family, family.request_type(), echo)
}

fn message(family: Family, kind: u8, echo: Echo) -> [u8; MESSAGE_LEN] {
    let mut bytes = [0; MESSAGE_LEN];
    bytes[0] = kind;
    bytes[4..6].copy_from_slice(&echo.id.to_be_bytes());
    bytes[6..8].copy_from_slice(&echo.sequence.to_be_bytes());
    bytes[8..].copy_from_slice(&echo.cookie.to_be_bytes());
    if family == Family::V4 {
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// What a datagram echoes, if it is a reply of our form. `None` is not an error: raw sockets hear everything.
pub fn reply(family: Family, framing: Framing, datagram: &[u8]) -> Option<Echo> {
    let bytes = match framing {
        Framing::Bare => datagram,
        Framing::Ipv4Header => {
            let words = datagram.first().filter(|b| *b >> 4 == 4)? & 0x0f;
            let len = usize::from(words) * 4;
            datagram.get(len.max(20)..)?
        }
    };
    let &[kind, code, _, _, id0, id1, sequence0, sequence1, ref cookie @ ..] = bytes else { return None };
    let cookie: [u8; 8] = cookie.try_into().ok()?;
    // A correct message sums to zero together with its checksum (RFC 1071). Raw sockets get it before the kernel checks.
    if (kind, code) != (family.reply_type(), 0) || (family == Family::V4 && checksum(bytes) != 0) {
        return None;
    }
    Some(Echo {
        id: u16::from_be_bytes([id0, id1]),
        sequence: u16::from_be_bytes([sequence0, sequence1]),
        cookie: u64::from_be_bytes(cookie),
    })
}

/// The Internet checksum: ones' complement of the ones' complement sum of all 16-bit words (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        sum += u32::from(word);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo { id: 0x1234, sequence: 3, cookie: 0x0102_0304_0506_0708 };

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // RFC 1071 section 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00, "an odd byte is padded with zero");
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn a_request_is_as_the_rfcs_draw_it() {
        let v4 = request(Family::V4, ECHO);
        assert_eq!((v4[0], v4[1], &v4[4..8]), (8, 0, &[0x12, 0x34, 0, 3][..]));
        assert_eq!(checksum(&v4), 0);
        let v6 = request(Family::V6, ECHO);
        assert_eq!((v6[0], &v6[2..4], &v6[8..]), (128, &[0, 0][..], &[1, 2, 3, 4, 5, 6, 7, 8][..]));
    }

    #[test]
    fn a_reply_gives_back_what_was_sent() {
        for family in [Family::V4, Family::V6] {
            let bytes = message(family, family.reply_type(), ECHO);
            assert_eq!(reply(family, Framing::Bare, &bytes), Some(ECHO), "{family}");
        }
        let bytes = message(Family::V4, 0, ECHO);
        for words in [5u8, 6, 15] {
            let mut framed = vec![0; usize::from(words) * 4];
            framed[0] = 0x40 | words;
            framed.extend(bytes);
            assert_eq!(reply(Family::V4, Framing::Ipv4Header, &framed), Some(ECHO), "{words} words");
        }
    }

    #[test]
    fn what_is_no_reply_of_ours_is_passed_over() {
        let good = message(Family::V4, 0, ECHO);
        assert_eq!(reply(Family::V4, Framing::Bare, &request(Family::V4, ECHO)), None, "our own request");
        for len in 0..MESSAGE_LEN {
            assert_eq!(reply(Family::V4, Framing::Bare, &good[..len]), None, "{len} bytes");
        }
        assert_eq!(reply(Family::V4, Framing::Bare, &[&good[..], &[0, 0]].concat()), None, "too long");
        for at in 0..MESSAGE_LEN {
            let mut bad = good;
            bad[at] ^= 0x40;
            assert_eq!(reply(Family::V4, Framing::Bare, &bad), None, "byte {at} broken");
        }
        let mut framed = [&[0x45; 20][..], &good].concat();
        assert_eq!(reply(Family::V4, Framing::Ipv4Header, &framed), Some(ECHO));
        framed[0] = 0x4f;
        assert_eq!(reply(Family::V4, Framing::Ipv4Header, &framed), None, "header longer than the datagram");
        let short = [&[0x44; 16][..], &good].concat();
        assert_eq!(reply(Family::V4, Framing::Ipv4Header, &short), None, "shorter than a header can be");
        framed[0] = 0x65;
        assert_eq!(reply(Family::V4, Framing::Ipv4Header, &framed), None, "not IPv4");
    }
}
