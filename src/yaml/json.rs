//! Documents of JSON values: what parsing their text would give, without the text. Bytes and lines they have none.

use serde_json::Value;

use crate::yaml::{Document, Kind, MAX_DEPTH, Slot, Style};

impl Document {
    /// Makes a document of a value; none if it is nested deeper than [`MAX_DEPTH`].
    pub fn of_json(value: &Value) -> Option<Self> {
        let mut slots = Vec::new();
        let root = add(value, 0, &mut slots)?;
        Some(Self { slots, root })
    }
}

fn add(value: &Value, depth: usize, slots: &mut Vec<Slot>) -> Option<usize> {
    let is_open = matches!(value, Value::Array(_) | Value::Object(_));
    if is_open && depth >= MAX_DEPTH {
        return None;
    }
    let scalar = |value: String, style: Style| Kind::Scalar { value, style };
    let position = push(scalar(String::new(), Style::Plain), slots);
    let kind = match value {
        Value::Null => scalar("null".to_owned(), Style::Plain),
        Value::Bool(value) => scalar(value.to_string(), Style::Plain),
        Value::Number(value) => scalar(value.to_string(), Style::Plain),
        Value::String(value) => scalar(value.clone(), Style::Double),
        Value::Array(items) => {
            let items = items.iter().map(|item| add(item, depth + 1, slots)).collect::<Option<_>>()?;
            Kind::Seq { flow: true, items }
        }
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| {
                Some((push(scalar(key.clone(), Style::Double), slots), add(value, depth + 1, slots)?))
            };
            Kind::Map { flow: true, entries: map.iter().map(entry).collect::<Option<_>>()? }
        }
    };
    slots.get_mut(position)?.kind = kind;
    Some(position)
}

fn push(kind: Kind, slots: &mut Vec<Slot>) -> usize {
    slots.push(Slot { kind, span: 0..0, line: 1, anchored: false, tag: None });
    slots.len() - 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::yaml::parse;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f32>().prop_map(|number| Value::from(f64::from(number))),
            any::<String>().prop_map(Value::from),
            "(yes|~|1\\.10|0x1f|<<|\\*a|&a|\\{\\{a\\}\\}|a: b|# c|\n| )*".prop_map(Value::from),
        ];
        scalar.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-c.<: \"\\\\\n]{0,4}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// It is what the parser makes of the text, but for bytes and lines.
        #[test]
        fn a_document_of_a_value_is_the_document_of_its_text(value in value()) {
            let mut parsed = parse(&value.to_string()).unwrap();
            prop_assert_eq!(parsed.len(), 1);
            let mut parsed = parsed.remove(0);
            parsed.slots.iter_mut().for_each(|slot| (slot.span, slot.line) = (0..0, 1));
            prop_assert_eq!(Document::of_json(&value), Some(parsed));
        }
    }

    #[test]
    fn what_is_too_deep_to_be_parsed_is_no_document() {
        for (depth, is_one) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
            let value = (1..depth).fold(json!([]), |value, _| json!([value]));
            assert_eq!(Document::of_json(&value).is_some(), is_one, "{depth}");
            assert_eq!(parse(&value.to_string()).is_ok(), is_one, "{depth}");
        }
    }
}
