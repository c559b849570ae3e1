use super::*;

fn run(test: impl AsyncFnOnce(Udp, std::net::UdpSocket, SocketAddr)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let handed = &mut crate::net::Handed::default();
        let bound = crate::net::bind("127.0.0.1:0".parse().unwrap(), 1 << 20, true, false, handed).unwrap();
        let socket = bound.udp.unwrap();
        let address = socket.local_addr().unwrap();
        let far = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        test(Udp::new(socket, 2).unwrap(), far, address).await;
    });
}

#[test]
fn trap_16_a_full_queue_sheds_the_newest_and_counts_them() {
    run(async |mut udp, far, address| {
        for number in 0..5_u8 {
            far.send_to(&[number], address).unwrap();
        }
        std::future::poll_fn(|context| udp.poll_readable(context)).await;
        udp.receive();
        assert_eq!(udp.next(), Some((far.local_addr().unwrap(), Bytes::from_static(&[0]))));
        assert_eq!(udp.next().unwrap().1, [1_u8][..]);
        assert!(!udp.has_next());
        assert_eq!((udp.counters.received, udp.counters.shed), (5, 3));
        far.send_to(&[9], address).unwrap();
        std::future::poll_fn(|context| udp.poll_readable(context)).await;
        udp.receive();
        assert_eq!(udp.next().unwrap().1, [9_u8][..]);
    });
}

#[test]
fn the_largest_datagram_arrives_whole() {
    run(async |mut udp, far, address| {
        let octets = vec![7; 65_507];
        far.send_to(&octets, address).unwrap();
        std::future::poll_fn(|context| udp.poll_readable(context)).await;
        udp.receive();
        assert_eq!(udp.next().unwrap().1, octets);
    });
}

#[test]
fn what_cannot_be_sent_is_counted() {
    run(async |mut udp, far, _| {
        udp.send(far.local_addr().unwrap(), b"x");
        udp.send(far.local_addr().unwrap(), &vec![0; 70_000]);
        udp.send("[::1]:9".parse().unwrap(), b"another family");
        assert_eq!((udp.counters.sent, udp.counters.send_failed), (1, 2));
    });
}
