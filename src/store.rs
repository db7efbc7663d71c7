//! stub
use crate::fleet::Change;
#[derive(Debug, thiserror::Error)]
#[error("store")]
pub struct StoreError;
#[derive(Debug)]
pub struct Store;
impl Store {
    pub fn open(_: &std::path::Path) -> Result<Store, StoreError> {
        Ok(Store)
    }
    pub fn load(&mut self) -> Result<Vec<Change>, StoreError> {
        Ok(vec![])
    }
    pub fn commit(&mut self, _: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
