//! Three servers on one MariaDB: a thousand requests a minute at even intervals, and as many as they carry.
//!
//! A request is asked of one server after the other, counts as served when it has a board, waits until that is ready, and gives
//! it back at once. A board takes no time but the second without power and its self-made checks.

use crate::Plan;
use crate::boards::{Relays, call};
use crate::calls::{has, post};
use crate::daemon::{Daemon, usage};
use crate::growth;
use crate::lab::{Kind, Lab, Site};
use crate::mariadb::Server;
use crate::report::{Row, to_f64};
use crossbeam_channel::{Receiver, bounded};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

const SERVERS: usize = 3;
/// Requests a minute that three servers are to carry.
const GOAL: u32 = 1000;
/// Clients at once: each is busy with its request for the two seconds that a power cycle and a look or two take.
const CLIENTS: usize = 96;
/// Between two looks at a request.
const LOOK: Duration = Duration::from_millis(50);
/// After this, something has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request: when it is to be made, and where.
type Job = (Instant, SocketAddr);

/// What one request took, in ms: to its board, to its being ready.
type Took = (f64, f64);

pub(crate) fn run(plan: &Plan, maria: &Server, rows: &mut Vec<Row>) -> io::Result<()> {
    const TABLE: &str = "Three servers on one MariaDB";
    let database = maria.database();
    let folder = tempfile::tempdir_in(&plan.disk)?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "a secret of this bench's own pool")?;
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600))?;
    let mut labs: Vec<(Relays, Lab)> = Vec::new();
    for n in 0..SERVERS {
        let relays = Relays::start()?;
        let site = Site {
            server: format!("bench-{}", n + 1),
            first: n * plan.boards,
            store: Some(maria.url(&database)),
            secret: Some(secret.clone()),
        };
        let lab = Lab::at(site, &plan.disk, plan.boards, Kind::Still, relays.port)?;
        labs.push((relays, lab));
    }
    let mut daemons = Vec::new();
    for (relays, lab) in &labs {
        let daemon = lab.serve()?;
        relays.connect(daemon.http, Lab::tftp(daemon.http));
        daemons.push(daemon);
    }
    let at: Vec<SocketAddr> = daemons.iter().map(|d| d.http).collect();
    let pid = std::fs::read_to_string(maria.folder.join("pid"))?.trim().parse().map_err(io::Error::other)?;
    let boards = SERVERS * plan.boards;

    let every = Duration::from_secs(60) / GOAL;
    let loads = [
        (format!("{GOAL} a minute, evenly"), Some(every)),
        (format!("{CLIENTS} clients, one request after another"), None),
    ];
    let mut served = 0;
    for (name, every) in loads {
        let before = (cpu_s(&daemons), usage(pid).cpu_s);
        let begun = Instant::now();
        let (jobs, due) = bounded(1);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let due = due.clone();
                std::thread::spawn(move || client(&due))
            })
            .collect();
        drop(due);
        let mut asked = 0;
        while begun.elapsed() < plan.time {
            let when = every.map_or_else(Instant::now, |every| begun + every * asked);
            let to = at[usize::try_from(asked).unwrap_or_default() % at.len()];
            if jobs.send((when, to)).is_err() {
                break;
            }
            asked += 1;
            if let Some(every) = every {
                std::thread::sleep((begun + every * asked).saturating_duration_since(Instant::now()));
            }
        }
        let asking = begun.elapsed();
        drop(jobs);
        let mut claimed = Vec::new();
        let mut ready = Vec::new();
        for client in clients {
            let took = client.join().map_err(|_| io::Error::other("a client has panicked"))??;
            claimed.extend(took.iter().map(|t: &Took| t.0));
            ready.extend(took.iter().map(|t| t.1));
        }
        claimed.sort_unstable_by(f64::total_cmp);
        ready.sort_unstable_by(f64::total_cmp);
        let rate = to_f64(claimed.len()) / asking.as_secs_f64() * 60.0;
        let each = |s: f64| s * 1000.0 / to_f64(claimed.len().max(1));
        let at = |sorted: &[f64], hundredth: usize| {
            sorted
                .get((sorted.len() * hundredth / 100).min(sorted.len().saturating_sub(1)))
                .copied()
                .unwrap_or_default()
        };
        let row = Row::new(TABLE, name, boards)
            .with("requests a minute", rate, 0)
            .with("to a board, p50, ms", at(&claimed, 50), 1)
            .with("p99, ms", at(&claimed, 99), 1)
            .with("to ready, p50, s", at(&ready, 50) / 1000.0, 2)
            .with("servers' CPU, ms a request", each(cpu_s(&daemons) - before.0), 1)
            .with("database's CPU, ms a request", each(usage(pid).cpu_s - before.1), 1);
        served += claimed.len();
        rows.push(match every {
            // A request that is asked for late is not carried: an even load must not fall behind.
            Some(_) => row.with_text("met", if rate >= f64::from(GOAL) * 0.99 { "yes" } else { "no" }),
            None => row,
        });
    }
    // Each open for the length of the run; the one that asks is not counted.
    let status = |name: &str| {
        let text = maria.sql(&format!("SHOW GLOBAL STATUS LIKE '{name}'"));
        text.split_whitespace().last().and_then(|n| n.parse::<f64>().ok()).unwrap_or_default()
    };
    let servers = to_f64(SERVERS);
    let memory: f64 = daemons.iter().map(|d| d.usage().peak_mb).sum();
    rows.push(
        Row::new("What a server holds of the database", "each of three, after both loads", boards)
            .with("connections", (status("Threads_connected") - 1.0) / servers, 0)
            .with("prepared statements", status("Prepared_stmt_count") / servers, 0)
            .with("server memory at most, MB", memory / servers, 0),
    );
    drop(daemons);
    rows.extend(growth::rows(maria, &database, served, boards));
    Ok(())
}

fn cpu_s(daemons: &[Daemon]) -> f64 {
    daemons.iter().map(|d| d.usage().cpu_s).sum()
}

/// Serves one job after the other.
fn client(due: &Receiver<Job>) -> io::Result<Vec<Took>> {
    let mut took = Vec::new();
    let mut lines: Vec<(SocketAddr, TcpStream)> = Vec::new();
    for (when, to) in due {
        let stream = match lines.iter().position(|(at, _)| *at == to) {
            Some(known) => &mut lines[known].1,
            None => {
                let stream = TcpStream::connect(to)?;
                stream.set_nodelay(true)?;
                lines.push((to, stream));
                let last = lines.len() - 1;
                &mut lines[last].1
            }
        };
        took.push(one(stream, when)?);
    }
    Ok(took)
}

fn one(stream: &mut TcpStream, when: Instant) -> io::Result<Took> {
    let body = r#"{"assignee": "bench", "duration": 3600, "image": "bench", "url": "http://images/x"}"#;
    let (status, answer) = call(stream, &post("device/any/request", body))?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let json: serde_json::Value = serde_json::from_str(&text).map_err(io::Error::other)?;
    let id = json["request"]["id"].as_u64();
    let id = id.filter(|_| status == 200).ok_or_else(|| io::Error::other(format!("{status} {text}")))?;
    let ms = || when.elapsed().as_secs_f64() * 1000.0;
    let mut claimed = json["request"]["assigned_device"].as_str().is_some_and(|d| !d.is_empty()).then(ms);
    let path = format!("GET /api/request/{id}/details HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    loop {
        let (_, answer) = call(stream, path.as_bytes())?;
        if claimed.is_none() && !has(&answer, b"\"assigned_device\":\"\"") {
            claimed = Some(ms());
        }
        if has(&answer, b"\"state\":\"ready\"") {
            break;
        }
        if when.elapsed() > PATIENCE {
            let text = String::from_utf8_lossy(&answer);
            return Err(io::Error::other(format!("request {id} is not ready after {PATIENCE:?}: {text}")));
        }
        std::thread::sleep(LOOK);
    }
    let ready = ms();
    call(stream, &post(&format!("request/{id}/return"), "{}"))?;
    Ok((claimed.unwrap_or(ready), ready))
}
