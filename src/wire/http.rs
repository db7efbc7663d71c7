//! HTTP request heads.
