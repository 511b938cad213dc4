//! Where the program's log goes: standard error, line by line, or while the server runs all lines of a round at once.
//! A call of the kernel for each line costs a twentieth of what a small file costs in all.
//! It refuses to know what the lines say. A round is over within milliseconds, so none is late.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lines are written out before there are more bytes than this, whatever the server does.
const MOST: usize = 64 << 10;

/// A handle; all clones are the same log.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Mutex<Gathered>>);

struct Gathered {
    out: Box<dyn Write + Send>,
    lines: Vec<u8>,
    gathering: bool,
}

impl Lines {
    /// A log that writes to `out`, each line at once.
    pub(crate) fn new(out: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Gathered { out: Box::new(out), lines: Vec::new(), gathering: false })))
    }

    /// From now on lines wait for [`Self::write_out`], or no longer.
    pub(crate) fn gather(&self, gathering: bool) {
        self.lock().gathering = gathering;
        self.write_out();
    }

    /// Writes what waits. A log that cannot be written is nothing that could be logged.
    pub(crate) fn write_out(&self) {
        let _ = self.lock().write_out();
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn write_out(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(&self.lines);
        self.lines.clear();
        written
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.lock();
        gathered.lines.extend_from_slice(line);
        if !gathered.gathering || gathered.lines.len() >= MOST {
            gathered.write_out()?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // The logger asks for it after each line.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers each write.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_a_round_are_one_write_and_none_is_lost() {
        let writes = Writes::default();
        let mut lines = Lines::new(writes.clone());
        let server = lines.clone();
        let mut log = |text: &str| lines.write_all(text.as_bytes()).and_then(|()| lines.flush()).unwrap();
        log("start\n");
        server.gather(true);
        server.write_out();
        log("a\n");
        log("b\n");
        assert_eq!(*writes.0.lock().unwrap(), ["start\n"], "they wait");
        server.write_out();
        log("c\n");
        server.gather(false);
        log("end\n");
        assert_eq!(*writes.0.lock().unwrap(), ["start\n", "a\nb\n", "c\n", "end\n"]);
        server.gather(true);
        log(&"x".repeat(MOST));
        assert_eq!(writes.0.lock().unwrap().len(), 5, "too much to wait");
    }
}
