//! The server's side of the world: what arrives there, the batches with the store's faults between commit and answer,
//! and what leaves it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{BANDWIDTH, EPOCH, Happening, PROGRESS, World};
use crate::fleet::command::Command;
use crate::fleet::{Action, Configuration, Event};
use crate::ids::{Digest, ReplyTo, TransferId};
use crate::refusal::Refusal;
use crate::sim::client::Input;
use crate::sim::pcap::{End, SERVER_MAC};
use crate::sim::server::{Asker, Content, Datagram, Response, Server, response};
use crate::sim::store::Fate;
use crate::sim::story;
use crate::time::{Instant, Now, Timestamp};
use crate::transfer::{Outcome, Via};

impl World {
    pub(super) fn start_server(&mut self) {
        self.server_epoch += 1;
        self.store.reopen();
        let now = self.wall_clock();
        self.server = Some(Server::start(self.place.clone(), self.store.rows(), now));
        self.batch_due = false;
        self.deadline_armed = None;
        if self.now > Instant::START {
            self.story.line(self.now, || "the server is back".into());
        }
        self.repeat_orders();
        self.wake_server();
    }

    pub(super) fn crash(&mut self, why: &str) {
        self.note_refusals();
        if self.server.take().is_none() {
            return;
        }
        self.story.line(self.now, || why.to_owned());
        self.server_epoch += 1;
        let down = Duration::from_millis(self.rng.u64(500..10_000));
        self.later(down, Happening::ServerStart);
    }

    /// The server stands still, as a virtual machine does that is suspended; what arrives waits. Its wall clock goes on
    /// meanwhile, the other one does not.
    pub(super) fn stand_still(&mut self) {
        let lasts = Duration::from_millis(self.rng.u64(500..20_000));
        if self.server.is_none() || self.now < self.stalled_until {
            return;
        }
        self.reached.odds.insert("the server stands still");
        self.story.line(self.now, || format!("the server stands still for {} ms", lasts.as_millis()));
        self.stalled_until = self.now + lasts;
        self.asleep += lasts;
    }

    /// Nothing in it has changed, and nothing that was given may be taken away.
    pub(super) fn reload_configuration(&mut self) {
        self.reached.odds.insert("the configuration is read again");
        let Command::Declare { venues } = self.place.declaration() else { return };
        let configuration = Configuration {
            site: self.place.site.clone(),
            profiles: self.place.profiles.clone(),
            classes: Vec::new(),
            products: self.place.products.clone(),
            venues,
        };
        self.tell_server(Event::Configure { configuration: Box::new(configuration), reply_to: ReplyTo(0) });
    }

    pub(super) fn tell_server(&mut self, event: Event) {
        if let Some(server) = &mut self.server {
            server.receive(event);
            self.wake_server();
        }
    }

    /// Notes what the shells refused by themselves.
    pub(super) fn note_refusals(&mut self) {
        let refused = self.server.as_mut().map(Server::take_refused).unwrap_or_default();
        refused.iter().for_each(|refusal| self.reached.refused(refusal));
    }

    /// What arrives while the server is busy ends up in the same batch.
    fn wake_server(&mut self) {
        if !self.batch_due && self.server.as_ref().is_some_and(Server::has_work) {
            self.batch_due = true;
            // A slow disk makes large batches.
            let slow = self.plan.faults.hold(self.now) && !self.is_morning();
            let longest = if slow { 60_000 } else { 2000 };
            let busy = Duration::from_micros(self.rng.u64(50..longest));
            self.later(busy, Happening::ServerBatch { server: self.server_epoch });
        }
    }

    /// Commit, then answer: the contract between fleet and shell, with the store's faults between the two.
    pub(super) fn server_batch(&mut self) -> Result<(), String> {
        if self.now < self.stalled_until {
            self.at(self.stalled_until, Happening::ServerBatch { server: self.server_epoch });
            return Ok(());
        }
        self.batch_due = false;
        let now = self.wall_clock();
        let Some(server) = &mut self.server else { return Ok(()) };
        let actions = server.handle_batch(now);
        for action in &actions {
            self.tape.record(self.now, action);
        }
        let changes = || {
            actions.iter().filter_map(|action| match action {
                Action::Commit(change) => Some(change),
                _ => None,
            })
        };
        let mut meddlings = Vec::new();
        if changes().next().is_some() {
            let faults = &self.plan.faults;
            let calm = self.is_morning();
            let fate = if calm { Fate::Kept } else { self.store.begin(self.plan.store_fault) };
            if fate == Fate::Unbegun {
                self.crash("the server dies before a commit");
                return Ok(());
            }
            if fate == Fate::Failed || !calm && faults.strikes(faults.failed_commits, self.now, &mut self.rng) {
                self.commit_fails(&actions, now);
                return self.after_batch();
            }
            meddlings = self.meddlings(&actions)?;
            self.store.commit(changes());
            let faults = &self.plan.faults;
            let dies = fate == Fate::Unanswered;
            if dies || !calm && faults.strikes(faults.crashes_after_commit, self.now, &mut self.rng) {
                meddlings.into_iter().for_each(|(_, meddling)| self.meddled(meddling));
                self.crash("the server dies between a commit and its answers");
                return Ok(());
            }
        }
        let mut meddlings = meddlings.into_iter().peekable();
        for (place, action) in actions.into_iter().enumerate() {
            if let Some((_, meddling)) = meddlings.next_if(|(at, _)| *at == place) {
                self.meddled(meddling);
            }
            match action {
                Action::Commit(_) => {}
                Action::Probe { link, address, .. } => self.probed(link, address),
                Action::Send { link, bytes, destination } => {
                    self.dhcp_leaves(link, &bytes, destination, now.timestamp)?;
                }
                Action::Tell { reply_to, result } => {
                    if let Err(refusal) = &result {
                        self.reached.refused(refusal);
                    }
                    if self.is_order(reply_to, result.as_ref().err()) {
                        continue;
                    }
                    let Some(asker) = self.server.as_mut().and_then(|server| server.asker(reply_to)) else { continue };
                    if let Ok(told) = &result {
                        let mac = self.seats[asker.client].client.identity().mac;
                        self.promises.answered(mac, told, &self.store)?;
                    }
                    self.answer(asker, response(&result));
                }
                Action::Publish(notice) => {
                    self.reached.notice(&notice);
                    if let Some(text) = story::notice(&notice) {
                        self.story.line(self.now, || format!("fleet  {text}"));
                    }
                    if let Some(server) = &mut self.server {
                        server.publish(&notice);
                    }
                }
            }
        }
        self.after_batch()
    }

    /// No machine is switched on yet, and nothing goes wrong: the operator gives the first orders.
    fn is_morning(&self) -> bool {
        self.now.since_start() < Duration::from_millis(50)
    }

    fn commit_fails(&mut self, actions: &[Action], now: Now) {
        self.story.line(self.now, || "a commit fails; nothing was promised".into());
        self.reached.refused(&Refusal::NotStored);
        let rows = self.store.rows();
        let Some(server) = &mut self.server else { return };
        server.reload(rows, now);
        for action in actions {
            if let Action::Tell { reply_to, .. } = action
                && self.is_order(*reply_to, Some(&Refusal::NotStored))
            {
                self.later(Duration::from_secs(1), Happening::RepeatOrders);
            } else if let Action::Tell { reply_to, .. } = action
                && let Some(asker) = self.server.as_mut().and_then(|server| server.asker(*reply_to))
            {
                self.answer(asker, response(&Err(Refusal::NotStored)));
            }
        }
    }

    fn after_batch(&mut self) -> Result<(), String> {
        self.batches += 1;
        let Some(server) = &self.server else { return Ok(()) };
        if self.batches.is_multiple_of(self.plan.check_every) {
            server.fleet.check()?;
        }
        if let Some(deadline) = server.fleet.next_deadline() {
            let deadline = Timestamp::from_millis(deadline.millis() - self.skew_millis);
            let at = Instant::from_start(deadline.since(EPOCH)).max(self.now + Duration::from_millis(1));
            if self.deadline_armed.is_none_or(|armed| at < armed) {
                self.deadline_armed = Some(at);
                self.at(at, Happening::ServerDeadline { server: self.server_epoch });
            }
        }
        self.wake_server();
        Ok(())
    }

    pub(super) fn tftp_arrives(&mut self, from: SocketAddrV4, port: u16, bytes: &[u8]) {
        let Some(server) = &mut self.server else { return };
        let (datagrams, begun) = server.tftp(from, port, bytes, self.now);
        if let Some(port) = begun {
            self.arm_tftp(port);
        }
        self.tftp_leaves(datagrams);
    }

    pub(super) fn tftp_timer(&mut self, port: u16) {
        let Some(server) = &mut self.server else { return };
        let (datagrams, again) = server.tftp_timer(port, self.now);
        if again.is_some() {
            self.arm_tftp(port);
        }
        self.tftp_leaves(datagrams);
    }

    fn arm_tftp(&mut self, port: u16) {
        if let Some(deadline) = self.server.as_ref().and_then(|server| server.tftp_deadline(port)) {
            self.at(deadline, Happening::TftpTimer { server: self.server_epoch, port });
        }
    }

    fn tftp_leaves(&mut self, datagrams: Vec<Datagram>) {
        for Datagram { port, to, bytes } in datagrams {
            for client in self.at_address(*to.ip()) {
                let server = self.place.link(self.segment_of(client).link).address;
                let label = &self.seats[client].label;
                self.story.line(self.now, || format!("server:{port} → {label}:{}  {}", to.port(), story::tftp(&bytes)));
                let from = SocketAddrV4::new(server, port);
                let seat = End { mac: self.seats[client].client.identity().mac, at: to };
                self.capture.udp(self.wall_clock().timestamp, End { mac: SERVER_MAC, at: from }, seat, &bytes);
                self.deliver(client, Input::Tftp { port: to.port(), from, bytes: bytes.clone() });
            }
        }
        self.wake_server();
    }

    pub(super) fn http_arrives(&mut self, asker: Asker, from: Ipv4Addr, method: &str, path: &str, body: Option<&str>) {
        let Some(server) = &mut self.server else { return };
        let answer = server.request(asker, from, method, path, body);
        self.wake_server();
        if let Some(answer) = answer {
            self.answer(asker, answer);
        }
    }

    fn answer(&mut self, asker: Asker, (status, body): Response) {
        let label = &self.seats[asker.client].label;
        self.story.line(self.now, || format!("server → {label}  HTTP {status} {}", story::body(&body)));
        let input = Input::Http { exchange: asker.exchange, response: Ok((status, body)) };
        self.reply_in_session(asker, input);
    }

    fn reply_in_session(&mut self, asker: Asker, input: Input) {
        let Asker { client, session, .. } = asker;
        if !self.is_connected(client) {
            return;
        }
        if let Some(delay) = self.plan.faults.arrivals(self.now, &mut self.rng)[0] {
            self.later(delay, Happening::ToSession { client, session, input });
        }
    }

    pub(super) fn download_begins(&mut self, asker: Asker, from: Ipv4Addr, path: &str) {
        let Some(server) = &mut self.server else { return };
        match server.open_url(from, path) {
            Ok(content) => {
                let transfer = server.begin(from, path, size(&content), Via::Http);
                self.wake_server();
                self.download_goes_on(asker, transfer, 0, content);
            }
            Err(refusal) => {
                self.reached.refused(&refusal);
                let result = Err(format!("HTTP 404 {refusal}"));
                self.reply_in_session(asker, Input::Downloaded { exchange: asker.exchange, result });
            }
        }
    }

    /// The next piece of a download, or its end.
    pub(super) fn download_goes_on(&mut self, asker: Asker, transfer: TransferId, sent: u64, content: Content) {
        let size = size(&content);
        let Asker { client, session, exchange } = asker;
        if self.seats[client].session != session {
            let outcome = Outcome::Abandoned("the connection is gone".into());
            return self.tell_server(Event::Fetched { transfer, sent, outcome });
        }
        if !self.is_connected(client) {
            // TCP waits, and tries again.
            let server = self.server_epoch;
            let pause = Duration::from_secs(1);
            return self.later(pause, Happening::Downloading { server, asker, transfer, sent, content });
        }
        if sent < size {
            if sent > 0 {
                self.tell_server(Event::FetchProgress { transfer, sent });
                self.later(
                    Duration::ZERO,
                    Happening::ToSession { client, session, input: Input::Downloading { exchange, received: sent } },
                );
            }
            let piece = (size - sent).min(BANDWIDTH * PROGRESS.as_secs());
            let time = Duration::from_micros(piece * 1_000_000 / BANDWIDTH);
            let server = self.server_epoch;
            return self.later(time, Happening::Downloading { server, asker, transfer, sent: sent + piece, content });
        }
        self.tell_server(Event::Fetched { transfer, sent, outcome: Outcome::Complete });
        let label = &self.seats[client].label;
        self.story.line(self.now, || format!("server → {label}  {size} bytes are down"));
        let digest = match content {
            Content::Image(image) => image.digest,
            Content::Bytes(bytes) => Digest(Sha256::digest(&bytes).into()),
        };
        self.reply_in_session(asker, Input::Downloaded { exchange, result: Ok((size, digest)) });
    }
}

fn size(content: &Content) -> u64 {
    match content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::Image(image) => image.size,
    }
}
