//! Reports of rows by hand, and rules that hold for the rows of any life.

use super::*;
use crate::logic::lifeguard::State;

const HOUR: i64 = 3_600_000;
/// 2026-11-22T00:00:00Z
const DAY: Timestamp = Timestamp(1_795_305_600_000);

fn at(hours: i64) -> Timestamp {
    DAY.plus_ms(hours * HOUR)
}

fn window(from: i64, to: i64) -> Window {
    Window { from: at(from), to: at(to) }
}

fn subject(device: &str, hardware: &str) -> Subject {
    Subject { device: device.into(), hardware: hardware.into(), image: "debian".into(), ..Subject::default() }
}

/// Cells with blanks between, as a person would note them.
fn shown(rows: &[Vec<Cell>]) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Count(n) => n.to_string(),
        Cell::Seconds(n) => format!("{n}s"),
        Cell::Percent(n) => format!("{n}%"),
        Cell::Nothing => "-".into(),
    };
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_report_has_one_row_and_a_way_to_group() {
    for &name in Name::ALL {
        assert_eq!(REPORTS.iter().filter(|r| r.name == name).count(), 1, "{name}");
        assert!(!report(name).by.is_empty(), "{name}");
        for &by in report(name).by {
            let mut names: Vec<_> = columns(report(name), by).iter().map(|c| c.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{name} by {by} has a column twice");
            assert_eq!(columns(report(name), by)[0].name, by.name());
        }
    }
}

#[test]
fn every_state_is_in_the_group_that_people_expect() {
    for &state in State::ALL {
        let group = Group::of(state, false);
        assert_eq!(group == Group::Failed, state.is_failed(), "{state}");
        assert_eq!(Group::of_name(state.name(), false), group);
        let held = if state == State::Ready { Group::Used } else { group };
        assert_eq!(Group::of(state, true), held, "{state}");
    }
    let out: Vec<_> =
        State::ALL.iter().filter(|s| Group::of(**s, true) == Group::Out).map(|s| s.name()).collect();
    assert_eq!(out, ["new", "unknown", "locked_out", "troubleshooting", "maintenance_mode"]);
    assert_eq!(Group::of_name("a_state_of_tomorrow", true), Group::Out);
}

#[test]
fn a_window_of_days_begins_with_a_day_and_is_cut_into_days() {
    let now = at(13);
    assert_eq!(Window::days(0, now), window(0, 13));
    assert_eq!(Window::days(2, now), window(-48, 13));
    let days: Vec<_> = window(-30, 13).by_day().map(|(day, part)| (date(day), part)).collect();
    assert_eq!(
        days,
        [
            ("2026-11-20".to_owned(), window(-30, -24)),
            ("2026-11-21".to_owned(), window(-24, 0)),
            ("2026-11-22".to_owned(), window(0, 13)),
        ]
    );
    assert_eq!(window(0, 0).by_day().count(), 0);
    assert_eq!(window(0, 24).by_day().count(), 1, "midnight belongs to the next day");
}

#[test]
fn days_have_the_dates_of_the_calendar() {
    for (day, text) in [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (11_016, "2000-02-29"),
        (11_017, "2000-03-01"),
        (20_779, "2026-11-22"),
        (47_541, "2100-03-01"),
    ] {
        assert_eq!(date(day), text);
    }
}

#[test]
fn spells_are_cut_to_the_window() {
    let window = window(0, 10);
    for (since, until, want) in [
        (-5, -1, None),
        (-5, 0, None),
        (-5, 1, Some((0, 1))),
        (2, 3, Some((2, 3))),
        (2, 2, None),
        (9, 20, Some((9, 10))),
        (10, 20, None),
        (-5, 20, Some((0, 10))),
    ] {
        let part = window.clip(at(since), at(until)).map(|w| (w.from, w.to));
        assert_eq!(part, want.map(|(from, to)| (at(from), at(to))), "{since} to {until}");
    }
    assert_eq!(window.clip(at(4), LASTS).map(Window::ms), Some(6 * HOUR));
}

#[test]
fn availability_is_what_spells_add_up_to() {
    let (a, b) = (subject("a", "panda"), subject("b", "pi 4"));
    let spells = [
        (&a, Group::Free, at(-100), at(6)),
        (&a, Group::Working, at(6), at(9)),
        (&a, Group::Failed, at(9), at(9)),
        (&a, Group::Used, at(9), LASTS),
        (&b, Group::Out, at(8), LASTS),
        (&b, Group::Free, at(-9), at(-8)),
    ];
    let sums = |by| {
        let mut sums = Availability::new(by, window(0, 12));
        for (subject, group, since, until) in spells {
            sums.add(Spell { subject, group, since, until });
        }
        sums.rows()
    };
    let rows = sums(By::Hardware);
    assert_eq!(
        shown(&rows.rows),
        ["panda 1 43200s 50% 25% 25% 0% 0%", "pi 4 1 14400s 0% 0% 0% 0% 100%"],
        "hardware, devices, time; free, used, working, failed, out"
    );
    assert_eq!(shown(&[rows.total.unwrap()]), ["all 2 57600s 37.5% 18.75% 18.75% 0% 25%"]);
    assert_eq!(shown(&sums(By::Image).rows).len(), 1);
    assert_eq!(shown(&sums(By::Day).rows), ["2026-11-22 2 57600s 37.5% 18.75% 18.75% 0% 25%"]);
    let none = Availability::new(By::Server, window(0, 12)).rows();
    assert_eq!(none, Rows::default());
}

#[test]
fn the_middle_is_a_value_that_there_was() {
    let spread = |values: &[i64]| {
        let mut spread = Spread::default();
        values.iter().for_each(|ms| spread.add(*ms));
        (spread.percentile(50), spread.percentile(90), spread.max())
    };
    for (values, want) in [
        (&[][..], (None, None, None)),
        (&[7], (Some(7), Some(7), Some(7))),
        (&[9, 1], (Some(1), Some(9), Some(9))),
        (&[3, 1, 2], (Some(2), Some(3), Some(3))),
        (&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1], (Some(5), Some(9), Some(10))),
        (&[-5, i64::MAX], (Some(0), Some(i64::from(u32::MAX)), Some(i64::from(u32::MAX)))),
    ] {
        assert_eq!(spread(values), want, "{values:?}");
    }
}

/// Requests as `(assignee, asked, ready, ended, failed)`.
fn outcomes<R>(mut report: R, add: fn(&mut R, Outcome<'_>)) -> R {
    let subject = subject("a", "panda");
    for (assignee, asked, ready, ended, failed) in [
        ("ann", at(-30), Some(at(-29)), at(-26), false),
        ("ann", at(1), Some(at(2)), LASTS, false),
        ("ann", at(1), Some(at(4)), at(5), false),
        ("bob", at(3), None, at(4), true),
        ("bob", at(3), None, at(5), false),
        ("bob", at(3), None, LASTS, false),
        ("eve", at(-2), Some(at(-1)), at(3), false),
    ] {
        add(&mut report, Outcome { subject: &subject, assignee, asked, ready, ended, failed });
    }
    report
}

#[test]
fn a_request_waits_from_asking_to_its_board() {
    let rows = |by| outcomes(Ready::new(by, window(0, 12)), Ready::add).rows();
    assert_eq!(
        shown(&rows(By::Assignee).rows),
        ["ann 2 3600s 10800s 10800s 0 0", "bob 0 - - - 1 1"],
        "count, median, p90, max; failed, given up; who still waits does not count"
    );
    let all = rows(By::Day);
    assert_eq!(shown(&all.rows), ["2026-11-22 2 3600s 10800s 10800s 1 1"]);
    assert_eq!(shown(&[all.total.unwrap()]), ["all 2 3600s 10800s 10800s 1 1"]);
}

#[test]
fn a_board_is_held_from_ready_to_the_end() {
    let rows = |by, window| outcomes(Use::new(by, window), Use::add).rows();
    assert_eq!(
        shown(&rows(By::Assignee, window(0, 12)).rows),
        ["ann 2 39600s", "eve 1 10800s"],
        "who held most first, and only what lies in the window"
    );
    let days = rows(By::Day, window(-48, 12));
    assert_eq!(shown(&days.rows), ["2026-11-20 1 10800s", "2026-11-21 1 3600s", "2026-11-22 3 50400s"]);
    assert_eq!(shown(&[days.total.unwrap()]), ["all 4 64800s"], "who had it on two days is one request");
}

#[test]
fn failures_are_counted_by_cause_and_image() {
    let rows = |by| {
        let mut counts = Failures::new(by, window(0, 48));
        for (device, cause, hours) in [
            ("a", "no power", 1),
            ("a", "no ping", 2),
            ("b", "no ping", 30),
            ("a", "no ping", 3),
            ("a", "no ping", 48),
            ("a", "no ping", -1),
        ] {
            counts.add(Failed { subject: &subject(device, "panda"), cause, at: at(hours) });
        }
        counts.rows(|at| (at.ms_since(DAY) / HOUR).to_string())
    };
    let by_cause = rows(By::Cause);
    assert_eq!(
        shown(&by_cause.rows),
        ["no ping debian 3 2 30", "no power debian 1 1 1"],
        "the most often first"
    );
    assert_eq!(shown(&[by_cause.total.unwrap()]), ["all all 4 2 30"]);
    assert_eq!(shown(&rows(By::Device).rows), ["a 3 1 3", "b 1 1 30"]);
    assert_eq!(shown(&rows(By::Day).rows), ["2026-11-22 3 1 3", "2026-11-23 1 1 30"]);
}

#[test]
fn status_counts_devices() {
    let mut status = Status::new(By::Hardware);
    for (device, hardware, group) in
        [("a", "panda", Group::Free), ("b", "panda", Group::Failed), ("c", "", Group::Free)]
    {
        status.add(&subject(device, hardware), group);
    }
    let rows = status.rows();
    assert_eq!(shown(&rows.rows), [" 1 1 0 0 0 0", "panda 2 1 0 0 1 0"]);
    assert_eq!(shown(&[rows.total.unwrap()]), ["all 3 2 0 0 1 0"]);
}

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((z ^ (z >> 31)) >> 1).unwrap() % n
    }
}

/// Devices that are somehow from a first day on without a gap: whatever the window, what is known of it is all counted, shares
/// are a whole, and however it is grouped, the parts are the whole.
#[test]
fn the_parts_of_any_life_are_the_whole() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let subjects: Vec<_> = (0..5).map(|n| subject(&format!("d{n}"), ["panda", "pi"][n % 2])).collect();
        let (from, length) = (dice.below(1000), dice.below(400));
        let window = window(from - 500, from - 500 + length);
        let mut spells = Vec::new();
        let mut known_ms = 0;
        for subject in &subjects {
            let born = at(dice.below(1200) - 700);
            known_ms += window.clip(born, LASTS).map_or(0, Window::ms);
            let mut since = born;
            for _ in 0..dice.below(40) {
                let until = since.plus_ms(dice.below(90 * HOUR));
                let group = Group::ALL[usize::try_from(dice.below(5)).unwrap()];
                spells.push(Spell { subject, group, since, until });
                since = until;
            }
            spells.push(Spell { subject, group: Group::Free, since, until: LASTS });
        }
        for by in report(Name::Availability).by {
            let mut sums = Availability::new(*by, window);
            spells.iter().for_each(|s| sums.add(*s));
            let Rows { rows, total } = sums.rows();
            let seconds = |row: &Vec<Cell>| match row[2] {
                Cell::Seconds(s) => s,
                _ => panic!("seed {seed}: {row:?}"),
            };
            let known_s = known_ms as f64 / 1000.0;
            let sum: f64 = rows.iter().map(seconds).sum();
            assert!((sum - known_s).abs() < 0.01, "seed {seed}, {by}: {sum} of {known_s} s");
            assert_eq!(total.as_ref().map_or(0.0, seconds), known_s, "seed {seed}, {by}");
            for row in rows.iter().chain(&total) {
                let shares: f64 = row[3..]
                    .iter()
                    .map(|cell| match cell {
                        Cell::Percent(p) if (0.0..=100.0).contains(p) => *p,
                        other => panic!("seed {seed}: {other:?}"),
                    })
                    .sum();
                // Each is rounded to two places.
                assert!((shares - 100.0).abs() < 0.03, "seed {seed}, {by}: {shares} %");
            }
        }
    }
}
