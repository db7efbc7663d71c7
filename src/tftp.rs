//! One read transfer as a sans-IO machine.
