use std::sync::mpsc;

use super::*;
use crate::api::Played;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn player(ports: RangeInclusive<u16>) -> (Player, mpsc::Receiver<Outcome>) {
    let (sender, receiver) = mpsc::channel();
    let player = Player::start(PlayerConfig::new(HERE, ports, 1), move |outcome| {
        let _ = sender.send(outcome);
    });
    (player.unwrap(), receiver)
}

#[test]
fn ports_are_even_bounded_and_given_back() {
    let (mut player, _outcomes) = player(31_001..=31_008);
    let taken: Vec<_> = (0..4).filter_map(|leg| player.open(LegId(leg), HERE)).collect();
    assert_eq!(taken, [31_002, 31_004, 31_006, 31_008]);
    assert_eq!(player.open(LegId(1), HERE), Some(31_004), "a leg keeps its port");
    assert_eq!(player.open(LegId(9), HERE), None);
    assert_eq!(player.shared.counters.no_port.load(Ordering::Relaxed), 1);
    player.close(LegId(2));
    // The thread may hold the old socket until its tick is over.
    let again = std::iter::repeat_with(|| player.open(LegId(9), HERE)).take(1_000_000).find_map(|port| port);
    assert_eq!(again, Some(31_006));
}

#[test]
fn a_port_in_use_by_another_program_is_passed_over() {
    let other = UdpSocket::bind((HERE, 31_020)).unwrap();
    let (mut player, _outcomes) = player(31_020..=31_023);
    assert_eq!(player.open(LegId(1), HERE), Some(31_022));
    drop(other);
    assert_eq!(player.open(LegId(2), HERE), Some(31_020));
}

#[test]
fn an_empty_port_range_gives_no_port() {
    let (mut player, _outcomes) = player(31_031..=31_031);
    assert_eq!(player.open(LegId(1), HERE), None);
}

#[test]
fn the_number_of_streams_is_bounded() {
    let config = PlayerConfig { streams: 1, ..PlayerConfig::new(HERE, 31_040..=31_059, 1) };
    let mut player = Player::start(config, |_| {}).unwrap();
    assert!(player.open(LegId(1), HERE).is_some());
    assert_eq!(player.open(LegId(2), HERE), None);
    player.close(LegId(1));
    assert!(player.open(LegId(2), HERE).is_some());
}

#[test]
fn a_phone_hears_the_prompt_and_the_outcome_comes_back() {
    let phone = UdpSocket::bind((HERE, 0)).unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut player, outcomes) = player(31_060..=31_079);
    player.load("tone".into(), vec![2_000_i16; 1_600].into());
    let port = player.open(LegId(1), HERE).unwrap();
    player.connect(LegId(1), phone.local_addr().unwrap(), Codec::Pcma);
    player.play(LegId(1), 5, &["tone".into()]);
    let packets: Vec<Vec<u8>> = (0..26)
        .map(|_| {
            let mut octets = [0; 2_000];
            let (length, from) = phone.recv_from(&mut octets).unwrap();
            assert_eq!(from.port(), port);
            // What a phone sends meanwhile is read and forgotten.
            phone.send_to(&octets[..length], from).unwrap();
            octets[..length].to_vec()
        })
        .collect();
    assert!(packets.iter().all(|packet| packet.len() == 172));
    let outcome = outcomes.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(outcome, Outcome { leg: LegId(1), token: 5, played: Played::Finished });
    player.close(LegId(1));
    drop(player);
    assert!(outcomes.try_recv().is_err());
}
