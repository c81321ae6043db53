//! What one answer of a registry may cost: `registry_limits`, and `limits` of one registry.

use std::time::Duration;

use crate::config::interval;
use crate::config::keys;
use crate::config::reader::Value;
use crate::registry::Limits;

/// No time limit is longer.
const LONGEST: Duration = Duration::from_secs(3600);
/// The most bytes, tags or pages: more would not fit into the memory of a small machine.
const MOST: u64 = 1 << 30;

/// Reads limits; what is not there is as in `base`.
pub(super) fn limits(value: &Value<'_>, base: &Limits) -> Limits {
    let fields = value.fields(&keys::REGISTRY_LIMITS);
    let mut limits = base.clone();
    let count = |name: &str| fields.get(name).and_then(count);
    let time = |name: &str| fields.get(name).and_then(|value| time(value, name == "longest_pause"));
    let set = |to: &mut usize, name: &str| *to = count(name).unwrap_or(*to);
    set(&mut limits.bytes_per_page, "page_bytes");
    set(&mut limits.bytes_per_manifest, "manifest_bytes");
    set(&mut limits.pages, "pages");
    set(&mut limits.tags, "tags");
    if let Some(size) = count("page_size") {
        limits.page_size = u32::try_from(size).unwrap_or(u32::MAX);
    }
    let set = |to: &mut Duration, name: &str| *to = time(name).unwrap_or(*to);
    set(&mut limits.listing_time, "listing_time");
    set(&mut limits.request_timeout, "request_timeout");
    set(&mut limits.connect_timeout, "connect_timeout");
    set(&mut limits.longest_pause, "longest_pause");
    limits
}

/// Reads a whole number from 1 that fits into memory.
fn count(value: &Value<'_>) -> Option<usize> {
    let number = value.count()?;
    if number > MOST {
        value.invalid(format!("it is at most {MOST}"), "leave the key out for the default");
        return None;
    }
    usize::try_from(number).ok()
}

fn time(value: &Value<'_>, may_be_none: bool) -> Option<Duration> {
    let least = if may_be_none { Duration::ZERO } else { Duration::from_secs(1) };
    match interval::parse(value.text()?) {
        Ok(time) if (least..=LONGEST).contains(&time) => Some(time),
        Ok(_) => {
            let rule = if may_be_none { "it is at most 1h" } else { "it is at least 1s and at most 1h" };
            value.invalid(rule, "write a time such as `30s`");
            None
        }
        Err(rule) => {
            value.invalid(rule, "write a time such as `30s`");
            None
        }
    }
}
