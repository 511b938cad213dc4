//! What the demo shows, as lines of styled words.
//!
//! Pure: it knows columns and words, and no terminal.

use super::progress::{Mood, News, Progress, Row, Summary};
use crate::daemon::Addresses;
use crate::fakes::Rack;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// How a word looks where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Busy,
}

impl From<Mood> for Style {
    fn from(mood: Mood) -> Self {
        match mood {
            Mood::Good => Self::Good,
            Mood::Busy => Self::Busy,
            Mood::Bad => Self::Bad,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line(pub(super) Vec<(Style, String)>);

impl Line {
    fn new() -> Self {
        Self::default()
    }

    fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    fn plain(text: impl Into<String>) -> Self {
        Self::new().with(Style::Plain, text)
    }

    /// A word and what belongs to it, in the columns of the texts around the picture.
    fn entry(word: &str, text: impl Into<String>) -> Self {
        Self::new().with(Style::Dim, format!("  {word:<9} ")).with(Style::Plain, text)
    }
}

const WORDS_WIDTH: usize = 26;
/// Lines of news under a picture that shows boards only by their number.
pub(super) const NEWS_SHOWN: usize = 6;

/// What this is.
pub(super) fn title(rack: &Rack, flaky: f64, seed: u64) -> String {
    let mut title =
        format!("{} emulated boards on {} relay boards", rack.boards().len(), rack.relay_boards().len());
    if flaky > 0.0 {
        title += &format!(", flaky {flaky}, seed {seed}");
    }
    title
}

/// The head of it all.
pub(super) fn head(title: &str) -> Line {
    Line::new().with(Style::Bold, "mozpool demo").with(Style::Dim, format!("   {title}"))
}

/// Where the daemon listens.
pub(super) fn where_it_is(addresses: &Addresses) -> Vec<Line> {
    let list =
        |list: &[std::net::SocketAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    vec![
        Line::entry("page", format!("http://{}/ui/", addresses.http)),
        Line::entry("API", format!("http://{}/api/", addresses.http)),
        Line::entry("TFTP", list(&addresses.tftp)),
        Line::entry("syslog", list(&addresses.syslog_udp)),
        Line::new(),
    ]
}

/// All boards, one a line; or, if they are more than `height` lines hold, how many do what, and the last news.
pub(super) fn frame(progress: &Progress, news: &[News], now_ms: u64, height: usize) -> Vec<Line> {
    let rows = progress.rows();
    let mut lines: Vec<Line> = if rows.len() + 3 <= height {
        rows.iter().map(|r| board(r, now_ms)).collect()
    } else {
        crowd(rows, news)
    };
    lines.push(Line::new());
    lines.push(totals(rows, now_ms));
    lines
}

fn mark(mood: Mood) -> &'static str {
    match mood {
        Mood::Good => "●",
        Mood::Busy => "○",
        Mood::Bad => "✗",
    }
}

fn board(row: &Row, now_ms: u64) -> Line {
    let style = Style::from(row.mood());
    let request = row.request.map(|id| format!("request {id}")).unwrap_or_default();
    let seconds = now_ms.saturating_sub(row.since_ms) / 1000;
    let mut line = Line::plain(format!("  {}  ", row.name))
        .with(style, mark(row.mood()))
        .with(
            if row.mood() == Mood::Busy { Style::Plain } else { style },
            format!(" {:<WORDS_WIDTH$}", row.words()),
        )
        .with(Style::Dim, format!("  {request:<11} {seconds:>4} s"));
    if row.tries > 1 {
        line = line.with(Style::Plain, format!("   try {}", row.tries));
    }
    if !row.troubles.is_empty() {
        line = line.with(Style::Bad, format!("   {}", row.troubles.join(", ")));
    }
    line
}

fn crowd(rows: &[Row], news: &[News]) -> Vec<Line> {
    let mut by_words: BTreeMap<String, (usize, Mood)> = BTreeMap::new();
    for row in rows {
        by_words.entry(row.words()).or_insert((0, row.mood())).0 += 1;
    }
    let mut lines: Vec<Line> = by_words
        .into_iter()
        .map(|(words, (n, mood))| {
            let bar = "▪".repeat((n * 40).div_ceil(rows.len()));
            Line::plain(format!("  {n:>5}  "))
                .with(mood.into(), mark(mood))
                .with(Style::Plain, format!(" {words:<WORDS_WIDTH$}  "))
                .with(mood.into(), bar)
        })
        .collect();
    lines.push(Line::new());
    lines.extend(news.iter().map(|n| Line::new().with(Style::Dim, format!("  {}  {}", n.board, n.words))));
    lines
}

fn totals(rows: &[Row], now_ms: u64) -> Line {
    let count = |mood| rows.iter().filter(|r| r.mood() == mood).count();
    let held = rows.iter().filter(|r| r.mood() == Mood::Good && r.request.is_some()).count();
    let mut line = Line::new()
        .with(Style::Good, format!("  {held} ready"))
        .with(Style::Plain, format!("   {} free   {} busy", count(Mood::Good) - held, count(Mood::Busy)));
    if count(Mood::Bad) > 0 {
        line = line.with(Style::Bad, format!("   {} given up", count(Mood::Bad)));
    }
    line.with(Style::Dim, format!("   {}", clock(now_ms)))
}

/// A change, where there is no picture.
pub(super) fn news(news: &News, now_ms: u64) -> Line {
    Line::new()
        .with(Style::Dim, format!("{:>7}  ", seconds(now_ms)))
        .with(Style::Plain, format!("{}  ", news.board))
        .with(news.mood.into(), mark(news.mood))
        .with(Style::Plain, format!(" {}", news.words))
}

/// How it ended.
pub(super) fn summary(summary: &Summary) -> Vec<Line> {
    let Summary { boards, asked, ready, failed, to_ready_ms, took_ms, mishaps, healed, hiccups, given_up } =
        summary;
    let mut lines = vec![Line::new()];
    let left = boards.saturating_sub(*asked);
    let rest = if left > 0 { format!(", {left} not asked for") } else { String::new() };
    lines.push(
        Line::entry("boards", "")
            .with(Style::Good, format!("{ready} of {asked} ready"))
            .with(Style::Plain, format!(" after {}{rest}", clock(*took_ms))),
    );
    if let Some((middle, longest)) = to_ready_ms {
        let text = format!("{} in the middle, {} at most", seconds(*middle), seconds(*longest));
        lines.push(Line::entry("to ready", format!("{text}, from request to installed and checked")));
    }
    let total: u32 = mishaps.iter().map(|(_, n)| n).sum();
    if total > 0 {
        let kinds: Vec<String> = mishaps.iter().map(|(kind, n)| format!("{n} × {kind}")).collect();
        lines.push(Line::entry("mishaps", format!("{total}: {}", kinds.join(", "))));
        lines.push(Line::entry("healed", format!("{healed} of {total}")));
    }
    if *hiccups > 0 {
        let word = if *hiccups == 1 { "command" } else { "commands" };
        lines.push(Line::entry("relays", format!("{hiccups} {word} made to fail")));
    }
    for why in failed {
        lines.push(Line::entry("failed", "").with(Style::Bad, why.clone()));
    }
    for board in given_up {
        lines.push(Line::entry("given up", "").with(Style::Bad, board.clone()));
    }
    lines
}

/// What was looked at from outside in the end.
pub(super) fn verdict() -> Vec<Line> {
    vec![Line::entry("checked", "every board has power, none had two owners"), Line::new()]
}

/// What to try while it goes on.
pub(super) fn goes_on(base: &str, address: SocketAddr) -> Vec<Line> {
    vec![
        Line::entry("look", format!("http://{address}/ui/")),
        Line::entry("try", format!("curl {base}/device/list/")),
        Line::entry("", format!("curl {base}/device/board-001/log/")),
        Line::entry("", format!("curl -d '{{}}' {base}/request/1/return/")),
        Line::entry("end", "Ctrl-C"),
        Line::new(),
    ]
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn clock(ms: u64) -> String {
    format!("{}:{:02}", ms / 60_000, ms / 1000 % 60)
}

#[cfg(test)]
mod tests {
    use super::super::progress::{DeviceNow, Snapshot};
    use super::*;
    use crate::fakes::Mishap;
    use crate::fakes::notes::Story;

    fn text(line: &Line) -> String {
        line.0.iter().map(|(_, t)| t.as_str()).collect::<String>().trim_end().to_owned()
    }

    fn progress(states: &[(&str, Option<i64>)]) -> Progress {
        let names: Vec<String> = (1..=states.len()).map(|n| format!("board-{n:03}")).collect();
        let mut progress = Progress::new(names.iter().map(String::as_str), usize::MAX);
        let devices = states
            .iter()
            .zip(&names)
            .map(|((state, request), name)| DeviceNow {
                name: name.clone(),
                state: (*state).into(),
                request: *request,
            })
            .collect();
        let hung = Story {
            mishaps: [(Mishap::FirmwareHangs, 1)].into(),
            last: Some(Mishap::FirmwareHangs),
            ..Story::default()
        };
        let mut stories = vec![Story::default(); states.len()];
        stories[0] = hung;
        progress.update(&Snapshot { devices, requests: vec![] }, &stories, 1000);
        progress
    }

    #[test]
    fn boards_stand_in_columns() {
        let progress = progress(&[
            ("pxe_booting", Some(12)),
            ("ready", Some(3)),
            ("ready", None),
            ("failed_self_test", None),
        ]);
        let lines: Vec<String> = frame(&progress, &[], 9500, 40).iter().map(text).collect();
        assert_eq!(
            lines,
            [
                "  board-001  ○ boots over the network      request 12     8 s   firmware hung",
                "  board-002  ● ready                       request 3      8 s",
                "  board-003  ● free                                       8 s",
                "  board-004  ✗ given up: self test                        8 s",
                "",
                "  1 ready   1 free   1 busy   1 given up   0:09",
            ]
        );
    }

    #[test]
    fn a_crowd_is_counted_instead() {
        let states = vec![("pxe_booting", None); 30];
        let news = [News { board: "board-007".into(), words: "firmware hung".into(), mood: Mood::Bad }];
        let lines: Vec<String> = frame(&progress(&states), &news, 0, 24).iter().map(text).collect();
        assert_eq!(lines[0], format!("     30  ○ boots over the network      {}", "▪".repeat(40)));
        assert!(lines.contains(&"  board-007  firmware hung".to_owned()), "{lines:?}");
        assert!(lines.len() < 24);
    }

    #[test]
    fn the_summary_says_what_there_is_to_say_and_no_more() {
        let good = Summary {
            boards: 10,
            asked: 10,
            ready: 10,
            to_ready_ms: Some((6100, 9250)),
            took_ms: 75_000,
            ..Summary::default()
        };
        let lines: Vec<String> = summary(&good).iter().map(text).collect();
        assert_eq!(
            lines,
            [
                "",
                "  boards    10 of 10 ready after 1:15",
                "  to ready  6.1 s in the middle, 9.2 s at most, from request to installed and checked",
            ]
        );
        let bad = Summary {
            ready: 9,
            mishaps: vec![("firmware hung".into(), 2), ("download stalled".into(), 1)],
            healed: 2,
            hiccups: 1,
            failed: vec!["request 4 failed_bad_image: why".into()],
            given_up: vec!["board-001 given up: self test".into()],
            ..good
        };
        let lines: Vec<String> = summary(&bad).iter().map(text).collect();
        assert_eq!(
            lines[3..],
            [
                "  mishaps   3: 2 × firmware hung, 1 × download stalled",
                "  healed    2 of 3",
                "  relays    1 command made to fail",
                "  failed    request 4 failed_bad_image: why",
                "  given up  board-001 given up: self test",
            ]
        );
    }

    #[test]
    fn boards_that_nobody_asked_for_are_told_apart() {
        let some = Summary { boards: 10, asked: 4, ready: 4, took_ms: 5000, ..Summary::default() };
        assert_eq!(text(&summary(&some)[1]), "  boards    4 of 4 ready after 0:05, 6 not asked for");
    }

    #[test]
    fn news_have_their_time() {
        let change = News { board: "board-003".into(), words: "free".into(), mood: Mood::Good };
        assert_eq!(text(&news(&change, 12_340)), " 12.3 s  board-003  ● free");
    }
}
