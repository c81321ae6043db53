//! `ImageUpdater` objects: none of their keys is read, and each has an annotation that says the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::annotations::{self, ArgocdMethod};
use crate::cli::migrate::annotations::{Ground, read};
use crate::cli::migrate::findings::{MigratedKey, Verdict};
use crate::manifest::image_updater::{Entry, ImageUpdater, Named, Peer, Reference};
use crate::model::application::{Annotation, Application, PREFIX};
use crate::model::names::{APPLICATION, ApplicationKey, RepoPath};
use crate::model::problem::Problem;

/// Tells of every key of every object.
pub(super) fn findings(peers: &BTreeMap<RepoPath, Peer>, ground: &Ground) -> Vec<MigratedKey> {
    let mut all: BTreeSet<(String, String)> = BTreeSet::new();
    let mut named: Vec<Named> = peers.values().flat_map(|peer| peer.applications.iter().cloned()).collect();
    all.extend(named.iter().map(|one| (one.namespace.clone(), one.name.clone())));
    // Those that an ApplicationSet generates are known if they are annotated.
    for (application, _) in &ground.applications {
        let key = &application.key;
        if key.kind == APPLICATION && all.insert((key.namespace.clone(), key.name.clone())) {
            let labels = application.labels.clone().into_iter().collect();
            named.push(Named { namespace: key.namespace.clone(), name: key.name.clone(), labels });
        }
    }
    let mut found = Vec::new();
    for (file, peer) in peers {
        for updater in &peer.updaters {
            for reference in &updater.references {
                Case { file, updater, reference, named: &named, ground }.tell(&mut found);
            }
            found.extend(updater.unknown.iter().map(|entry| unknown(file, entry)));
        }
    }
    found.sort_by(|one, other| (&one.file, one.line, &one.key).cmp(&(&other.file, other.line, &other.key)));
    let mut merged: Vec<MigratedKey> = Vec::new();
    for one in found {
        // What is said for all references is told once.
        let is_same =
            |other: &MigratedKey| MigratedKey { applications: one.applications.clone(), ..other.clone() } == one;
        match merged.last_mut().filter(|other| is_same(other)) {
            Some(other) => other.applications.extend(one.applications),
            None => merged.push(one),
        }
    }
    merged
}

/// One of the references of an object.
struct Case<'a> {
    file: &'a RepoPath,
    updater: &'a ImageUpdater,
    reference: &'a Reference,
    named: &'a [Named],
    ground: &'a Ground,
}

impl Case<'_> {
    fn tell(&self, found: &mut Vec<MigratedKey>) {
        let pattern = &self.reference.pattern;
        let means = |one: &&Named| one.namespace == self.updater.namespace && self.reference.means(one);
        let meant: BTreeSet<String> =
            self.named.iter().filter(means).map(|one| format!("{}/{}", one.namespace, one.name)).collect();
        let annotated: BTreeSet<String> = self
            .ground
            .applications
            .iter()
            .map(|(application, _)| application.key.label())
            .filter(|label| meant.contains(label))
            .collect();
        let of_entry = |entry: &Entry, verdict: Verdict, reading: String, instead: Option<String>| MigratedKey {
            source: "image-updater",
            applications: meant.clone(),
            file: self.file.to_string(),
            line: Some(entry.line).filter(|line| *line > 0),
            key: entry.path.clone(),
            value: Some(entry.value.clone()),
            verdict,
            reading,
            instead,
        };
        let in_template = "write the annotations into `spec.template.metadata.annotations` of the ApplicationSet that \
                           generates them, or into the Applications wherever they are defined";
        if let Some(switch) = &self.reference.annotations {
            let (verdict, reading, instead) = if annotated.is_empty() {
                let reading = "no annotated Application in these files is called so";
                (Verdict::Unsupported, reading.to_owned(), Some(in_template.to_owned()))
            } else {
                (Verdict::Carried, "their annotations are read as they are, without this object".to_owned(), None)
            };
            found.push(of_entry(pattern, verdict, reading, instead));
            found.push(of_entry(switch, Verdict::Carried, "annotations are what is read".to_owned(), None));
            let without = "without effect there too: `useAnnotations` is set";
            // What is said for all references is told with the others.
            let own = |entry: &&Entry| entry.path.starts_with("spec.applicationRefs");
            let entries = self.reference.entries.iter().filter(own);
            found.extend(entries.map(|entry| of_entry(entry, Verdict::Differs, without.to_owned(), None)));
            return;
        }
        let (verdict, reading, instead) = if meant.is_empty() {
            let reading = "no Application in these files is called so";
            (Verdict::Unsupported, reading.to_owned(), in_template.to_owned())
        } else if annotated.is_empty() {
            let reading = "repin reads no `ImageUpdater`, but annotations of the Applications";
            (Verdict::Rewrite, reading.to_owned(), "write the annotations below into each of them".to_owned())
        } else {
            let reading = format!(
                "repin reads no `ImageUpdater`, but annotations of the Applications; {} of them has some, which this \
                 object ignores and repin reads",
                annotated.len()
            );
            (Verdict::Rewrite, reading, "bring its annotations in line with those below".to_owned())
        };
        found.push(of_entry(pattern, verdict, reading, Some(instead)));
        let (application, problems) = self.annotated();
        for entry in &self.reference.entries {
            let Some((name, value)) = &entry.annotation else {
                let (verdict, reading, instead) = unsupported(entry);
                found.push(of_entry(entry, verdict, reading, instead));
                continue;
            };
            let annotation =
                Annotation { key: format!("{PREFIX}{name}"), value: Some(value.clone()), line: entry.line };
            let (verdict, reading, hint) = read(&application, &annotation, &problems);
            // Credentials of the cluster are nobody's here.
            let value = if name == "write-back-method" && value.starts_with("git:") { "git" } else { value };
            let written = format!("{PREFIX}{name}: {}", quoted(value));
            found.push(match verdict {
                Verdict::Unsupported => of_entry(entry, verdict, reading, hint),
                Verdict::Differs if name.ends_with("force-update") => of_entry(entry, verdict, reading, hint),
                Verdict::Carried | Verdict::Differs | Verdict::Rewrite => {
                    of_entry(entry, Verdict::Rewrite, reading, Some(written))
                }
            });
        }
        let has_target = self
            .reference
            .entries
            .iter()
            .filter_map(|entry| entry.annotation.as_ref())
            .any(|(name, _)| name == "write-back-target");
        if !has_target {
            let reading = "without `writeBackTarget` it writes `.argocd-source-<application>.yaml`; repin's own prefix \
                           means the places that name the image";
            let instead =
                format!("{PREFIX}write-back-target: \".argocd-source-<application>.yaml\", to write there on");
            let entry = Entry { path: format!("{} (writeBackTarget)", self.updater.name), ..pattern.clone() };
            found.push(MigratedKey {
                value: None,
                ..of_entry(&entry, Verdict::Differs, reading.to_owned(), Some(instead))
            });
        }
    }

    /// An Application as it is with the annotations that say the same, and what is wrong in them.
    fn annotated(&self) -> (Application, Vec<Problem>) {
        let of_entry = |entry: &Entry| {
            let (name, value) = entry.annotation.as_ref()?;
            Some(Annotation { key: format!("{PREFIX}{name}"), value: Some(value.clone()), line: entry.line })
        };
        let application = Application {
            key: ApplicationKey {
                kind: APPLICATION.to_owned(),
                repository: String::new(),
                file: Some(self.file.clone()),
                namespace: self.updater.namespace.clone(),
                name: self.updater.name.clone(),
            },
            object: None,
            rendered: None,
            line: self.updater.line,
            project: String::new(),
            labels: BTreeMap::new(),
            annotations: self.reference.entries.iter().filter_map(of_entry).collect(),
            sources: Vec::new(),
        };
        let (_, problems) = annotations::read(&application, ArgocdMethod::Held);
        (application, problems)
    }
}

/// Says what becomes of a key that no annotation has.
fn unsupported(entry: &Entry) -> (Verdict, String, Option<String>) {
    if entry.path.ends_with("gitConfig.pullRequest") {
        let reading = "whether a change is a pull request is said by the operator, and not by the Application";
        let instead = "in a rule of repin.yaml `delivery: pull-request`, and the forge in `forges:`";
        return (Verdict::Rewrite, reading.to_owned(), Some(instead.to_owned()));
    }
    (Verdict::Unsupported, "nothing here says the same".to_owned(), None)
}

fn unknown(file: &RepoPath, entry: &Entry) -> MigratedKey {
    MigratedKey {
        source: "image-updater",
        applications: BTreeSet::new(),
        file: file.to_string(),
        line: Some(entry.line),
        key: entry.path.clone(),
        value: Some(entry.value.clone()),
        verdict: Verdict::Unsupported,
        reading: "it is no key of an `ImageUpdater` that is known here".to_owned(),
        instead: None,
    }
}

/// Writes a text as YAML takes it in any case.
fn quoted(text: &str) -> String {
    format!("\"{}\"", crate::yaml::scalar::in_double_quotes(text))
}
