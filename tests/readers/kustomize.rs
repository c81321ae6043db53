//! Kustomizations after an edit, rendered by kustomize itself: the image that runs is the one that was meant.
//!
//! Taken is `kustomize`, else the one inside `kubectl`; where neither is there, it is left out by name.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use crate::golden::{Change, write};
use repin::manifest::kustomization;
use repin::manifest::place::Wanted;

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bf822cd15d6c15b0f00a8";

/// The program with the arguments that come before a directory.
fn program() -> Option<(&'static str, &'static [&'static str])> {
    let programs: [(&str, &[&str]); 2] = [("kustomize", &["build"]), ("kubectl", &["kustomize"])];
    let runs =
        |name: &str| Command::new(name).arg("version").arg("--help").output().is_ok_and(|it| it.status.success());
    programs.into_iter().find(|(name, _)| runs(name))
}

#[test]
fn kustomize_renders_the_image_that_was_written() {
    let Some((name, arguments)) = program() else {
        // `eprintln!` would be hidden by the test harness if the test passes.
        #[allow(clippy::explicit_write)]
        writeln!(std::io::stderr(), "left out: rendering kustomizations (neither `kustomize` nor `kubectl` is there)")
            .unwrap();
        return;
    };
    let images = [
        "",
        "images:\n",
        "images: []\n",
        "images:\n- name: redis\n  newTag: '7'\n",
        "images:\n- name: PLACE\n",
        "images:\n- name: PLACE\n  newTag: 1.2.3\n",
        "images:\n- digest: sha256:00\n  name: PLACE\n",
        "images: [{name: PLACE, newTag: '1.2', digest: 'sha256:00'}]\n",
        "images:\n- name: PLACE\n  newName: ghcr.io/acme/web\n  newTag: v1\n",
    ];
    let mut wrong = Vec::new();
    for (place, named) in [("ghcr.io/acme/web", None), ("placeholder", Some("placeholder".to_owned()))] {
        let folder = tempfile::tempdir().unwrap();
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: '{place}:0.1'}}]}}\n"
        );
        fs::write(folder.path().join("pod.yaml"), pod).unwrap();
        for list in images {
            for (tag, digest) in [(Some("1.10"), None), (None, Some(DIGEST)), (Some("2.0.0"), Some(DIGEST))] {
                let before = format!("resources:\n- pod.yaml\n{}", list.replace("PLACE", place));
                let wanted = Wanted { tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) };
                let image = "ghcr.io/acme/web".parse().unwrap();
                let list = kustomization::images().unwrap();
                let after = write(&before, &Change::Entry { image, wanted, named: named.clone(), list }).unwrap();
                fs::write(folder.path().join("kustomization.yaml"), &after).unwrap();
                let output = Command::new(name).args(arguments).arg(folder.path()).output().unwrap();
                let rendered = String::from_utf8_lossy(&output.stdout);
                let tagged = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
                let pinned = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
                // Before its fifth version kustomize leaves the tag out where a digest stands.
                let old = if digest.is_some() { &pinned } else { &tagged };
                let is_right = [format!("{tagged}{pinned}"), old.clone()]
                    .iter()
                    .any(|end| rendered.contains(&format!("image: ghcr.io/acme/web{end}\n")));
                if !is_right {
                    wrong.push(format!("{after}\n{rendered}{}", String::from_utf8_lossy(&output.stderr)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
