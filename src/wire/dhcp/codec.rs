//! stub
use super::{Reply, Request};
use crate::refusal::Refusal;
pub fn decode(_bytes: &[u8]) -> Result<Request, Refusal> {
    Err(Refusal::NotOurs("stub"))
}
pub fn encode(_reply: &Reply) -> bytes::Bytes {
    bytes::Bytes::new()
}
