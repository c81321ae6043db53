//! So many requests per second in the long run, and twice as many at once.

use std::time::{Duration, Instant};

/// What is left of an allowance.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// All of it is left.
    pub(super) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, left: most(per_second), at: now }
    }

    /// Takes one.
    ///
    /// # Errors
    /// None is left; when there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + grown).min(most(self.per_second));
        self.at = self.at.max(now);
        if self.left < 1.0 {
            let wait = Duration::try_from_secs_f64((1.0 - self.left) / self.per_second);
            return Err(wait.unwrap_or(Duration::from_secs(3_600)));
        }
        self.left -= 1.0;
        Ok(())
    }
}

fn most(per_second: f64) -> f64 {
    (per_second * 2.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_many_at_once_and_then_as_many_as_grow_again() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut allowance = Allowance::new(2.0, start);
        let taken = (0..10).filter(|_| allowance.take(at(0)).is_ok()).count();
        assert_eq!((taken, allowance.take(at(0))), (4, Err(Duration::from_millis(500))));
        assert_eq!(allowance.take(at(400)), Err(Duration::from_millis(100)));
        assert_eq!(allowance.take(at(500)), Ok(()));
        // A clock that goes back gives nothing.
        assert!(allowance.take(at(0)).is_err());
        assert_eq!((0..10).filter(|_| allowance.take(at(60_000)).is_ok()).count(), 4);
        let mut slow = Allowance::new(0.01, start);
        assert_eq!((slow.take(start), slow.take(start)), (Ok(()), Err(Duration::from_secs(100))));
    }
}
