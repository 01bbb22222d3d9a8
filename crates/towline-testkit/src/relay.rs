//! A TCP relay on loopback that stands for a network: delay, bandwidth, byte counts, freeze, cut.
//!
//! Holds to: own threads, so that tests with and without a runtime can use it; a new connection costs what a handshake costs
//! (the client's first bytes leave one round trip after it connected). Leaves out: loss, slow start, and an asymmetric delay.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::link::{Cargo, Pace, Queue};
use crate::wait::eventually;

/// Bytes that are read at once; small parcels where there is a bandwidth to keep.
const PARCEL: usize = 64 << 10;
const PACED_PARCEL: usize = 4 << 10;
/// With a bandwidth: how far the sender may be ahead of the link, as a router's buffer would let it.
const BACKLOG: Duration = Duration::from_millis(50);
/// How often a blocked thread looks whether its connection was cut.
const LOOK: Duration = Duration::from_millis(20);

/// How a relay begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelayOptions {
    /// How long a byte is on its way, in each direction: half the round-trip time.
    pub delay: Duration,
    /// Bytes per second in each direction; no limit if not given.
    pub rate: Option<u64>,
}

impl RelayOptions {
    /// A link with that round-trip time.
    #[must_use]
    pub fn rtt(rtt: Duration) -> Self {
        Self { delay: rtt / 2, rate: None }
    }
}

/// One end of a relayed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Whoever connected to the relay.
    Client,
    /// Whoever the relay connected to.
    Host,
}

/// Bytes that went through, as they left their senders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the clients.
    pub up: u64,
    /// To the clients.
    pub down: u64,
}

/// A running relay; it and its connections end with this value.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    delay_nanos: AtomicU64,
    rate: AtomicU64,
    frozen: AtomicBool,
    refusing: AtomicBool,
    stopped: AtomicBool,
    accepted: AtomicUsize,
    up: Direction,
    down: Direction,
    connections: Mutex<Vec<Weak<Connection>>>,
}

#[derive(Debug)]
struct Direction {
    bytes: AtomicU64,
    /// The count of bytes at which a connection ends; none if it is 0.
    cut_at: AtomicU64,
    pace: Mutex<Pace>,
}

/// One relayed connection. The sockets close when the last of its threads lets go.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    host: OnceLock<TcpStream>,
    cut: AtomicBool,
    up: Queue,
    down: Queue,
}

impl Relay {
    /// Starts a relay to a port of 127.0.0.1.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(target_port: u16, options: RelayOptions) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let now = Instant::now();
        let direction = || Direction { bytes: AtomicU64::new(0), cut_at: AtomicU64::new(0), pace: Mutex::new(Pace::new(now)) };
        let shared = Arc::new(Shared {
            target: target_port,
            delay_nanos: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            frozen: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            up: direction(),
            down: direction(),
            connections: Mutex::default(),
        });
        let relay = Self { port, shared: Arc::clone(&shared) };
        relay.set_delay(options.delay);
        relay.set_rate(options.rate);
        thread::spawn(move || accept(&listener, &shared));
        relay
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the delay of each direction, for bytes that come from now on.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.delay_nanos.store(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Changes the round-trip time, for bytes that come from now on.
    pub fn set_rtt(&self, rtt: Duration) {
        self.set_delay(rtt / 2);
    }

    /// Changes the bandwidth, in bytes per second for each direction.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.shared.rate.store(rate.unwrap_or(0), Ordering::SeqCst);
    }

    /// Bytes so far, or since the last reset.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let read = |direction: &Direction| direction.bytes.load(Ordering::SeqCst);
        Traffic { up: read(&self.shared.up), down: read(&self.shared.down) }
    }

    /// Sets the byte counts to zero and returns what they were.
    #[expect(clippy::must_use_candidate, reason = "it is called for its effect too")]
    pub fn reset_traffic(&self) -> Traffic {
        let take = |direction: &Direction| direction.bytes.swap(0, Ordering::SeqCst);
        Traffic { up: take(&self.shared.up), down: take(&self.shared.down) }
    }

    /// How many connections were accepted so far (refused ones not counted).
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.alive().len()
    }

    /// Stops every byte; sockets stay open, and new connections are accepted and hang.
    pub fn freeze(&self) {
        self.shared.freeze(true);
    }

    /// Lets everything go on, what was held back included.
    pub fn thaw(&self) {
        self.shared.freeze(false);
    }

    /// Stops every byte of the connections that are open now; new ones are not touched. [`Relay::thaw`] lets them go on.
    pub fn hold(&self) {
        for connection in self.shared.alive() {
            connection.freeze(true);
        }
    }

    /// Ends the next connection that brings so many more bytes from the host right behind them, in the middle of whatever they are.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.down.cut_at.store(self.traffic().down + bytes.max(1), Ordering::SeqCst);
    }

    /// Ends one side of every connection and tells the other side nothing, until a thaw or a cut.
    pub fn half_open(&self, ended: Side) {
        for connection in self.shared.alive() {
            connection.freeze(true);
            let socket = match ended {
                Side::Client => Some(&connection.client),
                Side::Host => connection.host.get(),
            };
            if let Some(socket) = socket {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    /// Resets every connection (RST on both sides) and returns when that is done.
    pub fn cut(&self) {
        let cut: Vec<Weak<Connection>> = self.shared.alive().iter().map(Arc::downgrade).collect();
        self.shared.cut();
        // Others may come meanwhile, and the machine may be busy.
        eventually(Duration::from_secs(60), || cut.iter().all(|connection| connection.strong_count() == 0));
    }

    /// Whether new connections are reset at once.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.cut();
        // Wakes the accepting thread.
        let _ = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], self.port)), Duration::from_secs(1));
    }
}

impl Shared {
    fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay_nanos.load(Ordering::SeqCst))
    }

    fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::SeqCst)).filter(|rate| *rate > 0)
    }

    fn alive(&self) -> Vec<Arc<Connection>> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.iter().filter_map(Weak::upgrade).collect()
    }

    fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
        for connection in self.alive() {
            connection.freeze(frozen);
        }
    }

    fn cut(&self) {
        for connection in self.alive() {
            connection.cut();
        }
    }
}

impl Direction {
    /// How many of these bytes still pass, if the connection is to end among them; that happens once.
    fn cut_within(&self, before: u64, count: usize) -> Option<usize> {
        let at = self.cut_at.load(Ordering::SeqCst);
        let within = at > before && at <= before + count as u64;
        let won = within && self.cut_at.compare_exchange(at, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        won.then(|| usize::try_from(at - before).unwrap_or(count))
    }
}

impl Connection {
    fn freeze(&self, frozen: bool) {
        self.up.freeze(frozen);
        self.down.freeze(frozen);
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.up.close();
        self.down.close();
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        if shared.refusing.load(Ordering::SeqCst) {
            let _ = close_by_reset(&client);
            continue;
        }
        let (up, down) = (Queue::default(), Queue::default());
        let connection = Arc::new(Connection { client, host: OnceLock::new(), cut: AtomicBool::new(false), up, down });
        connection.freeze(shared.frozen.load(Ordering::SeqCst));
        shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&connection));
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            if carry(&connection, &shared).is_err() {
                connection.cut();
            }
        });
    }
}

/// Carries one connection until both directions have ended or it is cut.
fn carry(connection: &Arc<Connection>, shared: &Arc<Shared>) -> io::Result<()> {
    let accepted = Instant::now();
    let delay = shared.delay();
    prepare(&connection.client, shared.rate())?;
    thread::scope(|scope| {
        // The real client would be connected after a round trip, and could send from then on.
        let up = scope.spawn(|| read(&connection.client, connection, &connection.up, shared, &shared.up, accepted + 2 * delay));
        // Its last step of the handshake reaches the host half a round trip later; only then does sshd see a connection.
        sleep_until(accepted + 3 * delay, connection);
        while shared.frozen.load(Ordering::SeqCst) && !connection.is_cut() {
            thread::sleep(Duration::from_millis(1));
        }
        let reached = TcpStream::connect(("127.0.0.1", shared.target));
        let host: &TcpStream = match reached.and_then(|host| prepare(&host, shared.rate()).map(|()| host)) {
            Ok(reached) => connection.host.get_or_init(|| reached),
            Err(error) => {
                connection.cut();
                return Err(error);
            }
        };
        scope.spawn(move || write(host, connection, &connection.up));
        let down = scope.spawn(move || read(host, connection, &connection.down, shared, &shared.down, accepted));
        write(&connection.client, connection, &connection.down);
        let _ = (up.join(), down.join());
        Ok(())
    })
}

/// Sets what both sockets of a relayed connection need.
fn prepare(stream: &TcpStream, rate: Option<u64>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))?;
    if rate.is_some() {
        // Or the kernel's own buffers, several MB on loopback, would be the link's queue.
        rustix::net::sockopt::set_socket_recv_buffer_size(stream, PARCEL)?;
    }
    Ok(())
}

/// Makes a socket send RST when its last holder lets go.
fn close_by_reset(stream: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?)
}

fn sleep_until(time: Instant, connection: &Connection) {
    while let Some(left) = time.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if connection.is_cut() {
            return;
        }
        thread::sleep(left.min(LOOK));
    }
}

/// Reads one side until it ends, and puts what came into the queue with the time at which it is due on the other side.
fn read(mut from: &TcpStream, connection: &Connection, queue: &Queue, shared: &Shared, direction: &Direction, not_before: Instant) {
    let mut buffer = vec![0; PARCEL];
    loop {
        let rate = shared.rate();
        let size = if rate.is_some() { PACED_PARCEL } else { PARCEL };
        let count = match from.read(&mut buffer[..size]) {
            Ok(count) => count,
            Err(error) if is_timeout(&error) && !connection.is_cut() => continue,
            Err(_) => {
                let _ = close_by_reset(from);
                return connection.cut();
            }
        };
        let sent = Instant::now().max(not_before);
        if count == 0 {
            queue.put(sent + shared.delay(), Cargo::End);
            return;
        }
        let before = direction.bytes.fetch_add(count as u64, Ordering::SeqCst);
        if let Some(last) = direction.cut_within(before, count) {
            queue.put(sent + shared.delay(), Cargo::Bytes(buffer[..last].to_vec()));
            queue.put(sent + shared.delay(), Cargo::End);
            connection.up.close();
            return;
        }
        let left = direction.pace.lock().unwrap_or_else(PoisonError::into_inner).send(sent, count, rate);
        if !queue.put(left + shared.delay(), Cargo::Bytes(buffer[..count].to_vec())) {
            let _ = close_by_reset(from);
            return;
        }
        if rate.is_some() {
            sleep_until(left.checked_sub(BACKLOG).unwrap_or(left), connection);
        }
    }
}

/// Writes to one side what is due, until the other has ended.
fn write(to: &TcpStream, connection: &Connection, queue: &Queue) {
    while let Some(cargo) = queue.take() {
        match cargo {
            Cargo::Bytes(bytes) => {
                if write_all(to, connection, &bytes).is_err() {
                    connection.cut();
                }
            }
            Cargo::End => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    }
    let _ = close_by_reset(to);
}

fn write_all(mut to: &TcpStream, connection: &Connection, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if is_timeout(&error) && !connection.is_cut() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
