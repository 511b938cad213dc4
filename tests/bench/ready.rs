//! The time that the system itself adds between a request and its board: hardware that takes none, relay boards that need no
//! rest. What a power cycle leaves a board off is the hardware's, and named beside it.

use crate::boards::{Relays, call};
use crate::calls::{self, Asks, post};
use crate::lab::{Kind, Lab};
use crate::load::{self, End, Load};
use crate::report::{Row, to_f64};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Relay boards that the daemon talks to at the same moment: power cycles of more boards than these come in turns.
const RELAYS_AT_ONCE: usize = 32;
/// Connections that ask at the same moment.
const ASKERS: usize = 80;
/// After this, something has gone wrong.
const PATIENCE: Duration = Duration::from_secs(240);

/// Measures each of `counts` requests at once, and one alone so many times.
///
/// # Errors
/// The daemon does not start, or a board is not ready in time.
pub(crate) fn run(disk: &Path, singles: usize, counts: &[usize]) -> io::Result<Vec<Row>> {
    const TABLE: &str = "From request to ready";
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let relays = Relays::start()?;
    let lab = Lab::new(disk, most, Kind::Still, relays.port)?;
    let daemon = lab.serve()?;
    relays.connect(daemon.http, Lab::tftp(daemon.http));
    let mut stream = TcpStream::connect(daemon.http)?;
    stream.set_nodelay(true)?;
    let mut rows = Vec::new();

    let mut own: Vec<f64> = Vec::new();
    let (mut whole, mut off) = (0.0, 0.0);
    for _ in 0..singles {
        let (took, powerless) = single(daemon.http, &mut stream, &relays)?;
        own.push((took - powerless).as_secs_f64() * 1000.0);
        (whole, off) = (took.as_secs_f64(), powerless.as_secs_f64());
    }
    own.sort_unstable_by(f64::total_cmp);
    rows.push(
        Row::new(TABLE, format!("one request, the middle of {singles}"), most)
            .with("in all, s", whole, 2)
            .with("of that without power, s", off, 2)
            .with("the system's own, ms", own[own.len() / 2], 1)
            .with_text("the original, s", "8.8 (own work 0.15–0.2)"),
    );
    for &count in counts {
        let begun = Instant::now();
        let ids = ask(daemon.http, count)?;
        wait(&mut stream, &ids, Duration::from_millis(5))?;
        let took = begun.elapsed();
        let times = relays.off_times();
        let turns = count.div_ceil(RELAYS_AT_ONCE);
        let powerless = mean(&times) * u32::try_from(turns).unwrap_or(u32::MAX);
        let own_ms = took.saturating_sub(powerless).as_secs_f64() * 1000.0;
        let row = Row::new(TABLE, format!("the last of {count} at once ({turns} turns of the relays)"), most)
            .with("in all, s", took.as_secs_f64(), 2)
            .with("of that without power, s", powerless.as_secs_f64(), 2)
            .with("the system's own, ms", own_ms, 1);
        rows.push(match count {
            80 => row.with_text("the original, s", "25–30 at best; as shipped 65 of 80 not in 300"),
            _ => row,
        });
        give_back(&mut stream, &ids)?;
        wait_until_free(&mut stream)?;
    }
    Ok(rows)
}

/// One request: from the call until it is ready, and how much of that its board was without power.
///
/// # Errors
/// The request is not ready in time.
pub(crate) fn single(
    http: SocketAddr,
    stream: &mut TcpStream,
    relays: &Relays,
) -> io::Result<(Duration, Duration)> {
    let begun = Instant::now();
    let ids = ask(http, 1)?;
    wait(stream, &ids, Duration::from_micros(200))?;
    let took = begun.elapsed();
    let powerless = mean(&relays.off_times());
    give_back(stream, &ids)?;
    Ok((took, powerless))
}

fn mean(times: &[Duration]) -> Duration {
    let sum: Duration = times.iter().sum();
    Duration::from_secs_f64(sum.as_secs_f64() / to_f64(times.len().max(1)))
}

/// So many requests at once; their numbers.
fn ask(http: SocketAddr, count: usize) -> io::Result<Vec<u64>> {
    let mut asks = Asks::new();
    let load = Load {
        to: http,
        connections: count.min(ASKERS),
        pipeline: 1,
        end: End::Calls(u64::try_from(count).unwrap_or(u64::MAX)),
    };
    let measured = load::run(load, &mut asks)?;
    if measured.bad > 0 || asks.made.len() != count {
        return Err(io::Error::other(format!("requests were refused: {:?}", measured.first_bad)));
    }
    Ok(asks.made)
}

/// Until all are ready.
fn wait(stream: &mut TcpStream, ids: &[u64], look: Duration) -> io::Result<()> {
    let begun = Instant::now();
    let one = (ids.len() == 1).then(|| format!("request/{}/status", ids[0]));
    let path = one.as_deref().unwrap_or("request/list");
    loop {
        let (_, body) = get(stream, path)?;
        let ready = match one {
            Some(_) => usize::from(calls::has(&body, b"\"state\":\"ready\"")),
            None => count(&body, b"\"state\":\"ready\""),
        };
        if ready == ids.len() {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!(
                "{ready} of {} requests are ready after {PATIENCE:?}",
                ids.len()
            )));
        }
        std::thread::sleep(look);
    }
}

fn get(stream: &mut TcpStream, path: &str) -> io::Result<(u16, Vec<u8>)> {
    call(stream, format!("GET /api/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())
}

/// How often this stands among those bytes.
fn count(all: &[u8], part: &[u8]) -> usize {
    all.windows(part.len()).filter(|w| *w == part).count()
}

fn give_back(stream: &mut TcpStream, ids: &[u64]) -> io::Result<()> {
    for id in ids {
        call(stream, &post(&format!("request/{id}/return"), "{}"))?;
    }
    Ok(())
}

/// Until no request is open.
fn wait_until_free(stream: &mut TcpStream) -> io::Result<()> {
    let begun = Instant::now();
    while calls::has(&get(stream, "request/list")?.1, b"\"state\"") {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other("requests that were returned are still open"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
