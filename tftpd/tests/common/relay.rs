//! A bad network in a thread: a UDP relay between one client and a server that loses, doubles and reorders.
#![allow(unreachable_pub, reason = "a module of a test program")]

use super::Random;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Percent of packets, each way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    pub lose: u64,
    pub double: u64,
    pub reorder: u64,
}

pub struct Relay {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    pub fn start(server: SocketAddr, weather: Weather, seed: u64) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = front.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = Some(std::thread::spawn(move || carry(&front, server, weather, seed, &flag)));
        Self { address, stop, thread }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

/// One direction: a packet may be held back until after the next one.
#[derive(Default)]
struct Way {
    held: Option<Vec<u8>>,
}

impl Way {
    fn pass(&mut self, packet: &[u8], weather: Weather, random: &mut Random, mut send: impl FnMut(&[u8])) {
        if random.chance(weather.lose) {
            return;
        }
        if self.held.is_none() && random.chance(weather.reorder) {
            self.held = Some(packet.to_vec());
            return;
        }
        send(packet);
        if random.chance(weather.double) {
            send(packet);
        }
        if let Some(late) = self.held.take() {
            send(&late);
        }
    }
}

fn carry(front: &UdpSocket, server: SocketAddr, weather: Weather, seed: u64, stop: &AtomicBool) {
    let back = UdpSocket::bind("127.0.0.1:0").unwrap();
    front.set_nonblocking(true).unwrap();
    back.set_nonblocking(true).unwrap();
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut to_server, mut to_client) = (Way::default(), Way::default());
    let (mut client, mut transfer) = (None, server);
    let mut buf = vec![0; 70_000];
    while !stop.load(Ordering::Acquire) {
        let mut idle = true;
        if let Ok((len, from)) = front.recv_from(&mut buf) {
            idle = false;
            // A request goes to the request port, all else to where the last answer came from.
            let to = if buf[1] == 1 { server } else { transfer };
            client = Some(from);
            to_server.pass(&buf[..len], weather, &mut random, |p| drop(back.send_to(p, to)));
        }
        if let Ok((len, from)) = back.recv_from(&mut buf) {
            idle = false;
            transfer = from;
            let Some(client) = client else { continue };
            to_client.pass(&buf[..len], weather, &mut random, |p| drop(front.send_to(p, client)));
        }
        if idle {
            // Only paces the loop; nothing is decided by it.
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}
