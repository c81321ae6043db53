//! The JSON schema of the configuration file (draft 2020-12), made from [`crate::config::keys`].
//!
//! It serves editors; what is checked when the file is loaded is more.

use serde_json::{Map, Value, json};

use crate::config::keys::{PROMOTION, SCHEDULE, SECRET, Shape, TOP, Table};

/// Gives the schema, pretty-printed, with a line end: the content of `config/schema.json`.
pub fn json() -> String {
    let mut schema = object(&TOP);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("repin.yaml");
    format!("{schema:#}\n")
}

fn object(table: &Table) -> Value {
    let mut properties = Map::new();
    for key in table.keys {
        let mut schema = shape(key.shape);
        // A key without a value counts as absent, but for those where it would be misread.
        if !key.required && !matches!(key.shape, Shape::Bool) {
            schema = json!({"anyOf": [schema, {"type": "null"}]});
        }
        schema["description"] = json!(key.doc);
        properties.insert(key.name.to_owned(), schema);
    }
    if table.keeps_unbuilt {
        for key in table.unbuilt {
            properties
                .insert((*key).to_owned(), json!({"description": "Not carried out yet: what it applies to is held."}));
        }
    }
    let required: Vec<&str> = table.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

fn shape(shape: Shape) -> Value {
    match shape {
        // Plain numbers and booleans are the text as written.
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Interval => interval(),
        Shape::Span => json!({"anyOf": [{"enum": [0, "0"]}, interval()]}),
        Shape::Promotion => json!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            object(&PROMOTION)
        ]}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Count => json!({"type": "integer", "minimum": 1}),
        Shape::Rate => json!({"type": "number", "minimum": 0.001, "maximum": 1000}),
        Shape::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Shape::TextOrTexts => json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
        Shape::TextMap => json!({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
        Shape::Secret => secret(),
        Shape::TextOrSecret => json!({"anyOf": [{"type": "string"}, secret()]}),
        Shape::Schedule => json!({"anyOf": [{"type": "string", "minLength": 2}, object(&SCHEDULE)]}),
        Shape::Map(table) => object(table),
        Shape::List(table) => json!({"type": "array", "items": object(table)}),
    }
}

fn interval() -> Value {
    json!({"type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "minLength": 2})
}

fn secret() -> Value {
    let mut schema = object(&SECRET);
    schema["minProperties"] = json!(1);
    schema["maxProperties"] = json!(1);
    schema
}
