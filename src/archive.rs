//! Archives: Debian packages in, initramfs archives out.
