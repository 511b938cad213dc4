//! Boards that a rule of the configuration takes in: from a row that was just noted to an order to *lifeguard*.
//!
//! The rule itself is pure (`logic::discovery`). The order is what an operator's click would be, so whatever refuses that
//! refuses this, and the candidate stays for a person. It waits for nobody: answers are looked at when there are some.

use crate::lab::{Exists, Kind, Lab, proposed_row};
use crate::layers::messages::{AdminAnswer, Administration, LifeguardCommand};
use crate::logic::discovery::{Proposal, Rule, accepted};
use crate::logic::ids::Mac;
use crate::store::CandidateRow;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::time::{Duration, Instant};

/// Orders that wait for their answer; more wait until their board turns to us again.
const ORDERS_MAX: usize = 64;
const DAY: Duration = Duration::from_secs(86_400);

/// The rules, and what is under way by them.
#[derive(Debug)]
pub struct Acceptance {
    rules: Vec<Rule>,
    per_day: u32,
    server: String,
    lifeguard: Sender<LifeguardCommand>,
    orders: Vec<(Mac, String, Receiver<AdminAnswer>)>,
    /// Since when how many were accepted.
    since: Instant,
    count: u32,
}

impl Acceptance {
    /// By these rules, in the name of this imaging server.
    pub fn new(rules: Vec<Rule>, per_day: u32, server: &str, lifeguard: Sender<LifeguardCommand>) -> Self {
        let (server, orders) = (server.to_owned(), Vec::new());
        Self { rules, per_day, server, lifeguard, orders, since: Instant::now(), count: 0 }
    }

    /// Orders devices for those of these boards that a rule takes.
    pub fn look_at(&mut self, rows: &[CandidateRow], now: Instant) {
        for row in rows.iter().filter(|row| !row.ignored) {
            let Some(proposal) = accepted(&self.rules, &row.seen_as()) else { continue };
            if self.orders.len() >= ORDERS_MAX || self.orders.iter().any(|(mac, ..)| *mac == row.mac) {
                continue;
            }
            if now.saturating_duration_since(self.since) >= DAY {
                (self.since, self.count) = (now, 0);
            }
            if self.count >= self.per_day {
                if self.count == self.per_day {
                    log::warn!(
                        "mac={} waits for an operator: {} boards were accepted by rule within a day (registration.accept_per_day)",
                        row.mac,
                        self.count
                    );
                    self.count += 1;
                }
                continue;
            }
            self.order(row, proposal);
        }
    }

    fn order(&mut self, row: &CandidateRow, proposal: Proposal) {
        let name = proposal.name.clone();
        let fields = proposed_row(row.mac, &row.imaging_server, proposal);
        let mut lab = match Lab::single(Kind::Device, &[("name", &name)], fields, &self.server) {
            Ok(lab) => lab,
            Err(why) => {
                log::warn!("mac={} waits for an operator, a rule cannot take it: {why}", row.mac);
                return;
            }
        };
        lab.exists = Exists::No;
        let (reply, answer) = bounded(1);
        let change = Box::new(Administration::Apply(lab));
        // Full or gone: the board turns to us again.
        if self.lifeguard.try_send(LifeguardCommand::Administer { change, dry_run: false, reply }).is_ok() {
            self.count += 1;
            self.orders.push((row.mac, name, answer));
        }
    }

    /// Takes the answers that are there.
    pub fn answers(&mut self) {
        self.orders.retain(|(mac, name, answer)| match answer.try_recv() {
            Ok(AdminAnswer::Done(_) | AdminAnswer::Synced(_)) => {
                log::info!("device={name} mac={mac} accepted by rule");
                false
            }
            Ok(AdminAnswer::Refused(why)) => {
                log::warn!("mac={mac} waits for an operator, a rule cannot take it: {why}");
                false
            }
            Err(crossbeam_channel::TryRecvError::Empty) => true,
            Err(crossbeam_channel::TryRecvError::Disconnected) => false,
        });
    }

    /// Whether some answers are still to come.
    pub fn waits(&self) -> bool {
        !self.orders.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::time::Timestamp;

    fn row(n: u8) -> CandidateRow {
        CandidateRow {
            mac: Mac([2, 0, 0, 0, 0, n]),
            address: "10.0.0.7".into(),
            imaging_server: "here".into(),
            first: Timestamp(1),
            last: Timestamp(1),
            seen: 1,
            asked_for: String::new(),
            agent: None,
            ignored: false,
        }
    }

    fn rule() -> Rule {
        Rule { mac: Some("02".into()), environment: "lab".into(), ..Rule::default() }
    }

    #[test]
    fn a_board_that_a_rule_takes_is_ordered_once_and_an_ignored_one_never() {
        let (lifeguard, orders) = bounded(10);
        let mut acceptance = Acceptance::new(vec![rule()], 10, "here", lifeguard);
        let now = Instant::now();
        let ignored = CandidateRow { ignored: true, ..row(2) };
        let stranger = CandidateRow { mac: Mac([4; 6]), ..row(3) };
        acceptance.look_at(&[row(1), ignored, stranger], now);
        acceptance.look_at(&[row(1)], now);
        let LifeguardCommand::Administer { change, dry_run, reply } = orders.try_recv().unwrap() else {
            panic!()
        };
        let Administration::Apply(lab) = *change else { panic!() };
        let device = &lab.devices[0];
        assert_eq!((&*device.name, dry_run, lab.exists), ("board-000001", false, Exists::No));
        assert_eq!((device.mac, device.environment.as_deref()), (Some(Some(row(1).mac)), Some("lab")));
        assert!(orders.is_empty() && acceptance.waits());
        reply.send(AdminAnswer::Done(Vec::new())).unwrap();
        acceptance.answers();
        assert!(!acceptance.waits());
    }

    #[test]
    fn whoever_makes_macs_up_fills_a_days_number_and_no_more() {
        let (lifeguard, orders) = bounded(100);
        let mut acceptance = Acceptance::new(vec![rule()], 3, "here", lifeguard);
        let start = Instant::now();
        let all: Vec<CandidateRow> = (0..50).map(row).collect();
        acceptance.look_at(&all, start);
        assert_eq!(orders.try_iter().count(), 3);
        acceptance.answers();
        assert!(!acceptance.waits(), "nobody answers: no order waits for ever");
        acceptance.look_at(&all, start + DAY);
        assert_eq!(orders.try_iter().count(), 3);
    }
}
