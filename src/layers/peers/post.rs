//! A *peer* thread: sends what waits for one other server, in its order, again and again until it is taken or too old.

use super::{Inner, Posted};
use crate::api::types::peers::{Answer, Envelope, Fate, Letter};
use crate::layers::messages::PeerMessage;
use crate::layers::supervise::Exit;
use crossbeam_channel::Receiver;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;
use ureq::Agent;

/// Messages in one letter: some kilobytes each, so that a letter stays below what a body may have.
const LETTER_MAX: usize = 32;
/// A message that is so old has been given up by the state that waits for it (`contacting_lifeguard`, 30 s).
const OLD_MS: i64 = 30_000;
/// A connection to a server in the same lab takes a millisecond.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// All of one letter: its reader looks into the store for each message.
const LETTER_LIMIT: Duration = Duration::from_secs(3);
/// After so many tries, or so long, a request looks for another board, rather than wait for a server that may be gone.
const PREPARE_TRIES: u32 = 3;
const PREPARE_MS: i64 = 2500;
/// The rest after the first failure; it doubles with each, up to the other.
const REST_MS: u64 = 100;
const REST_MAX_MS: u64 = 2000;
/// Longest answer: a word per message.
const ANSWER_MAX: u64 = 64 << 10;

/// Why a letter was not taken; a sentence for an operator.
struct Unsent(String);

pub(super) fn run(inner: &Weak<Inner>, server: &str, posted: &Receiver<Posted>) -> Exit {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT_LIMIT))
        .timeout_global(Some(LETTER_LIMIT))
        .user_agent(concat!("mozpool/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut waiting: VecDeque<Posted> = VecDeque::new();
    let mut failures = 0;
    // What was logged of the trouble: another trouble is worth another line.
    let mut told = String::new();
    loop {
        if waiting.is_empty() {
            // The last handle is gone: the process stops.
            let Ok(first) = posted.recv() else { return Exit::Stopped };
            waiting.push_back(first);
        }
        waiting.extend(posted.try_iter().take(LETTER_MAX.saturating_sub(waiting.len())));
        let Some(inner) = inner.upgrade() else { return Exit::Stopped };
        inner.forget_old(server, &mut waiting);
        if waiting.is_empty() {
            continue;
        }
        let sent = inner.send(&agent, server, &waiting);
        let rest_ms = match sent {
            Ok(fates) => {
                if failures > 0 {
                    log::info!("server {server} takes letters again");
                    inner.untaken().remove(server);
                }
                failures = 0;
                told.clear();
                let mut fates = fates.into_iter();
                waiting.retain(|_| fates.next() == Some(Fate::Again));
                if waiting.is_empty() { 0 } else { REST_MS }
            }
            Err(Unsent(why)) => {
                inner.counts.repeated.fetch_add(1, Ordering::Relaxed);
                failures += 1;
                if told != why {
                    log::warn!("server {server}: {why}; {} messages are sent again", waiting.len());
                    told.clone_from(&why);
                    inner.untaken().insert(server.to_owned(), why.clone());
                }
                let limit_ms = if failures >= PREPARE_TRIES { 0 } else { PREPARE_MS };
                inner.give_up_orders(server, &why, limit_ms, &mut waiting);
                (REST_MS << failures.min(10)).min(REST_MAX_MS)
            }
        };
        // Nothing of the process may hang on a thread that rests.
        drop(inner);
        if rest_ms > 0 {
            std::thread::sleep(Duration::from_millis(rest_ms / 2 + lot(rest_ms / 2)));
        }
    }
}

/// What a refusal says, as far as it is one of ours.
fn said(text: &str) -> String {
    let json = serde_json::from_str::<serde_json::Value>(text).ok();
    let message = json.as_ref().and_then(|json| json["error"]["message"].as_str());
    message.unwrap_or(text).chars().take(300).collect()
}

/// Half of each rest is drawn, so that servers which failed together do not come back together.
fn lot(below: u64) -> u64 {
    std::hash::RandomState::new().build_hasher().finish() % below.max(1)
}

impl Inner {
    fn forget_old(&self, server: &str, waiting: &mut VecDeque<Posted>) {
        let now = self.clock.steady_ms();
        let mut old = 0;
        waiting.retain(|p| {
            let is_young = now - p.at_ms < OLD_MS;
            // Nobody waits for what a question becomes.
            old += usize::from(!is_young && !matches!(p.message, PeerMessage::Hello));
            is_young
        });
        if old > 0 {
            self.counts.dropped.fetch_add(old as u64, Ordering::Relaxed);
            log::warn!("{old} messages for server {server} have grown too old; time limits ask again");
        }
    }

    /// Requests whose devices cannot be prepared, and who have waited so long for that, look for others.
    fn give_up_orders(&self, server: &str, why: &str, limit_ms: i64, waiting: &mut VecDeque<Posted>) {
        let now = self.clock.steady_ms();
        waiting.retain(|posted| match &posted.message {
            PeerMessage::Prepare { claim, epoch, .. } if now - posted.at_ms >= limit_ms => {
                let why = format!("its imaging server {server} does not take orders: {why}");
                self.refuse(claim.request, *epoch, why);
                false
            }
            _ => true,
        });
    }

    fn send(&self, agent: &Agent, server: &str, waiting: &VecDeque<Posted>) -> Result<Vec<Fate>, Unsent> {
        let peer = self.peer(server).filter(|p| !p.url.is_empty());
        let peer = peer.ok_or_else(|| Unsent("it has not made itself known".into()))?;
        if let Some(fault) = peer.fault {
            return Err(Unsent(fault));
        }
        let messages = waiting.iter().map(|p| (&p.message).into()).collect();
        let letter = Letter::new(&self.own, server, super::PROTOCOL, self.schema, messages).text();
        let envelope = Envelope { seal: self.secret.seal(&letter), letter };
        let unsent = |e: ureq::Error| Unsent(format!("{} does not answer: {e}", peer.url));
        let mut response = agent
            .post(format!("{}/api/peer/letter", peer.url))
            .content_type("application/json")
            .send(envelope.text())
            .map_err(unsent)?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(ANSWER_MAX).read_to_string().map_err(unsent)?;
        if status != 200 {
            let why = said(&text);
            return Err(Unsent(format!("{} refuses letters with {status}: {why}", peer.url)));
        }
        let fates = Answer::fates_of(&text).filter(|fates| fates.len() == waiting.len());
        let fates = fates.ok_or_else(|| Unsent(format!("{} answers what is no answer", peer.url)))?;
        let taken = fates.iter().filter(|f| **f != Fate::Again).count();
        self.counts.sent.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(fates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::layers::messages::MozpoolNotice;
    use crate::layers::peers::Peers;
    use crate::logic::ids::RequestId;
    use crate::logic::lifeguard::Claim;
    use crate::logic::machine::Epoch;
    use crate::logic::mozpool::Preparation;
    use crate::logic::time::Timestamp;
    use crate::seal::Secret;
    use crossbeam_channel::bounded;
    use std::sync::Arc;

    #[test]
    fn orders_that_have_waited_so_long_are_given_up_and_nothing_else() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let (notices, heard) = bounded(8);
        let peers = Peers::new("here", 1, Secret::unused(), clock.clone(), notices, bounded(1).0);
        let order = |n: i64| PeerMessage::Prepare {
            device: "b1".into(),
            claim: Claim { request: RequestId(n), server: "here".into() },
            epoch: Epoch(7),
            prepare: Preparation::Image,
        };
        let released = PeerMessage::Released { device: "b2".into(), request: RequestId(3) };
        let mut waiting = VecDeque::new();
        for message in [order(1), released, order(2)] {
            waiting.push_back(Posted { at_ms: clock.steady_ms(), message });
            clock.advance_ms(1000);
        }
        let refusal = |n: i64| MozpoolNotice::Refused {
            request: RequestId(n),
            epoch: Epoch(7),
            why: "its imaging server there does not take orders: it is silent".into(),
        };
        let mut given_up = |limit_ms| {
            peers.0.give_up_orders("there", "it is silent", limit_ms, &mut waiting);
            (heard.try_iter().collect::<Vec<_>>(), waiting.len())
        };
        assert_eq!(given_up(3001), (vec![], 3));
        assert_eq!(given_up(3000), (vec![refusal(1)], 2));
        assert_eq!(given_up(0), (vec![refusal(2)], 1));
    }
}
