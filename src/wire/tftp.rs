//! TFTP packets.
