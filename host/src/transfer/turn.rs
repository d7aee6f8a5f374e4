//! Places in the queue before something that does one thing at a time: a session of PostgreSQL.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use futures_util::FutureExt;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// One place. It can be claimed before it is needed, so that streams get their turns in the order in which a plugin began to
/// move them, and not in the order in which they happen to be pulled: then the stream that is written next never waits for
/// one that is written later.
#[derive(Clone)]
pub struct Turn {
    queue: Arc<Mutex<()>>,
    place: Arc<StdMutex<Place>>,
}

type Waiting = Pin<Box<dyn Future<Output = OwnedMutexGuard<()>> + Send>>;

enum Place {
    Unclaimed,
    Waiting(Waiting),
    Here(OwnedMutexGuard<()>),
}

impl Turn {
    /// Not in the queue yet.
    pub fn new(queue: Arc<Mutex<()>>) -> Self {
        Self {
            queue,
            place: Arc::new(StdMutex::new(Place::Unclaimed)),
        }
    }

    /// Queues up, behind those that have claimed before.
    pub fn claim(&self) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*place, Place::Unclaimed) {
            let mut waiting: Waiting = Box::pin(self.queue.clone().lock_owned());
            // The queue is fair, and the first poll joins it.
            *place = match (&mut waiting).now_or_never() {
                Some(guard) => Place::Here(guard),
                None => Place::Waiting(waiting),
            };
        }
    }

    /// Waits for the turn; it lasts as long as what this gives.
    pub async fn taken(self) -> OwnedMutexGuard<()> {
        self.claim();
        let place = std::mem::replace(
            &mut *self.place.lock().unwrap_or_else(PoisonError::into_inner),
            Place::Unclaimed,
        );
        match place {
            Place::Here(guard) => guard,
            Place::Waiting(waiting) => waiting.await,
            Place::Unclaimed => self.queue.clone().lock_owned().await,
        }
    }

    /// The same number for all turns before the same thing.
    pub fn queue_id(&self) -> usize {
        Arc::as_ptr(&self.queue).addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_in_the_order_of_their_claims() {
        let queue = Arc::new(Mutex::new(()));
        let turns = [(); 3].map(|()| Turn::new(queue.clone()));
        turns.iter().for_each(Turn::claim);
        let [first, second, third] = turns;
        let last = tokio::spawn(third.taken());
        let middle = second.taken();
        let here = first.taken().await;
        tokio::task::yield_now().await;
        assert!(!last.is_finished());
        drop(here);
        drop(middle.await);
        drop(last.await.unwrap());
    }

    #[tokio::test]
    async fn who_leaves_the_queue_holds_up_nobody() {
        let queue = Arc::new(Mutex::new(()));
        let (first, second) = (Turn::new(queue.clone()), Turn::new(queue));
        first.claim();
        second.claim();
        drop(first);
        drop(second.taken().await);
    }
}
