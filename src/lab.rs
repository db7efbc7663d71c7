//! Network namespaces and links of our own, for the demo and the tests.
