//! Operations on batches: units made under one order.

use super::{Fleet, Outbox};
use crate::fleet::Change;
use crate::ids::BatchId;
use crate::naming::{Batch, BatchState, Scheme};
use crate::refusal::Refusal;
use crate::time::Now;

impl Fleet {
    pub(super) fn create_batch(
        &mut self,
        venue: &str,
        product: &str,
        total: i64,
        priority: i64,
        now: Now,
        out: &mut Outbox,
    ) -> Result<Batch, Refusal> {
        let product = self.known_product(product)?;
        let venue = self.known_venue(venue)?;
        let naming = &self.tables.naming;
        let count = u64::try_from(total).ok().filter(|count| *count > 0);
        let total = count.ok_or_else(|| Refusal::Invalid(format!("total_count must be > 0, got {total}")))?;
        let pooled = matches!(naming.product(&product).map(|product| product.scheme), Some(Scheme::Pooled { .. }));
        // What other batches have still to make, nobody else gets.
        let available = naming.spare(&product, &venue);
        if pooled && available < total {
            return Err(Refusal::TooFewNames { product, venue, requested: total, available });
        }
        let batch = Batch {
            id: naming.next_batch_id(),
            product,
            venue,
            total,
            remaining: total,
            priority,
            state: BatchState::Pending,
            created_at: now.timestamp,
            started_at: None,
            completed_at: None,
        };
        self.commit(out, Change::Batch(batch.clone()));
        Ok(batch)
    }

    pub(super) fn batch(&self, id: BatchId) -> Result<Batch, Refusal> {
        self.tables.naming.batch(id).cloned().ok_or_else(|| Refusal::NotFound("Batch not found".into()))
    }

    pub(super) fn start_batch(&mut self, id: BatchId, now: Now, out: &mut Outbox) -> Result<Batch, Refusal> {
        let batch = self.batch(id)?;
        match batch.state {
            BatchState::Completed | BatchState::Cancelled => {
                return Err(Refusal::Conflict(format!("Cannot start {} batch {id}", batch.state.word())));
            }
            BatchState::Active => return Ok(batch),
            BatchState::Pending | BatchState::Paused => {}
        }
        let started_at = batch.started_at.or(Some(now.timestamp));
        let batch = Batch { state: BatchState::Active, started_at, ..batch };
        self.commit(out, Change::Batch(batch.clone()));
        Ok(batch)
    }

    pub(super) fn pause_batch(&mut self, id: BatchId, out: &mut Outbox) -> Result<Batch, Refusal> {
        let batch = self.batch(id)?;
        if batch.state != BatchState::Active {
            let state = batch.state.word();
            return Err(Refusal::Conflict(format!("Batch {id} must be active to pause (current status: {state})")));
        }
        let batch = Batch { state: BatchState::Paused, ..batch };
        self.commit(out, Change::Batch(batch.clone()));
        Ok(batch)
    }

    pub(super) fn cancel_batch(&mut self, id: BatchId, now: Now, out: &mut Outbox) -> Result<Batch, Refusal> {
        let batch = self.batch(id)?;
        match batch.state {
            BatchState::Completed => Err(Refusal::Conflict(format!("Cannot cancel completed batch {id}"))),
            BatchState::Cancelled => Ok(batch),
            BatchState::Pending | BatchState::Active | BatchState::Paused => {
                let batch = Batch { state: BatchState::Cancelled, completed_at: Some(now.timestamp), ..batch };
                self.commit(out, Change::Batch(batch.clone()));
                Ok(batch)
            }
        }
    }

    pub(super) fn set_batch_priority(
        &mut self,
        id: BatchId,
        priority: i64,
        out: &mut Outbox,
    ) -> Result<Batch, Refusal> {
        let batch = self.batch(id)?;
        if batch.priority == priority {
            return Ok(batch);
        }
        let batch = Batch { priority, ..batch };
        self.commit(out, Change::Batch(batch.clone()));
        Ok(batch)
    }
}
