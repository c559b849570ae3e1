//! The player against the real clock and a real socket: how evenly its packets leave.
//!
//! The spread is printed; it is asserted only when `CCBS_PACING` is set, for it measures the machine as well.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ccbs_sip::api::{LegId, Played};
use ccbs_sip::media::{Codec, Media};
use ccbs_sip::rtp::{Player, PlayerConfig};

/// Streams that play side by side; one of them is measured.
const STREAMS: u64 = 50;
const SAMPLES: usize = 8_000 * 6;
const PACKETS: usize = SAMPLES / 160;

#[test]
fn packets_leave_every_20_ms() {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let phone = UdpSocket::bind((here, 0)).unwrap();
    let others = UdpSocket::bind((here, 0)).unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (ended, outcomes) = mpsc::channel();
    let config = PlayerConfig { lead_ms: 0, tail_ms: 0, ..PlayerConfig::new(here, 33_000..=33_999, 1) };
    let mut player = Player::start(config, move |outcome| {
        let _ = ended.send(outcome);
    })
    .unwrap();
    player.load("tone".into(), vec![1_000_i16; SAMPLES].into());
    for leg in 0..STREAMS {
        let remote = if leg == STREAMS / 2 { &phone } else { &others };
        player.open(LegId(leg), here).unwrap();
        player.connect(LegId(leg), remote.local_addr().unwrap(), Codec::Pcma);
        player.play(LegId(leg), leg, &["tone".into()]);
    }
    // The measuring thread must not be late itself; without permission it is as late as the machine is busy.
    println!("real-time scheduling: {}", ccbs_sip::rtp::ahead_of_others());
    let mut arrivals = Vec::with_capacity(PACKETS);
    let mut octets = [0; 2_000];
    for index in 0..PACKETS {
        let length = phone.recv(&mut octets).unwrap();
        arrivals.push(Instant::now());
        assert_eq!(length, 172);
        assert_eq!(octets[1] & 0x80 != 0, index == 0, "marker of packet {index}");
    }
    for _ in 0..STREAMS {
        assert_eq!(outcomes.recv_timeout(Duration::from_secs(10)).unwrap().played, Played::Finished);
    }

    let span = arrivals[PACKETS - 1] - arrivals[0];
    let mean = span.as_secs_f64() * 1e3 / f64::from(u32::try_from(PACKETS - 1).unwrap());
    let mut jitter: Vec<f64> =
        arrivals.windows(2).map(|pair| ((pair[1] - pair[0]).as_secs_f64() * 1e3 - 20.0).abs()).collect();
    jitter.sort_by(f64::total_cmp);
    let (p50, p99, worst) = (jitter[jitter.len() / 2], jitter[jitter.len() * 99 / 100], jitter[jitter.len() - 1]);
    println!(
        "{PACKETS} packets among {STREAMS} streams: mean interval {mean:.4} ms; deviation from 20 ms: \
         p50 {p50:.3}, p99 {p99:.3}, worst {worst:.3} ms"
    );
    if std::env::var_os("CCBS_PACING").is_some() {
        assert!((mean - 20.0).abs() <= 0.1, "mean interval {mean:.4} ms");
        assert!(p99 <= 5.0, "p99 of the deviation {p99:.3} ms");
    }
}
