//! The queue between those who tell of something and the cycles: bounded, and each image is in it once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::model::event::{Event, Pushed};

/// Most images that wait.
const MOST: usize = 1_000;

/// What waits for the next cycle.
#[derive(Debug, Default)]
pub struct Events {
    waiting: Mutex<Pushed>,
    arrival: Notify,
}

/// No more images fit into the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

impl Events {
    /// Adds all of these, or none.
    ///
    /// # Errors
    /// They do not fit.
    pub fn offer(&self, events: Vec<Event>) -> Result<(), Full> {
        if events.is_empty() {
            return Ok(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let images = events.iter().map(|Event::RegistryPush { image, .. }| image);
        let new: BTreeSet<_> = images.filter(|image| !waiting.contains(image)).collect();
        if waiting.len() + new.len() > MOST {
            return Err(Full);
        }
        events.into_iter().for_each(|event| waiting.add(event));
        drop(waiting);
        self.arrival.notify_one();
        Ok(())
    }

    /// Takes everything out.
    pub fn take(&self) -> Pushed {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there is something.
    pub async fn arrived(&self) {
        // One that came before this call left a permit.
        while self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.arrival.notified().await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn push(name: &str) -> Event {
        Event::RegistryPush { image: format!("r.example/{name}").parse().unwrap(), tag: "1.0.0".parse().ok() }
    }

    #[test]
    fn the_same_image_waits_once_and_a_full_queue_takes_no_more_of_others() {
        let events = Events::default();
        for _ in 0..3 * MOST {
            events.offer(vec![push("replayed")]).unwrap();
        }
        assert_eq!(events.take().len(), 1);
        for at in 0..MOST {
            events.offer(vec![push(&format!("flood-{at}"))]).unwrap();
        }
        assert_eq!(events.offer(vec![push("flood-0"), push("one-more")]), Err(Full));
        assert_eq!(events.offer(vec![push("flood-0")]), Ok(()), "what is in there already needs no room");
        let taken = events.take();
        assert_eq!((taken.len(), taken.contains(&"r.example/one-more".parse().unwrap())), (MOST, false));
        assert_eq!(events.offer(vec![push("one-more")]), Ok(()));
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_what_came_before_and_by_what_comes_later() {
        let events = Arc::new(Events::default());
        events.offer(vec![push("a")]).unwrap();
        events.arrived().await;
        events.arrived().await;
        assert_eq!(events.take().len(), 1);
        // The permit of the first one is still there, and means nothing.
        let waiting = tokio::spawn({
            let events = events.clone();
            async move { events.arrived().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        events.offer(vec![push("b")]).unwrap();
        waiting.await.unwrap();
    }
}
