//! The relay: exact delay, counted bytes, freeze, cut and refusal.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use towline_testkit::relay::Side;
use towline_testkit::{Relay, RelayOptions, eventually};

/// A server that sends back what it gets, until the listener's process ends.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                let _ = std::io::copy(&mut &stream, &mut &stream);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    port
}

fn connect(relay: &Relay) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", relay.port())).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn ping(mut stream: &TcpStream) -> Duration {
    let begin = Instant::now();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    begin.elapsed()
}

/// The shortest of some pings: what the relay does itself, with a busy machine's hiccups left out.
fn shortest_ping(stream: &TcpStream) -> Duration {
    (0..15).map(|_| ping(stream)).min().unwrap()
}

#[test]
fn the_delay_is_exact_to_a_millisecond_and_can_change() {
    let relay = Relay::start(echo(), RelayOptions::rtt(Duration::from_millis(20)));
    let stream = connect(&relay);
    ping(&stream);
    for rtt in [20, 50, 0, 10] {
        let rtt = Duration::from_millis(rtt);
        relay.set_rtt(rtt);
        let time = shortest_ping(&stream);
        println!("rtt {rtt:?}: {time:?}");
        assert!(time >= rtt && time < rtt + Duration::from_millis(1), "{rtt:?}: {time:?}");
    }
}

#[test]
fn a_handshake_costs_a_round_trip_before_the_first_answer() {
    let relay = Relay::start(echo(), RelayOptions::rtt(Duration::from_millis(40)));
    let stream = connect(&relay);
    let first = ping(&stream);
    assert!(first >= Duration::from_millis(80) && first < Duration::from_millis(115), "{first:?}");
}

#[test]
fn many_bytes_in_flight_share_one_delay() {
    let relay = Relay::start(echo(), RelayOptions::rtt(Duration::from_millis(50)));
    let mut stream = connect(&relay);
    ping(&stream);
    let begin = Instant::now();
    for n in 0..100u8 {
        stream.write_all(&[n]).unwrap();
        thread::sleep(Duration::from_micros(200));
    }
    let mut back = [0; 100];
    stream.read_exact(&mut back).unwrap();
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed()); // 5 s if they were added up
    assert!(back.iter().enumerate().all(|(n, byte)| n == usize::from(*byte)));
}

#[test]
fn a_large_stream_arrives_whole_and_is_counted() {
    let relay = Relay::start(echo(), RelayOptions { delay: Duration::from_millis(5), rate: None });
    let stream = connect(&relay);
    let data: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut back = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&stream).write_all(&data).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        (&stream).read_to_end(&mut back).unwrap();
    });
    assert!(back == data);
    let traffic = relay.reset_traffic();
    assert_eq!((traffic.up, traffic.down), (20_000_000, 20_000_000));
    assert_eq!(relay.traffic().up, 0);
    eventually(Duration::from_secs(2), || relay.open() == 0);
}

#[test]
fn the_bandwidth_is_kept() {
    let relay = Relay::start(echo(), RelayOptions { delay: Duration::ZERO, rate: Some(1_000_000) });
    let mut stream = connect(&relay);
    let begin = Instant::now();
    let data = vec![7; 200_000];
    stream.write_all(&data).unwrap();
    let mut back = vec![0; data.len()];
    stream.read_exact(&mut back).unwrap();
    let time = begin.elapsed();
    assert!(time > Duration::from_millis(190) && time < Duration::from_millis(600), "{time:?}");
}

#[test]
fn a_frozen_link_loses_nothing_and_accepts_connections_that_hang() {
    let relay = Relay::start(echo(), RelayOptions::default());
    let mut stream = connect(&relay);
    ping(&stream);
    relay.freeze();
    stream.write_all(b"y").unwrap();
    let late = connect(&relay);
    for hanging in [&stream, &late] {
        hanging.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
        let mut hanging = hanging;
        let error = hanging.read(&mut [0]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        hanging.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    relay.thaw();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"y");
    ping(&late);
}

#[test]
fn a_cut_resets_every_connection_and_the_next_one_works() {
    let relay = Relay::start(echo(), RelayOptions::default());
    let mut stream = connect(&relay);
    ping(&stream);
    relay.cut();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(relay.open(), 0);
    ping(&connect(&relay));
    assert_eq!(relay.accepted(), 2);
}

#[test]
fn a_refusing_relay_resets_new_connections_only() {
    let relay = Relay::start(echo(), RelayOptions::default());
    let old = connect(&relay);
    ping(&old);
    relay.refuse(true);
    let mut new = connect(&relay);
    assert!(new.read(&mut [0]).map_or(true, |count| count == 0));
    ping(&old);
    relay.refuse(false);
    ping(&connect(&relay));
}

#[test]
fn a_hold_stops_what_is_open_and_nothing_else() {
    let relay = Relay::start(echo(), RelayOptions::default());
    let mut old = connect(&relay);
    ping(&old);
    relay.hold();
    old.write_all(b"x").unwrap();
    ping(&connect(&relay));
    old.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    assert!(old.read(&mut [0]).is_err(), "the old connection is held");
    relay.thaw();
    old.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    old.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_connection_ends_behind_the_byte_that_was_named() {
    let relay = Relay::start(echo(), RelayOptions::default());
    let mut stream = connect(&relay);
    ping(&stream);
    relay.cut_after(700);
    stream.write_all(&[b'x'; 1000]).unwrap();
    let mut came = Vec::new();
    stream.read_to_end(&mut came).unwrap();
    assert_eq!(came.len(), 700);
    ping(&connect(&relay));
}

#[test]
fn of_a_half_open_connection_one_side_knows_nothing() {
    let relay = Relay::start(echo(), RelayOptions::default());
    let mut told = connect(&relay);
    ping(&told);
    relay.half_open(Side::Client);
    assert_eq!(told.read(&mut [0]).unwrap(), 0);
    let mut ignorant = connect(&relay);
    ping(&ignorant);
    relay.half_open(Side::Host);
    ignorant.write_all(b"x").unwrap();
    ignorant.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    let error = ignorant.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    relay.cut();
    assert_eq!(relay.open(), 0);
}
