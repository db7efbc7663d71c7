//! Another configuration for a fleet that runs.

use super::*;
use crate::fleet::board::Board;

impl World {
    /// Another configuration with these links.
    fn reconfigure(&mut self, links: Vec<Link>, profiles: Vec<Profile>) {
        let configuration = Configuration {
            site: Arc::new(site(links)),
            profiles,
            classes: Vec::new(),
            products: products(),
            venues: Vec::new(),
        };
        let configuration = Box::new(configuration);
        let told = self.told(Event::Configure { configuration, reply_to: ReplyTo(1) });
        assert_eq!(told, Ok(Told::Done("the new configuration is in force".into())));
    }
}

#[test]
fn leases_names_and_transfers_stay() {
    let mut world = World::factory(3);
    let address = world.netboot(1);
    let pc = Installer::new(1).at(address);
    world.named(&pc);
    let (transfer, name) = (TransferId(7), "images/kxp2_master.img".to_owned());
    world.handle(Event::FetchStarted { transfer, address, name, size: 100, via: Via::Http });
    let before = world.remembered();
    world.reconfigure(vec![link(200)], profiles());
    assert!(world.remembered() == before, "the same place gives the same tables");
    assert_eq!(world.netboot(1), address);
    assert_eq!(world.named(&pc).as_deref(), Some("KXP2-ARLT-001"));
    world.handle(Event::Fetched { transfer, sent: 100, outcome: Outcome::Complete });
    assert!(matches!(world.notices.last(), Some(Notice::Transfer { outcome: Some(Outcome::Complete), .. })));
}

#[test]
fn a_smaller_pool_keeps_what_is_bound_and_drops_offers_outside() {
    let mut world = World::pool(9);
    let bound: Vec<Ipv4Addr> = (1..=5).map(|last| world.bind(last)).collect();
    assert_eq!(bound, (1..=5).map(ip).collect::<Vec<_>>());
    assert_eq!(world.reply(&Message::new(Discover, 6)).yiaddr, ip(6));
    world.reconfigure(vec![link(3)], Vec::new());
    for last in 1..=5 {
        assert!(world.lease(last).is_some_and(|lease| lease.state == LeaseState::Bound), "{last}");
    }
    assert!(world.lease(6).is_none(), "the offer could not be made again");
    assert_eq!(world.answer(&Message::new(Discover, 7)), None, "all three are taken");
    world.reconfigure(vec![link(9)], Vec::new());
    assert_eq!(world.reply(&Message::new(Discover, 7)).yiaddr, ip(6));
}

#[test]
fn an_offer_that_still_holds_can_be_taken() {
    let mut world = World::pool(9);
    assert_eq!(world.reply(&Message::new(Discover, 1)).yiaddr, ip(1));
    let mut reserved = link(9);
    reserved.reservations = vec![reservation(1, Some(ip(1)))];
    world.reconfigure(vec![reserved], Vec::new());
    let request = Message::new(Request, 1).requested(ip(1)).server(SERVER);
    assert_eq!(world.answer(&request), Some((Ack, ip(1))));
}

#[test]
fn what_machines_boot_changes_at_once_also_for_readers() {
    let mut world = World::factory(3);
    world.netboot(1);
    let mut board = Board::new(world.fleet.site().clone(), world.fleet.catalog().clone());
    board.reset(world.fleet.views(world.fleet.ids()), world.fleet.notices());
    world.notices.clear();
    let mut link = link(200);
    link.lease_time = Duration::from_secs(77);
    world.reconfigure(vec![link], vec![profile("other", &[Firmware::BiosPxe], Some("other.0"))]);
    assert_eq!(world.reply(&bios(1)).file, "other.0");
    world.notices.iter().for_each(|notice| board.apply(notice));
    assert_eq!(board.site().links[0].lease_time, Duration::from_secs(77));
    let view = board.machines().next().expect("the machine").clone();
    assert!(view.plan.profile.as_ref().is_some_and(|profile| profile.name == "other"));
    let ready = ImageState::Ready(image("kxp2_master.img"));
    assert_eq!(board.catalog().image(&product("KXP2")), &ready, "what is known of images stays");
}
