//! Images of kustomizations: where they are found among overlays, bases, components and patches, and what kustomize itself
//! renders after the edit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "rendering/cases.rs"]
mod cases;
#[allow(dead_code)]
#[path = "editing/generate.rs"]
mod generate;
#[path = "rendering/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;
use std::sync::Arc;

use repin::manifest::Source;
use repin::manifest::argocd::{Definitions, read_applications};
use repin::manifest::place::Wanted;
use repin::model::names::{ImageName, RepoPath};
use repin::plan::locate::{FileState, Files, Located, locate};
use repin::resolve::{Configured, KnownRepository, resolve};

/// The image that is tracked.
const IMAGE: &str = "ghcr.io/acme/web";

/// The files of a repository, by path.
#[derive(Clone, Debug, Default)]
struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Puts files below `apps/web`, or where a leading `/` says.
    fn of(files: &[(&str, &str)]) -> Self {
        let path = |path: &str| path.strip_prefix('/').map_or_else(|| format!("apps/web/{path}"), str::to_owned);
        Self(files.iter().map(|(name, text)| (path(name), (*text).to_owned())).collect())
    }

    /// Finds an image of the Application at `apps/web`.
    fn locate(&self, image: &str, annotations: &[(&str, &str)]) -> Vec<Located> {
        let lines: String =
            annotations.iter().map(|(key, value)| format!("    repin.dev/{key}: \"{value}\"\n")).collect();
        let url = "https://git.example/acme/gitops.git";
        let text = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n    \
             repin.dev/image-list: app={image}\n{lines}spec:\n  source: {{repoURL: \"{url}\", path: apps/web, targetRevision: main}}\n"
        );
        let Definitions { applications, problems, .. } =
            read_applications("gitops", &"apps.yaml".parse().unwrap(), &text);
        assert_eq!(problems, [], "{text}");
        let known = [KnownRepository {
            name: "gitops".into(),
            branch: "main".parse().unwrap(),
            branches: Vec::new(),
            default: None,
            urls: vec!["git.example/acme/gitops".into()],
        }];
        let configured = Configured { repositories: &known, ..Configured::default() };
        let (tracked, problems) = resolve(&applications[0], &configured);
        assert_eq!(problems, [], "{text}");
        let tracked = tracked.first().unwrap();
        let read = |path: &RepoPath| match self.0.get(path.as_str()).map(|text| Source::parse(text)) {
            None => FileState::Missing,
            Some(Ok(source)) => FileState::Parsed(Arc::new(source)),
            Some(Err(error)) => FileState::Unreadable(Arc::new(error)),
        };
        let naming = |directory: &RepoPath, is_recursive: bool| {
            let mut files: Vec<RepoPath> = self.0.keys().map(|path| path.parse().unwrap()).collect();
            files.retain(
                |file: &RepoPath| if is_recursive { file.is_within(directory) } else { file.parent() == *directory },
            );
            files
        };
        let count = |directory: &RepoPath, is_recursive: bool| naming(directory, is_recursive).len();
        let holding = |directory: &RepoPath, is_recursive: bool, _: &str| naming(directory, is_recursive);
        let files = Files { read: &read, count: &count, naming: &naming, holding: &holding };
        locate(tracked, tracked.target.as_ref().unwrap(), files)
    }

    /// Writes a tag to every place, or says of the first that cannot be written why.
    fn write(&mut self, image: &str, located: &[Located], wanted: &Wanted) -> Result<(), String> {
        let image: ImageName = image.parse().unwrap();
        for one in located {
            one.site.as_ref().map_err(|failure| format!("{}: {}", failure.code, failure.message))?;
            let text = &self.0[one.file.as_str()];
            let written = one.place.as_ref().unwrap().write(&Source::parse(text).unwrap(), &image, wanted);
            let written = written.map_err(|error| format!("{error}"))?;
            self.0.insert(one.file.to_string(), written);
        }
        Ok(())
    }
}

/// Says what was found: `file key value`, or `file code`.
fn told(located: &[Located]) -> String {
    let one = |one: &Located| match &one.site {
        Ok(site) => format!(
            "{} {} {}",
            one.file,
            one.key.as_deref().unwrap_or_default(),
            site.shown().unwrap_or_else(|| "-".to_owned())
        ),
        Err(failure) => format!("{} {}", one.file, failure.code),
    };
    located.iter().map(one).collect::<Vec<_>>().join("; ").replace("apps/web/", "")
}
