//! What one rendering may cost: a few lines of a patch, or of names in bases of bases, can ask for more than any machine has.

/// How many steps one rendering may take: values that patches bring, and looks of patches and entries at objects.
pub(super) const MAX_STEPS: usize = 4_000_000;
/// How many bytes of manifests and patches one rendering may hold.
pub(super) const MAX_HELD: usize = 16 * 1024 * 1024;

/// What is left.
#[derive(Debug)]
pub(super) struct Cost {
    steps: usize,
    bytes: usize,
}

impl Default for Cost {
    fn default() -> Self {
        Self { steps: MAX_STEPS, bytes: MAX_HELD }
    }
}

impl Cost {
    /// Pays for steps; gives none if there are not so many.
    pub(super) fn take(&mut self, steps: usize) -> Option<()> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or_default();
        left.map(drop)
    }

    /// Notes that so many bytes are kept as objects or patches.
    pub(super) fn hold(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Tells whether nothing more is looked at.
    pub(super) fn is_spent(&self) -> bool {
        self.steps == 0 || self.bytes == 0
    }
}
