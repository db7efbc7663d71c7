use super::Page;
use crate::ids::MachineId;
use crate::serve::log::tail::Level;

#[test]
fn names_of_pages_are_read_and_others_refused() {
    assert_eq!(Page::parse("wall"), Some(Page::Wall));
    assert_eq!(Page::parse("machine-12"), Some(Page::Machine(MachineId(12))));
    assert_eq!(Page::parse("system-warn"), Some(Page::System(Level::Warn)));
    for never in ["", "walls", "machine", "machine-", "machine-x", "machine-1-2", "system-loud", "../wall"] {
        assert_eq!(Page::parse(never), None, "{never}");
    }
}
