//! What a rule says of pull requests.

use std::collections::BTreeSet;

use crate::config::keys;
use crate::config::reader::Value;
use crate::model::forge::{self, MergeMethod};
use crate::model::rule::{AutoMerge, PullRules};

/// Reads `rules[].pull_request`.
pub(super) fn pull_request(value: &Value<'_>) -> PullRules {
    let fields = value.fields(&keys::PULL_REQUEST);
    let texts = |name: &str, read: fn(&str) -> Result<String, &'static str>, hint: &str| {
        // A list that is there replaces what an earlier rule says, an empty one too.
        fields.get(name).map(|value| texts(value, read, hint))
    };
    let auto_merge = fields.get("auto_merge").and_then(|value| value.word(&AutoMerge::ALL.map(AutoMerge::as_str)));
    let method = fields.get("merge_method").and_then(|value| value.word(&MergeMethod::ALL.map(MergeMethod::as_str)));
    PullRules {
        labels: texts("labels", forge::label, "write such as `dependencies`"),
        reviewers: texts("reviewers", forge::reviewer, "write such as `alice`, `acme/platform` or `codeowners`"),
        assignees: texts("assignees", forge::login, "write such as `alice`"),
        draft: fields.written("draft").and_then(Value::boolean),
        auto_merge: auto_merge.and_then(|word| AutoMerge::ALL.into_iter().find(|one| one.as_str() == word)),
        merge_method: method.and_then(|word| MergeMethod::ALL.into_iter().find(|one| one.as_str() == word)),
    }
}

fn texts(value: &Value<'_>, read: fn(&str) -> Result<String, &'static str>, hint: &str) -> BTreeSet<String> {
    let items = value.items();
    let good = items.iter().filter_map(|item| read(item.text()?).map_err(|rule| item.invalid(rule, hint)).ok());
    good.collect()
}
