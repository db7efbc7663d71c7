//! What the fuzz targets share: their bodies, which `cargo test` replays as well, and the count of what got through.

use std::sync::atomic::{AtomicU64, Ordering};

#[path = "../bodies/backup_bundle.rs"]
pub mod backup_bundle;
#[path = "../bodies/config_toml.rs"]
pub mod config_toml;
#[path = "../bodies/deb_package.rs"]
pub mod deb_package;
#[path = "../bodies/dhcp_frame.rs"]
pub mod dhcp_frame;
#[path = "../bodies/ext4_image.rs"]
pub mod ext4_image;
#[path = "../bodies/file_name.rs"]
pub mod file_name;
#[path = "../bodies/http_head.rs"]
pub mod http_head;
#[path = "../bodies/image_head.rs"]
pub mod image_head;
#[path = "../bodies/import_text.rs"]
pub mod import_text;
#[path = "../bodies/link_frame.rs"]
pub mod link_frame;
#[path = "../bodies/script.rs"]
pub mod script;
#[path = "../bodies/sparse.rs"]
pub mod sparse;
#[path = "../bodies/tarball.rs"]
pub mod tarball;
#[path = "../bodies/template.rs"]
pub mod template;
#[path = "../bodies/tftp_packet.rs"]
pub mod tftp_packet;
#[path = "../bodies/tftp_transfer.rs"]
pub mod tftp_transfer;

/// Runs between two looks at the count.
const LOOK_EVERY: u64 = 1 << 12;

/// How often a target got through the door: a fuzzer whose every input is refused there tests the door alone.
pub struct Reach {
    one_in: u64,
    runs: AtomicU64,
    reached: AtomicU64,
}

impl Reach {
    /// At least one run in `one_in` is to get through.
    pub const fn at_least_one_in(one_in: u64) -> Self {
        Reach { one_in, runs: AtomicU64::new(0), reached: AtomicU64::new(0) }
    }

    /// Counts one run.
    ///
    /// # Panics
    /// Fewer got through than should.
    pub fn count(&self, reached: bool) {
        let reached = self.reached.fetch_add(reached.into(), Ordering::Relaxed) + u64::from(reached);
        let runs = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        if runs.is_multiple_of(LOOK_EVERY) {
            // A line at each doubling is enough to see.
            if runs.is_power_of_two() {
                eprintln!("reach: {reached} of {runs} runs got through");
            }
            assert!(
                reached * self.one_in >= runs,
                "only {reached} of {runs} runs got through: better seeds are needed"
            );
        }
    }
}
