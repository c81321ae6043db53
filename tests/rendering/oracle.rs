//! Generated overlays, bases and components, rendered by kustomize before and after the edit.
//!
//! Taken is `kustomize`, else the one inside `kubectl`; where neither is there, it is left out by name.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use repin::manifest::place::Wanted;

use crate::generate::Random;
use crate::{IMAGE, Tree};

/// How many trees are rendered; `REPIN_TREES` says otherwise.
const TREES: usize = 30;
const NEW: &str = "9.9.9";

/// The program with the arguments that come before a directory.
fn program() -> Option<(&'static str, &'static [&'static str])> {
    let programs: [(&str, &[&str]); 2] = [("kustomize", &["build"]), ("kubectl", &["kustomize"])];
    let runs =
        |name: &str| Command::new(name).arg("version").arg("--help").output().is_ok_and(|it| it.status.success());
    programs.into_iter().find(|(name, _)| runs(name))
}

fn render(folder: &Path, tree: &Tree) -> Result<String, String> {
    let (name, arguments) = program().unwrap();
    for (path, text) in &tree.0 {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let output = Command::new(name).args(arguments).arg(folder.join("apps/web")).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The images that are the tracked one, and the text with a new tag for each.
fn retagged(rendered: &str) -> (Vec<String>, String) {
    let mut images = Vec::new();
    let mut after = String::new();
    for line in rendered.lines() {
        let of_image = line.trim_start().trim_start_matches("- ").strip_prefix("image: ");
        let rest = of_image.and_then(|image| image.strip_prefix(IMAGE)).filter(|rest| !rest.starts_with(['h', '/']));
        match rest {
            Some(rest) => {
                images.push(rest.to_owned());
                let front = line.strip_suffix(rest).unwrap();
                after.push_str(&format!("{front}:{NEW}\n"));
            }
            None => after.push_str(&format!("{line}\n")),
        }
    }
    (images, after)
}

fn workload(random: &mut Random, kind: &str, name: &str) -> String {
    let mut text = format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n"
    );
    if random.below(3) == 0 {
        text.push_str(&format!("      initContainers:\n        - {{name: init, image: '{}'}}\n", image(random)));
    }
    text.push_str("      containers:\n");
    for container in ["app", "side"].iter().take(1 + random.below(2)) {
        text.push_str(&format!("        - name: {container}\n          image: {}\n", image(random)));
    }
    text
}

fn image(random: &mut Random) -> String {
    let images = [
        "ghcr.io/acme/web:1.0.0",
        "ghcr.io/acme/web:1.0.0",
        "ghcr.io/acme/web:1.0.0",
        "ghcr.io/acme/web:1.1.0",
        "web:1.0.0",
        "web",
        "ghcr.io/acme/webhook:1.0.0",
        "redis:7",
    ];
    random.pick(&images).to_owned()
}

fn entries(random: &mut Random) -> String {
    let all = [
        "- name: web\n  newName: ghcr.io/acme/web\n",
        "- name: web\n  newName: ghcr.io/acme/web\n  newTag: 1.0.0\n",
        "- name: ghcr.io/acme/web\n  newTag: 1.2.0\n",
        "- name: redis\n  newTag: '7.2'\n",
        "- name: ghcr.io/acme/webhook\n  newTag: 3.0.0\n",
        "- {name: redis, newName: ghcr.io/acme/web, newTag: 1.0.0}\n",
    ];
    let mut list = String::new();
    let mut seen: Vec<&str> = Vec::new();
    for entry in all {
        let name = entry.split("name: ").nth(1).unwrap().split(['\n', ',']).next().unwrap();
        if random.below(4) == 0 && !seen.contains(&name) {
            seen.push(name);
            list.push_str(entry);
        }
    }
    if list.is_empty() { String::new() } else { format!("images:\n{list}") }
}

/// A patch in one of the forms, with the line that names it; for a Deployment under this name.
fn patch(random: &mut Random, name: &str) -> (String, String) {
    let image = image(random);
    let container = random.pick(&["app", "new"]);
    match random.below(4) {
        0 => {
            let text = format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: {container}\n        image: {image}\n"
            );
            (text, "patches:\n- path: patch.yaml\n".to_owned())
        }
        1 => {
            let text = format!("- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: {image}\n");
            (text, "patches:\n- path: patch.yaml\n  target: {kind: Deployment}\n".to_owned())
        }
        2 => {
            let text = format!(
                "[{{\"op\": \"add\", \"path\": \"/spec/template/spec/containers/0\", \"value\": {{\"name\": \"added\", \"image\": \"{image}\"}}}}]\n"
            );
            (
                text,
                format!(
                    "patchesJson6902:\n- path: patch.yaml\n  target: {{group: apps, version: v1, kind: Deployment, name: {name}}}\n"
                ),
            )
        }
        _ => {
            let text = format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x}}\nspec:\n  template:\n    spec:\n      containers:\n      - {{name: app, image: '{image}'}}\n      - {{name: side, $patch: delete}}\n"
            );
            (text, "patches:\n- path: patch.yaml\n  target: {kind: Deployment, name: '.*web'}\n".to_owned())
        }
    }
}

fn tree(random: &mut Random) -> Tree {
    let mut files: Vec<(String, String)> = Vec::new();
    let add = |files: &mut Vec<(String, String)>, path: &str, text: String| files.push((path.to_owned(), text));
    let web = workload(random, "Deployment", "web");
    let db = workload(random, "StatefulSet", "db");
    add(&mut files, "bases/web/web.yaml", format!("{web}---\n{db}"));
    add(&mut files, "bases/web/kustomization.yaml", format!("resources: [web.yaml]\n{}", entries(random)));
    let mut below = "../../bases/web";
    let mut name = "web".to_owned();
    if random.below(2) == 0 {
        below = "../../envs/prod";
        let mut text = "resources: [../../bases/web]\n".to_owned();
        if random.below(2) == 0 {
            text.push_str("namePrefix: prod-\n");
            name = "prod-web".to_owned();
        }
        if random.below(3) == 0 {
            let (patch, lines) = patch(random, "web");
            add(&mut files, "envs/prod/patch.yaml", patch);
            text.push_str(&lines);
        }
        text.push_str(&entries(random));
        add(&mut files, "envs/prod/kustomization.yaml", text);
    }
    let mut text = format!("resources:\n- {below}\n");
    if random.below(3) == 0 {
        text.push_str("- own.yaml\n");
        add(&mut files, "apps/web/own.yaml", workload(random, "DaemonSet", "own"));
    }
    if random.below(3) == 0 {
        text.push_str("components:\n- ../../components/extra\n");
        let mut component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n".to_owned();
        if random.below(2) == 0 {
            let (patch, lines) = patch(random, &name);
            add(&mut files, "components/extra/patch.yaml", patch);
            component.push_str(&lines);
        }
        component.push_str(&entries(random));
        add(&mut files, "components/extra/kustomization.yaml", component);
    }
    if random.below(3) == 0 {
        let (patch, lines) = patch(random, &name);
        add(&mut files, "apps/web/patch.yaml", patch);
        text.push_str(&lines);
    }
    text.push_str(&entries(random));
    add(&mut files, "apps/web/kustomization.yaml", text);
    Tree(files.into_iter().collect())
}

#[test]
fn kustomize_renders_the_new_tag_for_the_image_and_nothing_else() {
    if program().is_none() {
        // `eprintln!` would be hidden by the test harness if the test passes.
        #[allow(clippy::explicit_write)]
        writeln!(std::io::stderr(), "left out: rendering overlays (neither `kustomize` nor `kubectl` is there)")
            .unwrap();
        return;
    }
    let trees = std::env::var("REPIN_TREES").ok().map_or(TREES, |count| count.parse().unwrap());
    let mut random = Random::new(20_261_126);
    let (mut written, mut wrong) = (0, Vec::new());
    for _ in 0..trees {
        let before = tree(&mut random);
        let folder = tempfile::tempdir().unwrap();
        let Ok(rendered) = render(folder.path(), &before) else { continue };
        let (images, expected) = retagged(&rendered);
        let located = before.locate(IMAGE, &[]);
        let mut after = before.clone();
        let wanted = Wanted { tag: Some(NEW.to_owned()), digest: None };
        let is_one = images.windows(2).all(|pair| pair[0] == pair[1]);
        let complain = |wrong: &mut Vec<String>, what: String| {
            let files: Vec<String> = before.0.iter().map(|(path, text)| format!("# {path}\n{text}")).collect();
            wrong.push(format!("{what}\n{}\n{rendered}", files.join("")));
        };
        match after.write(IMAGE, &located, &wanted) {
            // What runs is one tag, so that there is a place, or what stands in the way is no matter of the rendering.
            Err(why) => {
                let is_expected =
                    images.is_empty() || !is_one || images[0].is_empty() || why.starts_with("edit/other-image");
                if !is_expected {
                    complain(&mut wrong, why);
                }
            }
            Ok(()) if !is_one => {
                complain(&mut wrong, format!("{images:?} are written as one: {}", crate::told(&located)))
            }
            Ok(()) => {
                let shown: Vec<Option<String>> = located.iter().map(|one| one.site.as_ref().unwrap().shown()).collect();
                let is_shown =
                    images.is_empty() || shown.iter().all(|one| one.as_deref() == images[0].strip_prefix(':'));
                match render(folder.path(), &after) {
                    Ok(text) if text == expected && is_shown => written += 1,
                    Ok(text) => {
                        complain(&mut wrong, format!("{}: {shown:?}\n{text}\ninstead of", crate::told(&located)))
                    }
                    Err(error) => complain(&mut wrong, error),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong of {trees}\n{}", wrong.len(), wrong[..wrong.len().min(3)].join("\n----\n"));
    assert!(written * 4 > trees, "{written} of {trees} trees were written");
}
