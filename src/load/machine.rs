//! One machine: a client of the simulator, its network port, its sockets and its timer.
//!
//! A loop of "what came, what does the client do about it". What the network loses or refuses is lost to the client
//! too: it has timers of its own.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use super::dhcp::DhcpSocket;
use super::http::{self, Request};
use super::image::{Check, Known};
use super::{End, Shared};
use crate::clock;
use crate::ids::Hostname;
use crate::lab::Port;
use crate::sim::client::{Client, Input, Output};
use crate::time::Instant;
use crate::wire::dhcp::{MessageType, code, codec};

/// The largest datagram.
const DATAGRAM_MAX: usize = 65_536;
/// A download tells its client about every so many bytes, or so often.
const PROGRESS_BYTES: u64 = 4 << 20;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Where a machine's sockets are bound: all ports of a link lie in one subnet, so the address alone does not say by
/// which of them to leave.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub interface: Arc<str>,
    pub address: Ipv4Addr,
}

impl Place {
    /// A socket on the machine's port, not blocking, not yet bound to an address.
    pub fn socket(&self, kind: Type) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, kind, None)?;
        socket.bind_device(Some(self.interface.as_bytes()))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// The clock of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub start: Instant,
    /// Seconds of the client in one of ours.
    pub pace: u32,
}

impl Time {
    /// Our time since the start.
    fn elapsed(self) -> Duration {
        clock::now().instant.since(self.start)
    }

    /// The client's time.
    fn now(self) -> Instant {
        Instant::from_start(self.elapsed() * self.pace)
    }

    /// How long we wait until the client's `deadline`.
    fn until(self, deadline: Instant) -> Duration {
        deadline.since(self.now()) / self.pace.max(1)
    }
}

/// A machine under way.
pub(super) struct Machine {
    client: Client,
    port: Port,
    known: Option<Arc<Known>>,
    time: Time,
    rate: Option<u64>,
    record: Shared,
    exchanges: JoinSet<()>,
    /// What exchanges have to say.
    said: UnboundedSender<Input>,
    hears: UnboundedReceiver<Input>,
}

/// The datagram sockets of a machine.
struct Sockets {
    dhcp: DhcpSocket,
    tftp: BTreeMap<u16, UdpSocket>,
    buffer: Vec<u8>,
}

impl Machine {
    pub fn new(client: Client, port: Port, known: Option<Arc<Known>>, time: Time, record: Shared) -> Machine {
        let (said, hears) = unbounded_channel();
        Machine { client, port, known, time, rate: None, record, exchanges: JoinSet::new(), said, hears }
    }

    /// Takes its image at this rate.
    pub fn taking(self, rate: Option<u64>) -> Machine {
        Machine { rate, ..self }
    }

    /// From power on to the end; its port stays where it is.
    pub async fn live(mut self) -> Port {
        let end = match self.run().await {
            Ok(end) => end,
            Err(error) => {
                End::Faulted(format!("the simulated machine {} itself broke: {error}", self.port.interface()))
            }
        };
        let at = self.time.elapsed();
        self.record.lock().end = Some((end, at));
        self.port
    }

    async fn run(&mut self) -> io::Result<End> {
        let mut sockets = block_in_place(|| Sockets::open(self.port.interface()))?;
        let mut input = Input::PowerOn;
        loop {
            self.note(&input);
            let outputs = self.client.handle(input, self.time.now());
            let at = self.time.elapsed();
            for output in outputs {
                if let Some(end) = self.carry_out(output, at, &mut sockets)? {
                    return Ok(end);
                }
            }
            input = self.next_input(&mut sockets).await?;
        }
    }

    async fn next_input(&mut self, sockets: &mut Sockets) -> io::Result<Input> {
        let patience = self.client.next_deadline().map(|deadline| self.time.until(deadline));
        tokio::select! {
            received = poll_fn(|cx| sockets.poll_receive(cx)) => received,
            Some(input) = self.hears.recv() => Ok(input),
            () = sleep(patience.unwrap_or_default()), if patience.is_some() => Ok(Input::Timer),
        }
    }

    /// Does what the client decided at that time. Milestones count from then: what comes before them here may block, and
    /// is no machine's doing.
    fn carry_out(&mut self, output: Output, at: Duration, sockets: &mut Sockets) -> io::Result<Option<End>> {
        match output {
            Output::SendDhcp { from, to, bytes } => lossy(sockets.dhcp.send(from, to, &bytes)),
            Output::SetAddress { address, prefix } => {
                block_in_place(|| {
                    self.port.set_address(address, prefix).map_err(io::Error::other)?;
                    sockets.dhcp.settle(&self.place())
                })?;
            }
            Output::ClearAddress => {
                self.exchanges.abort_all();
                sockets.tftp.clear();
                block_in_place(|| {
                    self.port.clear_address().map_err(io::Error::other)?;
                    sockets.dhcp.unsettle(self.port.interface())
                })?;
            }
            Output::SendTftp { port, to, bytes } => {
                lossy(send_to(sockets.tftp(&self.place(), port)?, &bytes, to));
            }
            Output::CloseTftp { port } => drop(sockets.tftp.remove(&port)),
            Output::Http { exchange, method, url, body } => self.exchange(exchange, Request { method, url, body }),
            Output::Download { exchange, url } => self.download(exchange, url),
            Output::Passed(phase) => {
                self.record.lock().phases.entry(phase).or_insert(at);
            }
            Output::Done { hostname } => return Ok(Some(End::Done(hostname))),
            Output::Faulted(why) => return Ok(Some(End::Faulted(why))),
        }
        Ok(None)
    }

    fn exchange(&mut self, exchange: u32, request: Request) {
        let (place, said) = (self.place(), self.said.clone());
        self.spawn(async move {
            let response = match http::ask(&place, &request, None).await {
                Ok(answer) => answer.whole().await,
                Err(why) => Err(why),
            };
            // Nobody listens once the machine has ended.
            let _ = said.send(Input::Http { exchange, response });
        });
    }

    fn download(&mut self, exchange: u32, url: String) {
        let (place, said, record) = (self.place(), self.said.clone(), self.record.clone());
        let known = self.known.clone().filter(|known| known.is_at(&url));
        let rate = self.rate;
        let image = known.is_some() || (self.known.is_none() && url.contains("/images/"));
        self.spawn(async move {
            let mut told = (0, clock::now().instant);
            let progress = |received, piece| {
                let mut record = record.lock();
                let counter = if image { &mut record.image_bytes } else { &mut record.other_bytes };
                *counter += piece;
                drop(record);
                let now = clock::now().instant;
                if received - told.0 >= PROGRESS_BYTES || now.since(told.1) >= PROGRESS_INTERVAL {
                    told = (received, now);
                    let _ = said.send(Input::Downloading { exchange, received });
                }
            };
            let request = Request { method: "GET", url, body: None };
            let result = download(&place, &request, rate.filter(|_| image), known.as_deref(), progress).await;
            let _ = said.send(Input::Downloaded { exchange, result });
        });
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.exchanges.try_join_next().is_some() {}
        self.exchanges.spawn(task);
    }

    /// Writes down what the server promised, whatever the client makes of it.
    fn note(&self, input: &Input) {
        let mut record = self.record.lock();
        match input {
            Input::Tftp { bytes, .. } => record.other_bytes += bytes.len() as u64,
            Input::Dhcp(bytes) => {
                let Ok(reply) = codec::decode_reply(bytes) else { return };
                if reply.kind == Some(MessageType::Ack) && reply.chaddr[..6] == self.port.mac().0 {
                    let name = reply.option(code::HOST_NAME).map(String::from_utf8_lossy);
                    once(&mut record.addresses, Some(reply.yiaddr));
                    once(&mut record.names, name.and_then(|name| Hostname::parse(&name)));
                }
            }
            Input::Http { response: Ok((200, body)), .. } => {
                record.other_bytes += body.len() as u64;
                let answer: Value = serde_json::from_slice(body).unwrap_or_default();
                // The reply to a status report repeats the machine's own name; only a configuration gives one.
                let name = answer.get("image_url").and(answer.get("hostname")).and_then(Value::as_str);
                once(&mut record.names, name.and_then(Hostname::parse));
            }
            _ => {}
        }
    }

    fn place(&self) -> Place {
        let address = self.port.address().map_or(Ipv4Addr::UNSPECIFIED, |(address, _)| address);
        Place { interface: self.port.interface().into(), address }
    }
}

impl Sockets {
    /// The sockets of a machine without an address.
    fn open(interface: &str) -> io::Result<Sockets> {
        Ok(Sockets { dhcp: DhcpSocket::open(interface)?, tftp: BTreeMap::new(), buffer: vec![0; DATAGRAM_MAX] })
    }

    fn tftp(&mut self, place: &Place, port: u16) -> io::Result<&UdpSocket> {
        use std::collections::btree_map::Entry;
        match self.tftp.entry(port) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(closed) => Ok(closed.insert(place.udp(port)?)),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        if let Poll::Ready(received) = self.dhcp.poll_receive(cx, &mut self.buffer) {
            return Poll::Ready(received.map(Input::Dhcp));
        }
        for (port, socket) in &self.tftp {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            match socket.poll_recv_from(cx, &mut buffer) {
                Poll::Ready(Ok(SocketAddr::V4(from))) => {
                    return Poll::Ready(Ok(Input::Tftp { port: *port, from, bytes: buffer.filled().to_vec() }));
                }
                Poll::Ready(Ok(SocketAddr::V6(_))) => unreachable!("an IPv4 socket hears IPv4"),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}

/// Downloads and checks; `progress` gets the bytes so far and those of the piece that just came.
async fn download(
    place: &Place,
    request: &Request,
    rate: Option<u64>,
    known: Option<&Known>,
    mut progress: impl FnMut(u64, u64),
) -> Result<(u64, crate::ids::Digest), String> {
    let answer = http::ask(place, request, rate).await?;
    if answer.status != 200 {
        return Err(format!("HTTP {}", answer.status));
    }
    let mut check = Check::new(known);
    let mut received = 0;
    answer
        .stream_to(|piece| {
            check.take(piece)?;
            received += piece.len() as u64;
            progress(received, piece.len() as u64);
            Ok(())
        })
        .await?;
    check.finish()
}

/// Sends at once or not at all. Past tokio, for which a socket just made is not ready to send before it has asked.
pub(super) fn send_to(socket: &UdpSocket, bytes: &[u8], to: SocketAddrV4) -> io::Result<()> {
    SockRef::from(socket).send_to(bytes, &to.into()).map(drop)
}

/// A datagram that cannot be sent is a datagram lost: the client repeats itself.
fn lossy(sent: io::Result<impl Sized>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "datagram of a simulated machine lost");
    }
}

fn once<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    if let Some(item) = item.filter(|item| !list.contains(item)) {
        list.push(item);
    }
}
