//! The machines' side of the world: power, inputs, and where their outputs go.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::{Happening, REBOOT_PAUSE, World};
use crate::access::Actor;
use crate::fleet::Event;
use crate::fleet::command::{Command, Selector};
use crate::ids::ReplyTo;
use crate::sim::client::{Input, Output, Phase};
use crate::sim::pcap::{End, SERVER_MAC};
use crate::sim::server::Asker;
use crate::sim::story;

impl World {
    pub(super) fn power_on(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if seat.powered {
            return;
        }
        seat.powered = true;
        if seat.end.take().is_some() {
            self.unfinished += 1;
        }
        self.story.line(self.now, || format!("{} is switched on", seat.label));
        self.input(index, Input::PowerOn);
    }

    pub(super) fn power_cut(&mut self, index: usize) {
        if !self.seats[index].powered {
            return;
        }
        self.forget_address(index);
        let seat = &mut self.seats[index];
        seat.powered = false;
        seat.epoch += 1;
        seat.armed = None;
        self.story.line(self.now, || format!("{} loses power", seat.label));
        let off = Duration::from_millis(self.rng.u64(500..20_000));
        self.later(off, Happening::PowerOn(index));
    }

    pub(super) fn forget_address(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        seat.session += 1;
        if let Some(address) = seat.address.take()
            && let Some(seats) = self.by_address.get_mut(&address)
        {
            seats.remove(&index);
        }
    }

    pub(super) fn input(&mut self, index: usize, input: Input) {
        let seat = &mut self.seats[index];
        if !seat.powered {
            return;
        }
        for output in seat.client.handle(input, self.now) {
            self.output(index, output);
        }
        let seat = &mut self.seats[index];
        if let Some(deadline) = seat.client.next_deadline()
            && seat.armed.is_none_or(|armed| deadline < armed)
        {
            seat.armed = Some(deadline);
            let deadline = deadline.max(self.now);
            self.at(deadline, Happening::ClientTimer(index));
        }
    }

    pub(super) fn output(&mut self, index: usize, output: Output) {
        let label = || &self.seats[index].label;
        match output {
            Output::SendDhcp { from, to, bytes } => self.dhcp_sent(index, from, to, bytes),
            Output::SendTftp { port, to, bytes } => {
                self.story
                    .line(self.now, || format!("{}:{port} → server:{}  {}", label(), to.port(), story::tftp(&bytes)));
                let Some(address) = self.seats[index].address else { return };
                let from = SocketAddrV4::new(address, port);
                let seat = End { mac: self.seats[index].client.identity().mac, at: from };
                self.capture.udp(self.wall_clock().timestamp, seat, End { mac: SERVER_MAC, at: to }, &bytes);
                if !self.is_connected(index) || !self.place.is_ours(*to.ip()) {
                    return;
                }
                for delay in self.plan.faults.arrivals(self.now, &mut self.rng).into_iter().flatten() {
                    let bytes = bytes.clone();
                    self.later(delay, Happening::ServerTftp { from, port: to.port(), bytes });
                }
            }
            Output::Passed(Phase::Reported) => {
                let seat = &mut self.seats[index];
                seat.reported = seat.run_begun > seat.meddled_at;
            }
            Output::Passed(_) => {}
            Output::CloseTftp { .. } => {}
            Output::SetAddress { address, .. } => {
                self.seats[index].address = Some(address);
                self.by_address.entry(address).or_default().insert(index);
            }
            Output::ClearAddress => self.forget_address(index),
            Output::Http { exchange, method, url, body } => {
                self.story
                    .line(self.now, || format!("{} → server  {method} {}", label(), with_body(&url, body.as_deref())));
                if body.as_deref().is_some_and(|body| body.contains(r#""status":"starting""#)) {
                    self.seats[index].run_begun = Some(self.now);
                }
                self.connect(index, exchange, &url, |asker, from, path| Happening::ServerHttp {
                    asker,
                    from,
                    method,
                    path,
                    body,
                });
            }
            Output::Download { exchange, url } => {
                self.story.line(self.now, || format!("{} → server  GET {url}", label()));
                self.connect(index, exchange, &url, |asker, from, path| Happening::ServerDownload {
                    asker,
                    from,
                    path,
                });
            }
            Output::Done { hostname } => {
                self.story.line(self.now, || format!("{} is done: {hostname:?}", label()));
                self.ended(index, Ok(hostname));
            }
            Output::Faulted(why) => {
                self.story.line(self.now, || format!("{} gives up: {why}", label()));
                self.ended(index, Err(why));
            }
        }
    }

    /// TCP repeats what is lost, so a bad link means a late request, or none and no answer.
    fn connect(
        &mut self,
        index: usize,
        exchange: u32,
        url: &str,
        happening: impl FnOnce(Asker, Ipv4Addr, String) -> Happening,
    ) {
        let seat = &self.seats[index];
        let asker = Asker { client: index, session: seat.session, exchange };
        let path = self.place.path_of(url);
        let (Some(from), Some(path)) = (seat.address, path.map(str::to_owned)) else {
            let refused = Input::Http { exchange, response: Err("connection refused".into()) };
            let session = seat.session;
            self.later(Duration::from_millis(1), Happening::ToSession { client: index, session, input: refused });
            return;
        };
        if !self.is_connected(index) {
            return;
        }
        if let Some(delay) = self.plan.faults.arrivals(self.now, &mut self.rng)[0] {
            self.later(delay, happening(asker, from, path));
        }
    }

    fn ended(&mut self, index: usize, end: Result<String, String>) {
        self.ended_at = self.now;
        let every = self.plan.reboot_every;
        let seat = &mut self.seats[index];
        let reboots = end.is_ok() && every > 0 && index.is_multiple_of(every) && !seat.rebooted;
        self.reached.kinds.insert(seat.client.kind());
        if seat.end.replace(end).is_none() {
            self.unfinished -= 1;
        }
        if reboots {
            seat.rebooted = true;
            // Every other of them is to be installed once more: it must hear the same name again.
            if seat.client.kind().netboots() && (index / every) % 2 == 1 {
                let command = Command::Reinstall(Selector::Mac(seat.client.identity().mac));
                self.tell_server(Event::Command { command, by: Actor::user("the simulator"), reply_to: ReplyTo(0) });
            }
            let elsewhere = self.plan.reboots_elsewhere;
            self.later(REBOOT_PAUSE, if elsewhere { Happening::MoveOff(index) } else { Happening::PowerCut(index) });
        }
    }
}

fn with_body(url: &str, body: Option<&str>) -> String {
    body.map_or_else(|| url.to_owned(), |body| format!("{url} {body}"))
}
