//! What a transfer sends, cut into blocks: bytes in memory or an open file, as they are or as netascii.
//! It refuses to know packets and windows; it is asked for block n and may be asked again.
//! RFC 1350 section 5 (blocks), RFC 764 as cited there (netascii: LF is CR LF, CR is CR NUL).

use crate::packet::Mode;
use nix::sys::uio::preadv;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The bytes that a request gets.
#[derive(Debug)]
pub enum Content {
    /// Text made for the request, or any bytes already in memory.
    Bytes(Arc<[u8]>),
    /// A regular file, read block by block while the transfer runs.
    File {
        /// Opened for reading.
        file: File,
        /// How much of it is served: its size when it was opened. Should it shrink meanwhile, the transfer fails.
        len: u64,
    },
}

impl Content {
    /// All of `file` as it is now.
    ///
    /// # Errors
    /// When the size of the file cannot be learned.
    pub fn file(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::File { file, len })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Fills `out` from `offset` on, up to the end of the content.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let left = self.size().saturating_sub(offset);
        let len = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        let out = &mut out[..len];
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).map_or(bytes.len(), |o| o.min(bytes.len()));
                out.copy_from_slice(&bytes[start..start + len]);
            }
            Self::File { file, .. } => file.read_exact_at(out, offset)?,
        }
        Ok(len)
    }

    /// Fills `out` as [`Self::read_at`], but leaves `gap` bytes free in front of each `blksize` of content. Returns
    /// the bytes of content.
    fn read_spread(&self, offset: u64, blksize: usize, gap: usize, out: &mut [u8]) -> io::Result<usize> {
        let stride = gap + blksize;
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = left.min(out.len() / stride * blksize);
        if let Self::File { file, .. } = self {
            // One call for the whole window; it saves as much as sending in one does.
            let mut parts: Vec<IoSliceMut<'_>> =
                out.chunks_exact_mut(stride).map(|packet| IoSliceMut::new(&mut packet[gap..])).collect();
            // An offset beyond what the kernel can name is beyond every file.
            let at = i64::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
            // It reads on behind the end that the file had when it was opened; that part is not sent.
            if preadv(file, &mut parts, at).is_ok_and(|got| got >= want) {
                return Ok(want);
            }
        }
        let mut offset = offset;
        for packet in out.chunks_exact_mut(stride) {
            offset += self.read_at(offset, &mut packet[gap..])? as u64;
        }
        Ok(want)
    }
}

/// Where a netascii block begins in the file.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    offset: u64,
    /// The second half of a pair that the block before had no room for.
    pending: Option<u8>,
}

/// A content in blocks of one size.
pub(crate) struct Blocks {
    content: Content,
    blksize: usize,
    netascii: Option<Netascii>,
}

/// In netascii a block's place in the file follows from the blocks before it, so the places of those that may be
/// asked for again are kept: from the last acknowledged one on, at most a window of them.
struct Netascii {
    /// Number of the block that `cursors[0]` is the beginning of.
    base: u64,
    cursors: VecDeque<Cursor>,
    raw: Vec<u8>,
}

impl Blocks {
    pub(crate) fn new(content: Content, mode: Mode, blksize: usize) -> Self {
        let netascii = match mode {
            Mode::Octet => None,
            Mode::Netascii => Some(Netascii {
                base: 1,
                cursors: VecDeque::from([Cursor::default()]),
                raw: vec![0; blksize],
            }),
        };
        Self { content, blksize, netascii }
    }

    /// Reads block `n` (from 1) into `out`, which must hold a whole one. Fewer than blksize bytes: the last block.
    pub(crate) fn read(&mut self, n: u64, out: &mut [u8]) -> io::Result<usize> {
        let out = &mut out[..self.blksize];
        match &mut self.netascii {
            None => self.content.read_at((n - 1) * self.blksize as u64, out),
            Some(netascii) => netascii.read(&self.content, n, out),
        }
    }

    /// Reads blocks from `first` on into `out`, each with `gap` bytes left free in front of it, as many as it holds
    /// or up to the last one. Returns how many there are and the bytes of content in them: all blocks but the last
    /// of the file are full.
    pub(crate) fn read_run(&mut self, first: u64, gap: usize, out: &mut [u8]) -> io::Result<(u16, usize)> {
        let (blksize, stride) = (self.blksize, gap + self.blksize);
        if self.netascii.is_none() && out.len() > stride {
            let len = self.content.read_spread((first - 1) * blksize as u64, blksize, gap, out)?;
            // A file that ends with a full block has an empty one behind it.
            let count = (len / blksize + 1).min(out.len() / stride);
            return Ok((u16::try_from(count).unwrap_or(u16::MAX), len));
        }
        let (mut count, mut total) = (0, 0);
        for packet in out.chunks_exact_mut(stride) {
            let len = self.read(first + u64::from(count), &mut packet[gap..])?;
            total += len;
            count += 1;
            if len < blksize {
                break;
            }
        }
        Ok((count, total))
    }

    /// Blocks up to `acked` will not be asked for again.
    pub(crate) fn release(&mut self, acked: u64) {
        let Some(netascii) = &mut self.netascii else { return };
        while netascii.base <= acked && netascii.cursors.len() > 1 {
            netascii.base += 1;
            netascii.cursors.pop_front();
        }
    }
}

impl Netascii {
    fn read(&mut self, content: &Content, n: u64, out: &mut [u8]) -> io::Result<usize> {
        let index = usize::try_from(n.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let Some(&start) = self.cursors.get(index) else {
            return Err(io::Error::other("a netascii block was asked for out of order"));
        };
        let (len, next) = translate(content, start, &mut self.raw, out)?;
        if index + 1 == self.cursors.len() {
            self.cursors.push_back(next);
        }
        Ok(len)
    }
}

fn translate(
    content: &Content,
    mut at: Cursor,
    raw: &mut [u8],
    out: &mut [u8],
) -> io::Result<(usize, Cursor)> {
    let got = content.read_at(at.offset, raw)?;
    let mut source = raw[..got].iter();
    let mut len = 0;
    while len < out.len() {
        let byte = match at.pending.take() {
            Some(byte) => byte,
            None => {
                let Some(&byte) = source.next() else { break };
                at.offset += 1;
                at.pending = match byte {
                    b'\n' => Some(b'\n'),
                    b'\r' => Some(0),
                    _ => None,
                };
                if byte == b'\n' { b'\r' } else { byte }
            }
        };
        out[len] = byte;
        len += 1;
    }
    Ok((len, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(content: Content, mode: Mode, blksize: usize) -> Vec<Vec<u8>> {
        let mut blocks = Blocks::new(content, mode, blksize);
        let (mut out, mut found) = (vec![0; blksize], Vec::new());
        loop {
            let n = found.len() as u64 + 1;
            let len = blocks.read(n, &mut out).unwrap();
            found.push(out[..len].to_vec());
            // Asked again, and asked again for the one before: windows do that.
            assert_eq!(blocks.read(n, &mut out).unwrap(), len);
            assert_eq!(out[..len], found[found.len() - 1]);
            if n > 1 {
                let len = blocks.read(n - 1, &mut out).unwrap();
                assert_eq!(out[..len], found[found.len() - 2]);
            }
            blocks.release(n.saturating_sub(2));
            if len < blksize {
                return found;
            }
        }
    }

    fn bytes(text: &[u8]) -> Content {
        Content::Bytes(Arc::from(text))
    }

    #[test]
    fn a_run_holds_what_the_blocks_hold_one_by_one() {
        let source: Vec<u8> = (0..100_u8).map(|n| if n % 7 == 0 { b'\n' } else { n | 32 }).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&source).unwrap();
        for size in [0, 7, 8, 9, 23, 24, 25, 100] {
            for mode in [Mode::Octet, Mode::Netascii] {
                let content = || Content::File { file: file.try_clone().unwrap(), len: size as u64 };
                let want = all(bytes(&source[..size]), mode, 8);
                for content in [content(), bytes(&source[..size])] {
                    let (mut blocks, mut found) = (Blocks::new(content, mode, 8), Vec::new());
                    while found.last().is_none_or(|last: &Vec<u8>| last.len() == 8) {
                        let mut out = [0; 3 * 12];
                        let first = found.len() as u64 + 1;
                        let (count, len) = blocks.read_run(first, 4, &mut out).unwrap();
                        let packets = &out[..len + 4 * usize::from(count)];
                        found.extend(packets.chunks(12).map(|packet| packet[4..].to_vec()));
                        blocks.release(first - 1);
                    }
                    assert_eq!(found, want, "{size} bytes, {mode:?}");
                }
            }
        }
    }

    #[test]
    fn blocks_end_with_a_short_one() {
        let lens =
            |size: usize| all(bytes(&vec![7; size]), Mode::Octet, 8).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lens(0), [0]);
        assert_eq!(lens(7), [7]);
        assert_eq!(lens(8), [8, 0]);
        assert_eq!(lens(17), [8, 8, 1]);
    }

    #[test]
    fn netascii_splits_pairs_across_blocks() {
        let text = |t: &[u8], blksize| all(bytes(t), Mode::Netascii, blksize);
        assert_eq!(text(b"a\nb", 8), [b"a\r\nb".to_vec()]);
        assert_eq!(text(b"1234567\nx", 8), [b"1234567\r".to_vec(), b"\nx".to_vec()]);
        assert_eq!(text(b"1234567\r", 8), [b"1234567\r".to_vec(), b"\0".to_vec()]);
        assert_eq!(text(b"\n\n\n\n", 8), [b"\r\n\r\n\r\n\r\n".to_vec(), b"".to_vec()]);
        assert_eq!(text(b"", 8), [b"".to_vec()]);
        for blksize in 1..40 {
            let source = b"line one\nline two\r\nlone \r and\n\n\nend\r";
            let want = b"line one\r\nline two\r\0\r\nlone \r\0 and\r\n\r\n\r\nend\r\0";
            assert_eq!(text(source, blksize).concat(), want, "blksize {blksize}");
        }
    }

    #[test]
    fn netascii_keeps_no_more_places_than_may_be_asked_for() {
        let mut blocks = Blocks::new(bytes(&[b'\n'; 4000]), Mode::Netascii, 8);
        let mut out = [0; 8];
        for n in 1..=1000 {
            blocks.read(n, &mut out).unwrap();
            blocks.release(n);
        }
        assert_eq!(blocks.netascii.as_ref().unwrap().cursors.len(), 1);
        assert!(blocks.read(5, &mut out).is_err() || blocks.read(5000, &mut out).is_err());
    }

    #[test]
    fn a_file_is_served_as_long_as_it_was_and_a_shrunken_one_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let grown = Content::file(file.try_clone().unwrap()).unwrap();
        assert_eq!(grown.size(), 10);
        file.write_all(b"more").unwrap();
        assert_eq!(all(grown, Mode::Octet, 8), [b"01234567".to_vec(), b"89".to_vec()]);
        let shrunk = Content::file(file.try_clone().unwrap()).unwrap();
        file.set_len(3).unwrap();
        let mut blocks = Blocks::new(shrunk, Mode::Octet, 8);
        assert!(blocks.read(1, &mut [0; 8]).is_err());
        assert!(blocks.read_run(1, 4, &mut [0; 24]).is_err());
    }
}
