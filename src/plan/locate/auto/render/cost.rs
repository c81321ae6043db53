//! What one rendering may cost: a few lines of a patch, or of names in bases of bases, can ask for more than any machine has.

use regex::{Regex, RegexBuilder};

/// How many steps one rendering may take: values that patches bring, and looks of patches and entries at objects.
pub(super) const MAX_STEPS: usize = 4_000_000;
/// How many bytes of manifests and patches one rendering may hold.
pub(super) const MAX_HELD: usize = 16 * 1024 * 1024;
/// How large a compiled expression may get, in bytes.
const MAX_EXPRESSION: usize = 1 << 18;
/// How many steps it takes to compile a name, and one that is more than that.
const PLAIN: usize = 50;
const EXPRESSION: usize = 4_000;
/// How long a name is compiled for the price of one.
const MAX_PLAIN: usize = 1_000;

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

    /// Compiles an expression of a kustomization between what stands around it.
    pub(super) fn compile(&mut self, before: &str, text: &str, after: &str) -> Option<Regex> {
        let is_name = |c: u8| c.is_ascii_alphanumeric() || b".-_/:@".contains(&c);
        let is_plain = text.len() <= MAX_PLAIN && text.bytes().all(is_name);
        self.take(if is_plain { PLAIN } else { EXPRESSION })?;
        RegexBuilder::new(&format!("{before}{text}{after}"))
            .size_limit(MAX_EXPRESSION)
            .dfa_size_limit(MAX_EXPRESSION)
            .build()
            .ok()
    }
}
