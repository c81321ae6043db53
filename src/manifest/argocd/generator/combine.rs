//! `matrix` and `merge`: parameter sets of other generators, put together.

use std::collections::BTreeMap;

use crate::manifest::argocd::generator::{Expansion, MAX_SETS, Unexpanded};
use crate::manifest::argocd::gotemplate::{Fault, MissingKey};
use crate::manifest::argocd::template::{Mode, render};
use crate::manifest::argocd::value::Value;

/// The generators that have `values`.
const WITH_VALUES: [&str; 2] = ["clusters", "git"];

impl Expansion<'_> {
    /// Every parameter set of the first with every one that the second gives for it.
    pub(super) fn matrix(&mut self, matrix: &Value, depth: usize) -> Result<Vec<Value>, Unexpanded> {
        let generators = matrix.get("generators").map(Value::items).unwrap_or_default();
        let [first, second] = generators else {
            let message = format!("`matrix` has {} generators, and it combines two", generators.len());
            return Err(Unexpanded::Invalid(message));
        };
        let outers = self.parameters(first, depth + 1)?;
        if outers.is_empty() {
            // Nobody looks at the second one then, and it may be one that only a cluster can answer.
            if let Err(error @ Unexpanded::Unsupported(_)) = self.parameters(second, depth + 1) {
                return Err(error);
            }
        }
        let mut sets = Vec::new();
        for outer in outers {
            let rendered = self.interpolated(second, &outer)?;
            for inner in self.parameters(&rendered, depth + 1)? {
                self.budget.take(1)?;
                sets.push(self.combined(&outer, inner)?);
                if sets.len() > MAX_SETS {
                    let message = format!("`matrix` gives more than {MAX_SETS} parameter sets");
                    return Err(Unexpanded::Unsupported(message));
                }
            }
        }
        Ok(sets)
    }

    /// Puts what the first one gives into the second one. What the second one gives itself may stand in its `values`, which
    /// are left as they are then.
    fn interpolated(&mut self, second: &Value, outer: &Value) -> Result<Value, Unexpanded> {
        let (Mode::Go(_), Value::Map(map)) = (self.mode, second) else {
            return Ok(render(second, outer, self.mode, &mut self.budget)?);
        };
        let mut open = map.clone();
        let mut resolved = Vec::new();
        for kind in WITH_VALUES {
            let Some(Value::Map(fields)) = open.get_mut(kind) else { continue };
            let Some(Value::Map(values)) = fields.remove("values") else { continue };
            let mut own = BTreeMap::new();
            for (key, value) in values {
                let value = match render(&value, outer, Mode::Go(MissingKey::Error), &mut self.budget) {
                    Err(Fault::Invalid(_)) => value,
                    rendered => rendered?,
                };
                own.insert(key, value);
            }
            resolved.push((kind, own));
        }
        let mut rendered = render(&Value::Map(open), outer, self.mode, &mut self.budget)?;
        for (kind, own) in resolved {
            if let Value::Map(map) = &mut rendered
                && let Some(Value::Map(fields)) = map.get_mut(kind)
            {
                fields.insert("values".to_owned(), Value::Map(own));
            }
        }
        Ok(rendered)
    }

    /// With Go templates the first one wins; without, the two may not contradict each other.
    fn combined(&self, outer: &Value, mut inner: Value) -> Result<Value, Unexpanded> {
        if let (Mode::Plain, Value::Map(one), Value::Map(other)) = (self.mode, outer, &inner) {
            let differs = |(key, value): (&String, &Value)| {
                let other = other.get(key)?;
                (other.shown().as_str() != value.shown().as_str()).then(|| key.clone())
            };
            if let Some(key) = one.iter().find_map(differs) {
                let message = format!(
                    "both generators of a `matrix` give `{key}`, and not the same; a git generator can have a `pathParamPrefix`"
                );
                return Err(Unexpanded::Invalid(message));
            }
        }
        inner.lay(outer);
        Ok(inner)
    }

    /// The parameter sets of the first, with what the others give for the same merge keys laid over them.
    pub(super) fn merge(&mut self, merge: &Value, depth: usize) -> Result<Vec<Value>, Unexpanded> {
        let generators = merge.get("generators").map(Value::items).unwrap_or_default();
        let keys: Vec<&str> =
            merge.get("mergeKeys").map(Value::items).unwrap_or_default().iter().filter_map(Value::as_str).collect();
        let [first, others @ ..] = generators else {
            return Err(Unexpanded::Invalid("`merge` has no generators".to_owned()));
        };
        if keys.is_empty() || others.is_empty() {
            return Err(Unexpanded::Invalid("`merge` wants `mergeKeys` and at least two generators".to_owned()));
        }
        let mut sets = self.unique(first, &keys, depth)?;
        for other in others {
            for (key, over) in self.unique(other, &keys, depth)? {
                if let Some((_, set)) = sets.iter_mut().find(|(known, _)| *known == key) {
                    set.lay(&over);
                }
            }
        }
        Ok(sets.into_iter().map(|(_, set)| set).collect())
    }

    fn unique(
        &mut self,
        generator: &Value,
        keys: &[&str],
        depth: usize,
    ) -> Result<Vec<(Vec<String>, Value)>, Unexpanded> {
        let mut sets: Vec<(Vec<String>, Value)> = Vec::new();
        for set in self.parameters(generator, depth + 1)? {
            let key: Vec<String> = keys.iter().map(|key| merge_key(&set, key)).collect();
            self.budget.take(1 + sets.len() / 16)?;
            if sets.iter().any(|(known, _)| *known == key) {
                let message =
                    format!("two parameter sets of one generator of `merge` have the same `{}`", keys.join("`, `"));
                return Err(Unexpanded::Invalid(message));
            }
            sets.push((key, set));
        }
        Ok(sets)
    }
}

/// Gives the value of a merge key, which may name a nested one with dots.
fn merge_key(set: &Value, key: &str) -> String {
    let nested = || set.get_path(&key.split('.').collect::<Vec<_>>());
    let found = set.get(key).or_else(nested).unwrap_or(&Value::Null);
    found.json().to_string()
}
