//! `promote_from` of rules and environments: a text as in annotations, a list, or a mapping of `all` or `any`.

use crate::config::keys;
use crate::config::reader::Value;
use crate::config::rules::Known;
use crate::model::promotion::{Promotion, Quorum, Upstream};

const HINT: &str = "write `<environment>`, `<environment>/<application>`, a list of them, or `{any: [a, b]}`";

/// Reads a promotion, whose environments are known where the operator lists some.
pub(super) fn promotion(value: &Value<'_>, known: &Known) -> Option<Promotion> {
    if value.is_scalar() {
        let read = value.text()?.parse::<Promotion>().map_err(|error| value.invalid(error, HINT)).ok()?;
        let are_known: Vec<bool> = read.upstreams.iter().map(|upstream| is_known(value, upstream, known)).collect();
        return are_known.iter().all(|is_known| *is_known).then_some(read);
    }
    if value.is_list() {
        return several(value, Quorum::All, known);
    }
    let fields = value.fields(&keys::PROMOTION);
    match (fields.get("all"), fields.get("any")) {
        _ if !fields.is_clean => None,
        (Some(all), None) => several(all, Quorum::All, known),
        (None, Some(any)) => several(any, Quorum::Any, known),
        (Some(_), Some(_)) => {
            value.error("config/invalid-value", "has both `all` and `any`", "keep one of them");
            None
        }
        (None, None) => {
            value.error("config/missing-key", "has neither `all` nor `any`", HINT);
            None
        }
    }
}

fn several(value: &Value<'_>, quorum: Quorum, known: &Known) -> Option<Promotion> {
    let mut upstreams: Vec<Upstream> = Vec::new();
    let mut is_whole = true;
    for item in value.items() {
        let read = item.text().and_then(|text| upstream(&item, text));
        let Some(upstream) = read.filter(|upstream| is_known(&item, upstream, known)) else {
            is_whole = false;
            continue;
        };
        if upstreams.contains(&upstream) {
            item.invalid("each upstream is named once", "remove one of them");
            is_whole = false;
        } else {
            upstreams.push(upstream);
        }
    }
    if upstreams.is_empty() && is_whole {
        value.error("config/invalid-value", "names no environment", HINT);
    }
    (is_whole && !upstreams.is_empty()).then_some(Promotion { quorum, upstreams })
}

/// Reads one entry of a list, which is not a list itself.
fn upstream(value: &Value<'_>, text: &str) -> Option<Upstream> {
    let rule = "an upstream is an environment, or `<environment>/<application>`";
    match text.parse::<Promotion>().map(|promotion| promotion.upstreams) {
        Ok(mut upstreams) if upstreams.len() == 1 && !text.contains(':') => upstreams.pop(),
        Ok(_) => {
            value.invalid(rule, HINT);
            None
        }
        Err(error) => {
            value.invalid(error, HINT);
            None
        }
    }
}

fn is_known(value: &Value<'_>, upstream: &Upstream, known: &Known) -> bool {
    let Some(known) = known.environments.as_ref().filter(|known| !known.is_empty()) else { return true };
    let is_known = known.contains(&upstream.environment);
    if !is_known {
        let rule = format!("`{}` is no name of `environments`", upstream.environment);
        value.invalid(rule, format!("there are {}", known.join(", ")));
    }
    is_known
}
