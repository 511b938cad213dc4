//! The options of a request and what of them a server grants.
//! It refuses to know packets and transfers; a wish that makes no sense is passed over, never fatal.
//! RFC 2347 (rules), 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize).

use std::fmt;
use std::ops::RangeInclusive;

/// Block size without the option (RFC 1350 section 2).
pub const DEFAULT_BLKSIZE: u16 = 512;
/// What RFC 2348 allows.
pub const BLKSIZE: RangeInclusive<u64> = 8..=65464;
const TIMEOUT_S: RangeInclusive<u64> = 1..=255;
const WINDOWSIZE: RangeInclusive<u64> = 1..=65535;

/// A set of options: wished for in an RRQ, or granted in an OACK.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub struct Options {
    /// Bytes of file in one DATA packet.
    pub blksize: Option<u16>,
    /// Size of the file in bytes; 0 in a request asks for it.
    pub tsize: Option<u64>,
    /// Seconds after which the client would like to see a packet again.
    pub timeout_s: Option<u8>,
    /// Blocks sent before an ACK is awaited.
    pub windowsize: Option<u16>,
}

impl Options {
    /// Takes in one pair. Names ignore case, the first of two equal names counts (RFC 2347: each only once),
    /// unknown names and values out of range are as if they had not been sent. A blksize or windowsize above
    /// its range is a client that takes anything, so it counts as the largest: the grant is smaller anyway.
    pub fn read(&mut self, name: &str, value: &str) {
        // `parse` alone would accept "+5".
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let Some(n) = digits.then(|| value.parse::<u64>().ok()).flatten() else { return };
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("blksize") {
            self.blksize = self
                .blksize
                .or_else(|| u16::try_from(n.min(*BLKSIZE.end())).ok().filter(|_| n >= *BLKSIZE.start()));
        } else if is("tsize") {
            self.tsize = self.tsize.or(Some(n));
        } else if is("timeout") {
            self.timeout_s =
                self.timeout_s.or_else(|| u8::try_from(n).ok().filter(|_| TIMEOUT_S.contains(&n)));
        } else if is("windowsize") {
            let most = n.min(*WINDOWSIZE.end());
            self.windowsize = self.windowsize.or_else(|| u16::try_from(most).ok().filter(|&w| w > 0));
        }
    }

    /// Calls `each` with the name and value of every option that is set.
    pub fn for_each(&self, mut each: impl FnMut(&'static str, u64)) {
        let pairs = [
            ("blksize", self.blksize.map(u64::from)),
            ("tsize", self.tsize),
            ("timeout", self.timeout_s.map(u64::from)),
            ("windowsize", self.windowsize.map(u64::from)),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                each(name, value);
            }
        }
    }

    /// Whether no option is set: then there is no OACK, and the transfer is that of RFC 1350.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `blksize=1408 tsize=0`, in the words of the RFCs.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut result, mut gap) = (Ok(()), "");
        self.for_each(|name, value| {
            result = result.and_then(|()| write!(f, "{gap}{name}={value}"));
            gap = " ";
        });
        result
    }
}

/// The most that a server grants.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Largest blksize, in bytes.
    pub blksize: u16,
    /// Largest windowsize, in blocks.
    pub windowsize: u16,
}

/// What is granted of `wanted` for a file of `size` bytes (`None`: not known before the end, as in netascii).
/// Nothing is granted that was not asked for, and nothing larger than asked for (RFC 2348, 7440).
pub fn grant(wanted: &Options, size: Option<u64>, most: Most) -> Options {
    Options {
        blksize: wanted.blksize.map(|b| b.min(most.blksize)),
        // EDK II gives up when it asked for tsize and the OACK lacks it.
        tsize: wanted.tsize.and(size),
        // Granted because U-Boot asks for it, but it slows nothing down: see `Timing`.
        timeout_s: wanted.timeout_s,
        windowsize: wanted.windowsize.map(|w| w.min(most.windowsize)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wish: &str, size: Option<u64>, granted: &str) {
        let mut wanted = Options::default();
        for pair in wish.split_whitespace() {
            let (name, value) = pair.split_once('=').expect("name=value");
            wanted.read(name, value);
        }
        let most = Most { blksize: 1468, windowsize: 64 };
        assert_eq!(grant(&wanted, size, most).to_string(), granted, "{wish}");
    }

    #[test]
    fn what_boot_loaders_ask_for_is_granted() {
        check("blksize=1432 tsize=0", Some(77), "blksize=1432 tsize=77"); // iPXE
        check("tsize=0 blksize=1408", Some(0), "blksize=1408 tsize=0"); // PXELINUX
        check("timeout=5 blksize=1468 windowsize=16", Some(9), "blksize=1468 timeout=5 windowsize=16"); // U-Boot
        check("tsize=0 blksize=1468 windowsize=4", Some(9), "blksize=1468 tsize=9 windowsize=4"); // EDK II
        check("blksize=128", Some(9), "blksize=128"); // U-Boot, tftpblocksize
    }

    #[test]
    fn too_much_is_cut_and_nonsense_is_passed_over() {
        check("blksize=65464 windowsize=65535", None, "blksize=1468 windowsize=64");
        check("blksize=65465 windowsize=70000", None, "blksize=1468 windowsize=64");
        check("blksize=8 windowsize=1 timeout=1", None, "blksize=8 timeout=1 windowsize=1");
        check("blksize=7 windowsize=0 timeout=0", None, "");
        check("timeout=256 tsize=x blksize=-1 windowsize=+4", None, "");
        check("blksize=99999999999999999999 blksize= tsize= timeout=", None, "");
        check("multicast= rollover=0 utimeout=100000", None, "");
    }

    #[test]
    fn names_ignore_case_and_the_first_of_two_counts() {
        check("BLKSIZE=1024 blksize=512 TimeOut=3 timeout=4", None, "blksize=1024 timeout=3");
    }

    #[test]
    fn a_size_that_is_not_known_is_not_promised() {
        check("tsize=0 blksize=512", None, "blksize=512");
    }
}
