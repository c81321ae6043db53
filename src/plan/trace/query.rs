//! What a person asks `trace` about: told apart by its form, and where that fits several, by what is there.

use std::collections::BTreeSet;

use crate::model::names::{ApplicationKey, Digest, ImageName, Tag};
use crate::model::pull_name::{self, PullName};
use crate::plan::Snapshot;
use crate::plan::past::service::{Meant, meant};

/// Shortest beginning of the id of a commit.
pub const SHORTEST: usize = 7;
/// The forms, for messages.
pub const FORMS: &str = "write an Application or a service (`web`, `argocd/web`), an image (`ghcr.io/acme/web:1.3.0`, \
                         `sha256:…`), a commit (7 hexadecimal digits or more), or a pull request (its URL, `acme/web#12`, \
                         `acme/web!12`)";

/// A question of a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Query {
    /// What runs in these Applications.
    Applications(BTreeSet<ApplicationKey>),
    /// Where an image runs, or one tag or digest of it.
    Image {
        /// The image; none = whichever has the digest.
        image: Option<ImageName>,
        /// The tag.
        tag: Option<String>,
        /// The digest.
        digest: Option<String>,
    },
    /// Where a commit of a configured repository, or of an image's sources, is now.
    Commit {
        /// The beginning of its id.
        id: String,
        /// `host/owner/name` of its repository, if the text says it.
        project: Option<String>,
    },
    /// Where a pull request is now.
    PullRequest(PullName),
}

/// Why a text is no question that can be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unread {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub hint: String,
}

impl Query {
    /// Reads a text: a URL; a pull request's short form; then the name of an Application or service that is there; then
    /// the id of a commit; then an image.
    ///
    /// # Errors
    /// A text of no form, and names of nothing that is there.
    pub fn read(text: &str, snapshot: &Snapshot, applications: &BTreeSet<ApplicationKey>) -> Result<Self, Unread> {
        if text.contains("://") {
            let of_commit = || pull_name::commit_of_url(text).and_then(|(project, id)| commit(&id, Some(project)));
            let query = PullName::read(text).map(Self::PullRequest).or_else(of_commit);
            return query.ok_or_else(|| unread("is the URL of no pull request and of no commit", FORMS.to_owned()));
        }
        if let Some(name) = PullName::read(text) {
            return Ok(Self::PullRequest(name));
        }
        let nearest = match meant(snapshot, applications, text, true) {
            Meant::These(these) => return Ok(Self::Applications(these)),
            Meant::None { nearest } => nearest,
        };
        if let Some(query) = commit(text, None) {
            return Ok(query);
        }
        image(text, snapshot, nearest.as_deref())
    }

    /// Gives the word of the documents.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Applications(_) => "application",
            Self::Image { .. } => "image",
            Self::Commit { .. } => "commit",
            Self::PullRequest(_) => "pull-request",
        }
    }
}

fn unread(message: &str, hint: String) -> Unread {
    Unread { message: message.to_owned(), hint }
}

fn commit(text: &str, project: Option<String>) -> Option<Query> {
    let is_id = (SHORTEST..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_hexdigit());
    is_id.then(|| Query::Commit { id: text.to_ascii_lowercase(), project })
}

fn image(text: &str, snapshot: &Snapshot, application: Option<&str>) -> Result<Query, Unread> {
    if text.parse::<Digest>().is_ok() {
        return Ok(Query::Image { image: None, tag: None, digest: Some(text.to_owned()) });
    }
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => match digest.parse::<Digest>() {
            Ok(digest) => (named, Some(digest.to_string())),
            Err(error) => return Err(unread("names no image", error.to_string())),
        },
        None => (text, None),
    };
    let start = named.rfind('/').map_or(0, |at| at + 1);
    let colon = named.get(start..).and_then(|last| last.find(':')).map(|at| start + at);
    let (name, tag) = match colon {
        Some(at) => (named.get(..at).unwrap_or_default(), named.get(at + 1..).map(str::to_owned)),
        None => (named, None),
    };
    let is_tag = tag.as_deref().is_none_or(Tag::is_legal);
    let Some(image) = name.parse::<ImageName>().ok().filter(|_| is_tag) else {
        return Err(unread("is nothing that can be traced", FORMS.to_owned()));
    };
    let tracked: BTreeSet<&ImageName> = snapshot.subjects.iter().filter_map(|one| one.tracked.image.as_ref()).collect();
    if tracked.contains(&image) {
        return Ok(Query::Image { image: Some(image), tag, digest });
    }
    let alike = |known: &ImageName| strsim::jaro_winkler(&known.to_string(), &image.to_string());
    let nearest = tracked.into_iter().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    // Who writes a host or a tag means an image.
    let hint = match (nearest, application) {
        (Some(nearest), _) if name.contains('/') || tag.is_some() || digest.is_some() => {
            format!("did you mean `{nearest}`? {FORMS}")
        }
        (_, Some(application)) => format!("did you mean `{application}`? {FORMS}"),
        _ => FORMS.to_owned(),
    };
    Err(unread("is the name of no Application, service or tracked image", hint))
}
