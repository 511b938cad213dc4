//! The program `mozpool`: arguments → run → one printed error → exit code. Everything else is in the library.

use clap::Parser;
use mozpool::cli::{self, Args};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap itself ends the process with 2 when the usage is wrong.
    match cli::run(Args::parse()) {
        Ok(code) => code,
        Err(failure) => {
            // When standard error is gone, too, nobody is left to tell.
            let _ = writeln!(std::io::stderr(), "mozpool: {failure}");
            failure.exit_code()
        }
    }
}
