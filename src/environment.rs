//! The netboot environment of the installer, built from an OS image or a Debian kernel package.
