//! One emulated board: what it does from power-on until its power is cut.
//!
//! A thread per board, which shares nothing but sockets with the daemon. Every wait is interruptible: power can go at any
//! moment, and then the board forgets everything but its disk.

use super::mishap::{Dice, Errand, Fate, HiccupKind, Mishap};
use super::notes::Notes;
use super::power::{Interrupted, PowerLine};
use super::script::{self, Boot, KernelLine, Live};
use super::syslog::Syslog;
use super::web::Web;
use crate::logic::events::{IMAGE_PROGRESS, Signal};
use crate::logic::ids::Mac;
use relayctl::FakeBoard;
use relayctl::fake::Misbehaviour;
use serde_json::{Value, json};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Weak;
use std::time::{Duration, Instant};
use tftpd::{FetchError, FetchOptions, Loss};

/// Tries of an event or a fetch; with the pauses between them half a minute, after which the server's time limit has passed.
const TRIES: u32 = 15;
/// The first pause between tries; it doubles up to the second.
const RETRY_MS: (u64, u64) = (250, 2000);
/// Between two boots of a board that finds no TFTP server.
const NO_SERVER_PAUSE: Duration = Duration::from_secs(1);
/// A file by TFTP takes milliseconds here; firmware gives up sooner than people.
const TFTP_LIMIT: Duration = Duration::from_secs(5);
/// From asking to asking again: PXELINUX's first waits are shorter, U-Boot's longer.
const TFTP_RETRY: Duration = Duration::from_millis(500);
/// Boot files are small here, and a board has little memory.
const BOOT_FILE_MAX: usize = 4 << 20;
/// Bytes of an image that are taken between two looks at the power.
const CHUNK: usize = 64 << 10;

/// The second stage that installs.
const WRITE_IMAGE: &str = "write-image.sh";

/// Who a board is: what stands on its labels.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Number in the rack, from 0.
    pub number: u16,
    /// What DHCP calls it.
    pub name: String,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its address.
    pub ip: Ipv4Addr,
}

/// What DHCP would tell a board, and where its installed system listens.
#[derive(Debug, Clone)]
pub struct Network {
    /// The TFTP server.
    pub tftp: SocketAddr,
    /// TCP port of the installed system.
    pub check_port: u16,
    /// What happens to packets while it boots.
    pub loss: Loss,
}

/// How long things take on a board. Each varies by a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From power to the first packet.
    pub firmware: Duration,
    /// From the kernel to our script.
    pub live_boot: Duration,
    /// Writing an image, or testing the board.
    pub work: Duration,
    /// From the boot loader to a system that answers.
    pub system_boot: Duration,
}

impl Default for Pace {
    /// A minute of a real board in a second or two.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { firmware: ms(300), live_boot: ms(500), work: ms(1200), system_boot: ms(600) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    /// Never written, or written half.
    Nothing,
    Installed,
}

/// Something that ends with the power.
type Powered<T> = Result<T, Interrupted>;
/// What a board that is on its way never returns.
enum Never {}

/// One board.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) identity: Identity,
    pub(super) network: Network,
    pub(super) pace: Pace,
    pub(super) line: PowerLine,
    pub(super) dice: Dice,
    pub(super) notes: Notes,
    /// The board that powers it; its hiccups are on these dice, too.
    pub(super) relays: Weak<FakeBoard>,
    web: Web,
    disk: Disk,
    /// This power-on's, until it is known what it means.
    fate: Option<Fate>,
    /// What is to go wrong on the way.
    mishap: Option<Mishap>,
    up_since: Instant,
    /// What a test has in store for it instead, one a power-on.
    #[cfg(test)]
    scripted: std::collections::VecDeque<Option<Mishap>>,
}

impl Board {
    pub(super) fn new(
        identity: Identity,
        network: Network,
        pace: Pace,
        line: PowerLine,
        dice: Dice,
        notes: Notes,
        relays: Weak<FakeBoard>,
    ) -> Self {
        let (web, disk, up_since) = (Web::from(identity.ip), Disk::Nothing, Instant::now());
        Self {
            identity,
            network,
            pace,
            line,
            dice,
            notes,
            relays,
            web,
            disk,
            fate: None,
            mishap: None,
            up_since,
            #[cfg(test)]
            scripted: Default::default(),
        }
    }

    /// Lives until it is taken out of the rack.
    pub(super) fn run(mut self) {
        while self.line.wait_until_on().is_ok() {
            self.up_since = Instant::now();
            self.throw_dice();
            let Err(end) = self.powered();
            if end == Interrupted::Unplugged {
                return;
            }
        }
    }

    fn throw_dice(&mut self) {
        let (fate, hiccup) = self.dice.power_on();
        self.fate = fate;
        self.mishap = fate.filter(|f| f.in_firmware()).map(|_| Mishap::FirmwareHangs);
        #[cfg(test)]
        if let Some(mishap) = self.scripted.pop_front() {
            self.mishap = mishap;
        }
        self.notes.write(|n| n.power_ons += 1);
        if let Some(hiccup) = hiccup
            && let Some(relays) = self.relays.upgrade()
        {
            let how = match hiccup.kind {
                HiccupKind::Reset => Misbehaviour::Reset,
                HiccupKind::Garbage => Misbehaviour::Garbage(0x2a),
                HiccupKind::Stuck => Misbehaviour::StuckRelay,
            };
            relays.misbehave_later(hiccup.after, 1, how);
            self.notes.write(|n| (n.hiccups, n.last_hiccup) = (n.hiccups + 1, Some(hiccup.kind)));
        }
    }

    fn powered(&mut self) -> Powered<Never> {
        loop {
            self.boot()?;
        }
    }

    /// From reset to the next reset.
    fn boot(&mut self) -> Powered<()> {
        self.pass(self.pace.firmware)?;
        self.meet(Mishap::FirmwareHangs)?;
        let Some(text) = self.boot_config()? else { return self.line.wait(NO_SERVER_PAUSE) };
        match script::choose(&text) {
            Ok(Boot::LocalDisk) if self.disk == Disk::Installed => {
                self.set_out(Errand::Disk);
                self.installed_system()
            }
            Ok(Boot::LocalDisk) => Err(self.stuck("nothing to boot on the disk")),
            Ok(Boot::Live(live)) => self.live_system(&live),
            Err(why) => Err(self.stuck(&why.to_string())),
        }
    }

    /// As PXELINUX asks: by Ethernet address, by IPv4 address digit by digit, then for the default. `None`: there is no server.
    fn boot_config(&mut self) -> Powered<Option<String>> {
        let hex = self.identity.ip.octets().map(|b| format!("{b:02X}")).concat();
        let names = std::iter::once(format!("01-{}", self.identity.mac.join("-")))
            .chain((1..=hex.len()).rev().map(|n| hex[..n].to_owned()))
            .chain(["default".to_owned()]);
        for name in names {
            match self.tftp(&format!("pxelinux.cfg/{name}"))? {
                Ok(bytes) => return Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                // "File not found" (RFC 1350 section 5) sends a boot loader to the next name.
                Err(FetchError::Refused { code: 1, .. }) => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    fn tftp(&mut self, path: &str) -> Powered<Result<Vec<u8>, FetchError>> {
        let options = FetchOptions {
            overall: TFTP_LIMIT,
            local: Some(IpAddr::V4(self.identity.ip)),
            max_bytes: BOOT_FILE_MAX,
            packet_timeout: TFTP_RETRY,
            loss: self.network.loss,
            ..FetchOptions::default()
        };
        // Each board loses others, and other ones each time.
        self.network.loss.seed =
            self.network.loss.seed.wrapping_mul(31).wrapping_add(u64::from(self.identity.number) + 1);
        let fetched = tftpd::fetch(self.network.tftp, path, &options);
        self.line.look()?;
        Ok(fetched.map(|f| f.bytes))
    }

    fn live_system(&mut self, live: &Live) -> Powered<()> {
        for path in std::iter::once(&live.kernel).chain(&live.initrd) {
            if let Err(why) = self.tftp(path)? {
                return Err(self.stuck(&format!("boot file {path}: {why}")));
            }
        }
        self.pass(self.pace.live_boot)?;
        let kernel_line = match KernelLine::parse(&live.append, &self.identity.name) {
            Ok(kernel_line) => kernel_line,
            Err(why) => return Err(self.stuck(&why.to_string())),
        };
        let installs = kernel_line.stage_name() == WRITE_IMAGE;
        self.set_out(if installs { Errand::Install } else { Errand::Live });
        self.meet(Mishap::LiveSystemHangs)?;
        let syslog = Syslog::new(IpAddr::V4(self.identity.ip), kernel_line.syslog, self.up_since);
        let stage = kernel_line.stage_name().to_owned();
        syslog.send(
            "mobile-init",
            &format!(
                "board {}, server {}, second stage {}",
                kernel_line.device, kernel_line.server, kernel_line.second_stage
            ),
        );
        let mut live = LiveSystem { board: self, kernel_line, syslog };
        live.event(Signal::MobileInitStarted.name(), &json!({}))?;
        live.board.meet(Mishap::LiveSystemFallsSilent)?;
        live.second_stage(&stage)
    }

    /// The system on the disk: accepts connections on its port until power goes.
    fn installed_system(&mut self) -> Powered<()> {
        self.pass(self.pace.system_boot)?;
        self.meet(Mishap::SystemDoesNotComeUp)?;
        let listener = match TcpListener::bind((self.identity.ip, self.network.check_port)) {
            Ok(listener) => listener,
            Err(why) => return Err(self.stuck(&format!("cannot listen: {why}"))),
        };
        // A client may be gone between poll and accept.
        if let Err(why) = listener.set_nonblocking(true) {
            return Err(self.stuck(&format!("cannot listen: {why}")));
        }
        loop {
            self.line.wait_readable(listener.as_fd())?;
            if listener.accept().is_err() {
                // Short of descriptors; the caller sees a timeout, and the board must not spin.
                self.line.wait(Duration::from_millis(50))?;
            }
        }
    }

    /// Lets about this much time pass.
    fn pass(&mut self, time: Duration) -> Powered<()> {
        let time = time.mul_f64(self.dice.stride());
        self.line.wait(time)
    }

    /// The first thing that a board does after power-on decides what its fate means.
    fn set_out(&mut self, errand: Errand) {
        if let Some(fate) = self.fate.take() {
            self.mishap = Some(fate.on(errand));
        }
    }

    /// Here it happens, if the dice say so.
    fn meet(&mut self, mishap: Mishap) -> Powered<()> {
        if self.mishap != Some(mishap) {
            return Ok(());
        }
        log::debug!("{}: {mishap}", self.identity.name);
        self.notes.write(|n| {
            *n.mishaps.entry(mishap).or_default() += 1;
            n.last = Some(mishap);
        });
        Err(self.line.hang())
    }

    /// Nothing more can be done until power is cut.
    fn stuck(&mut self, why: &str) -> Interrupted {
        log::debug!("{}: {why}", self.identity.name);
        self.notes.write(|n| n.trouble = Some(why.to_owned()));
        self.line.hang()
    }
}

/// The live system on a board.
struct LiveSystem<'b> {
    board: &'b mut Board,
    kernel_line: KernelLine,
    syslog: Syslog,
}

impl LiveSystem<'_> {
    fn second_stage(&mut self, stage: &str) -> Powered<()> {
        let url = self.kernel_line.second_stage.clone();
        let script = self.insist(|web| web.text(&url))?;
        match script {
            Some((200, text)) if text.starts_with("#!") => {}
            Some((200, _)) => return self.fail_live("the second stage is not a script"),
            Some((status, _)) => return self.fail_live(&format!("the second stage: HTTP status {status}")),
            None => return self.fail_live("the second stage: no answer"),
        }
        match stage {
            WRITE_IMAGE => self.write_image(),
            "self-test.sh" => {
                self.event(Signal::SelfTestRunning.name(), &json!({}))?;
                self.syslog.send("self-test", "memory, disk and network are tested");
                self.board.pass(self.board.pace.work)?;
                self.syslog.send("self-test", "all tests passed");
                self.event(Signal::SelfTestOk.name(), &json!({}))?;
                Err(self.board.line.hang())
            }
            "maintenance.sh" => {
                self.event(Signal::MaintMode.name(), &json!({}))?;
                self.syslog.send("maintenance", "waiting for somebody to log in");
                Err(self.board.line.hang())
            }
            other => self.fail_live(&format!("this board does not know the second stage {other}")),
        }
    }

    fn write_image(&mut self) -> Powered<()> {
        const TAG: &str = "write-image";
        self.event(Signal::ImageDownloading.name(), &json!({}))?;
        let device = self.api("bootconfig/");
        let config = match self.insist(|web| web.text(&device))? {
            Some((200, text)) => serde_json::from_str::<Value>(&text).unwrap_or_default(),
            _ => return self.fail_image("boot config: not to be had"),
        };
        let Some(url) = config["url"].as_str() else { return self.fail_image("boot config: has no url") };
        let url = if url.starts_with('/') {
            format!("http://{}{url}", self.kernel_line.server)
        } else {
            url.to_owned()
        };
        self.syslog.send(TAG, &format!("writing {url} to the disk"));
        let Some((status, mut body)) = self.insist_download(&url)? else {
            return self.fail_image("download: no answer");
        };
        if status != 200 {
            return self.fail_image(&format!("download: HTTP status {status}"));
        }
        let mut chunk = vec![0; CHUNK];
        let mut bytes = 0u64;
        loop {
            let read = body.read(&mut chunk);
            self.board.line.look()?;
            match read {
                Ok(0) => break,
                Ok(n) => bytes += n as u64,
                Err(why) => {
                    return self.fail_image(&format!("download: broke off after {bytes} bytes: {why}"));
                }
            }
            self.board.meet(Mishap::DownloadStalls)?;
        }
        if let Some(size) = config["size"].as_u64().filter(|size| *size != bytes) {
            return self.fail_image(&format!("download: {bytes} bytes came, {size} were expected"));
        }
        self.board.disk = Disk::Nothing;
        self.event(Signal::ImageExtracting.name(), &json!({}))?;
        for percent in [20, 40, 60, 80, 100] {
            self.board.pass(self.board.pace.work / 5)?;
            self.event_once(IMAGE_PROGRESS, &json!({"percent": percent, "bytes": bytes * percent / 100}))?;
            if percent == 60 {
                self.board.meet(Mishap::WritingStalls)?;
            }
        }
        self.board.disk = Disk::Installed;
        self.board.notes.write(|n| n.installed += 1);
        self.syslog.send(TAG, &format!("{bytes} bytes written, rebooting"));
        self.event(Signal::ImageRebooting.name(), &json!({}))?;
        self.board.meet(Mishap::NeverReboots)
    }

    /// Reports that the image is at fault, and waits to be power-cycled.
    fn fail_image(&mut self, reason: &str) -> Powered<()> {
        self.syslog.send("write-image", &format!("failed: {reason}"));
        self.event(Signal::ImageFailed.name(), &json!({"reason": reason}))?;
        Err(self.board.stuck(reason))
    }

    /// Reports that there is nothing more to be expected of this boot.
    fn fail_live(&mut self, reason: &str) -> Powered<()> {
        self.syslog.send("mobile-init", &format!("failed: {reason}"));
        self.event(Signal::MobileInitFailed.name(), &json!({"reason": reason}))?;
        Err(self.board.stuck(reason))
    }

    fn api(&self, tail: &str) -> String {
        format!("http://{}/api/device/{}/{tail}", self.kernel_line.server, self.kernel_line.device)
    }

    /// Tells the server, until it has heard it or enough tries have been made: its time limit covers a lost event.
    fn event(&mut self, name: &str, body: &Value) -> Powered<()> {
        let (url, body) = (self.api(&format!("event/{name}/")), body.to_string());
        let boot = self.kernel_line.boot.clone();
        if self.insist(|web| web.post(&url, boot.as_deref(), &body))?.is_none() {
            self.syslog.send("mobile-init", &format!("event {name} not delivered"));
        }
        Ok(())
    }

    /// Tells the server once; what comes next makes up for it.
    fn event_once(&mut self, name: &str, body: &Value) -> Powered<()> {
        let boot = self.kernel_line.boot.as_deref();
        let _ = self.board.web.post(&self.api(&format!("event/{name}/")), boot, &body.to_string());
        self.board.line.look()
    }

    /// Repeats a call while the server is away or busy.
    fn insist(&mut self, call: impl Fn(&Web) -> super::web::Reply) -> Powered<Option<(u16, String)>> {
        self.repeat(|web| call(web).ok())
    }

    fn insist_download(&mut self, url: &str) -> Powered<Option<(u16, impl Read + use<>)>> {
        let url = url.to_owned();
        self.repeat(move |web| web.download(&url).ok())
    }

    fn repeat<T>(&mut self, call: impl Fn(&Web) -> Option<(u16, T)>) -> Powered<Option<(u16, T)>> {
        let mut pause_ms = RETRY_MS.0;
        for _ in 0..TRIES {
            let reply = call(&self.board.web);
            self.board.line.look()?;
            match reply {
                Some((status, body)) if status < 500 => return Ok(Some((status, body))),
                _ => self.board.line.wait(Duration::from_millis(pause_ms))?,
            }
            pause_ms = (pause_ms * 2).min(RETRY_MS.1);
        }
        Ok(None)
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
