//! The five fields of a Unix cron expression, each read into the numbers that it allows (crontab(5)).

use std::collections::BTreeSet;

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// One of the five fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// What it is called.
    pub(super) name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

/// The fields, in their order. Sunday is 0 and 7.
pub(super) const KINDS: [Kind; 5] = [
    Kind { name: "minute", least: 0, most: 59, names: &[] },
    Kind { name: "hour", least: 0, most: 23, names: &[] },
    Kind { name: "day of month", least: 1, most: 31, names: &[] },
    Kind { name: "month", least: 1, most: 12, names: MONTHS },
    Kind { name: "day of week", least: 0, most: 7, names: DAYS },
];

/// What a field allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Field {
    /// The numbers; of days of the week 0 to 6.
    pub(super) numbers: BTreeSet<u32>,
    /// It begins with `*`, which decides how days of the month and of the week go together, and whether a job follows
    /// the clock through a change of daylight saving time.
    pub(super) is_star: bool,
}

impl Kind {
    /// Reads a field.
    pub(super) fn read(&self, text: &str) -> Result<Field, String> {
        let mut numbers = BTreeSet::new();
        for item in text.split(',') {
            self.item(item, &mut numbers)?;
        }
        if self.names == DAYS && numbers.remove(&7) {
            numbers.insert(0);
        }
        Ok(Field { numbers, is_star: text.starts_with('*') })
    }

    /// A field of all numbers.
    pub(super) fn all(&self) -> BTreeSet<u32> {
        let most = if self.names == DAYS { 6 } else { self.most };
        (self.least..=most).collect()
    }

    fn item(&self, item: &str, numbers: &mut BTreeSet<u32>) -> Result<(), String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            None if step.is_some() => {
                return Err(format!(
                    "in the {} `{item}` a step follows * or a range, such as */5 or 10-40/5",
                    self.name
                ));
            }
            None => {
                let number = self.number(range)?;
                (number, number)
            }
        };
        if first > last {
            return Err(format!("in the {} `{item}` the range ends before it begins: write two of them", self.name));
        }
        let step = match step {
            None => 1,
            Some(step) => number(step)
                .filter(|step| *step > 0)
                .ok_or_else(|| format!("in the {} `{item}` the step is no number from 1", self.name))?,
        };
        numbers.extend((first..=last).step_by(usize::try_from(step).unwrap_or(usize::MAX)));
        Ok(())
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let first = if self.names == MONTHS { 1 } else { 0 };
        let found = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + first).or_else(|| number(text));
        found.filter(|found| (self.least..=self.most).contains(found)).ok_or_else(|| {
            let names = match (self.names.first(), self.names.last()) {
                (Some(first), Some(last)) => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            format!("`{text}` is no {}: those are {} to {}{names}", self.name, self.least, self.most)
        })
    }
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
