//! The entries of `windows`: when something may be written.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::config::checks::report_double;
use crate::config::interval;
use crate::config::keys;
use crate::config::reader::Value;
use crate::config::remotes::name;
use crate::config::schedule::cron_in_zone;
use crate::model::window::{Window, WindowKind};

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Reads one window.
pub(super) fn window(value: &Value<'_>) -> Option<Window> {
    let fields = value.fields(&keys::WINDOW);
    let name = fields.get("name").and_then(name);
    let kind = fields.get("kind").and_then(|value| value.word(&WindowKind::ALL.map(WindowKind::as_str)));
    let kind = kind.and_then(|word| WindowKind::ALL.into_iter().find(|kind| kind.as_str() == word));
    let cron = fields.get("cron").and_then(|value| cron_in_zone(value, &fields));
    let duration = fields.get("duration").and_then(duration);
    let reason = fields.get("reason").and_then(Value::text).map(str::trim).filter(|reason| !reason.is_empty());
    Some(Window { name: name?, kind: kind?, cron: cron?, duration: duration?, reason: reason.map(str::to_owned) })
}

fn duration(value: &Value<'_>) -> Option<Duration> {
    const HINT: &str = "write such as `8h` or `2d`";
    match interval::parse(value.text()?) {
        Ok(span) if (SHORTEST..=LONGEST).contains(&span) => Some(span),
        Ok(_) => {
            value.invalid("it is at least 1m and at most 366d", HINT);
            None
        }
        Err(rule) => {
            value.invalid(rule, HINT);
            None
        }
    }
}

/// Gives the windows by name, and reports doubled names; none if an entry could not be read.
pub(super) fn by_name(entries: Vec<(&Value<'_>, Option<Window>)>) -> Option<BTreeMap<String, Window>> {
    let mut first = HashMap::new();
    for (value, window) in entries.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let name = &window.name;
        report_double(value, &format!("has the name `{name}`"), first.insert(name, value.line));
    }
    entries.into_iter().map(|(_, read)| read.map(|window| (window.name.clone(), window))).collect()
}
