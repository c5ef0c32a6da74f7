//! The connection to the broker, and what it says to us.
//!
//! Belongs here: connecting again, handing messages of the [`Outbox`] to the client, what
//! comes in. Does not: which messages there are ([`super`]).
//!
//! A thread reads the connection, and never sends: whoever has something to send puts it
//! into the outbox and pumps, as does the thread when something was acknowledged.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use l3net_data::sync::lock;

use rumqttc::{
    AsyncClient, Client, Connection, Event, MqttOptions, Outgoing as Wrote, Packet, Publish, QoS,
    SubscribeFilter, SubscribeReasonCode,
};
use tracing::{info, warn};

use super::super::counters::Tally;
use super::super::pace::{Pace, Warned};
use super::broker::cause;
use super::outbox::Outbox;

/// Requests that the client holds: those under way, what is subscribed, the end.
const REQUESTS: usize = 100;
/// How long connecting may take.
const CONNECT_S: u64 = 10;
/// A connection that held so long was a good one.
const HELD: Duration = Duration::from_secs(30);

/// What both threads have.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    tally: Arc<Tally>,
}

/// What is behind the lock.
pub(super) struct State {
    pub(super) outbox: Outbox,
    phase: Phase,
    ending: bool,
}

enum Phase {
    Connecting,
    Connected(AsyncClient),
    /// Waiting until it is tried again.
    Away,
    Closed,
}

impl State {
    /// Hands to the client what may be.
    fn pump(&mut self) {
        let Phase::Connected(client) = &self.phase else {
            return;
        };
        while let Some(out) = self.outbox.next() {
            // Fails only if the connection is lost, whereupon all is handed over again.
            let _ = client.try_publish(out.topic, QoS::AtLeastOnce, out.retain, out.payload);
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected(_))
    }
}

impl Shared {
    pub(super) fn new(outbox: Outbox, tally: Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                outbox,
                phase: Phase::Connecting,
                ending: false,
            }),
            changed: Condvar::new(),
            tally,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes what the broker is to know, and sends it if it can be sent.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Outbox) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.outbox);
        state.pump();
        self.tally.waiting(state.outbox.waiting());
        result
    }

    /// Waits until the broker has everything, and closes the connection, until then at most.
    /// A broker that is away is not waited for.
    pub(super) fn finish(&self, until: Instant) {
        let mut state = self.lock();
        state.ending = true;
        self.changed.notify_all();
        while !(state.outbox.is_empty() || matches!(state.phase, Phase::Away | Phase::Closed)) {
            match self.wait(state, until) {
                (again, true) => state = again,
                (again, false) => {
                    state = again;
                    break;
                }
            }
        }
        if let Phase::Connected(client) = &state.phase {
            let _ = client.try_disconnect();
        }
        while state.is_connected() {
            let (again, in_time) = self.wait(state, until);
            state = again;
            if !in_time {
                break;
            }
        }
        self.tally.waiting(state.outbox.waiting());
    }

    /// Waits for a change. Whether there was time left.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Instant,
    ) -> (MutexGuard<'a, State>, bool) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return (state, false);
        }
        let woken = self.changed.wait_timeout(state, left);
        (woken.unwrap_or_else(PoisonError::into_inner).0, true)
    }

    fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.notify_all();
    }
}

/// Takes what the broker says.
pub(super) trait Listener: Send {
    /// What to listen to.
    fn topics(&self) -> Vec<String>;

    /// A message has come. Topics in the answer are not to be listened to any more, until
    /// the next connection.
    fn on_message(&mut self, message: &Publish, shared: &Shared) -> Vec<String>;
}

/// The connection.
pub(super) struct Link<L> {
    pub(super) name: String,
    pub(super) options: MqttOptions,
    pub(super) pace: Pace,
    pub(super) shared: Arc<Shared>,
    pub(super) listener: L,
    /// That it is connected needs no saying: it was the last thing that was said.
    pub(super) quiet: bool,
    /// It has been said that it does not let us read.
    pub(super) deaf: bool,
}

enum Ending {
    /// As we wanted.
    Ended,
    /// Why.
    Lost(String),
}

impl<L: Listener> Link<L> {
    /// Connects, again and again, until the end.
    pub(super) fn run(mut self) {
        // Its runtime serves all connections; each has an event loop of its own, without
        // memory of those before.
        let (_, mut connection) = Client::new(self.options.clone(), REQUESTS);
        let mut warned = Warned::default();
        let mut failures = 0;
        loop {
            let started = Instant::now();
            let over = self.connect(&mut connection);
            let mut state = self.shared.lock();
            self.shared.tally.dropped(state.outbox.lost());
            self.shared.tally.waiting(state.outbox.waiting());
            let cause = match over {
                Ending::Lost(cause) if !state.ending => cause,
                _ => break,
            };
            state.phase = Phase::Away;
            if started.elapsed() >= HELD {
                failures = 0;
                warned.clear();
            }
            if warned.is_new(&cause) {
                self.quiet = false;
                warn!("{}: {cause}; it is tried again and again", self.name);
            }
            failures += 1;
            let until = Instant::now() + self.pace.delay(failures);
            self.shared.changed.notify_all();
            while !state.ending {
                let (again, in_time) = self.shared.wait(state, until);
                state = again;
                if !in_time {
                    break;
                }
            }
            if state.ending {
                break;
            }
            state.phase = Phase::Connecting;
        }
        self.shared.enter(Phase::Closed);
    }

    /// One connection, from its beginning to its end.
    fn connect(&mut self, connection: &mut Connection) -> Ending {
        let (client, mut events) = AsyncClient::new(self.options.clone(), REQUESTS);
        let mut network = events.network_options();
        network.set_connection_timeout(CONNECT_S);
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        connection.eventloop = events;
        loop {
            match connection.recv() {
                Ok(Ok(Event::Incoming(packet))) => self.incoming(packet, &client),
                Ok(Ok(Event::Outgoing(Wrote::Publish(number)))) => {
                    self.shared.lock().outbox.numbered(number);
                }
                Ok(Ok(Event::Outgoing(Wrote::Disconnect))) | Err(_) => return Ending::Ended,
                Ok(Ok(Event::Outgoing(_))) => {}
                Ok(Err(error)) => return Ending::Lost(cause(&error)),
            }
        }
    }

    fn incoming(&mut self, packet: Packet, client: &AsyncClient) {
        match packet {
            Packet::ConnAck(_) => {
                let topics = self.listener.topics().into_iter();
                let filters = topics.map(|path| SubscribeFilter::new(path, QoS::AtLeastOnce));
                let _ = client.try_subscribe_many(filters);
                let mut state = self.shared.lock();
                state.phase = Phase::Connected(client.clone());
                state.pump();
                drop(state);
                self.shared.changed.notify_all();
                if !std::mem::replace(&mut self.quiet, true) {
                    info!("{}: connected", self.name);
                }
            }
            Packet::PubAck(ack) => {
                let mut state = self.shared.lock();
                if state.outbox.acknowledged(ack.pkid) {
                    self.shared.tally.sent();
                }
                state.pump();
                self.shared.tally.waiting(state.outbox.waiting());
                drop(state);
                self.shared.changed.notify_all();
            }
            Packet::SubAck(ack) => {
                let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
                if refused && !std::mem::replace(&mut self.deaf, true) {
                    warn!(
                        "{}: it does not let us read topics; commands have no effect",
                        self.name
                    );
                }
            }
            Packet::Publish(message) => {
                for topic in self.listener.on_message(&message, &self.shared) {
                    let _ = client.try_unsubscribe(topic);
                }
            }
            _ => {}
        }
    }
}
