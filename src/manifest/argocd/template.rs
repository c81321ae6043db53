//! Rendering: parameters put into texts, with Go templates or without.
//!
//! Without `goTemplate: true` only `{{ name }}` is replaced, and what no generator gives stays as it is
//! (argo-cd docs, operator-manual/applicationset/Template.md).

use std::collections::BTreeMap;

use crate::manifest::argocd::gotemplate::{self, Budget, Fault, MAX_TEXT, MissingKey};
use crate::manifest::argocd::value::{Text, Value};

/// How the templates of an ApplicationSet are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    /// `{{ name }}` of flat parameters.
    Plain,
    /// Go templates.
    Go(MissingKey),
}

/// Renders every text of a value, keys too.
pub(super) fn render(value: &Value, parameters: &Value, mode: Mode, budget: &mut Budget) -> Result<Value, Fault> {
    Ok(match value {
        Value::Text(text) => Value::Text(render_text(text, parameters, mode, budget)?),
        Value::List(items) => {
            Value::List(items.iter().map(|item| render(item, parameters, mode, budget)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let mut rendered = BTreeMap::new();
            for (key, value) in map {
                let key = render_text(&Text::plain(key.clone()), parameters, mode, budget)?;
                rendered.insert(key.as_str().to_owned(), render(value, parameters, mode, budget)?);
            }
            Value::Map(rendered)
        }
        Value::Null | Value::Bool(..) | Value::Number(..) => value.clone(),
    })
}

/// Renders one text. One without a template stays what it is, and where it is.
pub(super) fn render_text(text: &Text, parameters: &Value, mode: Mode, budget: &mut Budget) -> Result<Text, Fault> {
    budget.take(1 + text.as_str().len() / 64)?;
    if !text.as_str().contains("{{") {
        return Ok(text.clone());
    }
    match mode {
        Mode::Go(missing) => gotemplate::render(text.as_str(), parameters, missing, budget),
        Mode::Plain => replaced(text.as_str(), parameters, budget),
    }
}

fn replaced(template: &str, parameters: &Value, budget: &mut Budget) -> Result<Text, Fault> {
    let mut out = Text::default();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        match parameters.get(name.trim()) {
            Some(value @ Value::Text(text)) => {
                budget.pay_for(value)?;
                out.push(text);
            }
            // Also a list of clusters, which is no text.
            _ => out.push_str(&format!("{{{{{name}}}}}")),
        }
        rest = behind;
        if out.as_str().len() > MAX_TEXT {
            return Err(Fault::Unsupported(format!("a template gives more than {MAX_TEXT} bytes")));
        }
    }
    out.push_str(rest);
    Ok(out)
}
