//! What one reads for many who ask: one reading at a time, in a task of its own, kept for a while. Who asks waits for a bounded time, and
//! hears what is known until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::failure::Failure;

/// Of what could not be read, how much sooner it is tried again.
const SOONER: u32 = 4;

/// The last answer to one question.
pub(super) struct Latest<T> {
    kept: Duration,
    is_reading: AtomicBool,
    told: watch::Sender<Told<T>>,
}

/// What is known.
#[derive(Clone, Debug)]
pub(super) struct Told<T> {
    /// As it was read last; a failure after that leaves it as it was.
    pub value: Option<T>,
    /// Why it could not be read the last time.
    pub failure: Option<Failure>,
    tried: Option<Instant>,
}

impl<T> Told<T> {
    /// Whether it was read the last time that it was tried.
    pub fn is_up(&self) -> bool {
        self.value.is_some() && self.failure.is_none()
    }

    fn is_fresh(&self, kept: Duration) -> bool {
        let kept = match self.failure {
            Some(_) => kept / SOONER,
            None => kept,
        };
        self.tried.is_some_and(|tried| tried.elapsed() < kept)
    }
}

impl<T: Clone + Send + Sync + 'static> Latest<T> {
    /// Nothing is read yet. An answer is given again for the time `kept`.
    pub fn new(kept: Duration) -> Arc<Self> {
        let nothing = Told {
            value: None,
            failure: None,
            tried: None,
        };
        Arc::new(Self {
            kept,
            is_reading: AtomicBool::new(false),
            told: watch::channel(nothing).0,
        })
    }

    /// What is known, after a wait of at most `patience` where it has to be read again. `read` is given what was known before.
    pub async fn ask<R>(
        self: &Arc<Self>,
        patience: Duration,
        read: impl FnOnce(Option<T>) -> R,
    ) -> Told<T>
    where
        R: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let mut told = self.told.subscribe();
        let known = told.borrow_and_update().clone();
        if known.is_fresh(self.kept) {
            return known;
        }
        if !self.is_reading.swap(true, Ordering::AcqRel) {
            let reading = Reading(self.clone());
            let read = read(known.value);
            tokio::spawn(async move {
                let answer = read.await;
                reading.0.tell(answer);
            });
        }
        // The sender lives as long as this does, so that only the time can run out.
        let _ = tokio::time::timeout(patience, told.changed()).await;
        told.borrow().clone()
    }

    fn tell(&self, answer: Result<T, Failure>) {
        self.told.send_modify(|told| {
            told.tried = Some(Instant::now());
            match answer {
                Ok(value) => {
                    told.value = Some(value);
                    told.failure = None;
                }
                Err(failure) => told.failure = Some(failure),
            }
        });
    }
}

/// Over when it is dropped, also by a panic: then somebody else reads.
struct Reading<T>(Arc<Latest<T>>);

impl<T> Drop for Reading<T> {
    fn drop(&mut self) {
        self.0.is_reading.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn one_reads_for_all_who_ask() {
        let latest: Arc<Latest<usize>> = Latest::new(Duration::from_secs(600));
        let (read, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (latest, read, gate) = (latest.clone(), read.clone(), gate.clone());
            tokio::spawn(async move {
                let reading = |_| async move {
                    let number = read.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.expect("it stays open").forget();
                    Ok(number)
                };
                latest.ask(Duration::from_secs(60), reading).await.value
            })
        };
        let asked: Vec<_> = (0..20).map(|_| ask()).collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        gate.add_permits(1);
        for one in asked {
            assert_eq!(one.await.expect("an answer"), Some(0));
        }
        assert_eq!(ask().await.expect("an answer"), Some(0), "it is kept");
        assert_eq!(read.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_is_known_is_told_while_nothing_answers() {
        let latest: Arc<Latest<u8>> = Latest::new(Duration::ZERO);
        let patience = Duration::from_secs(60);
        let told = latest.ask(patience, |_| async { Ok(7) }).await;
        assert!(told.is_up());
        let refused = |before: Option<u8>| async move {
            assert_eq!(before, Some(7));
            Err(Failure::internal("away"))
        };
        let told = latest.ask(patience, refused).await;
        assert_eq!((told.value, told.is_up()), (Some(7), false));
        // It hangs for ever, and nobody waits for it.
        let began = Instant::now();
        for _ in 0..2 {
            let hanging = |_| std::future::pending();
            let told = latest.ask(Duration::from_millis(20), hanging).await;
            assert_eq!(told.value, Some(7));
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_reading_that_panics_is_not_the_last_one() {
        let latest: Arc<Latest<u8>> = Latest::new(Duration::ZERO);
        let short = Duration::from_millis(20);
        let panics = || -> Result<u8, Failure> { panic!("on purpose") };
        let told = latest.ask(short, |_| async move { panics() }).await;
        assert_eq!(told.value, None);
        let told = latest.ask(Duration::from_secs(60), |_| async { Ok(1) });
        assert_eq!(told.await.value, Some(1));
    }
}
