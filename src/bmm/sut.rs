//! The SUT agent of Mozilla's test boards: what to say to it, and what its answers mean.
//!
//! Pure conversation: bytes in, next command out; the socket and the clock are `check`'s. Facts (mozdevice 0.33, its client):
//! TCP 20701; the agent greets with the prompt `$>` NUL and ends each reply with it; lines out end in CR LF.

use std::fmt;

/// The agent's port.
pub const PORT: u16 = 20701;
/// What ends every reply.
const PROMPT: &[u8] = b"$>\0";
/// How an error begins.
const WARNING: &str = "##AGENT-WARNING##";
/// The longest reply taken, in bytes. All that are asked for here are one short line.
pub const REPLY_MAX: usize = 4096;
/// The longest directory name that an agent may give as its test root, in bytes.
const ROOT_MAX: usize = 256;
/// What is written to the card to see whether it keeps it.
const CONTENT: &[u8] = b"autophone test\n";
/// The MD5 sum of [`CONTENT`]: what the agent answers when it has written it.
const CONTENT_MD5: &str = "d548a4ba2f0d8ff52af7ce43e241f7da";

/// What the conversation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Goal {
    /// The agent answers and has a directory for tests.
    Verify,
    /// And the card keeps what is written to it.
    SdCard,
}

/// What an agent did wrong. Its words are cut and escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SutError {
    /// It reports an error of its own.
    Warning { command: &'static str, said: String },
    /// Its answer makes no sense.
    Answer { command: &'static str, said: String },
    /// It talks without end.
    TooLong { command: &'static str },
    /// The directory that it said it made is not there.
    NotMade,
    /// What was written to the card is not what the agent found there.
    WrongSum { said: String },
}

impl fmt::Display for SutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warning { command, said } => write!(f, "the SUT agent answered {command} with: {said}"),
            Self::Answer { command, said } => {
                write!(f, "the SUT agent's answer to {command} makes no sense: {said}")
            }
            Self::TooLong { command } => {
                write!(f, "the SUT agent's answer to {command} is longer than {REPLY_MAX} bytes")
            }
            Self::NotMade => f.write_str("the SUT agent could not make a directory on the card"),
            Self::WrongSum { said } => write!(
                f,
                "the card does not keep what is written to it: checksum {said} instead of {CONTENT_MD5}"
            ),
        }
    }
}

impl std::error::Error for SutError {}

/// What to do after bytes have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Read on.
    More,
    /// Send this; a new time limit begins.
    Send(Vec<u8>),
    /// The agent has passed.
    Done,
}

/// What was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Greeting,
    TestRoot,
    RootThere,
    MakeRoot,
    Version,
    LeftOver,
    RemoveLeftOver,
    Make,
    Made,
    Push,
    Remove,
}

impl Asked {
    fn command(self) -> &'static str {
        match self {
            Self::Greeting => "the connection",
            Self::TestRoot => "testroot",
            Self::RootThere | Self::LeftOver | Self::Made => "isdir",
            Self::MakeRoot | Self::Make => "mkdr",
            Self::Version => "ver",
            Self::RemoveLeftOver | Self::Remove => "rmdr",
            Self::Push => "push",
        }
    }
}

/// One connection to an agent.
#[derive(Debug)]
pub struct Conversation {
    goal: Goal,
    asked: Asked,
    root: String,
    heard: Vec<u8>,
}

impl Conversation {
    /// Before the agent's first prompt.
    pub fn new(goal: Goal) -> Self {
        Self { goal, asked: Asked::Greeting, root: String::new(), heard: Vec::new() }
    }

    /// Takes what the agent sent.
    ///
    /// # Errors
    /// [`SutError`]; the conversation is over.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Next, SutError> {
        self.heard.extend_from_slice(bytes);
        if self.heard.len() > REPLY_MAX {
            return Err(SutError::TooLong { command: self.asked.command() });
        }
        if !self.heard.ends_with(PROMPT) {
            return Ok(Next::More);
        }
        let reply = without_prompts(&std::mem::take(&mut self.heard));
        if reply.is_empty() && self.asked != Asked::Greeting {
            // A prompt too many; the reply is still to come.
            return Ok(Next::More);
        }
        if reply.starts_with(WARNING) {
            return Err(SutError::Warning { command: self.asked.command(), said: quote(&reply) });
        }
        self.answer(&reply)
    }

    fn answer(&mut self, reply: &str) -> Result<Next, SutError> {
        let makes_no_sense = SutError::Answer { command: self.asked.command(), said: quote(reply) };
        let there = reply == "TRUE";
        if self.asked.command() == "isdir" && !there && reply != "FALSE" {
            return Err(makes_no_sense);
        }
        let next = match self.asked {
            Asked::Greeting => Asked::TestRoot,
            Asked::TestRoot => {
                let plain = reply.starts_with('/') && reply.bytes().all(|b| (0x21..=0x7e).contains(&b));
                if !plain || reply.len() > ROOT_MAX {
                    return Err(makes_no_sense);
                }
                self.root = format!("{}/tests", reply.trim_end_matches('/'));
                Asked::RootThere
            }
            Asked::RootThere if !there => Asked::MakeRoot,
            Asked::RootThere | Asked::MakeRoot => Asked::Version,
            Asked::Version => {
                // `NAME Version X`, e.g. `SUTAgentAndroid Version 1.20`.
                let words: Vec<&str> = reply.split_whitespace().take(3).collect();
                match (&words[..], self.goal) {
                    ([_, "Version", _], Goal::Verify) => return Ok(Next::Done),
                    ([_, "Version", _], Goal::SdCard) => Asked::LeftOver,
                    _ => return Err(makes_no_sense),
                }
            }
            Asked::LeftOver if there => Asked::RemoveLeftOver,
            Asked::LeftOver | Asked::RemoveLeftOver => Asked::Make,
            Asked::Make => Asked::Made,
            Asked::Made if there => Asked::Push,
            Asked::Made => return Err(SutError::NotMade),
            Asked::Push if reply.eq_ignore_ascii_case(CONTENT_MD5) => Asked::Remove,
            Asked::Push => return Err(SutError::WrongSum { said: quote(reply) }),
            Asked::Remove => return Ok(Next::Done),
        };
        self.asked = next;
        Ok(Next::Send(self.line()))
    }

    fn line(&self) -> Vec<u8> {
        let (command, root) = (self.asked.command(), &self.root);
        let mut line = match self.asked {
            Asked::Greeting | Asked::TestRoot | Asked::Version => command.to_owned(),
            Asked::RootThere | Asked::MakeRoot => format!("{command} {root}"),
            Asked::LeftOver | Asked::RemoveLeftOver | Asked::Make | Asked::Made | Asked::Remove => {
                format!("{command} {root}/sdcardtest")
            }
            Asked::Push => format!("{command} {root}/sdcardtest/sdcard_check {}", CONTENT.len()),
        }
        .into_bytes();
        line.extend(b"\r\n");
        if self.asked == Asked::Push {
            // The content follows its command without waiting.
            line.extend(CONTENT);
        }
        line
    }
}

/// The text of a reply: prompts, line ends and blanks around it taken off.
fn without_prompts(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("$>\0", "\n").trim().to_owned()
}

/// Something an agent said, fit for a log line.
fn quote(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("`{}`", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Plays agent: `commands` are what should come, each with its reply. Gives how it ended.
    fn talk(goal: Goal, greeting: &str, script: &[(&str, &str)]) -> Result<Next, SutError> {
        let mut conversation = Conversation::new(goal);
        let mut next = conversation.hear(greeting.as_bytes())?;
        for (command, reply) in script {
            assert_eq!(next, Next::Send(command.as_bytes().to_vec()), "{}", command.escape_debug());
            // Byte by byte: TCP may cut anywhere.
            next = Next::More;
            for byte in format!("{reply}\r\n$>\0").as_bytes() {
                assert_eq!(next, Next::More);
                next = conversation.hear(&[*byte])?;
            }
        }
        Ok(next)
    }

    const VERIFIED: [(&str, &str); 3] = [
        ("testroot\r\n", "/mnt/sdcard"),
        ("isdir /mnt/sdcard/tests\r\n", "TRUE"),
        ("ver\r\n", "SUTAgentAndroid Version 1.20"),
    ];

    #[test]
    fn verify_asks_for_root_and_version() {
        assert_eq!(talk(Goal::Verify, "$>\0", &VERIFIED), Ok(Next::Done));
        let mut made = VERIFIED.to_vec();
        made[1].1 = "FALSE";
        made.insert(2, ("mkdr /mnt/sdcard/tests\r\n", "/mnt/sdcard/tests successfully created"));
        assert_eq!(talk(Goal::Verify, "hello\r\n$>\0", &made), Ok(Next::Done));
    }

    #[test]
    fn the_card_check_writes_reads_and_cleans_up() {
        let d = "/mnt/sdcard/tests/sdcardtest";
        let (isdir, mkdr, rmdr) =
            (format!("isdir {d}\r\n"), format!("mkdr {d}\r\n"), format!("rmdr {d}\r\n"));
        let push = format!("push {d}/sdcard_check 15\r\nautophone test\n");
        let mut script = VERIFIED.to_vec();
        script.extend([
            (isdir.as_str(), "TRUE"),
            (rmdr.as_str(), "Deleting file(s) from /mnt"),
            (mkdr.as_str(), "created"),
            (isdir.as_str(), "TRUE"),
            (push.as_str(), CONTENT_MD5),
            (rmdr.as_str(), "Deleting"),
        ]);
        assert_eq!(talk(Goal::SdCard, "$>\0", &script), Ok(Next::Done));

        let mut bad = script.clone();
        bad[7].1 = "00000000000000000000000000000000";
        let why = talk(Goal::SdCard, "$>\0", &bad[..8]).unwrap_err();
        assert!(matches!(&why, SutError::WrongSum { .. }), "{why}");
        bad[6].1 = "FALSE";
        assert_eq!(talk(Goal::SdCard, "$>\0", &bad[..7]), Err(SutError::NotMade));
    }

    #[test]
    fn an_agent_that_errs_is_quoted_and_cut_short() {
        let warning = [("testroot\r\n", "##AGENT-WARNING## no \x1b[1mcard")];
        let why = talk(Goal::Verify, "$>\0", &warning).unwrap_err().to_string();
        assert!(why.contains("testroot") && why.contains("no \\u{1b}[1mcard"), "{why}");
        for (at, reply) in [(0, "mnt"), (0, "/a b"), (1, "MAYBE"), (2, "1.20"), (2, "Version 1")] {
            let mut script = VERIFIED.to_vec();
            script[at].1 = reply;
            let why = talk(Goal::Verify, "$>\0", &script[..=at]).unwrap_err();
            assert!(matches!(why, SutError::Answer { .. }), "{reply}: {why}");
        }
        let long = "/x".repeat(ROOT_MAX);
        assert!(matches!(
            talk(Goal::Verify, "$>\0", &[("testroot\r\n", &long)]),
            Err(SutError::Answer { said, .. }) if said.len() < 100
        ));
        let mut endless = Conversation::new(Goal::Verify);
        assert_eq!(endless.hear(&[b'x'; REPLY_MAX]), Ok(Next::More));
        assert!(matches!(endless.hear(b"x"), Err(SutError::TooLong { .. })));
    }

    #[test]
    fn prompts_too_many_are_passed_over() {
        let mut conversation = Conversation::new(Goal::Verify);
        assert!(matches!(conversation.hear(b"$>\0"), Ok(Next::Send(_))));
        assert_eq!(conversation.hear(b"$>\0"), Ok(Next::More));
        let next = conversation.hear(b"$>\0\r\n/data\r\n$>\0");
        assert_eq!(next, Ok(Next::Send(b"isdir /data/tests\r\n".to_vec())));
    }

    #[test]
    fn the_sum_is_that_of_the_content() {
        let started = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut md5sum = started.expect("md5sum, of the Debian package coreutils, should be installed");
        md5sum.stdin.take().unwrap().write_all(CONTENT).unwrap();
        let said = String::from_utf8(md5sum.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(said.split_whitespace().next(), Some(CONTENT_MD5));
    }
}
