//! What concerns other servers of the pool: devices of theirs that our requests have, and their requests when they are gone.

use super::*;

/// Between two looks for requests of servers that are gone: they have waited for their end for minutes already.
const LOOK_S: u32 = 5;
/// Requests that are ended at once; more wait for the next look.
const OVERDUE_MAX: usize = 64;

impl Mozpool {
    /// Sends what is for a device of another server there; gives back what is for one of ours.
    pub(super) fn hand_elsewhere(&mut self, request: &Request, effect: Effect) -> Option<Effect> {
        let peers = match &self.pool {
            Some(pool) => pool.peers.clone(),
            None => return Some(effect),
        };
        let (Effect::Contact { device, .. } | Effect::Release { device }) = &effect else {
            return Some(effect);
        };
        let owner = match self.store.load_device(device) {
            Ok(Some(record)) => record.info.imaging_server,
            // Our own device layer says that there is none.
            Ok(None) => return Some(effect),
            Err(error) => {
                log::error!("request={} {error}; it asks again", request.id);
                return None;
            }
        };
        if *owner == *self.server {
            return Some(effect);
        }
        let gone = peers.peer(&owner).is_some_and(|p| p.gone) && self.is_still_gone(&owner);
        match effect {
            Effect::Contact { epoch, .. } if gone => {
                peers.refuse(request.id, epoch, format!("its imaging server {owner} is gone"));
            }
            Effect::Contact { epoch, device, prepare } => {
                let claim = Claim { request: request.id, server: self.server.clone() };
                peers.tell(&owner, PeerMessage::Prepare { device, claim, epoch, prepare });
            }
            // A server that is gone reads in the store who has its devices, when it comes back.
            Effect::Release { .. } if gone => {}
            Effect::Release { device } => {
                peers.tell(&owner, PeerMessage::Released { device, request: request.id });
            }
            Effect::Find { .. } => {}
        }
        None
    }

    /// Whether an imaging server took no order when it was given one last.
    pub(super) fn is_deaf(&self, server: &str) -> bool {
        self.pool.as_ref().is_some_and(|pool| server != &*self.server && pool.peers.fault(server).is_some())
    }

    /// Whether the store says so, too, of a server that was gone when it was looked at last. One that is back has its boards in
    /// the search at once: a request would be given them again and again, until no tries are left.
    fn is_still_gone(&mut self, server: &str) -> bool {
        match self.store.pool() {
            Ok(servers) => servers
                .iter()
                .find(|s| s.name == server)
                .and_then(|s| s.liveliness.as_ref())
                .is_none_or(|life| life.gone),
            Err(error) => {
                log::warn!("{error}; server {server} counts as gone, as it did");
                true
            }
        }
    }

    /// Requests of servers that are gone, which somebody wants to renew or to return here. Their server may come back in this moment:
    /// one commit finds the row as it was read, and the other reads it again.
    pub(super) fn take_in_asked(&mut self, now: Timestamp, items: &mut Vec<Item>) -> Vec<RequestId> {
        let mut guests = Vec::new();
        if self.pool.is_none() {
            return guests;
        }
        let mut failed = None;
        for Item { request, asker, .. } in &*items {
            if !matches!(asker, Asker::Api(_)) || self.requests.contains_key(request) {
                continue;
            }
            match readable(self.store.request(*request)) {
                Ok(Some(view)) if *view.server != *self.server && view.machine.state != State::Closed => {
                    log::info!(
                        "request={request} of server {}, which is gone, is looked after here",
                        view.server
                    );
                    self.requests.insert(*request, view.machine);
                    guests.push(*request);
                }
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            // Who asked is told that the store failed, rather than that there is no such request.
            let unread = |item: &Item| {
                matches!(item.asker, Asker::Api(_)) && !self.requests.contains_key(&item.request)
            };
            let (unread, rest) = std::mem::take(items).into_iter().partition(unread);
            *items = rest;
            self.give_back(&error, now, unread);
        }
        guests
    }

    /// Requests of servers that are gone, whose time is over: they are ended here, and are not kept. Several servers may do
    /// so at once, and their owner may come back in this moment: one commit finds the row as it was read.
    pub(super) fn take_in_overdue(&mut self, now: Timestamp, items: &mut Vec<Item>) -> Vec<RequestId> {
        let Some(pool) = self.pool.as_mut().filter(|pool| pool.look_at <= now) else { return Vec::new() };
        pool.look_at = now.plus_s(LOOK_S);
        let found = match self.store.overdue_requests(now, OVERDUE_MAX) {
            Ok(found) => found,
            Err(error) => {
                log::error!("{error}; requests of servers that are gone are looked for again in {LOOK_S} s");
                return Vec::new();
            }
        };
        let mut guests = Vec::with_capacity(found.len());
        for id in found {
            if let Ok(Some(view)) = readable(self.store.request(id))
                && *view.server != *self.server
            {
                log::info!("request={id} of server {}, which is gone, has run out", view.server);
                self.requests.insert(id, view.machine);
                items.push(Item { request: id, event: Event::Expire { by: None }, asker: Asker::Nobody });
                guests.push(id);
            }
        }
        guests
    }
}
