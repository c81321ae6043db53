//! The reader of the vendors' documents refuses what it has to refuse.

use serde_json::{Value, json};

use crate::fake::contract::{Contract, Sample};

fn document() -> Value {
    json!({
        "openapi": "3.0.3",
        "paths": {
            "/things": {
                "get": {
                    "parameters": [
                        {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}},
                        {"$ref": "#/components/parameters/state"},
                    ],
                    "responses": {"200": {"content": {"application/json": {"schema": {
                        "type": "array", "items": {"$ref": "#/components/schemas/thing"}, "maxItems": 2,
                    }}}}},
                },
                "post": {
                    "requestBody": {"required": true, "content": {"application/json": {"schema": {
                        "type": "object", "required": ["name"],
                        "properties": {"name": {"type": "string", "maxLength": 5}, "tags": {"type": "array", "items": {"type": "string"}}},
                        "anyOf": [{"required": ["name"]}, {"required": ["tags"]}],
                    }}}},
                    "responses": {"201": {"description": "made"}, "422": {"description": "no"}},
                },
            },
            "/things/{id}": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {
                "allOf": [{"$ref": "#/components/schemas/thing"}, {"type": "object", "properties": {"more": {"type": "boolean"}}}],
            }}}}}}},
            "/other": {"get": {"responses": {"204": {"description": "nothing"}}}},
        },
        "components": {
            "parameters": {"state": {"name": "state", "in": "query", "schema": {"type": "string", "enum": ["open", "all"]}}},
            "schemas": {"thing": {
                "type": "object", "required": ["id", "at"],
                "properties": {
                    "id": {"type": "integer"}, "at": {"type": "string", "format": "date-time", "nullable": true},
                    "place": {"type": "string", "format": "uri"}, "kind": {"enum": ["a", "b"]},
                    "owner": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"login": {"type": "string"}}}]},
                },
            }},
        },
    })
}

fn check(method: &str, target: &str, body: Option<Value>, answer: (u16, Option<Value>), expected: &[&str]) {
    let contract = Contract::new(document(), &["/things"]);
    let found = contract.check_sample(&Sample { method, target, body, status: answer.0, answer: answer.1 });
    let expected: Vec<String> = expected.iter().map(|what| format!("{method} {target}: {what}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_fits_the_document_passes() {
    let thing = json!({"id": 1, "at": null, "place": "http://x/y", "kind": "a", "owner": {"login": "alice"}});
    check("GET", "/things?page=2&state=all", None, (200, Some(json!([thing]))), &[]);
    check("GET", "/things/1", None, (200, Some(json!({"id": 1, "at": "2026-01-05T10:00:00Z", "more": true}))), &[]);
    check("POST", "/things", Some(json!({"name": "x"})), (201, None), &[]);
    check("POST", "/things", Some(json!({"name": "x"})), (422, Some(json!({"message": "said"}))), &[]);
    // What stands before every operation is described at none.
    check("GET", "/things", None, (401, Some(json!({}))), &[]);
}

#[test]
fn operations_parameters_and_fields_that_are_not_known_fail() {
    check("PATCH", "/things", None, (200, None), &["there is no such operation"]);
    check("GET", "/other", None, (204, None), &["there is no such operation"]);
    check("GET", "/things?stat=all", None, (200, Some(json!([]))), &["the query has no parameter `stat`"]);
    let body = json!({"name": "x", "nam": 1});
    check("POST", "/things", Some(body), (201, None), &["body.nam is not known"]);
    let thing = json!({"id": 1, "at": null, "at_all": 1});
    check("GET", "/things", None, (200, Some(json!([thing]))), &["answer[0].at_all is not known"]);
    let whole = json!({"id": 1, "at": null, "more": true, "less": false});
    check("GET", "/things/1", None, (200, Some(whole)), &["answer.less is not known", "answer.less is not known"]);
}

#[test]
fn values_of_another_kind_fail() {
    check("GET", "/things?page=0", None, (200, Some(json!([]))), &["query.page is out of bounds: 0"]);
    check(
        "GET",
        "/things?state=shut",
        None,
        (200, Some(json!([]))),
        &["query.state is none of [\"open\",\"all\"]: \"shut\""],
    );
    check("POST", "/things", None, (201, None), &["a body is needed"]);
    check(
        "POST",
        "/things",
        Some(json!({"tags": ["a", 1]})),
        (201, None),
        &["body.name is missing", "body.tags[1] is no string: 1"],
    );
    check("POST", "/things", Some(json!({"name": "longer"})), (201, None), &["body.name has 6 characters"]);
    let thing = json!({"id": null, "at": "yesterday", "place": "here", "kind": "c", "owner": 1});
    check(
        "GET",
        "/things",
        None,
        (200, Some(json!([thing]))),
        &[
            "answer[0].at is no \"date-time\": \"yesterday\"",
            "answer[0].id is null",
            "answer[0].kind is none of [\"a\",\"b\"]: \"c\"",
            "answer[0].owner is no string: 1",
            "answer[0].place is no \"uri\": \"here\"",
        ],
    );
    check(
        "GET",
        "/things",
        None,
        (200, Some(json!([{"id": 1}, {}, {}]))),
        &[
            "answer has 3 items",
            "answer[0].at is missing",
            "answer[1].id is missing",
            "answer[1].at is missing",
            "answer[2].id is missing",
            "answer[2].at is missing",
        ],
    );
    check("POST", "/things", Some(json!({"name": "x"})), (200, None), &["the status 200 is not described"]);
    check("GET", "/things", None, (200, None), &["the answer needs a body"]);
}
