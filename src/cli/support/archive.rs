//! A tar file (POSIX.1-1988 ustar) of small texts in one folder, packed by gzip. For its owner's eyes.

use crate::logic::time::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const BLOCK: usize = 512;

/// The file as it grows.
pub(super) struct Archive {
    out: GzEncoder<File>,
    folder: String,
    at: Timestamp,
}

impl Archive {
    /// Begins a new file whose members lie in `folder`.
    ///
    /// # Errors
    /// There is such a file already, or there can be none.
    pub(super) fn create(to: &Path, folder: &str, at: Timestamp) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        Ok(Self { out: GzEncoder::new(file, Compression::default()), folder: folder.to_owned(), at })
    }

    /// One more member.
    pub(super) fn file(&mut self, name: &str, contents: &[u8]) -> io::Result<()> {
        let path = format!("{}/{name}", self.folder);
        self.out.write_all(&head(&path, contents.len(), self.at)?)?;
        self.out.write_all(contents)?;
        let rest = contents.len().next_multiple_of(BLOCK) - contents.len();
        self.out.write_all(&[0; BLOCK][..rest])
    }

    /// The end of the archive, on the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.finish()?.sync_all()
    }
}

/// A member's header: texts and octal numbers at fixed places.
fn head(path: &str, size: usize, at: Timestamp) -> io::Result<[u8; BLOCK]> {
    let mut head = [0; BLOCK];
    let mut put = |place: usize, text: &str, room: usize| {
        let target = head.get_mut(place..place + text.len()).filter(|_| text.len() <= room);
        let target = target.ok_or_else(|| io::Error::other(format!("{text} is too long for an archive")))?;
        target.copy_from_slice(text.as_bytes());
        Ok::<_, io::Error>(())
    };
    put(0, path, 100)?;
    put(100, "0000600\0", 8)?;
    put(108, "0000000\0", 8)?;
    put(116, "0000000\0", 8)?;
    put(124, &format!("{size:011o}\0"), 12)?;
    put(136, &format!("{:011o}\0", at.0.max(0) / 1000), 12)?;
    // The sum counts itself as blanks.
    put(148, "        ", 8)?;
    put(156, "0", 1)?;
    put(257, "ustar\x0000", 8)?;
    let sum: u32 = head.iter().copied().map(u32::from).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(head)
}
