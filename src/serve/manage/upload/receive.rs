//! Bytes from a request to the disk: a piece at a time, whatever the size of the whole.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use tokio_stream::{Stream, StreamExt as _};

use super::partial::Partial;
use super::{Refusal, Trouble, Uploads};

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// How long the request before this one may take to stop.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// The right to write, until a later request wants it.
struct Turn {
    _held: OwnedMutexGuard<()>,
    own: u64,
}

impl Uploads {
    /// Takes the bytes of one request, from `offset` on, and leaves them on disk. A connection may have died without our
    /// having been told, so a later request takes the place of one under way.
    ///
    /// # Errors
    /// `conflict` if the upload is not at that offset, `invalid` for more bytes than were announced and for what is no
    /// image, `no-room`. After `conflict` and a body that broke off the upload can be gone on with, else it is gone.
    pub(super) async fn receive<E: fmt::Display>(
        &self,
        partial: &Arc<Partial>,
        offset: u64,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<(), Trouble> {
        let turn = take_turn(partial).await?;
        let at = partial.written();
        if offset != at {
            let sentence = format!("The upload is at {at}, not at {offset}: go on from there");
            return Err(Refusal::Conflict(sentence).into());
        }
        if partial.is_whole() {
            return Ok(());
        }
        partial.read_along().map_err(|error| Trouble::of_disk(&error, "The upload cannot be read"))?;
        let taken = pour(partial, &turn, body).await;
        if let Err(Failure::Fatal(trouble)) = &taken {
            self.fail(partial, trouble.clone());
        }
        taken.map_err(|failure| match failure {
            Failure::Fatal(trouble) | Failure::Passing(trouble) => trouble,
        })
    }
}

/// Why bytes were not taken.
enum Failure {
    /// The upload is lost.
    Fatal(Trouble),
    /// It can be gone on with.
    Passing(Trouble),
}

async fn take_turn(partial: &Arc<Partial>) -> Result<Turn, Trouble> {
    let mut own = 0;
    partial.turns.send_modify(|turn| {
        *turn += 1;
        own = *turn;
    });
    let held = tokio::time::timeout(TURN_TIMEOUT, partial.turn.clone().lock_owned()).await;
    let held = held.map_err(|_| Trouble::from(Refusal::Busy("another request is sending to this upload")))?;
    partial.objection().map_or(Ok(Turn { _held: held, own }), Err)
}

async fn pour<E: fmt::Display>(
    partial: &Arc<Partial>,
    turn: &Turn,
    mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Result<(), Failure> {
    let mut turns = partial.turns.subscribe();
    let mut piece = Vec::with_capacity(PIECE);
    let mut length = partial.written();
    let ended = loop {
        let next = tokio::select! {
            next = body.next() => next,
            _ = turns.wait_for(|now| *now != turn.own) => {
                break Err(Refusal::Conflict("A later request goes on with this upload, or it was ended".into()).into());
            }
        };
        match next {
            None => break Ok(()),
            Some(Err(error)) => break Err(Refusal::Invalid(format!("The body broke off: {error}")).into()),
            Some(Ok(bytes)) => {
                length += bytes.len() as u64;
                if length > partial.room() {
                    let sentence = format!("There are more than the {} bytes that were announced", partial.room());
                    return Err(Failure::Fatal(Refusal::Invalid(sentence).into()));
                }
                piece.extend_from_slice(&bytes);
            }
        }
        if piece.len() >= PIECE {
            piece = write(partial, piece, false).await?;
            if let Some(trouble) = partial.objection() {
                return Err(Failure::Fatal(trouble));
            }
        }
    };
    // What came is kept, also of a body that broke off.
    write(partial, piece, true).await?;
    if let Some(trouble) = partial.objection() {
        return Err(Failure::Fatal(trouble));
    }
    ended.map_err(Failure::Passing)
}

/// Writes a piece, and gives back its memory.
async fn write(partial: &Arc<Partial>, mut piece: Vec<u8>, sync: bool) -> Result<Vec<u8>, Failure> {
    let partial = partial.clone();
    let job = move || -> io::Result<Vec<u8>> {
        partial.write(&piece)?;
        if sync {
            partial.sync()?;
        }
        piece.clear();
        Ok(piece)
    };
    let written = tokio::task::spawn_blocking(job).await.map_err(io::Error::other).flatten();
    written.map_err(|error| Failure::Fatal(Trouble::of_disk(&error, "The upload cannot be written")))
}
