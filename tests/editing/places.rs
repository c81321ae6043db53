//! Generated kustomizations and manifests: whatever is written, every other line stays, and so does every other value.

use std::fmt::Write as _;

use repin::diagnostic::Diagnostic;
use repin::manifest::place::{Place, Wanted};
use repin::manifest::{Source, kustomization, manifests};
use repin::model::names::ImageName;

use crate::generate::{self, Random};

const IMAGE: &str = "ghcr.io/acme/web";

fn image() -> ImageName {
    IMAGE.parse().unwrap()
}

/// A tag that a registry may have: the generator makes others as well.
fn tag(random: &mut Random) -> String {
    loop {
        let tag = generate::tag(random);
        if tag.parse::<repin::model::names::Tag>().is_ok() {
            return tag;
        }
    }
}

fn wanted(random: &mut Random) -> Wanted {
    let digest = format!("sha256:{}", "0a".repeat(32));
    match random.below(3) {
        0 => Wanted { tag: Some(tag(random)), digest: None },
        1 => Wanted { tag: None, digest: Some(digest) },
        _ => Wanted { tag: Some(tag(random)), digest: Some(digest) },
    }
}

/// A kustomization as text.
fn kustomization(random: &mut Random) -> String {
    let mut text = String::new();
    let head = ["", "---\n", "# of the shop\n\n", "\u{feff}", "kind: Kustomization # v1beta1\n"];
    text.push_str(random.pick(&head));
    if random.below(2) == 0 {
        text.push_str(random.pick(&["resources:\n- a.yaml\n", "resources:\n  - a.yaml # first\n\n  - b.yaml\n"]));
    }
    match random.below(6) {
        0 => {}
        1 => text.push_str(random.pick(&["images: []\n", "images:\n", "images: ~ # none\n", "images: [ ]  \n"])),
        2 => {
            let items = [
                "{name: redis, newTag: '7'}",
                "{ name: ghcr.io/acme/web, newTag: 1.0 }",
                "{\"name\": \"x\", digest: \"sha256:00\"}",
            ];
            let count = 1 + random.below(2);
            let mut chosen: Vec<&str> = Vec::new();
            for _ in 0..count {
                let item = random.pick(&items);
                if !chosen.contains(&item) {
                    chosen.push(item);
                }
            }
            let _ = writeln!(text, "images: [{}]", chosen.join(random.pick(&[", ", ",", " ,\n  "])));
        }
        _ => entries(random, &mut text),
    }
    text.push_str(random.pick(&["", "", "# end\n", "namePrefix: x-\n", "\nlabels:\n  - pairs: {a: b}\n"]));
    if !text.contains(':') {
        text.push_str("kind: Kustomization\n");
    }
    if random.below(4) == 0 {
        text.truncate(text.trim_end_matches('\n').len());
    }
    if random.below(4) == 0 {
        text = text.replace('\n', "\r\n");
    }
    text
}

/// Entries in block style, at most one of them the image's.
fn entries(random: &mut Random, text: &mut String) {
    let pad = " ".repeat([0, 2, 4][random.below(3)]);
    let gap = " ".repeat([1, 1, 3][random.below(3)]);
    text.push_str("images:\n");
    let own = random.below(4);
    for number in 0..1 + random.below(3) {
        let name = if number == own { IMAGE.to_owned() } else { format!("other-{number}") };
        let mut fields = vec![format!("name: {}{name}{0}", random.pick(&["", "", "\"", "'"]))];
        fields[0] = fields[0].replace("'ghcr.io/acme/web\"", "ghcr.io/acme/web");
        if let Some(quote) = ["\"", "'"].into_iter().find(|quote| fields[0].matches(quote).count() == 1) {
            fields[0] = fields[0].replace(quote, "");
        }
        if random.below(2) == 0 {
            fields.push(
                random
                    .pick(&["newTag: 1.2.3", "newTag: \"1.2\" # now", "newTag: 1.20", "newTag:", "newTag: ''"])
                    .to_owned(),
            );
        }
        if random.below(3) == 0 {
            fields.push(random.pick(&["digest: sha256:00", "digest: 'sha256:00'   # pinned", "digest:"]).to_owned());
        }
        if random.below(3) == 0 {
            fields.reverse();
        }
        let between = format!("\n{pad} {gap}");
        let _ = writeln!(text, "{pad}-{gap}{}", fields.join(&between));
        if random.below(5) == 0 {
            let _ = writeln!(text, "{pad}# between");
        }
    }
}

fn tree(text: &str) -> serde_yaml::Value {
    serde_yaml::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Everything but the entry of the image.
fn others(mut tree: serde_yaml::Value) -> serde_yaml::Value {
    if let Some(images) = tree.get_mut("images").and_then(|images| images.as_sequence_mut()) {
        images.retain(|entry| entry["name"] != IMAGE);
    }
    if tree.get("images").is_none_or(|images| images.is_null() || images.as_sequence().is_some_and(Vec::is_empty)) {
        tree.as_mapping_mut().unwrap().remove("images");
    }
    tree
}

#[test]
fn generated_kustomizations_change_in_one_entry() {
    let mut random = Random::new(20_261_121);
    for _ in 0..4_000 {
        let text = kustomization(&mut random);
        let wanted = wanted(&mut random);
        let source = Source::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let list = kustomization::images().unwrap();
        let name =
            kustomization::find(&source, &list, &image(), None).unwrap().pop().unwrap_or_else(|| IMAGE.to_owned());
        let place = Place::Entry { list, name, is_digest: false };
        let after =
            place.write(&source, &image(), &wanted).unwrap_or_else(|error| panic!("{error} {wanted:?}\n{text}"));
        let (old, new) = (tree(&text), tree(&after));
        let entry = new["images"].as_sequence().unwrap().iter().find(|entry| entry["name"] == IMAGE).unwrap();
        let field = |key: &str| entry.get(key).map(|value| value.as_str().unwrap_or("no text").to_owned());
        assert_eq!(
            (field("newTag"), field("digest")),
            (wanted.tag.clone(), wanted.digest.clone()),
            "{text}\n=>\n{after}"
        );
        assert_eq!(others(old), others(new), "{text}\n=>\n{after}");
        // Comments and blank lines of all others are there, in their order.
        let mut lines = after.lines();
        for line in text.lines().filter(|line| line.trim().starts_with('#') || line.contains("other-")) {
            assert!(lines.any(|other| other == line || line.starts_with("images")), "{line}\n{text}\n=>\n{after}");
        }
        if text.contains('\n') {
            let mixed = after.replace("\r\n", "").contains('\n') && after.contains("\r\n");
            assert!(!mixed && text.contains("\r\n") == after.contains("\r\n"), "{text:?}\n{after:?}");
        }
        assert_eq!(text.ends_with('\n'), after.ends_with('\n'), "{text:?}\n{after:?}");
        // What is right already stays as it is.
        let again = Source::parse(&after).unwrap();
        assert_eq!(place.write(&again, &image(), &wanted).unwrap(), after);
    }
}

/// A file of several objects, and the texts of the image in it.
fn objects(random: &mut Random) -> (String, Vec<String>) {
    let (mut text, mut specs) = (String::new(), Vec::new());
    for number in 0..1 + random.below(3) {
        if number > 0 || random.below(3) == 0 {
            text.push_str(random.pick(&["---\n", "--- # next\n", "---\n# about it\n"]));
        }
        let kind = random.pick(&["Deployment", "Pod", "CronJob", "Site", "ConfigMap"]);
        let _ = write!(text, "apiVersion: v1\nkind: {kind}\nmetadata:\n  name: o{number}\n");
        let inside = if kind == "ConfigMap" { "data" } else { "spec" };
        let _ = writeln!(text, "{inside}:");
        let pad = " ".repeat([2, 4][random.below(2)]);
        for list in ["initContainers", "containers"] {
            if random.below(2) == 0 {
                continue;
            }
            let _ = writeln!(text, "{pad}{list}:");
            for item in 0..1 + random.below(3) {
                let is_ours = random.below(2) == 0;
                let name = if is_ours { IMAGE } else { "ghcr.io/acme/web-worker" };
                let spec = format!("{name}{}", random.pick(&[":1.0.0", ":v1", "", "@sha256:00", ":1@sha256:00"]));
                let quote = random.pick(&["", "", "\"", "'"]);
                let end = random.pick(&["", " # {\"x\": \"y\"}", "   "]);
                let _ = writeln!(text, "{pad}- name: c{item}\n{pad}  image: {quote}{spec}{quote}{end}");
                if is_ours && kind != "ConfigMap" {
                    specs.push(spec);
                }
            }
        }
        let _ = writeln!(text, "{pad}other: [on, 0123, ~]");
    }
    (text, specs)
}

#[test]
fn generated_manifests_change_in_the_fields_of_the_image() {
    let mut random = Random::new(20_261_122);
    let mut written = 0;
    for _ in 0..2_000 {
        let (text, specs) = objects(&mut random);
        let wanted = wanted(&mut random);
        let source = Source::parse(&text).unwrap();
        let fields = manifests::places(&source, &image(), &[]);
        assert_eq!(fields.len(), specs.len(), "{text}");
        let mut after = text.clone();
        for place in fields {
            after = place.write(&Source::parse(&after).unwrap(), &image(), &wanted).unwrap();
            written += 1;
        }
        let tag = wanted.tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = wanted.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        let spec = format!("{IMAGE}{tag}{digest}");
        // Line by line: the text of the image and nothing else, outside of what is data.
        let mut is_data = false;
        let expected: String = text
            .lines()
            .map(|line| {
                is_data = if line.starts_with("data:") { true } else { is_data && !line.starts_with("---") };
                let old = specs.iter().filter(|spec| {
                    line.contains(&format!("image: {spec}"))
                        || line.contains(&format!("{spec}\""))
                        || line.contains(&format!("{spec}'"))
                });
                match old.filter(|_| !is_data && !line.contains("web-worker")).max_by_key(|spec| spec.len()) {
                    Some(old) => format!("{}\n", line.replacen(old.as_str(), &spec, 1)),
                    None => format!("{line}\n"),
                }
            })
            .collect();
        assert_eq!(after, expected, "{text}");
    }
    assert!(written > 2_000, "{written} fields");
}

/// Compares the whole of what a person is told about a tag that cannot be written: line, message, hint.
fn told(text: &str, key: &str, expected: [&str; 3]) {
    let place = Place::Tag(key.parse().unwrap());
    let wanted = Wanted { tag: Some("2.0.0".to_owned()), digest: None };
    let error = place.write(&Source::parse(text).unwrap(), &image(), &wanted).unwrap_err();
    assert_eq!(error.code(), "edit/shared");
    let line = error.line().unwrap().to_string();
    assert_eq!([line.as_str(), &error.to_string(), &error.hint().unwrap()], expected);
}

#[test]
fn who_is_in_the_way_of_a_shared_tag_is_named_with_the_line_to_write() {
    let web = "web:\n  repository: ghcr.io/acme/web\n  tag: &tag 1.0.0\n";
    told(
        &format!("{web}worker:\n  repository: ghcr.io/acme/worker\n  tag: *tag\nappVersion: *tag\n"),
        "web.tag",
        [
            "3",
            "`web.tag` is shared by lines 3, 6, 7: its anchor has aliases, and not all that share it are the image: \
             `appVersion` (line 7) is no place of the image, `worker.tag` (line 6) stands beside `ghcr.io/acme/worker`",
            "write `appVersion: 1.0.0` in place of the alias at line 7, and write `tag: 1.0.0` in place of the alias at line 6",
        ],
    );
    told(
        "version: &v 1.0.0\nweb:\n  repository: ghcr.io/acme/web\n  tag: *v\n",
        "web.tag",
        [
            "4",
            "`web.tag` is shared by lines 1, 4: the path goes through an alias, and not all that share it are the image: \
             `version` (line 1) is no place of the image",
            "write the value in place of the alias at line 4, with `tag: 2.0.0`",
        ],
    );
    told(
        "base: &base\n  repository: ghcr.io/acme/web\n  tag: 1.0.0\nweb:\n  <<: *base\nother:\n  <<: *base\n  repository: acme/other\n",
        "web.tag",
        [
            "5",
            "`web.tag` is shared by lines 1, 5, 7: it is merged in by the `<<` at line 5, and not all that share it are the \
             image: `other.tag` (line 7) stands beside `docker.io/acme/other`",
            "add `tag: 2.0.0` as a key of its own behind the `<<` at line 5",
        ],
    );
}

#[test]
fn the_line_to_write_is_one_of_the_path_and_parts_it_from_the_others() {
    let text = "x-image: &image {registry: ghcr.io, tag: 1.0.0}\n\nweb:\n  repository: acme/web\n  <<: *image\nadmin:\n  <<: *image\n  \
                repository: acme/admin\n";
    let place = Place::Tag("web.tag".parse().unwrap());
    let wanted = Wanted { tag: Some("2.0.0".to_owned()), digest: None };
    let hint = place.write(&Source::parse(text).unwrap(), &image(), &wanted).unwrap_err().hint().unwrap();
    assert_eq!(hint, "add `tag: 2.0.0` as a key of its own behind the `<<` at line 5");
    // Written as it says, with the present value, it is no longer in the way.
    let parted = text.replacen("  <<: *image\n", "  <<: *image\n  tag: 1.0.0\n", 1);
    let after = place.write(&Source::parse(&parted).unwrap(), &image(), &wanted).unwrap();
    assert_eq!(after, parted.replace("\n  tag: 1.0.0", "\n  tag: 2.0.0"));
}

#[test]
fn all_key_paths_to_one_scalar_are_one_place() {
    let source = Source::parse(
        "base: &base {repository: ghcr.io/acme/web, tag: &tag v1}\nweb: *base\njob:\n  <<: *base\n  n: 1\n\
         list:\n- {name: a, tag: *tag}\nown: {<<: *base, tag: v1}\n---\nbase: {tag: v1}\n",
    )
    .unwrap();
    let spot = |key: &str| Place::Tag(key.parse().unwrap()).canonical(&source);
    for key in ["web.tag", "job.tag", "list[0].tag", "list[name=a].tag"] {
        assert_eq!(spot(key), spot("base.tag"), "{key}");
    }
    assert_ne!(spot("own.tag"), spot("base.tag"));
    assert_ne!(spot("[1]#base.tag"), spot("base.tag"));
    assert_ne!(spot("web.repository"), spot("base.tag"));
}

#[test]
fn a_label_takes_only_what_kubernetes_takes_for_one() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: dev\n  labels:\n    web: 1.0.0 # here\n  annotations:\n    web: 1.0.0\n";
    let source = Source::parse(text).unwrap();
    let digest = format!("sha256:{}", "0a".repeat(32));
    let long = "1".repeat(64);
    for (tag, digest, is_label) in
        [("1.1.0", None, true), ("1.1.0_", None, false), (long.as_str(), None, false), ("1.1.0", Some(&digest), false)]
    {
        let wanted = Wanted { tag: Some(tag.to_owned()), digest: digest.cloned() };
        let write = |key: &str| {
            Place::Tag(format!("Secret/dev#metadata.{key}.web").parse().unwrap()).write(&source, &image(), &wanted)
        };
        match write("labels") {
            Ok(written) => assert_eq!((written, is_label), (text.replacen("1.0.0", tag, 1), true)),
            Err(error) => assert_eq!((error.code(), is_label), ("edit/unproven", false), "{error}"),
        }
        assert!(write("annotations").is_ok(), "an annotation is any text");
    }
}
