//! Any bytes through the DHCP border: decoding, recognition and the codec's own round trip.

use hatchery::machine::Evidence;
use hatchery::wire::dhcp::codec;

/// Whether the frame was read, as a request or as a reply.
pub fn run(bytes: &[u8]) -> bool {
    let request = codec::decode(bytes);
    if let Ok(request) = &request {
        let evidence = Evidence::from_dhcp(request);
        assert!(evidence.firmware.is_some());
        assert!(usize::from(request.hlen) <= request.chaddr.len());
    }
    let reply = codec::decode_reply(bytes);
    if let Ok(reply) = &reply {
        let written = codec::encode(reply);
        assert!((300..=576 - 28).contains(&written.len()), "{} bytes", written.len());
        // What was dropped to fit stays dropped: the second round changes nothing more.
        let read = codec::decode_reply(&written).expect("our own reply is well formed");
        assert_eq!(codec::encode(&read), written);
    }
    request.is_ok() || reply.is_ok()
}
