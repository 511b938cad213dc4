//! The program `mozpool`: arguments → run → one printed error → exit code. Everything else is in the library.

use mozpool::cli;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match cli::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    match cli::run(args) {
        Ok(code) => code,
        Err(failure) => {
            // When standard error is gone, too, nobody is left to tell.
            let _ = writeln!(std::io::stderr(), "mozpool: {failure}");
            failure.exit_code()
        }
    }
}
