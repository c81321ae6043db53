//! Many Applications in one world: each row is one Application, one command answers for all of them.

use serde_json::Value;

use crate::world::{Said, World};

/// One Application of a table.
pub struct Row<'a> {
    /// Its name; the directory is `apps/<name>`.
    pub name: &'a str,
    /// Annotations as whole lines; `IMAGE` stands for the registry's `acme/web`, `HOST` for the registry.
    pub annotations: &'a str,
    /// More lines of `spec.source`, such as `helm: {valueFiles: [a.yaml]}`; the same names stand in them.
    pub source: &'a str,
    /// Files, as (path, content).
    pub files: &'a [(&'a str, &'a str)],
}

/// Annotations of repin that track `IMAGE` as `app` at `image.tag`.
pub const PLAIN: &str = "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: image.tag";

impl<'a> Row<'a> {
    /// An Application with plain annotations and these besides.
    pub fn new(name: &'a str, annotations: &'a str) -> Self {
        Self { name, annotations, source: "", files: &[] }
    }

    /// Writes its manifest.
    pub fn manifest(&self, world: &World) -> String {
        manifest(world, self.name, self.annotations, &format!("path: apps/{}\n{}", self.name, self.source))
    }
}

/// Writes a manifest; `annotations` and `source` are whole lines without indentation.
pub fn manifest(world: &World, name: &str, annotations: &str, source: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  namespace: argocd\n  annotations:\n{}spec:\n  source:\n    repoURL: {}\n    targetRevision: main\n{}",
        indent(&fill(world, annotations)),
        world.remote.url(),
        indent(&fill(world, source)),
    )
}

/// Replaces `IMAGE` and `HOST`.
pub fn fill(world: &World, text: &str) -> String {
    text.replace("IMAGE", &world.image("web")).replace("HOST", &world.registry.host())
}

fn indent(text: &str) -> String {
    text.lines().filter(|line| !line.is_empty()).map(|line| format!("    {line}\n")).collect()
}

/// A world with 1.0.0, 1.1.0 and 2.0.0 of `acme/web`, and these Applications with `tag: "1.0.0"` in `values.yaml`.
pub fn world(rows: &[Row<'_>]) -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "2.0.0"]);
    commit(&world, rows);
    world
}

/// Commits rows.
pub fn commit(world: &World, rows: &[Row<'_>]) {
    let mut files: Vec<(String, String)> = Vec::new();
    for row in rows {
        files.push((format!("argocd/{}.yaml", row.name), row.manifest(world)));
        if !row.files.iter().any(|(path, _)| *path == "values.yaml") {
            files.push((format!("apps/{}/values.yaml", row.name), world.values("web", "1.0.0")));
        }
        for (path, content) in row.files.iter().filter(|(_, content)| *content != "-") {
            let path = path.strip_prefix('/').map_or_else(|| format!("apps/{}/{path}", row.name), str::to_owned);
            files.push((path, fill(world, content)));
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add Applications");
}

/// The outcomes of one Application.
pub fn outcomes<'v>(said: &'v Said, name: &str) -> Vec<&'v Value> {
    let label = if name.contains('/') { name.to_owned() } else { format!("argocd/{name}") };
    said.json["outcomes"].as_array().unwrap().iter().filter(|one| one["application"] == label.as_str()).collect()
}

/// The only outcome of one Application.
pub fn outcome<'v>(said: &'v Said, name: &str) -> &'v Value {
    let found = outcomes(said, name);
    assert_eq!(found.len(), 1, "{name}: {said:#?}");
    found[0]
}

/// Problems of one Application's manifest, or of any file that ends so.
pub fn problems<'v>(said: &'v Said, file: &str) -> Vec<&'v Value> {
    let list = said.json["problems"].as_array().unwrap();
    list.iter().filter(|one| one["file"].as_str().is_some_and(|found| found.ends_with(file))).collect()
}

/// Codes of problems, sorted.
pub fn codes(problems: &[&Value]) -> Vec<String> {
    let mut codes: Vec<String> = problems.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes
}

/// `result code` of an outcome.
pub fn verdict(outcome: &Value) -> String {
    assert!(!outcome["message"].as_str().unwrap().is_empty(), "{outcome:#}");
    format!("{} {}", outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap())
}

/// `file#key verdict` of every outcome of one Application, with files of its source path relative to that.
pub fn places(said: &Said, name: &str) -> String {
    let place = |one: &&Value| {
        let file = one["file"].as_str().unwrap_or("null").replace(&format!("apps/{name}/"), "");
        format!("{file}#{} {}", one["key"].as_str().unwrap_or("null"), verdict(one))
    };
    outcomes(said, name).iter().map(place).collect::<Vec<_>>().join("; ")
}

/// Plans rows in the world made of them, and compares the places of each with what is expected.
pub fn check(world: &World, cases: &[(Row<'_>, &str)]) {
    let said = world.repin(&["plan"]);
    let mut wrong = Vec::new();
    for (row, expected) in cases {
        let (found, expected) = (places(&said, row.name), fill(world, expected));
        if found != expected {
            wrong.push(format!("{}: {found}\nexpected {expected}\n{:#?}", row.name, outcomes(&said, row.name)));
        }
    }
    assert!(wrong.is_empty(), "{}\n{:#?}", wrong.join("\n"), said.json["problems"]);
}

/// Gives the rows of cases.
pub fn rows<'a>(cases: &[(Row<'a>, &str)]) -> Vec<Row<'a>> {
    cases.iter().map(|(row, _)| Row { ..*row }).collect()
}
