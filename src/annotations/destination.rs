//! The keys that say to which repository, branch and group of changes: `git-repository`, `git-branch` and `group`; and
//! with which credentials a registry is asked: `pull-secret`.
//!
//! Reads their grammar; whether the operator allows it is found out by `resolve`.

use crate::annotations::Reader;
use crate::annotations::values::Obstacles;
use crate::model::branch_template::BranchTemplate;
use crate::model::names::Branch;

/// Longest name of a group, in characters.
const MAX_GROUP: usize = 200;

/// Where an Application wants its changes to go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Destination {
    /// The repository's URL as written; none = the source's own.
    pub repository: Option<String>,
    /// The branch that is read; none = the one that the source follows.
    pub base: Option<BaseBranch>,
    /// The name of the branch that is made for a change; none = the base itself is written.
    pub template: Option<BranchTemplate>,
    /// The changes of Applications with the same text go together.
    pub group: Option<String>,
}

/// The base that `git-branch` names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BaseBranch {
    /// `HEAD`: the remote's default branch.
    Default,
    /// A branch by its name.
    Named(Branch),
}

impl Reader<'_> {
    /// Reads the name of the pull secret. The spellings of argocd-image-updater, such as `pullsecret:<namespace>/<name>`,
    /// are names like any other.
    pub(super) fn pull_secret(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<String> {
        let (key, given) = self.owned(alias, "pull-secret")?;
        if given.value.is_empty() {
            let hint = "write a name from `pull_secrets:` of repin.yaml, or remove the annotation".to_owned();
            self.invalid(&key, &given, "names no pull secret", hint, obstacles);
            return None;
        }
        Some(given.value)
    }

    /// Reads the keys of the whole Application; what is wrong with them stands in the way of each image.
    pub(super) fn destination(&mut self, obstacles: &mut Obstacles) -> Destination {
        let mut destination = Destination::default();
        if let Some(given) = self.given.get("git-repository").cloned() {
            if given.value.is_empty() {
                let hint = "write the URL of a configured repository, or remove the annotation".to_owned();
                self.invalid("git-repository", &given, "names no repository", hint, obstacles);
            } else {
                destination.repository = Some(given.value);
            }
        }
        if let Some(given) = self.given.get("git-branch").cloned() {
            let (base, template) = match given.value.split_once(':') {
                Some((base, template)) => (base.trim(), Some(template.trim())),
                None => (given.value.as_str(), None),
            };
            let hint = || "write `<base>`, `<base>:<template>` or `:<template>`".to_owned();
            let name = base.strip_prefix("refs/heads/").unwrap_or(base);
            match name.parse::<Branch>() {
                _ if base.is_empty() && template.is_some() => {}
                _ if name == "HEAD" => destination.base = Some(BaseBranch::Default),
                _ if base.contains("{{") => {
                    let rule = "has a template before its `:`, where the branch that is read stands";
                    self.invalid("git-branch", &given, rule, hint(), obstacles);
                }
                Ok(branch) => destination.base = Some(BaseBranch::Named(branch)),
                Err(error) => self.invalid(
                    "git-branch",
                    &given,
                    &format!("names no branch to read: {}", error.rule),
                    hint(),
                    obstacles,
                ),
            }
            match template.map(BranchTemplate::parse) {
                None => {}
                Some(_) if template == Some("") => {
                    self.invalid("git-branch", &given, "has no template behind its `:`", hint(), obstacles);
                }
                Some(Ok(template)) => destination.template = Some(template),
                Some(Err(error)) => {
                    let hint = "of Go templates there are `{{range .Images}}…{{end}}` with `{{.Name}}`, `{{.Alias}}`, `{{.OldTag}}` and `{{.NewTag}}` in it, and `{{.SHA256}}` outside";
                    let rule = format!("has a template that cannot be read: {error}");
                    self.invalid("git-branch", &given, &rule, hint.to_owned(), obstacles);
                }
            }
        }
        if let Some(given) = self.given.get("group").cloned() {
            let is_name = !given.value.is_empty()
                && given.value.chars().count() <= MAX_GROUP
                && !given.value.contains(char::is_control);
            if is_name {
                destination.group = Some(given.value);
            } else {
                let rule = format!("is no name of a group: it has one line of 1 to {MAX_GROUP} characters");
                self.invalid("group", &given, &rule, "write a short name".to_owned(), obstacles);
            }
        }
        destination
    }
}
