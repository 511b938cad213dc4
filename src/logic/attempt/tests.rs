//! Stories of attempts and the sentences that they deserve; and what holds for every attempt, whatever happened in it.

use super::usual::{SAMPLES_LEAST, Usual};
use super::verdict::{Judged, judge};
use super::*;

const T0: Timestamp = Timestamp(1_700_000_000_000);

/// A step as a line: `ms kind name [took]`; `!` before the kind: it went wrong.
fn step(line: &str) -> Step {
    let words: Vec<&str> = line.split(' ').collect();
    let (kind, bad) = words[1].strip_prefix('!').map_or((words[1], false), |kind| (kind, true));
    let at = T0.plus_ms(words[0].parse().unwrap());
    let what = if bad { "it went wrong" } else { "so it was" };
    let mut step = Step::new(at, StepKind::parse(kind).unwrap(), words[2], what).is_bad(bad);
    step.took_ms = words.get(3).map(|ms| ms.parse().unwrap());
    step
}

fn attempt(outcome: Outcome, ended: Option<i64>, state: &str, lines: &str) -> Attempt {
    Attempt {
        purpose: Purpose::Image,
        outcome,
        started: T0,
        ended: ended.map(|ms| T0.plus_ms(ms)),
        state: state.into(),
        steps: lines.lines().map(str::trim).filter(|l| !l.is_empty()).map(step).collect(),
    }
}

/// An installation that goes well, of a board with this MAC; `more` milliseconds later than the usual 62 s at each step.
fn good(mac: &str, more: u64) -> Attempt {
    let t = |ms: u64| ms + more * ms / 62_000;
    let lines = format!(
        "0 state pxe_power_cycling {}
         100 power off 100
         {} power on {}
         {} state pxe_booting {}
         {} tftp pxelinux.cfg/{mac} 5
         {} tftp live/vmlinuz 1900
         {} tftp live/initrd.img 3000
         {} state mobile_init_started 1000
         {} event mobile_init_started
         {} state image_downloading 8000
         {} http images/debian.img.gz 7800
         {} state image_extracting {}
         {} event image_rebooting
         {} state image_pinging {}
         {} ping vanished
         {} ping answers
         {} state ready 0",
        t(2_000),
        t(2_000),
        t(1_900),
        t(2_000),
        t(20_000),
        t(9_000),
        t(11_000),
        t(14_000),
        t(22_000),
        t(22_000),
        t(23_000),
        t(31_000),
        t(31_000),
        t(14_000),
        t(45_000),
        t(45_000),
        t(17_000),
        t(46_000),
        t(62_000),
        t(62_000),
    );
    attempt(Outcome::Ok, i64::try_from(t(62_000)).ok(), "ready", &lines)
}

fn usual() -> Usual {
    let macs = ["01-0a", "01-0b", "01-0c", "01-0d", "01-0e"];
    Usual::of(&[0, 300, 600, 900, 1200].map(|more| good(macs[usize::try_from(more / 300).unwrap()], more)))
}

fn verdict(attempt: &Attempt, now_ms: i64) -> String {
    judge(attempt, &usual(), T0.plus_ms(now_ms)).verdict.unwrap_or_default()
}

/// The first steps of a good attempt, up to this time.
fn until(ms: i64, more: &str) -> String {
    let steps = good("01-ff", 600).steps.into_iter().filter(|s| s.at <= T0.plus_ms(ms));
    let line = |s: Step| {
        let took = s.took_ms.map(|ms| format!(" {ms}")).unwrap_or_default();
        format!("{} {} {}{took}\n", s.at.ms_since(T0), s.kind, s.name)
    };
    steps.map(line).collect::<String>() + more
}

#[test]
fn every_end_has_its_sentence() {
    use Outcome::{Failed, GivenUp, Ok};
    let slow_image = until(
        31_200,
        "31300 http images/debian.img.gz 7800\n31300 state image_extracting 130000\n161300 event image_rebooting",
    );
    for (outcome, ended, state, steps, want) in [
        (Ok, 62_000, "ready", until(70_000, ""), "as usual: 62 s"),
        (Ok, 70_000, "ready", until(70_000, ""), "as usual: 70 s"),
        (Ok, 9_100, "ready", until(2_100, ""), "quicker than usual: 9.1 s instead of 62 s"),
        (Ok, 210_000, "ready", slow_image, "slow: writing the image took 2:10 instead of 0:14"),
        (Ok, 100_000, "ready", until(70_000, ""), "slower than usual: 100 s instead of 62 s"),
        (
            Failed,
            180_000,
            "pxe_booting",
            until(3_000, ""),
            "power came back, but the board never asked for a boot config (usually after 9.0 s)",
        ),
        (
            Failed,
            180_000,
            "pxe_booting",
            until(9_500, ""),
            "stopped after the boot config; the board never loaded vmlinuz (usually after 11 s)",
        ),
        (
            Failed,
            180_000,
            "pxe_booting",
            until(12_000, "55000 tftp live/initrd.img 44000"),
            "stopped after initrd.img, 40 s later than usual; the board never said mobile_init_started (usually after 22 s)",
        ),
        (
            Failed,
            180_000,
            "pxe_booting",
            until(12_000, "14000 !tftp live/initrd.img 900"),
            "stopped at initrd.img: it went wrong",
        ),
        (
            Failed,
            180_000,
            "image_downloading",
            until(24_000, "24500 event image_failed"),
            "the board said image_failed: so it was",
        ),
        // A file that is not there matters if the board stays there, and only then.
        (
            Failed,
            180_000,
            "pxe_booting",
            until(9_500, "9600 !tftp live/logo.png\n11000 tftp live/vmlinuz 1900"),
            "stopped after vmlinuz; the board never loaded initrd.img (usually after 14 s)",
        ),
        (
            GivenUp,
            60_000,
            "failed_power_cycling",
            "0 state pxe_power_cycling 60000\n60000 !power failed".to_owned(),
            "power could not be switched: it went wrong",
        ),
        (
            GivenUp,
            9_000,
            "failed_power_cycling",
            "0 state pxe_power_cycling 9000".to_owned(),
            "power never came back",
        ),
        (
            GivenUp,
            300_000,
            "failed_image_pinging",
            until(47_000, ""),
            "stopped after the reboot; the board never answered (usually after 62 s)",
        ),
        (GivenUp, 30_000, "locked_out", until(23_000, ""), "a person stepped in: locked_out"),
    ] {
        assert_eq!(verdict(&attempt(outcome, Some(ended), state, &steps), ended), want);
    }
}

#[test]
fn a_running_attempt_says_what_is_awaited_and_when_it_is_usually_there() {
    for (steps, now, want) in [
        (String::new(), 500, "waits for power to come back, usually after 2.0 s"),
        (until(3_000, ""), 5_000, "waits for the board to ask for a boot config, usually after 9.0 s"),
        (until(9_900, ""), 10_000, "waits for the board to load vmlinuz, usually after 11 s"),
        (until(15_000, ""), 60_000, "waits for the board to say mobile_init_started, 37 s later than usual"),
        (until(47_000, ""), 48_000, "waits for the board to answer, usually after 62 s"),
        // The last word: nothing more is awaited.
        (until(70_000, ""), 62_700, "about to end, usually after 62 s"),
        (until(70_000, ""), 170_000, "ought to have ended, 107 s later than usual"),
        // A step that is skipped does not hold up those that come after it.
        (
            until(9_900, "22100 event mobile_init_started"),
            23_000,
            "waits for the board to load debian.img.gz, usually after 31 s",
        ),
    ] {
        let running = attempt(Outcome::Running, None, "pxe_booting", &steps);
        assert_eq!(verdict(&running, now), want, "{steps}");
    }
}

#[test]
fn with_too_few_good_attempts_nothing_is_usual_and_the_rest_is_said_all_the_same() {
    let few: Vec<Attempt> = (1..SAMPLES_LEAST).map(|_| good("01-0a", 0)).collect();
    let usual = Usual::of(&few);
    assert_eq!(usual, Usual::default());
    let said = |attempt: &Attempt, now| judge(attempt, &usual, T0.plus_ms(now));
    let stopped = attempt(Outcome::Failed, Some(180_000), "pxe_booting", &until(15_000, ""));
    let judged = said(&stopped, 180_000);
    assert_eq!(judged.verdict.as_deref(), Some("stopped after initrd.img"));
    assert!(judged.steps.iter().all(|s| s.usual_ms.is_none() && s.late_ms.is_none() && !s.slow));
    assert_eq!(
        said(&good("01-0a", 0), 0).verdict.as_deref(),
        Some("well after 62 s; too few are known to say what is usual")
    );
    let running = attempt(Outcome::Running, None, "pxe_booting", &until(15_000, ""));
    assert_eq!(
        said(&running, 16_000).verdict.as_deref(),
        Some("under way for 16 s, the board has loaded initrd.img")
    );
}

#[test]
fn steps_are_compared_one_by_one() {
    let steps = until(12_000, "55000 tftp live/initrd.img 44000");
    let late = attempt(Outcome::Failed, Some(180_000), "pxe_booting", &steps);
    let Judged { steps, missing, .. } = judge(&late, &usual(), T0);
    let of = |name: &str| {
        let at = late.steps.iter().position(|s| s.key() == name).unwrap();
        (steps[at].usual_ms, steps[at].late_ms, steps[at].slow)
    };
    // Asked for under another name by every board.
    assert_eq!(of(BOOT_CONFIG), (Some(9_087), None, false));
    assert_eq!(of("live/vmlinuz"), (Some(11_106), None, false));
    assert_eq!(of("live/initrd.img"), (Some(14_135), Some(40_865), true));
    let missing: Vec<&str> = missing.iter().map(|m| m.id.key.as_str()).collect();
    assert_eq!(
        missing,
        ["mobile_init_started", "images/debian.img.gz", "image_rebooting", "vanished", "answers"]
    );
}

#[test]
fn what_a_person_boots_by_hand_ends_after_a_while_and_is_compared_with_nothing() {
    let mut by_hand =
        attempt(Outcome::Running, None, "ready", "5 tftp live/vmlinuz\n1800001 event mobile_init_started");
    by_hand.purpose = Purpose::Pxe;
    by_hand.settle(T0.plus_ms(PXE_LASTS_MS - 1));
    assert_eq!((by_hand.outcome, by_hand.ended, by_hand.steps.len()), (Outcome::Running, None, 2));
    assert_eq!(judge(&by_hand, &usual(), T0).verdict, None);
    by_hand.settle(T0.plus_ms(PXE_LASTS_MS));
    assert_eq!((by_hand.outcome, by_hand.steps.len()), (Outcome::Ok, 1));
    assert_eq!(by_hand.ended, Some(T0.plus_ms(PXE_LASTS_MS)));
}

/// A small generator (Knuth's MMIX), so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// Anything, in any order, at any time.
    fn attempt(&mut self) -> Attempt {
        let names = ["off", "on", "failed", "a/b", "pxelinux.cfg/01-0a", "image_failed", "", "ready", "äö/"];
        let steps = (0..self.below(30)).map(|_| {
            let at = Timestamp(T0.0 + i64::try_from(self.below(400_000)).unwrap() - 1000);
            let mut step = Step::new(at, self.one(StepKind::ALL), self.one(&names), "x");
            step.bad = self.below(4) == 0;
            step.took_ms = (self.below(2) == 0).then(|| self.one(&[0, 1, 999, 100_000, u64::MAX]));
            step
        });
        let steps = steps.collect();
        let ended =
            (self.below(3) > 0).then(|| T0.plus_ms(i64::try_from(self.below(400_000)).unwrap() - 500));
        let ended = if self.below(50) == 0 { Some(Timestamp(i64::MAX)) } else { ended };
        Attempt {
            purpose: self.one(Purpose::ALL),
            outcome: self.one(Outcome::ALL),
            started: T0,
            ended,
            state: self.one(&["ready", "failed_pinging", "pxe_booting", "of another version"]).into(),
            steps,
        }
    }
}

#[test]
fn whatever_happened_there_is_one_sentence_and_the_numbers_agree_with_it() {
    let mut dice = Dice(7);
    for round in 0..3000 {
        let good: Vec<Attempt> = (0..dice.below(8)).map(|_| dice.attempt()).collect();
        let usual = Usual::of(&good);
        assert!(usual.steps.windows(2).all(|w| w[0].at.ms <= w[1].at.ms), "round {round}");
        assert!(good.len() >= SAMPLES_LEAST || usual == Usual::default(), "round {round}");
        let one = dice.attempt();
        let now = T0.plus_ms(i64::try_from(dice.below(500_000)).unwrap());
        let Judged { steps, missing, verdict } = judge(&one, &usual, now);
        assert_eq!(steps.len(), one.steps.len(), "round {round}");
        for (step, compared) in one.steps.iter().zip(&steps) {
            assert!(!step.bad || *compared == verdict::Compared::default(), "round {round}: {step:?}");
            if let (Some(late), Some(usual)) = (compared.late_ms, compared.usual_ms) {
                let at = step.at.ms_since(T0).max(0).unsigned_abs();
                assert_eq!(at - usual, late, "round {round}: {step:?}");
            }
        }
        assert!(one.outcome != Outcome::Ok || missing.is_empty(), "round {round}");
        let came = |m: &usual::UsualStep| {
            one.steps.iter().any(|s| !s.bad && s.kind == m.id.kind && s.key() == m.id.key)
        };
        assert!(missing.iter().all(|m| m.id.nth > 0 || !came(m)), "round {round}");
        assert_eq!(verdict.is_none(), one.purpose == Purpose::Pxe, "round {round}");
        let text = verdict.unwrap_or_default();
        assert!(!text.contains('\n') && text.len() < 400, "round {round}: {text}");
        // Attempts that are as the good ones are, are as usual.
        if let (Some(median), true) = (usual.duration, one.outcome == Outcome::Ok && !text.is_empty()) {
            let took = one.ended.unwrap_or(now).ms_since(T0).max(0).unsigned_abs();
            let as_usual = (median.ms / 2..=median.most_ms).contains(&took);
            assert_eq!(text.starts_with("as usual"), as_usual, "round {round}: {text}");
        }
    }
}

#[test]
fn one_bad_day_moves_no_median() {
    let mut samples: Vec<Attempt> = (0..19).map(|n| good("01-0a", n * 10)).collect();
    let before = Usual::of(&samples);
    samples.push(good("01-0a", 3_600_000));
    let after = Usual::of(&samples);
    let at = |usual: &Usual| usual.steps.iter().map(|s| s.at.ms).collect::<Vec<_>>();
    assert!(at(&before).iter().zip(at(&after)).all(|(a, b)| a.abs_diff(b) <= 10), "{after:?}");
    assert!(after.duration.unwrap().most_ms < 90_000, "{after:?}");
}
