//! Values in an Application that take the effect from what its files say.

use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::overriding::Overriding;
use crate::model::tracked::Layer;
use crate::plan::locate::Failure;

/// Finds the value that wins over a key path of a layer: the one at the key itself before those around it.
pub(super) fn overriding<'a>(
    all: &'a [Overriding],
    layers: &[Layer],
    layer: &Layer,
    key: &KeyPath,
) -> Option<&'a Overriding> {
    let rank = |layer: &Layer| layers.iter().position(|other| other == layer);
    // A layer that is searched itself wins only over those before it.
    let is_above = |by: &Layer| rank(by).is_none_or(|by| rank(layer).is_none_or(|own| by > own));
    let mut over = all.iter().filter(|one| is_above(&one.by) && one.is_over(key));
    over.clone().find(|one| one.key == *key).or_else(|| over.next())
}

/// Says so.
pub(super) fn overridden(over: &Overriding, file: &RepoPath, key: &KeyPath) -> Failure {
    let Overriding { key: at, by } = over;
    Failure {
        code: "target/ambiguous".to_owned(),
        message: format!("{file}: `{key}` has no effect, for {by} sets `{at}`"),
        hint: Some(format!(
            "set the image's name and tag in one place, or name the file in `write-back-target: helmvalues:/{file}`"
        )),
        line: None,
    }
}
