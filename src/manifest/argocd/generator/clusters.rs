//! The clusters generator: clusters as the files describe them that the operator named.
//!
//! Semantics of argo-cd docs, operator-manual/applicationset/Generators-Cluster.md. What a file says is read in [`described`].

mod described;

use std::collections::BTreeMap;

use crate::manifest::argocd::generator::selector::{is_selected, keys};
use crate::manifest::argocd::generator::{Broken, Expansion, Unexpanded};
use crate::manifest::argocd::gotemplate::normalize;
use crate::manifest::argocd::template::Mode;
use crate::manifest::argocd::value::Value;
use described::Cluster;

/// The cluster that Argo CD itself runs on: it has no Secret, unless somebody made one.
const LOCAL: (&str, &str) = ("in-cluster", "https://kubernetes.default.svc");
/// A label that Argo CD writes into the cluster and not into Git.
const KNOWN_THERE: &str = "argocd.argoproj.io/kubernetes-version";

impl Expansion<'_> {
    pub(super) fn clusters(&mut self, generator: &Value) -> Result<Vec<Value>, Unexpanded> {
        if *generator == Value::Null {
            return Err(Unexpanded::Invalid("`clusters` is null, and all of them are `clusters: {}`".to_owned()));
        }
        let selector = generator.get("selector").unwrap_or(&Value::Null);
        let all = self.described()?;
        let labels = |cluster: &Cluster| Value::Map(cluster.labels.clone());
        let is_unknown = |key: &&str| *key == KNOWN_THERE && !all.iter().any(|one| one.labels.contains_key(*key));
        if let Some(key) = keys(selector).find(is_unknown) {
            let message = format!(
                "the generator `clusters` selects by `{key}`, which Argo CD writes into the cluster, and no file has it"
            );
            return Err(Unexpanded::Unsupported(message));
        }
        let mut sets = Vec::new();
        for cluster in &all {
            self.budget.take(selector.count())?;
            if is_selected(selector, &labels(cluster).flatten()).map_err(Unexpanded::Invalid)? {
                sets.push(self.of_cluster(cluster));
            }
        }
        let is_local = |cluster: &Cluster| match &cluster.server {
            Some(server) => server.as_str() == LOCAL.1,
            None => cluster.name.as_str() == LOCAL.0,
        };
        // It has no labels to be selected by.
        if keys(selector).next().is_none() && !all.iter().any(is_local) {
            let words = [("name", LOCAL.0), ("nameNormalized", LOCAL.0), ("server", LOCAL.1), ("project", "")];
            sets.push(Value::Map(words.map(|(key, word)| (key.to_owned(), Value::text(word))).into()));
        }
        self.add_values(generator, &mut sets)?;
        if generator.get("flatList").is_some_and(Value::is_true) {
            sets = vec![Value::Map(BTreeMap::from([("clusters".to_owned(), Value::List(sets))]))];
        }
        Ok(sets)
    }

    /// Reads the clusters that files describe, each name once.
    fn described(&mut self) -> Result<Vec<Cluster>, Unexpanded> {
        let files = (self.files.clusters)().map_err(Unexpanded::Unsupported)?;
        let Some(files) = files else {
            let message = "the generator `clusters` gives the clusters that Argo CD knows, which Git does not hold";
            return Err(Unexpanded::Unnamed(message.to_owned()));
        };
        let mut all: Vec<Cluster> = Vec::new();
        for (base, file) in files {
            let text = (self.files.read)(base.as_ref(), &file);
            // In a `matrix` a file is read again for each parameter set.
            self.budget.take(1 + text.as_ref().map_or(0, String::len) / 256)?;
            let shown = base.as_ref().map_or(file.to_string(), |base| format!("{file} of `{}`", base.repository));
            let broken = |why: String| Broken {
                message: format!("{shown} gives no cluster: {why}"),
                hint: "mend the file, or keep it out of `clusters` of the repository in repin.yaml",
            };
            let (clusters, unknown) = match text.and_then(|text| described::read(base.as_ref(), &file, &text)) {
                Ok(found) => found,
                Err(why) => {
                    self.broken.insert(broken(why));
                    continue;
                }
            };
            for line in unknown {
                self.broken.insert(Broken {
                    message: format!("{shown}, {line}"),
                    hint: "say it in a plain file as well, `{name: …, server: …, labels: {…}}`, and name that in `clusters` of the repository in repin.yaml",
                });
            }
            for cluster in clusters {
                if all.iter().any(|known| known.name.as_str() == cluster.name.as_str()) {
                    let why = format!(
                        "the cluster `{}` was described before, and the first one counts",
                        cluster.name.as_str()
                    );
                    self.broken.insert(broken(why));
                } else {
                    all.push(cluster);
                }
            }
        }
        Ok(all)
    }

    fn of_cluster(&self, cluster: &Cluster) -> Value {
        let mut set = BTreeMap::from([
            ("name".to_owned(), Value::Text(cluster.name.clone())),
            ("nameNormalized".to_owned(), Value::Text(cluster.name.changed(normalize(cluster.name.as_str())))),
            ("project".to_owned(), Value::Text(cluster.project.clone())),
        ]);
        // One that is not known is missing, which concerns only templates that ask for it.
        set.extend(cluster.server.clone().map(|server| ("server".to_owned(), Value::Text(server))));
        let metadata = [("labels", &cluster.labels), ("annotations", &cluster.annotations)];
        match self.mode {
            Mode::Go(_) => {
                let full = metadata.into_iter().filter(|(_, map)| !map.is_empty());
                let full = full.map(|(key, map)| (key.to_owned(), Value::Map(map.clone())));
                set.insert("metadata".to_owned(), Value::Map(full.collect()));
            }
            Mode::Plain => {
                for (kind, map) in metadata {
                    set.extend(map.iter().map(|(key, value)| (format!("metadata.{kind}.{key}"), value.clone())));
                }
            }
        }
        Value::Map(set)
    }
}
