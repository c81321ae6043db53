//! Answers the questions of a trace: what forges know of commits and pull requests, and registries of an image's sources.
//!
//! Nobody is asked who is not configured, and nobody again who does not answer. Answers are kept by who asks.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};

use crate::diagnostic::Diagnostic;
use crate::forge::ForgeError;
use crate::model::metadata::Labels;
use crate::model::names::{Digest, ImageName, Tag};
use crate::model::remote_url::RemoteUrl;
use crate::model::source::Source;
use crate::plan::Failure;
use crate::plan::trace::facts::{Answer, Facts, Question};
use crate::reconcile::Reconciler;
use crate::reconcile::forges::Held;
use crate::registry::{Named, RegistryError};

/// How many questions are answered for one trace.
const MOST: usize = 40;
/// How many run at once.
const AT_ONCE: usize = 4;

impl Reconciler {
    /// Answers questions into the facts, in their order, [`MOST`] in all; the others are left out.
    pub async fn answer_trace(&self, questions: Vec<Question>, facts: &mut Facts) {
        let is_asked = |answer: &&Answer| !matches!(answer, Answer::Unconfigured | Answer::LeftOut);
        let mut left = MOST.saturating_sub(facts.answers.values().filter(is_asked).count());
        let mut asked: Vec<(Question, Option<Held>)> = Vec::new();
        // The first failure of each forge that gives no answers.
        let mut lost: HashMap<String, Failure> = HashMap::new();
        for (question, answer) in &facts.answers {
            if let (Some(url), Answer::Failed(failure)) = (question.url(), answer)
                && is_lost(&failure.code)
            {
                lost.entry(host(url).to_owned()).or_insert_with(|| failure.clone());
            }
        }
        for question in questions {
            let held = question.url().map(|url| self.forge_of(url));
            let answer = match (&held, question.url().and_then(|url| lost.get(host(url)))) {
                (Some(None), _) => Answer::Unconfigured,
                (_, Some(failure)) => Answer::Failed(failure.clone()),
                _ if left == 0 => Answer::LeftOut,
                _ => {
                    left -= 1;
                    asked.push((question, held.flatten()));
                    continue;
                }
            };
            facts.answers.insert(question, answer);
        }
        let answers = stream::iter(asked).map(|(question, held)| async move {
            let answer = match &held {
                Some(held) => of_forge(held, &question).await.unwrap_or_else(|error| Answer::Failed(failed(&error))),
                None => self.of_registry(&question).await,
            };
            (question, answer)
        });
        let answers: Vec<(Question, Answer)> = answers.buffer_unordered(AT_ONCE).collect().await;
        facts.answers.extend(answers);
    }

    /// Finds the forge of a repository by its URL: of a configured one, or of an application's sources.
    fn forge_of(&self, url: &str) -> Option<Held> {
        let named = url.parse::<RemoteUrl>().ok()?.normalised();
        let own = self.repositories.iter().find_map(|repository| {
            let held = self.forges.of_repository(&repository.options.name)?;
            let web = format!("{}/{}", held.forge.options().web_url.as_str().trim_end_matches('/'), held.project);
            let is_it = |one: &RemoteUrl| one.normalised().eq_ignore_ascii_case(&named);
            let mut urls = std::iter::once(&repository.options.url).chain(&repository.options.also);
            (web.eq_ignore_ascii_case(url) || urls.any(is_it)).then_some(held)
        });
        // Which revision is meant does not matter to where it is.
        own.cloned().or_else(|| self.forges.of_source(&format!("{url}@HEAD").parse().ok()?))
    }

    async fn of_registry(&self, question: &Question) -> Answer {
        let Question::Labels { image, tag, digest } = question else { return Answer::Unconfigured };
        if !self.registries.is_configured(image) {
            return Answer::Labels(None);
        }
        match self.read_labels(image, tag.as_ref(), digest.as_deref()).await {
            Ok(labels) => Answer::Labels(labels.and_then(|labels| Source::of(&labels))),
            Err(error) => {
                let (code, message, hint) = (error.code().to_owned(), error.to_string(), error.hint());
                Answer::Failed(Failure { code, message, hint, line: None })
            }
        }
    }

    /// Reads what an image says of its sources: that with the digest, else what the tag names now.
    async fn read_labels(
        &self,
        image: &ImageName,
        tag: Option<&Tag>,
        digest: Option<&str>,
    ) -> Result<Option<Labels>, RegistryError> {
        let named = match (digest.and_then(|digest| digest.parse::<Digest>().ok()), tag) {
            (Some(digest), _) => Some(Named::from(digest)),
            (None, Some(tag)) => self.registries.open_tag(image, tag, None).await?,
            (None, None) => None,
        };
        let Some(named) = named else { return Ok(None) };
        let described = self.registries.describe_one(image, &named, None).await?;
        Ok(described.and_then(|metadata| metadata.labels().cloned()))
    }
}

async fn of_forge(held: &Held, question: &Question) -> Result<Answer, ForgeError> {
    let (forge, project) = (&held.forge, &held.project);
    Ok(match question {
        Question::Course { old, new, .. } => {
            let comparison = forge.compare(project, old, new, 1).await?;
            Answer::Course(comparison.map(|comparison| comparison.course))
        }
        Question::Commit { id, .. } => Answer::Commit(forge.source_commit(project, id).await?),
        Question::Pull { number, .. } => Answer::Pull(forge.source_pull(project, *number).await?),
        Question::PullsOf { id, .. } => match id.parse() {
            Ok(id) => Answer::Pulls(forge.pulls_of_commits(project, &[id]).await?),
            Err(_) => Answer::Pulls(Vec::new()),
        },
        Question::Approvals { number, .. } => Answer::Approvals(forge.approvals(project, *number).await?),
        Question::Labels { .. } => Answer::Unconfigured,
    })
}

fn failed(error: &ForgeError) -> Failure {
    Failure { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), line: None }
}

/// Tells whether who failed so is worth no further question.
fn is_lost(code: &str) -> bool {
    matches!(code, "forge/unreachable" | "forge/unauthorized" | "forge/throttled" | "forge/settings")
}

/// Gives scheme and host of a URL.
fn host(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}
