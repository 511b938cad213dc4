//! One simulated board: what it does from power-on until its power is cut, a step at a time.
//!
//! It reads the boot config that the real table answers, does what the live system's scripts do, and answers checks as the
//! system on it would. Times are those of small boards; `docs/simulation.md` has them in a table.

use super::dice::Dice;
use super::faults::Faults;
use crate::bmm::CheckError;
use crate::bmm::Said;
use crate::bmm::check::Question;
use crate::bmm::sut::{Goal, SutError};
use crate::fakes::script::{self, Boot, KernelLine};
use crate::logic::events::Signal;
use crate::logic::ids::ImageName;
use crate::logic::lifeguard::{BootToken, Proof};

/// From power to the boot loader's first question.
const FIRMWARE_MS: (i64, i64) = (6_000, 14_000);
/// In the firmware, the network stack of the boot loader answers ping from here to there.
const FIRMWARE_PINGS_MS: (i64, i64) = (3_000, 5_500);
/// From the kernel to the first script.
const LIVE_BOOT_MS: (i64, i64) = (15_000, 40_000);
/// Fetching the second stage.
const FETCH_MS: (i64, i64) = (500, 3_000);
const DOWNLOAD_MS: (i64, i64) = (10_000, 60_000);
/// A fifth of writing an image.
const WRITE_MS: (i64, i64) = (8_000, 40_000);
const SELF_TEST_MS: (i64, i64) = (60_000, 300_000);
/// From "rebooting" to silence.
const SHUTDOWN_MS: (i64, i64) = (800, 2_500);
/// From the boot loader to a system that answers.
const SYSTEM_BOOT_MS: (i64, i64) = (15_000, 50_000);
/// From there to its agent.
const AGENT_MS: i64 = 12_000;

/// What a second stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Image,
    B2g,
    Android,
    SelfTest,
    Maintenance,
}

/// What a board is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Off,
    Firmware,
    LiveBoot(Family),
    /// In its second stage, at this line.
    Live(Family, u8),
    SystemBoot,
    System,
    Hung,
}

/// What a step of a board comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// The next step in so many milliseconds.
    Wait(i64),
    /// Tells the server, and goes on so long after it was heard.
    Tell(Signal, i64),
    /// Tells how far it is, once, and goes on so long after.
    Progress(u8, i64),
    /// Nothing until its power is cut.
    Hang(&'static str),
}

/// A board.
#[derive(Debug)]
pub(super) struct Board {
    stage: Stage,
    since_ms: i64,
    /// Counts power-ons, power cuts and resets: what was to happen in an earlier life does not.
    pub(super) life: u32,
    /// What its disk boots; nothing while it is being written.
    pub(super) disk: Option<ImageName>,
    /// What it is writing.
    writes: Option<ImageName>,
    /// Hangs at every boot until somebody repairs it.
    pub(super) broken: bool,
    /// Hangs often.
    pub(super) bad: bool,
    /// Tries of the event that it is telling.
    pub(super) tries: u32,
    /// What stands on the kernel line of its live system; it shows that with all that it tells.
    pub(super) token: Option<BootToken>,
}

impl Board {
    /// Runs `image`, in good health.
    pub(super) fn running(image: ImageName) -> Self {
        Self {
            stage: Stage::System,
            since_ms: 0,
            life: 0,
            disk: Some(image),
            writes: None,
            broken: false,
            bad: false,
            tries: 0,
            token: None,
        }
    }

    /// What its live system shows.
    pub(super) fn proof(&self) -> Proof {
        Proof::Boot(self.token)
    }

    pub(super) fn has_power(&self) -> bool {
        self.stage != Stage::Off
    }

    /// The power goes.
    pub(super) fn cut(&mut self, now_ms: i64) {
        self.life += 1;
        self.enter(Stage::Off, now_ms);
    }

    /// The power comes; says when the first step is.
    pub(super) fn power_on(&mut self, now_ms: i64, dice: &mut Dice) -> i64 {
        self.life += 1;
        self.enter(Stage::Firmware, now_ms);
        dice.between(FIRMWARE_MS.0, FIRMWARE_MS.1)
    }

    fn enter(&mut self, stage: Stage, now_ms: i64) {
        (self.stage, self.since_ms, self.tries) = (stage, now_ms, 0);
    }

    fn hang(&mut self, now_ms: i64, where_: &'static str) -> Act {
        self.enter(Stage::Hung, now_ms);
        Act::Hang(where_)
    }

    /// The next step. `boot`: what TFTP answers this board; `install`: the image that the API names when it asks for its
    /// boot config, and whether that image can be installed.
    pub(super) fn step(
        &mut self,
        now_ms: i64,
        dice: &mut Dice,
        faults: &Faults,
        boot: impl FnOnce() -> String,
        install: Option<(ImageName, bool)>,
    ) -> Act {
        let hangs = if self.bad { faults.bad_board_hangs() } else { faults.board_hangs() };
        let reports = matches!(self.stage, Stage::Live(_, n) if !(n == 0 || n == 2 || n == 4));
        if self.broken || !reports && dice.chance(hangs) {
            let at = match self.stage {
                Stage::Firmware => "hung in its firmware",
                Stage::LiveBoot(_) => "hung while the live system booted",
                Stage::Live(..) => "hung in its second stage",
                _ => "hung while its system booted",
            };
            return self.hang(now_ms, at);
        }
        match self.stage.clone() {
            Stage::Firmware => match script::choose(&boot()) {
                Ok(Boot::LocalDisk) if self.disk.is_some() => {
                    self.enter(Stage::SystemBoot, now_ms);
                    Act::Wait(dice.between(SYSTEM_BOOT_MS.0, SYSTEM_BOOT_MS.1))
                }
                Ok(Boot::LocalDisk) => self.hang(now_ms, "has nothing to boot on its disk"),
                Ok(Boot::Live(live)) => match family(&live.append) {
                    Some((family, token)) => {
                        self.token = token;
                        self.enter(Stage::LiveBoot(family), now_ms);
                        Act::Wait(dice.between(LIVE_BOOT_MS.0, LIVE_BOOT_MS.1))
                    }
                    None => self.hang(now_ms, "has a boot config that names no second stage"),
                },
                Err(_) => self.hang(now_ms, "has a boot config that it cannot read"),
            },
            Stage::LiveBoot(family) => {
                self.enter(Stage::Live(family, 0), now_ms);
                self.live(family, 0, now_ms, dice, faults, install)
            }
            Stage::Live(family, line) => self.live(family, line, now_ms, dice, faults, install),
            Stage::SystemBoot => {
                self.enter(Stage::System, now_ms);
                Act::Hang("is up")
            }
            Stage::System | Stage::Hung | Stage::Off => Act::Hang("is at rest"),
        }
    }

    /// One line of a second stage.
    fn live(
        &mut self,
        family: Family,
        line: u8,
        now_ms: i64,
        dice: &mut Dice,
        faults: &Faults,
        install: Option<(ImageName, bool)>,
    ) -> Act {
        let next = |board: &mut Self| (board.stage, board.tries) = (Stage::Live(family, line + 1), 0);
        let between = |dice: &mut Dice, (from, to): (i64, i64)| dice.between(from, to);
        let [downloading, extracting, rebooting] = match family {
            Family::Android => {
                [Signal::AndroidDownloading, Signal::AndroidExtracting, Signal::AndroidRebooting]
            }
            Family::B2g => [Signal::B2gDownloading, Signal::B2gExtracting, Signal::B2gRebooting],
            _ => [Signal::ImageDownloading, Signal::ImageExtracting, Signal::ImageRebooting],
        };
        match (family, line) {
            (_, 0) => {
                next(self);
                Act::Tell(Signal::MobileInitStarted, between(dice, FETCH_MS))
            }
            (Family::SelfTest, 1) => {
                next(self);
                Act::Tell(Signal::SelfTestRunning, between(dice, SELF_TEST_MS))
            }
            (Family::SelfTest, 2) => {
                next(self);
                let card = dice.chance(faults.card_fails());
                Act::Tell(if card { Signal::FailedSelfTest } else { Signal::SelfTestOk }, 1)
            }
            (Family::Maintenance, 1) => {
                next(self);
                Act::Tell(Signal::MaintMode, 1)
            }
            (Family::SelfTest | Family::Maintenance, _) => Act::Hang("waits in its live system"),
            (_, 1) => {
                next(self);
                Act::Tell(downloading, between(dice, DOWNLOAD_MS))
            }
            (_, 2) => match install {
                Some((image, true)) => {
                    next(self);
                    (self.disk, self.writes) = (None, Some(image));
                    Act::Tell(extracting, between(dice, WRITE_MS))
                }
                Some((_, false)) => {
                    self.stage = Stage::Live(family, 200);
                    Act::Tell(Signal::ImageFailed, 1)
                }
                None => {
                    self.stage = Stage::Live(family, 200);
                    Act::Tell(Signal::SecondStageFailed, 1)
                }
            },
            (_, 3..=5) => {
                next(self);
                Act::Progress((line - 2) * 25, between(dice, WRITE_MS))
            }
            (_, 6) if dice.chance(faults.card_fails()) => {
                self.stage = Stage::Live(family, 200);
                Act::Tell(Signal::SecondStageFailed, 1)
            }
            (_, 6) => {
                next(self);
                self.disk = self.writes.take();
                Act::Tell(rebooting, between(dice, SHUTDOWN_MS))
            }
            (_, 7) => Act::Wait(self.power_on(now_ms, dice)),
            _ => self.hang(now_ms, "has given up"),
        }
    }

    /// What it says to a question; `None` is a ping. `card`: whether its SD card is well.
    pub(super) fn says(&self, question: Option<&Question>, now_ms: i64, card: bool) -> Said {
        let for_ms = now_ms - self.since_ms;
        let pings = match self.stage {
            Stage::System | Stage::Live(..) => true,
            Stage::Firmware => (FIRMWARE_PINGS_MS.0..FIRMWARE_PINGS_MS.1).contains(&for_ms),
            _ => false,
        };
        match question {
            None if pings => Ok(()),
            _ if !pings => Err(CheckError::NoReply),
            _ if self.stage != Stage::System => Err(CheckError::Refused { port: 0 }),
            Some(Question::Sut { goal, port }) => {
                if self.disk.as_deref() != Some("b2g") || for_ms < AGENT_MS {
                    Err(CheckError::Refused { port: *port })
                } else if *goal == Goal::SdCard && !card {
                    Err(CheckError::Sut(SutError::NotMade))
                } else {
                    Ok(())
                }
            }
            // The ports that are asked for are those of `web`.
            _ if self.disk.as_deref() == Some("web") => Ok(()),
            _ => Err(CheckError::Refused { port: 0 }),
        }
    }
}

/// What the live system is to do, and what it is to show, by its kernel line.
fn family(append: &str) -> Option<(Family, Option<BootToken>)> {
    let line = KernelLine::parse(append, "").ok()?;
    let family = match line.stage_name() {
        "write-image.sh" => Family::Image,
        "b2g.sh" => Family::B2g,
        "android.sh" => Family::Android,
        "self-test.sh" => Family::SelfTest,
        "maintenance.sh" => Family::Maintenance,
        _ => return None,
    };
    Some((family, line.boot.and_then(|text| text.parse().ok())))
}
