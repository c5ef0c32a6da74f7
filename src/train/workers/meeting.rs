//! How the processes of a run find each other.
//!
//! Belongs here: the store, who is there, where each listens. Does not: what they do then
//! (`team`).

use std::net::{IpAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use l3net_c10d::{C10dError, Interface, Store};

use super::watch::begin;
use super::world::World;
use crate::cancel::CancelToken;

/// Changes with the keys of the store and what is exchanged.
const PROTOCOL: &str = concat!("l3net ", env!("CARGO_PKG_VERSION"), ", protocol 1");
const STOPPED: &str = "stopped while it waited for the others";
/// Between two looks at the store.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How long one answer of the store may take.
const ANSWER: Duration = Duration::from_secs(20);

/// What a process says of itself.
#[derive(serde::Serialize, serde::Deserialize)]
struct Hello {
    host: String,
    protocol: String,
    /// The address, or the interface, where it listens.
    address: String,
}

/// Who has met.
pub(super) struct Met {
    pub store: Store,
    /// A second connection to it.
    pub for_watch: Store,
    /// Of each process.
    pub hosts: Vec<String>,
    /// Where this one listens for the others.
    pub interface: Interface,
}

/// Meets the others; waits for `patience`, or until `stop`.
pub(super) fn meet(world: &World, patience: Duration, stop: &CancelToken) -> Result<Met, String> {
    let (rank, size) = (world.rank, world.size);
    let failed = |error: C10dError| format!("the store of the run: {error}");
    let deadline = Instant::now() + patience;
    l3net_c10d::quiet();
    let store = open_store(world, deadline, stop)?;
    if store.add(&format!("join/{rank}"), 1).map_err(failed)? > 1 {
        return Err(format!(
            "another process has this rank already; is {}:{} the meeting point of another run?",
            world.host, world.port
        ));
    }
    let interface = interface(world)?;
    let hello = Hello {
        host: host_name(),
        protocol: PROTOCOL.to_owned(),
        address: match &interface {
            Interface::Address(address) | Interface::Name(address) => address.clone(),
        },
    };
    begin(&store, rank).map_err(failed)?;
    let text = serde_json::to_vec(&hello).expect("text");
    (store.set(&format!("hello/{rank}"), &text)).map_err(failed)?;
    let mut hellos = Vec::new();
    let mut missing = Vec::new();
    for other in 0..size {
        let key = format!("hello/{other}");
        match wait_for(&store, &key, deadline, stop).map_err(failed)? {
            Some(text) => hellos.extend(serde_json::from_slice::<Hello>(&text).ok()),
            None => missing.push(other),
        }
    }
    if stop.is_cancelled() {
        return Err(STOPPED.to_owned());
    }
    if !missing.is_empty() || hellos.len() < size {
        return Err(format!(
            "rank {} of {size} did not come within {} s; are they started, and can they reach \
             {}:{}? (--join-seconds waits longer)",
            list(&missing),
            patience.as_secs(),
            world.host,
            world.port
        ));
    }
    let checked = check_versions(&hellos).and_then(|()| check_addresses(&hellos));
    checked.map_err(|(of, cause)| match rank == 0 || rank == of {
        true => cause,
        // All have found it; two tell it.
        false => format!("ended because of rank {of}"),
    })?;
    Ok(Met {
        for_watch: connect(world, Instant::now() + ANSWER, stop)?,
        store,
        hosts: hellos.into_iter().map(|hello| hello.host).collect(),
        interface,
    })
}

fn list(ranks: &[usize]) -> String {
    let shown: Vec<String> = ranks.iter().take(8).map(ToString::to_string).collect();
    let more = match ranks.len().saturating_sub(8) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    shown.join(", ") + &more
}

/// The value of a key once it is there; `None` at the deadline.
fn wait_for(
    store: &Store,
    key: &str,
    deadline: Instant,
    stop: &CancelToken,
) -> Result<Option<Vec<u8>>, C10dError> {
    loop {
        if store.has(key)? {
            return store.get(key).map(Some);
        }
        if Instant::now() >= deadline || stop.is_cancelled() {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Serves the store, or connects to who does.
fn open_store(world: &World, deadline: Instant, stop: &CancelToken) -> Result<Store, String> {
    if world.rank > 0 || !world.rank_0_serves {
        return connect(world, deadline, stop);
    }
    Store::serve(world.port, &world.prefix, ANSWER).map_err(|error| {
        match error.0.contains("EADDRINUSE") {
            true => format!(
                "port {} is taken on this host; set MASTER_PORT to another, for all processes",
                world.port
            ),
            false => format!("cannot serve the store on port {}: {error}", world.port),
        }
    })
}

/// Connects to the store; who serves it may not be there yet.
fn connect(world: &World, deadline: Instant, stop: &CancelToken) -> Result<Store, String> {
    let World {
        host, port, prefix, ..
    } = world;
    loop {
        // Tried first without c10d, which says less of what is wrong and cannot be stopped.
        let Err(error) = reach(host, *port) else {
            return Store::connect(host, *port, prefix, ANSWER)
                .map_err(|error| format!("{host}:{port} is no store of a run: {error}"));
        };
        if stop.is_cancelled() {
            return Err(STOPPED.to_owned());
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "cannot reach {host}:{port}, where the processes meet: {error}; is rank 0 \
                 started, and are MASTER_ADDR and MASTER_PORT its host and port?"
            ));
        }
        std::thread::sleep(PAUSE * 4);
    }
}

fn reach(host: &str, port: u16) -> std::io::Result<()> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, Duration::from_secs(3)) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("the name has no address")))
}

/// Where this process listens for the others: the interface that torch's users name, else
/// the address that leads to the meeting point.
///
/// Not the address of the host's name, which is c10d's default: Debian gives it 127.0.1.1,
/// which nobody else can reach.
fn interface(world: &World) -> Result<Interface, String> {
    if let Ok(name) = std::env::var("GLOO_SOCKET_IFNAME")
        && !name.is_empty()
    {
        return Ok(Interface::Name(name));
    }
    let address = || {
        let mut all = (&*world.host, world.port).to_socket_addrs()?;
        let Some(meeting) = all.next() else {
            return Err(std::io::Error::other("the name has no address"));
        };
        let any = if meeting.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        // Connecting a UDP socket sends nothing: it looks up the route.
        let socket = UdpSocket::bind(any)?;
        socket.connect(meeting)?;
        Ok(socket.local_addr()?.ip())
    };
    let found = address().map_err(|error: std::io::Error| {
        format!(
            "{}: no address of this host leads there: {error}; GLOO_SOCKET_IFNAME names an \
             interface",
            world.host
        )
    })?;
    Ok(Interface::Address(found.to_string()))
}

/// What is exchanged has to be of one version; the process that has another, and what is
/// wrong with it.
fn check_versions(hellos: &[Hello]) -> Result<(), (usize, String)> {
    match hellos.iter().position(|hello| hello.protocol != PROTOCOL) {
        None => Ok(()),
        Some(rank) => Err((
            rank,
            format!(
                "rank {rank} ({}) is {}, this is {PROTOCOL}; install the same version everywhere",
                hellos[rank].host, hellos[rank].protocol
            ),
        )),
    }
}

/// Over several hosts, nobody may listen on loopback.
fn check_addresses(hellos: &[Hello]) -> Result<(), (usize, String)> {
    if hellos.iter().all(|hello| hello.host == hellos[0].host) {
        return Ok(());
    }
    let is_loopback =
        |hello: &Hello| (hello.address.parse::<IpAddr>()).is_ok_and(|ip| ip.is_loopback());
    match hellos.iter().position(is_loopback) {
        None => Ok(()),
        Some(rank) => Err((
            rank,
            format!(
                "rank {rank} ({}) listens on its loopback address, which other hosts cannot reach; \
             set MASTER_ADDR to an address of the network, or GLOO_SOCKET_IFNAME to the \
             interface, such as eth0",
                hellos[rank].host
            ),
        )),
    }
}

pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_default();
    match name.trim() {
        "" => "an unnamed host".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_serves_one_host_only() {
        let hello = |host: &str, address: &str| Hello {
            host: host.to_owned(),
            protocol: PROTOCOL.to_owned(),
            address: address.to_owned(),
        };
        let here = [hello("a", "127.0.0.1"), hello("a", "127.0.0.1")];
        assert_eq!(check_addresses(&here), Ok(()));
        let apart = [hello("a", "127.0.1.1"), hello("b", "10.0.0.2")];
        let (rank, error) = check_addresses(&apart).expect_err("unreachable");
        assert!(rank == 0 && error.contains("rank 0 (a)"), "{error}");
    }

    #[test]
    fn another_version_is_named() {
        let hello = |protocol: &str| Hello {
            host: "a".to_owned(),
            protocol: protocol.to_owned(),
            address: String::new(),
        };
        assert_eq!(check_versions(&[hello(PROTOCOL), hello(PROTOCOL)]), Ok(()));
        let error = check_versions(&[hello(PROTOCOL), hello("l3net 9.9.9")]);
        let (_, error) = error.expect_err("another");
        assert!(error.starts_with("rank 1 (a) is l3net 9.9.9"), "{error}");
    }
}
