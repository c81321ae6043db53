//! Kustomizations: the entry of `images:` that is found, added and written, and what is refused.

use crate::table::{self, PLAIN, Row, codes, fill, outcome, outcomes, problems, verdict};
use crate::world::World;

/// Annotations of repin for the kustomization at the source path.
const TARGET: &str = "repin.dev/image-list: app=IMAGE\nrepin.dev/write-back-target: kustomization";
const ENTRY: &str = "resources: [web.yaml]\nimages:\n  - name: IMAGE   # ours\n    newTag: 1.0.0\n";

/// One Application each with a kustomization: what stands in it afterwards, the key and the verdict.
fn check(cases: &[(&str, &str, &str, &str)]) {
    let texts: Vec<String> = cases.iter().map(|(_, more, ..)| format!("{TARGET}\n{more}")).collect();
    let files: Vec<[(&str, &str); 2]> =
        cases.iter().map(|(_, _, before, _)| [("values.yaml", "-"), ("kustomization.yaml", *before)]).collect();
    let rows: Vec<Row<'_>> = cases
        .iter()
        .zip(&texts)
        .zip(&files)
        .map(|((case, text), files)| Row { files, ..Row::new(case.0, text) })
        .collect();
    let world = table::world(&rows);
    let said = world.repin(&["once"]);
    let mut wrong = Vec::new();
    for (name, _, before, expected) in cases {
        let one = outcome(&said, name);
        let text = world.remote.show(&format!("apps/{name}/kustomization.yaml"));
        let found = if text == fill(&world, before) { verdict(one) } else { text };
        if found != fill(&world, expected) {
            wrong.push(format!("{name}: {found}\n{one:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_entry_that_means_the_image_is_written_and_nothing_else() {
    check(&[
        ("by-name", "", ENTRY, "resources: [web.yaml]\nimages:\n  - name: IMAGE   # ours\n    newTag: 2.0.0\n"),
        (
            "flow",
            "",
            "images:\n- {name: web, newName: 'IMAGE', newTag: '1.0.0'}\n- {name: x, newTag: '1'}\n",
            "images:\n- {name: web, newName: 'IMAGE', newTag: '2.0.0'}\n- {name: x, newTag: '1'}\n",
        ),
        (
            "quoted",
            "",
            "images:\n- newTag: \"1.0.0\"\n  name: IMAGE\n",
            "images:\n- newTag: \"2.0.0\"\n  name: IMAGE\n",
        ),
        (
            "renamed",
            "",
            "images:\n- name: web\n  newName: IMAGE\n  newTag: 1.0.0\n",
            "images:\n- name: web\n  newName: IMAGE\n  newTag: 2.0.0\n",
        ),
        ("no-tag", "", "images:\n- name: IMAGE\n", "images:\n- name: IMAGE\n  newTag: 2.0.0\n"),
        (
            "added",
            "",
            "images:\n- name: other\n  newTag: 1.0.0\nresources: []\n",
            "images:\n- name: other\n  newTag: 1.0.0\n- name: IMAGE\n  newTag: 2.0.0\nresources: []\n",
        ),
        (
            "added-list",
            "",
            "resources:\n  - web.yaml\n",
            "resources:\n  - web.yaml\nimages:\n  - name: IMAGE\n    newTag: 2.0.0\n",
        ),
        ("empty-list", "", "images: []\n", "images: [{name: IMAGE, newTag: 2.0.0}]\n"),
        (
            "named",
            "repin.dev/app.kustomize.image-name: placeholder",
            "images:\n- name: placeholder\n  newTag: 1.0.0\n",
            "images:\n- name: placeholder\n  newName: IMAGE\n  newTag: 2.0.0\n",
        ),
        (
            "named-new",
            "repin.dev/app.kustomize.image-name: placeholder",
            "kind: Kustomization\n",
            "kind: Kustomization\nimages:\n- name: placeholder\n  newName: IMAGE\n  newTag: 2.0.0\n",
        ),
        ("twice", "", "images:\n- name: IMAGE\n- name: IMAGE\n", "failed edit/duplicate-key"),
        ("other", "", "images:\n- name: IMAGE\n  newName: nginx\n", "failed edit/other-image"),
        ("template", "", "images:\n- name: IMAGE\n  newTag: '{{ .x }}'\n", "failed edit/template"),
        ("suffix", "", "images:\n- name: IMAGE\n  newTag: 1.0.0\n  tagSuffix: -x\n", "failed edit/unproven"),
        ("broken", "", "images: [\n", "failed edit/invalid-yaml"),
        ("map", "", "images: {a: b}\n", "failed edit/unproven"),
    ]);
}

#[test]
fn the_directory_of_the_kustomization_is_relative_to_the_source_and_must_have_one() {
    let text = |target: &str| format!("repin.dev/image-list: app=IMAGE\nrepin.dev/write-back-target: {target}");
    let base: &[(&str, &str)] = &[("/apps/around/base/kustomization.yml", ENTRY)];
    // Name, annotations, files, `file verdict`.
    type Case<'a> = (&'a str, String, &'a [(&'a str, &'a str)], &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("here", text("kustomization"), &[("Kustomization", ENTRY)], "apps/here/Kustomization pending pending"),
        (
            "sub",
            text("kustomization:k/x"),
            &[("k/x/kustomization.yaml", ENTRY)],
            "apps/sub/k/x/kustomization.yaml pending pending",
        ),
        ("around", text("kustomization:../around/base"), base, "apps/around/base/kustomization.yml pending pending"),
        (
            "rooted",
            text("kustomization:/apps/rooted"),
            &[("kustomization.yaml", ENTRY)],
            "apps/rooted/kustomization.yaml pending pending",
        ),
        (
            "outside",
            text("kustomization:../../base"),
            &[("/base/kustomization.yaml", ENTRY)],
            "base/kustomization.yaml held target/outside",
        ),
        ("escape", text("kustomization:../../../base"), &[], "null held target/outside"),
        ("none", text("kustomization"), &[], "apps/none failed edit/no-such-file"),
        (
            "two",
            text("kustomization"),
            &[("kustomization.yaml", ENTRY), ("kustomization.yml", ENTRY)],
            "apps/two/kustomization.yaml failed edit/duplicate-key",
        ),
        ("unnamed", text("'kustomization:'"), &[], "null held annotation/invalid"),
        ("misspelled", text("kustomisation"), &[], "null held annotation/invalid"),
        ("word", text("kustomize:x"), &[], "null held annotation/invalid"),
        (
            "contradiction",
            format!("{}\nrepin.dev/app.helm.image-tag: image.tag", text("kustomization")),
            &[("kustomization.yaml", ENTRY)],
            "apps/contradiction/kustomization.yaml held annotation/invalid",
        ),
        (
            "unused",
            format!("{PLAIN}\nrepin.dev/app.kustomize.image-name: x"),
            &[("values.yaml", "image: {tag: 1.0.0}\n")],
            "apps/unused/values.yaml pending pending",
        ),
        (
            "encrypted",
            text("kustomization"),
            &[("kustomization.yaml", "images:\n- name: IMAGE\n  newTag: 1.0.0\nsops: {mac: x}\n")],
            "apps/encrypted/kustomization.yaml failed edit/sops",
        ),
        (
            "legacy",
            "OLD/image-list: app=IMAGE\nOLD/write-back-method: git\nOLD/app.write-back-target: kustomization:./k\nOLD/app.kustomize.image-name: IMAGE"
                .replace("OLD", "argocd-image-updater.argoproj.io"),
            &[("k/kustomization.yaml", ENTRY)],
            "apps/legacy/k/kustomization.yaml pending pending",
        ),
        (
            "implied",
            "repin.dev/image-list: app=IMAGE\nrepin.dev/app.kustomize.image-name: IMAGE".to_owned(),
            &[("kustomization.yaml", ENTRY)],
            "apps/implied/kustomization.yaml pending pending",
        ),
    ];
    let rows: Vec<Row<'_>> = cases.iter().map(|(name, text, files, _)| Row { files, ..Row::new(name, text) }).collect();
    let world = table::world(&rows);
    let said = world.repin(&["plan"]);
    for (name, _, _, expected) in &cases {
        let one = outcome(&said, name);
        assert_eq!(format!("{} {}", one["file"].as_str().unwrap_or("null"), verdict(one)), *expected, "{name} {one:#}");
    }
    let codes = |name: &str| codes(&problems(&said, &format!("argocd/{name}.yaml")));
    assert_eq!(codes("unused"), ["annotation/unused"]);
    assert_eq!(codes("contradiction"), ["annotation/invalid"]);
    let hint = problems(&said, "misspelled.yaml")[0]["hint"].as_str().unwrap();
    assert!(hint.contains("`kustomization`"), "{hint}");
}

#[test]
fn a_reverted_kustomization_is_not_written_again() {
    let files = [("values.yaml", "-"), ("kustomization.yaml", ENTRY)];
    let world = table::world(&[Row { files: &files, ..Row::new("web", TARGET) }]);
    let delivered = world.once();
    assert_eq!((verdict(&delivered), delivered["to"].as_str()), ("delivered delivered".into(), Some("2.0.0")));
    assert_eq!(delivered["key"], fill(&world, "images[name=IMAGE].newTag"));
    assert_eq!(verdict(&world.once()), "current current");
    let message = world.remote.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains(&fill(&world, "images[name=IMAGE].newTag")), "{message}");
    let head = world.remote.revert(delivered["commit"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(verdict(&world.once()), "held guard/rolled-back");
        world.drop_cache();
    }
    assert_eq!(world.remote.head(), head);
    world.registry.publish("acme/web", &["2.1.0"]);
    world.takes("2.1.0");
}

#[test]
fn an_added_entry_that_a_person_took_out_is_not_added_again() {
    let files = [("values.yaml", "-"), ("kustomization.yaml", "resources: []\n")];
    let world = table::world(&[Row { files: &files, ..Row::new("web", TARGET) }]);
    let delivered = world.once();
    assert_eq!((verdict(&delivered), &delivered["from"]), ("delivered delivered".into(), &serde_json::Value::Null));
    let head = world.remote.revert(delivered["commit"].as_str().unwrap());
    assert_eq!(verdict(&world.once()), "held guard/rolled-back");
    assert_eq!(world.remote.head(), head);
}

#[test]
fn one_image_in_values_and_in_a_kustomization_is_written_in_both() {
    let text = "repin.dev/image-list: app=IMAGE\nrepin.dev/write-back-target: helmvalues, kustomization\nrepin.dev/app.helm.image-tag: image.tag";
    let world: World = table::world(&[Row { files: &[("kustomization.yaml", ENTRY)], ..Row::new("web", text) }]);
    let said = world.repin(&["once"]);
    let verdicts: Vec<String> = outcomes(&said, "web").into_iter().map(verdict).collect();
    assert_eq!(verdicts, ["delivered delivered", "delivered delivered"], "{said:#?}");
    assert_eq!(world.tag("web"), "2.0.0");
    assert_eq!(world.remote.show("apps/web/kustomization.yaml"), fill(&world, &ENTRY.replace("1.0.0", "2.0.0")));
    assert_eq!(world.remote.log().len(), 2, "one commit for the Application");
}
