//! Edits of values files: golden cases in full text, and generated files with generated tags.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "editing/generate.rs"]
mod generate;
#[allow(dead_code)]
#[path = "editing/golden.rs"]
mod golden;
#[path = "editing/leaves.rs"]
mod leaves;
#[path = "editing/mutate.rs"]
mod mutate;
#[path = "editing/places.rs"]
mod places;
#[path = "editing/search.rs"]
mod search;

use std::fs;

use proptest::prelude::*;
use repin::diagnostic::Diagnostic;
use repin::manifest::{EditError, Edited, Found, Source, apply, inverse};
use repin::model::address::Address;
use repin::model::key_path::KeyPath;

use generate::{Case, Random};

fn path(text: &str) -> KeyPath {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn set(before: &str, key: &str, new: &str) -> Result<Edited, EditError> {
    Source::parse(before)?.set_at(&address(key), new)
}

#[test]
fn golden_cases_give_exactly_the_text_that_was_written_for_them() {
    let cases = golden::all();
    assert!(cases.len() >= 90, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let result = Source::from_bytes(&case.before).and_then(|source| golden::write(source.text(), &case.change));
        let outcome = match (&result, &case.expected) {
            (Ok(text), Ok(after)) if text == after => {
                // What is right already stays as it is.
                assert_eq!(golden::write(text, &case.change).as_ref(), Ok(text), "{}", case.name);
                if let golden::Change::Value { key, value } = &case.change {
                    let before = std::str::from_utf8(&case.before).unwrap();
                    check_edits(before, &set(before, key, value).unwrap(), key, value);
                }
                continue;
            }
            (Err(error), Err(code)) if error.code() == code => {
                assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{}", case.name);
                continue;
            }
            (Ok(text), _) => format!("gave\n{text}"),
            (Err(error), _) => format!("gave {}: {error}", error.code()),
        };
        wrong.push(format!("{}: {outcome}\nexpected {:?}", case.name, case.expected));
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// The edits lead there and back, and the value is read as written.
fn check_edits(before: &str, edited: &Edited, key: &str, value: &str) {
    assert_eq!(apply(before, &edited.edits).unwrap(), edited.text);
    assert_eq!(apply(&edited.text, &edited.inverse()).unwrap(), before);
    assert_eq!(inverse(&edited.inverse()), edited.edits);
    match Source::parse(&edited.text).unwrap().read_at(&address(key)).unwrap() {
        Found::Text { value: found, .. } => assert_eq!(found, value),
        other => panic!("{key} is {other:?} in\n{}", edited.text),
    }
    // What is right already stays as it is.
    assert_eq!(set(&edited.text, key, value).unwrap().edits, []);
}

#[test]
fn golden_cases_are_complete_folders() {
    for case in golden::all() {
        let mut files: Vec<_> =
            fs::read_dir(&case.folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let after = case.expected.is_ok();
        assert_eq!(
            files,
            if after { vec!["after.yaml", "before.yaml", "change"] } else { vec!["before.yaml", "change"] }
        );
    }
}

/// Writes what a generated case wants.
fn write_case(case: &Case) -> Result<Edited, EditError> {
    let agreed: Vec<KeyPath> = case.shared.iter().map(|(key, _)| path(key)).collect();
    let source = Source::parse(&case.text)?;
    if agreed.is_empty() {
        source.set(&path(&case.key), &case.tag)
    } else {
        source.set_shared(&path(&case.key), &case.tag, &agreed)
    }
}

/// Checks one generated case against what the generator knows: the bytes around the value, and every other value.
fn check_generated(case: &Case) {
    let edited = write_case(case).unwrap_or_else(|error| panic!("{error}\n{case:?}\n{}", case.text));
    let before = &case.text;
    let (front, back) = (&before[..case.value.start], &before[case.value.end..]);
    assert!(edited.text.starts_with(front) && edited.text.ends_with(back), "{case:?}\n{}", edited.text);
    assert!(edited.text.len() >= front.len() + back.len(), "{case:?}");
    let (mut old, mut new) = (second_reader(before), second_reader(&edited.text));
    if case.shared.is_empty() {
        check_edits(before, &edited, &case.key, &case.tag);
        assert_eq!(take(&mut new[0], &case.steps), serde_yaml::Value::String(case.tag.clone()), "{case:?}");
        take(&mut old[0], &case.steps);
    } else {
        assert_eq!(apply(&edited.text, &edited.inverse()).unwrap(), *before);
        let reread = Source::parse(&edited.text).unwrap();
        // What is merged beside a key of its own counts for nobody, and libyaml shows it.
        for tree in [&mut old[0], &mut new[0]] {
            if let Some(own) = tree.get_mut("own").and_then(serde_yaml::Value::as_mapping_mut) {
                own.remove("<<");
            }
        }
        for (key, steps) in &case.shared {
            let found = reread.read(&path(key)).unwrap();
            assert!(matches!(&found, Found::Text { value, .. } if *value == case.tag), "{key}: {found:?}\n{case:?}");
            assert_eq!(take(&mut new[0], steps), serde_yaml::Value::String(case.tag.clone()), "{case:?}");
            take(&mut old[0], steps);
            let one_less: Vec<KeyPath> =
                case.shared.iter().filter(|(one, _)| one != key).map(|(one, _)| path(one)).collect();
            let again = Source::parse(before).unwrap();
            if edited.text != *before {
                let refused = again.set_shared(&path(&case.key), &case.tag, &one_less).unwrap_err();
                assert_eq!(refused.code(), "edit/shared", "{case:?}");
            }
        }
    }
    assert_eq!(old, new, "{case:?}");
}

/// Reads all documents; JSON by a reader of JSON, since libyaml does not know all of its escapes.
fn second_reader(text: &str) -> Vec<serde_yaml::Value> {
    // libyaml counts a byte order mark as a column.
    let text = text.trim_start_matches('\u{feff}');
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        return vec![serde_yaml::to_value(value).unwrap()];
    }
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap_or_else(|error| panic!("{error}\n{text}")))
        .collect()
}

/// Takes the value at these steps out of a tree; texts on the way become trees.
fn take(tree: &mut serde_yaml::Value, steps: &[generate::Step]) -> serde_yaml::Value {
    let place = steps.iter().fold(tree, |node, step| match step {
        generate::Step::Key(key) => node.get_mut(key.as_str()).unwrap(),
        generate::Step::Index(index) => node.get_mut(*index).unwrap(),
        generate::Step::Text => {
            if let Some(text) = node.as_str() {
                *node = second_reader(text).swap_remove(0);
            }
            node
        }
    });
    std::mem::take(place)
}

/// How many cases there are: `light`, or `heavy` ones with `REPIN_HEAVY=1`.
fn count(light: u64, heavy: u64) -> u64 {
    if std::env::var("REPIN_HEAVY").as_deref() == Ok("1") { heavy } else { light }
}

#[test]
fn generated_edits_of_every_kind_of_file_change_one_value_each() {
    let mut random = Random::new(20_261_120);
    for _ in 0..count(6_000, 100_000) {
        check_generated(&generate::any(&mut random));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_written_as_a_string_in_any_style(
        seed in any::<u64>(),
        tag in prop_oneof!["\\PC{0,40}", "[0-9eExXoO._:+T-]{0,12}", ".{0,20}", "[A-Za-z0-9_][A-Za-z0-9._-]{0,40}"],
    ) {
        prop_assume!(!tag.contains("{{"));
        let mut case = generate::any(&mut Random::new(seed));
        case.tag = tag;
        check_generated(&case);
    }

    #[test]
    fn no_text_makes_the_editor_panic(text in "[ab:{}\\[\\]\\-?&*!|>'\"#%@~\\n \\t,0-9<]{0,60}", tag in "[a-z0-9.]{1,8}") {
        for key in ["a", "a.b", "[0]", "a[0].b", "b[a=b]"] {
            if let Ok(edited) = set(&text, key, &tag) {
                prop_assert_eq!(apply(&edited.text, &edited.inverse()).unwrap(), text.as_str());
            }
        }
    }
}

#[test]
fn reading_tells_what_is_there() {
    let source = Source::parse(
        "base: &base\n  repository: web\n  tag: 1.10\nimage:\n  <<: *base\nother:\n  repository: a\n  tag:\nlist: [x, {name: b, tag: !!str null}]\n",
    )
    .unwrap();
    let read = |key: &str| source.read(&path(key));
    let text = |value: &str, line| Ok(Found::Text { value: value.into(), line });
    assert_eq!(read("image.tag"), text("1.10", 3));
    assert_eq!(read("other.tag"), Ok(Found::Null { line: 8 }));
    assert_eq!(read("list[0]"), text("x", 9));
    assert_eq!(read("list[name=b].tag"), text("null", 9));
    let absent = |insertable| Ok(Found::Absent { insertable });
    assert_eq!(read("other.digest"), absent(true));
    assert_eq!(read("image.digest"), absent(false));
    assert_eq!(read("othr.tag"), absent(false));
    assert_eq!(read("other.tag.x"), absent(false));
    assert_eq!(read("list").unwrap_err().to_string(), "`list` (line 9) is a sequence, not a single value");
    let empty = Source::parse("# nothing\n").unwrap();
    assert_eq!(empty.read(&path("a")), absent(false));
    assert_eq!(empty.set(&path("a"), "1").unwrap_err().code(), "edit/no-such-key");
}

/// Compares the whole of what a person is told: code, line, message, hint.
fn told(before: &str, key: &str, expected: [&str; 4]) {
    let error = Source::parse(before).and_then(|source| source.set(&path(key), "1.3.0")).unwrap_err();
    let line = error.line().map_or("-".to_owned(), |line| line.to_string());
    let (message, hint) = (error.to_string(), error.hint().unwrap_or_default());
    assert_eq!([error.code(), &line, &message, &hint], expected);
}

#[test]
fn refusals_name_the_place_and_the_line_to_write() {
    told(
        "image:\n  repository: a\n  tagg: 1\n",
        "image.taggs",
        [
            "edit/no-such-key",
            "-",
            "there is no `image.taggs`",
            "did you mean `image.tagg`? If the key is right, add it to the file once with its present value",
        ],
    );
    told(
        "a:\n  tag: &t 1.2.0\nb:\n  tag: *t\n",
        "b.tag",
        [
            "edit/shared",
            "4",
            "`b.tag` is shared by lines 2, 4: the path goes through an alias",
            "write the value in place of the alias at line 4, with `tag: 1.3.0`",
        ],
    );
    told(
        "a:\n  tag: &t 1.2.0\nb:\n  tag: *t\n",
        "a.tag",
        [
            "edit/shared",
            "2",
            "`a.tag` is shared by lines 2, 4: its anchor has aliases",
            "write a value of its own in place of the alias at line 4",
        ],
    );
    told(
        "base: &b\n  tag: 1.2.0\nweb:\n  <<: *b\n",
        "web.tag",
        [
            "edit/shared",
            "4",
            "`web.tag` is shared by lines 1, 4: it is merged in by the `<<` at line 4",
            "add `tag: 1.3.0` as a key of its own behind the `<<` at line 4",
        ],
    );
    told(
        "tag: 1\ntag: 2\n",
        "tag",
        [
            "edit/duplicate-key",
            "2",
            "`tag` is not one place: the key `tag` is at line 1 and again at line 2",
            "remove line 1 or line 2",
        ],
    );
    told("a: [\n", "a", ["edit/invalid-yaml", "1", "line 1 is no YAML: unclosed bracket '['", "correct line 1"]);
    told(
        "a: 1\nb: {}\n",
        "b.tag",
        [
            "edit/no-such-key",
            "-",
            "there is no `b.tag`",
            "add the key to the file once with its present value, or name the file that has it",
        ],
    );
    told(
        "base: &b\n  tag: 1.2.0\nweb:\n  tag: 1.1.0\n  <<: *b\n",
        "web.tag",
        [
            "edit/shared",
            "5",
            "`web.tag` is shared by lines 1, 5: the `<<` at line 5 brings the same key, and readers differ on which one counts",
            "move the `<<` of line 5 in front of the other keys",
        ],
    );
    told(
        "tag: 1.2\nb: [1, 2\nc: {{ .x }}\n",
        "tag",
        [
            "edit/invalid-yaml",
            "3",
            "line 3 is no YAML: illegal placement of ':' indicator",
            "this looks like a template of a chart: name the values file instead",
        ],
    );
    told(
        "kind: List\nitems:\n- kind: SealedSecret\n",
        "items[0].kind",
        ["edit/sealed", "3", "line 3 begins a SealedSecret, which is never edited", "keep image tags in another file"],
    );
}

#[test]
fn refusals_in_texts_json_and_shared_values_name_lines_of_the_file() {
    let application =
        "spec:\n  helm:\n    values: |\n      image:\n        tag: 1.2.0\n        tag: 1.3.0\n      map: {}\n";
    told(
        application,
        "spec.helm.values.image.tag",
        [
            "edit/duplicate-key",
            "6",
            "`spec.helm.values.image.tag` is not one place: the key `tag` is at line 5 and again at line 6",
            "remove line 5 or line 6",
        ],
    );
    told(
        application,
        "spec.helm.values.map",
        [
            "edit/not-a-scalar",
            "7",
            "`spec.helm.values.map` (line 7) is a mapping, not a single value",
            "name a value below it, such as `spec.helm.values.map.tag`",
        ],
    );
    told(
        &application.replace("        tag: 1.3.0\n", ""),
        "spec.helm.values.image.tagg",
        [
            "edit/no-such-key",
            "-",
            "there is no `spec.helm.values.image.tagg`",
            "did you mean `spec.helm.values.image.tag`? If the key is right, add it to the file once with its present value",
        ],
    );
    told(
        "l: [1, 2]\n",
        "l",
        [
            "edit/not-a-scalar",
            "1",
            "`l` (line 1) is a sequence, not a single value",
            "name an item of it, such as `l[0]`",
        ],
    );
    told(
        "{\"a\": \"1\", \"a\": \"2\"}\n",
        "a",
        [
            "edit/duplicate-key",
            "1",
            "`a` is not one place: the key `a` is twice at line 1",
            "remove one of the two at line 1",
        ],
    );
    told(
        "kind: ExternalSecret\nspec: {tag: v1}\n",
        "spec.tag",
        [
            "edit/sealed",
            "1",
            "line 1 begins an ExternalSecret, which is never edited",
            "keep image tags in another file",
        ],
    );
    let sidecars = "sidecars:\n- {name: proxy, tag: v1}\n- {name: app, tag: v2}\n";
    let hint = set(sidecars, "sidecars[name=ap].tag", "v3").unwrap_err().hint().unwrap();
    assert!(hint.starts_with("did you mean `sidecars[name=app].tag`?"), "{hint}");
    let hint = set("a: v1\n", "[1]#a", "v2").unwrap_err().hint().unwrap();
    assert!(hint.starts_with("did you mean `a`?"), "{hint}");
    let template =
        application.replace("map: {}", "{{- if .x }}").replace("        tag: 1.3.0\n", "        pullPolicy: Always\n");
    let error = set(&template, "spec.helm.values.image.tag", "1.3.0").unwrap_err();
    assert_eq!((error.code(), error.line()), ("edit/invalid-yaml", Some(7)), "{error}");
    assert_eq!(error.hint().as_deref(), Some("this looks like a template of a chart: name the values file instead"));
    told(
        "values: \"a: &a 1.2.0\\n\\\n  b: *a\"\n",
        "values.a",
        [
            "edit/shared",
            "1",
            "`values.a` is shared by lines 1, 2: its anchor has aliases",
            "write a value of its own in place of the alias at line 2",
        ],
    );
    told(
        "values: >\n  image:\n\n    repository: a\n",
        "values.image.tag",
        [
            "edit/unproven",
            "2",
            "`values.image.tag` cannot be changed safely: folded blocks have no place for a new line: write the text as a \
             literal block (`|`)",
            "change line 2 by hand, or write it in a usual form",
        ],
    );
    told(
        "{\n  \"tag\": \"1\", // pinned\n  \"b\": 1\n}\n",
        "tag",
        [
            "edit/invalid-yaml",
            "2",
            "line 2 has a comment with `//` or `/*`, which neither JSON nor YAML knows",
            "take the comments out, or write the file as YAML, where `#` begins them",
        ],
    );
    let shared = Source::parse("a:\n  tag: &t 1.2.0\nb:\n  tag: *t\nc: [*t]\n").unwrap();
    let error = shared.set_shared(&path("b.tag"), "1.3.0", &[path("a.tag"), path("b.tag")]).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.hint().as_deref()),
        (
            "`b.tag` is shared by lines 2, 4, 5: the path goes through an alias, and not of the image are `c[0]`",
            Some("write the value in place of the alias at line 4, with `tag: 1.3.0`")
        )
    );
}

#[test]
fn what_is_too_large_or_no_text_is_a_problem_and_no_crash() {
    let code = |result: Result<Source, EditError>| result.map(|_| ()).unwrap_err().code();
    assert_eq!(code(Source::parse(&" ".repeat(4 * 1024 * 1024 + 1))), "edit/too-large");
    let nearly = format!("tag: v1\n#{}\n", "x".repeat(4 * 1024 * 1024 - 10));
    let error = set(&nearly, "tag", "v1.0.0").unwrap_err();
    assert_eq!(error.code(), "edit/too-large");
    assert_eq!(error.to_string(), "the file has 4194308 bytes with the new value, the limit is 4194304 bytes");
    let bomb: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
    assert_eq!(code(Source::parse(&format!("tag: 1\na0: &a0 x\n{bomb}"))), "edit/too-large");
    let error = Source::from_bytes(b"a: 1\nb: \xff\n").map(|_| ()).unwrap_err();
    assert_eq!((error.code(), error.line()), ("edit/encoding", Some(2)));
    assert_eq!(error.to_string(), "the file is not UTF-8 at line 2, byte 8");
}

#[test]
fn what_the_second_reader_refuses_is_not_edited() {
    let error = set("b: !!int word\ntag: 1.2.3\n", "tag", "1.3.0").unwrap_err();
    assert_eq!(error.code(), "edit/unproven");
    let message = error.to_string();
    let expected = "`tag` cannot be changed safely: the second YAML reader does not read the file as it stands: ";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_large_file_is_edited_in_good_time() {
    let services: String =
        (0..40_000).map(|n| format!("service-{n}:\n  image:\n    repository: r/{n}\n    tag: 1.2.{n}\n")).collect();
    let edited = set(&services, "service-39999.image.tag", "2.0.0").unwrap();
    assert_eq!(edited.text, services.replace("tag: 1.2.39999\n", "tag: 2.0.0\n"));
}
